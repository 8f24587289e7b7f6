import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import NotWritten, SourceError
from tutordex_analysis.frame import TimeRange, build
from tutordex_analysis.moment import duration
from tutordex_analysis.source import storage

MARCH = "2026-03"
START = pd.Timestamp("2026-03-01T00:00:00Z")


def month_file(folder: Path, month: str = MARCH) -> Path:
    return folder / f"{month}.parquet"


def put(path, values, *, start=START, step="6h", refill=False, names=None):
    values = np.atleast_2d(np.array(values, dtype=float))
    piece = TimeRange(start, pd.Timestamp(start) + values.shape[1] * pd.Timedelta(step), step)
    names = names or [f"s{i}" for i in range(len(values))]
    return storage.merge(path, build(values, [{"job": n} for n in names], piece), piece, query="m", refill=refill)


def held(path, step="6h"):
    """Values from the first to the last day of the file, by job."""
    rows = storage.read(path, step=pd.Timedelta(step))
    days = int(rows.day.min()), int(rows.day.max()) + 1
    labels, values = storage.laid([rows], days=days, step=pd.Timedelta(step))
    flat = values.reshape(len(labels), -1)
    return {json.loads(text)["job"]: row for text, row in zip(labels, flat, strict=True)}


any_float = st.one_of(st.floats(), st.just(float("nan")))


@given(
    values=st.lists(st.lists(any_float, min_size=9, max_size=9), min_size=1, max_size=3),
    offset=st.integers(min_value=0, max_value=31 * 4 - 9),
)
def test_what_is_read_is_what_was_written_bit_for_bit(tmp_path_factory, values, offset):
    path = month_file(tmp_path_factory.mktemp("m"))
    written = put(path, values, start=START + offset * pd.Timedelta("6h"))
    for name, row in zip(range(len(values)), values, strict=True):
        row = np.array(row)
        if np.isnan(row).all():
            assert not path.exists() or f"s{name}" not in held(path)
            continue
        whole = np.full(31 * 4, np.nan)
        at = (storage.read(path, step=pd.Timedelta("6h")).day.min() - storage.epoch(START) // 86_400_000) * 4
        mine = held(path)[f"s{name}"]
        whole[at : at + len(mine)] = mine
        assert whole[offset : offset + 9].tobytes() == np.where(np.isnan(row), np.nan, row).tobytes()
    assert written.samples == np.count_nonzero(~np.isnan(np.array(values)))
    assert (written.present == (~np.isnan(np.array(values))).any(axis=0)).all()


def test_appending_the_same_again_changes_no_byte(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1.5, np.nan, 3.0], [np.inf, -0.0, 2.0]])
    before, inode = path.read_bytes(), path.stat().st_ino
    again = put(path, [[1.5, np.nan, 3.0], [np.inf, -0.0, 2.0]])
    assert path.read_bytes() == before
    assert path.stat().st_ino == inode
    assert again.new == 0


def test_pieces_in_any_order_make_the_bytes_of_one_write(tmp_path):
    one, two = month_file(tmp_path / "a"), month_file(tmp_path / "b")
    values = np.arange(24.0).reshape(2, 12)
    put(one, values)
    put(two, values[:, 7:], start=START + 7 * pd.Timedelta("6h"))
    put(two, values[:, :7])
    assert one.read_bytes() == two.read_bytes()


def test_a_new_answer_wins_but_what_it_lacks_erases_nothing(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3, 4]])
    written = put(path, [[np.nan, 20, np.nan, 40]])
    assert held(path)["s0"].tolist() == [1, 20, 3, 40]
    assert written.new == 0
    assert written.present.all()


def test_a_refill_erases_only_where_the_server_evidently_has_data(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 1, 1, 1, 1, 1, 1]])
    put(path, [[np.nan, np.nan, 30, np.nan, 50, np.nan, np.nan, np.nan]], refill=True)
    first, second = held(path)["s0"], held(path)["s1"]
    np.testing.assert_array_equal(first, [1, 2, 30, np.nan, 50, 6, 7, 8])
    np.testing.assert_array_equal(second, [1, 1, np.nan, np.nan, np.nan, 1, 1, 1])


def test_an_empty_refill_erases_nothing(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3, 4]])
    piece = TimeRange(START, START + pd.Timedelta(days=1), "6h")
    storage.merge(path, frames.empty(), piece, query="m", refill=True)
    assert held(path)["s0"].tolist() == [1, 2, 3, 4]


def test_layout_is_a_row_a_series_and_day_with_samples(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3, 4, *[np.nan] * 4, 9], [*[np.nan] * 8, 7]], names=["a", "b"])
    table = pq.read_table(path)
    assert table["day"].to_pylist() == [
        pd.Timestamp("2026-03-01").date(),
        pd.Timestamp("2026-03-03").date(),
        pd.Timestamp("2026-03-03").date(),
    ]
    assert [json.loads(text)["job"] for text in table["labels"].to_pylist()] == ["a", "a", "b"]
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    assert column.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in column.encodings
    metadata = pq.ParquetFile(path).metadata.metadata
    assert (metadata[b"tutordex_schema"], metadata[b"tutordex_query"]) == (b"1", b"m")


def test_series_that_are_born_later_join_the_file(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2]], names=["old"])
    put(path, [[5, 6]], names=["new"], start=START + pd.Timedelta(days=2))
    assert set(held(path)) == {"old", "new"}
    assert np.isnan(held(path)["old"][8:]).all()


@pytest.mark.parametrize("step", ["7m", "2d", "5h"])
def test_a_step_that_does_not_divide_a_day_is_refused(step):
    with pytest.raises(SourceError, match="steps that divide a day"):
        storage.per_day(duration(step))


@pytest.mark.parametrize("damage", ["half", "nothing", "text", "flipped"])
def test_a_damaged_file_is_one_sentence_with_the_way_out(tmp_path, damage):
    path = month_file(tmp_path)
    put(path, np.random.default_rng(1).normal(size=(3, 100)))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    path.write_bytes(
        {"half": whole[: len(whole) // 2], "nothing": b"", "text": b"x" * 99, "flipped": bytes(flipped)}[damage]
    )
    with pytest.raises(storage.DamagedFile) as caught:
        storage.read(path, step=pd.Timedelta("6h"))
    assert str(path) in str(caught.value)
    assert "pull --refill 2026-03-01T00:00:00Z 2026-04-01T00:00:00Z" in str(caught.value)


def test_a_file_of_a_newer_version_is_not_called_damaged(tmp_path, monkeypatch):
    path = month_file(tmp_path)
    monkeypatch.setattr(storage, "SCHEMA", "2")
    put(path, [[1, 2]])
    monkeypatch.undo()
    with pytest.raises(SourceError, match="newer version") as caught:
        storage.read(path, step=pd.Timedelta("6h"))
    assert not isinstance(caught.value, storage.DamagedFile)


def test_an_answer_on_another_grid_is_refused_and_nothing_stored(tmp_path):
    path = month_file(tmp_path)
    asked = TimeRange(START, START + pd.Timedelta(days=2), "6h")
    came = TimeRange(START, START + pd.Timedelta(days=1), "6h")
    with pytest.raises(SourceError, match="nothing was stored"):
        storage.merge(path, build(np.ones((1, 4)), [{"job": "a"}], came), asked, query="m")
    assert not path.exists()


def test_a_full_disk_is_a_sentence_and_leaves_the_file_as_it_was(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3]])
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        with pytest.raises(NotWritten, match=r"2026-03\.parquet: .*what was there is as it was"):
            put(path, np.random.default_rng(1).normal(size=(1, 120)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_no_space_left_is_said_in_the_system_s_words(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        with pytest.raises(NotWritten, match=os.strerror(errno.ENOSPC)):
            put(month_file(folder), np.random.default_rng(1).normal(size=(30, 120)))
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_kill_inside_a_write_leaves_the_old_file(tmp_path):
    path = month_file(tmp_path)
    put(path, [[1, 2, 3]])
    before = path.read_bytes()
    script = (
        "import os, signal, sys, pathlib\n"
        "from tutordex_analysis import disk\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "disk.put(pathlib.Path(sys.argv[1]), b'new')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == before


def test_labels_are_read_without_values_and_keep_odd_characters(tmp_path):
    path = month_file(tmp_path)
    odd = 'quote " back \\ line\n 早上 t.me/lion_city_tutors'
    put(path, [[1, 2]], names=[odd])
    assert storage.label_sets(path) == [{"job": odd}]
    assert odd in held(path)
