"""The kernels of `bench burn` say what a slow loop over the minutes says."""

from __future__ import annotations

import numpy as np
import pytest

from bench import _pages, burn
from tutordex_analysis.burn import pairs

PAGES = tuple(one for one in pairs("30d", 0.01) if one.severity == "page")


def looped(bad, total, *, guarded):
    """Minute by minute, from the counts themselves."""

    def share(window, t):
        since = max(0, t - window + 1)
        events = total[since : t + 1].sum()
        return bad[since : t + 1].sum() / events if events else float("nan")

    said = []
    for t in range(len(bad)):
        now = False
        for one in PAGES:
            long, short = _pages.minutes(one.long), _pages.minutes(one.short)
            since = max(0, t - long + 1)
            enough = bad[since : t + 1].sum() >= 5 and total[since : t + 1].sum() >= 20
            known = [share(short, back) for back in range(since, t + 1)] if guarded else [share(short, t)]
            last = next((one for one in reversed(known) if not np.isnan(one)), float("nan"))
            now |= bool((enough or not guarded) and share(long, t) > one.limit and last > one.limit)
        said.append(now)
    if not guarded:
        return said
    lasting = [t >= 2 and all(said[t - 2 : t + 1]) for t in range(len(said))]
    return [any(lasting[max(0, t - 15) : t + 1]) for t in range(len(said))]


@pytest.mark.parametrize("seed", range(4))
def test_both_kernels_match_a_loop(seed):
    rng = np.random.default_rng(seed)
    total = rng.poisson(0.3, (1, 500)).astype(np.int32)
    share = np.where((np.arange(500) > 150) & (np.arange(500) < 260), 0.6, 0.01)
    bad = rng.binomial(total, share).astype(np.int32)
    assert _pages.sloth(bad, total, PAGES)[0].tolist() == looped(bad[0], total[0], guarded=False)
    mine = _pages.ours(bad, total, PAGES)[0].tolist()
    assert mine == looped(bad[0], total[0], guarded=True)
    assert any(mine)


def test_one_error_in_three_pages_them_and_never_us():
    total, bad = np.zeros((2, 1, 500), dtype=np.int32)
    total[0, [200, 205, 210]] = 1
    bad[0, 205] = 1
    assert _pages.sloth(bad, total, PAGES).any()
    assert not _pages.ours(bad, total, PAGES).any()


def test_the_benchmark_judges_a_month():
    lines = burn.measured(burn.CASES[0], months=2, seed=1)
    assert lines[0].value == 0
    assert len(lines) == 5
