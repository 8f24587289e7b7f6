"""YAML that people write: read safely, and what is wrong with it told with file and line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tutordex_analysis.errors import CatalogueError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SPECS = ("Signal", "Limit", "Queue", "Alert", "Rule", "Record")  # pydantic names them in a place, the file does not


def read(path: Path, *, keys: Sequence[str]) -> tuple[yaml.Node, dict[str, Any]]:
    """A file that is one mapping: its nodes, which know their lines, and its data.

    Args:
        path: The file.
        keys: What it may have, for the sentence.

    Raises:
        CatalogueError: It is no YAML, no mapping, or a key is there twice.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise CatalogueError(f"{path}:{mark.line + 1 if mark else 1}: this is not YAML: {what}") from error
    if not isinstance(root, yaml.MappingNode):
        several = "keys" if len(keys) > 1 else "key"
        raise CatalogueError(f"{path}:1: a file of this kind has the {several} {', '.join(keys)}")
    _no_twins(root, path)
    return root, data(path)


def data(path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
    """What a file holds.

    Raises:
        CatalogueError: It cannot be read.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a safe loader, C where there is one
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2026-02-30 is a ValueError
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}:1"
        raise CatalogueError(f"{where}: this cannot be read: {what}") from error


def wrong(error: ValidationError, path: Path, root: yaml.Node) -> CatalogueError:
    """The first thing that a model refused, with file and line; a typo comes before what is missing for it."""
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    where = tuple(str(part) for part in first["loc"])
    return CatalogueError(f"{path}:{line_of(root, where)}: {_sentence(first, where)}")


def line_of(node: yaml.Node, where: Sequence[str]) -> int:
    """The line of a place in the file, as near as the file has it; entries of a list are numbers."""
    line = node.start_mark.line + 1
    for part in where:
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        found = [(key, value) for key, value in node.value if key.value == part]
        if found:
            line, node = found[0][0].start_mark.line + 1, found[0][1]
    return int(line)


def appended(text: str, key: str, entry: Mapping[str, object], root: yaml.Node | None) -> str | None:
    """The text with one more entry in the list below a key; None where that is not written one below the other.

    Args:
        text: Of the file, comments and all.
        key: Of the list, the last one of the file.
        entry: What to add; keys without a value are left out.
        root: Nodes of the text, None where it has no list yet.
    """
    indent = "  "
    listed = next((value for own, value in root.value if own.value == key), None) if root is not None else None
    if isinstance(listed, yaml.SequenceNode) and listed.value:
        if listed.flow_style:
            return None
        indent = " " * listed.start_mark.column
    elif listed is not None and isinstance(listed, yaml.SequenceNode):  # key: []
        text = text[: listed.start_mark.index].rstrip(" ") + text[listed.end_mark.index :]
    lines = [f"{name}: {_scalar(value)}" for name, value in entry.items() if value not in (None, "", [], {})]
    added = f"{indent}- " + f"\n{indent}  ".join(lines) + "\n"
    return (text if text.endswith("\n") or not text else text + "\n") + added


def _scalar(value: object) -> str:
    """A value on one line, texts in quotes, so that nothing in them means anything to YAML."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    dumped: str = yaml.safe_dump(
        value, default_style='"', default_flow_style=True, allow_unicode=True, width=float("inf")
    )
    return dumped.strip()


def _sentence(first: ErrorDetails, where: Sequence[str]) -> str:
    spot = ".".join(part for part in where if part not in _SPECS)
    if first["type"] == "extra_forbidden":
        return f"{spot}: there is no such key"
    if first["type"] == "missing":
        return f"{spot}: this key is missing"
    cause = first.get("ctx", {}).get("error")
    return f"{spot}: {cause or first['msg']}"


def _no_twins(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise CatalogueError(f"{path}:{key.start_mark.line + 1}: a key is one word, not a list")
            if key.value in seen:
                raise CatalogueError(f"{path}:{key.start_mark.line + 1}: the key {key.value!r} is here twice")
            seen.add(key.value)
            _no_twins(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _no_twins(value, path)
