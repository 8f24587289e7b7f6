"""Which limit of each alert is in force now, and why: learnt, held by its rails, pinned by an operator, or human."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import FrameError, NotHeld
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.model.rails import Kept, moved
from tutordex_analysis.moment import Instant, Span, duration, instant
from tutordex_analysis.pins_file import NO_PINS, Pin, Pins
from tutordex_analysis.question import threshold_words as words
from tutordex_analysis.question.capacity import Reads
from tutordex_analysis.question.finding import table
from tutordex_analysis.question.left_out import left_out
from tutordex_analysis.question.lesson import Lesson, lesson
from tutordex_analysis.question.ways import CHECKED
from tutordex_analysis.rule import Rule, Threshold

InForce: TypeAlias = Literal["learnt", "railed", "pinned", "human"]
REACH = pd.Timedelta(minutes=90)  # as long as the rules accept a limit; publish renews each hour, retries after 5 min
A_DAY = pd.Timedelta(days=1)
COLUMNS = (
    *("alert", "where", "labels", "value", "learnt", "human", "floor", "ceiling", "lower", "upper", "unit"),
    *("in_force", "why", "refused", "sufficient_from", "last"),
)
_SAME = 1e-9  # relative, of two limits


@dataclass(frozen=True, kw_only=True, eq=False)
class Thresholds:
    """The limits at one moment.

    Attributes:
        at: The moment.
        frame: One row a limit, in the order of the catalogue's rules: alert, where (the series, in words), labels (a
            dict), value (the limit in force), learnt (what history says before the rails), human, floor, ceiling, lower
            and upper (eight of ten values are usually between them at this hour), unit, in_force (learnt, railed,
            pinned, human), why (a sentence), refused ("", history, scorecard, reading), sufficient_from (when there
            will be history enough; NaT: there is, or nobody can tell), last (what the last run left for this hour).
        kept: What the next run moves on from.
        pins: Those in force, and what is said of others.
        findings: What an operator should know; columns of `Finding`.
    """

    at: pd.Timestamp
    frame: pd.DataFrame
    kept: Kept
    pins: Pins
    findings: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """What history says of every limit that is learnt.

    Attributes:
        at: The newest instant that any of them knows.
        found: By alert.
        silent: By alert, a sentence why history says nothing at all.
    """

    at: pd.Timestamp
    found: Mapping[str, Lesson] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)


def learners(catalogue: Catalogue) -> dict[str, Rule]:
    """The rules with a limit that is learnt."""
    return {
        name: rule
        for name, rule in catalogue.rules.items()
        if rule.threshold is not None and rule.threshold.learn is not None
    }


def gather(
    source: Reads,
    catalogue: Catalogue,
    time_range: TimeRange,
    *,
    known: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, pd.DataFrame]:
    """Histories of every signal that a limit is learnt from, by name; empty frames where nothing is held.

    Args:
        source: Where they are read.
        catalogue: Rules and signals.
        time_range: Their grid; hours.
        known: Histories that were read already.

    Raises:
        SourceError: The source failed; what could not be read is not the same as what is not there.
    """
    found: dict[str, pd.DataFrame] = {}
    for rule in learners(catalogue).values():
        name = rule.threshold.signal if rule.threshold is not None else None
        if name is None or name in found or name not in catalogue.signals:
            continue
        if known is not None and name in known:
            found[name] = known[name]
            continue
        try:
            found[name] = source.read(name, time_range)
        except NotHeld:
            found[name] = frames.empty(catalogue.signals[name].by)
    return found


def learn(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    *,
    masks: Masks = NO_MASKS,
    forecasts: Mapping[str, Forecast] | None = None,
    recent: pd.DataFrame | None = None,
    checked: int = CHECKED,
) -> Lessons:
    """What the histories say up to their ends, for the week after them.

    Args:
        histories: Frames by signal name, all at one step.
        catalogue: Rules, limits, civil time.
        masks: Stretches that nothing is learnt from.
        forecasts: By signal, for capacity.
        recent: How past forecasts did (`Scorecard.recent`), for capacity.
        checked: Past weeks in which a limit must have held; 0 for no check.
    """
    found: dict[str, Lesson] = {}
    silent: dict[str, str] = {}
    trained: dict[str, pd.DataFrame] = {}
    for name, rule in learners(catalogue).items():
        signal = rule.threshold.signal if rule.threshold is not None else None
        history = histories.get(signal or "")
        if signal is None or history is None or history["y"].isna().all():
            silent[name] = f"there is no history of {signal}"
            continue
        if signal not in trained:
            trained[signal] = left_out(catalogue.signal(signal), history, masks.masks).training
        ahead = None if forecasts is None else forecasts.get(signal)
        try:
            one = lesson(rule, trained[signal], catalogue, forecast=ahead, recent=recent, checked=checked)
        except FrameError as error:  # an infinite value, say; the other limits stand
            one = str(error)
        if isinstance(one, str):
            silent[name] = one
        else:
            found[name] = one
    newest = max((one.time.ahead[0] - one.time.step for one in found.values()), default=pd.Timestamp(0, tz="UTC"))
    return Lessons(at=newest, found=found, silent=silent)


def thresholds(
    lessons: Lessons,
    catalogue: Catalogue,
    *,
    at: Instant,
    kept: Kept | None = None,
    pins: Pins = NO_PINS,
    reach: Span | pd.Timedelta = REACH,
) -> Thresholds:
    """The limit of every alert that has one, at a moment.

    Args:
        lessons: What history says; the moment lies in the week after it.
        catalogue: Rules and civil time.
        at: The moment.
        kept: What the last run left; None where there was none, so that every limit starts from its human value.
        pins: What operators hold.
        reach: How long the limits must serve, zero for the moment alone; of the hours until then the mildest counts.
    """
    moment, span = instant(at), reach if isinstance(reach, pd.Timedelta) else duration(reach)
    before = kept.values if kept is not None else {}
    since = A_DAY if kept is None else moment - kept.at
    rows: list[dict[str, object]] = []
    values: dict[tuple[str, str], Floats] = {}
    for name, rule in catalogue.rules.items():
        if (limit := rule.threshold) is None:
            continue
        one = lessons.found.get(name)
        if one is None:
            why = lessons.silent.get(name, "") if limit.learn is not None else ""
            rows.append(_by_hand(rule, limit, why, pins, catalogue))
            values |= {key: last for key, last in before.items() if key[0] == name}
            continue
        never = np.full(one.phases.shape[1], np.nan)
        last = np.stack([_fitting(before.get((name, series)), never) for series in one.series])
        refused = np.array([bool(refusal.why) for refusal in one.refusals])
        railed = moved(last, one.phases, one.rails, since=since)
        railed = np.where(refused[:, None] | np.isnan(one.phases) & np.isnan(last), last, railed)
        values |= {
            (name, series): row for series, row in zip(one.series, railed, strict=True) if np.isfinite(row).any()
        }
        rows += _rows(one, last, railed, moment, span, pins, catalogue)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame = frame.assign(sufficient_from=pd.to_datetime(frame["sufficient_from"], utc=True))
    numbers = ["value", "learnt", "human", "floor", "ceiling", "lower", "upper", "last"]
    frame = frame.astype(dict.fromkeys(numbers, np.float64))
    return Thresholds(
        at=moment,
        frame=frame,
        kept=Kept(at=moment, values=values),
        pins=pins,
        findings=table(words.findings(frame, pins, catalogue)),
    )


def _fitting(last: Floats | None, never: Floats) -> Floats:
    """What was kept, if it is of the same phases."""
    return last if last is not None and last.shape == never.shape else never


def _rows(
    one: Lesson,
    last: Floats,
    railed: Floats,
    moment: pd.Timestamp,
    reach: pd.Timedelta,
    pins: Pins,
    catalogue: Catalogue,
) -> Iterable[dict[str, object]]:
    """One row a series."""
    rule, limit, places = one.way.rule, one.way.limit, one.places(moment, reach)
    now = places[:1]
    wanted, said = one.mildest(one.learnt.eased[:, places]), one.published(railed, places)
    before = one.published(last, now)
    for i, labels in enumerate(one.labels):
        refusal, pin = one.refusals[i], pins.of(rule.name, labels)
        lower, upper = (float(side[i, now[0]]) if len(now) else np.nan for side in (one.learnt.lower, one.learnt.upper))
        value = float(said[i])
        in_force: InForce = "human"
        sentence = refusal.sentence
        if pin is not None:
            in_force, value = ("human", limit.human) if pin.human else ("pinned", float(pin.value or 0.0))
        elif refusal.why or not np.isfinite(value):
            value = limit.human
            sentence = sentence or "nothing is known of this hour"
        else:
            in_force = "learnt" if abs(value - wanted[i]) <= _SAME * max(abs(value), 1.0) else "railed"
        row = {
            "alert": rule.name,
            "where": ", ".join(labels.values()),
            "labels": labels,
            "value": value,
            "learnt": np.nan if refusal.why in ("history", "reading") else float(wanted[i]),
            "human": limit.human,
            "floor": limit.floor,
            "ceiling": limit.ceiling,
            "lower": np.nan if refusal.why == "history" else lower,
            "upper": np.nan if refusal.why == "history" else upper,
            "unit": one.unit,
            "in_force": in_force,
            "refused": refusal.why,
            "sufficient_from": refusal.until,
            "last": float(before[i]),
        }
        yield row | {"why": words.why(row, rule, pin, sentence, moment, catalogue.calendar.timezone)}


def _by_hand(rule: Rule, limit: Threshold, why: str, pins: Pins, catalogue: Catalogue) -> dict[str, object]:
    """A limit of which history says nothing: human or pinned. One by labels cannot be pinned without their values."""
    pin: Pin | None = pins.of(rule.name, {})
    value = limit.human if pin is None or pin.human or limit.by else float(pin.value or 0.0)
    signal = catalogue.signals.get(limit.signal or "")
    unit = rule.unit if signal is None else signal.unit
    row: dict[str, object] = {
        "alert": rule.name,
        "where": "",
        "labels": {},
        "value": value,
        "learnt": np.nan,
        "human": limit.human,
        "floor": limit.floor,
        "ceiling": limit.ceiling,
        "lower": np.nan,
        "upper": np.nan,
        "unit": {"gaps": "seconds", "cost": "ratio"}.get(limit.learn or "", unit),
        "in_force": "human" if pin is None or pin.human or limit.by else "pinned",
        "refused": "reading" if why else "",
        "sufficient_from": pd.NaT,
        "last": np.nan,
    }
    return row | {"why": words.why(row, rule, pin, why, None, catalogue.calendar.timezone)}
