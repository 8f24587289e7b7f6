"""Rule files of Prometheus as data: groups of recording and alerting rules, and what differs between two of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pandas as pd
import promql_parser
import yaml

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError

Kind: TypeAlias = Literal["alert", "record"]
Change: TypeAlias = Literal["added", "removed", "changed"]
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_COLUMNS = ("change", "kind", "rule", "group", "file", "what")


class _Texts(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the one that is there
    """Every plain scalar is text, as Prometheus reads labels and annotations: `yes` stays yes, `1.0` stays 1.0."""

    yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"))]}  # noqa: RUF012


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """One rule as a file has it.

    Attributes:
        kind: Whether it alerts or records.
        name: Of the alert, or of what is recorded.
        expr: PromQL.
        hold_seconds: `for`.
        keep_seconds: `keep_firing_for`.
        labels: Added to each sample or alert; "" takes one away.
        annotations: Templates.
    """

    kind: Kind
    name: str
    expr: str
    hold_seconds: float = 0.0
    keep_seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rules that are evaluated one after the other.

    Attributes:
        name: Unique in its file.
        file: Name of the file.
        rules: In order.
        every_seconds: Its own interval; None takes that of the server.
    """

    name: str
    file: str
    rules: tuple[FileRule, ...] = ()
    every_seconds: float | None = None


def parse(text: str | bytes, file: str) -> tuple[Group, ...]:
    """The groups of one file; an empty file has none.

    Args:
        text: Its content.
        file: Its name, for groups and sentences.

    Raises:
        CatalogueError: It is no rule file; file and line or group and rule are in the sentence.
    """
    try:
        document = yaml.load(text, Loader=_Texts)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise CatalogueError(f"{file}:{mark.line + 1 if mark else 1}: this is not YAML: {what}") from error
    if document in (None, ""):
        return ()
    if not isinstance(document, dict) or not isinstance(document.get("groups", []) or [], list):
        raise CatalogueError(f"{file}: a rule file has the key groups:, a list")
    groups = tuple(_group(one, file, i) for i, one in enumerate(document.get("groups") or [], 1))
    twice = [name for name, count in Counter(one.name for one in groups).items() if count > 1]
    if twice:
        raise CatalogueError(f"{file}: two groups are called {twice[0]!r}; Prometheus refuses that")
    return groups


def _group(data: Any, file: str, place: int) -> Group:  # noqa: ANN401 - YAML holds anything
    if not isinstance(data, dict) or not data.get("name"):
        raise CatalogueError(f"{file}: group {place} has no name")
    name, rules = str(data["name"]), data.get("rules") or []
    if not isinstance(rules, list):
        raise CatalogueError(f"{file}: rules: of the group {name!r} is no list")
    where = f"{file}: group {name!r}"
    every = seconds(data["interval"], where) if data.get("interval") else None
    return Group(name=name, file=file, rules=tuple(_rule(one, where) for one in rules), every_seconds=every)


def _rule(data: Any, where: str) -> FileRule:  # noqa: ANN401 - YAML holds anything
    kinds: list[Kind] = [kind for kind in ("alert", "record") if isinstance(data, dict) and data.get(kind)]
    if len(kinds) != 1:
        raise CatalogueError(f"{where}: each rule has either alert: or record:, a name")
    name = str(data[kinds[0]])
    spot = f"{where}, {kinds[0]} {name!r}"
    if not str(data.get("expr") or "").strip():
        raise CatalogueError(f"{spot}: it has no expr:")
    texts = {}
    for key in ("labels", "annotations"):
        found = data.get(key) or {}
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise CatalogueError(f"{spot}: {key}: is a list of names with texts")
        texts[key] = {str(label): str(value) for label, value in found.items()}
    return FileRule(
        kind=kinds[0],
        name=name,
        expr=str(data["expr"]).strip(),
        hold_seconds=seconds(data.get("for") or "0s", spot),
        keep_seconds=seconds(data.get("keep_firing_for") or "0s", spot),
        **texts,
    )


def seconds(text: str, where: str) -> float:
    """A duration in Prometheus notation, zero allowed.

    Raises:
        CatalogueError: It is none.

    Example:
        >>> seconds("1h30m", "")
        5400.0
    """
    parts = _DURATION.findall(str(text))
    if str(text) == "0":
        return 0.0
    if not parts or "".join(n + unit for n, unit in parts) != str(text):
        raise CatalogueError(f'{where}: {text!r} is not a duration; write it like "5m"')
    return float(sum(int(n) * _SECONDS[unit] for n, unit in parts))


def normal(expr: str) -> str:
    """The expression in one spelling, whatever its white space and quotes; as it is where it cannot be parsed."""
    try:
        return str(promql_parser.parse(promql.double_quoted(expr)).prettify())
    except ValueError:
        return " ".join(expr.split())


def can_be_parsed(expr: str) -> bool:
    """Whether our parser, which speaks another version than a server may, knows all of it."""
    try:
        promql_parser.parse(promql.double_quoted(expr))
    except ValueError:
        return False
    return True


def compare(old: Iterable[Group], new: Iterable[Group]) -> pd.DataFrame:
    """One row a rule that was added, removed or changed: change, kind, rule, group, file, and what of it changed.

    A rule is the same when group, kind and name are; of several of one name the first is compared with the first.
    Rules come in the order of the new files, then what was removed. An expression that is only spelt anew is unchanged.
    """
    before, after = dict(_keyed(old)), dict(_keyed(new))
    rows = []
    for key, (group, rule) in after.items():
        if key not in before:
            rows.append(("added", *_told(group, rule), ""))
        elif what := _what(*before[key], group, rule):
            rows.append(("changed", *_told(group, rule), ", ".join(what)))
    rows += [("removed", *_told(*before[key]), "") for key in before if key not in after]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(str)


def _keyed(groups: Iterable[Group]) -> Iterator[tuple[tuple[str, str, str, int], tuple[Group, FileRule]]]:
    for group in groups:
        seen: Counter[tuple[str, str]] = Counter()
        for rule in group.rules:
            seen[rule.kind, rule.name] += 1
            yield (group.name, rule.kind, rule.name, seen[rule.kind, rule.name]), (group, rule)


def _told(group: Group, rule: FileRule) -> tuple[str, str, str, str]:
    return rule.kind, rule.name, group.name, group.file


def _what(old_group: Group, old: FileRule, new_group: Group, new: FileRule) -> list[str]:
    pairs = {
        "expr": (normal(old.expr), normal(new.expr)),
        "for": (old.hold_seconds, new.hold_seconds),
        "keep_firing_for": (old.keep_seconds, new.keep_seconds),
        "labels": (old.labels, new.labels),
        "annotations": (old.annotations, new.annotations),
        "interval": (old_group.every_seconds, new_group.every_seconds),
    }
    return [name for name, (one, other) in pairs.items() if one != other]
