"""Daily volumes: whole civil days, and growth that is told apart from none."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import growth

CATALOGUE = catalogue_file.load()


def hourly(y, start="2026-03-01T01:00Z"):
    window = TimeRange(start, pd.Timestamp(start) + pd.Timedelta(hours=len(y)), "1h")
    return frames.build(np.asarray(y, dtype=float)[None], [{"__name__": "posts_seen"}], window)


def test_a_day_is_what_was_counted_from_midnight_to_midnight_in_civil_time():
    frame = hourly(np.arange(72))  # the first value covers 08:00 to 09:00 in Singapore
    days = growth.daily(frame, tz="Asia/Singapore")
    local = frame["ds"].dt.tz_convert("Asia/Singapore") - pd.Timedelta(minutes=1)
    by_day = frame.groupby(local.dt.date)["y"].agg(["sum", "size"])
    np.testing.assert_array_equal(days["y"], by_day.loc[by_day["size"] == 24, "sum"])
    assert (days["ds"].dt.tz_convert("Asia/Singapore").dt.hour == 0).all()
    assert frames.step_of(days) == pd.Timedelta(days=1)


def test_a_day_with_few_gaps_is_what_was_counted_and_one_with_many_is_unknown():
    y = np.ones(49)
    y[1:4] = np.nan
    y[4] = 4  # the counter went on in the gap; its growth comes with the first sample after it
    y[30:40] = np.nan
    days = growth.daily(hourly(y, start="2026-03-01T00:00Z"), tz="UTC")
    np.testing.assert_allclose(days["y"], [24, np.nan])


def test_a_zone_whose_midnight_is_on_no_instant_is_said_to_need_a_finer_step():
    with pytest.raises(NotEnoughData, match=r"no instant is a midnight in Asia/Kolkata; read .* 30m"):
        growth.daily(hourly(np.ones(100)), tz="Asia/Kolkata")


def test_a_growth_over_less_than_two_weeks_is_refused_for_its_horizon():
    with pytest.raises(NotEnoughData, match="told for 14 days ahead or more, not for 7"):
        growth.volume(
            CATALOGUE.signal("posts_seen"),
            hourly(np.full(24 * 40, 5)),
            horizon=pd.Timedelta(days=7),
            calendar=CATALOGUE.calendar,
            seed=0,
        )


def test_less_than_a_day_and_several_series_are_refused():
    with pytest.raises(NotEnoughData, match="whole day"):
        growth.daily(hourly(np.ones(10)), tz="UTC")
    with pytest.raises(NotEnoughData, match="got none"):
        growth.daily(frames.empty(), tz="UTC")


@pytest.mark.parametrize(
    ("days", "level", "match"), [(10, 5, "14 whole days, got"), (40, 0, "nothing of posts_seen was counted")]
)
def test_growth_needs_two_weeks_in_which_something_was_counted(days, level, match):
    with pytest.raises(NotEnoughData, match=match):
        growth.volume(
            CATALOGUE.signal("posts_seen"),
            hourly(np.full(24 * days, level)),
            horizon=pd.Timedelta(days=30),
            calendar=CATALOGUE.calendar,
            seed=0,
        )


def test_the_band_of_growth_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(20):
        rate = 400 / 24 * np.exp(0.003 * np.arange(24 * 100) / 24)
        counts = rng.poisson(rate * (1 + 0.7 * np.sin(np.arange(24 * 100) * 2 * np.pi / 24))).astype(float)
        got = growth.volume(
            CATALOGUE.signal("posts_seen"),
            hourly(counts[: 24 * 70]),
            horizon=pd.Timedelta(days=30),
            calendar=CATALOGUE.calendar,
            seed=0,
        )
        truth = counts[24 * 86 :].reshape(-1, 24).sum(axis=1).mean() / got.now - 1
        inside.append(got.lower <= truth <= got.upper)
    assert 0.6 <= np.mean(inside) <= 1.0
