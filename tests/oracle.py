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


def single_server(arrivals, services, poll=0.0, batch=1):
    """Waits of jobs from arrival to start: a server that claims up to `batch`, works them off, and sleeps when idle."""
    waits, now, next_job = [], 0.0, 0
    while next_job < len(arrivals):
        claimed = 0
        while claimed < batch and next_job + claimed < len(arrivals) and arrivals[next_job + claimed] <= now:
            claimed += 1
        if not claimed:
            if poll:
                now += poll * max(1, math.ceil((arrivals[next_job] - now) / poll))
            else:
                now = arrivals[next_job]
            continue
        for job in range(next_job, next_job + claimed):
            waits.append(now - arrivals[job])
            now += services[job]
        next_job += claimed
    return np.array(waits)


def hours_to_level(rates, job_seconds, outage_hours, end, dt=0.005):
    """Euler's way: nothing is worked off for a while before hour `end` of the week, then all that can be."""
    backlog, t = 0.0, end - outage_hours
    while t < end - 1e-9:
        backlog += rates[math.floor(t + 1e-9) % len(rates)] * 3600 * dt
        t += dt
    t = 0.0
    while backlog > 1e-9:
        backlog += (rates[int(end + t + 1e-9) % len(rates)] - 1 / job_seconds) * 3600 * dt
        t += dt
    return t
