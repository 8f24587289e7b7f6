"""Replayed forecasts know nothing of the future, and the card made of them says what a reader needs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.issues import HOUR, MONDAY, WEEK, rows
from tutordex_analysis import catalogue_file, issued
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import CatalogueError, NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.moment import duration
from tutordex_analysis.publish import publication
from tutordex_analysis.question import capacity, issue
from tutordex_analysis.question.scorecard import scorecard
from tutordex_analysis.replay import moments, replay
from tutordex_analysis.sink.ledger import append

END = MONDAY + 2 * WEEK  # a midnight in Singapore, a Monday begins
NAMES = ("cpu_used", "posts_seen")


class World:
    """A source of two signals whose past does not depend on how far it goes."""

    uri = "world"

    def __init__(self, end=END, *, shift=0.0, after=END):
        whole = catalogue_file.load()
        limits = {name: one for name, one in whole.limits.items() if one.signal in NAMES}
        self.catalogue = replace(whole, signals={name: whole.signals[name] for name in NAMES}, limits=limits)
        self.end, self.shift, self.after = end, shift, after
        self.asked = []

    def last(self, window, *, step="1h"):
        return TimeRange(self.end + HOUR - duration(window), self.end + HOUR, step)

    def fetch(self, part, time_range):
        raise NotHeld("this world has no alerts")

    def read(self, signal, time_range):
        self.asked.append(time_range.end)
        grid = time_range.grid
        hours = grid.as_unit("ms").asi8 // 3_600_000
        noise = np.array([np.random.default_rng(int(one)).normal() for one in hours])
        wave = np.sin(2 * np.pi * hours / 24)
        y = 0.4 + 0.1 * wave + 0.01 * noise if signal == "cpu_used" else np.round(30 + 20 * wave + 3 * noise)
        y = np.where(grid > self.after, y + self.shift, y)
        return frames.build(np.where(grid > self.end, np.nan, y)[None], [{"__name__": signal}], time_range)


@pytest.fixture(scope="module")
def made():
    return replay(World(), issued.no_rows(), weeks=2, window="35d")


def test_weeks_end_with_the_civil_week_and_have_passed():
    got = moments(END, weeks=2, tz="Asia/Singapore")
    assert got == [MONDAY, MONDAY + WEEK]
    assert moments(END - HOUR, weeks=1, tz="Asia/Singapore") == [MONDAY]
    london = moments(pd.Timestamp("2026-11-05T00:00Z"), weeks=1, tz="Europe/London")
    assert london == [pd.Timestamp("2026-10-26T00:00Z")]  # the clocks had just changed


def test_a_replay_says_what_each_past_monday_would_have_said(made):
    assert made.moments["rows"].tolist() == [168 + 7 + 14] * 2
    assert made.rows["hindsight"].all()
    assert set(made.rows["via"]) == {"replay"}
    assert (made.rows["issued"] == made.rows["cutoff"]).all()
    assert (made.rows["ds"] > made.rows["cutoff"]).all()
    assert set(made.rows["step"]) == {"1h", "1d"}
    assert made.rows[[*issued.SAID, *issued.NAIVE, "scale"]].notna().all(axis=None)


def test_truncating_or_changing_the_future_changes_nothing(made):
    for world in (World(MONDAY + WEEK), World(shift=0.2, after=MONDAY)):
        again = replay(world, issued.no_rows(), weeks=2, window="35d")
        mine, theirs = (one[one["issued"] == MONDAY].reset_index(drop=True) for one in (made.rows, again.rows))
        assert len(mine) == 189
        pd.testing.assert_frame_equal(mine, theirs)
    other = again.rows[again.rows["issued"] == MONDAY + WEEK]
    assert not other["q0.5"].equals(made.rows.loc[made.rows["issued"] == MONDAY + WEEK, "q0.5"])


def test_nothing_after_the_moment_is_even_asked_for():
    world = World()
    replay(world, issued.no_rows(), weeks=2, signals=["cpu_used"], window="35d")
    assert world.asked == [MONDAY + HOUR, MONDAY + WEEK + HOUR]  # ranges are half-open


def test_weeks_that_have_an_issue_are_left_out(made):
    world = World()
    again = replay(world, made.rows, weeks=2)
    assert world.asked == []
    assert again.moments["said"].tolist() == ["held already"] * 2
    real = rows(MONDAY + 20 * HOUR, signal="cpu_used")
    kept = []
    some = replay(world, real, weeks=1, window="35d", keep=kept.append)
    assert set(some.rows["signal"]) == {"cpu_used", "posts_seen"}  # the issue of Monday evening is another week's
    some = replay(world, rows(MONDAY + WEEK - 20 * HOUR, signal="cpu_used"), weeks=1, window="35d", keep=kept.append)
    assert set(some.rows["signal"]) == {"posts_seen"}
    assert [len(one) for one in kept] == [189, 14]


def test_weeks_without_enough_history_say_why():
    class Young(World):
        def read(self, signal, time_range):
            frame = super().read(signal, time_range)
            return frame.assign(y=frame["y"].where(frame["ds"] > MONDAY + WEEK - 2 * HOUR))

    got = replay(Young(), issued.no_rows(), weeks=2, window="21d")
    assert got.moments["rows"].tolist() == [0, 0]
    assert got.moments["said"].str.contains("has a value|needs|reading").all()


def test_mistakes_are_said():
    with pytest.raises(CatalogueError, match="there is no signal 'cpu'"):
        replay(World(), issued.no_rows(), signals=["cpu"])
    with pytest.raises(NotEnoughData, match="a replay is of 1 to 520 weeks, got 0"):
        replay(World(), issued.no_rows(), weeks=0)


def histories(world=None):
    source = world or World()
    return {name: source.read(name, source.last("35d")) for name in NAMES}


def test_the_card_has_the_newest_week_of_each_series_and_says_how_it_went(made):
    world = World()
    card = scorecard(made.rows, issued.no_scores(), histories(), world.catalogue)
    assert len(card.scores) == 4
    assert card.table["title"].tolist() == ["CPU in use", "New posts a day"]  # the one with a limit first
    assert (card.table["week_end"] == END).all()
    assert (card.table["miss"] < 0.3).all()
    (said,) = card.sentences()
    assert said.startswith("In 2 past weeks (in hindsight: made afterwards from what was known then) the forecasts ")
    assert "repeating last week by" in said
    assert card.demoted == {}


def test_the_card_of_a_past_moment_knows_nothing_later(made):
    world = World(MONDAY + WEEK)
    all_scores = scorecard(made.rows, issued.no_scores(), histories(), world.catalogue).scores
    card = scorecard(made.rows, all_scores, histories(world), world.catalogue)
    assert (card.scores["until"] <= MONDAY + WEEK).all()
    assert (card.rows["cutoff"] <= MONDAY + WEEK).all()
    assert len(card.scores) == 2
    before = scorecard(made.rows, all_scores, histories(World(MONDAY + WEEK - HOUR)), world.catalogue)
    assert before.scores.empty
    assert set(before.rows["cutoff"]) == {MONDAY}


def test_scores_outlive_the_history_they_were_made_from(made):
    world = World()
    kept = scorecard(made.rows, issued.no_scores(), histories(), world.catalogue).scores
    short = {name: world.read(name, world.last("2d")) for name in NAMES}
    assert len(scorecard(made.rows, issued.no_scores(), short, world.catalogue).scores) == 0
    assert len(scorecard(made.rows, kept, short, world.catalogue).scores) == 4


def test_a_report_speaks_before_the_leads_that_were_published(made):
    world = World()
    few = rows(MONDAY + WEEK - HOUR, n=5, via="publish", said=9.0)
    late = rows(MONDAY + WEEK, signal="posts_seen", unique_id="posts_seen", n=168, via="publish", said=9.0)
    alone = scorecard(pd.concat([few, late]), issued.no_scores(), histories(), world.catalogue)
    assert alone.table[["signal", "step"]].to_numpy().tolist() == [["cpu_used", "1h"], ["posts_seen", "1h"]]
    both = scorecard(pd.concat([few, late, made.rows]), issued.no_scores(), histories(), world.catalogue)
    assert both.table[["signal", "step"]].to_numpy().tolist() == [["cpu_used", "1h"], ["posts_seen", "1d"]]
    assert (both.table["said"] != 9.0).all()
    assert set(both.recent["step"]) == {"1h", "1d"}


def test_an_empty_ledger_says_when_it_will_not_be():
    card = scorecard(issued.no_rows(), issued.no_scores(), histories(), World().catalogue)
    assert card.sentences() == (
        "No forecast of the ledger has come due yet; the first is scored a week after it was issued.",
    )
    assert card.table.empty


def test_a_lost_model_is_named_with_its_weeks_and_not_used_by_the_next_outlook():
    world = World()
    made = []
    for week in (2, 1, 0):
        cutoff = END - (week + 1) * WEEK
        truth = world.read("cpu_used", TimeRange(cutoff + HOUR, cutoff + WEEK + HOUR, "1h"))["y"].to_numpy()
        made.append(rows(cutoff, said=truth + 0.2, naive=truth + 0.1, spread=0.0, digest=f"{week:012}"))
    card = scorecard(pd.concat(made), issued.no_scores(), histories(), world.catalogue)
    assert card.sentences()[1] == (
        "CPU in use: structural lost to repeating last week three times in a row (weeks to 1 Nov 2026, 8 Nov 2026, "
        "15 Nov 2026) and is not used until 14 Dec 2026."
    )
    outlook = capacity.outlook(histories(), world.catalogue, horizon="14d", n_paths=20, demoted=card.demoted)
    free = capacity.outlook(histories(), world.catalogue, horizon="14d", n_paths=20)
    (cpu, posts), (cpu_free, posts_free) = ([a.forecast.shares for a in one.answers] for one in (outlook, free))
    assert "structural" in cpu_free["cpu_used"]
    assert "structural" not in cpu["cpu_used"]
    assert posts == posts_free


def test_what_is_published_is_kept_at_its_leads_only():
    world = World()
    outlook = capacity.outlook(histories(), world.catalogue, horizon="14d", n_paths=20)
    at = END + pd.Timedelta(minutes=40)
    got = issue.rows(outlook.resources, world.catalogue.calendar, issued_at=at, leads=("5m", "1h", "7d", "30d"))
    assert (got["ds"] - END).tolist() == [2 * HOUR, WEEK + HOUR]  # nearest to 01:40
    assert got["parameters"].str.contains('"seed": 0').all()
    assert got["digest"].tolist() == [frames.digest(outlook.resources[0].history)] * 2


def test_what_is_masked_is_no_part_of_the_naive_forecast_either():
    world = World()
    past = histories()["cpu_used"]
    hurt = past.assign(y=past["y"].mask(past["ds"] > END - 50 * HOUR, 1.5))  # past the bound of a ratio
    start = pd.Timestamp(hurt["ds"].max() - 50 * HOUR)
    mask = Mask(start=start, end=start + 51 * HOUR, reason="a broken exporter", origin="alert", signals=("cpu_used",))
    free = capacity.outlook({"cpu_used": past}, world.catalogue, horizon="14d", n_paths=20)
    held = capacity.outlook({"cpu_used": hurt}, world.catalogue, horizon="14d", n_paths=20, masks=Masks(masks=(mask,)))
    (before, after) = (issue.rows(one.answers, world.catalogue.calendar) for one in (free, held))
    names = list(issued.NAIVE)
    assert after[names].to_numpy().max() < 0.6
    assert after["scale"].iloc[0] == pytest.approx(before["scale"].iloc[0], rel=0.1)


@pytest.mark.parametrize("weeks", [0, 521, 99_999_999_999])
def test_a_replay_of_no_week_or_of_decades_is_refused(weeks):
    with pytest.raises(NotEnoughData, match=f"a replay is of 1 to 520 weeks, got {weeks}"):
        replay(World(), issued.no_rows(), weeks=weeks)


def test_publish_hands_back_scores_and_what_it_said(made, tmp_path):
    now = END + pd.Timedelta(minutes=30)
    append(tmp_path, made.rows)
    past = [tmp_path]
    got = publication(World(), now=now, validity="3h", horizon="8d", ledger=past)
    assert 'tutordex_forecast_mase{hindsight="true",metric="cpu_used",signal="cpu_used",step="1h"} ' in got.text
    assert 'tutordex_forecast_coverage_ratio{hindsight="true",level="0.8",metric="posts_seen"' in got.text
    assert set(got.issued["via"]) == {"publish"}
    assert (got.issued["issued"] == now).all()
    assert got.issued.groupby("signal").size().to_dict() == {"cpu_used": 5, "posts_seen": 5}  # 1h, 6h, 1d, 3d, 7d
    assert len(got.scores) == 4
    past_moment = publication(World(), now=now, validity="3h", horizon="8d", as_of="newest", ledger=past)
    assert past_moment.issued.empty
    assert past_moment.scores.empty
    assert "tutordex_forecast_mase" in past_moment.text
    (tmp_path / "2026-11.parquet").write_bytes(b"broken")
    with_damage = publication(World(), now=now, validity="3h", horizon="8d", ledger=past)
    assert [one.partition(" is ")[2] for one in with_damage.complaints] == ["damaged and is left out; move it away"]
    assert "tutordex_forecast_mase" not in publication(World(), now=now, validity="3h", horizon="8d").text
