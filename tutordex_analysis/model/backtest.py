"""Rolling-origin backtest: every model forecasts from the same past moments, and is scored by what came after."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis.errors import AnalysisError, FrameError, NotEnoughData
from tutordex_analysis.frame import Floats, series_ids
from tutordex_analysis.model import score
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

    Raises:
        NotEnoughData: No series is long enough.
        FrameError: The frame breaks the contract, or an argument is no horizon, season or model.
    """
    if cutoffs < 1 or not models:
        raise FrameError(f"a backtest needs at least one cutoff and one model, got {cutoffs} and {len(models)}")
    options = {"calendar": calendar, "tz": tz, "seed": seed}
    tables, longest, need = [], 0, 0
    for panel in panels(frame):
        h, lengths = steps(horizon, panel.step, name="a horizon"), seasons(season_lengths, panel.step)
        at = cutoff_places(len(panel.ds), h, season=min(lengths, default=1), cutoffs=cutoffs)
        longest, need = max(longest, len(panel.ds)), h + history_needed(min(lengths, default=1))
        if at:
            tables.append(tournament(panel, horizon=h, season_lengths=lengths, models=models, at=at, options=options))
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


def tournament(
    panel: Panel,
    *,
    horizon: int,
    season_lengths: Sequence[int],
    models: Sequence[Forecaster],
    at: Sequence[int],
    options: Mapping[str, object],
) -> pd.DataFrame:
    """The backtest of one panel; columns as in `Backtest.frame`, sorted by series, model and cutoff."""
    found = []
    for model in models:
        for n in at:
            past = panel.until(n)
            tried = (~np.isnan(past.y)).sum(axis=1) >= LEAST
            q = np.full((len(past.y), horizon, len(QUANTILES)), np.nan)
            started = time.perf_counter()
            if tried.any():
                some = past.take(np.flatnonzero(tried).tolist())
                q[tried] = run(
                    model, some, horizon=horizon, season_lengths=season_lengths, quantiles=QUANTILES, **options
                )
            seconds = (time.perf_counter() - started) / max(tried.sum(), 1)
            actual = np.where(tried[:, None], panel.y[:, n : n + horizon], np.nan)
            numbers = _scores(actual, q, past.y, season=min(season_lengths, default=1))
            found.append(
                pd.DataFrame(
                    {
                        "unique_id": panel.ids,
                        "model": name_of(model),
                        "cutoff": past.ds[-1],
                        **numbers,
                        "seconds": seconds,
                    }
                )
            )
    table = pd.concat(found, ignore_index=True)
    order = np.argsort(np.tile(np.arange(len(panel.ids)), len(found)), kind="stable")
    return table.iloc[order].reset_index(drop=True)[list(COLUMNS)]


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


def _scores(actual: Floats, q: Floats, history: Floats, *, season: int) -> dict[str, Floats]:
    at = {level: q[..., QUANTILES.index(level)] for level in (0.025, 0.1, 0.5, 0.9, 0.975)}
    return {
        "mase": score.mase(actual, at[0.5], history, season_length=season),
        "smape": score.smape(actual, at[0.5]),
        "pinball": score.ratio(
            2 * score.pinball(actual, q[..., 1:-1], quantiles=QUANTILES[1:-1]),
            score.scale(history, season_length=season),
        ),
        "bias": score.bias(actual, at[0.5]),
        "coverage_80": score.coverage(actual, at[0.1], at[0.9]),
        "coverage_95": score.coverage(actual, at[0.025], at[0.975]),
    }
