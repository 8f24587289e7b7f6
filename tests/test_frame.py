"""The frame contract: building, checking, counting, and going to longer steps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration, duration_text

HOUR = TimeRange("2026-03-01T00:00Z", "2026-03-01T01:00Z", "5m")
VALUES = st.floats(0, 1e6) | st.just(np.nan)


def frame_of(*rows, labels=None, time_range=None):
    values = np.array(rows, dtype=float)
    time_range = time_range or TimeRange(HOUR.start, HOUR.start + len(values[0]) * HOUR.step, HOUR.step)
    return frames.build(values, labels or [{"a": str(i)} for i in range(len(values))], time_range)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("1h30m", 5400), ("90d", 7_776_000), ("2w", 1_209_600), ("250ms", 0.25)]
)
def test_duration_reads_prometheus_notation_and_back(text, seconds):
    assert duration(text).total_seconds() == seconds
    assert duration(duration_text(text)) == duration(text)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "0s", "1.5h", "5m,", None, 300])
def test_duration_refuses_what_is_not_one(text):
    with pytest.raises(FrameError, match="duration"):
        duration(text)


def test_range_floors_both_ends_to_the_steps_grid_since_1970():
    got = TimeRange("2026-03-01T08:07:30+08:00", "2026-03-01T01:59Z", "1h")
    assert (got.start, got.end, len(got)) == (pd.Timestamp("2026-03-01T00:00Z"), pd.Timestamp("2026-03-01T01:00Z"), 1)
    assert TimeRange("2026-03-11T00:00Z", "2026-03-20T00:00Z", "7d").start == pd.Timestamp("2026-03-05T00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "match"),
    [
        ("2026-03-01", "2026-03-02T00:00Z", "no time zone"),
        (pd.Timestamp("2026-03-01"), "2026-03-02T00:00Z", "no time zone"),
        ("yesterday at tea", "2026-03-02T00:00Z", "not a moment"),
        (None, "2026-03-02T00:00Z", "not a moment"),
        ("2026-03-02T00:00Z", "2026-03-01T00:00Z", "at least one step"),
        ("2026-03-01T00:01Z", "2026-03-01T00:04Z", "at least one step"),
    ],
)
def test_range_refuses_naive_reversed_and_empty_ones(start, end, match):
    with pytest.raises(FrameError, match=match):
        TimeRange(start, end, "5m")


def test_build_sorts_series_and_fills_missing_labels_with_nothing():
    got = frames.build(
        np.arange(24.0).reshape(2, 12), [{"__name__": "up", "job": "z"}, {"__name__": "up", "host": "b"}], HOUR
    )
    assert list(got.columns) == ["unique_id", "ds", "y", "__name__", "host", "job"]
    assert got["unique_id"].cat.categories.tolist() == ['up{host="b"}', 'up{job="z"}']
    assert got["y"].tolist() == [*range(12, 24), *range(12)]
    assert got["job"].iloc[0] == ""
    assert frames.check(got) is got
    assert frames.step_of(got) == pd.Timedelta("5m")


def test_build_is_a_view_of_values_that_come_in_order():
    values = np.zeros((1, 12))
    got = frames.build(values, [{}], HOUR)
    assert np.shares_memory(got["y"].to_numpy(), values)
    assert got["unique_id"].cat.categories.tolist() == ["{}"]


def test_build_refuses_twins_and_labels_called_like_columns():
    with pytest.raises(FrameError, match="both called"):
        frames.build(np.zeros((2, 12)), [{"a": "1"}, {"a": "1"}], HOUR)
    with pytest.raises(FrameError, match="name of a column"):
        frames.build(np.zeros((1, 12)), [{"ds": "1"}], HOUR)


def test_empty_has_the_dtypes_of_a_full_frame():
    full, none = frames.build(np.zeros((1, 12)), [{"a": "1"}], HOUR), frames.empty(["a"])
    assert none.dtypes["ds"] == full.dtypes["ds"]
    assert none.dtypes["y"] == full.dtypes["y"]
    assert all(isinstance(none[name].dtype, pd.CategoricalDtype) for name in ("unique_id", "a"))
    assert frames.check(none) is none
    assert frames.wide(none).empty
    assert frames.labels(none).empty


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda f: f.drop(columns="y"), "needs the columns"),
        (lambda f: f.assign(ds=f["ds"].dt.tz_localize(None)), "zone"),
        (lambda f: f.assign(y=1), "float64"),
        (lambda f: f.iloc[::-1], "sorted"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "stand together|sorted"),
        (lambda f: f.assign(ds=f["ds"].where(f["y"] > 0)), "missing"),
    ],
)
def test_check_names_what_breaks_the_contract(spoil, match):
    with pytest.raises(FrameError, match=match):
        frames.check(spoil(frame_of([0, 1, 2], [3, 4, 5])))


def test_a_missing_row_is_not_a_gap():
    with pytest.raises(FrameError, match="not at one step"):
        frames.step_of(frame_of([1, 2, 3, 4]).drop(index=1))


def test_wide_and_labels_show_every_series_once():
    frame = frame_of([1, np.nan, 3], [4, 5, 6], labels=[{"job": "b"}, {"job": "a"}])
    assert frames.wide(frame).columns.tolist() == ['{job="a"}', '{job="b"}']
    assert frames.wide(frame)['{job="b"}'].isna().tolist() == [False, True, False]
    assert frames.labels(frame)["job"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        ([5, 7, 7, 10], [2, 0, 3]),  # growth
        ([5, 7, 2, 3], [2, 2, 1]),  # a restart: the new value is what came since
        ([5, np.nan, 9, 9], [np.nan, 4, 0]),  # a gap: what was missed comes with the first sample after it
        ([5, np.nan, 3, 4], [np.nan, 3, 1]),  # a restart inside a gap
        ([np.nan, np.nan, 1, 3], [np.nan, 1, 2]),  # born at its first event, since the other series was seen before
    ],
)
def test_increase_knows_resets_gaps_and_births(raw, events):
    got = frames.increase(frame_of(raw, [0, 0, 0, 0]))
    np.testing.assert_array_equal(got["y"].to_numpy()[:3], events)


def test_increase_does_not_count_what_was_there_before_the_history_began():
    got = frames.increase(frame_of([np.nan, 900, 901, 901], [np.nan, 40, 41, 42]))
    np.testing.assert_array_equal(frames.wide(got).to_numpy().T, [[np.nan, 1, 0], [np.nan, 1, 1]])


@given(arrays(float, (3, 25), elements=st.integers(0, 9)), st.integers(1, 23))
def test_increase_of_two_halves_is_that_of_the_whole(steps, cut):
    raw = steps.cumsum(axis=1)
    whole = frames.wide(frames.increase(frame_of(*raw))).to_numpy()
    left = frames.wide(frames.increase(frame_of(*raw[:, : cut + 1]))).to_numpy()
    start = HOUR.start + cut * HOUR.step
    right = frame_of(*raw[:, cut:], time_range=TimeRange(start, start + (25 - cut) * HOUR.step, HOUR.step))
    np.testing.assert_array_equal(whole, np.vstack([left, frames.wide(frames.increase(right)).to_numpy()]))


@given(arrays(float, (3, 5), elements=VALUES), st.sampled_from(["sum", "mean", "max", "min"]))
def test_fold_leaves_out_gaps_and_is_a_gap_where_nothing_else_is(values, how):
    got = frames.fold(values, axis=0, how=how)
    for column, result in zip(values.T, got, strict=True):
        seen = column[~np.isnan(column)]
        np.testing.assert_allclose(result, getattr(np, how)(seen) if len(seen) else np.nan)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_series_id_is_a_selector_that_prometheus_parses(labels):
    promql_parser = pytest.importorskip("promql_parser")
    found = promql_parser.parse(frames.series_id({"__name__": "m", **labels}).replace("\x00", ""))
    assert {m.name for m in found.matchers.matchers} == {name for name, value in labels.items() if value}
