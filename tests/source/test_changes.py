"""Releases and restarts: from what tells them, from counters in its stead, and what is said where neither is there."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.source import fake_prometheus
from tests.source.fake_prometheus import failure
from tutordex_analysis import catalogue_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.changes import read_changes
from tutordex_analysis.source.connect import sample
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

KNOWN = catalogue_file.load()
MARKS = {name: one for name, one in KNOWN.signals.items() if one.tells is not None}
ONLY_WORKER = Catalogue(
    signals={name: KNOWN.signal(name) for name in ("worker_version", "worker_started", "jobs_done")}
)
START = pd.Timestamp("2026-11-01T00:00Z")
HOURS = TimeRange(START, START + pd.Timedelta("2D"), "1h")


def at(hours):
    return START + pd.Timedelta(hours=hours)


def after(t):
    return (t - START.timestamp()) / 3600


def told(found, kind):
    return [(one.name, one.start, one.end) for one in found.changes if one.kind == kind]


@pytest.fixture
def source():
    """A server that answers each query text with its own series."""
    with fake_prometheus.serve() as server:
        answers = {}
        whole = server._range

        def by_query(form):
            server.series = answers.get(form["query"], [])
            return whole(form)

        server._range = by_query
        where = PrometheusSource(server.url, catalogue=ONLY_WORKER)
        where.answers = answers
        where.fake = server
        yield where


def query(name):
    return KNOWN.signal(name).parts[0].at("5m")


def versions(*spans):
    """Series of a version from and to hours after the start."""

    def there(name):
        return lambda t: 1.0 if any(a <= after(t) < b for own, a, b in spans if own == name) else None

    return [({"version": name}, there(name)) for name in sorted({own for own, _, _ in spans})]


def test_a_new_version_is_a_release_and_its_restart_is_not_told_twice(source):
    source.answers[query("worker_version")] = versions(("v1", -9, 10), ("v2", 10.2, 30), ("v1", 30, 99))
    born = [at(-50), at(10.15), at(20), at(30)]
    source.answers[query("worker_started")] = [
        ({}, lambda t: max(one.timestamp() for one in born if one.timestamp() <= t)),
    ]
    found = read_changes(source, HOURS)
    assert told(found, "deploy") == [
        ("worker released as v2", at(10) - pd.Timedelta("5min"), at(10.25)),
        ("worker released as v1", at(30) - pd.Timedelta("5min"), at(30)),  # taken back
    ]
    assert told(found, "restart") == [("worker restarted", at(20), at(20))]
    assert found.notes == ()


def test_a_loop_of_restarts_is_one_change_with_their_number(source):
    source.answers[query("worker_version")] = versions(("v1", -9, 99))
    source.answers[query("worker_started")] = [
        ({}, lambda t: min(max(t - t % 600, at(5).timestamp()), at(6).timestamp()))
    ]
    assert told(read_changes(source, HOURS), "restart") == [("worker restarted 7 times", at(5), at(6))]


def counter(version, a, b, *, first=0.0, rate=60.0):
    labels = {"status": "ok", "pipeline_version": version}
    return labels, lambda t: first + rate * (after(t) - a) if a <= after(t) < b else None


def test_counters_tell_them_where_nothing_else_does(source):
    lives = [counter("v1", -9, 10, first=1000)[1], counter("v1", 10.5, 20, first=1)[1]]  # one series, restarted
    source.answers["worker_jobs_processed_total"] = [
        (counter("v1", 0, 0)[0], lambda t: next((v for one in lives if (v := one(t)) is not None), None)),
        counter("v2", 20.5, 99, first=1),
        counter("historical_full_2026-11-01_v1", 30, 35),
        counter("ab_prompt_last7d", 36, 40),
    ]
    found = read_changes(source, HOURS)
    step = pd.Timedelta("5min")
    assert told(found, "restart") == [("worker restarted", at(10) - step, at(10.5))]
    assert told(found, "deploy") == [("worker released as v2", at(20) - step, at(20.5))]
    assert found.notes == (
        "Releases of worker are told by counters, to the step and not all of them: the server has no sample of what "
        "tells them in this stretch of time.",
        "Restarts of worker are told by counters, to the step and not all of them: the server has no sample of what "
        "tells them in this stretch of time.",
    )


def test_what_cannot_be_told_is_a_note(source, tmp_path):
    assert read_changes(source, HOURS).notes[0].startswith("Releases of worker are not known: the server has no")
    source.fake.replies = [failure(400, "bad_data", "no")] * 4
    notes = read_changes(source, HOURS).notes
    assert any("are not known: " in one and "no" in one for one in notes)
    none = PrometheusSource(source.uri, catalogue=Catalogue(signals={"a": KNOWN.signal("cpu_used")}))
    assert read_changes(none, HOURS).notes == (
        "Releases and restarts are not known: no signal of the catalogue tells them.",
    )


def test_the_sample_tells_its_four_releases_and_says_that_it_does_so_roughly():
    where = ArchiveSource(sample())
    truth = json.loads((sample() / "truth.json").read_text())
    time_range = where.last("120d", step="1h")
    found = read_changes(where, time_range)
    deploys = [one for one in found.changes if one.kind == "deploy" and one.component == "worker"]
    bumps = [pd.Timestamp(one["start"]) for one in truth["incidents"] if one["kind"] == "version_bump"]
    assert len(deploys) == len(bumps) == 4
    assert all(one.start <= bump <= one.end for one, bump in zip(deploys, bumps, strict=True))
    assert all(
        "told by counters" in note and "the next `tutordex-analysis pull` keeps it" in note for note in found.notes
    )


def world():
    """A worker whose process starts anew at hours 30.4 and 50.2, the second time with a new version."""
    moments = START.timestamp() + 60 * np.arange(3 * 1440)
    starts = START.timestamp() + 3600 * np.array([-5.0, 30.4, 50.2])
    life = np.searchsorted(starts, moments, side="right") - 1
    labels = '{job="tutordex_worker"}'
    yield "# TYPE process_start_time_seconds gauge\n"
    yield from (
        f"process_start_time_seconds{labels} {starts[k]:.2f} {t:.0f}\n" for k, t in zip(life, moments, strict=True)
    )
    yield "# TYPE worker_pipeline_version gauge\n"
    for version, lives in (("v1", (0, 1)), ("v2", (2,))):
        yield from (
            f'worker_pipeline_version{{version="{version}"}} 1 {t:.0f}\n'
            for k, t in zip(life, moments, strict=True)
            if k in lives
        )
    yield "# EOF\n"


@pytest.mark.server
def test_a_real_server_and_its_archive_tell_the_same(tmp_path):
    (tmp_path / "world.om").write_text("".join(world()))
    with LocalPrometheus(tmp_path / "server", openmetrics=[tmp_path / "world.om"]) as server:
        live = PrometheusSource(server.url, catalogue=ONLY_WORKER)
        parts = {name: ONLY_WORKER.signal(name).parts for name in ("worker_version", "worker_started")}
        pull(live, tmp_path / "kept", parts, step="5m", since="3d", now=START + pd.Timedelta("3D"))
        days = TimeRange(START, START + pd.Timedelta("3D"), "1h")
        found = read_changes(live, days)
        kept = read_changes(ArchiveSource(tmp_path / "kept", catalogue=ONLY_WORKER), days)
    assert told(found, "restart") == [("worker restarted", at(30.4), at(30.4))]
    ((name, start, end),) = told(found, "deploy")
    assert name == "worker released as v2"
    assert start <= at(50.2) <= end
    assert end - start == pd.Timedelta("5min")
    assert kept == found
    assert found.notes == ()
