"""Good and bad events of each promise, hour by hour, from the signals or queries that its spec names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.errors import AnalysisError, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration
from tutordex_analysis.slo import WINDOW, Counted, Slo, Wait

_FINE = pd.Timedelta("5min")  # how often a wait is looked at, where that is kept


class Reads(Protocol):
    """What the question needs of a source."""

    def read(self, signal: str | Signal, time_range: TimeRange) -> pd.DataFrame:
        """A signal by name."""
        ...

    def query(self, promql: str, time_range: TimeRange) -> pd.DataFrame:
        """Any PromQL."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What was read for one promise.

    Attributes:
        slo: Its spec.
        events: ds, bad and total of each step, NaN where unknown; empty where nothing could be read.
        late: Events of the period that are bad only because of a wait.
        lacks: Why nothing could be read; "" where it could.
    """

    slo: Slo
    events: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["ds", "bad", "total"]))
    late: float = 0.0
    lacks: str = ""


def gather(source: Reads, catalogue: Catalogue, time_range: TimeRange) -> tuple[Kept, ...]:
    """What can be read of each promise of the catalogue, in its order; one that cannot says why.

    Each is read over two periods before the end, so that whoever asks gets the same numbers: the days before the period
    tell what is usual.

    Args:
        source: A server or an archive. Promises in PromQL need a server, and reach as far back as it keeps samples.
        catalogue: Which there are.
        time_range: Its end and its step; by the hour is what the question is made for.
    """
    step, end = time_range.step, time_range.end
    return tuple(
        _kept(source, slo, TimeRange(end - 2 * duration(slo.period), end, step)) for slo in catalogue.slos.values()
    )


def window(kept: Iterable[Kept], time_range: TimeRange) -> TimeRange:
    """The stretch of history in which any of the promises has events; the whole one where none has."""
    firsts = [one.events["ds"].iloc[0] for one in kept if len(one.events)]
    first = min(firsts, default=time_range.start)
    return TimeRange(first, time_range.end, time_range.step)


def _kept(source: Reads, slo: Slo, time_range: TimeRange) -> Kept:
    try:
        bad, total = _queried(source, slo, time_range) if slo.bad_query else _counted(source, slo, time_range)
        waited = None if slo.late_while is None else _waited(source, slo.late_while, time_range)
    except AnalysisError as error:
        return Kept(slo=slo, lacks=str(error))
    if total.notna().sum() == 0:
        return Kept(slo=slo, lacks=f"{' and '.join(slo.signals) or 'its query'} has no sample from {time_range}")
    late = 0.0
    if waited is not None:
        with_waits = bad.combine(total * waited, max)
        lately = with_waits.index > time_range.end - time_range.step - duration(slo.period)
        late, bad = float((with_waits - bad)[lately].sum()), with_waits
    bad, total = bad.where(total.notna()), total.where(bad.notna())
    events = pd.DataFrame({"ds": total.index, "bad": bad.to_numpy(float), "total": total.to_numpy(float)})
    known = events["total"].notna().to_numpy()
    return Kept(slo=slo, events=events.iloc[int(known.argmax()) :].reset_index(drop=True), late=late)


def _counted(source: Reads, slo: Slo, time_range: TimeRange) -> tuple[pd.Series, pd.Series]:
    """Bad and total of each step; a counter that is not there yet has counted nothing while the other one counts."""
    good, bad, total = (
        None if one is None else _sum(source, one, time_range) for one in (slo.good, slo.bad, slo.total)
    )
    if good is not None and bad is not None:
        return bad.fillna(0 * good), good.fillna(0 * bad) + bad.fillna(0 * good)
    assert total is not None  # noqa: S101 - the spec has two of the three
    if bad is not None:
        bad = bad.fillna(0 * total)
        return bad, total.combine(bad, max)
    assert good is not None  # noqa: S101
    good = good.fillna(0 * total)
    return (total - good).clip(lower=0.0), total


def _sum(source: Reads, counted: Counted, time_range: TimeRange) -> pd.Series:
    """Events in each step, NaN where unknown."""
    frame = source.read(counted.signal, time_range)
    for name, value in counted.labels.items():
        frame = frame[frame[name].astype(str) == value] if name in frame else frame.iloc[:0]
    return frame.groupby("ds")["y"].sum(min_count=1).reindex(time_range.grid)


def _queried(source: Reads, slo: Slo, time_range: TimeRange) -> tuple[pd.Series, pd.Series]:
    """Bad and total of each step from rates over it."""
    seconds = time_range.step.total_seconds()
    window = f"{seconds:.0f}s"
    found = []
    for query in (slo.bad_query, slo.total_query):
        frame = source.query(str(query).replace(WINDOW, window), time_range)
        found.append(seconds * frame.groupby("ds")["y"].sum(min_count=1).reindex(time_range.grid))
    bad, total = found
    return bad.fillna(0 * total).combine(total, min).clip(lower=0.0), total


def _waited(source: Reads, wait: Wait, time_range: TimeRange) -> pd.Series:
    """The share of each step in which the gauge was too high; 0 where that is not known."""
    step = time_range.step
    fine = (
        TimeRange(time_range.start - step + _FINE, time_range.end - step + _FINE, _FINE)
        if step % _FINE == pd.Timedelta(0)
        else time_range
    )
    try:
        gauge = source.read(wait.signal, fine)
    except NotHeld:
        gauge = source.read(wait.signal, time_range)
    high = (gauge["y"] > wait.above).where(gauge["y"].notna())
    share = high.astype(float).groupby(gauge["ds"].dt.ceil(step)).mean()
    return share.reindex(time_range.grid).fillna(0.0)
