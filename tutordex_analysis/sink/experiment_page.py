"""One section an experiment: the verdict in a sentence, its metrics, the days, the segments, the data behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import pandas as pd

from tutordex_analysis.experiment import Experiment
from tutordex_analysis.measure import number_text
from tutordex_analysis.model import tail
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.segments import Strata
from tutordex_analysis.sink import experiment_plot, experiment_table
from tutordex_analysis.sink.section import Heading, Sections
from tutordex_analysis.sink.table import FoldOut

_FEWEST_DAYS = 3  # a figure of fewer says nothing


class Segmented(Protocol):
    """The goal in the parts of one column."""

    @property
    def column(self) -> str:
        """The segment's name."""

    @property
    def table(self) -> pd.DataFrame:
        """segment, n, lift, lift_lower, lift_upper, status."""

    @property
    def p_adjusted(self) -> float:
        """Of no difference between segments."""

    @property
    def strata(self) -> Strata | None:
        """The effect with segments held fixed."""

    @property
    def reversed(self) -> bool:
        """Whether all units together say the opposite."""

    @property
    def small(self) -> int:
        """Segments with too few units to be told."""


class Judged(Protocol):
    """The comparisons of an experiment."""

    @property
    def experiment(self) -> Experiment:
        """The plan."""

    @property
    def goal(self) -> Comparison | None:
        """That of the first goal."""


class Told(Protocol):
    """One experiment with everything that its section shows."""

    @property
    def title(self) -> str:
        """Of the experiment."""

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""

    @property
    def verdict(self) -> Judged:
        """The comparisons."""

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a metric."""

    @property
    def over_time(self) -> pd.DataFrame:
        """The goal day by day."""

    @property
    def segments(self) -> Sequence[Segmented]:
        """The goal by segment."""

    @property
    def quality(self) -> pd.DataFrame:
        """What came, and whether it can be trusted."""


def sections(told: Iterable[Told], *, tz: str) -> Sections:
    """Every experiment, one below the other."""
    parts = tuple(part for one in told for part in _section(one, tz))
    return Sections(parts, "No experiment is declared; write one under experiments: in the catalogue.")


def _section(one: Told, tz: str) -> Iterator[object]:
    goal, rows = one.verdict.goal, one.metrics
    rest = one.sentence.removeprefix(f"{one.title}: ")
    yield Heading(one.title, rest[:1].upper() + rest[1:])
    if rows["lift_lower"].notna().any():
        yield experiment_plot.forest(rows)
    yield experiment_table.metrics(rows)
    if goal is not None and len(one.over_time) >= _FEWEST_DAYS:
        name = str(rows.loc[rows["metric"] == goal.metric, "title"].iloc[0])
        fraction = goal.kind in ("proportion", "paired") and max(goal.control, goal.treatment) <= 1
        yield experiment_plot.over_time(one.over_time, title=name, fraction=fraction, tz=tz)
    for part in one.segments:
        yield experiment_table.segments(
            part.table, column=part.column, notes=tuple(_of_segments(part, alpha=one.verdict.experiment.alpha))
        )
    if not one.quality.empty:
        yield experiment_table.quality(one.quality)
    if (rows["status"] != "").any():
        yield FoldOut("How each metric was judged", [experiment_table.methods(rows)])


def _of_segments(part: Segmented, *, alpha: float) -> Iterator[str]:
    if part.reversed and part.strata is not None:
        fixed = number_text(float(f"{100 * part.strata.adjusted.estimate:.2g}"))
        yield (
            f"All together say the opposite of the parts: with {part.column} held fixed the effect is {fixed} percent "
            "points. The mix differs between the arms; believe the parts."
        )
    elif part.p_adjusted == part.p_adjusted:  # not NaN
        word = "differs" if part.p_adjusted < alpha else "is not shown to differ"
        yield f"The effect {word} between them ({tail.p_text(part.p_adjusted)})."
    if part.small:
        yield f"{part.small} with too few units {'is' if part.small == 1 else 'are'} not told."
