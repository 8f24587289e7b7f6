"""YAML as the text and the lines it came from, so that what is wrong is refused with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tutordex_analysis.errors import CatalogueError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def tree(path: Path) -> yaml.Node | None:
    """The nodes of a file, which know their lines; None for an empty one.

    Raises:
        CatalogueError: It is not YAML.
    """
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        raise CatalogueError(f"{path}:{mark.line + 1 if mark else 1}: this is not YAML: {what}") from error


def data(path: Path) -> Any:  # noqa: ANN401 - YAML holds anything
    """What a file says.

    Raises:
        CatalogueError: It is not YAML, or a value in it is none.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a safe loader, C where there is one
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2026-02-30 is a ValueError
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}:1"
        raise CatalogueError(f"{where}: this cannot be read: {what}") from error


def no_twins(node: yaml.Node, path: Path) -> None:
    """Refuses a key that is there twice, or is no word."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise CatalogueError(f"{path}:{key.start_mark.line + 1}: a key is one word, not a list")
            if key.value in seen:
                raise CatalogueError(f"{path}:{key.start_mark.line + 1}: the key {key.value!r} is here twice")
            seen.add(key.value)
            no_twins(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            no_twins(value, path)


def line_of(node: yaml.Node, where: tuple[str, ...]) -> int:
    """The line of a place in the file, as near as the file has it."""
    line = node.start_mark.line + 1
    for part in where:
        if not isinstance(node, yaml.MappingNode):
            break
        found = [(key, value) for key, value in node.value if key.value == part]
        if not found:
            continue
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return int(line)
