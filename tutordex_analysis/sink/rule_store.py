"""What was pushed to a target: every version as a copy, the history, and the journal of a push under way.

It lies beside our own data, never in the target: a folder a target with `state.json`, `versions/0003/…` and, while a
push is under way or was killed, `journal.json`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pandas as pd

from tutordex_analysis import disk
from tutordex_analysis.errors import RulesRefused
from tutordex_analysis.sink.rule_target import Contents, Target

Result: TypeAlias = Literal["in force", "rolled back", "restored", "kept"]
Changes: TypeAlias = Mapping[str, Sequence[str]]  # added, removed, changed: names of rules
Stage: TypeAlias = Literal["writing", "verified", "reload owed"]
MOST_VERSIONS = 50  # copies kept; the oldest go first
_STATE, _JOURNAL = "state.json", "journal.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the history.

    Attributes:
        number: Counts from 1.
        at: When, UTC, ISO text.
        action: What was asked: push, revert, adopt; or recover, after a kill.
        result: What came of it.
        version: The copy that the target holds since; None where its content is kept nowhere.
        added: Names of rules.
        removed: Names of rules.
        changed: Names of rules.
        why: The fault where it did not get in force.
    """

    number: int
    at: str
    action: str
    result: Result
    version: int | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A push under way: enough to undo it, or to finish it where it was verified.

    Attributes:
        action: push or revert.
        url: The server to reload.
        before: Version of what the target held.
        after: Version of what it is to hold.
        stage: How far it came.
        changes: added, removed, changed of the entry to be.
    """

    action: str
    url: str
    before: int
    after: int
    stage: Stage = "writing"
    changes: Changes = field(default_factory=dict)


class Store:
    """The folder of one target."""

    def __init__(self, folder: Path, to: Target) -> None:
        readable = re.sub(r"[^A-Za-z0-9_.-]", "_", to.path.name) or "root"
        self.target = to
        self.folder = folder / f"{readable}-{hashlib.sha256(str(to.path).encode()).hexdigest()[:8]}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the target for this process.

        Raises:
            Locked: Another push is under way.
        """
        with disk.locked(self.folder):
            yield

    @property
    def history(self) -> tuple[Entry, ...]:
        """Oldest first."""
        return entries(self.folder)

    @property
    def in_force(self) -> int | None:
        """Version that the target holds as far as we know; None before the first push."""
        numbers = [one.version for one in self.history]
        return numbers[-1] if numbers else None

    @property
    def versions(self) -> list[int]:
        """Versions of which there is a copy."""
        found = self.folder.glob("versions/*")
        return sorted(int(one.name) for one in found if one.name.isdigit())

    @property
    def names(self) -> set[str]:
        """Every file that a version has."""
        return {name for number in self.versions for name in self.version(number)}

    def version(self, number: int) -> dict[str, bytes]:
        """The copy of a version.

        Raises:
            RulesRefused: There is none.
        """
        if number not in self.versions:
            known = ", ".join(map(str, self.versions)) or "none"
            raise RulesRefused(f"no version {number} of {self.target.path} is kept; there are: {known}")
        folder = self._place(number)
        return {one.name: one.read_bytes() for one in sorted(folder.iterdir()) if one.name != ".empty"}

    def keep(self, contents: Contents) -> int:
        """Keeps a copy under the next number; one that is there already is not kept twice."""
        for number in reversed(self.versions):
            if self.version(number) == dict(contents):
                return number
        number = self.versions[-1] + 1 if self.versions else 0
        half = self._place(number).with_name(".half")
        shutil.rmtree(half, ignore_errors=True)
        disk.put(half / ".empty", b"")
        for name, data in contents.items():
            disk.put(half / name, data)
        half.rename(self._place(number))
        return number

    def record(
        self, action: str, result: Result, version: int | None, *, changes: Changes | None = None, why: str = ""
    ) -> Entry:
        """Adds a line to the history and thins old copies."""
        past = self.history
        entry = Entry(
            number=len(past) + 1,
            at=pd.Timestamp.now("UTC").isoformat(timespec="seconds"),
            action=action,
            result=result,
            version=version,
            why=why,
            **{name: tuple(values) for name, values in (changes or {}).items()},
        )
        document = {"target": str(self.target.path), "history": [asdict(one) for one in (*past, entry)]}
        disk.put(self.folder / _STATE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        recent = {one.version for one in (*past, entry)[-MOST_VERSIONS:]}  # an undo goes back to one of these
        for number in self.versions[:-MOST_VERSIONS]:
            if number not in recent:
                shutil.rmtree(self._place(number), ignore_errors=True)
        return entry

    def open_journal(self, journal: Journal) -> None:
        """Writes the journal to the disk before anything else happens."""
        disk.put(self.folder / _JOURNAL, json.dumps(asdict(journal)))

    def close_journal(self) -> None:
        """The push has ended, one way or the other."""
        (self.folder / _JOURNAL).unlink(missing_ok=True)

    @property
    def journal(self) -> Journal | None:
        """That of a push that is under way or was killed."""
        path = self.folder / _JOURNAL
        return Journal(**_json(path)) if path.exists() else None

    def _place(self, number: int) -> Path:
        return self.folder / "versions" / f"{number:04}"


def entries(folder: Path) -> tuple[Entry, ...]:
    """The history in a target's folder, oldest first."""
    path = folder / _STATE
    if not path.exists():
        return ()
    return tuple(_entry(**one) for one in _json(path)["history"])


def _entry(*, added: list[str], removed: list[str], changed: list[str], **rest: Any) -> Entry:  # noqa: ANN401 - JSON
    return Entry(added=tuple(added), removed=tuple(removed), changed=tuple(changed), **rest)


def all_targets(folder: Path) -> dict[Path, tuple[Entry, ...]]:
    """The history of every target, by its path."""
    return {
        Path(_json(one)["target"]): entries(one.parent) for one in sorted(folder.glob(f"*/{_STATE}")) if one.is_file()
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RulesRefused(f"{path} is damaged; look at it, and move it away to begin anew") from error
    return dict(found)
