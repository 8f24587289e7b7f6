import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.source.memory_source import MemorySource, between, nothing, refused, wave
from tutordex_analysis.catalogue import Catalogue, Part
from tutordex_analysis.disk import locked
from tutordex_analysis.errors import Locked, NotWritten, SourceError
from tutordex_analysis.frame import TimeRange, matrix
from tutordex_analysis.moment import instant
from tutordex_analysis.source import manifest as manifests
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.pull import pull

NOW = instant("2026-03-10T12:30:00Z")
HOUR = pd.Timedelta(hours=1)
UP = Part("up")
SIGNALS = {"targets_up": [UP]}


def world(**answers):
    return MemorySource({"up": {"a": wave(), "b": wave(5)}, **answers})


def pulled(source, folder, *, now=NOW, step="1h", parts=SIGNALS, since="3d", **options):
    return pull(source, folder, parts, step=step, since=since, now=now, **options)


def entries(folder):
    manifest = manifests.load(folder)
    assert manifest is not None
    return manifest.held


def content(folder, step="1h", query="up"):
    """Series and values of everything that is held of one part."""
    held = entries(folder)[f"{Part(query).digest(step)}/{step}"]
    archive = ArchiveSource(folder, catalogue=Catalogue(signals={}))
    spans = held.covered
    frame = archive.query(query, TimeRange(manifests.moment(spans[0][0]), manifests.moment(spans[-1][1]), step))
    return frame, held


def tree(folder):
    """Every file but the lock, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_first_pull_goes_back_since_and_holds_the_last_ten_minutes_back(tmp_path):
    source = world()
    result = pulled(source, tmp_path, now=instant("2026-03-10T12:05:00Z"))
    assert (result.asked_from, result.asked_to) == (
        instant("2026-03-07T12:00:00Z"),
        instant("2026-03-10T12:00:00Z"),
    )
    row = result.table.iloc[0]
    assert (row["signal"], row["series"], row["samples"], row["gaps"], row["error"]) == ("targets_up", 2, 2 * 72, 0, "")
    assert row["newest"] == instant("2026-03-10T11:00:00Z")
    assert not result.failed


def test_what_is_held_is_what_the_source_would_answer(tmp_path):
    source = world()
    pulled(source, tmp_path)
    frame, held = content(tmp_path)
    wanted = source.query("up", TimeRange(manifests.moment(held.covered[0][0]), NOW + HOUR, "1h"))
    pd.testing.assert_frame_equal(frame, wanted)


def test_second_pull_an_hour_later_asks_for_the_new_hour_only(tmp_path):
    source = world()
    pulled(source, tmp_path, step="5m")
    source.asked.clear()
    result = pulled(source, tmp_path, step="5m", now=NOW + HOUR)
    ((text, asked),) = source.asked
    assert text == "up"
    assert asked.start == instant("2026-03-10T12:10:00Z")  # the newest sample, 12:20, less ten minutes
    assert asked.end == instant("2026-03-10T13:25:00Z")
    assert result.table["samples"].item() == 2 * 12


def test_a_pull_at_the_same_moment_changes_no_byte(tmp_path):
    source = world()
    pulled(source, tmp_path)
    before = tree(tmp_path)
    assert pulled(source, tmp_path).table["samples"].item() == 0
    assert tree(tmp_path) == before


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(min_value=1, max_value=23), max_size=6, unique=True))
def test_any_split_into_pulls_gives_the_same_archive(tmp_path_factory, cuts):
    answers = {"up": {"a": wave(), "b": between(wave(5), "2026-02-28T07:00:00Z", "2026-03-01T05:00:00Z")}}
    one, many = tmp_path_factory.mktemp("x") / "prod", tmp_path_factory.mktemp("y") / "prod"
    end = instant("2026-03-01T12:00:00Z")
    pulled(MemorySource(answers), one, now=end, since="1d")
    for left in [*sorted(cuts, reverse=True), 0]:
        moment = end - left * HOUR
        since = moment - (end - pd.Timedelta(days=1))
        pulled(MemorySource(answers), many, now=moment, since=max(since, HOUR))
    assert tree(one) == tree(many)


def test_a_longer_since_later_fills_the_past_only(tmp_path):
    source = world()
    pulled(source, tmp_path, since="2d")
    source.asked.clear()
    pulled(source, tmp_path, since="5d")
    assert [asked.start for _, asked in source.asked] == [
        instant("2026-03-05T13:00:00Z"),
        instant("2026-03-10T11:00:00Z"),
    ]
    assert source.asked[0][1].end == instant("2026-03-08T13:00:00Z")


def test_after_weeks_without_a_pull_nothing_between_is_left_out(tmp_path):
    source = world()
    pulled(source, tmp_path)
    pulled(source, tmp_path, now=NOW + pd.Timedelta(days=40))
    _, held = content(tmp_path)
    assert len(held.covered) == 1
    assert held.gaps == ()


def test_month_boundary_makes_two_files(tmp_path):
    source = world()
    pulled(source, tmp_path, now=instant("2026-03-01T03:30:00Z"), since="12h")
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == ["2026-02.parquet", "2026-03.parquet"]
    frame, _ = content(tmp_path)
    assert not frame["y"].isna().any()
    assert len(frame) == 2 * 12


def test_series_born_and_dead_are_there_only_while_they_lived(tmp_path):
    born, died = "2026-03-08T10:00:00Z", "2026-03-09T10:00:00Z"
    series = {
        "a": wave(),
        "late": between(wave(), born, "2027-01-01T00:00:00Z"),
        "early": between(wave(), "2020-01-01T00:00:00Z", died),
    }
    pulled(MemorySource({"up": series}), tmp_path)
    frame, held = content(tmp_path)
    there = frame.dropna(subset="y").groupby("job", observed=True)["ds"].agg(["min", "max"])
    assert there.loc["late", "min"] == instant(born)
    assert there.loc["early", "max"] == instant(died) - HOUR
    assert held.gaps == ()


def test_an_empty_answer_is_kept_as_an_answer_and_not_asked_again(tmp_path):
    source = MemorySource({})
    result = pulled(source, tmp_path)
    assert result.table[["series", "samples", "gaps", "error"]].iloc[0].tolist() == [0, 0, 0, ""]
    assert pd.isna(result.table["newest"].item())
    held = next(iter(entries(tmp_path).values()))
    assert held.covered == held.empty != ()
    assert list(tmp_path.rglob("*.parquet")) == []
    source.asked.clear()
    pulled(source, tmp_path, now=NOW + HOUR)
    assert [asked.start for _, asked in source.asked] == [instant("2026-03-10T12:00:00Z")]


def test_a_dead_part_is_asked_again_for_since_and_not_for_ever(tmp_path):
    source = MemorySource({"up": {"a": between(wave(), "2020-01-01T00:00:00Z", "2026-03-09T00:00:00Z")}})
    pulled(source, tmp_path, since="3d")
    for days, start in ((1, "2026-03-08T22:00:00Z"), (30, "2026-03-08T22:00:00Z"), (31, "2026-04-06T12:00:00Z")):
        source.asked.clear()
        pulled(source, tmp_path, since="3d", now=NOW + pd.Timedelta(days=days))
        assert source.asked[0][1].start == instant(start)


def test_a_hole_is_a_gap_and_a_refill_mends_it(tmp_path):
    hole = ("2026-03-09T02:00:00Z", "2026-03-09T05:00:00Z")
    whole = wave()

    def holed(hours):
        return np.where(np.isnan(between(whole, *hole)(hours)), whole(hours), np.nan)

    result = pulled(MemorySource({"up": {"a": holed}}), tmp_path)
    assert result.table["gaps"].item() == 1
    _, held = content(tmp_path)
    assert [manifests.moment(one) for one in held.gaps[0]] == [instant(one) for one in hole]
    source = MemorySource({"up": {"a": whole}})
    mended = pulled(source, tmp_path, refill=hole)
    ((_, asked),) = source.asked
    assert (asked.start, asked.end) == (instant(hole[0]), instant(hole[1]))
    assert mended.table[["samples", "gaps"]].iloc[0].tolist() == [3, 0]


def test_a_server_that_lost_its_history_does_not_empty_the_archive(tmp_path):
    pulled(world(), tmp_path)
    before = content(tmp_path)[0]
    lost = MemorySource({"up": {"a": between(wave(), "2026-03-10T10:00:00Z", "2027-01-01T00:00:00Z")}})
    pulled(lost, tmp_path, refill=("2026-03-07T00:00:00Z", "2026-03-10T13:00:00Z"))
    after, _ = content(tmp_path)
    earlier = after[after["ds"] < instant("2026-03-10T10:00:00Z")]["y"].dropna()
    assert len(earlier) == (before["ds"] < instant("2026-03-10T10:00:00Z")).sum()
    assert after[(after["job"] == "b") & (after["ds"] >= instant("2026-03-10T10:00:00Z"))]["y"].isna().all()


def test_a_failed_part_has_its_sentence_and_the_others_go_on(tmp_path):
    source = MemorySource({"up": {"a": wave()}, "bad": refused(), "last": {"a": wave()}})
    parts = {"one": [UP], "two": [Part("bad"), UP], "three": [Part("last")]}
    seen = []
    result = pulled(source, tmp_path, parts=parts, on_progress=lambda *args: seen.append(args))
    assert result.failed
    assert result.table["error"].tolist() == ["", str(refused()), ""]
    assert result.table["samples"].tolist() == [72, 72, 72]
    assert seen == [(0, 3, "one"), (1, 3, "two"), (2, 3, "three"), (3, 3, "")]
    assert {text: [t for t, _ in source.asked].count(text) for text in ("up", "bad", "last")} == {
        "up": 2,  # a day first, while the series are unknown
        "bad": 1,
        "last": 2,
    }
    source.answers["bad"] = {"a": wave()}
    assert pulled(source, tmp_path, parts=parts).table["error"].tolist() == ["", "", ""]
    content(tmp_path, query="bad")


def test_large_answers_are_asked_for_in_bounded_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("tutordex_analysis.source.pull.PIECE_SAMPLES", 100)
    source = world()
    pulled(source, tmp_path)
    assert [len(asked) for _, asked in source.asked] == [24, 48]  # a day while the series are unknown
    source = MemorySource({"up": {str(i): wave(i) for i in range(20)}})
    pulled(source, tmp_path / "other")
    assert {len(asked) for _, asked in source.asked[1:-1]} == {5}


def test_a_clock_that_went_back_asks_for_nothing_and_breaks_nothing(tmp_path):
    source = world()
    pulled(source, tmp_path)
    before, source.asked = tree(tmp_path), []
    result = pulled(source, tmp_path, now=NOW - 5 * HOUR, since="1d")
    assert source.asked == []
    assert (result.asked_from, result.asked_to) == (None, None)
    assert tree(tmp_path) == before


def test_an_archive_of_another_server_is_not_mixed_in(tmp_path):
    pulled(world(), tmp_path)
    other = world()
    other.uri = "http://127.0.0.1:9999"
    with pytest.raises(
        SourceError, match=r"was pulled from http://127\.0\.0\.1:9090, not from http://127\.0\.0\.1:9999"
    ):
        pulled(other, tmp_path)


def test_a_damaged_manifest_is_a_sentence(tmp_path):
    pulled(world(), tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text()[:200])
    with pytest.raises(SourceError, match=r"manifest\.json is damaged and cannot be read; put it back"):
        pulled(world(), tmp_path)
    path.unlink()
    with pytest.raises(SourceError, match=r"holds data but no manifest\.json"):
        pulled(world(), tmp_path)


@pytest.mark.parametrize("damage", ["half", "gone"])
def test_a_damaged_month_stays_until_a_refill_pulls_it_again(tmp_path, damage):
    source = world()
    pulled(source, tmp_path, now=instant("2026-03-02T00:30:00Z"), since="2d")
    path = next(tmp_path.rglob("2026-02.parquet"))
    whole = tree(tmp_path)
    path.write_bytes(path.read_bytes()[:300]) if damage == "half" else path.unlink()
    refill = ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    now = instant("2026-03-02T01:30:00Z")
    result = pulled(source, tmp_path, now=instant("2026-03-02T00:30:00Z"), since="2d")
    assert not result.failed  # the new hour is in another file
    failed = pulled(source, tmp_path, now=now, since="3d")
    assert "pull --refill 2026-02-01T00:00:00Z 2026-03-01T00:00:00Z" in failed.table["error"].item()
    mended = pulled(source, tmp_path, now=now, refill=refill)
    assert not mended.failed
    mended_month = tree(tmp_path)[str(path.relative_to(tmp_path))]
    assert len(mended_month) > len(whole[str(path.relative_to(tmp_path))])  # the server had all of February
    assert (path.parent / "2026-02.parquet.damaged").exists() == (damage == "half")


def test_what_a_damaged_month_held_beyond_the_refill_is_asked_again(tmp_path):
    source = world()
    pulled(source, tmp_path, since="3d")
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(b"")
    pulled(source, tmp_path, refill=("2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z"))
    _, held = content(tmp_path)
    assert manifests.length(held.covered) == 24 * 3_600_000
    pulled(source, tmp_path, since="3d")
    frame, _ = content(tmp_path)
    assert len(frame.dropna()) == 2 * 72


def test_a_full_disk_ends_the_pull_with_a_sentence_and_keeps_what_was_held(tmp_path, monkeypatch):
    source = world(other={"a": wave()})
    parts = {"one": [UP], "two": [Part("other")]}
    pulled(source, tmp_path, parts=parts)
    before = tree(tmp_path)

    def full(handle):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    source.asked.clear()
    with pytest.raises(NotWritten, match="No space left on device"):
        pulled(source, tmp_path, parts=parts, now=NOW + HOUR)
    assert len(source.asked) == 1
    assert tree(tmp_path) == before


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from tests.source.memory_source import MemorySource, wave
    from tutordex_analysis.catalogue import Part
    from tutordex_analysis.moment import instant
    from tutordex_analysis import disk
    from tutordex_analysis.source.pull import pull

    real, count = os.fsync, 0

    def fsync(handle):
        global count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        real(handle)

    disk.os.fsync = fsync
    source = MemorySource({q: {"a": wave(), "b": wave(5)} for q in ("up", "other")})
    for kill_at in range(1, 100):
        child = os.fork()
        if not child:
            pull(source, f"{sys.argv[1]}/{kill_at}/prod", {q: [Part(q)] for q in source.answers}, step="1h", since="3d",
                 now=instant("2026-03-02T12:30:00Z"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    """
)


def test_killed_anywhere_and_run_again_it_is_complete(tmp_path):
    """Each file is synced once and its folder once: a kill inside every write, and just after every rename."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=True, env=environment)
    folders = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(folders) == 2 * 13 + 1  # 2 parts: three pieces each with data and manifest, one manifest before
    whole = tree(folders.pop() / "prod")
    parts = {q: [Part(q)] for q in ("up", "other")}
    source = MemorySource({q: {"a": wave(), "b": wave(5)} for q in parts})
    leftovers = 0
    for folder in folders:
        leftovers += len(list(folder.rglob("*.tmp")))
        pull(source, folder / "prod", parts, step="1h", since="3d", now=instant("2026-03-02T12:30:00Z"))
        assert tree(folder / "prod") == whole
    assert leftovers == 13  # the kills inside a write


def test_two_at_once_the_second_names_the_first(tmp_path):
    script = (
        "import sys, pathlib\n"
        "from tutordex_analysis.disk import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        source = world()
        with pytest.raises(Locked, match=rf"another run is writing into .* \(pid {first.pid}\)"):
            pulled(source, tmp_path)
        assert source.asked == []
    finally:
        first.communicate()
    assert not pulled(world(), tmp_path).failed


def test_the_lock_of_a_dead_process_does_not_hold(tmp_path):
    (tmp_path / ".lock").write_text("1\n")
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / ".2026-03.parquet.9999999.tmp").write_bytes(b"half")
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
        assert list(tmp_path.rglob("*.tmp")) == []


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="cannot write into"):
        pulled(world(), tmp_path / "file" / "prod")


def test_a_changed_query_goes_on_with_the_history_of_the_old_one(tmp_path):
    old, new = Part("old_name"), None
    source = MemorySource({"old_name": {"a": wave(), "gone": wave(7)}})
    pulled(source, tmp_path, parts={"s": [old]}, since="3d", now=NOW - pd.Timedelta(days=2))
    new = Part("new_name", replaces=old.digest("1h"))
    archive = ArchiveSource(tmp_path, catalogue=Catalogue(signals={}))
    time_range = TimeRange("2026-03-05T13:00:00Z", "2026-03-10T13:00:00Z", "1h")
    before = archive.fetch(new, time_range)  # nothing pulled yet: the old one's
    assert set(before["job"]) == {"a", "gone"}
    source = MemorySource({"new_name": {"a": wave(100)}})
    pulled(source, tmp_path, parts={"s": [new]}, since="3d")
    frame = archive.fetch(new, time_range)
    _, grid, values = matrix(frame)
    first = grid.searchsorted(instant("2026-03-07T13:00:00Z"))
    series = dict(zip(frame["job"].unique(), values, strict=True))
    assert (series["a"][:first] < 50).all()  # the old text's
    assert (series["a"][first:] > 50).all()  # the new one's, also where the old one goes on
    assert not np.isnan(series["a"]).any()
    assert np.isnan(series["gone"][first:]).all()


def test_the_manifest_has_what_a_person_wants_to_know_and_no_needless_part(tmp_path):
    pulled(world(), tmp_path / "prod", note="remade by a script")
    document = json.loads((tmp_path / "prod" / "manifest.json").read_text())
    assert (document["source"], document["url"], document["note"]) == (
        "prod",
        "http://127.0.0.1:9090",
        "remade by a script",
    )
    (part,) = document["parts"].values()
    assert part["covered"] == [["2026-03-07T13:00:00Z", "2026-03-10T13:00:00Z"]]
    assert (part["query"], part["step"], part["signals"], part["empty"]) == ("up", "1h", ["targets_up"], [])
    assert part["newest"] == "2026-03-10T12:00:00Z"
    assert manifests.load(tmp_path / "prod") is not None


def test_a_signal_without_series_has_no_newest(tmp_path):
    result = pulled(MemorySource({"up": {"a": nothing}}), tmp_path)
    assert pd.isna(result.table["newest"].item())


def test_a_refill_of_what_is_not_settled_is_refused(tmp_path):
    with pytest.raises(SourceError, match="nothing is settled yet"):
        pulled(world(), tmp_path, refill=(NOW + HOUR, NOW + 2 * HOUR))
