"""The file of marks: what is read, what is refused where, and that nothing is lost when one is added."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis import catalogue_file, disk, verdicts_file
from tutordex_analysis.errors import CatalogueError, FrameError, Locked
from tutordex_analysis.settings import Settings
from tutordex_analysis.verdicts_file import Verdict, parts

KNOWN = catalogue_file.load()
ID = "20261008T0200Z-queue_pending-3fa9c1"
NAMED = f"  - incident: {ID}\n    verdict: confirmed\n"
TIMED = "  - from: 2026-10-04T02:00+08:00\n    to: 2026-10-04T03:00+08:00\n    signals: [disk_busy, cpu_used]\n"


def written(folder, text, name="anomalies.yaml"):
    path = folder / name
    path.write_text("marks:\n" + text if text.lstrip().startswith("- ") else text, encoding="utf-8")
    return path


def test_marks_by_name_and_by_time(tmp_path):
    text = NAMED + TIMED + "    verdict: expected\n    every: 7d\n    note: weekly backup\n    by: ops\n"
    named, timed = verdicts_file.read(written(tmp_path, text), KNOWN)
    assert (named.incident, named.verdict, named.note) == (ID, "confirmed", "")
    assert (timed.start, timed.end) == (pd.Timestamp("2026-10-03T18:00Z"), pd.Timestamp("2026-10-03T19:00Z"))
    assert (timed.signals, timed.every, timed.by) == (("disk_busy", "cpu_used"), "7d", "ops")


def test_a_bare_false_is_a_word(tmp_path):
    (mark,) = verdicts_file.read(written(tmp_path, NAMED.replace("confirmed", "false")), KNOWN)
    assert mark.verdict == "false"


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        (f"  - incident: {ID}\n", 2, "verdict: this key is missing"),
        (NAMED.replace("confirmed", "maybe"), 3, "'confirmed', 'false' or 'expected'"),
        (NAMED + NAMED + "    noet: x\n", 6, "noet: there is no such key"),
        (NAMED.replace(ID, "the-big-one"), 2, "is not the name of an incident, which looks like"),
        (NAMED.replace("20261008T", "20261308T"), 2, "there is no such moment"),
        (NAMED + TIMED, 4, "verdict: this key is missing"),
        (NAMED + "    signals: [cpu_used]\n", 2, "not both"),
        (TIMED.replace("disk_busy, cpu_used", "") + "    verdict: false\n", 2, "all of from, to and signals"),
        (TIMED.replace("disk_busy", "disc_busy") + "    verdict: false\n", 4, "'disc_busy'; did you mean disk_busy?"),
        (TIMED.replace("T03:00", "T02:00") + "    verdict: false\n", 2, "not after its start"),
        (TIMED.replace("T02:00+08:00", "T02:00") + "    verdict: false\n", 2, "no time zone"),
        (NAMED + "    every: 7d\n", 2, "not for what is confirmed"),
        (NAMED.replace("confirmed", "expected") + "    every: weekly\n", 4, "duration"),
        ("marks: {}\n", 1, "list"),
        ("anomalies: []\n", 1, "anomalies: there is no such key"),
        ("marks: [\n", 2, "not YAML"),
        ("- a\n", 1, "list|key marks"),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_line(tmp_path, text, line, match):
    path = tmp_path / "anomalies.yaml"
    path.write_text("marks:\n" + text if text.startswith("  - ") else text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=match) as caught:
        verdicts_file.read(path, KNOWN)
    assert str(caught.value).startswith(f"{path}:{line}:")


def test_the_file_lies_beside_the_catalogue_which_does_not_trip_over_it(tmp_path):
    assert verdicts_file.path_of(Settings(catalogue=tmp_path)) is None
    path = written(tmp_path, NAMED)
    assert verdicts_file.path_of(Settings(catalogue=tmp_path)) == path
    assert verdicts_file.path_of(Settings()) is None
    assert "posts_seen" in catalogue_file.load(tmp_path).signals
    with pytest.raises(CatalogueError, match="anomalies mark` makes it"):
        verdicts_file.read(tmp_path / "other.yaml", KNOWN)


def test_a_name_is_taken_apart():
    assert parts(ID) == (pd.Timestamp("2026-10-08T02:00Z"), "queue_pending", "3fa9c1")
    assert parts("20261008T020015Z-up-3fa9c1")[0] == pd.Timestamp("2026-10-08T02:00:15Z")
    with pytest.raises(FrameError, match="is not the name of an incident"):
        parts(ID.upper())


MARK = Verdict(incident=ID, verdict="false", note="Lunar New Year")


@pytest.mark.parametrize(
    "text",
    [
        "# mine\nmarks:\n" + NAMED + "    # the end\n",
        "marks:\n" + NAMED.rstrip("\n"),  # no newline at the end
        "marks:\n- incident: " + ID + "   # a remark\n  verdict: expected\n",
        "marks: []\n# nothing yet\n",
        "marks: []",
        "marks:\n",
        "marks:\n      - {incident: " + ID + ", verdict: confirmed}\n",
        "---\nmarks:\n" + NAMED + "\n\n# tail\n",
    ],
)
def test_adding_keeps_every_entry_and_comment(tmp_path, text):
    path = tmp_path / "anomalies.yaml"
    path.write_text(text, encoding="utf-8")
    before = verdicts_file.read(path, KNOWN)
    verdicts_file.add(path, MARK)
    assert verdicts_file.read(path, KNOWN) == (*before, MARK)
    after = path.read_text(encoding="utf-8")
    assert re.findall(r"#.*", text) == re.findall(r"#.*", after)
    if "[]" not in text:
        assert after.startswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "marks: [{incident: " + ID + ", verdict: confirmed}]\n",
        "marks:\n" + NAMED + "...\n",
        "marks: &m\n" + NAMED + "# ok\n--- \n",
    ],
)
def test_what_cannot_be_added_to_is_refused_and_stays(tmp_path, text):
    path = tmp_path / "anomalies.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError):
        verdicts_file.add(path, MARK)
    assert path.read_text(encoding="utf-8") == text


def test_a_broken_file_is_not_added_to(tmp_path):
    path = written(tmp_path, "marks:\n  - incident: x\n")
    with pytest.raises(CatalogueError, match=r"anomalies.yaml:2: "):
        verdicts_file.add(path, MARK)


def test_the_first_mark_makes_the_file(tmp_path):
    path = tmp_path / "new" / "anomalies.yaml"
    verdicts_file.add(path, MARK)
    assert verdicts_file.read(path, KNOWN) == (MARK,)
    assert path.read_text(encoding="utf-8").startswith("# What people said")


def test_two_writers_lose_nothing(tmp_path):
    """Each either adds its mark or is told to wait."""
    path = tmp_path / "anomalies.yaml"

    def add(n):
        try:
            verdicts_file.add(path, MARK.model_copy(update={"note": f"number {n}"}))
        except Locked:
            return None
        return f"number {n}"

    with ThreadPoolExecutor(4) as pool:
        done = {one for one in pool.map(add, range(40)) if one}
    assert done
    assert {one.note for one in verdicts_file.read(path, KNOWN)} == done


def test_while_another_writes_one_is_told_to_wait(tmp_path):
    with disk.locked(tmp_path), pytest.raises(Locked):
        verdicts_file.add(tmp_path / "anomalies.yaml", MARK)


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_note_comes_back_as_it_was(tmp_path_factory, note, by):
    mark = MARK.model_copy(update={"note": note, "by": by})
    path = tmp_path_factory.mktemp("notes") / "anomalies.yaml"
    for _ in range(2):
        verdicts_file.add(path, mark)
    assert verdicts_file.read(path, KNOWN) == (mark, mark)


def test_a_mark_by_time_can_be_added_too(tmp_path):
    path = written(tmp_path, TIMED + "    verdict: expected\n    every: 7d\n")
    (mark,) = verdicts_file.read(path, KNOWN)
    verdicts_file.add(path, mark)
    assert verdicts_file.read(path, KNOWN) == (mark, mark)


def test_the_guides_example_loads(tmp_path):
    guide = (Path(__file__).parents[1] / "docs" / "anomalies.md").read_text(encoding="utf-8")
    marks = next(text for text in re.findall(r"```yaml\n(.*?)```", guide, flags=re.DOTALL) if "marks:" in text)
    assert {one.verdict for one in verdicts_file.read(written(tmp_path, marks), KNOWN)} == {
        "confirmed",
        "false",
        "expected",
    }
