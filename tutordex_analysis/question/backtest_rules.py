"""What alert rules would have been worth: how often they fire, in which incidents, how soon, how often for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd

from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.frame import TimeRange, records
from tutordex_analysis.mask import Mask, Window, union
from tutordex_analysis.measure import number_text
from tutordex_analysis.model.alert_state import firing
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question import finding
from tutordex_analysis.source.replay_rules import Replay

ALL = "all alerts"
SCORE = "tutordex_anomaly_score"  # as published
Concerns: TypeAlias = Callable[[Mask, tuple[str, ...]], bool]
_WEEK, _HOUR = pd.Timedelta("7D"), pd.Timedelta("1h")
_SUFFIXES = ("_sum", "_count", "_bucket")
_UTC = "datetime64[ms, UTC]"


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleBacktest:
    """Sets of rules beside each other, over one stretch of history.

    Attributes:
        range: The stretch, and the interval of evaluation.
        alerts: One row an alert and set of rules, and one for all together: rules, alert, severity, fired (times; what
            fires again within half an hour counts once), found (incidents), known (incidents there were), delay
            (Timedelta from the start of an incident to the first firing in it, the median; negative is before), false
            (times outside every incident; NaN where none is known), false_a_week, hours (firing, of any label set),
            problem ("" where it could be replayed). An alert that fires by design is in no sum.
        firings: One row an alert with one label set: rules, alert, labels, start, end (half-open).
        incidents: One row an incident and set of rules: rules, start, end, reason, found, first (alert), delay.
        remarks: Sentences on what the numbers cannot say.
        definitions: By alert, the digest of what it fires on (`rule_definition`); {} where nobody noted it.
        learned: Alerts that were replayed with limits learned walk-forward, most of the time at least.
    """

    range: TimeRange
    alerts: pd.DataFrame
    firings: pd.DataFrame
    incidents: pd.DataFrame
    remarks: tuple[str, ...]
    definitions: Mapping[str, str] = field(default_factory=dict)
    learned: tuple[str, ...] = ()

    @property
    def findings(self) -> pd.DataFrame:
        """One sentence for each set of rules: incidents found, false alarms a week."""
        every = self.alerts[self.alerts["alert"] == ALL]
        return finding.table(_finding(row) for row in records(every) if row["known"])


def backtest(
    replays: Mapping[str, Replay],
    incidents: Iterable[Mask] = (),
    *,
    concerns: Concerns = lambda mask, metrics: True,
    before: Span = "30m",
    grace: Span = "2h",
    aftermath: Span = "2h",
    apart: Span = "30m",
) -> RuleBacktest:
    """Judges what was replayed.

    An alert found an incident when it began to fire from `before` its start to `grace` after its end, and concerns it.

    Args:
        replays: By name of the set of rules, such as old and new; all of one range.
        incidents: What is known to have happened.
        concerns: Whether an alert that reads these metrics can tell of an incident; see `by_signals`.
        before: How much earlier an alert may be.
        grace: How much later.
        aftermath: How long after an incident no firing counts as false.
        apart: Firings of an alert within it count once.
    """
    range_ = next(iter(replays.values())).range
    known = [one for one in incidents if one.start < range_.end and one.end > range_.start]
    spans = (duration(one) for one in (before, grace, aftermath, apart))
    judge = _Judge(range_, known, concerns, *spans)
    alerts, firings, found, remarks = [], [], [], []
    for name, one in replays.items():
        fired = _firings(one)
        table, each = judge.alerts(one, fired), judge.incidents(one, fired)
        alerts.append(pd.concat([table, judge.total(one, fired, each)], ignore_index=True).assign(rules=name))
        firings.append(fired.assign(rules=name))
        found.append(each.assign(rules=name))
        bad = one.rules.loc[one.rules["problem"] != "", "alert"]
        if len(bad):
            remarks.append(f"{name}: {', '.join(bad)} could not be replayed; see problem")
    if not known:
        remarks.append("no incident is known in this time, so whether a firing was right cannot be told")
    return RuleBacktest(
        range=range_,
        alerts=_first(pd.concat(alerts, ignore_index=True)),
        firings=_first(pd.concat(firings, ignore_index=True)),
        incidents=_first(pd.concat(found, ignore_index=True)),
        remarks=tuple(remarks),
    )


def by_signals(catalogue: Catalogue) -> Concerns:
    """An alert concerns an incident that names signals when it reads a metric of one of them; any other one too.

    Scores are of many signals, so an alert that reads them concerns every incident.
    """

    def concerns(mask: Mask, metrics: tuple[str, ...]) -> bool:
        wanted = {name for signal in mask.signals for name in _metrics_of(catalogue, signal)}
        return not wanted or bool({plain(one) for one in metrics} & {*wanted, SCORE})

    return concerns


def beside(result: RuleBacktest) -> pd.DataFrame:
    """One row an alert, the sets of rules side by side in the columns "old fired", "new fired" and so on."""
    table = result.alerts.assign(minutes=result.alerts["delay"].dt.total_seconds() / 60)
    names = list(dict.fromkeys(table["rules"]))
    order = [one for one in dict.fromkeys(table["alert"]) if one != ALL]
    wide = pd.DataFrame({"alert": [*order, ALL]})
    for name in names:
        own = table[table["rules"] == name].drop_duplicates("alert").set_index("alert").reindex(wide["alert"])
        for column in ("fired", "found", "minutes", "false_a_week", "hours"):
            wide[f"{name} {column}" if len(names) > 1 else column] = own[column].to_numpy()
    return wide


@dataclass(frozen=True)
class _Judge:
    range: TimeRange
    known: Sequence[Mask]
    concerns: Concerns
    before: pd.Timedelta
    grace: pd.Timedelta
    aftermath: pd.Timedelta
    apart: pd.Timedelta

    def alerts(self, one: Replay, fired: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for rule in records(one.rules):
            metrics = _names(rule["metrics"])
            own = fired[fired["rule"] == rule["rule"]]
            hits = [self.delay(mask, own, metrics) for mask in self.known]
            row = self.row(
                [start for start, _ in _together(own, self.apart)], [hit for hit in hits if hit is not None], own
            )
            false = {} if metrics else {"false": float("nan"), "false_a_week": float("nan")}
            rows.append({**{name: rule[name] for name in ("alert", "severity", "problem")}, **row, **false})
        return pd.DataFrame(rows, columns=["alert", "severity", *_ROW, "problem"]).pipe(_typed)

    def total(self, one: Replay, fired: pd.DataFrame, each: pd.DataFrame) -> pd.DataFrame:
        counted = one.rules.loc[one.rules["metrics"].map(len) > 0, "rule"]
        own = fired[fired["rule"].isin(counted)]
        starts = pd.DataFrame(
            [start for _, mine in own.groupby("rule") for start in _together(mine, self.apart)],
            columns=["start", "end"],
        )
        row = self.row(_first_of(starts["start"], self.apart), list(each["delay"].dropna()), own)
        return pd.DataFrame([{"alert": ALL, "severity": "", **row, "problem": ""}]).pipe(_typed)

    def row(self, starts: Sequence[pd.Timestamp], hits: Sequence[pd.Timedelta], own: pd.DataFrame) -> dict[str, object]:
        false = sum(not self.excused(start) for start in starts) if self.known else float("nan")
        return {
            "fired": len(starts),
            "found": len(hits),
            "known": len(self.known),
            "delay": pd.Series(hits, dtype="timedelta64[ns]").median() if hits else pd.NaT,
            "false": float(false),
            "false_a_week": false / self.weeks if self.weeks else float("nan"),
            "hours": sum(((b - a) / _HOUR for a, b in union(_windows(own))), 0.0),
        }

    def incidents(self, one: Replay, fired: pd.DataFrame) -> pd.DataFrame:
        """One row an incident: the first alert that found it."""
        counted = [(str(rule["alert"]), _names(rule["metrics"]), rule["rule"]) for rule in records(one.rules)]
        rows = []
        for mask in self.known:
            hits = [
                (delay, alert)
                for alert, metrics, number in counted
                if metrics and (delay := self.delay(mask, fired[fired["rule"] == number], metrics)) is not None
            ]
            row: dict[str, object] = {"start": mask.start, "end": mask.end, "reason": mask.reason}
            soonest = min(hits, default=None)
            row |= {"found": bool(hits), "first": soonest[1] if soonest else ""}
            rows.append({**row, "delay": soonest[0] if soonest else pd.NaT})
        table = pd.DataFrame(rows, columns=["start", "end", "reason", "found", "first", "delay"])
        table = table.astype({"start": _UTC, "end": _UTC, "found": "bool"})
        return table.assign(delay=pd.to_timedelta(list(table["delay"])))

    def delay(self, mask: Mask, own: pd.DataFrame, metrics: tuple[str, ...]) -> pd.Timedelta | None:
        """From the start of an incident to the first firing of one alert that belongs to it."""
        inside = own["start"].between(mask.start - self.before, mask.end + self.grace)
        if not inside.any() or not self.concerns(mask, metrics):
            return None
        return pd.Timedelta(own.loc[inside, "start"].min() - mask.start)

    def excused(self, start: pd.Timestamp) -> bool:
        return any(one.start - self.before <= start <= one.end + self.aftermath for one in self.known)

    @property
    def weeks(self) -> float:
        """Of the range, without what lies in or around incidents."""
        first, last = self.range.start, self.range.end
        around = [(max(one.start - self.before, first), min(one.end + self.aftermath, last)) for one in self.known]
        return float((last - first - sum((b - a for a, b in union(around)), pd.Timedelta(0))) / _WEEK)


_ROW = ("fired", "found", "known", "delay", "false", "false_a_week", "hours")


def _finding(row: Mapping[str, object]) -> finding.Finding:
    found, known, false = (float(str(row[name])) for name in ("found", "known", "false_a_week"))
    sentence = (
        f"The {row['rules']} rules would have found {found:.0f} of {known:.0f} known incidents with "
        f"{number_text(false)} false alarms a week."
    )
    return finding.Finding(
        question="alert_rules",
        signal="",
        where=str(row["rules"]),
        kind="did_it_work",
        sentence=sentence,
        effect=found / known,
        unit="ratio",
    )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    types = {"false": "float64", "false_a_week": "float64", "hours": "float64"}
    return table.assign(delay=pd.to_timedelta(list(table["delay"]))).astype(types)


def _names(metrics: object) -> tuple[str, ...]:
    return tuple(map(str, metrics)) if isinstance(metrics, (tuple, list)) else ()


def _firings(one: Replay) -> pd.DataFrame:
    """Of every rule that could be replayed, inside the range; what fires at its start counts from there."""
    step, parts = one.range.step, []
    for number, alert, hold, keep in zip(*(one.rules[name] for name in ("rule", "alert", "hold", "keep")), strict=True):
        fired = firing(one.active[one.active["rule"] == number], step=step, hold=hold, keep=keep)
        fired = fired.assign(end=fired["end"] + step, rule=number, alert=alert)
        parts.append(fired[(fired["end"] > one.range.start) & (fired["start"] < one.range.end)])
    columns = ["rule", "alert", "labels", "start", "end"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table = table.astype({"start": _UTC, "end": _UTC})[columns]
    first, last = one.range.start, one.range.end
    start, end = table["start"], table["end"]
    return table.assign(start=start.where(start >= first, first), end=end.where(end <= last, last))


def _windows(fired: pd.DataFrame) -> list[Window]:
    return list(zip(fired["start"], fired["end"], strict=True))


def _together(fired: pd.DataFrame, apart: pd.Timedelta) -> list[Window]:
    """Stretches in which any label set fires, joined over gaps of at most `apart`."""
    return [(a, b - apart) for a, b in union((a, b + apart) for a, b in _windows(fired))]


def _first_of(starts: pd.Series, apart: pd.Timedelta) -> list[pd.Timestamp]:
    """Starts of which none lies within `apart` of the one before it that counts."""
    found: list[pd.Timestamp] = []
    for start in sorted(starts):
        if not found or start - found[-1] > apart:
            found.append(start)
    return found


def _metrics_of(catalogue: Catalogue, signal: str) -> set[str]:
    known = catalogue.signals.get(signal)
    if known is None:
        return set()
    return {plain(name) for part in known.parts for name in promql.metrics(part.at(duration("5m")))} - {"up"}


def plain(metric: str) -> str:
    """A histogram's name without what its parts add to it."""
    return next((metric.removesuffix(end) for end in _SUFFIXES if metric.endswith(end)), metric)


def _first(table: pd.DataFrame) -> pd.DataFrame:
    return table[["rules", *(name for name in table.columns if name != "rules")]]
