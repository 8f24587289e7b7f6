"""What an alert fires on, as a short digest: with another expression, `for` or limit it is another alert to judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from tutordex_analysis.rule_groups import Group

_DIGITS = 8


def digest(expr: str, *, hold_seconds: float, keep_seconds: float, limits: Iterable[str]) -> str:
    """Eight hex digits, the same however the expressions are spaced.

    Args:
        expr: PromQL of the alert.
        hold_seconds: Its `for`.
        keep_seconds: Its `keep_firing_for`.
        limits: PromQL of the records of its limit.
    """
    asked = [" ".join(one.split()) for one in (expr, *sorted(limits))]
    text = json.dumps([asked, float(hold_seconds), float(keep_seconds)])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def definitions(groups: Iterable[Group]) -> dict[str, str]:
    """The digest of every alert of some rule files; the limits are records with its name in the label `alert`."""
    every = [rule for group in groups for rule in group.rules]
    limits: dict[str, list[str]] = {}
    for rule in every:
        if rule.kind == "record" and ":threshold:" in rule.name and "alert" in rule.labels:
            limits.setdefault(rule.labels["alert"], []).append(rule.expr)
    return {
        rule.name: digest(
            rule.expr,
            hold_seconds=rule.hold_seconds,
            keep_seconds=rule.keep_seconds,
            limits=limits.get(rule.name, ()),
        )
        for rule in every
        if rule.kind == "alert"
    }
