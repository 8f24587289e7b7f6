"""A source in memory: PromQL text → series as functions of time; remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import instant

Series = Callable[[Any], Any]


class MemorySource:
    """Series are functions from hours since 1970 (float array) to values; NaN is a gap."""

    uri = "http://127.0.0.1:9090"

    def __init__(self, answers: Mapping[str, Mapping[str, Series] | Exception]):
        self.answers = dict(answers)
        self.asked: list[tuple[str, TimeRange]] = []

    def query(self, promql: str, time_range: TimeRange, *, future: bool = False) -> pd.DataFrame:
        self.asked.append((promql, time_range))
        if promql not in self.answers:
            return frames.empty()
        answer = self.answers[promql]
        if isinstance(answer, Exception):
            raise answer
        hours = time_range.grid.as_unit("ms").asi8 / 3_600_000
        values = {name: np.asarray(make(hours), dtype=float) for name, make in answer.items()}
        values = {name: one for name, one in values.items() if not np.isnan(one).all()}
        if not values:
            return frames.empty()
        labels = [{"__name__": "m", **({"job": name} if name else {})} for name in values]
        return frames.build(np.stack(list(values.values())), labels, time_range)


def wave(level: float = 0.0) -> Series:
    return lambda hours: level + np.sin(hours)


def between(series: Series, start: str, end: str) -> Series:
    """Only there from `start` to before `end`."""
    first, last = (instant(one).value / 3.6e12 for one in (start, end))
    return lambda hours: np.where((hours >= first) & (hours < last), series(hours), np.nan)


def nothing(hours: Any) -> Any:
    return np.full(len(hours), np.nan)


def refused(_: Any = None) -> SourceError:
    return SourceError("http://127.0.0.1:9090 refused the query: too many samples; ask for less")
