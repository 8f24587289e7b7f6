"""What followed a release: what was seen, the forecast frozen at it with its band, and the release as a line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.measure import day_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink import trace
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.incident_plot import Cases, Told
from tutordex_analysis.sink.series_name import plain, shorten

_ORDER = ("changed", "no change shown")  # what cannot be told is no picture


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

    @property
    def verdict(self) -> str:
        """The same in a word: "changed", "no change shown", "can't tell", "too early"."""

    @property
    def p_adjusted(self) -> float:
        """The chance of so much without a change; NaN where it cannot be told."""


def deploys(cases: Iterable[Case], *, tz: str, most: int = 3) -> Cases:
    """The clearest cases one below the other, each with its sentence and its figure; changes come first.

    Args:
        cases: Of all releases.
        tz: Zone of the time axes.
        most: How many at most.
    """
    told = [one for one in cases if one.verdict in _ORDER and math.isfinite(one.p_adjusted)]
    clear = sorted(told, key=lambda one: (_ORDER.index(one.verdict), one.p_adjusted))[:most]
    return Cases(
        tuple(Told(one.title, one.sentence, deploy(one, tz=tz)) for one in clear),
        otherwise="After no release of these weeks can anything be told yet.",
    )


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
    look.note(ax, f"{look.subtitle(case.unit, zone)} · a civil day each · band: 95 % of single days")
    look.time_axis(ax, rows["ds"].min(), rows["ds"].max(), zone)
    when = day_text(case.at, zone, clock=True)
    alt = f"Line chart of {plain(case.title)} by day, {len(rows)} days. Dotted line: {plain(case.change)} at {when}."
    return Picture(figure=figure, alt=f"{alt} {plain(case.sentence)}")
