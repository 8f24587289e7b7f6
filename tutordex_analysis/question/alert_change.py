"""Since our rules came in force: what alerts cost a week, against the weeks before; and when alerts fire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.measure import day_text, number_text
from tutordex_analysis.model.rates import Rate, rate_ratio
from tutordex_analysis.moment import Instant, instant
from tutordex_analysis.question.alert_load import FLAP, AlertLoad

LEAST = pd.Timedelta(days=14)  # on either side, for a comparison
SHOWN = 7  # alerts of a figure by name; the rest together
OTHERS = "all others"
_WEEK = pd.Timedelta(days=7)
_ROW = ("when", "weeks", "firings", "calls", "calls_a_week", "night", "hours")


class Fired(Protocol):
    """Alerts on record."""

    @property
    def frame(self) -> pd.DataFrame | None:
        """`ALERTS`; None where nothing is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlertChange:
    """Before and after.

    Attributes:
        since: When our rules came in force; NaT where nobody knows.
        found: What it was found from, in words.
        rows: Two rows, before and after: when, weeks, firings, calls, calls_a_week, night (calls a week), hours (of all
            firings, a week). A call is what begins over an hour after the last beginning, whichever alert.
        ratio: Calls a week after over before; NaN where either side has less than two weeks, or nothing fired.
        lower: Of its exact 95 % interval.
        upper: Of its exact 95 % interval.
        sentence: What that says.
    """

    since: pd.Timestamp
    found: str
    rows: pd.DataFrame
    ratio: float
    lower: float
    upper: float
    sentence: str


def since(
    firing: pd.DataFrame | None,
    catalogue: Catalogue,
    *,
    told: Instant = "",
    pushed: Iterable[Instant] = (),
) -> tuple[pd.Timestamp, str]:
    """When our rules came in force, and what that is found from; NaT and why not.

    In this order: what somebody says, the first push that got in force, the first sample of an alert that fires on
    purpose with the labels of ours (the Watchdog of severity none), if others are on record before it.

    Args:
        firing: A frame of `ALERTS`.
        catalogue: Our rules.
        told: A moment that somebody names; "" for none.
        pushed: Moments at which a push got in force.
    """
    if told:
        return instant(told), "as the parameter rules_since says"
    if first := min(map(instant, pushed), default=None):
        return first, "the first push that got in force"
    ours = {name: rule for name, rule in catalogue.rules.items() if rule.severity == "none"}
    if firing is not None and len(firing) and "severity" in firing and "component" in firing:
        seen = firing[firing["y"] > 0]
        mine = [
            seen.loc[
                (seen["alertname"] == name) & (seen["severity"] == "none") & (seen["component"] == rule.component), "ds"
            ].min()
            for name, rule in ours.items()
        ]
        known = [one for one in mine if not pd.isna(one)]
        if known and min(known) > seen["ds"].min():
            return min(known), f"the first sample of our {', '.join(ours)}"
        if known:
            return pd.NaT, "our rules are on record from the first sample on, so there is no before"  # type: ignore[return-value]  # NaT is one
    return pd.NaT, "no push is recorded here and no alert on record tells our rules from others"  # type: ignore[return-value]  # NaT is one


def change(load: AlertLoad | None, moment: pd.Timestamp, found: str, *, tz: str) -> AlertChange:
    """The load a week before a moment and after.

    Args:
        load: What fired.
        moment: When our rules came in force; NaT where nobody knows.
        found: What that is found from, or why nobody knows.
        tz: Zone of dates in sentences.
    """
    none = AlertChange(
        since=moment,
        found=found,
        rows=pd.DataFrame(columns=list(_ROW)),
        ratio=np.nan,
        lower=np.nan,
        upper=np.nan,
        sentence=f"Whether ours call less often cannot be told: {'no alert is on record' if load is None else found}.",
    )
    if load is None or pd.isna(moment):
        return none
    sides = (
        _side(load, "before", load.start, min(moment, load.end)),
        _side(load, "after", max(moment, load.start), load.end),
    )
    made = replace(none, rows=pd.DataFrame(sides, columns=list(_ROW)))
    day = f"Our rules are in force since {day_text(moment, ZoneInfo(tz))} ({found})"
    short = [(one["weeks"], one["when"]) for one in sides if float(str(one["weeks"])) * _WEEK < LEAST]
    if short:
        have = f"{number_text(float(str(short[0][0])))} weeks {'since' if short[0][1] == 'after' else 'before'}"
        return replace(made, sentence=f"{day}; whether they call less often cannot be told from {have}.")
    before, after = (Rate(events=float(str(one["calls"])), exposure=float(str(one["weeks"]))) for one in sides)
    if before.events + after.events == 0:
        return replace(made, sentence=f"{day}; nobody was called before or since.")
    effect = rate_ratio(before, after)
    rates = f"{number_text(before.rate)} calls a week before, {number_text(after.rate)} since"
    between = f"{number_text(effect.ci_lo)} to {number_text(effect.ci_hi)} times as many"
    verdict = (
        "that is more" if effect.ci_lo > 1 else "that is fewer" if effect.ci_hi < 1 else "more or fewer cannot be told"
    )
    return replace(
        made,
        ratio=float(effect.ratio),
        lower=float(effect.ci_lo),
        upper=float(effect.ci_hi),
        sentence=f"{day}: {rates}; {verdict} ({between}).",
    )


def by_week(load: AlertLoad | None) -> pd.DataFrame:
    """Firings of each whole week: rows weeks (their Mondays, UTC), columns the noisiest alerts and the rest."""
    if load is None or load.weeks.empty:
        return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
    names = list(load.alerts["alert"])
    shown = names if len(names) <= SHOWN + 1 else names[:SHOWN]
    weeks = pd.DatetimeIndex(load.weeks["week"])
    starts = pd.DatetimeIndex(load.firings["start"])
    kind = load.firings["alert"].where(load.firings["alert"].isin(shown), OTHERS).to_numpy()
    place = weeks.searchsorted(starts, side="right") - 1
    inside = (place >= 0) & (starts < weeks[-1] + _WEEK)
    columns = [*shown, *([OTHERS] if len(shown) < len(names) else [])]
    counts = pd.crosstab(place[inside], kind[inside]).reindex(index=range(len(weeks)), columns=columns, fill_value=0)
    return counts.set_axis(weeks, axis=0).rename_axis(columns=None)


def at_once(fired: Fired, catalogue: Catalogue) -> pd.DataFrame:
    """How many alerts fire at each instant, as a frame of one series; several label sets of one are one.

    Args:
        fired: Alerts on record; a frame without rows where there are none.
        catalogue: Which alerts fire on purpose.
    """
    table = pd.DataFrame({"unique_id": pd.Categorical([]), "ds": pd.DatetimeIndex([], tz="UTC"), "y": np.empty(0)})
    if fired.frame is None:
        return table
    skip = [name for name, rule in catalogue.rules.items() if rule.severity == "none"]
    moments = pd.DatetimeIndex(fired.frame["ds"].drop_duplicates()).sort_values()
    rest = fired.frame[~fired.frame["alertname"].isin(skip) & (fired.frame["y"] > 0)]
    count = rest[["ds", "alertname"]].astype({"alertname": str}).drop_duplicates().groupby("ds").size()
    values = count.reindex(moments, fill_value=0).to_numpy(dtype=np.float64)
    return pd.DataFrame({"unique_id": pd.Categorical(["{}"] * len(moments)), "ds": moments, "y": values})


def _side(load: AlertLoad, when: str, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, object]:
    weeks = max((end - start) / _WEEK, 0.0)
    own = load.firings[(load.firings["start"] >= start) & (load.firings["start"] < end)]
    calls = own[_calls(own)]
    each = max(weeks, 1e-9)
    return {
        "when": when,
        "weeks": weeks,
        "firings": len(own),
        "calls": len(calls),
        "calls_a_week": len(calls) / each,
        "night": int(calls["night"].sum()) / each,
        "hours": float(own["minutes"].sum()) / 60 / each,
    }


def _calls(firings: pd.DataFrame) -> pd.Series:
    """Whether a firing begins over an hour after the last beginning, whichever alert; rows are in order of time."""
    apart = firings["start"].diff()
    return apart.isna() | (apart > FLAP)
