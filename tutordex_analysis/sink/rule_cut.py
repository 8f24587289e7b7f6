"""Only those rules that some alerts need, for their tests: promtool computes every rule of a file at every step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_WHOLE = re.compile(r"ALERTS|__name__")  # what reads rules that it does not name
_LABEL = re.compile(r"""(\w+)\s*=\s*\\?["']([^"'\\]*)\\?["']""")


def cut(files: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Rule files with only what one file of tests needs: its alerts, and the records that they read, in their order.

    A record is kept where its name stands in what is kept, in a message too. It is left out where each mention asks for
    another label than it has. Where something kept can read rules without their names, everything is kept.

    Args:
        files: Path → content of a rule file as YAML has it.
        test: Content of a file for `promtool test rules`.

    Returns:
        The same paths; a file of which nothing is needed has no groups.
    """
    rules = [rule for content in files.values() for group in content["groups"] for rule in group["rules"]]
    named, asked = _tested(test)
    kept = {index for index, rule in enumerate(rules) if rule.get("alert") in named}
    texts = [*asked, *(_text(rules[index]) for index in kept)]
    for text in texts:  # it grows while it is read
        if _WHOLE.search(text):
            return dict(files)
        for index, rule in enumerate(rules):
            if index not in kept and "record" in rule and _reads(text, rule):
                kept.add(index)
                texts.append(_text(rule))
    here = {id(rules[index]) for index in kept}
    return {path: {**content, "groups": [*_groups(content, here)]} for path, content in files.items()}


def _groups(content: Mapping[str, Any], kept: set[int]) -> Iterator[dict[str, Any]]:
    for group in content["groups"]:
        if rules := [rule for rule in group["rules"] if id(rule) in kept]:
            yield {**group, "rules": rules}


def _tested(test: Mapping[str, Any]) -> tuple[set[str], list[str]]:
    """The alerts that are asked about, and the expressions."""
    tests = test.get("tests") or []
    named = {one.get("alertname") for each in tests for one in each.get("alert_rule_test") or []}
    return named, [str(one.get("expr")) for each in tests for one in each.get("promql_expr_test") or []]


def _text(rule: Mapping[str, Any]) -> str:
    parts = [rule.get("expr", ""), *rule.get("annotations", {}).values(), *rule.get("labels", {}).values()]
    return "\n".join(map(str, parts))


def _reads(text: str, rule: Mapping[str, Any]) -> bool:
    """Whether an expression or message can read a record."""
    own = {str(key): str(value) for key, value in rule.get("labels", {}).items()}
    for found in re.finditer(rf"(?<![\w:]){re.escape(rule['record'])}(?![\w:])(\{{[^}}]*\}})?", text):
        wanted = _LABEL.findall(found[1] or "")
        if all(own.get(label, value) == value for label, value in wanted):
            return True
    return False
