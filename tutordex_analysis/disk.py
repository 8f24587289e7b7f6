"""Files that are written whole or not at all, and a folder that one process at a time writes to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tutordex_analysis.errors import Locked, NotWritten

LOCK = ".lock"
_HALF = re.compile(r"\..+\.(\d{1,7})\.tmp")  # what `put` writes first; the number is its process


def put(path: Path, data: bytes | memoryview | str, *, mode: int | None = None) -> None:
    """Writes a file whole or not at all: beside its place, to the disk, then renamed over it.

    Args:
        path: Its folder is made when missing.
        data: Text is written as UTF-8.
        mode: Permissions, whatever the umask says; None leaves it to the umask.

    Raises:
        NotWritten: The disk is full, or the folder cannot be written; the file is then as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        _owned_like(temporary, path)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise NotWritten(
            f"could not write {path}: {error.strerror}; what was there is as it was, "
            "make room (or the folder writable) and try again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _owned_like(temporary: Path, path: Path) -> None:
    """Gives the file the owner of the one that it will replace, so that whoever reads that can go on."""
    if not path.exists():
        return
    old, new = path.stat(), temporary.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.chown(temporary, old.st_uid, old.st_gid)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; that falls with the process, however it ends. What a killed one left is swept.

    Raises:
        Locked: Another process holds it; its pid is in the sentence.
        NotWritten: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise NotWritten(f"cannot write into {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(handle, 20).decode().strip() or "unknown"
            raise Locked(
                f"another run is writing into {folder} (pid {pid}); wait until it has ended, nothing was changed"
            ) from None
        with contextlib.suppress(OSError):  # the lock holds without its pid too, on a full disk
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        for leftover in folder.rglob(".*.tmp"):
            if _is_left_over(leftover):
                leftover.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _is_left_over(path: Path) -> bool:
    """Whether `put` of a process that is gone made this file; a file of the user, or of one at work, is not ours."""
    match = _HALF.fullmatch(path.name)
    if match is None or not path.is_file():
        return False
    maker = int(match[1])
    try:
        if maker != os.getpid():  # in a container every process may have had this number before
            os.kill(maker, 0)
            return False
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot; the file itself is on the disk
            os.fsync(handle)
    finally:
        os.close(handle)
