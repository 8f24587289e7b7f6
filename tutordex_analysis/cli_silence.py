"""The commands `tutordex-analysis silence …`: maintenance windows as silences that end by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, examples, show_table

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Catalogue
    from tutordex_analysis.maintenance import Maintenance
    from tutordex_analysis.silence import Matchers
    from tutordex_analysis.sink.silence_journal import Journal
    from tutordex_analysis.sink.silence_plan import Plan
    from tutordex_analysis.sink.silence_server import SilenceServer
    from tutordex_analysis.window import Window

app = typer.Typer(
    no_args_is_help=True, help="Silences of maintenance windows: plan, make, list, end; they end by themselves."
)
Calendar = Annotated[
    Path | None, typer.Option("--calendar", help="File of windows; maintenance.yaml of your catalogue folder.")
]
Url = Annotated[str, typer.Option("--url", help="The Alertmanager; that of the settings when left out.")]
Horizon = Annotated[str, typer.Option(help="Windows that begin within it are made now.")]
State = Annotated[Path | None, typer.Option("--state", help="Folder of journals; that of the settings.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said what would be done.")]


@app.command(epilog=examples("silence plan", "silence plan --calendar maintenance.yaml --horizon 14d --json"))
def plan(
    calendar: Calendar = None, url: Url = "", horizon: Horizon = "1d", state: State = None, as_json: Json = False
) -> None:
    """Show what a sync would do: which silences it makes, ends and keeps."""
    from tutordex_analysis.sink import silences

    catalogue = _catalogue()
    server = _reach(url)
    journal = _journal(server, state)
    made = _plan(_windows(calendar, catalogue), server, journal, horizon=horizon, tidy=True)
    _show(made, catalogue, as_json=as_json)
    if not as_json:
        _say("nothing was changed; `silence sync --yes` does it" if made.is_needed else silences.NOTHING)


@app.command(epilog=examples("silence apply", "silence apply --yes", "silence apply --horizon 7d --yes"))
def apply(
    calendar: Calendar = None, url: Url = "", horizon: Horizon = "1d", yes: Yes = False, state: State = None
) -> None:
    """Make the silences that are missing; nothing ends."""
    _bring(calendar, url, horizon=horizon, yes=yes, state=state, tidy=False)


@app.command(epilog=examples("silence sync", "silence sync --yes"))
def sync(
    calendar: Calendar = None, url: Url = "", horizon: Horizon = "1d", yes: Yes = False, state: State = None
) -> None:
    """For a timer: make what is missing, end what is no longer in the file or silences nothing, keep the journal."""
    _bring(calendar, url, horizon=horizon, yes=yes, state=state, tidy=True)


@app.command(
    epilog=examples(
        'silence now worker_restart --lasts 10m --reason "release 4.2" --by ops --link https://example.org/9 --yes',
        'silence now one_channel --value channel=t.me/x --lasts 2h --reason "agency moves" --by ops --link https://…',
    )
)
def now(
    what: Annotated[str, typer.Argument(metavar="TEMPLATE", help="A template, or a selector: '{component=\"dm\"}'.")],
    lasts: Annotated[str, typer.Option(help='How long, such as "10m".')],
    reason: Annotated[str, typer.Option(help="Why.")],
    by: Annotated[str, typer.Option(help="Who answers for it, and how to reach them.")],
    link: Annotated[str, typer.Option(help="The ticket or the plan.")],
    value: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of a template's variable.")] = None,
    critical: Annotated[bool, typer.Option("--critical", help="Critical alerts too.")] = False,
    approved_by: Annotated[str, typer.Option(help="Who allows more than the template's length.")] = "",
    url: Url = "",
    yes: Yes = False,
    state: State = None,
) -> None:
    """Silence from this moment on, without the file."""
    from tutordex_analysis import maintenance_file
    from tutordex_analysis.sink import silences
    from tutordex_analysis.sink.silence_plan import at_once

    catalogue = _catalogue()
    entry = {"lasts": lasts, "reason": reason, "by": by, "link": link, "critical": critical}
    entry |= {"matchers" if what.startswith("{") else "template": what, "approved_by": approved_by or None}
    planned = maintenance_file.planned(_window({**entry, "values": dict(map(_pair, value or []))}), catalogue)
    server = _reach(url)
    journal = _journal(server, state)
    if not yes:
        _show(at_once(planned, silences.look(server)), catalogue, as_json=False)
        _say("nothing was changed; say --yes to do it")
        return
    with journal.locked():
        typer.echo(silences.apply(at_once(planned, silences.look(server)), server, journal).sentence)


@app.command(epilog=examples("silence expire weekly_vacuum", "silence expire weekly_vacuum --yes"))
def expire(
    names: Annotated[list[str], typer.Argument(help="Windows, or fingerprints or keys of silences of them.")],
    url: Url = "",
    yes: Yes = False,
    state: State = None,
) -> None:
    """End silences of windows before their time; no sync makes them again."""
    from tutordex_analysis.sink import silences
    from tutordex_analysis.sink.silence_plan import ending

    server = _reach(url)
    journal = _journal(server, state)
    if yes:
        with journal.locked():
            seen = silences.look(server)
            silences.note(seen, journal)
            typer.echo(silences.apply(ending(seen, names), server, journal).sentence)
        return
    _show(ending(silences.look(server), names), _catalogue(), as_json=False)
    _say("nothing was changed; say --yes to do it")


@app.command("list", epilog=examples("silence list", "silence list --all --json"))
def list_(
    url: Url = "",
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """List all silences, ours and others: who, why, for how long, what they matched, what is wrong with them."""
    from tutordex_analysis import labelled
    from tutordex_analysis.sink import silence_table, silences

    server = _reach(url)
    alerts = labelled.alerts_of(_catalogue())
    past = silences.past_of(_journal(server, state))
    table = silence_table.audit(silences.look(server), alerts, past=past, ended=every)
    show_table(table if as_json else table.drop(columns="key"), as_json=as_json)


@app.command(epilog=examples("silence templates", "silence templates --json"))
def templates(as_json: Json = False) -> None:
    """List the templates: what each silences, which alerts that reaches, for how long at most."""
    from tutordex_analysis.sink import silence_table

    show_table(silence_table.templates(_catalogue()), as_json=as_json)


@app.command(epilog=examples("silence intervals", "silence intervals --calendar maintenance.yaml"))
def intervals(calendar: Calendar = None) -> None:
    """Print the windows as time intervals for alertmanager.yml, where nothing of ours is to run."""
    from tutordex_analysis.sink import mute_intervals

    typer.echo(mute_intervals.text(_windows(calendar, _catalogue())), nl=False)


def _window(entry: dict[str, object]) -> Window:
    """A window that begins now.

    Raises:
        BadParameter: What is wrong, in one sentence.
    """
    import pandas as pd
    from pydantic import ValidationError

    from tutordex_analysis.maintenance import AT_ONCE
    from tutordex_analysis.window import Window

    begins = pd.Timestamp.now("UTC")
    when = {"dates": [begins.date()], "at": f"{begins:%H:%M}", "zone": "UTC"}
    try:
        return Window.model_validate({"name": AT_ONCE, **when, **entry})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = ".".join(str(part) for part in first["loc"])
        told = first.get("ctx", {}).get("error") or first["msg"]
        raise typer.BadParameter(f"{what}: {told}" if what else str(told)) from error


def _pair(text: str) -> tuple[str, str]:
    name, equals, found = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--value")
    return name.strip(), found


def _bring(calendar: Path | None, url: str, *, horizon: str, yes: bool, state: Path | None, tidy: bool) -> None:
    from tutordex_analysis.sink import silences

    catalogue = _catalogue()
    known = _windows(calendar, catalogue)
    server = _reach(url)
    journal = _journal(server, state)
    if not yes:
        made = _plan(known, server, journal, horizon=horizon, tidy=tidy)
        _show(made, catalogue, as_json=False)
        _say("nothing was changed; say --yes to do it" if made.is_needed else silences.NOTHING)
        return
    with journal.locked():
        silences.note(silences.look(server), journal)
        made = _plan(known, server, journal, horizon=horizon, tidy=tidy)
        typer.echo(silences.apply(made, server, journal).sentence)
        for one in made.ends:
            _say(f"ended {one.held.key}: {one.why}")


def _plan(known: Maintenance, server: SilenceServer, journal: Journal, *, horizon: str, tidy: bool) -> Plan:
    from tutordex_analysis.sink import silence_plan, silences

    past = silences.past_of(journal)
    return silence_plan.plan(known, silences.look(server), horizon=horizon, past=past, tidy=tidy)


def _show(made: Plan, catalogue: Catalogue, *, as_json: bool) -> None:
    from tutordex_analysis import labelled
    from tutordex_analysis.sink import silence_table

    alerts = labelled.alerts_of(catalogue)
    show_table(silence_table.plan_table(made, alerts), as_json=as_json)
    windows: dict[str, list[Matchers]] = {}
    for one in (*made.makes, *(kept for kept, _ in made.keeps)):
        windows.setdefault(one.title, []).append(one.matchers)
    for title, silences in windows.items():
        for cause, muted in labelled.still_muted(silences, alerts).items():
            _say(f"{title}: {cause} is silenced, and while it fires {labelled.names_of(muted)} reach nobody either")


def _catalogue() -> Catalogue:
    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load

    return catalogue_file.load(load().catalogue)


def _windows(calendar: Path | None, catalogue: Catalogue) -> Maintenance:
    from tutordex_analysis import maintenance_file
    from tutordex_analysis.settings import load

    path = calendar or maintenance_file.path_of(load())
    if path is None:
        raise typer.BadParameter(
            'name the file of windows: --calendar maintenance.yaml, or catalogue = "my-signals" in tutordex.toml'
        )
    return maintenance_file.read(path, catalogue)


def _reach(url: str) -> SilenceServer:
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink.silence_server import SilenceServer
    from tutordex_analysis.source.masks import session_of

    settings = load()
    known = url or settings.alertmanager_url
    if not known:
        raise typer.BadParameter("name the server: --url http://host:9093, or alertmanager_url in tutordex.toml")
    return SilenceServer(session_of(known, settings))


def _journal(server: SilenceServer, state: Path | None) -> Journal:
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink.silence_journal import Journal

    return Journal(state or load().silences, server.url)


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
