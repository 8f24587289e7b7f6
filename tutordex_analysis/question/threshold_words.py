"""Sentences about limits: which is in force, why, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import MEASURED, Catalogue
from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text, number_text, value_text
from tutordex_analysis.pins_file import Pin, Pins
from tutordex_analysis.question.finding import Finding
from tutordex_analysis.rule import Rule

QUESTION = "thresholds"
FRESH = pd.Timedelta(minutes=90)  # how long a rule trusts what was published (`sink.rule_rails.MOST_AGE_SECONDS`)


def why(
    row: Mapping[str, Any], rule: Rule, pin: Pin | None, sentence: str, moment: pd.Timestamp | None, tz: str
) -> str:
    """Why a limit is what it is, such as "learned; Monday 20h is normally 2–19 posts; human limit 60".

    Args:
        row: Of `Thresholds.frame`.
        rule: The alert.
        pin: That holds it.
        sentence: Why history does not say.
        moment: Now; None where nothing is said of the hour.
        tz: Civil time.
    """
    unit = str(row["unit"])
    if pin is not None:
        return _pinned(row, pin, tz)
    if row["in_force"] == "human":
        return f"human limit: {sentence}" if sentence else "human limit, set by hand"
    parts = ["learned" if row["in_force"] == "learnt" else f"learned {said(row['learnt'], unit)}, {_rail(row, rule)}"]
    if moment is not None and np.isfinite(row["lower"]) and np.isfinite(row["upper"]):
        local = moment.tz_convert(tz)
        age = "a silence of " if rule.threshold is not None and rule.threshold.learn == "gaps" else ""
        parts.append(f"{local:%A} {local.hour}h is normally {age}{_between(row['lower'], row['upper'], unit)}")
    return "; ".join([*parts, f"human limit {said(row['human'], unit)}"])


def said(value: float, unit: str) -> str:
    """A limit in words; of things that are counted the number alone."""
    if not np.isfinite(value):
        return "no limit"
    return value_text(value, unit) if unit in MEASURED else number_text(value)


def published(last: pd.Timestamp | None, at: pd.Timestamp) -> str:
    """When limits were last handed to Prometheus, in a sentence, and what follows for the rules."""
    if last is None or last > at:
        return "No limit was published from here yet: the rules use human limits; the table shows the next publication."
    old = number_text((at - last) / pd.Timedelta(hours=1))
    if at - last >= FRESH:
        return f"The last publication is {old} hours old, which is stale: the rules use human limits since."
    most = number_text(FRESH / pd.Timedelta(hours=1))
    return f"Limits were last published {old} hours ago; after {most} hours rules no longer trust them."


def findings(frame: pd.DataFrame, pins: Pins, catalogue: Catalogue) -> Iterator[Finding]:
    """What an operator should know of the limits."""
    for note in pins.notes:
        yield _finding(note, 30.0)
    for row in records(frame[frame["in_force"] == "pinned"]):
        name = f"{row['alert']} {row['where']}".strip()
        yield _finding(f"The limit of {name} is {row['why']}.", 20.0)
    waiting = frame[frame["refused"] == "history"]
    for alert, mine in waiting.groupby("alert", sort=False):
        some = "" if len(mine) == 1 else f" of {len(mine)} series"
        until = mine["sufficient_from"].max()
        day = "" if pd.isna(until) else f", likely until {day_text(until, ZoneInfo(catalogue.calendar.timezone))}"
        yield _finding(f"The human limit{some} of {alert} is in force{day}: too little history to learn one.", 5.0)
    for row in records(frame[frame["refused"].isin(["scorecard", "reading"])]):
        name = f"{row['alert']} {row['where']}".strip()
        yield _finding(f"No limit is learned for {name}: {str(row['why']).removeprefix('human limit: ')}.", 10.0)


def _finding(sentence: str, priority: float) -> Finding:
    return Finding(question=QUESTION, signal="", kind="data", sentence=sentence, priority=priority)


def _pinned(row: Mapping[str, Any], pin: Pin, tz: str) -> str:
    until = (
        f" until {day_text(pin.until, ZoneInfo(tz), clock=True)}" if pin.until is not None else " until it is unpinned"
    )
    by = f" by {pin.by}" if pin.by else ""
    what = f"pinned at {said(row['value'], str(row['unit']))}" if row["in_force"] == "pinned" else "human limit"
    learnt = f"; learned {said(row['learnt'], str(row['unit']))}" if np.isfinite(row["learnt"]) else ""
    return f"{what}{until}{by}: {pin.reason}{learnt}"


def _rail(row: Mapping[str, Any], rule: Rule) -> str:
    """Which rail holds a limit that is not what history says."""
    unit, limit = str(row["unit"]), rule.threshold
    if row["value"] == row["floor"] and row["learnt"] < row["floor"]:
        return f"held at its floor {said(row['floor'], unit)}"
    if row["value"] == row["ceiling"] and row["learnt"] > row["ceiling"]:
        return f"held at its ceiling {said(row['ceiling'], unit)}"
    share = limit.largest_move if limit is not None else np.nan
    return f"on its way at {100 * share:.0f} % a day"


def _between(lower: float, upper: float, unit: str) -> str:
    """Two values with one unit."""
    if unit not in MEASURED:
        return f"{number_text(lower)}–{number_text(upper)} {unit}"
    return f"{value_text(lower, unit)} to {value_text(upper, unit)}"
