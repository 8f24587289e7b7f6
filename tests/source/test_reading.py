"""Signals from their parts, against slow and obvious loops."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source import reading

DAY = TimeRange("2026-03-01T00:00Z", "2026-03-01T12:00Z", "1h")
BASICS = {"title": "T", "area": "x", "unit": "events"}


def fetch_of(parts):
    """A source made of functions of the instants: query → list of (labels, function)."""

    def fetch(part, time_range):
        rows = parts.get(part.query, [])
        values = [np.array([float(fn(t)) for t in time_range.grid]) for _, fn in rows]
        return frames.build(np.stack(values), [labels for labels, _ in rows], time_range) if rows else frames.empty()

    return fetch


def hours(t):
    return (t - DAY.start) / pd.Timedelta("1h")


def signal(**keys):
    return Signal.model_validate({"name": "s", **BASICS, **keys})


def read(spec, parts, time_range=DAY):
    got = reading.read(fetch_of(parts), spec, time_range)
    return frames.wide(got)


def test_a_count_is_the_whole_events_of_each_hour_over_resets_and_versions():
    spec = signal(kind="count", counter="c_total", by=["channel"])
    old, new = {"channel": "a", "version": "1"}, {"channel": "a", "version": "2"}
    parts = {
        "c_total": [
            (old, lambda t: 100 + 12 * hours(t) if hours(t) < 6 else np.nan),
            (new, lambda t: 1 + 12 * (hours(t) - 6) if hours(t) >= 6 else np.nan),
            ({"channel": "b", "version": "1"}, lambda t: 5),
        ]
    }
    got = read(spec, parts)
    assert got.columns.tolist() == ['s{channel="a"}', 's{channel="b"}']
    # each hour has twelve events; at the bump the old version's last one is replaced by the birth of the new one
    np.testing.assert_allclose(got.iloc[:, 0], 12)
    np.testing.assert_array_equal(got.iloc[1:, 1], 0)


def test_a_counter_that_is_absent_while_its_target_is_up_has_counted_nothing():
    spec = signal(kind="count", counter="c_total", up="max(up)")

    def down(t):
        return float(not 4 < hours(t) <= 6)

    parts = {"c_total": [({}, lambda t: 1 if hours(t) >= 9 else np.nan)], "max(up)": [({}, down)]}
    got = read(spec, parts).iloc[:, 0]
    np.testing.assert_array_equal(got, [0, 0, 0, 0, 0, np.nan, np.nan, 0, 0, 0, 0, 0])
    parts["c_total"] = []
    assert read(spec, parts).iloc[:, 0].sum() == 0
    assert reading.read(fetch_of(parts), signal(kind="count", counter="c_total"), DAY).empty


def test_several_counters_are_added_up():
    spec = signal(kind="count", counter=["a_total", "b_total"])
    parts = {"a_total": [({}, lambda t: 12 * hours(t))], "b_total": [({}, lambda t: 24 * hours(t))]}
    np.testing.assert_allclose(read(spec, parts).iloc[:, 0], 36)


def test_a_gauge_is_the_mean_of_the_instants_up_to_and_with_its_own():
    spec = signal(kind="gauge", promql="g")
    got = read(spec, {"g": [({}, hours)]}).iloc[:, 0]
    want = [np.mean([h - 1 + k / 12 for k in range(1, 13)]) for h in range(12)]
    np.testing.assert_allclose(got, want)


def test_a_gauge_combined_by_max_keeps_its_peaks():
    spec = signal(kind="gauge", metric="g", combine="max")
    part = spec.parts[0].query
    assert part == "max by () (max_over_time(g[$step]))"
    got = read(spec, {part: [({}, lambda t: 9 if t.minute == 25 else 1)]}).iloc[:, 0]
    np.testing.assert_array_equal(got, 9)


def test_a_ratio_is_made_of_added_parts_and_unknown_below_the_least():
    spec = signal(
        kind="ratio",
        unit="ratio",
        numerator={"counter": "bad_total"},
        denominator={"counter": ["bad_total", "good_total"]},
        least=13,
    )
    parts = {
        "bad_total": [({}, lambda t: 12 * max(hours(t) - 5, 0))],
        "good_total": [({}, lambda t: 12 * hours(t) if hours(t) <= 10 else 120)],
    }
    got = read(spec, parts).iloc[:, 0]
    np.testing.assert_array_equal(got, [np.nan] * 6 + [0.5] * 5 + [np.nan])


def test_work_per_second_has_the_length_of_the_step_below_it():
    spec = signal(kind="ratio", unit="ratio", numerator={"counter": "work_seconds_sum"}, denominator="seconds")
    got = read(spec, {"work_seconds_sum": [({}, lambda t: 900 * hours(t))]}).iloc[:, 0]
    np.testing.assert_allclose(got, 0.25)


def test_a_mean_duration_is_sum_over_count():
    spec = signal(kind="duration", unit="seconds", histogram='h{op="x"}')
    parts = {'h_sum{op="x"}': [({}, lambda t: 60 * hours(t))], 'h_count{op="x"}': [({}, lambda t: 12 * hours(t))]}
    np.testing.assert_allclose(read(spec, parts).iloc[:, 0], 5)


def quantile_by_loop(bounds, counts, q):
    wanted, before = q * counts[-1], 0.0
    for i, bound in enumerate(bounds):
        if counts[i] >= wanted:
            if np.isinf(bound):
                return bounds[i - 1]
            low = bounds[i - 1] if i else 0.0
            return low + (bound - low) * (wanted - before) / (counts[i] - before) if counts[i] > before else bound
        before = counts[i]
    raise AssertionError


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95, 0.999])
def test_a_quantile_matches_a_loop_over_buckets(q):
    rng = np.random.default_rng(3)
    bounds = [1.0, 2.0, 5.0, np.inf]
    counts = rng.poisson(9, (4, 50)).cumsum(axis=0).astype(float)
    got = reading.histogram_quantile(dict(zip(bounds, counts, strict=True)), q, least=1)
    want = [quantile_by_loop(bounds, counts[:, i], q) for i in range(50)]
    np.testing.assert_allclose(got, want)


def test_a_quantile_of_a_signal_adds_buckets_of_all_versions():
    spec = signal(kind="duration", unit="seconds", histogram="h", quantile=0.5, least=5)
    grow = [("1.0", 0), ("2.0", 12), ("+Inf", 12)]
    rows = [({"le": le, "v": v}, lambda t, n=n: n * hours(t)) for le, n in grow for v in "12"]
    np.testing.assert_allclose(read(spec, {"h_bucket": rows}).iloc[:, 0], 1.5)


def test_a_step_that_is_no_multiple_is_refused():
    with pytest.raises(FrameError, match="kept every 5m; ask for that or a multiple of it, not for every 7m"):
        reading.read(fetch_of({}), signal(kind="gauge", promql="g"), TimeRange(DAY.start, DAY.end, "7m"))


def test_nothing_in_nothing_out_with_the_right_columns():
    got = reading.read(fetch_of({}), signal(kind="gauge", promql="g", by=["host"]), DAY)
    assert got.empty
    assert list(got.columns) == ["unique_id", "ds", "y", "__name__", "host"]


def test_several_series_where_the_signal_has_one_are_refused_unless_they_follow_each_other():
    spec = signal(kind="gauge", promql="g")
    racks = {"g": [({"rack": "a"}, lambda t: 20), ({"rack": "b"}, lambda t: 60)]}
    with pytest.raises(FrameError, match=r"s is one series .* and 'g' gives several"):
        read(spec, racks)
    assert read(signal(kind="gauge", promql="g", by=["rack"]), racks).shape[1] == 2
    moved = {
        "g": [
            ({"rack": "a"}, lambda t: 20 if hours(t) < 6 else np.nan),
            ({"rack": "b"}, lambda t: 60 if hours(t) >= 6 else np.nan),
        ]
    }
    assert read(spec, moved).iloc[:, 0].notna().all()
