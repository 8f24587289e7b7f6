"""Several figures in a row, one below the other, as one notebook output each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from tutordex_analysis.measure import value_text
from tutordex_analysis.sink import plot
from tutordex_analysis.sink.figure_style import Picture

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Signal
    from tutordex_analysis.limit import Level, Limit
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
