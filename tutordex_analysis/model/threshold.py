"""Limits that follow from history: what chance passes only as rarely as asked, at each step of the week to come.

Each way learns from history up to a moment and gives limits of the steps after it, so the same call for a past moment
knows nothing of what came later. `usual` does the same for values that are no counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import maximum_filter1d
from scipy.stats import nbinom, norm

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.clock import clock_of
from tutordex_analysis.model.counts import Rates, rates
from tutordex_analysis.model.expectation import HOLIDAY
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.model.score import mean

USUALLY = (0.1, 0.9)  # between these a value is called usual
LIKELY = 0.5  # chance of a breach from which a capacity limit speaks
_DAY, _WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
_BACK = 4  # weeks before now in which the start of a gap is looked for
_PATHS = 500
_LEAST = 1e-9  # relative variance, where chance is all there is


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """Limits of the steps to come, shape (n_series, horizon) each, in the unit of what they limit; NaN: not known.

    Attributes:
        value: As if no day were a public holiday.
        eased: With public holidays, which may be quiet; never stricter than `value`.
        lower: One value in ten is usually less.
        upper: One value in ten is usually more.
    """

    value: Floats
    eased: Floats
    lower: Floats
    upper: Floats

    def take(self, row: int) -> Learnt:
        """One series, still as a row."""
        return Learnt(**{name: getattr(self, name)[row : row + 1] for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """The steps around a moment, and where they stand in the week by the civil clock.

    Attributes:
        ds: Instants, UTC, the first one to come at `back`.
        back: Steps before it.
        week: Phase of the week of each step.
        day: Phase of the day.
        sunday: On a public holiday the phase that a Sunday has at that hour, else -1.
        step: Distance of two instants.
    """

    ds: pd.DatetimeIndex
    back: int
    week: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    sunday: npt.NDArray[np.int64]
    step: pd.Timedelta

    @property
    def horizon(self) -> int:
        """Steps to come."""
        return len(self.ds) - self.back

    @property
    def ahead(self) -> pd.DatetimeIndex:
        """The instants to come."""
        return self.ds[self.back :]


def timeline(
    last: pd.Timestamp, *, step: pd.Timedelta, horizon: int, calendar: str | None = None, tz: str = "UTC"
) -> Timeline:
    """The steps around the last instant of a history: some weeks before it, and `horizon` after it."""
    week = int(_WEEK // step)
    back = _BACK * week
    ds = pd.date_range(last - (back - 1) * step, periods=back + horizon, freq=step)
    clock = clock_of(ds, short=int(_DAY // step), long=week, step=step, calendar=calendar, tz=tz)
    return Timeline(ds=ds, back=back, week=clock.week, day=clock.day, sunday=clock.sunday, step=step)


def most_events(y: Floats, *, time: Timeline, season_lengths: Sequence[int], chance: float, window: int = 1) -> Learnt:
    """The number of events that chance passes this rarely: an alert fires above it.

    Args:
        y: Events a step up to the moment, shape (n_series, n), NaN where there is a gap.
        time: The steps to come.
        season_lengths: Seasons in steps.
        chance: Of more events than this in a window, at any one time.
        window: Steps that are counted together.
    """
    ahead = rates(y, horizon=time.horizon, season_lengths=season_lengths)
    usual, _, rough = _placed(ahead, time)
    value, lower, upper = _counted(ahead, usual, rough, (1 - chance, *USUALLY), time, window)
    return Learnt(value=value, eased=value, lower=lower, upper=upper)


def fewest_events(
    y: Floats, *, time: Timeline, season_lengths: Sequence[int], chance: float, window: int = 1
) -> Learnt:
    """The number of events that chance falls short of this rarely: an alert fires below it.

    It is 0, below which nothing is, where not even a window without any event is strange.
    """
    ahead = rates(y, horizon=time.horizon, season_lengths=season_lengths)
    usual, quiet, rough = _placed(ahead, time)
    value, lower, upper = _counted(ahead, usual, rough, (chance, *USUALLY), time, window)
    eased = np.minimum(value, _counted(ahead, quiet, rough, (chance,), time, window)[0])
    return Learnt(value=value, eased=eased, lower=lower, upper=upper)


def longest_gap(y: Floats, *, time: Timeline, season_lengths: Sequence[int], chance: float) -> Learnt:
    """How long nothing may happen before that is stranger than `chance`, in seconds, at the end of each step.

    The gap reaches back from that instant through the rates of the hours before it, so one that began in a quiet night
    is longer. Infinite where four weeks without an event are nothing strange.
    """
    ahead = rates(y, horizon=time.horizon, season_lengths=season_lengths)
    usual, quiet, rough = _placed(ahead, time)
    told = (chance, USUALLY[1], USUALLY[0])
    value, lower, upper = (_gap(ahead, usual, rough, one, time) for one in told)
    return Learnt(
        value=value, eased=np.maximum(value, _gap(ahead, quiet, rough, chance, time)), lower=lower, upper=upper
    )


def room(
    forecast: Forecast,
    *,
    limits: Mapping[str, float],
    direction: str = "above",
    lead: int,
    horizon: int,
    likely: float = LIKELY,
    seed: int = 0,
) -> Learnt:
    """The present value from which a limit is likely reached within the lead, one row a series of `limits`.

    Simulated futures say how far a value still rises (or falls) within the lead from each hour on: the limit less that
    is where an alert must speak. A disk that grows 1 % a week with a lead of two weeks is told at 2 % before its limit,
    a processor at night while the morning's load is still to come.

    Args:
        forecast: Reaching at least `horizon` + `lead` steps.
        limits: By series.
        direction: "above" where a value beyond the limit is the breach.
        lead: Steps that more capacity takes.
        horizon: Steps for which a limit is wanted.
        likely: Chance of a breach from which on it speaks.
        seed: Of the paths.
    """
    sign = 1.0 if direction == "above" else -1.0
    found: dict[str, list[Floats]] = {name: [] for name in ("value", "lower", "upper")}
    table = forecast.frame.set_index(forecast.frame["unique_id"].astype(str))
    for name, limit in limits.items():
        futures = sign * forecast.paths_of(name, _PATHS, seed=seed)
        # the highest of the `lead` steps after each one: a window of that size that begins one step later
        highest = maximum_filter1d(futures, lead, axis=1, origin=-((lead - 1) // 2), mode="nearest")[:, 1 : horizon + 1]
        rise = np.quantile(highest - futures[:, :horizon], 1 - likely, axis=0)
        rows = table.loc[[name]].iloc[:horizon]
        found["value"].append(sign * (sign * limit - np.maximum(rise, 0.0)))
        found["lower"].append(rows[f"q{USUALLY[0]:g}"].to_numpy(dtype=np.float64))
        found["upper"].append(rows[f"q{USUALLY[1]:g}"].to_numpy(dtype=np.float64))
    made = {key: np.array(rows).reshape(len(limits), -1) for key, rows in found.items()}
    return Learnt(**made, eased=made["value"])


def spent(y: Floats, *, ds: pd.DatetimeIndex, time: Timeline, tz: str, chance: float) -> Learnt:
    """The share of a civil day's total that has usually come by the end of each step, with room for chance.

    What has been spent of a budget since midnight is compared with it: more than this, and the day will overspend.

    Args:
        y: What each step cost, shape (n_series, n).
        ds: Its instants.
        time: The steps to come.
        tz: Zone whose midnight starts a day.
        chance: That a usual day is ahead of it at any one time.
    """
    clock = clock_of(ds, short=int(_DAY // time.step), long=int(_WEEK // time.step), step=time.step, tz=tz)
    a_day = int(_DAY // time.step)
    start = int((clock.day == 0).argmax())
    days = (y.shape[1] - start) // a_day
    whole = y[:, start : start + days * a_day].reshape(len(y), days, a_day)
    total = whole.sum(axis=2, keepdims=True)
    share = np.where(total > 0, np.cumsum(whole, axis=2) / np.where(total > 0, total, 1.0), np.nan)
    by_day = np.moveaxis(share, 1, 2)
    middle = mean(by_day)
    spread = np.sqrt(mean((by_day - middle[..., None]) ** 2))
    each = [
        np.maximum.accumulate(np.clip(middle + norm.ppf(one) * spread, 0.0, 1.0), axis=1)[:, time.day[time.back :]]
        for one in (1 - chance, *USUALLY)
    ]
    return Learnt(value=each[0], eased=each[0], lower=each[1], upper=each[2])


def _placed(ahead: Rates, time: Timeline) -> tuple[Floats, Floats, Floats]:
    """Rates of the whole timeline, the same on public holidays as quiet as those may be, and their rough variance."""
    phases = int(time.week.max()) + 1
    usual, rough = np.full((2, len(ahead.mean), phases), np.nan)
    usual[:, time.week[time.back :]] = ahead.mean
    rough[:, time.week[time.back :]] = ahead.rough
    for row in (usual, rough):  # where clocks are put forward one hour of the week is not ahead: as the one before it
        for hole in np.flatnonzero(np.isnan(row).all(axis=0)):
            row[:, hole] = row[:, hole - 1]
    at = usual[:, time.week]
    rest = HOLIDAY * np.minimum(at, usual[:, np.maximum(time.sunday, 0)])
    return at, np.where(time.sunday >= 0, rest, at), rough[:, time.week]


def _counted(
    ahead: Rates, rate: Floats, rough: Floats, levels: Sequence[float], time: Timeline, window: int
) -> list[Floats]:
    """Quantiles of the events in the window that ends with each step to come."""
    total = _summed(rate, window, time.back)
    own = _summed(rate**2 * (ahead.extra[:, None] + rough), window, time.back) / total**2
    r = 1 / np.maximum(ahead.unknown + own, _LEAST)
    return [np.asarray(nbinom.ppf(one, r, r / (r + total)), dtype=np.float64) for one in levels]


def _summed(x: Floats, window: int, back: int) -> Floats:
    """Sums of the `window` values up to each of those from `back` on."""
    run = np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)
    found: Floats = run[:, back + 1 :] - run[:, back + 1 - window : x.shape[1] + 1 - window]
    return found


def _gap(ahead: Rates, rate: Floats, rough: Floats, chance: float, time: Timeline) -> Floats:
    """Seconds back from the end of each step within which there is no event with this chance.

    The count of a step is negative binomial, so no event has the chance (1 + rate e)^(-1/e); all steps share a level
    with a gamma distribution of shape a, over which that is averaged: (a / (a + sum))^a.
    """
    e = np.maximum(ahead.extra[:, None] + rough, _LEAST)
    run = np.concatenate([np.zeros((len(rate), 1)), np.cumsum(np.log1p(rate * e) / e, axis=1)], axis=1)
    a = 1 / np.maximum(ahead.unknown, _LEAST)
    wanted = a * np.expm1(-np.log(chance) / a)
    ends = np.arange(time.back + 1, rate.shape[1] + 1)
    start = run[:, ends] - wanted
    found = np.empty_like(start)
    for i, row in enumerate(run):
        found[i] = ends - np.interp(start[i], row, np.arange(len(row)), left=-np.inf)
    seconds: Floats = found * time.step.total_seconds()
    return seconds
