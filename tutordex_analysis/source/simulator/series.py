"""Series as functions of time: what a target would answer at any scrape, counted from a log.

A series is asked for all its scrapes of a piece at once: moments `t` and, for each, the start `since` of the process's
life. So no state is carried, and a piece of any length holds the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.lives import Era, Lives
from tutordex_analysis.source.simulator.openmetrics import Kind

At: TypeAlias = Callable[[Floats, Floats], Floats]
Total: TypeAlias = Callable[[Floats], Floats]

_BARE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """One series of a target.

    Attributes:
        name: With the suffix (`_bucket`, `_sum`, `_count`, `_created`).
        labels: Its own; those of the target are added by the scrape.
        at: Values at moments in `lives`, NaN while the series is not born.
        lives: When the process exposes it.
        decimals: Digits after the point; 0 for whole numbers.
    """

    name: str
    labels: Mapping[str, str]
    at: At
    lives: Lives
    decimals: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Family:
    """A metric family as one target exposes it."""

    name: str
    kind: Kind
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """Something that is scraped.

    Attributes:
        labels: job, instance and what the scrape configuration adds.
        lives: When it answers.
        offset: Seconds after the grid at which it is scraped, whole eighths.
        families: What it exposes, without what Prometheus adds (`up`, `scrape_…`).
        seconds: Mean duration of a scrape.
    """

    labels: Mapping[str, str]
    lives: Lives
    offset: float
    families: tuple[Family, ...] = field(repr=False)
    seconds: float = 0.02


def gauge(name: str, at: At, lives: Lives, *, labels: Mapping[str, str] = _BARE, decimals: int = 0) -> Family:
    """A gauge of one series."""
    series = Series(name=name, labels=labels, at=at, lives=lives, decimals=decimals)
    return Family(name=name, kind="gauge", series=(series,))


def counter(name: str, at: At, lives: Lives, *, labels: Mapping[str, str] = _BARE, decimals: int = 0) -> Family:
    """A counter of one series."""
    series = Series(name=name, labels=labels, at=at, lives=lives, decimals=decimals)
    return Family(name=name, kind="counter", series=(series,))


def constant(value: float) -> At:
    """The same value at all times."""
    return lambda t, since: np.full(len(t), float(value))


def started(t: Floats, since: Floats) -> Floats:
    """The start of the process, in unix seconds."""
    return since


def cumulative(total: Total) -> At:
    """A counter that starts at 0 with the process, from a total that never falls."""
    return lambda t, since: total(t) - _each(total, since)


def counted(times: Floats, weights: Floats | None = None) -> At:
    """A labelled counter: absent until its first event after the process's start, then the number since that start."""
    totals = None if weights is None else np.concatenate([[0.0], np.cumsum(weights)])

    def total(t: Floats) -> Floats:
        index = np.searchsorted(times, t, side="right")
        return np.asarray(index if totals is None else totals[index], dtype=float)

    def at(t: Floats, since: Floats) -> Floats:
        grown = total(t) - _each(total, since)
        return np.where(grown > 0, grown, np.nan)

    return at


def counters(
    name: str, log: pd.DataFrame, by: Sequence[str], eras: Iterable[Era], *, weights: str | None = None
) -> Family:
    """A counter of a log's rows, one series for each combination of labels that occurs in an era.

    Args:
        name: Metric name.
        log: Events with the column "at" (unix seconds, ascending) and the label columns.
        by: Label columns.
        eras: Lives of the process by pipeline version.
        weights: Column to add up instead of counting rows.
    """
    series = []
    for labels, part in _groups(log, by):
        times = part["at"].to_numpy()
        at = counted(times, None if weights is None else part[weights].to_numpy(dtype=float))
        series += [
            Series(name=name, labels=labels | era.labels, at=at, lives=lives) for era, lives in _born(eras, times)
        ]
    return Family(name=name, kind="counter", series=tuple(series))


def histograms(
    name: str,
    log: pd.DataFrame,
    by: Sequence[str],
    eras: Iterable[Era],
    *,
    value: str,
    bounds: Sequence[float],
    created: bool = False,
) -> Family:
    """A histogram of a column of a log: cumulative buckets with float bounds, `_sum` and `_count`.

    Args:
        name: Metric name without suffix.
        log: Events with the column "at" and the label columns.
        by: Label columns.
        eras: Lives of the process by pipeline version.
        value: Column observed.
        bounds: Upper bounds without +Inf, ascending.
        created: Whether `_created` is exposed too.
    """
    series = []
    for labels, part in _groups(log, by):
        times, values = part["at"].to_numpy(), part[value].to_numpy(dtype=float)
        born = counted(times)
        parts: list[tuple[str, dict[str, str], At, int]] = [
            ("_bucket", {"le": repr(float(bound))}, _bucket(times[values <= bound], times), 0) for bound in bounds
        ]
        parts += [
            ("_bucket", {"le": "+Inf"}, born, 0),
            ("_count", {}, born, 0),
            ("_sum", {}, counted(times, values), 3),
        ]
        parts += [("_created", {}, _births(times), 3)] if created else []
        for era, lives in _born(eras, times):
            series += [
                Series(name=name + suffix, labels=labels | era.labels | extra, at=at, lives=lives, decimals=decimals)
                for suffix, extra, at, decimals in parts
            ]
    return Family(name=name, kind="histogram", series=tuple(series))


def _bucket(within: Floats, times: Floats) -> At:
    """A bucket is born with its histogram, so it may start at 0."""

    def at(t: Floats, since: Floats) -> Floats:
        grown = np.searchsorted(within, t, side="right") - _each(lambda s: _count(within, s), since)
        born = np.searchsorted(times, t, side="right") > _each(lambda s: _count(times, s), since)
        return np.where(born, grown, np.nan)

    return at


def _births(times: Floats) -> At:
    """When a labelled child saw its first event in this life."""

    def at(t: Floats, since: Floats) -> Floats:
        first = np.append(times, np.inf)[np.searchsorted(times, since, side="right")]
        return np.where(first <= t, first, np.nan)

    return at


def _count(times: Floats, moments: Floats) -> Floats:
    return np.searchsorted(times, moments, side="right").astype(float)


def _each(total: Total, since: Floats) -> Floats:
    """`total` at the starts of the lives: few distinct ones, so each is asked once."""
    if not len(since):
        return since
    change = np.concatenate([[True], since[1:] != since[:-1]])
    return np.repeat(total(since[change]), np.diff(np.append(np.flatnonzero(change), len(since))))


def _groups(log: pd.DataFrame, by: Sequence[str]) -> Iterable[tuple[dict[str, str], pd.DataFrame]]:
    if not by:
        if len(log):
            yield {}, log
        return
    for key, part in log.groupby(list(by), observed=True, sort=True):
        yield {name: str(value) for name, value in zip(by, key, strict=True)}, part


def _born(eras: Iterable[Era], times: Floats) -> Iterable[tuple[Era, Lives]]:
    """The eras in which something happened."""
    for era in eras:
        if len(era.lives.starts):
            low, high = np.searchsorted(times, [era.lives.starts[0], era.lives.ends[-1]], side="right")
            if high > low:
                yield era, era.lives
