from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle
from tutordex_analysis.errors import FrameError
from tutordex_analysis.model.breach import breach
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.naive import last_value
from tutordex_analysis.model.structural import structural


def frame(*series):
    ds = pd.date_range("2026-01-01", periods=len(series[0]), freq="D", tz="UTC")
    return pd.concat(pd.DataFrame({"unique_id": f"s{i}", "ds": ds, "y": y}) for i, y in enumerate(series))


def grow(n=120, slope=1.0, noise=2.0, seed=0):
    return 100 + slope * np.arange(n) + noise * np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def outlook():
    return forecast(frame(grow(), grow(slope=0.0, seed=1)), horizon=90, season_lengths=(7,), model=structural)


def test_a_planted_crossing_lies_in_the_interval(outlook):
    got = breach(outlook, limit=260.0)
    planted = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=160)
    dates = got.dates.set_index("unique_id").loc["s0"]
    assert dates["q0.1"] - pd.Timedelta(days=3) <= planted <= dates["q0.9"] + pd.Timedelta(days=3)
    assert got.dates.set_index("unique_id").loc["s1"].isna().all()
    table = got.frame.pivot_table(index="unique_id", columns="within", values="probability", observed=True)
    assert table["7d"]["s0"] < 0.05
    assert table["90d"]["s0"] > 0.95
    assert table.max(axis=1)["s1"] < 0.05


def test_first_passage_equals_its_twin(outlook):
    got = breach(outlook, limit=250.0, within=("20d", "35d"), n=300, seed=3)
    found = oracle.first_passage(outlook.paths_of("s0", 300, seed=3), 250.0)
    for span, k in (("20d", 20), ("35d", 35)):
        want = np.mean([at is not None and at < k for at in found])
        row = got.frame[(got.frame["unique_id"] == "s0") & (got.frame["within"] == span)]
        assert row["probability"].item() == pytest.approx(want)


@settings(max_examples=20, deadline=None)
@given(limit=st.floats(80, 350), further=st.floats(0, 60))
def test_more_time_or_a_nearer_limit_is_never_less_likely(outlook, limit, further):
    near, far = (breach(outlook, limit=one, n=100).frame["probability"].to_numpy() for one in (limit, limit + further))
    assert (near >= far).all()
    assert (np.diff(near.reshape(2, 3), axis=1) >= 0).all()


def test_below_is_above_upside_down():
    y = grow()
    up = forecast(frame(y), horizon=60, season_lengths=(), model=last_value)
    down = forecast(frame(-y), horizon=60, season_lengths=(), model=last_value)
    got = breach(up, limit=240.0, within=("60d",), n=4000).frame["probability"].item()
    other = breach(down, limit=-240.0, direction="below", within=("60d",), n=4000).frame["probability"].item()
    assert got == pytest.approx(other, abs=0.05)


def test_past_the_limit_already_is_certain_and_now(outlook):
    got = breach(outlook, limit=150.0)
    assert (got.frame.loc[got.frame["unique_id"] == "s0", "probability"] == 1.0).all()
    assert (got.dates.set_index("unique_id").loc["s0"] == outlook.instants("s0")[0]).all()


def test_standing_on_the_limit_counts_though_the_forecast_falls_back():
    y = grow(slope=0.0)
    y[-1] = 112.0
    falling = forecast(frame(y), horizon=30, season_lengths=(), model=structural)
    assert falling.frame["q0.975"].iloc[5] < 111
    got = breach(falling, limit=111.0, within=("7d",))
    assert got.frame["probability"].item() == 1.0
    assert got.dates["q0.9"].item() == falling.instants("s0")[0]


def test_a_walk_reaches_a_limit_as_often_as_the_reflection_principle_says():
    steps = np.random.default_rng(0).normal(size=2000)
    outlook = forecast(frame(steps.cumsum()), horizon=400, season_lengths=(), model=last_value)
    exact = replace(outlook, frame=_walk_band(outlook))
    limit = float(exact.last["s0"]) + 15.0
    got = breach(exact, limit=limit, within=("400d",), n=4000).frame["probability"].item()
    assert got == pytest.approx(0.4413, abs=0.04)  # 2 (1 - Phi((15 + 0.5826) / 20)), 0.5826: Chernoff's step correction


def _walk_band(outlook):
    from scipy.special import ndtri

    sd = np.sqrt(np.arange(1, outlook.horizon + 1))
    columns = {f"q{p:g}": outlook.last["s0"] + sd * ndtri(p) for p in outlook.quantiles}
    return outlook.frame.assign(yhat=outlook.last["s0"], **columns)


def test_limits_by_series(outlook):
    got = breach(outlook, limit={"s0": 1e9, "s1": 0.0}, n=50)
    assert got.frame.groupby("unique_id", observed=True)["probability"].max().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limit": 1.0, "within": ("91d",)}, "reaches 90d ahead, within=91d asks for more"),
        ({"limit": 1.0, "within": ("7d", "23h")}, "within=23h is shorter than one step of the forecast, 1d"),
        ({"limit": float("nan")}, "finite"),
        ({"limit": {"s0": 1.0}}, "no limit for s1"),
        ({"limit": 1.0, "direction": "sideways"}, '"above" or "below"'),
        ({"limit": 1.0, "n": 0}, "not empty"),
    ],
)
def test_a_wrong_question_is_one_sentence(outlook, options, says):
    with pytest.raises(FrameError, match=says):
        breach(outlook, **options)


def test_bursts_of_the_past_count_and_a_nearer_limit_is_never_less_likely():
    y = grow(slope=0.0, noise=1.0)
    y[[20, 21, 90]] = [150, 130, 140]
    history = frame(y, grow(slope=0.0, noise=1.0, seed=2))
    ahead = forecast(history, horizon=60, season_lengths=(), model=structural)
    alone = breach(ahead, limit=120.0, within=("7d", "28d")).frame["probability"]
    assert alone.max() < 0.01
    chances = []
    for limit in (145.0, 135.0, 120.0):
        got = breach(ahead, limit=limit, within=("7d", "28d"), history=history)
        table = got.frame.pivot_table(index="unique_id", columns="within", values="probability", observed=True)
        assert table.loc["s1"].max() < 0.01
        assert table["7d"]["s0"] < table["28d"]["s0"]
        assert got.dates.set_index("unique_id").loc["s0"].isna().all()
        chances.append(table["28d"]["s0"])
    assert chances == sorted(chances)
    assert got.weeks.loc["s0"].tolist() == [2, 18]
    assert got.weeks.loc["s1"].tolist() == [0, 18]
    assert chances[-1] == pytest.approx(1 - (16 / 18) ** 4, abs=0.05)
