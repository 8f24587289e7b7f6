"""How busy is the one server behind a queue, how long does a job wait, and when is that too much?

The usual week is told hour by hour: the middle one of the last weeks, so that an outage or a replay in one of them does
not count. The server's time for a job is the middle one of the last weeks' means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import NotEnoughData, NotHeld
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.limit import Queue
from tutordex_analysis.model import queue as single_server
from tutordex_analysis.moment import duration
from tutordex_analysis.question.capacity import Reads
from tutordex_analysis.question.growth import DAY, Volume
from tutordex_analysis.question.queue_ahead import FULL, Ahead, ahead

HOUR = pd.Timedelta(hours=1)
WEEKS = 8  # of history, for the usual week
RECENT = 4  # of them for the time of a job, which a deploy changes
FACTS = (
    "job_seconds",
    "job_lower",
    "job_upper",
    "cv2",
    "measured",
    "poll_seconds",
    "busiest_hour",
    "capacity_a_day",
    "room",
)
_FEW = 20  # jobs; fewer do not tell a mean time


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one volume of work asks of the server.

    Attributes:
        factor: Times today's volume.
        jobs_a_day: Mean over the week.
        busy: Share of the time that the server works; 1 and more is more than it can do.
        busiest: The same in the busiest hour of the week.
        wait_seconds: Mean wait from arrival to start, over all jobs; infinite where a week brings too many, NaN where
            only some hours do, so that no steady wait exists in them.
        busiest_wait_seconds: The same for jobs of the busiest hour.
        hours_over: Hours of the week that bring more than can be done in them.
        behind_seconds: The longest that jobs wait for what such hours leave over; infinite like `wait_seconds`.
    """

    factor: float
    jobs_a_day: float
    busy: float
    busiest: float
    wait_seconds: float
    busiest_wait_seconds: float
    hours_over: int
    behind_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Service:
    """A queue as a single-server system.

    Attributes:
        queue: Its spec.
        rates: Jobs a second in each hour of the usual week, Monday 00:00 first, shape (168,), civil time.
        job_seconds: Mean time of a job.
        job_lower: 10 % quantile of the daily means of that time; `job_upper` the 90 % one.
        cv2: Squared coefficient of variation of that time.
        measured: Whether `cv2` was measured; else the time is taken as log-normal.
        ahead: The busiest hour of the days to come; None where the volume cannot be forecast.
    """

    queue: Queue
    rates: Floats
    job_seconds: float
    job_lower: float
    job_upper: float
    cv2: float
    measured: bool
    ahead: Ahead | None

    @property
    def poll_seconds(self) -> float:
        """How long the idle server sleeps."""
        return 0.0 if self.queue.poll is None else duration(self.queue.poll).total_seconds()

    @property
    def busiest_hour(self) -> int:
        """0 to 167 from Monday 00:00."""
        return int(np.argmax(self.rates))

    @property
    def now(self) -> Load:
        """What today's volume asks."""
        return self.load(1.0)

    @property
    def capacity_a_day(self) -> float:
        """Jobs a day that keep the server 80 % busy on average."""
        return FULL * DAY.total_seconds() / self.job_seconds

    @property
    def room(self) -> float:
        """How many times today's volume keeps the server 80 % busy in the busiest hour."""
        return FULL / self.now.busiest

    def load(self, factor: float) -> Load:
        """What `factor` times today's volume asks."""
        rates = factor * self.rates
        busy = rates * self.job_seconds
        waits = single_server.mean_wait(rates, self.job_seconds, cv2=self.cv2, poll_seconds=self.poll_seconds)
        over, too_much = busy >= 1, busy.mean() >= 1
        steady = np.inf if too_much else np.nan if over.any() else float(np.average(waits, weights=rates))
        behind = single_server.week_backlog(rates, self.job_seconds).max() * self.job_seconds
        return Load(
            factor=factor,
            jobs_a_day=float(rates.mean() * DAY.total_seconds()),
            busy=float(busy.mean()),
            busiest=float(busy.max()),
            wait_seconds=steady,
            busiest_wait_seconds=np.inf if too_much else np.nan if over.any() else float(waits[np.argmax(busy)]),
            hours_over=int(over.sum()),
            behind_seconds=float(behind),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Services:
    """Every queue that the catalogue describes.

    Attributes:
        told: Those of which something can be said.
        refused: Why nothing can be said of the others: a sentence each.
    """

    told: tuple[Service, ...]
    refused: tuple[str, ...]

    @property
    def facts(self) -> pd.DataFrame:
        """One row a queue: its spec, its times, today's load, and when its busiest hour is 80 % busy."""
        rows = [
            {
                "title": one.queue.title,
                **{name: getattr(one, name) for name in FACTS},
                "batch": one.queue.batch,
                "full_likely": pd.NaT if one.ahead is None else one.ahead.date,
                "full_chance": np.nan if one.ahead is None else one.ahead.probability,
                "horizon": pd.NaT if one.ahead is None else one.ahead.horizon,
                **asdict(one.now),
            }
            for one in self.told
        ]
        return pd.DataFrame(rows)


def gather(source: Reads, catalogue: Catalogue, time_range: TimeRange) -> dict[str, pd.DataFrame]:
    """The newest eight weeks of every signal that a queue needs, by name; what is not held is left out."""
    start = max(time_range.start, time_range.end - (WEEKS * 7 + 1) * DAY)
    recent = TimeRange(start, time_range.end, time_range.step)
    histories = {}
    for name in dict.fromkeys(name for one in catalogue.queues.values() for name in one.signals.values()):
        try:
            histories[name] = source.read(name, recent)
        except NotHeld:
            continue
    return histories


def services(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    volumes: Iterable[Volume] = (),
    *,
    seed: int = 0,
    n: int = 1000,
) -> Services:
    """Every queue of the catalogue.

    Args:
        histories: What `gather` gave.
        catalogue: Queues and civil time.
        volumes: Forecasts of counted signals; that of a queue's jobs makes the look ahead.
        seed: Of the simulated futures.
        n: How many.
    """
    told, refused = [], []
    for one in catalogue.queues.values():
        try:
            volume = next((found for found in volumes if found.signal.name == one.jobs), None)
            told.append(_service(one, histories, volume, tz=catalogue.calendar.timezone, seed=seed, n=n))
        except NotEnoughData as error:
            refused.append(f"{one.title}: nothing can be said of the queue yet; {error}.")
    return Services(told=tuple(told), refused=tuple(refused))


def _service(
    queue: Queue, histories: Mapping[str, pd.DataFrame], volume: Volume | None, *, tz: str, seed: int, n: int
) -> Service:
    jobs, busy = _single(histories, queue.jobs), _single(histories, queue.busy)
    rates = usual_week(jobs, tz=tz)
    if volume is not None:  # the same volume a day as in the table of growth
        rates = rates * (volume.now / (rates.mean() * DAY.total_seconds()))
    weekly, daily = (job_times(jobs, busy, length=length) for length in (7 * DAY, DAY))
    if not len(weekly):
        raise NotEnoughData(f"the mean time of a job needs a week with {_FEW} of them")
    seconds = float(np.median(weekly))
    if not seconds > 0:
        raise NotEnoughData(f"{queue.jobs} counts jobs but {queue.busy} says that none took any time")
    cv2, measured = _spread(histories.get(str(queue.times)))
    days = daily if len(daily) else weekly
    lower, upper = (float(one) for one in np.quantile(days, [0.1, 0.9]))
    usual = np.clip(days, lower, upper)  # an incident's days do not last
    return Service(
        queue=queue,
        rates=rates,
        job_seconds=seconds,
        job_lower=lower,
        job_upper=upper,
        cv2=cv2,
        measured=measured,
        ahead=None if volume is None else ahead(rates, seconds, usual, volume, tz=tz, seed=seed, n=n),
    )


def usual_week(counts: pd.DataFrame, *, tz: str) -> Floats:
    """Events a second in each hour of the week in civil time, Monday 00:00 first, shape (168,).

    The middle one of the weeks; an hour that was never seen is taken as the same hour of other days.

    Raises:
        NotEnoughData: The step is longer than an hour, fewer than seven days are known, or nothing was counted.
    """
    step = frames.step_of(counts)
    seen = counts[counts["y"].notna()]
    if step > HOUR:
        raise NotEnoughData("the hours of a week need a step of at most 1h")
    if len(seen) * step < 7 * DAY:
        raise NotEnoughData(f"the usual week needs 7 days of counts, got {len(seen) * step / DAY:.1f}")
    local = (seen["ds"] - step).dt.tz_convert(tz)
    place = (local.dt.day_of_week * 24 + local.dt.hour).to_numpy()
    back = ((seen["ds"].max() - seen["ds"]) // (7 * DAY)).to_numpy()
    means = seen["y"].groupby([back, place]).mean() / step.total_seconds()
    week = means.groupby(level=1).median().reindex(range(single_server.WEEK))
    hours = week.groupby(np.arange(single_server.WEEK) % 24).transform("median")
    rates = week.fillna(hours).fillna(week.mean()).to_numpy(dtype=np.float64)
    if not rates.sum() > 0:
        raise NotEnoughData("nothing was counted in the usual week")
    return rates


def job_times(jobs: pd.DataFrame, busy: pd.DataFrame, *, length: pd.Timedelta) -> Floats:
    """Mean seconds of a job in each of the last spans of this length, newest first; those with few jobs left out."""
    step = frames.step_of(jobs)
    both = jobs[["ds", "y"]].merge(busy[["ds", "y"]], on="ds", suffixes=("_jobs", "_busy")).dropna()
    back = (both["ds"].max() - both["ds"]) // length
    recent = both[back * length < RECENT * 7 * DAY]
    sums = recent[["y_jobs", "y_busy"]].groupby(back).sum()
    sums = sums[sums["y_jobs"] >= _FEW]
    result: Floats = (sums["y_busy"] * step.total_seconds() / sums["y_jobs"]).to_numpy(dtype=np.float64)
    return result


def _spread(times: pd.DataFrame | None) -> tuple[float, bool]:
    """Squared coefficient of variation of a job's time, the middle one of the last weeks; whether it was measured."""
    assumed = single_server.cv2_of_lognormal(single_server.SPREAD)
    if times is None or times.empty:
        return assumed, False
    bounds = times["le"].astype(str).astype(float)
    back = (times["ds"].max() - times["ds"]) // (7 * DAY)
    rows = pd.DataFrame({"back": back, "le": bounds, "y": times["y"]})
    counts = rows.pivot_table(index="back", columns="le", values="y", aggfunc="sum").head(RECENT)
    enough = counts[counts.max(axis=1) >= 5 * _FEW]  # a spread needs more jobs than a mean
    if enough.empty:
        return assumed, False
    each = [single_server.cv2_of_buckets([*enough.columns], row.to_numpy()) for _, row in enough.iterrows()]
    return float(np.median(each)), True


def _single(histories: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """The one series of a signal."""
    history = histories.get(name)
    if history is None or history["y"].isna().all():
        raise NotEnoughData(f"{name} has no sample")
    if len(ids := frames.series_ids(history)) > 1:
        raise NotEnoughData(f"{name} has {len(ids)} series, and a queue is told by one")
    return history
