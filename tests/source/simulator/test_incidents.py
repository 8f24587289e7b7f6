"""The truth beside the data is true: each pattern shows where and when it was planted."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.source.simulator import World, plan, read_truth
from tutordex_analysis.source.simulator.host import disk_full
from tutordex_analysis.source.simulator.incidents import KINDS, Truth, write_truth
from tutordex_analysis.source.simulator.lives import processes
from tutordex_analysis.source.simulator.queue import happen
from tutordex_analysis.source.simulator.services import services

DAY = 86_400


class Look:
    """A world of two and a half weekdays with one incident."""

    def __init__(self, kind, days=2.5):
        end = pd.Timestamp("2026-08-03T22:00:00Z") + pd.Timedelta(days=days)
        self.world = World(start="2026-08-03T22:00:00Z", end=end, incidents=(kind,), seed=5)
        self.incidents = plan(self.world)
        self.truth = next(one for one in self.incidents if one.kind == kind)
        self.low, self.high = self.truth.span
        self.alive = processes(self.world, self.incidents)
        self.history = happen(self.world, self.incidents, self.alive)
        self.attempts = self.history.attempts
        begun = self.attempts["begun"]
        self.during = self.attempts[(begun >= self.low) & (begun < self.high)]
        self.outside = self.attempts[(begun < self.low) & (self.attempts["status"] != "")]
        self.targets = services(self.world, self.incidents, self.alive, self.history)

    def series(self, name):
        return [
            one for target in self.targets for family in target.families for one in family.series if one.name == name
        ]

    def values(self, name, t, **labels):
        """The sum over the series with these labels, NaN where none has a sample."""
        total = np.full(len(t), np.nan)
        for one in self.series(name):
            if labels.items() <= one.labels.items():
                life = one.lives.index(t)
                values = np.full(len(t), np.nan)
                rows = life >= 0
                values[rows] = one.at(t[rows], one.lives.starts[life[rows]])
                total = np.where(np.isnan(total), values, total + np.nan_to_num(values))
        return total


@cache
def look(kind):
    return Look(kind)


def test_nothing_is_heard_while_the_collector_is_silent_and_a_burst_follows():
    one = look("collector_silent")
    t = np.arange(one.low + 5, one.high - 25, 15.0)
    assert np.ptp(one.values("collector_messages_seen_total", t)) == 0
    assert (one.alive.collector.index(t) >= 0).all()  # its target is up
    at, missed = one.history.seen["at"], one.history.seen["posted"].between(one.low, one.high - 25)
    assert missed.sum() > 20
    assert at[missed].between(one.high, one.high + 7200).mean() > 0.95
    assert at.between(one.high, one.high + 300).sum() > 10 * at.between(one.low - 300, one.low).sum()


def test_catch_up_leaves_channels_falsely_stale_and_counts_the_overlap_twice():
    one = look("collector_silent")
    t = np.array([one.high + 60.0])
    name = one.world.channels[0].name
    last = one.values("collector_last_message_timestamp_seconds", t, channel=name)[0]
    newest = one.history.seen.query("channel == @name and at <= @t[0]")["posted"].max()
    assert last < one.low + 1200 < newest - 3600  # the slice's oldest message counts
    assert one.history.seen.duplicated(["channel", "posted"]).sum() > 0


def test_one_channel_fails_when_its_format_changes():
    one = look("channel_format_change")
    called = one.during[one.during["called"]]
    failed = called["reason"].isin(["llm_invalid_json", "schema_validation_failed"])
    own = called["channel"] == one.truth.channel
    assert failed[own].mean() > 0.5
    assert failed[~own].mean() < 0.1


def test_calls_fail_fast_while_the_llm_is_down():
    one = look("llm_down")
    called = one.during[one.during["called"]]
    assert set(called["reason"]) == {"llm_connection", "llm_circuit_open"}
    assert called["llm_seconds"].max() <= 3
    t = np.array([one.low + 250, one.high])
    assert np.ptp(one.values("worker_llm_call_latency_seconds_count", t)) == 0
    assert np.diff(one.values("worker_llm_fail_total", t))[0] > 10
    assert np.diff(one.values("worker_llm_requests_total", t)) == np.diff(one.values("worker_llm_fail_total", t))


def test_calls_take_long_and_run_into_the_timeout_while_the_llm_is_slow():
    one = look("llm_slow")
    called = one.during[one.during["called"]]
    assert called["llm_seconds"].median() > 6 * one.outside.query("called")["llm_seconds"].median()
    assert called["llm_seconds"].max() == 200
    assert (called["reason"] == "llm_timeout").sum() > 0
    assert (one.during["begun"] - one.during["enqueued"]).max() > 300


def test_the_worker_restarts_in_a_loop_while_the_database_refuses():
    one = look("database_refuses")
    assert one.during.empty
    t = np.arange(one.low + 200, one.high, 15.0)
    up = one.alive.worker.index(t) >= 0
    assert 0.1 < up.mean() < 0.9
    assert np.isnan(one.values("worker_jobs_processed_total", t)).all()  # vanished, not 0
    pending = one.values("queue_pending", t)
    starts = one.alive.worker.starts + 0.01
    unseen = np.isnan(one.values("queue_pending", starts[(starts > one.low) & (starts < one.high)]))
    assert unseen.mean() > 0.9  # a new process shows its gauges after its first look
    assert np.nanmax(pending) > 5
    codes = one.values("backend_http_requests_total", np.array([one.low, one.high]), status_code="500")
    assert codes[1] - np.nan_to_num(codes[0]) > 5


def test_telegram_refuses_messages_in_the_evening():
    one = look("telegram_rate_limit")
    t = np.array([one.low - 7200, one.low, one.high + 60])
    before, within = np.diff(np.nan_to_num(one.values("dm_rate_limited_total", t)))
    assert within > 20 * max(before, 1)
    failed = np.diff(np.nan_to_num(one.values("dm_fail_total", t)))[1]
    assert within > 1.5 * failed > 20
    assert one.values("broadcast_fail_reason_total", t, reason="fallback_written")[-1] > 0
    assert 11 <= one.truth.start.hour <= 12  # 19 to 20 in Singapore


def test_a_replay_has_ten_times_the_volume_and_sends_nothing():
    one = look("replay")
    hours = (one.high - one.low) / 3600
    replayed = one.attempts[one.attempts["replay"]]
    assert len(replayed) / hours == pytest.approx(10 * 520 / 24, rel=0.1)
    assert replayed["recipients"].sum() == 0
    assert not replayed["fresh"].any()
    t = np.array([one.high])
    version = f"historical_full_{one.truth.start:%Y-%m-%d}_v1"
    assert one.values("worker_jobs_processed_total", t, pipeline_version=version)[0] > 1000
    assert np.isnan(
        one.values("worker_jobs_processed_total", np.array([one.high + 3 * 3600]), pipeline_version=version)
    )


def test_a_hung_worker_freezes_its_gauges_and_counters():
    one = look("worker_hung")
    stuck = one.history.batches.query("claimed >= @one.low and until >= @one.high")["claimed"].iloc[0]
    t = np.arange(stuck + 1, one.high - 25, 15.0)
    assert len(t) > 500
    for name in ("queue_pending", "queue_processing", "queue_oldest_pending_age_seconds", "queue_ok"):
        assert np.ptp(one.values(name, t)) == 0, name
    assert np.ptp(one.values("worker_jobs_processed_total", t)) == 0
    assert one.values("queue_processing", t)[0] >= 1
    assert (one.alive.worker.index(t) >= 0).all()
    assert one.values("queue_pending", one.high + np.arange(5, 60.0, 5)).max() > 20


def test_a_release_starts_every_labelled_series_under_a_new_version():
    one = look("version_bump")
    t = np.array([one.low - 60, one.high + 3600])
    for name in ("worker_jobs_processed_total", "collector_messages_seen_total", "queue_ok"):
        versions = {series.labels["pipeline_version"] for series in one.series(name)}
        assert len(versions) == 2
        for version in versions:
            assert np.isnan(one.values(name, t, pipeline_version=version)).tolist() in ([False, True], [True, False])
    assert not one.truth.is_incident


def test_one_slot_serves_one_job_after_the_other_first_come_first_served():
    one = look("llm_slow")
    served = one.attempts[np.isfinite(one.attempts["begun"]) & (one.attempts["status"] != "")]
    assert (served["begun"].to_numpy()[1:] >= served["left"].to_numpy()[:-1] - 1e-6).all()
    assert served["enqueued"].is_monotonic_increasing
    assert (served["enqueued"] <= served["claimed"]).all()
    assert served.groupby("claimed").size().max() == 10


def test_queue_gauges_agree_with_the_log():
    one = look("llm_slow")
    t = one.history.batches["claimed"].to_numpy() + 0.001
    pending = one.values("queue_pending", t)
    log = one.attempts
    entered, claimed = np.sort(log["enqueued"]), np.sort(log["claimed"])
    expected = np.searchsorted(entered, t) - np.searchsorted(claimed, t)
    known = ~np.isnan(pending)
    assert (pending[known] == expected[known]).all()
    age = one.values("queue_oldest_pending_age_seconds", t)
    assert ((age > 0) == (pending > 0))[known].all()
    assert (
        np.diff(one.values("queue_ok", t)[known]).sum() == (log["status"] == "ok").sum() - (log["left"] > t[-1]).sum()
    )


def test_incidents_do_not_move_the_posts():
    heard, clean = (look(kind).history.seen.drop_duplicates(["channel", "posted"]) for kind in ("llm_down", "replay"))
    assert heard["posted"].tolist() == clean["posted"].tolist()


def test_the_default_plan_has_every_pattern_and_a_recent_incident():
    world = World(start="2026-07-20T00:00:00Z", end="2026-08-24T00:00:00Z", size="sample")
    found = plan(world)
    assert {one.kind for one in found} == {*KINDS, "quiet_holiday"}
    assert sum(kind.is_incident for kind in KINDS.values()) == 8
    assert not any(one.is_incident for one in found if one.kind in ("version_bump", "quiet_holiday"))
    recent = world.last - 14 * DAY
    assert any(one.is_incident and one.span[0] >= recent for one in found)
    assert all(world.first <= one.span[0] < one.span[1] <= world.last for one in found)


@pytest.mark.parametrize("days", [1, 2, 9, 20, 60, 120, 400])
def test_a_plan_fits_any_length(days):
    end = pd.Timestamp("2026-08-24T00:00:00Z")
    world = World(start=end - pd.Timedelta(days=days), end=end)
    incidents = [one for one in plan(world) if one.is_incident]
    assert incidents
    assert incidents[-1].span[0] > world.last - 14 * DAY
    starts = [world.first, *(one.span[0] for one in incidents)]
    assert max(np.diff(starts)) < 32 * DAY
    assert all(world.first <= one.span[0] < one.span[1] <= world.last for one in incidents)
    assert all(early.end <= late.start for early, late in pairwise(incidents))


def test_a_world_without_incidents_has_none():
    world = World(start="2026-07-01T00:00:00Z", end="2026-08-24T00:00:00Z", incidents=())
    assert {one.kind for one in plan(world)} <= {"quiet_holiday"}
    assert len(processes(world, ()).releases) == 0


def test_nothing_is_planted_in_the_calm():
    start, end = pd.Timestamp("2026-06-22T00:00:00Z"), pd.Timestamp("2026-08-24T00:00:00Z")
    kinds = ("llm_down", "worker_hung", "version_bump")
    planted = plan(World(start=start, end=end, incidents=kinds, calm="28d"))
    assert [one.kind for one in planted if one.kind != "quiet_holiday"] == list(kinds)
    assert all(one.start >= start + pd.Timedelta("28D") for one in planted if one.kind != "quiet_holiday")


@pytest.mark.parametrize("calm", ["63d", "-1d", "soon"])
def test_a_calm_that_leaves_no_time_is_refused(calm):
    with pytest.raises(AnalysisError, match=r"calm|duration"):
        World(start="2026-06-22T00:00:00Z", end="2026-08-24T00:00:00Z", calm=calm)


def test_truth_comes_back_from_its_file(tmp_path):
    world = World(start="2026-07-20T00:00:00Z", end="2026-08-24T00:00:00Z")
    truth = Truth(incidents=plan(world), samples=1, series=2, files=(), disk_full=disk_full(world))
    write_truth(truth, tmp_path / "truth.json")
    assert read_truth(tmp_path / "truth.json") == truth


def test_the_larger_disk_fills_within_a_few_months():
    world = World(start="2026-07-20T00:00:00Z", end="2026-08-24T00:00:00Z")
    days = (disk_full(world)["/data"] - world.range.end) / pd.Timedelta("1D")
    assert 60 < days < 120
