"""Series for which the alerts of a promise fire and do not: the examples that their tests are made of.

They are made of the promise itself: counters with labels that its selectors ask for, and stretches of so many good and
bad events a minute. Where labels cannot be guessed, or events come from a query that is no plain sum, there are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tutordex_analysis import promql
from tutordex_analysis.burn import Pair
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.frame import escape
from tutordex_analysis.moment import duration
from tutordex_analysis.promql import Matcher
from tutordex_analysis.rule import Example, Fired
from tutordex_analysis.slo import WINDOW, Slo
from tutordex_analysis.slo_events import selectors, waiting

Counts: TypeAlias = Literal["good", "bad", "all"]
Stretch: TypeAlias = tuple[int, float, float]  # minutes, good and bad events a minute
_PLAIN = re.compile(rf"\s*sum\s*\(\s*rate\s*\(\s*(.+)\[{re.escape(WINDOW)}\]\s*\)\s*\)\s*", re.DOTALL)
_RATE = 10.0  # events a minute, where that is enough for the least events
_SAID = 0.9  # of the limit: not enough
_MORE = 1.1  # of it: enough
_EXACT = 1024  # binary parts of an event: sums of them have no tail of digits, which would look like a restart
_RARE = 1 / 64  # events a minute at night
_DAY = 24 * 60
_NO_NUMBERS = 70  # minutes, each of which must be written


@dataclass(frozen=True)
class _Series:
    """Counters, and which events each counts; a gauge with the value from which on events are late."""

    counters: Mapping[str, Counts]
    gauge: str | None = None
    above: float = 0.0


def examples(slo: Slo, signals: Mapping[str, Signal], some: list[Pair]) -> tuple[Example, ...]:
    """Examples of one alert.

    Args:
        slo: The promise.
        signals: Of its catalogue.
        some: The pairs of windows of the alert.
    """
    found = _series(slo, signals)
    return () if found is None else tuple(_Case(slo, found, some).all())


@dataclass(frozen=True)
class _Case:
    slo: Slo
    series: _Series
    some: list[Pair]

    def all(self) -> Iterator[Example]:
        fast, slow = max(one.limit for one in self.some), min(one.limit for one in self.some)
        much, at = self._share(min(1.0, fast * _MORE)), self._at
        yield self._example("it burns fast", [(at, *much)], fires=_bad(much))
        if slow < fast:
            between = self._share((slow + fast) / 2)
            yield self._example("only the longer windows burn", [(at, *between)], fires=_bad(between))
        ended = [(at - self._pause, *much), (self._pause, 0.0, 0.0)]
        yield self._example("it burns fast, then nothing more happens", ended, fires=_bad(much))
        yield self._example("counters of two processes", [(at, *much)], fires=_bad(much), more="twin")
        yield self._example("under the limit", [(at, *self._share(slow * _SAID))])
        yield self._example("ten times the traffic, under the limit", [(at, *self._share(slow * _SAID, 10))])
        over = at + self._over
        yield self._example("it burned and is over", [(at, *much), (self._over, *self._share(0))], at=over)
        if self._is_ticket:
            stray = [(at, *much), (self._over - 150, _RARE, 0.0), (1, 0.0, 1.0), (149, _RARE, 0.0)]
            yield self._example("it burned days ago, and a single one is bad since", stray, at=over)
        if self.slo.least > 3 or self.slo.least_bad > 1:
            yield self._example("one of three is bad", [(at - 31, 0, 0), (1, 0, 1), (1, 2, 0), (29, 0, 0)])
        few = self.slo.least_bad - 1
        yield self._example("one bad event too few", [(at - 31, 0, 0), (1, self.slo.least, few), (30, 0, 0)])
        yield self._example("no events", [(at, 0, 0)])
        yield self._example("no numbers", [], more="NaN", at=_NO_NUMBERS)
        yield self._example("no series", [], more="absent")
        yield self._example("it burned and its series are gone", [(60, *much)], at=self._gone)
        if self.series.gauge is not None:
            fires = [(at, *self._share(0))]
            yield self._example("all are quick but wait too long", fires, fires=1.0, more="late")

    @property
    def _is_ticket(self) -> bool:
        return self.some[0].severity == "ticket"

    @property
    def _longest(self) -> int:
        return max(_minutes(one.long) for one in self.some)

    @property
    def _at(self) -> int:
        """Minutes after which it is looked at: the longest window is full where that is hours."""
        return 31 * 60 if self._is_ticket else 8 * 60

    @property
    def _gone(self) -> int:
        """Minutes after which the longest window holds nothing of the first hour."""
        return self._longest + 180

    @property
    def _over(self) -> int:
        """Minutes in which every short window has passed, and the alert is let go, a ticket after a day."""
        return 2 * max(_minutes(one.short) for one in self.some) + self._is_ticket * _DAY

    @property
    def _pause(self) -> int:
        """Minutes after which no short window holds an event, and what fired in one is over."""
        return max(_minutes(one.short) for one in self.some) + 30

    def _share(self, bad: float, times: float = 1.0) -> tuple[float, float]:
        """Good and bad events a minute, enough of them for the least of an hour."""
        wanted = max(self.slo.least, self.slo.least_bad / bad if bad else 0) * 2 / 60
        rate = max(_RATE, float(-(-wanted // 1))) * times
        wrong = round(rate * bad * _EXACT) / _EXACT
        return rate - wrong, wrong

    def _example(
        self, when: str, stretches: list[Stretch], *, fires: float | None = None, more: str = "", at: int = 0
    ) -> Example:
        at = at or self._at
        made = {}
        for name, counts in self.series.counters.items():
            if more == "NaN":
                made[name] = " ".join(["NaN"] * (at + 1))
            elif more != "absent":
                made[name] = _values(stretches, counts)
                if more == "twin":
                    made[_with(name, "instance", "twin")] = _values(stretches, counts)
        if more == "absent":
            made["up"] = f"1x{at}"
        elif self.series.gauge is not None:
            level = self.series.above * 2 if more == "late" else self.series.above / 2
            made[self.series.gauge] = f"{level:.10g}x{sum(one for one, _, _ in stretches) or at}"
        fired = () if fires is None else (Fired(value=float(f"{fires:.10g}")),)
        return Example(when=when, series=made, at=f"{at}m", fires=fired)


def _series(slo: Slo, signals: Mapping[str, Signal]) -> _Series | None:
    """Series for the promise, None where their labels cannot be guessed."""
    sides = _sides(slo, signals)
    gauge = waiting(slo, signals)
    asked = {**sides, **({"gauge": gauge.metric} if gauge is not None else {})}
    made = {side: _Sample.of(text) for side, text in asked.items() if text is not None and promql.is_selector(text)}
    if len(made) < len(asked):
        return None
    found = {side: one for side, one in made.items() if one is not None}
    late = found.pop("gauge", None)
    counters = _counters(found) if len(found) == len(sides) else None
    if counters is None or (gauge is not None and late is None):
        return None
    above = slo.late_while.above if slo.late_while is not None else 0.0
    return _Series(counters, None if late is None else late.written, above)


def _counters(found: Mapping[str, _Sample]) -> dict[str, Counts] | None:
    """Which events each series counts; None where one selector takes both series."""
    if "all" not in found:
        return {found["good"].written: "good", found["bad"].written: "bad"}
    every = found["all"]
    part, own, rest = ("bad", found["bad"], "good") if "bad" in found else ("good", found["good"], "bad")
    if own.takes(every):
        return None
    return {own.written: part, every.written: rest if every.takes(own) else "all"}  # type: ignore[dict-item]  # of Counts


def _sides(slo: Slo, signals: Mapping[str, Signal]) -> dict[str, str | None]:
    """good, bad, all → the first counter that it is made of; None where it is no plain one."""
    if slo.bad_query is not None and slo.total_query is not None:
        plain = {"bad": _PLAIN.fullmatch(slo.bad_query), "all": _PLAIN.fullmatch(slo.total_query)}
        return {side: one[1].strip() if one else None for side, one in plain.items()}
    given = {"good": slo.good, "bad": slo.bad, "all": slo.total}
    return {side: selectors(slo, signals, one)[0] for side, one in given.items() if one is not None}


@dataclass(frozen=True)
class _Sample:
    """A series that a selector takes."""

    name: str
    matchers: tuple[Matcher, ...]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, selector: str) -> _Sample | None:
        """The series with the fewest labels; None where none can be guessed."""
        first, *rest = promql.matchers(selector)
        labels = {}
        for name in dict.fromkeys(one.label for one in rest):
            asked = [one for one in rest if one.label == name]
            value = next((text for text in _guesses(asked) if all(one.fits(text) for one in asked)), None)
            if value is None:
                return None
            if value:
                labels[name] = value
        return cls(first.value, tuple(rest), labels) if first.label == "alertname" else None

    def takes(self, other: _Sample) -> bool:
        """Whether its selector takes the other's series."""
        return self.name == other.name and all(one.fits(other.labels.get(one.label, "")) for one in self.matchers)

    @property
    def written(self) -> str:
        """As promtool reads it."""
        pairs = ",".join(f'{name}="{escape(value)}"' for name, value in self.labels.items())
        return f"{self.name}{{{pairs}}}" if pairs else self.name


def _guesses(asked: Iterable[Matcher]) -> Iterator[str]:
    """Values that may fit: none at all, what is asked for itself, simple expressions made into one of their values."""
    yield ""
    for one in asked:
        if not one.regex:
            yield one.value
        for part in one.value.strip("()").split("|"):
            yield re.sub(r"\\(.)", r"\1", part.replace(".*", "").replace(".+", "x").replace(".", "0"))
    yield "something"


def _bad(rates: tuple[float, float]) -> float:
    """The bad share of good and bad events a minute."""
    return rates[1] / sum(rates)


def _values(stretches: Iterable[Stretch], counts: Counts) -> str:
    """A counter's values each minute, as promtool writes them."""
    parts, value = [], 0.0
    for i, (minutes, good, bad) in enumerate(stretches):
        rate = {"good": good, "bad": bad, "all": good + bad}[counts]
        start = value if i == 0 else value + rate
        steps = minutes if i == 0 else minutes - 1
        parts.append(f"{start:.15g}+{rate:.15g}x{steps}")
        value += rate * minutes
    return " ".join(parts)


def _with(series: str, name: str, value: str) -> str:
    """A series with one label more."""
    inside = series.partition("{")[2].removesuffix("}")
    return f'{series.partition("{")[0]}{{{inside + "," if inside else ""}{name}="{value}"}}'


def _minutes(window: str) -> int:
    return int(duration(window).total_seconds() // 60)
