"""Clean series are what they are said to be, and shifts stand where they are said to stand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench import _clean as clean
from bench._labelled import _with_windows
from bench._line import Line
from tutordex_analysis import frame as frames


@pytest.mark.parametrize(("kind", "lasting"), [("white", 0.0), ("lasting", 0.6), ("heavy", 0.6)])
def test_the_noise_has_the_standard_deviation_that_is_told(kind, lasting):
    noise = clean._noise(np.random.default_rng(1), 100, 20_000, kind)
    assert np.abs(noise.std(axis=1) - 1).max() < 0.1
    lag = np.array([np.corrcoef(row[1:], row[:-1])[0, 1] for row in noise])
    assert lag.min() > -0.05
    assert lasting - 0.1 < lag.max() < lasting + 0.05


def test_tails_are_heavy_where_that_is_said():
    kurtosis = [np.mean(clean._noise(np.random.default_rng(1), 200, 5_000, kind) ** 4, axis=1) for kind in clean.NOISES]
    white, lasting, heavy = ([one.min(), one.max()] for one in kurtosis)
    assert 2.5 < white[0] < white[1] < 3.6
    assert 2.5 < lasting[0] < lasting[1] < 3.6
    assert heavy[1] > 4.5


def test_the_same_seed_gives_the_same_series():
    one, same, other = clean.clean(3, n_series=5), clean.clean(3, n_series=5), clean.clean(4, n_series=5)
    assert np.array_equal(one.y, same.y)
    assert not np.array_equal(one.y, other.y)
    table = clean.frame(one)
    frames.check(table)
    assert len(table) == 5 * 12 * 168


def test_shifts_are_two_hours_of_five_sigma_in_the_scored_weeks():
    world = clean.clean(0)
    planted, first = clean.shifted(world, 0)
    rows = np.flatnonzero(first >= 0)
    assert len(rows) == clean.SHIFTED
    moved = (planted.y - world.y) / world.sigma[:, None]
    for row in rows:
        assert np.flatnonzero(moved[row]).tolist() == [first[row], first[row] + 1]
        assert first[row] >= clean.WARM_UP_WEEKS * clean.WEEK
    np.testing.assert_allclose(np.abs(moved[rows]).max(axis=1), clean.SIGMAS)
    assert not moved[first < 0].any()


def test_the_delay_is_counted_from_the_start_of_the_shift():
    flagged = np.zeros((4, 10), dtype=bool)
    flagged[0, 3], flagged[1, 4], flagged[2, 5] = True, True, True
    assert clean._delays(flagged, np.array([3, 3, 3, -1])) == [0, 1]


def test_runs_of_labels_are_windows():
    table = pd.DataFrame(
        {"ds": pd.date_range("2026-01-01", periods=6, freq="h"), "y": 0.0, "label": [1, 1, 0, 0, 1, 0]}
    )
    stamps, _, windows = _with_windows(table)
    assert windows == [[stamps[0], stamps[1]], [stamps[4], stamps[4]]]


def test_a_line_says_whether_the_stretch_is_met():
    line = Line(case="nab", what="F1", value=0.6, target=0.57, at_most=False, stretch=0.65)
    assert line.good
    assert str(line).endswith("≥ 0.57   met    stretch ≥ 0.65")
    assert str(Line(case="nab", what="F1", value=0.7, target=0.57, at_most=False, stretch=0.65)).endswith("0.65: met")
    assert str(Line(case="a", what="b", value=1, target=2)).endswith("≤ 2      met")
