"""The command `tutordex-analysis rules backtest`: rules replayed on a Prometheus, old ones beside new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, progress, show_table

if TYPE_CHECKING:
    import pandas as pd

    from tutordex_analysis.frame import TimeRange
    from tutordex_analysis.mask import Mask
    from tutordex_analysis.question.backtest_rules import Concerns
    from tutordex_analysis.rule_groups import Group
    from tutordex_analysis.source.prometheus import PrometheusSource

_SUFFIXES = (".yml", ".yaml", ".rules")


def backtest(
    files: Annotated[list[Path], typer.Argument(help="Rule files, or folders of them, that are loaded together.")],
    old: Annotated[list[Path] | None, typer.Option("--old", help="The same of the rules in force; repeatable.")] = None,
    url: Annotated[str, typer.Option("--url", "--source", help="URL of a Prometheus; nothing is written to it.")] = "",
    window: Annotated[str, typer.Option(help="How far back.")] = "28d",
    as_of: Annotated[str, typer.Option(help='End at a past moment, like "2026-03-01T08:00+08:00".')] = "",
    every: Annotated[str, typer.Option(help="Interval of evaluation.")] = "60s",
    incidents: Annotated[
        Path | None, typer.Option(help="What is known to have happened; the incidents file of the settings.")
    ] = None,
    firings: Annotated[bool, typer.Option("--firings", help="List each firing instead of the sums.")] = False,
    as_json: Json = False,
) -> None:
    """Say how often alerts would have fired, in which known incidents, how soon, and how often for nothing."""
    from tutordex_analysis.question import backtest_rules
    from tutordex_analysis.settings import load
    from tutordex_analysis.source.connect import server_of, settled
    from tutordex_analysis.source.replay_rules import replay

    settings = load()
    address = url or settings.prometheus_url
    if not address or "://" not in address:
        raise typer.BadParameter("name a server: --url http://host:9090, or prometheus_url in tutordex.toml")
    sets = {name: _groups(paths) for name, paths in (("old", old or []), ("new", files)) if paths}
    source = server_of(address, settings)
    span = settled(source, window, step=every, as_of=as_of)
    known, concerns = _incidents(incidents, source, span)
    replays = {}
    with progress("replaying") as show:
        for name, groups in sets.items():

            def told(done: int, total: int, alert: str, *, name: str = name) -> None:
                show(done, total, f"{name} {alert}")

            replays[name] = replay(source, groups, span, on_alert=told)
    result = backtest_rules.backtest(replays, known, concerns=concerns)
    if as_json or firings:
        show_table(result.firings if firings else result.alerts.assign(delay=_minutes(result.alerts)), as_json=as_json)
    else:
        show_table(backtest_rules.beside(result), as_json=False)
        if len(result.incidents):
            shown = result.incidents.assign(minutes=_minutes(result.incidents)).drop(columns="delay")
            show_table(shown.assign(found=shown["found"].map({True: "yes", False: "no"})), as_json=False)
    problems = result.alerts[result.alerts["problem"] != ""]
    for name, alert, problem in zip(problems["rules"], problems["alert"], problems["problem"], strict=True):
        typer.echo(f"{name} {alert}: {problem}", err=True)
    for remark in (str(result.range), *result.findings["sentence"], *result.remarks):
        typer.echo(remark, err=True)


def _minutes(table: pd.DataFrame) -> pd.Series:
    minutes: pd.Series = table["delay"].dt.total_seconds() / 60
    return minutes


def _groups(paths: list[Path]) -> list[Group]:
    from tutordex_analysis import rule_groups
    from tutordex_analysis.errors import RulesRefused

    found: list[Group] = []
    for path in paths:
        inside = sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES) if path.is_dir() else [path]
        for one in inside:
            if not one.is_file():
                raise RulesRefused(f"there is no rule file {one}")
            found += rule_groups.parse(one.read_bytes(), one.name)
    if not any(rule.kind == "alert" for group in found for rule in group.rules):
        raise RulesRefused(f"no alert is in {', '.join(map(str, paths))}, so there is nothing to replay")
    return found


def _incidents(path: Path | None, source: PrometheusSource, span: TimeRange) -> tuple[tuple[Mask, ...], Concerns]:
    """What is known to have happened in that time, and which alerts can tell of it.

    A mask that has expired still tells what happened; only forecasts learn from its time again.
    """
    from tutordex_analysis import catalogue_file, incidents_file
    from tutordex_analysis.question.backtest_rules import by_signals
    from tutordex_analysis.settings import load
    from tutordex_analysis.source.connect import same_host

    settings = load()
    ours = settings.prometheus_url is None or same_host(source.uri, settings.prometheus_url)
    place = path or (incidents_file.path_of(settings) if ours else None)
    if place is None:
        return (), lambda mask, metrics: True
    catalogue = catalogue_file.load(settings.catalogue)
    masks = incidents_file.read(place, catalogue)
    return tuple(one for one in masks if one.start < span.end and one.end > span.start), by_signals(catalogue)
