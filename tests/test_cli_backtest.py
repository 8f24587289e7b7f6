"""`rules backtest` as a user runs it, on a real Prometheus; mistakes are one sentence."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.rule_files import alerts
from tutordex_analysis import cli
from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.source.local_server import LocalPrometheus

START = pd.Timestamp("2026-03-02T00:00Z")
INCIDENTS = """incidents:
  - {from: 2026-03-02T10:00Z, to: 2026-03-02T11:00Z, reason: the database was moved, expires: 2026-04-01}
  - {from: 2026-03-03T10:00Z, to: 2026-03-03T11:00Z, reason: nobody noticed, expires: 2100-01-01}
  - {from: 2025-03-03T10:00Z, to: 2025-03-03T11:00Z, reason: long ago, expires: 2100-01-01}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Jobs are 9 from 10:20 to 10:59 of the first day and for a quarter of an hour in the second night, else 1."""
    folder = tmp_path_factory.mktemp("backtest")
    lines = ["# TYPE jobs gauge"]
    for minute in range(0, 2 * 1440):
        busy = 620 <= minute < 660 or 1500 <= minute < 1515
        lines.append(f'jobs{{job="a"}} {9 if busy else 1} {START.timestamp() + 60 * minute:.0f}')
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF", ""]))
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.txt"]) as server:
        yield server.url


def run(folder, *words):
    done = CliRunner().invoke(cli.app, ["rules", "backtest", *map(str, words)], env={"TUTORDEX_PROMETHEUS_URL": None})
    if isinstance(done.exception, AnalysisError):
        return 1, "", str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def files(tmp_path):
    (tmp_path / "new.yml").write_text(alerts("Busy"))
    (tmp_path / "old.yml").write_text(alerts("Busy", limit=5, hold="20m"))
    (tmp_path / "incidents.yaml").write_text(INCIDENTS)
    return tmp_path


@pytest.mark.server
def test_old_rules_beside_new_ones(url, files):
    words = [files / "new.yml", "--old", files / "old.yml", "--url", url, "--window", "2d"]
    words += ["--as-of", "2026-03-03T23:59Z", "--incidents", files / "incidents.yaml"]
    code, out, error = run(files, *words)
    assert code == 0, error
    (busy,) = [line.split() for line in out.splitlines() if line.startswith("Busy")]
    # fired, found, minutes, false a week, hours: the quarter of an hour at night is too short for the old one
    assert busy[1:4] == ["1", "1", "40"]
    assert busy[6:9] == ["2", "1", "25"]
    assert "the database was moved" in out
    assert "nobody noticed" in out
    assert "long ago" not in out
    assert "replaying old Busy" in error
    assert "The new rules would have found 1 of 2 known incidents with 4.1 false alarms a week." in error
    rows = json.loads(run(files, *words, "--json")[1])
    both = {(one["rules"], one["alert"]): one for one in rows}
    assert both["old", "Busy"]["false"] == 0
    assert both["new", "Busy"]["false"] == 1
    assert both["new", "Busy"]["known"] == 2
    assert both["new", "all alerts"]["hours"] == pytest.approx((35 + 10) / 60)
    assert both["old", "all alerts"]["hours"] == pytest.approx(20 / 60)
    firings = json.loads(run(files, *words, "--firings", "--json")[1])
    assert {one["labels"] for one in firings} == {'{alertname="Busy",job="a",level="1.0",on="yes",severity="warning"}'}


@pytest.mark.server
def test_a_folder_is_loaded_together_and_without_incidents_nothing_is_false(url, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text("groups: [{name: r, rules: [{record: 'j:sum', expr: sum(jobs)}]}]")
    (tmp_path / "rules" / "b.yml").write_text(
        "groups: [{name: a, rules: [{alert: Sum, expr: 'j:sum > 5'}, {alert: Odd, expr: '{__name__=~\"j:.*\"} > 1'}]}]"
    )
    code, out, error = run(tmp_path, tmp_path / "rules", "--url", url, "--window", "2d", "--as-of", "2026-03-03T23:59Z")
    assert code == 0
    (line,) = [line.split() for line in out.splitlines() if line.startswith("Sum")]
    assert line[1] == "2"
    assert 'new Odd: {__name__=~"j:.*"} selects the recorded j:sum by a pattern' in error
    assert "no incident is known in this time" in error


@pytest.mark.server
def test_weeks_before_the_first_sample_are_no_quiet_weeks(url, files):
    words = [files / "new.yml", "--url", url, "--incidents", files / "incidents.yaml", "--as-of", "2026-03-03T23:59Z"]
    code, out, error = run(files, *words, "--window", "28d", "--json")
    assert code == 0
    assert "the server has nothing of what these rules read before 2026-03-01 23:00 UTC" in error
    whole = {one["alert"]: one for one in json.loads(out)}
    assert whole["Busy"]["false_a_week"] == pytest.approx(4.1, rel=0.05)  # as of the two days alone
    code, _, error = run(files, *words[:5], "--as-of", "2026-02-01T00:00Z")
    assert code == 1
    assert "the server has nothing of what these rules read from 2026-01-04 00:01 to 2026-02-01 00:01 UTC" in error
    for every in ("1ms", "29d"):
        code, _, error = run(files, *words, "--every", every)
        assert (code, f"--every is {every}; it must be between 1s and the window of 28d" in error) == (1, True)


def test_mistakes_are_one_sentence(files):
    assert "there is no rule file" in run(files, files / "none.yml", "--url", "http://127.0.0.1:1")[2]
    (files / "records.yml").write_text("groups: []")
    assert "no alert is in" in run(files, files / "records.yml", "--url", "http://127.0.0.1:1")[2]
    assert "connection refused" in run(files, files / "new.yml", "--url", "http://127.0.0.1:1")[2]
    code, _, error = run(files, files / "new.yml")
    assert code == 2
    assert "name a server" in error
    code, _, error = run(
        files, files / "new.yml", "--url", "http://127.0.0.1:1", "--save", "data/sample", "--every", "5m"
    )
    assert code == 2
    assert "leave out --every 5m" in " ".join(error.replace("│", " ").split())
