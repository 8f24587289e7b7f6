"""A Prometheus that never heard of TutorDex: no catalogue, no settings, and yet the date on which its disk fills."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from tests.user import command
from tutordex_analysis import connect, forecast, plot
from tutordex_analysis.moment import floor
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.simulator.openmetrics import EOF, header, sample_lines, series_text, time_texts

DAY = 86_400.0
GIB = 2.0**30
DAYS = 40
SOFT_IN, FULL_IN = 20.0, 45.0  # days until /srv of beta is at 80 % and at 100 %
EXPIRES_IN = 70.0  # days until the certificate ends
MOVED = pd.Timedelta(days=2)  # how far a found date may be from the planted one


class Exposed:
    """What a foreign server holds: values on one grid of five minutes that ends now."""

    def __init__(self, now):
        self.moments = now.timestamp() - 300.0 * np.arange(DAYS * 288)[::-1]
        self.ahead = (self.moments - self.moments[-1]) / DAY
        self.day = np.sin(2 * np.pi * self.moments / DAY)
        self.rng = np.random.default_rng(7)
        self.families = {}

    def noise(self, sd):
        return self.rng.normal(0, sd, len(self.moments))

    def gauge(self, metric, values, **labels):
        self._put(metric, "gauge", labels, values)

    def counter(self, metric, rate, **labels):
        self._put(metric, "counter", labels, np.cumsum(300 * np.broadcast_to(rate, len(self.moments))).round(3))

    def _put(self, metric, kind, labels, values):
        values = map(repr, np.broadcast_to(values, len(self.moments)).astype(float).tolist())
        lines = sample_lines(series_text(metric, labels), values, time_texts(self.moments))
        self.families.setdefault(metric, [header(metric, kind)]).append(lines)

    def text(self):
        return "".join([*(line for family in self.families.values() for line in family), EOF])


def file_system(world, host, mount, used, *, fstype="ext4", size=100 * GIB):
    labels = {"job": "node", "instance": host, "mountpoint": mount, "fstype": fstype}
    world.gauge("node_filesystem_size_bytes", size, **labels)
    world.gauge("node_filesystem_avail_bytes", (size * (1 - used)).round(), **labels)


def hosts(world):
    for host in ("alpha:9100", "beta:9100"):
        labels = {"job": "node", "instance": host}
        file_system(world, host, "/", 0.4 + world.noise(0.001))
        file_system(world, host, "/run", np.full(len(world.moments), 0.97), fstype="tmpfs", size=GIB)
        file_system(world, host, "/var/lib/docker/overlay2/a1/merged", 0.9 + 0.001 * world.ahead, fstype="overlay")
        file_system(world, host, "/snap/core/1", np.ones(len(world.moments)), fstype="squashfs", size=GIB)
        busy = 0.3 + 0.15 * world.day + world.noise(0.02)
        world.counter("node_cpu_seconds_total", 1 - busy, cpu="0", mode="idle", **labels)
        world.counter("node_cpu_seconds_total", busy, cpu="0", mode="user", **labels)
        world.gauge("node_memory_MemTotal_bytes", 16 * GIB, **labels)
        free = 16 * GIB * (0.5 - 0.05 * world.day + world.noise(0.005))
        world.gauge("node_memory_MemAvailable_bytes", free.round(), **labels)
    filling = 1 + 0.2 / (FULL_IN - SOFT_IN) * (world.ahead - FULL_IN) + world.noise(0.001)
    file_system(world, "beta:9100", "/srv", filling, fstype="xfs")


def containers(world):
    labels = {"job": "cadvisor", "instance": "alpha:8080"}
    world.gauge("machine_cpu_cores", 4, **labels)
    world.gauge("machine_memory_bytes", 16 * GIB, **labels)
    for name, cores in (("/", 3.9), ("/docker", 1.8), ("/docker/web", 1.0), ("/docker/db", 0.8)):  # groups count again
        named = {"name": name.removeprefix("/docker/")} if name.count("/") > 1 else {}
        world.counter("container_cpu_usage_seconds_total", cores + 0.1 * world.day, id=name, **named, **labels)
        memory = cores * 4 * GIB + world.noise(1e6)
        world.gauge("container_memory_working_set_bytes", memory.round(), id=name, **named, **labels)


def probes(world):
    labels = {"job": "blackbox", "instance": "https://shop.example"}
    world.gauge("probe_ssl_earliest_cert_expiry", round(world.moments[-1] + EXPIRES_IN * DAY), **labels)
    world.gauge("probe_duration_seconds", 0.1 + abs(world.noise(0.01)), **labels)


def prometheus(world):
    labels = {"job": "prometheus", "instance": "localhost:9090"}
    world.gauge("prometheus_tsdb_head_series", 900 + world.noise(5).round(), **labels)
    world.gauge("prometheus_tsdb_storage_blocks_bytes", 1e9, **labels)
    world.gauge("process_resident_memory_bytes", 3e8 + world.noise(1e6).round(), **labels)


@pytest.fixture(scope="module")
def now():
    return floor(pd.Timestamp.now("UTC"), "5m")


@pytest.fixture(scope="module")
def server(now, tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    world = Exposed(now)
    for part in (hosts, containers, probes, prometheus):
        part(world)
    (folder / "world.om").write_text(world.text())
    with LocalPrometheus(folder, openmetrics=[folder / "world.om"]) as running:
        yield running


@pytest.fixture(scope="module")
def reported(server, tmp_path_factory):
    """A folder without settings, after the one command that the README shows."""
    folder = tmp_path_factory.mktemp("user")
    done = command(folder, "report", "capacity", "--url", server.url)
    assert done.returncode == 0, done.stderr
    return folder / "reports"


def date_of(findings, text):
    """The date in the one sentence that has this text."""
    (sentence,) = [one["sentence"] for one in findings if text in one["sentence"]]
    return pd.Timestamp(re.search(r"about (\d+ \w+ \d{4})", sentence)[1], tz="UTC")


@pytest.mark.server
@pytest.mark.slow
def test_the_disk_that_fills_is_named_with_host_mount_and_date(reported, now):
    findings = json.loads((reported / "findings.json").read_text())
    for level, days in (("80 %", SOFT_IN), ("100 %", FULL_IN)):
        planted = now + pd.Timedelta(days=days)
        assert abs(date_of(findings, f"Disk in use (beta:9100, /srv) reaches {level}") - planted) < MOVED
    page = BeautifulSoup((reported / "capacity.html").read_text(), "html.parser")
    said = page.select_one(".answer").get_text(" ", strip=True).replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("Disk in use (beta:9100, /srv) reaches 80 % about ")
    quiet = {(one["signal"], one["where"]) for one in findings if "stays below" in one["sentence"]}
    assert {("disk_used", "alpha:9100, /"), ("cpu_used", "beta:9100"), ("memory_used", "alpha:9100")} <= quiet


@pytest.mark.server
@pytest.mark.slow
def test_containers_and_certificates_are_known_too(reported, now):
    findings = json.loads((reported / "findings.json").read_text())
    assert {"containers_cpu_used", "containers_memory_used"} <= {one["signal"] for one in findings}
    assert not any("CPU in use by containers" in one["sentence"] and one["action"] for one in findings)
    planted = now + pd.Timedelta(days=EXPIRES_IN)
    about = "Time until a certificate expires (https://shop.example) reaches"
    assert abs(date_of(findings, f"{about} 0 s") - planted) < MOVED
    assert abs(date_of(findings, f"{about} 14 d") - (planted - pd.Timedelta(days=14))) < MOVED


@pytest.mark.server
@pytest.mark.slow
def test_where_nobody_described_a_queue_the_page_says_so_in_a_sentence(reported):
    page = BeautifulSoup((reported / "capacity.html").read_text(), "html.parser").get_text(" ", strip=True)
    assert page.count("No queue is known here; a catalogue can describe one") == 1
    assert page.count("Nothing here is known to follow the volume of work") == 1
    assert "Extraction" not in page


@pytest.mark.server
@pytest.mark.slow
def test_pseudo_file_systems_never_appear_and_nothing_is_fetched(reported):
    for path in (reported / "capacity.html", reported / "index.html", reported / "findings.json"):
        text = path.read_text()
        assert not [mount for mount in ("/run", "overlay2", "/snap") if f", {mount}" in text or f"{mount}/" in text]
    for name in ("capacity.html", "index.html"):
        page = BeautifulSoup((reported / name).read_text(), "html.parser")
        asked = [tag.get(key, "") for tag in page.find_all(True) for key in ("src", "srcset", "href", "action", "data")]
        assert {one for one in asked if one and not one.startswith(("data:", "#"))} <= {"index.html", "capacity.html"}
        assert "default-src 'none'" in page.select_one("meta[http-equiv=Content-Security-Policy]")["content"]
        assert not re.search(r"url\(|@import", page.style.get_text() if page.style else "")


@pytest.mark.server
@pytest.mark.slow
def test_what_the_page_forecast_is_kept_and_past_weeks_can_be_replayed_and_scored(reported, server):
    folder = reported.parent
    (home,) = (folder / "data" / "ledger").iterdir()
    assert home.name.startswith("of-" + server.url.removeprefix("http://").replace(":", "-") + "-")
    kept, *past = json.loads(command(folder, "ledger", "list", "--url", server.url, "--json").stdout)
    assert (kept["via"], kept["hindsight"]) == ("report", False)
    assert past  # the first report replayed what the history allows
    assert {(one["via"], one["hindsight"]) for one in past} == {("replay", True)}
    assert kept["series"] >= 8
    assert pd.Timestamp(kept["issued"]) - pd.Timestamp(kept["data_end"]) < pd.Timedelta("2h")
    few = ("--url", server.url, "--weeks", "2", "--signal", "cpu_used", "--window", "21d", "--json")
    again = command(folder, "ledger", "replay", *few)
    assert [one["said"] for one in json.loads(again.stdout)] == ["held already"] * 2, again.stderr
    scored = command(folder, "ledger", "score", "--url", server.url, "--json")
    rows = [one for one in json.loads(scored.stdout) if one["signal"] == "cpu_used"]
    assert [one["where"] for one in rows] == ["alpha:9100", "beta:9100"]
    assert all(one["hindsight"] and 0.5 < one["coverage_80"] <= 1 and one["miss"] < 0.3 for one in rows)
    assert re.search(r"the forecasts of \d+ series typically missed by", scored.stderr)
    assert {path.name for path in home.iterdir()} >= {"scores.parquet", ".lock"}


@pytest.mark.server
def test_any_promql_is_forecast_and_plotted_without_yaml(server):
    source = connect(server.url, settings=Settings())
    promql = 'max(1 - node_filesystem_avail_bytes{mountpoint="/srv"} / node_filesystem_size_bytes)'
    history = source.query(promql, source.last("20d", step="1h"))
    ahead = forecast(history, horizon="10d", season_lengths=(), lower=0, upper=1)
    planted = 1 + 0.2 / (FULL_IN - SOFT_IN) * (10 - FULL_IN)
    assert ahead.frame["yhat"].iloc[-1] == pytest.approx(planted, abs=0.02)
    picture = plot.forecast(ahead, history, title="/srv of beta", unit="ratio")
    assert "/srv of beta" in picture.alt
    assert picture.png().startswith(b"\x89PNG")


@pytest.mark.server
@pytest.mark.slow
def test_a_server_with_nothing_known_is_one_sentence_that_says_where_to_go_on(tmp_path):
    (tmp_path / "own.om").write_text(f"# TYPE shop_orders counter\nshop_orders_total 1 1785000000\n{EOF}")
    with LocalPrometheus(tmp_path / "server", openmetrics=[tmp_path / "own.om"]) as strange:
        for words in (("report", "capacity"), ("publish",)):
            done = command(tmp_path, *words, "--url", strange.url)
            assert done.returncode == 1, words
            assert "none of the server's 1 metrics are of node_exporter" in done.stderr, words
            assert "docs/catalogue.md" in done.stderr
            assert "Traceback" not in done.stderr + done.stdout
        assert "docs/catalogue.md" in (tmp_path / "reports" / "capacity.failed.html").read_text()


@pytest.mark.server
@pytest.mark.slow
def test_anomalies_of_a_server_that_nobody_described(server, tmp_path):
    done = command(tmp_path, "report", "anomalies", "--url", server.url)
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "reports" / "manifest.json").read_text())["pages"]["anomalies"]["latest"]["answer"]
    assert re.match(r"(Nothing unusual|One incident|\d+ incidents) in the last 7 days", answer["sentence"])
    assert "tutordex_collector" not in (tmp_path / "reports" / "anomalies.html").read_text()
