"""The months that burn-rate alerts are measured on: windows by hand, and pages where they must be."""

import numpy as np

from bench import burn
from tutordex_analysis.burn import pairs

PAGES = tuple(one for one in pairs("30d", 0.001) if one.severity == "page")


def stretch(bad_from, bad_to, *, a_minute=2.0, share=1.0, minutes=2880):
    total = np.full(minutes, a_minute)
    bad = np.zeros(minutes)
    bad[bad_from:bad_to] = a_minute * share
    return bad, total


def test_sums_and_the_last_known_value_by_hand():
    assert burn.rolling(np.array([1.0, 2, 3, 4]), 2).tolist() == [1, 3, 5, 7]
    latest = burn.last_known(np.array([np.nan, 1, np.nan, np.nan, np.nan]), 3)
    assert latest.tolist()[1:4] == [1, 1, 1]
    assert np.isnan(latest[[0, 4]]).all()


def test_one_error_in_three_requests_never_pages_us_and_pages_sloth():
    bad, total = np.zeros(2880), np.zeros(2880)
    total[[2000, 2001, 2002]] = 1
    bad[2001] = 1
    assert not burn.ours(bad, total, PAGES).any()
    assert burn.sloth(bad, total, PAGES).any()


def test_an_outage_pages_both_within_minutes_and_ends():
    bad, total = stretch(2000, 2060)
    for fires, within in ((burn.ours, 8), (burn.sloth, 3)):
        at = np.flatnonzero(fires(bad, total, PAGES))
        assert 2000 <= at[0] <= 2000 + within
        assert at[-1] < 2060 + 60


def test_a_promise_that_is_kept_pages_nobody():
    bad, total = stretch(0, 2880, share=0.0009)
    assert not burn.ours(bad, total, PAGES).any()
    assert not burn.sloth(bad, total, PAGES).any()
