"""What a Prometheus remembers of alerts in shadow: since when each is loaded so, what fired, can it be evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import AnalysisError, FrameError, SourceError
from tutordex_analysis.frame import TimeRange, series_id
from tutordex_analysis.moment import duration
from tutordex_analysis.rulebook import IN_SHADOW, LEARNT
from tutordex_analysis.source.answer import Refused
from tutordex_analysis.source.session import Session

STEP = "5m"
_PRESENT = f"max by (alert, definition) (count_over_time({IN_SHADOW}[{STEP}]))"
_FIRED = f'max_over_time(ALERTS{{alertstate="firing",shadow="true"}}[{STEP}])'
_LEARNT = f"max by (alert) (count_over_time({LEARNT}[{STEP}]))"
_ANY = f"count(count_over_time(ALERTS[{STEP}]))"
_UTC = "datetime64[ms, UTC]"


class Server(Protocol):
    """What is needed of a source."""

    session: Session
    uri: str

    def query(self, promql: str, time_range: TimeRange) -> pd.DataFrame:
        """The answer on a grid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class InShadow:
    """What is remembered.

    Attributes:
        range: What was looked at.
        loaded: One row an unbroken stretch in which one definition of an alert was loaded in shadow: alert,
            definition, start, end.
        fired: One row an unbroken stretch in which one series of an alert in shadow fired: alert, labels (text),
            start, end; to five minutes.
        learnt: One row an unbroken stretch in which a learned limit of an alert was inside the rails and fresh, of any
            label: alert, start, end.
        kept: How long the server keeps samples; None where it does not say, or goes by size.
        alerts_known: Whether it has the series `ALERTS` of any alert at all; a watchdog always fires.
        sick: By alert, why the server cannot evaluate its rule now.
    """

    range: TimeRange
    loaded: pd.DataFrame
    fired: pd.DataFrame
    learnt: pd.DataFrame
    kept: pd.Timedelta | None
    alerts_known: bool
    sick: dict[str, str]


def in_shadow(server: Server, time_range: TimeRange) -> InShadow:
    """Asks a Prometheus; it only reads.

    Args:
        server: That has the rules loaded.
        time_range: The stretch; its step is not used.

    Raises:
        SourceError: It does not answer.
    """
    span = TimeRange(time_range.start, time_range.end, STEP)
    loaded = list(_stretches(server.query(_PRESENT, span), span))
    fired = list(_stretches(server.query(_FIRED, span), span))
    learnt = _stretches(server.query(_LEARNT, span), span)
    return InShadow(
        range=span,
        loaded=_table([(one["alert"], one["definition"], start, end) for one, start, end in loaded], "definition"),
        fired=_table([(one["alertname"], series_id(one), start, end) for one, start, end in fired], "labels"),
        learnt=_table([(one["alert"], "", start, end) for one, start, end in learnt], "").drop(columns=""),
        kept=_kept(server),
        alerts_known=bool(server.query(_ANY, span)["y"].notna().any()),
        sick=_sick(server),
    )


def _stretches(found: pd.DataFrame, span: TimeRange) -> Iterator[tuple[dict[str, str], pd.Timestamp, pd.Timestamp]]:
    """Labels and both ends of the runs of values; a value at t speaks of (t - step, t]."""
    if found.empty:
        return
    ids, grid, values = frames.matrix(found)
    labels = frames.labels(found)
    for name, row in zip(ids, values, strict=True):
        there = np.concatenate([[False], ~np.isnan(row), [False]])
        for first, after in np.flatnonzero(there[1:] != there[:-1]).reshape(-1, 2):
            own = {str(key): str(value) for key, value in labels.loc[name].items() if value != ""}
            yield own, grid[first] - span.step, pd.Timestamp(grid[after - 1])


def _table(rows: list[tuple[str, str, pd.Timestamp, pd.Timestamp]], second: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["alert", second, "start", "end"])
    return table.astype({"start": _UTC, "end": _UTC}).sort_values(["start", "alert"], ignore_index=True)


def _kept(server: Server) -> pd.Timedelta | None:
    """By the server's own word: "15d", or "15d or 10GiB"."""
    try:
        said = str(_data(server, "status/runtimeinfo")["storageRetention"])
    except (AnalysisError, LookupError, TypeError):
        return None  # not every server with this API has it
    for part in said.split(" or "):
        try:
            return duration(part)
        except FrameError:
            continue
    return None


def _sick(server: Server) -> dict[str, str]:
    try:
        rules = [rule for group in _data(server, "rules")["groups"] for rule in group.get("rules") or []]
        return {
            str(one["name"]): str(one.get("lastError") or "no reason given")
            for one in rules
            if one.get("type") == "alerting" and one.get("health") == "err"
        }
    except (Refused, LookupError, TypeError, AttributeError):
        return {}  # what it does not tell is not held against an alert


def _data(server: Server, page: str) -> Any:  # noqa: ANN401 - JSON
    body = server.session.fetch("GET", f"{server.session.address}/api/v1/{page}", {})
    try:
        return json.loads(body)["data"]
    except (ValueError, LookupError, TypeError) as error:
        raise SourceError(f"{server.uri} does not answer {page} as Prometheus does") from error
