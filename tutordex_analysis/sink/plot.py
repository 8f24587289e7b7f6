"""Figures: history, forecast, hour of the week, bars; each returns a `Picture` with alternative text made of the data.

Nothing here is written anywhere. Text from labels is shown as it is, never as mathematics or markup. A gap stays a gap.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats, check, series_ids, step_of
from tutordex_analysis.measure import largest, tick_texts, unit_name, value_text
from tutordex_analysis.moment import duration_text
from tutordex_analysis.sink import alt_text, trace
from tutordex_analysis.sink import figure_style as look
from tutordex_analysis.sink.figure_style import Dashes, Picture
from tutordex_analysis.sink.series_name import plain, short_names, shorten

if TYPE_CHECKING:
    from tutordex_analysis.model.breach import Breach
    from tutordex_analysis.model.forecast import Forecast

NO_LIMITS: Mapping[str, float] = MappingProxyType({})
_MOST_LINES = len(look.COLOURS)
_MOST_PANELS = 6
_LONG = pd.Timedelta(days=45)  # beyond this the hours of a day are too narrow to be seen


@look.style()
def history(
    frame: pd.DataFrame,
    *,
    title: str = "",
    unit: str = "",
    tz: str = "Asia/Singapore",
    limits: Mapping[str, float] = NO_LIMITS,
) -> Picture:
    """What was measured: one line a series, named at its end; beyond eight series the rest in grey.

    Args:
        frame: Any frame with unique_id, ds, y.
        title: What is shown, such as "Posts waiting".
        unit: The signal's unit; ratio, bytes and seconds are shown as percent, GiB and minutes.
        tz: Zone of the time axis.
        limits: Label → value, each a line across.
    """
    zone = ZoneInfo(tz)
    figure, (ax,) = look.canvas(title=title, height=4.0)
    ids = trace.busiest(check(frame))
    names = short_names(ids)
    values = trace.finite(frame["y"])
    shown, far = _near(limits, values, unit)
    look.value_axis(ax, np.append(values, list(shown.values())), unit)
    if ids:
        look.time_axis(ax, frame["ds"].min(), frame["ds"].max(), zone)
    for i in reversed(range(len(ids))):
        x, y = trace.with_gaps(frame[frame["unique_id"] == ids[i]])
        named = i < _MOST_LINES
        _line(ax, x, y, look.COLOURS[i] if named else look.RULE, look.LINES[i] if named else "-", front=named)
    labels = [(trace.last(frame, one), name) for one, name in zip(ids, names, strict=True)][:_MOST_LINES]
    ends = [(last, name, look.COLOURS[i]) for i, (last, name) in enumerate(labels) if np.isfinite(last)]
    look.end_labels(ax, _limit_lines(ax, shown, unit) + (ends if len(ids) > 1 else []), height=2.9)
    more = f" · {_MOST_LINES} largest of {len(ids)} named" if len(ids) > _MOST_LINES else ""
    look.note(ax, look.subtitle(unit, zone) + more + far)
    if not np.isfinite(values).any():
        _no_data(ax)
    said = alt_text.of_history(frame, title=title, unit=unit, zone=zone)
    return Picture(figure=figure, alt=f"{said} {alt_text.of_limits(limits, unit=unit)}".strip())


@look.style()
def forecast(
    forecast: Forecast,
    history: pd.DataFrame | None = None,
    *,
    title: str = "",
    unit: str = "",
    tz: str = "Asia/Singapore",
    limits: Mapping[str, float] = NO_LIMITS,
    breach: Breach | None = None,
) -> Picture:
    """What is to come: the recent past, the median, the ranges that hold 80 % and 95 % of outcomes, limits and dates.

    Up to six series, each in a panel of its own; of more the six with the largest forecast. The past goes back at most
    three times as far as the forecast reaches. Beyond 45 days each day is drawn at its busiest time, with the range
    forecast for that time.

    Args:
        forecast: Of one or several series.
        history: What the forecast was made from; series are matched by unique_id.
        title: What is shown.
        unit: The signal's unit.
        tz: Zone of the time axis and of the dates.
        limits: Label → value, each a line across.
        breach: Dates at which a limit is reached; the window from its 10 % to its 90 % date is shaded.
    """
    zone = ZoneInfo(tz)
    ahead = forecast.frame
    past = trace.recent(history, ahead) if history is not None else ahead.iloc[:0].assign(y=np.nan)
    daily = forecast.step < pd.Timedelta(days=1) and len(ahead) > 0 and ahead["ds"].max() - ahead["ds"].min() > _LONG
    if daily:
        ahead, past = trace.busiest_hours(ahead, "yhat", zone), trace.busiest_hours(past, "y", zone)
    ids = trace.busiest(ahead.rename(columns={"yhat": "y"}))[:_MOST_PANELS]
    height = 4.0 if len(ids) < 2 else 0.9 + 1.9 * len(ids)
    figure, axes = look.canvas(title=title, height=height, panels=max(len(ids), 1))
    few = " · busiest time of each day" if daily else ""
    some = f"{len(ids)} of {len(series_ids(ahead))} series"
    said = [f"Forecast chart of {plain(title) or 'a signal'}, {some}{few.replace(' ·', ', at the')}."]
    for one, name, ax in zip(ids, short_names(ids, most=40), axes, strict=False):
        rows, before = ahead[ahead["unique_id"] == one], past[past["unique_id"] == one]
        far = _forecast_lines(ax, rows, before, limits, unit, height=2.9 if len(ids) == 1 else 1.3)
        head = [look.subtitle(unit, zone) + few] if len(ids) == 1 else [name + few]
        said.append(alt_text.of_forecast(rows, before, name=name if len(ids) > 1 else "It", unit=unit, zone=zone))
        if breach is not None:
            dates, instants = _dates(breach, one), pd.DatetimeIndex(rows["ds"])
            _shade(ax, dates, instants[-1])
            met = next((label for label, value in limits.items() if value == breach.limit.get(one)), "")
            head.append(alt_text.of_breach(dates, name=met, ahead=instants, zone=zone))
            said.append(f"{head[-1]}.")
        look.note(ax, "\n".join(head) + far)
    if not ids:
        _no_data(axes[0], next(iter(forecast.reason), "no data"))
        said += [str(one) for one in forecast.reason]
    else:
        first = min(rows["ds"].min() for rows in (past, ahead) if len(rows))
        look.time_axis(axes[-1], first, ahead["ds"].max(), zone)
    return Picture(figure=figure, alt=" ".join([*said, alt_text.of_limits(limits, unit=unit)]).strip())


@look.style()
def hour_of_week(frame: pd.DataFrame, *, title: str = "", unit: str = "", tz: str = "Asia/Singapore") -> Picture:
    """The usual week: the mean of each hour from Monday to Sunday in civil time, hatched where nothing was measured.

    Args:
        frame: One series at a step of at most an hour; the value at t belongs to the hour that holds (t - step, t].
        title: What is shown.
        unit: The signal's unit.
        tz: Zone of the hours.

    Raises:
        FrameError: There are several series, or the step is longer than an hour.
    """
    if len(ids := series_ids(check(frame))) > 1:
        raise FrameError(f"the hours of a week are drawn for one series, got {len(ids)}; select or aggregate first")
    step = step_of(frame) if len(frame) > 1 else pd.Timedelta("1h")
    if step > pd.Timedelta("1h"):
        raise FrameError(f"the hours of a week need a step of at most 1h, got {duration_text(step)}")
    local = (frame["ds"] - step).dt.tz_convert(tz)
    place = local.dt.day_of_week.to_numpy() * 24 + local.dt.hour.to_numpy()
    means = pd.Series(trace.finite(frame["y"])).groupby(place).mean()
    table = np.asarray(means.reindex(range(7 * 24)), dtype=np.float64).reshape(7, 24)
    figure, (ax,) = look.canvas(title=title, height=3.6)
    _heat(ax, table, unit)
    look.note(ax, f"Mean of each hour · {tz} time")
    return Picture(figure=figure, alt=alt_text.of_week(table, title=title, unit=unit, tz=tz))


@look.style()
def bars(values: pd.Series, *, title: str = "", unit: str = "") -> Picture:
    """One horizontal bar a name, the largest on top, each with its number; at most twenty.

    Args:
        values: Numbers indexed by name, which may be a `unique_id`.
        title: What is shown.
        unit: The unit of the numbers.
    """
    most = values.astype(float).replace([np.inf, -np.inf], np.nan).dropna()
    most = most.sort_values(ascending=False, kind="stable").head(20)
    figure, (ax,) = look.canvas(title=title, height=1.0 + 0.3 * max(len(most), 2))
    names = short_names([str(one) for one in most.index], most=30)
    texts = [value_text(one, unit) for one in most]
    places = np.arange(len(most))
    ax.barh(places, most.to_numpy(), color=look.BLUE, height=0.7)
    for place, value, text in zip(places, most, texts, strict=True):
        ax.annotate(f" {text} ", (max(value, 0.0), place), va="center", fontsize=look.SMALL)
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([])
    ax.grid(visible=False)
    ax.spines[["bottom", "left"]].set_visible(False)
    ax.margins(x=0.15)
    left_out = f" {len(values) - len(most)} not shown." if len(values) > len(most) else ""
    if most.empty:
        _no_data(ax)
    said = "; ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True)) or "no data"
    return Picture(figure=figure, alt=f"Bars of {plain(title) or 'values'}: {said}.{left_out}")


def _line(ax: Axes, x: Floats, y: Floats, colour: str, dashes: Dashes, *, front: bool = True) -> None:
    """A line, and a dot for each value that stands alone between gaps, which a line would not show."""
    there = np.isfinite(y)
    before, after = np.append(False, there[:-1]), np.append(there[1:], False)
    alone = there & ~before & ~after
    order = 3 if front else 1.5
    ax.plot(x, y, color=colour, linestyle=dashes, lw=1.7 if front else 1.0, zorder=order)
    ax.plot(x[alone], y[alone], color=colour, marker="o", ms=4, linestyle="none", zorder=order)


def _near(limits: Mapping[str, float], values: Floats, unit: str) -> tuple[dict[str, float], str]:
    """The limits that fit on the axis without squashing the data, and a remark on the others."""
    if not np.isfinite(values).any():
        return dict(limits), ""
    top, bottom = np.nanmax(values), np.nanmin(values)
    reach = 2.5 * max(top - bottom, 0.3 * largest(values))
    shown = {name: value for name, value in limits.items() if bottom - reach <= value <= top + reach}
    far = [_limit_name(name, value, unit) for name, value in limits.items() if name not in shown]
    return shown, f" · out of view: {', '.join(far)}" if far else ""


def _limit_lines(ax: Axes, limits: Mapping[str, float], unit: str) -> list[tuple[float, str, str]]:
    for nth, value in enumerate(limits.values()):
        ax.axhline(value, color=look.VERMILION, lw=1.3, linestyle=look.LIMITS[min(nth, len(look.LIMITS) - 1)], zorder=2)
    return [(value, _limit_name(name, value, unit), look.VERMILION) for name, value in limits.items()]


def _limit_name(name: str, value: float, unit: str) -> str:
    short, number = shorten(plain(name), most=20), value_text(value, unit)
    return short if number in short else f"{short}: {number}"


def _forecast_lines(
    ax: Axes, rows: pd.DataFrame, before: pd.DataFrame, limits: Mapping[str, float], unit: str, *, height: float
) -> str:
    """Draws one series; returns a remark on limits that are out of view."""
    x, median = look.number(rows["ds"]), trace.finite(rows["yhat"])
    known = np.concatenate([trace.finite(before["y"]), median])
    labels = [(median[-1], f"likely {_number(median[-1], unit)}", look.BLUE)]
    values = known
    for lower, upper, shade, name in (("q0.025", "q0.975", 0.16, "95 %"), ("q0.1", "q0.9", 0.28, "80 %")):
        if {lower, upper} <= set(rows.columns):
            bottom, top = trace.finite(rows[lower]), trace.finite(rows[upper])
            edges = x if len(x) > 1 else x + np.array([-0.01, 0.01])  # one step alone is a thin bar
            ax.fill_between(edges, bottom, top, color=look.BLUE, alpha=shade, lw=0, zorder=1)
            labels.append((top[-1], f"{name} range", look.QUIET))
            values = np.concatenate([values, bottom, top])
    if np.isfinite(known).any():  # a band that explodes may leave the picture rather than flatten it
        low, high = np.nanmin(known), np.nanmax(known)
        room = 3 * max(high - low, 0.2 * largest(known))
        values = np.clip(values, low - room, high + room)
    shown, far = _near(limits, values, unit)
    _line(ax, *trace.with_gaps(before), look.COLOURS[4], "-")
    _line(ax, x, median, look.BLUE, "-")
    look.value_axis(ax, np.append(values, list(shown.values())), unit, ticks=5 if height > 2 else 3)
    if len(before):
        now = look.number(before["ds"].iloc[-1:])[0]
        ax.axvline(now, color=look.QUIET, lw=1.0, linestyle=":", zorder=1)
        look.said(ax, "now", now)
    ends = _limit_lines(ax, shown, unit) + [one for one in labels if np.isfinite(one[0])]
    look.end_labels(ax, ends, height=height)
    return far


def _number(value: float, unit: str) -> str:
    return value_text(value, unit).removesuffix(unit_name(unit)).strip()


def _dates(breach: Breach, unique_id: str) -> dict[str, object]:
    rows = breach.dates[breach.dates["unique_id"] == unique_id]
    names = [name for name in ("q0.1", "q0.5", "q0.9") if name in rows.columns]
    return {name: rows[name].iloc[0] for name in names} if len(rows) else {}


def _shade(ax: Axes, dates: Mapping[str, object], end: pd.Timestamp) -> None:
    """The window in which a limit is reached, and its likely day."""
    early, likely, late = (dates.get(name) for name in ("q0.1", "q0.5", "q0.9"))
    if isinstance(early, pd.Timestamp):
        window = look.number(pd.DatetimeIndex([early, late if isinstance(late, pd.Timestamp) else end]))
        ax.axvspan(*window, color=look.VERMILION, alpha=0.12, lw=0, zorder=0.5)
    if isinstance(likely, pd.Timestamp):
        ax.axvline(look.number(pd.DatetimeIndex([likely]))[0], color=look.VERMILION, lw=1.3, zorder=2)


def _heat(ax: Axes, table: Floats, unit: str) -> None:
    ax.set_facecolor("white")
    ax.patch.set_hatch("////")
    ax.patch.set_edgecolor(look.RULE)
    edges = np.arange(25), np.arange(8)
    mesh = ax.pcolormesh(*edges, np.ma.masked_invalid(table), cmap="cividis", edgecolors="white", linewidth=0.5)
    ax.set_xticks(np.arange(0, 24, 3) + 0.5, [f"{hour:02}" for hour in range(0, 24, 3)])
    ax.set_yticks(np.arange(7) + 0.5, list(alt_text.WEEKDAYS))
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if not np.isfinite(table).any():
        return _no_data(ax)
    bar = ax.figure.colorbar(mesh, ax=ax, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    ticks = [float(one) for one in bar.get_ticks() if mesh.norm.vmin <= one <= mesh.norm.vmax]
    bar.set_ticks(ticks, labels=tick_texts(ticks, unit))
    bar.set_label(unit_name(unit), fontsize=look.SMALL)
    return None


def _no_data(ax: Axes, text: str = "no data") -> None:
    said = "\n".join(textwrap.wrap(plain(text), 60))
    ax.text(0.5, 0.5, said, transform=ax.transAxes, ha="center", va="center", backgroundcolor="white")
    if not ax.get_lines():
        ax.set_xticks([])
        ax.set_yticks([])
