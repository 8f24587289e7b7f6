"""Exposition text as a file: for our own endpoint, or for the textfile collector of node_exporter."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tutordex_analysis.errors import PublishRefused

NAME = "tutordex.prom"


def write(text: str, path: str | Path) -> Path:
    """The text into a file, atomically: a reader sees the old or the new one, never half; readable by others.

    Raises:
        PublishRefused: The folder is not there or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)  # node_exporter runs as another user
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PublishRefused(f"cannot write {target}: {error.strerror or error}") from error
    return target


def write_textfile(text: str, folder: str | Path) -> Path:
    """The text as `tutordex.prom` in the folder that node_exporter's textfile collector reads.

    node_exporter serves the file until it is deleted, so alert on `tutordex_generated_timestamp_seconds`.

    Raises:
        PublishRefused: The folder does not exist or cannot be written.
    """
    if not Path(folder).is_dir():
        raise PublishRefused(
            f"there is no folder {folder}; name the one given to node_exporter as --collector.textfile.directory"
        )
    return write(text, Path(folder) / NAME)
