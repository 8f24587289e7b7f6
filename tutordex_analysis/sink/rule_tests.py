"""Tests of every alert for `promtool test rules`: the catalogue's examples, and the rails of limits that move.

Eval times and series stay off the edges of windows, where Prometheus 3 reads a sample less than 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.rule import Example, Fired, Rule, Threshold
from tutordex_analysis.rulebook import IN_FORCE
from tutordex_analysis.sink.rule_rails import MOST_AGE_SECONDS, THRESHOLD
from tutordex_analysis.sink.rule_text import Links, Told, rendered

_AGE_SECONDS = MOST_AGE_SECONDS - 600  # of what is published in an example, at its end
_VALUES = 1440  # of a series that stays as it is
_SEGMENT = 3  # evaluations of each state of the rails
_STEPS = tuple(
    (pd.Timedelta(hours=span), pd.Timedelta(minutes=step))
    for span, step in ((168, 720), (24, 60), (1.25, 10), (0, 1))  # from so many hours on, every so many minutes
)
_FROM = 'job="tutordex_analysis",instance="analysis:9877"'
_STAMP = f'tutordex_generated_timestamp_seconds{{family="{THRESHOLD}",{_FROM}}}'


def tests(catalogue: Catalogue, links: Links) -> dict[str, dict[str, Any]]:
    """Alert → the rest of its test file; a rule without examples has none."""
    return {
        rule.name: {"evaluation_interval": duration_text(_every(rule)), "tests": [*_tests(rule, links)]}
        for rule in catalogue.rules.values()
        if rule.examples
    }


def _every(rule: Rule) -> pd.Timedelta:
    """From one evaluation to the next: coarser in longer examples, since every rule is computed at each."""
    longest = max(duration(one.at) for one in rule.examples)
    return next(step for span, step in _STEPS if longest >= span)


def _tests(rule: Rule, links: Links) -> Iterator[dict[str, Any]]:
    for example in rule.examples:
        yield _case(rule, links, example, example.when)
    loud = next((one for one in rule.examples if one.fires), None)
    if loud is not None and rule.usual is not None:
        yield _banded(rule, rule.usual, links, loud)
    limit = rule.threshold
    if limit is None or not limit.moves:
        return
    quiet = next((one for one in rule.examples if not one.fires), None)
    far, near = (limit.ceiling, limit.floor) if rule.direction == "above" else (limit.floor, limit.ceiling)
    if loud is not None:
        if _beyond(rule, loud, _inside(limit)):
            yield _case(rule, links, loud, "a learnt limit", _inside(limit), _inside(limit))
        if _beyond(rule, loud, far):
            poison = far * 10 if rule.direction == "above" else -1e9
            yield _case(rule, links, loud, "a poisoned limit does not silence it", poison, far)
        yield _case(rule, links, loud, "a limit that is no number", float("nan"), None)
    if quiet is not None:
        poison = -1e9 if rule.direction == "above" else far * 10 + 1e9
        labels = _of(rule, loud.fires if loud else ())
        yield _case(rule, links, quiet, "a poisoned limit does not flood", poison, near, labels)
    yield from _rails(rule, limit)


def _beyond(rule: Rule, example: Example, far: float) -> bool:
    """Whether all that fires there would fire at the limit's far end too."""
    if rule.direction == "above":
        return all(one.value > far for one in example.fires)
    return all(one.value < far for one in example.fires)


def _inside(limit: Threshold) -> float:
    """A value between the rails that is not the human one."""
    made = limit.floor + (limit.ceiling - limit.floor) * 0.75
    return made if made != limit.human else limit.floor + (limit.ceiling - limit.floor) * 0.5


def _banded(rule: Rule, signal: str, links: Links, example: Example) -> dict[str, Any]:
    """An example with the usual range of its signal, which the message tells."""
    family = f'family="tutordex_expected",{_FROM}'
    stamp = duration(example.at).total_seconds() - _AGE_SECONDS
    series = dict(example.series) | {f"tutordex_generated_timestamp_seconds{{{family}}}": _constant(stamp)}
    low, high = 0.25, 0.75
    for bound, value in (("lower", low), ("expected", 0.5), ("upper", high)):
        series[f'tutordex_expected{{signal="{signal}",bound="{bound}",{_FROM}}}'] = _constant(value)
    told = [Told(value=one.value, labels=one.labels, usual=(low, high)) for one in example.fires]
    return _test(rule, links, example, "with its usual range", series, told)


def _case(
    rule: Rule,
    links: Links,
    example: Example,
    when: str,
    published: float | None = None,
    limit: float | None = None,
    of: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """One example, with a limit published for all that fires in it, or `of`; `limit` is what must be in force."""
    at = duration(example.at).total_seconds()
    series = dict(example.series)
    if published is not None:
        series |= _published(rule, of or _of(rule, example.fires), published, at - _AGE_SECONDS)
    age = None if limit is None else float(_AGE_SECONDS)
    told = [Told(value=one.value, labels=one.labels, limit=limit, age_seconds=age) for one in example.fires]
    return _test(rule, links, example, when, series, told)


def _test(
    rule: Rule, links: Links, example: Example, when: str, series: dict[str, str], told: list[Told]
) -> dict[str, Any]:
    expected = [{"exp_labels": _labels(rule, one), "exp_annotations": rendered(rule, links, one)} for one in told]
    return {
        "name": f"{rule.name}: {when}",
        "interval": example.every,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": example.at, "alertname": rule.name, "exp_alerts": expected}],
    }


def _labels(rule: Rule, fired: Told) -> dict[str, str]:
    """Of an alert: those of its value, then the rule's own, which win."""
    own = {"severity": rule.severity, "component": rule.component}
    return {**fired.labels, **own, **({"shadow": "true"} if rule.shadow else {})}


def _of(rule: Rule, fires: tuple[Fired, ...]) -> list[dict[str, str]]:
    """The labels for which a limit is published."""
    by = rule.threshold.by if rule.threshold else ()
    found = [{name: one.labels.get(name, "") for name in by} for one in fires] or [dict.fromkeys(by, "somewhere")]
    return [one for i, one in enumerate(found) if one not in found[:i]]


def _published(rule: Rule, of: list[dict[str, str]], value: float, stamp: float) -> dict[str, str]:
    """Series of a publisher that goes on saying the same."""
    made = {_series(rule, one): _constant(value) for one in of}
    return made | {_STAMP: _constant(stamp)}


def _series(rule: Rule, labels: dict[str, str], more: str = _FROM) -> str:
    pairs = [f'alert="{rule.name}"', *(f"{key}={_quoted(text)}" for key, text in labels.items()), more]
    return f"{THRESHOLD}{{{','.join(pairs)}}}"


def _rails(rule: Rule, limit: Threshold) -> Iterator[dict[str, Any]]:
    """One publisher whose limit goes bad in all ways, one after the other, beside a broken one and another alert.

    Where limits have labels, the human value depends on the value's own labels; that is in the examples.
    """
    every = _every(rule).total_seconds()
    inside, wild = _inside(limit), max(abs(limit.ceiling), 1.0) * 10
    states: list[tuple[float, float, float]] = [  # published, its age in seconds, what must be in force
        (inside, 0, inside),
        (wild, 0, limit.ceiling),
        (-wild, 0, limit.floor),
        (math.inf, 0, limit.ceiling),
        (-math.inf, 0, limit.floor),
        (math.nan, 0, limit.human),
        (inside, MOST_AGE_SECONDS + 600, limit.human),
        (inside, -7200, limit.human),
        (inside, MOST_AGE_SECONDS - 600, inside),
    ]
    (labels,) = _of(rule, ())
    values = [repr(value) for value, _, _ in states for _ in range(_SEGMENT)]
    ages = [age for _, age, _ in states for _ in range(_SEGMENT)]
    stamps = [repr(tick * every - age) for tick, age in enumerate(ages)]
    gone = " ".join(["stale", *["_"] * 2 * _SEGMENT])
    series = {
        _series(rule, labels): f"{' '.join(_number(one) for one in values)} {gone}",
        _series(rule, labels, 'instance="broken"'): " ".join(["NaN"] * 100),
        _series(rule, labels).replace(f'"{rule.name}"', '"Another"'): _constant(wild),
        _STAMP: f"{' '.join(stamps)} {gone}",
    }
    wanted = [one for _, _, one in states] + [limit.human]
    yield {
        "name": f"{rule.name}, rails: inside, far over, far under, infinite, no number, stale, of the future, gone",
        "interval": duration_text(_every(rule)),
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'{IN_FORCE}{{alert="{rule.name}"}}',
                "eval_time": duration_text(_every(rule) * (_SEGMENT * (i + 1) - 1)),
                "exp_samples": _samples(rule, labels, one, human=one == limit.human),
            }
            for i, one in enumerate(wanted)
        ],
    }


def _samples(rule: Rule, labels: dict[str, str], value: float, *, human: bool) -> list[dict[str, Any]]:
    if human and labels:
        return []
    pairs = sorted({"alert": rule.name, **labels}.items())
    return [{"labels": f"{IN_FORCE}{{{','.join(f'{key}={_quoted(text)}' for key, text in pairs)}}}", "value": value}]


def _number(text: str) -> str:
    return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)


def _constant(value: float) -> str:
    """A value at each of many instants."""
    return " ".join(["NaN"] * _VALUES) if math.isnan(value) else f"{value!r}x{_VALUES}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
