"""What was unusual: planted drops are found and told, what did not alert has its reason, lacks are said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.errors import NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.question import anomalies, anomaly_findings, case
from tutordex_analysis.question.finding import COLUMNS as FINDING
from tutordex_analysis.verdicts_file import Verdict

CATALOGUE = catalogue_file.load()
END = pd.Timestamp("2026-10-21T16:00Z")  # Thursday, midnight in Singapore
HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
DROP = pd.Timestamp("2026-10-20T06:00Z")  # Tuesday 14:00 in Singapore
NAMES = ("posts_seen", "jobs_done", "dms_sent")


def history(name, *, days=42, drop=None, hours=4, to=0.0, level=60.0):
    """A daily wave with a ripple, from `drop` on for some hours at another value."""
    signal = CATALOGUE.signal(name)
    window = TimeRange(END - days * DAY + HOUR, END + HOUR, "1h")
    t = np.arange(len(window))
    values = np.round(level + level / 3 * np.sin(2 * np.pi * t / 24) + 3 * np.sin(t * 2.4) + 2 * np.cos(t * 5.1))
    if drop is not None:
        covered = (window.grid > drop) & (window.grid <= drop + hours * HOUR)
        values = np.where(covered, to, values)
    return frames.build(values[None], [{"__name__": signal.name}], window)


def told(**options):
    """Three signals, of which two drop together."""
    histories = {name: history(name, drop=None if name == "dms_sent" else DROP) for name in NAMES}
    return anomalies.unusual(histories, CATALOGUE, weeks=2, **options)


@pytest.fixture(scope="module")
def found():
    return told()


def test_a_drop_of_two_signals_is_one_incident_told_from_upstream(found):
    (one,) = found.incidents.to_dict("records")
    assert one["start"] - found.step == DROP
    assert (one["signal"], one["first_area"], one["signals"]) == ("posts_seen", "collector", 2)
    assert one["direction"] == "down"
    assert -350 < one["cost"] < -90  # of about 300 in four hours, so far as they were outside the band
    assert set(found.members["signal"]) == {"posts_seen", "jobs_done"}


def test_the_sentence_says_when_what_where_and_how_much(found):
    sentence = found.incidents["sentence"][0]
    pattern = (
        r"Tue 20 Oct 14:00–1\d:00: New posts fell to 0 \(expected \d+–\d+ posts an hour\); first seen in the "
        r"collector, also jobs finished; about \d+ posts fewer than expected; "
        r"(just|clearly|far) outside what is usual\."
    )
    assert pd.Series([sentence]).str.fullmatch(pattern).all(), sentence


def test_findings_keep_the_house_contract(found):
    assert list(found.findings.columns) == list(FINDING)
    (row,) = found.findings[found.findings["kind"] == "unusual"].to_dict("records")
    assert row["question"] == "20_anomalies"
    assert row["sentence"] == found.incidents["sentence"][0]
    assert row["unit"] == "posts"
    assert row["effect"] == found.incidents["cost"][0]
    assert row["priority"] == anomaly_findings.PRIORITY[found.incidents["severity"][0]]
    assert f"anomalies mark {found.incidents['incident'][0]} confirmed" in row["action"]
    assert row["action"].startswith("Look at the collector first.")
    assert np.isnan(row["certainty"])  # nobody judged any


def test_the_headline_is_the_incident(found):
    said = anomaly_findings.headline(found.incidents, found.health, at=found.at)
    assert said == f"One incident in the last 7 days. {found.incidents['sentence'][0]}"


def test_quiet_weeks_are_said_in_one_sentence():
    quiet = anomalies.unusual({name: history(name) for name in NAMES}, CATALOGUE, weeks=2)
    assert quiet.incidents.empty
    assert anomaly_findings.headline(quiet.incidents, quiet.health, at=quiet.at) == (
        "Nothing unusual in the last 7 days in 3 series of 3 signals."
    )
    assert quiet.findings["sentence"].tolist() == ["Nothing unusual in the last 7 days in 3 series of 3 signals."]
    assert (quiet.glance["score"].dropna() < 1).all()


def test_the_glance_is_the_worst_score_from_a_civil_monday_on(found):
    assert found.since == pd.Timestamp("2026-10-11T16:00Z")
    assert found.glance["ds"].is_monotonic_increasing
    assert found.glance["ds"].min() == found.since + HOUR
    outside = found.glance[found.glance["score"] > 1]
    assert set(outside["ds"]) >= {DROP + i * HOUR for i in (1, 2)}


def test_a_silence_that_holds_all_of_an_incident_keeps_it_from_alerting():
    def silenced(start, end):
        mask = Mask(start=start, end=end, reason="move of the host (ops)", origin="silence")
        return told(masks=Masks(masks=(mask,)))

    whole = silenced(DROP - HOUR, DROP + 12 * HOUR)
    assert whole.incidents.empty
    (row,) = whole.suppressed[whole.suppressed["why"] == "silence"].to_dict("records")
    assert (row["signal"], row["start"], row["detail"]) == ("posts_seen", DROP, "move of the host (ops)")
    part = silenced(DROP + 3 * HOUR, DROP + 12 * HOUR)
    assert len(part.incidents) == 1
    assert part.suppressed[part.suppressed["why"] == "silence"].empty


def test_an_alert_that_fired_is_told_beside_and_suppresses_nothing():
    fired = Mask(start=DROP, end=DROP + 12 * HOUR, reason="CollectorStalled fired", origin="alert")
    result = told(masks=Masks(masks=(fired,)))
    assert "; CollectorStalled fired" in result.incidents["sentence"][0]


def test_a_release_before_it_is_told_once():
    change = Change(kind="deploy", component="worker", name="worker released as v7", start=DROP - HOUR / 2, end=DROP)
    result = told(changes=Changes(changes=(change, change)))
    assert result.incidents["sentence"][0].endswith("; worker released as v7, at that time.")


def test_marks_are_used(found):
    name = found.incidents["incident"][0]
    right = told(verdicts=[Verdict(incident=name, verdict="confirmed")])
    assert right.incidents["sentence"][0].endswith("; marked as confirmed.")
    assert tuple(right.health.precision) == (1, 0, 0)
    assert right.findings["action"].tolist() == [""]
    assert "1 of 1 incidents that somebody judged were real" in anomaly_findings.scorecard(right.health)[1]
    wanted = told(verdicts=[Verdict(incident=name, verdict="expected", note="stock-taking")])
    assert wanted.incidents.empty
    (row,) = wanted.suppressed[wanted.suppressed["why"] == "expected"].to_dict("records")
    assert "stock-taking" in row["detail"]


def test_what_turned_out_to_be_false_comes_last_and_asks_for_nothing(found):
    histories = {name: history(name, drop=None if name == "dms_sent" else DROP) for name in NAMES}
    earlier = history("posts_seen", drop=DROP, to=0.0)
    more = (earlier["ds"] > DROP - 5 * DAY) & (earlier["ds"] <= DROP - 5 * DAY + 2 * HOUR)
    histories["posts_seen"] = earlier.assign(y=earlier["y"].mask(more, 0.0))
    both = anomalies.unusual(histories, CATALOGUE, weeks=2)
    assert len(both.incidents) == 2
    mark = Verdict(incident=both.incidents["incident"][0], verdict="false")
    after = anomalies.unusual(histories, CATALOGUE, weeks=2, verdicts=[mark])
    assert after.incidents["incident"].tolist() == both.incidents["incident"].tolist()[::-1]
    assert after.findings["priority"].iloc[-1] == 0.0


def test_a_holiday_is_listed_with_what_was_quiet():
    end = pd.Timestamp("2026-11-15T16:00Z")  # Deepavali is Sunday 8 November, observed the next day
    window = TimeRange(end - 42 * DAY + HOUR, end + HOUR, "1h")
    t = np.arange(len(window))
    civil = pd.DatetimeIndex(window.grid - HOUR / 2).tz_convert("Asia/Singapore")
    share = np.where(civil.strftime("%d %b") == "09 Nov", 0.5, 1.0)
    values = np.round(share * (60 + 3 * np.sin(t * 2.4) + 2 * np.cos(t * 5.1)))
    rows = frames.build(values[None], [{"__name__": "posts_seen"}], window)
    result = anomalies.unusual({"posts_seen": rows}, CATALOGUE, weeks=2)
    assert [f"{day:%d %b}" for day in result.holidays.index] == ["08 Nov", "09 Nov"]
    (row,) = result.suppressed[result.suppressed["why"] == "holiday"].to_dict("records")
    assert row["detail"] == "Deepavali (observed)"
    assert row["what"] == "−50 % against the same weekday of the weeks before"
    assert row["start"] == pd.Timestamp("2026-11-08T16:00Z")


def test_too_short_a_history_says_from_which_day_it_can_be_judged():
    short = {name: history(name).groupby("unique_id", observed=True).tail(2).reset_index(drop=True) for name in NAMES}
    result = anomalies.unusual(short, CATALOGUE)
    assert result.health.series == 0
    assert result.incidents.empty
    said = anomaly_findings.headline(result.incidents, result.health, at=result.at)
    assert said == "Nothing can be judged yet. From 2026-10-25 the first signal can."
    (row,) = result.findings.to_dict("records")
    assert row["kind"] == "data"
    assert row["sentence"] == (
        "New posts, Jobs finished, Direct messages sent: too short a history; from 25 Oct 2026 on it is enough."
    )


def test_two_weeks_are_judged_by_the_hour_and_say_from_when_by_the_weekday():
    result = anomalies.unusual({name: history(name, days=14) for name in NAMES}, CATALOGUE, weeks=2)
    assert result.health.series == 3
    assert result.health.waiting.empty
    (lack,) = result.findings[result.findings["kind"] == "data"]["sentence"]
    assert lack == (
        "New posts, Jobs finished, Direct messages sent: the pattern of 7 days is not known yet; from 29 Oct 2026 on "
        "it is enough."
    )


def test_a_series_without_recent_values_is_said_to_lack_them():
    histories = {name: history(name) for name in NAMES}
    old = histories["dms_sent"]
    histories["dms_sent"] = old.assign(y=old["y"].mask(old["ds"] > END - 10 * DAY))
    histories["jobs_done"] = frames.empty()
    waiting = anomalies.unusual(histories, CATALOGUE, weeks=2).health.waiting.set_index("signal")
    assert waiting["why"].to_dict() == {
        "jobs_done": "no value in all the history that was read",
        "dms_sent": "no value in the last 7 days",
    }
    assert waiting["since"].isna().all()


def test_the_week_in_numbers(found):
    row = found.week.set_index("signal").loc["posts_seen"]
    history_of_week = history("posts_seen", drop=DROP)
    recent = history_of_week[history_of_week["ds"] > END - 7 * DAY]
    assert row["judged"] == len(recent) == 168
    assert row["seen"] == recent["y"].sum()
    assert row["outside"] >= 2 / 168
    assert row["worst"] == found.week["worst"].max()
    assert found.week["outside"].is_monotonic_decreasing


def test_alerts_are_counted_by_civil_week_beside_the_budget(found):
    weeks = found.health.weeks
    assert [f"{day:%a %d %b}" for day in weeks["week"]] == ["Mon 12 Oct", "Mon 19 Oct"]
    assert weeks["alerts"].tolist() == [0, 1]
    assert weeks["whole"].tolist() == [True, False]
    assert found.health.used == 0.0
    assert anomaly_findings.scorecard(found.health)[0] == "0 alerts a week in 1 whole weeks; 2 a week are allowed."


def test_the_case_that_is_drawn(found):
    (one,) = case.cases(found, CATALOGUE)
    assert one.sentence == f"{one.heading.partition(' · ')[0]}: {one.what}"
    assert [trace.title for trace in one.traces] == ["New posts", "Jobs finished"]
    rows = one.traces[0].frame
    assert rows["ds"].min() <= one.start - 2 * DAY + HOUR
    assert rows["ds"].max() >= one.end + 12 * HOUR
    assert (rows["lower"].dropna() >= 0).all()  # a count is never below
    assert case.outlined(found).to_dict("list")["number"] == [1]
    assert [trace.title for trace in case.week(found, CATALOGUE)][:2] == found.week["title"].tolist()[:2]


class Source:
    """Holds one signal; the archive says of the others that it does not."""

    def read(self, signal, time_range):
        if signal == "posts_seen":
            return history(signal)
        raise NotHeld(f"the archive does not hold {signal}")


def test_watched_signals_are_gathered_and_the_absent_are_empty():
    window = TimeRange(END - DAY, END, "1h")
    histories = anomalies.gather(Source(), CATALOGUE, window)
    assert not histories["posts_seen"].empty
    assert histories["jobs_done"].empty
    assert "queue_ok" not in histories  # watch: null
    assert "users_joined" not in histories  # of events
    Source.read = lambda self, signal, time_range: (_ for _ in ()).throw(NotHeld(f"no {signal}"))
    with pytest.raises(NotEnoughData, match=r"none of the \d+ watched signals has a value .*the first answer was: no "):
        anomalies.gather(Source(), CATALOGUE, window)


def test_nothing_to_score_is_one_sentence():
    with pytest.raises(NotEnoughData, match="not one of 1 watched signals has two values"):
        anomalies.unusual({"posts_seen": frames.empty()}, CATALOGUE)


def test_gaps_alone_are_one_sentence_too():
    gaps = history("posts_seen")
    with pytest.raises(NotEnoughData, match=r"(has a value|has two values)"):
        anomalies.unusual({"posts_seen": gaps.assign(y=np.nan)}, CATALOGUE)


def test_the_callers_frames_stay_as_they_are():
    histories = {name: history(name, drop=DROP) for name in NAMES}
    before = {name: one.copy() for name, one in histories.items()}
    anomalies.unusual(histories, CATALOGUE, weeks=2)
    for name, one in histories.items():
        pd.testing.assert_frame_equal(one, before[name])
