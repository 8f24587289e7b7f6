"""What if the work doubled, and how long does a missed stretch of it take to be made up for?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model import queue as single_server
from tutordex_analysis.model.breach import breach
from tutordex_analysis.moment import duration
from tutordex_analysis.question.queue import Service
from tutordex_analysis.question.resource import Resource

OUTAGES = (1.0, 6.0, 24.0, 72.0)  # hours


def loads(services: Iterable[Service], *, factor: float) -> pd.DataFrame:
    """What today's volume and `factor` times as much ask of each queue's server.

    Args:
        services: Queues.
        factor: Times today's volume.

    Returns:
        One row a queue and volume: title, factor and the fields of `queue.Load`.

    Raises:
        FrameError: The factor is not positive.
    """
    _positive(factor, "growth")
    rows = [{"title": one.queue.title, **vars(one.load(times))} for one in services for times in (1.0, factor)]
    columns = ["title", "factor", "jobs_a_day", "busy", "busiest", "wait_seconds", "busiest_wait_seconds"]
    return pd.DataFrame(rows, columns=[*columns, "hours_over", "behind_seconds"])


def dates(resources: Iterable[Resource], *, factor: float, seed: int = 0, n: int = 1000) -> pd.DataFrame:
    """When the first limit of each resource that follows the work comes, with today's volume and with `factor` times.

    Of a level (`follows_work: level`) every value is `factor` times as large from now on: an upper bound where part of
    it is there without work. Of a growth, all that is to come on top of now is. Both are the same simulated futures
    against a nearer limit.

    Returns:
        One row a series: title, where, level, value, unit, follows, now_likely and now_chance, then_likely and
        then_chance (within the horizon), horizon. Soonest first.

    Raises:
        FrameError: The factor is not positive.
    """
    _positive(factor, "growth")
    columns = ["title", "where", "level", "value", "unit", "follows", "now_likely", "now_chance"]
    rows = [row for one in resources for row in _dates(one, factor, seed, n)]
    found = pd.DataFrame(rows, columns=[*columns, "then_likely", "then_chance", "horizon"])
    return found.sort_values(["then_likely", "then_chance"], ascending=[True, False], kind="stable", ignore_index=True)


def catch_up(services: Iterable[Service], *, outage_hours: float) -> pd.DataFrame:
    """How an outage is made up for: one row a queue and length of it, shortest first.

    Args:
        services: Queues.
        outage_hours: A length in hours; `OUTAGES` are added.

    Returns:
        title; outage_hours; jobs: missed in it, on average over the hours at which it may end; slices: in how many
        pieces they come back, 1 without slices; waiting: jobs that wait at once at the worst when the server was away;
        in_slices: the same when the feed was away and comes back in slices; typical_hours, worst_hours: until the
        server is level again, infinite for never.

    Raises:
        FrameError: A length is not positive.
    """
    _positive(outage_hours, "outage_hours")
    lengths = sorted({*OUTAGES, float(outage_hours)})
    columns = ["title", "outage_hours", "jobs", "slices", "waiting", "in_slices", "typical_hours", "worst_hours"]
    return pd.DataFrame([_made_up(one, hours) for one in services for hours in lengths], columns=columns)


def _made_up(service: Service, hours: float) -> dict[str, object]:
    slices = service.queue.slice
    slice_hours = math.inf if slices is None else duration(slices) / pd.Timedelta(hours=1)
    missed = single_server.missed(service.rates, hours)
    took = single_server.catch_up_hours(service.rates, service.job_seconds, outage_hours=hours)
    return {
        "title": service.queue.title,
        "outage_hours": hours,
        "jobs": float(missed.mean()),
        "slices": max(1, math.ceil(hours / slice_hours)),
        "waiting": float(missed.max()),
        "in_slices": float(single_server.missed(service.rates, min(hours, slice_hours)).max()),
        "typical_hours": float(np.median(took)),
        "worst_hours": float(took.max()),
    }


def _dates(one: Resource, factor: float, seed: int, n: int) -> Iterator[dict[str, object]]:
    follows = one.signal.follows_work
    if follows is None:
        return
    last = one.forecast.last.to_dict()
    for (name, level), found in one.breaches.items():
        limit = one.limits[name]
        if level != next(iter(limit.values)):
            continue
        value = limit.values[level]
        nearer = {
            key: value / factor if follows == "level" else now + (value - now) / factor for key, now in last.items()
        }
        then = breach(
            one.forecast,
            limit={series: nearer[series] for series in one.forecast.series},
            direction=limit.direction,
            within=(one.horizon,),
            n=n,
            seed=seed,
            history=one.history if follows == "level" else None,
        )
        for series in found.limit.index:
            before, after = (rows.frame[rows.frame["unique_id"] == series] for rows in (found, then))
            day = {
                key: rows.dates.set_index("unique_id")["q0.5"][series] for key, rows in (("now", found), ("then", then))
            }
            yield {
                "title": one.signal.title,
                "where": one.where[series],
                "level": level,
                "value": value,
                "unit": one.signal.unit,
                "follows": follows,
                "now_likely": day["now"],
                "now_chance": float(before["probability"].iloc[-1]),
                "then_likely": day["then"],
                "then_chance": float(after["probability"].iloc[-1]),
                "horizon": one.horizon,
            }


def _positive(value: float, name: str) -> None:
    if not (math.isfinite(value) and value > 0):
        raise FrameError(f"{name} must be a number above zero, got {value}")
