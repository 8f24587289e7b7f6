import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from tutordex_analysis.model.backtest import QUANTILES
from tutordex_analysis.model.combination import mixed, weights

NAN = np.nan
FAMILIES = ("naive", "drift", "smoothing", "smoothing", "structural")


def normal(mean, sd, horizon=1):
    return np.tile(mean + sd * ndtri(np.asarray(QUANTILES)), (1, horizon, 1))


def test_weights_by_hand():
    # 2 against 1: (1/2)^8 is 0.0039, dropped. 1.1 against 1: 1.1^-8 = 0.46651; shares 1/1.46651 and 0.46651/1.46651
    got = weights(np.array([[2.0, 1.0, 1.1]]), families=("a", "b", "c"))[0]
    np.testing.assert_allclose(got, [0.0, 0.681893, 0.318107], atol=1e-5)


def test_only_the_best_of_a_family_counts():
    got = weights(np.array([[1.2, 1.3, 1.0, 1.01, 1.1]]), families=FAMILIES)[0]
    assert got[3] == 0
    raw = np.array([1.2, 1.3, 1.0, np.inf, 1.1]) ** -8.0
    np.testing.assert_allclose(got, raw / raw.sum())


@pytest.mark.parametrize(("share", "kept"), [(0.051, True), (0.049, False)])
def test_a_share_below_5_percent_is_dropped_and_the_rest_made_whole(share, kept):
    worse = (share / (1 - share)) ** (-1 / 8)
    got = weights(np.array([[1.0, worse]]), families=("a", "b"))[0]
    np.testing.assert_allclose(got, [1 - share, share] if kept else [1.0, 0.0])


@pytest.mark.parametrize(
    ("loss", "want"),
    [
        ([NAN, 1.0, NAN], [0, 1, 0]),
        ([0.0, 1.0, 1.0], [1, 0, 0]),
        ([0.0, 0.0, 1.0], [0.5, 0.5, 0]),
        ([NAN, NAN, NAN], [NAN, NAN, NAN]),
        ([1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1e-300, 1.0, NAN], [1, 0, 0]),
        ([1e300, NAN, 1e300], [0.5, 0, 0.5]),
    ],
)
def test_models_that_are_out_or_never_err(loss, want):
    np.testing.assert_allclose(weights(np.array([loss]), families=("a", "b", "c"))[0], want)


losses = arrays(np.float64, (3, 5), elements=st.one_of(st.floats(0, 1e6), st.just(np.nan)))


@given(loss=losses, factor=st.sampled_from([2.0**-9, 8.0, 2.0**20]))
def test_weights_are_shares_of_one_in_any_unit(loss, factor):
    loss = np.where(loss < 1e-9, 0.0, loss)
    got = weights(loss, families=FAMILIES)
    known = ~np.isnan(loss).all(axis=1)
    np.testing.assert_allclose(got[known].sum(axis=1), 1.0)
    assert np.isnan(got[~known]).all()
    assert (got[known] >= 0).all()
    assert (got[np.isnan(loss) & known[:, None]] == 0).all()
    assert ((got[known] == 0) | (got[known] >= 0.05)).all()
    assert ((got[known][:, 2:4] > 0).sum(axis=1) <= 1).all()
    np.testing.assert_array_equal(weights(loss * factor, families=FAMILIES), got)
    np.testing.assert_array_equal(weights(loss[::-1], families=FAMILIES), got[::-1])


def test_models_that_agree_are_averaged():
    q = np.stack([normal(3.0, 1.0), normal(3.0, 2.0)])
    got = mixed(q, np.array([[0.25, 0.75]]), quantiles=QUANTILES)
    np.testing.assert_allclose(got, normal(3.0, 1.75))


def test_the_spread_of_a_mixture_matches_simulation():
    means, share, sd = np.array([0.0, 1.0, 4.0]), np.array([0.5, 0.3, 0.2]), 1.5
    got = mixed(np.stack([normal(one, sd) for one in means]), share[None], quantiles=QUANTILES)[0, 0]
    rng = np.random.default_rng(0)
    drawn = rng.choice(means, size=400_000, p=share) + sd * rng.normal(size=400_000)
    assert got[QUANTILES.index(0.5)] == pytest.approx(drawn.mean(), abs=0.01)
    width = got[QUANTILES.index(0.9)] - got[QUANTILES.index(0.1)]
    assert width / (2 * ndtri(0.9)) == pytest.approx(drawn.std(), rel=0.01)


def test_points_that_disagree_get_a_gaussian_band():
    q = np.stack([normal(0.0, 0.0), normal(2.0, 0.0)])
    got = mixed(q, np.array([[0.5, 0.5]]), quantiles=QUANTILES)
    np.testing.assert_allclose(got, normal(1.0, 1.0), atol=1e-12)
    same = np.stack([normal(2.0, 0.0)] * 2)
    np.testing.assert_array_equal(mixed(same, np.array([[0.5, 0.5]]), quantiles=QUANTILES), normal(2.0, 0.0))


def test_a_tail_beside_a_narrow_middle_is_neither_lost_nor_blown_up():
    """Rare counts: the one model says 0 in nine of ten hours and 1 at most, the other repeats yesterday's 1."""
    rare = np.zeros((1, 1, len(QUANTILES)))
    rare[..., -1] = 1.0
    got = mixed(np.stack([rare, normal(1.0, 0.1)]), np.array([[0.9, 0.1]]), quantiles=QUANTILES)[0, 0]
    assert 1.0 < got[-1] < 1.5
    agreed = mixed(np.stack([rare + 0.1, rare + 0.1, rare + 0.1]), np.array([[0.2, 0.4, 0.4]]), quantiles=QUANTILES)[
        0, 0
    ]
    np.testing.assert_allclose(agreed, rare[0, 0] + 0.1)


def test_a_model_without_weight_may_be_missing():
    q = np.stack([normal(1.0, 1.0), normal(NAN, 1.0)])
    np.testing.assert_array_equal(mixed(q, np.array([[1.0, 0.0]]), quantiles=QUANTILES), normal(1.0, 1.0))
    assert np.isnan(mixed(q, np.array([[0.5, 0.5]]), quantiles=QUANTILES)).all()


@given(
    q=arrays(np.float64, (3, 2, 4, len(QUANTILES)), elements=st.floats(-1e6, 1e6)).map(lambda q: np.sort(q, axis=-1)),
    share=arrays(np.float64, (2, 3), elements=st.floats(0.05, 1)),
)
def test_the_mixture_is_never_narrower_than_the_average_and_never_crosses(q, share):
    share = share / share.sum(axis=1, keepdims=True)
    got = mixed(q, share, quantiles=QUANTILES)
    average = (share.T[:, :, None, None] * q).sum(axis=0)
    assert (np.diff(got, axis=-1) >= -1e-9 * (1 + np.abs(got[..., 1:]))).all()
    assert (np.ptp(got, axis=-1) >= np.ptp(average, axis=-1) * (1 - 1e-9) - 1e-9).all()
    middle = QUANTILES.index(0.5)
    np.testing.assert_allclose(got[..., middle], average[..., middle], rtol=1e-9, atol=1e-6)
