"""The states side by side against the slow loop over one series, and their parts on their own."""

import numpy as np
import pytest

from tests import oracle
from tests.unusual import WEEK, counts, gauges
from tutordex_analysis.model.record import Records, Runs
from tutordex_analysis.model.surprise import CODE, KINDS, Mean, Surprise, counted, stabilised


def strange(seed, n=4 * WEEK):
    """A gauge with gaps, a level, a spike, a frozen stretch and noise, where the seed has them."""
    rng = np.random.default_rng(seed)
    y = gauges(1, n, seed=seed)[0]
    y[rng.random(n) < 0.05] = np.nan
    y[200:230] = np.nan
    y[400] += 30
    y[450:475] += 6
    y[520:545] = y[519] if not np.isnan(y[519]) else 99.5
    y[600:612] += 5 * rng.normal(size=12)
    return y


def rare(seed, n=4 * WEEK):
    y = counts(1, n, mean=[0.6, 4, 40][seed % 3], seed=seed)[0]
    y[np.random.default_rng(seed).random(n) < 0.03] = np.nan
    y[500:530] = 0
    y[600] += 60
    return y


def seldom(seed, n=4 * WEEK):
    """A share that is nothing but for a move now and then, with gaps."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.01, rng.uniform(0.02, 0.1, n), 0.0) + [0.0, 0.5, 1.0][seed % 3]
    y[rng.random(n) < 0.05] = np.nan
    y[550:552] += 0.3
    return y


def moved(y, *, short, long, is_count):
    state = Surprise(
        n=len(y), short=short, long=long, is_count=np.full(len(y), is_count), undecided=np.zeros(len(y), dtype=bool)
    )
    return [
        state.step(column, t=t, day=t % max(short, 1), week=t % max(long, 1)) for t, column in enumerate(y.T.copy())
    ]


@pytest.mark.parametrize(("short", "long"), [(24, 168), (24, 0), (0, 0), (12, 60)])
@pytest.mark.parametrize(("kind", "make"), [("measured", strange), ("counted", rare), ("measured", seldom)])
def test_scores_and_bands_are_those_of_the_slow_loop(short, long, kind, make):
    y = np.stack([make(seed) for seed in range(6)])
    n = y.shape[1]
    steps = moved(y, short=short, long=long, is_count=kind == "counted")
    got = {name: np.stack([getattr(one, name) for one in steps], axis=1) for name in ("expected", "score", "upper")}
    phases = ([t % max(season, 1) for t in range(n)] for season in (short, long))
    day, week = phases
    above = 0
    for i, row in enumerate(y):
        want = oracle.anomalies(row, day, week, short=short, long=long, is_count=kind == "counted")
        expected, score, half = want.T
        there = ~np.isnan(row)
        np.testing.assert_allclose(got["score"][i], score, rtol=1e-6, atol=1e-9)
        upper = expected + half
        if kind == "counted":
            expected, upper = (np.maximum(counted(one), 0.0) for one in (expected, upper))
        inside = there & ~(score > 1)
        np.testing.assert_allclose(got["expected"][i][inside], expected[inside], rtol=1e-6, atol=1e-9)
        known = inside & ~np.isnan(score)
        np.testing.assert_allclose(got["upper"][i][known], upper[known], rtol=1e-6, atol=1e-9)
        above += (score > 1).sum()
    assert above > 20


def test_a_mean_of_the_last_rows_is_that_of_the_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100, 3))
    known = rng.random((100, 3)) < 0.6
    state = Mean(n=3, width=7)
    for t in range(100):
        got = state.step(rows[t], known[t], t + 5)
        part, there = rows[max(t - 6, 0) : t + 1], known[max(t - 6, 0) : t + 1]
        for i in range(3):
            if 2 * there[:, i].sum() < 7:
                assert np.isnan(got[i])
            else:
                np.testing.assert_allclose(got[i], part[there[:, i], i].mean(), atol=1e-12)


def test_a_mean_forgets_what_was_huge():
    """Rounding of a value of 1e16 is gone with it after one more round of the window."""
    state = Mean(n=1, width=5)
    for t in range(40):
        got = state.step(np.array([1e16 if t == 3 else 0.1]), np.array([True]), t)
    assert got[0] == pytest.approx(0.1, rel=1e-12)


def test_a_record_fades_and_one_large_value_raises_it_by_no_more_than_its_cap():
    state = Records(half_life=10.0, least=np.zeros((1, 1)), lags=(0,))
    for t in range(60):
        state.ratio(np.array([[1.0]]), state.edge, t)
    edge = state.edge[0, 0]
    assert 1.4 < edge < 2.0
    assert state.ratio(np.array([[1000.0]]), state.edge, 60)[0, 0] == pytest.approx(1000 / edge)
    assert state.best[0, 0] == pytest.approx(3 * edge)
    for t in range(61, 71):
        state.ratio(np.array([[0.0]]), state.edge, t)
    assert state.best[0, 0] == pytest.approx(1.5 * edge)


def test_a_value_counts_as_a_record_only_after_its_lag():
    state = Records(half_life=1e9, least=np.zeros((1, 1)), lags=(4,))
    for t in range(40):
        state.ratio(np.array([[1.0 if t < 30 else 2.0]]), state.edge, t)
        assert round(state.best[0, 0], 3) == (0.0 if t < 4 else 1.0 if t < 34 else 2.0)


def run_of(lengths, *, least=5.0, hold=np.inf, half_life=1e9):
    """The ratios of the last of some runs, each ended by one step outside."""
    state = Runs(n=1, half_life=half_life, least=np.array([[least]]), hold=np.array([[hold]]), slope=np.array([[0.5]]))
    one, yes, no = np.ones((1, 1)), np.ones((1, 1), dtype=bool), np.zeros((1, 1), dtype=bool)
    for length in lengths:
        found = [float(state.ratio(yes, one, yes)[0, 0]) for _ in range(length)]
        state.ratio(no, one, yes)
    return found


def test_a_run_is_measured_by_the_longest_before_it():
    assert run_of([5])[-1] == 1
    assert run_of([10])[-1] == 1 + 0.5  # twice as long as the edge
    assert run_of([5, 10])[-1] == pytest.approx(1)
    assert run_of([5, 20])[-1] == pytest.approx(1.5)
    assert run_of([20, 10])[-1] == pytest.approx(0.5)  # a run adds three times the edge at most: 10 of 5 + 15


def test_a_run_that_lasts_is_the_new_normal():
    found = run_of([200], hold=12.0)
    assert max(found) > 1.5
    assert found[-1] < 1


def test_where_nothing_is_known_a_run_neither_ends_nor_grows():
    state = Runs(n=1, half_life=1e9, least=np.array([[5.0]]), hold=np.array([[np.inf]]), slope=np.array([[0.5]]))
    one, yes, no = np.ones((1, 1)), np.ones((1, 1), dtype=bool), np.zeros((1, 1), dtype=bool)
    for _ in range(3):
        state.ratio(yes, one, yes)
    for _ in range(10):
        state.ratio(no, one, no)
    assert state.length[0, 0] == 3
    assert state.longest[0, 0] == 0


def test_stabilised_counts_come_back():
    y = np.concatenate([np.arange(-5.0, 50.0), [1e4, 1e8]])
    np.testing.assert_allclose(counted(stabilised(y)), y, rtol=1e-12, atol=1e-12)
    assert (np.diff(stabilised(y)) > 0).all()


@pytest.mark.parametrize("mean", [5, 20, 100])
def test_chance_has_one_size_on_the_scale_of_stabilised_counts(mean):
    x = stabilised(np.random.default_rng(0).poisson(mean, 20_000).astype(float))
    assert np.abs(x - x.mean()).mean() == pytest.approx(0.8, rel=0.03)


def test_codes_name_the_kinds():
    assert [KINDS[CODE[kind]] for kind in KINDS] == list(KINDS)
    assert KINDS[0] == ""


def test_what_hardly_ever_moves_is_measured_by_its_own_moves():
    """A tenth now and then is got used to within a few of them; three tenths are not, and bands stay near the moves."""
    y = np.zeros((1, 6 * WEEK))
    y[0, 100::75] = 0.1
    y[0, 900] = 0.3
    steps = moved(y, short=24, long=168, is_count=False)
    score = np.array([one.score[0] for one in steps])
    upper = np.array([one.upper[0] for one in steps])
    assert score[100] > 100
    assert (score[325:900:75] < 1.5).all()
    assert score[900] > 2
    assert upper[400:900].max() < 0.3
    assert upper[901:].max() < 1.5
