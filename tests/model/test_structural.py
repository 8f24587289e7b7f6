import numpy as np
import pandas as pd
import pytest

from tests import oracle
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model import structural as room
from tutordex_analysis.model.noise import Noise
from tutordex_analysis.model.prior import NONE, Prior
from tutordex_analysis.model.pseudo import bridge
from tutordex_analysis.model.setting import Table
from tutordex_analysis.model.structural import straight_line, structural

LEVELS = (0.1, 0.5, 0.9)


def fit(y, horizon, seasons=(24,), model=structural, freq="h", **options):
    y = np.atleast_2d(y)
    ds = pd.date_range("2026-01-01", periods=y.shape[1], freq=freq, tz="UTC")
    return model(y, ds=ds, horizon=horizon, season_lengths=seasons, quantiles=LEVELS, **options)


@pytest.mark.parametrize("noise", [Noise(0.0), Noise(0.7), Noise(0.7, 0.6, 5), Noise(0.0, 0.9, 7)])
class TestNoise:
    def test_expected_equals_the_recursion(self, noise):
        past = np.random.default_rng(0).normal(size=(20, 2))
        got = noise.expected(past, 17)
        for column in (0, 1):
            want = oracle.noise_expected(past[:, column], noise.memory, noise.echo, noise.lag, 17)
            np.testing.assert_allclose(got[:, column], want, atol=1e-12)

    def test_response_is_what_one_innovation_leaves(self, noise):
        past = np.zeros((20, 1))
        past[-1] = 1.0
        np.testing.assert_allclose(noise.response(15)[1:], noise.expected(past, 14)[:, 0], atol=1e-12)

    def test_whitening_and_its_transpose_are_one_matrix(self, noise):
        matrix = noise.whiten(np.eye(12))
        np.testing.assert_allclose(noise.whiten_transposed(np.eye(12)), matrix.T, atol=1e-12)
        assert np.linalg.slogdet(matrix)[1] == pytest.approx(noise.log_density)


def test_a_gap_gets_its_conditional_expectation():
    phi, n = 0.8, 9
    covariance = phi ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    errors, there = np.random.default_rng(0).normal(size=n), np.array([1, 1, 0, 0, 1, 0, 1, 0, 0], dtype=bool)
    want = covariance[:, there] @ np.linalg.solve(covariance[np.ix_(there, there)], errors[there])
    got = bridge(np.where(there, errors, np.nan)[None], there[None], memory=np.array([phi]))
    np.testing.assert_allclose(got[0], want, atol=1e-9)


def test_the_solve_equals_a_dense_regression():
    noise, prior = Noise(0.7, 0.6, 24), Prior(slope=30.0, knot=1.0, season=1.0, year=NONE, holiday=NONE)
    basis = bases.make(100, 10, season_lengths=(24,), holidays=None, changepoints=True)
    y = np.random.default_rng(0).normal(size=(2, 100))
    table = Table(basis=basis, noises=[noise], priors=[prior])
    found = room._search(y, np.array([100.0, 100.0]), table, tried=np.ones((2, 1), dtype=bool))
    sizes = {"level": 100.0, "slope": 30.0, "knot": 1.0, "season": 1.0, "cross": 0.3}
    size = np.array([sizes[str(one)] for one in basis.family]) * basis.size * noise.spread
    for row, got in zip(y, found.coefficients, strict=True):
        want, _ = oracle.regression(row, basis.history, size**-2, noise.whiten(np.eye(100)))
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_planted_season_and_trend_are_recovered():
    t = np.arange(24 * 28 + 48)
    truth = 100 + 0.05 * t + 8 * np.sin(2 * np.pi * t / 24) + 3 * np.cos(4 * np.pi * t / 24)
    y = truth + np.random.default_rng(1).normal(size=(5, len(t)))
    q = fit(y[:, :-48], 48)
    assert np.abs(q[:, :, 1] - truth[-48:]).mean() < 0.5


def test_a_steady_growth_goes_on_for_ninety_days():
    t = np.arange(120 + 90)
    truth = 200 + 3.0 * t
    y = truth + np.random.default_rng(2).normal(size=(20, len(t))) * 4
    q = fit(y[:, :120], 90, seasons=(7,), freq="D")
    assert np.abs(q[:, -1, 1] / truth[-1] - 1).max() < 0.05
    assert np.mean((truth[-1] > q[:, -1, 0]) & (truth[-1] < q[:, -1, 2])) > 0.6


def test_last_weeks_climb_does_not_go_on_for_ever():
    t = np.arange(120)
    y = 100 + np.maximum(t - 110, 0) * 5.0 + np.random.default_rng(2).normal(size=120)
    end = fit(y, 90, seasons=(7,), freq="D")[0, -1]
    assert end[1] < 145 + 0.5 * 90 * 5
    assert end[2] > 145


def test_a_forecast_starts_at_the_present_level():
    rng = np.random.default_rng(3)
    e = np.zeros(500)
    for i in range(1, 500):
        e[i] = 0.95 * e[i - 1] + rng.normal()
    y = 50 + e
    y[-1] = 60.0
    q = fit(y, 200)[0, :, 1]
    assert abs(q[0] - 60) < 2.5
    assert abs(q[-1] - y.mean()) < abs(q[0] - y.mean())


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_eight_in_ten_fall_into_the_80_percent_band(memory):
    rng = np.random.default_rng(4)
    y = rng.normal(size=(128, 600))
    for i in range(1, 600):
        y[:, i] += memory * y[:, i - 1]
    y += 5 * np.sin(2 * np.pi * np.arange(600) / 24)
    q = fit(y[:, :552], 48)
    inside = (y[:, 552:] >= q[:, :, 0]) & (y[:, 552:] <= q[:, :, 2])
    assert 0.75 < inside.mean() < 0.85
    assert 0.7 < inside[:, -12:].mean() < 0.88


def test_slopes_that_keep_changing_widen_the_band():
    rng = np.random.default_rng(8)
    slopes = np.repeat(rng.normal(size=(64, 25)), 20, axis=1)
    y = slopes.cumsum(axis=1) + rng.normal(size=slopes.shape)
    q = fit(y[:, :400], 100, seasons=())
    inside = (y[:, 400:] >= q[:, :, 0]) & (y[:, 400:] <= q[:, :, 2])
    assert 0.7 < inside.mean() < 0.92


@pytest.mark.parametrize(("n", "horizon"), [(100, 70), (7, 40), (333, 12)])
def test_slopes_to_come_equal_the_loop(n, horizon):
    basis = bases.make(n, horizon, season_lengths=(), holidays=None, changepoints=True)
    np.testing.assert_allclose(basis.to_come, oracle.slopes_to_come(n, horizon), atol=1e-9)


def test_a_horizon_of_many_histories_needs_no_more_memory_than_its_columns():
    q = fit(np.random.default_rng(0).normal(size=12), 40_000, seasons=())
    assert np.isfinite(q).all()


def test_bands_never_narrow_on_a_trend():
    y = np.random.default_rng(0).normal(size=(3, 200)).cumsum(axis=1)
    width = np.ptp(fit(y, 60, seasons=()), axis=2)
    assert np.all(np.diff(width, axis=1) > -1e-9)


def test_gaps_and_outliers_hardly_matter():
    t = np.arange(24 * 28)
    y = 100 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(5).normal(size=len(t))
    hurt = y.copy()
    hurt[200:230] = np.nan
    hurt[[50, 300, 301, 410]] += 500
    plain, other = fit(np.stack([y, hurt]), 24)
    assert np.abs(plain[:, 1] - other[:, 1]).max() < 1.5
    assert np.ptp(other, axis=1).mean() < 1.5 * np.ptp(plain, axis=1).mean()


def test_trailing_gaps_know_less():
    y = np.random.default_rng(0).normal(size=300).cumsum()
    y[-20:] = np.nan
    late, fresh = np.ptp(fit(y, 1)[0, 0]), np.ptp(fit(y[:-20], 1)[0, 0])
    assert late > 1.4 * fresh


def test_neighbours_do_not_change_a_bit():
    y = np.random.default_rng(7).normal(size=(70, 200)) + np.sin(np.arange(200) / 4)
    y[3, 10:20] = np.nan
    whole = fit(y, 12)
    assert np.array_equal(whole[5:6], fit(y[5:6], 12))
    assert np.array_equal(whole[::-1], fit(y[::-1], 12))


def test_a_holiday_lowers_the_day_it_falls_on():
    days = pd.date_range("2022-01-01", "2026-01-20", freq="D", tz="UTC")
    import holidays

    off = np.array([day.date() in holidays.country_holidays("SG", years=range(2022, 2027)) for day in days])
    y = 100 - 40 * off + np.random.default_rng(0).normal(size=len(days)) * 2
    cut = int(np.flatnonzero(days == pd.Timestamp("2025-12-20", tz="UTC"))[0])
    ds = days[:cut] + pd.Timedelta(days=1)
    q = structural(y[None, :cut], ds=ds, horizon=31, season_lengths=(7,), quantiles=LEVELS, calendar="SG")
    assert q[0, off[cut : cut + 31], 1].max() < 75
    assert q[0, ~off[cut : cut + 31], 1].min() > 90


def yearly(days, seed=0):
    t = np.arange(days)
    return t, 200 + 30 * np.cos(2 * np.pi * t / 365.25) + np.random.default_rng(seed).normal(size=days) * 3


def test_two_years_teach_the_year():
    t, y = yearly(365 * 2 + 10)
    q = fit(y, 182, seasons=(7,), freq="D")[0]
    truth = 200 + 30 * np.cos(2 * np.pi * np.arange(len(t), len(t) + 182) / 365.25)
    assert np.abs(q[:, 1] - truth).mean() < 4
    assert q[:, 1].min() < 180  # half a year on it is low


@pytest.mark.parametrize(("n", "columns"), [(730, 0), (731, 16)])
def test_the_year_has_columns_from_two_years_on(n, columns):
    basis = bases.make(n, 30, season_lengths=(7,), holidays=None, changepoints=True, year=365.25)
    assert (basis.family == "year").sum() == columns
    one = np.flatnonzero(basis.family == "year")[:2]
    if columns:
        t = np.arange(n + 30)
        np.testing.assert_allclose(basis.x[:, one].T, [f(2 * np.pi * t / 365.25) for f in (np.cos, np.sin)], atol=1e-9)


def test_a_year_that_is_not_there_costs_nothing():
    y = 200 + np.random.default_rng(1).normal(size=(30, 800))
    got = fit(y[:, :770], 30, seasons=(7,), freq="D")
    assert np.abs(got[..., 1] - 200).max() < 0.6
    assert 0.74 < ((y[:, 770:] >= got[..., 0]) & (y[:, 770:] <= got[..., 2])).mean() < 0.86


def test_holidays_that_do_nothing_are_left_out():
    y = 100 + np.random.default_rng(2).normal(size=(8, 400)) * 5
    plain, with_calendar = (fit(y, 60, seasons=(7,), freq="D", calendar=one)[..., 1] for one in (None, "SG"))
    assert np.median(np.abs(plain - with_calendar).max(axis=1)) < 1.5


def test_a_break_lowers_the_days_it_names():
    days = pd.date_range("2026-01-01", periods=130, freq="D")
    breaks = (("2026-01-20", "2026-01-26"), ("2026-03-14", "2026-03-22"), ("2026-05-02", "2026-05-04"))
    off = np.zeros(len(days), dtype=bool)
    for first, last in breaks:
        off |= (days >= first) & (days <= last)
    y = 100 - 40 * off + np.random.default_rng(0).normal(size=len(days)) * 2
    # a value at midnight stands for the day that ends there
    ds = pd.DatetimeIndex(days[:120] + pd.Timedelta(days=1)).tz_localize("UTC")
    q = structural(y[None, :120], ds=ds, horizon=10, season_lengths=(7,), quantiles=LEVELS, breaks=breaks)[0, :, 1]
    assert q[off[120:]].max() < 70
    assert q[~off[120:]].min() > 90


def test_constant_series_stay_constant():
    assert np.all(fit(np.full(100, 3.0), 5) == 3.0)


def test_a_straight_line_is_the_model_without_changepoints():
    y = np.random.default_rng(0).normal(size=(2, 120)).cumsum(axis=1)
    assert np.array_equal(fit(y, 9, model=straight_line), fit(y, 9, changepoints=False))


@pytest.mark.parametrize("hours", [6, 24])
@pytest.mark.parametrize("weekday", [0, 2, 3, 5])
def test_a_gap_does_not_widen_the_band_of_a_disk_that_fills_and_is_cleaned_every_week(hours, weekday):
    t = np.arange(6 * 7 * 24)
    rng = np.random.default_rng(2)
    y = 0.6 + 0.0035 * t / 24 - 0.006 * (t // (7 * 24)) + 0.0002 * rng.normal(size=len(t))
    gap = y.copy()
    start = (4 * 7 + weekday) * 24 + 30
    gap[start : start + hours] = np.nan
    whole, without = (fit(one, 7 * 24, (24, 7 * 24))[0] for one in (y, gap))
    widths = [(one[:, 2] - one[:, 0]).mean() for one in (whole, without)]
    assert widths[1] < 1.3 * widths[0]
    assert np.abs(without[:, 1] - whole[:, 1]).max() < 0.002
