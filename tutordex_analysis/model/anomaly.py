"""What is unusual: each value against what was expected of it, as a score that is 1 at the band's edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats, series_ids, step_of
from tutordex_analysis.model import budget
from tutordex_analysis.model.clock import Clock, clock_of, two
from tutordex_analysis.model.counts import is_count
from tutordex_analysis.model.incidents import intervals
from tutordex_analysis.model.panel import panels, seasons
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.model.rows import Rows, side_by_side
from tutordex_analysis.model.score import mean
from tutordex_analysis.model.surprise import CYCLE, KINDS, Surprise
from tutordex_analysis.moment import Span

_NO_POLICY = Policy()
Scalar = TypeVar("Scalar", bound=np.generic)
_LEAST_CHANCE = 0.02  # variance of a count from step to step over its mean; 1 for chance alone
_BLOCK = 1024  # series in one pass
_TURN = 128  # rows of time in one piece of it
_NUMBERS = ("expected", "lower", "upper", "score")  # of a judged row
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
        threshold: The score above which the newest value is an anomaly.
        policy: What was asked for.
    """

    frame: pd.DataFrame
    incidents: pd.DataFrame
    threshold: float
    policy: Policy


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
    for one in side_by_side(panels(frame)):
        step = one.step
        short, long = two(seasons(season_lengths, step))
        clock = clock_of(one.ds, short=short, long=long, step=step, calendar=calendar, tz=tz)
        tables.append(table_of(one, *scored(begun(one, short=short, long=long), one.y, clock)))
    table = tables[0] if len(tables) == 1 else _joined(tables, series_ids(frame))
    return judged(table, step, policy or _NO_POLICY)


def _joined(tables: Sequence[pd.DataFrame], order: Sequence[str]) -> pd.DataFrame:
    """Tables of different series as one, series in their order."""
    ids = pd.CategoricalDtype([*order])
    parts = [one.assign(unique_id=one["unique_id"].astype(ids)) for one in tables]
    return pd.concat(parts, ignore_index=True).sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)


def judged(table: pd.DataFrame, step: pd.Timedelta, policy: Policy) -> Anomalies:
    """Which scores are alerts, under a policy.

    Args:
        table: Everything but `is_anomaly`, sorted by series and time.
        step: Distance of two rows.
        policy: What is worth an alert.
    """
    score = budget.allowed(table, policy)
    level = np.broadcast_to(np.float64(budget.EDGE), len(table))
    if policy.alerts_per_week is not None and len(table):
        level = budget.thresholds(score, budget.grid(table, step), alerts_per_week=policy.alerts_per_week)
    return _flagged(table, score, level, policy)


def within(found: Mapping[str, Anomalies], *, alerts_per_week: float) -> dict[str, Anomalies]:
    """The alerts of several signals under one budget, each signal under its own policy.

    Args:
        found: By signal; all have the same step.
        alerts_per_week: Alerts that are wanted in a week over all series of all signals.

    Raises:
        FrameError: The steps differ, or the budget is no number above 0.
    """
    policies = {name: replace(one.policy, alerts_per_week=alerts_per_week) for name, one in found.items()}
    tables = [one.frame for one in found.values()]
    if not tables:
        return {}
    steps = {step_of(one) for one in tables}
    if len(steps) > 1:
        raise FrameError(f"one budget is for signals of one step; these have {', '.join(map(str, sorted(steps)))}")
    names = [name for name, one in found.items() for _ in range(len(one.frame))]
    all_rows = pd.DataFrame(
        {
            "unique_id": pd.Series(names)
            + " "
            + pd.concat([one["unique_id"].astype(str) for one in tables], ignore_index=True),
            "ds": pd.concat([one["ds"] for one in tables], ignore_index=True),
        }
    )
    score = np.concatenate([budget.allowed(one.frame, policies[name]) for name, one in found.items()])
    level = budget.thresholds(score, budget.grid(all_rows, steps.pop()), alerts_per_week=alerts_per_week)
    ends = np.cumsum([len(one) for one in tables])
    return {
        name: _flagged(one.frame, score[end - len(one.frame) : end], level[end - len(one.frame) : end], policies[name])
        for (name, one), end in zip(found.items(), ends, strict=True)
    }


def _flagged(table: pd.DataFrame, score: Floats, level: Floats, policy: Policy) -> Anomalies:
    gaps = (table["kind"] == "missing").to_numpy() & (policy.direction != "up")
    flagged = table.assign(is_anomaly=(score > level) | gaps)
    newest = float(level[pd.DatetimeIndex(table["ds"]).asi8.argmax()]) if len(table) else budget.EDGE
    return Anomalies(frame=flagged, incidents=intervals(flagged), threshold=newest, policy=policy)


def scored(states: Sequence[Surprise], y: Floats, clock: Clock) -> tuple[dict[str, Floats], npt.NDArray[np.int8]]:
    """Moves states of blocks of series on by the columns of `y`.

    Returns:
        expected, lower, upper and score by name, and kind, each of the shape of `y`.
    """
    found = {name: np.empty(y.shape) for name in _NUMBERS}
    kind = np.empty(y.shape, dtype=np.int8)
    start = 0
    for state in states:
        block = slice(start, start + state.n)
        start += state.n
        for first in range(0, y.shape[1], _TURN):  # turned round in pieces: a step reads and writes side by side
            piece = slice(first, min(first + _TURN, y.shape[1]))
            rows = np.ascontiguousarray(y[block, piece].T)
            turned = {name: np.empty(rows.shape) for name in _NUMBERS}
            kinds = np.empty(rows.shape, dtype=np.int8)
            for i, row in enumerate(rows):
                at = first + i
                one = state.step(
                    row,
                    t=int(clock.t[at]),
                    day=int(clock.day[at]),
                    week=int(clock.week[at]),
                    sunday=int(clock.sunday[at]),
                )
                for name, out in turned.items():
                    out[i] = getattr(one, name)
                kinds[i] = one.kind
            for name, out in turned.items():
                found[name][block, piece] = out.T
            kind[block, piece] = kinds.T
    return found, kind


def begun(rows: Rows, *, short: int, long: int) -> list[Surprise]:
    """States that have seen nothing yet, one a block; whether a series counts events is told by its first season."""
    season, n = short or CYCLE, len(rows.y)
    counts, zeros = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for start in np.unique(rows.first):
        same = rows.first == start
        young = rows.y[same, start : start + season]
        zeros[same] = (np.nan_to_num(young) == 0).all(axis=1)
        counts[same] = zeros[same] | (is_count(young) & _by_chance(young))
    blocks = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
    return [
        Surprise(
            n=one.stop - one.start, short=short, long=long, is_count=counts[one].copy(), undecided=zeros[one].copy()
        )
        for one in blocks
    ]


def _by_chance(y: Floats) -> npt.NDArray[np.bool_]:
    """Series that go up and down at least a little as counts do; targets that are up do not, nor does a constant."""
    moved = np.square(np.diff(y, axis=1))
    return np.asarray(mean(moved) / 2 >= _LEAST_CHANCE * mean(y), dtype=np.bool_)


def table_of(rows: Rows, scored: dict[str, Floats], kind: npt.NDArray[np.int8]) -> pd.DataFrame:
    """One row a reading or gap, series by series, without what lies before a series' first and after its last row."""
    n = len(rows.ds)
    at = np.arange(n)
    inside = ((at >= rows.first[:, None]) & (at < rows.end[:, None])).reshape(-1)
    whole = bool(inside.all())

    def flat(one: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        return one.reshape(-1) if whole else one.reshape(-1)[inside]

    codes = np.repeat(np.arange(len(rows.ids), dtype=np.min_scalar_type(-len(rows.ids))), n)
    moments = flat(np.tile(rows.ds.tz_convert(None).to_numpy(), len(rows.ids)))
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(flat(codes), dtype=pd.CategoricalDtype([*rows.ids])),
            "ds": pd.DatetimeIndex(moments, copy=False).tz_localize("UTC"),
            "y": flat(rows.y),
            **{name: flat(scored.pop(name)) for name in _NUMBERS},  # given away one by one, so that few are held twice
            "kind": pd.Categorical.from_codes(flat(kind), dtype=pd.CategoricalDtype([*KINDS])),
        },
        copy=False,
    )
