"""One signal after one release as a row of a table, a sentence, a finding and what a figure shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.change import Change
from tutordex_analysis.measure import change_text, number_text, value_text
from tutordex_analysis.model.days import Days
from tutordex_analysis.model.deploy import Effects
from tutordex_analysis.model.deploy_effect import Effect
from tutordex_analysis.question import finding

Verdict = Literal["changed", "no change shown", "too early", "can't tell"]

QUESTION = "experiments"
COLUMNS = (
    *("change", "at", "signal", "title", "unit", "counted", "days", "seen", "expected", "lower", "upper"),
    *("effect", "effect_lower", "effect_upper", "relative", "relative_lower", "relative_upper"),
    *("p_value", "p_adjusted", "placebo_dates", "placebo_alarms", "placebo_rate", "verdict", "note", "sentence"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One signal after one release, as it is drawn.

    Attributes:
        change: In words.
        at: The moment from which the release is known, UTC.
        signal: Its name.
        title: What it is.
        unit: The signal's unit.
        frame: ds (end of each civil day, UTC), y, expected, lower, upper; the last three NaN until the day after.
        sentence: The answer.
        verdict: The same in a word.
        p_adjusted: The chance of so much without a change, corrected for the signals of the release; NaN where it
            cannot be told.
    """

    change: str
    at: pd.Timestamp
    signal: str
    title: str
    unit: str
    frame: pd.DataFrame
    sentence: str
    verdict: str = "no change shown"
    p_adjusted: float = float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """One signal after one release.

    `row` is its place in `days`, `main` the window that decides, None where there is none.

    `doubt` is why a difference would not be the release's, such as a public holiday in the window; "" where it would.
    """

    signal: Signal
    release: Change
    days: Days | None = None
    row: int = 0
    found: Effects | None = None
    main: Effect | None = None
    refused: Verdict | None = None
    doubt: str = ""
    notes: tuple[str, ...] = ()

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What was measured, one a window."""
        return self.found.effects if self.found is not None else ()


def row_of(one: Told, p_adjusted: float, level: float, alpha: float) -> dict[str, object]:
    """A row of the table."""
    row: dict[str, object] = dict.fromkeys(COLUMNS, float("nan"))
    row |= {"change": one.release.name, "at": one.release.end, "signal": one.signal.name, "title": one.signal.title}
    row |= {
        "unit": one.signal.unit,
        "counted": one.signal.kind == "count",
        "days": 0,
        "placebo_dates": 0,
        "placebo_alarms": 0,
    }
    verdict: Verdict = one.refused or ("changed" if p_adjusted <= alpha else "no change shown")
    notes = one.notes
    if verdict == "changed" and one.doubt:
        verdict, notes = "can't tell", (one.doubt, *notes)
    row |= {"verdict": verdict, "note": "; ".join(notes)}
    main = one.main
    if main is not None:
        level = level if np.isfinite(level) else alpha
        lower, upper = _possible(one.signal, *main.band(level))
        effect_lower, effect_upper = main.interval(level)
        relative_lower, relative_upper = main.relative_interval(level)
        row |= {"days": main.days, "seen": main.seen, "expected": main.expected, "lower": lower, "upper": upper}
        row |= {"effect": main.effect, "effect_lower": effect_lower, "effect_upper": effect_upper}
        row |= {"relative": main.relative, "relative_lower": relative_lower, "relative_upper": relative_upper}
        row |= {"p_value": main.p_value, "p_adjusted": p_adjusted, "placebo_dates": main.dates}
        row |= {"placebo_alarms": main.alarms, "placebo_rate": main.alarm_rate}
        row["sentence"] = _sentence(one, main, verdict, str(row["note"]), level, (lower, upper))
    else:
        row["sentence"] = f"{one.signal.title}, after {one.release.name}: {_said(verdict)}, {row['note']}."
    return row


def _possible(signal: Signal, lower: float, upper: float) -> tuple[float, float]:
    """A band without values that the signal cannot have."""
    least = lower if signal.lower is None else max(lower, signal.lower)
    return least, upper if signal.upper is None else min(upper, signal.upper)


def _sentence(one: Told, main: Effect, verdict: Verdict, note: str, level: float, band: tuple[float, float]) -> str:
    """The answer in words."""
    head = f"{one.signal.title}, after {one.release.name}"
    if np.isnan(main.seen) or np.isnan(main.expected):
        return f"{head}: {_said(verdict)}, {note}."
    unit = one.signal.unit
    percent = number_text(100 * (1 - round(level, 4)))
    text = (
        f"{head}: {_value(main.seen, main, unit)} in {main.days} {day_word(main.days)}, "
        f"{_value(main.expected, main, unit)} expected "
        f"({percent} % of such stretches: {_value(band[0], main, unit)} to {_value(band[1], main, unit)}"
    )
    if main.yardstick is None:
        return f"{text}, the model's own band, unchecked). {_said(verdict).capitalize()}: {note}."
    if verdict == "can't tell":
        return f"{text}). We can't tell: {note}."
    relative = main.relative_interval(level)
    far = f", {change_text(main.relative)} ({change_text(relative[0])} to {change_text(relative[1])})"
    far = far if np.isfinite([main.relative, *relative]).all() else ""
    direction = "Higher" if main.effect > 0 else "Lower"
    said = f"{direction} than expected" if verdict == "changed" else "No change shown"
    noted = f" ({note})" if note else ""
    return (
        f"{text}). {said}{far}{noted}. On {main.dates} earlier dates without a release the same question cried wolf "
        f"{main.alarms} {'time' if main.alarms == 1 else 'times'} ({100 * main.alarm_rate:.0f} %). "
        "Evidence, not proof: whatever else changed then counts too."
    )


def findings_of(table: pd.DataFrame) -> Iterable[finding.Finding]:
    """One for each signal that changed."""
    for row in frames.records(table[table["verdict"] == "changed"]):
        yield finding.Finding(
            question=QUESTION,
            signal=str(row["signal"]),
            kind="did_it_work",
            sentence=str(row["sentence"]),
            effect=float(row["effect"]),  # type: ignore[arg-type]  # a cell
            unit=str(row["unit"]),
            lower=float(row["effect_lower"]),  # type: ignore[arg-type]
            upper=float(row["effect_upper"]),  # type: ignore[arg-type]
            certainty=1 - float(row["p_adjusted"]),  # type: ignore[arg-type]
            priority=50.0,
        )


def window_of(one: Told, each: Effect) -> dict[str, object]:
    """A row of the table of windows."""
    names = ("window", "days", "seen", "expected", "relative", "p_value")
    return {"change": one.release.name, "signal": one.signal.name} | {name: getattr(each, name) for name in names}


def cases_of(one: Told, row: dict[str, object], alpha: float) -> list[Case]:
    """What the figure shows: days before and after, and the band of single days."""
    if one.days is None or one.found is None or one.main is None:
        return []
    found, shown = one.found, slice(max(one.found.before - 28, 0), one.found.first + one.found.after)
    daily = next((each for each in one.effects if each.window == 1 and each.yardstick), None)
    reach = daily.yardstick.half_width(alpha) if daily is not None and daily.yardstick else 1.96
    middle = np.full(len(one.days), np.nan)
    middle[found.first : shown.stop] = found.expected
    spread = np.full(len(one.days), np.nan)
    spread[found.first : shown.stop] = found.spread
    lower = middle - reach * spread
    table = pd.DataFrame(
        {
            "ds": one.days.ends,
            "y": one.days.y[one.row],
            "expected": middle,
            "lower": np.maximum(lower, 0.0) if one.main.counted else lower,
            "upper": middle + reach * spread,
        }
    )
    made = Case(
        change=one.release.name,
        at=one.release.end,
        signal=one.signal.name,
        title=one.signal.title,
        unit=one.signal.unit,
        frame=table.iloc[shown].reset_index(drop=True),
        sentence=str(row["sentence"]),
        verdict=str(row["verdict"]),
        p_adjusted=float(row["p_adjusted"]),  # type: ignore[arg-type]  # a cell
    )
    return [made]


def day_word(n: int) -> str:
    """The noun after a number of days."""
    return "day" if n == 1 else "days"


def _said(verdict: Verdict) -> str:
    return {"can't tell": "we can't tell", "too early": "too early"}.get(verdict, verdict)


def _short(value: float) -> float:
    return round(value) if abs(value) >= 100 else value


def _value(value: float, main: Effect, unit: str) -> str:
    return f"{number_text(_short(value))} a day" if main.counted else value_text(value, unit)
