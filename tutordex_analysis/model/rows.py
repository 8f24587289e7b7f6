"""Series that overlap in time side by side, so that one pass over the instants serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.panel import Panel


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Series on one grid; before its first reading and after its last row a series is NaN.

    Attributes:
        ids: Names.
        ds: Instants, shape (n,).
        y: Shape (n_series, n).
        first: First row of each series.
        end: Row after the last of each series.
        step: Distance of two instants.
    """

    ids: tuple[str, ...]
    ds: pd.DatetimeIndex
    y: Floats
    first: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    step: pd.Timedelta


def side_by_side(parts: Sequence[Panel]) -> list[Rows]:
    """Series that overlap in time in one group, so that one pass over the rows serves them all."""
    groups: list[list[Panel]] = []
    end = pd.Timestamp.min.tz_localize("UTC")
    for one in sorted(parts, key=lambda one: one.ds[0]):
        off_grid = bool(groups) and (one.ds[0] - groups[-1][0].ds[0]) % one.step != pd.Timedelta(0)
        if not groups or one.ds[0] > end or off_grid:
            groups.append([])
            end = one.ds[-1]
        groups[-1].append(one)
        end = max(end, one.ds[-1])
    return [_rows(one) for one in groups]


def _rows(group: Sequence[Panel]) -> Rows:
    start, step = group[0].ds[0], group[0].step
    length = int((max(one.ds[-1] for one in group) - start) // step) + 1
    first = [int((one.ds[0] - start) // step) for one in group for _ in one.ids]
    end = [int((one.ds[-1] - start) // step) + 1 for one in group for _ in one.ids]
    if len(group) == 1:
        y = group[0].y
    else:
        y = np.full((len(first), length), np.nan)
        row = 0
        for one in group:
            y[row : row + len(one.ids), first[row] : end[row]] = one.y
            row += len(one.ids)
    ids = tuple(name for one in group for name in one.ids)
    return Rows(
        ids=ids,
        ds=pd.date_range(start, periods=length, freq=step),
        y=y,
        first=np.array(first),
        end=np.array(end),
        step=step,
    )
