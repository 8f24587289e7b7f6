"""The command `tutordex-analysis rules backtest`: rules replayed on a Prometheus, old ones beside new ones."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, progress, show_table

if TYPE_CHECKING:
    import pandas as pd

    from tutordex_analysis.rule_groups import Group

_SUFFIXES = (".yml", ".yaml", ".rules")


def backtest(
    files: Annotated[list[Path], typer.Argument(help="Rule files, or folders of them, that are loaded together.")],
    old: Annotated[list[Path] | None, typer.Option("--old", help="The same of the rules in force; repeatable.")] = None,
    url: Annotated[str, typer.Option("--url", "--source", help="URL of a Prometheus; nothing is written to it.")] = "",
    window: Annotated[str, typer.Option(help="How far back.")] = "28d",
    as_of: Annotated[str, typer.Option(help='End at a past moment, like "2026-03-01T08:00+08:00".')] = "",
    every: Annotated[str, typer.Option(help="Interval of evaluation; with --save it is 60s, longer for days.")] = "60s",
    incidents: Annotated[
        Path | None, typer.Option(help="What is known to have happened; the incidents file of the settings.")
    ] = None,
    save: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Keep it for the page of a source, a URL or the folder of an archive; adds limits learned from it.",
        ),
    ] = "",
    firings: Annotated[bool, typer.Option("--firings", help="List each firing instead of the sums.")] = False,
    as_json: Json = False,
) -> None:
    """Say how often alerts would have fired, in which known incidents, how soon, and how often for nothing."""
    from tutordex_analysis import catalogue_file, rule_trial
    from tutordex_analysis.errors import FrameError
    from tutordex_analysis.moment import duration
    from tutordex_analysis.question import backtest_rules
    from tutordex_analysis.settings import load
    from tutordex_analysis.source import rule_history
    from tutordex_analysis.source.connect import connect, server_of, settled
    from tutordex_analysis.source.known_incidents import known_incidents
    from tutordex_analysis.source.replay_rules import replay

    settings = load()
    address = url or settings.prometheus_url
    if not address or "://" not in address:
        raise typer.BadParameter("name a server: --url http://host:9090, or prometheus_url in tutordex.toml")
    if not duration("1s") <= duration(every) <= duration(window):
        raise FrameError(f"--every is {every}; it must be between 1s and the window of {window}")
    if save and duration(every) != duration("60s"):
        raise typer.BadParameter(
            f"--save evaluates rules every 60s, and those with long windows less often; leave out --every {every}"
        )
    sets = {name: _groups(paths) for name, paths in (("old", old or []), ("new", files)) if paths}
    source = server_of(address, settings, catalogue_file.load(settings.catalogue))
    asked = settled(source, window, step=every, as_of=as_of)
    span = rule_history.held(source, sets.values(), asked)
    if span.start > asked.start:
        typer.echo(f"the server has nothing of what these rules read before {span.start:%Y-%m-%d %H:%M} UTC", err=True)
    known, concerns = known_incidents(source, span, path=incidents), backtest_rules.by_signals(source.catalogue)
    page, limits = connect(save) if save else None, {}
    with progress("replaying") as show:

        def told(name: str, done: int, total: int, alert: str) -> None:
            show(done, total, f"{name} {alert}")

        if page is not None:
            named = {rule_trial.HUMAN if name == "new" else name: groups for name, groups in sets.items()}
            limits = rule_trial.walked(page, span, on_day=lambda done, total: show(done, total, "limits, day by day"))
            result = rule_trial.trial(named, source, span, known=known, concerns=concerns, limits=limits, on_alert=told)
        else:
            replays = {
                name: replay(source, groups, span, on_alert=functools.partial(told, name))
                for name, groups in sets.items()
            }
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
    if page is not None:
        if not limits:
            typer.echo(
                "No limit was learned from so little history, so ours stand there with human limits only.", err=True
            )
        typer.echo(f"The page of {page.uri} shows it: {rule_trial.keep(page, result)}", err=True)


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
