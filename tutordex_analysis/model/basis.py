"""The shared columns of the structural model: trend, seasons, holidays, for history and horizon alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats

CYCLES = 3  # a season is a term only when the history holds this many
YEAR = pd.Timedelta(days=365.25)
YEARS = 2  # a yearly term needs this many years
KNOTS = 25  # changepoints over the history, as many as Prophet has
_HARMONICS = 12  # of the shortest season; as fast as a twelfth of it
_LONG_HARMONICS = 10  # of the longer ones
_YEAR_HARMONICS = 8  # six weeks and longer


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """Columns of a linear model, the same for all series of one grid.

    Attributes:
        x: Shape (n + horizon, p).
        n: Rows of history.
        family: What each column is for, shape (p,): "level", "slope", "knot", "season", "cross" or "holiday".
        size: Prior standard deviation of each coefficient within its family, shape (p,).
        to_come: Variance on the horizon from changes of slope yet to come, each of variance 1, shape (horizon,).
    """

    x: Floats
    n: int
    family: npt.NDArray[np.str_]
    size: Floats
    to_come: Floats

    @property
    def history(self) -> Floats:
        """Rows of the history."""
        return self.x[: self.n]

    @property
    def holiday(self) -> npt.NDArray[np.bool_]:
        """Instants of the history that a holiday column speaks for, shape (n,)."""
        return np.asarray(self.history[:, self.family == "holiday"].any(axis=1), dtype=np.bool_)

    @property
    def ahead(self) -> Floats:
        """Rows of the horizon."""
        return self.x[self.n :]


def make(
    n: int,
    horizon: int,
    *,
    season_lengths: Sequence[int],
    holidays: Floats | None,
    changepoints: bool,
    year: float | None = None,
) -> Basis:
    """The columns for a history of `n` steps.

    Args:
        n: Steps of history.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; those with fewer than three full cycles are left out.
        holidays: Columns of holiday effects, shape (n + horizon, k), or None.
        changepoints: Whether the slope may change.
        year: Steps in a year; a term only where the history holds two.
    """
    t = np.arange(n + horizon, dtype=np.float64)
    parts: list[tuple[str, Floats, float]] = [("level", np.ones(len(t)), 1.0), ("slope", (t - n) / n, 1.0)]
    space, life = n / KNOTS, n / 6
    at = np.arange(KNOTS) * space if changepoints else np.empty(0)
    parts += [("knot", _bend(t - one, life), 1.0) for one in at]
    parts += _seasons(t, n, season_lengths)
    if has_year(n, year):
        parts += _year(t, float(year or 0))
    if holidays is not None:
        parts += [("holiday", column, 1.0) for column in holidays.T]
    return Basis(
        x=np.column_stack([column for _, column, _ in parts]),
        n=n,
        family=np.array([family for family, _, _ in parts]),
        size=np.array([size for _, _, size in parts]),
        to_come=_to_come(np.arange(1.0, horizon + 1), space, life) if changepoints else np.zeros(horizon),
    )


def terms(n: int, season_lengths: Sequence[int]) -> list[int]:
    """The seasons that `n` steps of history can show."""
    return [m for m in season_lengths if n >= CYCLES * m]


def has_year(n: int, year: float | None) -> bool:
    """Whether `n` steps hold the two years that a yearly term needs."""
    return year is not None and n >= YEARS * year


def _year(t: Floats, year: float) -> list[tuple[str, Floats, float]]:
    """Fourier columns of the year."""
    angles = [2 * np.pi * j * t / year for j in range(1, _YEAR_HARMONICS + 1)]
    return [("year", f(one), 1.0) for one in angles for f in (np.cos, np.sin)]


def _bend(since: Floats, life: float) -> Floats:
    """A change of slope that wears off: the level it ends at is 1, most of it reached after `life` steps."""
    return 1 - np.exp(-np.maximum(since, 0.0) / life)


def _to_come(since: Floats, space: float, life: float) -> Floats:
    """Sum of the squares of `_bend` over changes every `space` steps up to now, the first `since` steps ago."""
    count = np.floor(since / space) + 1
    newest, pace = np.exp(-(since % space) / life), np.exp(-space / life)
    once, twice = (newest**k * (1 - pace ** (k * count)) / (1 - pace**k) for k in (1, 2))
    result: Floats = np.maximum(count - 2 * once + twice, 0.0)
    return result


def _seasons(t: Floats, n: int, season_lengths: Sequence[int]) -> list[tuple[str, Floats, float]]:
    """Fourier columns; a longer season's own harmonics are a family of their own, smaller the further from simple."""
    columns: list[tuple[str, Floats, float]] = []
    taken: set[int] = set()
    usable = terms(n, season_lengths)
    for i, m in enumerate(usable):
        most = min(_HARMONICS if i == 0 else _LONG_HARMONICS, m // 2)
        for j in range(1, most + 1):
            frequency = round(1e9 * j / m)
            if frequency in taken:
                continue
            taken.add(frequency)
            angle = 2 * np.pi * ((j * t) % m) / m
            family, size = ("season", 1 / j) if i == 0 else ("cross", 1.0)
            columns.append((family, np.cos(angle), size))
            if 2 * j != m:
                columns.append((family, np.sin(angle), size))
    return columns
