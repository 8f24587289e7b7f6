"""What else was going on during an incident: holidays, breaks, releases, restarts, alerts, silences, what was known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.civil import from_civil
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.model.calendar import holidays_of
from tutordex_analysis.model.incidents import Incidents
from tutordex_analysis.moment import Span, duration

KINDS = ("deploy", "restart", "holiday", "break", "incident file", "silence", "alert")
COLUMNS = ("incident", "kind", "name", "start", "end", "sentence")
_ORIGINS = {"incident": "incident file", "silence": "silence", "alert": "alert"}
_DAY = pd.Timedelta(days=1)


class _Item(NamedTuple):
    kind: str
    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    sentence: str


Stretch: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]


def attach(
    incidents: Incidents, *, catalogue: Catalogue, masks: Masks, changes: Changes, before: Span = "2h"
) -> pd.DataFrame:
    """One row an incident and thing that was going on: changes first, then the calendar, then what was known.

    A release or restart counts when it was at most `before` earlier than the incident, or during it; everything else
    when it has a moment in common with it. An alert, a silence or an entry of the incidents file counts only where it
    concerns a signal of the incident.

    Args:
        incidents: Of `together`.
        catalogue: Its calendar and zone.
        masks: Alerts that fired, silences and incidents told by hand, of the same stretch of time.
        changes: Releases and restarts.
        before: How long a change may have been before what it brought.

    Returns:
        incident, kind (deploy, restart, holiday, break, incident file, silence or alert), name, start, end (UTC,
        half-open; the same for a moment), sentence ("Worker released as 2026-10-05_v4, 25 min before.").

    Raises:
        FrameError: There is no such calendar.
    """
    early = duration(before)
    days = list(_calendar(incidents, catalogue))
    signals = incidents.members.groupby("incident")["signal"].agg(set).to_dict()
    zone = catalogue.calendar.timezone
    rows = []
    for name, first, end in incidents.frame[["incident", "start", "end"]].itertuples(index=False):
        begin = first - incidents.step
        found = [
            *_changed(changes.changes, (begin, end), early),
            *(day for day in days if day.start < end and begin < day.end),
            *_known(masks.masks, (begin, end), signals[name], zone),
        ]
        order = sorted(found, key=lambda item: (KINDS.index(item.kind), item.start, item.name))
        rows += [{"incident": name, **item._asdict()} for item in order]
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return made.assign(**{name: pd.to_datetime(made[name], utc=True) for name in ("start", "end")})


def _changed(changes: Iterable[Change], stretch: Stretch, early: pd.Timedelta) -> Iterator[_Item]:
    begin, end = stretch
    for one in changes:
        if begin - early <= one.end and one.start <= end:
            name = one.name[:1].upper() + one.name[1:]
            ahead = begin - one.end
            when = f"{round(ahead / pd.Timedelta('1min'))} min before" if ahead > pd.Timedelta(0) else "at that time"
            yield _Item(one.kind, one.name, one.start, one.end, f"{name}, {when}.")


def _known(masks: Iterable[Mask], stretch: Stretch, signals: set[str], zone: str) -> Iterator[_Item]:
    begin, end = stretch
    for one in masks:
        if one.start < end and begin < one.end and any(one.concerns(signal) for signal in signals):
            first, last = (moment.tz_convert(zone) for moment in (one.start, one.end))
            until = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
            said = {"incident": "Known by hand: ", "silence": "Silenced: ", "alert": ""}[one.origin]
            sentence = f"{said}{one.reason}, {first:%Y-%m-%d %H:%M} to {until}."
            yield _Item(_ORIGINS[one.origin], one.reason, one.start, one.end, sentence)


def _calendar(incidents: Incidents, catalogue: Catalogue) -> Iterator[_Item]:
    """Public holidays and breaks of all years in which something was unusual."""
    calendar = catalogue.calendar
    if incidents.frame.empty:
        return
    years = [
        pd.Timestamp(moment).tz_convert(calendar.timezone).year
        for moment in (incidents.frame["start"].min() - incidents.step, incidents.frame["end"].max())
    ]
    if calendar.country is not None:
        for day, name in holidays_of(calendar.country, first_year=years[0], last_year=years[1]).items():
            first, after = _bounds(str(day), str(day), calendar.timezone)
            yield _Item("holiday", name, first, after, f"{name} was a public holiday.")
    for one in calendar.breaks:
        first, after = _bounds(str(one.first), str(one.last), calendar.timezone)
        yield _Item("break", one.name, first, after, f"During the {one.name}.")


def _bounds(first: str, last: str, tz: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """When civil days begin, and when the day after them does."""
    return from_civil(pd.Timestamp(first), tz=tz), from_civil(pd.Timestamp(last) + _DAY, tz=tz)
