"""Scores of new rows as they come: the state of a history is kept, and a step costs the same however long that was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import check, step_of
from tutordex_analysis.model.anomaly import begun, scored, table_of
from tutordex_analysis.model.clock import clock_of, two
from tutordex_analysis.model.panel import LARGEST, panels, seasons
from tutordex_analysis.model.rows import Rows, side_by_side
from tutordex_analysis.model.surprise import Surprise
from tutordex_analysis.moment import Span


@dataclass(kw_only=True, eq=False)
class Live:
    """The state behind scores, moved on by `moved`.

    Attributes:
        ids: Series that it knows, in order.
        states: Of blocks of series.
        newest: The last instant that was judged.
        step: Distance of two instants.
        seasons: The short and the long season in steps.
        calendar: Country code of public holidays, or None.
        tz: Zone of the civil clock.
    """

    ids: tuple[str, ...]
    states: list[Surprise]
    newest: pd.Timestamp
    step: pd.Timedelta
    seasons: tuple[int, int]
    calendar: str | None
    tz: str


def started(
    frame: pd.DataFrame, *, season_lengths: Sequence[int | Span], calendar: str | None = None, tz: str = "UTC"
) -> tuple[Live, pd.DataFrame]:
    """The state after a history, and the history's scores as `detect` gives them.

    Raises:
        FrameError: As `detect`; or the series do not overlap in time on one grid.
        NotEnoughData: There is no series, or none with two rows.
    """
    groups = side_by_side(panels(frame))
    if len(groups) > 1:
        raise FrameError("series that are watched together must overlap in time on one grid; start one state for each")
    rows = groups[0]
    short, long = two(seasons(season_lengths, rows.step))
    states = begun(rows, short=short, long=long)
    clock = clock_of(rows.ds, short=short, long=long, step=rows.step, calendar=calendar, tz=tz)
    table = table_of(rows, *scored(states, rows.y, clock))
    live = Live(
        ids=rows.ids,
        states=states,
        newest=rows.ds[-1],
        step=rows.step,
        seasons=(short, long),
        calendar=calendar,
        tz=tz,
    )
    return live, table


def moved(live: Live, frame: pd.DataFrame) -> pd.DataFrame:
    """Scores of the rows that are newer than the state, which is moved on to them.

    Args:
        live: The state; changed in place.
        frame: Rows in the frame contract. Rows that the state has seen are passed over, instants without a row are
            gaps, and series that it does not know are left out until a new state is started.

    Returns:
        unique_id, ds, y, expected, lower, upper, score, kind: every known series at every new instant.

    Raises:
        FrameError: The frame breaks the contract, a value is infinite or too large, or its step is not the state's.
    """
    check(frame)
    new = frame[(pd.DatetimeIndex(frame["ds"]) > live.newest) & frame["unique_id"].isin(live.ids).to_numpy()]
    moments = pd.DatetimeIndex(new["ds"]).tz_convert("UTC")
    n = 0 if new.empty else int((moments.max() - live.newest) // live.step)
    ds = pd.date_range(live.newest, periods=n + 1, freq=live.step)[1:]
    y = np.full((len(live.ids), n), np.nan)
    if n:
        values = new["y"].to_numpy(dtype=np.float64)
        behind = (moments - live.newest) % live.step
        if (behind != pd.Timedelta(0)).any() or (
            len(frame) > frame["unique_id"].nunique() and step_of(frame) != live.step
        ):
            raise FrameError(f"new rows must lie on the state's grid, a row each {live.step}; read them at that step")
        if np.isinf(values).any():
            raise FrameError("a new value is infinite; replace it by NaN or mend the query")
        if (np.abs(values) > LARGEST).any():
            raise FrameError("a new value is too large to reckon with; replace it by NaN or mend the query")
        row = pd.Index(live.ids).get_indexer(pd.Index(new["unique_id"].astype(str)))
        y[row, np.asarray((moments - live.newest) // live.step, dtype=np.int64) - 1] = values
    short, long = live.seasons
    clock = clock_of(ds, short=short, long=long, step=live.step, calendar=live.calendar, tz=live.tz)
    whole = np.zeros(len(live.ids), dtype=np.int64)
    rows = Rows(ids=live.ids, ds=ds, y=y, first=whole, end=whole + n, step=live.step)
    table = table_of(rows, *scored(live.states, y, clock))
    live.newest = ds[-1] if n else live.newest
    return table
