"""What a length of history allows: which pattern can be seen, how far ahead one may look, and from which date more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import wording

CYCLES = 3  # a season is learnt from this many full cycles
REACH = 2.0  # we look at most this many times as far ahead as there is history
DAY = pd.Timedelta(days=1)
_FIRST = {"count": 15 * DAY}  # growth wants 14 whole civil days, and the first is rarely whole
_READINGS = pd.Timedelta(hours=4)  # others want three hourly readings, and the first hour is rarely whole


@dataclass(frozen=True, kw_only=True)
class Sufficiency:
    """What the history of one signal allows.

    Attributes:
        signal: What it is.
        length: From the first to the last sample, one step more; zero without samples.
        horizon: How far ahead one may look.
        wanted: How far ahead was asked for.
        start: The first sample; NaT without samples.
        refused: Why nothing can be said, "" where something can.
    """

    signal: Signal
    length: pd.Timedelta
    horizon: pd.Timedelta
    wanted: pd.Timedelta
    start: pd.Timestamp
    refused: str = ""

    @property
    def can(self) -> str:
        """What can be said, in words; "" for nothing."""
        seasons = [wording.span(one) for one in self.signal.season_lengths if self.length >= CYCLES * one]
        parts = [f"patterns of {' and '.join(seasons)}"] if seasons else []
        return "" if self.refused else "; ".join([*parts, f"a look {wording.span(self.horizon)} ahead"])

    @property
    def missing(self) -> dict[str, pd.Timedelta]:
        """What cannot be said yet, and the length of history that it needs."""
        needs = {f"a pattern of {wording.span(one)}": CYCLES * one for one in self.signal.season_lengths}
        needs[f"a look {wording.span(self.wanted)} ahead"] = self.wanted / REACH
        return {what: need for what, need in needs.items() if need > self.length}

    @property
    def missing_until(self) -> dict[str, pd.Timestamp]:
        """What cannot be said yet, and the day from which it can; NaT without samples."""
        return {what: (self.start + need).ceil("1D") for what, need in self.missing.items()}

    @property
    def complete_from(self) -> pd.Timestamp:
        """The day from which nothing is missing; NaT where nothing is missing now, or nobody can tell."""
        return max(self.missing_until.values(), default=pd.NaT)  # type: ignore[return-value]  # stubs: NaT is no Timestamp

    @property
    def first_from(self) -> pd.Timestamp:
        """The day from which something can be said where nothing can now; NaT where more time alone does not help."""
        day = (self.start + _FIRST.get(self.signal.kind, _READINGS)).ceil("1D")
        return day if self.refused and day > self.start + self.length else pd.NaT  # type: ignore[return-value]


def sufficiency(signal: Signal, history: pd.DataFrame, *, horizon: pd.Timedelta) -> Sufficiency:
    """What a history allows when a look `horizon` ahead is wanted."""
    seen = history.loc[history["y"].notna(), "ds"]
    if seen.empty:
        return Sufficiency(signal=signal, length=0 * DAY, horizon=horizon, wanted=horizon, start=pd.NaT)  # type: ignore[arg-type]
    length = seen.max() - seen.min() + frames.step_of(history)
    reach = REACH * length
    reach = reach.floor("1D") if reach >= DAY else reach
    return Sufficiency(signal=signal, length=length, horizon=min(horizon, reach), wanted=horizon, start=seen.min())


def looked_at(rows: Iterable[Sufficiency], asked: TimeRange) -> TimeRange:
    """The part of the range asked for that began with the first sample of any signal."""
    first = min((one.start for one in rows if not pd.isna(one.start)), default=asked.start)
    return TimeRange(max(first, asked.start), asked.end, asked.step)


def table(rows: Iterable[Sufficiency]) -> pd.DataFrame:
    """One row a signal: title, days, can, not_yet, from (UTC; NaT where nothing is missing)."""
    return pd.DataFrame(
        [
            {
                "title": one.signal.title,
                "days": one.length / DAY,
                "can": one.can or one.refused,
                "not_yet": "; ".join(one.missing),
                "from": one.complete_from,
            }
            for one in rows
        ],
        columns=["title", "days", "can", "not_yet", "from"],
    )
