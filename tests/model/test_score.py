import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import oracle
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.model import score

values = arrays(np.float64, 12, elements=st.floats(-1e3, 1e3))


@pytest.fixture
def sample():
    rng = np.random.default_rng(3)
    y, history = rng.normal(size=20), rng.normal(size=60)
    y[[2, 7]] = history[[5, 6, 30]] = 0.0
    y[4] = history[11] = np.nan
    yhat = rng.normal(size=20)
    yhat[2] = 0.0
    q = np.sort(rng.normal(size=(20, 3)), axis=1)
    return y, yhat, history, q


def test_scores_equal_their_twins(sample):
    y, yhat, history, q = sample
    assert score.mase(y, yhat, history, season_length=7) == pytest.approx(oracle.mase(y, yhat, history, 7))
    assert score.smape(y, yhat) == pytest.approx(oracle.smape(y, yhat))
    assert score.pinball(y, q, quantiles=(0.1, 0.5, 0.9)) == pytest.approx(oracle.pinball(y, q, (0.1, 0.5, 0.9)))
    assert score.coverage(y, q[:, 0], q[:, 2]) == pytest.approx(oracle.coverage(y, q[:, 0], q[:, 2]))
    assert score.bias(y, yhat) == pytest.approx(oracle.bias(y, yhat))


def test_many_series_at_once_equal_one_at_a_time(sample):
    y, yhat, history, _ = sample
    both = score.mase(np.stack([y, -y]), np.stack([yhat, yhat]), np.stack([history, history]), season_length=7)
    assert both.tolist() == [score.mase(one, yhat, history, season_length=7) for one in (y, -y)]


@given(y=values, yhat=values, history=values, factor=st.floats(0.01, 100))
def test_mase_ignores_the_unit(y, yhat, history, factor):
    plain = score.mase(y, yhat, history, season_length=3)
    scaled = score.mase(factor * y, factor * yhat, factor * history, season_length=3)
    assert scaled == pytest.approx(plain, rel=1e-6, nan_ok=True)


@given(y=values, yhat=values)
def test_pinball_of_the_median_is_half_the_absolute_error(y, yhat):
    loss = score.pinball(y, yhat[:, None], quantiles=(0.5,))
    assert loss == pytest.approx(np.abs(y - yhat).mean() / 2)


def test_the_true_quantile_has_the_least_pinball_loss():
    y = np.random.default_rng(1).normal(size=20_000)
    losses = [score.pinball(y, np.full((len(y), 1), q), quantiles=(0.9,)) for q in (0.9, 1.2816, 1.7)]
    assert np.argmin(losses) == 1


def test_what_cannot_be_scored_is_nan_not_a_number():
    zeros = np.zeros(5)
    assert np.isnan(score.mase(zeros, zeros, zeros, season_length=2))
    assert np.isnan(score.bias(zeros, zeros + 1))
    assert np.isnan(score.coverage(np.full(3, np.nan), np.zeros(3), np.ones(3)))


def test_a_history_of_one_season_cannot_scale():
    with pytest.raises(NotEnoughData, match="more than 24 steps of history, got 24"):
        score.mase(np.zeros(2), np.zeros(2), np.zeros(24), season_length=24)
