"""A maintenance window: what it silences, and when it begins on the clocks of its zone."""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tutordex_analysis.civil import Zone
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import duration, instant
from tutordex_analysis.silence import AlertSelector
from tutordex_analysis.spec import Duration, Spec

Day: TypeAlias = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SPAN = re.compile(r"(-?\d{1,2})(?::(-?\d{1,2}))?")
_LINK = re.compile(r"https?://[^\s<>\"{}|]+")


def _time(value: object) -> str:
    if isinstance(value, int):
        raise CatalogueError(f'at is read as the number {value} by YAML; write it in quotes, like "13:00"')
    if not _TIME.fullmatch(str(value)):
        raise CatalogueError(f'{value!r} is not a time of day; write it like "03:00"')
    return str(value)


def _month_days(value: object) -> str:
    """One day or a range, "1:7"; -1 is the last day of a month."""
    found = _SPAN.fullmatch(str(value))
    ends = [int(one) for one in found.groups() if one is not None] if found else []
    if not ends or any(not 1 <= abs(one) <= 31 for one in ends) or (len(ends) == 2 and ends[0] * ends[1] < 0):
        raise CatalogueError(f'{value!r} is no day of a month; write 15, "1:7", or -1 for the last one')
    if ends[0] > ends[-1]:
        raise CatalogueError(f'{value!r} ends before it begins; write "{ends[-1]}:{ends[0]}"')
    return ":".join(map(str, ends))


def _line(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise CatalogueError("this must be said; it is empty")
    if "|" in line:
        raise CatalogueError(f"{line!r} has the sign |, which parts what stands on a silence; write it without")
    return line


def _link(text: str) -> str:
    if not _LINK.fullmatch(text):
        raise CatalogueError(f"{text!r} is no link; give the ticket or the plan, like https://tracker.example.org/42")
    return text


Line = Annotated[str, AfterValidator(_line)]
MonthDays = Annotated[str, BeforeValidator(_month_days, json_schema_input_type=int | str)]


class Window(Spec):
    """One maintenance window: once on each of `dates`, or again and again on `weekdays` and `days_of_month`."""

    name: str = Field("", exclude=True, description="Filled in from the key")
    template: str | None = Field(None, description="What is silenced, by a template's name")
    values: dict[str, str] = Field({}, description="For the template's variables, such as {channel: t.me/x}")
    matchers: AlertSelector | None = Field(None, description="What is silenced, as a selector; without a template")
    dates: tuple[dt.date, ...] = Field((), description="Days on which it begins, each once")
    weekdays: tuple[Day, ...] = Field((), description="Or these days of every week")
    days_of_month: tuple[MonthDays, ...] = Field((), description='And only, or else on, these days: 15, "1:7", -1')
    first: dt.date | None = Field(None, description="First day, of one that comes again")
    last: dt.date | None = Field(None, description="Last day, of one that comes again")
    leaving_out: tuple[dt.date, ...] = Field((), description="Days on which it does not come")
    at: Annotated[str, BeforeValidator(_time)] = Field(description='When it begins, on the clocks of its zone: "03:00"')
    zone: Zone = Field(description="Such as Asia/Singapore")
    lasts: Duration = Field(description="How long, in real time")
    reason: Line
    by: Line = Field(description="Who answers for it, and how to reach them")
    link: Annotated[str, AfterValidator(_link)] = Field(description="The ticket or the plan")
    approved_by: Line | None = Field(None, description="Who allows that it is longer than its template does")
    critical: bool = Field(False, description="Critical alerts are silenced too")
    keep: bool = Field(False, description="It is not ended early when nothing matched it")

    @model_validator(mode="after")
    def _whole(self) -> Window:
        if (self.template is None) == (self.matchers is None):
            raise CatalogueError("what is silenced: give either template or matchers")
        if self.matchers is not None and self.values:
            raise CatalogueError("values are for a template's variables, and this window has matchers of its own")
        again = bool(self.weekdays or self.days_of_month)
        if bool(self.dates) == again:
            raise CatalogueError("when: give either dates, or weekdays and days_of_month")
        if self.dates and (self.first or self.last or self.leaving_out):
            raise CatalogueError("first, last and leaving_out are for a window that comes again")
        if self.first and self.last and self.last < self.first:
            raise CatalogueError(f"last ({self.last}) is before first ({self.first})")
        if duration(self.lasts) % pd.Timedelta("1min"):
            raise CatalogueError(f"lasts is whole minutes, not {self.lasts}")
        return self

    def falls_on(self, day: dt.date) -> bool:
        """Whether it begins on this day of its zone."""
        if self.dates:
            return day in self.dates
        if day in self.leaving_out or (self.first and day < self.first) or (self.last and day > self.last):
            return False
        if self.weekdays and DAYS[day.weekday()] not in self.weekdays:
            return False
        return not self.days_of_month or any(_in_month(day, one) for one in self.days_of_month)

    def starts(self, start: pd.Timestamp, end: pd.Timestamp) -> Iterator[pd.Timestamp]:
        """Its beginnings from one moment to another, UTC."""
        day, last = (one.tz_convert(self.zone).date() for one in (start, end))
        while day <= last:
            if self.falls_on(day) and start <= (found := begin(day, self.at, self.zone)) < end:
                yield found
            day += dt.timedelta(days=1)


def begin(day: dt.date, at: str, zone: str) -> pd.Timestamp:
    """The first moment, UTC, at which clocks show this time on this day.

    Where clocks show it twice, as in autumn, that is the earlier of both. Where they are put forward over it, as in
    spring, it is the moment at which they are put forward.

    Example:
        >>> begin(dt.date(2026, 3, 29), "02:30", "Europe/Berlin")
        Timestamp('2026-03-29 01:00:00+0000', tz='UTC')
    """
    clocks = ZoneInfo(zone)
    civil = dt.datetime.combine(day, dt.time.fromisoformat(at))
    found = civil.replace(tzinfo=clocks).astimezone(dt.UTC)  # the earlier of two
    before = civil.replace(tzinfo=clocks, fold=1).astimezone(dt.UTC)  # in a gap: reckoned by the clocks after it
    if found.astimezone(clocks).replace(tzinfo=None) == civil:
        return instant(found)
    while (step := (found - before) // 2) >= dt.timedelta(seconds=1):
        middle = before + step
        if middle.astimezone(clocks).replace(tzinfo=None) < civil:
            before = middle
        else:
            found = middle
    return instant(found)


def _in_month(day: dt.date, span: str) -> bool:
    ends = [int(one) for one in span.split(":")]
    _, length = monthrange(day.year, day.month)
    number = day.day if ends[0] > 0 else day.day - length - 1
    return ends[0] <= number <= ends[-1]
