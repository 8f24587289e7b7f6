"""The two arms of an experiment as they come: totals, rows of units, counters by bucket, or pairs of outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import quantile as quantiles
from tutordex_analysis.model import summary
from tutordex_analysis.model.counters import counts_of
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.rates import Rate
from tutordex_analysis.model.summary import Moments, Summary

Totals: TypeAlias = Share | Summary | Rate | Mapping[str, float]
Arm: TypeAlias = Totals | pd.DataFrame
_FORMS = (
    "successes and n; events and exposure; sum, sum_squares and n; mean, sd and n; or numerator_sum, denominator_sum, "
    "their sum_squares, product_sum and n"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """Counters of one arm by block of time.

    Attributes:
        ds: Starts of the blocks.
        events: Of each block, from 0.
        trials: Of each block; None where only events were counted.
    """

    ds: pd.DatetimeIndex
    events: Floats
    trials: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """What the columns of a table of units are called.

    Attributes:
        unit: What was randomised; a table without it has one row a unit.
        outcome: A number or yes and no.
        denominator: Of a ratio metric; empty where there is none.
        covariate: The outcome, or numerator, from before the experiment; empty where there is none.
        covariate_denominator: The denominator from before; empty where there is none.
        quantile: Between 0 and 1 where a quantile is compared; NaN where not.
    """

    unit: str = "unit"
    outcome: str = "outcome"
    denominator: str = ""
    covariate: str = ""
    covariate_denominator: str = ""
    quantile: float = math.nan


def of_totals(arm: Totals, *, side: str) -> Share | Summary | Rate | Moments:
    """Totals in the form that a method takes.

    Args:
        arm: The totals.
        side: Which arm it is, for the message.

    Raises:
        ExperimentError: The mapping has none of the known sets of fields, or its numbers cannot be.
    """
    if isinstance(arm, Share | Rate):
        return arm
    if isinstance(arm, Summary):
        return _checked(arm)
    fields = {str(name): value for name, value in arm.items()}
    names = set(fields)
    try:
        values = {name: float(value) for name, value in fields.items()}
    except (TypeError, ValueError):
        raise ExperimentError(f"totals are numbers; got {fields}") from None
    for name, value in values.items():
        if not math.isfinite(value):
            raise ExperimentError(
                f"{name} of the {side} is {value:g}; totals are finite numbers: leave units without an outcome out of "
                "all of them and say how many"
            )
    if names == {"successes", "n"}:
        return Share(successes=values["successes"], n=values["n"])
    if names == {"events", "exposure"}:
        return Rate(events=values["events"], exposure=values["exposure"])
    if names == {"sum", "sum_squares", "n"}:
        return summary.of_sums(values["n"], values["sum"], values["sum_squares"])
    if names == {"mean", "sd", "n"}:
        if not values["sd"] >= 0:
            raise ExperimentError(f"a standard deviation is a number from 0; got {values['sd']:g}")
        return _checked(Summary(n=values["n"], mean=values["mean"], variance=values["sd"] ** 2))
    ratio = ("numerator_sum", "denominator_sum", "numerator_sum_squares", "denominator_sum_squares", "product_sum", "n")
    if names == set(ratio):
        top, bottom, top2, bottom2, cross, n = (values[name] for name in ratio)
        return summary.moments_of_sums(n, [top, bottom], [[top2, cross], [cross, bottom2]])
    raise ExperimentError(f"totals have {_FORMS}; got {', '.join(sorted(names)) or 'nothing'}")


def _checked(arm: Summary) -> Summary:
    if not arm.n >= 1 or not math.isfinite(arm.n):
        raise ExperimentError(f"an arm needs at least one unit; got n = {arm.n:g}")
    if not math.isfinite(arm.mean) or (arm.n > 1 and not 0 <= arm.variance < math.inf):
        raise ExperimentError(f"a mean and a variance from 0 are finite numbers; got {arm.mean:g} and {arm.variance:g}")
    return arm


def is_counters(arm: Arm) -> bool:
    """Whether an arm is counters by bucket: a frame with ds and y."""
    return isinstance(arm, pd.DataFrame) and {"ds", "y"} <= set(arm.columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Tables of units of both arms, checked.

    Attributes:
        control: One row a unit, or several for a quantile.
        treatment: The same.
        notes: What was left out.
    """

    control: pd.DataFrame
    treatment: pd.DataFrame
    notes: tuple[str, ...]


def checked_rows(control: pd.DataFrame, treatment: pd.DataFrame, *, unit: str, several: bool = False) -> Rows:
    """Both tables without units that are in both arms.

    Args:
        control: One table.
        treatment: The other.
        unit: Name of the column of what was randomised; where neither has it, each row is a unit.
        several: Whether a unit may have several rows.

    Raises:
        ExperimentError: An arm is empty, one table lacks the unit, or a unit has several rows where it may not.
    """
    for name, table in (("control", control), ("treatment", treatment)):
        if not len(table):
            raise ExperimentError(f"the {name} has no rows")
    named = [unit in table.columns for table in (control, treatment)]
    if not any(named):
        if several:
            raise ExperimentError(f"a quantile needs the column {unit!r}: what was randomised")
        return Rows(control=control, treatment=treatment, notes=())
    if not all(named):
        raise ExperimentError(f"only one arm has the column {unit!r}")
    for name, table in (("control", control), ("treatment", treatment)):
        if table[unit].isna().any():
            raise ExperimentError(f"the {name} has rows without a {unit}")
        if not several and not table[unit].is_unique:
            n = int(table[unit].duplicated().sum())
            raise ExperimentError(f"{n:,} rows of the {name} repeat a {unit}; give one row each (sum or mean)")
    both = pd.Index(control[unit].unique()).intersection(pd.Index(treatment[unit].unique()))
    if not len(both):
        return Rows(control=control, treatment=treatment, notes=())
    kept = [table[~table[unit].isin(both)] for table in (control, treatment)]
    if not all(map(len, kept)):
        raise ExperimentError(f"every {unit} of an arm is in the other arm too; paired outcomes need paired=True")
    note = f"{len(both):,} units were in both arms and are left out"
    return Rows(control=kept[0], treatment=kept[1], notes=(note,))


def of_rows(rows: pd.DataFrame, columns: Columns, *, arm: str, alpha: float) -> Share | Summary | Moments:
    """One arm's rows as totals.

    Args:
        rows: One row a unit, or several for a quantile.
        columns: Their names.
        arm: For the message.
        alpha: For the bounds of a quantile.

    Raises:
        ExperimentError: A column is missing, or a value is missing or infinite.
    """
    outcome = _numbers(rows, columns.outcome, arm)
    if not math.isnan(columns.quantile):
        try:
            return quantiles.clustered(outcome, rows[columns.unit].to_numpy(), columns.quantile, alpha=alpha)
        except ExperimentError as error:
            raise ExperimentError(f"in the {arm} {error}") from None
    names = [columns.denominator, columns.covariate, columns.covariate_denominator]
    others = [_numbers(rows, name, arm) for name in names if name]
    if others:
        return summary.moments_of_values(outcome, *others)
    found = summary.of_values(outcome)
    total = found.mean * found.n
    if 0 <= found.mean <= 1 and bool(((outcome == 0) | (outcome == 1)).all()):
        return Share(successes=float(round(total)), n=found.n)
    return found


def paired_rows(control: pd.DataFrame, treatment: pd.DataFrame, columns: Columns) -> tuple[Floats, Floats, int]:
    """Outcomes of the units that are in both tables, in the same order, and how many are in one only."""
    for name, table in (("control", control), ("treatment", treatment)):
        if columns.unit not in table:
            raise ExperimentError(f"pairs need the column {columns.unit!r} in both tables; the {name} lacks it")
        if not table[columns.unit].is_unique:
            raise ExperimentError(f"the {name} repeats a {columns.unit}; a pair is one row in each table")
    one = pd.Series(_numbers(control, columns.outcome, "control"), index=pd.Index(control[columns.unit]))
    two = pd.Series(_numbers(treatment, columns.outcome, "treatment"), index=pd.Index(treatment[columns.unit]))
    shared = one.index.intersection(two.index)
    if not len(shared):
        raise ExperimentError(f"no {columns.unit} is in both tables, so there are no pairs")
    alone = len(one) + len(two) - 2 * len(shared)
    found: list[Floats] = [np.asarray(each.loc[shared], dtype=np.float64) for each in (one, two)]
    _same_yes(found[0], found[1], columns.outcome)
    return found[0], found[1], alone


def _same_yes(control: Floats, treatment: Floats, outcome: str) -> None:
    """Refuses yes and no that is 0 and 1 in one table and 0 and 100, say, in the other."""
    kinds = [set(np.unique(one)) for one in (control, treatment)]
    for side, (mine, other) in {"treatment": kinds, "control": kinds[::-1]}.items():
        if mine <= {0.0, 1.0} and 1.0 in mine and 0.0 in other and len(other) == 2 and 1.0 not in other:
            raise ExperimentError(
                f"{outcome!r} of the {side} is 0 and {max(other, key=abs):g}, and that of the other arm 0 and 1; give "
                "yes and no as 0 and 1, or True and False, in both"
            )


def of_counters(frame: pd.DataFrame, *, block: pd.Timedelta, tz: str, arm: str) -> Blocks:
    """Buckets summed to whole blocks of civil time; a block that lacks a bucket is left out.

    Args:
        frame: Columns ds (start of a bucket, aware of its zone), y (events in it) and, where known, trials.
        block: Length of a block, such as a day.
        tz: Zone in which days begin.
        arm: For the message.

    Raises:
        ExperimentError: Times have no zone or repeat, or a count is negative or no number.
    """
    ds = frame["ds"]
    if not pd.api.types.is_datetime64_any_dtype(ds):
        raise ExperimentError(f"ds of the {arm} is not a time")
    if ds.dt.tz is None:
        raise ExperimentError(f"the times of the {arm} have no zone; localise them, such as with tz_localize('UTC')")
    if not len(frame):
        raise ExperimentError(f"the {arm} has no buckets")
    if ds.duplicated().any():
        raise ExperimentError(f"the {arm} has {int(ds.duplicated().sum())} buckets twice; sum its series first")
    events = frame["y"].to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(events)
    counts_of(events[known])
    table = pd.DataFrame({"ds": ds.to_numpy(), "events": events})
    table.index = pd.DatetimeIndex(ds).tz_convert(tz).tz_localize(None).floor(block)
    trials = "trials" in frame.columns
    if trials:
        table["trials"] = frame["trials"].to_numpy(np.float64, na_value=np.nan)
        counts_of(table["trials"].to_numpy()[np.isfinite(table["trials"].to_numpy())])
    steps = np.diff(np.sort(pd.DatetimeIndex(ds).asi8))
    unit = pd.Timedelta(1, unit=pd.DatetimeIndex(ds).unit)
    step = unit * int(steps.min()) if len(steps) else block
    columns = ["events", "trials"] if trials else ["events"]
    grouped = table[columns].groupby(level=0)
    sums = grouped.sum(min_count=1)
    full = grouped.size() >= max(math.floor(block / step * 0.95), 1)  # a day of 23 hours is whole
    sums = sums[full & (grouped.count().min(axis=1) == grouped.size())]
    return Blocks(
        ds=pd.DatetimeIndex(sums.index),
        events=sums["events"].to_numpy(np.float64),
        trials=sums["trials"].to_numpy(np.float64) if trials else None,
    )


def _numbers(rows: pd.DataFrame, name: str, arm: str) -> Floats:
    if name not in rows.columns:
        raise ExperimentError(f"the {arm} has no column {name!r}; it has {', '.join(map(str, rows.columns))}")
    column = rows[name]
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise ExperimentError(f"column {name!r} of the {arm} is no number; it is {column.dtype}")
    values = column.to_numpy(np.float64, na_value=np.nan)
    if not math.isfinite(float(values.sum())) and not np.isfinite(values).all():
        n = int((~np.isfinite(values)).sum())
        raise ExperimentError(
            f"{n:,} outcomes in {name!r} of the {arm} are missing or infinite; a unit that did nothing has 0"
        )
    return values
