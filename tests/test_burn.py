"""Factors of burn-rate alerts, computed from how much of the budget a page or a ticket is about."""

from __future__ import annotations

import pytest

from tutordex_analysis import burn
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import duration

# The Site Reliability Workbook, table 5-8, and Sloth's windows for thirty days: the same numbers.
KNOWN = [
    ("page", "1h", "5m", 14.4),
    ("page", "6h", "30m", 6.0),
    ("ticket", "1d", "2h", 3.0),
    ("ticket", "3d", "6h", 1.0),
]


def told(period, budget):
    return [(one.severity, one.long, one.short, one.factor) for one in burn.pairs(period, budget)]


def test_factors_of_thirty_days_match_the_workbook():
    assert told("30d", 0.001) == KNOWN


def test_limits_of_three_nines_match_the_workbook():
    assert [one.limit for one in burn.pairs("30d", 1 - 0.999)] == [0.0144, 0.006, 0.003, 0.001]


@pytest.mark.parametrize(
    ("period", "factors"), [("28d", [13.44, 5.6, 2.8, 1]), ("7d", [3.36, 1.4, 1, 1]), ("90d", [43.2, 18, 9, 3])]
)
def test_another_period_has_its_own_factors_and_none_under_one(period, factors):
    """Under 1 the budget lasts for its period, and there is nothing to say."""
    assert [factor for *_, factor in told(period, 0.001)] == factors


def test_a_factor_spends_its_share_within_its_window():
    for one, pair in zip(burn.INTENTS, burn.pairs("30d", 0.001), strict=True):
        spent = pair.factor * (duration(one.window) / duration("30d"))
        assert spent == pytest.approx(one.share, rel=1e-9)


def test_what_no_outage_can_reach_is_left_out():
    assert told("30d", 0.1) == KNOWN[1:]  # 14.4 tenths
    assert told("30d", 0.4) == KNOWN[3:]


def test_a_period_shorter_than_the_windows_is_refused():
    with pytest.raises(CatalogueError, match=r"a period of 1d is too short for burn-rate alerts.* 7d or more"):
        burn.pairs("1d", 0.01)
