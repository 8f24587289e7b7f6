"""The file of pins: what is read, what is refused where, what holds at a moment, and that nothing else is lost."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis import catalogue_file, pins_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.pins_file import Pin
from tutordex_analysis.rule import Rule, Threshold
from tutordex_analysis.settings import Settings

NOW = pd.Timestamp("2026-11-25T12:00Z")


def rule(name, **threshold):
    limit = Threshold(**threshold) if threshold else None
    return Rule(name=name, value="vector(1)", component="x", summary="x", threshold=limit, by=threshold.get("by", ()))


RULES = {
    "Spike": rule("Spike", human=300, floor=60, ceiling=1000),
    "Stale": rule("Stale", human=9, floor=1, ceiling=90, by=("channel",)),
    "Bare": rule("Bare"),
}
SPIKE = "  - alert: Spike\n    value: 400\n    until: 2026-11-26T09:00+08:00\n    reason: backfill\n"


def written(folder, text):
    path = folder / "pins.yaml"
    path.write_text("pins:\n" + text if text.lstrip().startswith("- ") else text, encoding="utf-8")
    return path


def pin(alert="Spike", value=400.0, **more):
    filled = {"until": "2026-11-26T01:00Z", "reason": "backfill"} | more
    return Pin(alert=alert, value=value, human=value is None, **filled)


def test_a_pin_is_read_with_its_moment(tmp_path):
    (found,) = pins_file.read(written(tmp_path, SPIKE + "    by: ops\n"))
    assert (found.alert, found.value, found.human, found.by) == ("Spike", 400, False, "ops")
    assert found.until == pd.Timestamp("2026-11-26T01:00Z")


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        (SPIKE.replace("    reason: backfill\n", ""), 2, "reason: this key is missing"),
        (SPIKE.replace("backfill", '" "'), 2, "a pin has a reason"),
        (SPIKE.replace("value: 400", "value: high"), 3, "number"),
        (SPIKE.replace("value: 400", "value: .nan"), 3, "finite"),
        (SPIKE.replace("    value: 400\n", ""), 2, "give a value, or human: true"),
        (SPIKE + "    human: true\n", 2, "not both"),
        (SPIKE.replace("    until: 2026-11-26T09:00+08:00\n", ""), 2, "a pinned value needs until"),
        (SPIKE.replace("T09:00+08:00", "T09:00"), 4, "no time zone"),
        (SPIKE.replace("Spike", '"*"'), 2, "human values only"),
        (SPIKE + SPIKE + "    utnil: x\n", 10, "utnil: there is no such key"),
        ("pins: {}\n", 1, "list"),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_line(tmp_path, text, line, match):
    path = written(tmp_path, text)
    with pytest.raises(CatalogueError, match=match) as caught:
        pins_file.read(path)
    assert str(caught.value).startswith(f"{path}:{line}:")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (pin(value=1001.0), "1001 is outside the rails of Spike, which are 60 to 1000"),
        (pin(value=59.9), "59.9 is outside the rails"),
        (pin("Spik"), "there is no alert 'Spik'; did you mean Spike?"),
        (pin("Bare"), "Bare has no limit to pin"),
        (pin(where={"channel": "a"}), "the limit of Spike is not by channel"),
    ],
)
def test_what_the_rules_do_not_allow_is_told_and_left_out(made, why):
    assert pins_file.unfit(made, RULES).startswith(why)
    found = pins_file.at([made], RULES, NOW)
    assert found.active == ()
    assert found.notes[0].startswith(f"the pin of {made.alert} is ignored: {why}")


@pytest.mark.parametrize("value", [60.0, 1000.0])
def test_the_rails_themselves_can_be_pinned(value):
    assert pins_file.unfit(pin(value=value), RULES) == ""


def test_a_pin_that_ended_is_ignored_and_told():
    ended = pin(until="2026-11-25T12:00Z")
    found = pins_file.at([ended], RULES, NOW)
    assert (found.active, found.over) == ((), ("Spike",))
    assert found.notes == ("the pin of Spike ended at 2026-11-25 12:00 UTC and is ignored",)
    assert found.state == {"Spike": False}
    assert pins_file.at([ended], RULES, NOW - pd.Timedelta("1s")).active == (ended,)


def test_back_to_human_needs_no_end(tmp_path):
    made = pin("Spike", None, until=None)
    path = tmp_path / "pins.yaml"
    pins_file.add(path, made)
    assert pins_file.read(path) == (made,)
    assert pins_file.at([made], RULES, NOW).of("Spike", {}) == made


def test_of_two_pins_the_later_in_the_file_counts():
    first, every, last = pin(), pin("*", None), pin(value=500.0)
    assert pins_file.at([first, every], RULES, NOW).of("Spike", {}) == every
    assert pins_file.at([first, every, last], RULES, NOW).of("Spike", {}) == last
    some = pins_file.at([pin("Stale", 5.0, where={"channel": "a"})], RULES, NOW)
    assert some.of("Stale", {"channel": "a"}).value == 5
    assert some.of("Stale", {"channel": "b"}) is None
    assert some.of("Spike", {}) is None


def test_the_file_lies_in_the_catalogue_folder_which_does_not_trip_over_it(tmp_path):
    assert pins_file.path_of(Settings()) is None
    path = pins_file.path_of(Settings(catalogue=tmp_path))
    assert pins_file.read(path) == ()
    pins_file.add(path, pin())
    assert "posts_seen" in catalogue_file.load(tmp_path).signals


@pytest.mark.parametrize(
    "text",
    ["# mine\npins:\n" + SPIKE + "    # the end\n", "pins: []\n# none\n", "pins:\n", "pins:\n" + SPIKE.rstrip()],
)
def test_adding_and_taking_away_keeps_every_other_entry_and_comment(tmp_path, text):
    path = written(tmp_path, text)
    before = pins_file.read(path)
    other = pin("Stale", 5.0, where={"channel": "t.me/a"}, by="ops")
    pins_file.add(path, other)
    assert pins_file.read(path) == (*before, other)
    assert re.findall(r"#.*", path.read_text()) == re.findall(r"#.*", text)
    assert pins_file.remove(path, "Stale") == 1
    assert pins_file.read(path) == before
    assert pins_file.remove(path, "Spike") == len(before)
    assert pins_file.remove(path, "Spike") == 0
    assert pins_file.read(path) == ()


def test_taking_away_the_first_of_two_leaves_the_other(tmp_path):
    path = written(tmp_path, SPIKE + "  # why Stale\n" + SPIKE.replace("Spike", "Stale"))
    assert pins_file.remove(path, "Spike") == 1
    assert [one.alert for one in pins_file.read(path)] == ["Stale"]


def test_what_cannot_be_changed_is_refused_and_stays(tmp_path):
    text = 'pins: [{alert: Spike, human: true, reason: "x"}]\n'
    path = written(tmp_path, text)
    for change in (lambda: pins_file.add(path, pin()), lambda: pins_file.remove(path, "Spike")):
        with pytest.raises(CatalogueError, match="write the pins one below the other"):
            change()
    assert path.read_text() == text


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_any_words_come_back_as_they_were(tmp_path_factory, reason, by):
    path = tmp_path_factory.mktemp("pins") / "pins.yaml"
    words = [one.encode(errors="replace").decode() for one in (reason, by)]
    made = pin(reason=words[0], by=words[1])
    pins_file.add(path, made)
    assert pins_file.read(path) == (made,)
