"""What was read for an experiment: tables as they stood there, and what is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from tutordex_analysis.experiment import Experiment


def covariate_of(metric: str) -> str:
    """The column of a metric from before the exposure."""
    return f"{metric}:before"


def denominator_of(metric: str) -> str:
    """The column below a metric that is a ratio."""
    return f"{metric}:per"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentTables:
    """What was read for one experiment, as it stood there.

    Attributes:
        experiment: Its plan.
        now: Up to when rows count, where the experiment has not ended.
        rows: Of pairs: unit, arm (as in the data), ds (NaT without a time), a column a metric, and the segments as
            text. Of events: unit, arm, ds of each exposure, and the segments as text.
        outcomes: Of events: unit, ds, event, and value and id where they are needed.
        series: Of counters: by metric, the tables of control and treatment with ds, y and, where there are any, trials.
        notes: One sentence each for what was left out.
        lacks: Why nothing could be read and what to do; "" where it could.
    """

    experiment: Experiment
    now: pd.Timestamp
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    outcomes: pd.DataFrame = field(default_factory=pd.DataFrame)
    series: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def until(self) -> pd.Timestamp:
        """Up to when rows count: the experiment's end, or now where it has none or that is to come."""
        end = self.experiment.end
        return self.now if end is None or end > self.now else pd.Timestamp(end)

    @property
    def over(self) -> bool:
        """Whether the planned moment of its end has come."""
        return self.experiment.end is not None and self.now >= self.experiment.end


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentData:
    """What was read for one experiment.

    Attributes:
        experiment: Its plan.
        end: The moment up to which rows count, UTC: the experiment's end, or the newest row or sample; NaT with totals.
        over: Whether its planned end has come; rows from after it are not here where it is looked at once.
        units: Of pairs and events: unit, arm ("control" or "treatment"), ds (first exposure; NaT where pairs have no
            time), a column a metric, `denominator_of` and `covariate_of` where it has them (a covariate of a ratio's
            denominator is `covariate_of(denominator_of(name))`), and the segments as text; one row a unit, of pairs one
            a unit and arm. A metric is NaN where its unit has not been watched for `within` yet; it does not count
            there. Empty for other forms.
        values: Of quantiles: by metric, unit, arm and y, several rows a unit.
        series: Of counters: by metric, the tables of control and treatment with ds, y and, where there are any, trials.
        totals: Of totals: by metric, the mappings of control and treatment.
        seen: Units that were exposed, by the arm's name in the data; a name that is none of the arms too.
        notes: One sentence each for what was left out: units in two arms, rows that came twice, outcomes before the
            exposure or of units that were never exposed, buckets that lack.
        lacks: Why nothing could be read and what to do; "" where it could.
    """

    experiment: Experiment
    end: pd.Timestamp
    over: bool = False
    units: pd.DataFrame = field(default_factory=pd.DataFrame)
    values: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    series: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
    totals: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lacks: str = ""
