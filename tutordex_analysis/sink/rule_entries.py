"""Rule files of anybody, read with the lines that their parts stand in; what cannot be read is a finding, no error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tutordex_analysis.yaml_file import LOADER

_KEYS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that one should know.

    Attributes:
        file: Where.
        line: In it, from 1.
        level: A `fault` keeps a rule from doing what it should; a `note` does not.
        rule: Name of the alert or record, or of the group.
        what: The place in question.
        why: In words.
    """

    file: Path
    line: int
    level: str
    rule: str
    what: str
    why: str

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """For a table: where, level, rule, what, why."""
        return f"{self.file}:{self.line}", self.level, self.rule, self.what, self.why


@dataclass(frozen=True, eq=False)
class Entry:
    """One rule with its lines.

    Attributes:
        file: Where it stands.
        line: Of its name.
        name: Of the alert or the record.
        alert: Whether it is one.
        expr: PromQL, and its line.
        labels: Name → text and line.
        annotations: Name → text and line.
    """

    file: Path
    line: int
    name: str
    alert: bool
    expr: tuple[str, int]
    labels: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    annotations: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def fault(self, what: str, why: str, *, line: int | None = None, level: str = "fault") -> Finding:
        """A finding about it."""
        return Finding(self.file, line or self.expr[1], level, self.name, what, why)

    def note(self, what: str, why: str, *, line: int | None = None) -> Finding:
        """A finding that keeps nothing from working."""
        return self.fault(what, why, line=line, level="note")


def read(path: Path) -> Iterator[Entry | Finding]:
    """The rules of a file in order, and what is wrong with its form."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except OSError as error:
        yield Finding(path, 1, "fault", "", "file", f"it cannot be read: {error.strerror}")
        return
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        yield Finding(path, mark.line + 1 if mark else 1, "fault", "", "file", f"this is not YAML: {what}")
        return
    groups = _mapping(root).get("groups")
    if not isinstance(groups, yaml.SequenceNode):
        line = _line(root) if root is not None else 1
        yield Finding(path, line, "fault", "", "file", "a rule file is a list under the key groups")
        return
    seen: dict[str, int] = {}
    for group in groups.value:
        yield from _group(path, group, seen)


def _group(path: Path, group: yaml.Node, seen: dict[str, int]) -> Iterator[Entry | Finding]:
    parts = _mapping(group)
    name = _text(parts.get("name"))
    if not name:
        yield Finding(path, _line(group), "fault", "", "group", "it has no name, so Prometheus refuses the whole file")
    elif name in seen:
        yield Finding(path, _line(group), "fault", name, "group", f"line {seen[name]} has a group of that name already")
    seen.setdefault(name, _line(group))
    rules = parts.get("rules")
    if rules is None:
        yield Finding(path, _line(group), "note", name, "group", "it has no rules: and does nothing")
        return
    for rule in rules.value if isinstance(rules, yaml.SequenceNode) else ():
        yield from _rule(path, name, rule)


def _rule(path: Path, group: str, node: yaml.Node) -> Iterator[Entry | Finding]:
    parts = _mapping(node)
    kinds = [kind for kind in ("alert", "record") if kind in parts]
    for key in parts.keys() - {*_KEYS}:
        yield Finding(path, _line(parts[key]), "fault", group, key, "Prometheus knows no such key of a rule")
    if len(kinds) != 1 or "expr" not in parts:
        yield Finding(path, _line(node), "fault", group, "rule", "a rule has alert or record, and expr")
        return
    yield Entry(
        file=path,
        line=_line(parts[kinds[0]]),
        name=_text(parts[kinds[0]]),
        alert=kinds[0] == "alert",
        expr=(_text(parts["expr"]), _line(parts["expr"])),
        labels=_texts(parts.get("labels")),
        annotations=_texts(parts.get("annotations")),
    )


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _texts(node: yaml.Node | None) -> dict[str, tuple[str, int]]:
    return {key: (_text(value), _line(value)) for key, value in _mapping(node).items()}


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
