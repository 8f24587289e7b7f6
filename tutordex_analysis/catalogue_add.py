"""A signal more in a user's catalogue; comments and the rest of the file stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from tutordex_analysis import catalogue_file, catalogue_yaml, yaml_file
from tutordex_analysis.errors import CatalogueError


def add(folder: Path, name: str, entry: Mapping[str, object]) -> Path:
    """Appends one signal to the folder's `signals.yaml` after checking it together with all the others.

    Returns:
        The file; it is left as it was when the signal is refused.

    Raises:
        CatalogueError: The name is taken in this folder, or the signal is wrong.
    """
    path = folder / "signals.yaml"
    before = path.read_text(encoding="utf-8") if path.exists() else None
    known = catalogue_yaml.read_file(path)[0].signals if before is not None else {}
    if name in known:
        raise CatalogueError(f"{path} has a signal {name!r} already; choose another name or edit the file")
    text = before if before is not None else "signals:\n"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_inserted(text, {name: dict(entry)}), encoding="utf-8")
    try:
        catalogue_file.load(folder)
    except CatalogueError:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
        raise
    return path


def _inserted(text: str, entry: Mapping[str, object]) -> str:
    """The text with an entry put first under its `signals:` key, so that comments elsewhere stay."""
    root = yaml.compose(text, Loader=yaml_file.LOADER)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    key, below = next(((key, value) for key, value in pairs if key.value == "signals"), (None, None))
    body = yaml.safe_dump(dict(entry), sort_keys=False, allow_unicode=True, width=100).splitlines()
    lines = text.splitlines()
    if key is None:
        return "\n".join([*lines, "signals:", *(f"  {line}" for line in body)]) + "\n"
    at, indent = key.start_mark.line + 1, "  "
    if isinstance(below, yaml.MappingNode) and not below.flow_style:
        at, indent = below.start_mark.line, " " * below.start_mark.column
    elif isinstance(below, yaml.MappingNode) and not below.value:
        lines[at - 1] = "signals:"  # it was {}
    return "\n".join([*lines[:at], *(f"{indent}{line}" for line in body), *lines[at:]]) + "\n"
