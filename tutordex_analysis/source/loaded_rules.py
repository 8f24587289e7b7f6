"""The rules that a running Prometheus has loaded, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from tutordex_analysis.errors import SourceError
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.source.answer import Refused
from tutordex_analysis.source.session import Session


class Server(Protocol):
    """What is needed of a source."""

    session: Session


def loaded(server: Server) -> tuple[Group, ...]:
    """Every group that it evaluates, in its order.

    Raises:
        SourceError: It does not tell its rules as Prometheus does.
    """
    session = server.session
    try:
        document = json.loads(session.fetch("GET", f"{session.address}/api/v1/rules", {}))
        groups = document["data"]["groups"]
        return tuple(_group(one) for one in groups)
    except Refused as error:
        raise SourceError(f"{session.address} does not tell its rules: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError(f"{session.address} does not tell its rules as Prometheus does") from error


def _group(data: Mapping[str, Any]) -> Group:
    every = float(data.get("interval") or 0)
    return Group(
        name=str(data["name"]),
        file=str(data.get("file", "")).rsplit("/", 1)[-1],
        rules=tuple(_rule(one) for one in data.get("rules") or []),
        every_seconds=every or None,
    )


def _rule(data: Mapping[str, Any]) -> FileRule:
    return FileRule(
        kind="alert" if data.get("type") == "alerting" else "record",
        name=str(data["name"]),
        expr=str(data["query"]),
        hold_seconds=float(data.get("duration") or 0),
        keep_seconds=float(data.get("keepFiringFor") or 0),
        labels={str(key): str(value) for key, value in (data.get("labels") or {}).items()},
        annotations={str(key): str(value) for key, value in (data.get("annotations") or {}).items()},
    )
