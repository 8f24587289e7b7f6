"""How every figure looks, and the picture that carries its own alternative text.

Figures are plain `matplotlib.figure.Figure` objects that pyplot never sees, so nothing has to be closed and nothing
draws twice in a notebook. Colours are those of Okabe and Ito, told apart by line style as well.
"""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import dates as mdates
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tutordex_analysis.frame import Floats
from tutordex_analysis.measure import largest, scale_of, tick_dates, tick_texts, unit_name
from tutordex_analysis.sink.series_name import plain, shorten

INK, QUIET, RULE = "#222222", "#5c5c5c", "#d9d9d9"
BLUE, VERMILION = "#0072B2", "#B84A00"  # vermilion darkened until text in it has a contrast of 5 on white
COLOURS = (BLUE, "#D55E00", "#009E73", "#8C4A77", "#333333", "#56B4E9", "#E69F00", "#7A7A00")
Dashes: TypeAlias = str | tuple[int, tuple[int, ...]]
LINES: tuple[Dashes, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)), (0, (3, 1, 1, 1)))
LIMITS: tuple[Dashes, ...] = ((0, (6, 3)), (0, (12, 3)), "-")  # the further out, the less broken
WIDTH, DPI = 7.2, 160  # inches; at 360 pixels of a phone the smallest text is still 7 pixels high
SMALL, NORMAL, LARGE = 10.0, 11.0, 13.0  # points
_STYLE = {
    "text.parse_math": False,  # label values are text, "$" included
    "font.size": NORMAL,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.color": INK,
    "agg.path.chunksize": 20_000,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}
_WIDE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Picture:
    """A figure and the text for those who do not see it.

    Attributes:
        figure: The matplotlib figure, for those who want to go on drawing.
        alt: What the figure says, in sentences.
    """

    figure: Figure
    alt: str

    def png(self) -> bytes:
        """The picture as PNG; the same figure gives the same bytes."""
        buffer = io.BytesIO()
        with style(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Writes the PNG; returns where."""
        Path(path).write_bytes(self.png())
        return Path(path)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, str], dict[str, dict[str, str | int]]]:
        width, height = (round(100 * inches) for inches in self.figure.get_size_inches())
        data = {"image/png": base64.b64encode(self.png()).decode("ascii"), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


@contextmanager
def style() -> Iterator[None]:
    """Our style and nothing of the caller's, who gets theirs back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        installed = {one.name for one in font_manager.fontManager.ttflist}
        mpl.rcParams["font.family"] = ["DejaVu Sans", *(name for name in _WIDE_FONTS if name in installed)]
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        yield


def canvas(*, title: str, height: float, panels: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure with its title, and one Axes a panel, one above the other with a common time axis.

    With several columns there are so many Axes in each of `panels` rows; they come row by row.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(panels, columns, sharex=True, squeeze=False).ravel()
    if title:
        lines = textwrap.wrap(shorten(plain(title), most=130), 66)
        figure.suptitle("\n".join(lines), x=0.012, ha="left", fontsize=LARGE, fontweight="bold")
    return figure, list(axes)


def note(ax: Axes, text: str) -> None:
    """Lines of text above the plot, at the left."""
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, 78)]
    ax.set_title("\n".join(lines), loc="left", fontsize=SMALL, color=QUIET)


def said(ax: Axes, text: str, x: float) -> None:
    """A word left of a place on the time axis, at the top, with no line through it."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    ax.annotate(
        text,
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -1),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=SMALL,
        bbox=box,
        zorder=4,
    )


def subtitle(unit: str, zone: ZoneInfo) -> str:
    """What the y axis counts and whose clock the time axis shows."""
    name = unit_name(unit)
    return f"{name[:1].upper()}{name[1:]} · {zone.key} time" if name else f"{zone.key} time"


def number(moments: pd.Series | pd.DatetimeIndex) -> Floats:
    """Instants as matplotlib counts them: days since 1970 UTC."""
    naive = pd.DatetimeIndex(moments).tz_convert(None)
    return np.asarray(mdates.date2num(naive.to_numpy()), dtype=np.float64)  # type: ignore[no-untyped-call]


def time_axis(ax: Axes, first: pd.Timestamp, last: pd.Timestamp, zone: ZoneInfo, *, ticks: int = 7) -> None:
    """A time axis from first to last with at most so many ticks, at round moments of the zone."""
    if last <= first:
        first, last = first - pd.Timedelta("12h"), last + pd.Timedelta("12h")
    locator = mdates.AutoDateLocator(tz=zone, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    low, high = (one.tz_convert(zone).to_pydatetime() for one in (first.ceil("us"), last.floor("us")))
    days = locator.tick_values(low, high)  # type: ignore[no-untyped-call]
    moments = pd.to_datetime(np.asarray(days), unit="D", utc=True).round("s")
    moments = moments[(moments >= first) & (moments <= last)]
    moments = moments[:: max(-(-len(moments) // ticks), 1)]
    ax.set_xlim(*number(pd.DatetimeIndex([first, last])))
    ax.set_xticks(number(moments), tick_dates(moments, zone))


def value_axis(ax: Axes, values: Floats, unit: str, *, ticks: int = 5) -> None:
    """A y axis around the values, from zero where zero is near, with round ticks in the unit's own words."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if low == high:
        low, high = (0.0, 1.0) if low == 0 else (low - abs(low) / 10, high + abs(high) / 10)
    if 0 <= low < 0.4 * high:
        low = 0.0
    room = 0.06 * (high - low)
    ax.set_ylim(low if low == 0 else low - room, high + room)
    factor, _ = scale_of(largest(finite), unit)
    bottom, top = ax.get_ylim()
    nice = np.asarray(MaxNLocator(nbins=ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(bottom / factor, top / factor))
    shown = [float(one) for one in nice * factor if bottom <= one <= top]
    ax.set_yticks(shown, tick_texts(shown, unit))
    ax.tick_params(axis="y", length=0)


def end_labels(ax: Axes, labels: Sequence[tuple[float, str, str]], *, height: float) -> None:
    """Names at the right edge beside the values they belong to, moved apart where they would overlap.

    Args:
        ax: Its y limits are final.
        labels: Value on the y axis, text, colour.
        height: Of the Axes in inches, about.
    """
    bottom, top = ax.get_ylim()
    apart = SMALL * 1.25 / (72 * height)
    ordered = sorted(labels, key=lambda one: (one[0], one[1]))
    at = [min(max((value - bottom) / (top - bottom), 0.0), 1.0) for value, _, _ in ordered]
    places = spread(at, apart=apart)
    for (_, text, colour), start, place in zip(ordered, at, places, strict=True):
        ax.plot([1.0, 1.02], [start, place], transform=ax.transAxes, color=colour, lw=1.2, clip_on=False)
        ax.text(1.03, place, text, transform=ax.transAxes, color=colour, fontsize=SMALL, va="center")


def spread(at: Sequence[float], *, apart: float) -> list[float]:
    """Sorted places between 0 and 1, moved as little as needed to be `apart` from each other.

    Example:
        >>> [round(one, 3) for one in spread([0.5, 0.5, 0.9], apart=0.1)]
        [0.45, 0.55, 0.9]
    """
    groups: list[tuple[float, int]] = []  # centre and how many
    for one in at:
        groups.append((one, 1))
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < apart * (groups[-1][1] + groups[-2][1]) / 2 - 1e-12:
            (b, n), (a, m) = groups.pop(), groups.pop()
            groups.append(((a * m + b * n) / (m + n), m + n))
    places: list[float] = []
    for centre, n in groups:
        first = centre - apart * (n - 1) / 2
        places += [first + apart * i for i in range(n)]
    too_high = max(0.0, places[-1] - 1.0) if places else 0.0
    return [one - too_high for one in places]
