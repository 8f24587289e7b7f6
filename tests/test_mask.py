"""Masks: what they refuse to be, and which values they take."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracle
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, covered, masked, union

START = pd.Timestamp("2026-03-01T00:00Z")
HOUR = pd.Timedelta("1h")
MINUTES = st.integers(-200, 2000)


def history(n=24, series=("a", "b")):
    window = TimeRange(START, START + n * HOUR, HOUR)
    values = np.arange(len(series) * n, dtype=float).reshape(len(series), n)
    return frames.build(values, [{"__name__": "m", "job": one} for one in series], window)


def window(first, minutes):
    start = START + pd.Timedelta(minutes=first)
    return start, start + pd.Timedelta(minutes=minutes)


WINDOWS = st.lists(st.builds(window, MINUTES, st.integers(1, 400)), max_size=6)


@pytest.mark.parametrize(
    ("facts", "error", "match"),
    [
        ({"end": START}, CatalogueError, "ends after it begins"),
        ({"start": "2026-03-01T00:00"}, FrameError, "no time zone"),
        ({"reason": " "}, CatalogueError, "has a reason"),
        ({"origin": "incident"}, CatalogueError, "made by hand has a moment at which it expires"),
        ({"expires": START}, CatalogueError, "any other has none"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(facts, error, match):
    basics = {"start": START, "end": START + HOUR, "reason": "x", "origin": "alert"}
    with pytest.raises(error, match=match):
        Mask(**basics | facts)


def test_a_mask_without_signals_concerns_all():
    every = Mask(start=START, end=START + HOUR, reason="x", origin="alert")
    one = Mask(start=START, end=START + HOUR, reason="x", origin="alert", signals=("a",))
    assert every.concerns("b")
    assert one.concerns("a")
    assert not one.concerns("b")


@pytest.mark.parametrize(
    ("first", "minutes", "gone"),
    [
        (60, 60, [2]),  # (1:00, 2:00] is the value at 2:00, that at 1:00 only touches it
        (61, 58, [2]),
        (59, 62, [1, 2, 3]),
        (-600, 601, [0, 1]),
        (23 * 60 + 1, 9999, []),
        (-600, 540, []),
    ],
)
def test_a_value_goes_when_it_covers_a_part_of_a_window(first, minutes, gone):
    got = masked(history(), [window(first, minutes)])
    assert got["ds"][got["y"].isna()].dt.hour.unique().tolist() == gone
    assert (got["y"].isna().groupby(got["unique_id"], observed=True).sum() == len(gone)).all()


@given(windows=WINDOWS)
def test_masking_matches_its_twin_and_leaves_the_callers_frame_alone(windows):
    frame = history()
    before = frame.copy()
    got = masked(frame, windows)
    pd.testing.assert_frame_equal(frame, before)
    assert got["y"].isna().tolist() == oracle.covered(frame["ds"], windows, HOUR)
    kept = got["y"].notna()
    assert (got["y"][kept] == frame["y"][kept]).all()
    pd.testing.assert_frame_equal(got.drop(columns="y"), frame.drop(columns="y"))


@given(windows=WINDOWS)
def test_order_repetition_and_one_after_the_other_make_no_difference(windows):
    frame, one_by_one = history(), history()
    for one in windows:
        one_by_one = masked(one_by_one, [one])
    pd.testing.assert_frame_equal(masked(frame, windows), one_by_one)
    pd.testing.assert_frame_equal(masked(frame, [*reversed(windows), *windows]), one_by_one)


@given(windows=WINDOWS)
def test_joined_windows_are_apart_and_hold_the_same_moments(windows):
    joined = union(windows)
    assert all(early[1] < late[0] for early, late in pairwise(joined))
    moments = pd.Series(pd.date_range(START - 4 * HOUR, periods=48 * 60, freq="1min"))
    inside = [any(start <= moment < end for start, end in windows) for moment in moments[::7]]
    assert [any(start <= moment < end for start, end in joined) for moment in moments[::7]] == inside


def test_windows_that_touch_are_one():
    assert union([window(60, 60), window(0, 60), window(120, 1)]) == (window(0, 121),)


def test_nothing_is_masked_in_an_empty_frame_or_without_windows():
    assert masked(frames.empty(["job"]), [window(0, 60)]).empty
    frame = history()
    pd.testing.assert_frame_equal(masked(frame, []), frame)
    assert not covered(frame["ds"], [], step=HOUR).any()


def test_any_unit_of_time_will_do():
    frame = history()
    for unit in ("s", "ms", "us", "ns"):
        other = frame.assign(ds=frame["ds"].dt.as_unit(unit))
        assert masked(other, [window(61, 58)])["y"].isna().sum() == 2
