"""What was seen against what was expected: one figure an incident, and this week signal by signal."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tutordex_analysis.frame import Floats
from tutordex_analysis.measure import day_text, largest, unit_name, value_text
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink import trace
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, shorten

MOST_PANELS = 3
MOST_MULTIPLES = 10
_MOST_MARKS = 3
_DRAWN = ("deploy", "restart")  # of the contexts; the others are told in the sentence
_FEW = 60  # values that can be told apart as dots


class Trace(Protocol):
    """One series over a stretch of time."""

    @property
    def title(self) -> str:
        """What it is, and which of several series."""

    @property
    def unit(self) -> str:
        """The signal's unit."""

    @property
    def frame(self) -> pd.DataFrame:
        """ds, y, expected, lower, upper, is_anomaly; one row an instant."""


class Case(Protocol):
    """One incident as it is told."""

    @property
    def number(self) -> int:
        """Its place on the page, from 1."""

    @property
    def heading(self) -> str:
        """When, and how bad."""

    @property
    def sentence(self) -> str:
        """What happened, and when."""

    @property
    def what(self) -> str:
        """The same without the time."""

    @property
    def start(self) -> pd.Timestamp:
        """First moment of its first unusual step, UTC."""

    @property
    def end(self) -> pd.Timestamp:
        """Last moment of its last unusual step."""

    @property
    def traces(self) -> Sequence[Trace]:
        """Its members, the most upstream first."""

    @property
    def contexts(self) -> pd.DataFrame:
        """kind, name, start, end of what else was going on."""


@dataclass(frozen=True, eq=False)
class Told:
    """A sentence above a picture, as two outputs of a notebook."""

    heading: str
    what: str
    picture: Picture

    def _repr_html_(self) -> str:
        return f"<h3>{html.escape(self.heading)}</h3><p>{html.escape(self.what)}</p>"

    def __repr__(self) -> str:
        return f"{self.heading}\n{self.what}"


@dataclass(frozen=True, eq=False)
class Cases:
    """Incidents one below the other, each with its sentence and its figure."""

    told: tuple[Told, ...]
    otherwise: str = "No incident in these weeks."

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        if not self.told:
            display(HTML(f"<p>{html.escape(self.otherwise)}</p>"))  # type: ignore[no-untyped-call]
        for one in self.told:
            display(one)  # type: ignore[no-untyped-call]  # IPython has no annotations here
            display(one.picture)  # type: ignore[no-untyped-call]


def cases(incidents: Iterable[Case], *, tz: str) -> Cases:
    """Each incident as a sentence and a figure."""
    return Cases(tuple(Told(f"{one.number}. {one.heading}", one.what, incident(one, tz=tz)) for one in incidents))


@look.style()
def incident(case: Case, *, title: str = "", tz: str = "Asia/Singapore") -> Picture:
    """Up to three of its series, one above the other: expected and its band, what was seen, the incident shaded.

    Args:
        case: What is drawn.
        title: Above it; none where the page has a heading.
        tz: Zone of the time axis.
    """
    zone = ZoneInfo(tz)
    shown = list(case.traces)[:MOST_PANELS]
    figure, axes = look.canvas(title=title, height=0.8 + 1.75 * max(len(shown), 1), panels=max(len(shown), 1))
    said = [f"Incident {case.number}. {case.sentence}"]
    for one, ax in zip(shown, axes, strict=False):
        _panel(ax, one.frame, one.unit, height=1.25)
        span = look.number(pd.DatetimeIndex([case.start, case.end]))
        ax.axvspan(*span, color=look.VERMILION, alpha=0.13, lw=0, zorder=0.5)
        look.note(ax, f"{plain(one.title)}{_axis_unit(one.unit, zone) if ax is axes[0] else _axis_unit(one.unit)}")
        said.append(_words(one, case.start, case.end))
    marks = _changes(axes, case.contexts, shown, zone)
    if shown:
        first, last = (getattr(pd.concat([one.frame["ds"] for one in shown]), how)() for how in ("min", "max"))
        look.time_axis(axes[-1], first, last, zone)
    more = len(case.traces) - len(shown)
    said += [f"{more} more series not drawn."] if more > 0 else []
    return Picture(figure=figure, alt=" ".join([*said, *marks]))


@look.style()
def multiples(traces: Sequence[Trace], *, title: str = "", tz: str = "Asia/Singapore") -> Picture:
    """Small figures side by side, ten at most: what was seen as a line, the band behind it, unusual values as dots.

    Args:
        traces: The first ten are drawn.
        title: What is shown.
        tz: Zone of the time axis.
    """
    zone = ZoneInfo(tz)
    shown = list(traces)[:MOST_MULTIPLES]
    rows = max(-(-len(shown) // 2), 1)
    figure, axes = look.canvas(title=title, height=0.9 + 1.55 * rows, panels=rows, columns=2)
    said = [f"Small multiples: {plain(title) or 'signals against their bands'}."]
    for i, ax in enumerate(axes):
        if i >= len(shown):
            ax.set_axis_off()
            continue
        one = shown[i]
        _panel(ax, one.frame, one.unit, height=1.0, labels=False)
        unit = f" · {unit_name(one.unit)}" if unit_name(one.unit) else ""
        name = f"{shorten(plain(one.title), most=42 - len(unit))}{unit}"
        ax.set_title(name, loc="left", fontsize=look.SMALL, color=look.INK)
        said.append(_week_words(one))
    if shown:
        days = pd.concat([one.frame["ds"] for one in shown])
        for ax in axes[-2:]:
            look.time_axis(ax, days.min(), days.max(), zone, ticks=4)
    figure.supxlabel(
        f"line: seen · band: expected · dots: unusual · {zone.key} time", fontsize=look.SMALL, color=look.QUIET
    )
    return Picture(figure=figure, alt=" ".join(said))


def _panel(ax: Axes, rows: pd.DataFrame, unit: str, *, height: float, labels: bool = True) -> None:
    """The band, the expected line, what was seen, and a dot for each unusual value."""
    x, expected = look.number(rows["ds"]), trace.finite(rows["expected"])
    seen, (lower, upper) = trace.finite(rows["y"]), _band(rows)
    look.value_axis(ax, np.concatenate([seen, expected, lower, upper]), unit, ticks=3)
    ax.fill_between(x, lower, upper, color=look.BLUE, alpha=0.22, lw=0, zorder=1)
    ax.plot(x, expected, color=look.BLUE, lw=1.1, linestyle="--", zorder=2)
    ax.plot(*trace.with_gaps(rows), color=look.COLOURS[4], lw=1.3, zorder=3)
    odd = rows["is_anomaly"].to_numpy(dtype=bool) & np.isfinite(seen)
    ax.plot(x[odd], seen[odd], color=look.VERMILION, marker="o", ms=3.4 if odd.sum() < _FEW else 2.0, ls="", zorder=4)
    last = [(one[np.isfinite(one)][-1:], text, colour) for one, text, colour in _named(seen, expected)]
    if labels:
        ends = [(float(value[0]), text, colour) for value, text, colour in last if len(value)]
        look.end_labels(ax, ends, height=height)


def _named(seen: Floats, expected: Floats) -> list[tuple[Floats, str, str]]:
    return [(seen, "seen", look.COLOURS[4]), (expected, "expected", look.BLUE)]


def _band(rows: pd.DataFrame) -> tuple[Floats, Floats]:
    """The edges, cut where a band that nothing is known of yet would flatten everything else."""
    known = np.concatenate([trace.finite(rows["y"]), trace.finite(rows["expected"])])
    lower, upper = (trace.finite(rows[name]) for name in ("lower", "upper"))
    if not np.isfinite(known).any():
        return lower, upper
    low, high = np.nanmin(known), np.nanmax(known)
    room = max(high - low, 0.2 * largest(known))
    return np.clip(lower, low - room, high + room), np.clip(upper, low - room, high + room)


def _axis_unit(unit: str, zone: ZoneInfo | None = None) -> str:
    if zone is None:
        return ""
    name = unit_name(unit)
    return f" · {name} · {zone.key} time" if name else f" · {zone.key} time"


def _changes(axes: Sequence[Axes], contexts: pd.DataFrame, shown: Sequence[Trace], zone: ZoneInfo) -> list[str]:
    """A dotted line for each release and restart in view; returns them in words."""
    if not shown or contexts.empty:
        return []
    first, last = shown[0].frame["ds"].min(), shown[0].frame["ds"].max()
    near = contexts["kind"].isin(_DRAWN) & contexts["end"].between(first, last)
    some = contexts[near].drop_duplicates(["name", "end"]).head(_MOST_MARKS)
    words: list[str] = []
    named: set[str] = set()
    for _, one in some.iterrows():
        at = look.number(pd.DatetimeIndex([one["end"]]))[0]
        for ax in axes:
            ax.axvline(at, color=look.QUIET, lw=1.0, linestyle=":", zorder=2)
        name = shorten(plain(str(one["name"])), most=34)
        if name not in named:  # a second one would stand on the first
            look.said(axes[0], name, at)
        named.add(name)
        words.append(f"Dotted line: {name} at {day_text(one['end'], zone, clock=True)}.")
    return words


def _words(one: Trace, start: pd.Timestamp, end: pd.Timestamp) -> str:
    """One series in the incident: between which values it was, and between which it was expected."""
    rows = one.frame[(one.frame["ds"] > start) & (one.frame["ds"] <= end)]
    seen = trace.finite(rows["y"])
    if not np.isfinite(seen).any():
        return f"{plain(one.title)}: no value meanwhile."
    usual = trace.finite(rows["expected"])
    text = f"{plain(one.title)}: between {_range(seen, one.unit)}"
    return f"{text}, expected between {_range(usual, one.unit)}." if np.isfinite(usual).any() else f"{text}."


def _week_words(one: Trace) -> str:
    seen, odd = trace.finite(one.frame["y"]), int(one.frame["is_anomaly"].sum())
    if not np.isfinite(seen).any():
        return f"{plain(one.title)}: no value."
    unusual = f"{odd} unusual" if odd else "none unusual"
    return f"{plain(one.title)}: between {_range(seen, one.unit)}, {unusual} of {int(np.isfinite(seen).sum())} values."


def _range(values: Floats, unit: str) -> str:
    return f"{value_text(float(np.nanmin(values)), unit)} and {value_text(float(np.nanmax(values)), unit)}"
