"""Thresholds from an alert budget: their twin, their past, storms, the step-up, and what the budget comes to."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle
from tests.unusual import SEASONS, WEEK, frame, gauges, named
from tutordex_analysis.model.anomaly import detect
from tutordex_analysis.model.budget import Grid, grid, thresholds
from tutordex_analysis.model.policy import Policy

HOUR = pd.Timedelta("1h")


def where(score, per_week):
    n_series, n = score.shape
    return Grid(step=np.tile(np.arange(n), n_series), series=np.repeat(np.arange(n_series), n), per_week=per_week)


def levels(score, *, per_week, k):
    got = thresholds(score.reshape(-1), where(score, per_week), alerts_per_week=k)
    return got.reshape(score.shape)


@st.composite
def scores(draw, *, per_week=20):
    """Scores of few series over some weeks: mostly calm, some peaks, a storm, an infinite one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_series, weeks = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    found = rng.random((n_series, weeks * per_week - draw(st.integers(0, per_week - 1))))
    found += (rng.random(found.shape) < draw(st.sampled_from([0.0, 0.03, 0.2]))) * rng.exponential(2, found.shape)
    if draw(st.booleans()):
        found[:, found.shape[1] // 2] += 1 + rng.random(n_series)
    if draw(st.booleans()):
        found[0, -1] = np.inf
    return found


@settings(max_examples=12, deadline=None)
@given(score=scores(), k=st.sampled_from([0.3, 2.0, 10.0]))
def test_thresholds_are_those_of_the_slow_loop(score, k):
    want = oracle.thresholds(score, per_week=20, alerts_per_week=k)
    np.testing.assert_allclose(levels(score, per_week=20, k=k), want, rtol=1e-12)


@settings(max_examples=12, deadline=None)
@given(score=scores(), data=st.data())
def test_what_comes_later_changes_no_threshold(score, data):
    cut = data.draw(st.integers(1, score.shape[1]))
    whole, then = (levels(one, per_week=20, k=1) for one in (score, score[:, :cut]))
    np.testing.assert_array_equal(then, whole[:, :cut])


@settings(max_examples=12, deadline=None)
@given(score=scores(), week=st.integers(0, 6), seed=st.integers(0, 1000))
def test_the_budget_of_a_week_follows_from_the_weeks_before(score, week, seed):
    """The level for one series alone; in a step of several the others of that step have a say as well."""
    changed = score.copy()
    part = changed[:, week * 20 : (week + 1) * 20]
    part[:] = np.random.default_rng(seed).exponential(1, part.shape)
    one, two = (levels(s, per_week=20, k=1)[:, week * 20 : (week + 1) * 20] for s in (score, changed))
    assert one.size == 0 or one.max() == two.max() or len(score) > 2


def test_a_peak_over_the_end_of_a_week_counts_in_each_with_what_that_week_saw():
    score = np.full((3, 7 * 20), 0.5)
    score[1, 59:62] = [1.5, 4.0, 5.0]
    got = levels(score, per_week=20, k=0.1)
    before = score.copy()
    before[1, 60:62] = 0.5
    assert (got[:, 60:80] == levels(before, per_week=20, k=0.1)[:, 60:80]).all()
    assert got[0, 80] > got[0, 79]


def test_a_larger_budget_has_no_higher_threshold():
    score = np.random.default_rng(3).exponential(0.5, (6, 6 * 168))
    got = [levels(score, per_week=168, k=k)[0, -1] for k in (0.25, 4, 64)]
    assert got == sorted(got, reverse=True)
    assert got[0] > got[-1]


def test_past_peaks_reach_the_threshold_as_often_as_the_budget_allows():
    """Twelve weeks of one lone peak a day, heights 1 to 8: with k = 2 a week the level is that of 20 in ten weeks."""
    score = np.full((1, 13 * 168), 0.1)
    heights = np.random.default_rng(0).permutation(np.linspace(1, 8, 84))
    score[0, np.arange(84) * 24 + 12] = heights
    level = levels(score, per_week=168, k=2)[0, -1]
    counted = heights[14:]  # the two first weeks are still setting records
    assert (counted > level).sum() == 20


def alone(n_series, peaks):
    """Calm scores of many weeks with peaks (series, step, height), and the threshold of the newest row."""
    score = np.full((n_series, 10 * 168), 0.1)
    for one, at, height in peaks:
        score[one, at] = height
    return levels(score, per_week=168, k=1)[0, -1]


def test_a_storm_of_thirty_series_counts_once():
    base = [(0, 24 * day, 1.5) for day in range(20, 26)]
    storm = [(one, 1000, 3.0) for one in range(30)]
    lone = [(one, 600 + 30 * one, 3.0) for one in range(30)]
    assert alone(30, base + storm) == alone(30, [*base, (0, 1000, 3.0)])
    assert alone(30, base + lone) > 2.9


def test_three_peaks_at_once_are_no_storm():
    assert alone(30, [(one, 400 + 168 * week, 3.0) for one in range(3) for week in range(7)]) > 2.9


def test_a_bad_week_does_not_hide_what_comes_after_it():
    """Two peaks a week, the lower at 1.2, then a week of thirty: it counts as no more than 2.5."""
    usual = [(0, 400 + 84 * one, 1.5 if one % 2 else 1.2) for one in range(14)]
    bad = [(one, 1200 + 5 * one, 3.0) for one in range(1, 30)]
    assert alone(30, usual) == pytest.approx(1.2, rel=0.02)
    assert alone(30, usual + bad) < 1.55


def newest(n_over, height):
    """Whether the newest step's `n_over` series of one height fire, in 40 series; the single threshold is about 2."""
    score = np.full((40, 10 * 168), 0.1)
    rng = np.random.default_rng(1)
    at = 336 + 24 * np.arange(54)
    score[rng.integers(0, 40, 54), at] = rng.permutation(np.linspace(1.05, 2.1, 54))
    score[:n_over, -1] = height
    got = levels(score, per_week=168, k=1)
    return (score[:, -1] > got[:, -1]).nonzero()[0].tolist(), got[0, -2]


def test_ten_series_just_under_the_single_threshold_fire_together_and_two_do_not():
    single = newest(0, 0.1)[1]
    assert 1.8 < single < 2.1
    assert newest(2, 0.98 * single)[0] == []
    assert newest(10, 0.98 * single)[0] == list(range(10))
    assert newest(1, 1.02 * single)[0] == [0]


def test_no_step_up_goes_below_the_edge_of_the_band():
    assert newest(40, 0.99)[0] == []


def test_the_grid_counts_steps_of_the_table_and_knows_steps_of_a_week_and_more():
    table = frame({"b": np.zeros(3), "a": np.zeros(3)}, start={"b": "2026-01-05 02:00", "a": "2026-01-05"})
    got = grid(table, HOUR)
    assert got.step.tolist() == [2, 3, 4, 0, 1, 2]
    assert got.series.tolist() == [0, 0, 0, 1, 1, 1]
    assert got.per_week == 168
    for freq in ("7D", "30D"):
        y = np.random.default_rng(0).normal(size=(2, 50))
        found = detect(frame(named(y), freq=freq), season_lengths=(4,), policy=Policy(alerts_per_week=0.01))
        assert found.threshold > 0
        assert grid(found.frame, pd.Timedelta(freq)).per_week == 1


def test_nothing_at_all_has_no_threshold():
    nothing = np.empty(0)
    none = np.empty(0, dtype=np.int64)
    assert thresholds(nothing, Grid(step=none, series=none, per_week=168), alerts_per_week=1).shape == (0,)


def test_the_alerts_of_clean_series_are_about_as_many_as_the_budget_allows():
    """60 series, 8 weeks and 2 more that are scored; a seed has few alerts, so the mean is asked for."""
    k, realised = 2, []
    for seed in range(4):
        y = gauges(60, 10 * WEEK, seed=seed)
        got = detect(frame(named(y)), season_lengths=SEASONS, policy=Policy(alerts_per_week=k))
        scored = got.incidents["start"] >= pd.Timestamp("2026-01-05", tz="UTC") + 8 * 168 * HOUR
        realised.append(scored.sum() / 2)
    assert 0.5 * k < np.mean(realised) < 2 * k
    assert max(realised) <= 3 * k
