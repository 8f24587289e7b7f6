"""The ledger on disk: what was issued is read back as it was, once, whatever is killed or damaged in between."""

import multiprocessing
import os
import resource
import signal
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.issues import HOUR, MONDAY, WEEK, history, rows
from tutordex_analysis import disk, issued
from tutordex_analysis.errors import Locked, NotWritten, SourceError
from tutordex_analysis.model.scorecard import scored
from tutordex_analysis.settings import Settings
from tutordex_analysis.sink import ledger as sink
from tutordex_analysis.source import ledger as source

KEY = ("cpu_used", "1h")


def a_score(y=1.0):
    return scored(rows(said=1.0, naive=2.0), {KEY: history(np.full(168, y))})


def test_what_is_written_is_read_back(tmp_path):
    rng = np.random.default_rng(2)
    made = rows(said=rng.normal(1e6, 1e5, 168), naive=rng.normal(0, 1e-3, 168), scale=0.1234567890123)
    assert sink.append(tmp_path, made, a_score()) == 168
    held = source.read([tmp_path])
    assert held.complaints == ()
    numbers = [*issued.SAID, *issued.NAIVE]
    exact = [name for name in issued.ROW_COLUMNS if name not in numbers]
    pd.testing.assert_frame_equal(held.rows[exact], made[exact], check_dtype=False)
    np.testing.assert_allclose(held.rows[numbers], made[numbers], rtol=1e-5)
    pd.testing.assert_frame_equal(held.scores, a_score(), check_dtype=False)
    assert held.issues[["via", "hindsight", "signals", "rows"]].to_numpy().tolist() == [["report", False, 1, 168]]


def test_quantiles_stay_in_order_and_missing_ones_stay_missing(tmp_path):
    made = rows(said=np.linspace(-1, 1, 168), spread=1e-5).assign(**{"naive_q0.1": np.nan})
    back = issued.rows_of(issued.row_bytes(made), name="x")
    assert (np.diff(back[list(issued.SAID)].to_numpy(), axis=1) >= 0).all()
    assert back["naive_q0.1"].isna().all()


def test_the_same_rows_give_the_same_bytes():
    assert issued.row_bytes(rows()) == issued.row_bytes(rows())


def test_the_same_issue_is_written_once_and_what_was_said_is_never_changed(tmp_path):
    assert sink.append(tmp_path, rows(said=1.0)) == 168
    before = (tmp_path / "2026-11.parquet").read_bytes()
    assert sink.append(tmp_path, rows(said=2.0)) == 0  # same moment, same data
    assert (tmp_path / "2026-11.parquet").read_bytes() == before
    assert sink.append(tmp_path, rows(said=2.0, digest="ba9876543210")) == 168
    assert sink.append(tmp_path, rows(said=2.0, signal="disk_used", unique_id="disk_used")) == 168
    assert len(source.read([tmp_path]).rows) == 3 * 168


def test_a_month_has_a_file(tmp_path):
    sink.append(tmp_path, pd.concat([rows(), rows(MONDAY - 2 * WEEK)], ignore_index=True))
    names = {path.name for path in tmp_path.glob("*.parquet")}
    assert names == {"2026-10.parquet", "2026-11.parquet"}
    assert source.read([tmp_path]).rows["issued"].is_monotonic_increasing
    assert len(source.read([tmp_path], at=MONDAY + 20 * WEEK).rows) == 0
    assert len(source.read([tmp_path], at=MONDAY + 11 * WEEK).rows) == 168  # from 8 November: that month alone
    assert len(source.read([tmp_path], at=MONDAY + 8 * WEEK).rows) == 2 * 168


def test_a_later_score_of_a_week_takes_the_place_of_the_first(tmp_path):
    sink.append(tmp_path, issued.no_rows(), a_score(1.0))
    sink.append(tmp_path, issued.no_rows(), a_score(1.5))
    assert source.read([tmp_path]).scores["happened"].tolist() == [1.5]


@pytest.mark.parametrize("content", [b"", b"PAR1 not really PAR1", b"foreign", b"other version"])
def test_a_damaged_or_foreign_file_is_one_sentence_and_the_rest_is_read(tmp_path, content):
    sink.append(tmp_path, pd.concat([rows(), rows(MONDAY - 2 * WEEK)], ignore_index=True))
    bad = tmp_path / "2026-11.parquet"
    if content == b"foreign":
        pd.DataFrame({"a": [1]}).to_parquet(bad)
    elif content == b"other version":
        bad.write_bytes(issued.row_bytes(rows()).replace(b"tutordex_ledger_schema", b"tutordex_ledger_schemb"))
    else:
        bad.write_bytes(content)
    kept = bad.read_bytes()
    held = source.read([tmp_path])
    assert len(held.rows) == 168
    (said,) = held.complaints
    assert str(bad) in said
    assert "move it away" in said
    with pytest.raises(SourceError, match="move it away"):
        sink.append(tmp_path, rows(digest="ba9876543210"))
    assert bad.read_bytes() == kept


def test_a_bit_that_fell_over_is_noticed(tmp_path):
    data = bytearray(issued.row_bytes(rows()))
    data[len(data) // 3] ^= 1
    with pytest.raises(SourceError, match=r"2026-11 is damaged"):
        issued.rows_of(bytes(data), name="2026-11")


def test_files_of_others_are_let_alone(tmp_path):
    (tmp_path / "notes.parquet").write_bytes(b"mine")
    assert source.read([tmp_path, tmp_path / "nowhere"]).complaints == ()


def write_for_ever(folder):
    for i in range(10_000):
        sink.append(folder, rows(MONDAY + i * HOUR, n=24, digest=f"{i:012}"))


def test_a_kill_at_any_moment_leaves_whole_issues_and_the_next_run_goes_on(tmp_path):
    for wait in (0.3, 0.45):
        writer = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(tmp_path,))
        writer.start()
        time.sleep(wait)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    held = source.read([tmp_path])
    assert held.complaints == ()
    assert (held.issues["rows"] == 24).all()
    n = len(held.issues)
    assert n > 1
    assert sink.append(tmp_path, rows(MONDAY + n * HOUR, n=24, digest=f"{n:012}")) == 24
    assert not list(tmp_path.glob(".*.tmp"))


def write_past_a_full_disk(folder, said):
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        sink.append(folder, rows(digest="ba9876543210", said=np.random.default_rng(1).normal(size=168)))
    except NotWritten as error:
        said.put(str(error))


def test_a_disk_that_fills_up_in_the_middle_leaves_the_file_as_it_was(tmp_path):
    sink.append(tmp_path, rows())
    before = (tmp_path / "2026-11.parquet").read_bytes()
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    writer = context.Process(target=write_past_a_full_disk, args=(tmp_path, said))
    writer.start()
    assert "2026-11.parquet: File too large; what was there is as it was" in said.get(timeout=30)
    writer.join()
    assert (tmp_path / "2026-11.parquet").read_bytes() == before
    assert sink.append(tmp_path, rows(digest="ba9876543210")) == 168


def test_another_writer_is_waited_for_and_then_named(tmp_path):
    with disk.locked(tmp_path):
        began = time.monotonic()
        with pytest.raises(Locked, match="another run"):
            sink.append(tmp_path, rows(), patience=0.3)
        assert 0.3 <= time.monotonic() - began < 5
    assert sink.append(tmp_path, rows()) == 168


def test_nothing_to_write_makes_no_folder(tmp_path):
    assert sink.append(tmp_path / "new", issued.no_rows(), issued.no_scores()) == 0
    assert not (tmp_path / "new").exists()


def test_what_was_said_of_old_data_is_no_issue():
    plain = rows()
    for late in (HOUR, 47 * HOUR):
        assert len(issued.stamped(plain, issued=MONDAY + late, via="report", hindsight=False)) == 168
    for wrong in (49 * HOUR, -HOUR):
        assert issued.stamped(plain, issued=MONDAY + wrong, via="report", hindsight=False).empty
    assert len(issued.stamped(plain, issued=MONDAY + 49 * HOUR, via="replay", hindsight=True)) == 168


def test_each_source_has_a_ledger_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = Settings(prometheus_url="http://prom:9090", source_name="tutordex")

    def home(uri):
        return source.home(SimpleNamespace(uri=uri), settings=known).as_posix()

    mine = "data/ledger/tutordex"
    assert [home(uri) for uri in ("http://prom:9090/", "data/archive", "data/archive/tutordex")] == [mine] * 3
    others = [home(uri) for uri in ("http://prom:9091", "http://other:9090/prefix", "data/sample", "elsewhere/sample")]
    assert len({mine, *others}) == 5
    assert others[1].startswith("data/ledger/of-other-9090-prefix-")
    alike = ("/data/prod/eu", "/data/prod-eu", "http://prom/a", "https://prom-a", "http://prom-a")
    assert len({home(uri) for uri in alike}) == 5


def test_a_ledger_inside_an_archive_is_read_beside_the_own_one_and_never_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = SimpleNamespace(uri=str(tmp_path / "archive"))
    sink.append(tmp_path / "archive" / "ledger", rows(MONDAY - WEEK), a_score(1.0))
    own = source.home(archive)
    assert not own.resolve().is_relative_to(tmp_path / "archive")
    sink.append(own, rows(), a_score(1.5))
    held = source.ledger(archive)
    assert len(held.rows) == 2 * 168
    assert held.scores["happened"].tolist() == [1.5]
