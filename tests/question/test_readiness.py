"""Is an alert ready: every reason why not, counted by hand; and what nobody can tell is said to be so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.question.test_backtest_rules import DAY, at, incident, replayed, rule
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import readiness as question
from tutordex_analysis.question.backtest_rules import backtest
from tutordex_analysis.question.readiness import TERMS, Proof, Watched
from tutordex_analysis.source.in_shadow import InShadow

GOOD = Proof(answer="yes", why="it was good")
SPAN = TimeRange(DAY, DAY + pd.Timedelta("28D"), "5m")
INCIDENTS = [incident(10, 11), incident(200, 201)]


def kept(fired=((10.1, 10.5),), *, known=INCIDENTS, sets=("human", "learnt"), **rule_facts):
    """Two weeks; the alert fired at these hours."""
    one = replayed([rule(0, "New", **rule_facts)], [(0, "{}", *hours) for hours in fired])
    made = backtest(dict.fromkeys(sets, one), known)
    return replace(made, definitions={"New": "aa"}, learned=("New",))


def proof(result, definition="aa", **more):
    asked = {"learns": True, "terms": TERMS, "how": "make one"} | more
    return question.by_backtest(result, "New", definition, **asked)


def memory(loaded=((0.0, 200.0),), fired=(), *, learnt=((0.0, 700.0),), definition="aa", **facts):
    """Alert New, loaded and firing between these hours."""
    rows = [("New", definition, at(a), at(b)) for a, b in loaded]
    calls = [("New", "{}", at(a), at(b)) for a, b in fired]
    utc = {"start": "datetime64[ms, UTC]", "end": "datetime64[ms, UTC]"}
    known = {"kept": pd.Timedelta("15D"), "alerts_known": True, "sick": {}} | facts
    return InShadow(
        range=SPAN,
        loaded=pd.DataFrame(rows, columns=["alert", "definition", "start", "end"]).astype(utc),
        learnt=pd.DataFrame([("New", at(a), at(b)) for a, b in learnt], columns=["alert", "start", "end"]).astype(utc),
        fired=pd.DataFrame(calls, columns=["alert", "labels", "start", "end"]).astype(utc),
        **known,
    )


def stands(remembered, *, learns=True, incidents=(), backtest=GOOD, concerns=lambda mask, metrics: True):
    watched = Watched(remembered=remembered, incidents=incidents, concerns=concerns, metrics={"New": {"jobs"}})
    return question.readiness("New", "aa", learns=learns, backtest=backtest, watched=watched, terms=TERMS)


def test_a_good_backtest_is_one_that_found_something_and_was_seldom_wrong():
    good = proof(kept())
    assert good.answer == "yes"
    assert good.why == (
        "2026-03-02 to 2026-03-16: found 1 of 2 incidents (at least 1), 0 false alarms a week (at most 0.5)"
    )
    assert proof(kept([(10.1, 10.5), (100, 101)])).answer == "no"  # one in less than two weeks: 0.51 a week
    assert proof(kept([])).answer == "no"  # it found nothing


@pytest.mark.parametrize(
    ("result", "more", "why"),
    [
        (None, {}, r"none is kept \(make one\)"),
        (kept(), {"definition": "bb"}, "replayed another definition"),
        (replace(kept(), definitions={}), {}, "replayed another definition"),
        (replace(kept(), learned=()), {}, "with its human limit mostly"),
        (kept(problem="it joins nothing"), {}, "could not be replayed: it joins nothing"),
        (kept(known=[]), {}, "no incident is known"),
        (kept(known=[incident(-1, 400)]), {}, "incidents fill all of it"),
        (kept(sets=("old",)), {}, "does not have this alert"),
        (kept(), {"terms": replace(TERMS, backtest=pd.Timedelta("15D"))}, "14 days are too few, 15 are needed"),
    ],
)
def test_a_backtest_that_says_nothing_of_this_alert_is_no_proof(result, more, why):
    found = proof(result, **more)
    assert found.answer == "cannot tell"
    assert pd.Series([found.why]).str.contains(why).all(), found.why


def test_of_an_alert_that_learns_nothing_the_replay_with_human_limits_counts():
    assert proof(replace(kept(sets=("human",)), learned=()), learns=False).answer == "yes"


def test_the_set_with_learned_limits_counts_before_the_other():
    quiet, loud = kept(), kept([(100, 101), (120, 121)], sets=("human",))
    rows = pd.concat([loud.alerts, quiet.alerts[quiet.alerts["rules"] == "learnt"]], ignore_index=True)
    assert proof(replace(quiet, alerts=rows)).answer == "yes"


def test_a_quiet_week_in_shadow_is_good_and_so_is_one_false_alarm():
    one = stands(memory())
    assert (one.ready, one.days, one.fired) == ("yes", pytest.approx(200 / 24), 0)
    assert stands(memory(fired=[(50, 51)]), incidents=[incident(100, 101)]).ready == "yes"
    two = stands(memory(fired=[(50, 51), (60, 61)]), incidents=[incident(100, 101)])
    assert (two.ready, two.fired, two.false) == ("no", 2, 2)
    assert "at most 1 may be false" in two.shadow.why


def test_what_fired_in_an_incident_is_not_false():
    one = stands(memory(fired=[(100.1, 101), (50, 51)]), incidents=[incident(100, 101)])
    assert (one.ready, one.fired, one.false) == ("yes", 2, 1)
    assert "fired 2 times, 1 of them outside the 1 known incidents, 1 of which it found" in one.shadow.why


def test_two_firings_without_a_known_incident_may_be_right_or_wrong():
    one = stands(memory(fired=[(50, 51), (60, 61)]))
    assert one.ready == "cannot tell"
    assert np.isnan(one.false)
    assert "no incident is known in that time" in one.shadow.why


def test_a_week_with_the_human_limit_tried_no_learned_one():
    half = memory(learnt=[(0, 50), (100, 150), (300, 400)])
    assert stands(half).ready == "yes"
    less = memory(learnt=[(0, 50), (100, 149), (300, 400)])
    one = stands(less)
    assert one.ready == "no"
    assert "its limit was learned 49.5% of that time" in one.shadow.why
    assert "learned 0.0% of that time" in stands(memory(learnt=[])).shadow.why
    assert stands(memory(learnt=[]), learns=False).ready == "yes"


def test_gaps_do_not_count_as_time_in_shadow():
    one = stands(memory([(0, 100), (600, 660)]))
    assert one.ready == "no"
    assert one.days == pytest.approx(160 / 24)
    assert "7 days are needed" in one.shadow.why
    assert stands(memory([(0, 100), (600, 668)])).ready == "yes"


def test_what_fired_while_another_definition_was_loaded_is_not_its_doing():
    other = memory([(0, 300)], fired=[(50, 51), (60, 61), (70, 71)], definition="bb")
    both = replace(other, loaded=pd.concat([other.loaded, memory([(300, 500)]).loaded], ignore_index=True))
    one = stands(both, incidents=[incident(400, 401)])
    assert (one.ready, one.fired) == ("yes", 0)
    back = replace(other, loaded=memory([(0, 40), (100, 300)]).loaded)  # another one in between
    assert stands(back, incidents=[incident(400, 401)]).fired == 0


@pytest.mark.parametrize(
    ("remembered", "answer", "why"),
    [
        (memory([]), "no", "never loaded in shadow"),
        (memory([], alerts_known=False), "cannot tell", "no series ALERTS at all"),
        (memory([], fired=[(50, 51)]), "cannot tell", "build and push them again"),
        (memory(definition="bb"), "no", "another definition"),
        (memory(alerts_known=False), "cannot tell", "no series ALERTS at all"),
        (memory([(0, 100)], kept=pd.Timedelta("5D")), "cannot tell", "this Prometheus keeps 5"),
        (memory([(0, 100)], kept=None), "no", "7 days are needed"),
        (memory(sick={"New": "many-to-many"}), "no", "cannot evaluate it: many-to-many"),
    ],
)
def test_every_reason_why_shadow_says_no_or_nothing(remembered, answer, why):
    found = stands(remembered)
    assert found.ready == answer
    assert why in found.shadow.why
    assert why in found.sentence


def test_no_beats_cannot_tell_and_both_must_say_yes():
    doubt, bad = Proof(answer="cannot tell", why="x"), Proof(answer="no", why="x")
    assert stands(memory(), backtest=doubt).ready == "cannot tell"
    assert stands(memory([]), backtest=doubt).ready == "no"
    assert stands(memory(), backtest=bad).ready == "no"


def test_more_weeks_may_have_more_false_alarms():
    assert [TERMS.allowed(weeks) for weeks in (0.5, 1, 3.9, 4, 6)] == [1, 1, 1, 2, 3]


def test_the_table_has_numbers_and_reasons():
    rows = question.table([stands(memory()), stands(memory([]))])
    assert list(rows.columns) == list(question.COLUMNS)
    assert rows["ready"].tolist() == ["yes", "no"]
    assert rows["days"].dtype == np.float64
    assert question.table([]).empty
