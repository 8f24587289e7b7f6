"""The file of releases: what starts in shadow, what leaves it, and that the file only grows."""

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file, releases_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.releases_file import Release
from tutordex_analysis.rule import Rule, Threshold

LEARNT = """rules:
  {name}:
    value: sum(queue_pending)
    threshold: {{human: 30, floor: 10, ceiling: 90, learn: season, signal: queue_pending}}
    component: queue
    summary: Much waits
    {more}
"""
ENTRY = '  - {alert: New, state: released, made: "2026-11-26T09:00+08:00", reason: it was good}\n'


def release(alert="New", state="released", **more):
    return Release(alert=alert, state=state, made="2026-11-26T01:00Z", reason="because", **more)


def rule(name, *, learn=True, shadow=False):
    how = {"learn": "season", "signal": "s"} if learn else {}
    limit = Threshold(human=3, floor=1, ceiling=9, **how)
    return Rule(name=name, value="vector(1)", component="x", summary="x", threshold=limit, shadow=shadow)


def written(folder, text):
    path = folder / "releases.yaml"
    path.write_text("releases:\n" + text, encoding="utf-8")
    return path


def shadows(rules, **files):
    return {
        name for name, one in releases_file.settled({one.name: one for one in rules}, **files).items() if one.shadow
    }


def test_a_new_learned_alert_starts_in_shadow_and_another_does_not():
    rules = [rule("New"), rule("Fixed", learn=False), rule("Quiet", learn=False, shadow=True)]
    assert shadows(rules) == {"New", "Quiet"}


def test_the_last_entry_of_a_users_file_decides():
    rules = [rule("New"), rule("Quiet", learn=False, shadow=True)]
    assert shadows(rules, own=[release(), release("Quiet")]) == set()
    assert shadows(rules, own=[release(), release("Quiet"), release(state="shadow")]) == {"New"}


def test_what_called_before_still_calls_unless_its_rule_says_shadow():
    assert shadows([rule("New")], shipped=[release()]) == set()
    assert shadows([rule("New", shadow=True)], shipped=[release()]) == {"New"}
    assert shadows([rule("New", shadow=True)], shipped=[release()], own=[release()]) == set()


def test_no_shipped_alert_that_called_is_in_shadow_now():
    shipped = catalogue_file.load().rules
    assert [name for name, one in shipped.items() if one.shadow] == ["SignalUnusual"]
    known = releases_file.states(releases_file.read(catalogue_file.SHIPPED / releases_file.NAME))
    assert {*known} == {name for name, one in shipped.items() if one.threshold and one.threshold.learn}


def test_a_catalogue_folder_is_read_with_its_releases(tmp_path):
    (tmp_path / "rules.yaml").write_text(LEARNT.format(name="MuchWaits", more=""))
    assert catalogue_file.load(tmp_path).rules["MuchWaits"].shadow
    releases_file.add(tmp_path / releases_file.NAME, release("MuchWaits"))
    assert not catalogue_file.load(tmp_path).rules["MuchWaits"].shadow


def test_a_shipped_alert_that_a_user_words_anew_goes_on_calling(tmp_path):
    (tmp_path / "rules.yaml").write_text(LEARNT.format(name="QueueOldestPendingTooOld", more=""))
    assert not catalogue_file.load(tmp_path).rules["QueueOldestPendingTooOld"].shadow
    (tmp_path / "rules.yaml").write_text(LEARNT.format(name="QueueOldestPendingTooOld", more="shadow: true"))
    assert catalogue_file.load(tmp_path).rules["QueueOldestPendingTooOld"].shadow


def test_a_folder_that_leaves_the_shipped_out_leaves_their_releases_out(tmp_path):
    rules = LEARNT.format(name="QueueOldestPendingTooOld", more="")
    signal = (
        "signals: {queue_pending: {title: Jobs that wait, unit: jobs, kind: gauge, promql: queue_pending, area: q}}\n"
    )
    (tmp_path / "rules.yaml").write_text(f"shipped: false\n{signal}{rules}")
    assert catalogue_file.load(tmp_path).rules["QueueOldestPendingTooOld"].shadow


def test_an_entry_comes_back_as_it_was_and_nothing_else_changes(tmp_path):
    path = written(tmp_path, "  # ours\n" + ENTRY)
    new = release("Later", "shadow", by="ops", forced=True, gate='it said: "no" # {x}\nnot yet')
    releases_file.add(path, new)
    assert path.read_text().startswith("releases:\n  # ours\n" + ENTRY)
    first, second = releases_file.read(path)
    assert first.made == pd.Timestamp("2026-11-26T01:00Z")
    assert second == new


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        (ENTRY.replace("it was good", '" "'), 2, "an entry has a reason"),
        (ENTRY.replace("state: released", "state: free"), 2, "released"),
        (ENTRY.replace('made: "2026-11-26T09:00+08:00", ', ""), 2, "made: this key is missing"),
        (ENTRY.replace("T09:00+08:00", "T09:00"), 2, "no time zone"),
        (ENTRY.replace("alert:", "alarm:"), 2, "no such key"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, line, match):
    path = written(tmp_path, text)
    with pytest.raises(CatalogueError, match=match) as caught:
        releases_file.read(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("text", [f"releases: [{ENTRY.strip().removeprefix('- ')}]\n", f"releases:\n{ENTRY}...\n"])
def test_a_file_that_cannot_be_added_to_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "releases.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match="write the entries one below the other"):
        releases_file.add(path, release())
    assert path.read_text() == text
