"""Rolling-origin backtest: every model forecasts from the same past moments, and is scored by what came after."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import AnalysisError, FrameError, NotEnoughData
from tutordex_analysis.frame import Floats, series_ids
from tutordex_analysis.model import score
from tutordex_analysis.model.calendar import Break, check_civil
from tutordex_analysis.model.panel import Panel, panels, seasons, steps
from tutordex_analysis.moment import Span

Forecaster: TypeAlias = Callable[..., Floats]

QUANTILES = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
LEAST = 3  # readings without which nothing is forecast
COLUMNS = ("unique_id", "model", "cutoff", "mase", "smape", "pinball", "bias", "coverage_80", "coverage_95", "seconds")


@dataclass(frozen=True, kw_only=True, eq=False)
class Backtest:
    """How models did from the same past moments.

    Attributes:
        frame: One row a series, model and cutoff, the last instant that the model saw. `mase`, `smape` and `bias` as in
            `model.score`; `pinball` is twice the mean pinball loss over the scale of MASE, so that it compares over
            series and a point forecast's is its MASE; `coverage_80` and `coverage_95` are shares of the steps inside
            the central band; `seconds` is what the model took, a series. NaN where nothing could be scored.
    """

    frame: pd.DataFrame

    @property
    def summary(self) -> pd.DataFrame:
        """One row a model: means over series and cutoffs, best pinball first."""
        table = self.frame.drop(columns=["unique_id", "cutoff"]).groupby("model", sort=False).mean()
        return table.sort_values("pinball", kind="stable")


def backtest(
    frame: pd.DataFrame,
    *,
    horizon: int | Span,
    season_lengths: Sequence[int | Span],
    models: Sequence[Forecaster],
    cutoffs: int = 3,
    calendar: str | None = None,
    tz: str = "UTC",
    seed: int = 0,
    breaks: Sequence[Break] = (),
    lower: float | None = None,
    upper: float | None = None,
) -> Backtest:
    """Scores of models on the series of a frame; series too short for one cutoff are left out.

    Args:
        frame: Series to forecast, three columns needed.
        horizon: Steps or a duration ahead.
        season_lengths: Steps or durations; the shortest also scales the errors.
        models: Forecasters, such as `seasonal_naive` and `structural`.
        cutoffs: Past moments, one horizon apart where the history is long enough, else closer; the last leaves just
            the horizon to score.
        calendar: Holidays country code, handed to the models that take one.
        tz: Zone of the civil day, likewise.
        seed: For models that draw samples, likewise.
        breaks: First and last civil day of stretches such as school holidays, likewise.
        lower: Least possible value, likewise.
        upper: Largest possible value, likewise.

    Raises:
        NotEnoughData: No series is long enough.
        FrameError: The frame breaks the contract, or an argument is no horizon, season or model.
    """
    if cutoffs < 1 or not models:
        raise FrameError(f"a backtest needs at least one cutoff and one model, got {cutoffs} and {len(models)}")
    check_civil(calendar=calendar, tz=tz, breaks=breaks)
    options = {"calendar": calendar, "tz": tz, "seed": seed, "breaks": breaks, "lower": lower, "upper": upper}
    tables, longest, need = [], 0, 0
    for panel in panels(frame):
        h, lengths = steps(horizon, panel.step, name="a horizon"), seasons(season_lengths, panel.step)
        at = cutoff_places(len(panel.ds), h, season=min(lengths, default=1), cutoffs=cutoffs)
        longest, need = max(longest, len(panel.ds)), h + history_needed(min(lengths, default=1))
        if at:
            trials = [
                trial(model, panel, horizon=h, season_lengths=lengths, at=n, options=options)
                for model in models
                for n in at
            ]
            tables.append(table(panel, trials, season=min(lengths, default=1)))
    if not tables:
        raise NotEnoughData(
            f"a backtest needs {need} steps of history, the longest series has {longest}; ask a nearer horizon"
        )
    return Backtest(frame=by_series(tables, series_ids(frame)))


def by_series(tables: Sequence[pd.DataFrame], ids: Sequence[str]) -> pd.DataFrame:
    """Scores of several panels as one table in the order of `ids`."""
    filled = [one for one in tables if len(one)]
    if not filled:
        return pd.DataFrame(
            {name: pd.Series(dtype=object if name in ("unique_id", "model") else float) for name in COLUMNS}
        )
    place = {name: i for i, name in enumerate(ids)}
    table = pd.concat(filled, ignore_index=True)
    return table.sort_values("unique_id", key=lambda column: column.map(place), kind="stable", ignore_index=True)


def history_needed(season: int) -> int:
    """Steps of history without which a model is not tried: two of the shortest season."""
    return max(2 * season, LEAST) + 1


def cutoff_places(n: int, horizon: int, *, season: int, cutoffs: int) -> list[int]:
    """Lengths of the histories to forecast from, rising; empty where not even one leaves a horizon to score.

    At most half of the history is kept for scoring, unless a single horizon needs more.

    Example:
        >>> cutoff_places(240, 24, season=24, cutoffs=3)
        [168, 192, 216]
    """
    last = n - horizon
    if last < history_needed(season):
        return []
    room = last - max(history_needed(season), min(n // 2, last))
    apart = min(horizon, room // max(cutoffs - 1, 1))
    return sorted({last - i * apart for i in range(cutoffs)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One model forecasting from one past moment, for all series of a panel.

    Attributes:
        name: Of the model.
        at: Steps of history that it saw.
        q: Its quantiles at `QUANTILES`, shape (n_series, horizon, n_quantiles); NaN where it was not tried.
        seconds: What it took, a series.
    """

    name: str
    at: int
    q: Floats
    seconds: float

    @property
    def tried(self) -> npt.NDArray[np.bool_]:
        """For which series it said something, shape (n_series,)."""
        return np.asarray(~np.isnan(self.q).any(axis=(1, 2)), dtype=np.bool_)


def trial(
    model: Forecaster,
    panel: Panel,
    *,
    horizon: int,
    season_lengths: Sequence[int],
    at: int,
    options: Mapping[str, object],
    rows: npt.NDArray[np.bool_] | None = None,
) -> Trial:
    """What a model would have said after the first `at` steps of a panel; of `rows` only, where they are named."""
    past = panel.until(at)
    tried = (~np.isnan(past.y)).sum(axis=1) >= LEAST
    tried = tried if rows is None else tried & rows
    q = np.full((len(past.y), horizon, len(QUANTILES)), np.nan)
    started = time.perf_counter()
    if tried.any():
        some = past.take(np.flatnonzero(tried).tolist())
        q[tried] = run(model, some, horizon=horizon, season_lengths=season_lengths, quantiles=QUANTILES, **options)
    seconds = (time.perf_counter() - started) / max(int(tried.sum()), 1)
    return Trial(name=name_of(model), at=at, q=q, seconds=seconds)


def actual(panel: Panel, at: int, horizon: int) -> Floats:
    """What came in the `horizon` steps after the first `at`, shape (n_series, horizon)."""
    return panel.y[:, at : at + horizon]


def losses(panel: Panel, one: Trial, *, season: int) -> Floats:
    """Scaled pinball loss of a trial, shape (n_series,), as in `Backtest.frame`; NaN where it was not tried."""
    return _pinball(actual(panel, one.at, one.q.shape[1]), one.q, panel.y[:, : one.at], season=season)


def table(panel: Panel, trials: Sequence[Trial], *, season: int) -> pd.DataFrame:
    """The scores of trials; columns as in `Backtest.frame`, sorted by series and then as the trials are.

    A series that a model was not tried on has no row of it.
    """
    found = []
    for one in trials:
        scores = _scores(actual(panel, one.at, one.q.shape[1]), one.q, panel.y[:, : one.at], season=season)
        rows = pd.DataFrame(
            {
                "unique_id": panel.ids,
                "model": one.name,
                "cutoff": panel.ds[one.at - 1],
                **scores,
                "seconds": one.seconds,
            }
        )
        found.append(rows[one.tried])
    rows = pd.concat(found).sort_index(kind="stable")  # the index is the place of the series
    return rows.reset_index(drop=True)[list(COLUMNS)]


def run(
    model: Forecaster,
    panel: Panel,
    *,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    **options: object,
) -> Floats:
    """Quantiles of a forecaster, shape (n_series, horizon, n_quantiles), rising.

    Options go to a function that names them.

    Raises:
        AnalysisError: The forecaster gave another shape, or a number that is not finite.
    """
    known = inspect.signature(model).parameters
    everything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    extra = {key: value for key, value in options.items() if everything or key in known}
    result = model(
        panel.y, ds=panel.ds, horizon=horizon, season_lengths=tuple(season_lengths), quantiles=tuple(quantiles), **extra
    )
    wanted = (len(panel.y), horizon, len(quantiles))
    if np.shape(result) != wanted:
        raise AnalysisError(f"{name_of(model)} gave quantiles of shape {np.shape(result)}, wanted {wanted}")
    if not np.isfinite(result).all():
        bad = panel.ids[int((~np.isfinite(result)).any(axis=(1, 2)).argmax())]
        raise AnalysisError(f"{name_of(model)} gave a number that is not finite for {bad}; use another model")
    return np.sort(np.asarray(result, dtype=np.float64), axis=-1)


def name_of(model: Forecaster) -> str:
    """What a forecaster is called in a result: the name of its function.

    Example:
        >>> name_of(partial(cutoff_places, season=24))
        'cutoff_places'
    """
    while isinstance(model, partial):
        model = model.func
    return str(getattr(model, "__name__", type(model).__name__))


def _pinball(y: Floats, q: Floats, history: Floats, *, season: int) -> Floats:
    loss = 2 * score.pinball(y, q[..., 1:-1], quantiles=QUANTILES[1:-1])
    return score.ratio(loss, score.scale(history, season_length=season))


def _scores(y: Floats, q: Floats, history: Floats, *, season: int) -> dict[str, Floats]:
    y = np.where(np.isnan(q[..., 0]), np.nan, y)
    at = {level: q[..., QUANTILES.index(level)] for level in (0.025, 0.1, 0.5, 0.9, 0.975)}
    return {
        "mase": score.mase(y, at[0.5], history, season_length=season),
        "smape": score.smape(y, at[0.5]),
        "pinball": _pinball(y, q, history, season=season),
        "bias": score.bias(y, at[0.5]),
        "coverage_80": score.coverage(y, at[0.1], at[0.9]),
        "coverage_95": score.coverage(y, at[0.025], at[0.975]),
    }
