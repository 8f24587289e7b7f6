import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutordex_analysis.errors import AnalysisError, FrameError, NotEnoughData
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.naive import last_value, seasonal_naive
from tutordex_analysis.model.structural import structural

START = pd.Timestamp("2026-01-01", tz="UTC")


def frame(*series, step="1h", start=START):
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range(start, periods=len(y), freq=pd.Timedelta(step)),
                "y": np.asarray(y, dtype=float),
            }
        )
        for name, y in series
    ]
    return pd.concat(parts, ignore_index=True).astype({"unique_id": "category"})


def wave(n=24 * 10, seed=0, level=50.0):
    return level + 10 * np.sin(2 * np.pi * np.arange(n) / 24) + np.random.default_rng(seed).normal(size=n)


def naive(data, horizon=6, **options):
    return forecast(data, horizon=horizon, season_lengths=(24,), model=seasonal_naive, **options)


def test_columns_instants_and_names():
    given_ = frame(('b{x="1"}', wave(24 * 20)), ("a", wave(100)))
    before = given_.copy()
    got = forecast(given_, horizon="12h", season_lengths=("1d", "7d"), quantiles=(0.1, 0.9))
    assert list(got.frame.columns) == ["unique_id", "ds", "yhat", "q0.1", "q0.9"]
    assert list(got.frame["unique_id"].unique()) == ['b{x="1"}', "a"]
    assert got.instants("a")[0] == START + pd.Timedelta(hours=100)
    assert len(got.frame) == 24
    assert got.model['b{x="1"}'] == "combination"
    assert "better than the last season" in got.reason['b{x="1"}']
    pd.testing.assert_frame_equal(given_, before)


def test_the_tournament_is_told():
    got = forecast(frame(("a", wave())), horizon=12, season_lengths=(24,))
    cheap = {"seasonal_naive", "usual_season", "drift", "ets", "damped_trend", "theta", "structural", "combination"}
    assert cheap <= set(got.scores["model"]) <= {*cheap, "prophet"}
    assert set(got.scores.groupby("model")["cutoff"].nunique()) == {3}
    assert "seconds" not in got.scores


def test_trailing_gaps_are_forecast_from_the_last_row():
    y = wave()
    y[-5:] = np.nan
    got = naive(frame(("a", y)))
    assert got.frame["ds"].iloc[0] == START + pd.Timedelta(hours=240)
    assert got.last["a"] == y[-6]


def test_naive_stays_where_nothing_beats_it():
    walk = np.random.default_rng(0).normal(size=(20, 24)).cumsum(axis=0).ravel()  # each hour walks on its own
    got = forecast(frame(("a", walk)), horizon=24, season_lengths=(24,))
    assert got.model["a"] == "seasonal_naive"
    assert "nothing beat it by 2%" in got.reason["a"]


def test_other_series_change_nothing():
    a, b, c = ("a", wave(seed=1)), ("b", wave(seed=2)), ("c", wave(150, seed=3))
    alone = forecast(frame(b), horizon=5, season_lengths=(24,))
    among = forecast(frame(c, b, a), horizon=5, season_lengths=(24,))
    pick = among.frame[among.frame["unique_id"] == "b"]
    assert np.array_equal(pick.iloc[:, 2:].to_numpy(), alone.frame.iloc[:, 2:].to_numpy())
    assert np.array_equal(among.paths_of("b", 20), alone.paths_of("b", 20))


def test_the_same_seed_gives_the_same_bytes():
    one, two = (forecast(frame(("a", wave())), horizon=5, season_lengths=(24,), seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)
    pd.testing.assert_frame_equal(one.scores, two.scores, check_exact=True)
    assert one.paths(9, seed=1).tobytes() == two.paths(9, seed=1).tobytes()
    assert one.paths(9, seed=1).tobytes() != two.paths(9, seed=2).tobytes()


@settings(max_examples=25, deadline=None)
@given(
    factor=st.floats(1e-6, 1e9),
    seed=st.integers(0, 50),
    model=st.sampled_from([seasonal_naive, structural, last_value]),
)
def test_scaling_y_scales_the_forecast(factor, seed, model):
    y = wave(80, seed)
    y[seed : seed + 3] = np.nan
    plain, scaled = (
        forecast(frame(("a", k * y)), horizon=4, season_lengths=(24,), model=model).frame.iloc[:, 2:].to_numpy()
        for k in (1.0, factor)
    )
    np.testing.assert_allclose(scaled, factor * plain, rtol=1e-5, atol=1e-7 * factor)


awkward = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.just(np.nan), st.just(0.0), st.integers(-3, 3).map(float)),
    min_size=2,
    max_size=90,
)


@settings(max_examples=40, deadline=None)
@given(y=awkward, horizon=st.integers(1, 40), bounded=st.booleans())
def test_whatever_comes_quantiles_are_finite_rise_and_keep_the_bounds(y, horizon, bounded):
    y = np.abs(y) if bounded else np.asarray(y)
    data, lower = frame(("a", y)), 0.0 if bounded else None
    if np.isfinite(y).sum() < 3:
        with pytest.raises(NotEnoughData, match="at least 3 readings"):
            forecast(data, horizon=horizon, season_lengths=(7,), lower=lower)
        return
    got = forecast(data, horizon=horizon, season_lengths=(7,), lower=lower)
    q = got.frame.iloc[:, 3:].to_numpy()
    assert len(q) == horizon
    assert np.isfinite(q).all()
    assert (np.diff(q, axis=1) >= 0).all()
    assert not bounded or (q >= 0).all()
    assert got.reason["a"]


def test_bounds_hold_for_quantiles_and_paths():
    got = naive(frame(("a", np.abs(wave(level=0)))), lower=0.0, upper=11.0 + 3)
    q = got.frame.iloc[:, 2:].to_numpy()
    assert q.min() >= 0
    assert q.max() <= 14
    assert got.paths(50).min() >= 0


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([], "empty"),
        ([1.0], "at least two rows"),
        ([np.nan] * 50, "at least 3 readings, the history of 50 steps has 0"),
        ([1.0, 2.0], "at least 3 readings"),
    ],
)
def test_not_enough_data_says_what_was_needed_and_what_came(y, says):
    data = frame(("a", y)) if y else frame(("a", [1.0])).iloc[:0]
    with pytest.raises(NotEnoughData, match=says):
        naive(data)


def swapped():
    data = frame(("a", wave()))
    return data.iloc[[1, 0, *range(2, 50)]]


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (frame(("a", [*wave(), np.inf])), {}, "infinite"),
        (swapped(), {}, "sorted"),
        (frame(("a", wave())).iloc[[0, 0, 1]], {}, "one row an instant"),
        (frame(("a", wave())).drop(index=5), {}, "not at one step"),
        (pd.concat([frame(("a", wave())), frame(("b", wave()), step="2h")]), {}, "not at one step"),
        (frame(("a", wave())), {"horizon": 0}, "at least one step"),
        (frame(("a", wave())), {"horizon": "90m"}, "no whole number of steps"),
        (frame(("a", wave())), {"quantiles": (0.9, 0.1)}, "rising"),
        (frame(("a", wave())), {"quantiles": (0.0, 0.1)}, "between 0 and 1"),
        (frame(("a", wave(level=0))), {"lower": 0.0}, "below lower=0"),
        (frame(("a", wave())), {"upper": 1.0}, "above upper=1"),
        (frame(("a", wave())), {"lower": 2.0, "upper": 1.0}, "less than upper"),
        (frame(("a", wave())), {"lower": float("nan")}, "lower must be a finite number"),
        (frame(("a", wave())), {"upper": float("inf")}, "leave it out"),
        (frame(("a", wave())), {"quantiles": (0.1, 0.10000001)}, "first six digits"),
        (frame(("a", wave())), {"horizon": 10**7}, "10,000,000 steps is longer than 100 years"),
        (frame(("a", wave())), {"season_lengths": "1d"}, "is a list"),
        (frame(("a", wave())), {"model": "arima"}, '"auto" or a forecaster'),
        (frame(("a", wave())), {"model": structural, "calendar": "Atlantis"}, "no holiday calendar"),
        (frame(("a", wave())), {"model": structural, "calendar": "SG", "tz": "Mars/Base"}, "no time zone"),
    ],
)
def test_a_wrong_question_is_one_sentence(data, options, says):
    with pytest.raises(FrameError, match=says):
        forecast(data, **({"horizon": 6, "season_lengths": (24,)} | options))


def test_short_and_odd_histories_get_simpler_models_that_say_so():
    got = forecast(
        frame(("three days", wave(72)), ("few", wave(30)), ("dead", [np.nan] * 72), ("constant", [5.0] * 240)),
        horizon=48,
        season_lengths=(24, 168),
    )
    assert got.model.to_dict() == {
        "three days": "seasonal_naive",
        "few": "last_value",
        "dead": "none",
        "constant": "seasonal_naive",
    }
    assert "simpler model" in got.reason["few"]
    assert "simpler model" in got.reason["three days"]
    assert "at least 3 readings" in got.reason["dead"]
    assert "cannot be scored" in got.reason["constant"]
    assert got.series == ["three days", "few", "constant"]
    assert (got.frame.loc[got.frame["unique_id"] == "constant", "q0.975"] == 5.0).all()
    with pytest.raises(FrameError, match="at least 3 readings"):
        got.paths_of("dead", 1)


def test_a_horizon_beyond_the_history_is_a_straight_line():
    y = 10 + 0.5 * np.arange(240) + np.random.default_rng(0).normal(size=240)
    got = forecast(frame(("disk", y)), horizon=600, season_lengths=(24,))
    assert got.model["disk"] == "straight_line"
    assert "simpler model" in got.reason["disk"]
    end = got.frame.iloc[-1]
    assert end["q0.1"] < 10 + 0.5 * 839 < end["q0.9"]


def test_a_leading_gap_is_not_history():
    late = np.concatenate([np.full(300, np.nan), wave(240)])
    options = {"horizon": 6, "season_lengths": (24,), "model": structural}
    got = forecast(frame(("a", late)), **options)
    want = forecast(frame(("a", wave(240)), start=START + pd.Timedelta(hours=300)), **options)
    pd.testing.assert_frame_equal(got.frame, want.frame)


def test_a_forecaster_of_ones_own():
    def flat(y, *, ds, horizon, season_lengths, quantiles, height):
        assert season_lengths == (24,)
        return np.full((len(y), horizon, len(quantiles)), height)

    got = forecast(frame(("a", wave())), horizon=3, season_lengths=("1d",), model=partial(flat, height=2.0))
    assert got.model["a"] == "flat"
    assert got.frame["yhat"].tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(AnalysisError, match="flat gave a number that is not finite for a"):
        forecast(frame(("a", wave())), horizon=3, season_lengths=(24,), model=partial(flat, height=np.nan))


def test_paths_are_spread_as_the_quantiles_and_remember():
    rng = np.random.default_rng(0)
    e = np.zeros(600)
    for i in range(1, 600):
        e[i] = 0.9 * e[i - 1] + rng.normal()
    got = forecast(frame(("a", e)), horizon=30, season_lengths=(24,), model=structural)
    paths = got.paths(4000)[0]
    want = got.frame[["q0.1", "yhat", "q0.9"]].to_numpy()
    width = want[:, 2] - want[:, 0]
    assert np.abs(np.quantile(paths, (0.1, 0.5, 0.9), axis=0).T - want).max() < 0.06 * width.max()
    near = [np.corrcoef(paths[:, k], paths[:, k + 1])[0, 1] for k in (5, 20)]
    far = np.corrcoef(paths[:, 5], paths[:, 25])[0, 1]
    assert min(near) > 0.8
    assert far < 0.4


def test_importing_brings_none_of_the_slow_libraries():
    code = (
        "import sys, tutordex_analysis.model.breach\n"
        "print([m for m in ('prophet', 'statsmodels', 'matplotlib', 'holidays') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
