"""The commands `tutordex-analysis rules build|check`: the rules of Prometheus, and rule files of anybody."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, show_table

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Catalogue


def build(
    out: Annotated[Path, typer.Option("--out", help="Folder of what Prometheus and Alertmanager read.")] = Path(
        "observability"
    ),
    runbooks: Annotated[Path, typer.Option(help="Folder of the runbook.")] = Path("docs/runbooks"),
    shadow: Annotated[
        list[str] | None, typer.Option(metavar="ALERT", help="An alert that is to reach nobody yet; several times.")
    ] = None,
) -> None:
    """Write recording rules, alerts, their tests, Alertmanager's fragment and the runbook."""
    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import rules
    from tutordex_analysis.sink.rule_text import Links

    settings = load()
    known = _shadowed(catalogue_file.load(settings.catalogue), shadow or [])
    links = Links(
        grafana=settings.grafana_url.rstrip("/"),
        alertmanager=settings.alertmanager_external_url.rstrip("/"),
        runbooks=settings.runbook_url.rstrip("/"),
    )
    made = rules.write(known, links, output=out, runbooks=runbooks)
    typer.echo(
        f"{len(known.rules)} alerts and {len(known.records)} recording rules are in {out / 'prometheus'}, "
        f"{len(made)} files in all; test them with: promtool test rules {out / rules.TESTS}/*_test.yml"
    )
    if quiet := [name for name, rule in known.rules.items() if rule.shadow]:
        several = f"{len(quiet)} alerts are" if len(quiet) > 1 else f"{quiet[0]} is"
        named = f": {', '.join(quiet)}" if len(quiet) > 1 else ""
        typer.echo(f"in shadow, where nobody is called, {several}{named}; see `rules ready`", err=True)


def _shadowed(known: Catalogue, names: list[str]) -> Catalogue:
    """The catalogue with some of its alerts in shadow."""
    if strange := sorted({*names} - {*known.rules}):
        close = difflib.get_close_matches(strange[0], sorted(known.rules), n=1)
        raise typer.BadParameter(f"there is no alert {strange[0]!r}" + (f"; did you mean {close[0]}?" if close else ""))
    quiet = {name: known.rules[name].model_copy(update={"shadow": True}) for name in names}
    return replace(known, rules={**known.rules, **quiet}) if quiet else known


def check(
    files: Annotated[list[Path], typer.Argument(help="Rule files of one server, whoever wrote them.")],
    target: Annotated[str, typer.Option(help="Version of the Prometheus that will load them.")] = "2.50",
    retention: Annotated[str, typer.Option(help="How long that Prometheus keeps samples.")] = "15d",
    as_json: Json = False,
) -> None:
    """Say what is wrong with rule files, with file and line; exit code 1 where a rule cannot do what it should."""
    import pandas as pd

    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import rule_check

    known = catalogue_file.load(load().catalogue)
    found = rule_check.check(files, known, target=target, retention=retention)
    table = pd.DataFrame([one.row for one in found.findings], columns=["where", "level", "rule", "what", "why"])
    if len(table) or as_json:
        show_table(table, as_json=as_json)
    typer.echo(found.sentence, err=True)
    if found.faults:
        raise typer.Exit(1)
