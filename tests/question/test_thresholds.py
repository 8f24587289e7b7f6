"""Which limit is in force: learnt between rails, refused for a reason, pinned; and never from what came later."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file, pins_file
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.pins_file import Pin
from tutordex_analysis.question import thresholds as question
from tutordex_analysis.question.threshold_walk import over
from tutordex_analysis.rule import Rule, Threshold

HOUR, DAY, WEEK = pd.Timedelta(hours=1), pd.Timedelta(days=1), pd.Timedelta(days=7)
START = pd.Timestamp("2026-08-30T16:00Z")  # a Monday begins in Singapore
CHANNELS = {"t.me/busy": 6.0, "t.me/quiet": 0.2, "t.me/dead": 0.01}


def rule(name, direction="above", **threshold):
    limit = Threshold(**threshold)
    return Rule(
        name=name, value="vector(1)", direction=direction, component="x", summary="x", threshold=limit, by=limit.by
    )


RULES = {
    one.name: one
    for one in (
        rule("Spike", human=300, floor=5, ceiling=1000, learn="season", signal="posts_seen"),
        rule("Drop", "below", human=1, floor=0, ceiling=15, learn="drop", signal="posts_seen"),
        rule(
            "Stale",
            human=40_000,
            floor=3600,
            ceiling=500_000,
            learn="gaps",
            signal="posts_seen_by_channel",
            by=("channel",),
        ),
        rule("Failing", human=0.5, floor=0.1, ceiling=0.9, learn="season", signal="parse_failure_share"),
        rule("Disk", human=0.9, floor=0.5, ceiling=0.95, learn="capacity", signal="disk_used", by=("mountpoint",)),
        rule("ByHand", human=3, floor=1, ceiling=9),
    )
}
SHIPPED = catalogue_file.load()
CATALOGUE = replace(SHIPPED, rules=RULES)


def grid(weeks):
    return TimeRange(START, START + weeks * WEEK, "1h")


def rate(n, mean):
    h = np.arange(n)
    shape = np.maximum(0.05, 1 - np.cos(2 * np.pi * (h % 24 - 4) / 24))
    return mean * shape / shape[:24].mean()


def histories(weeks=9, seed=0, names=None):
    """A history of each signal, in which the first hours are the same however long it goes on."""
    n = len(grid(weeks))

    def counted(mean, salt):
        each = [np.random.default_rng([seed, salt, i]).poisson(one) for i, one in enumerate(rate(n, mean))]
        return np.array(each, dtype=float)

    rng = np.random.default_rng(seed)
    by_channel = np.stack([counted(mean, i) for i, mean in enumerate(CHANNELS.values())])
    made = {
        "posts_seen": (counted(8.0, 9)[None], [{}]),
        "posts_seen_by_channel": (by_channel, [{"channel": name} for name in CHANNELS]),
        "parse_failure_share": (np.clip(rng.normal(0.1, 0.03, size=(1, 4000)), 0, 1)[:, :n], [{}]),
        "disk_used": ((0.6 + 2e-5 * np.arange(n) + rng.normal(0, 1e-4, 4000)[:n])[None], [{"mountpoint": "/"}]),
    }
    return {
        name: frames.build(y, [{"__name__": name, **one} for one in labels], grid(weeks))
        for name, (y, labels) in made.items()
        if names is None or name in names
    }


@pytest.fixture(scope="module")
def ahead():
    (disk,) = histories(names=("disk_used",)).values()
    return {"disk_used": forecast(disk, horizon="31d", season_lengths=("1d", "7d"), lower=0, upper=1)}


@pytest.fixture(scope="module")
def lessons(ahead):
    return question.learn(histories(), CATALOGUE, forecasts=ahead)


END = grid(9).end


def settled(lessons, at=END, catalogue=CATALOGUE, days=40, **more):
    """The limits after so many daily runs, so that none is still on its way."""
    found = question.thresholds(lessons, catalogue, at=at - days * DAY, **more)
    for back in range(days - 1, -1, -1):
        found = question.thresholds(lessons, catalogue, at=at - back * DAY, kept=found.kept, **more)
    return found


def row(found, alert, where=""):
    (one,) = frames.records(found.frame[(found.frame["alert"] == alert) & (found.frame["where"] == where)])
    return one


def test_only_what_is_not_known_yet_is_read():
    class Reads:
        asked: tuple = ()

        def read(self, name, time_range):
            self.asked += (name,)
            if name == "parse_failure_share":
                raise NotHeld("no")
            return histories(names=(name,))[name]

    source, known = Reads(), histories(names=("posts_seen",))
    got = question.gather(source, CATALOGUE, grid(9), known=known)
    assert source.asked == ("posts_seen_by_channel", "parse_failure_share", "disk_used")
    assert list(got) == ["posts_seen", *source.asked]
    assert got["parse_failure_share"].empty


def test_every_limit_has_a_row_and_a_reason(lessons):
    found = settled(lessons)
    assert tuple(found.frame.columns) == question.COLUMNS
    assert found.frame["value"].between(found.frame["floor"], found.frame["ceiling"]).all()
    states = {(one["alert"], one["where"]): one["in_force"] for one in frames.records(found.frame)}
    assert states == {
        ("Spike", ""): "learnt",
        ("Drop", ""): "learnt",
        ("Stale", "t.me/busy"): "learnt",
        ("Stale", "t.me/quiet"): "learnt",
        ("Stale", "t.me/dead"): "human",
        ("Failing", ""): "learnt",
        ("Disk", "/"): "learnt",
        ("ByHand", ""): "human",
    }


def test_limits_are_of_this_hour_and_say_what_is_normal(lessons):
    night, noon = (settled(lessons, at=END + hour * HOUR) for hour in (2, 14))
    assert row(night, "Spike")["value"] < row(noon, "Spike")["value"]
    assert row(noon, "Drop")["value"] >= 2
    assert row(night, "Drop")["value"] == 0
    why = row(noon, "Spike")["why"]
    assert why == "learned; Monday 14h is normally 8–18 posts; human limit 300"
    why = row(noon, "Stale", "t.me/busy")["why"]
    assert "is normally a silence of " in why
    assert row(night, "Stale", "t.me/busy")["value"] > row(noon, "Stale", "t.me/busy")["value"]
    assert row(noon, "Stale", "t.me/quiet")["value"] > 5 * row(noon, "Stale", "t.me/busy")["value"]


def test_of_the_hours_until_the_next_run_the_mildest_counts(lessons):
    at = END + pd.Timedelta(hours=6, minutes=20)
    each = [settled(lessons, at=END + hour * HOUR, reach=pd.Timedelta(0)) for hour in (6, 7, 8)]
    found = settled(lessons, at=at)
    assert row(found, "Spike")["value"] == max(row(one, "Spike")["value"] for one in each)
    assert row(found, "Drop")["value"] == min(row(one, "Drop")["value"] for one in each)


def test_a_first_run_moves_a_day_away_from_the_human_value(lessons):
    found = question.thresholds(lessons, CATALOGUE, at=END + 3 * HOUR)
    one = row(found, "Spike")
    assert (one["in_force"], one["value"]) == ("railed", 240)
    assert one["why"].startswith(f"learned {one['learnt']:.0f}, on its way at 25 % a day; ")
    again = question.thresholds(lessons, CATALOGUE, at=END + 3 * HOUR, kept=found.kept)
    assert row(again, "Spike")["value"] == 240  # no time has passed
    later = question.thresholds(lessons, CATALOGUE, at=END + 27 * HOUR, kept=found.kept)
    assert row(later, "Spike")["value"] == pytest.approx(300 - 60 - 240 / 5)


def test_a_limit_outside_its_rails_is_held_there(lessons):
    tight = CATALOGUE.rules["Spike"].model_copy(
        update={"threshold": RULES["Spike"].threshold.model_copy(update={"floor": 290.0})}
    )
    catalogue = replace(CATALOGUE, rules={"Spike": tight})
    found = settled(question.learn(histories(names=("posts_seen",)), catalogue), catalogue=catalogue)
    one = row(found, "Spike")
    assert (one["value"], one["in_force"]) == (290, "railed")
    assert ", held at its floor 290; " in one["why"]


@pytest.mark.parametrize(("weeks", "learnt"), [(15 / 7, False), (4.1, True)])
def test_no_limit_is_learnt_before_there_is_history_enough(weeks, learnt):
    found = settled(
        question.learn(histories(weeks, names=("posts_seen", "posts_seen_by_channel")), CATALOGUE), at=grid(weeks).end
    )
    one = row(found, "Spike")
    assert (one["in_force"] == "learnt") is learnt
    if not learnt:
        assert (one["value"], one["refused"], one["in_force"]) == (300, "history", "human")
        assert one["sufficient_from"] == pd.Timestamp("2026-09-28T00:00Z")
        assert one["why"] == "human limit: 15 days of history, and it takes 28 days; likely from 28 Sep 2026"
        assert np.isnan(one["learnt"])
        assert row(found, "Stale", "t.me/busy")["sufficient_from"] == pd.Timestamp("2026-09-21T00:00Z")
        said = found.findings["sentence"].tolist()
        assert (
            "The human limit of Spike is in force, likely until 28 Sep 2026: too little history to learn one." in said
        )
        assert found.kept.values == {}


def test_a_channel_with_few_events_waits_for_thirty(lessons):
    one = row(settled(lessons), "Stale", "t.me/dead")
    assert (one["value"], one["refused"]) == (40_000, "history")
    assert "30 events (there are " in one["why"]
    assert one["sufficient_from"] > END


def test_a_limit_that_was_passed_too_often_is_withheld():
    """The last four weeks are full of bursts that earlier ones had not."""
    past = histories(names=("parse_failure_share",))["parse_failure_share"]
    y = past["y"].to_numpy().copy()
    y[-4 * 168 :: 40] = 0.8
    hurt = {"parse_failure_share": past.assign(y=y)}
    one = row(settled(question.learn(hurt, CATALOGUE)), "Failing")
    assert (one["refused"], one["in_force"], one["value"]) == ("scorecard", "human", 0.5)
    assert "times in the past 4 weeks, which chance does not explain" in one["why"]
    masks = tuple(
        Mask(start=at - 2 * HOUR, end=at + HOUR, reason="x", origin="silence", signals=("parse_failure_share",))
        for at in past["ds"][y == 0.8]
    )
    masked = settled(question.learn(hurt, CATALOGUE, masks=Masks(masks=masks)))
    assert row(masked, "Failing")["in_force"] == "learnt"


def test_capacity_leaves_room_for_the_growth_of_the_lead(lessons):
    one = row(settled(lessons), "Disk", "/")
    assert one["value"] == pytest.approx(0.9 - 2e-5 * 24 * 24, abs=0.003)  # the lead is 24 days, all the forecast has


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [("mase", 1.3, "lost to repeating the last season"), ("coverage_80", 0.5, "held too little")],
)
def test_capacity_is_withheld_where_past_forecasts_were_bad(ahead, column, value, why):
    recent = pd.DataFrame(
        {"signal": ["disk_used"], "unique_id": ['disk_used{mountpoint="/"}'], "mase": [0.8], "coverage_80": [0.8]}
    )
    past = histories(names=("disk_used",))
    good = question.learn(past, CATALOGUE, forecasts=ahead, recent=recent)
    assert row(settled(good), "Disk", "/")["in_force"] == "learnt"
    bad = question.learn(past, CATALOGUE, forecasts=ahead, recent=recent.assign(**{column: value}))
    one = row(settled(bad), "Disk", "/")
    assert (one["in_force"], one["refused"]) == ("human", "scorecard")
    assert why in one["why"]
    none = row(settled(question.learn(past, CATALOGUE)), "Disk", "/")
    assert none["why"] == "human limit: there is no forecast of it"


@pytest.mark.parametrize(
    ("threshold", "why"),
    [
        ({"learn": "gaps", "signal": "parse_failure_share"}, "gaps is learnt from a count, and"),
        ({"learn": "season", "signal": "posts_seen_by_channel"}, "posts_seen_by_channel is by channel, and the"),
        ({"learn": "season", "signal": "posts_seen", "by": ("channel",)}, "posts_seen is by no label, and the"),
        ({"learn": "season", "signal": "nonsense"}, "there is no history of nonsense"),
        ({"learn": "capacity", "signal": "posts_seen"}, "it has no hard limit in the catalogue"),
    ],
)
def test_what_cannot_be_learnt_says_so_and_stays_human(threshold, why):
    odd = rule("Odd", human=3, floor=1, ceiling=9, **threshold)
    catalogue = replace(CATALOGUE, rules={"Odd": odd})
    found = question.thresholds(question.learn(histories(), catalogue), catalogue, at=END)
    assert set(found.frame["in_force"]) == {"human"}
    assert found.frame["why"].str.startswith(f"human limit: {why}").all()


def test_an_infinite_value_costs_that_limit_only():
    past = histories(names=("posts_seen", "parse_failure_share"))
    y = past["parse_failure_share"]["y"].to_numpy().copy()
    y[100] = np.inf
    past["parse_failure_share"] = past["parse_failure_share"].assign(y=y)
    found = settled(question.learn(past, CATALOGUE))
    assert "has an infinite value" in row(found, "Failing")["why"]
    assert row(found, "Spike")["in_force"] == "learnt"


def pins(*some):
    return pins_file.at(some, RULES, END)


def pin(alert, value, **more):
    return Pin(alert=alert, value=value, human=value is None, until=END + DAY, reason="load test", by="ops", **more)


def test_a_pin_is_in_force_and_the_limit_moves_on_behind_it(lessons):
    held = pins(pin("Spike", 77.0), pin("Stale", 9000.0, where={"channel": "t.me/busy"}), pin("ByHand", 5.0))
    found = settled(lessons, pins=held)
    one = row(found, "Spike")
    assert (one["value"], one["in_force"]) == (77, "pinned")
    assert one["why"].startswith("pinned at 77 until 3 Nov 2026 00:00 by ops: load test; learned ")
    assert row(found, "Stale", "t.me/busy")["value"] == 9000
    assert row(found, "Stale", "t.me/quiet")["in_force"] == "learnt"
    assert row(found, "ByHand")["value"] == 5
    assert any(one.startswith("The limit of Spike is pinned at 77 until ") for one in found.findings["sentence"])
    after = question.thresholds(lessons, CATALOGUE, at=END, kept=found.kept)
    assert row(after, "Spike")["in_force"] == "learnt"


def test_back_to_human_for_all(lessons):
    found = settled(lessons, pins=pins(pin("Spike", 77.0), pin("*", None)))
    assert set(found.frame["in_force"]) == {"human"}
    assert (found.frame["value"] == found.frame["human"]).all()
    assert row(found, "Spike")["why"].startswith("human limit until 3 Nov 2026 00:00 by ops: load test; learned ")


def test_limits_of_the_past_do_not_know_what_came_later():
    names = ("posts_seen", "posts_seen_by_channel", "parse_failure_share")
    moments = pd.date_range(grid(6).end, grid(7).end, freq="2h")
    whole, short = (
        over(histories(weeks, names=names), CATALOGUE, moments, capacity=False) for weeks in (9, 7 + 1 / 168)
    )
    assert len(whole) > 300
    pd.testing.assert_frame_equal(whole, short)


@pytest.mark.parametrize("poison", [1e9, -1e9, 0.0, np.nan])
@pytest.mark.parametrize(
    ("names", "capacity"),
    [(("posts_seen", "posts_seen_by_channel", "parse_failure_share"), False), (("disk_used",), True)],
)
def test_a_poisoned_future_moves_no_limit_of_a_walk(names, capacity, poison):
    """Every reading after the last day began is wrong, and an incident that ends then is known to hindsight alone."""
    last = grid(8).end.floor("1D")
    moments = pd.date_range(last - 3 * DAY, last + DAY - HOUR, freq="3h")
    clean = histories(9, names=names)
    wrong = {name: one.assign(y=one["y"].where(one["ds"] <= last, poison)) for name, one in clean.items()}
    assert all((one["ds"] > last).sum() > 100 for one in wrong.values())
    later = Mask(
        start=last - 2 * WEEK, end=last + HOUR, reason="later", origin="incident", signals=names, expires=last + WEEK
    )
    told, asked = ({"masks": Masks(masks=some), "capacity": capacity} for some in ((), (later,)))
    first, second = over(clean, CATALOGUE, moments, **told), over(wrong, CATALOGUE, moments, **asked)
    assert set(first["alert"]) == ({"Disk"} if capacity else {"Spike", "Drop", "Stale", "Failing"})
    assert first["ds"].max() == moments[-1]
    pd.testing.assert_frame_equal(first, second)


def test_a_walk_says_what_a_run_of_each_day_would_have_said():
    past = histories(names=("posts_seen",))
    first = grid(6).end.floor("1D")
    moments = pd.date_range(first + HOUR, first + 3 * DAY, freq="6h")
    walked = over(past, CATALOGUE, moments, capacity=False)
    kept, want = None, []
    for cut in moments.floor("1D").unique():
        known = {name: one[one["ds"] <= cut] for name, one in past.items()}
        learnt = question.learn(known, CATALOGUE, checked=0)
        kept = question.thresholds(learnt, CATALOGUE, at=cut, kept=kept).kept
        for moment in moments[(moments >= cut) & (moments < cut + DAY)]:
            found = question.thresholds(learnt, CATALOGUE, at=moment, kept=replace(kept, at=moment))
            want += [(moment, row(found, name)["value"]) for name in ("Spike", "Drop")]
    got = walked.sort_values(["ds", "alert"], ascending=[True, False], kind="stable")
    assert [*zip(got["ds"], got["value"], strict=True)] == want


def test_a_walk_that_starts_settled_is_learnt_from_the_first_day_on():
    past, moments = histories(names=("posts_seen",)), pd.date_range(grid(6).end, periods=8, freq="1h")
    spike = over(past, CATALOGUE, moments, capacity=False, from_human=False).query("alert == 'Spike'")
    assert set(spike.loc[spike["value"] > 5, "in_force"]) == {"learnt"}  # others are held at the floor
    assert over(histories(2, names=("posts_seen",)), CATALOGUE, moments, capacity=False).empty


def test_held_out_weeks_pass_the_limits_of_a_walk_as_rarely_as_asked():
    """Season, drop and gaps together, many seeds, three weeks that were not learnt from."""
    passed, hours = np.zeros(2), 0
    for seed in range(8):
        past = histories(9, seed=seed, names=("posts_seen",))
        moments = pd.DatetimeIndex(past["posts_seen"]["ds"][-3 * 168 :])
        walked = over(past, CATALOGUE, moments, capacity=False, from_human=False, reach=pd.Timedelta(0))
        y = past["posts_seen"].set_index("ds")["y"]
        each = {name: mine.set_index("ds")["value"] for name, mine in walked.groupby("alert")}
        passed += [(y.loc[moments] > each["Spike"]).sum(), (y.loc[moments] < each["Drop"]).sum()]
        hours += len(moments)
    assert (passed <= 0.001 * hours + 3 * np.sqrt(0.001 * hours)).all()
