"""The events of a promise in PromQL: how many a window had, how many of them were bad."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tutordex_analysis.catalogue import Signal
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.frame import escape
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.part import Part
from tutordex_analysis.slo import WINDOW, Counted, Slo

_BIN = "5m"  # of a promise with late_while: each is bad as a whole, or by its own bad events
_HOUR = duration("1h")
_HOURLY = duration("6h")  # longer windows add up what is recorded of each hour, which costs a hundredth


def record(slo: Slo, what: str, window: str) -> str:
    """Name of a recording rule: events, bad or bad_fraction of a window."""
    return f"tutordex:slo:{slo.name}_{what}_{window}"


def events(slo: Slo, signals: Mapping[str, Signal], window: str) -> str:
    """PromQL of the events of a window; nothing where there is no series.

    Raises:
        CatalogueError: A signal is not there, or of a kind that counts nothing.
    """
    if duration(window) > _HOURLY:
        return _by_hour(slo, "events", window)
    if slo.total_query is not None:
        return _times(slo.total_query, window)
    return _binned(_all(slo, signals, _bin(slo, window)), slo, window)


def bad(slo: Slo, signals: Mapping[str, Signal], window: str) -> str:
    """PromQL of the bad events of a window: 0 where there are events and none was bad.

    Raises:
        CatalogueError: A signal is not there, or of a kind that cannot say it.
    """
    if duration(window) > _HOURLY:
        return _by_hour(slo, "bad", window)
    every = record(slo, "events", window)
    if slo.bad_query is not None:
        return f"{_times(slo.bad_query, window)}\nor 0 * {every}"
    if slo.late_while is None:
        return _bad(slo, signals, every, window)
    every, early = _all(slo, signals, _BIN), f"1 - ({_gauge(slo, signals)} > bool {slo.late_while.above:g})"
    good = f"{_block(_good(slo, signals, every, _BIN))} * ({early} or vector(1))"
    return _binned(f"clamp_min(\n{_deeper(f'{_block(every)} - {good}')},\n  0\n)", slo, window)


def selectors(slo: Slo, signals: Mapping[str, Signal], side: Counted) -> tuple[str, ...]:
    """The raw counters of one side, with its labels.

    Raises:
        CatalogueError: Its signal is not there, or counts nothing that Prometheus has.
    """
    signal = signals.get(side.signal)
    if signal is None:
        raise CatalogueError(f"there is no signal {side.signal!r} to count with")
    if signal.counter is None:
        raise CatalogueError(f"{side.signal} is a {signal.kind} without counter:; events are counted by a count of one")
    if strange := sorted(side.labels.keys() - {*signal.by}):
        keeps = ", ".join(signal.by) or "no label"
        raise CatalogueError(f"{side.signal} keeps {keeps}, so no events of one {strange[0]} can be told")
    found = (signal.counter,) if isinstance(signal.counter, str) else signal.counter
    return tuple(_labelled(one, side.labels) for one in found)


def waiting(slo: Slo, signals: Mapping[str, Signal]) -> Signal | None:
    """The gauge that makes all events late, where there is one.

    Raises:
        CatalogueError: It is not there, or is no gauge of a single series.
    """
    if slo.late_while is None:
        return None
    signal = signals.get(slo.late_while.signal)
    if signal is None:
        raise CatalogueError(f"there is no signal {slo.late_while.signal!r} for late_while")
    if signal.gauge_query is None or signal.by:
        raise CatalogueError(f"late_while needs a gauge without by:, which {signal.name} is not")
    return signal


def _all(slo: Slo, signals: Mapping[str, Signal], window: str) -> str:
    """All events, from the side that counts them, or from both."""
    sides = [slo.total] if slo.total is not None else [slo.good, slo.bad]
    texts = [text for one in sides if one is not None for text in selectors(slo, signals, one)]
    return _counted(texts, window, _metrics(slo, signals))


def _bad(slo: Slo, signals: Mapping[str, Signal], every: str, window: str) -> str:
    """Bad events, given the text of all of them; a side without series has counted none."""
    side = slo.bad if slo.bad is not None else slo.good
    assert side is not None  # noqa: S101 - two of three are given
    counted = _counted(list(selectors(slo, signals, side)), window, _metrics(slo, signals))
    if slo.bad is not None:
        return f"{_block(counted)} or 0 * {every}"
    return f"clamp_min(\n  {every}\n  - ({_block(counted)} or 0 * {every}),\n  0\n)"


def _good(slo: Slo, signals: Mapping[str, Signal], every: str, window: str) -> str:
    """Good events, given the text of all of them."""
    if slo.good is not None:
        counted = _counted([*selectors(slo, signals, slo.good)], window, _metrics(slo, signals))
        return f"{_block(counted)} or 0 * {_block(every)}"
    return f"{_block(every)} - ({_bad(slo, signals, _block(every), window)})"


def _counted(texts: list[str], window: str, there: Collection[str]) -> str:
    """Events of raw counters in a window, where one of these metrics was there before it."""
    if len(texts) == 1:
        return _one(texts[0], window, there)
    named = [
        f'label_replace(\n{_deeper(_one(text, window, there))},\n"part", "{i}", "", "")' for i, text in enumerate(texts)
    ]
    return f"sum(\n{_deeper(f'{chr(10)}or '.join(named))}\n)"


def _one(x: str, w: str, there: Collection[str]) -> str:
    """Events of one counter: its increase, and the first event of each series that was born meanwhile.

    A series that is born at 0 had none yet. A birth counts only where one of the promise's metrics was there before:
    after a gap of all of them old series are new too.

    Args:
        x: Its selector.
        w: The window.
        there: Metrics of the promise.
    """
    before = " or ".join(f"{one} offset {w}" for one in there)
    guard = f" and on () count({before})" if before else ""
    return (
        f"sum(increase({x}[{w}]))\n+ (\n  count((min_over_time({x}[{w}]) > 0) unless {x} offset {w}){guard}\n"
        f"  or 0 * sum(increase({x}[{w}]))\n)"
    )


def _metrics(slo: Slo, signals: Mapping[str, Signal]) -> list[str]:
    """The metrics that a promise counts with, each once."""
    sides = [one for one in (slo.total, slo.good, slo.bad) if one is not None]
    named = (text.partition("{")[0] for one in sides for text in selectors(slo, signals, one))
    return [*dict.fromkeys(name for name in named if name)]


def _bin(slo: Slo, window: str) -> str:
    return window if slo.late_while is None else _BIN


def _binned(text: str, slo: Slo, window: str) -> str:
    """What bins of five minutes hold, added up over a window; each window has as many at any moment."""
    if slo.late_while is None or window == _BIN:
        return text
    return f"sum_over_time({_block(text)}[{_less(window)}:{_BIN}])"


def _by_hour(slo: Slo, what: str, window: str) -> str:
    return f"sum_over_time({record(slo, what, duration_text(_HOUR))}[{_less(window)}:{duration_text(_HOUR)}])"


def _less(window: str) -> str:
    """A millisecond less than a window: on the grid itself there would be one point more."""
    return duration_text(duration(window) - duration("1ms"))


def _times(query: str, window: str) -> str:
    """Events of a window from a query of rates."""
    return f"sum({query.replace(WINDOW, window)}) * {duration(window).total_seconds():.0f}"


def _gauge(slo: Slo, signals: Mapping[str, Signal]) -> str:
    signal = waiting(slo, signals)
    assert signal is not None  # noqa: S101 - asked only where there is one
    assert signal.gauge_query is not None  # noqa: S101 - a gauge has one
    text = Part(signal.gauge_query).at(_BIN)
    return text if signal.metric is not None else f"max({text})"


def _labelled(selector: str, labels: Mapping[str, str]) -> str:
    """A selector that asks for these labels too."""
    if not labels:
        return selector
    asked = ",".join(f'{name}="{escape(value)}"' for name, value in sorted(labels.items()))
    name, brace, rest = selector.partition("{")
    inside = rest.removesuffix("}").rstrip().removesuffix(",")
    return f"{name}{{{inside + ',' if brace and inside.strip() else ''}{asked}}}"


def _block(text: str) -> str:
    """A text in brackets."""
    return f"(\n{_deeper(text)}\n)"


def _deeper(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
