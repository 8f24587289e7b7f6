"""Tables of a queue: how busy its server is, what more work would do, how an outage is made up for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.measure import chance_text, day_text, number_text, scale_of, value_text
from tutordex_analysis.sink.alt_text import WEEKDAYS
from tutordex_analysis.sink.table import MOST_ROWS, Table

NO_QUEUE = "No queue is known here; a catalogue can describe one (docs/catalogue.md, queues)."
NEVER = "never catches up"
_LIKELY = 0.1  # a smaller chance is not worth a number


def facts(rows: pd.DataFrame, refused: Sequence[str], *, tz: str) -> Table:
    """How each queue stands: one column a queue, one row a fact.

    Args:
        rows: One row a queue, columns as `Services.facts`.
        refused: Sentences on queues of which nothing can be said.
        tz: Zone of the busiest hour and of the date.
    """
    records = _records(rows)
    told = [_facts(row, tz) for row in records]
    frame = pd.DataFrame({"": list(told[0])} if told else {})
    for row, one in zip(records, told, strict=True):
        frame[str(row["title"])] = list(one.values())
    notes = [note for row in records for note in _remarks(row, alone=len(told) == 1)]
    said = "The queue as a system with one server, in the usual week"
    return Table(frame=frame, caption=said, otherwise="" if refused else NO_QUEUE, notes=(*notes, *refused))


def what_if(loads: pd.DataFrame, dates: pd.DataFrame, *, factor: float, tz: str) -> Table:
    """Today's volume beside `factor` times as much: the queues, then the limits that follow the work; ten rows at most.

    Args:
        loads: Columns title, factor and the fields of a load; two rows a queue.
        dates: Columns title, where, value, unit, now_likely, now_chance, then_likely, then_chance, horizon.
        factor: Times today's volume.
        tz: Zone of the dates.
    """
    then = f"{number_text(factor)} times the work"
    rows: list[tuple[str, str, str]] = []
    for title, pair in loads.groupby("title", sort=False):
        texts = [_load(row) for row in _records(pair)]
        rows += [(f"{title}: {name}", texts[0][name], texts[-1][name]) for name in texts[0]]
    for row in _records(dates):
        name = f"{row['title']} ({row['where']})" if row["where"] else str(row["title"])
        what = f"{name} at {value_text(float(str(row['value'])), str(row['unit']))}"
        rows.append((what, _date(row, "now", tz), _date(row, "then", tz)))
    some = f"; {MOST_ROWS} of {len(rows)} rows shown" if len(rows) > MOST_ROWS else ""
    return Table(
        frame=pd.DataFrame(rows[:MOST_ROWS], columns=["What", "Today's work", then]),
        caption=f"If the work grew at once{some}",
        otherwise="Nothing here is known to follow the volume of work; a catalogue can say so (docs/catalogue.md).",
    )


def catch_up(rows: pd.DataFrame) -> Table:
    """How an outage is made up for: one row a length of it.

    Args:
        rows: Columns title, outage_hours, jobs, slices, waiting, in_slices, typical_hours, worst_hours.
    """
    alone = len(set(rows["title"])) <= 1
    texts = [
        {
            "Outage": f"{'' if alone else row['title'] + ', '}{number_text(row['outage_hours'])} h",
            "Jobs missed": number_text(round(row["jobs"])),
            "Slices": number_text(row["slices"]),
            "Most waiting, feed away": number_text(round(row["in_slices"])),
            "Most waiting, worker away": number_text(round(row["waiting"])),
            "Made up for in": _hours(row["typical_hours"]),
            "At worst": _hours(row["worst_hours"]),
        }
        for row in rows.to_dict("records")
    ]
    note = (
        "Where the feed was away, what it missed comes back a slice at a time, the next one when nothing waits: a "
        "sawtooth. Where only the worker was away, all of it waits at once. How long it takes is the same."
    )
    return Table(
        frame=pd.DataFrame(texts),
        caption="After an outage, at today's work",
        otherwise="Without a queue there is no backlog to work off.",
        notes=(note,) if texts else (),
    )


def _facts(row: dict[str, object], tz: str) -> dict[str, str]:
    def number(name: str) -> float:
        return float(str(row[name]))

    day, hour = divmod(int(number("busiest_hour")), 24)
    seconds = [_about(number(name)) for name in ("job_seconds", "job_lower", "job_upper")]
    full = f"{number_text(round(number('capacity_a_day')))}"
    more = _two(number("capacity_a_day") / number("jobs_a_day"))
    return {
        "Jobs a day": number_text(round(number("jobs_a_day"))),
        "Time of a job": f"{seconds[0]} ({seconds[1]} to {seconds[2]} on eight of ten days)",
        "Busy on average": value_text(number("busy"), "ratio"),
        "Busy in its busiest hour": f"{value_text(number('busiest'), 'ratio')} ({WEEKDAYS[day]} {hour:02}:00)",
        "Mean wait before a job starts": _wait(row, "wait_seconds"),
        "The same in the busiest hour": _wait(row, "busiest_wait_seconds"),
        "Jobs a day at 80 % busy": f"{full}, {more} times today's",
        "Busiest hour at 80 %": f"with {_two(number('room'))} times today's jobs",
        "When that comes": _date(row, "full", tz),
    }


def _load(row: dict[str, object]) -> dict[str, str]:
    return {
        "jobs a day": number_text(round(float(str(row["jobs_a_day"])))),
        "busy on average": value_text(float(str(row["busy"])), "ratio"),
        "busy in its busiest hour": value_text(float(str(row["busiest"])), "ratio"),
        "mean wait": _wait(row, "wait_seconds"),
        "wait in its busiest hour": _wait(row, "busiest_wait_seconds"),
    }


def _wait(row: dict[str, object], name: str) -> str:
    seconds, behind = float(str(row[name])), float(str(row["behind_seconds"]))
    if math.isinf(seconds):
        return NEVER
    if math.isnan(seconds):
        hours = int(str(row["hours_over"]))
        return f"falls behind in {hours} hours of the week, by up to {_about(behind)}"
    return _about(seconds)


def _date(row: dict[str, object], when: str, tz: str) -> str:
    day, chance, horizon = row[f"{when}_likely"], float(str(row[f"{when}_chance"])), row["horizon"]
    if isinstance(day, pd.Timestamp) and not pd.isna(day):
        return day_text(day, ZoneInfo(tz))
    if not isinstance(horizon, pd.Timedelta) or pd.isna(horizon):
        return "cannot be told yet"
    days = number_text(horizon / pd.Timedelta(days=1))
    return f"{chance_text(chance)} within {days} days, no date" if chance >= _LIKELY else f"not within {days} days"


def _hours(hours: float) -> str:
    return NEVER if math.isinf(hours) else _about(3600 * hours)


def _about(seconds: float) -> str:
    """A length of time to two digits, from a tenth of a second on in seconds.

    Example:
        >>> _about(1.688), _about(5461.0)
        ('1.7 s', '91 min')
    """
    factor, suffix = (1.0, " s") if 0.1 <= seconds < 120 else scale_of(seconds, "seconds")
    return f"{_two(seconds / factor)}{suffix}"


def _two(value: float) -> str:
    """A number to two digits."""
    return number_text(float(f"{value:.2g}"))


def _remarks(row: dict[str, object], *, alone: bool) -> list[str]:
    """What the wait is made of, and what it leaves out."""
    poll, batch = float(str(row["poll_seconds"])), int(str(row["batch"]))
    name = "" if alone else f"{row['title']}: "
    said = []
    if poll:
        said.append(
            f"{name}up to {_about(poll)} of a wait, {_about(poll / 2)} on average, is the sleep of the idle server."
        )
    if batch > 1:
        said.append(
            f"{name}claiming {batch} jobs at once adds nothing to the wait while there is one server; if it dies, up "
            f"to {batch - 1} claimed jobs stay until they are put back."
        )
    spread = "was measured" if row["measured"] else "is assumed: 95 of 100 take less than 2.7 times the mean"
    said.append(
        f"{name}how much the times of jobs differ {spread}. Jobs are taken to come one by one; those that come in a "
        "bunch wait for each other, so real waits are longer."
    )
    return [one[:1].upper() + one[1:] for one in said]


def _records(rows: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
