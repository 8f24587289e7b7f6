"""What is unusual: each value against what was expected of it, as a score that is 1 at the band's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats, series_ids
from tutordex_analysis.model import budget
from tutordex_analysis.model import calendar as holidays
from tutordex_analysis.model.counts import is_count
from tutordex_analysis.model.incidents import intervals
from tutordex_analysis.model.panel import Panel, panels, seasons
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.model.surprise import CYCLE, KINDS, Surprise
from tutordex_analysis.moment import Span

_NO_POLICY = Policy()
Scalar = TypeVar("Scalar", bound=np.generic)
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
    """Where each instant stands; shape (n,) each.

    Attributes:
        t: Steps since 1970.
        day: Phase of the short season.
        week: Phase of the long season.
        sunday: Phase that a Sunday has at that hour on a public holiday, else -1.
    """

    t: npt.NDArray[np.int64]
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
    """Scores every value by what was known before it.

    Args:
        frame: History in the frame contract.
        season_lengths: Seasons in steps or as durations; the shortest and the longest are used.
        policy: What is worth an alert; None lets everything outside the band through, without a budget.
        causal: Always true; the argument says so.
        calendar: Country code of public holidays, such as "SG": a usual day, a Sunday and a quiet day are all expected.
        tz: Zone whose clock the seasons follow.

    Raises:
        FrameError: The frame breaks the contract, a value is infinite, or an option makes no sense.
        NotEnoughData: There is no series, or none with two rows.
    """
    if not causal:
        raise FrameError("detect is causal: a past score never changes; causal=False is not known")
    tables, step = [], _DAY
    for one in _side_by_side(panels(frame)):
        step = one.step
        short, long = _two(seasons(season_lengths, step))
        clock = clock_of(one.ds, short=short, long=long, step=step, calendar=calendar, tz=tz)
        tables.append(_table(one, *_scored(one, short, long, clock)))
    table = tables[0] if len(tables) == 1 else _joined(tables, series_ids(frame))
    return judged(table, step, policy or _NO_POLICY)


def _joined(tables: Sequence[pd.DataFrame], order: Sequence[str]) -> pd.DataFrame:
    """Tables of different series as one, series in their order."""
    ids = pd.CategoricalDtype([*order])
    parts = [one.assign(unique_id=one["unique_id"].astype(ids)) for one in tables]
    return pd.concat(parts, ignore_index=True).sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Series on one grid; before its first reading and after its last row a series is NaN.

    Attributes:
        ids: Names.
        ds: Instants, shape (n,).
        y: Shape (n_series, n).
        first: First row of each series.
        end: Row after the last of each series.
        step: Distance of two instants.
    """

    ids: tuple[str, ...]
    ds: pd.DatetimeIndex
    y: Floats
    first: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    step: pd.Timedelta


def _side_by_side(parts: Sequence[Panel]) -> list[Rows]:
    """Series that overlap in time in one group, so that one pass over the rows serves them all."""
    groups: list[list[Panel]] = []
    end = pd.Timestamp.min.tz_localize("UTC")
    for one in sorted(parts, key=lambda one: one.ds[0]):
        off_grid = bool(groups) and (one.ds[0] - groups[-1][0].ds[0]) % one.step != pd.Timedelta(0)
        if not groups or one.ds[0] > end or off_grid:
            groups.append([])
            end = one.ds[-1]
        groups[-1].append(one)
        end = max(end, one.ds[-1])
    return [_rows(one) for one in groups]


def _rows(group: Sequence[Panel]) -> Rows:
    start, step = group[0].ds[0], group[0].step
    length = int((max(one.ds[-1] for one in group) - start) // step) + 1
    first = [int((one.ds[0] - start) // step) for one in group for _ in one.ids]
    end = [int((one.ds[-1] - start) // step) + 1 for one in group for _ in one.ids]
    if len(group) == 1:
        y = group[0].y
    else:
        y = np.full((len(first), length), np.nan)
        row = 0
        for one in group:
            y[row : row + len(one.ids), first[row] : end[row]] = one.y
            row += len(one.ids)
    ids = tuple(name for one in group for name in one.ids)
    return Rows(
        ids=ids,
        ds=pd.date_range(start, periods=length, freq=step),
        y=y,
        first=np.array(first),
        end=np.array(end),
        step=step,
    )


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
    return Clock(t=since, day=phase(short), week=phase(long), sunday=sunday)


def _scored(rows: Rows, short: int, long: int, clock: Clock) -> tuple[dict[str, Floats], npt.NDArray[np.int8]]:
    """expected, lower, upper and score by name, and kind, each of the shape of `y`."""
    y = rows.y
    found = {name: np.empty(y.shape) for name in ("expected", "lower", "upper", "score")}
    kind = np.empty(y.shape, dtype=np.int8)
    for start in range(0, len(y), _BLOCK):
        block = slice(start, start + _BLOCK)
        state = begun(y[block], rows.first[block], short=short, long=long)
        for i in range(y.shape[1]):
            one = state.step(
                y[block, i],
                t=int(clock.t[i]),
                day=int(clock.day[i]),
                week=int(clock.week[i]),
                sunday=int(clock.sunday[i]),
            )
            for name, out in found.items():
                out[block, i] = getattr(one, name)
            kind[block, i] = one.kind
    return found, kind


def begun(y: Floats, first: npt.NDArray[np.int64], *, short: int, long: int) -> Surprise:
    """A state that has seen nothing yet; whether a series counts events is told by its first season."""
    season, counts, zeros = short or CYCLE, np.zeros(len(y), dtype=np.bool_), np.zeros(len(y), dtype=np.bool_)
    for start in np.unique(first):
        same = first == start
        young = y[same, start : start + season]
        zeros[same] = (np.nan_to_num(young) == 0).all(axis=1)
        counts[same] = zeros[same] | is_count(young)
    return Surprise(n=len(y), short=short, long=long, is_count=counts, undecided=zeros)


def _table(rows: Rows, scored: dict[str, Floats], kind: npt.NDArray[np.int8]) -> pd.DataFrame:
    """One row a reading or gap, series by series, without what lies before a series' first and after its last row."""
    n = len(rows.ds)
    at = np.arange(n)
    inside = ((at >= rows.first[:, None]) & (at < rows.end[:, None])).reshape(-1)
    whole = bool(inside.all())

    def flat(one: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        return one.reshape(-1) if whole else one.reshape(-1)[inside]

    codes = np.repeat(np.arange(len(rows.ids), dtype=np.int32), n)
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(flat(codes), dtype=pd.CategoricalDtype([*rows.ids])),
            "ds": rows.ds.take(flat(np.tile(at, len(rows.ids)))),
            "y": flat(rows.y),
            **{name: flat(one) for name, one in scored.items()},
            "kind": pd.Categorical.from_codes(flat(kind), dtype=pd.CategoricalDtype([*KINDS])),
        },
        copy=False,
    )
