"""The budget of a promise over its period, what spent it, and when it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import count_text, day_text, share_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain

_EARLY, _LIKELY, _LATE = 0.1, 0.5, 0.9


@look.style()
def budget(
    rows: pd.DataFrame, incidents: pd.DataFrame, dates: Mapping[float, pd.Timestamp | None], *, title: str, tz: str
) -> Picture:
    """What was left of the budget after each hour, incidents as stripes, when it is gone on the zero line.

    Args:
        rows: Columns ds, remaining (a share).
        incidents: Columns start, end, spent.
        dates: By probability; None where not within a period.
        title: Of the promise.
        tz: Zone of the time axis.
    """
    zone = ZoneInfo(tz)
    figure, (ax,) = look.canvas(title="", height=2.6)
    x, left = look.number(pd.DatetimeIndex(rows["ds"])), rows["remaining"].to_numpy(np.float64)
    now = rows["ds"].iloc[-1]
    for row in records(incidents):
        ends = pd.DatetimeIndex([pd.Timestamp(str(row["start"])), pd.Timestamp(str(row["end"]))])
        ax.axvspan(*look.number(ends), color=look.VERMILION, alpha=0.25, lw=0, zorder=1)
    ax.plot(x, left, color=look.BLUE, lw=1.8, zorder=3)
    ax.axhline(0.0, color=look.INK, lw=1.0, zorder=2)
    ahead = {p: when for p, when in dates.items() if when is not None and when > now}
    finite = left[np.isfinite(left)]
    if _LIKELY in ahead and len(finite):
        at = {p: float(look.number(pd.DatetimeIndex([when]))[0]) for p, when in ahead.items()}
        late = at.get(_LATE, float(look.number(pd.DatetimeIndex([now + (now - rows["ds"].iloc[0])]))[0]))
        ax.fill([x[-1], at.get(_EARLY, x[-1]), late], [finite[-1], 0, 0], color=look.BLUE, alpha=0.18, lw=0, zorder=1)
        ax.plot([x[-1], at[_LIKELY]], [finite[-1], 0], color=look.BLUE, lw=1.4, linestyle="--", zorder=3)
    look.value_axis(ax, np.concatenate([finite, [0.0]]), "ratio")
    end = max([now, *ahead.values()]) if _LIKELY in ahead else now
    look.time_axis(ax, rows["ds"].iloc[0], end, zone)
    keys = ["stripes: incidents"] if len(incidents) else []
    keys += ["dashed: as things go"] if _LIKELY in ahead else []
    look.note(ax, " · ".join(["budget left", *keys, f"{zone.key} time"]))
    return Picture(figure=figure, alt=_alt(title, rows, incidents, ahead, zone))


def _alt(
    title: str, rows: pd.DataFrame, incidents: pd.DataFrame, ahead: Mapping[float, pd.Timestamp], zone: ZoneInfo
) -> str:
    known = rows.dropna(subset=["remaining"])
    said = [f"Error budget of {plain(title)} from {day_text(rows['ds'].iloc[0], zone)}."]
    if len(known):
        said.append(
            f"{share_text(known['remaining'].iloc[0])} were left then, {share_text(known['remaining'].iloc[-1])} now."
        )
    if len(incidents):
        many = count_text(len(incidents), "incident")
        said.append(f"{many} took {share_text(float(incidents['spent'].sum()))} of it.")
    if _LIKELY in ahead:
        said.append(f"As things go it is gone about {day_text(ahead[_LIKELY], zone)}.")
    elif _EARLY in ahead:
        said.append(f"It is not gone before {day_text(ahead[_EARLY], zone)}.")
    return " ".join(said)
