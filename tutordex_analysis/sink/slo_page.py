"""One section a promise: a sentence, its budget as a figure, what spent it, how fast it burns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import pandas as pd

from tutordex_analysis.sink import slo_plot, slo_table
from tutordex_analysis.sink.section import Heading, Sections
from tutordex_analysis.sink.table import FoldOut


class Ahead(Protocol):
    """When the budget is gone."""

    @property
    def dates(self) -> Mapping[float, pd.Timestamp | None]:
        """By probability."""


class Told(Protocol):
    """One promise with everything that its section shows."""

    @property
    def title(self) -> str:
        """Of the promise."""

    @property
    def sentence(self) -> str:
        """Whether it is kept, in plain words."""

    @property
    def over_time(self) -> pd.DataFrame:
        """ds, remaining."""

    @property
    def incidents(self) -> pd.DataFrame:
        """What spent the budget."""

    @property
    def ahead(self) -> Ahead | None:
        """When the budget is gone."""

    @property
    def burn(self) -> Mapping[str, float]:
        """Burn rates by window."""


def sections(told: Iterable[Told], *, tz: str) -> Sections:
    """Every promise, one below the other."""
    parts = tuple(part for one in told for part in _section(one, tz))
    return Sections(parts, "Nothing is promised; write it under slos: in the catalogue.")


def _section(one: Told, tz: str) -> Iterator[object]:
    rest = one.sentence.removeprefix(f"{one.title}: ")
    yield Heading(one.title, rest[:1].upper() + rest[1:])
    if one.ahead is None:
        return
    if one.over_time["remaining"].notna().any():
        yield slo_plot.budget(one.over_time, one.incidents, one.ahead.dates, title=one.title, tz=tz)
    yield slo_table.incidents(one.incidents, tz=tz)
    yield FoldOut("How fast it burns", [slo_table.burn(one.burn)])
