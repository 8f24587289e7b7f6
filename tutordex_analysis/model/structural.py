"""The batched structural model: trend with changepoints, seasons, holidays and a short memory, for all series at once.

y = x'b + e, with the same columns x for every series, e an autoregression of order one, and a Gaussian prior on b. What
the prior and the memory are is chosen for each series by its marginal likelihood over a small table of settings;
the factors of a setting serve all series. Gaps and outliers become pseudo-data (expectation-maximisation), so no
series needs weights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model.basis import Basis
from tutordex_analysis.model.calendar import regressors
from tutordex_analysis.model.naive import MAD_TO_SD, median

BLOCK = 64  # rows of one matrix product: always the same, so that a series' numbers do not depend on its neighbours
MEMORY = (0.0, 0.4, 0.7, 0.85, 0.93, 0.97, 0.99)
KNOT = (0.0, 1.0, 4.0)
SLOPE = (0.0, 30.0)
SEASON = (1.0, 8.0)
CROSS = (0.02, 0.2, 1.0)
ROUNDS = 3
_CLIP = 4.0


@dataclass(frozen=True)
class Setting:
    memory: float
    knot: float
    slope: float
    season: float
    cross: float


@dataclass(frozen=True, eq=False)
class Solver:
    setting: Setting
    inverse: Floats  # (p, p)
    constant: float  # log-determinants
    spread2: Floats  # (horizon,) coefficient and future trend variance


def structural(y, *, ds, horizon, season_lengths, quantiles, calendar=None, tz="UTC", changepoints=True):
    n = y.shape[1]
    step = ds[1] - ds[0]
    table = None
    if calendar is not None:
        table = regressors(
            ds.append(ds[-1] + step * pd.RangeIndex(1, horizon + 1)), n_history=n, step=step, calendar=calendar, tz=tz
        )
    basis = bases.make(n, horizon, season_lengths=season_lengths, holidays=table, changepoints=changepoints)
    solvers = _solvers(basis)
    lags = bases.terms(n, season_lengths)
    return np.concatenate(
        [_block(y[i : i + BLOCK], basis, solvers, np.asarray(quantiles), lags) for i in range(0, len(y), BLOCK)]
    )


def straight_line(
    y: Floats,
    *,
    ds: pd.DatetimeIndex,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    calendar: str | None = None,
    tz: str = "UTC",
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
        changepoints=False,
    )


def _solvers(basis: Basis) -> list[Solver]:
    x, n = basis.history, basis.n
    gram = x.T @ x
    lag = x[1:].T @ x[:-1]
    lag = lag + lag.T
    ends = np.outer(x[0], x[0]) + np.outer(x[-1], x[-1])
    families = set(basis.family)
    out = []
    for phi, knot, slope, season, cross in product(MEMORY, KNOT, SLOPE, SEASON, CROSS):
        if (
            (knot and not slope)
            or ("cross" not in families and cross != CROSS[0])
            or ("season" not in families and season != SEASON[0])
        ):
            continue
        stat = 1 / np.sqrt(1 - phi**2)
        size = basis.size * np.select(
            [basis.family == f for f in ("level", "slope", "knot", "season", "cross", "holiday")],
            [100.0 * stat, (slope or 1e-3) * stat, (knot or 1e-3) * stat, season * stat, cross * stat, 3.0],
        )
        precision = 1 / size**2
        s = (1 + phi**2) * gram - phi * lag - phi**2 * ends
        s[np.diag_indices_from(s)] += precision
        inverse = np.linalg.inv(s)
        inverse = (inverse + inverse.T) / 2
        constant = (
            -np.log(np.diag(np.linalg.cholesky(s))).sum() + 0.5 * np.log(precision).sum() + 0.5 * np.log(1 - phi**2)
        )
        h = len(basis.x) - n
        ahead = basis.ahead - phi ** np.arange(1, h + 1)[:, None] * x[-1]
        spread2 = ((ahead @ inverse) * ahead).sum(axis=1)
        if knot:
            spread2 = spread2 + ((knot * stat) ** 2 * basis.future_knots**2).sum(axis=0)
        out.append(Solver(Setting(phi, knot, slope, season, cross), inverse, constant, spread2))
    return out


def _block(y, basis, solvers, quantiles, lags):
    rows = len(y)
    full = np.zeros((BLOCK, y.shape[1]))
    full[:rows] = y
    there = ~np.isnan(full)
    centre = median(full)
    scale = MAD_TO_SD * median(np.abs(full - centre[:, None]))
    sd = np.sqrt(np.nanmean((full - centre[:, None]) ** 2, axis=1))
    scale = np.where(scale > 0.05 * sd, scale, sd)
    scale = np.where(scale > 0, scale, 1.0)
    z = (full - centre[:, None]) / scale[:, None]
    z = _first_fill(z, lags)
    n_there = np.maximum(there.sum(axis=1), 2)
    work = z
    for _ in range(ROUNDS):
        choice, theta, sigma2 = _evidence(work, basis, solvers, n_there)
        phi = np.array([s.setting.memory for s in solvers])[choice]
        fitted = theta @ basis.history.T
        work = _pseudo(z, fitted, there, phi)
    choice, theta, sigma2 = _evidence(work, basis, solvers, n_there)
    phi = np.array([s.setting.memory for s in solvers])[choice]
    fitted = theta @ basis.history.T
    residual = work - fitted
    h = len(basis.ahead)
    k = np.arange(1, h + 1)
    mean = theta @ basis.ahead.T + residual[:, -1:] * phi[:, None] ** k
    stale = there[:, ::-1].argmax(axis=1)
    noise2 = (1 - phi[:, None] ** (2 * (k + stale[:, None]))) / (1 - phi[:, None] ** 2)
    spread2 = np.stack([s.spread2 for s in solvers])[choice]
    sd = np.sqrt(sigma2[:, None] * (noise2 + spread2))
    shape = ndtri(quantiles)
    q = mean[:, :, None] + sd[:, :, None] * shape
    q = centre[:, None, None] + scale[:, None, None] * q
    structural.debug = [solvers[c].setting for c in choice[:rows]]
    return q[:rows]


def _evidence(work, basis, solvers, n_there):
    x = basis.history
    xy = (work @ x).T  # (p, rows)
    both = np.zeros_like(work)
    both[:, 1:] += work[:, :-1]
    both[:, :-1] += work[:, 1:]
    xlag = (both @ x).T
    ends = np.outer(x[0], work[:, 0]) + np.outer(x[-1], work[:, -1])
    yy = (work**2).sum(axis=1)
    ylag = 2 * (work[:, 1:] * work[:, :-1]).sum(axis=1)
    yends = work[:, 0] ** 2 + work[:, -1] ** 2
    best = np.full(len(work), -np.inf)
    choice = np.zeros(len(work), int)
    theta = np.zeros((len(work), x.shape[1]))
    sigma2 = np.zeros(len(work))
    for i, s in enumerate(solvers):
        phi = s.setting.memory
        b = (1 + phi**2) * xy - phi * xlag - phi**2 * ends
        q0 = (1 + phi**2) * yy - phi * ylag - phi**2 * yends
        coef = s.inverse @ b
        q = np.maximum(q0 - (b * coef).sum(axis=0), 1e-9 * np.maximum(yy, 1e-9))
        ll = s.constant - n_there / 2 * np.log(q / n_there)
        better = ll > best
        best = np.where(better, ll, best)
        choice[better] = i
        theta[better] = coef.T[better]
        sigma2[better] = (q / n_there)[better]
    return choice, theta, sigma2


def _pseudo(z, fitted, there, phi):
    residual = np.where(there, z - fitted, np.nan)
    limit = _CLIP * MAD_TO_SD * median(np.abs(residual))
    mean_abs = np.nanmean(np.abs(residual), axis=1)
    limit = np.maximum(limit, 4 * mean_abs)[:, None]
    residual = np.clip(residual, -limit, limit)
    return fitted + _bridge(residual, there, phi)


def _bridge(residual, there, phi):
    """Expected residual in a gap of an AR(1)."""
    n = residual.shape[1]
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(there, at, -1), axis=1)
    after = n - 1 - np.maximum.accumulate(np.where(there[:, ::-1], at, -1), axis=1)[:, ::-1]
    a = np.where(before >= 0, np.take_along_axis(residual, np.maximum(before, 0), axis=1), 0.0)
    b = np.where(after < n, np.take_along_axis(residual, np.minimum(after, n - 1), axis=1), 0.0)
    d1 = np.where(before >= 0, at - before, 10**6)
    d2 = np.where(after < n, after - at, 10**6)
    p = phi[:, None]
    wa, wb = p**d1, p**d2
    bottom = 1 - (wa * wb) ** 2
    filled = (wa * (1 - wb**2) * a + wb * (1 - wa**2) * b) / np.where(bottom > 0, bottom, 1.0)
    return np.where(there, residual, filled)


def _first_fill(z, lags):
    """Gaps get the median of their phase."""
    m = lags[-1] if lags else 1
    if not np.isnan(z).any():
        return z
    cycles = -(-z.shape[1] // m)
    padded = np.full((len(z), cycles * m), np.nan)
    padded[:, : z.shape[1]] = z
    phase = median(np.swapaxes(padded.reshape(len(z), cycles, m), 1, 2).reshape(-1, cycles)).reshape(len(z), m)
    return np.where(np.isnan(z), np.nan_to_num(np.tile(phase, cycles)[:, : z.shape[1]]), z)
