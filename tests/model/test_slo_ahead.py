"""When a budget is gone: by hand where nothing is left to chance, and as often as it says where it is."""

import math

import numpy as np
import pandas as pd
import pytest

from bench import _promises
from tutordex_analysis.model.slo_ahead import ahead

START = pd.Timestamp("2026-09-01T00:00Z")
DAY = pd.Timedelta("1D")


def stream(daily, *, a_day=240_000.0):
    """So many bad events each day, evenly over its hours."""
    ds = pd.date_range(START, periods=24 * len(daily), freq="h") + pd.Timedelta("1h")
    return pd.DataFrame({"ds": ds, "bad": np.repeat(daily, 24) / 24.0, "total": a_day / 24})


def test_a_steady_burn_ends_on_the_day_on_which_it_adds_up():
    events = stream([0.0] * 50 + [4800.0] * 10)
    found = ahead(events, objective=0.99, period="30d")  # 72,000 may be bad, 48,000 are, 4,800 more a day
    assert found.dates[0.5] == pytest.approx(START + 65 * DAY, abs=pd.Timedelta("4h"))
    assert found.dates[0.1] <= found.dates[0.5] <= found.dates[0.9] <= found.dates[0.1] + DAY
    assert found.survives == 0
    assert found.bad_a_day == pytest.approx(4800, rel=0.02)
    assert found.since == pytest.approx(START + 50 * DAY, abs=DAY)


def test_what_leaves_the_period_counts():
    events = stream([0.0] * 30 + [4000.0] * 7 + [1500.0] * 23)  # 28,000 of 62,500 leave within a week
    assert ahead(events, objective=0.99, period="30d").survives == 1  # 1,500 a day alone would be gone in a week
    kept = ahead(stream([2300.0] * 60), objective=0.99, period="30d")
    assert kept.survives == 1
    assert set(kept.dates.values()) == {None}


def test_a_budget_that_is_gone_is_gone_now():
    events = stream([3000.0] * 60)
    found = ahead(events, objective=0.99, period="30d")
    assert set(found.dates.values()) == {events["ds"].iloc[-1]}
    assert found.survives == 0


def test_a_budget_that_is_gone_is_back_when_what_took_it_leaves_the_period():
    events = stream([0.0] * 40 + [80_000.0] + [0.0] * 19)  # 72,000 may be bad
    found = ahead(events, objective=0.99, period="30d")
    assert found.back[0.5] == pytest.approx(START + 70.1 * DAY, abs=pd.Timedelta("1h"))  # when 8,000 of them have left
    assert found.back[0.1] == pytest.approx(found.back[0.5], abs=pd.Timedelta("1D"))
    assert found.back[0.9] is None  # one such outage in 60 days: another one within thirty is no rare thing
    stopped = ahead(stream([10_000.0] * 40 + [100.0] * 20), objective=0.99, period="30d")  # a level, no outage
    assert START + 62 * DAY < stopped.back[0.1] <= stopped.back[0.5] <= stopped.back[0.9] < START + 65 * DAY
    assert {*ahead(stream([3000.0] * 60), objective=0.99, period="30d").back.values()} == {None}
    assert {*ahead(stream([10.0] * 60), objective=0.99, period="30d").back.values()} == {None}  # it never was gone


def test_an_outage_that_goes_on_makes_it_likely_and_not_certain():
    events = stream([0.0] * 60, a_day=2400.0)
    events.loc[len(events) - 3 :, "bad"] = 90.0
    found = ahead(events, objective=0.99, period="30d")  # 720 may be bad, 270 are: five hours more
    assert 0.1 < found.survives < 0.9
    assert found.dates[0.1] < events["ds"].iloc[-1] + DAY
    over = ahead(
        pd.concat([events, stream([0.0] * 61, a_day=2400.0).iloc[len(events) :]]), objective=0.99, period="30d"
    )
    assert over.survives > found.survives


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (stream([0.0]), "1.0 days of history"),
        (stream([0.0] * 9).assign(total=0.0), "no events"),
        (stream([0.0] * 9).assign(bad=math.nan), "no events"),
    ],
)
def test_where_nobody_can_tell_it_says_why(events, said):
    found = ahead(events, objective=0.99, period="30d")
    assert said in found.lacks
    assert math.isnan(found.survives)
    assert set(found.dates.values()) == {None}


def test_zero_traffic_for_weeks_is_no_forecast():
    events = stream([2.0] * 60)
    events.loc[24 * 25 :, ["bad", "total"]] = 0.0
    assert "last four weeks" in ahead(events, objective=0.99, period="60d").lacks


def test_the_same_seed_gives_the_same_dates():
    events = stream([0.0] * 50 + [4800.0] * 10)
    assert ahead(events, objective=0.99, period="30d").dates == ahead(events, objective=0.99, period="30d").dates


@pytest.mark.slow
def test_streams_of_bursts_are_held_about_as_often_as_said():
    found = [_promises.steady(seed) for seed in range(40)]
    assert np.mean([abs(one.said[1] - one.days) <= 1 for one in found]) >= 0.8
    assert 0.62 <= np.mean([one.held for one in found]) <= 0.96  # four errors of 40 coins of 0.8


def test_few_events_a_step_spend_as_much_as_they_do():
    rng = np.random.default_rng(1)
    events = stream([0.0] * 60, a_day=12.0)
    events["total"] = rng.poisson(0.5, len(events)).astype(float)
    events["bad"] = rng.binomial(events["total"].astype(int), 0.03).astype(float)
    few = ahead(events, objective=0.975, period="30d", n=2000)
    many = events.groupby(np.arange(len(events)) // 6).agg({"ds": "last", "bad": "sum", "total": "sum"})
    assert few.survives == pytest.approx(ahead(many, objective=0.975, period="30d", n=2000).survives, abs=0.06)


def test_a_weekend_without_events_is_not_the_end_of_a_budget():
    weekdays = pd.date_range(START, periods=24 * 60, freq="h").day_of_week < 5
    events = stream([1.0] * 60, a_day=24_000.0)
    events.loc[~weekdays, ["bad", "total"]] = 0.0
    saturday = events.iloc[: 24 * 46 + 12]  # the 17th of October at noon
    found = ahead(saturday, objective=0.99, period="2d")
    assert (found.survives, found.dates[0.1]) == (1.0, None)
    assert ahead(saturday, objective=0.99, period="1d").lacks == ""


def test_a_broken_promise_without_a_history_is_gone_now():
    events = stream([9000.0])
    found = ahead(events, objective=0.99, period="30d")
    assert found.lacks
    assert (found.survives, set(found.dates.values())) == (0.0, {events["ds"].iloc[-1]})


def test_a_history_that_ends_in_weeks_of_nothing_known_is_no_crash():
    events = stream([2.0] * 70)
    events.loc[24 * 40 :, ["bad", "total"]] = np.nan
    assert "last four weeks" in ahead(events, objective=0.99, period="60d").lacks
