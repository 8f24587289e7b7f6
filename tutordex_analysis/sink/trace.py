"""What of a frame a figure draws: finite values, the busiest series, the recent past, lines that break at gaps."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.civil import from_civil
from tutordex_analysis.frame import Floats, check
from tutordex_analysis.sink.figure_style import number


def busiest(frame: pd.DataFrame) -> list[str]:
    """Series from the largest mean size to the smallest; those without any value last."""
    sizes = pd.Series(finite(frame["y"])).abs().groupby(frame["unique_id"].astype(str).to_numpy()).mean()
    return [str(one) for one in sizes.sort_values(ascending=False, kind="stable", na_position="last").index]


def finite(values: pd.Series) -> Floats:
    """The values, what is infinite as NaN: it has no place on an axis."""
    numbers = values.to_numpy(dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def last(frame: pd.DataFrame, unique_id: str) -> float:
    """The newest value of a series, NaN without any."""
    values = finite(frame.loc[frame["unique_id"] == unique_id, "y"])
    values = values[np.isfinite(values)]
    return float(values[-1]) if len(values) else float("nan")


def recent(history: pd.DataFrame, ahead: pd.DataFrame) -> pd.DataFrame:
    """The past that is drawn before a forecast: three times as long as the forecast, an hour at least."""
    if ahead.empty:
        return check(history)
    start = ahead["ds"].min() - 3 * max(ahead["ds"].max() - ahead["ds"].min(), pd.Timedelta("1h"))
    recent: pd.DataFrame = check(history).loc[history["ds"] >= start]
    return recent


def busiest_hours(rows: pd.DataFrame, column: str, zone: ZoneInfo) -> pd.DataFrame:
    """The row of each series and civil day in which `column` is largest, put at noon; not days cut off at an edge."""
    days = rows["ds"].dt.tz_convert(zone).dt.date
    size = pd.Series(finite(rows[column]), index=rows.index).fillna(-np.inf)
    groups = size.groupby([rows["unique_id"].astype(str), days], sort=False)
    whole = groups.size() > 0.9 * groups.size().max()  # a day cut off at an edge may lack its busy hours
    chosen: pd.DataFrame = rows.loc[groups.idxmax()[whole]]
    local = pd.DatetimeIndex(chosen["ds"]).tz_convert(zone).tz_localize(None).normalize()
    noon = from_civil(local + pd.Timedelta(hours=12), tz=zone).tz_convert("UTC")
    return chosen.assign(ds=noon.astype(rows["ds"].dtype))


def with_gaps(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """One series as x and y with a NaN wherever rows are missing, so that no line bridges a gap."""
    x, y = number(rows["ds"]), finite(rows["y"])
    if len(x) < 3:
        return x, y
    step = np.diff(x)
    holes = np.flatnonzero(step > 1.5 * np.median(step)) + 1
    return np.insert(x, holes, x[holes - 1]), np.insert(y, holes, np.nan)
