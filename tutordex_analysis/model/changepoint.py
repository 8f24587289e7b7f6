"""Changes that stayed: since when a series has another level, or another trend.

Looks back over a whole history, for a reader's question "since when"; it is no alarm, and a late change has no say
before some cycles have followed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.panel import Panel, panels, seasons
from tutordex_analysis.moment import Span

_LEAST = 4  # cycles on each side of a change
_PENALTY = 3.0  # of the Bayesian criterion for each new parameter, times its own log n; a change must be plain to see
_COLUMNS = ("unique_id", "ds", "kind", "before", "after", "size")


@dataclass(frozen=True, kw_only=True)
class _Change:
    at: int
    kind: Literal["level", "trend"]
    before: float
    after: float
    size: float


def changepoints(frame: pd.DataFrame, *, season_lengths: Sequence[int | Span]) -> pd.DataFrame:
    """Level shifts and trend changes, from the medians of whole cycles of the longest season under eight cycles.

    Args:
        frame: History in the frame contract.
        season_lengths: Seasons in steps or as durations; the shortest gives the cycles, the longest the shape that
            is taken out where it has three cycles.

    Returns:
        One row a change: unique_id; ds, the first instant of the first cycle that is different; kind, "level" or
        "trend"; before and after, the level in the series' unit or the slope in it a cycle; size, the difference over
        the spread of the cycles around the fit. Sorted by series and time.

    Raises:
        FrameError: The frame breaks the contract or a value is infinite.
        NotEnoughData: There is no series, or none with two rows.

    References:
        Yao (1988), Statistics & Probability Letters 6(3), 181-189 (number of change points by the Bayesian criterion).
    """
    rows = [row for one in panels(frame) for row in _of_panel(one, seasons(season_lengths, one.step))]
    found = pd.DataFrame(rows, columns=[*_COLUMNS])
    return found.sort_values(["unique_id", "ds"], ignore_index=True)


def _of_panel(panel: Panel, lengths: Sequence[int]) -> Iterator[dict[str, object]]:
    cycle = min(lengths, default=1)
    for name, y in zip(panel.ids, panel.y, strict=True):
        medians = _cycles(_without_shape(y, max(lengths, default=1)), cycle)
        offset = len(y) - len(medians) * cycle
        for change in sorted(_changes(medians, 0), key=lambda one: one.at):
            yield {
                "unique_id": name,
                "ds": panel.ds[offset + change.at * cycle],
                "kind": change.kind,
                "before": change.before,
                "after": change.after,
                "size": change.size,
            }


def _without_shape(y: Floats, season: int) -> Floats:
    """Values less what their phase of the season usually has beyond the median."""
    if season < 2 or len(y) < 3 * season:
        return y
    whole = np.full(-(-len(y) // season) * season, np.nan)
    whole[: len(y)] = y
    shape = _median(whole.reshape(-1, season))
    shape = np.nan_to_num(shape - np.nanmedian(shape)) if np.isfinite(shape).any() else np.zeros(season)
    return y - np.resize(shape, len(y))


def _cycles(y: Floats, cycle: int) -> Floats:
    """Medians of whole cycles, the last one ending with the series."""
    n = len(y) // cycle
    return _median(y[len(y) - n * cycle :].reshape(n, cycle).T) if n else np.empty(0)


def _median(table: Floats) -> Floats:
    """Medians of columns; NaN where one has no value."""
    found = np.full(table.shape[1], np.nan)
    there = np.isfinite(table).any(axis=0)
    found[there] = np.nanmedian(table[:, there], axis=0)
    return found


def _changes(values: Floats, offset: int) -> Iterator[_Change]:
    """The plainest change and, on both sides of it, the next ones."""
    best = _plainest(values)
    if best is None:
        return
    yield _Change(at=best.at + offset, kind=best.kind, before=best.before, after=best.after, size=best.size)
    yield from _changes(values[: best.at], offset)
    yield from _changes(values[best.at :], offset + best.at)


def _plainest(values: Floats) -> _Change | None:
    t = np.flatnonzero(np.isfinite(values)).astype(np.float64)
    y = values[np.isfinite(values)]
    n = len(y)
    if n < 2 * _LEAST:
        return None
    ones = np.ones(n)
    none = [_fit(np.column_stack([ones]), y), _fit(np.column_stack([ones, t]), y)]
    scale = float(np.abs(y).max()) + 1e-300
    straight = min(_criterion(rest, n, parameters, scale, 0) for parameters, (_, rest) in enumerate(none, 1))
    found: tuple[float, _Change] | None = None
    for k in range(_LEAST, n - _LEAST + 1):
        after = (t >= t[k]).astype(float)
        for kind, columns in (("level", [ones, after]), ("trend", [ones, t, after * (t - t[k])])):
            beta, rest = _fit(np.column_stack(columns), y)
            value = _criterion(rest, n, len(columns), scale, 1)
            if value < straight and (found is None or value < found[0]):
                spread = float(np.sqrt((rest**2).sum() / max(n - len(columns), 1))) + 1e-9 * scale
                low = float(beta[0] if kind == "level" else beta[1])
                step = float(beta[-1])
                size = abs(step) / spread
                found = (
                    value,
                    _Change(
                        at=int(t[k]),
                        kind="level" if kind == "level" else "trend",
                        before=low,
                        after=low + step,
                        size=size,
                    ),
                )
    return found[1] if found else None


def _fit(columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    beta: Floats = np.asarray(np.linalg.lstsq(columns, y, rcond=None)[0], dtype=np.float64)
    return beta, y - columns @ beta


def _criterion(rest: Floats, n: int, parameters: int, scale: float, changes: int) -> float:
    """Schwarz's criterion; the place of a change counts as parameters, cycles that go together count as fewer."""
    rest = np.where(np.abs(rest) < 1e-9 * scale, 0.0, rest)  # rounding is no spread
    together = float(np.clip((rest[1:] * rest[:-1]).sum() / max((rest**2).sum(), 1e-300), 0, 0.9))
    effective = n * (1 - together) / (1 + together)
    variance = (rest**2).sum() / n + (1e-9 * scale) ** 2
    return float(effective * np.log(variance) + (parameters + _PENALTY * changes) * np.log(n))
