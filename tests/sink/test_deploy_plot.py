"""The figure of one release, the clearest of several, and the table."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from tutordex_analysis.sink import deploy_table
from tutordex_analysis.sink.deploy_plot import deploy, deploys


def case_of(title="Jobs", verdict="no change shown", p=0.5):
    ds = pd.date_range("2026-10-01T06:00Z", periods=10, freq="D")
    expected = np.where(np.arange(10) < 5, np.nan, 100.0)
    frame = pd.DataFrame(
        {"ds": ds, "y": np.arange(90.0, 100.0), "expected": expected, "lower": expected - 20, "upper": expected + 20}
    )
    facts = {"change": "worker released as $v2$", "at": ds[4], "title": title, "unit": "jobs", "frame": frame}
    return SimpleNamespace(**facts, sentence=f"{title}: {verdict}.", verdict=verdict, p_adjusted=p)


def test_it_draws_the_release_the_band_and_says_the_answer():
    case = case_of()
    got = deploy(case)
    assert "Dotted line: worker released as $v2$ at 5 Oct 2026 14:00." in got.alt
    assert got.alt.endswith("Jobs: no change shown.")
    first = got.png()
    assert first[:4] == b"\x89PNG"
    assert first == deploy(case).png()


def test_the_clearest_are_shown_changes_first_and_none_that_cannot_be_told(capsys):
    cases = [
        *(case_of("A", p=0.01), case_of("B", p=0.3), case_of("C", "changed", 0.04), case_of("D", "can't tell", 0.001)),
        *(case_of("E", "can't tell", np.nan), case_of("F", p=0.2)),
    ]
    found = deploys(cases, tz="Asia/Singapore")
    assert [one.heading for one in found.told] == ["C", "A", "F"]
    assert found.told[0].what == "C: changed."
    assert found.told[0].picture.alt.endswith("C: changed.")
    assert len(deploys(cases, tz="UTC", most=1).told) == 1
    none = deploys(cases[4:5], tz="UTC")
    assert none.told == ()
    none._ipython_display_()
    assert "HTML" in capsys.readouterr().out or "can anything be told" in none.otherwise


def row(**more):
    facts = {"change": "worker released as v2", "at": pd.Timestamp("2026-10-05T18:00Z"), "title": "Jobs finished"}
    facts |= {"unit": "jobs", "counted": True, "days": 7, "seen": 240.4, "expected": 300.0, "lower": 260.0}
    facts |= {"upper": 340.0, "effect": -59.6, "relative": -0.2, "p_adjusted": 0.011, "placebo_dates": 53}
    return facts | {"placebo_alarms": 2, "verdict": "changed", "note": ""} | more


def test_the_table_has_the_clearest_first_in_words():
    unknown = {"seen": np.nan, "expected": np.nan, "relative": np.nan, "p_adjusted": np.nan, "placebo_dates": 0}
    rows = pd.DataFrame(
        [
            row(title="Too short", verdict="can't tell", days=0, note="0 of 7 days; masks", **unknown),
            row(title="Queue", unit="seconds", counted=False, seen=90.0, p_adjusted=0.4, verdict="no change shown"),
            row(),
        ]
    )
    found = deploy_table.deploys(rows, tz="Asia/Singapore")
    assert [*found.frame["Signal"]] == ["Jobs finished", "Queue", "Too short"]
    first, second, third = found.frame.to_dict("records")
    assert first["Release"] == "worker released as v2, 6 Oct 2026"
    assert (first["Seen"], first["Expected"], first["Change"]) == ("240", "300 (260 to 340)", "−20 %")
    assert first["Chance"] == "0.011"
    assert (first["Cried wolf"], first["Verdict"]) == ("2 of 53", "lower than expected")
    assert second["Seen"] == "90 s"
    assert {third[name] for name in ("Days", "Seen", "Expected", "Change", "Cried wolf")} == {"–"}
    assert "1 of 3 cannot be told; the most frequent reason: 0 of 7 days." in found.notes
    many = deploy_table.deploys(pd.concat([rows] * 5), tz="UTC")
    assert len(many.frame) == 10
    assert "10 of 15 shown" in many.caption


def test_without_a_release_the_table_says_so():
    empty = pd.DataFrame([row()]).iloc[:0]
    assert "No release is known" in repr(deploy_table.deploys(empty, tz="UTC"))
