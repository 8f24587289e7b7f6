"""Who was in an experiment: the first exposure of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import ExperimentError


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposed:
    """Units of an experiment.

    Attributes:
        frame: unit, arm, ds (first exposure), one row a unit, sorted by unit.
        crossed: Units that saw more than one arm; they are in no arm.
        repeated: Rows that were the same as another one.
        at: Where in the table the first exposure of each unit of `frame` stands, counted from 0.
    """

    frame: pd.DataFrame
    crossed: tuple[object, ...]
    repeated: int
    at: npt.NDArray[np.int64]

    def units(self) -> dict[str, int]:
        """Units of each arm."""
        counts = self.frame.groupby("arm", observed=True)["unit"].size()
        return {str(arm): int(n) for arm, n in counts.items()}

    def of(self, arms: Sequence[str]) -> Exposed:
        """Those of some arms alone."""
        kept = self.frame["arm"].isin(arms).to_numpy(bool)
        return replace(self, frame=self.frame[kept].reset_index(drop=True), at=self.at[kept])


def first_exposures(exposures: pd.DataFrame, *, arms: Sequence[str] | None = None) -> Exposed:
    """The first exposure of each unit; a unit that saw two arms is reported and left out.

    Args:
        exposures: Columns unit, arm, ds; any order, any number of rows a unit; ds aware of its zone where it is a time.
        arms: Those that there are; None takes all that came.

    Raises:
        ExperimentError: A column is missing, an arm is unknown, a unit or time is empty, or times have no zone.
    """
    needs(exposures, ("unit", "arm", "ds"))
    if arms is not None:
        unknown = sorted(set(exposures["arm"].astype(str)) - set(arms))
        if unknown:
            raise ExperimentError(f"unknown variant {unknown[0]!r}; there are {', '.join(arms)}")
    units, known = pd.factorize(exposures["unit"], sort=True)
    arm, moments = pd.factorize(exposures["arm"])[0], numbered(exposures["ds"])
    repeated = pd.DataFrame({"unit": units, "arm": arm, "ds": moments}).duplicated()
    order = np.lexsort((moments, units))
    begins = np.flatnonzero(np.diff(units[order], prepend=-1))  # of each unit in that order
    one, other = (
        (extreme.reduceat(arm[order], begins) for extreme in (np.minimum, np.maximum)) if len(order) else ([], [])
    )
    crossed = np.asarray(one) != np.asarray(other)
    at = order[begins[~crossed]]
    return Exposed(
        frame=exposures[["unit", "arm", "ds"]].take(at).reset_index(drop=True),
        crossed=tuple(pd.Index(known)[np.flatnonzero(crossed)].tolist()),
        repeated=int(repeated.sum()),
        at=at,
    )


def numbered(moments: pd.Series) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
    """Times as nanoseconds since 1970; numbers as they are."""
    if pd.api.types.is_datetime64_any_dtype(moments):
        moments = moments.dt.as_unit("ns").astype(np.int64)
    if pd.api.types.is_integer_dtype(moments):
        return np.asarray(moments, dtype=np.int64)
    return np.asarray(moments, dtype=np.float64)


def needs(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuses a table that lacks a column or has empty cells in one, and times without a zone.

    Raises:
        ExperimentError: What is wrong.
    """
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ExperimentError(f"the table has no column {missing[0]!r}; it needs {', '.join(columns)}")
    empty = [name for name in columns if frame[name].isna().any()]
    if empty:
        raise ExperimentError(f"column {empty[0]!r} has empty cells")
    ds = frame["ds"]
    if pd.api.types.is_datetime64_any_dtype(ds) and ds.dt.tz is None:
        raise ExperimentError("the times have no zone; localise them, such as with tz_localize('UTC')")
    if not pd.api.types.is_datetime64_any_dtype(ds) and not pd.api.types.is_numeric_dtype(ds):
        raise ExperimentError("column 'ds' is neither times nor numbers")
