"""The weeks at a glance: one cell an hour, a row a day, the worst score of all signals as its colour."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from tutordex_analysis.civil import from_civil
from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats
from tutordex_analysis.measure import day_text
from tutordex_analysis.moment import duration_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink.alt_text import WEEKDAYS
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, shorten

BOUNDS = (0.0, 1.0, 1.5, 2.5)  # lower ends of the classes of a score
# From hardly there to dark, in steps of lightness that any eye tells apart: paper, then four of viridis turned round.
SHADES = ("#f1f1f1", "#f5dc5c", "#43a884", "#3b4a8f")
CLASSES = ("inside the band", "score 1 to 1.5", "1.5 to 2.5", "over 2.5")
_HOUR, _DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
_ROW = 0.125  # inches of a day
_MOST_DAYS = 7 * 26


@look.style()
def calendar(
    scores: pd.DataFrame,
    incidents: pd.DataFrame,
    *,
    title: str = "",
    tz: str = "Asia/Singapore",
    holidays: Mapping[pd.Timestamp, str] | pd.Series,
) -> Picture:
    """A row a civil day in weeks from Monday to Sunday, a column an hour; incidents are outlined, holidays named.

    Args:
        scores: ds, score (the worst of all signals; NaN where none could be judged), one row an instant at a step of
            at most an hour. The value at t belongs to the hour that holds the middle of (t - step, t].
        incidents: start, end (UTC; an instant stands for the step before it), number (0 for none in the figure).
        title: What is shown.
        tz: Zone of days and hours.
        holidays: Civil day → name.

    Raises:
        FrameError: The step is longer than an hour, or there are more than 26 weeks.
    """
    zone = ZoneInfo(tz)
    step = _step(scores)
    days, table = _table(scores, step, zone)
    if len(days) > _MOST_DAYS:
        raise FrameError(f"a calendar holds at most {_MOST_DAYS // 7} weeks, got {len(days) // 7}; show fewer")
    figure, (ax,) = look.canvas(title=title, height=1.75 + _ROW * max(len(days), 7))
    _cells(ax, table)
    _weeks(ax, days)
    named = {pd.Timestamp(day).date(): str(name) for day, name in dict(holidays).items()}
    shown = [(row, named[day.date()]) for row, day in enumerate(days) if day.date() in named]
    for row, name in shown:
        ax.annotate(
            f"◂ {shorten(plain(name), most=22)}", (24.1, row + 0.5), va="center", fontsize=8, annotation_clip=False
        )
    ax.set_xlim(0, 24 + (5 if shown else 0))
    outlined = _outlines(ax, incidents, days, step, zone)
    look.note(ax, f"Hour of the day, {zone.key} time · a row a day, weeks from Monday")
    _legend(ax, any_missing=bool(np.isnan(table).any()), outlined=bool(outlined))
    return Picture(figure=figure, alt=_words(days, table, incidents, shown, step, title, zone))


def _step(scores: pd.DataFrame) -> pd.Timedelta:
    step = scores["ds"].diff().min() if len(scores) > 1 else _HOUR
    if step > _HOUR:
        raise FrameError(f"a calendar of hours needs a step of at most 1h, got {duration_text(step)}")
    return pd.Timedelta(step)


def _table(scores: pd.DataFrame, step: pd.Timedelta, zone: ZoneInfo) -> tuple[pd.DatetimeIndex, Floats]:
    """Civil days of whole weeks, and the worst score of each hour, shape (n_days, 24)."""
    if scores.empty:
        return pd.DatetimeIndex([]), np.full((0, 24), np.nan)
    local = pd.DatetimeIndex(scores["ds"] - step / 2).tz_convert(zone).tz_localize(None)
    first = local[0].normalize() - local[0].day_of_week * _DAY
    last = local[-1].normalize() + (6 - local[-1].day_of_week) * _DAY
    days = pd.date_range(first, last, freq="D")
    place = np.asarray((local.normalize() - first) // _DAY) * 24 + local.hour.to_numpy()
    worst = pd.Series(scores["score"].to_numpy(dtype=np.float64)).groupby(place).max()
    return days, np.asarray(worst.reindex(range(24 * len(days))), dtype=np.float64).reshape(len(days), 24)


def _cells(ax: Axes, table: Floats) -> None:
    ax.set_facecolor("white")
    norm = BoundaryNorm([*BOUNDS, np.inf], len(SHADES))
    shown = np.ma.masked_invalid(np.where(np.isposinf(table), 1e6, table))
    edges = np.arange(25), np.arange(len(table) + 1)
    gone: npt.NDArray[np.bool_] = np.isnan(table)
    if gone.any():
        ax.pcolormesh(*edges, np.ma.masked_where(~gone, table), cmap=ListedColormap(["white"]))
        ax.pcolor(
            *edges, np.ma.masked_where(~gone, np.zeros(table.shape)), alpha=0.0, hatch="/////", ec=look.RULE, lw=0
        )
    if len(table):
        ax.pcolormesh(*edges, shown, cmap=ListedColormap(list(SHADES)), norm=norm, edgecolors="white", linewidth=0.3)
    ax.set_xticks(np.arange(0, 25, 3), [f"{hour:02}" for hour in range(0, 25, 3)])
    ax.set_ylim(max(len(table), 1), 0)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _weeks(ax: Axes, days: pd.DatetimeIndex) -> None:
    """Mondays by their date, a gap between two weeks."""
    mondays = np.arange(0, len(days), 7)
    for one in mondays[1:]:
        ax.plot([0, 24], [one, one], color="white", lw=2.2, zorder=1.5)
    ax.set_yticks(mondays + 0.5, [f"{WEEKDAYS[0]} {one.day} {one:%b}" for one in days[::7]])


def _outlines(
    ax: Axes, incidents: pd.DataFrame, days: pd.DatetimeIndex, step: pd.Timedelta, zone: ZoneInfo
) -> list[int]:
    """A frame around the hours of each incident, its number at the first; returns the rows that got one."""
    rows: list[int] = []
    halo = withStroke(linewidth=3.2, foreground="white")
    for _, one in incidents.iterrows():
        spans = list(_spans(one["start"] - step, one["end"], days, zone))
        for row, left, right in spans:
            box = Rectangle((left, row), right - left, 1, fill=False, ec=look.VERMILION, lw=1.6, zorder=3)
            box.set_path_effects([halo])
            ax.add_patch(box)
            rows.append(row)
        if spans and int(one["number"]):
            row, left, right = spans[0]
            at = (left - 0.15, "right") if left >= 1 else (right + 0.15, "left")
            text = ax.text(at[0], row + 0.5, str(int(one["number"])), ha=at[1], va="center", fontsize=9, zorder=4)
            text.set(color=look.VERMILION, fontweight="bold", path_effects=[halo])
    return rows


def _spans(
    start: pd.Timestamp, end: pd.Timestamp, days: pd.DatetimeIndex, zone: ZoneInfo
) -> list[tuple[int, int, int]]:
    """Row, first hour and the hour after the last of each day that (start, end] touches."""
    local = [one.tz_convert(zone).tz_localize(None) for one in (start, end)]
    found = []
    for row, day in enumerate(days):
        left = max(int((local[0] - day) // _HOUR), 0)
        right = min(int(-((day - local[1]) // _HOUR)), 24)
        if left < 24 and right > 0 and right > left:
            found.append((row, left, right))
    return found


def _legend(ax: Axes, *, any_missing: bool, outlined: bool) -> None:
    shades = zip(SHADES, CLASSES, strict=True)
    marks = [Patch(facecolor=shade, edgecolor=look.QUIET, lw=0.4, label=name) for shade, name in shades]
    if any_missing:
        marks.append(Patch(facecolor="white", edgecolor="#b5b5b5", hatch="/////", lw=0.4, label="nothing to judge"))
    if outlined:
        marks.append(Patch(facecolor="white", edgecolor=look.VERMILION, lw=1.6, label="incident"))
    ax.legend(
        handles=marks,
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.035 if len(ax.get_yticks()) > 3 else -0.14),
        ncols=3,
        frameon=False,
        fontsize=look.SMALL,
        handlelength=1.4,
        columnspacing=1.4,
        borderaxespad=0.0,
    )


def _words(
    days: pd.DatetimeIndex,
    table: Floats,
    incidents: pd.DataFrame,
    shown: list[tuple[int, str]],
    step: pd.Timedelta,
    title: str,
    zone: ZoneInfo,
) -> str:
    what = plain(title) or "Scores"
    if not len(days) or not np.isfinite(table).any():
        return f"Calendar of hours: {what}. Nothing could be judged yet."
    first, last = (day_text(from_civil(pd.Timestamp(one), tz=zone), zone) for one in (days[0], days[-1]))
    known = table[~np.isnan(table)]
    text = (
        f"Calendar of hours: {what}, {first} to {last}, a row a day. {100 * (known < BOUNDS[1]).mean():.0f} % of the "
        f"hours lie inside the band, {int((known >= BOUNDS[3]).sum())} are far outside."
    )
    spans = [
        f"{day_text(one['start'] - step, zone, clock=True)} to {day_text(one['end'], zone, clock=True)}"
        for _, one in incidents.sort_values("start").iterrows()
    ]
    many = f", the first {12} of them" if len(spans) > 12 else ""
    text += f" {len(spans)} incidents are outlined{many}: {'; '.join(spans[:12])}." if spans else " No incident."
    names = [f"{plain(name)} on {days[row].day} {days[row]:%b}" for row, name in shown]
    return text + (f" Holidays: {', '.join(names)}." if names else "")
