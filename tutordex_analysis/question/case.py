"""One incident as it is drawn: its sentence, its series from some time before to some time after, its context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.frame import records
from tutordex_analysis.model.anomaly import Anomalies
from tutordex_analysis.question.anomalies import Unusual
from tutordex_analysis.question.anomaly_findings import when
from tutordex_analysis.question.anomaly_health import WEEK, title_of

MOST = 6
_BEFORE = pd.Timedelta("2D"), pd.Timedelta("7D")  # at least and at most
_AFTER = pd.Timedelta("12h"), pd.Timedelta("2D")
_DRAWN = ["ds", "y", "expected", "lower", "upper", "is_anomaly"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One series over a stretch of time.

    Attributes:
        title: What it is, and which of several series.
        unit: The signal's unit.
        frame: ds, y, expected, lower, upper, is_anomaly; the band cut where values cannot be.
    """

    title: str
    unit: str
    frame: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One incident.

    Attributes:
        number: Its place on the page, from 1.
        incident: Its name.
        heading: When, and how bad.
        sentence: What happened, and when.
        what: The same without the time.
        start: First moment of its first unusual step, UTC.
        end: Last moment of its last one.
        traces: Its members, the most upstream first, one a signal where there are several.
        contexts: kind, name, start, end of what else was going on.
    """

    number: int
    incident: str
    heading: str
    sentence: str
    what: str
    start: pd.Timestamp
    end: pd.Timestamp
    traces: tuple[Trace, ...]
    contexts: pd.DataFrame


def cases(found: Unusual, catalogue: Catalogue, *, most: int = MOST) -> tuple[Case, ...]:
    """The worst incidents, as they are drawn."""
    return tuple(_case(i + 1, row, found, catalogue) for i, row in enumerate(records(found.incidents.head(most))))


def outlined(found: Unusual, *, most: int = 10) -> pd.DataFrame:
    """start, end, number of every incident that alerts; number is 0 for those that no table shows."""
    numbers = np.arange(1, len(found.incidents) + 1)
    return found.incidents[["start", "end"]].assign(number=np.where(numbers <= most, numbers, 0))


def week(found: Unusual, catalogue: Catalogue, *, most: int = 10) -> tuple[Trace, ...]:
    """The least usual series of each signal over the last seven days, the least usual signal first."""
    first = found.week[found.week["judged"] > 0].drop_duplicates("signal").head(most)
    since = found.at - WEEK
    return tuple(
        _trace(str(row["signal"]), str(row["unique_id"]), found.scored, catalogue, since, found.at)
        for row in records(first)
    )


def _case(number: int, row: Mapping[str, object], found: Unusual, catalogue: Catalogue) -> Case:
    start, end = pd.Timestamp(str(row["start"])) - found.step, pd.Timestamp(str(row["end"]))
    length = end - start
    first = start - min(max(6 * length, _BEFORE[0]), _BEFORE[1])
    last = end + min(max(length, _AFTER[0]), _AFTER[1])
    members = found.members[found.members["incident"] == row["incident"]].drop_duplicates("signal")
    return Case(
        number=number,
        incident=str(row["incident"]),
        heading=f"{when(row, catalogue.calendar.timezone, step=found.step)} · {row['severity']}",
        sentence=str(row["sentence"]),
        what=str(row["sentence"]).partition(": ")[2],
        start=start,
        end=end,
        traces=tuple(
            _trace(str(one["signal"]), str(one["unique_id"]), found.scored, catalogue, first, last)
            for one in records(members)
        ),
        contexts=found.contexts[found.contexts["incident"] == row["incident"]],
    )


def _trace(
    name: str,
    series: str,
    scored: Mapping[str, Anomalies],
    catalogue: Catalogue,
    first: pd.Timestamp,
    last: pd.Timestamp,
) -> Trace:
    signal, rows = catalogue.signal(name), scored[name].frame
    own = rows[(rows["unique_id"].astype(str) == series) & (rows["ds"] > first) & (rows["ds"] <= last)]
    cut = {side: own[side].clip(signal.lower, signal.upper) for side in ("lower", "upper")}
    return Trace(title=title_of(signal, series), unit=signal.unit, frame=own.assign(**cut)[_DRAWN])
