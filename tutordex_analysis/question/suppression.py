"""What was unusual and did not alert, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.civil import from_civil
from tutordex_analysis.frame import records
from tutordex_analysis.measure import change_text, rounded, value_text
from tutordex_analysis.model.anomaly import Anomalies
from tutordex_analysis.model.incidents import Incidents, intervals
from tutordex_analysis.question.anomaly_health import DAY, WEEK, where_of

Bools: TypeAlias = npt.NDArray[np.bool_]

COLUMNS = ("signal", "where", "start", "end", "what", "why", "detail")
WHY = ("silence", "known", "expected", "release", "holiday", "budget", "policy")
_HELD = {"silence": "silence", "incident file": "known"}  # contexts that keep an incident from alerting
_QUIET = -0.25  # change on a holiday from which it would have been news


def of_incidents(
    graded: pd.DataFrame, contexts: pd.DataFrame, expected: pd.DataFrame, *, step: pd.Timedelta
) -> pd.DataFrame:
    """Incidents that need no alert.

    A silence or an entry of the incidents file holds all of one; it was marked as expected; or it is of low severity
    and began with a release. A restart alone holds nothing back: what restarts in a loop is an incident.

    Args:
        graded: incident, start, end, severity.
        contexts: Of `context.attach`.
        expected: Of `verdict.suppressed`.
        step: What an instant covers.

    Returns:
        incident, why, detail; one row an incident, with the first reason in the order of `WHY`.
    """
    facts = graded.set_index("incident")[["start", "end", "severity"]]
    rows = [(one["incident"], "expected", one["why"]) for one in expected.to_dict("records")]
    for one in contexts.to_dict("records"):
        start, end, severity = facts.loc[one["incident"]]
        if one["kind"] in _HELD and one["start"] <= start and end <= one["end"] + step:
            rows.append((one["incident"], _HELD[one["kind"]], one["name"]))
        if one["kind"] == "deploy" and severity == "low" and start - step <= one["end"] and one["start"] <= start:
            rows.append((one["incident"], "release", one["name"]))
    rows.sort(key=lambda row: WHY.index(row[1]))
    return pd.DataFrame(rows, columns=["incident", "why", "detail"]).drop_duplicates("incident", ignore_index=True)


def table(
    edge: Mapping[str, Anomalies],
    alerts: Mapping[str, Anomalies],
    held: pd.DataFrame,
    incidents: Incidents,
    catalogue: Catalogue,
    histories: Mapping[str, pd.DataFrame],
    holidays: pd.Series,
    *,
    since: pd.Timestamp,
    step: pd.Timedelta,
) -> pd.DataFrame:
    """One row a run or incident that did not alert, by reason and the newest first; `start` is its first moment.

    Args:
        edge: Signal → scores under its policy, with the threshold at the band's edge.
        alerts: The same under the budget.
        held: Of `of_incidents`.
        incidents: All.
        catalogue: Titles, civil time.
        histories: What was read.
        holidays: Civil day → name.
        since: What ended before is left out.
        step: Of the histories.
    """
    facts = incidents.frame.set_index("incident")
    rows: list[tuple[object, ...]] = []
    for one in held.to_dict("records"):
        what = facts.loc[one["incident"]]
        signal = catalogue.signal(what["signal"])
        where = where_of(signal, what["unique_id"])
        direction = _words(what.to_dict(), signal.unit)
        rows.append((signal.name, where, what["start"] - step, what["end"], direction, one["why"], one["detail"]))
    rows += _holidays(catalogue, histories, holidays, step)
    for name, own in edge.items():
        outside = (own.frame["score"] > 1).to_numpy()
        odd = own.frame["is_anomaly"].to_numpy(dtype=bool)
        kept = alerts[name].frame["is_anomaly"].to_numpy(dtype=bool)
        signal = catalogue.signal(name)
        rows += _runs(own.frame, signal, odd & ~kept, beside=kept, why="budget", since=since, step=step)
        rows += _runs(own.frame, signal, outside & ~odd, beside=odd, why="policy", since=since, step=step)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found["start"], found["end"] = (pd.to_datetime(found[name], utc=True) for name in ("start", "end"))
    order = found.assign(place=found["why"].map(WHY.index), back=-found["end"].astype("int64"))
    return order.sort_values(["place", "back", "signal"], kind="stable")[list(COLUMNS)].reset_index(drop=True)


def _runs(
    whole: pd.DataFrame,
    signal: Signal,
    chosen: Bools,
    *,
    beside: Bools,
    why: str,
    since: pd.Timestamp,
    step: pd.Timedelta,
) -> Iterator[tuple[object, ...]]:
    """The runs of chosen rows in the weeks; one that touches a row beside belongs to that and is no run of its own."""
    recent = (whole["ds"] > since).to_numpy()
    rows, chosen, beside = whole[recent], chosen[recent], beside[recent]
    codes = pd.factorize(rows["unique_id"])[0]
    both = chosen | beside
    begins = both & np.concatenate([[True], ~both[:-1] | (codes[1:] != codes[:-1])])[: len(both)]
    run = np.cumsum(begins)
    touched = np.unique(run[beside])
    alone = chosen & ~np.isin(run, touched)
    if not alone.any():
        return
    for one in records(intervals(rows.assign(is_anomaly=alone))):
        detail = "return to normal" if one["kind"] == "return" else _policy_words(one, why)
        where = where_of(signal, str(one["unique_id"]))
        yield (
            signal.name,
            where,
            pd.Timestamp(str(one["start"])) - step,
            one["end"],
            _words(one, signal.unit),
            why,
            detail,
        )


def _policy_words(one: Mapping[str, object], why: str) -> str:
    return f"score {float(str(one['score'])):.1f}" + ("" if why == "policy" else ", under the threshold")


def _words(one: Mapping[str, object], unit: str) -> str:
    seen, expected = float(str(one["seen"])), float(str(one["expected"]))
    if np.isnan(seen):
        return "no value"
    return f"{value_text(seen, unit)}, expected {value_text(rounded(expected, beside=seen), unit)}"


def _holidays(
    catalogue: Catalogue, histories: Mapping[str, pd.DataFrame], holidays: pd.Series, step: pd.Timedelta
) -> Iterator[tuple[object, ...]]:
    """Counts that were much lower on a holiday than on the same weekday of the four weeks before."""
    tz = catalogue.calendar.timezone
    counted = [name for name in histories if catalogue.signal(name).kind == "count" and not catalogue.signal(name).by]
    for day, name in holidays.items():
        start = from_civil(pd.Timestamp(str(day)), tz=tz)
        quietest: tuple[float, str] = (_QUIET, "")
        for signal in counted:
            if catalogue.signal(signal).bad == "up":
                continue
            rows = histories[signal]
            sums = [_sum(rows, start - k * WEEK, step) for k in range(5)]
            usual = np.array([one for one in sums[1:] if not np.isnan(one)])
            change = sums[0] / usual.mean() - 1 if len(usual) and usual.mean() > 0 else np.nan
            quietest = min(quietest, (change, signal)) if change < quietest[0] else quietest
        if quietest[1]:
            said = f"{change_text(quietest[0])} against the same weekday of the weeks before"
            yield quietest[1], "", start.tz_convert("UTC"), (start + DAY).tz_convert("UTC"), said, "holiday", str(name)


def _sum(rows: pd.DataFrame, start: pd.Timestamp, step: pd.Timedelta) -> float:
    """The sum of a civil day; NaN where more than a tenth of it is missing."""
    own = rows.loc[(rows["ds"] > start) & (rows["ds"] <= start + DAY), "y"]
    return float(own.sum()) if own.notna().sum() >= 0.9 * (DAY / step) else float("nan")
