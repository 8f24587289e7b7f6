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


def drift_median(y, horizon):
    """The line through the first and the last reading of one row."""
    at = [t for t, value in enumerate(y) if not math.isnan(value)]
    slope = (y[at[-1]] - y[at[0]]) / (at[-1] - at[0])
    return np.array([y[at[-1]] + slope * (len(y) - 1 - at[-1] + k) for k in range(1, horizon + 1)])


def negative_binomial_log_pmf(k, shape, rate):
    """log P(k) of a Poisson whose mean is gamma with this shape and rate."""
    ways = math.lgamma(shape + k) - math.lgamma(shape) - math.lgamma(k + 1)
    return ways + shape * math.log(rate / (1 + rate)) + k * math.log(1 / (1 + rate))


def negative_binomial_quantile(p, shape, rate):
    """The least k with P(<= k) of at least p."""
    k, below = 0, 0.0
    while True:
        below += math.exp(negative_binomial_log_pmf(k, shape, rate))
        if below >= p - 1e-12:
            return k
        k += 1


def poisson_gamma(y, profile, pace):
    """The filter of Harvey & Fernandes (1989): shape and rate after each step, and the log-likelihood.

    It starts with the evidence of one event at the mean rate.
    """
    rates = [value / part for value, part in zip(y, profile, strict=True) if not math.isnan(value)]
    shape, rate, likelihood = 1.0, 1 / (sum(rates) / len(rates)), 0.0
    path = []
    for value, part in zip(y, profile, strict=True):
        shape, rate = pace * shape, pace * rate
        if not math.isnan(value):
            likelihood += negative_binomial_log_pmf(value, shape, rate / part)
            shape, rate = shape + value, rate + part
        path.append((shape, rate))
    return path, likelihood


def count_profile(y, seasons, average):
    """Rate of each phase, each season shrunk by two events towards the one before."""
    profile = [1.0]
    for m in seasons:
        found = []
        for phase in range(m):
            seen = [value for value in y[phase::m] if not math.isnan(value)]
            found.append((sum(seen) + 2 * profile[phase % len(profile)]) / (len(seen) * average + 2))
        size = sum(found) / m
        profile = [one / size for one in found]
    return profile


def counts(y, horizon, seasons, quantiles):
    """The forecaster `counts` of one row without bursts."""
    known = [value for value in y if not math.isnan(value)]
    shape_of_week = count_profile(y, seasons, sum(known) / len(known))
    n, longest = len(y), max(seasons) if seasons else 24
    profile = [shape_of_week[t % len(shape_of_week)] for t in range(n + horizon)]
    best = None
    for half_life in (0.5, 1, 2, 4, 8, 32):
        pace = 0.5 ** (1 / (half_life * longest))
        path, likelihood = poisson_gamma(y, profile[:n], pace)
        if best is None or likelihood > best[0]:
            best = likelihood, pace, path
    _, pace, path = best
    beyond, squares = [], []
    for t in range(1, n):
        if not math.isnan(y[t]):
            shape, rate = path[t - 1]
            expected = shape / rate * profile[t]
            beyond.append((y[t] - expected) ** 2 - expected - expected**2 / shape)
            squares.append(expected**2)
    extra = max(sum(beyond) / sum(squares), 0.0)
    shape, rate = path[-1]
    lasting = count_wander(y, profile[:n], longest)
    result = []
    for k in range(1, horizon + 1):
        unknown = min(1 / max(shape * pace**k, 0.05), 1 / shape + lasting)
        r = 1 / max(unknown + extra, 1e-9)
        result.append([negative_binomial_quantile(p, r, r / (shape / rate * profile[n + k - 1])) for p in quantiles])
    return np.array(result)


def count_wander(y, profile, season):
    """Relative variance of the rate of a season beyond chance, at least 0.01."""
    rates, exposures = [], []
    for end in range(len(y), season - 1, -season):
        there = [t for t in range(end - season, end) if not math.isnan(y[t])]
        if there:
            exposures.append(sum(profile[t] for t in there))
            rates.append(sum(y[t] for t in there) / exposures[-1])
    if len(y) < 2 * season:
        return 1.0
    average = sum(rates) / len(rates)
    chance = sum(average / one for one in exposures) / len(rates)
    spread = sum((one - average) ** 2 for one in rates) / len(rates) - chance
    return max(spread / average**2, 0.01)


def simple_smoothing(y, alpha):
    """Level after each step of simple exponential smoothing that starts at the first value."""
    level, path = y[0], []
    for value in y:
        level += alpha * (value - level)
        path.append(level)
    return path


def conformal_quantile(scores, weights, level):
    """The score at which the weights pass `level` of all, one more as heavy as any counted among them."""
    total, passed = sum(weights) + max(weights), 0.0
    ordered = sorted(zip(scores, weights, strict=True), key=lambda one: one[0])
    for score, weight in ordered:
        passed += weight
        if passed / total >= level:
            return score
    return ordered[-1][0]


def slopes_to_come(n, horizon):
    """Variance ahead from a change of slope every n / 25 steps, which wears off with a life of n / 6 steps."""
    result = []
    for k in range(1, horizon + 1):
        at, total = 0.0, 0.0
        while at < k:
            total += (1 - math.exp(-(k - at) / (n / 6))) ** 2
            at += n / 25
        result.append(total)
    return np.array(result)


def storms_once(begun, together=4, gap=3):
    """How many alerts peaks that begin at these steps are."""
    alerts, group = 0, []
    for at in [*sorted(begun), math.inf]:
        if group and at - group[-1] > gap:
            alerts += 1 if len(group) >= together else len(group)
            group = []
        group.append(at)
    return alerts


def peaks(scores, per_week, base=0.8, gap=2):
    """Step of the start and height of each run above `base`; a run ends where a week does. One row a series."""
    found = []
    for row in scores:
        start, last, height = None, None, 0.0
        for t, score in enumerate(row):
            if not base < score < math.inf:
                continue
            if start is not None and t - last <= gap and t // per_week == last // per_week:
                height = max(height, score)
            else:
                if start is not None:
                    found.append((start, height))
                start, height = t, score
            last = t
        if start is not None:
            found.append((start, height))
    return found


def thresholds(scores, per_week, alerts_per_week, base=0.8, highest=6.0, levels=400, young=2):
    """Level of each row and step: what the weeks before allow, and less where several series of a step stand out."""
    n_series, n = scores.shape
    every = peaks(scores, per_week)
    result = np.empty(scores.shape)

    def reached(rate, past, weeks, together):
        top = max([height for _, height in past] + [highest / 1.01]) * 1.01
        top = max(top, highest)
        share = max(1 - weeks / 4, 0)
        for i in range(levels):
            level = base * (top / base) ** (i / (levels - 1))
            over = [start for start, height in past if height > level]
            alerts = storms_once(over) if together else len(over)
            usual = n_series * 0.5 * math.exp(-5.8 * (level - 1.33))
            if (alerts + share * usual) / (weeks + share) <= rate:
                return level
        return top

    for week in range(-(-n // per_week)):
        past = [(start, height) for start, height in every if young <= start // per_week < week]
        weeks = max(week - young, 0)
        alone = reached(alerts_per_week, past, weeks, together=True)
        shared = [max(reached(alerts_per_week * j / 2, past, weeks, together=False), 1.0) for j in range(1, 21)]
        for t in range(week * per_week, min((week + 1) * per_week, n)):
            order = sorted(range(n_series), key=lambda i: -scores[i, t])
            needed = alone
            for place, i in enumerate(order):
                own = alone if place < 2 else shared[min(place, 19)]
                if scores[i, t] > own:
                    needed = min(needed, own)
            result[:, t] = needed
    return result
