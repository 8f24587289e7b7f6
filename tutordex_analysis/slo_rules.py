"""A promise as rules: what each window held, and alerts on two windows each, for a page and for a ticket.

An alert's value is the bad share of a long window. At low traffic three things keep it honest: fewer than `least`
events or `least_bad` bad ones never fire; the first event of a new series counts (`slo_events`); and where the short
window of a page holds no event, the last one that held some speaks for it, while a ticket, whose long window remembers
an outage for days, is not opened by a single bad event in the short one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tutordex_analysis import slo_examples
from tutordex_analysis.burn import Pair, Severity, pairs
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import duration
from tutordex_analysis.rule import Record, Rule, Threshold
from tutordex_analysis.slo import BurnAlerts, Slo
from tutordex_analysis.slo_events import bad, events, record

_SLOWER = duration("1h")  # windows longer than this are computed every two minutes
_HOLD: Mapping[Severity, str] = {"page": "2m", "ticket": "15m"}
# One good event between bad ones is no end; and a ticket that closes at night would be opened again each morning.
_KEEP: Mapping[Severity, str] = {"page": "15m", "ticket": "1d"}
_STRAY = 1  # bad events in the short window of a ticket that say nothing, while the long one still holds an old outage
_HALF = 0.5  # increase() gives fractions: 4.98 for five


def add(
    slo: Slo,
    signals: Mapping[str, Signal],
    *,
    rules: dict[str, Rule],
    records: dict[str, Record],
    gone: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Puts what a promise is made into beside the other rules and records of a catalogue.

    Args:
        slo: The promise.
        signals: Of its catalogue.
        rules: Alert rules so far; the promise's alerts are added.
        records: Recording rules so far; those of its windows are added.
        gone: Alerts that a catalogue takes out by name.

    Returns:
        (rules or records, name) of all that was added.

    Raises:
        CatalogueError: A name is taken, or the promise cannot be made into rules.
    """
    alerts = {name: one for name, one in alerts_of(slo, signals).items() if name not in gone}
    alerts |= {name: _loud(one, rules) for name, one in alerts.items() if one.severity == "critical"}
    windows = records_of(slo, signals)
    for name in (*alerts, *windows):
        if name in rules or name in records:
            raise CatalogueError(
                f"it makes {name}, which is there already, by hand or of another promise; rename one of the two"
            )
    rules |= alerts
    records |= windows
    return [*(("rules", name) for name in alerts), *(("records", name) for name in windows)]


def _loud(page: Rule, rules: Mapping[str, Rule]) -> Rule:
    """A page that no warning mutes, since that may be silenced while it does."""
    muting = (name for name in page.muted_by if name not in rules or rules[name].severity == "critical")
    return page.model_copy(update={"muted_by": tuple(muting)})


def records_of(slo: Slo, signals: Mapping[str, Signal]) -> dict[str, Record]:
    """Recording rules of a promise with alerts: events, bad events and the bad share of every window.

    Raises:
        CatalogueError: Its signals cannot be counted, or its period is too short.
    """
    made: dict[str, Record] = {}
    for window in _windows(slo):
        interval = "30s" if duration(window) <= _SLOWER else "2m"
        names = {what: record(slo, what, window) for what in ("events", "bad", "bad_fraction")}
        texts = {
            "events": (f"{slo.noun} in {window}", events(slo, signals, window)),
            "bad": (f"bad ones of them in {window}", bad(slo, signals, window)),
            "bad_fraction": (
                f"share of them that is bad in {window}; absent without {slo.noun}",
                f"clamp_max({names['bad']} / ({names['events']} > 0), 1)",
            ),
        }
        for what, (title, text) in texts.items():
            made[names[what]] = Record(name=names[what], title=f"{slo.title}: {title}", promql=text, interval=interval)
    return made


def alerts_of(slo: Slo, signals: Mapping[str, Signal]) -> dict[str, Rule]:
    """The alerts of a promise.

    Raises:
        CatalogueError: Both have one name, or no failure could reach the limit of one.
    """
    told = slo.alerts
    if told is None:
        return {}
    named: dict[Severity, str | None] = {"page": told.page, "ticket": told.ticket}
    if told.page is not None and told.page == told.ticket:
        raise CatalogueError(f"page and ticket are both called {told.page}; give them two names")
    made = {}
    for severity, name in named.items():
        if name is None:
            continue
        some = [one for one in pairs(slo.period, slo.error_budget) if one.severity == severity]
        if not some:
            raise CatalogueError(
                f"no failure can reach the limit of {name}: an error budget of {slo.error_budget:.3g} of all "
                f"{slo.noun} is too large for it; leave {severity}: out"
            )
        made[name] = _rule(slo, told, severity, name, some, signals)
    return made


def _windows(slo: Slo) -> list[str]:
    """Every window that its alerts read, the shortest first; days are made of hours."""
    told = slo.alerts
    if told is None:
        return []
    wanted = {severity for severity, name in (("page", told.page), ("ticket", told.ticket)) if name is not None}
    some = [one for one in pairs(slo.period, slo.error_budget) if one.severity in wanted]
    found = {window for one in some for window in (one.long, one.short)} | ({"1h"} if some else set())
    return sorted(found, key=duration)


def _rule(
    slo: Slo, told: BurnAlerts, severity: Severity, name: str, some: list[Pair], signals: Mapping[str, Signal]
) -> Rule:
    limit = min(one.limit for one in some)
    page = severity == "page"
    mute = (told.page,) if not page and told.page is not None else ()  # whoever is called needs no ticket
    return Rule(
        name=name,
        value="\nor ".join(f"(\n  {_burns(slo, one)}\n)" for one in some),
        threshold=Threshold(human=limit),
        hold=_HOLD[severity],
        keep_firing=_KEEP[severity],
        severity="critical" if page else "warning",
        component=told.component,
        unit="ratio",
        summary=f"{slo.title}: the error budget {'burns fast' if page else 'will not last'}",
        meaning=_meaning(slo, some, page=page),
        causes=told.causes,
        checks={"bad share of each window": _every_window(slo, some), **told.checks},
        dashboard=told.dashboard,
        muted_by=(*told.muted_by, *mute),
        examples=slo_examples.examples(slo, signals, some),
    )


def _burns(slo: Slo, pair: Pair) -> str:
    """The bad share of the long window, where it and the short one burn faster than the factor."""
    counted, least = record(slo, "events", pair.long), slo.least - _HALF
    wrong, least_bad = record(slo, "bad", pair.long), slo.least_bad - _HALF
    burns = f"({wrong} > {least_bad:g}) / ({counted} > {least:g}) > {pair.limit:.10g}"
    last = record(slo, "bad_fraction", pair.short)
    if pair.severity == "page":
        return f"{burns}\n  and on () last_over_time({last}[{pair.long}]) > {pair.limit:.10g}"
    many = f"{record(slo, 'bad', pair.short)} > {_STRAY + _HALF:g}"
    return f"{burns}\n  and on () {last} > {pair.limit:.10g}\n  and on () {many}"


def _every_window(slo: Slo, some: Iterable[Pair]) -> str:
    names = "|".join(record(slo, "bad_fraction", one) for pair in some for one in (pair.long, pair.short))
    return f'{{__name__=~"{names}"}}'


def _meaning(slo: Slo, some: list[Pair], *, page: bool) -> str:
    over = " or ".join(
        f"{_percent(one.limit)} in {one.long} and in the last {one.short} ({one.factor:.3g} times the allowed share)"
        for one in some
    )
    pace = "is gone within days" if page else "does not last for its period, which can wait for a working day"
    short = (
        "where the shorter one has none, its last share counts"
        if page
        else "nor does a single bad one in the shorter; it ends after a day without"
    )
    return (
        f"The promise is {_percent(slo.objective)} of {slo.noun} over {slo.period}. The bad share is over {over}. "
        f"At this pace the error budget {pace}. Fewer than {slo.least} {slo.noun} or {slo.least_bad} bad ones in the "
        f"longer window never fire; {short}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
