import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel

from tests import oracle
from tutordex_analysis.model.decomposition import damped_trend, ets, filled, theta

LEVELS = (0.1, 0.5, 0.9)
Z = float(ndtri(0.9))
ALL = [ets, damped_trend, theta]


def ahead(y, horizon, seasons=(), model=ets):
    y = np.atleast_2d(y)
    ds = pd.date_range("2026-01-01", periods=y.shape[1], freq="h", tz="UTC")
    return model(y, ds=ds, horizon=horizon, season_lengths=seasons, quantiles=LEVELS)


def local_level(n, alpha, size=(), seed=0):
    """ETS(A,N,N) as it is defined: an error, of which a share stays."""
    errors = np.random.default_rng(seed).normal(size=(*size, n))
    return np.concatenate([np.zeros((*size, 1)), alpha * errors.cumsum(axis=-1)[..., :-1]], axis=-1) + errors


def trended(n, seed=0):
    """ETS(A,Ad,N) with alpha 0.5, beta 0.2, phi 0.9."""
    level, slope, y = 0.0, 0.5, []
    for error in np.random.default_rng(seed).normal(size=n):
        y.append(level + 0.9 * slope + error)
        level, slope = level + 0.9 * slope + 0.5 * error, 0.9 * slope + 0.2 * error
    return np.array(y)


@pytest.mark.parametrize(
    ("model", "y", "options"),
    [(ets, local_level(200, 0.4), {}), (damped_trend, trended(200), {"trend": "add", "damped_trend": True})],
)
def test_the_variance_ahead_matches_statsmodels(model, y, options):
    centre, size = np.median(y), np.std(y)  # fitted to numbers of size one, or the optimiser stops elsewhere
    fit = ETSModel(pd.Series((y - centre) / size), error="add", **options).fit(disp=0)
    exact = fit.get_prediction(start=200, end=229)
    q = ahead(y, 30, model=model)[0]
    np.testing.assert_allclose(q[:, 1], centre + size * exact.predicted_mean, rtol=1e-6)
    np.testing.assert_allclose((q[:, 2] - q[:, 1]) / Z, size * np.sqrt(exact.forecast_variance), rtol=1e-6)


def test_the_variance_ahead_matches_simulated_futures():
    y = trended(300, seed=2)
    fit = ETSModel(pd.Series(y), error="add", trend="add", damped_trend=True).fit(disp=0)
    rng = np.random.default_rng(0)
    futures = fit.simulate(
        12, anchor="end", repetitions=20000, random_errors=rng.normal(size=(12, 20000)) * fit.mse**0.5
    )
    q = ahead(y, 12, model=damped_trend)[0]
    np.testing.assert_allclose((q[:, 2] - q[:, 1]) / Z, futures.to_numpy().std(axis=1), rtol=0.03)


def test_theta_is_simple_smoothing_and_half_the_slope_matches_hyndman_and_billah():
    y = 3.0 + 0.2 * np.arange(150) + local_level(150, 0.3, seed=1)
    centre, size = np.median(y), np.std(y)
    alpha = ThetaModel((y - centre) / size, period=1, deseasonalize=False).fit(use_mle=False).params["alpha"]
    slope = np.polyfit(np.arange(150), y, 1)[0]
    level = oracle.simple_smoothing(y, alpha)
    shown = (1 - (1 - alpha) ** 150) / alpha
    want = [level[-1] + slope / 2 * (k - 1 + shown) for k in range(1, 21)]
    errors = [value - before for value, before in zip(y[1:], level, strict=False)]
    sd = [np.sqrt(np.mean(np.square(errors)) * (1 + (k - 1) * alpha**2)) for k in range(1, 21)]
    q = ahead(y, 20, model=theta)[0]
    np.testing.assert_allclose(q[:, 1], want, rtol=1e-3)
    np.testing.assert_allclose((q[:, 2] - q[:, 1]) / Z, sd, rtol=1e-6)


@pytest.mark.parametrize("model", ALL)
def test_a_season_without_noise_goes_on(model):
    t = np.arange(24 * 28)
    season = 10 * np.sin(2 * np.pi * t / 24) + 3 * (t % 168 > 120)
    got = ahead(50 + season, 168, (24, 168), model)[0, :, 1]
    np.testing.assert_allclose(got, 50 + season[:168], atol=0.5)
    assert np.corrcoef(got, season[:168])[0, 1] > 0.95


@pytest.mark.parametrize("model", ALL)
def test_a_planted_season_is_put_back_in_phase(model):
    t = np.arange(24 * 20 + 36)
    truth = 50 + 10 * np.sin(2 * np.pi * t / 24)
    y = truth + np.random.default_rng(3).normal(size=(3, len(t)))
    got = ahead(y[:, :-36], 36, (24,), model)[..., 1]
    assert np.abs(got - truth[-36:]).mean() < 0.7


def test_eight_in_ten_fall_into_the_80_percent_band():
    y = local_level(330, 0.3, size=(20,), seed=5)
    q = ahead(y[:, :300], 30)
    assert 0.73 < ((y[:, 300:] >= q[..., 0]) & (y[:, 300:] <= q[..., 2])).mean() < 0.87


def test_the_trend_is_damped():
    q = ahead(trended(300, seed=1) + 0.5 * np.maximum(np.arange(300) - 280, 0), 200, model=damped_trend)[0, :, 1]
    steps = np.abs(np.diff(q))
    assert steps[0] > 0.1
    assert steps[-1] < 0.1 * steps[0]


def test_gaps_take_the_season_before_then_the_one_after_then_a_line():
    y = np.array([1.0, 2, 3, 4, 5, np.nan, 7, 8, 9, 10, 11, 12])
    assert filled(y, season_lengths=(4,))[5] == 2.0
    assert filled(y, season_lengths=(4, 2))[5] == 2.0
    assert filled(y, season_lengths=())[5] == 6.0
    first = np.array([np.nan, 2.0, 3, 4, 5, 6])
    assert filled(first, season_lengths=(4,))[0] == 5.0
    assert filled(first, season_lengths=())[0] == 2.0
    assert filled(np.array([np.nan, 3.0, np.nan, np.nan]), season_lengths=(2,)).tolist() == [3.0] * 4


@pytest.mark.parametrize("model", ALL)
def test_gaps_hardly_matter(model):
    t = np.arange(24 * 20)
    y = 50 + 10 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(6).normal(size=len(t))
    holed = y.copy()
    holed[200:230] = holed[7::40] = np.nan
    plain, other = ahead(np.stack([y, holed]), 24, (24,), model)
    assert np.isfinite(other).all()
    assert np.abs(plain[:, 1] - other[:, 1]).max() < 2.5


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(
    "y",
    [
        [5.0] * 100,
        [np.nan] * 90 + [1.0, 2.0, 3.0, 4.0],
        [0.1 + 0.2, 0.3] * 50,
        [1e-300, 3e-300] * 50,
        [0.0] * 99 + [1.0],
    ],
)
def test_nearly_nothing_to_smooth_is_finite(model, y):
    q = ahead(np.array(y), 12, (24,), model)
    assert np.isfinite(q).all()
    assert (np.diff(q, axis=2) >= 0).all()


@pytest.mark.parametrize("model", ALL)
def test_the_other_rows_change_nothing(model):
    y = np.random.default_rng(8).normal(size=(3, 120)).cumsum(axis=1)
    y[1, 30:40] = np.nan
    whole = ahead(y, 6, (24,), model)
    assert np.array_equal(whole[::-1], ahead(y[::-1], 6, (24,), model))
    assert np.array_equal(whole[1:2], ahead(y[1], 6, (24,), model))
