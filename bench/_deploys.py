"""Did a deploy change it: false alarms on dates without a change, and power, beside a t-test and an unchecked band.

The rule: over all dates together false alarms after 7 days lie in 3 to 7 %. Each kind has fewer dates, so its own rate
may lie past a bound by what chance does to that many dates in 1 case of 20 (1.645 standard errors at the bound). A
fifth less in a count of 300 a day is seen within 7 days on at least 80 % of the dates of each steady kind; where the
history itself makes the answer "can't tell" (`Effect.doubtful`) it counts as not seen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from bench._line import Line
from bench._sample import between
from tutordex_analysis import frame as frames
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.model.days import DAY, Days, Flags, by_day
from tutordex_analysis.model.deploy import Frozen
from tutordex_analysis.model.deploy_effect import Effect

ALPHA, DATES, BEFORE, AFTER = 0.05, 600, 90, 7  # dates a kind; days before the day of the change, and after it
A_DAY, FALL = 300.0, 0.2
LOW, HIGH, SEEN = 0.03, 0.07, 0.8
WINDOWS = (1, 3, 7)
CLOSED = (20, 55, 76)  # public holidays, on which half as much is counted
START = pd.Timestamp("2026-03-02T00:00Z")
_WEEK = np.array([1.1, 1.1, 1.05, 1.0, 0.95, 0.8, 0.75])
_HOURS = 1 + 0.8 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)
KINDS = (  # a day's own spread, drift of the level a day
    ("posts", 0.07, 0.0),  # as the simulator's, by the hour
    ("poisson", 0.0, 0.0),
    ("overdispersed", 0.1, 0.0),
    ("drifting", 0.1, 0.01),
)


def placebos(*, seed: int) -> list[Line]:
    """Each date is a world of its own: 90 days, a day, then 7 without a change, and the same 7 with a fifth less."""
    lines = []
    alarms: list[Floats] = []
    for place, (name, spread, drift) in enumerate(KINDS):
        rng = np.random.default_rng([seed, 30, place])
        days = _days(rng, spread, drift, hourly=name == "posts")
        fallen = days.y.copy()
        fallen[:, BEFORE:] = rng.binomial(days.y[:, BEFORE:].astype(np.int64), 1 - FALL)
        found = _effects(days)
        calm = {window: np.array([one.p_value for one in some]) for window, some in found.items()}
        seen = {window: _p_of(fallen, some) for window, some in found.items()}
        alarms.append(calm[7])
        for what, p, y in (("false alarms", calm, days.y), ("a fifth less is seen", seen, fallen)):
            ours = {window: float(np.mean(each <= ALPHA)) for window, each in p.items()}
            print(
                f"deploy, {name}: {what} after 1, 3, 7 days {ours[1]:.1%}, {ours[3]:.1%}, {ours[7]:.1%}; "
                f"t-test of weeks {np.mean(_before_after(y) <= ALPHA):.1%}, "
                f"band unchecked {np.mean(_unchecked(y, found[7]) <= ALPHA):.1%}",
                flush=True,
            )
        doubtful = np.array([one.doubtful for one in found[7]])
        print(f"deploy, {name}: 'can't tell' by the history itself {np.mean(doubtful):.1%}", flush=True)
        low, high = (bound + side * _error(bound) for bound, side in ((LOW, -1), (HIGH, 1)))
        lines += between("deploy", f"{name}: false alarms, 7 days", float(np.mean(calm[7] <= ALPHA)), low, high)
        if not drift:
            told = float(np.mean((seen[7] <= ALPHA) & ~doubtful))
            what = f"{name}: a fifth less is seen in 7 days"
            lines.append(Line(case="deploy", what=what, value=told, target=SEEN, at_most=False))
    pooled = float(np.mean(np.concatenate(alarms) <= ALPHA))
    print(f"deploy, all {len(KINDS) * DATES} dates: false alarms after 7 days {pooled:.1%}", flush=True)
    return [*lines, *between("deploy", "all: false alarms, 7 days", pooled, LOW, HIGH)]


def _error(rate: float) -> float:
    return float(1.645 * np.sqrt(rate * (1 - rate) / DATES))


def _days(rng: np.random.Generator, spread: float, drift: float, *, hourly: bool) -> Days:
    """Counts a day, shape (DATES, BEFORE + 1 + AFTER), each world beginning on a weekday of its own."""
    n = BEFORE + 1 + AFTER
    closed: Flags = np.isin(np.arange(n), CLOSED)
    weekday = (np.arange(n) + rng.integers(0, 7, (DATES, 1))) % 7
    level = np.exp(np.cumsum(rng.normal(0, drift, (DATES, n)), axis=1) + spread * rng.normal(size=(DATES, n)))
    rate = A_DAY * _WEEK[weekday] * level * np.where(closed, 0.5, 1)
    names = [f"date {i:03}" for i in range(DATES)]
    if hourly:
        counts = rng.poisson((rate[:, :, None] * _HOURS / 24).reshape(DATES, -1)).astype(np.float64)
        hours = TimeRange(START + DAY / 24, START + n * DAY + DAY / 24, "1h")
        made = by_day(frames.build(counts, [{"__name__": one} for one in names], hours), counted=names)
        y = made.y
    else:
        y = rng.poisson(rate).astype(np.float64)
    return Days(
        ids=tuple(names),
        dates=pd.date_range(START.tz_localize(None), periods=n, freq="D"),
        tz="UTC",
        y=np.where(closed, np.nan, y),
        weight=np.ones_like(y),
        counted=np.ones(DATES, dtype=np.bool_),
        holiday=closed,
    )


def _effects(days: Days) -> dict[int, list[Effect]]:
    """By window, one a date."""
    at = START + BEFORE * DAY + DAY / 2
    frozen = Frozen(days, [(at, at)])
    each = [frozen.effects(one, start=at, end=at, windows=WINDOWS, alpha=ALPHA) for one in days.ids]
    return {window: [one.of(window) for one in each] for window in WINDOWS}


def _mean(y: Floats, window: int) -> Floats:
    result: Floats = y[:, BEFORE + 1 : BEFORE + 1 + window].mean(axis=1)
    return result


def _p_of(y: Floats, some: list[Effect]) -> Floats:
    """P-values where something else followed the same histories."""
    seen = _mean(y, some[0].window)
    pairs = zip(seen, some, strict=True)
    return np.array([one.yardstick.p_value((value - one.expected) / one.spread) for value, one in pairs])  # type: ignore[union-attr]  # there are 50 dates


def _unchecked(y: Floats, some: list[Effect]) -> Floats:
    """P-values by the model's own band."""
    pairs = zip(_mean(y, some[0].window), some, strict=True)
    return np.array([2 * special.ndtr(-abs(value - one.expected) / one.spread) for value, one in pairs])


def _before_after(y: Floats) -> Floats:
    """P-values of a paired t-test of the 7 days after against the 7 before, weekday by weekday."""
    before = np.roll(y[:, BEFORE - 7 : BEFORE], -1, axis=1)  # the day of the change lies between: a weekday later
    result: Floats = np.asarray(stats.ttest_rel(y[:, BEFORE + 1 :], before, axis=1).pvalue)
    return result
