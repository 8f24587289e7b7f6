"""Promises from Sloth's files, version prometheus/v1, as a file of our catalogue.

What is read: the service, each objective in percent, its queries, which alerts are wanted. Labels and annotations of
its alerts are not: ours are made from the promise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from pydantic import ValidationError

from tutordex_analysis import promql, yaml_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.promql_labels import nodes, op_of
from tutordex_analysis.slo import WINDOW, BurnAlerts, Slo
from tutordex_analysis.yaml_file import line_of

VERSION = "prometheus/v1"
_TEMPLATE = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
_ANY = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_MARK = "7919s"  # stands for the window while a query is parsed: a length that nobody writes
_MARKED = re.compile(r"\[([^\]:]+)")
_WORDS = re.compile(r"[^A-Za-z0-9]+")
_KEYS = ("version", "service", "labels", "slos")


def read(path: Path, *, period: str = "30d") -> tuple[Slo, ...]:
    """The promises of one file.

    Args:
        path: The file.
        period: Over which they are promised; Sloth takes it on its command line, not from the file.

    Raises:
        CatalogueError: It is of another kind, or one of them cannot be said in ours; with file and line.
    """
    root, data = yaml_file.read(path, keys=_KEYS)
    if data.get("version") != VERSION:
        kind = data.get("version", data.get("apiVersion"))
        told = f"of the version {kind!r}" if kind is not None else "without version:"
        raise CatalogueError(
            f"{path}:{line_of(root, ('version',))}: this is a file {told}; only version: {VERSION} is read"
        )
    service, entries = data.get("service"), data.get("slos")
    if not isinstance(service, str) or not service.strip():
        raise CatalogueError(f"{path}:1: service: must name the service that promises")
    if not isinstance(entries, list) or not entries:
        raise CatalogueError(f"{path}:{line_of(root, ('slos',))}: slos: must be a list of at least one promise")
    labels, made = data.get("labels"), dict[str, Slo]()
    for i, entry in enumerate(entries):
        try:
            one = _slo(entry, service, labels if isinstance(labels, dict) else {}, period)
            if one.name in made:
                raise CatalogueError(f"{entry['name']!r} is there twice; give each its own name")
        except ValidationError as error:
            raise CatalogueError(f"{path}:{line_of(root, ('slos', str(i)))}: {_first(error)}") from error
        except CatalogueError as error:
            raise CatalogueError(f"{path}:{line_of(root, ('slos', str(i)))}: {error}") from error
        made[one.name] = one
    return tuple(made.values())


def text(slos: Sequence[Slo]) -> str:
    """A file of a catalogue with these promises."""
    made = {one.name: one.model_dump(mode="json", exclude_defaults=True) for one in slos}
    return yaml.safe_dump({"slos": made}, sort_keys=False, allow_unicode=True, width=2**16)


def _slo(entry: object, service: str, labels: Mapping[object, object], period: str) -> Slo:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise CatalogueError("each promise is a mapping with a name:")
    name = "_".join(_WORDS.sub("_", one).strip("_").lower() for one in (service, entry["name"]))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise CatalogueError(f"{service!r} with {entry['name']!r} gives the name {name!r}; begin with a letter")
    own = entry.get("labels")
    owner = {**labels, **(own if isinstance(own, dict) else {})}
    sides = _events(entry.get("sli"))
    return Slo(
        name=name,
        title=f"{service}: {entry['name']}",
        description=str(entry.get("description") or ""),
        objective=_objective(entry.get("objective")),
        period=period,
        bad_query=sides.bad,
        total_query=sides.total,
        owner=str(owner.get("owner") or owner.get("team") or service),
        alerts=_alerts(entry.get("alerting"), f"{service} {entry['name']}", service),
    )


def _first(error: ValidationError) -> str:
    one = error.errors(include_url=False)[0]
    return str(one.get("ctx", {}).get("error") or one["msg"])


def _objective(given: object) -> float:
    """The share of a percentage."""
    told = f"objective {given!r} is no percentage; write it between 1 and 100, such as 99.9"
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise CatalogueError(told)
    if given == 100:
        raise CatalogueError("an objective of 100 leaves no error budget; promise a little less, such as 99.9")
    if 0 < given <= 1:
        raise CatalogueError(f"objective {given:g} looks like a share; Sloth writes percent, such as {100 * given:g}")
    if not 0 < given < 100:
        raise CatalogueError(told)
    return round(given / 100, 12)


def _alerts(given: Any, named: str, service: str) -> BurnAlerts | None:  # noqa: ANN401 - YAML holds anything
    """Its alerts, none where both are switched off."""
    told = given if isinstance(given, dict) else {}
    stem = "".join(one[:1].upper() + one[1:] for one in _WORDS.split(str(told.get("name") or named)) if one)
    if not stem[:1].isalpha():
        raise CatalogueError(f"{told.get('name') or named!r} begins with no letter, so no alert can be called after it")
    kinds = {"page": f"{stem}BudgetBurn", "ticket": f"{stem}SLOViolation"}
    wanted = {kind: name for kind, name in kinds.items() if not (told.get(f"{kind}_alert") or {}).get("disable")}
    if not wanted:
        return None
    component = _WORDS.sub("-", service).strip("-").lower()
    return BurnAlerts(page=wanted.get("page"), ticket=wanted.get("ticket"), component=component)


@dataclass(frozen=True)
class _Sides:
    bad: str
    total: str


def _events(sli: Any) -> _Sides:  # noqa: ANN401 - YAML holds anything
    """Bad and all events as queries of rates."""
    kinds = sorted(sli) if isinstance(sli, dict) else []
    if kinds == ["events"] and isinstance(sli["events"], dict):
        queries = {key: sli["events"].get(key) for key in ("error_query", "total_query")}
        for key, query in queries.items():
            if not isinstance(query, str) or not query.strip():
                raise CatalogueError(f"events: has no {key}:; Sloth needs both error_query and total_query")
        bad, total = (_parsed(str(query), key) for key, query in queries.items())
    elif kinds == ["raw"] and isinstance(sli["raw"], dict):
        query = sli["raw"].get("error_ratio_query")
        if not isinstance(query, str) or not query.strip():
            raise CatalogueError("raw: has no error_ratio_query:")
        bad, total = _divided(_parsed(query, "error_ratio_query"))
    elif "plugin" in kinds:
        raise CatalogueError(
            "sli: of a plugin is code of Sloth's own, which is not read; write events: with two queries"
        )
    else:
        raise CatalogueError(f"sli: is events: or raw:, one of them; got {', '.join(kinds) or 'nothing'}")
    return _rates(bad, total)


def _parsed(query: str, key: str) -> promql_parser.Expr:
    """A query with a mark for its window."""
    marked, count = _TEMPLATE.subn(_MARK, query)
    if strange := _ANY.search(marked):
        raise CatalogueError(f"{key} has {strange[0]}; of Sloth's templates only {{{{.window}}}} is read")
    if not count:
        raise CatalogueError(f"{key} asks for no {{{{.window}}}}; write rate(…[{{{{.window}}}}])")
    try:
        promql.check(marked)
    except CatalogueError as error:
        raise CatalogueError(f"{key}: {error}".replace(_MARK, "{{.window}}")) from error
    return promql_parser.parse(promql.double_quoted(marked))


def _divided(node: Any) -> tuple[Any, Any]:  # noqa: ANN401 - the parser has no types
    """The two sides of a ratio: bad / all, or 1 - good / all."""
    node = _bare(node)
    if isinstance(node, promql_parser.BinaryExpr):
        left, right = _bare(node.lhs), _bare(node.rhs)
        if op_of(node) == "/":
            return left, right
        one = isinstance(left, promql_parser.NumberLiteral) and left.val == 1
        if op_of(node) == "-" and one and isinstance(right, promql_parser.BinaryExpr) and op_of(right) == "/":
            good, total = _bare(right.lhs), _bare(right.rhs)
            all_, kept = total.prettify(), good.prettify()
            return promql_parser.parse(f"({all_}) - (({kept}) or 0 * ({all_}))"), total
    raise CatalogueError(
        "error_ratio_query is no bad / all and no 1 - good / all, so events cannot be counted, which the guard against "
        "few events needs; write events: with error_query and total_query"
    )


def _bare(node: Any) -> Any:  # noqa: ANN401 - the parser has no types
    while isinstance(node, promql_parser.ParenExpr):
        node = node.expr
    return node


def _rates(bad: Any, total: Any) -> _Sides:  # noqa: ANN401 - the parser has no types
    """Queries of rates: an increase over the window is its rate, times a length that a ratio does not see."""
    texts = [str(one.prettify()) for one in (bad, total)]
    used: set[str] = set()
    for node in (node for one in texts for node in nodes(one)):
        if isinstance(node, promql_parser.SubqueryExpr):
            raise CatalogueError("a subquery over the window counts moments, not events; write rate(…[{{.window}}])")
        if (
            isinstance(node, promql_parser.Call)
            and node.args
            and isinstance(node.args[0], promql_parser.MatrixSelector)
        ):
            used.add(node.func.name)
            if _length(str(node.args[0].prettify())) != _length(f"x[{_MARK}]"):
                raise CatalogueError(
                    f"{promql.shorten(str(node.prettify()))} has a window of its own, not {{{{.window}}}}"
                )
    if len(used) != 1 or not used <= {"rate", "increase"}:
        raise CatalogueError(
            f"events are counted with {', '.join(sorted(used))}; use rate() in both queries, or increase() in both"
        )
    texts = [re.sub(r"\bincrease\(", "rate(", one) for one in texts]
    return _Sides(*(one.replace(f"[{_length(f'x[{_MARK}]')}]", f"[{WINDOW}]") for one in texts))


def _length(text: str) -> str:
    """The window of a selector, in the parser's own spelling."""
    found = _MARKED.search(str(promql_parser.parse(text).prettify()))
    return found[1] if found else ""
