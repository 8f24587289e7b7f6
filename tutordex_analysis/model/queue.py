"""One server, one queue: how long a job waits, how a week's work piles up, how a backlog is worked off.

Rates are jobs a second, times are seconds. A week of rates has one rate for each hour and repeats itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import Floats

HOUR = 3600.0
WEEK = 7 * 24
_LEAST, _CUTS = 0.1, 2000  # shortest time as a share of the first bound; pieces of the curve between the bounds
SPREAD = 0.8  # of the logarithm of a job's time where no buckets tell it: 95 of 100 jobs take under 2.7 times the mean


def mean_wait(rate: Floats, job_seconds: float, *, cv2: float, poll_seconds: float = 0.0) -> Floats:
    """Mean time from a job's arrival to the start of its work, first come first served.

    The Pollaczek-Khinchine formula for jobs that come independently of each other (Poisson). A server that looks for
    work every `poll_seconds` while it is idle adds half of that to every wait, busy or not: it is a server with
    vacations. Claiming several jobs at once adds nothing, since the server never rests while a claimed job waits.

    Args:
        rate: Jobs a second, any shape.
        job_seconds: Mean time of a job.
        cv2: Variance of that time over the square of its mean: 0 for jobs that are all alike, 1 for exponential ones.
        poll_seconds: Sleep of the idle server.

    Returns:
        Seconds; infinite where work comes as fast as it is done, or faster.

    References:
        Pollaczek (1930), Khinchine (1932). Doshi (1986), Queueing systems with vacations, Queueing Systems 1, 29-66.
    """
    busy = np.asarray(rate, dtype=np.float64) * job_seconds
    over = busy >= 1
    queueing = busy * job_seconds * (1 + cv2) / (2 * np.where(over, 1.0, 1 - busy))
    return np.where(over, np.inf, queueing + poll_seconds / 2)


def cv2_of_lognormal(spread: float) -> float:
    """Squared coefficient of variation of a log-normal time whose logarithm has this standard deviation."""
    return float(np.expm1(spread**2))


def cv2_of_buckets(bounds: Sequence[float], counts: Sequence[float] | Floats) -> float:
    """Squared coefficient of variation of the times that a histogram counted.

    A smooth rising curve over the logarithm of time is drawn through the counts, from a tenth of the first bound on;
    what lies above the last finite bound counts as that bound.

    Args:
        bounds: Upper bounds, rising, in seconds; the last may be infinite.
        counts: Events at or below each bound, not falling.

    Returns:
        A ratio >= 0.

    Raises:
        NotEnoughData: Nothing was counted, or no bound is finite.
    """
    upper, below = np.asarray(bounds, dtype=np.float64), np.maximum.accumulate(np.asarray(counts, dtype=np.float64))
    known = np.isfinite(upper)
    if not known.any() or not below[-1] > 0:
        raise NotEnoughData("the spread of a time needs buckets with at least one event and a finite bound")
    at = np.log(np.append(upper[known][0] * _LEAST, upper[known]))
    fine = np.linspace(at[0], at[-1], _CUTS)
    share = np.diff(PchipInterpolator(at, np.append(0.0, below[known] / below[-1]))(fine))
    times = np.append(np.exp((fine[1:] + fine[:-1]) / 2), upper[known][-1])
    share = np.append(share, 1 - share.sum())
    mean = float(share @ times)
    return max(float(share @ times**2) / mean**2 - 1, 0.0)


def week_backlog(rates: Floats, job_seconds: float) -> Floats:
    """Jobs that a week's busy hours leave over, at the end of each hour; infinite where a week brings too many.

    Work flows evenly inside an hour, so this is what piles up beyond the ordinary waiting of `mean_wait`.

    Args:
        rates: Jobs a second in each hour of a week that repeats itself, shape (168,).
        job_seconds: Mean time of a job.
    """
    if rates.mean() * job_seconds >= 1:
        return np.full(len(rates), np.inf)
    more = (np.tile(rates, 2) - 1 / job_seconds) * HOUR
    left = np.zeros(len(more))
    for hour, change in enumerate(more):
        left[hour] = max(0.0, (left[hour - 1] if hour else 0.0) + change)
    return left[len(rates) :]


def missed(rates: Floats, outage_hours: float) -> Floats:
    """Jobs that come during an outage which ends at the beginning of each hour of the week, shape (168,)."""
    n = len(rates)
    turns = int(np.ceil(outage_hours / n)) + 1
    come = np.append(0.0, np.cumsum(np.tile(rates, turns + 1)) * HOUR)
    ends = turns * n + np.arange(n, dtype=np.float64)
    at = np.arange(len(come), dtype=np.float64)
    result: Floats = np.interp(ends, at, come) - np.interp(ends - outage_hours, at, come)
    return result


def catch_up_hours(rates: Floats, job_seconds: float, *, outage_hours: float) -> Floats:
    """How long after an outage the server is level again, while new work keeps coming.

    Whether the missed work comes at once or a slice at a time changes how much waits, not how long it takes.

    Args:
        rates: Jobs a second in each hour of a week that repeats itself, shape (168,).
        job_seconds: Mean time of a job.
        outage_hours: For how long nothing was worked off.

    Returns:
        Hours, for an outage that ends at the beginning of each hour of the week, shape (168,); infinite where a week
        brings as much work as can be done, or more.
    """
    n = len(rates)
    room = (1 / job_seconds - rates) * HOUR
    backlog = missed(rates, outage_hours)
    if room.mean() <= 0:
        return np.full(n, np.inf)
    swing = float(np.abs(np.cumsum(room - room.mean())).max())
    weeks = int(np.ceil((backlog.max() + 2 * swing) / (n * room.mean()))) + 2
    done = np.append(0.0, np.cumsum(np.tile(room, weeks)))
    return np.array([_first_passage(done[hour:] - done[hour], backlog[hour]) for hour in range(n)])


def _first_passage(path: Floats, wanted: float) -> float:
    """Where a path of straight pieces that starts at 0 first reaches a value >= 0."""
    at = int(np.argmax(path >= wanted))
    return 0.0 if at == 0 else at - 1 + float((wanted - path[at - 1]) / (path[at] - path[at - 1]))
