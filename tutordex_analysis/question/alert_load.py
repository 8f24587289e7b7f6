"""What the alerts of the past weeks cost: how often each fired, at night or flapping, for how long; and is it more?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.civil import Calendar, from_civil
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.measure import number_text
from tutordex_analysis.model.rates import Rate, rate_ratio
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question.finding import Finding, table
from tutordex_analysis.question.thresholds import Thresholds

FLAP = pd.Timedelta(hours=1)  # a new firing so soon after the last one of the same alert is the same trouble again
NIGHT = (22, 7)  # civil hours between which a person is woken
RECENT = 4  # weeks that are held against as many before
NOISY = 7.0  # firings a week of one alert, from which it is told
QUESTION = "40_alert_rules"
_WEEK = pd.Timedelta(days=7)
FIRINGS = ("alert", "series", "start", "end", "minutes", "flaps", "night", "ongoing")


@dataclass(frozen=True, kw_only=True, eq=False)
class AlertLoad:
    """What fired.

    Attributes:
        firings: One row a stretch in which one series of an alert fired: the columns of `FIRINGS`; `minutes` tells how
            long, at the resolution of the step; it stands in for the time to recovery, which nothing records.
        alerts: One row an alert, the noisiest first: alert, firings, a_week, night (share), flapping (share),
            median_minutes, longest_minutes, hours.
        weeks: One row a whole civil week: week (its Monday), firings, night.
        change: Firings a week of the last weeks over those of as many before; NaN where either had too few weeks.
        lower: Of its 95 % interval.
        upper: Of its 95 % interval.
        start: Since when it is known.
        end: Until when.
    """

    firings: pd.DataFrame
    alerts: pd.DataFrame
    weeks: pd.DataFrame
    change: float
    lower: float
    upper: float
    start: pd.Timestamp
    end: pd.Timestamp


def of(firing: pd.DataFrame | None, catalogue: Catalogue, *, step: Span) -> AlertLoad | None:
    """The load of what is on record; None where nothing is known.

    Alerts of severity `none` fire on purpose and always; the first sample of one tells since when alerts are kept.

    Args:
        firing: A frame of `ALERTS`, 1 where one fired in the step before; None where nothing is known.
        catalogue: Civil time, and which alerts fire on purpose.
        step: The frame's step.
    """
    if firing is None:
        return None
    moments = pd.DatetimeIndex(firing["ds"])
    skip = tuple(name for name, rule in catalogue.rules.items() if rule.severity == "none")
    always = firing[firing["alertname"].isin(skip) & firing["y"].notna()]
    first = pd.Timestamp(always["ds"].min()) if len(always) else moments.min()
    return alert_load(
        firing, step=step, calendar=catalogue.calendar, start=first - duration(step), end=moments.max(), skip=skip
    )


def window(histories: Mapping[str, pd.DataFrame], time_range: TimeRange) -> TimeRange:
    """What was looked at of a range: from the first sample of any history on."""
    firsts = [one.loc[one["y"].notna(), "ds"].min() for one in histories.values()]
    known = [one for one in firsts if not pd.isna(one)]
    return TimeRange(max(min(known, default=time_range.start), time_range.start), time_range.end, time_range.step)


def digest(limits: Thresholds, fired: pd.DataFrame | None, *others: pd.DataFrame) -> str:
    """Twelve hex digits of the limits, of what fired, and of other tables that the page shows."""
    text = limits.frame.drop(columns="last").to_csv() + (
        "" if fired is None else frames.digest(fired[[*frames.COLUMNS]])
    )
    text += "".join(one.to_csv() for one in others)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def alert_load(
    firing: pd.DataFrame,
    *,
    step: Span,
    calendar: Calendar,
    start: pd.Timestamp,
    end: pd.Timestamp,
    skip: tuple[str, ...],
) -> AlertLoad:
    """Counts firings.

    Args:
        firing: A frame of `ALERTS`, 1 where one fired in the step before, else NaN; labels as columns.
        step: Its step.
        calendar: Civil time.
        start: Since when it is known.
        end: Until when.
        skip: Alerts that fire on purpose, such as a watchdog.
    """
    firings = _firings(firing, duration(step), calendar.timezone, end)
    firings = firings[~firings["alert"].isin(skip)].reset_index(drop=True)
    weeks = _weeks(firings, calendar.timezone, start, end)
    span = max((end - start) / _WEEK, 1e-9)
    rows = [
        {
            "alert": name,
            "firings": len(own),
            "a_week": len(own) / span,
            "night": own["night"].mean(),
            "flapping": own["flaps"].mean(),
            "median_minutes": own["minutes"].median(),
            "longest_minutes": own["minutes"].max(),
            "hours": own["minutes"].sum() / 60,
        }
        for name, own in firings.groupby("alert", sort=True)
    ]
    columns = ["alert", "firings", "a_week", "night", "flapping", "median_minutes", "longest_minutes", "hours"]
    alerts = pd.DataFrame(rows, columns=columns).sort_values(["firings", "alert"], ascending=[False, True])
    change = _change(weeks["firings"].to_numpy(dtype=np.float64))
    return AlertLoad(
        firings=firings,
        alerts=alerts.reset_index(drop=True),
        weeks=weeks,
        change=change[0],
        lower=change[1],
        upper=change[2],
        start=start,
        end=end,
    )


def headline(load: AlertLoad | None, limits: Thresholds) -> str:
    """The answer of the page in one sentence."""
    learnt = int(limits.frame["in_force"].isin(["learnt", "railed"]).sum())
    held = int((limits.frame["in_force"] == "pinned").sum())
    pinned = f", {held} pinned" if held else ""
    force = f"{learnt} of {len(limits.frame)} limits follow from history{pinned}."
    if load is None:
        return f"No alert is on record, so whether they are worth being woken for cannot be told. {force}"
    if load.firings.empty:
        return f"No alert fired. {force}"
    worst = load.alerts.iloc[0]
    each = f"{number_text(float(worst['a_week']))} a week"
    return f"{len(load.firings)} alerts fired; {worst['alert']} is the noisiest with {each}. {force}"


def changed(load: AlertLoad) -> str:
    """Whether the load changes, in a sentence; with small counts often that nobody can tell."""
    if np.isnan(load.change):
        return f"Whether there are more or fewer cannot be told before {2 * RECENT} whole weeks with alerts."
    between = f"{number_text(load.lower)} to {number_text(load.upper)} times"
    if load.lower > 1 or load.upper < 1:
        return f"There are {'more' if load.lower > 1 else 'fewer'} than before: {between} as many in {RECENT} weeks."
    return f"Whether there are more or fewer than before cannot be told: {between} as many in {RECENT} weeks."


def firings_of(load: AlertLoad | None) -> pd.DataFrame:
    """Every firing; a frame without rows where nothing is known."""
    return pd.DataFrame(columns=list(FIRINGS)) if load is None else load.firings


def findings(load: AlertLoad | None, limits: Thresholds, *others: pd.DataFrame) -> pd.DataFrame:
    """What the overview should know: the noisiest alerts, what is said of the limits, and findings of others."""
    rows = [] if load is None else load.alerts[load.alerts["a_week"] >= NOISY].head(3).to_dict("records")
    own = table(
        Finding(
            question=QUESTION,
            signal="",
            kind="data",
            sentence=f"{row['alert']} fires {number_text(row['a_week'])} times a week, {row['night']:.0%} at night.",
            effect=float(row["a_week"]),
            unit="events",
            action="look at its limit, its guard or its cause",
            priority=25.0,
        )
        for row in rows
    )
    rest = [one for one in (own, limits.findings.assign(question=QUESTION), *others) if len(one)]
    return pd.concat(rest, ignore_index=True) if rest else own


def _firings(firing: pd.DataFrame, step: pd.Timedelta, tz: str, end: pd.Timestamp) -> pd.DataFrame:
    rows = []
    for series, own in firing.groupby("unique_id", observed=True):
        on = own["y"].to_numpy() > 0
        edges = np.flatnonzero(np.diff(np.r_[0, on.astype(np.int8), 0]))
        moments, name = pd.DatetimeIndex(own["ds"]), str(own["alertname"].iloc[0])
        last = pd.NaT
        for first, after in zip(edges[::2], edges[1::2], strict=True):
            begun, over = moments[first] - step, moments[after - 1]
            hour = begun.tz_convert(tz).hour
            rows.append(
                {
                    "alert": name,
                    "series": str(series),
                    "start": begun,
                    "end": over,
                    "minutes": (over - begun) / pd.Timedelta(minutes=1),
                    "flaps": bool(begun - last <= FLAP) if not pd.isna(last) else False,
                    "night": hour >= NIGHT[0] or hour < NIGHT[1],
                    "ongoing": over >= end - step,
                }
            )
            last = over
    return pd.DataFrame(rows, columns=list(FIRINGS)).sort_values(["start", "series"], ignore_index=True)


def _weeks(firings: pd.DataFrame, tz: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Whole civil weeks only; one without a firing is a zero."""
    first, last = (one.tz_convert(tz).tz_localize(None) for one in (start, end))
    monday = first.normalize() - pd.Timedelta(days=first.weekday())
    bounds = from_civil(pd.date_range(monday, last, freq="7D"), tz=tz).tz_convert("UTC")
    rows = []
    for one, after in pairwise(bounds):
        if one < start or after > end:
            continue
        inside = firings[(firings["start"] >= one) & (firings["start"] < after)]
        rows.append({"week": one, "firings": len(inside), "night": int(inside["night"].sum())})
    return pd.DataFrame(rows, columns=["week", "firings", "night"])


def _change(counts: Floats) -> tuple[float, float, float]:
    """The ratio of the last weeks to as many before and its exact interval; NaN where nothing can be told."""
    if len(counts) < 2 * RECENT:
        return np.nan, np.nan, np.nan
    before, now = float(counts[-2 * RECENT : -RECENT].sum()), float(counts[-RECENT:].sum())
    if before + now == 0:
        return np.nan, np.nan, np.nan
    found = rate_ratio(Rate(events=before, exposure=RECENT), Rate(events=now, exposure=RECENT))
    return float(found.ratio), float(found.ci_lo), float(found.ci_hi)
