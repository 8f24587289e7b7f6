"""Figures of experiments: every metric's change beside its margin, and the goal's change day by day."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink.experiment_table import change
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, shorten

MOST_METRICS = 60  # more are in the table alone
_FEW = 12  # that one sees at once; more have the scale above them too
_WIDEST = 1.5  # an interval further out is cut at 150 %
_ROOM = 1.25
_ROLES = {"goal": look.BLUE, "guardrail": look.COLOURS[2], "behaviour": look.QUIET}


@look.style()
def forest(rows: pd.DataFrame, *, title: str = "") -> Picture:
    """Change of each metric as a share of the control, with its interval; the margin of a guardrail as a short line.

    Args:
        rows: Columns title, role, lift, lift_lower, lift_upper, margin, higher_is_better. The picture grows with
            them; 60 at most are drawn.
        title: Above it; none where the page has a heading.
    """
    known = [row for row in records(rows) if math.isfinite(float(str(row["lift"])))]
    shown = known[:MOST_METRICS]
    figure, (ax,) = look.canvas(title=title, height=0.9 + 0.42 * max(len(shown), 1))
    of = f" of {len(known)}" if len(known) > len(shown) else ""
    said = [f"Forest plot of {len(shown)}{of} metrics."]
    bound = _bound(shown)
    for place, row in enumerate(shown):
        lift, low, high, margin = (float(str(row[name])) for name in ("lift", "lift_lower", "lift_upper", "margin"))
        colour = _ROLES[str(row["role"])]
        if not (math.isnan(low) or math.isnan(high)):
            ends = np.clip([low, high], -bound, bound)
            ax.plot(ends, [place, place], color=colour, lw=2.4, solid_capstyle="butt", zorder=2)
        marker = {"goal": "o", "guardrail": "s"}.get(str(row["role"]), "D")
        ax.plot([np.clip(lift, -bound, bound)], [place], marker=marker, ms=6.5, color=colour, zorder=3)
        if math.isfinite(margin):
            at = -margin if row["higher_is_better"] else margin
            ax.plot([at, at], [place - 0.32, place + 0.32], color=look.VERMILION, lw=2.0, linestyle=":", zorder=2)
        said.append(f"{plain(str(row['title']))}: {change(row)}.".replace("\N{NO-BREAK SPACE}", " "))
    ax.axvline(0.0, color=look.INK, lw=1.0, zorder=1)
    ax.set_xlim(-bound * 1.05, bound * 1.05)
    ax.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    ax.set_yticks(range(len(shown)), [shorten(plain(str(row["title"])), most=26) for row in shown])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    ticks = [one for one in ax.get_xticks() if abs(one) <= bound * 1.05]
    ax.set_xticks(ticks, [f"{100 * one:+.3g} %".replace("-", "−").replace("+0 %", "0 %") for one in ticks])
    ax.tick_params(axis="x", labeltop=len(shown) > _FEW)
    first = f" · the first {len(shown)}{of}" if of else ""
    look.note(ax, f"change · dot: goal · square: guardrail · diamond: behaviour · dotted: margin{first}")
    if not shown:
        ax.text(0.5, 0.5, "nothing to show yet", transform=ax.transAxes, ha="center", color=look.QUIET)
    return Picture(figure=figure, alt=" ".join(said))


@look.style()
def over_time(rows: pd.DataFrame, *, title: str, fraction: bool, tz: str) -> Picture:
    """The goal's absolute effect after each day, with an interval that holds over all days together.

    Args:
        rows: Columns ds, n, estimate, lower, upper.
        title: Of the goal.
        fraction: Whether the effect is one of shares, told in percent points.
        tz: Zone of the time axis.
    """
    zone = ZoneInfo(tz)
    figure, (ax,) = look.canvas(title="", height=2.6)
    scale = 100.0 if fraction else 1.0
    x = look.number(pd.DatetimeIndex(rows["ds"]))
    estimate, lower, upper = (scale * rows[name].to_numpy(np.float64) for name in ("estimate", "lower", "upper"))
    low, high = _window(estimate, lower, upper)
    ax.fill_between(x, np.clip(lower, low, high), np.clip(upper, low, high), color=look.BLUE, alpha=0.22, lw=0)
    ax.plot(x, estimate, color=look.BLUE, lw=1.6)
    ax.axhline(0.0, color=look.INK, lw=1.0)
    ax.set_ylim(low, high)
    ax.tick_params(axis="y", length=0)
    look.time_axis(ax, rows["ds"].min(), rows["ds"].max(), zone)
    unit = "percent points" if fraction else "difference"
    name = shorten(plain(title), most=24)
    look.note(ax, f"{name} · {unit} · band holds at every look · {zone.key} time")
    last = rows.iloc[-1]
    side = "above" if last["lower"] > 0 else "below" if last["upper"] < 0 else "on both sides of"
    alt = (
        f"The effect on {plain(title)} day by day until {day_text(last['ds'], zone)}: at the end {estimate[-1]:.3g} "
        f"{unit}, between {lower[-1]:.3g} and {upper[-1]:.3g}, which is {side} zero."
    )
    return Picture(figure=figure, alt=alt)


def _bound(rows: list[dict[str, object]]) -> float:
    """Half the width of the axis."""
    ends = [abs(float(str(row[name]))) for row in rows for name in ("lift", "lift_lower", "lift_upper")]
    ends += [float(str(row["margin"])) for row in rows]
    finite = [one for one in ends if math.isfinite(one)]
    return min(max([*finite, 0.02]), _WIDEST)


def _window(estimate: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[float, float]:
    """A y axis on which the last half is readable; the first days' intervals are cut."""
    late = slice(len(estimate) // 2, None)
    ends = np.concatenate([lower[late], upper[late], estimate, [0.0]])
    finite = ends[np.isfinite(ends)]
    room = _ROOM * max(float(finite.max() - finite.min()) / 2, 1e-12)
    middle = float(finite.max() + finite.min()) / 2
    return middle - room, middle + room
