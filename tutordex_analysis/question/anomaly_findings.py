"""What was unusual, in words: one sentence an incident, the findings of a week, the headline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.frame import records
from tutordex_analysis.measure import day_text, number_text, scale_of, unit_name, value_text
from tutordex_analysis.model.anomaly import Anomalies
from tutordex_analysis.question.anomaly_health import DAY, WEEK, Health, title_of, where_of
from tutordex_analysis.question.finding import Finding, table

QUESTION = "20_anomalies"
PRIORITY = {"high": 80.0, "medium": 50.0, "low": 15.0}
_ONGOING = 15.0  # more priority
_FEW = 5  # judged incidents, below which a precision says nothing
_SURE = (
    (2.5, "far outside what is usual"),
    (1.5, "clearly outside what is usual"),
    (0.0, "just outside what is usual"),
)
_AREAS = {"llm": "LLM", "dm": "direct messages"}
_OF_PARTS = ("deploy", "restart")  # contexts whose sentences begin with an area, not with a name
_MOST_NAMES, _MOST_CONTEXTS = 3, 2
_HOUR = pd.Timedelta("1h")


def findings(
    shown: pd.DataFrame, health: Health, catalogue: Catalogue, *, at: pd.Timestamp, notes: Sequence[str] = ()
) -> pd.DataFrame:
    """One row an incident of the last seven days, what cannot be judged yet, and what could not be read."""
    return table(
        [
            *(_incident(row, health, catalogue) for row in records(_recent(shown, at))),
            *_nothing(_recent(shown, at), health),
            *_lacks(health, catalogue),
            *(Finding(question=QUESTION, signal="", kind="data", sentence=note) for note in notes),
        ]
    )


def headline(shown: pd.DataFrame, health: Health, *, at: pd.Timestamp) -> str:
    """The answer in one sentence.

    Args:
        shown: Incidents that alert, the worst first, with `sentence`.
        health: How the detectors do.
        at: The newest instant.
    """
    if not health.series:
        return "Nothing can be judged yet." + _first_day(health)
    recent = _recent(shown, at)
    if recent.empty:
        return f"Nothing unusual in the last 7 days in {_series(health)}."
    worst = recent.iloc[0]
    if len(recent) == 1:
        return f"One incident in the last 7 days. {worst['sentence']}"
    return f"{len(recent)} incidents in the last 7 days. The worst: {worst['sentence']}"


def scorecard(health: Health) -> tuple[str, ...]:
    """How good the alerts have been, in sentences."""
    whole = int(health.weeks["whole"].sum())
    used = (
        f"{number_text(round(health.used, 1))} alerts a week in {whole} whole weeks" if whole else "No whole week yet"
    )
    said = [f"{used}; {number_text(health.alerts_per_week)} a week are allowed."]
    right, known = health.precision, health.precision.confirmed + health.precision.false
    if known:
        said.append(
            f"{right.confirmed} of {known} incidents that somebody judged were real; {right.unmarked} unmarked."
        )
    else:
        said.append(f"Nobody has said of any of {right.unmarked} incidents whether they were real.")
    return tuple(said)


def sentence(
    row: Mapping[str, object],
    members: pd.DataFrame,
    contexts: pd.DataFrame,
    scored: Mapping[str, Anomalies],
    catalogue: Catalogue,
    *,
    step: pd.Timedelta,
) -> str:
    """One incident: when, what against what, where first, what it cost, what else was going on.

    Args:
        row: Of `Unusual.incidents`.
        members: Of all incidents.
        contexts: Of all incidents.
        scored: Signal → scores, for the band at the peak.
        catalogue: Titles, units, civil time.
        step: What an instant covers.
    """
    own = records(members[members["incident"] == row["incident"]])
    signal = catalogue.signal(str(row["signal"]))
    parts = [
        _what(own[0], signal, scored[signal.name], step=step),
        *_spread(own, catalogue),
        *_cost(own, catalogue),
        _sure(row),
        *_beside(contexts[contexts["incident"] == row["incident"]]),
        *([f"marked as {row['verdict']}"] if row.get("verdict") else []),
    ]
    moment = when(row, catalogue.calendar.timezone, step=step)
    return f"{moment[:1].upper()}{moment[1:]}: {'; '.join(parts)}."


def listing(shown: pd.DataFrame, catalogue: Catalogue, *, step: pd.Timedelta) -> pd.DataFrame:
    """One row an incident, as a table shows it.

    Returns:
        number (from 1), incident, when, severity, title, where, area, seen, expected, unit, signals, verdict.
    """
    rows = [
        {
            "number": i + 1,
            "incident": row["incident"],
            "when": when(row, catalogue.calendar.timezone, step=step),
            "severity": row["severity"],
            "title": catalogue.signal(str(row["signal"])).title,
            "where": where_of(catalogue.signal(str(row["signal"])), str(row["unique_id"])),
            "area": area_name(str(row["area"])),
            "seen": row["seen"],
            "expected": row["expected"],
            "unit": catalogue.signal(str(row["signal"])).unit,
            "signals": row["signals"],
            "verdict": row["verdict"],
        }
        for i, row in enumerate(records(shown))
    ]
    names = ("number", "incident", "when", "severity", "title", "where", "area", "seen", "expected", "unit")
    return pd.DataFrame(rows, columns=[*names, "signals", "verdict"])


def area_name(area: str) -> str:
    """An area as it is said in a sentence."""
    return _AREAS.get(area, area)


def when(row: Mapping[str, object], tz: str, *, step: pd.Timedelta) -> str:
    """The civil time of an incident, such as "Tue 6 Oct 14:00–16:10"; an ongoing one has no end."""
    zone = ZoneInfo(tz)
    first = (pd.Timestamp(str(row["start"])) - step).tz_convert(zone)
    last = pd.Timestamp(str(row["end"])).tz_convert(zone)
    text = f"{first:%a} {first.day} {first:%b %H:%M}"
    if row["ongoing"]:
        return f"since {text}"
    same = first.date() == last.date() or (last - first <= DAY and last.strftime("%H:%M") == "00:00")
    return f"{text}–{last:%H:%M}" if same else f"{text} to {last:%a} {last.day} {last:%b %H:%M}"


def _what(one: Mapping[str, object], signal: Signal, scored: Anomalies, *, step: pd.Timedelta) -> str:
    """What the first member did, against what was expected at its peak."""
    title = title_of(signal, str(one["unique_id"]))
    seen, kind = float(str(one["seen"])), str(one["kind"])
    if kind == "missing" or math.isnan(seen):
        return f"{title}: no values"
    said = _expected(one, signal, scored, step=step)
    if kind == "flat":
        return f"{title} stood still at {value_text(seen, signal.unit)}{said}"
    if kind == "noise":
        return f"{title} went up and down far more than usual, {value_text(seen, signal.unit)} at the worst{said}"
    value = "0" if seen == 0 else value_text(seen, signal.unit)
    return f"{title} {'rose' if one['direction'] == 'up' else 'fell'} to {value}{said}"


def _expected(one: Mapping[str, object], signal: Signal, scored: Anomalies, *, step: pd.Timedelta) -> str:
    """The band at the peak, cut where values cannot be, in the scale of what was seen: " (expected 12–30 an hour)"."""
    rows = scored.frame
    at = rows[(rows["unique_id"].astype(str) == str(one["unique_id"])) & (rows["ds"] == one["peak"])]
    ends = [float(at[name].iloc[0]) if len(at) else math.nan for name in ("lower", "upper")]
    seen, middle = float(str(one["seen"])), float(str(one["expected"]))
    ends[0] = ends[0] if signal.lower is None else max(ends[0], signal.lower)
    ends[1] = ends[1] if signal.upper is None else min(ends[1], signal.upper)
    if signal.kind == "count" and not any(map(math.isnan, ends)):
        ends = [float(math.ceil(ends[0])), float(math.floor(ends[1]))]
    if any(map(math.isnan, ends)) or ends[0] > ends[1]:
        ends = [middle]
    if math.isnan(ends[0]):
        return ""
    factor, suffix = scale_of(max(abs(seen), *map(abs, ends)), signal.unit)
    texts = [number_text(end / factor) for end in dict.fromkeys(ends)]
    text = ("about " if ends == [middle] else "") + "–".join(texts) + (suffix if texts != ["0"] else "")
    noun = f" {unit_name(signal.unit)}" if seen == 0 and unit_name(signal.unit) else ""
    return f" (expected {text}{noun}{f' {_each(step)}' if signal.kind == 'count' else ''})"


def _spread(own: Sequence[Mapping[str, object]], catalogue: Catalogue) -> Iterator[str]:
    """Where it was first seen, and what else was unusual."""
    if len(own) < 2:
        return
    titles = list(dict.fromkeys(catalogue.signal(str(one["signal"])).title for one in own))
    if len(titles) == 1:
        yield f"{len(own)} series of it"
        return
    first = first_of(own)
    origin = catalogue.signal(str(first["signal"])).title
    where = f"first seen in the {area_name(str(first['area']))}"
    where += f" ({_inside(origin)})" if origin != titles[0] else ""
    rest = [_inside(title) for title in titles[1:] if title != origin]
    more = f" and {len(rest) - _MOST_NAMES} more" if len(rest) > _MOST_NAMES else ""
    yield f"{where}, also {', '.join(rest[:_MOST_NAMES])}{more}" if rest else where


def first_of(own: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """The member that began first, of those that began together the most upstream one."""
    return min(own, key=lambda one: (pd.Timestamp(str(one["start"])), int(str(one["place"]))))


def _inside(text: str) -> str:
    """A text as it stands inside a sentence."""
    return text[:1].lower() + text[1:] if text.partition(" ")[0][1:].islower() else text


def _cost(own: Sequence[Mapping[str, object]], catalogue: Catalogue) -> Iterator[str]:
    """How many events more or fewer, of the first member that counts some."""
    for one in own:
        signal, cost = catalogue.signal(str(one["signal"])), float(str(one["cost"]))
        if signal.kind == "count" and not math.isnan(cost) and abs(round(cost)) >= 1:
            size = f"about {value_text(float(abs(round(cost))), signal.unit)}"
            yield f"{size} {'more' if cost > 0 else 'fewer'} than expected"
            return


def _sure(row: Mapping[str, object]) -> str:
    score = float(str(row["score"]))
    if math.isnan(score):
        return _SURE[0][1]
    return next(words for least, words in _SURE if score >= least)


def _beside(contexts: pd.DataFrame) -> list[str]:
    """What else was going on, two things at most, as the end of a sentence."""
    told = records(contexts.drop_duplicates("sentence").head(_MOST_CONTEXTS))
    texts = [(str(one["kind"]), str(one["sentence"]).rstrip(".")) for one in told]
    return [_inside(text) if kind in _OF_PARTS else text for kind, text in texts]


def _each(step: pd.Timedelta) -> str:
    """How often a count is made, in words."""
    if step == _HOUR:
        return "an hour"
    return "a day" if step == DAY else f"in {value_text(step.total_seconds(), 'seconds')}"


def _incident(row: Mapping[str, object], health: Health, catalogue: Catalogue) -> Finding:
    signal = catalogue.signal(str(row["signal"]))
    seen, expected, cost = (float(str(row[name])) for name in ("seen", "expected", "cost"))
    known = health.precision.confirmed + health.precision.false
    marked = bool(row["verdict"])
    mark = f"tutordex-analysis anomalies mark {row['incident']} confirmed|false|expected"
    more = _ONGOING if row["ongoing"] else 0.0
    return Finding(
        question=QUESTION,
        signal=signal.name,
        where=where_of(signal, str(row["unique_id"])),
        kind="unusual",
        sentence=str(row["sentence"]),
        effect=cost if signal.kind == "count" else seen - expected,
        unit=signal.unit,
        certainty=health.precision.share if known >= _FEW else float("nan"),
        action="" if marked else f"Look at the {area_name(str(row['first_area']))} first. Say what it was: {mark}",
        priority=0.0 if row["verdict"] == "false" else min(PRIORITY[str(row["severity"])] + more, 100.0),
    )


def _nothing(recent: pd.DataFrame, health: Health) -> Iterator[Finding]:
    if recent.empty and health.series:
        text = f"Nothing unusual in the last 7 days in {_series(health)}."
        yield Finding(question=QUESTION, signal="", kind="unusual", sentence=text, priority=1.0)


def _lacks(health: Health, catalogue: Catalogue) -> Iterator[Finding]:
    """What cannot be judged, one sentence for all signals with the same reason."""
    zone = ZoneInfo(catalogue.calendar.timezone)
    reasons: dict[tuple[str, pd.Timestamp | None], list[str]] = {}
    for row in [*records(health.waiting), *records(health.young)]:
        known = row["since"] if isinstance(row["since"], pd.Timestamp) and not pd.isna(row["since"]) else None
        reasons.setdefault((str(row["why"]), known), []).append(str(row["title"]))
    for (why, since), titles in reasons.items():
        names = ", ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "")
        day = "" if since is None else f"; from {day_text(since, zone)} on it is enough"
        text = f"{names}: {why}{day}."
        yield Finding(question=QUESTION, signal="", kind="data", sentence=text, priority=1.0)


def _first_day(health: Health) -> str:
    known = health.waiting["since"].dropna()
    return f" From {known.min():%Y-%m-%d} the first signal can." if len(known) else ""


def _series(health: Health) -> str:
    signals = health.watched - health.waiting["signal"].nunique()
    return f"{health.series} series of {max(signals, 1)} signals"


def _recent(shown: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    recent: pd.DataFrame = shown[shown["end"] > at - WEEK]
    return recent
