"""Masks from a real Prometheus whose alerts fired, and a real Alertmanager with silences made through its API."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from tests.source.local_alertmanager import PROGRAM, LocalAlertmanager
from tests.user import command
from tutordex_analysis import catalogue_file
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import connect
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.masks import keep_silences, read_masks
from tutordex_analysis.source.prometheus import PrometheusSource

pytestmark = pytest.mark.server("prometheus", "promtool", PROGRAM)

KNOWN = catalogue_file.load()
DAYS = 30
MINUTE = pd.Timedelta("1min")
HOUR = pd.Timedelta("1h")
RULES = """groups:
  - name: now
    interval: 1s
    rules:
      - alert: DMFailureSpike
        expr: vector(1)
        labels: {severity: warning, component: dm}
"""
CONFIG = "global:\n  evaluation_interval: 1s\nrule_files:\n  - {}\n"
END = (pd.Timestamp.now("UTC") - HOUR).floor("1h")
START = END - pd.Timedelta(days=DAYS)
# Hours before END and minutes of firing: one shorter than a step of 5 m, two of the same alert in a row.
FIRED = {
    'alertname="LLMFailureSpike",component="worker",severity="warning"': ((200, 90), (100.3, 2)),
    'alertname="PublicApiDown",severity="critical"': ((50, 30),),
    'alertname="Watchdog",severity="none"': ((24 * DAYS - 1, 60 * (24 * DAYS - 2)),),
}


def openmetrics():
    """A CPU at 30 % that an LLM outage does not touch, jobs that it does, and the alerts, a sample a minute."""
    moments = START.timestamp() + 60 * np.arange(DAYS * 24 * 60)
    yield "# TYPE ALERTS gauge\n"
    for labels, spans in FIRED.items():
        for back, minutes in sorted(spans, reverse=True):
            first = (END - back * HOUR).timestamp()
            inside = moments[(moments >= first) & (moments < first + 60 * minutes)]
            yield from (f'ALERTS{{alertstate="firing",{labels}}} 1 {t:.0f}\n' for t in inside)
    low, high = (START.timestamp() + 3600 * one for one in (300, 301))
    yield from (
        f'ALERTS{{alertstate="pending",alertname="DMFailureSpike"}} 1 {t:.0f}\n' for t in np.arange(low, high, 60)
    )
    yield "# TYPE up gauge\n"
    yield from (f'up{{job="tutordex_worker"}} 1 {t:.0f}\n' for t in moments)
    yield "# TYPE worker_jobs_processed counter\n"
    a_minute = np.random.default_rng(1).poisson(0.5 * (1 + 0.8 * np.sin(2 * np.pi * moments / 86_400)))
    outage = (END - 200 * HOUR).timestamp()
    a_minute[(moments >= outage) & (moments < outage + 5400)] = 0
    total = np.cumsum(a_minute)
    yield from (
        f'worker_jobs_processed_total{{status="ok"}} {n} {t:.0f}\n' for n, t in zip(total, moments, strict=True)
    )
    yield "# TYPE worker_job_latency_seconds summary\n"
    for name, each in (("sum", 8), ("count", 1)):
        yield from (
            f"worker_job_latency_seconds_{name} {n * each} {t:.0f}\n" for n, t in zip(total, moments, strict=True)
        )
    yield "# EOF\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alerts")
    (folder / "rules.yml").write_text(RULES)
    (folder / "samples.om").write_text("".join(openmetrics()))
    config = CONFIG.format(folder / "rules.yml")
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.om"], config=config) as running:
        yield running


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    with LocalAlertmanager(tmp_path_factory.mktemp("alertmanager"), prefix="/am") as running:
        yield running


def spans(masks, reason):
    return [(one.start, one.end) for one in masks if one.reason.startswith(reason)]


@pytest.mark.parametrize("step", ["5m", "1h"])
def test_alerts_that_fired_are_masks_and_pending_ones_are_not(server, step):
    found = read_masks(PrometheusSource(server.url, catalogue=KNOWN), TimeRange(START, END, step), settings=Settings())
    assert found.notes == ()
    llm = spans(found.masks, "LLMFailureSpike")
    wanted = [(END - 200 * HOUR, END - 198.5 * HOUR), (END - 100.3 * HOUR, END - 100.3 * HOUR + 2 * MINUTE)]
    assert len(llm) == 2
    for (start, end), (first, last) in zip(llm, wanted, strict=True):
        assert first - 5 * MINUTE <= start <= first
        assert last - MINUTE <= end <= last + 5 * MINUTE
    assert len(spans(found.masks, "PublicApiDown")) == 1
    assert {one.reason.removesuffix(" fired") for one in found.masks} == {"LLMFailureSpike", "PublicApiDown"}


def test_an_alert_that_fires_now_is_a_mask_that_ends_now(server):
    source = PrometheusSource(server.url, catalogue=KNOWN)
    deadline, found = time.monotonic() + 60, ()
    while not found:
        assert time.monotonic() < deadline
        time.sleep(0.5)
        now = source.now()
        masks = read_masks(source, TimeRange(now - MINUTE, now + MINUTE, "1s"), settings=Settings()).masks
        found = [one for one in masks if one.reason == "DMFailureSpike fired"]
    assert now - pd.Timedelta("5s") <= found[-1].end <= source.now()
    assert found[0].signals == ("dms_sent",)


def test_silences_mask_the_signals_of_the_alerts_they_name(server, manager):
    now = pd.Timestamp.now("UTC")
    later = (now + 2 * HOUR).isoformat()
    active = manager.silence(now.isoformat(), later, "provider moves", alertname="~LLM.*", severity="warning")
    ended = manager.silence(now.isoformat(), later, "index rebuilt", alertname="SupabaseFailureSpike")
    manager.silence(now.isoformat(), later, "queue drained", component="queue")
    manager.silence(now.isoformat(), later, "all but the watchdog", alertname="!Watchdog")
    manager.silence(now.isoformat(), later, "one channel", alertname="LLMFailureSpike", channel="t.me/x")
    manager.silence((now + HOUR).isoformat(), later, "not yet", alertname="LLMFailureSpike")
    time.sleep(1.5)
    manager.end(ended)
    states = {one["id"]: one["status"]["state"] for one in manager.call("GET", "silences")}
    assert (states[active], states[ended]) == ("active", "expired")
    here = Settings(prometheus_url=server.url, alertmanager_url=manager.url)
    source = PrometheusSource(server.url, catalogue=KNOWN)
    window = TimeRange(now - 24 * HOUR, now + 10 * MINUTE, "5m")
    found = [one for one in read_masks(source, window, settings=here).masks if one.origin == "silence"]
    signals = {one.reason: {*one.signals} for one in found}
    assert signals == {
        "provider moves": {*KNOWN.alerts["llm_failing"].signals},
        "index rebuilt": {*KNOWN.alerts["database_failing"].signals},
        "queue drained": {*KNOWN.concerned((), ["queue"])},
    }
    lengths = {one.reason: one.end - one.start for one in found}
    assert pd.Timedelta("1s") < lengths["index rebuilt"] < MINUTE
    assert lengths["provider moves"] > 4 * MINUTE


def test_pull_keeps_alerts_and_silences_so_that_they_outlive_both_servers(server, manager, tmp_path):
    manager.silence(
        pd.Timestamp.now("UTC").isoformat(),
        (pd.Timestamp.now("UTC") + HOUR).isoformat(),
        "kept",
        alertname="PublicApiDown",
    )
    lines = [f'prometheus_url = "{server.url}"', f'alertmanager_url = "{manager.url}"', 'archive = "kept"']
    (tmp_path / "tutordex.toml").write_text("\n".join(lines) + "\n")
    done = command(tmp_path, "pull", "jobs_done", "alerts", "--since", f"{DAYS}d", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["signal"]: row["series"] for row in json.loads(done.stdout)}["alerts"] >= 3
    archive = ArchiveSource(tmp_path / "kept" / "default", catalogue=KNOWN)
    whole = TimeRange(START, pd.Timestamp.now("UTC") + HOUR, "1h")
    nothing = Settings()
    held = read_masks(archive, whole, settings=nothing)
    assert held.notes == ()
    assert len(spans(held.masks, "LLMFailureSpike")) == 2
    assert "kept" in {one.reason for one in held.masks if one.origin == "silence"}
    through = connect(server.url, catalogue=KNOWN, settings=Settings(archive=tmp_path / "kept"))
    assert type(through).__name__ == "ThroughSource"
    assert spans(read_masks(through, whole, settings=nothing).masks, "LLM") == spans(held.masks, "LLM")
    before = (tmp_path / "kept" / "default" / "silences.json").read_text()
    keep_silences(tmp_path / "kept" / "default", "http://127.0.0.1:1", Settings(prometheus_url=server.url))
    assert (tmp_path / "kept" / "default" / "silences.json").read_text() == before

    (tmp_path / "tutordex.toml").write_text("\n".join([lines[0], 'alertmanager_url = "http://127.0.0.1:1"', lines[2]]))
    failed = command(tmp_path, "pull", "cpu_used", "alerts")
    assert failed.returncode == 1
    assert "start Alertmanager or correct the URL" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert command(tmp_path, "pull", "cpu_used").returncode == 0  # asked for by name, silences stay where they are


def test_the_page_and_the_metrics_say_and_use_what_was_left_out(server, manager, tmp_path):
    (tmp_path / "tutordex.toml").write_text(f'prometheus_url = "{server.url}"\nincidents = "incidents.yaml"\n')
    first = START + 480 * HOUR
    entry = "  - {{from: {}, to: {}, reason: {}, expires: {}}}\n"
    (tmp_path / "incidents.yaml").write_text(
        "incidents:\n"
        + entry.format(first.isoformat(), (first + 4 * HOUR).isoformat(), "load test", "2090-01-01")
        + entry.format(first.isoformat(), (first + 4 * HOUR).isoformat(), "forgotten", "2020-01-01")
    )
    done = command(tmp_path, "report", "capacity", "-p", "window=30d", "-p", "horizon=14d")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reports" / "capacity.html").read_text()
    assert "What was left out, and why" in page
    assert "load test" in page
    assert "LLMFailureSpike fired" in page
    said = [one["sentence"] for one in json.loads((tmp_path / "reports" / "findings.json").read_text())]
    assert any('("forgotten") held until 2020-01-01' in one for one in said)
    published = command(tmp_path, "publish", "--validity", "5h", "--output", "with.prom")
    assert published.returncode == 0, published.stderr
    (tmp_path / "incidents.yaml").write_text("incidents:\n  - {from: yesterday}\n")
    for words in (("publish",), ("catalogue", "check")):
        refused = command(tmp_path, *words)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "incidents.yaml:2: incidents.0.from" in refused.stderr
