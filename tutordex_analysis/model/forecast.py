"""Forecasts of every series of a frame: the model that beat last week, its bands, and paths through them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats, check, series_ids
from tutordex_analysis.model import combination, paths
from tutordex_analysis.model.backtest import QUANTILES, Forecaster, by_series, run
from tutordex_analysis.model.calendar import Break, check_civil
from tutordex_analysis.model.choice import NONE_DEMOTED, Plan, choose
from tutordex_analysis.model.panel import Panel, panels, seasons, steps
from tutordex_analysis.moment import Span

BUDGET_SECONDS = 2.0
MOST_SEEDS = 2**31  # Stan's numbers are signed
CHUNK = 256  # series in one tournament, which bounds the memory
_NEAR = 1e-6  # a value this share of the history's size past a bound is rounding, more is a contradiction


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """What is to come, for each series.

    Attributes:
        frame: `unique_id`, `ds` (the first row one step after the series' last), `yhat` (the median) and a column
            `q…` for each quantile; in the unit of the series. A series that could not be forecast has no rows.
        model: Name of the model used, by `unique_id`; "none" where there was not enough data.
        reason: Why that model, or why none: a sentence, by `unique_id`.
        shares: Of which models the forecast is mixed: a share by name, by `unique_id`; empty where there is none.
        scores: The tournament behind the choice, columns of `Backtest.frame` but `seconds`; empty without one.
        quantiles: Levels of the quantile columns, rising.
        horizon: Steps ahead.
        step: Distance of two instants.
        last: The last reading of each series.
        memory: Correlation of two errors one step apart, by `unique_id`.
        lower: No value lies below, or None.
        upper: No value lies above, or None.
    """

    frame: pd.DataFrame
    model: pd.Series
    reason: pd.Series
    shares: Mapping[str, Mapping[str, float]]
    scores: pd.DataFrame
    quantiles: tuple[float, ...]
    horizon: int
    step: pd.Timedelta
    last: pd.Series
    memory: pd.Series
    lower: float | None
    upper: float | None

    @property
    def series(self) -> list[str]:
        """The series that have a forecast, in the order of the frame."""
        return [str(one) for one in self.frame["unique_id"].cat.categories]

    def instants(self, unique_id: str) -> pd.DatetimeIndex:
        """The horizon of one series, UTC."""
        return pd.DatetimeIndex(self._rows(unique_id)["ds"])

    def paths(self, n: int, seed: int = 0) -> Floats:
        """Joint simulation of each series: at each step spread as its quantiles, with errors that remember themselves.

        Args:
            n: Paths a series.
            seed: Same seed, same paths; a series' paths do not depend on the other series.

        Returns:
            Shape (n_series, n, horizon) in the order of `series`; 8 bytes a value, so take `paths_of` for many series.
        """
        return np.stack([self.paths_of(one, n, seed=seed) for one in self.series])

    def paths_of(self, unique_id: str, n: int, seed: int = 0) -> Floats:
        """Paths of one series, shape (n, horizon).

        Raises:
            FrameError: There is no such series in the forecast, it has no band, or fewer than one path is asked for.
        """
        if n < 1:
            raise FrameError(f"at least one path must be asked for, got {n}")
        table = self._rows(unique_id)
        columns = {0.5: "yhat"} | {p: f"q{p:g}" for p in self.quantiles}
        if len(columns) < 2:
            raise FrameError("paths need a forecast with more quantiles than the median")
        result = paths.simulate(
            table[[columns[p] for p in sorted(columns)]].to_numpy(),
            quantiles=sorted(columns),
            memory=float(self.memory[unique_id]),
            n=n,
            rng=paths.generator(seed, unique_id),
        )
        return result if self.lower is None and self.upper is None else np.clip(result, self.lower, self.upper)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.series)}

    def _rows(self, unique_id: str) -> pd.DataFrame:
        if unique_id not in self._row:
            raise FrameError(
                f"there is no forecast of {unique_id}; {self.reason.get(unique_id, 'it is not in the frame')}"
            )
        start = self._row[unique_id] * self.horizon
        return self.frame.iloc[start : start + self.horizon]


def forecast(
    frame: pd.DataFrame,
    *,
    horizon: int | Span,
    season_lengths: Sequence[int | Span],
    quantiles: Sequence[float] = QUANTILES,
    model: Literal["auto"] | Forecaster = "auto",
    calendar: str | None = None,
    tz: str = "UTC",
    lower: float | None = None,
    upper: float | None = None,
    seed: int = 0,
    breaks: Sequence[Break] = (),
    budget_seconds: float = BUDGET_SECONDS,
    demoted: Mapping[str, Collection[str]] = NONE_DEMOTED,
) -> Forecast:
    """The next steps of every series, each by the model that has shown to be better than repeating last week.

    No series' answer depends on the others.

    Args:
        frame: Series, three columns needed (`frame.check`); gaps are NaN. Lengths and ends may differ.
        horizon: Steps, or a duration such as "14d"; counted from the series' last row, whether it is NaN or not.
        season_lengths: Steps or durations, such as ("1d", "7d"); () for none. A season is used when the
            history holds enough cycles of it.
        quantiles: Levels between 0 and 1, rising.
        model: "auto", or a forecaster such as `structural` (options bound by `functools.partial`).
        calendar: Holidays country code such as "SG", or None.
        tz: Zone of the civil day, for holidays.
        lower: Least possible value, in the unit of the series.
        upper: Largest possible value.
        seed: For models that draw samples.
        breaks: First and last civil day of stretches such as school holidays, both included.
        budget_seconds: CPU seconds that the tournament may take a series, by the usual cost of the models
            (`choice.CANDIDATES`); dear ones are left out first.
        demoted: Names of models that "auto" does not use, by `unique_id`: `scorecard.away` of one signal.

    Raises:
        NotEnoughData: No series has enough readings.
        FrameError: The frame breaks the contract, holds infinities or values past a bound, or an argument is wrong.
    """
    levels = _levels(quantiles)
    _check_bounds(frame, lower, upper)
    if not 0 <= seed < MOST_SEEDS:
        raise FrameError(f"a seed is a whole number from 0 to {MOST_SEEDS - 1}, got {seed}")
    check_civil(calendar=calendar, tz=tz, breaks=breaks)
    options = {"calendar": calendar, "tz": tz, "seed": seed, "breaks": breaks, "lower": lower, "upper": upper}
    asked = tuple(sorted({*levels, *QUANTILES}))
    found: dict[str, _One] = {}
    tables = []
    for panel in (part for whole in panels(frame) for part in whole.parts(CHUNK)):
        h, lengths = steps(horizon, panel.step, name="a horizon"), seasons(season_lengths, panel.step)
        future = panel.future(h)
        plans, scores = choose(
            panel,
            horizon=h,
            season_lengths=lengths,
            model=model,
            options=options,
            budget_seconds=budget_seconds,
            demoted=demoted or {},
        )
        tables.append(scores)
        memory = paths.memory_of(panel.y, season=min(lengths, default=1))
        last = _last(panel.y)
        values = _carried_out(plans, panel, horizon=h, season_lengths=lengths, quantiles=asked, options=options)
        for i, (plan, q) in enumerate(zip(plans, values, strict=True)):
            if q is not None and (lower is not None or upper is not None):
                q = np.clip(q, lower, upper)
            found[panel.ids[i]] = _One(plan, q, future, float(last[i]), float(memory[i]))
    ids = series_ids(frame)
    if all(one.q is None for one in found.values()):
        raise NotEnoughData(f"nothing can be forecast; {ids[0]}: {found[ids[0]].plan.reason}")
    return Forecast(
        frame=_frame(ids, found, asked, levels),
        model=_per_series(ids, [found[one].plan.name for one in ids]),
        reason=_per_series(ids, [found[one].plan.reason for one in ids]),
        shares={one: found[one].plan.shares for one in ids},
        scores=by_series(tables, ids).drop(columns="seconds"),
        quantiles=levels,
        horizon=h,
        step=panel.step,
        last=_per_series(ids, [found[one].last for one in ids]),
        memory=_per_series(ids, [found[one].memory for one in ids]),
        lower=lower,
        upper=upper,
    )


def _carried_out(
    plans: Sequence[Plan],
    panel: Panel,
    *,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    options: Mapping[str, object],
) -> list[Floats | None]:
    """The quantiles of each plan, shape (horizon, n_quantiles); None where there is no model."""
    models = list(dict.fromkeys(one for plan in plans for one in plan.weights))
    weight = np.array([[plan.weights.get(one, 0.0) for one in models] for plan in plans])
    q = np.full((len(models), len(plans), horizon, len(quantiles)), np.nan)
    for place, one in enumerate(models):
        rows = np.flatnonzero(weight[:, place])
        some = panel.take(rows.tolist())
        q[place, rows] = run(one, some, horizon=horizon, season_lengths=season_lengths, quantiles=quantiles, **options)
    mixed = combination.mixed(q, weight, quantiles=quantiles) if models else q
    result: list[Floats | None] = []
    for i, plan in enumerate(plans):
        values = mixed[i] if plan.weights else None
        if values is not None and plan.stretch is not None:
            values = plan.stretch.apply(values, quantiles=quantiles)
        result.append(values)
    return result


@dataclass(frozen=True)
class _One:
    plan: Plan
    q: Floats | None
    future: pd.DatetimeIndex
    last: float
    memory: float


def _levels(quantiles: Sequence[float]) -> tuple[float, ...]:
    levels = tuple(float(p) for p in quantiles)
    if not levels or not all(0 < p < 1 for p in levels) or any(b <= a for a, b in pairwise(levels)):
        raise FrameError(f"quantiles are rising numbers between 0 and 1, got {levels}")
    if len({f"{p:g}" for p in levels}) < len(levels):  # what their columns are called
        raise FrameError(f"quantiles must differ in their first six digits, got {levels}")
    return levels


def _check_bounds(frame: pd.DataFrame, lower: float | None, upper: float | None) -> None:
    """Refuses values past a bound: one of the two must be wrong."""
    for name, bound in (("lower", lower), ("upper", upper)):
        if bound is not None and not np.isfinite(bound):
            raise FrameError(f"{name} must be a finite number, got {bound}; leave it out where there is no bound")
    if lower is not None and upper is not None and not lower < upper:
        raise FrameError(f"lower must be less than upper, got {lower} and {upper}")
    y = check(frame)["y"]
    size = float(y[np.isfinite(y)].abs().max()) if np.isfinite(y).any() else 0.0
    for bound, past, word in ((lower, y.lt, "below"), (upper, y.gt, "above")):
        if bound is not None:
            edge = bound + (-1 if word == "below" else 1) * _NEAR * max(size, abs(bound))
            wrong = past(edge)
            if wrong.any():
                worst = frame["unique_id"][wrong].iloc[0]
                name = "lower" if word == "below" else "upper"
                raise FrameError(
                    f"{int(wrong.sum())} values lie {word} {name}={bound:g}, first {y[wrong].iloc[0]:g} in {worst}; "
                    "mend the query or give another bound"
                )


def _last(y: Floats) -> Floats:
    """The last reading of each row, NaN without one."""
    there = ~np.isnan(y)
    at = y.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    result: Floats = y[np.arange(len(y)), at]
    return result


def _per_series(ids: list[str], values: Sequence[object]) -> pd.Series:
    kind = object if isinstance(values[0], str) else np.float64
    return pd.Series(values, index=pd.Index(ids, name="unique_id"), dtype=kind)


def _frame(ids: list[str], found: dict[str, _One], asked: Sequence[float], levels: Sequence[float]) -> pd.DataFrame:
    kept = [(one, found[one].q) for one in ids]
    names = [one for one, q in kept if q is not None]
    values = np.stack([q for _, q in kept if q is not None])
    horizon = values.shape[1]
    codes = np.repeat(np.arange(len(names)), horizon)
    moments = pd.DatetimeIndex(np.concatenate([found[one].future.tz_convert(None).to_numpy() for one in names]))
    columns: dict[str, object] = {
        "unique_id": pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object)),
        "ds": moments.tz_localize("UTC"),
        "yhat": values[:, :, asked.index(0.5)].reshape(-1),
    }
    columns |= {f"q{p:g}": values[:, :, asked.index(p)].reshape(-1) for p in levels}
    return pd.DataFrame(columns)
