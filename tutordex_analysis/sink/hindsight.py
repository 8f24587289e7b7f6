"""What we said and what happened: a table for readers, and past forecasts drawn over what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import check
from tutordex_analysis.measure import day_text, unit_name, value_text
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink import trace
from tutordex_analysis.sink.figure_style import Picture
from tutordex_analysis.sink.series_name import plain, short_names
from tutordex_analysis.sink.table import MOST_ROWS, Table

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Catalogue

WITHIN = "7d"
MOST_WEEKS = 8
_AS_ISSUED = "As issued at each dotted line"
_MOST_PANELS = 3
_MOMENT = pd.Timedelta(seconds=1)  # a week ends with the day before its last midnight
_HUGE = 2.0  # a miss beyond twice what happened is no number to compare
_FEW = 40  # instants of a forecast: dashes and dots can still be told apart
_BEFORE = 0.15  # of the drawn stretch, measured values alone


@dataclass(frozen=True, eq=False)
class Shown:
    """A table with a figure below it, as one output of a notebook."""

    parts: tuple[Table | Picture, ...]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for part in self.parts:
            display(part)  # type: ignore[no-untyped-call]  # IPython has no annotations here


def shown(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    actual: Mapping[tuple[str, str], pd.DataFrame],
    catalogue: Catalogue,
) -> Shown:
    """The newest scored week of each series, and a figure of one signal: the first of days, which can be read best.

    Args:
        table: Of `Scorecard.table`.
        rows: Of the ledger.
        actual: Of `Scorecard.actual`.
        catalogue: Titles, units, civil time.
    """
    tz = catalogue.calendar.timezone
    picked = [(str(row["signal"]), str(row["step"])) for _, row in table.iterrows()]
    chosen = sorted((one for one in dict.fromkeys(picked) if one in actual), key=lambda one: one[1] != "1d")
    pictures = [
        past_forecasts(
            rows[(rows["signal"] == signal) & (rows["step"] == step)],
            actual[signal, step],
            title=str(table.loc[(table["signal"] == signal) & (table["step"] == step), "title"].iloc[0]),
            unit=catalogue.signal(signal).unit,
            tz=tz,
        )
        for signal, step in chosen[:1]
    ]
    return Shown((said_and_happened(table, tz=tz), *pictures))


def said_and_happened(table: pd.DataFrame, *, tz: str) -> Table:
    """What was said for the newest week that is over, and what happened: one row a series, ten at most.

    Args:
        table: Of `Scorecard.table`.
        tz: Zone of the days.
    """
    zone = ZoneInfo(tz)
    replayed = table["hindsight"].astype(bool)
    mixed = replayed.any() and not replayed.all()
    columns: dict[str, Callable[[pd.Series], str]] = {
        "Forecast of": lambda r: f"{r['title']} ({r['where']})" if r["where"] else str(r["title"]),
        "Week to": lambda r: (
            day_text(r["week_end"] - _MOMENT, zone) + (" (hindsight)" if r["hindsight"] and mixed else "")
        ),
        "We said": lambda r: value_text(float(r["said"]), str(r["unit"])),
        "80 % range": _range,
        "It was": lambda r: value_text(float(r["happened"]), str(r["unit"])),
        "Missed by": lambda r: _percent(r["miss"]),
        "Last week's by": lambda r: _percent(r["naive_miss"]),
        "In range": lambda r: _percent(r["coverage_80"]),
    }
    first = table.head(MOST_ROWS)
    texts = [{name: column(row) for name, column in columns.items()} for _, row in first.iterrows()]
    notes = ["Means over the week; last week's: what repeating the week before missed by"]
    notes += ["all in hindsight, made afterwards from what was known then"] if len(table) and replayed.all() else []
    notes += [f"{MOST_ROWS} of {len(table)} shown"] if len(table) > MOST_ROWS else []
    notes += [] if len(table) else ["nothing yet, since a forecast is compared a week after it was made"]
    return Table(frame=pd.DataFrame(texts, columns=list(columns)), caption="; ".join(notes))


@look.style()
def past_forecasts(
    rows: pd.DataFrame,
    history: pd.DataFrame,
    *,
    title: str = "",
    unit: str = "",
    tz: str = "Asia/Singapore",
    within: Span = WITHIN,
) -> Picture:
    """Past forecasts with their 80 % range over the line of what happened; replayed ones are hatched and say so.

    Of several series the three with the largest values, a panel each; of many issues the newest eight whose weeks do
    not overlap.

    Args:
        rows: Of the ledger, one signal at one step.
        history: What happened.
        title: What is shown.
        unit: The signal's unit.
        tz: Zone of the time axis.
        within: How much of each forecast is drawn.

    Raises:
        FrameError: There are rows of several signals or steps.
    """
    if len(rows.drop_duplicates(["signal", "step"])) > 1:
        raise FrameError("past forecasts are drawn for one signal at one step; select one")
    zone, length = ZoneInfo(tz), duration(within)
    ids = [one for one in trace.busiest(check(history)) if one in set(rows["unique_id"])][:_MOST_PANELS]
    height = 4.0 if len(ids) < 2 else 0.9 + 2.0 * len(ids)
    figure, axes = look.canvas(title=title, height=height, panels=max(len(ids), 1))
    said = []
    spans = []
    names = [f"{name} · " for name in short_names(ids, most=40)] if len(ids) > 1 else [""]
    for one, name, ax in zip(ids, names, axes, strict=False):
        weeks = _weeks(rows[rows["unique_id"] == one], length)
        first, last = weeks[0]["cutoff"].iloc[0], weeks[-1]["ds"].iloc[-1]
        start = first - _BEFORE * (last - first)
        mine = history[(history["unique_id"] == one) & (history["ds"] >= start) & (history["ds"] <= last)]
        spans.append((mine["ds"].min() if len(mine) else first, last))
        _draw(ax, weeks, mine, unit, height=2.9 if len(ids) == 1 else 1.4)
        hindsight = any(week["hindsight"].iloc[0] for week in weeks)
        how = "Hindsight: made afterwards, from what was known at each dotted line" if hindsight else _AS_ISSUED
        look.note(ax, f"{name}{look.subtitle(unit, zone)}\n{how}" if ax is axes[0] else name.rstrip("· "))
        said.append(_words(name.rstrip("· "), weeks, mine, unit, zone))
    if not ids:
        ax = axes[0]
        ax.text(0.5, 0.5, "no past forecast yet", transform=ax.transAxes, ha="center", va="center")
        ax.set_xticks([])
        ax.set_yticks([])
        said.append("no past forecast yet.")
    else:
        look.time_axis(axes[-1], min(one for one, _ in spans), max(one for _, one in spans), zone)
    return Picture(figure=figure, alt=f"Past forecasts of {plain(title) or 'a signal'}: {' '.join(said)}")


def _weeks(mine: pd.DataFrame, length: pd.Timedelta) -> list[pd.DataFrame]:
    """The newest issues that do not overlap, oldest first, each cut to the length that is drawn."""
    whole = mine[mine["via"] != "publish"]  # which says a few leads only
    mine = whole if len(whole) else mine
    near = mine[mine["ds"] <= mine["cutoff"] + length]
    issues = [week for _, week in near.groupby(["cutoff", "hindsight", "issued", "via"], sort=True)]
    kept: list[pd.DataFrame] = []
    for week in reversed(issues):
        long_enough = len(week) > 1
        free = not kept or week["ds"].iloc[-1] <= kept[-1]["ds"].iloc[0] + pd.Timedelta(days=1)
        if long_enough and free and len(kept) < MOST_WEEKS:
            kept.append(week)
    return kept[::-1] or issues[-1:]


def _draw(ax: Axes, weeks: Sequence[pd.DataFrame], mine: pd.DataFrame, unit: str, *, height: float) -> None:
    happened = trace.finite(mine["y"])
    edges = [week[["q0.1", "q0.5", "q0.9"]].to_numpy(dtype=np.float64).ravel() for week in weeks]
    look.value_axis(ax, np.concatenate([happened, *edges]), unit, ticks=5 if height > 2 else 3)
    for week in weeks:
        x = look.number(week["ds"])
        lower, upper = (week[name].to_numpy(dtype=np.float64) for name in ("q0.1", "q0.9"))
        ax.fill_between(x, lower, upper, facecolor=look.BLUE, alpha=0.26, lw=0, zorder=1)
        if week["hindsight"].iloc[0]:
            ax.fill_between(x, lower, upper, facecolor="none", edgecolor=look.BLUE, alpha=0.22, lw=0, hatch="////")
        few = len(week) <= _FEW
        ax.plot(x, week["q0.5"], color=look.BLUE, lw=1.8 if few else 1.1, linestyle="--" if few else "-", zorder=2.5)
        ax.axvline(look.number(week["cutoff"].iloc[:1])[0], color=look.QUIET, lw=0.8, linestyle=":", zorder=0.8)
    x, y = trace.with_gaps(mine)
    few = len(mine) <= _FEW * len(weeks)
    ax.plot(x, y, color=look.COLOURS[4], lw=1.5 if few else 1.1, marker="o" if few else "", ms=3.2, zorder=3)
    last = weeks[-1].iloc[-1]
    seen = y[np.isfinite(y)]
    labels = [(float(last["q0.5"]), "we said", look.BLUE), (float(last["q0.9"]), "80 % range", look.QUIET)]
    labels += [(float(seen[-1]), "it was", look.COLOURS[4])] if len(seen) else []
    look.end_labels(ax, labels, height=height)


def _words(name: str, weeks: Sequence[pd.DataFrame], mine: pd.DataFrame, unit: str, zone: ZoneInfo) -> str:
    """One series in a sentence: how many forecasts, from when to when, and how often they held."""
    drawn = pd.concat(weeks).merge(mine[["ds", "y"]], on="ds", how="left")
    known = drawn[np.isfinite(drawn["y"])]
    inside = ((known["y"] >= known["q0.1"]) & (known["y"] <= known["q0.9"])).mean() if len(known) else float("nan")
    replayed = sum(bool(week["hindsight"].iloc[0]) for week in weeks)
    how = " in hindsight" if replayed == len(weeks) else f", {replayed} of them in hindsight," if replayed else ""
    first, last = (day_text(one, zone) for one in (weeks[0]["ds"].iloc[0], weeks[-1]["ds"].iloc[-1]))
    text = f"{plain(name) + ': ' if name else ''}{len(weeks)} forecasts{how} from {first} to {last}"
    if not len(known):
        return f"{text}; nothing was measured yet."
    means = [value_text(float(known[one].mean()), unit) for one in ("q0.5", "y")]
    return f"{text}; on average {means[0]} was said and {means[1]} happened; {_percent(inside)} lay in the 80 % range."


def _range(row: pd.Series) -> str:
    unit = str(row["unit"])
    ends = [value_text(float(row[name]), unit).removesuffix(unit_name(unit)) for name in ("said_lower", "said_upper")]
    return " to ".join(one.strip() for one in ends)


def _percent(share: object) -> str:
    number = float(str(share))
    if not np.isfinite(number):
        return "–"
    if number > _HUGE:
        return f"over {100 * _HUGE:.0f} %"
    if 0 < number < 0.0005:
        return "under 0.1 %"
    return f"{100 * number:.1f} %" if 0 < number < 0.0995 else f"{100 * number:.0f} %"
