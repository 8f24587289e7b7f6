"""Laws of every forecaster and of the tournament, on small histories of many kinds."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutordex_analysis.model.backtest import backtest
from tutordex_analysis.model.counts import counts
from tutordex_analysis.model.decomposition import damped_trend, ets, theta
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.naive import drift, last_value, seasonal_naive
from tutordex_analysis.model.prophet_model import prophet
from tutordex_analysis.model.pseudo import usual_season
from tutordex_analysis.model.score import mase
from tutordex_analysis.model.structural import straight_line, structural

AFFINE = [seasonal_naive, last_value, drift, ets, damped_trend, theta, structural, straight_line]
EVERY = [*AFFINE, counts, prophet, "auto"]
CHEAP = 0.012  # CPU seconds: no Prophet, and smoothing of short histories alone

each = pytest.mark.parametrize("model", EVERY, ids=lambda one: getattr(one, "__name__", one))
each_affine = pytest.mark.parametrize("model", [*AFFINE, "auto"], ids=lambda one: getattr(one, "__name__", one))


def frame(rows):
    """Series by name; all start together."""
    return pd.concat(
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2026-01-05", periods=len(y), freq="h", tz="UTC"), "y": y})
        for name, y in rows.items()
    ).astype({"unique_id": "category"})


def ahead(data, *, model="auto", horizon=12, **options):
    budget = {"budget_seconds": CHEAP} | options
    return forecast(data, horizon=horizon, season_lengths=(24,), model=model, **budget)


def numbers(result):
    return result.frame.iloc[:, 2:].to_numpy()


@st.composite
def histories(draw, *, whole=None, gaps=True):
    """A history of few days: a season, a walk, noise or counts; with gaps, a new level, an incident."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(120, 180))
    t = np.arange(n)
    day = np.sin(2 * np.pi * t / 24)
    kind = draw(st.sampled_from(["few", "many"] if whole else ["season", "walk", "noise"]))
    y = {
        "season": lambda: 50 + 10 * day + rng.normal(size=n),
        "walk": lambda: rng.normal(size=n).cumsum(),
        "noise": lambda: rng.normal(size=n) * np.exp(rng.normal(size=n)),
        "few": lambda: rng.poisson(0.4 * (1 + day)).astype(float),
        "many": lambda: rng.poisson(30 + 10 * day).astype(float),
    }[kind]()
    if draw(st.booleans()):
        y[n // 2 :] += 20
    if draw(st.booleans()):
        y[n // 3 : n // 3 + 3] += 500
    if gaps and draw(st.booleans()):
        y[rng.random(n) < draw(st.sampled_from([0.02, 0.3]))] = np.nan
    if gaps and draw(st.booleans()):
        y[n - draw(st.integers(1, 30)) :] = np.nan
    return y


def few(model, many=6):
    """As many examples as the model is fast."""
    return settings(max_examples=min(many, {prophet: 3, damped_trend: 4, "auto": 6}.get(model, many)), deadline=None)


@each
def test_quantiles_are_finite_rise_and_keep_the_bounds(model):
    @few(model)
    @given(y=histories(whole=model is counts), horizon=st.integers(1, 24))
    def law(y, horizon):
        y = np.abs(y)
        top = float(np.nanmax(y))
        q = numbers(ahead(frame({"a": y}), model=model, horizon=horizon, lower=0.0, upper=top))
        assert q.shape == (horizon, 12)
        assert np.isfinite(q).all()
        assert (np.diff(q[:, 1:], axis=1) >= 0).all()
        assert q.min() >= 0
        assert q.max() <= top
        assert np.array_equal(q[:, 0], q[:, 6])  # yhat is the median

    law()


@each
def test_the_tournament_leaves_no_hole_in_counts_with_gaps(model):
    @few(model, many=6)
    @given(y=histories(whole=True))
    def law(y):
        q = numbers(ahead(frame({"a": y}), model=model, lower=0.0))
        assert np.isfinite(q).all()
        assert q.min() >= 0

    law()


@each_affine
def test_another_unit_is_another_unit_of_the_forecast(model):
    @few(model)
    @given(y=histories(), factor=st.sampled_from([2.0**-20, 2.0**40]))
    def law(y, factor):
        plain, scaled = (ahead(frame({"a": k * y}), model=model) for k in (1.0, factor))
        assert scaled.model["a"] == plain.model["a"]
        np.testing.assert_array_equal(numbers(scaled), factor * numbers(plain))  # powers of two lose no digit

    law()


@each_affine
def test_a_constant_more_is_that_much_more_ahead(model):
    @few(model)
    @given(y=histories(), shift=st.sampled_from([-64.0, 1024.0]))
    def law(y, shift):
        plain, shifted = (numbers(ahead(frame({"a": y + c}), model=model)) for c in (0.0, shift))
        np.testing.assert_allclose(shifted, plain + shift, atol=1e-3 * np.nanstd(y))  # optimisers stop at a tolerance

    law()


@each
def test_neighbours_and_their_order_change_nothing(model):
    @settings(max_examples=2, deadline=None)
    @given(
        rows=st.lists(histories(whole=model is counts), min_size=3, max_size=3),
        order=st.permutations(["a", "b", "c"]),
    )
    def law(rows, order):
        named = dict(zip("abc", rows, strict=True))
        whole = ahead(frame(named), model=model)
        other = ahead(frame({name: named[name] for name in order}), model=model)
        alone = ahead(frame({"b": named["b"]}), model=model)
        for name in "abc":
            pick, same = (one.frame[one.frame["unique_id"] == name].iloc[:, 1:] for one in (whole, other))
            assert pick.to_numpy().tolist() == same.to_numpy().tolist()
            assert whole.reason[name] == other.reason[name]
        assert np.array_equal(whole.frame.loc[whole.frame["unique_id"] == "b"].iloc[:, 2:].to_numpy(), numbers(alone))
        assert np.array_equal(whole.paths_of("b", 5), alone.paths_of("b", 5))

    law()


@each
def test_the_same_question_has_the_same_bytes(model):
    rng = np.random.default_rng(5)
    y = rng.poisson(5.0, size=200).astype(float) if model is counts else rng.normal(size=200)
    one, two = (ahead(frame({"a": y}), model=model, seed=7, budget_seconds=9.0) for _ in range(2))
    assert numbers(one).tobytes() == numbers(two).tobytes()
    assert one.reason["a"] == two.reason["a"]
    assert one.paths(5, seed=1).tobytes() == two.paths(5, seed=1).tobytes()


@pytest.mark.parametrize("model", [one for one in EVERY if one != "auto"], ids=lambda one: one.__name__)
def test_a_past_moment_is_forecast_from_what_was_known_then(model):
    @few(model, many=4)
    @given(y=histories(whole=model is counts, gaps=False))
    def law(y):
        data = frame({"a": y})
        table = backtest(data, horizon=12, season_lengths=(24,), models=(model,), cutoffs=2).frame
        assert len(table) == 2
        for row in table.itertuples():
            n = int((data["ds"] <= row.cutoff).sum())
            then = ahead(data.iloc[:n], model=model)
            want = mase(y[n : n + 12], then.frame["yhat"].to_numpy(), y[:n], season_length=24)
            np.testing.assert_allclose(row.mase, want, rtol=1e-9)

    law()


def test_what_came_later_does_not_change_how_a_past_moment_is_scored():
    @settings(max_examples=4, deadline=None)
    @given(y=histories(gaps=False), later=st.floats(-1e3, 1e3))
    def law(y, later):
        changed = y.copy()
        changed[-12:] += later
        one, two = (ahead(frame({"a": row}), horizon=12).scores for row in (y, changed))
        last = one["cutoff"].max()
        one, two = (
            table[(table["cutoff"] < last) & (table["model"] != "combination")].reset_index(drop=True)
            for table in (one, two)
        )
        known = one.merge(two, on=["model", "cutoff"], suffixes=("", "_two"))
        assert len(known) >= 4
        np.testing.assert_array_equal(known["pinball"], known["pinball_two"])

    law()


def test_the_trials_of_the_tournament_are_those_of_a_backtest():
    y = 50 + 10 * np.sin(2 * np.pi * np.arange(240) / 24) + np.random.default_rng(0).normal(size=240)
    ours = ahead(frame({"a": y}), budget_seconds=0.5).scores
    models = (seasonal_naive, usual_season, drift, ets, damped_trend, theta, structural)
    theirs = backtest(frame({"a": y}), horizon=12, season_lengths=(24,), models=models).frame.drop(columns="seconds")
    assert set(ours["model"]) == {*theirs["model"], "combination"}
    mine = ours[ours["model"] != "combination"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def test_a_seed_moves_only_what_is_drawn():
    y = np.random.default_rng(6).normal(size=150).cumsum()
    for model, differs in ((structural, False), (prophet, True)):
        one, two = (numbers(ahead(frame({"a": y}), model=model, seed=seed)) for seed in (1, 2))
        assert (one.tobytes() != two.tobytes()) == differs


def test_eight_in_ten_fall_into_the_80_percent_band_of_the_tournament():
    rng = np.random.default_rng(7)
    t = np.arange(360)
    rows = {}
    for i in range(24):
        noise = rng.normal(size=360)
        if i % 2:
            for k in range(1, 360):
                noise[k] += 0.8 * noise[k - 1]
        rows[f"s{i}"] = 50 + 10 * np.sin(2 * np.pi * (t + i) / 24) + noise
    got = ahead(frame({name: y[:336] for name, y in rows.items()}), horizon=24)
    came = np.concatenate([y[336:] for y in rows.values()])
    inside = (came >= got.frame["q0.1"]) & (came <= got.frame["q0.9"])
    assert 0.73 < inside.mean() < 0.89


def test_options_bound_to_a_model_reach_it():
    y = np.random.default_rng(8).normal(size=150).cumsum()
    bound = ahead(frame({"a": y}), model=partial(structural, changepoints=False))
    np.testing.assert_array_equal(numbers(bound), numbers(ahead(frame({"a": y}), model=straight_line)))
