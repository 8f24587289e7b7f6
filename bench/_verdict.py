"""What alerts are worth against the truth of a simulated world: incidents found and when, false ones, quiet days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.moment import duration
from tutordex_analysis.question.watch import policy_of
from tutordex_analysis.source.simulator import Incident, Truth

GRACE, AFTERMATH, TOGETHER = duration("2h"), duration("12h"), duration("30m")
# Signals that show a kind beside those that read the metrics which the truth names.
MORE = {
    "llm_down": ("llm_failure_share", "jobs_by_status", "assignments_parsed", "database_persists"),
    "llm_slow": ("llm_seconds", "llm_seconds_p95", "llm_failures", "queue_oldest_pending", "worker_busy", "cpu_used"),
    "database_refuses": (
        *("database_failures", "database_persists", "queue_oldest_pending", "api_error_share", "api_seconds"),
    ),
    "replay": ("worker_busy", "queue_processing", "queue_oldest_pending", "assignments_parsed", "cpu_used"),
    "worker_hung": ("assignments_parsed", "database_persists", "worker_busy"),
}
VOLUME = (  # what a quiet holiday makes small
    *("posts_seen", "posts_seen_by_channel", "posts_stored", "silence", "channel_silence", "jobs_done", "worker_busy"),
    *("assignments_parsed", "assignments_by_channel", "database_persists", "broadcasts_sent", "dms_sent"),
    *("api_requests", "cpu_used"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """One world judged.

    Attributes:
        planted: One row an incident: kind, found, delay (Timedelta from its start to the first alert, NaT without one).
        false: Start and signals of each false incident.
        weeks: Judged weeks in which no incident was planted and no aftermath lay.
        bumps: One truth a version bump: whether it raised nothing.
        holidays: One truth a public holiday that is clear of incidents: whether it raised nothing.
    """

    planted: pd.DataFrame
    false: pd.DataFrame
    weeks: float
    bumps: tuple[bool, ...]
    holidays: tuple[bool, ...]


def judged(
    runs: pd.DataFrame, truth: Truth, catalogue: Catalogue, *, since: pd.Timestamp, until: pd.Timestamp
) -> Verdict:
    """Judges the runs of anomalies that start in a stretch.

    Args:
        runs: unique_id (signal and labels), start, end, direction, kind; one row a run.
        truth: Of the world.
        catalogue: Says which side of a signal is watched; runs on the other count for nothing.
        since: Start of the stretch.
        until: Its end.
    """
    alerts = _alerts(runs[(runs["start"] >= since) & (runs["start"] < until)], catalogue)
    planted = [one for one in truth.incidents if one.is_incident]
    groups = together(alerts)
    excused = np.zeros(len(groups), dtype=bool)
    busy, reached = pd.Timedelta(0), since
    for one in planted:
        end = min(one.end + AFTERMATH, until)
        excused |= ((groups["start"] >= one.start) & (groups["start"] <= end)).to_numpy()
        busy += max(end - max(one.start, reached), pd.Timedelta(0))
        reached = max(reached, end)
    others = [one for one in truth.incidents if not one.is_incident and one.start >= since]
    clear = [one for one in others if all(_apart(one, two) for two in planted)]
    return Verdict(
        planted=pd.DataFrame([_found(one, alerts, catalogue) for one in planted]),
        false=groups[~excused].reset_index(drop=True),
        weeks=(until - since - busy) / pd.Timedelta(weeks=1),
        bumps=tuple(_quiet(one, alerts) for one in clear if one.kind == "version_bump"),
        holidays=tuple(
            _quiet(one, alerts[alerts["signal"].isin(VOLUME)]) for one in clear if one.kind == "quiet_holiday"
        ),
    )


def together(alerts: pd.DataFrame) -> pd.DataFrame:
    """Alerts that start within half an hour of the first of them as one row: start, and signals as text."""
    rows: list[tuple[pd.Timestamp, list[str]]] = []
    for start, name in alerts.sort_values(["start", "unique_id"])[["start", "unique_id"]].itertuples(index=False):
        if rows and start - rows[-1][0] <= TOGETHER:
            rows[-1][1].append(str(name))
        else:
            rows.append((start, [str(name)]))
    table = {
        "start": pd.DatetimeIndex([start for start, _ in rows], tz="UTC"),
        "signals": [", ".join(names) for _, names in rows],
    }
    return pd.DataFrame(table)


def shows(incident: Incident, catalogue: Catalogue) -> set[str]:
    """Names of the signals that show an incident."""
    wanted = set(incident.affected)
    found = {name for name, signal in catalogue.signals.items() if wanted & metrics(signal)}
    return found | set(MORE.get(incident.kind, ()))


def metrics(signal: Signal) -> set[str]:
    """Metric names that a signal is made of, histograms without suffix; the guard `up` is none of them."""
    guard = promql.metrics(str(signal.up)) if signal.up else frozenset()
    names = {name for part in signal.parts for name in promql.metrics(part.at(duration("5m")))} - set(guard)
    return names | {name.removesuffix(suffix) for name in names for suffix in ("_sum", "_count", "_bucket")}


def _alerts(runs: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Runs with their signal and channel, without those that go the way that nobody watches."""
    names = runs["unique_id"].astype(str)
    channel = names.str.extract('channel="([^"]*)"', expand=False).fillna("")
    table = runs.assign(signal=names.str.replace(r"\{.*", "", regex=True), channel=channel)
    side = table["signal"].map(lambda name: _side(catalogue.signal(name)))
    stands_still = table["kind"].isin(["flat", "silence", "missing"])
    return table[stands_still | (side == "both") | (side == table["direction"].astype(str))]


def _side(signal: Signal) -> str:
    """The side on which a signal is watched, else that on which it is bad."""
    policy = policy_of(signal)
    return signal.bad if policy is None else policy.direction


def _found(incident: Incident, alerts: pd.DataFrame, catalogue: Catalogue) -> dict[str, object]:
    within = alerts[(alerts["start"] >= incident.start) & (alerts["start"] <= incident.end + GRACE)]
    within = within[within["signal"].isin(shows(incident, catalogue))]
    if incident.channel:
        within = within[within["channel"].isin(["", incident.channel])]
    delay = within["start"].min() - incident.start if len(within) else pd.NaT
    return {"kind": incident.kind, "found": bool(len(within)), "delay": delay}


def _apart(one: Incident, two: Incident) -> bool:
    return one.start >= two.end + AFTERMATH or one.end + GRACE <= two.start


def _quiet(one: Incident, alerts: pd.DataFrame) -> bool:
    end = one.end + GRACE if one.kind == "version_bump" else one.end
    return not ((alerts["start"] >= one.start) & (alerts["start"] <= end)).any()


def by_kind(verdicts: Mapping[str, Iterable[Verdict]]) -> pd.DataFrame:
    """The share found of each kind, one row a method."""
    each = {name: pd.concat([one.planted for one in those]) for name, those in verdicts.items()}
    return pd.DataFrame({name: one.groupby("kind")["found"].mean() for name, one in each.items()}).T


def table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a kind: planted, found, share, and the median and the 90 % quantile of the delay in minutes."""
    planted = pd.concat([one.planted for one in verdicts], ignore_index=True)
    planted["minutes"] = pd.to_timedelta(planted["delay"]).dt.total_seconds() / 60
    each = planted.groupby("kind", sort=True)
    return pd.DataFrame(
        {
            "planted": each.size(),
            "found": each["found"].sum(),
            "share": each["found"].mean(),
            "median": each["minutes"].median(),
            "q90": each["minutes"].quantile(0.9),
        }
    )
