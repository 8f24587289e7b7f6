import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.model import score
from tutordex_analysis.model.backtest import COLUMNS, backtest, cutoff_places
from tutordex_analysis.model.naive import last_value, seasonal_naive


def frame(**series):
    return pd.concat(
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2026-01-01", periods=len(y), freq="h", tz="UTC"), "y": y})
        for name, y in series.items()
    )


def wave(n, seed=0):
    return 10 * np.sin(2 * np.pi * np.arange(n) / 24) + np.random.default_rng(seed).normal(size=n)


def test_one_row_a_series_model_and_cutoff():
    got = backtest(
        frame(b=wave(240), a=wave(200)), horizon="1d", season_lengths=("1d",), models=(seasonal_naive, last_value)
    )
    assert tuple(got.frame.columns) == COLUMNS
    assert got.frame["unique_id"].tolist() == ["b"] * 6 + ["a"] * 6
    cutoffs = got.frame.groupby(["unique_id", "model"])["cutoff"].apply(tuple)
    assert cutoffs["a", "seasonal_naive"] == cutoffs["a", "last_value"]
    assert cutoffs["b", "last_value"][-1] == pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(hours=240 - 24 - 1)
    assert got.summary.index[0] == "seasonal_naive"


def test_scores_are_of_what_came_after():
    y = wave(240)
    got = backtest(frame(a=y), horizon=24, season_lengths=(24,), models=(seasonal_naive,), cutoffs=1).frame.iloc[0]
    want = score.mase(y[216:], y[192:216], y[:216], season_length=24)
    assert got["mase"] == pytest.approx(want)
    assert got["bias"] == pytest.approx((y[192:216] - y[216:]).mean() / np.abs(y[216:]).mean())


def test_the_future_never_changes_the_past():
    y = wave(240)
    other = y.copy()
    other[216:] = 1e6
    one, two = (
        backtest(frame(a=v), horizon=24, season_lengths=(24,), models=(seasonal_naive,)).frame.drop(columns="seconds")
        for v in (y, other)
    )
    pd.testing.assert_frame_equal(one[one["cutoff"] < one["cutoff"].max()], two[two["cutoff"] < two["cutoff"].max()])


def test_a_hole_where_the_truth_should_be_is_nan():
    y = wave(240)
    y[216:] = np.nan
    got = backtest(frame(a=y), horizon=24, season_lengths=(24,), models=(seasonal_naive,)).frame
    assert got["mase"].isna().tolist() == [False, False, True]


def test_too_short_says_how_short():
    with pytest.raises(NotEnoughData, match="needs 73 steps of history, the longest series has 60"):
        backtest(frame(a=wave(60)), horizon=24, season_lengths=(24,), models=(seasonal_naive,))
    with pytest.raises(FrameError, match="at least one cutoff"):
        backtest(frame(a=wave(60)), horizon=24, season_lengths=(24,), models=(), cutoffs=0)


@pytest.mark.parametrize(("n", "horizon"), [(100, 24), (240, 24), (400, 200), (73, 24), (1000, 1)])
def test_cutoffs_leave_room_on_both_sides(n, horizon):
    at = cutoff_places(n, horizon, season=24, cutoffs=3)
    assert at[-1] == n - horizon
    assert at[0] >= 49
    assert at == sorted(set(at))
