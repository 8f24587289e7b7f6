"""From when on a server has anything of what rules read: weeks of which nothing is known are no quiet weeks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from tutordex_analysis import promql
from tutordex_analysis.errors import AnalysisError, NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import floor
from tutordex_analysis.rule_groups import Group
from tutordex_analysis.rule_inline import inlined, recordings
from tutordex_analysis.source.replay_rules import Asked

_HOUR = pd.Timedelta("1h")


def held(source: Asked, sets: Iterable[Sequence[Group]], span: TimeRange) -> TimeRange:
    """The stretch without what lies before the first sample of any metric that the rules read, to the hour.

    Args:
        source: Anything that answers PromQL.
        sets: Sets of rules; those of each are loaded together.
        span: What was asked for.

    Raises:
        NotEnoughData: There is no sample at all in it.
    """
    names = set[str]().union(*(_read(groups) for groups in sets))
    if not names:
        return span
    hours = TimeRange(floor(span.start, _HOUR), floor(span.end, _HOUR) + 2 * _HOUR, _HOUR)
    some = "|".join(re.escape(name) for name in sorted(names))
    found = source.query(f'count(last_over_time({{__name__=~"{some}"}}[1h]))', hours)
    there = found.loc[found["y"] > 0, "ds"]
    if there.empty:
        raise NotEnoughData(
            f"the server has nothing of what these rules read from {span.start:%Y-%m-%d %H:%M} to "
            f"{span.end:%Y-%m-%d %H:%M} UTC; name another moment or a longer window"
        )
    first = floor(there.min() - _HOUR, span.step)
    return span if first <= span.start else TimeRange(first, span.end, span.step)


def _read(groups: Sequence[Group]) -> set[str]:
    """The metrics that are behind the alerts of a set."""
    known = recordings(groups)
    found: set[str] = set()
    for rule in (rule for group in groups for rule in group.rules if rule.kind == "alert"):
        try:
            found |= set(promql.metrics(inlined(rule.expr, known)))
        except AnalysisError:  # told as its problem where it is replayed
            continue
    return found
