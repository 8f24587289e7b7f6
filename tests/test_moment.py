"""Moments and durations: what cannot be meant is one sentence."""

import pytest

from tutordex_analysis.errors import FrameError
from tutordex_analysis.moment import duration, floor, instant


@pytest.mark.parametrize("text", ["9999-12-31T00:00Z", "0001-01-01T00:00Z"])
def test_a_moment_that_nanoseconds_cannot_hold_is_refused(text):
    with pytest.raises(FrameError, match="moments from 1800 to 2150"):
        instant(text)


def test_a_length_of_more_than_a_century_is_refused():
    with pytest.raises(FrameError, match="longer than a hundred years"):
        duration("99999999d")
    assert floor("2149-12-31T23:30Z", duration("99y")) < instant("2149-12-31T23:30Z")
