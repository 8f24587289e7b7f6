"""Rules replayed over weeks in minutes: long windows at longer steps, since a day hardly moves in a minute.

What such a rule reads of recorded series over time (`last_over_time(record[6h])`) is taken five times a step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.rule_inline import Recordings, inlined, recordings
from tutordex_analysis.source.replay_rules import Asked, Replay, Thresholds, replay

# By the longest window of a rule, how often it is evaluated.
STEPS = (("35m", "60s"), ("2h", "2m"), ("8h", "10m"), ("2d", "15m"), ("4d", "20m"), ("400d", "6h"))
_TAKEN = 5  # times a step
_WINDOW = re.compile(r"\[(\d+[smhdw])")


def paced(
    source: Asked,
    groups: Sequence[Group],
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    limits: Thresholds | None = None,
    human: bool = False,
    without: Iterable[str] = (),
    every_seconds: float = 30.0,
    on_alert: Callable[[int, int, str], None] | None = None,
) -> Replay:
    """Every alert rule of a stretch, each at a step that suits its windows.

    Args:
        source: Anything that answers PromQL.
        groups: Rules that are loaded together.
        start: Of the stretch.
        end: Of the stretch.
        limits: As `replay` takes them; of an alert that has none the server's own count.
        human: Every limit that is not given is the human one, whatever the server has.
        without: Names of alerts that are left out.
        every_seconds: Interval of recording groups that do not say.
        on_alert: Progress: alerts done, in all, name of the last.
    """
    gone, count = {*without}, 0
    known = recordings(groups, every_seconds=every_seconds)
    nothing = pd.DataFrame({"ds": [start - pd.Timedelta("30D")], "value": [float("nan")]})
    total = sum(rule.kind == "alert" and rule.name not in gone for group in groups for rule in group.rules)
    found = []
    for step, some in _by_step(groups, known, gone):
        names = {rule.name for group in some for rule in group.rules if rule.kind == "alert"}
        given = {**(dict.fromkeys(names, nothing) if human else {}), **(limits or {})}
        seconds = duration(step).total_seconds() / _TAKEN
        slowed = [replace(group, every_seconds=max(group.every_seconds or every_seconds, seconds)) for group in some]

        def told(done: int, _: int, name: str, *, before: int = count) -> None:
            if on_alert:
                on_alert(before + done, total, name)

        one = replay(
            source, slowed, TimeRange(start, end, step), thresholds=given, every_seconds=every_seconds, on_alert=told
        )
        found.append(
            (one.rules.assign(rule=one.rules["rule"] + count), one.active.assign(rule=one.active["rule"] + count))
        )
        count += len(one.rules)
    empty = replay(source, [], TimeRange(start, end, STEPS[0][1]))
    return Replay(
        range=empty.range,
        rules=pd.concat([rules for rules, _ in found], ignore_index=True) if found else empty.rules,
        active=pd.concat([one for _, one in found if len(one)] or [empty.active], ignore_index=True),
    )


def swapped(one: Replay, moved: Replay) -> Replay:
    """A replay in which the alerts of another one stand in the place of its own."""
    stay = one.rules[~one.rules["alert"].isin(moved.rules["alert"])]
    more = int(one.rules["rule"].max()) + 1
    return Replay(
        range=one.range,
        rules=pd.concat([stay, moved.rules.assign(rule=moved.rules["rule"] + more)], ignore_index=True),
        active=pd.concat(
            [one.active[one.active["rule"].isin(stay["rule"])], moved.active.assign(rule=moved.active["rule"] + more)],
            ignore_index=True,
        ),
    )


def _by_step(groups: Sequence[Group], known: Recordings, gone: set[str]) -> Iterator[tuple[str, list[Group]]]:
    """The groups once for each step, with all records and the alerts that are replayed at it."""
    steps = {rule.name: _step(rule, known) for group in groups for rule in group.rules if rule.kind == "alert"}
    for _, step in STEPS:
        if step in {one for name, one in steps.items() if name not in gone}:
            wanted = {name for name, one in steps.items() if one == step} - gone
            yield (
                step,
                [
                    replace(group, rules=tuple(r for r in group.rules if r.kind != "alert" or r.name in wanted))
                    for group in groups
                ],
            )


def _step(rule: FileRule, known: Recordings) -> str:
    try:
        text = inlined(rule.expr, known)
    except AnalysisError:
        return STEPS[0][1]
    longest = max((duration(one) for one in _WINDOW.findall(text)), default=pd.Timedelta(0))
    return next(step for bound, step in STEPS if longest <= duration(bound))
