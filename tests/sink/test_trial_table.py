"""Old rules beside new, in words."""

import pandas as pd

from tutordex_analysis.sink import trial_table

NAN = float("nan")


def row(alert, old, ours, problem=""):
    """Fired, found, minutes and false alarms a week of two sets."""
    names = ("fired", "found", "minutes", "false")
    sets = {
        f"{name}_{which}": one
        for which, each in (("old", old), ("human", ours))
        for name, one in zip(names, each, strict=True)
    }
    return {"alert": alert, "problem": problem, **sets}


ROWS = pd.DataFrame(
    [
        row("A", (3, 1, -16.875, 2.0869), (1, 1, 30, 0)),
        row("Quiet", (0, 0, NAN, 0), (0, 0, NAN, 0)),
        row("New", (NAN,) * 4, (NAN,) * 4, problem="it needs its own past"),
        row("all alerts", (303, 1, 0, 21.0477), (1, 2, 15, 0)),
    ]
)


def test_all_alerts_come_first_and_those_that_never_fired_are_folded_away():
    shown = trial_table.alerts(ROWS, otherwise="nothing")
    assert list(shown.frame.columns)[1] == "Fired (old / ours)"
    assert shown.frame.to_numpy().tolist() == [
        ["All alerts", "303 / 1", "1 / 2", "0 / 15", "21 / 0"],
        ["A", "3 / 1", "1 / 1", "−17 / 30", "2.1 / 0"],
    ]
    every, bad = trial_table.rest(ROWS).tables
    assert every.frame["Alert"].tolist() == ["A", "Quiet", "New", "All alerts"]
    assert every.frame["Fired (old / ours)"].tolist()[2] == "– / –"
    assert bad.frame.to_numpy().tolist() == [["New", "it needs its own past"]]


def test_without_a_result_the_reason_stands_in_its_place():
    nothing = pd.DataFrame(columns=["alert", "problem"])
    assert (
        trial_table.alerts(nothing, otherwise="An archive <cannot>.")._repr_html_()
        == "<p>An archive &lt;cannot&gt;.</p>"
    )
    assert trial_table.rest(nothing)._repr_html_().startswith("<details>")
    assert "No incident is known" in repr(trial_table.incidents(pd.DataFrame(columns=["start"]), tz="UTC"))


def test_an_incident_is_told_in_civil_time_with_who_told_of_it_first():
    facts = {"start": pd.Timestamp("2026-09-03T02:58Z"), "end": pd.Timestamp("2026-09-03T09:58Z"), "reason": "replay"}
    sets = {"first_old": "", "minutes_old": NAN, "first_human": "A", "minutes_human": 226.5}
    sets |= {"first_learnt": "B", "minutes_learnt": -7.6}
    (told,) = trial_table.incidents(pd.DataFrame([facts | sets]), tz="Asia/Singapore").frame.to_numpy().tolist()
    assert [cell.replace("\u00a0", " ") for cell in told] == [
        "3 Sep 10:58 replay",
        "missed",
        "A, 3.8 h after",
        "B, 8 min before",
    ]


def test_before_and_since_are_two_rows():
    facts = {"weeks": 7.0, "firings": 186, "calls": 136, "calls_a_week": 19.43, "night": 2.57, "hours": 5.09}
    rows = pd.DataFrame([{"when": "before", **facts}, {"when": "after", **facts, "weeks": 8.0}])
    found = trial_table.change(rows, otherwise="nothing").frame.to_numpy().tolist()
    assert found[0] == ["Before our rules", "7", "186", "136", "19.4", "2.57", "5.09 h"]
    assert found[1][:2] == ["Since", "8"]
