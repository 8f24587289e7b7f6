"""From points to runs, and from runs of many series to incidents of the whole stack."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.runs import HEIGHT, hours, members, run
from tutordex_analysis.model.incidents import COLUMNS, FRAME, MEMBER, REACH, intervals, together


def made(*runs, **options):
    return together(members(*runs), height=HEIGHT, **{"step": "1h"} | options)


def groups(found):
    """The signals of each incident, in their order, by its first start in hours."""
    return {
        round((rows["start"].min() - hours(0)) / pd.Timedelta("1h")): [*rows["signal"]]
        for _, rows in found.members.groupby("incident", sort=False)
    }


def points(**columns):
    n = len(columns["y"])
    table = pd.DataFrame({"unique_id": "a", "ds": [hours(i) for i in range(n)], "expected": 2.0, **columns})
    return table.assign(is_anomaly=table["kind"] != "")


def test_a_run_without_values_goes_down_and_costs_nobody_knows_what():
    nan = np.nan
    table = points(
        y=[2.0, nan, nan, 2.0, 9.0, nan], score=[0.0, nan, nan, 0.0, 3.0, nan], kind=["", *["missing"] * 2, "", *"xx"]
    )
    first, second = intervals(table).to_dict("records")
    assert (first["start"], first["end"], first["direction"], first["steps"]) == (hours(1), hours(2), "down", 2)
    assert np.isnan([first["score"], first["seen"], first["cost"]]).all()
    assert (second["peak"], second["direction"], second["score"], second["cost"]) == (hours(4), "up", 3.0, 7.0)


def test_no_points_and_no_flags_are_no_runs():
    quiet = points(y=[2.0, 2.0], score=[0.0, 0.0], kind=["", ""])
    for table in (quiet, quiet.iloc[:0]):
        assert [*intervals(table).columns] == [*COLUMNS]
        assert intervals(table).empty


def test_the_most_upstream_signal_comes_first_though_it_was_seen_last():
    found = made(run("jobs", 0, 4), run("pending", 1, 5, score=9.0, seen=80.0), run("posts", 2, 2))
    assert groups(found) == {0: ["posts", "pending", "jobs"]}
    row = found.frame.iloc[0]
    assert (row["start"], row["end"], row["signal"], row["area"]) == (hours(0), hours(5), "posts", "collector")
    assert (row["signals"], row["series"], row["seen"]) == (3, 3, 5.0)
    assert [*found.members["place"]] == [1, 2, 3]


def test_what_began_long_after_the_first_cannot_have_caused_it_and_comes_later():
    found = made(run("sent", 0, 5), run("jobs", 2, 5), run("pending", 4, 6), run("posts", 4, 4))
    assert groups(found) == {0: ["jobs", "sent", "posts", "pending"]}


def test_ties_go_by_start_and_then_by_score():
    found = made(run("jobs", 1, 1), run("calls", 0, 0), run("jobs", 1, 1, series="jobs{b}", score=5.0))
    assert [*found.members["unique_id"]] == ["calls", "jobs{b}", "jobs"]


@pytest.mark.parametrize(("apart", "incidents"), [(2, 1), (3, 2)])
def test_starts_within_two_steps_belong_together(apart, incidents):
    assert len(made(run("posts", 0, 0), run("jobs", apart, apart)).frame) == incidents


@pytest.mark.parametrize(("minutes", "incidents"), [(30, 1), (35, 2)])
def test_at_a_short_step_half_an_hour_is_together(minutes, incidents):
    assert len(made(run("posts", 0, 0), run("jobs", minutes / 60, 1), step="5m").frame) == incidents


def test_what_starts_while_something_upstream_goes_on_belongs_to_it():
    assert groups(made(run("pending", 0, 9), run("jobs", 8, 9))) == {0: ["pending", "jobs"]}
    # nothing follows from what is downstream, from a neighbour, or from what ended long before
    assert groups(made(run("jobs", 0, 9), run("pending", 8, 9))) == {0: ["jobs"], 8: ["pending"]}
    assert groups(made(run("jobs", 0, 9), run("calls", 8, 9))) == {0: ["jobs"], 8: ["calls"]}
    assert groups(made(run("pending", 0, 5), run("jobs", 8, 9))) == {0: ["pending"], 8: ["jobs"]}


def test_what_flickers_upstream_goes_on_in_the_pauses_also_while_nobody_knows_that_it_comes_back():
    then = made(run("pending", 0, 5), run("jobs", 6, 7))
    later = made(run("pending", 0, 5), run("jobs", 6, 7), run("pending", 7, 9))
    assert groups(then) == groups(later) == {0: ["pending", "jobs"]}


def test_of_those_that_began_at_once_the_most_upstream_gives_the_name():
    assert made(run("asked", 0, 0), run("posts", 0, 0)).frame.loc[0, "incident"].startswith("20261102T0000Z-posts-")


def test_flicker_of_one_series_is_one_run():
    found = made(run("posts", 0, 0, cost=1.0), run("posts", 2, 3, cost=2.0, score=7.0, seen=0.0), run("posts", 6, 6))
    first, second = found.members.to_dict("records")
    assert (first["start"], first["end"], first["peak"], first["steps"]) == (hours(0), hours(3), hours(2), 3)
    assert (first["cost"], first["score"], first["direction"]) == (3.0, 7.0, "down")
    assert second["start"] == hours(6)
    assert first["incident"] != second["incident"]


def test_two_series_of_one_signal_are_one_incident_and_do_not_flicker_into_each_other():
    found = made(run("posts", 0, 0, series="posts{a}"), run("posts", 1, 1, series="posts{b}"))
    assert len(found.members) == 2
    assert (found.frame.loc[0, "signals"], found.frame.loc[0, "series"]) == (1, 2)


def test_a_storm_does_not_chain_the_week():
    """Something begins every hour: each incident takes in starts of a day, at a step of an hour."""
    names = ("posts", "pending", "jobs", "calls", "sent", "asked")
    storm = [run(names[i % 6], i, i, series=f"{names[i % 6]}{{n={i}}}") for i in range(168)]
    found = made(*storm)
    assert len(found.frame) == 7
    spans = found.members.groupby("incident")["start"].agg(["min", "max"])
    assert ((spans["max"] - spans["min"]) <= REACH * pd.Timedelta("2h")).all()


def test_ongoing_is_what_reaches_the_newest_instant():
    runs = (run("posts", 0, 1), run("jobs", 20, 24))
    assert [*made(*runs, newest=hours(24)).frame["ongoing"]] == [False, True]
    assert not made(*runs).frame["ongoing"].any()


def test_an_area_that_the_flow_does_not_name_comes_last():
    assert groups(made(run("disk", 0, 0), run("asked", 1, 1))) == {0: ["asked", "disk"]}


def test_runs_without_a_score_come_after_those_with_one():
    found = made(run("jobs", 0, 0, score=np.nan, kind="missing"), run("calls", 0, 0))
    assert [*found.members["signal"]] == ["calls", "jobs"]


def test_nothing_is_no_incident_with_the_same_columns():
    none, some = made(), made(run("posts", 0, 0))
    assert [*none.frame.columns] == [*some.frame.columns] == [*FRAME]
    assert [*none.members.columns] == [*some.members.columns] == [*MEMBER]
    assert none.frame.empty


def test_the_callers_frame_stays_as_it_is_and_its_series_may_be_categories():
    given_ = members(run("jobs", 3, 3), run("posts", 0, 0)).astype({"unique_id": "category", "kind": "category"})
    before = given_.copy(deep=True)
    together(given_, height=HEIGHT, step="1h")
    pd.testing.assert_frame_equal(given_, before)


def test_the_name_says_when_what_and_which_series():
    found = made(run("jobs", 0, 4, series='jobs{channel="x"}'), run("posts", 1, 2))
    assert found.frame.loc[0, "incident"].startswith("20261102T0000Z-jobs-")
    other = made(run("jobs", 0, 4, series='jobs{channel="y"}'), run("posts", 1, 2))
    assert found.frame.loc[0, "incident"] != other.frame.loc[0, "incident"]


SOME = st.lists(
    st.builds(
        lambda signal, series, start, length, score: run(
            signal, start, start + length, series=f"{signal}{{n={series}}}", score=score
        ),
        st.sampled_from(["posts", "pending", "jobs", "calls", "sent", "asked", "disk"]),
        st.integers(0, 2),
        st.integers(0, 60),
        st.integers(0, 12),
        st.sampled_from([1.5, 2.0, np.nan]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda one: (one["unique_id"], one["start"]),
)


@given(SOME, st.randoms())
def test_the_order_of_the_series_is_irrelevant(runs, random):
    other = [*runs]
    random.shuffle(other)
    one, two = made(*runs), made(*other)
    pd.testing.assert_frame_equal(one.frame, two.frame)
    pd.testing.assert_frame_equal(one.members, two.members)


@given(SOME, st.sampled_from([-1000, 1000]))
def test_a_far_incident_changes_none_of_the_others(runs, away):
    alone = made(*runs)
    more = made(*runs, run("posts", away, away + 3, series="posts{far}"))
    kept = more.frame[more.frame["incident"].isin(alone.frame["incident"])].reset_index(drop=True)
    assert len(more.frame) == len(alone.frame) + 1
    pd.testing.assert_frame_equal(kept, alone.frame)


@given(SOME, st.integers(0, 72))
def test_names_and_members_stay_when_more_data_come(runs, until):
    """What was known at a moment: the runs that had begun, cut off there."""
    known = [one | {"end": min(one["end"], hours(until))} for one in runs if one["start"] <= hours(until)]
    if not known:
        return
    early, late = made(*known).members, made(*runs).members
    names = late.set_index(["unique_id", "start"])["incident"]
    for row in early.itertuples():
        assert names[row.unique_id, row.start] == row.incident


@given(SOME)
def test_each_run_is_in_one_incident_and_every_incident_is_whole(runs):
    found = made(*runs)
    assert found.members["steps"].sum() == sum(one["steps"] for one in runs)
    assert {*found.members["incident"]} == {*found.frame["incident"]}
    assert found.frame["incident"].is_unique
    rows = found.members
    late = rows["start"] - rows.groupby("incident")["start"].transform("min") > pd.Timedelta("2h")
    order = 10 * late + rows["area"].map(lambda area: HEIGHT.get(area, 5))
    assert order.groupby(rows["incident"]).is_monotonic_increasing.all()
