"""What people said of incidents, and what follows: how often an alert was right, and what need not alert again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from tutordex_analysis.model.incidents import Incidents, digest
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.verdicts_file import Verdict, parts

_DAY = pd.Timedelta("1D")


class Precision(NamedTuple):
    """How many incidents were marked as what; those that were expected count as neither right nor wrong."""

    confirmed: int
    false: int
    unmarked: int

    @property
    def share(self) -> float:
        """Share of the confirmed among those that were judged; NaN where none was."""
        known = self.confirmed + self.false
        return self.confirmed / known if known else float("nan")


def judged(incidents: Incidents, verdicts: Iterable[Verdict], *, moved: Span = "2h") -> pd.DataFrame:
    """The incidents with `verdict` ("" where nobody said) and `note`; of several marks the last one counts.

    A mark by name also fits an incident of a later run in which the same series began at most `moved` earlier or
    later. A mark by time fits one of whose signals it names were unusual in that stretch; what is expected must also
    explain the whole incident, see `suppressed`.

    Args:
        incidents: Of `together`.
        verdicts: In the order of the file.
        moved: How much a start may have moved.
    """
    found = _fitting(incidents, tuple(verdicts), duration(moved))
    last = [found[name][-1] if found[name] else None for name in incidents.frame["incident"]]
    return incidents.frame.assign(
        verdict=[one.verdict if one is not None else "" for one in last],
        note=[one.note if one is not None else "" for one in last],
    ).astype({"verdict": str, "note": str})


def suppressed(incidents: Incidents, verdicts: Iterable[Verdict], *, moved: Span = "2h") -> pd.DataFrame:
    """Which incidents need no alert, since what happened was expected: incident, why.

    A mark with `every` holds again that much later, and every time after that. Only an incident that is explained as
    a whole is suppressed: it begins and ends in the stretch (give or take `moved`), and all of its signals are named;
    or, for a mark by name, the same series began it at the same time. A mark that came later in the file and says
    otherwise counts.
    """
    found = _fitting(incidents, tuple(verdicts), duration(moved))
    rows = [
        {"incident": name, "why": _why(found[name][-1])}
        for name in incidents.frame["incident"]
        if found[name] and found[name][-1].verdict == "expected"
    ]
    return pd.DataFrame(rows, columns=["incident", "why"]).astype(str)


def precision(incidents: pd.DataFrame) -> Precision:
    """How many incidents were confirmed, false and not marked.

    Args:
        incidents: Of `judged`.
    """
    counts = incidents["verdict"].value_counts()
    return Precision(*(int(counts.get(word, 0)) for word in ("confirmed", "false", "")))


def _fitting(incidents: Incidents, verdicts: tuple[Verdict, ...], moved: pd.Timedelta) -> dict[str, list[Verdict]]:
    """The marks that fit each incident, in their order."""
    members = {str(name): rows for name, rows in incidents.members.groupby("incident")}
    found: dict[str, list[Verdict]] = {str(name): [] for name in incidents.frame["incident"]}
    for one in verdicts:
        for name in _named(one, incidents.members, moved) if one.incident is not None else ():
            found[name].append(one)
        for name, own in members.items() if one.incident is None else ():
            if _fits(one, own, incidents.step, moved):
                found[name].append(one)
    return found


def _named(mark: Verdict, members: pd.DataFrame, moved: pd.Timedelta) -> set[str]:
    """The incidents of which a mark by name speaks: the one with its name, else the nearest of the same series."""
    names, first = {*members["incident"]}, str(mark.incident)
    again: set[str] = set()
    if mark.every is not None:
        again = {name for name in names if _again(first, name, duration(mark.every), moved)}
    if first in names:
        return again | {first}
    start, signal, series = parts(first)
    away = (members["start"] - start).abs()
    near = members[(members["signal"] == signal) & (members["unique_id"].map(digest) == series) & (away <= moved)]
    return again | {*near.loc[away[near.index] == away[near.index].min(), "incident"].head(1).astype(str)}


def _fits(mark: Verdict, members: pd.DataFrame, step: pd.Timedelta, moved: pd.Timedelta) -> bool:
    """Whether a mark by time speaks of the incident with these members."""
    begin, end = members["start"].min() - step, members["end"].max()
    if mark.verdict == "expected":
        if mark.every is not None:  # as the occurrence whose middle is nearest to that of the incident
            every = duration(mark.every)
            later = max(round(((begin - mark.start) + (end - mark.end)) / 2 / every), 0) * every
            begin, end = begin - later, end - later
        inside = mark.start - moved <= begin and end <= mark.end + moved and begin < mark.end and mark.start < end
        return inside and {*members["signal"]} <= {*mark.signals}
    named = members[members["signal"].isin(mark.signals)]
    return bool(((named["start"] - step < mark.end + moved) & (named["end"] > mark.start - moved)).any())


def _again(first: str, name: str, every: pd.Timedelta, moved: pd.Timedelta) -> bool:
    """Whether an incident is one that was marked, some number of periods later."""
    (start, *what), (later, *other) = parts(first), parts(name)
    if what != other:
        return False
    times = max(round((later - start) / every), 0)
    return abs(later - start - times * every) <= moved


def _why(mark: Verdict) -> str:
    """In words: "expected every week: the weekly backup (ops)"."""
    every = "" if mark.every is None else f" every {'week' if duration(mark.every) == 7 * _DAY else mark.every}"
    note = f": {mark.note}" if mark.note else ""
    by = f" ({mark.by})" if mark.by else ""
    return f"expected{every}{note}{by}"
