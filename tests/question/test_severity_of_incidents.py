"""Severity with what the catalogue knows: limits, the good side, the usual level; and policies of signals."""

import math

import pandas as pd
import pytest

from tests.model.runs import HEIGHT, members, run
from tutordex_analysis import catalogue_file
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.model.incidents import together
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.question.severity import crossed, graded, is_good, usual
from tutordex_analysis.question.watch import policy_of

KNOWN = catalogue_file.load()


def grades(*runs, levels=None):
    found = together(members(*runs), height=HEIGHT, step="1h")
    return graded(found, catalogue=KNOWN, levels=levels or {})


def signal(**rest):
    return Signal(**{"title": "T", "area": "a", "kind": "gauge", "unit": "ratio", "promql": "up"} | rest)


def test_the_worst_member_counts_with_the_length_and_breadth_of_the_whole():
    small = run("queue_pending", 0, 5, seen=2.0, expected=1.9)
    large = run("posts_seen", 0, 1, seen=0.0, expected=20.0)
    levels = {("posts_seen", "posts_seen"): 15.0, ("queue_pending", "queue_pending"): 2.0}
    assert [*grades(small, levels=levels)["severity"]] == ["low"]
    got = grades(small, large, levels=levels)
    assert [*got["severity"]] == ["high"]
    assert got.loc[0, "effect"] == 1.0


def test_the_usual_level_makes_a_quiet_night_small():
    night = run("posts_seen", 0, 6, seen=0.0, expected=1.0)
    assert [*grades(night)["severity"]] == ["high"]
    assert [*grades(night, levels={("posts_seen", "posts_seen"): 17.0})["severity"]] == ["low"]


def test_a_crossed_limit_of_the_series_counts():
    assert crossed(KNOWN, "worker_busy", "worker_busy", 0.79) is None
    assert crossed(KNOWN, "worker_busy", "worker_busy", 0.85) == "soft"
    assert crossed(KNOWN, "worker_busy", "worker_busy", 1.2) == "physical"
    assert crossed(KNOWN, "worker_busy", "worker_busy", math.nan) is None
    assert crossed(KNOWN, "nothing", "any text {", 1.0) is None
    busy = run("worker_busy", 0, 0, seen=0.96, expected=0.9)
    assert [*grades(busy)["severity"]] == ["high"]


def test_a_limit_of_some_series_is_not_that_of_others(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "limits:\n  data: {signal: disk_used, hard: 0.5, owner: me, runbook: r, where: {mountpoint: /data}}\n"
        "  disk: null\n"
    )
    known = catalogue_file.load(tmp_path)
    assert crossed(known, "disk_used", 'disk_used{mountpoint="/data"}', 0.6) == "hard"
    assert crossed(known, "disk_used", 'disk_used{mountpoint="/"}', 0.6) is None


def test_the_good_side_is_that_away_from_bad_unless_both_are_watched():
    assert is_good(KNOWN.signal("cpu_used"), "down")
    assert not is_good(KNOWN.signal("cpu_used"), "up")
    assert not is_good(KNOWN.signal("posts_seen"), "up")
    assert not is_good(KNOWN.signal("jobs_done"), "up")  # bad: down, and yet watched on both sides
    fewer = run("collector_errors", 0, 9, seen=0.0, expected=50.0)
    assert [*grades(fewer)["severity"]] == ["low"]


def test_no_incidents_are_graded_too():
    assert [*grades().columns][-2:] == ["effect", "severity"]


def test_the_usual_level_is_the_mean_of_absolute_values():
    frame = pd.DataFrame({"unique_id": ["a", "a", "b", "c"], "y": [-1.0, 3.0, math.nan, 0.0]})
    got = usual(frame)
    assert (got["a"], got["c"]) == (2.0, 0.0)
    assert math.isnan(got["b"])


@pytest.mark.parametrize(("bad", "side"), [("up", "up"), ("down", "down"), ("both", "both"), ("none", "both")])
def test_a_signal_is_watched_on_its_bad_side(bad, side):
    assert policy_of(signal(bad=bad)) == Policy(direction=side)
    assert policy_of(signal(bad=bad, watch={"least_above": 2})) == Policy(direction=side, least_above=2)
    assert policy_of(signal(bad=bad, watch={"direction": "down"})).direction == "down"
    assert policy_of(signal(bad=bad, watch=None)) is None


def test_every_key_of_a_watch_reaches_the_policy():
    keys = {
        "least_above": 1,
        "least_below": 2,
        "share_above": 3,
        "share_below": 4,
        "lowest": 5,
        "highest": 6,
        "persistence": 7,
    }
    assert policy_of(signal(watch=keys)) == Policy(**keys)


def test_what_a_watch_refuses():
    for keys in (
        {"least": 1},
        {"least_above": -1},
        {"persistence": 0},
        {"lowest": 2, "highest": 1},
        {"direction": "x"},
    ):
        with pytest.raises((ValueError, CatalogueError)):
            signal(watch=keys)


def test_the_shipped_signals_that_only_grow_or_repeat_others_are_not_watched():
    watched = {name for name, one in KNOWN.signals.items() if policy_of(one) is not None}
    assert not watched & {"queue_ok", "queue_failed", "prometheus_disk", "channel_silence", "worker_version"}
    assert {"posts_seen", "posts_seen_by_channel", "queue_pending", "jobs_done", "llm_seconds"} < watched
    assert policy_of(KNOWN.signal("queue_pending")) == Policy(direction="up", least_above=20)
    counts = ("posts_seen", "posts_seen_by_channel", "jobs_done", "assignments_parsed", "dms_sent", "api_requests")
    assert {policy_of(KNOWN.signal(name)).direction for name in counts} == {"both"}
