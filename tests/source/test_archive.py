import numpy as np
import pandas as pd
import pytest

from tests.source.memory_source import MemorySource, wave
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Part, Signal
from tutordex_analysis.errors import CatalogueError, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration, instant
from tutordex_analysis.source import reading
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.pull import pull

NOW = instant("2026-03-10T12:30:00Z")
QUEUE = Signal(
    name="queue", title="Queue", area="queue", kind="gauge", unit="jobs", metric="queue_jobs", combine="mean"
)
SEEN = Signal(
    name="seen", title="Seen", area="collector", kind="count", unit="messages", counter="seen_total", by=("job",)
)
CATALOGUE = Catalogue(signals={"queue": QUEUE, "seen": SEEN})


def growing(hours):
    return np.floor((hours - 492_000) * 7)


def source_of(step):
    (part,) = QUEUE.parts
    return MemorySource({part.at(step): {"": wave(3)}, "seen_total": {"a": growing, "b": growing}})


def filled(folder, *, catalogue=CATALOGUE, steps=(("1h", "10d"), ("5m", "2d"))):
    for step, since in steps:
        parts = {name: spec.parts for name, spec in CATALOGUE.signals.items()}
        pull(source_of(step), folder, parts, step=step, since=since, now=NOW)
    return ArchiveSource(folder, catalogue=catalogue)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("archive") / "prod")


def hours(n, *, end="2026-03-10T13:00:00Z", step="1h"):
    return TimeRange(instant(end) - n * duration(step), end, step)


def test_a_query_is_answered_by_the_text_whatever_its_spacing(archive):
    text = "max(avg_over_time(queue_jobs[1h]))"
    asked = " avg  by ()  (avg_over_time( queue_jobs{}[1h] )) "
    got = archive.query(asked, hours(24))
    pd.testing.assert_frame_equal(got, source_of("1h").query(QUEUE.parts[0].at("1h"), hours(24)))
    assert len(archive.query("avg by () (avg_over_time(queue_jobs[$step]))", hours(24))) == 24
    with pytest.raises(SourceError, match="answers only what it holds"):
        archive.query(text, hours(24))  # another expression


def test_a_text_without_step_is_answered_at_any_multiple(archive):
    got = archive.query("seen_total", hours(6, step="2h", end="2026-03-10T12:00:00Z"))
    wanted = source_of("1h").query("seen_total", hours(6, step="2h", end="2026-03-10T12:00:00Z"))
    pd.testing.assert_frame_equal(got, wanted)


def test_a_query_at_a_finer_step_is_refused_and_says_what_is_held(archive):
    with pytest.raises(SourceError, match=r"is held every 5m, 1h there, not every 1m; see \.signals\(\)"):
        archive.query("seen_total", hours(60, step="1m"))


def test_what_is_not_held_is_refused_in_one_sentence(archive):
    with pytest.raises(SourceError, match=r"answers only what it holds, and 'rate\(seen_total\[5m\]\)' is not in it"):
        archive.query("rate(seen_total[5m])", hours(24))


def test_instants_that_were_not_pulled_are_nan(archive):
    frame = archive.query("seen_total", TimeRange("2026-02-20T00:00:00Z", "2026-03-12T00:00:00Z", "1h"))
    _, grid, values = frames.matrix(frame)
    there = (grid >= instant("2026-02-28T13:00:00Z")) & (grid <= instant("2026-03-10T12:00:00Z"))
    assert np.isnan(values[:, ~there]).all()
    assert not np.isnan(values[:, there]).any()


def test_a_range_that_holds_nothing_is_an_empty_frame(archive):
    frame = archive.query("seen_total", TimeRange("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", "1h"))
    pd.testing.assert_frame_equal(frame, frames.empty())


def test_a_range_across_months_and_inside_days(archive):
    across = TimeRange("2026-02-28T20:00:00Z", "2026-03-02T05:00:00Z", "1h")
    pd.testing.assert_frame_equal(archive.query("seen_total", across), source_of("1h").query("seen_total", across))


def test_last_ends_at_the_newest_sample_held(archive):
    assert archive.last("2d") == TimeRange("2026-03-08T13:00:00Z", "2026-03-10T13:00:00Z", "1h")
    assert archive.last("1h", step="5m").end == instant("2026-03-10T12:25:00Z")
    assert archive.last("7d", step="1d").end == instant("2026-03-11T00:00:00Z")
    with pytest.raises(SourceError, match="no sample on a grid of 1m: it is kept every 5m, 1h"):
        archive.last("1h", step="1m")


def base_steps(archive, monkeypatch, signal, time_range):
    seen = []
    real = reading.read

    def spy(*args, base_step):
        seen.append(base_step)
        return real(*args, base_step=base_step)

    monkeypatch.setattr(reading, "read", spy)
    archive.read(signal, time_range)
    return seen


def test_read_takes_the_step_that_covers_best_and_the_finer_of_two(archive, monkeypatch):
    assert base_steps(archive, monkeypatch, "queue", hours(24)) == [pd.Timedelta("5min")]
    assert base_steps(archive, monkeypatch, "queue", hours(24 * 9)) == [pd.Timedelta("1h")]
    assert base_steps(archive, monkeypatch, "queue", hours(24, step="5m")) == [pd.Timedelta("5min")]


def test_read_counts_events_of_raw_counters(archive):
    frame = archive.read("seen", hours(24 * 9))
    assert frame["unique_id"].unique().tolist() == ['seen{job="a"}', 'seen{job="b"}']
    assert (frame["y"] == 7).all()


def test_read_refuses_a_step_finer_than_what_is_held(tmp_path):
    archive = filled(tmp_path / "prod", steps=(("1h", "2d"),))
    with pytest.raises(SourceError, match="queue is held every 1h; ask for a multiple of that, not for every 5m"):
        archive.read("queue", hours(24, step="5m"))


def test_read_of_a_signal_that_was_never_pulled(tmp_path):
    pull(source_of("1h"), tmp_path / "prod", {"queue": QUEUE.parts}, step="1h", since="2d", now=NOW)
    archive = ArchiveSource(tmp_path / "prod", catalogue=CATALOGUE)
    with pytest.raises(SourceError, match="does not hold seen; pull it with `tutordex-analysis pull seen`"):
        archive.read("seen", hours(24))
    with pytest.raises(CatalogueError, match="no signal 'sene'"):
        archive.read("sene", hours(24))


def test_fetch_refuses_a_part_that_was_never_pulled(archive):
    with pytest.raises(SourceError, match="'lost_total' is not in it"):
        archive.fetch(Part("lost_total"), hours(24))


def test_signals_says_what_can_be_read(archive):
    table = archive.signals().set_index("signal")
    assert table.loc["queue", ["title", "kind", "unit", "steps", "series"]].tolist() == [
        "Queue",
        "gauge",
        "jobs",
        "5m, 1h",
        1,
    ]
    assert table.loc["seen", "from"] == instant("2026-02-28T13:00:00Z")
    assert table.loc["seen", "to"] == instant("2026-03-10T12:20:00Z")


def test_metadata_comes_from_what_is_stored(archive):
    assert archive.metrics() == ["queue_jobs", "seen_total"]
    assert archive.label_values("job") == ["a", "b"]
    assert archive.label_values("nothing") == []
    assert archive.steps() == (pd.Timedelta("5min"), pd.Timedelta("1h"))


def test_instant_is_the_newest_sample_one_row_a_series(archive):
    frame = archive.instant("seen_total{}")
    assert len(frame) == 2
    assert (frame["ds"] == instant("2026-03-10T12:20:00Z")).all()
    with pytest.raises(SourceError, match="answers only what it holds"):
        archive.instant("up")


def test_a_pull_beside_an_open_archive_is_seen(tmp_path):
    archive = filled(tmp_path / "prod", steps=(("1h", "2d"),))
    before = archive.last("1d")
    parts = {name: spec.parts for name, spec in CATALOGUE.signals.items()}
    pull(source_of("1h"), tmp_path / "prod", parts, step="1h", since="2d", now=NOW + pd.Timedelta("2h"))
    assert archive.last("1d").end == before.end + pd.Timedelta("2h")


def test_the_folder_above_is_enough_when_it_holds_one_source(tmp_path):
    filled(tmp_path / "prod", steps=(("1h", "2d"),))
    assert ArchiveSource(tmp_path, catalogue=CATALOGUE).folder == tmp_path / "prod"
    filled(tmp_path / "test", steps=(("1h", "2d"),))
    with pytest.raises(SourceError, match="it has prod, test; name one of them"):
        ArchiveSource(tmp_path, catalogue=CATALOGUE)
    assert ArchiveSource(tmp_path, catalogue=CATALOGUE, source_name="test").folder == tmp_path / "test"
    with pytest.raises(SourceError, match="no archive of the source 'other'"):
        ArchiveSource(tmp_path, catalogue=CATALOGUE, source_name="other")


def test_an_empty_folder_is_no_archive(tmp_path):
    with pytest.raises(SourceError, match="nothing was pulled into it yet"):
        ArchiveSource(tmp_path)


def test_a_damaged_file_is_a_sentence_with_the_way_out(tmp_path):
    archive = filled(tmp_path / "prod", steps=(("1h", "2d"),))
    for path in (tmp_path / "prod").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"2026-03\.parquet is damaged .* pull --refill 2026-03-01T00:00:00Z"):
        archive.read("queue", hours(24))
    with pytest.raises(SourceError, match="damaged"):
        archive.label_values("job")


def test_an_archive_that_vanished_is_a_sentence(tmp_path):
    archive = filled(tmp_path / "prod", steps=(("1h", "2d"),))
    (tmp_path / "prod" / "manifest.json").unlink()
    with pytest.raises(SourceError, match="is gone"):
        archive.last("1d")


def test_a_signal_made_of_events_is_not_among_those_that_an_archive_can_read(archive):
    users = Signal(name="users", title="Users", area="x", kind="count", unit="users", events="users.created_at")
    catalogue = Catalogue(signals={**CATALOGUE.signals, "users": users})
    source = ArchiveSource(archive.folder, catalogue=catalogue)
    assert set(source.signals()["signal"]) == {"queue", "seen"}
    with pytest.raises(SourceError, match="does not hold users"):
        source.read("users", hours(24))
