"""What we did with silences of one Alertmanager: a line of JSON each, in a file that only grows."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd

from tutordex_analysis import disk
from tutordex_analysis.errors import NotWritten

# found: made by a run that was killed before it said so; withdrawn: ended since its window is gone from the file
Action: TypeAlias = Literal["made", "found", "matched", "withdrawn", "ended"]
FILE = "journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line.

    Attributes:
        at: When, UTC, ISO text.
        action: What was done or seen.
        fingerprint: Of the silence.
        key: Alertmanager's name of it.
        title: The windows it comes from.
        told: Why, or the alert that it matched.
    """

    at: str
    action: Action
    fingerprint: str
    key: str
    title: str
    told: str = ""


class Journal:
    """The file of one Alertmanager.

    Args:
        folder: Of all journals.
        url: The Alertmanager's.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder / re.sub(r"[^A-Za-z0-9_.-]+", "_", url.partition("://")[2])

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds it for this process.

        Raises:
            Locked: Another run is at work.
        """
        with disk.locked(self.folder):
            yield

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Oldest first; half a line, of a run that was killed, is left out."""
        path = self.folder / FILE
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return tuple(found for line in lines if (found := _entry(line)) is not None)

    @property
    def known(self) -> frozenset[str]:
        """Fingerprints of silences that we know to have made."""
        return frozenset(one.fingerprint for one in self.entries if one.action in ("made", "found"))

    @property
    def withdrawn(self) -> frozenset[str]:
        """Fingerprints of silences that ended since their window was gone; they are made again when it comes back."""
        last = {one.fingerprint: one.action for one in self.entries if one.action != "matched"}
        return frozenset(fingerprint for fingerprint, action in last.items() if action == "withdrawn")

    @property
    def matched(self) -> Mapping[str, frozenset[str]]:
        """Fingerprint → names of the alerts that were seen silenced by it."""
        found: dict[str, frozenset[str]] = {}
        for one in self.entries:
            if one.action == "matched":
                found[one.fingerprint] = found.get(one.fingerprint, frozenset()) | {one.told}
        return found

    def add(self, action: Action, *, fingerprint: str, key: str, title: str, told: str = "") -> None:
        """Adds a line, on the disk when this returns.

        Raises:
            NotWritten: The file cannot be written.
        """
        at = pd.Timestamp.now("UTC").isoformat(timespec="seconds")
        entry = Entry(at=at, action=action, fingerprint=fingerprint, key=key, title=title, told=told)
        path = self.folder / FILE
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                if file.tell() and not _ends_line(path):
                    file.write(b"\n")
                file.write(json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotWritten(f"cannot write {path}: {error.strerror}") from error


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _entry(line: str) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
