"""What was unusual in the past weeks: incidents of the stack, what was held back and why, how good that is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.change import NO_CHANGES, Changes
from tutordex_analysis.civil import from_civil
from tutordex_analysis.errors import NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model.anomaly import Anomalies, within
from tutordex_analysis.model.calendar import holidays_of
from tutordex_analysis.model.incidents import COLUMNS, Incidents, together
from tutordex_analysis.question import anomaly_findings, finding, severity, substitute, suppression, verdict
from tutordex_analysis.question.anomaly_health import Health, health, this_week
from tutordex_analysis.question.capacity import Reads
from tutordex_analysis.question.context import attach
from tutordex_analysis.question.resource import newest
from tutordex_analysis.question.watch import policy_of
from tutordex_analysis.question.watching import scored
from tutordex_analysis.verdicts_file import Verdict

WEEKS = 8
ALERTS_PER_WEEK = 2.0
RANK = {"high": 0, "medium": 1, "low": 2}
_BELOW = float(np.nextafter(1.0, 0.0))  # a score inside the band


@dataclass(frozen=True, kw_only=True, eq=False)
class Unusual:
    """What the page of anomalies says.

    Attributes:
        at: The newest instant with a sample, UTC.
        since: Where the weeks that are told begin: a civil Monday, UTC.
        step: What an instant covers: a value at t is that of (t - step, t].
        scored: Signal → its series over the whole history, under its policy and the budget.
        glance: ds, score: the worst score of all series at each instant of these weeks, on the sides that matter; NaN
            where nothing could be judged.
        incidents: Those that alert, the worst first: the columns of `Incidents.frame`, and effect, severity, verdict,
            note, first_area (of the member that began first), sentence.
        members: Of every incident, also of those that were held back.
        contexts: What else was going on, of every incident; see `context.attach`.
        suppressed: One row a run or incident that was unusual and did not alert: signal, where, start, end, what, why
            (one of `suppression.WHY`), detail.
        health: How the detectors do.
        week: One row a series of the last seven days against its band; see `anomaly_health.this_week`.
        findings: One sentence an incident of the last seven days, and what cannot be judged; columns of `Finding`.
        holidays: Civil day → name, of these weeks.
        notes: What could not be read, one sentence each.
    """

    at: pd.Timestamp
    since: pd.Timestamp
    step: pd.Timedelta
    scored: Mapping[str, Anomalies]
    glance: pd.DataFrame
    incidents: pd.DataFrame
    members: pd.DataFrame
    contexts: pd.DataFrame
    suppressed: pd.DataFrame
    health: Health
    week: pd.DataFrame
    findings: pd.DataFrame
    holidays: pd.Series
    notes: tuple[str, ...] = ()

    @property
    def window(self) -> TimeRange:
        """What was looked at: from the first sample of any signal to the newest."""
        first = min(one.frame.loc[one.frame["y"].notna(), "ds"].min() for one in self.scored.values())
        return TimeRange(first, self.at + self.step, self.step)

    @property
    def digest(self) -> str:
        """Twelve hex digits of all that was read."""
        each = "".join(frames.digest(one.frame[list(frames.COLUMNS)]) for one in self.scored.values())
        return hashlib.sha256(each.encode()).hexdigest()[:12]


def gather(source: Reads, catalogue: Catalogue, time_range: TimeRange) -> dict[str, pd.DataFrame]:
    """Histories of every watched signal, by name; empty frames where nothing is held.

    Args:
        source: Where they are read.
        catalogue: Which there are, and which of them are watched.
        time_range: Their grid.

    Raises:
        NotEnoughData: Nothing is watched, or not one signal has a sample in the range.
        SourceError: The source failed; what could not be read is not the same as what is not there.
    """
    histories: dict[str, pd.DataFrame] = {}
    refused = ""
    for name, signal in catalogue.signals.items():
        if policy_of(signal) is None or signal.events is not None:
            continue
        try:
            histories[name] = source.read(name, time_range)
        except NotHeld as error:
            refused = refused or str(error)
            histories[name] = frames.empty(signal.by)
    if not histories:
        raise NotEnoughData("no signal of the catalogue is watched; give one a watch: (docs/anomalies.md)")
    if all(history["y"].isna().all() for history in histories.values()):
        why = f"; the first answer was: {refused}" if refused else ""
        raise NotEnoughData(f"none of the {len(histories)} watched signals has a value from {time_range}{why}")
    return histories


def unusual(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    *,
    masks: Masks = NO_MASKS,
    changes: Changes = NO_CHANGES,
    verdicts: Iterable[Verdict] = (),
    alerts_per_week: float = ALERTS_PER_WEEK,
    weeks: int = WEEKS,
) -> Unusual:
    """Incidents of the past weeks, each cause once, and what of them need not alert.

    Args:
        histories: Frames by signal name, all at one step; what comes before the weeks is what detectors warm up on.
        catalogue: Policies, areas, limits, civil time.
        masks: Alerts that fired, silences and incidents told by hand. A silence, or an entry of the incidents file,
            that holds all of an incident keeps it from alerting; an alert that fired is told beside it.
        changes: Releases and restarts; an incident of low severity that begins with a release does not alert.
        verdicts: What people said of incidents; what was expected does not alert.
        alerts_per_week: Alerts that are wanted in a week over all signals together.
        weeks: Civil weeks that are told, the newest included.

    Raises:
        NotEnoughData: Not one history has two values.
    """
    marks = tuple(verdicts)
    edge = scored(histories, catalogue)
    if not edge:
        raise NotEnoughData(f"not one of {len(histories)} watched signals has two values; read a longer range")
    alerts = within(edge, alerts_per_week=alerts_per_week)
    step = frames.step_of(next(iter(edge.values())).frame)
    at, tz = newest(histories.values()), catalogue.calendar.timezone
    if pd.isna(at):
        raise NotEnoughData(f"none of {len(edge)} watched signals has a value; read a longer range")
    since = _monday(at - step / 2, tz, weeks)
    grouped = together(_members(alerts, catalogue, since), height=catalogue.heights, step=step, newest=at)
    contexts = attach(grouped, catalogue=catalogue, masks=masks, changes=changes)
    found = _graded(grouped, catalogue, histories, marks)
    held = suppression.of_incidents(found, contexts, verdict.suppressed(grouped, marks), step=step)
    shown = found[~found["incident"].isin(held["incident"])]
    told = [
        anomaly_findings.sentence(row, grouped.members, contexts, alerts, catalogue, step=step)
        for row in frames.records(shown)
    ]
    shown = _ranked(shown.assign(sentence=pd.Series(told, index=shown.index, dtype=object)))
    named = _holidays(catalogue, since, at)
    condition = health(
        alerts, found, shown, catalogue, histories, alerts_per_week=alerts_per_week, since=since, at=at, step=step
    )
    return Unusual(
        at=at,
        since=since,
        step=step,
        scored=alerts,
        glance=_glance(edge, since),
        incidents=shown,
        members=grouped.members,
        contexts=contexts,
        suppressed=suppression.table(edge, alerts, held, grouped, catalogue, histories, named, since=since, step=step),
        health=condition,
        week=this_week(alerts, catalogue, at=at),
        findings=finding.joined(
            anomaly_findings.findings(shown, condition, catalogue, at=at, notes=(*masks.notes, *changes.notes)),
            finding.table(substitute.findings(histories, catalogue, question=anomaly_findings.QUESTION)),
        ),
        holidays=named,
        notes=(*masks.notes, *changes.notes),
    )


def _members(scored: Mapping[str, Anomalies], catalogue: Catalogue, since: pd.Timestamp) -> pd.DataFrame:
    """The runs of all signals that lie in the weeks, with signal and area."""
    tables = [
        one.incidents.assign(
            unique_id=one.incidents["unique_id"].astype(str),
            kind=one.incidents["kind"].astype(str),
            signal=name,
            area=catalogue.signal(name).area,
        )
        for name, one in scored.items()
    ]
    filled = [one for one in tables if len(one)]
    if not filled:
        return tables[0][[*COLUMNS, "signal", "area"]]
    runs = pd.concat(filled, ignore_index=True)
    return runs[runs["end"] > since].reset_index(drop=True)


def _graded(
    grouped: Incidents, catalogue: Catalogue, histories: Mapping[str, pd.DataFrame], marks: tuple[Verdict, ...]
) -> pd.DataFrame:
    """The incidents with how bad they are and what was said of them."""
    levels = {(name, series): level for name, one in histories.items() for series, level in severity.usual(one).items()}
    graded = severity.graded(grouped, catalogue=catalogue, levels=levels)
    judged = verdict.judged(grouped, marks)
    members = {name: frames.records(own) for name, own in grouped.members.groupby("incident")}
    first = [str(anomaly_findings.first_of(members[name])["area"]) for name in graded["incident"]]
    graded = graded.assign(first_area=pd.Series(first, index=graded.index, dtype=object))
    return graded.merge(judged[["incident", "verdict", "note"]], on="incident", how="left")


def _ranked(shown: pd.DataFrame) -> pd.DataFrame:
    """The worst first, of equals the newest; what turned out to be false comes last."""
    order: pd.DataFrame = shown.assign(
        wrong=shown["verdict"] == "false", rank=shown["severity"].map(RANK), back=-shown["end"].astype("int64")
    ).sort_values(["wrong", "rank", "back"], kind="stable")
    return order.drop(columns=["wrong", "rank", "back"]).reset_index(drop=True)


def _glance(edge: Mapping[str, Anomalies], since: pd.Timestamp) -> pd.DataFrame:
    """The worst score of an instant; outside its band only where the policy cares, without a bound where data lack."""
    parts = []
    for one in edge.values():
        rows = one.frame[one.frame["ds"] > since]
        score, odd = rows["score"].to_numpy(dtype=np.float64), rows["is_anomaly"].to_numpy(dtype=bool)
        told = np.where(odd, np.where(np.isnan(score), np.inf, score), np.minimum(score, _BELOW))
        parts.append(pd.DataFrame({"ds": rows["ds"].to_numpy("datetime64[ns]"), "score": told}))
    worst = pd.concat(parts).groupby("ds")["score"].max()
    return pd.DataFrame({"ds": pd.DatetimeIndex(worst.index).tz_localize("UTC"), "score": worst.to_numpy()})


def _monday(moment: pd.Timestamp, tz: str, weeks: int) -> pd.Timestamp:
    """The civil Monday on which the weeks that end now began, UTC."""
    day = moment.tz_convert(tz).tz_localize(None).normalize()
    first = day - pd.Timedelta(days=day.day_of_week + 7 * (weeks - 1))
    return from_civil(first, tz=tz).tz_convert("UTC")


def _holidays(catalogue: Catalogue, since: pd.Timestamp, at: pd.Timestamp) -> pd.Series:
    """Public holidays of the weeks by civil day; none where the catalogue names no country."""
    civil = catalogue.calendar
    if civil.country is None:
        return pd.Series(dtype=object, index=pd.DatetimeIndex([]))
    first, last = (one.tz_convert(civil.timezone).tz_localize(None).normalize() for one in (since, at))
    named = holidays_of(civil.country, first_year=first.year, last_year=last.year)
    return named[(named.index >= first) & (named.index <= last)]
