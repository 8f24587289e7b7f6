"""Rules brought to a running Prometheus and back: planned, checked, written, reloaded, verified, or undone.

The order is what makes it safe. What the target holds is kept first, then a journal is written, then the target; the
server reloads and must show the new rules, else the kept copy is put back and loaded. A process that is killed in
between leaves the journal, by which the next one puts things right.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pandas as pd

from tutordex_analysis import rule_groups
from tutordex_analysis.errors import AnalysisError, CatalogueError, NotWritten, RulesRefused
from tutordex_analysis.rule_groups import Group
from tutordex_analysis.sink.rule_server import RuleServer
from tutordex_analysis.sink.rule_store import Journal, Store
from tutordex_analysis.sink.rule_target import Contents

Reach: TypeAlias = Callable[[str], RuleServer]  # a server from its address
_WORDS = ("added", "removed", "changed")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What a push or a revert would do.

    Attributes:
        action: push or revert.
        before: What the target holds, by file name.
        after: What it is to hold.
        by_hand: Whether it was changed by somebody else since the last push.
        known: Whether anything was pushed there before.
        changes: One row a rule, see `rule_groups.compare`.
        diff: Unified diff of all files; "" where nothing changes.
    """

    action: Literal["push", "revert"]
    before: Contents
    after: Contents
    by_hand: bool
    known: bool
    changes: pd.DataFrame
    diff: str

    @property
    def is_needed(self) -> bool:
        """Whether a byte changes."""
        return dict(self.before) != dict(self.after)

    def names(self) -> dict[str, list[str]]:
        """Rules by what happens to them."""
        return {word: list(self.changes.loc[self.changes["change"] == word, "rule"]) for word in _WORDS}


def push_plan(store: Store, after: Contents) -> Plan:
    """What pushing these files would do.

    Raises:
        RulesRefused: The target cannot be read.
        CatalogueError: The new files are no rule files.
    """
    return _plan(store, "push", after, store.target.read({*after} | store.names))


def revert_plan(store: Store, to: int | None) -> Plan:
    """What going back would do: to a version; else what was changed by hand is undone, else the last push is.

    Raises:
        RulesRefused: There is no such version, or none before.
    """
    if store.in_force is None:
        raise RulesRefused(f"nothing was pushed to {store.target.path} yet, so there is nothing to go back to")
    before = store.target.read(store.names)
    if to is None:
        past = [one.version for one in reversed(store.history) if one.version is not None]
        other = [number for number in past if number != store.in_force]
        changed = before != store.version(store.in_force)
        if not changed and not other:
            raise RulesRefused(f"{store.target.path} has had one version only; there is none to go back to")
        to = store.in_force if changed else other[0]
    return _plan(store, "revert", store.version(to), before)


def carry_out(store: Store, plan: Plan, server: RuleServer, *, adopt: bool = False) -> str:
    """Writes, reloads, verifies; the sentence says what is in force. The store is locked and has no journal.

    Args:
        store: Of the target.
        plan: Of this moment.
        server: That loads the target.
        adopt: Whether what was changed by hand may be written over; a copy is kept in any case.

    Raises:
        RulesRefused: It is not in force; the old rules are, and the sentence says why.
        NotWritten: The target could not be written; it is as it was.
        SourceError: The server cannot be asked; nothing was changed.
    """
    if plan.by_hand and plan.action == "push" and not adopt:
        raise RulesRefused(
            f"{store.target.path} was edited by hand since the last push; nothing was changed. "
            "Look at it with `rules diff`, then push with --adopt (a copy of the edit is kept), "
            "or undo the edit with `rules revert`"
        )
    try:
        server.ready()
    except AnalysisError as error:
        raise RulesRefused(f"{error}; nothing was changed") from error
    before = store.keep(plan.before)
    if before != store.in_force:
        store.record("adopt" if plan.known else "found", "kept", before)
    after = store.keep(plan.after)
    journal = Journal(action=plan.action, url=server.url, before=before, after=after, changes=plan.names())
    store.open_journal(journal)
    loaded = False
    try:
        store.target.write(plan.after, store.names)
        server.reload()
        loaded = True
        waiting = server.verify(_groups(plan.after), gone=_groups(plan.before, strict=False))
        store.open_journal(_at(journal, "verified"))  # where it cannot be written, the next command would undo the push
    except BaseException as error:
        _roll_back(store, journal, server, error, loaded=loaded)
        raise
    said = f"version {after} of {store.target.path} is in force at {server.url}"
    try:
        store.record(plan.action, "in force", after, changes=plan.names())
        store.close_journal()
    except (NotWritten, OSError) as error:
        raise NotWritten(
            f"{said}, but its history could not be written: {error}. The next command writes it"
        ) from error
    told = ", ".join(f"{len(rules)} {word}" for word, rules in plan.names().items() if rules) or "no rule changed"
    return f"{said}: {told}{_unevaluated(waiting)}"


def recover(store: Store, reach: Reach) -> str:
    """Finishes or undoes what a killed push left, and says so; "" where nothing was left. The store is locked.

    Raises:
        NotWritten: The target cannot be written now; the journal stays.
    """
    journal = store.journal
    if journal is None:
        return ""
    place = store.target.path
    found, old = store.target.read(store.names), store.version(journal.before)
    if journal.stage == "verified" and found != old:  # else it was rolled back after that, and could not note it
        if (store.in_force, store.history[-1].action) != (journal.after, journal.action):
            store.record(journal.action, "in force", journal.after, changes=journal.changes)
        store.close_journal()
        return f"a {journal.action} to {place} was ended after it was verified; version {journal.after} is in force"
    if journal.stage != "reload owed":
        if found not in (old, store.version(journal.after)):
            store.keep(found)  # half written, or edited since: nothing is lost
        if found != old:
            store.target.write(old, store.names)
        store.open_journal(_at(journal, "reload owed"))
    said = f"a {journal.action} to {place} was ended before it was verified; version {journal.before} was restored"
    try:
        server = reach(journal.url)
        server.reload()
        server.verify(_groups(old), wait=False)
    except AnalysisError as error:
        return f"{said}, but {journal.url} has not confirmed that it loads it: {error}. The next command tries again"
    store.record("recover", "restored", journal.before, why=f"the {journal.action} before it was ended half way")
    store.close_journal()
    return f"{said} and is in force"


def confirm(plan: Plan, server: RuleServer, *, held: str) -> None:
    """Whether a server has the rules that a target already holds, also where somebody else put them there.

    Raises:
        RulesRefused: It has not, or does not answer; nothing was changed.
    """
    try:
        server.verify(_groups(plan.after), wait=False)
    except AnalysisError as error:
        raise RulesRefused(
            f"{held}, but they are not in force: {error}. Reload it, or look at its rule_files"
        ) from error


def _roll_back(store: Store, journal: Journal, server: RuleServer, error: BaseException, *, loaded: bool) -> None:
    """Puts the old rules back and loads them; an error of ours is raised again as one sentence that says so."""
    why = str(error) or type(error).__name__
    place, old = store.target.path, store.version(journal.before)
    try:
        if store.target.read(store.names) != old:
            store.target.write(old, store.names)
    except NotWritten as second:
        raise RulesRefused(
            f"{why}; and the old rules could not be put back ({second}). The next command tries again; the copy is in "
            f"{store.folder / 'versions' / f'{journal.before:04}'}"
        ) from error
    with contextlib.suppress(NotWritten):  # what the target holds now tells the next command the same
        store.open_journal(_at(journal, "reload owed"))
    said = f"{why}. {place} was rolled back to version {journal.before}"
    if isinstance(error, NotWritten) and not loaded:
        said = f"{why}. The old rules are in force"
    else:
        try:
            server.reload()
            server.verify(_groups(old), wait=False)
            said += "; the old rules are in force"
        except AnalysisError as second:
            if loaded:
                _record(store, journal, why)
                raise RulesRefused(f"{said}, but not loaded again ({second}); the next command tries again") from error
            said += "; the server never loaded the new rules, so the old rules are in force"
    if _record(store, journal, why):
        store.close_journal()
    if isinstance(error, AnalysisError):
        raise RulesRefused(said) from error


def _record(store: Store, journal: Journal, why: str) -> bool:
    """Whether a push that was rolled back could be noted; if not, the journal stays, and the next command does it."""
    try:
        store.record(journal.action, "rolled back", journal.before, changes=journal.changes, why=why)
    except NotWritten:
        return False
    return True


def _unevaluated(names: Sequence[str]) -> str:
    """The rules that the server has and did not evaluate in time, for a sentence."""
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"; not evaluated yet, so whether they can be is not known: {shown}"


def _plan(store: Store, action: Literal["push", "revert"], after: Contents, before: Contents) -> Plan:
    last = store.in_force
    new = _groups(after)
    return Plan(
        action=action,
        before=before,
        after=after,
        known=last is not None,
        by_hand=last is not None and dict(before) != store.version(last),
        changes=rule_groups.compare(_groups(before, strict=False), new),
        diff=_diff(before, after),
    )


def _groups(contents: Contents, *, strict: bool = True) -> list[Group]:
    """The groups of all files; of one that somebody else broke there are none where it is only compared with."""
    found: list[Group] = []
    for name, data in sorted(contents.items()):
        try:
            found += rule_groups.parse(data, name)
        except CatalogueError:
            if strict:
                raise
    return found


def _diff(before: Contents, after: Contents) -> str:
    parts: list[str] = []
    for name in sorted({*before, *after}):
        old, new = (one.get(name, b"").decode("utf-8", "replace").splitlines(keepends=True) for one in (before, after))
        parts += difflib.unified_diff(old, new, f"{name} (in force)", f"{name} (new)")
    return "".join(one if one.endswith("\n") else f"{one}\n\\ no newline at the end\n" for one in parts)


def _at(journal: Journal, stage: Literal["verified", "reload owed"]) -> Journal:
    return replace(journal, stage=stage)
