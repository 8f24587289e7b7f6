import json
import os
import re
import sys

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import v4, writes

from tests.issues import rows
from tutordex_analysis.disk import locked, put
from tutordex_analysis.errors import CatalogueError, FrameError, Locked, NotWritten, ReportFailed
from tutordex_analysis.issued import row_bytes
from tutordex_analysis.sink.shelf import shelf
from tutordex_analysis.source.ledger import read
from tutordex_analysis.weekly import report

NOW = pd.Timestamp("2026-11-22T22:30:00Z")
DRAW = """
import sys
from IPython.display import HTML, Image, display
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.sink import page
print("warning: noise", file=sys.stderr)
print("python", sys.executable)
display(HTML("<table><tr><td>t.me/lion<script>alert(1)</script></td></tr></table>"))
display(Image(data=b"not really", format="png"), metadata={"image/png": {"alt": "A line that grows"}})
"""
ASK = """
if explode:
    raise NotEnoughData("needs 14 days of history, got 9, from http://bob:hunter2@prom:9090/")
"""
ANSWER = """
page.answer("Nothing is full before " + month + ".", digest=as_of, findings=__import__("pandas").DataFrame([dict(
    question="capacity", signal="disk_used", where="/data", kind="will_happen", sentence="The disk is full in May.",
    effect=0.8, unit="ratio", lower=float("nan"), upper=float("nan"), certainty=0.9, action="", priority=50)]))
"""
CAPACITY = [DRAW, ASK, ANSWER]


def write(folder, name, parameters, cells, *, title):
    folder.mkdir(exist_ok=True)
    first = [v4.new_markdown_cell(f"# {title}\n\nWho asks: ops.")]
    tagged = [v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    rest = [v4.new_code_cell(cell.strip()) for cell in cells]
    (folder / name).write_text(writes(v4.new_notebook(cells=[*first, *tagged, *rest])))


def notebooks_in(folder):
    capacity = 'source_uri = "data/sample"\nas_of = ""\nmonth = "May"\nexplode = False'
    write(folder, "01_explore.ipynb", "a = 1", ["a"], title="Explore")
    write(folder, "10_capacity.ipynb", capacity, CAPACITY, title="Room?")
    write(folder, "20_endless.ipynb", "seconds = 600", ["import time", "time.sleep(seconds)"], title="Endless?")
    write(folder, "30_silent.ipynb", "a = 1", ["a"], title="Silent?")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Three kernels: a good page, one that is stopped, one without an answer; what the folder held after them."""
    folder = tmp_path_factory.mktemp("weekly")
    seen = []
    usual = {"notebooks": notebooks_in(folder / "notebooks"), "output": folder / "reports", "now": NOW}
    stopped = report(["endless"], **usual, timeout=6)
    run = report(
        ["capacity", "silent"],
        **usual,
        parameters={"month": 'June"\\'},
        as_of="2026-11-01T00:00:00+08:00",
        timeout=120,
        progress=lambda *said: seen.append(said),
    )
    return run, seen, stopped


@pytest.fixture(scope="module")
def failed(done, tmp_path_factory):
    """One more: the good page's notebook fails the week after."""
    output = done[0].output
    before = (output / "capacity.html").read_text()
    run = report(
        ["capacity"],
        notebooks=output.parent / "notebooks",
        output=output,
        now=NOW + pd.Timedelta(days=7),
        parameters={"explode": "true"},
        timeout=120,
    )
    return run, before


def text(output, name):
    return BeautifulSoup((output / name).read_text(), "html.parser").main.get_text(" ", strip=True)


@pytest.mark.slow
def test_a_good_notebook_becomes_a_page(done):
    run, *_ = done
    record = run.records[0]
    assert record.state == "good"
    assert record.parameters == {
        **{"source_uri": "data/sample", "as_of": "2026-10-31T16:00:00+00:00", "month": 'June"\\', "explode": False}
    }
    assert record.answer.sentence == 'Nothing is full before June"\\.'
    assert record.answer.digest == "2026-10-31T16:00:00+00:00"
    assert record.started >= NOW
    html = (run.output / "capacity.html").read_text()
    assert f"python {sys.executable}" in html
    assert "A line that grows" in html
    assert "noise" not in html
    assert "<script" not in html


@pytest.mark.slow
def test_an_endless_notebook_is_stopped_and_a_silent_one_is_a_failure(done):
    run, _, stopped = done
    assert stopped.failed == ("endless",)
    assert run.failed == ("silent",)
    assert stopped.records[0].cell == 3
    assert stopped.records[0].seconds < 60
    assert "ran longer than 6 seconds" in text(run.output, "endless.failed.html")
    assert "notebook silent gave no answer" in text(run.output, "silent.failed.html")
    assert not (run.output / "silent.html").exists()
    assert run.sentence.startswith(f"1 of 2 pages made in {run.output}; failed: silent: notebook silent gave no answer")


@pytest.mark.slow
def test_progress_counts_the_cells_of_the_notebook(done):
    _, seen, _ = done
    assert [one for one in seen if one[0] == "capacity"] == [("capacity", cell, 4 if cell else 0) for cell in range(5)]


@pytest.mark.slow
def test_the_manifest_says_what_ran_with_what(failed):
    output = failed[0].output
    pages = json.loads((output / "manifest.json").read_text())["pages"]
    good, latest = pages["capacity"]["good"], pages["capacity"]["latest"]
    assert (good["state"], latest["state"]) == ("good", "failed")
    assert good["parameters"]["month"] == 'June"\\'
    assert good["versions"]["python"] == sys.version.split()[0]
    assert good["answer"]["digest"] == "2026-10-31T16:00:00+00:00"
    assert len(good["notebook_sha256"]) == 64
    assert pages["silent"]["good"] is None


@pytest.mark.slow
def test_a_failed_run_keeps_the_last_good_page_and_its_findings(failed):
    run, before = failed
    assert run.failed == ("capacity",)
    assert (run.output / "capacity.html").read_text() == before
    red = text(run.output, "capacity.failed.html")
    assert "Code cell 3" in red
    assert "needs 14 days of history, got 9" in red
    assert "The last good page" in red
    kept = shelf(run.output).findings
    assert kept[["page", "sentence"]].to_numpy().tolist() == [["capacity", "The disk is full in May."]]
    overview = text(run.output, "index.html")
    assert "The disk is full in May." in overview
    assert "from the page of 23 Nov 2026" in overview
    assert overview.index("Room?") < overview.index("Endless?", overview.index("Pages"))


@pytest.mark.slow
def test_no_secret_reaches_a_file(failed):
    files = [path for path in failed[0].output.iterdir() if path.suffix in (".html", ".json")]
    assert len(files) >= 6
    assert not [path.name for path in files if "hunter2" in path.read_text()]


@pytest.mark.slow
def test_nothing_half_written_stays(failed):
    names = {path.name for path in failed[0].output.iterdir()}
    pages = {"index.html", "capacity.html", "capacity.failed.html", "endless.failed.html", "silent.failed.html"}
    assert names == {*pages, "manifest.json", "findings.json", ".lock"}


RECORDS = """
from pathlib import Path
from tutordex_analysis import issued
from tutordex_analysis.sink import page
page.answer("Said.", issued=issued.rows_of(Path(rows).read_bytes(), name="rows"))
"""


@pytest.mark.slow
def test_what_a_page_forecast_is_recorded_unless_it_speaks_of_the_past(tmp_path):
    folder = tmp_path / "notebooks"
    said = rows(NOW - pd.Timedelta("30min"))
    put(tmp_path / "rows.parquet", row_bytes(said))
    write(folder, "10_capacity.ipynb", f'rows = "{tmp_path}/rows.parquet"\nas_of = ""', [RECORDS], title="Room?")
    usual = {"notebooks": folder, "output": tmp_path / "reports", "ledger": tmp_path / "ledger", "timeout": 120}
    past = report(["capacity"], **usual, now=NOW, as_of="2026-11-22T22:00Z")
    assert (past.failed, past.remarks) == ((), ())
    assert not (tmp_path / "ledger").exists()
    run = report(["capacity"], **usual, now=NOW)
    assert (run.failed, run.remarks) == ((), ())
    held = read([tmp_path / "ledger"])
    assert len(held.rows) == len(said)
    assert held.issues[["issued", "via", "hindsight"]].to_numpy().tolist() == [[NOW, "report", False]]
    (tmp_path / "ledger" / "2026-11.parquet").write_bytes(b"broken")
    again = report(["capacity"], **usual, now=NOW)
    assert again.failed == ()
    (remark,) = again.remarks
    assert re.fullmatch(r"the forecasts were not recorded: .*2026-11.parquet is damaged .* move it away", remark)


def ask(tmp_path, names=("capacity",), **options):
    folder = notebooks_in(tmp_path / "notebooks")
    return report(names, **({"notebooks": folder, "output": tmp_path / "reports", "now": NOW, "timeout": 60} | options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parameters": {"mnth": "May"}}, "10_capacity.ipynb has no parameter 'mnth'; it has source_uri, as_of"),
        ({"parameters": {"explode": "perhaps"}}, "'explode' of 10_capacity.ipynb is true or false"),
        ({"names": ["capacty"]}, "no notebook 'capacty' in .*; it has explore, capacity, endless, silent"),
        ({"names": [], "parameters": {"mnth": "May"}}, "no parameter 'mnth'"),
        ({"source_uri": "http://bob:hunter2@prom:9090"}, "carries a login; put it into"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(options, said, tmp_path):
    with pytest.raises(CatalogueError, match=said) as caught:
        ask(tmp_path, **options)
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("options", [{"as_of": "yesterday"}, {"parameters": {"as_of": "2026-11-01"}}])
def test_a_moment_needs_its_zone(options, tmp_path):
    with pytest.raises(FrameError, match=r"not a moment|no time zone"):
        ask(tmp_path, **options)


def test_a_second_run_names_the_first(tmp_path):
    with locked(tmp_path / "reports"), pytest.raises(Locked, match=f"another run .* \\(pid {os.getpid()}\\)"):
        ask(tmp_path)


def test_the_hold_sweeps_up_after_a_killed_run(tmp_path):
    (tmp_path / ".index.html.9999999.tmp").touch()
    with locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    put(tmp_path / "a.html", "old")
    with pytest.raises(UnicodeEncodeError):
        put(tmp_path / "a.html", "new \ud800")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.html", "old")]
    (tmp_path / "none").write_text("a file, not a folder")
    with pytest.raises(NotWritten, match=r"could not write .*none/a.html: "):
        put(tmp_path / "none" / "a.html", "new")


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1, "pages": {"a": {}}}'])
def test_a_damaged_manifest_is_said(content, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ReportFailed, match="damaged; delete both and run again"):
        shelf(tmp_path)


def test_a_damaged_manifest_is_said_before_any_notebook_runs(tmp_path):
    put(tmp_path / "reports" / "manifest.json", "{")
    ran = []
    with pytest.raises(ReportFailed, match="damaged"):
        ask(tmp_path, progress=lambda *facts: ran.append(facts))
    assert ran == []


def test_an_empty_folder_holds_nothing(tmp_path):
    assert not shelf(tmp_path).latest
    assert shelf(tmp_path).findings.empty
