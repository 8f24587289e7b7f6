"""The commands that bring rules to a running Prometheus and back: diff, push, revert, history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, show_table
from tutordex_analysis.errors import Locked

if TYPE_CHECKING:
    import pandas as pd

    from tutordex_analysis.sink.rule_push import Plan
    from tutordex_analysis.sink.rule_server import RuleServer
    from tutordex_analysis.sink.rule_store import Entry, Store

TargetArgument = Annotated[Path, typer.Argument(help="Rule file, or folder of rule files, that Prometheus loads.")]
From = Annotated[Path, typer.Option("--from", help="Rule file, or folder of them, to push.")]
Url = Annotated[str, typer.Option("--url", help="The Prometheus that loads it; that of the settings when left out.")]
Copies = Annotated[Path | None, typer.Option("--state", help="Folder of copies and history; that of the settings.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said what would be done.")]
RULES = Path("observability/prometheus")


def diff(target: TargetArgument, source: From = RULES, state: Copies = None, as_json: Json = False) -> None:
    """Show what a push would change: the lines, and the rules that are added, removed or changed."""
    from tutordex_analysis.sink import rule_push
    from tutordex_analysis.sink.rule_target import gathered

    store = _store(target, state)
    _put_right(store)
    _show(rule_push.push_plan(store, gathered(source, store.target)), as_json=as_json)


def push(
    target: TargetArgument,
    source: From = RULES,
    url: Url = "",
    yes: Yes = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Write over an edit made by hand; a copy is kept.")] = False,
    state: Copies = None,
) -> None:
    """Check rules, write them, reload Prometheus and verify that it has them; else everything is as before."""
    from tutordex_analysis.sink import rule_promtool, rule_push
    from tutordex_analysis.sink.rule_target import gathered

    store = _store(target, state)
    server = _reach(_url(url))
    with store.locked():
        _say(rule_push.recover(store, _reach))
        plan = rule_push.push_plan(store, gathered(source, store.target))
        for line in rule_promtool.checked(plan.after, tests=(source if source.is_dir() else source.parent) / "tests"):
            _say(line)
        _carry_out(store, plan, server, yes=yes, adopt=adopt)


def revert(
    target: TargetArgument,
    to: Annotated[int | None, typer.Option(help="A version of the history; the one before when left out.")] = None,
    url: Url = "",
    yes: Yes = False,
    state: Copies = None,
) -> None:
    """Undo an edit made by hand, else the last push; or go back to a version."""
    from tutordex_analysis.sink import rule_push

    store = _store(target, state)
    server = _reach(_url(url))
    with store.locked():
        _say(rule_push.recover(store, _reach))
        _carry_out(store, rule_push.revert_plan(store, to), server, yes=yes, adopt=True)


def history(
    target: Annotated[Path | None, typer.Argument(help="Only of this file or folder.")] = None,
    state: Copies = None,
    as_json: Json = False,
) -> None:
    """List pushes, the newest first: when, what changed, what came of it."""
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import rule_store

    folder = state or load().rules
    if target is not None:
        store = _store(target, state)
        _put_right(store)
        found = {store.target.path: store.history}
    else:
        found = rule_store.all_targets(folder)
        for place in found:
            if place.exists():
                _put_right(_store(place, state))
        found = rule_store.all_targets(folder)
    show_table(_table(found, as_json=as_json), as_json=as_json)


def _table(found: dict[Path, tuple[Entry, ...]], *, as_json: bool) -> pd.DataFrame:
    from dataclasses import asdict, fields

    import pandas as pd

    from tutordex_analysis.sink import rule_store

    rows = [{"target": str(place), **asdict(one)} for place, each in found.items() for one in each]
    table = pd.DataFrame(rows, columns=["target", *(one.name for one in fields(rule_store.Entry))])
    table = table.sort_values(["at", "number"], ascending=False, kind="stable", ignore_index=True)
    table["version"] = table["version"].astype("Int64")
    if as_json:
        return table
    for name in ("added", "removed", "changed"):
        table[name] = [_few(names) for names in table[name]]
    return table.assign(at=pd.to_datetime(table["at"]))


def _few(names: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        show_table(plan.changes, as_json=True)
        return
    typer.echo(plan.diff, nl=False)
    if len(plan.changes):
        show_table(plan.changes, as_json=False)
    if plan.by_hand:
        _say("the target was edited by hand since the last push")
    if not plan.is_needed:
        _say("the target holds exactly these rules")


def _carry_out(store: Store, plan: Plan, server: RuleServer, *, yes: bool, adopt: bool) -> None:
    from tutordex_analysis.sink import rule_push

    if not plan.is_needed:
        held = f"{store.target.path} holds exactly these rules; nothing was changed"
        if yes:
            rule_push.confirm(plan, server, held=held)
        _say(held)
        return
    if not yes:
        _show(plan, as_json=False)
        _say("nothing was changed; say --yes to do it")
        return
    typer.echo(rule_push.carry_out(store, plan, server, adopt=adopt))


def _put_right(store: Store) -> None:
    """What a killed push left is put right; while another push is under way there is nothing to do."""
    from tutordex_analysis.sink import rule_push

    if store.journal is None:
        return
    try:
        with store.locked():
            _say(rule_push.recover(store, _reach))
    except Locked:
        _say(f"a push to {store.target.path} is under way")


def _store(target: Path, state: Path | None) -> Store:
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import rule_target
    from tutordex_analysis.sink.rule_store import Store

    return Store(state or load().rules, rule_target.target(target))


def _url(url: str) -> str:
    from tutordex_analysis.settings import load

    known = url or load().prometheus_url
    if not known:
        raise typer.BadParameter("name the server: --url http://host:9090, or prometheus_url in tutordex.toml")
    return known


def _reach(url: str) -> RuleServer:
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink.rule_server import RuleServer
    from tutordex_analysis.source.connect import server_of

    return RuleServer(server_of(url, load()).session)


def _say(sentence: str) -> None:
    if sentence:
        typer.echo(sentence, err=True)
