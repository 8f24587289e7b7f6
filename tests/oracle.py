"""Twins: slow and obvious loops that the library's estimators are compared with."""

import math

import numpy as np


def mase(y, yhat, history, season_length):
    differences = []
    for t in range(season_length, len(history)):
        if not math.isnan(history[t]) and not math.isnan(history[t - season_length]):
            differences.append(abs(history[t] - history[t - season_length]))
    errors = [abs(a - f) for a, f in zip(y, yhat, strict=True) if not math.isnan(a)]
    scale = sum(differences) / len(differences) if differences else 0
    return sum(errors) / len(errors) / scale if scale > 0 and errors else math.nan


def smape(y, yhat):
    terms = []
    for a, f in zip(y, yhat, strict=True):
        if not math.isnan(a):
            terms.append(0.0 if a == f == 0 else 2 * abs(a - f) / (abs(a) + abs(f)))
    return sum(terms) / len(terms)


def pinball(y, quantile_values, quantiles):
    losses = []
    for a, row in zip(y, quantile_values, strict=True):
        if math.isnan(a):
            continue
        for value, p in zip(row, quantiles, strict=True):
            losses.append(p * (a - value) if a >= value else (1 - p) * (value - a))
    return sum(losses) / len(losses)


def coverage(y, lower, upper):
    hits = [1.0 if low <= a <= high else 0.0 for a, low, high in zip(y, lower, upper, strict=True) if not math.isnan(a)]
    return sum(hits) / len(hits)


def bias(y, yhat):
    pairs = [(a, f) for a, f in zip(y, yhat, strict=True) if not math.isnan(a)]
    size = sum(abs(a) for a, _ in pairs)
    return sum(f - a for a, f in pairs) / size if size > 0 else math.nan


def seasonal_naive_median(y, season, horizon):
    """The latest reading of each phase, one row."""
    result = []
    for k in range(horizon):
        t = len(y) - season + k % season
        while t >= 0 and math.isnan(y[t]):
            t -= season
        result.append(y[t])
    return np.array(result)


def noise_expected(past, memory, echo, lag, horizon):
    """The recursion of a multiplicative seasonal autoregression with innovations at 0."""
    e = list(past)
    for _ in range(horizon):
        value = memory * e[-1]
        if echo:
            value += echo * e[-lag] - memory * echo * e[-lag - 1]
        e.append(value)
    return np.array(e[len(past) :])


def regression(y, x, precision, whitener):
    """Posterior mean and covariance of a Bayesian linear model with a dense whitening matrix, and the fitted error."""
    a = whitener @ x
    covariance = np.linalg.inv(a.T @ a + np.diag(precision))
    return covariance @ a.T @ (whitener @ y), covariance


def first_passage(paths, limit):
    """Index of the first step at or above the limit, or None, for each path."""
    found = []
    for path in paths:
        at = None
        for k, value in enumerate(path):
            if value >= limit:
                at = k
                break
        found.append(at)
    return found


def covered(ds, windows, step):
    """Whether each value, which covers (t - step, t], shares more than an instant with a window."""
    return [any(min(t, end) > max(t - step, start) for start, end in windows) for t in ds]
