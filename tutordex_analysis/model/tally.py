"""What each unit of an experiment did after its exposure, and before it: one pass over the outcomes, many metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.exposure import Exposed, needs, numbered

Take: TypeAlias = Literal["converted", "events", "value"]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Deeds:
    """Outcomes of exposed units, in the order in which they came.

    Attributes:
        exposed: The units, whose order the numbers of `taken` have.
        row: Position of the unit of each outcome, shape (n,).
        lag: Nanoseconds since its exposure, negative before it, shape (n,).
        event: What it did, as text, shape (n,).
        value: Its value, shape (n,); 1 where values were not asked for.
        unexposed: Outcomes of units that were never exposed or saw two arms; they are not among the above.
        repeated: Rows that were the same as another one; they count once.
    """

    exposed: Exposed
    row: Ints
    lag: Ints | Floats
    event: pd.Categorical
    value: Floats
    unexposed: int
    repeated: int

    @property
    def before(self) -> int:
        """Outcomes that came before the exposure of their unit; they never count as outcomes."""
        return int((self.lag < 0).sum())

    def chosen(
        self, event: str, *, within: pd.Timedelta | None = None, before: pd.Timedelta | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which outcomes are of an event and in time.

        Args:
            event: What the unit did.
            within: So long after the exposure, and at it; None for ever.
            before: Instead those so long before the exposure.
        """
        code = self.event.categories.get_indexer(pd.Index([event]))[0]
        found: npt.NDArray[np.bool_] = (self.event.codes == code) & (code >= 0)
        if before is not None:
            found &= (self.lag < 0) & (self.lag >= -before.value)
        else:
            found &= self.lag >= 0
            if within is not None:
                found &= self.lag <= within.value
        return found

    def taken(
        self, event: str, take: Take, *, within: pd.Timedelta | None = None, before: pd.Timedelta | None = None
    ) -> Floats:
        """A number for each unit: whether it did something, how often, or the sum of its values; 0 where it did not.

        Args:
            event: What it did.
            take: What is taken of it.
            within: So long after the exposure; None for ever.
            before: Instead those so long before the exposure.

        Returns:
            Shape (n_units,), in the order of `exposed.frame`.
        """
        found = self.chosen(event, within=within, before=before)
        n = len(self.exposed.frame)
        if take == "value":
            return np.bincount(self.row[found], weights=self.value[found], minlength=n).astype(np.float64)
        count = np.bincount(self.row[found], minlength=n).astype(np.float64)
        return np.minimum(count, 1.0) if take == "converted" else count

    def values(self, event: str, *, within: pd.Timedelta | None = None) -> pd.DataFrame:
        """The values themselves, several a unit: unit, arm and y, in the order of the units."""
        found = np.flatnonzero(self.chosen(event, within=within))
        found = found[np.argsort(self.row[found], kind="stable")]
        units = self.exposed.frame
        row = self.row[found]
        return pd.DataFrame(
            {"unit": units["unit"].take(row).array, "arm": units["arm"].take(row).array, "y": self.value[found]}
        )

    def watched(self, within: pd.Timedelta | None, *, until: pd.Timestamp) -> npt.NDArray[np.bool_]:
        """Which units have been watched for so long; all of them where there is no `within`."""
        if within is None:
            return np.ones(len(self.exposed.frame), dtype=bool)
        return (self.exposed.frame["ds"] + within <= until).to_numpy(bool)


def deeds(exposed: Exposed, outcomes: pd.DataFrame) -> Deeds:
    """Outcomes joined to the units of an experiment.

    Args:
        exposed: Of `first_exposures`.
        outcomes: Columns unit, ds, event and, where there are some, value and id (what tells rows apart).

    Raises:
        ExperimentError: A column is missing or has empty cells, a value is NaN, or times have no zone.
    """
    needs(outcomes, ("unit", "ds", "event"))
    if "value" in outcomes and (empty := int(outcomes["value"].isna().sum())):
        raise ExperimentError(f"{empty:,} outcomes have no value")
    units = pd.Index(exposed.frame["unit"])
    row = units.get_indexer(pd.Index(outcomes["unit"])).astype(np.int64)
    moments = numbered(outcomes["ds"])
    event = pd.Categorical(outcomes["event"])
    value = outcomes["value"].to_numpy(np.float64) if "value" in outcomes else np.ones(len(outcomes))
    keys = {"unit": _coded(outcomes["unit"]), "ds": moments, "event": event.codes, "value": value}
    if "id" in outcomes:
        keys["id"] = _coded(outcomes["id"])
    once = ~pd.DataFrame(keys).duplicated().to_numpy()
    kept = once & (row >= 0)
    shown = numbered(exposed.frame["ds"])
    return Deeds(
        exposed=exposed,
        row=row[kept],
        lag=moments[kept] - shown[row[kept]],
        event=event[kept],
        value=value[kept],
        unexposed=int((once & (row < 0)).sum()),
        repeated=int((~once).sum()),
    )


def _coded(column: pd.Series) -> Ints:
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return column.to_numpy(np.int64)
    return pd.factorize(column)[0].astype(np.int64)
