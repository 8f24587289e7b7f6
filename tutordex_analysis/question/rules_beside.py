"""Old rules beside new on one history: the answer in a sentence, one row an alert and an incident, and as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tutordex_analysis.errors import AnalysisError, FrameError
from tutordex_analysis.frame import TimeRange, records
from tutordex_analysis.measure import number_text
from tutordex_analysis.moment import duration_text
from tutordex_analysis.question.alert_load import QUESTION
from tutordex_analysis.question.backtest_rules import ALL, RuleBacktest
from tutordex_analysis.question.finding import Finding

SETS = ("old", "human", "learnt")  # the rules that were in force; ours with human limits; with learnt ones
SAID = {"old": "the old rules", "human": "ours with human limits", "learnt": "ours with learned limits"}
_VERSION = 1
_WEEK = pd.Timedelta(days=7)
_TIMES = ("start", "end")
_ALERTS = (
    "rules",
    "alert",
    "severity",
    "fired",
    "found",
    "known",
    "delay",
    "false",
    "false_a_week",
    "hours",
    "problem",
)
_INCIDENTS = ("rules", "start", "end", "reason", "found", "first", "delay")


def limits(found: pd.DataFrame, moments: pd.DatetimeIndex) -> dict[str, pd.DataFrame]:
    """Limits of a walk as a replay takes them: NaN at each moment at which the human one was in force.

    Args:
        found: alert, labels (a dict), ds, value, as `threshold_walk.over` gives them.
        moments: Those that were asked for, rising.

    Returns:
        By alert: ds, value, and a column a label.
    """
    keys = found["labels"].map(lambda one: json.dumps(one, sort_keys=True))
    made: dict[str, list[pd.DataFrame]] = {}
    for (alert, key), rows in found.assign(key=keys).groupby(["alert", "key"], sort=True):
        value = rows.drop_duplicates("ds").set_index("ds")["value"].reindex(moments)
        own = pd.DataFrame({"ds": moments, "value": value.to_numpy()}).assign(**json.loads(str(key)))
        made.setdefault(str(alert), []).append(own)
    return {alert: pd.concat(parts, ignore_index=True) for alert, parts in made.items()}


def sentence(result: RuleBacktest) -> str:
    """What each set of rules would have been worth, in one sentence."""
    rows = {str(row["rules"]): row for row in records(result.alerts[result.alerts["alert"] == ALL])}
    known = max((int(str(row["known"])) for row in rows.values()), default=0)
    weeks = number_text((result.range.end - result.range.start) / _WEEK)
    if not known:
        each = [
            f"{_named(name)} {'' if i else 'would have fired '}{row['fired']}{'' if i else ' times'}"
            for i, (name, row) in enumerate(rows.items())
        ]
        return f"In {weeks} weeks {', '.join(each)}; no incident is known, so which were right cannot be told."
    best = [name for name in reversed(SETS) if name in rows and name != "old"][:1]
    said = [
        f"{_named(name)} {'would have found' if i == 0 else ''} {rows[name]['found']}"
        f"{f' of {known} known incidents' if i == 0 else ''} with {_false(rows[name])}".replace("  ", " ")
        for i, name in enumerate([*best, *(["old"] if "old" in rows else [])] or list(rows))
    ]
    return f"In {weeks} weeks {', '.join(said)}."


def finding_of(result: RuleBacktest) -> Finding:
    """The answer, for the overview; its effect is the share of known incidents that ours found."""
    rows = {str(row["rules"]): row for row in records(result.alerts[result.alerts["alert"] == ALL])}
    best = next((rows[name] for name in reversed(SETS) if name in rows), None)
    found, known = (0, 0) if best is None else (int(str(best["found"])), int(str(best["known"])))
    share = found / known if known else float("nan")
    return Finding(
        question=QUESTION,
        signal="",
        kind="did_it_work",
        sentence=sentence(result),
        effect=share,
        unit="ratio",
        priority=15.0,
    )


def alerts(result: RuleBacktest) -> pd.DataFrame:
    """One row an alert, the one that all sets together fired most first, all alerts last.

    Returns:
        Columns alert, problem, and for each set of rules `fired_old`, `found_old`, `minutes_old`, `false_old` (a week)
        and so on; NaN where a set has no such alert or it could not be replayed.
    """
    table = result.alerts.assign(minutes=result.alerts["delay"].dt.total_seconds() / 60)
    names = list(dict.fromkeys(table["alert"]))
    wide = pd.DataFrame({"alert": names})
    for name in _sets(result):
        own = table[table["rules"] == name].drop_duplicates("alert").set_index("alert").reindex(names)
        able = own["problem"].eq("").to_numpy()
        for short, column in (
            ("fired", "fired"),
            ("found", "found"),
            ("minutes", "minutes"),
            ("false", "false_a_week"),
        ):
            wide[f"{short}_{name}"] = np.where(able, own[column].to_numpy(dtype=np.float64), np.nan)
    problems = table[table["problem"] != ""].drop_duplicates("alert").set_index("alert")["problem"]
    wide["problem"] = [str(problems.get(name, "")) for name in names]
    fired = wide[[f"fired_{name}" for name in _sets(result)]]
    order = pd.DataFrame(
        {"last": wide["alert"] == ALL, "fired": -fired.sum(axis=1).to_numpy(), "alert": wide["alert"]}
    ).sort_values(["last", "fired", "alert"])
    return wide.loc[order.index].reset_index(drop=True)


def incidents(result: RuleBacktest) -> pd.DataFrame:
    """One row a known incident: start, end, reason, and for each set `first_old` (alert) and `minutes_old`."""
    table = result.incidents.assign(minutes=result.incidents["delay"].dt.total_seconds() / 60)
    keys = ["start", "end", "reason"]
    wide = table[keys].drop_duplicates().sort_values(keys).reset_index(drop=True)
    for name in _sets(result):
        own = table[table["rules"] == name].rename(columns={"first": f"first_{name}", "minutes": f"minutes_{name}"})
        wide = wide.merge(own[[*keys, f"first_{name}", f"minutes_{name}"]].drop_duplicates(keys), on=keys, how="left")
    return wide


def text(result: RuleBacktest) -> str:
    """The result as a file: the same for the same result. Single firings are left out."""
    document = {
        "version": _VERSION,
        "start": f"{result.range.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{result.range.end:%Y-%m-%dT%H:%M:%SZ}",
        "step": duration_text(result.range.step),
        "remarks": list(result.remarks),
        **({"definitions": dict(sorted(result.definitions.items()))} if result.definitions else {}),
        **({"learned": sorted(result.learned)} if result.learned else {}),
        "alerts": [_written(row) for row in records(result.alerts[[*_ALERTS]])],
        "incidents": [_written(row) for row in records(result.incidents[[*_INCIDENTS]])],
    }
    head = {key: value for key, value in document.items() if key not in ("alerts", "incidents")}
    lines = [json.dumps(head, ensure_ascii=False)[:-1]]
    for key in ("alerts", "incidents"):
        rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in document[key])  # type: ignore[attr-defined]
        lines.append(f', "{key}": [\n{rows}\n]')
    return "".join(lines) + "}\n"


def parsed(content: str) -> RuleBacktest:
    """What `text` wrote, without single firings.

    Raises:
        FrameError: It is something else, or of another version.
    """
    try:
        found: dict[str, Any] = json.loads(content)
        if found["version"] != _VERSION:
            raise FrameError(f"version {found['version']}")
        return RuleBacktest(
            range=TimeRange(found["start"], found["end"], found["step"]),
            alerts=_read(found["alerts"], _ALERTS),
            firings=pd.DataFrame(columns=["rules", "alert", "labels", "start", "end"]),
            incidents=_read(found["incidents"], _INCIDENTS),
            remarks=tuple(map(str, found["remarks"])),
            definitions={str(name): str(one) for name, one in found.get("definitions", {}).items()},
            learned=tuple(map(str, found.get("learned", ()))),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AnalysisError) as error:
        raise FrameError(f"this is no kept backtest: {error}") from error


def _written(row: Mapping[str, object]) -> dict[str, object]:
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: object) -> object:
    """Moments as text, lengths as seconds, no number as null."""
    if value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, pd.Timedelta):
        return value.total_seconds()
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _read(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame([{name: row[name] for name in columns} for row in rows], columns=list(columns))
    table = table.assign(delay=pd.to_timedelta(table["delay"].astype(np.float64), unit="s"))
    for name in _TIMES:
        if name in columns:
            table[name] = pd.to_datetime(table[name], utc=True)
    numbers = {name: np.float64 for name in ("false", "false_a_week", "hours") if name in columns}
    counts = {name: np.int64 for name in ("fired", "known") if name in columns}
    return table.astype({**numbers, **counts})


def _sets(result: RuleBacktest) -> list[str]:
    return list(dict.fromkeys(result.alerts["rules"]))


def _named(name: str) -> str:
    return SAID.get(name, f"the {name} rules")


def _false(row: Mapping[str, object]) -> str:
    return f"{number_text(float(str(row['false_a_week'])))} false alarms a week"
