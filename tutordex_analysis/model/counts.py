"""Whole events at low rates: a level that moves, a profile of day and week, and the spread of chance itself.

y is Poisson with mean level x profile; the level has a gamma distribution that forgets at a steady pace (a dynamic
model in closed form), so what is to come is negative binomial. Zeros are data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter
from scipy.special import gammaln
from scipy.stats import nbinom

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model.score import mean, ratio

MOST = 1000.0  # events a step on average, beyond which a Gaussian says the same
_PRIOR = 2.0  # events that speak for a profile without a shape
_MEMORIES = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0)  # half-lives of the level, in longest seasons
_WITHOUT_SEASON = 24  # steps that stand for a season where there is none
_CLIP = 5.0  # standard deviations; a burst beyond is an incident, and as good as a gap
_WINDOWS = (1, 4)  # steps in which a burst is looked for; where events are few it shows in a sum only
_RARE = 0.01  # share of the steps, the highest, that have no say in what is usual
_ROUNDS = 3  # of profile and bursts, since a burst is part of its own phase at first
_LEAST_SHAPE = 0.05


def is_count(y: Floats) -> npt.NDArray[np.bool_]:
    """Rows of few whole events: no negative number, no fraction, not all zero, a small mean; shape (n_series,)."""
    known = np.nan_to_num(y)
    whole = (known == np.floor(known)).all(axis=1) & (known >= 0).all(axis=1)
    average = np.nan_to_num(mean(y))
    return np.asarray(whole & (average > 0) & (average <= MOST), dtype=np.bool_)


def counts(
    y: Floats, *, ds: pd.DatetimeIndex, horizon: int, season_lengths: Sequence[int], quantiles: Sequence[float]
) -> Floats:
    """Negative binomial forecasts of counts.

    Args:
        y: Counts a step, whole numbers from 0, shape (n_series, n), NaN where there is a gap.
        ds: Instants of the history; not used, part of every forecaster's signature.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; one with fewer than three cycles in `n` is left out.
        quantiles: Levels, rising.

    Returns:
        Quantiles, whole numbers, shape (n_series, horizon, n_quantiles).

    Raises:
        FrameError: A value is negative or no whole number.

    References:
        Harvey & Fernandes (1989), J. Business & Economic Statistics 7(4), 407-417.
    """
    ahead = rates(y, horizon=horizon, season_lengths=season_lengths)
    r = 1 / np.maximum(ahead.unknown + ahead.extra[:, None], 1e-9)
    found = nbinom.ppf(np.asarray(quantiles), r[:, :, None], (r / (r + ahead.mean))[:, :, None])
    return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """How many events to expect a step, and how sure that is.

    Attributes:
        mean: Events a step, above 0, shape (n_series, horizon).
        unknown: Relative variance of the level, shared by all steps, shape (n_series, horizon).
        extra: Relative variance of each step beyond chance, shape (n_series,).
        rough: Relative variance of the profile at each step, which few events have told, shape (n_series, horizon).
    """

    mean: Floats
    unknown: Floats
    extra: Floats
    rough: Floats


def rates(y: Floats, *, horizon: int, season_lengths: Sequence[int]) -> Rates:
    """The rate of each step to come; arguments and errors as of `counts`."""
    known = np.nan_to_num(y)
    if ((known < 0) | (known != np.floor(known))).any():
        bad = known[(known < 0) | (known != np.floor(known))][0]
        raise FrameError(f"counts are whole numbers from 0, got {bad:g}; use another model for it")
    n = y.shape[1]
    seasons = bases.terms(n, season_lengths)
    profile, clipped = _profile(y, seasons)
    here, ahead = _repeated(profile, 0, n), _repeated(profile, n, horizon)
    longest = max(seasons, default=min(_WITHOUT_SEASON, n))
    level, shape, forget = _level(clipped, here, half_lives=[one * longest for one in _MEMORIES])
    extra = _dispersion(clipped, here, level, shape)
    lasting = _lasting(clipped, here, longest)
    now, last = level[:, -1:], shape[:, -1:]
    steps = np.arange(1, horizon + 1)
    unknown = np.minimum(1 / np.maximum(last * forget[:, None] ** steps, _LEAST_SHAPE), 1 / last + lasting[:, None])
    told = _folded(clipped, profile.shape[1])[0] + _PRIOR * profile
    return Rates(
        mean=np.maximum(now * ahead, 1e-12),
        unknown=unknown,
        extra=extra,
        rough=_repeated(1 / np.maximum(told, 1.0), n, horizon),
    )


def _profile(y: Floats, seasons: Sequence[int]) -> tuple[Floats, Floats]:
    """Rate of each phase of the longest season against the mean, and the counts with gaps in place of bursts."""
    calm = y
    for _ in range(_ROUNDS):
        average, profile = _shape(calm, seasons)
        calm = np.where(_burst(y, average * _repeated(profile, 0, y.shape[1])), np.nan, y)
    return _shape(calm, seasons)[1], calm


def _shape(y: Floats, seasons: Sequence[int]) -> tuple[Floats, Floats]:
    """Mean rate, shape (n_series, 1), and profile."""
    average = np.maximum(np.nan_to_num(mean(y)), 1e-12)[:, None]
    profile = np.ones((len(y), 1))
    for m in seasons:
        profile = _shrunk(y, _repeated(profile, 0, m), average, m)
    return average, profile


def _burst(y: Floats, expected: Floats) -> npt.NDArray[np.bool_]:
    """Steps that alone or with their neighbours count far more than chance and the series' own spread would."""
    there = ~np.isnan(y)
    found = np.zeros(y.shape, dtype=np.bool_)
    for width in _WINDOWS:
        some = sliding_window_view(np.pad(np.where(there, y, 0.0), ((0, 0), (width - 1, 0))), width, axis=1)
        likely = sliding_window_view(np.pad(np.where(there, expected, 0.0), ((0, 0), (width - 1, 0))), width, axis=1)
        events, usual = some.sum(axis=2), np.maximum(likely.sum(axis=2), 1e-9)
        far = (events - usual) / np.sqrt(usual)
        rest = far <= np.quantile(far, 1 - _RARE, axis=1, method="higher", keepdims=True)
        beyond = np.where(rest, (events - usual) ** 2 - usual, np.nan)
        spread = np.nan_to_num(np.maximum(ratio(mean(beyond), mean(np.where(rest, usual**2, np.nan))), 0.0))
        over = events > usual + _CLIP * np.sqrt(usual + spread[:, None] * usual**2) + 1
        for back in range(width):
            found[:, : y.shape[1] - back] |= over[:, back:]
    return found


def _shrunk(y: Floats, before: Floats, average: Floats, m: int) -> Floats:
    """Phases of a season of `m` steps: what was counted, and a little of the shape that was known before."""
    counted, seen = _folded(y, m)
    found = (counted + _PRIOR * before) / (seen * average + _PRIOR)
    result: Floats = found / found.mean(axis=1, keepdims=True)
    return result


def _folded(y: Floats, m: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Events in each phase of a season of `m` steps, and readings there, shape (n_series, m) each."""
    cycles = -(-y.shape[1] // m)
    padded = np.full((len(y), cycles * m), np.nan)
    padded[:, : y.shape[1]] = y
    folded = padded.reshape(len(y), cycles, m)
    return np.nansum(folded, axis=1), (~np.isnan(folded)).sum(axis=1)


def _repeated(profile: Floats, start: int, length: int) -> Floats:
    return profile[:, (start + np.arange(length)) % profile.shape[1]]


def _level(y: Floats, profile: Floats, *, half_lives: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """The level after each step, the shape of its gamma distribution, and the pace that fits each series best."""
    there = ~np.isnan(y)
    events, exposure = np.where(there, y, 0.0), np.where(there, profile, 0.0)
    start = mean(y / np.maximum(profile, 1e-12))[:, None]
    best = np.full(len(y), -np.inf)
    level, shape, forget = np.empty_like(events), np.empty_like(events), np.empty(len(y))
    for half_life in half_lives:
        pace = 2 ** (-1 / half_life)
        first = np.nan_to_num(start)  # what one event's worth of evidence says before the first step
        a = lfilter([1.0], [1.0, -pace], np.concatenate([np.ones_like(first), events], axis=1), axis=1)
        weight = np.concatenate([1 / np.maximum(first, 1e-12), exposure], axis=1)
        b = lfilter([1.0], [1.0, -pace], weight, axis=1)
        likelihood = np.where(there, _log_density(events, pace * a[:, :-1], pace * b[:, :-1], profile), 0.0).sum(axis=1)
        better = likelihood > best
        best[better], forget[better] = likelihood[better], pace
        level[better], shape[better] = (a / b)[better, 1:], np.maximum(a[better, 1:], _LEAST_SHAPE)
    return level, shape, forget


def _log_density(y: Floats, shape: Floats, rate: Floats, exposure: Floats) -> Floats:
    """Of a negative binomial: a Poisson whose level is gamma."""
    total = rate + exposure
    return np.asarray(
        gammaln(shape + y)
        - gammaln(shape)
        - gammaln(y + 1)
        + shape * np.log(rate / total)
        + y * np.log(np.maximum(exposure, 1e-12) / total)
    )


def _dispersion(y: Floats, profile: Floats, level: Floats, shape: Floats) -> Floats:
    """Relative variance of bursts, beyond chance and what is not known of the level."""
    expected = level[:, :-1] * profile[:, 1:]
    beyond = (y[:, 1:] - expected) ** 2 - expected - expected**2 / shape[:, :-1]
    return np.nan_to_num(np.maximum(ratio(mean(beyond), mean(np.where(np.isnan(beyond), np.nan, expected**2))), 0.0))


def _lasting(y: Floats, profile: Floats, season: int) -> Floats:
    """Relative variance of the level from one season to another, the most that it is taken to wander."""
    cycles = y.shape[1] // season
    if cycles < 2:
        return np.ones(len(y))
    cut = slice(y.shape[1] - cycles * season, None)
    there = ~np.isnan(y[:, cut])
    events = np.where(there, y[:, cut], 0.0).reshape(len(y), cycles, season).sum(axis=2)
    exposure = np.where(there, profile[:, cut], 0.0).reshape(len(y), cycles, season).sum(axis=2)
    rates = np.where(exposure > 0, events / np.where(exposure > 0, exposure, 1.0), np.nan)
    average = mean(rates)[:, None]
    chance = mean(ratio(np.broadcast_to(average, rates.shape), exposure))
    spread = mean((rates - average) ** 2) - chance
    return np.maximum(np.nan_to_num(ratio(spread, average[:, 0] ** 2)), 0.01)
