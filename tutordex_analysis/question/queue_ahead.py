"""How busy the one server behind a queue will be: the volume of work and the time of a job, both uncertain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.breach import DATE_QUANTILES, Breach
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.question.growth import DAY, Volume

FULL = 0.8  # from here on waits grow steeply: an exponential job waits four times its own length
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Ahead:
    """The busiest hour of each day to come: arrivals and the time of a job, both uncertain.

    Attributes:
        history: The busiest hour of past days, from their counts at today's time of a job.
        forecast: The days to come.
        breach: When the server is 80 % busy in that hour.
        probability: That it is, within the horizon.
    """

    history: pd.DataFrame
    forecast: Forecast
    breach: Breach
    probability: float

    @property
    def date(self) -> pd.Timestamp:
        """The day by which half of the simulated futures have been there; NaT where that is beyond the horizon."""
        return pd.Timestamp(self.breach.dates["q0.5"].iloc[0])

    @property
    def horizon(self) -> pd.Timedelta:
        """How far was looked."""
        return self.forecast.horizon * self.forecast.step


def ahead(rates: Floats, job_seconds: float, days: Floats, volume: Volume, *, tz: str, seed: int, n: int) -> Ahead:
    """The busiest hour of each day that the volume is forecast for.

    Args:
        rates: The usual week, shape (168,).
        job_seconds: Mean time of a job today.
        days: Mean times of a job on single days; each simulated future takes one of them, for good.
        volume: Jobs a day.
        tz: Zone of the usual week.
        seed: Of the simulated futures.
        n: How many.
    """
    name, counted = volume.forecast.series[0], volume.forecast
    peak = _peak_share(rates)

    def factor(days: pd.Series | pd.DatetimeIndex) -> Floats:
        local = pd.DatetimeIndex(days).tz_convert(tz) - DAY / 2  # a day ends at the midnight after it
        result: Floats = peak[local.day_of_week.to_numpy()] / _HOUR_SECONDS
        return result

    rng = np.random.default_rng([seed, 80])
    instants = counted.instants(name)
    paths = counted.paths_of(name, n, seed=seed) * factor(instants) * rng.choice(days, size=(n, 1))
    values = {f"q{p:g}": np.quantile(paths, p, axis=0) for p in counted.quantiles} | {"yhat": np.median(paths, axis=0)}
    crossed = paths >= FULL
    first = np.sort(np.where(crossed.any(axis=1), crossed.argmax(axis=1), len(instants)))
    at = [int(first[int(np.ceil(p * n)) - 1]) for p in DATE_QUANTILES]
    dates = {f"q{p:g}": [instants[k] if k < len(instants) else pd.NaT] for p, k in zip(DATE_QUANTILES, at, strict=True)}
    chance = float((first < len(instants)).mean())
    past = volume.history["y"] * factor(volume.history["ds"]) * job_seconds
    return Ahead(
        history=volume.history.assign(y=past),
        forecast=replace(counted, frame=counted.frame.assign(**values)),
        breach=Breach(
            frame=pd.DataFrame({"unique_id": [name], "within": ["horizon"], "probability": [chance]}),
            dates=pd.DataFrame({"unique_id": [name], **dates}),
            limit=pd.Series({name: FULL}),
            direction="above",
            weeks=pd.DataFrame({"over": 0, "weeks": 0}, index=[name]),
        ),
        probability=chance,
    )


def _peak_share(rates: Floats) -> Floats:
    """Share of each weekday's jobs that come in its busiest hour, Monday first."""
    days = rates.reshape(7, 24)
    total = days.sum(axis=1)
    even = np.full(7, 1 / 24)
    result: Floats = np.divide(days.max(axis=1), total, out=even, where=total > 0)
    return result
