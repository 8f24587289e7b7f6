"""Error budgets by hand: what is left, what burns, what one incident took; and what cannot be is refused."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model import slo
from tutordex_analysis.model.slo import budget, burn_rates, incidents, over_time

START = pd.Timestamp("2026-09-01T00:00Z")


def hours(bad, total, *, step="1h"):
    """Events of each step."""
    ds = pd.date_range(START, periods=len(np.atleast_1d(bad)), freq=step) + pd.Timedelta(step)
    return pd.DataFrame({"ds": ds, "bad": np.asarray(bad, dtype=float), "total": np.asarray(total, dtype=float)})


def days(n, *, a_day=240.0):
    """Days of events without a bad one."""
    return hours(np.zeros(24 * n), np.full(24 * n, a_day / 24))


def test_an_outage_of_43_in_43_200_probes_takes_995_thousandths():
    probes = hours(np.zeros(43_200), np.ones(43_200), step="1min")
    probes.loc[1000:1042, "bad"] = 1.0
    found = budget(probes, objective=0.999, period="30d")
    assert (found.total, found.bad, found.known) == (43_200, 43, 1.0)
    assert found.allowed == pytest.approx(43.2)
    assert found.spent == pytest.approx(0.99537, abs=5e-6)
    assert found.remaining == pytest.approx(1 - 43 / 43.2)
    assert found.kept == pytest.approx(1 - 43 / 43_200)


def test_what_leaves_the_period_is_given_back():
    events = days(40)
    events.loc[5 * 24, "bad"] = 10
    line = over_time(events, objective=0.99, period="30d")
    assert line["remaining"].iloc[5 * 24] == pytest.approx(1 - 10 / (0.01 * 10 * (5 * 24 + 1)))
    assert line["remaining"].iloc[34 * 24] == pytest.approx(1 - 10 / 72)  # 1 % of 30 days of 240
    assert line["remaining"].iloc[-1] == 1.0
    assert line["whole"].sum() == 10 * 24 + 1
    assert budget(events, objective=0.99, period="30d").remaining == 1.0
    at_the_time = budget(events.iloc[: 34 * 24 + 1], objective=0.99, period="30d")
    assert at_the_time.remaining == pytest.approx(line["remaining"].iloc[34 * 24])


def test_burn_of_one_spends_the_budget_in_just_the_period():
    events = days(30).assign(bad=0.1)  # 1 % of ten an hour
    assert budget(events, objective=0.99, period="30d").remaining == pytest.approx(0)
    events.loc[len(events) - 1, "bad"] = 1.44
    rates = burn_rates(events, objective=0.99, windows=["1h", "6h", "30d"])
    assert rates["1h"] == pytest.approx(14.4)
    assert rates["6h"] == pytest.approx((14.4 + 5) / 6)
    assert math.isnan(burn_rates(events.assign(total=0.0, bad=0.0), objective=0.99, windows=["1h"])["1h"])


def test_an_hour_that_is_not_known_is_on_neither_side():
    events = days(30).assign(bad=0.05)
    events.loc[:99, ["bad", "total"]] = np.nan
    found = budget(events, objective=0.99, period="30d")
    assert found.remaining == pytest.approx(0.5)
    assert found.known == pytest.approx(620 / 720)
    assert found.since == START + pd.Timedelta("100h")


def test_a_period_longer_than_the_history_says_how_much_is_known():
    found = budget(days(12), objective=0.99, period="30d")
    assert found.known == pytest.approx(0.4)
    assert found.since == START


def test_without_events_nothing_is_spent_and_nothing_is_kept():
    found = budget(days(30).assign(total=0.0), objective=0.99, period="30d")
    assert math.isnan(found.remaining)
    assert math.isnan(found.kept)
    assert over_time(days(3).assign(total=0.0), objective=0.99, period="30d")["remaining"].isna().all()


def test_an_incident_is_told_with_its_share_of_the_budget():
    events = days(30)
    events.loc[::24, "bad"] = 1  # one a day is usual
    events.loc[[400, 401, 403], "bad"] = [9, 10, 8]
    found = incidents(events, objective=0.9, period="30d")
    assert len(found) == 1  # the good hour in between does not end it
    one = found.iloc[0]
    assert (one["start"], one["end"]) == (START + pd.Timedelta("400h"), START + pd.Timedelta("404h"))
    assert (one["bad"], one["total"], one["ongoing"]) == (27, 40, False)
    assert one["spent"] == pytest.approx((27 - one["expected"]) / 720, abs=0.002)
    gone = incidents(
        events.iloc[: 24 * 17].assign(bad=lambda t: t["bad"].where(t.index != 10, 10)), objective=0.9, period="10d"
    )
    assert gone["spent"].iloc[0] == 0  # before the period
    assert incidents(events.iloc[:404], objective=0.9, period="30d")["ongoing"].tolist() == [True]


def test_what_lasts_for_days_is_a_level_and_no_incident():
    events = days(30)
    events.loc[24 * 20 :, "bad"] = 5
    assert incidents(events, objective=0.9, period="30d").empty


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_chance_alone_is_hardly_ever_an_incident(seed):
    rng = np.random.default_rng(seed)
    events = hours(rng.poisson(0.2, 720), np.full(720, 20.0))
    assert len(incidents(events, objective=0.95, period="30d")) <= 1


@pytest.mark.parametrize("objective", [0, 1, 1.2, -0.5, math.nan])
def test_an_objective_without_a_budget_is_refused(objective):
    with pytest.raises(FrameError, match="a share between 0 and 1"):
        budget(days(3), objective=objective, period="30d")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (days(2).drop(columns="bad"), "bad is not there"),
        (days(2).iloc[:0], "no step of events"),
        (days(2).assign(bad=-1.0), "-1 bad of 10 events at 2026-09-01 01:00"),
        (days(2).assign(bad=11.0), "11 bad of 10 events"),
        (days(2).assign(total=math.inf), "bad of inf events"),
    ],
)
def test_what_cannot_be_is_one_sentence(events, said):
    with pytest.raises(FrameError, match=said):
        budget(events, objective=0.99, period="30d")


def test_rolling_sums_take_what_there_is():
    assert slo.rolling(np.array([1.0, np.nan, 2.0, 3.0]), 2).tolist() == [1, 1, 2, 5]


def test_two_outages_with_an_unknown_stretch_between_are_two():
    events = days(60)
    events.loc[::24, "bad"] = 1
    events.loc[[1000, 1001, 1151, 1152], "bad"] = 9
    events.loc[1002:1150, ["bad", "total"]] = np.nan
    found = incidents(events, objective=0.9, period="30d")
    assert (found["end"] - found["start"]).tolist() == [pd.Timedelta("2h")] * 2


def test_an_outage_before_an_unknown_end_is_not_said_to_go_on():
    events = days(60)
    events.loc[[1400, 1401], "bad"] = 9
    events.loc[1402:, ["bad", "total"]] = np.nan
    assert incidents(events, objective=0.9, period="30d")["ongoing"].tolist() == [False]


def test_what_is_known_of_one_side_only_counts_in_no_number():
    events = days(30).assign(bad=0.05)
    events.loc[100:123, "total"] = np.nan
    line = over_time(events, objective=0.99, period="30d")["remaining"].iloc[-1]
    assert line == pytest.approx(budget(events, objective=0.99, period="30d").remaining)


def test_a_budget_that_is_just_spent_is_spent_without_a_tail_of_digits():
    for bad, objective in ((0.1, 0.99), (1.0, 0.9)):
        assert budget(days(30).assign(bad=bad), objective=objective, period="30d").remaining == 0.0


def test_a_window_that_is_shorter_than_a_step_has_no_rate():
    daily = hours(np.ones(30), np.full(30, 100.0), step="1D")
    rates = burn_rates(daily, objective=0.99, windows=["1h", "1d"])
    assert math.isnan(rates["1h"])
    assert rates["1d"] == pytest.approx(1)


def test_the_line_of_a_part_of_a_history_has_its_moments():
    assert over_time(days(3).tail(5), objective=0.99, period="30d")["ds"].notna().all()
