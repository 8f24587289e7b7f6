"""Tables of a page: texts in their final form."""

import pandas as pd

from tutordex_analysis.sink import table

DAY = pd.Timestamp("2026-12-14T17:00Z")
NO = {"earliest": pd.NaT, "likely": pd.NaT, "latest": pd.NaT}


def passage(signal, level, probability, **facts):
    basics = {"title": signal, "where": "", "value": 0.8, "now": 0.5, "unit": "ratio", "p30d": 0.0, "p90d": probability}
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


def test_more_than_ten_rows_are_said_to_be_more():
    rows = pd.DataFrame([passage(f"s{i}", "soft", 0.5) for i in range(12)])
    shown = table.dates(rows, tz="UTC")
    assert len(shown.frame) == 10
    assert "10 of 12 shown" in shown.caption


def test_no_limit_at_all_is_an_empty_table():
    assert table.dates(pd.DataFrame([passage("s", "soft", 0.5)]).iloc[:0], tz="UTC").frame.empty


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
