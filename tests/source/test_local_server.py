"""A real Prometheus holds what was written, starts fast, and never outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import requests

from tutordex_analysis.errors import SourceError
from tutordex_analysis.source import local_server
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.simulator import World, simulate
from tutordex_analysis.source.simulator.openmetrics import count_samples, sample_lines, time_texts, value_texts

START = 1_785_000_000
WORLD = World(start="2026-08-03T00:00:00Z", end="2026-08-03T12:00:00Z", step="240s", incidents=())


def write(path, values, *, first=START):
    moments = first + 60.0 * np.arange(len(values))
    text = sample_lines('jobs_total{job="x"} ', value_texts(np.array(values, dtype=float), 0), time_texts(moments))
    path.write_text("# TYPE jobs counter\n" + text + "# EOF\n")
    return path


def ask(url, query, moment):
    answer = requests.get(f"{url}/api/v1/query", params={"query": query, "time": moment}, timeout=20)
    assert answer.ok, answer.text
    return answer.json()["data"]["result"]


def value(url, query, moment):
    (series,) = ask(url, query, moment)
    return float(series["value"][1])


@contextmanager
def running(*command):
    """A process with its standard output, killed at the end whatever happened."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.server
def test_a_simulated_world_is_in_the_server_sample_by_sample(tmp_path):
    server = LocalPrometheus(tmp_path)
    truth = load_world(server, WORLD)
    assert not any(path.exists() for path in truth.files)
    with server:
        end = WORLD.last
        held = ask(server.url, '{__name__=~".+"}[12h]', end)
        assert sum(len(one["values"]) for one in held) == truth.samples
        assert len(held) == truth.series
        assert {float(one["value"][1]) for one in ask(server.url, "up", end)} == {1}
        again = simulate(WORLD, tmp_path / "again")
        last = [line for line in again.files[0].read_text().splitlines() if line.startswith("queue_ok{")][-1]
        assert value(server.url, "queue_ok", end) == float(last.split()[1])
    assert server.pid is None


@pytest.mark.server
def test_known_values_come_back_and_the_server_ends_with_the_block(tmp_path):
    path = write(tmp_path / "jobs.om", [1, 2, 5, 9])
    with LocalPrometheus(tmp_path / "server", openmetrics=[path]) as server:
        pid = server.pid
        assert value(server.url, 'jobs_total{job="x"}', START + 180) == 9
        assert value(server.url, "sum_over_time(jobs_total[10m])", START + 180) == 17
    assert gone(pid)


@pytest.mark.server
def test_samples_that_promtool_would_drop_silently_are_an_error(tmp_path):
    path = write(tmp_path / "jobs.om", [1, 2, 3])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[3], lines[1], lines[2], lines[4]]))
    with pytest.raises(SourceError, match="took 1 of the 3 samples"):
        LocalPrometheus(tmp_path / "server").import_openmetrics(path)


@pytest.mark.server
def test_text_that_is_no_openmetrics_is_refused_with_promtools_words(tmp_path):
    path = tmp_path / "bad.om"
    path.write_text("jobs_total{job=} 1 1785000000\n# EOF\n")
    with pytest.raises(SourceError, match="promtool did not import"):
        LocalPrometheus(tmp_path / "server").import_openmetrics(path)


@pytest.mark.server
def test_a_server_that_dies_says_why(tmp_path):
    with pytest.raises(SourceError, match=r"ended while starting: .*no_such_key"):
        LocalPrometheus(tmp_path, config="no_such_key: 1\n").start()


@pytest.mark.server
def test_no_server_outlives_a_killed_parent(tmp_path):
    code = (
        "import sys, time, pathlib, tutordex_analysis.source.local_server as local_server\n"
        "server = local_server.LocalPrometheus(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    with running(sys.executable, "-c", code, str(tmp_path)) as parent:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)


@pytest.mark.server
def test_live_serves_a_world_that_ends_now_until_interrupted():
    with running(sys.executable, "-m", "tutordex_analysis", "live", "--days", "1", "--step", "240s") as live:
        url = live.stdout.readline().strip()
        assert len(ask(url, "last_over_time(up[15m])", time.time())) == 7
        live.send_signal(signal.SIGTERM)
        assert live.wait(20) == 0
    with pytest.raises(requests.ConnectionError):
        ask(url, "up", 0)


def test_a_missing_program_is_named_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"prometheus is not on PATH; .*apt-get install prometheus"):
        LocalPrometheus(tmp_path).start()


def test_a_file_that_was_cut_is_refused_before_it_is_imported(tmp_path):
    path = tmp_path / "cut.om"
    path.write_text("# TYPE jobs counter\njobs_total 1 1785000000\njobs_total 2 178")
    with pytest.raises(SourceError, match="was cut while being written"):
        LocalPrometheus(tmp_path).import_openmetrics(path)


def test_samples_are_counted_over_the_edges_of_the_reading(tmp_path, monkeypatch):
    path = write(tmp_path / "jobs.om", range(50))
    for chunk in (1, 2, 7, 1000):
        monkeypatch.setattr("tutordex_analysis.source.simulator.openmetrics._CHUNK", chunk)
        assert count_samples(path) == 50


def test_a_log_without_words_is_said_to_be_silent():
    assert local_server._last_line(" \n") == "it said nothing"
    assert local_server._last_line("one\ntwo\n\n") == "two"
