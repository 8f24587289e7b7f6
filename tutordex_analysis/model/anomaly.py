"""What is unusual: each value against what was expected of it, as a score that is 1 at the band's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import budget
from tutordex_analysis.model import calendar as holidays
from tutordex_analysis.model.counts import is_count
from tutordex_analysis.model.incidents import intervals
from tutordex_analysis.model.panel import Panel, panels, seasons
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.model.surprise import KINDS, Surprise
from tutordex_analysis.moment import Span

_NO_POLICY = Policy()
_BLOCK = 1024  # series in one pass
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Anomalies:
    """What was unusual in some series.

    Attributes:
        frame: unique_id, ds, y, expected, lower, upper (the band), score, is_anomaly, kind (what is unusual about it,
            "" where nothing is); sorted like a frame. `score` is 1 at the band's edge and grows outside it; NaN where
            `y` is, and while too little was seen to judge.
        incidents: One row a run of anomalies: unique_id, start, end, peak (first, last and worst value), direction
            ("up" or "down"), kind, expected, seen (at the peak), score (the highest), cost (all that was seen less all
            that was expected, value by value), steps.
        threshold: The score above which a value is an anomaly.
        policy: What was asked for.
    """

    frame: pd.DataFrame
    incidents: pd.DataFrame
    threshold: float
    policy: Policy


@dataclass(frozen=True, kw_only=True, eq=False)
class Clock:
    """Where each instant stands in the seasons; shape (n,) each, -1 in `sunday` on all days but public holidays."""

    day: npt.NDArray[np.int64]
    week: npt.NDArray[np.int64]
    sunday: npt.NDArray[np.int64]


def detect(
    frame: pd.DataFrame,
    *,
    season_lengths: Sequence[int | Span],
    policy: Policy | None = None,
    causal: bool = True,
    calendar: str | None = None,
    tz: str = "UTC",
) -> Anomalies:
    """Scores every value by what was known before it."""
    if not causal:
        raise FrameError("detect is causal: a past score never changes; causal=False is not known")
    wanted = policy or _NO_POLICY
    tables = []
    step = _DAY
    for one in panels(frame):
        step = one.step
        short, long = _two(seasons(season_lengths, one.step))
        clock = clock_of(one.ds, short=short, long=long, step=one.step, calendar=calendar, tz=tz)
        tables.append(_table(one, _scored(one.y, short, long, clock)))
    table = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    return judged(table, step, wanted)


def judged(table: pd.DataFrame, step: pd.Timedelta, policy: Policy) -> Anomalies:
    """Which scores are alerts, under a policy.

    Args:
        table: Everything but `is_anomaly`, sorted by series and time.
        step: Distance of two rows.
        policy: What is worth an alert.
    """
    score = budget.allowed(table, policy)
    level: Floats | float = budget.EDGE
    if policy.alerts_per_week is not None:
        level = budget.thresholds(score, budget.grid(table, step), alerts_per_week=policy.alerts_per_week)
    found = (score > level) | (table["kind"] == "missing").to_numpy()
    table = table.assign(is_anomaly=found)
    newest = float(np.max(level)) if np.ndim(level) == 0 else float(np.asarray(level)[-1])
    return Anomalies(frame=table, incidents=intervals(table), threshold=newest, policy=policy)


def _two(lengths: Sequence[int]) -> tuple[int, int]:
    """The shortest and the longest season in steps, 0 for none."""
    short = min(lengths, default=0)
    return short, max((one for one in lengths if one > short), default=0)


def clock_of(
    ds: pd.DatetimeIndex, *, short: int, long: int, step: pd.Timedelta, calendar: str | None = None, tz: str = "UTC"
) -> Clock:
    """Phases of instants; a season of whole days follows the civil clock, so that a clock change moves it along."""
    local = holidays.civil(ds, step=step, tz=tz)
    since = np.asarray((ds - pd.Timestamp(0, tz="UTC")) // step, dtype=np.int64)
    midnight = local.normalize()
    in_day = np.asarray((local - midnight) // step, dtype=np.int64)
    days = np.asarray((midnight - pd.Timestamp(0)) // _DAY, dtype=np.int64)

    def phase(season: int) -> npt.NDArray[np.int64]:
        if not season:
            return np.zeros(len(ds), dtype=np.int64)
        whole = (season * step) % _DAY == pd.Timedelta(0) and _DAY % step == pd.Timedelta(0)
        if not whole:
            return since % season
        per_day = int(_DAY // step)
        return days % (season // per_day) * per_day + in_day

    sunday = np.full(len(ds), -1, dtype=np.int64)
    if calendar is not None and len(ds):
        named = holidays.holidays_of(calendar, first_year=local[0].year, last_year=local[-1].year)
        off = np.asarray(midnight.isin(named.index))
        sunday[off] = 0
        if long and (long * step) % (7 * _DAY) == pd.Timedelta(0) and _DAY % step == pd.Timedelta(0):
            per_day = int(_DAY // step)
            since_sunday = np.asarray(midnight.dayofweek, dtype=np.int64) + 1
            rest = (days - since_sunday) % (long // per_day) * per_day + in_day
            sunday[off] = rest[off]
    return Clock(day=phase(short), week=phase(long), sunday=sunday)


def _scored(y: Floats, short: int, long: int, clock: Clock) -> dict[str, npt.NDArray[np.generic]]:
    """expected, lower, upper, score and kind, each of the shape of `y`."""
    found = {name: np.empty(y.shape) for name in ("expected", "lower", "upper", "score")}
    kind = np.empty(y.shape, dtype=np.int8)
    for first in range(0, len(y), _BLOCK):
        rows = slice(first, first + _BLOCK)
        state = begun(y[rows], short=short, long=long)
        for t in range(y.shape[1]):
            judged = state.step(y[rows, t], day=int(clock.day[t]), week=int(clock.week[t]), sunday=int(clock.sunday[t]))
            for name, out in found.items():
                out[rows, t] = getattr(judged, name)
            kind[rows, t] = judged.kind
    return {**found, "kind": kind}


def begun(y: Floats, *, short: int, long: int) -> Surprise:
    """A state that has seen nothing yet; whether a series counts events is told by its first season."""
    first = Surprise(n=len(y), short=short, long=long, is_count=np.zeros(len(y), dtype=np.bool_))
    first.is_count |= is_count(y[:, : first.cycle])
    return first


def _table(panel: Panel, scored: dict[str, npt.NDArray[np.generic]]) -> pd.DataFrame:
    n = len(panel.ds)
    values = {name: one.reshape(-1) for name, one in scored.items() if name != "kind"}
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(
                np.repeat(np.arange(len(panel.ids), dtype=np.int32), n), categories=list(panel.ids)
            ),
            "ds": panel.ds.take(np.tile(np.arange(n), len(panel.ids))),
            "y": panel.y.reshape(-1),
            **values,
            "kind": pd.Categorical.from_codes(scored["kind"].reshape(-1), categories=list(KINDS)),
        },
        copy=False,
    )
