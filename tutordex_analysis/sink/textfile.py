"""Exposition text as a file: for our own endpoint, or for the textfile collector of node_exporter."""

from __future__ import annotations

from pathlib import Path

from tutordex_analysis import disk
from tutordex_analysis.errors import PublishRefused

NAME = "tutordex.prom"


def write(text: str, path: str | Path) -> Path:
    """The text into a file, atomically: a reader sees the old or the new one, never half; readable by others.

    Raises:
        NotWritten: The folder cannot be written, or the disk is full.
    """
    disk.put(Path(path), text, mode=0o644)  # node_exporter runs as another user
    return Path(path)


def write_textfile(text: str, folder: str | Path) -> Path:
    """The text as `tutordex.prom` in the folder that node_exporter's textfile collector reads.

    node_exporter serves the file until it is deleted, so alert on `tutordex_generated_timestamp_seconds`.

    Raises:
        PublishRefused: The folder does not exist.
        NotWritten: It cannot be written.
    """
    if not Path(folder).is_dir():
        raise PublishRefused(
            f"there is no folder {folder}; name the one given to node_exporter as --collector.textfile.directory"
        )
    return write(text, Path(folder) / NAME)
