"""A folder of output: one writer at a time, and every file whole or as it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tutordex_analysis.errors import ReportFailed

LOCK = ".lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; the hold falls with the process, however that ends.

    What a killed writer left half-written is swept away.

    Raises:
        ReportFailed: Another run holds it (its pid is in the sentence), or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ReportFailed(f"cannot write into {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(handle, 20).decode().strip() or "unknown"
            raise ReportFailed(
                f"another run is writing into {folder} (pid {pid}); wait until it has ended, nothing was changed"
            ) from error
        with contextlib.suppress(OSError):  # on a full disk the lock holds without its pid too
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        for left in folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def put(path: Path, text: str) -> None:
    """Writes a file beside its place, to the disk, then renames it over the old one.

    Raises:
        ReportFailed: The disk is full or the folder cannot be written; the file is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ReportFailed(f"could not write {path}: {error.strerror}; the file is as it was") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
