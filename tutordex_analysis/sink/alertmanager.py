"""What Alertmanager must know of the rules: routes to put before its own, and which alert mutes which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue

HOW = (
    "# To merge into alertmanager.yml: routes come before the others under route.routes, inhibit_rules are added.\n"
    "# The receivers are those that the stack has.\n"
)
SHADOW = 'shadow="true"'
_ROUTES = (
    # an alert in shadow reaches nobody, whatever its severity
    {"matchers": [SHADOW], "receiver": "blackhole"},
    # critical for the people who use it: as quick as every critical one, and its end is told
    {
        "matchers": ['alertname="PublicApiDown"'],
        "receiver": "telegram-critical",
        "group_wait": "5s",
        "group_interval": "2m",
        "repeat_interval": "30m",
    },
)


def fragment(catalogue: Catalogue) -> dict[str, Any]:
    """Routes and inhibitions as Alertmanager writes them."""
    there = {*catalogue.rules}
    routes = [route for route in _ROUTES if _wanted(route, there)]
    return {"route": {"routes": routes}, "inhibit_rules": _inhibitions(catalogue)}


def _wanted(route: Mapping[str, Any], there: set[str]) -> bool:
    name = str(route["matchers"][0]).removeprefix('alertname="').rstrip('"')
    return route["matchers"] == [SHADOW] or name in there


def _inhibitions(catalogue: Catalogue) -> list[dict[str, Any]]:
    """One rule a cause. A cause in shadow mutes nothing: nobody would hear of either."""
    muted: dict[tuple[str, ...], list[str]] = {}
    for rule in catalogue.rules.values():
        for selector in rule.muted_by:
            muted.setdefault(_matchers(selector), []).append(rule.name)
    return [
        {
            "source_matchers": [*source, 'shadow!="true"'],
            "target_matchers": [f'alertname=~"{"|".join(sorted(targets))}"'],
        }
        for source, targets in sorted(muted.items())
    ]


def _matchers(selector: str) -> tuple[str, ...]:
    signs = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return tuple(f"{one.label}{signs[one.equal, one.regex]}{_quoted(one.value)}" for one in promql.matchers(selector))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
