import numpy as np
import pytest
from scipy.special import ndtri

from tutordex_analysis.model.paths import generator, memory_of, simulate

LEVELS = (0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975)
STEPS = np.arange(1, 201)


def paths(sd, *, memory, n=4000, shape=ndtri):
    values = np.asarray(sd)[:, None] * shape(np.asarray(LEVELS))
    return simulate(values, quantiles=LEVELS, memory=memory, n=n, rng=np.random.default_rng(0))


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.97])
def test_a_walks_band_gives_walks_whatever_the_history_remembers(memory):
    got = paths(np.sqrt(STEPS), memory=memory)
    for k, j in ((9, 39), (49, 199)):
        assert np.corrcoef(got[:, k], got[:, j])[0, 1] == pytest.approx(np.sqrt((k + 1) / (j + 1)), abs=0.05)


def test_a_flat_band_keeps_the_memory_of_the_history():
    got = paths(np.ones(200), memory=0.8)
    assert np.corrcoef(got[:, 100], got[:, 101])[0, 1] == pytest.approx(0.8, abs=0.04)
    assert np.corrcoef(got[:, 100], got[:, 130])[0, 1] == pytest.approx(0.0, abs=0.05)


def test_noise_on_a_wandering_level_forgets_only_in_part():
    got = paths(np.sqrt(1 + STEPS / 50), memory=0.0)
    assert 0.2 < np.corrcoef(got[:, 100], got[:, 130])[0, 1] < 0.8


def test_each_step_is_spread_as_its_quantiles():
    got = paths(np.sqrt(1 + STEPS / 50), memory=0.6, n=20_000, shape=lambda p: ndtri(p) * np.where(p > 0.5, 3.0, 1.0))
    want = np.sqrt(1 + STEPS / 50)[:, None] * ndtri(np.array((0.1, 0.9))) * np.array((1.0, 3.0))
    np.testing.assert_allclose(np.quantile(got, (0.1, 0.9), axis=0).T, want, atol=0.2)


def test_no_width_no_chance():
    assert np.all(paths(np.zeros(200), memory=0.5, n=3) == 0.0)


@pytest.mark.parametrize("season", [1, 24])
def test_the_memory_of_a_planted_autoregression_is_found(season):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(3, 4000))
    for i in range(1, 4000):
        y[:, i] += 0.8 * y[:, i - 1]
    y += (season > 1) * 10 * np.sin(2 * np.pi * np.arange(4000) / 24)
    y[1, 100:300] = np.nan
    np.testing.assert_allclose(memory_of(y, season=season), 0.8, atol=0.05)
    assert memory_of(np.full((1, 50), 2.0), season=season)[0] == 0.0


def test_chance_belongs_to_seed_and_series():
    draws = [generator(*key).random() for key in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3
