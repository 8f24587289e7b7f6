"""Points to incidents: runs of anomalies with start, end and peak, and runs of several signals that belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.moment import Instant, Span, duration, instant

COLUMNS = ("unique_id", "start", "end", "peak", "direction", "kind", "expected", "seen", "score", "cost", "steps")
MEMBER = ("incident", "place", "signal", "area", *COLUMNS)
FRAME = (
    *("incident", "start", "end", "peak", "signal", "unique_id", "area", "direction", "kind", "expected", "seen"),
    *("score", "cost", "signals", "series", "ongoing"),
)
LEAST = pd.Timedelta("30min")  # starts so close belong together at any step
_MOMENT = pd.Timedelta(0)
REACH = 12  # gaps after its first start in which an incident takes in further starts


@dataclass(frozen=True, kw_only=True, eq=False)
class Incidents:
    """What was unusual in the whole stack, each cause once.

    Attributes:
        frame: One row an incident, in order of time: incident (its name, the same in the next run when more data came),
            start and end (first and last unusual instant of all members); peak, signal, unique_id, area, direction,
            kind, expected, seen, score, cost of its first member, the most upstream of those that began it; signals and
            series (how many), ongoing (whether the newest instant is still unusual).
        members: One row a run of one series: incident, place (1 is the first member), signal, area, and the columns of
            `intervals`.
        step: What an instant covers: a value at t is that of (t - step, t].
    """

    frame: pd.DataFrame
    members: pd.DataFrame
    step: pd.Timedelta = _MOMENT


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run of anomalies of one series, in order of series and time.

    A run without any value (kind "missing") goes down, and its cost is unknown.

    Args:
        table: unique_id, ds, y, expected, score, is_anomaly, kind; sorted by series and time.

    Returns:
        unique_id, start, end, peak (instants of the first, last and worst value), direction ("up" or "down"), kind,
        expected, seen (at the peak), score (the highest, NaN where none is known), cost (all that was seen less all
        that was expected, value by value), steps.
    """
    rows = np.flatnonzero(table["is_anomaly"].to_numpy())
    runs = pd.DataFrame(
        {name: table[name].iloc[rows] for name in ("unique_id", "ds", "y", "expected", "score", "kind")}
    )
    codes = pd.factorize(runs["unique_id"])[0]
    begins = np.concatenate([[True], (np.diff(rows) > 1) | (np.diff(codes) != 0)])[: len(rows)]
    runs = runs.assign(run=np.cumsum(begins))
    worst = runs["score"].fillna(-np.inf).groupby(runs["run"]).idxmax()
    peaks = runs.loc[worst].set_index("run")
    by_run = runs.assign(over=runs["y"] - runs["expected"]).groupby("run")
    found = pd.DataFrame(
        {
            "unique_id": peaks["unique_id"],
            "start": by_run["ds"].first(),
            "end": by_run["ds"].last(),
            "peak": peaks["ds"],
            "direction": np.where(peaks["y"].isna() | (peaks["y"] < peaks["expected"]), "down", "up"),
            "kind": peaks["kind"],
            "expected": peaks["expected"],
            "seen": peaks["y"],
            "score": peaks["score"],
            "cost": by_run["over"].sum(min_count=1),
            "steps": by_run.size(),
        }
    )
    return found.reset_index(drop=True)


def together(
    members: pd.DataFrame,
    *,
    height: Mapping[str, int],
    step: Span,
    within: Span | None = None,
    newest: Instant | None = None,
) -> Incidents:
    """Runs of many series as incidents of the whole stack, the most upstream signal first.

    In order of their starts, a run joins the incident whose last start is at most `within` before its own; or else the
    one in which a more upstream run is still going on. An incident takes in starts for `REACH` times `within` after its
    first one; what starts later is another incident, so a storm of a week is seven or more and not one. Runs of one
    series that are at most `within` apart are one run that flickers. Nothing of this depends on what comes later, so
    incidents keep their names.

    What began more than `within` after the first run cannot have caused it: it comes after those that began with it,
    however far upstream it is.

    Args:
        members: The columns of `intervals`, with `signal` and `area`.
        height: Area → how far downstream it is; areas that are not named come last.
        step: What an instant covers.
        within: How far apart is together; two steps, and at least half an hour, when left out.
        newest: The newest instant that was looked at; without it no incident is known to be ongoing.

    Raises:
        FrameError: A duration or moment cannot be read.
    """
    length = duration(step)
    gap = duration(within) if within is not None else max(2 * length, LEAST)
    runs = _steady(members, gap)
    last = max(height.values(), default=-1) + 1
    runs = runs.assign(height=[height.get(area, last) for area in runs["area"].astype(str)])
    runs = runs.sort_values(["start", "height", "signal", "unique_id"], kind="stable").reset_index(drop=True)
    runs["group"] = _grouped(runs, gap)
    names = {group: _name(rows.iloc[0]) for group, rows in runs.groupby("group")}
    runs["incident"] = pd.Series([names[group] for group in runs["group"]], index=runs.index).astype(str)
    late = runs["start"] - runs.groupby("group")["start"].transform("min") > gap
    runs = runs.assign(late=late, weight=-runs["score"]).sort_values(
        ["group", "late", "height", "start", "weight", "signal", "unique_id"], kind="stable"
    )
    runs["place"] = runs.groupby("group").cumcount() + 1
    table = runs[list(MEMBER)].reset_index(drop=True)
    return Incidents(frame=_frame(table, newest), members=table, step=length)


def digest(series: str) -> str:
    """Six hex digits that stand for a series in the name of an incident."""
    return hashlib.sha256(str(series).encode()).hexdigest()[:6]


def _frame(table: pd.DataFrame, newest: Instant | None) -> pd.DataFrame:
    """One row an incident from its members, which are in order."""
    grouped = table.groupby("incident", sort=False)
    lead = table[table["place"] == 1].set_index("incident")
    made = lead.assign(
        start=grouped["start"].min(),
        end=grouped["end"].max(),
        signals=grouped["signal"].nunique(),
        series=grouped["unique_id"].nunique(),
    )
    made["ongoing"] = made["end"] >= instant(newest) if newest is not None else False
    return made.reset_index()[list(FRAME)].astype({"ongoing": bool, "signals": int, "series": int})


def _steady(members: pd.DataFrame, gap: pd.Timedelta) -> pd.DataFrame:
    """Runs of one series that are at most the gap apart, as one."""
    text = members.assign(unique_id=members["unique_id"].astype(str), signal=members["signal"].astype(str))
    text = text.assign(area=text["area"].astype(str), kind=text["kind"].astype(str))
    runs = text.sort_values(["signal", "unique_id", "start", "end"], kind="stable").reset_index(drop=True)
    same = runs[["signal", "unique_id"]].eq(runs[["signal", "unique_id"]].shift()).all(axis=1)
    apart = runs["start"] - runs["end"].shift() > gap
    runs["run"] = (~same | apart).cumsum()
    worst = runs["score"].fillna(-np.inf).groupby(runs["run"]).idxmax()
    by_run = runs.groupby("run")
    peaks = runs.loc[worst].set_index("run")
    merged = peaks.assign(
        start=by_run["start"].min(),
        end=by_run["end"].max(),
        cost=by_run["cost"].sum(min_count=1),
        steps=by_run["steps"].sum(),
    )
    return merged.reset_index(drop=True)[[*COLUMNS, "signal", "area"]]


@dataclass
class _Open:
    """An incident that may still take in a start.

    Attributes:
        first: Its first start, in nanoseconds; so are the others.
        last: Its last start.
        running: Height → when the last run of that height ends.
    """

    first: int
    last: int
    running: dict[int, int]


def _grouped(runs: pd.DataFrame, gap: pd.Timedelta) -> list[int]:
    """The incident of each run, numbered in order of their first starts; runs are in order of start and height."""
    near = gap.value
    starts, ends = (pd.DatetimeIndex(runs[name]).as_unit("ns").asi8.tolist() for name in ("start", "end"))
    known: list[_Open] = []
    found: list[int] = []
    first_open = 0
    for start, end, height in zip(starts, ends, runs["height"].tolist(), strict=True):
        while first_open < len(known) and start - known[first_open].first > REACH * near:
            first_open += 1
        place = _place(known, first_open, start, height, near)
        if place is None:
            place = len(known)
            known.append(_Open(start, start, {}))
        into = known[place]
        into.last = start
        into.running[height] = max(end, into.running.get(height, end))
        found.append(place)
    return found


def _place(known: list[_Open], first_open: int, start: int, height: int, near: int) -> int | None:
    """The open incident that a run joins: the one that started last of those close, else of those going on upstream."""
    order = sorted(range(first_open, len(known)), key=lambda i: known[i].last, reverse=True)
    for i in order:
        if start - known[i].last <= near:
            return i
    for i in order:
        if any(above < height and end + near >= start for above, end in known[i].running.items()):
            return i
    return None


def _name(first: pd.Series) -> str:
    """What an incident is called: its first start and the signal and series that started it."""
    start = pd.Timestamp(first["start"]).tz_convert("UTC")
    moment = f"{start:%Y%m%dT%H%M}{f'{start:%S}' if start.second else ''}Z"
    return f"{moment}-{first['signal']}-{digest(first['unique_id'])}"
