"""Twins: slow and obvious loops that the library's estimators are compared with."""

import math

import numpy as np

from tutordex_analysis.model import expectation as e
from tutordex_analysis.model import record as r
from tutordex_analysis.model import surprise as s


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


def storms_once(begun, together=4, near=3):
    """How many alerts peaks that begin at these steps are."""
    waiting, alerts = sorted(begun), 0
    while waiting:
        storm = [at for at in waiting if at <= waiting[0] + near]
        waiting = waiting[len(storm) :] if len(storm) >= together else waiting[1:]
        alerts += 1
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
            by_week = [
                [start for start in over if start // per_week == one] for one in {*(s // per_week for s in over)}
            ]
            alerts = sum(min(storms_once(one) if together else len(one), 1.5 * rate + 1) for one in by_week)
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


def edges_of(records, chance):
    """What each statistic may be before it is stranger than anything of late."""
    each = zip(records, chance, strict=True)
    return [max(one["best"] + r._SHARE * max(one["usual"], r._LEAST), low) for one, low in each]


def remember(records, values, edges, lags, rate):
    """The largest value of late, as it was `lag` rows ago, and the usual one."""
    for one, value, edge, lag in zip(records, values, edges, lags, strict=True):
        one["rows"].append(value)
        due = one["rows"][-1 - lag] if len(one["rows"]) > lag else None
        if due is not None:
            capped = min(due, r._CAP * edge) if one["moved"] + bool(value) > r.FIRST else due
            one["best"] = max(one["best"] * (1 - rate), capped)
        if value is None:
            continue
        one["moved"] += value > 0
        if not one["usual"] and one["moved"] > (1 - r._USUAL) * one["seen"]:
            one["usual"] = 2 * value
        share = max(rate, 1 / (one["seen"] + 2)) * r._STEP * ((value > one["usual"]) - (1 - r._USUAL))
        one["usual"] *= 1 + share
        one["seen"] += 1


def anomalies(y, day, week, *, short, long, is_count=False):
    """Expected value, score and half the width of the band of one series (of the transformed value where it counts).

    The means are taken over the rows themselves; averages, records and runs are the recursions of the library.
    """

    def pace(half_life):
        return 1 - 0.5 ** (1 / half_life)

    def mean_of_last(rows, width):
        known = [one for one in rows[-width:] if one is not None]
        return abs(sum(known) / len(known)) if 2 * len(known) >= width else None

    cycle = short or s.CYCLE
    hour, quarter, memory = max(cycle // 24, 2), max(cycle // 4, 2), s._MEMORY * cycle
    windows, lags = (1, hour, quarter, quarter), (0, hour // 2, max(quarter // 2, 1), max(quarter // 2, 1))
    chance = [s._CHANCE / math.sqrt(one) if is_count else 0.0 for one in windows]
    weights = [float(one) for one in s._WEIGHTS.reshape(-1)]
    level = last = base_scale = error_scale = spread = carried = carrying = used_to = 0.0
    failures, days, weeks, last_week = [0.0] * 4, {}, {}, {}  # by phase: shape and readings
    seen, before, quiet, moves = 0, None, 0, 0.0
    z_rows, wild_rows = [], []
    unclipped, scales = 0.0, [0.0] * 4
    record = [{"best": 0.0, "usual": 0.0, "seen": 0, "moved": 0, "rows": []} for _ in lags]
    runs = {"flat": [0.0, 0.0], "silent": [0.0, 0.0]}  # length and longest
    result = []

    for t, reading in enumerate(y):
        known = not math.isnan(reading)
        if not known:
            last *= e._FADE
            z_rows.append(None)
            wild_rows.append(None)
            values = [None, *[mean_of_last(z_rows, one) for one in (hour, quarter)], mean_of_last(wild_rows, quarter)]
            remember(record, values, edges_of(record, chance), lags, pace(memory))
            for run in runs.values():
                run[1] *= 1 - pace(memory)
            result.append((math.nan, math.nan, math.nan))
            continue
        x = 2 * math.sqrt(reading + s._OFFSET) if is_count else reading
        if not seen:
            level = x
        day_shape, day_seen = days.get(day[t], (0.0, 0))
        week_shape, week_seen = weeks.get(week[t], (0.0, 0))
        shapes = [0.0, day_shape, day_shape + week_shape, last_week.get(week[t], 0.0)]
        there = [True, short and day_seen >= e._LEAST_CYCLES, *[long and week_seen >= e._LEAST_CYCLES] * 2]
        least = min(failures[i] for i in range(4) if there[i]) + e._TINY
        weight = [(least / (failures[i] + e._TINY)) ** e._POWER if there[i] else 0.0 for i in range(4)]
        shape = sum(w * one for w, one in zip(weight, shapes, strict=True)) / sum(weight)
        off = x - level - shape
        lasting = min(max(carried / (carrying + e._TINY**2), 0.0), 1.0) * last
        error = off - lasting
        floor = e._FLOOR * spread + e._GRAIN * max(abs(level), abs(x)) + e._TINY
        floor = max(floor, s._UNIT if is_count else 0.0)
        slow = max(pace(e._SCALE * cycle), 1 / (seen + 1))
        before_it, unclipped = unclipped, unclipped + slow * (abs(error) - unclipped)
        lone = e._RARE * (before_it if before_it > floor else unclipped)
        rare = lone > max(error_scale, floor)
        floor = max(floor, lone)
        bases, errors = max(base_scale, floor), max(error_scale, floor)
        usual = level + shape

        old = seen + 1 > s._YOUNG
        wild = abs(error) / errors
        z_rows.append(min(max(off / bases, -s._LONGEST_Z), s._LONGEST_Z) if old else None)
        wild_rows.append(min(wild, s._LARGEST_ERROR) if old else None)
        values = [wild if old else None, mean_of_last(z_rows, hour), mean_of_last(z_rows, quarter)]
        values.append(mean_of_last(wild_rows, quarter))
        if old:
            now = [errors, bases, bases, errors]
            for one, was, new in zip(record, scales, now, strict=True):
                one["best"] *= was / new if rare and was else 1.0
            scales = now
        edges = edges_of(record, chance)
        ratios = []
        for one, value, edge, w, lag in zip(record, values, edges, weights, lags, strict=True):
            enough = value is not None and one["seen"] > r.FIRST + lag
            ratios.append(w * value / edge if enough else 0.0)
        remember(record, values, edges, lags, pace(memory))

        for name, inside, size in (
            ("flat", reading == before, 1.0),
            ("silent", reading == 0, max((max(usual, 0.0) / 2) ** 2 - s._OFFSET, 0.0) if is_count else 0.0),
        ):
            run = runs[name]
            start = s._FLAT if name == "flat" else s._SILENT
            run[1] = max(run[1] * (1 - pace(memory)), 0.0 if inside else min(run[0], r._CAP * (start + run[1])))
            run[0] = run[0] + size if inside else 0.0
        quiet = quiet + 1 if reading == 0 else 0
        hold = max(s._HOLD, cycle / 8)
        for name, start, told in (
            ("flat", s._FLAT, None),
            ("silent", s._SILENT, is_count and seen + 1 > cycle and quiet <= s._GONE * cycle),
        ):
            length, edge = runs[name][0], start + runs[name][1]
            ratio = length / (edge + 2 * max(length - edge - hold, 0.0)) if name == "flat" else length / edge
            slope = s.SLOPES[0 if name == "flat" else 1]
            ratio = 1 + slope * math.log2(ratio) if ratio > 1 else ratio
            if name == "flat":
                if runs["flat"][0] <= s._FLAT:
                    moves += max(pace(memory), 1 / max(seen + 1, 1)) * ((reading != before) - moves)
                told = moves > s._MOVES
            ratios.append(ratio if told else 0.0)
        before = reading

        most = max(ratios)
        score = most * min(1.0, most / max(used_to, s._TINY))
        half = edges[0] * math.sqrt(max(used_to, 1.0)) * errors
        used_to = max(used_to * (1 - pace(s._USED_TO * cycle)), min(most, s.MOST_TIRED))

        limit = math.inf if seen < e._OPEN else e._CLIP
        taught = min(max(off, -limit * bases), limit * bases)
        base_scale += slow * (abs(taught) - base_scale)
        error_scale += slow * (min(abs(error), limit * errors) - error_scale)
        carried += slow * (last * taught - carried)
        carrying += slow * (last * last - carrying)
        away = x - level
        spread += slow * (abs(away) - spread)
        failed = [min(abs(away - one), 2.4 * limit * bases) for one in shapes]
        learnt = [old + slow * (new - old) for old, new in zip(failures, failed, strict=True)]
        spare = [learnt[0], failures[0], failures[0], failures[1]]
        failures = [learnt[i] if there[i] else spare[i] for i in range(4)]
        level += max(pace(e._LEVEL * cycle), 1 / (seen + 1)) * taught
        wide = 1.6 * limit * bases

        def clipped(value, wide=wide):
            return min(max(value, -wide), wide)

        if short:
            day_shape += max(pace(e._DAY_SHAPE), 1 / (day_seen + 1)) * clipped(away - day_shape)
            days[day[t]] = day_shape, day_seen + 1
        if long:
            week_shape += max(pace(e._WEEK_SHAPE), 1 / (week_seen + 1)) * clipped(away - day_shape - week_shape)
            weeks[week[t]] = week_shape, week_seen + 1
            last_week[week[t]] = away - off + clipped(off)
        last += e._LASTING * (off - last)
        seen += 1
        ready = seen > max(cycle, s._YOUNG + r.FIRST + 1)
        result.append((x - error, score if ready else math.nan, half))
    return np.array(result)


def longest_gap(rates, extra, shape, chance, step_seconds):
    """Seconds back from the end of `rates`, each the events of a step, until no event is as unlikely as `chance`."""
    likely, seconds, slice_seconds = 0.0, 0.0, step_seconds / 600
    for rate, wide in zip(reversed(rates), reversed(extra), strict=True):
        for _ in range(600):
            likely += math.log1p(rate * wide) / wide / 600
            seconds += slice_seconds
            if (shape / (shape + likely)) ** shape <= chance:
                return seconds
    return math.inf


def moved(last, wanted, floor, ceiling, share, days):
    """One limit of the last run, moved on; `share` a day."""
    base = max(abs(last), 0.1 * (ceiling - floor))
    most = base * ((1 + share) ** days - 1)
    least = base * (1 - (1 + share) ** -days)
    goal = min(max(wanted, floor), ceiling)
    return min(max(goal, last - least, floor), last + most, ceiling)
