"""How large the coefficients of the structural model may be: the small table of priors that a series chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from tutordex_analysis.frame import Floats

NONE = 1e-3  # standard deviation of what a prior leaves out
_LEVEL = 100.0  # no opinion
_CROSS = 0.3  # a longer season's own harmonics against the first season's
# Slope and changes of slope. No opinion on the slope either: a disk that fills climbs by hundreds of noise sizes.
_TRENDS = ((NONE, NONE), (1e3, NONE), (1e3, 1.0), (1e3, 4.0), (1e3, 16.0))
_SEASONS = (1.0, 8.0)
_YEARS = (NONE, 1.0, 4.0)
_HOLIDAYS = (NONE, 3.0)  # none, or an effect of noise size, so that a calendar that explains nothing does no harm


@dataclass(frozen=True)
class Prior:
    """Standard deviations of the coefficients of each family, in those of an error."""

    slope: float
    knot: float
    season: float
    year: float
    holiday: float

    def sizes(self, families: npt.NDArray[np.str_]) -> Floats:
        """The standard deviation of each column's coefficient."""
        known = {"level": _LEVEL, "slope": self.slope, "knot": self.knot, "season": self.season, "year": self.year}
        known |= {"cross": _CROSS * self.season, "holiday": self.holiday}
        return np.array([known[str(one)] for one in families])


def table_of(*, changepoints: bool, seasonal: bool, yearly: bool, holidays: bool) -> list[Prior]:
    """Every prior for a basis that has such columns or has not."""
    trends = [one for one in _TRENDS if changepoints or one[1] == NONE]
    seasons = _SEASONS if seasonal else _SEASONS[:1]
    years = _YEARS if yearly else _YEARS[:1]
    effects = _HOLIDAYS if holidays else _HOLIDAYS[:1]
    return [
        Prior(slope, knot, season, year, effect)
        for (slope, knot), season, year, effect in product(trends, seasons, years, effects)
    ]
