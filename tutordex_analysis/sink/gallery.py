"""Several figures in a row, one below the other, as one notebook output each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.measure import value_text
from tutordex_analysis.sink import plot
from tutordex_analysis.sink.figure_style import Picture

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Signal
    from tutordex_analysis.limit import Level, Limit, Queue
    from tutordex_analysis.model.breach import Breach
    from tutordex_analysis.model.forecast import Forecast


class Outlook(Protocol):
    """What one figure is made of; the capacity question's resources are such."""

    @property
    def signal(self) -> Signal:
        """Title and unit."""

    @property
    def history(self) -> pd.DataFrame:
        """What was."""

    @property
    def forecast(self) -> Forecast:
        """What will be."""

    @property
    def limits(self) -> Mapping[str, Limit]:
        """Lines across."""

    @property
    def breaches(self) -> Mapping[tuple[str, Level], Breach]:
        """When the lines are met."""


class Ahead(Protocol):
    """How busy a server will be."""

    @property
    def history(self) -> pd.DataFrame:
        """What was, a share of the time."""

    @property
    def forecast(self) -> Forecast:
        """What will be."""

    @property
    def breach(self) -> Breach:
        """When it is too busy."""


class Service(Protocol):
    """A queue with one server; those of the queue question are such."""

    @property
    def queue(self) -> Queue:
        """Its title."""

    @property
    def rates(self) -> Floats:
        """Jobs a second in each hour of the week, Monday 00:00 first."""

    @property
    def job_seconds(self) -> float:
        """Mean time of a job."""

    @property
    def ahead(self) -> Ahead | None:
        """The busiest hour of the days to come, if that can be told."""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures that a notebook shows one below the other, each with its own alternative text."""

    pictures: tuple[Picture, ...]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for picture in self.pictures:
            display(picture)  # type: ignore[no-untyped-call]  # IPython has no annotations here


def outlooks(resources: Iterable[Outlook], *, tz: str) -> Gallery:
    """One forecast figure a resource, with its limits and the window in which the first of them is met."""
    return Gallery(tuple(outlook(one, tz=tz) for one in resources))


def outlook(one: Outlook, *, tz: str) -> Picture:
    """History, forecast, limits and the breach window of one resource."""
    levels = {(limit.name, level): value for limit in one.limits.values() for level, value in limit.values.items()}
    return plot.forecast(
        one.forecast,
        one.history,
        title=one.signal.title + (" a day" if one.forecast.step == pd.Timedelta(days=1) else ""),
        unit=one.signal.unit,
        tz=tz,
        limits={f"{level} {value_text(value, one.signal.unit)}": value for (_, level), value in levels.items()},
        breach=next((one.breaches[key] for key in levels if key in one.breaches), None),
    )


def queues(services: Iterable[Service], *, tz: str) -> Gallery:
    """Two figures a queue: the usual week hour by hour, and the busiest hour of each day to come."""
    return Gallery(tuple(picture for one in services for picture in _queue(one, tz=tz)))


def _queue(one: Service, *, tz: str) -> Iterator[Picture]:
    week = TimeRange(pd.Timestamp("2026-01-05T01:00", tz=tz), pd.Timestamp("2026-01-12T01:00", tz=tz), "1h")
    busy = frames.build((one.rates * one.job_seconds)[None], [{}], week)
    title = f"{one.queue.title}: share of the time busy, the usual week"
    yield plot.hour_of_week(busy, title=title, unit="ratio", tz=tz)
    if one.ahead is not None:
        limit = float(one.ahead.breach.limit.iloc[0])
        yield plot.forecast(
            one.ahead.forecast,
            one.ahead.history,
            title=f"{one.queue.title}: share of the time busy, busiest hour of each day",
            unit="ratio",
            tz=tz,
            limits={f"too busy {value_text(limit, 'ratio')}": limit},
            breach=one.ahead.breach,
        )
