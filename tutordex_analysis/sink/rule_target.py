"""Where rules are pushed to: one file that keeps its inode, or a folder of files that are renamed into place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tutordex_analysis import disk
from tutordex_analysis.errors import NotWritten, RulesRefused

Contents: TypeAlias = Mapping[str, bytes]  # by file name
SUFFIXES = (".yml", ".yaml", ".rules")
_MODE = 0o644  # of a new file: Prometheus often runs as somebody else


@dataclass(frozen=True, kw_only=True)
class Target:
    """A file or a folder of rules that a Prometheus loads.

    Attributes:
        path: Absolute, links followed.
        is_folder: Whether files are renamed into it; a file is written in place, since a container that has it
            mounted by itself follows the inode.
    """

    path: Path
    is_folder: bool

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """What is there of these files.

        Raises:
            RulesRefused: A file is there and cannot be read.
        """
        found = {}
        for name in sorted({*names} if self.is_folder else {self.path.name}):
            try:
                found[name] = self._place(name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise RulesRefused(f"{self._place(name)} cannot be read: {error.strerror}") from error
        return found

    def write(self, contents: Contents, names: Iterable[str]) -> None:
        """Makes the files what `contents` says; those of `names` that are not in it are removed from a folder.

        Raises:
            NotWritten: Something cannot be written; what was written before it stays, see the journal of a push.
        """
        for name, data in sorted(contents.items()):
            path = self._place(name)
            if self.is_folder:
                disk.put(path, data, mode=path.stat().st_mode & 0o7777 if path.exists() else _MODE)
            else:
                _in_place(path, data)
        for name in sorted({*names} - {*contents}) if self.is_folder else ():
            with contextlib.suppress(FileNotFoundError):
                try:
                    self._place(name).unlink()
                except PermissionError as error:
                    raise NotWritten(f"cannot remove {self._place(name)}: {error.strerror}") from error

    def _place(self, name: str) -> Path:
        return (self.path / name).resolve() if self.is_folder else self.path


def target(path: Path) -> Target:
    """The target at a path that is there.

    Raises:
        RulesRefused: There is nothing, or neither file nor folder.
    """
    found = path.resolve()
    if found.is_dir():
        return Target(path=found, is_folder=True)
    if not found.is_file():
        raise RulesRefused(
            f"there is no file or folder {path}; name the rule file or the folder that Prometheus loads "
            "(for a new single-file mount, make an empty file first)"
        )
    return Target(path=found, is_folder=False)


def gathered(source: Path, to: Target) -> dict[str, bytes]:
    """The rules to push, by the name that they have at the target.

    Args:
        source: One file, or a folder of which every rule file counts; tests lie in folders below and do not.
        to: A file takes one file: the one of its name where the source has several.

    Raises:
        RulesRefused: There are none, or too many for a file.
    """
    if source.is_file():
        files = [source]
    elif source.is_dir():
        files = sorted(one for one in source.iterdir() if one.suffix in SUFFIXES and one.is_file())
    else:
        raise RulesRefused(f"there are no rules at {source}; make them with `rules build`, or name others with --from")
    if not files:
        raise RulesRefused(f"no rule file (.yml, .yaml, .rules) lies in {source}")
    if to.is_folder:
        return {one.name: one.read_bytes() for one in files}
    if len(files) > 1:
        same = [one for one in files if one.name == to.path.name]
        if not same:
            names = ", ".join(one.name for one in files)
            raise RulesRefused(
                f"{to.path.name} is one file, {source} has {names}; name one with --from, or push into a folder"
            )
        files = same
    return {to.path.name: files[0].read_bytes()}


def _in_place(path: Path, data: bytes) -> None:
    """Writes over a file without a new inode; the caller keeps a copy, since this is not atomic."""
    try:
        handle = os.open(path, os.O_WRONLY)
    except OSError as error:
        raise NotWritten(f"cannot write {path}: {error.strerror}; it is as it was") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise NotWritten(f"{path} was written only in part: {error.strerror}") from error
