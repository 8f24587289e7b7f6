"""Commands of alerts in shadow: is one ready to call somebody, let it, or put it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, show_table

if TYPE_CHECKING:
    from pathlib import Path

    from tutordex_analysis.releases_file import State
    from tutordex_analysis.rule_gate import Gate

Url = Annotated[str, typer.Option("--url", "--source", help="The Prometheus that has the rules; of the settings.")]
Saved = Annotated[
    str, typer.Option(metavar="SOURCE", help="Whose kept backtest counts: as in rules backtest --save; else that URL.")
]
Alerts = Annotated[list[str] | None, typer.Argument(metavar="[ALERT]...", help="Each in shadow when left out.")]
Reason = Annotated[str, typer.Option(help="Why; it must be said.")]
By = Annotated[str, typer.Option(help="Who says so.")]


def ready(
    alerts: Alerts = None,
    url: Url = "",
    saved: Saved = "",
    as_json: Json = False,
) -> None:
    """Say which alerts in shadow are ready to call, and why; exit code 1 where one is not, or nobody can tell."""
    from tutordex_analysis.question import readiness

    found = _look(alerts or [], url, saved)
    if found.found or as_json:
        show_table(readiness.table(found.found), as_json=as_json)
    else:
        typer.echo("no alert is in shadow", err=True)
    if found.strange:
        typer.echo(f"in shadow there, but not in the catalogue: {', '.join(found.strange)}", err=True)
    if any(one.ready != "yes" for one in found.found):
        raise typer.Exit(1)


def release(
    alert: Annotated[str, typer.Argument(help="Name of the alert.")],
    reason: Reason = "",
    by: By = "",
    force: Annotated[bool, typer.Option("--force", help="Although it is not ready; the journal says so.")] = False,
    url: Url = "",
    saved: Saved = "",
) -> None:
    """Let an alert in shadow call from the next build and push on; refused where it is not ready."""
    from tutordex_analysis.errors import AnalysisError, RulesRefused

    _reasoned(reason)
    path = _path()
    _known(alert, in_shadow=True)
    try:
        (one,) = _look([alert], url, saved).found
        is_ready, said = one.ready == "yes", one.sentence
    except AnalysisError as error:
        is_ready, said = False, f"{alert} may be ready or not: {error}"
    if not is_ready and not force:
        raise RulesRefused(f"{said} It stays in shadow; with --force and a reason it leaves all the same")
    _add(path, alert, "released", reason=reason, by=by, forced=not is_ready, gate=said)
    typer.echo(said, err=True)
    typer.echo(f"{alert} leaves shadow with the next `rules build` and `rules push`; {path}")


def shadow(
    alert: Annotated[str, typer.Argument(help="Name of the alert.")],
    reason: Reason = "",
    by: By = "",
) -> None:
    """Put an alert into shadow, where it reaches nobody, from the next build and push on."""
    _reasoned(reason)
    path = _path()
    _known(alert, in_shadow=False)
    _add(path, alert, "shadow", reason=reason, by=by)
    typer.echo(f"{alert} goes into shadow with the next `rules build` and `rules push`; {path}")


def _look(alerts: list[str], url: str, saved: str) -> Gate:
    from tutordex_analysis import catalogue_file, rule_gate
    from tutordex_analysis.settings import load
    from tutordex_analysis.source.connect import connect

    settings = load()
    address = url or settings.prometheus_url
    if not address:
        raise typer.BadParameter("name the server: --url http://host:9090, or prometheus_url in tutordex.toml")
    source = connect(address, catalogue=catalogue_file.load(settings.catalogue))
    return rule_gate.look(source, connect(saved) if saved else source, alerts)


def _known(alert: str, *, in_shadow: bool) -> None:
    """Refuses a name that is not there, and a step that leads nowhere."""
    import difflib

    from tutordex_analysis import catalogue_file
    from tutordex_analysis.errors import RulesRefused
    from tutordex_analysis.settings import load

    rules = catalogue_file.load(load().catalogue).rules
    if alert not in rules:
        close = difflib.get_close_matches(alert, sorted(rules), n=1)
        raise typer.BadParameter(f"there is no alert {alert!r}" + (f"; did you mean {close[0]}?" if close else ""))
    if rules[alert].shadow != in_shadow:
        raise RulesRefused(f"{alert} is {'not in shadow' if in_shadow else 'in shadow already'}; nothing was changed")


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter('say why: --reason "a week without a false alarm"')


def _add(path: Path, alert: str, state: State, *, reason: str, by: str, forced: bool = False, gate: str = "") -> None:
    import pandas as pd

    from tutordex_analysis import releases_file

    texts = (text.encode(errors="replace").decode() for text in (reason, by, gate))
    said, who, told = texts
    releases_file.add(
        path,
        releases_file.Release(
            alert=alert,
            state=state,
            reason=said,
            by=who,
            made=pd.Timestamp.now("UTC").floor("s").isoformat(),
            forced=forced,
            gate=told,
        ),
    )


def _path() -> Path:
    from tutordex_analysis import releases_file
    from tutordex_analysis.settings import load

    folder = load().catalogue
    if folder is None:
        raise typer.BadParameter(
            'say where releases are kept: catalogue = "my-signals" in tutordex.toml, whose folder `rules build` reads'
        )
    return folder / releases_file.NAME
