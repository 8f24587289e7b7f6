"""How fast the work grows: daily volumes of counted signals, now and at the end of their forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.civil import Calendar, midnight
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.limit import Level, Limit
from tutordex_analysis.model.breach import Breach
from tutordex_analysis.model.choice import NONE_DEMOTED
from tutordex_analysis.model.forecast import Forecast, forecast

DAY = pd.Timedelta(days=1)
MOST_MISSING = 0.25  # of a day's steps; with more the day is unknown


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """Events a day of one signal, now and at the end of the horizon.

    Attributes:
        signal: What is counted.
        history: Sums of civil days.
        training: What it was forecast from: the same without days that masks leave out.
        forecast: The days to come.
        now: Events a day: the middle one of the last four weeks' means, so that one odd week does not count.
        then: Median over simulated futures of the mean of the horizon's end, four weeks of it at most.
        change: `then` relative to `now`; `lower` and `upper` end its 80 % band.
    """

    signal: Signal
    history: pd.DataFrame
    training: pd.DataFrame
    forecast: Forecast
    now: float
    then: float
    change: float
    lower: float
    upper: float

    @property
    def horizon(self) -> pd.Timedelta:
        """How far ahead `then` is."""
        return self.forecast.horizon * self.forecast.step

    @property
    def is_clear(self) -> bool:
        """Whether the band leaves no doubt about the direction."""
        return self.lower > 0 or self.upper < 0

    @property
    def limits(self) -> dict[str, Limit]:
        """None: a volume has no limit of its own."""
        return {}

    @property
    def breaches(self) -> dict[tuple[str, Level], Breach]:
        """None, since there is no limit."""
        return {}


def volume(
    signal: Signal,
    history: pd.DataFrame,
    *,
    horizon: pd.Timedelta,
    calendar: Calendar,
    seed: int,
    n: int = 1000,
    training: pd.DataFrame | None = None,
    demoted: Mapping[str, frozenset[str]] = NONE_DEMOTED,
) -> Volume:
    """The growth of one counted signal with a single series.

    Args:
        signal: What is counted.
        history: Counts a step, which divides a day.
        horizon: How far ahead, at least two weeks.
        calendar: Whose days, and which holidays.
        seed: Of the simulated futures.
        n: How many of them.
        training: The same rows without what masks leave out. A day that lacks a quarter of its steps there is not
            learnt from; any other counts whole, since what an outage delayed is counted the same day.
        demoted: Models that are not used, by series.

    Raises:
        NotEnoughData: Fewer than two weeks of whole days, or nothing was counted.
    """
    days = daily(history, tz=calendar.timezone)
    recent = days["y"].to_numpy()[-28:]
    if horizon < 14 * DAY:
        raise NotEnoughData(f"the growth of {signal.name} is told for 14 days ahead or more, not for {horizon / DAY:g}")
    if np.isfinite(recent).sum() < 14:
        raise NotEnoughData(f"the growth of {signal.name} needs 14 whole days, got {np.isfinite(recent).sum()}")
    weeks = recent[len(recent) % 7 :].reshape(-1, 7)
    now = float(np.nanmedian(frames.fold(weeks, axis=1, how="mean")))
    if not now > 0:
        raise NotEnoughData(f"nothing of {signal.name} was counted in the last 28 days")
    seasons = [one for one in signal.season_lengths if one > DAY]
    learnt = (
        days if training is None else days.assign(y=days["y"].mask(daily(training, tz=calendar.timezone)["y"].isna()))
    )
    ahead = forecast(
        learnt,
        horizon=horizon,
        season_lengths=seasons,
        calendar=calendar.country,
        tz=calendar.timezone,
        breaks=calendar.break_days,
        lower=0.0,
        seed=seed,
        demoted=demoted,
    )
    end = min(4, ahead.horizon // 14) * 7  # whole weeks, and no more than half of the horizon
    means = ahead.paths(n, seed)[0][:, -end:].mean(axis=1)
    lower, then, upper = (float(one) for one in np.quantile(means, [0.1, 0.5, 0.9]))
    return Volume(
        signal=signal,
        history=days,
        training=learnt,
        forecast=ahead,
        now=now,
        then=then,
        change=then / now - 1,
        lower=lower / now - 1,
        upper=upper / now - 1,
    )


def daily(history: pd.DataFrame, *, tz: str) -> pd.DataFrame:
    """Sums of whole days of one series, each at the civil midnight that ends it.

    A day is the 24 hours before a midnight; where clocks change, that of the newest midnight goes for all days. A gap
    is not made up for, since the first count after it holds what was counted in it.

    Raises:
        NotEnoughData: There is no whole day, or no instant is a civil midnight.
    """
    if history.empty:
        raise NotEnoughData("daily sums need a series, got none")
    ids, grid, values = frames.matrix(history)
    step = frames.step_of(history)
    n = round(DAY / step)
    midnights = np.flatnonzero(grid == midnight(grid, tz=tz))
    if not len(midnights) and len(grid) > n:
        raise NotEnoughData(f"no instant is a midnight in {tz}; read the history at a step of 30m or 15m")
    end = int(midnights[-1]) + 1 if len(midnights) else 0
    days = end // n
    if days < 1 or len(ids) != 1:
        raise NotEnoughData(f"daily sums need one series with at least one whole day, got {len(ids)} and {days}")
    cut = values[0, end - days * n : end].reshape(days, n)
    missing = np.isnan(cut).mean(axis=1)
    known = np.where(missing > MOST_MISSING, np.nan, np.nansum(cut, axis=1))
    first = grid[end - 1] - (days - 1) * DAY
    table = frames.labels(history).to_dict(orient="records")[0]
    return _on_days(known, {str(k): str(v) for k, v in table.items()}, first)


def _on_days(values: frames.Floats, labels: dict[str, str], first: pd.Timestamp) -> pd.DataFrame:
    """A frame of days that start where `first` does, which need not be on the grid of UTC days."""
    grid = TimeRange("1970-01-01T00:00Z", pd.Timestamp("1970-01-01T00:00Z") + len(values) * DAY, DAY)
    made = frames.build(values[None], [labels], grid)
    return made.assign(ds=made["ds"] + (first - grid.start))
