"""The ways in which a limit is learnt: what each needs of a history, what it says, and whether that held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Signal
from tutordex_analysis.civil import Calendar
from tutordex_analysis.frame import Floats
from tutordex_analysis.measure import day_text
from tutordex_analysis.model import rails, threshold, usual
from tutordex_analysis.model.expectation import Bools
from tutordex_analysis.model.panel import Panel, seasons
from tutordex_analysis.model.threshold import Learnt, Timeline
from tutordex_analysis.moment import duration
from tutordex_analysis.question import wording
from tutordex_analysis.rule import Learn, Rule, Threshold

Why: TypeAlias = Literal["", "history", "scorecard", "reading"]
WEEK, DAY = pd.Timedelta(days=7), pd.Timedelta(days=1)
NEEDS: Mapping[Learn, pd.Timedelta] = {
    "season": 4 * WEEK,
    "drop": 4 * WEEK,
    "gaps": 3 * WEEK,
    "capacity": 3 * WEEK,
    "cost": 3 * WEEK,
}
EVENTS = 30  # that gaps are learnt from
CHECKED = 4  # past weeks in which a limit must have held
_AT_A_TIME = 2  # of them that one look back is for
_LEARNS = 3 * WEEK  # that a check learns from at least, as far as a week has a shape
_READINGS = 0.1  # share of the past four weeks with a reading


_NEVER: pd.Timestamp = pd.NaT  # type: ignore[assignment]  # stubs: NaT is no Timestamp


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a series has no limit.

    Attributes:
        why: "" where it has one.
        sentence: In words.
        until: From when on it may have one; NaT where nobody can tell.
    """

    why: Why = ""
    sentence: str = ""
    until: pd.Timestamp = _NEVER


NONE = Refusal()


@dataclass(frozen=True, kw_only=True)
class Way:
    """How the limit of one alert is learnt.

    Attributes:
        rule: The alert.
        limit: Its threshold, which is learnt.
        signal: What from.
        civil: Holidays and zone.
    """

    rule: Rule
    limit: Threshold
    signal: Signal
    civil: Calendar

    @property
    def unfit(self) -> str:
        """Why this signal cannot be learnt from in this way; "" where it can."""
        counted = self.limit.learn in ("drop", "gaps")
        if counted and self.signal.kind != "count":
            return f"{self.limit.learn} is learnt from a count, and {self.signal.name} is a {self.signal.kind}"
        if {*self.limit.by} != {*self.signal.by}:
            theirs = ", ".join(self.signal.by) or "no label"
            return f"{self.signal.name} is by {theirs}, and the threshold by {', '.join(self.limit.by) or 'no label'}"
        return ""

    def time(self, last: pd.Timestamp, step: pd.Timedelta, *, weeks: int = 1) -> Timeline:
        """The weeks that follow on an instant."""
        horizon = int(weeks * WEEK // step)
        return threshold.timeline(last, step=step, horizon=horizon, calendar=self.civil.country, tz=self.civil.timezone)

    def learnt(self, y: Floats, ds: pd.DatetimeIndex, time: Timeline) -> Learnt:
        """What a history up to a moment says; every way but capacity, which needs a forecast."""
        chance, lengths = self.limit.chance, seasons(self.signal.season_lengths, time.step)
        window = max(1, round(duration(self.limit.window) / time.step))
        if self.limit.learn == "gaps":
            return threshold.longest_gap(y, time=time, season_lengths=lengths, chance=chance)
        if self.limit.learn == "cost":
            return threshold.spent(y, ds=ds, time=time, tz=self.civil.timezone, chance=chance)
        if self.signal.kind != "count":
            return self._bounded(usual.edge(y, time=time, chance=chance, direction=self.rule.direction))
        how = threshold.most_events
        if self.limit.learn == "drop" or self.rule.direction == "below":
            how = threshold.fewest_events
        return how(y, time=time, season_lengths=lengths, chance=chance, window=window)

    def _bounded(self, found: Learnt) -> Learnt:
        """The range that is told, inside the signal's own bounds."""
        bounds = (self.signal.lower, self.signal.upper)
        if bounds == (None, None):
            return found
        return replace(found, lower=np.clip(found.lower, *bounds), upper=np.clip(found.upper, *bounds))

    def enough(self, panel: Panel) -> list[Refusal]:
        """What each series of a panel lacks."""
        learn = self.limit.learn or "season"
        length, first = panel.ds[-1] - panel.ds[0] + panel.step, panel.ds[0] - panel.step
        lately = panel.y[:, -int(4 * WEEK // panel.step) :]
        found = []
        for y, late in zip(panel.y, lately, strict=True):
            need, what = NEEDS[learn], ""
            events = float(np.nansum(y))
            if learn == "gaps" and events < EVENTS:
                what = f" and {EVENTS} events (there are {events:.0f})"
                need = max(need, length * (EVENTS / events)) if events else need
            if length < need or what:
                until: pd.Timestamp = (first + need).ceil("1D") if events or not what else _NEVER
                day = "" if pd.isna(until) else f"; likely from {day_text(until, ZoneInfo(self.civil.timezone))}"
                found.append(
                    Refusal(
                        why="history",
                        sentence=f"{wording.span(length.floor('1D') or length)} of history, and it takes "
                        f"{wording.span(NEEDS[learn])}{what}{day}",
                        until=until,
                    )
                )
            elif (~np.isnan(late)).mean() < _READINGS:
                found.append(Refusal(why="reading", sentence="hardly any reading in the past four weeks"))
            else:
                found.append(NONE)
        return found

    def held(self, panel: Panel, *, weeks: int) -> list[Refusal]:
        """Series whose limits, learnt before each of the past weeks, were passed more often than chance explains."""
        a_week, n = int(WEEK // panel.step), panel.y.shape[1]
        weeks = min(weeks, (n - int(_LEARNS // panel.step)) // a_week)
        if weeks < 1:
            return [NONE] * len(panel.ids)
        flags, tried = [], (~np.isnan(panel.y[:, n - weeks * a_week :])).sum(axis=1)
        for back in range(weeks, 0, -_AT_A_TIME):
            cut, length = n - back * a_week, min(back, _AT_A_TIME)
            time = self.time(panel.ds[cut - 1], panel.step, weeks=length)
            past = self.learnt(panel.y[:, :cut], panel.ds[:cut], time)
            flags.append(self._beyond(panel, past.eased, cut))
        times = [rails.excursions(row) for row in np.concatenate(flags, axis=1)]
        return [
            NONE
            if rails.explained(passed, tried=int(hours), chance=self.limit.chance)
            else Refusal(
                why="scorecard",
                sentence=f"limits learnt so were passed {passed} times in the past {weeks} weeks, "
                "which chance does not explain",
            )
            for passed, hours in zip(times, tried, strict=True)
        ]

    def _beyond(self, panel: Panel, limits: Floats, cut: int) -> Bools:
        """Where values after a cut are past their limits."""
        end = cut + limits.shape[1]
        if self.limit.learn == "gaps":
            silent = _run(panel.y[:, :end] == 0)[:, cut:]
            return np.asarray(silent * panel.step.total_seconds() > limits)
        y = panel.y[:, cut:end]
        window = max(1, round(duration(self.limit.window) / panel.step))
        if self.signal.kind == "count" and window > 1:
            padded = panel.y[:, max(0, cut - window + 1) : end]
            y = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1).sum(axis=2)
        return np.asarray(y < limits if self.rule.direction == "below" else y > limits)


def _run(flags: Bools) -> Floats:
    """How many flags in a row there are up to each place."""
    at = np.arange(1, flags.shape[1] + 1)
    last = np.maximum.accumulate(np.where(flags, 0, at), axis=1)
    return np.asarray(at - last, dtype=np.float64)
