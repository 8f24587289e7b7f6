"""How the detectors do: alerts used of the budget, precision, what cannot be judged yet; and this week in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.model.anomaly import Anomalies
from tutordex_analysis.promql import matchers
from tutordex_analysis.question.sufficiency import CYCLES
from tutordex_analysis.question.verdict import Precision, precision
from tutordex_analysis.question.wording import span

WEEK, DAY = pd.Timedelta(days=7), pd.Timedelta(days=1)
WEEK_COLUMNS = (
    "signal",
    "title",
    "where",
    "unit",
    "kind",
    "unique_id",
    "seen",
    "expected",
    "outside",
    "judged",
    "worst",
)

_POLICY = ("direction", "least_above", "least_below", "share_above", "share_below", "persistence")


@dataclass(frozen=True, kw_only=True, eq=False)
class Health:
    """How the detectors do.

    Attributes:
        alerts_per_week: What is wanted.
        weeks: One row a civil week, the newest last: week (its Monday, civil), alerts, whole (false for the newest one,
            unless it is over).
        precision: Incidents that were confirmed, false and not marked, of those that alerted.
        watched: Signals that are watched; `series` that were judged in the last seven days.
        series: See `watched`.
        waiting: One row a signal, or some series of it, that cannot be judged: signal, title, series, why, since (the
            day from which it can, UTC; NaT where more time alone does not help).
        young: The same of signals that are judged, but not by their longest season yet.
    """

    alerts_per_week: float
    weeks: pd.DataFrame
    precision: Precision
    watched: int
    series: int
    waiting: pd.DataFrame
    young: pd.DataFrame

    @property
    def used(self) -> float:
        """Alerts a week, over the whole weeks; NaN without one."""
        whole = self.weeks.loc[self.weeks["whole"], "alerts"]
        return float(whole.mean()) if len(whole) else float("nan")


def health(
    scored: Mapping[str, Anomalies],
    found: pd.DataFrame,
    shown: pd.DataFrame,
    catalogue: Catalogue,
    histories: Mapping[str, pd.DataFrame],
    *,
    alerts_per_week: float,
    since: pd.Timestamp,
    at: pd.Timestamp,
    step: pd.Timedelta,
) -> Health:
    """The state of the detectors.

    Args:
        scored: Signal → scores.
        found: All incidents, with `verdict`.
        shown: Those that alerted.
        catalogue: Titles, seasons, civil time.
        histories: What was read, also what could not be scored.
        alerts_per_week: The budget.
        since: First civil Monday, UTC.
        at: The newest instant.
        step: Of the histories.
    """
    tz = catalogue.calendar.timezone
    first, last, now = (one.tz_convert(tz).tz_localize(None) for one in (since, at - step / 2, at))
    mondays = pd.date_range(first, last, freq="7D")
    begun = pd.DatetimeIndex(shown["start"] - step / 2).tz_convert(tz).tz_localize(None)
    place = np.searchsorted(mondays, begun, side="right") - 1
    counts = np.bincount(np.maximum(place, 0), minlength=len(mondays)) if len(mondays) else np.zeros(0, dtype=int)
    ends = mondays + WEEK
    judged = [rows for one in scored.values() for rows in _last_scores(one, at)]
    return Health(
        alerts_per_week=alerts_per_week,
        weeks=pd.DataFrame({"week": mondays, "alerts": counts, "whole": ends <= now}),
        precision=precision(found[found["incident"].isin(shown["incident"])]),
        watched=len(histories),
        series=sum(judged),
        waiting=_waiting(scored, catalogue, histories, at=at, step=step),
        young=_young(scored, catalogue, at=at, step=step),
    )


def this_week(scored: Mapping[str, Anomalies], catalogue: Catalogue, *, at: pd.Timestamp) -> pd.DataFrame:
    """One row a series over the last seven days, the least usual first.

    Returns:
        signal, title, where, unit, kind, unique_id; seen and expected (counts added up, everything else averaged, over
        the instants at which both are known); outside (share of the judged instants that are beyond the band), judged
        (how many), worst (the highest score).
    """
    rows = []
    for name, one in scored.items():
        signal = catalogue.signal(name)
        recent = one.frame[one.frame["ds"] > at - WEEK]
        for series, own in recent.groupby(recent["unique_id"].astype(str), sort=True):
            both = own[own["y"].notna() & own["expected"].notna() & own["score"].notna()]
            fold = both[["y", "expected"]].sum() if signal.kind == "count" else both[["y", "expected"]].mean()
            rows.append(
                {
                    "signal": name,
                    "title": signal.title,
                    "where": where_of(signal, str(series)),
                    "unit": signal.unit,
                    "kind": signal.kind,
                    "unique_id": str(series),
                    "seen": float(fold["y"]) if len(both) else np.nan,
                    "expected": float(fold["expected"]) if len(both) else np.nan,
                    "outside": float((both["score"] > 1).mean()) if len(both) else np.nan,
                    "judged": len(both),
                    "worst": float(both["score"].max()) if len(both) else np.nan,
                }
            )
    table = pd.DataFrame(rows, columns=list(WEEK_COLUMNS))
    return table.sort_values(["outside", "worst"], ascending=False, kind="stable", na_position="last").reset_index(
        drop=True
    )


def policies(scored: Mapping[str, Anomalies], catalogue: Catalogue) -> pd.DataFrame:
    """What is worth an alert of each signal.

    Returns:
        title, unit, direction, least_above, least_below, share_above, share_below, persistence, threshold (the score
        above which the newest value would alert).
    """
    rows = []
    for name, one in scored.items():
        signal = catalogue.signal(name)
        facts = {key: getattr(one.policy, key) for key in _POLICY}
        rows.append({"title": signal.title, "unit": signal.unit, **facts, "threshold": one.threshold})
    return pd.DataFrame(rows, columns=["title", "unit", *_POLICY, "threshold"])


def where_of(signal: Signal, series: str) -> str:
    """Which series of a signal, by the values of its labels; "" for the only one."""
    known = {one.label: one.value for one in matchers(series)} if "{" in series else {}
    return ", ".join(known[name] for name in signal.by if known.get(name))


def title_of(signal: Signal, series: str) -> str:
    """The title of a signal and which series of it."""
    where = where_of(signal, series)
    return f"{signal.title} ({where})" if where else signal.title


def _last_scores(one: Anomalies, at: pd.Timestamp) -> Iterator[bool]:
    """For each series whether it was judged in the last seven days."""
    recent = one.frame[one.frame["ds"] > at - WEEK]
    yield from recent["score"].notna().groupby(recent["unique_id"].astype(str)).any()


def _waiting(
    scored: Mapping[str, Anomalies],
    catalogue: Catalogue,
    histories: Mapping[str, pd.DataFrame],
    *,
    at: pd.Timestamp,
    step: pd.Timedelta,
) -> pd.DataFrame:
    """Series without a score in the last seven days, those of a signal with the same reason together."""
    rows: list[tuple[object, ...]] = []
    for name, history in histories.items():
        signal = catalogue.signal(name)
        judged = {}
        if name in scored:
            recent = scored[name].frame
            recent = recent[recent["ds"] > at - WEEK]
            judged = recent["score"].notna().groupby(recent["unique_id"].astype(str)).any().to_dict()
        known = history[history["y"].notna()]
        first = known.groupby(known["unique_id"].astype(str))["ds"].agg(["min", "max"])
        if first.empty:
            rows.append((name, signal.title, "no value in all the history that was read", pd.NaT))
        for series, began, last in first.itertuples():
            if not judged.get(series, False):
                rows.append((name, signal.title, *_reason(signal, began, last, at=at, step=step)))
    table = pd.DataFrame(rows, columns=["signal", "title", "why", "since"])
    table["since"] = pd.to_datetime(table["since"], utc=True)
    return table.groupby(["signal", "title", "why"], sort=False, as_index=False).agg(
        series=("since", "size"), since=("since", "max")
    )[["signal", "title", "series", "why", "since"]]


def _young(
    scored: Mapping[str, Anomalies], catalogue: Catalogue, *, at: pd.Timestamp, step: pd.Timedelta
) -> pd.DataFrame:
    """Signals whose history is shorter than the cycles that their longest season takes to be known."""
    rows = []
    for name, one in scored.items():
        signal, known = catalogue.signal(name), one.frame["y"].notna()
        judged = one.frame["score"].notna().groupby(one.frame["unique_id"].astype(str)).any()
        season = max((length for length in signal.season_lengths if length > step), default=step)
        day = (one.frame.loc[known, "ds"].min() + CYCLES * season).ceil("1D")
        if judged.any() and day > at:
            why = f"the pattern of {span(season)} is not known yet"
            rows.append((name, signal.title, int(judged.sum()), why, day))
    table = pd.DataFrame(rows, columns=["signal", "title", "series", "why", "since"])
    return table.assign(since=pd.to_datetime(table["since"], utc=True))


def _reason(
    signal: Signal, began: pd.Timestamp, last: pd.Timestamp, *, at: pd.Timestamp, step: pd.Timedelta
) -> tuple[str, pd.Timestamp]:
    """Why a series has no score, and the day from which it can have one."""
    nothing: pd.Timestamp = pd.NaT  # type: ignore[assignment]  # stubs: NaT is no Timestamp
    if last <= at - WEEK:
        return "no value in the last 7 days", nothing
    season = min((one for one in signal.season_lengths if one > step), default=DAY)
    day = (began + CYCLES * season).ceil("1D")
    return ("too short a history", day) if day > at else ("too few values", nothing)
