"""Tables of a page: texts in their final form."""

import pandas as pd

from tutordex_analysis.sink import table

DAY = pd.Timestamp("2026-12-14T17:00Z")
NO = {"earliest": pd.NaT, "likely": pd.NaT, "latest": pd.NaT}


def passage(signal, level, probability, **facts):
    basics = {
        "title": signal,
        "where": "",
        "limit": signal,
        "value": 0.8,
        "now": 0.5,
        "unit": "ratio",
        "p30d": 0.0,
        "p90d": probability,
    }
    return {"signal": signal, "level": level, "probability": probability, **basics, **NO, **facts}


def test_dates_are_civil_and_a_hard_limit_waits_for_the_soft_one():
    rows = [
        passage("disk", "soft", 0.9, where="/data", p30d=0.4, earliest=DAY, likely=DAY, latest=DAY),
        passage("disk", "hard", 0.0, where="/data", value=0.9),
        passage("cpu", "soft", 0.001),
        passage("cpu", "hard", 0.0, value=0.95),
    ]
    got = table.dates(pd.DataFrame(rows), tz="Asia/Singapore").frame
    assert got["Limit"].tolist() == ["80 % (soft)", "90 % (hard)", "80 % (soft)"]
    assert got.iloc[0].tolist() == ["disk (/data)", "80 % (soft)", "50 %", "40 %", "90 %", *["15 Dec 2026"] * 3]
    assert got["Chance in 90 days"].iloc[2] == "under 1 %"


def ranked(signal, **facts):
    basics = {"lead": pd.Timedelta(days=30), "within_lead": 0.4, "horizon": pd.Timedelta(days=90), "in_bursts": False}
    return passage(signal, "soft", 0.9, **(basics | {"urgency": 29.9} | facts))


def test_the_ranking_says_how_far_a_chance_looks_and_what_is_a_burst():
    nan = float("nan")
    rows = [
        ranked("disk", where="/data", earliest=DAY, likely=DAY, latest=DAY),
        ranked("cpu", in_bursts=True, urgency=9.9),
        ranked("ram", lead=pd.Timedelta(days=90), within_lead=nan, horizon=pd.Timedelta(days=28)),
    ]
    got = table.ranking(pd.DataFrame(rows), ["plan", "watch", "plan"], tz="Asia/Singapore").frame
    assert got["Urgency"].tolist() == ["plan (29)", "watch (9)", "plan (29)"]  # never rounded into the next word
    assert got["Chance in time"].tolist() == ["40 % in 30 days", "40 % in 30 days", "90 % in 28 days"]
    assert got["Likely"].tolist() == ["15 Dec 2026", "in bursts", "–"]
    assert got["Resource"].tolist() == ["disk (/data)", "cpu", "ram"]


def test_more_than_ten_rows_are_said_to_be_more():
    rows = pd.DataFrame([ranked(f"s{i}") for i in range(12)])
    shown = table.ranking(rows, ["plan"] * 12, tz="UTC")
    assert len(shown.frame) == 10
    assert "10 of 12 shown" in shown.caption


def test_a_physical_limit_waits_for_both_before_it_and_only_for_its_own():
    rows = [
        passage("disk", "soft", 0.9),
        passage("disk", "hard", 0.0, value=0.9),
        passage("disk", "physical", 0.0, value=1.0),
        passage("disk", "physical", 0.0, value=2.0, limit="other"),
    ]
    got = table.dates(pd.DataFrame(rows), tz="UTC").frame
    assert got["Limit"].tolist() == ["80 % (soft)", "90 % (hard)", "200 % (physical)"]


def test_labels_are_shown_or_said_to_be_none():
    rows = pd.DataFrame({"title": ["disk", "cpu"], "where": ["/", ""], "labels": [("violation", "saturation"), ()]})
    got = table.labels(rows).frame
    assert got.to_numpy().tolist() == [["disk (/)", "violation, saturation"], ["cpu", "none"]]


def test_no_limit_at_all_is_an_empty_table():
    empty = table.dates(pd.DataFrame([passage("s", "soft", 0.5)]).iloc[:0], tz="UTC")
    assert empty.frame.empty
    assert empty._repr_html_() == "<p>No signal here has a limit to be checked against.</p>"
    assert "No signal here" in repr(empty)


def test_html_is_escaped_and_has_its_caption():
    rows = pd.DataFrame([passage("<script>", "soft", 0.5)])
    html = table.dates(rows, tz="UTC")._repr_html_()
    assert "<script>" not in html
    assert "<caption>When limits are reached" in html
    folded = table.FoldOut("How we know", [table.dates(rows, tz="UTC")])._repr_html_()
    assert folded.startswith("<details><summary>How we know</summary><table")


def test_what_was_left_out_is_told_in_civil_time_ten_rows_at_most():
    row = {
        "end": DAY + pd.Timedelta("90min"),
        "signals": "New posts",
        "origin": "incident",
        "reason": "<b>load test</b>",
    }
    rows = pd.DataFrame([{"start": DAY - i * pd.Timedelta("1D"), **row} for i in range(12)])
    shown = table.left_out(rows, tz="Asia/Singapore")
    assert shown.frame.iloc[0].tolist() == [
        *("15 Dec 2026 01:00", "15 Dec 2026 02:30"),
        *("New posts", "incidents file", "<b>load test</b>"),
    ]
    assert len(shown.frame) == 10
    assert shown.caption.endswith("the newest 10 of 12")
    assert "<b>" not in shown._repr_html_()
    assert table.left_out(rows.iloc[:0], tz="UTC").caption.endswith("nothing this time")
