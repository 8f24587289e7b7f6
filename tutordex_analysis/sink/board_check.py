"""Dashboards of Grafana checked without it: every query, every panel's place and what it says of itself.

What is shown is not judged, and nothing here proves how Grafana draws it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutordex_analysis import inventory, promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import Span, duration, duration_text
from tutordex_analysis.rulebook import ALWAYS
from tutordex_analysis.sink.board import COLUMNS

SCHEMA = 41
TAG = "tutordex"
PUBLISHER = frozenset({"tutordex_publisher_families", "tutordex_publisher_validity_seconds"})
_LONGEST_UID = 40
_UNITLESS = ("row", "text", "dashlist", "alertlist", "news", "logs")
_TIMES = re.compile(r"\$\{?__(?:rate_interval|interval|range)(?:_ms|_s)?\}?")
_VARIABLE = re.compile(r"\$\{(\w+)(?:[:.][^}]*)?\}|\$(\w+)|\[\[(\w+)(?::\w+)?\]\]")
_LABEL_VALUES = re.compile(r"label_values\((?:(.*),\s*)?(\w+)\)\s*")
_BACK = re.compile(r"now-(\d+[smhdw])(?:/[smhdwMy])?")


@dataclass(frozen=True)
class Finding:
    """Something wrong with a dashboard.

    Attributes:
        file: Where.
        panel: Its id and title; empty for the dashboard as a whole.
        what: The part, such as a query's letter.
        why: In a sentence.
    """

    file: Path
    panel: str
    what: str
    why: str

    @property
    def row(self) -> dict[str, str]:
        """For a table."""
        return {"where": self.file.name, "panel": self.panel, "what": self.what, "why": self.why}


def check(
    files: Sequence[Path], catalogue: Catalogue, *, datasource: str = "prometheus", retention: Span = "15d"
) -> list[Finding]:
    """Everything that is wrong with dashboards of one folder.

    Args:
        files: JSON; what cannot be read is a finding.
        catalogue: Whose inventory and recording rules name the metrics that there are; without an inventory names
            are not judged.
        datasource: Uid that every panel and query must name.
        retention: How long Prometheus keeps samples.
    """
    known = catalogue.inventory | ALWAYS | {*inventory.PUBLISHED} | PUBLISHER | {*catalogue.records}
    found: list[Finding] = []
    uids: dict[str, Path] = {}
    for path in files:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            found.append(Finding(path, "", "file", f"it cannot be read: {error.strerror or error}"))
            continue
        except ValueError as error:
            found.append(Finding(path, "", "file", f"it is not JSON: {error}"))
            continue
        if not isinstance(data, dict) or not isinstance(data.get("panels"), list):
            found.append(Finding(path, "", "file", "it is not a dashboard: it has no list of panels"))
            continue
        uid = str(data.get("uid"))
        if uid in uids:
            found.append(Finding(path, "", "uid", f"{uids[uid].name} has the same uid {uid}"))
        uids.setdefault(uid, path)
        names = known if catalogue.inventory else None
        try:
            found += [Finding(path, *one) for one in _judged(data, names, datasource, duration(retention))]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found.append(Finding(path, "", "file", f"it is not built as a dashboard is: {error}"))
    return found


def parsable(expr: str) -> str:
    """The query with plain words where Grafana puts times and the values of variables.

    Example:
        >>> parsable('rate(x{a="$a"}[$__rate_interval])')
        'rate(x{a="a"}[5m])'
    """
    timed = re.sub(r"\[\$\{?\w+\}?(?=[:\]])", "[5m", _TIMES.sub("5m", expr))
    return _VARIABLE.sub(lambda name: next(filter(None, name.groups())), timed)


def panels(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All panels, also those inside rows that are folded."""
    for one in data["panels"]:
        yield one
        yield from one.get("panels") or ()


def _judged(
    data: Mapping[str, Any],
    known: frozenset[str] | set[str] | None,
    datasource: str,
    retention: Any,  # noqa: ANN401
) -> Iterator[tuple[str, str, str]]:
    yield from (("", what, why) for what, why in _whole(data, retention))
    every = [*panels(data)]
    for one, count in Counter(panel.get("id") for panel in every).items():
        if one is None or count > 1:
            yield "", "id", f"{count} panels have " + ("no id" if one is None else f"the id {one}")
    for panel in every:
        name = f"{panel.get('id')} {panel.get('title', '')}".strip()
        yield from ((name, what, why) for what, why in _panel(panel, datasource))
        for query in panel.get("targets") or ():
            yield from ((name, what, why) for what, why in _query(query, known, datasource))
    for one in (data.get("annotations") or {}).get("list") or ():
        if one.get("expr"):
            yield from (("", f"annotation {one.get('name')}", why) for _, why in _query(one, known, datasource))
    for one in (data.get("templating") or {}).get("list") or ():
        yield from (("", f"variable {one.get('name')}", why) for why in _variable(one, known, datasource))
    yield from _overlaps(data["panels"])


def _whole(data: Mapping[str, Any], retention: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    uid = str(data.get("uid") or "")
    if not re.fullmatch(r"[a-z0-9-]+", uid) or len(uid) > _LONGEST_UID:
        yield "uid", f"{uid!r} is not made of at most {_LONGEST_UID} small letters, digits and -"
    if not data.get("title"):
        yield "title", "it has none"
    if data.get("schemaVersion") != SCHEMA:
        yield "schemaVersion", f"it is {data.get('schemaVersion')}, not {SCHEMA}"
    if TAG not in (data.get("tags") or ()):
        yield "tags", f"the tag {TAG} is missing, by which the others link here"
    since = _BACK.fullmatch(str((data.get("time") or {}).get("from", "")))
    if since is None:
        yield "time", "its range does not start at a set time before now"
    elif duration(since[1]) > retention:
        yield "time", f"its range is longer than the {duration_text(retention)} that Prometheus keeps"


def _panel(panel: Mapping[str, Any], datasource: str) -> Iterator[tuple[str, str]]:
    if panel.get("type") == "row":
        return
    for what in ("title", "description"):
        if not str(panel.get(what) or "").strip():
            yield what, "it has none"
    if panel.get("type") in _UNITLESS:
        return
    if not panel.get("targets"):
        yield "targets", "it asks nothing"
    if not ((panel.get("fieldConfig") or {}).get("defaults") or {}).get("unit"):
        yield "unit", "it has none; one that differs is called short"
    if why := _elsewhere(panel, datasource):
        yield "datasource", why
    letters = Counter(str(one.get("refId")) for one in panel.get("targets") or ())
    for letter in (letter for letter, count in letters.items() if count > 1):
        yield "targets", f"two queries are called {letter}"


def _query(
    query: Mapping[str, Any], known: frozenset[str] | set[str] | None, datasource: str
) -> Iterator[tuple[str, str]]:
    letter = f"query {query.get('refId', '')}".strip()
    if why := _elsewhere(query, datasource):
        yield letter, why
    yield from ((letter, why) for why in _expr(str(query.get("expr") or ""), known))


def _expr(expr: str, known: frozenset[str] | set[str] | None) -> Iterator[str]:
    text = parsable(expr)
    try:
        promql.check(text)
    except CatalogueError as error:
        yield str(error)
        return
    if known is not None:
        for name in sorted(promql.metrics(text) - known):
            yield f"nothing exposes or records {name}, so that there is no data"


def _variable(one: Mapping[str, Any], known: frozenset[str] | set[str] | None, datasource: str) -> Iterator[str]:
    if one.get("type") != "query":
        return
    if why := _elsewhere(one, datasource):
        yield why
    asked = one.get("query")
    text = str(asked.get("query", "") if isinstance(asked, dict) else asked or "")
    values = _LABEL_VALUES.fullmatch(text)
    if values is not None and values[1]:
        yield from _expr(values[1], known)


def _elsewhere(one: Mapping[str, Any], datasource: str) -> str:
    where = one.get("datasource")
    uid = where.get("uid") if isinstance(where, dict) else where
    return "" if uid == datasource else f"its data source is {uid!r}, not {datasource!r}"


def _overlaps(top: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    boxes: list[tuple[str, tuple[int, int, int, int]]] = []
    for panel in top:
        name = f"{panel.get('id')} {panel.get('title', '')}".strip()
        place = panel.get("gridPos")
        if not isinstance(place, dict) or not {"x", "y", "w", "h"} <= place.keys():
            yield name, "gridPos", "it has no place"
            continue
        x, y, w, h = (int(place[key]) for key in "xywh")
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > COLUMNS:
            yield name, "gridPos", f"it does not lie within {COLUMNS} columns"
        for other, (left, above, wide, high) in boxes:
            if x < left + wide and left < x + w and y < above + high and above < y + h:
                yield name, "gridPos", f"it overlaps {other}"
        boxes.append((name, (x, y, w, h)))
