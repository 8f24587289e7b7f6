"""Civil time: the zone of a stack, its public holidays, its school breaks; where a civil day begins."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Annotated, overload

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tutordex_analysis.errors import CatalogueError


@overload
def from_civil(local: pd.Timestamp, *, tz: str | dt.tzinfo) -> pd.Timestamp: ...
@overload
def from_civil(local: pd.DatetimeIndex, *, tz: str | dt.tzinfo) -> pd.DatetimeIndex: ...
def from_civil(local: pd.Timestamp | pd.DatetimeIndex, *, tz: str | dt.tzinfo) -> pd.Timestamp | pd.DatetimeIndex:
    """The instants of civil times, in their zone; the one way from a date to its first instant.

    Clocks that go forward skip some times: such a time is the first one after the gap. Clocks that go back have some
    twice: such a time is the first of the two. Both happen at midnight in some zones.

    Args:
        local: Civil times without a zone.
        tz: Their zone.

    Example:
        >>> str(from_civil(pd.Timestamp("2017-10-15"), tz="America/Sao_Paulo"))
        '2017-10-15 01:00:00-02:00'
    """
    if isinstance(local, pd.DatetimeIndex):
        first = np.ones(len(local), dtype=np.bool_)
        return local.tz_localize(tz, nonexistent="shift_forward", ambiguous=first)
    return local.tz_localize(tz, nonexistent="shift_forward", ambiguous=True)


@overload
def midnight(moments: pd.Timestamp, *, tz: str | dt.tzinfo) -> pd.Timestamp: ...
@overload
def midnight(moments: pd.DatetimeIndex, *, tz: str | dt.tzinfo) -> pd.DatetimeIndex: ...
def midnight(moments: pd.Timestamp | pd.DatetimeIndex, *, tz: str | dt.tzinfo) -> pd.Timestamp | pd.DatetimeIndex:
    """The first instants of the civil days on which moments lie, in the zone; also where clocks change at midnight.

    Args:
        moments: With any zone.
        tz: Zone whose midnight begins a day.

    Example:
        >>> str(midnight(pd.Timestamp("2022-03-27T12:00Z"), tz="Asia/Beirut"))
        '2022-03-27 01:00:00+03:00'
    """
    return from_civil(moments.tz_convert(tz).tz_localize(None).normalize(), tz=tz)


def _zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # "Asia" is a folder
        raise CatalogueError(f'{text!r} is not a time zone; write it like "Asia/Singapore"') from error
    return text


Zone = Annotated[str, AfterValidator(_zone)]


class Break(BaseModel):
    """A stretch of days, both included, such as a school holiday."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    first: dt.date
    last: dt.date

    @model_validator(mode="after")
    def _order(self) -> Break:
        if self.last < self.first:
            raise CatalogueError(f"the break {self.name} ends on {self.last}, before it begins on {self.first}")
        return self


class Calendar(BaseModel):
    """Civil time: the zone of every axis and sentence, public holidays, school breaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: Zone = "UTC"
    country: str | None = Field(None, description='Code of the holidays package, such as "SG"')
    breaks: tuple[Break, ...] = ()

    @property
    def break_days(self) -> tuple[tuple[dt.date, dt.date], ...]:
        """First and last day of each break, as forecasts take them."""
        return tuple((one.first, one.last) for one in self.breaks)
