"""The batched structural model: trend with changepoints, seasons, holidays and errors with a memory, for all series.

y = x'b + e. The columns x are the same for every series; b has a Gaussian prior; e is `noise.Noise`. Which prior and
which noise is chosen for each series by marginal likelihood over a small table of settings. The factors of a setting
serve all series, since gaps and outliers become pseudo-data (expectation-maximisation) and no series needs weights.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri
from threadpoolctl import ThreadpoolController

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model import pseudo
from tutordex_analysis.model.calendar import Break, continued, regressors
from tutordex_analysis.model.naive import MAD_TO_SD, median
from tutordex_analysis.model.noise import Noise
from tutordex_analysis.model.prior import table_of
from tutordex_analysis.model.score import mean
from tutordex_analysis.model.setting import COARSE, Factors, Table, near, noises_of

BLOCK = 64  # rows of one matrix product: always the same, so that a series' numbers do not depend on its neighbours
CHUNK = 64  # series held at once, so that what is worked on stays near the processor
ROUNDS = 1  # of pseudo-data
_FLOOR = 1e-12  # least share of a series' variance that is noise, for the logarithm


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """The best setting of each series so far; every array's first axis is the series.

    Attributes:
        likelihood: Logarithm of the marginal likelihood.
        noise: Place of the noise in the table; `prior` likewise.
        coefficients: Shape (n_series, p).
        variance: Of the innovations.
    """

    likelihood: Floats
    noise: npt.NDArray[np.int64]
    prior: npt.NDArray[np.int64]
    coefficients: Floats
    variance: Floats


def structural(
    y: Floats,
    *,
    ds: pd.DatetimeIndex,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    calendar: str | None = None,
    tz: str = "UTC",
    breaks: Sequence[Break] = (),
    changepoints: bool = True,
) -> Floats:
    """Trend, seasons, holidays and the memory of errors, with bands in closed form.

    A change of slope wears off over a sixth of the history and what lasts is the slope of the whole history,
    so a steady growth goes on and last week's climb does not. The band holds the noise, what is not known of the
    coefficients, and changes of slope yet to come, so it widens with the horizon.

    Args:
        y: Histories, shape (n_series, n), NaN where there is a gap.
        ds: Instants of the history, UTC, shape (n,), n >= 2.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; one with fewer than three cycles in `n` is left out.
        quantiles: Levels, rising.
        calendar: Holidays country code, or None.
        tz: Zone of the civil day, for holidays.
        breaks: First and last civil day of stretches such as school holidays.
        changepoints: Whether the slope may change.

    Returns:
        Quantiles, shape (n_series, horizon, n_quantiles); NaN for a series without a reading.
    """
    n, step = y.shape[1], ds[1] - ds[0]
    holidays = None
    if calendar is not None or breaks:
        both = continued(ds, horizon)
        holidays = regressors(both, n_history=n, step=step, tz=tz, calendar=calendar, breaks=breaks)
    year = bases.YEAR / step
    basis = bases.make(
        n, horizon, season_lengths=season_lengths, holidays=holidays, changepoints=changepoints, year=year
    )
    lags = bases.terms(n, season_lengths)
    priors = table_of(
        changepoints=changepoints, seasonal=bool(lags), yearly=bases.has_year(n, year), holidays=holidays is not None
    )
    table = Table(basis=basis, noises=noises_of(lags), priors=priors)
    season = max(lags, default=1)
    with _controller().limit(limits=1, user_api="blas"):  # threads cost more than they win on products of this size
        chunks = [_chunk(y[i : i + CHUNK], table, season) for i in range(0, len(y), CHUNK)]
    centre, sd = (np.concatenate(part)[:, :, None] for part in zip(*chunks, strict=True))
    result: Floats = centre + sd * ndtri(np.asarray(quantiles))
    return result


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def straight_line(
    y: Floats,
    *,
    ds: pd.DatetimeIndex,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    calendar: str | None = None,
    tz: str = "UTC",
    breaks: Sequence[Break] = (),
) -> Floats:
    """The structural model without changepoints, for horizons longer than the history; arguments as there."""
    return structural(
        y,
        ds=ds,
        horizon=horizon,
        season_lengths=season_lengths,
        quantiles=quantiles,
        calendar=calendar,
        tz=tz,
        breaks=breaks,
        changepoints=False,
    )


def _chunk(y: Floats, table: Table, season: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation ahead of some series, each of shape (n_series, horizon)."""
    basis, noises = table.basis, table.noises
    padded = np.zeros((-(-len(y) // BLOCK) * BLOCK, y.shape[1]))
    padded[: len(y)] = y
    centre, scale = _units(padded)
    z = (padded - centre) / scale
    readings = np.maximum((~np.isnan(z)).sum(axis=1), 2)
    memory = np.array([one.memory for one in noises])
    work = pseudo.first(z, season=season, explained=basis.holiday)
    coarse = np.array([[(one.memory, one.echo) in COARSE for one in noises]])
    fit = _search(work, readings, table, tried=coarse.repeat(len(z), axis=0))
    fit = _search(work, readings, table, tried=near(noises)[fit.noise])
    for _ in range(ROUNDS):
        work = pseudo.update(z, _fitted(fit, basis.history), memory=memory[fit.noise])
        fit = _search(work, readings, table, tried=np.eye(len(noises), dtype=np.bool_)[fit.noise])
    ahead, noise_variance = _carried(fit, work - _fitted(fit, basis.history), np.isnan(z), noises, len(basis.ahead))
    ahead += _fitted(fit, basis.ahead)
    sd = np.sqrt(fit.variance[:, None] * (noise_variance + _spread(fit, table)))
    return (centre + scale * ahead)[: len(y)], (scale * sd)[: len(y)]


def _units(y: Floats) -> tuple[Floats, Floats]:
    """Centre and size of each row, robust unless most of the row is one value; shape (n_series, 1)."""
    centre = median(y)[:, None]
    sd = np.sqrt(mean((y - centre) ** 2))
    scale = MAD_TO_SD * median(np.abs(y - centre))
    scale = np.where(scale > sd / 20, scale, sd)
    return centre, np.where(scale > 0, scale, 1.0)[:, None]


def _search(work: Floats, readings: Floats, table: Table, *, tried: npt.NDArray[np.bool_]) -> _Fit:
    """The most likely setting of each series and its coefficients, among the noises that are `tried` for it.

    Args:
        work: Shape (n_series, n), no gaps.
        readings: Of each series, shape (n_series,).
        table: The settings.
        tried: Shape (n_series, n_noises), one noise a series at least.
    """
    rows = len(work)
    best = _Fit(
        likelihood=np.full(rows, -np.inf),
        noise=np.zeros(rows, dtype=np.int64),
        prior=np.zeros(rows, dtype=np.int64),
        coefficients=np.zeros((rows, table.basis.x.shape[1])),
        variance=np.zeros(rows),
    )
    for place, noise in enumerate(table.noises):
        asked = np.flatnonzero(tried[:, place])
        if not len(asked):
            continue
        factors = table.factors(place)
        for start in range(0, len(asked), BLOCK):
            some = asked[start : start + BLOCK]
            block = np.zeros((work.shape[1], BLOCK))
            block[:, : len(some)] = work[some].T
            moments, total = factors.turned @ block, (noise.whiten(block) ** 2).sum(axis=0)
            least = _FLOOR * (block**2).sum(axis=0)
            _improve(best, some, place, factors, moments, np.maximum(total, least), least, readings[some])
    return best


def _improve(
    best: _Fit,
    rows: npt.NDArray[np.int64],
    place: int,
    factors: Factors,
    moments: Floats,
    total: Floats,
    least: Floats,
    readings: Floats,
) -> None:
    """Puts the best setting of a noise in place of the best so far where it is more likely."""
    n_priors, p, _ = factors.inverse.shape
    coefficients = (factors.inverse.reshape(-1, p) @ moments).reshape(n_priors, p, -1)
    left = np.maximum(total - (moments * coefficients).sum(axis=1), least)[:, : len(rows)]
    variance = left / readings
    likelihood = factors.log_density - readings / 2 * np.log(np.where(variance > 0, variance, 1.0))
    prior = likelihood.argmax(axis=0)
    column = np.arange(len(rows))
    better = likelihood[prior, column] > best.likelihood[rows]
    won, prior, column = rows[better], prior[better], column[better]
    best.likelihood[won] = likelihood[prior, column]
    best.noise[won] = place
    best.coefficients[won] = coefficients[prior, :, column]
    best.variance[won] = variance[prior, column]
    best.prior[won] = prior


def _spread(fit: _Fit, table: Table) -> Floats:
    """Variance ahead, in that of an innovation, from what is not known of the coefficients and from slopes to come.

    Returns:
        Shape (n_series, horizon).
    """
    basis = table.basis
    result = np.zeros((len(fit.noise), len(basis.ahead)))
    for place in np.unique(fit.noise):
        noise, inverse = table.noises[place], table.factors(int(place)).inverse
        ahead = basis.ahead - noise.expected(basis.history, len(basis.ahead))
        for one in np.unique(fit.prior[fit.noise == place]):
            knot = noise.spread * table.priors[one].knot
            spread = ((ahead @ inverse[one]) * ahead).sum(axis=1) + knot**2 * basis.to_come
            result[(fit.noise == place) & (fit.prior == one)] = spread
    return result


def _fitted(fit: _Fit, x: Floats) -> Floats:
    """What the columns explain, shape (n_series, len(x)), in products of one shape."""
    turned = np.ascontiguousarray(x.T)
    return np.concatenate([fit.coefficients[i : i + BLOCK] @ turned for i in range(0, len(fit.coefficients), BLOCK)])


def _carried(
    fit: _Fit, errors: Floats, gone: npt.NDArray[np.bool_], noises: Sequence[Noise], horizon: int
) -> tuple[Floats, Floats]:
    """What the last errors leave to expect, and the variance of the innovations to come; older ends know less."""
    ahead, variance = np.zeros((len(errors), horizon)), np.zeros((len(errors), horizon))
    age = (~gone)[:, ::-1].argmax(axis=1)
    for place, noise in enumerate(noises):
        rows = np.flatnonzero(fit.noise == place)
        if len(rows):
            power = np.cumsum(noise.response(horizon + int(age[rows].max())) ** 2)
            variance[rows] = power[np.arange(horizon) + age[rows, None]]
            ahead[rows] = noise.expected(np.ascontiguousarray(errors[rows].T), horizon).T
    return ahead, variance
