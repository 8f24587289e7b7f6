"""What statsmodels forecasts: a series without its seasons, smoothed exponentially; the last season is put back.

The seasons come off by MSTL with the jumps that its authors allow, since smoothing at every step costs twenty times as
much and changes nothing that a forecast shows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model.naive import last_value

Smoother: TypeAlias = Callable[[Floats, int], tuple[Floats, Floats]]

_LEAST = 10  # readings below which the last value is repeated


def ets(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """Simple exponential smoothing of the seasonally adjusted series, ETS(A,N,N).

    Args:
        y: Histories, shape (n_series, n), NaN where there is a gap.
        ds: Instants of the history; not used, part of every forecaster's signature.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; one with fewer than three cycles in `n` is left out.
        quantiles: Levels, rising.

    Returns:
        Quantiles, shape (n_series, horizon, n_quantiles), Gaussian.

    References:
        Hyndman, Koehler, Ord & Snyder (2008), Forecasting with Exponential Smoothing, chapter 6, for the variances.
        Bandara, Hyndman & Bergmeir (2025), Int. J. Operational Research 52(1), for MSTL.
    """
    return _adjusted(y, _simple, horizon=horizon, season_lengths=season_lengths, quantiles=quantiles)


def damped_trend(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """MSTL and a damped trend, ETS(A,Ad,N), on what is left; arguments and result as in `ets`."""
    return _adjusted(y, _damped, horizon=horizon, season_lengths=season_lengths, quantiles=quantiles)


def theta(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """The Theta method on the seasonally adjusted series; arguments and result as in `ets`.

    References:
        Assimakopoulos & Nikolopoulos (2000), Int. J. Forecasting 16(4), 521-530.
    """
    return _adjusted(y, _theta, horizon=horizon, season_lengths=season_lengths, quantiles=quantiles)


def filled(y: Floats, *, season_lengths: Sequence[int]) -> Floats:
    """One series without gaps: the value a season before or after, longest season first, else a straight line.

    Args:
        y: Shape (n,), at least one reading.
        season_lengths: Seasons in steps.
    """
    values = pd.Series(y)
    for m in sorted(season_lengths, reverse=True):
        if not values.isna().any():
            break
        values = values.fillna(values.shift(m)).fillna(values.shift(-m))
    return np.asarray(values.interpolate(limit_direction="both"), dtype=np.float64)


def _adjusted(
    y: Floats, smoother: Smoother, *, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    seasons = bases.terms(y.shape[1], season_lengths)
    result = np.empty((len(y), horizon, len(quantiles)))
    z = ndtri(np.asarray(quantiles))
    for i, row in enumerate(y):
        there = ~np.isnan(row)
        size = float(np.std(row[there])) if there.sum() >= _LEAST else 0.0
        if size == 0 or np.ptp(row[there]) == 0:
            result[i] = last_value(
                row[None], ds=pd.DatetimeIndex([]), horizon=horizon, season_lengths=(), quantiles=quantiles
            )[0]
            continue
        centre = float(np.median(row[there]))
        whole = (filled(row, season_lengths=seasons) - centre) / size  # the optimisers want numbers of size one
        with _quiet():
            season = _seasonal(whole, seasons)
            mean, variance = smoother(whole - season.sum(axis=0), horizon)
        for m, part in zip(seasons, season, strict=True):
            mean = mean + np.resize(part[-m:], horizon)
        result[i] = centre + size * (mean[:, None] + np.sqrt(variance)[:, None] * z)
    return result


def _seasonal(y: Floats, seasons: Sequence[int]) -> Floats:
    """The seasonal parts, shape (n_seasons, n)."""
    if not seasons:
        return np.zeros((0, len(y)))
    from statsmodels.tsa.seasonal import MSTL

    jump = max(1, min(seasons) // 8)
    options = {"seasonal_jump": jump, "trend_jump": 8 * jump, "low_pass_jump": 8 * jump}
    found = MSTL(y, periods=tuple(seasons), stl_kwargs=options).fit()
    return np.asarray(found.seasonal, dtype=np.float64).reshape(len(y), -1).T


def _simple(y: Floats, horizon: int) -> tuple[Floats, Floats]:
    fit = _fitted(y)
    return np.asarray(fit.forecast(horizon)), _variance(fit.mse, np.full(horizon, fit.smoothing_level))


def _damped(y: Floats, horizon: int) -> tuple[Floats, Floats]:
    fit = _fitted(y, trend="add", damped_trend=True)
    left = np.cumsum(fit.damping_trend ** np.arange(1, horizon + 1))
    return np.asarray(fit.forecast(horizon)), _variance(fit.mse, fit.smoothing_level + fit.smoothing_trend * left)


def _theta(y: Floats, horizon: int) -> tuple[Floats, Floats]:
    """The line of slope halved and simple smoothing, which is what Theta with its default lines comes to.

    References:
        Hyndman & Billah (2003), Int. J. Forecasting 19(2), 287-290.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel

    fit = ThetaModel(y, period=1, deseasonalize=False).fit(use_mle=False)
    return np.asarray(fit.forecast(horizon)), _variance(
        _simple_error(y, fit.params["alpha"]), np.full(horizon, fit.params["alpha"])
    )


def _simple_error(y: Floats, level: float) -> float:
    """Mean squared error of simple smoothing one step ahead."""
    from scipy.signal import lfilter

    smoothed, _ = lfilter([level], [1.0, level - 1.0], y, zi=[(1 - level) * y[0]])
    return float(np.mean((y[1:] - smoothed[:-1]) ** 2))


def _fitted(y: Floats, **options: object) -> Any:  # noqa: ANN401 - statsmodels has no types
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    return ETSModel(y, error="add", **options).fit(disp=0)


def _variance(one_step: float, response: Floats) -> Floats:
    """Variance ahead from that one step ahead and what an error leaves in the level after each step."""
    return one_step * np.concatenate([[1.0], 1 + np.cumsum(response**2)[:-1]])


@contextmanager
def _quiet() -> Iterator[None]:
    """Optimisers that stop early warn; the tournament judges what they found."""
    import statsmodels.tools.sm_exceptions  # noqa: F401 - sets filters of its own when it is first imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
