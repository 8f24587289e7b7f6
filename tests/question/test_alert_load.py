"""What alerts cost is counted as one would by hand."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.civil import Calendar
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import alert_load as question

STEP = pd.Timedelta("5min")
START = pd.Timestamp("2026-08-30T16:00Z")  # a Monday begins in Singapore
CALENDAR = Calendar(timezone="Asia/Singapore")


def firing(stretches, *, weeks):
    """A frame of ALERTS; stretches are (alert, hours after the start, steps)."""
    n = int(weeks * pd.Timedelta(days=7) / STEP)
    ds = pd.date_range(START + STEP, periods=n, freq=STEP)
    parts = []
    for name in sorted({one for one, _, _ in stretches}):
        y = np.full(n, np.nan)
        for alert, hour, steps in stretches:
            if alert == name:
                at = round(hour * 12)
                y[at : at + steps] = 1.0
        ids = f'{{alertname="{name}"}}'
        parts.append(pd.DataFrame({"unique_id": ids, "ds": ds, "y": y, "alertname": name}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(unique_id=pd.Categorical(table["unique_id"]))


def load(stretches, *, weeks=1, skip=()):
    end = START + pd.Timedelta(days=7) * weeks
    return question.alert_load(
        firing(stretches, weeks=weeks), step=STEP, calendar=CALENDAR, start=START, end=end, skip=skip
    )


def test_stretches_are_firings_with_their_length_and_their_hour():
    found = load([("A", 10, 3), ("A", 10.75, 1), ("A", 23, 12), ("B", 6.5, 6)])
    rows = found.firings.set_index(["alert", "start"])
    first = rows.loc[("A", START + pd.Timedelta("10h"))]
    assert (first["minutes"], first["flaps"], first["night"], first["ongoing"]) == (15, False, False, False)
    assert first["end"] == START + pd.Timedelta("10h15min")
    assert rows.loc[("A", START + pd.Timedelta("10h45min")), "flaps"]
    assert rows["night"].tolist() == [True, False, False, True]  # in order of time: 6:30, 10:00, 10:45, 23:00
    assert not rows.loc[("A", START + pd.Timedelta("23h")), "flaps"]
    a, b = found.alerts.to_dict("records")
    assert (a["alert"], a["firings"], a["median_minutes"], a["longest_minutes"]) == ("A", 3, 15, 60)
    assert (a["night"], a["flapping"]) == pytest.approx((1 / 3, 1 / 3))
    assert a["hours"] == pytest.approx(80 / 60)
    assert (b["alert"], b["a_week"]) == ("B", 1)


def test_what_fires_at_the_end_is_ongoing_and_a_watchdog_is_no_load():
    n = 7 * 24 * 12
    found = load([("A", 7 * 24 - 1, 12), ("Watchdog", 0, n)], skip=("Watchdog",))
    assert found.firings["ongoing"].tolist() == [True]
    assert found.alerts["alert"].tolist() == ["A"]


def test_only_whole_civil_weeks_count_and_one_without_a_firing_is_a_zero():
    found = load([("A", 1, 1), ("A", 2 * 168 + 1, 1), ("A", 3 * 168 + 20, 1)], weeks=3.5)
    assert found.weeks["firings"].tolist() == [1, 0, 1]
    assert found.weeks["week"].iloc[0] == START
    late = question.alert_load(
        firing([("A", 1, 1)], weeks=2),
        step=STEP,
        calendar=CALENDAR,
        start=START + pd.Timedelta("1h"),
        end=START + pd.Timedelta(days=14),
        skip=(),
    )
    assert late.weeks["firings"].tolist() == [0]


def many(before, now):
    spread = [("A", week * 168 + 2 * i, 1) for week in range(8) for i in range(before if week < 4 else now)]
    return load(spread, weeks=8)


def test_a_change_is_told_with_its_exact_interval_and_only_where_it_can_be():
    """16 before and 48 now: Clopper and Pearson's interval of 48 of 64 as odds."""
    found = many(4, 12)
    assert found.change == 3
    assert (found.lower, found.upper) == pytest.approx((1.67, 5.66), abs=0.05)
    assert question.changed(found).startswith("There are more than before: ")
    assert "cannot be told: " in question.changed(many(2, 3))
    young = load([("A", 1, 1)], weeks=3)
    assert np.isnan(young.change)
    assert "before 8 whole weeks" in question.changed(young)


def test_without_a_record_nothing_is_claimed():
    assert question.of(None, catalogue_file.load(), step=STEP) is None
    found = question.of(firing([("Watchdog", 0, 2016), ("A", 3, 1)], weeks=1), catalogue_file.load(), step=STEP)
    assert found.alerts["alert"].tolist() == ["A"]


def test_the_window_begins_with_the_first_sample_of_any_history():
    time_range = TimeRange(START, START + pd.Timedelta(days=9), "1h")
    ds = pd.date_range(START, periods=9 * 24, freq="h")
    young = pd.DataFrame({"ds": ds, "y": np.where(np.arange(len(ds)) < 48, np.nan, 1.0)})
    assert question.window({"a": young, "b": young.assign(y=np.nan)}, time_range).start == START + pd.Timedelta(days=2)
    assert question.window({}, time_range) == time_range
