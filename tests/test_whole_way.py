"""The whole way on a real Prometheus with series that no one here made: public measurements of hosts in a cloud.

Import, pull, archive, forecast, report, publish, scrape, read back: only commands that a user has.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import connect
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import floor
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.local_server import LocalPrometheus

BENCHMARKS = os.environ.get("TUTORDEX_BENCHMARKS", "")
FAMILY = "realAWSCloudwatch"
CATALOGUE = """\
shipped: false
signals:
  cpu:
    title: CPU in use
    area: host
    kind: gauge
    unit: ratio
    promql: clamp(max by (host) (cloud_cpu_percent) / 100, 0, 1)
    by: [host]
    lower: 0
    upper: 1
    bad: up
    forecast: true
limits:
  cpu: {signal: cpu, soft: 0.8, hard: 0.95, owner: the cloud team, runbook: docs/cpu.md}
"""
SCRAPE = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: tutordex-analysis
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def command(folder, *words, ok=True):
    """One command of the package in a user's folder; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "tutordex_analysis", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode == 0) is ok, done.stderr
    return done.stdout


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def hosts():
    """CPU in percent by host, every five minutes; each series ends now."""
    if not BENCHMARKS:
        pytest.skip("TUTORDEX_BENCHMARKS names no folder of public series")
    table = pd.read_parquet(Path(BENCHMARKS) / "anomaly" / "nab.parquet")
    table = table[table["unique_id"].str.startswith(f"{FAMILY}/ec2_cpu") | table["unique_id"].str.contains("rds_cpu")]
    end = floor(pd.Timestamp.now("UTC"), "5m") - pd.Timedelta("5min")
    series = {}
    for name, rows in table.groupby("unique_id"):
        y = rows["y"].to_numpy(dtype=float)
        ds = pd.date_range(end=end, periods=len(y), freq="5min")
        series[name.split("/")[1]] = pd.Series(y, index=ds)
    assert len(series) >= 4
    return series


@pytest.fixture(scope="module")
def stack(hosts, tmp_path_factory):
    """A user's folder, and a Prometheus that holds the hosts' history and scrapes the publisher."""
    folder = tmp_path_factory.mktemp("user")
    lines = ["# TYPE cloud_cpu_percent gauge"]
    for host, y in hosts.items():
        stamps = y.index.as_unit("s").asi8
        lines += [f'cloud_cpu_percent{{host="{host}"}} {v!r} {t}' for t, v in zip(stamps, y.tolist(), strict=True)]
    (folder / "history.om").write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "signals").mkdir()
    (folder / "signals" / "cloud.yaml").write_text(CATALOGUE)
    port = free_port()
    with LocalPrometheus(
        folder / "server", openmetrics=[folder / "history.om"], config=SCRAPE.format(port=port)
    ) as server:
        settings = [f'prometheus_url = "{server.url}"', 'catalogue = "signals"', 'source_name = "cloud"']
        (folder / "tutordex.toml").write_text("\n".join(settings))
        yield folder, server, port


@pytest.mark.server
def test_pull_fills_the_archive_with_what_was_measured(stack, hosts):
    folder, _, _ = stack
    rows = json.loads(command(folder, "pull", "--since", "20d", "--json"))
    assert rows[0]["signal"] == "cpu"
    assert rows[0]["series"] == len(hosts)
    assert rows[0]["error"] == ""
    source = connect(folder / "data" / "archive", settings=Settings(source_name="cloud", catalogue=folder / "signals"))
    for host, y in hosts.items():
        settled = y.iloc[100:-4]
        got = source.query(
            CATALOGUE.split("promql: ")[1].split("\n")[0], TimeRange(settled.index[0], settled.index[-1], "5m")
        )
        mine = got[got["host"] == host]["y"].to_numpy()
        np.testing.assert_allclose(mine, settled.to_numpy()[:-1] / 100, rtol=1e-12)
    again = json.loads(command(folder, "pull", "--json"))
    assert again[0]["samples"] <= 4 * len(hosts)  # ten minutes are asked again, and what came since


@pytest.mark.server
@pytest.mark.slow
def test_report_names_every_host_and_its_limit(stack, hosts):
    folder, _, _ = stack
    command(folder, "report", "capacity", "-p", "horizon=14d")
    page = (folder / "reports" / "capacity.html").read_text()
    assert all(host in page for host in hosts)
    assert "http://" not in page.split("<body")[0]
    findings = json.loads((folder / "reports" / "findings.json").read_text())
    assert {one["where"] for one in findings if one["signal"] == "cpu"} == set(hosts)
    assert "80 %" in (folder / "reports" / "index.html").read_text()


@pytest.mark.server
def test_published_forecasts_are_scraped_and_read_back(stack, hosts):
    folder, server, port = stack
    publisher = subprocess.Popen(
        [sys.executable, "-m", "tutordex_analysis", "publish", "--serve", "--port", str(port), "--horizon", "7d"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        source = connect(server.url, settings=Settings(catalogue=folder / "signals"))
        wanted = 'tutordex_forecast{signal="cpu",horizon="1d",quantile="0.5"}'
        until = time.monotonic() + 120
        got = source.instant(wanted)
        while got.empty and time.monotonic() < until and publisher.poll() is None:
            time.sleep(0.5)
            got = source.instant(wanted)
        assert set(got["host"]) == set(hosts)
        assert got["y"].between(0, 1).all()
        age = source.instant('time() - tutordex_generated_timestamp_seconds{family="tutordex_forecast"}')
        assert age["y"].between(0, 300).all()
        chances = source.instant('tutordex_breach_probability{signal="cpu",limit="cpu_soft",within="7d"}')
        assert set(chances["host"]) == set(hosts)
    finally:
        publisher.send_signal(signal.SIGTERM)
        out, errors = publisher.communicate(timeout=30)
    assert publisher.returncode == 0, errors
    assert "job_name: tutordex-analysis" in out
