"""What a killed push leaves is put right, at whatever point it was killed; no server needed."""

from __future__ import annotations

import pytest

from tests.rule_files import alerts
from tutordex_analysis.errors import NotWritten, RulesRefused, SourceError
from tutordex_analysis.sink import rule_push
from tutordex_analysis.sink.rule_promtool import checked
from tutordex_analysis.sink.rule_store import Journal, Store, all_targets
from tutordex_analysis.sink.rule_target import gathered, target

OLD, NEW = alerts("Old").encode(), alerts("New").encode()
URL = "http://127.0.0.1:9090"


class Server:
    """Says yes to everything, or fails at one step."""

    url = URL

    def __init__(self, **faults):
        self.faults, self.reloads = faults, 0

    def ready(self):
        self._step("ready")

    def reload(self):
        self.reloads += 1
        self._step("reload")

    def verify(self, groups, *, gone=(), wait=True):
        self._step("verify")
        return ()

    def _step(self, name):
        fault = self.faults.pop(name, None)
        if fault is not None:
            raise fault


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_bytes(OLD)
    made = Store(tmp_path / "state", target(path))
    with made.locked():
        yield made


def killed(store, stage, content):
    """The store as a process leaves it that is killed at a stage, and what the target holds then."""
    before, after = store.keep({"rules.yml": OLD}), store.keep({"rules.yml": NEW})
    store.record("found", "kept", before)
    store.open_journal(
        Journal(action="push", url=URL, before=before, after=after, stage=stage, changes={"added": ["New"]})
    )
    store.target.path.write_bytes(content)


@pytest.mark.parametrize("content", [OLD, NEW, NEW[:30], NEW[:30] + OLD[30:]])
def test_killed_before_it_was_verified(store, content):
    killed(store, "writing", content)
    server = Server()
    said = rule_push.recover(store, lambda url: server)
    assert "version 0 was restored and is in force" in said
    assert store.target.path.read_bytes() == OLD
    assert server.reloads == 1
    assert (store.in_force, store.history[-1].result) == (0, "restored")
    kept = [store.version(number)["rules.yml"] for number in store.versions]
    assert content in kept  # nothing is lost, not even an edit in between
    assert rule_push.recover(store, lambda url: server) == ""


def test_killed_after_it_was_verified(store):
    killed(store, "verified", NEW)
    said = rule_push.recover(store, lambda url: pytest.fail("the server need not be asked"))
    assert "version 1 is in force" in said
    assert store.target.path.read_bytes() == NEW
    assert (store.in_force, store.history[-1].added) == (1, ("New",))


def test_killed_after_it_was_verified_and_recorded(store):
    killed(store, "verified", NEW)
    store.record("push", "in force", 1)
    rule_push.recover(store, lambda url: Server())
    assert [one.action for one in store.history] == ["found", "push"]


def test_a_server_that_is_away_is_told_by_a_later_command(store):
    killed(store, "writing", NEW)
    said = rule_push.recover(store, lambda url: Server(reload=SourceError("nothing answers")))
    assert "The next command tries again" in said
    assert store.target.path.read_bytes() == OLD
    assert "is in force" in rule_push.recover(store, lambda url: Server())


def test_a_rollback_that_the_server_did_not_hear_is_made_up_for(store):
    plan = rule_push.push_plan(store, {"rules.yml": NEW})
    server = Server(verify=RulesRefused("it has the old rules"))

    def reload():
        server.reloads += 1
        if server.reloads == 2:
            raise SourceError("it went away")

    server.reload = reload
    with pytest.raises(RulesRefused, match=r"version 0, but not loaded again .*next command tries again"):
        rule_push.carry_out(store, plan, server)
    assert store.target.path.read_bytes() == OLD
    assert "restored and is in force" in rule_push.recover(store, lambda url: Server())


def test_a_disk_that_takes_only_half_of_it(store, monkeypatch):
    plan = rule_push.push_plan(store, {"rules.yml": NEW})
    real = type(store.target).write

    def half(self, contents, names):
        monkeypatch.setattr(type(self), "write", real)
        self.path.write_bytes(contents["rules.yml"][:40])
        raise NotWritten("the disk is full")

    monkeypatch.setattr(type(store.target), "write", half)
    with pytest.raises(RulesRefused, match=r"the disk is full\. The old rules are in force"):
        rule_push.carry_out(store, plan, Server())
    assert store.target.path.read_bytes() == OLD


class FullDisk(Store):
    """Takes no journal of these stages, and no line of the history where that is said."""

    stages: tuple[str, ...] = ()
    history_too = False

    def open_journal(self, journal):
        if journal.stage in self.stages:
            raise NotWritten("the disk is full")
        super().open_journal(journal)

    def record(self, *arguments, **more):
        if self.history_too:
            raise NotWritten("the disk is full")
        return super().record(*arguments, **more)


@pytest.fixture
def full(store):
    """The same store on a disk that can be full, with a push planned; its first version is on record."""
    made = FullDisk(store.folder.parent, store.target)
    made.record("found", "kept", made.keep({"rules.yml": OLD}))
    return made, rule_push.push_plan(made, {"rules.yml": NEW})


def test_what_cannot_be_noted_as_verified_is_rolled_back_and_loaded(full):
    store, plan = full
    store.stages, server = ("verified",), Server()
    with pytest.raises(
        RulesRefused, match=r"the disk is full\. .*rolled back to version 0; the old rules are in force"
    ):
        rule_push.carry_out(store, plan, server)
    assert store.target.path.read_bytes() == OLD
    assert server.reloads == 2
    assert (store.history[-1].result, store.in_force) == ("rolled back", 0)
    assert rule_push.recover(store, lambda url: Server()) == ""


def test_nothing_can_be_noted_any_more_and_the_next_command_reads_it_right(full):
    store, plan = full
    store.stages, server = ("verified", "reload owed"), Server()

    def verified(groups, *, gone=(), wait=True):
        store.history_too = True
        return ()

    server.verify = verified
    with pytest.raises(RulesRefused, match="the old rules are in force"):
        rule_push.carry_out(store, plan, server)
    assert store.target.path.read_bytes() == OLD
    store.stages, store.history_too = (), False
    again = Server()
    assert "version 0 was restored and is in force" in rule_push.recover(store, lambda url: again)
    assert (again.reloads, store.in_force, store.journal) == (1, 0, None)


def test_a_push_that_was_noted_as_verified_and_then_taken_back_is_not_in_force(store):
    killed(store, "verified", OLD)
    server = Server()
    assert "version 0 was restored and is in force" in rule_push.recover(store, lambda url: server)
    assert (server.reloads, store.in_force) == (1, 0)


def test_a_history_that_cannot_be_written_says_what_is_in_force_and_is_made_up_for(full):
    store, plan = full
    store.history_too = True
    with pytest.raises(NotWritten, match=r"version 1 .* is in force at .*, but its history could not be written"):
        rule_push.carry_out(store, plan, Server())
    assert store.target.path.read_bytes() == NEW
    store.history_too = False
    assert "version 1 is in force" in rule_push.recover(store, lambda url: Server())
    assert (store.in_force, store.journal) == (1, None)


def test_what_was_not_evaluated_yet_is_told(store):
    plan, server = rule_push.push_plan(store, {"rules.yml": NEW}), Server()
    server.verify = lambda groups, **_: ("A", "B", "C", "D")
    said = rule_push.carry_out(store, plan, server)
    assert said.endswith(
        "1 added, 1 removed; not evaluated yet, so whether they can be is not known: A, B, C and 1 more"
    )


def test_old_copies_are_thinned_but_never_the_one_in_force(store, monkeypatch):
    monkeypatch.setattr("tutordex_analysis.sink.rule_store.MOST_VERSIONS", 3)
    for i in range(8):
        rule_push.carry_out(store, rule_push.push_plan(store, {"rules.yml": alerts(f"A{i}").encode()}), Server())
    assert store.versions == [6, 7, 8]
    assert [one.version for one in store.history] == list(range(9))
    rule_push.carry_out(store, rule_push.revert_plan(store, None), Server())
    assert store.target.path.read_text() == alerts("A6")


def test_an_old_version_that_was_in_force_again_is_kept_for_the_undo(store, monkeypatch):
    monkeypatch.setattr("tutordex_analysis.sink.rule_store.MOST_VERSIONS", 3)
    for name in ("A0", "A1", "A2", "A0", "A3"):
        rule_push.carry_out(store, rule_push.push_plan(store, {"rules.yml": alerts(name).encode()}), Server())
    rule_push.carry_out(store, rule_push.revert_plan(store, None), Server())
    assert store.target.path.read_text() == alerts("A0")


def test_every_target_has_a_history_of_its_own(store, tmp_path):
    store.record("found", "kept", store.keep({"rules.yml": OLD}))
    other = tmp_path / "b" / "rules.yml"
    other.parent.mkdir()
    other.write_bytes(OLD)
    second = Store(tmp_path / "state", target(other))
    assert second.history == ()
    assert {*all_targets(tmp_path / "state")} == {store.target.path}
    (store.folder / "state.json").write_text("{")
    with pytest.raises(RulesRefused, match="is damaged"):
        _ = store.history


def test_a_link_is_followed_and_stays_one(tmp_path):
    folder = tmp_path / "loaded"
    folder.mkdir()
    real = tmp_path / "real.yml"
    real.write_bytes(OLD)
    (folder / "rules.yml").symlink_to(real)
    target(folder).write({"rules.yml": NEW}, {"rules.yml"})
    assert (folder / "rules.yml").is_symlink()
    assert real.read_bytes() == NEW


def test_a_single_file_takes_the_one_of_its_name(tmp_path):
    for name in ("a.yml", "b.yml"):
        (tmp_path / name).write_text(alerts(name[0].upper()))
    (tmp_path / "loaded").mkdir()
    path = tmp_path / "loaded" / "b.yml"
    path.write_bytes(OLD)
    assert gathered(tmp_path, target(path)) == {"b.yml": alerts("B").encode()}
    assert [*gathered(tmp_path, target(tmp_path / "loaded"))] == ["a.yml", "b.yml"]


def test_without_promtool_a_bad_expression_is_found(tmp_path):
    bad = {"a.yml": alerts("A").replace(" > 5", " > > 5").encode()}
    with pytest.raises(RulesRefused, match=r"is not PromQL.*nothing was pushed"):
        checked(bad, tests=None, where=str(tmp_path))
    assert checked({"a.yml": OLD}, tests=None, where=str(tmp_path))[0].startswith("promtool is not on PATH")
