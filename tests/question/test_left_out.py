"""Which masks take what from a history, and which are refused."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.question import capacity, capacity_findings
from tutordex_analysis.question import left_out as masking
from tutordex_analysis.question.left_out import left_out

CATALOGUE = catalogue_file.load()
COUNT, GAUGE = CATALOGUE.signal("posts_seen"), CATALOGUE.signal("cpu_used")
END = pd.Timestamp("2026-11-15T16:00Z")
HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")


def history(signal=COUNT, days=30, values=None, labels=None):
    window = TimeRange(END - days * DAY, END, "1h")
    t = np.arange(len(window))
    rng = np.random.default_rng(4)
    if values is None:
        wave = 1 + 0.8 * np.sin(2 * np.pi * t / 24)
        values = rng.poisson(20 * wave).astype(float) if signal.kind == "count" else 0.3 * wave / 2 + 0.1
    return frames.build(np.atleast_2d(values), [{"__name__": signal.name, **(labels or {})}], window)


def mask(back, hours, origin="alert", reason="LLMFailureSpike fired", **facts):
    """A mask that begins `back` hours before the end of the histories."""
    start = END - back * HOUR
    expires = {"expires": END + DAY} if origin == "incident" else {}
    return Mask(start=start, end=start + hours * HOUR, reason=reason, origin=origin, **expires, **facts)


def gone(found):
    """Hours before END of the values that were taken."""
    lost = found.training["y"].isna() & found.history["y"].notna()
    return ((END - found.history["ds"][lost]) / HOUR).tolist()


@pytest.mark.parametrize(
    ("signal", "origin", "taken"),
    [
        (GAUGE, "silence", [99, 98]),
        (GAUGE, "incident", [99, 98]),
        (GAUGE, "alert", [100, 99, 98]),  # what it tells of began before it fired
        (COUNT, "silence", [99, 98, 97]),  # the first count after an outage holds what was missed
        (COUNT, "alert", [100, 99, 98, 97]),
    ],
)
def test_windows_are_a_step_longer_where_that_is_honest(signal, origin, taken):
    found = left_out(signal, history(signal), [mask(100, 2, origin, "x")])
    assert gone(found) == taken
    assert len(found.masks) == 1
    assert not found.refused


def test_the_history_itself_and_other_signals_stay():
    frame = history()
    before = frame.copy()
    found = left_out(COUNT, frame, [mask(100, 2, signals=("jobs_done",)), mask(24 * 40, 2), mask(-5, 2)])
    pd.testing.assert_frame_equal(frame, before)
    assert gone(found) == []
    assert found.masks == ()  # of others, before the history, after it


def test_an_alert_that_fires_more_than_a_tenth_of_the_time_is_refused_as_one():
    always = [mask(back, 4, reason="Watchdog fired") for back in range(8, 24 * 30, 24)]
    found = left_out(COUNT, history(), [*always, mask(100, 2)])
    assert gone(found) == [100, 99, 98, 97]
    assert [one.reason for one in found.masks] == ["LLMFailureSpike fired"]
    assert found.refused == (
        "New posts: Watchdog fired would take 25 % of the history; what takes more than 10 % is no exception, so "
        "nothing of it is left out.",
    )


def test_all_masks_together_leave_half():
    many = [mask(24 * 30 - 60 * i, 55, reason=f"Alert{i:02d} fired") for i in range(12)]
    found = left_out(COUNT, history(), many)
    assert 0.4 < len(gone(found)) / (24 * 30) <= 0.5
    assert len(found.masks) + len(found.refused) == 12
    by_hand = left_out(COUNT, history(), [*many, mask(24 * 20, 24 * 8, "incident", "moved house")])
    assert "moved house" in {one.reason for one in by_hand.masks}  # what a person says comes first
    assert len(gone(by_hand)) / (24 * 30) <= 0.5
    assert "would bring what is left out to more than 50 % of the history" in by_hand.refused[0]


def test_gaps_do_not_count_and_a_mask_over_nothing_else_is_not_shown():
    frame = history()
    frame["y"] = frame["y"].mask(frame["ds"] < END - 5 * DAY)
    assert left_out(COUNT, frame, [mask(24 * 20, 48)]).masks == ()
    assert len(left_out(COUNT, frame, [mask(48, 13)]).refused) == 1  # 15 of 120 hours


@pytest.mark.parametrize("frame", [frames.empty(["__name__"]), history(values=np.full(720, np.nan))])
def test_a_history_without_values_has_nothing_to_leave_out(frame):
    found = left_out(COUNT, frame, [mask(100, 2)])
    assert found.training is frame
    assert found.masks == ()


def test_the_table_names_each_stretch_once_with_all_its_signals_newest_first():
    masks = [mask(100, 2), mask(50, 1, "silence", "maintenance")]
    rows = masking.table([left_out(COUNT, history(), masks), left_out(GAUGE, history(GAUGE), masks)])
    assert rows["reason"].tolist() == ["maintenance", "LLMFailureSpike fired"]
    assert rows["signals"].tolist() == ["New posts, CPU in use"] * 2
    assert rows["start"].tolist() == [END - 50 * HOUR, END - 100 * HOUR]
    assert masking.table([]).empty


def spoilt(signal, hours):
    """A history with these hours before the end at many times their size."""
    frame = history(signal)
    lost = ((END - frame["ds"]) / HOUR).isin(hours)
    return frame.assign(y=frame["y"].where(~lost, 0.97 if signal.kind == "gauge" else 400.0))


def test_a_forecast_learns_from_the_masked_history_and_is_compared_with_the_measured_one():
    hours = range(1, 61)  # a load test that goes on
    frame = spoilt(GAUGE, hours)
    test = Masks(masks=(mask(61, 61, "incident", "load test", signals=("cpu_used",)),), notes=("a note.",))
    plain, without = (
        capacity.outlook({"cpu_used": frame}, CATALOGUE, horizon="30d", n_paths=100, **masks)
        for masks in ({}, {"masks": test})
    )
    calm = capacity.outlook({"cpu_used": history(GAUGE)}, CATALOGUE, horizon="30d", n_paths=100)
    medians = [one.resources[0].forecast.frame["yhat"].mean() for one in (plain, without, calm)]
    assert medians[1] == pytest.approx(medians[2], rel=0.05)
    assert medians[0] > 1.3 * medians[1]
    pd.testing.assert_frame_equal(without.resources[0].history, plain.resources[0].history)
    soft = next(one for one in without.passages if one.level == "soft")
    assert soft.now == pytest.approx(0.97)  # what is, not what is learnt
    assert soft.weeks_over >= 1
    assert soft.probability == 1
    assert "is at or above" in capacity_findings.headline(without, CATALOGUE)
    assert masking.table(without.left_out)["reason"].tolist() == ["load test"]
    assert masking.table(plain.left_out).empty
    assert without.digest != plain.digest
    said = capacity_findings.findings(without, CATALOGUE)
    assert said[said["kind"] == "data"]["sentence"].tolist()[-1] == "a note."


def test_a_refused_mask_is_a_finding():
    always = Masks(masks=tuple(mask(back, 6, reason="Watchdog fired") for back in range(10, 700, 24)))
    got = capacity.outlook({"cpu_used": history(GAUGE)}, CATALOGUE, horizon="30d", n_paths=50, masks=always)
    assert capacity_findings.findings(got, CATALOGUE)["sentence"].str.contains("Watchdog fired would take").sum() == 1


def test_a_day_is_left_out_of_a_volume_where_a_quarter_of_it_is_masked():
    frame = spoilt(COUNT, range(24 * 6, 24 * 7))  # one civil day of 9,600 posts
    short, long = (
        capacity.outlook(
            {"posts_seen": frame}, CATALOGUE, horizon="14d", masks=Masks(masks=(mask(24 * 7, hours, "incident", "x"),))
        ).volumes[0]
        for hours in (3, 24)
    )
    calm = capacity.outlook({"posts_seen": history()}, CATALOGUE, horizon="14d").volumes[0]
    assert long.history["y"].max() == short.history["y"].max() == 9600
    assert long.then == pytest.approx(calm.then, rel=0.02)
    widths = [(one.forecast.frame["q0.9"] - one.forecast.frame["q0.1"]).mean() for one in (short, long, calm)]
    assert widths[1] == pytest.approx(widths[2], rel=0.1)
    assert widths[0] > 1.1 * widths[1]
