"""Whether an effect differs between segments, asked once and asked at every look."""

import numpy as np
import pytest

from tutordex_analysis.model.segments import heterogeneity

LOOKS = np.arange(1, 61) / 40  # up to one and a half times the tuned size
RUNS = 3000


def least_p_values(segments, seed):
    """The smallest over all looks, run by run, of segments that are as large as each other and do not differ."""
    rng = np.random.default_rng(seed)
    steps = np.sqrt(np.diff(LOOKS, prepend=0.0))
    walks = np.cumsum(rng.normal(size=(RUNS, segments, len(LOOKS))) * steps, axis=2)  # sum of z times root of size
    least = np.ones(RUNS)
    for i, size in enumerate(LOOKS):
        for run in range(RUNS):
            found = heterogeneity(walks[run, :, i] / size, np.full(segments, 1 / np.sqrt(size)))
            least[run] = min(least[run], found.p_value_at_any_look(size))
    return least


@pytest.mark.slow
@pytest.mark.parametrize("segments", [2, 5])
def test_a_difference_between_segments_may_be_looked_for_every_day(segments):
    least = least_p_values(segments, seed=segments)
    assert (least <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_one_look_at_the_tuned_size_finds_what_is_large():
    found = heterogeneity([-3.0, 3.0], [1.0, 1.0])
    assert found.q == pytest.approx(18)  # (6 / root of 2) squared
    assert found.p_value_at_any_look(1.0) == pytest.approx(np.exp(-(18 * 8 / 9 / 2 - np.log(9) / 2)))
    assert found.p_value < found.p_value_at_any_look(1.0) < 0.01
    assert heterogeneity([0.1, 0.1], [1.0, 1.0]).p_value_at_any_look(0.5) == 1.0
