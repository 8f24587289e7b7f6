"""Alerts against a truth that was written by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from bench import _verdict as verdict
from bench import _world_incidents as worlds
from tutordex_analysis import catalogue_file
from tutordex_analysis.source.simulator import Incident, Truth, World, plan
from tutordex_analysis.source.simulator.incidents import KINDS

SINCE, UNTIL = pd.Timestamp("2026-05-04T00:00:00Z"), pd.Timestamp("2026-06-01T00:00:00Z")


@cache
def known():
    return catalogue_file.load()


def incident(kind, start, hours, channel=""):
    begin = pd.Timestamp(start, tz="UTC")
    affected = KINDS[kind].affected if kind in KINDS else ("collector_messages_seen_total",)
    return Incident(
        kind=kind,
        start=begin,
        end=begin + pd.Timedelta(hours=hours),
        is_incident=kind in worlds.INCIDENTS,
        affected=affected,
        description="",
        channel=channel,
    )


def judged(runs, *incidents):
    columns = ["unique_id", "start", "end", "direction", "kind"]
    rows = [
        (name, pd.Timestamp(start, tz="UTC"), pd.Timestamp(start, tz="UTC"), direction, kind)
        for name, start, direction, kind in runs
    ]
    truth = Truth(incidents=incidents, samples=0, series=0, files=(), disk_full={})
    table = pd.DataFrame(rows, columns=columns).astype({"start": "datetime64[us, UTC]"})
    return verdict.judged(table, truth, known(), since=SINCE, until=UNTIL)


HUNG = incident("worker_hung", "2026-05-10T10:00", 4)


@pytest.mark.parametrize(
    ("name", "start", "direction", "kind", "found"),
    [
        ("jobs_done", "2026-05-10T10:30", "down", "dip", True),
        ("queue_pending", "2026-05-10T10:30", "down", "dip", False),  # not the side that is watched
        ("queue_pending", "2026-05-10T10:30", "down", "flat", True),  # standing still has no direction
        ("jobs_done", "2026-05-10T15:59", "down", "dip", True),
        ("jobs_done", "2026-05-10T16:01", "down", "dip", False),  # later than the grace
        ("jobs_done", "2026-05-10T09:59", "down", "dip", False),
        ("api_seconds", "2026-05-10T10:30", "up", "spike", False),  # shows another trouble
    ],
)
def test_an_incident_is_found_by_its_own_signals_in_time(name, start, direction, kind, found):
    got = judged([(name, start, direction, kind)], HUNG)
    assert got.planted["found"].tolist() == [found]
    if found:
        assert got.planted["delay"][0] == pd.Timestamp(start, tz="UTC") - HUNG.start


def test_one_channels_trouble_is_not_found_on_another_channel():
    one = incident("channel_format_change", "2026-05-10T10:00", 48, channel="t.me/a")
    for channel, found in (("t.me/a", True), ("t.me/b", False)):
        name = f'parse_failure_share_by_channel{{channel="{channel}"}}'
        assert judged([(name, "2026-05-10T12:00", "up", "spike")], one).planted["found"].tolist() == [found]


def test_alerts_that_start_together_are_one_false_incident():
    runs = [
        ("jobs_done", "2026-05-06T10:00", "down", "dip"),
        ("queue_pending", "2026-05-06T10:25", "up", "spike"),
        ("silence", "2026-05-06T10:35", "up", "spike"),
        ("silence", "2026-05-10T20:00", "up", "spike"),  # aftermath
        ("silence", "2026-04-30T20:00", "up", "spike"),  # before the stretch
    ]
    got = judged(runs, HUNG)
    assert got.false["signals"].tolist() == ["jobs_done, queue_pending", "silence"]
    assert got.weeks == pytest.approx(4 - (4 + 12) / 168)


def test_neighbouring_aftermaths_are_counted_once():
    soon = incident("llm_down", "2026-05-10T18:00", 2)
    assert judged([], HUNG, soon).weeks == pytest.approx(4 - (8 + 2 + 12) / 168)


def test_releases_and_holidays_are_quiet_or_not():
    bump, holiday = incident("version_bump", "2026-05-20T06:00", 0.1), incident("quiet_holiday", "2026-05-25T16:00", 24)
    busy = incident("quiet_holiday", "2026-05-10T00:00", 24)  # an incident lies in it
    got = judged([], HUNG, bump, busy, holiday)
    assert (got.bumps, got.holidays) == ((True,), (True,))
    loud = [("memory_used", "2026-05-20T07:00", "up", "level"), ("jobs_done", "2026-05-26T01:00", "down", "dip")]
    got = judged(loud, HUNG, bump, busy, holiday)
    assert (got.bumps, got.holidays) == ((False,), (False,))
    assert judged([("memory_used", "2026-05-26T01:00", "up", "level")], holiday).holidays == (True,)


def test_the_table_has_a_row_a_kind():
    got = judged([("jobs_done", "2026-05-10T10:30", "down", "dip")], HUNG)
    table = verdict.table([got, judged([], HUNG)])
    assert table.loc["worker_hung"].tolist() == [2, 1, 0.5, 30.0, 30.0]


def test_every_signal_that_is_said_to_show_something_is_in_the_catalogue():
    named = {name for names in verdict.MORE.values() for name in names} | set(verdict.VOLUME)
    assert named <= set(known().signals)
    assert set(worlds.INCIDENTS) == {name for name, kind in KINDS.items() if kind.is_incident}
    for kind in worlds.INCIDENTS:
        assert verdict.shows(incident(kind, "2026-05-10T10:00", 2), known()) & set(worlds.watched(known()))


@pytest.mark.parametrize("seed", range(20))
def test_each_world_has_every_kind_after_its_warm_up_and_a_holiday(seed):
    world = worlds.world(seed)
    found = plan(world)
    planted = [one for one in found if one.kind != "quiet_holiday"]
    assert sorted(one.kind for one in planted) == sorted([*worlds.INCIDENTS, "version_bump"])
    assert min(one.start for one in planted) >= world.range.start + worlds.WARM_UP
    assert any(one.kind == "quiet_holiday" and one.start > world.range.start + worlds.WARM_UP for one in found)


@pytest.mark.server
def test_a_world_is_made_once_and_read_back(tmp_path):
    world = World(start="2026-08-03T16:00:00Z", end="2026-08-05T16:00:00Z", incidents=("worker_hung",), calm="1d")
    home = worlds.made(world, tmp_path / "world")
    frame, truth = worlds.read(home, "1h")
    assert {"jobs_done", "queue_pending", "posts_seen"} < set(frame["unique_id"])
    (hung,) = (one for one in truth.incidents if one.is_incident)
    jobs = frame[frame["unique_id"] == "jobs_done"].set_index("ds")["y"]
    during = jobs[hung.start + pd.Timedelta("1h") : hung.end]
    assert len(during) >= 1
    assert (during == 0).all()
    before = Path(home / "complete").stat().st_mtime_ns
    worlds.made(world, home)
    assert Path(home / "complete").stat().st_mtime_ns == before
