"""Figures of alerts: how many began by week and alert, and how long each fires."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from tutordex_analysis.measure import day_text, value_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, shorten

_HATCHES = ("", "//", "..", "\\\\", "xx", "", "--", "oo", "++")
_MOST = 12  # alerts of the figure of lengths
_DAY = 1440.0  # minutes
_TICKS = {5: "5 min", 15: "15 min", 60: "1 h", 240: "4 h", 1440: "1 d", 4320: "3 d", 10080: "7 d", 43200: "30 d"}


@look.style()
def weekly(
    counts: pd.DataFrame,
    *,
    since: pd.Timestamp | None = None,
    title: str = "Alerts by week",
    tz: str = "Asia/Singapore",
) -> Picture:
    """A bar a week, stacked by alert; a line where our rules came in force.

    Args:
        counts: Rows weeks (index: their Mondays, UTC), columns alerts, values how many began to fire.
        since: When our rules came in force; NaT or None for no line.
        title: What is shown.
        tz: Zone of the weeks.
    """
    zone = ZoneInfo(tz)
    figure, (ax,) = look.canvas(title=title, height=3.0 + 0.22 * -(-counts.shape[1] // 2))
    x = look.number(pd.DatetimeIndex(counts.index)) + 3.5
    bottom = np.zeros(len(counts))
    for i, name in enumerate(counts.columns):
        values = counts[name].to_numpy(dtype=np.float64)
        ax.bar(
            x,
            values,
            bottom=bottom,
            width=5.6,
            color=look.COLOURS[i % len(look.COLOURS)],
            hatch=_HATCHES[i % len(_HATCHES)],
            edgecolor="white",
            linewidth=0.4,
            label=shorten(plain(str(name)), most=34),
        )
        bottom += values
    if len(counts):
        mondays = pd.DatetimeIndex(counts.index)
        look.time_axis(ax, mondays[0], mondays[-1] + pd.Timedelta(days=7), zone)
        ax.set_ylim(0, max(float(bottom.max()), 1.0) * 1.12)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        ax.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.17), ncols=2, frameon=False, fontsize=look.SMALL)
    drawn = since is not None and not pd.isna(since) and len(counts) > 0
    if drawn:
        at = float(look.number(pd.DatetimeIndex([since]))[0])
        ax.axvline(at, color=look.INK, lw=1.2, linestyle=":")
        ax.annotate(
            "our rules →",
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -1),
            textcoords="offset points",
            va="top",
            fontsize=look.SMALL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    look.note(ax, f"Alerts that began to fire, by week from Monday · {tz} time")
    return Picture(figure=figure, alt=_weekly_words(counts, since if drawn else None, title, zone))


@look.style()
def lengths(firings: pd.DataFrame, *, title: str = "How long alerts fire") -> Picture:
    """A row an alert, a dot each firing, a bar at the median; the time axis is logarithmic.

    Args:
        firings: Columns alert, minutes; one row a firing.
        title: What is shown.
    """
    order = firings.groupby("alert")["minutes"].agg(["size", "median"]).sort_values("size", ascending=False)
    shown = order.head(_MOST)
    figure, (ax,) = look.canvas(title=title, height=1.5 + 0.3 * max(len(shown), 2))
    for place, name in enumerate(shown.index):
        minutes = np.maximum(firings.loc[firings["alert"] == name, "minutes"].to_numpy(dtype=np.float64), 1.0)
        shift = np.linspace(-0.22, 0.22, 5)[np.arange(len(minutes)) % 5]
        ax.scatter(minutes, place + shift, s=11, color=look.BLUE, alpha=0.55, linewidths=0)
        middle = float(np.median(minutes))
        ax.plot([middle, middle], [place - 0.36, place + 0.36], color=look.VERMILION, lw=2.4)
    names = [f"{shorten(plain(str(name)), most=34)} ({int(shown.loc[name, 'size'])})" for name in shown.index]
    ax.set_yticks(np.arange(len(shown)), names)
    ax.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    ax.set_xscale("log")
    most = float(firings["minutes"].max()) if len(firings) else _DAY
    ticks = [one for one in _TICKS if one <= 1.3 * max(most, 15.0)]
    ax.set_xlim(4, max(most, 15.0) * 1.3)
    ax.set_xticks(ticks, [_TICKS[one] for one in ticks])
    ax.minorticks_off()
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    look.note(ax, "A dot a firing, a bar at the median; how many in brackets")
    said = "; ".join(
        f"{plain(str(name))} {int(row['size'])} times, the median {value_text(60 * float(row['median']), 'seconds')}"
        for name, row in shown.iterrows()
    )
    left_out = f" {len(order) - len(shown)} alerts not shown." if len(order) > len(shown) else ""
    return Picture(figure=figure, alt=f"{plain(title)}: {said or 'no alert fired'}.{left_out}")


def _weekly_words(counts: pd.DataFrame, since: pd.Timestamp | None, title: str, zone: ZoneInfo) -> str:
    if counts.empty:
        return f"Bars of {plain(title)}: no whole week."
    total = counts.sum(axis=1)
    top = pd.DatetimeIndex(counts.index)[int(total.to_numpy().argmax())]
    first, last = (day_text(one, zone) for one in pd.DatetimeIndex(counts.index)[[0, -1]])
    text = (
        f"Stacked bars of {plain(title)}, weeks of {first} to {last}: {int(total.sum())} in all, most in the week of "
        f"{day_text(top, zone)} with {int(total.max())}."
    )
    each = ", ".join(f"{plain(str(name))} {int(count)}" for name, count in counts.sum().items())
    ours = f" Dotted line: our rules, {day_text(since, zone)}." if since is not None else ""
    return f"{text} By alert: {each}.{ours}"
