"""Tests of every alert for `promtool test rules`: the catalogue's examples, and the rails of limits that move.

Eval times and series stay off the edges of windows, where Prometheus 3 reads a sample less than 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.rule import Example, Fired, Rule, Threshold
from tutordex_analysis.rulebook import IN_FORCE
from tutordex_analysis.sink.rule_rails import MOST_AGE_SECONDS, THRESHOLD
from tutordex_analysis.sink.rule_text import Links, Told, rendered

_AGE_SECONDS = 9000  # of the limits that tests publish
_AT_SECONDS = 20 * 60  # when rails are looked at without any example
_VALUES = 1440
_NEAR, _FAR, _LONG = "1m", "5m", "75m"
_FROM = 'job="tutordex_analysis",instance="analysis:9877"'


def tests(catalogue: Catalogue, links: Links) -> dict[str, dict[str, Any]]:
    """Alert → the rest of its test file; a rule without examples has none."""
    return {
        rule.name: {"evaluation_interval": _every(rule), "tests": [*_tests(rule, links)]}
        for rule in catalogue.rules.values()
        if rule.examples
    }


def _every(rule: Rule) -> str:
    """From one evaluation to the next: long examples would take long with short steps."""
    spans = [duration(one.every) for one in rule.examples]
    if any(duration(one.at) < duration(_LONG) and duration(one.every) < duration(_FAR) for one in rule.examples):
        return _NEAR
    return duration_text(max(duration(_FAR), min(spans)))


def _tests(rule: Rule, links: Links) -> Iterator[dict[str, Any]]:
    for example in rule.examples:
        yield _case(rule, links, example, example.when)
    limit = rule.threshold
    if limit is None or not limit.moves:
        return
    loud = next((one for one in rule.examples if one.fires), None)
    quiet = next((one for one in rule.examples if not one.fires), None)
    far, near = (limit.ceiling, limit.floor) if rule.direction == "above" else (limit.floor, limit.ceiling)
    if loud is not None:
        yield _case(rule, links, loud, "a learnt limit", _inside(limit), _inside(limit))
        if _beyond(rule, loud, far):
            poison = far * 10 if rule.direction == "above" else -1e9
            yield _case(rule, links, loud, "a poisoned limit does not silence it", poison, far)
        yield _case(rule, links, loud, "a limit that is no number", float("nan"), None)
    if quiet is not None:
        poison = -1e9 if rule.direction == "above" else far * 10 + 1e9
        yield _case(rule, links, quiet, "a poisoned limit does not flood", poison, near)
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


def _case(
    rule: Rule, links: Links, example: Example, when: str, published: float | None = None, limit: float | None = None
) -> dict[str, Any]:
    """One example, with a limit published for all that fires in it; `limit` is what must be in force."""
    at = duration(example.at).total_seconds()
    series = dict(example.series)
    if published is not None:
        series |= _published(rule, _of(rule, example.fires), published, at - _AGE_SECONDS)
    age = None if limit is None else float(_AGE_SECONDS)
    expected = []
    for one in example.fires:
        told = Told(value=one.value, labels=one.labels, limit=limit, age_seconds=age)
        expected.append({"exp_labels": _labels(rule, one), "exp_annotations": rendered(rule, links, told)})
    return {
        "name": f"{rule.name}: {when}",
        "interval": example.every,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": example.at, "alertname": rule.name, "exp_alerts": expected}],
    }


def _labels(rule: Rule, fired: Fired) -> dict[str, str]:
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
    made[f'tutordex_generated_timestamp_seconds{{family="{THRESHOLD}",{_FROM}}}'] = _constant(stamp)
    return made


def _series(rule: Rule, labels: dict[str, str], more: str = _FROM) -> str:
    pairs = [f'alert="{rule.name}"', *(f"{key}={_quoted(text)}" for key, text in labels.items()), more]
    return f"{THRESHOLD}{{{','.join(pairs)}}}"


def _rails(rule: Rule, limit: Threshold) -> Iterator[dict[str, Any]]:
    """What is in force, whatever is published: `group` and `or` are tested beside it for limits with labels."""
    inside, wild = _inside(limit), max(abs(limit.ceiling), 1.0) * 10
    now = float(_AT_SECONDS)
    published: list[tuple[str, str, float, float]] = [
        ("a fresh limit between the rails", _constant(inside), now, inside),
        ("ten times the ceiling", _constant(wild), now, limit.ceiling),
        ("far under the floor", _constant(-wild), now, limit.floor),
        ("infinite", _constant(float("inf")), now, limit.ceiling),
        ("minus infinite", _constant(float("-inf")), now, limit.floor),
        ("no number", _constant(float("nan")), now, limit.human),
        ("stale", _constant(inside), now - MOST_AGE_SECONDS - 600, limit.human),
        ("from the future", _constant(inside), now + 7200, limit.human),
        ("of a publisher that died", f"{inside!r}x5 stale _x40", now, limit.human),
    ]
    for labels in _of(rule, ()):
        for when, values, stamp, wanted in published:
            series = {_series(rule, labels): values}
            series[f'tutordex_generated_timestamp_seconds{{family="{THRESHOLD}",{_FROM}}}'] = _constant(stamp)
            yield _looked_at(rule, f"a limit {when}", series, [] if limit.by and wanted == limit.human else [(labels, wanted)])
        nothing: list[tuple[dict[str, str], float]] = [] if limit.by else [(labels, limit.human)]
        yield _looked_at(rule, "no limit at all", {"up": "1x40"}, nothing)
        without = {_series(rule, labels): _constant(inside)}
        yield _looked_at(rule, "a limit without a time stamp", without, nothing)
        other = {_series(rule, labels).replace(rule.name, "Another"): _constant(inside)}
        yield _looked_at(rule, "the limit of another alert", other | _stamp(now), nothing)
        twice = {_series(rule, labels, 'instance="a"'): "NaN NaN NaN", _series(rule, labels, 'instance="b"'): _constant(inside)}
        yield _looked_at(rule, "two publishers, one of them broken", twice | _stamp(now), [(labels, inside)])


def _stamp(now: float) -> dict[str, str]:
    return {f'tutordex_generated_timestamp_seconds{{family="{THRESHOLD}",{_FROM}}}': _constant(now)}


def _looked_at(
    rule: Rule, when: str, series: dict[str, str], wanted: list[tuple[dict[str, str], float]]
) -> dict[str, Any]:
    name = f'{IN_FORCE}{{alert="{rule.name}"}}'
    samples = [
        {
            "labels": f"{IN_FORCE}{{{','.join([f'alert={_quoted(rule.name)}', *(f'{k}={_quoted(v)}' for k, v in sorted(one.items()))])}}}",
            "value": value,
        }
        for one, value in wanted
    ]
    return {
        "name": f"{rule.name}, rails: {when}",
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [{"expr": name, "eval_time": f"{_AT_SECONDS // 60}m", "exp_samples": samples}],
    }


def _constant(value: float) -> str:
    """A value at each of many instants."""
    if value != value:
        return " ".join(["NaN"] * 700)
    if value in (float("inf"), float("-inf")):
        return " ".join(["Inf" if value > 0 else "-Inf"] * 40)
    return f"{value!r}x{_VALUES}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
