"""Civil time of a stack: its zone, its public holidays, its school breaks."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tutordex_analysis.errors import CatalogueError


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
