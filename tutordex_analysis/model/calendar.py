"""Public holidays and school breaks as regressors: what such a day adds to a value, by hour of the civil day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats

Break: TypeAlias = tuple[object, object]  # first and last civil day, as dates or ISO text

_DAY = pd.Timedelta(days=1)
_LONGEST = pd.Timedelta(days=366)  # of a break; a longer one is a slip in the year
_SHAPE = 3  # harmonics of the day that a holiday may change


def holidays_of(calendar: str, *, first_year: int, last_year: int) -> pd.Series:
    """Names of a country's public holidays by civil date.

    Args:
        calendar: A country code of the package `holidays`, such as "SG", with a subdivision after a dash: "US-CA".
        first_year: First year wanted.
        last_year: Last year wanted.

    Raises:
        FrameError: There is no such calendar.
    """
    import holidays  # slow to import, and only forecasts with a calendar need it

    country, _, part = calendar.partition("-")
    try:
        local = holidays.country_holidays(country).default_language  # else the machine's language would name them
        years = range(first_year, last_year + 1)
        found = holidays.country_holidays(country, subdiv=part or None, years=years, language=local)
    except NotImplementedError as error:
        raise FrameError(
            f'there is no holiday calendar called {calendar!r}; use a country code such as "SG"'
        ) from error
    days = pd.DatetimeIndex(sorted(found))
    return pd.Series([str(found[day.date()]) for day in days], index=days, dtype=object)


def check_civil(*, calendar: str | None, tz: str, breaks: Sequence[Break]) -> None:
    """Refuses what no model could use, also where none of them comes to use it.

    Raises:
        FrameError: There is no such calendar or zone, or a break is no pair of days in order.
    """
    any_day = civil(pd.DatetimeIndex(["2026-01-01"], tz="UTC"), step=_DAY, tz=tz)
    if calendar is not None:
        holidays_of(calendar, first_year=any_day[0].year, last_year=any_day[0].year)
    for pair in breaks:
        days_of(pair)


def continued(ds: pd.DatetimeIndex, horizon: int) -> pd.DatetimeIndex:
    """The instants of a history and of the `horizon` steps after it."""
    return pd.date_range(ds[0], periods=len(ds) + horizon, freq=ds[1] - ds[0])


def civil(ds: pd.DatetimeIndex, *, step: pd.Timedelta, tz: str) -> pd.DatetimeIndex:
    """The civil time in the middle of what each value covers: a value at t stands for (t - step, t].

    Raises:
        FrameError: There is no such time zone.
    """
    try:
        local = (ds - step / 2).tz_convert(tz)
    except (KeyError, ValueError, OSError, IndexError) as error:  # the last for ""
        raise FrameError(f'there is no time zone called {tz!r}; use a name such as "Asia/Singapore"') from error
    return local.tz_localize(None)


def regressors(
    ds: pd.DatetimeIndex,
    *,
    n_history: int,
    step: pd.Timedelta,
    tz: str,
    calendar: str | None = None,
    breaks: Sequence[Break] = (),
) -> Floats:
    """Columns of holiday effects: all holidays, their shape over the day, each that came back, and breaks.

    Args:
        ds: Instants of the history and of the horizon, UTC.
        n_history: How many of them are history; a column that is constant there could not be learnt and is left out.
        step: Distance of two instants.
        tz: Zone whose midnight starts a day.
        calendar: Country code, or None for no public holidays.
        breaks: First and last civil day of each, such as school holidays.

    Returns:
        Shape (len(ds), n_columns), n_columns possibly 0.

    Raises:
        FrameError: There is no such calendar or zone, or a break is no pair of days in order.
    """
    local = civil(ds, step=step, tz=tz)
    columns = [] if calendar is None else _holidays(local, n_history, step, calendar)
    if breaks:
        columns.append(_in_breaks(local, breaks).astype(float))
    if not columns:
        return np.zeros((len(ds), 0))
    table = np.column_stack(columns)
    return table[:, table[:n_history].any(axis=0)]


def _holidays(local: pd.DatetimeIndex, n_history: int, step: pd.Timedelta, calendar: str) -> list[Floats]:
    named = holidays_of(calendar, first_year=local[0].year, last_year=local[-1].year)
    names = named.reindex(local.normalize()).fillna("").to_numpy(dtype=object)
    any_holiday = (names != "").astype(float)
    columns = [any_holiday]
    if step < _DAY / 4:
        angle = 2 * np.pi * np.asarray((local - local.normalize()) / _DAY)
        columns += [any_holiday * f(j * angle) for j in range(1, _SHAPE + 1) for f in (np.sin, np.cos)]
    for name in sorted(set(names[:n_history]) - {""}):
        if len(set(local[:n_history][names[:n_history] == name].normalize())) > 1:
            columns.append((names == name).astype(float))
    return columns


def _in_breaks(local: pd.DatetimeIndex, breaks: Sequence[Break]) -> npt.NDArray[np.bool_]:
    """Instants on a day of any of the breaks, shape (len(local),)."""
    days = pd.DatetimeIndex([day for pair in breaks for day in days_of(pair)])
    return np.asarray(local.normalize().isin(days), dtype=np.bool_)


def days_of(pair: Break) -> pd.DatetimeIndex:
    """The civil days of a break.

    Raises:
        FrameError: It is no pair of days in order, or longer than a year.
    """
    try:
        first, last = (pd.Timestamp(str(day)) for day in pair)
    except (TypeError, ValueError) as error:
        raise FrameError(f"a break is a first and a last day such as 2026-03-14, got {pair!r}") from error
    if pd.isna(first) or pd.isna(last):
        raise FrameError(f"a break is a first and a last day such as 2026-03-14, got {pair!r}")
    if first.tzinfo or last.tzinfo or last < first:
        raise FrameError(f"a break is a first and a last civil day in order, got {pair!r}")
    if last - first > _LONGEST:
        raise FrameError(f"a break is a first and a last day at most {_LONGEST.days} days apart, got {pair!r}")
    return pd.date_range(first.normalize(), last.normalize(), freq="D")
