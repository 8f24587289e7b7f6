"""What followed a release: what was seen, the forecast frozen at it with its band, and the release as a line."""

from __future__ import annotations

from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.measure import day_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink import trace
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, shorten


class Case(Protocol):
    """One signal after one release."""

    @property
    def change(self) -> str:
        """The release in words."""

    @property
    def at(self) -> pd.Timestamp:
        """When it was known, UTC."""

    @property
    def title(self) -> str:
        """What the signal is."""

    @property
    def unit(self) -> str:
        """Its unit."""

    @property
    def frame(self) -> pd.DataFrame:
        """ds, y, expected, lower, upper; one row a day."""

    @property
    def sentence(self) -> str:
        """The answer."""


@look.style()
def deploy(case: Case, *, title: str = "", tz: str = "Asia/Singapore") -> Picture:
    """Days before and after a release: seen as a line with dots, the frozen forecast dashed in its band.

    Args:
        case: What is drawn.
        title: Above it; the signal's own without.
        tz: Zone of the time axis.
    """
    zone, rows = ZoneInfo(tz), case.frame
    figure, (ax,) = look.canvas(title=title or case.title, height=3.0)
    x, seen, expected = look.number(rows["ds"]), trace.finite(rows["y"]), trace.finite(rows["expected"])
    lower, upper = trace.finite(rows["lower"]), trace.finite(rows["upper"])
    look.value_axis(ax, np.concatenate([seen, expected, lower, upper]), case.unit)
    ax.fill_between(x, lower, upper, color=look.BLUE, alpha=0.22, lw=0, zorder=1)
    ax.plot(x, expected, color=look.BLUE, lw=1.3, linestyle="--", zorder=2)
    ax.plot(x, seen, color=look.COLOURS[4], lw=1.3, marker="o", ms=3.0, zorder=3)
    at = look.number(pd.DatetimeIndex([case.at]))[0]
    ax.axvline(at, color=look.VERMILION, lw=1.2, linestyle=":", zorder=2)
    look.said(ax, shorten(plain(case.change), most=44), at)
    ends = [(seen, "seen", look.COLOURS[4]), (expected, "expected", look.BLUE)]
    last = [(float(one[np.isfinite(one)][-1]), text, colour) for one, text, colour in ends if np.isfinite(one).any()]
    look.end_labels(ax, last, height=2.2)
    look.note(ax, f"{look.subtitle(case.unit, zone)} · a day each · band: 95 % of single days")
    look.time_axis(ax, rows["ds"].min(), rows["ds"].max(), zone)
    when = day_text(case.at, zone, clock=True)
    alt = f"Line chart of {plain(case.title)} by day, {len(rows)} days. Dotted line: {plain(case.change)} at {when}."
    return Picture(figure=figure, alt=f"{alt} {plain(case.sentence)}")
