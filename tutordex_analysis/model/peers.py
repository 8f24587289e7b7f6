"""One series against its peers: its share of what all of them count, beside the share that it usually has.

What moves all of them (a holiday, growth, a collector that is down) moves no share, so a channel that falls silent
alone shows earlier here than in its own low counts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.expectation import pace
from tutordex_analysis.model.panel import panels, steps
from tutordex_analysis.model.record import Records
from tutordex_analysis.model.rows import side_by_side
from tutordex_analysis.model.surprise import stabilised
from tutordex_analysis.moment import Span

_LEAST_PEERS = 3
_CHANCE = 3.5  # standard deviations of a binomial share that chance may bring; 1 in 4,000
_HALF_LIFE = 14.0  # windows, of a share and of records
_LEAST_EVENTS = 20.0  # of all of them in a window, below which shares say nothing


def peers(frame: pd.DataFrame, *, window: Span = "1d") -> pd.DataFrame:
    """Scores of each series' share of the sum over all of them, causal.

    Args:
        frame: Counts of one kind in the frame contract, such as posts by channel.
        window: Time over which is summed.

    Returns:
        unique_id, ds, seen (events in the window that ends there), expected (its usual share of all events of that
        window) and score: 1 at the edge of what chance and its own recent records explain, NaN while too little was
        seen; sorted like a frame.

    Raises:
        FrameError: A value is negative, the frame breaks the contract, or the series share no grid.
        NotEnoughData: There are fewer than three series, or less than two windows.
    """
    groups = side_by_side(panels(frame))
    if len(groups) > 1:
        raise FrameError("peers must overlap in time on one grid")
    rows = groups[0]
    if len(rows.ids) < _LEAST_PEERS:
        raise NotEnoughData(f"peers need at least {_LEAST_PEERS} series, got {len(rows.ids)}")
    if (rows.y < 0).any():
        raise FrameError("shares are of counts, which are never negative; compare other series by `detect`")
    width = steps(window, rows.step, name="the window")
    n = rows.y.shape[1]
    if n < 2 * width:
        raise NotEnoughData(f"peers need two windows of {width} steps, got {n} steps")
    seen = _windowed(rows.y, width)
    total = seen.sum(axis=0)
    share = _usual(seen, width)
    expected = share * total
    off = (stabilised(seen) - stabilised(expected)) / np.sqrt(np.maximum(1 - share, 1e-3))
    off[:, total < _LEAST_EVENTS] = np.nan
    score = _scores(np.abs(off), width)
    ids = np.repeat(np.arange(len(rows.ids)), n)
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(ids, dtype=pd.CategoricalDtype([*rows.ids])),
            "ds": rows.ds.take(np.tile(np.arange(n), len(rows.ids))),
            "seen": seen.reshape(-1),
            "expected": expected.reshape(-1),
            "score": score.reshape(-1),
        }
    )


def _windowed(y: Floats, width: int) -> Floats:
    """Sums of the last `width` steps; the first ones are of fewer."""
    padded = np.pad(np.nan_to_num(y), ((0, 0), (width - 1, 0)))
    return np.asarray(sliding_window_view(padded, width, axis=1).sum(axis=2), dtype=np.float64)


def _usual(seen: Floats, width: int) -> Floats:
    """The share of each before the present window: fading sums of whole windows, none of which overlaps it."""
    keep = 1 - pace(_HALF_LIFE)
    sums = [np.full(len(seen), np.nan), *(seen[:, t] for t in range(width - 1, seen.shape[1], width))]
    shares, mine = [sums[0]], np.zeros(len(seen))
    for one in sums[1:]:
        mine = keep * mine + one
        shares.append(mine / max(float(mine.sum()), 1e-300))
    whole = np.maximum((np.arange(seen.shape[1]) + 1) // width - 1, 0)  # windows that ended when the present one began
    return np.stack(shares, axis=1)[:, whole]


def _scores(off: Floats, width: int) -> Floats:
    records = Records(half_life=_HALF_LIFE * width, least=np.full((1, len(off)), _CHANCE), lags=(width,))
    found = np.full(off.shape, np.nan)
    for t in range(off.shape[1]):
        found[:, t] = records.ratio(off[None, :, t], records.edge, t)[0]
    found[np.isnan(off)] = np.nan
    return found
