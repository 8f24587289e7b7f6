"""The capacity question on histories whose future is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import NotEnoughData, NotHeld, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import capacity, capacity_findings, finding, resource, sufficiency, tamland

CATALOGUE = catalogue_file.load()
END = "2026-11-15T16:00Z"


def history(name, values, *, days, labels=None):
    """`values(hours, rng)` on an hourly grid that ends at END."""
    window = TimeRange(pd.Timestamp(END) - pd.Timedelta(days=days), END, "1h")
    y = values(np.arange(len(window)), np.random.default_rng(5))
    return frames.build(y[None], [{"__name__": name, **(labels or {})}], window)


def disk(now, a_day):
    return lambda t, rng: np.clip(now + a_day * (t - len(t)) / 24 + rng.normal(0, 0.0005, len(t)), 0, 1)


def cpu(t, rng):
    return np.clip(0.3 + 0.1 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.02, len(t)), 0, 1)


def posts(growth_a_day=0.0):
    def values(t, rng):
        season = 1 + 0.8 * np.sin(2 * np.pi * t / 24)
        return rng.poisson(20 * season * np.exp(growth_a_day * (t - len(t)) / 24)).astype(float)

    return values


def outlook(*, days=60, horizon="60d", **histories):
    made = {}
    for name, values in histories.items():
        labels = {"mountpoint": "/data"} if name == "disk_used" else None
        made[name] = history(name, values, days=days, labels=labels)
    return capacity.outlook(made, CATALOGUE, horizon=horizon, n_paths=300)


def test_a_disk_that_fills_steadily_reaches_its_limit_on_the_day_that_its_slope_says():
    got = outlook(disk_used=disk(0.7, 0.005))  # 0.8 in 20 days, 0.9 in 40
    by_level = {one.level: one for one in got.passages}
    for level, days in (("soft", 20), ("hard", 40)):
        away = (by_level[level].likely - pd.Timestamp(END)) / pd.Timedelta(days=1)
        assert abs(away - days) < 4
        assert by_level[level].earliest <= by_level[level].likely
    assert by_level["soft"].p30d > 0.9
    said = capacity_findings.headline(got, CATALOGUE)
    assert said.startswith("Disk in use (/data) reaches 80 % about ")
    assert "Dec 2026" in said


def test_weekly_clean_ups_and_a_growing_climb_do_not_hide_where_a_disk_is_going():
    def sawtooth(t, rng):
        days = (t - len(t)) / 24
        return 0.72 * np.exp(0.0028 * days) - 0.004 * ((t / 24) % 7 < 1) + rng.normal(0, 0.0004, len(t))

    got = outlook(days=100, disk_used=sawtooth)
    soft = next(one for one in got.passages if one.level == "soft")
    away = (soft.likely - pd.Timestamp(END)) / pd.Timedelta(days=1)
    assert abs(away - np.log(0.8 / 0.72) / 0.0028) < 8


def test_a_resource_far_from_its_limit_is_said_to_stay_away_from_it():
    got = outlook(cpu_used=cpu)
    assert all(one.probability < capacity_findings.LIKELY for one in got.passages)
    assert capacity_findings.headline(got, CATALOGUE) == "No limit is likely to be reached within 60 days (3 checked)."
    rows = capacity_findings.findings(got, CATALOGUE)
    assert rows["sentence"].str.contains("CPU in use stays below 80 % for 60 days").any()
    assert (rows.loc[rows["signal"] == "cpu_used", "action"] == "").all()


def test_a_resource_past_its_limit_says_so_with_its_value():
    got = outlook(disk_used=disk(0.95, 0.0001))
    assert {one.level for one in got.passages if one.probability == 1} == {"soft", "hard"}
    assert "is at or above 90 % now (9" in capacity_findings.headline(got, CATALOGUE)


def test_a_limit_that_was_passed_in_bursts_is_not_said_to_be_out_of_reach():
    def outages(t, rng):
        y = cpu(t, rng)
        y[[len(t) - 24 * 52, len(t) - 24 * 51, len(t) - 24 * 20]] = 0.9  # two in one week, one in another
        return y

    got = outlook(cpu_used=outages)
    soft = next(one for one in got.passages if one.level == "soft")
    assert soft.in_bursts
    assert soft.weeks_over == 2
    assert soft.probability == pytest.approx(1 - (1 - 2 / soft.weeks) ** (60 / 7), abs=0.07)
    assert soft.p7d < soft.p30d < soft.probability
    assert pd.isna(soft.likely)
    said = capacity_findings.sentence(soft, CATALOGUE)
    assert said.startswith(f"CPU in use passed 80 % in 2 of {soft.weeks} weeks, in bursts; at that rate")
    hard = next(one for one in got.passages if one.level == "hard")
    assert hard.weeks_over == 0
    assert hard.probability < 0.05


def test_growth_is_told_apart_from_none():
    grown = outlook(posts_seen=posts(0.01)).volumes[0]
    assert grown.is_clear
    assert grown.lower > 0.2
    flat = outlook(posts_seen=posts()).volumes[0]
    assert flat.lower < 0 < flat.upper
    assert abs(flat.change) < 0.2


def test_fifteen_days_say_what_they_can_what_they_cannot_and_from_when():
    got = outlook(days=15, horizon="90d", cpu_used=cpu)
    row = got.sufficiency[0]
    assert row.horizon == pd.Timedelta(days=30)
    assert row.can == "patterns of 1 day; a look 30 days ahead"
    assert set(row.missing) == {"a pattern of 7 days", "a look 90 days ahead"}
    assert row.complete_from == pd.Timestamp("2026-12-16T00:00Z")  # 45 days after 31 October 16:00, the next whole day
    assert all(np.isnan(one.p90d) and not np.isnan(one.p30d) for one in got.passages)
    lack = capacity_findings.findings(got, CATALOGUE).query("kind == 'data'")["sentence"].iloc[0]
    assert lack == (
        "CPU in use: 15 days of history do not allow a pattern of 7 days (from 22 Nov 2026) "
        "or a look 90 days ahead (from 16 Dec 2026), if pull keeps it."
    )


def test_a_few_hours_are_not_looked_ahead_for_a_day():
    row = outlook(days=0.25, horizon="90d", cpu_used=cpu).sufficiency[0]
    assert row.horizon == 2 * row.length == pd.Timedelta("12h")


def test_a_growth_that_is_too_young_says_from_which_day_it_can_be_told():
    got = outlook(days=12, horizon="90d", cpu_used=cpu, posts_seen=posts())
    lack = capacity_findings.findings(got, CATALOGUE).query("kind == 'data'")["sentence"]
    assert lack.str.contains("New posts: nothing can be said yet; .* from 19 Nov 2026 something can").any()
    with pytest.raises(NotEnoughData, match=r"not one of 1 signals .* needs 14 whole .* \(from 2026-11-19 something"):
        outlook(days=12, horizon="90d", posts_seen=posts())


def test_a_signal_without_samples_is_named_and_the_others_go_on():
    made = {"cpu_used": history("cpu_used", cpu, days=30), "dms_sent": frames.empty(["__name__"])}
    got = capacity.outlook(made, CATALOGUE, horizon="30d", n_paths=100)
    assert [one.signal.name for one in got.resources] == ["cpu_used"]
    sentences = capacity_findings.findings(got, CATALOGUE)["sentence"]
    assert sentences.str.contains("Direct messages sent: nothing can be said yet").any()
    assert sufficiency.table(got.sufficiency)["can"].str.contains("got none").any()


def test_nothing_at_all_is_an_error_that_says_what_came():
    with pytest.raises(NotEnoughData, match="not one of 1 signals can be forecast yet"):
        capacity.outlook({"cpu_used": frames.empty(["__name__"])}, CATALOGUE)


class Broken:
    """A source that answers for one signal and refuses the others."""

    def read(self, signal, time_range):
        if signal == "cpu_used":
            return history("cpu_used", cpu, days=3)
        raise NotHeld(f"no {signal} here")


def test_gather_goes_on_when_one_signal_is_not_held_and_leaves_events_out_without_their_source():
    window = TimeRange(pd.Timestamp(END) - pd.Timedelta(days=3), END, "1h")
    got = capacity.gather(Broken(), CATALOGUE, window)
    assert not got["cpu_used"].empty
    assert got["posts_seen"].empty
    assert "users_joined" not in got

    class Nothing(Broken):
        def read(self, signal, time_range):
            raise NotHeld("the archive has nothing")

    with pytest.raises(NotEnoughData, match=r"has a value .* the first answer was: the archive has nothing"):
        capacity.gather(Nothing(), CATALOGUE, window)

    class Away(Broken):
        def read(self, signal, time_range):
            raise SourceError("the server is away")

    with pytest.raises(SourceError, match="the server is away"):
        capacity.gather(Away(), CATALOGUE, window)


def test_the_same_seed_gives_the_same_answer_and_findings_have_their_columns():
    first, second = (outlook(cpu_used=cpu, posts_seen=posts(0.01)) for _ in range(2))
    pd.testing.assert_frame_equal(first.dates, second.dates)
    rows = capacity_findings.findings(first, CATALOGUE)
    assert list(rows.columns) == list(finding.COLUMNS)
    assert rows["priority"].is_monotonic_decreasing
    assert set(rows["kind"]) <= {"will_happen", "data"}
    assert first.digest == second.digest


def mounts(*rows):
    """Disks by mountpoint, each from (mountpoint, values) on one hourly grid of 40 days."""
    made = [history("disk_used", values, days=40, labels={"mountpoint": mount}) for mount, values in rows]
    both = pd.concat([one.astype({"unique_id": str, "mountpoint": str}) for one in made], ignore_index=True)
    both = both.sort_values(["unique_id", "ds"], ignore_index=True)
    return both.astype({"unique_id": "category", "mountpoint": "category"})


def gone(days_ago):
    return lambda t, rng: np.where(t < len(t) - 24 * days_ago, disk(0.95, 0.0001)(t, rng), np.nan)


def test_a_series_that_is_gone_is_not_said_to_be_at_its_limit_now():
    got = capacity.outlook({"disk_used": mounts(("/", disk(0.5, 0)), ("/old", gone(10)))}, CATALOGUE, horizon="30d")
    assert {one.where for one in got.passages} == {"/"}
    with pytest.raises(NotEnoughData, match="disk_used has no sample since 2026-11-05"):
        capacity.outlook({"disk_used": mounts(("/old", gone(10)))}, CATALOGUE, horizon="30d")


def test_the_outlook_is_as_fresh_as_its_newest_sample():
    stopped = mounts(("/", lambda t, rng: np.where(t < len(t) - 30, disk(0.5, 0)(t, rng), np.nan)))
    got = capacity.outlook({"disk_used": stopped}, CATALOGUE, horizon="30d", n_paths=100)
    assert got.at == pd.Timestamp(END) - pd.Timedelta(hours=31)


def test_a_limit_for_some_series_says_nothing_of_the_others():
    limit = CATALOGUE.limits["disk"].model_copy(update={"where": {"mountpoint": "/a"}})
    catalogue = replace(CATALOGUE, limits={"disk": limit})
    frame = mounts(("/a", disk(0.5, 0)), ("/b", disk(0.95, 0)))
    enough = sufficiency.sufficiency(CATALOGUE.signal("disk_used"), frame, horizon=pd.Timedelta(days=30))
    found = resource.resource(frame, enough, catalogue, n_paths=100).breaches["disk", "hard"]
    assert found.frame["unique_id"].unique().tolist() == ['disk_used{mountpoint="/a"}']
    assert found.dates["unique_id"].tolist() == ['disk_used{mountpoint="/a"}']


def test_a_limit_that_is_certain_bad_and_slow_to_mend_has_priority_100():
    slow = CATALOGUE.limits["disk"].model_copy(update={"scaling": "weeks"})
    catalogue = replace(CATALOGUE, limits={"disk": slow})
    made = {"disk_used": history("disk_used", disk(1.0, 0), days=40, labels={"mountpoint": "/data"})}
    got = capacity.outlook(made, catalogue, horizon="90d", n_paths=100)
    assert capacity_findings.findings(got, catalogue)["priority"].max() == 100


def test_the_ranking_has_one_row_a_resource_and_is_that_of_the_findings():
    got = outlook(horizon="90d", disk_used=disk(0.7, 0.005), cpu_used=cpu)  # soft in 20 days, hard in 40, full in 60
    assert got.ranking["title"].tolist() == ["Disk in use", "CPU in use"]
    assert got.ranking["level"].iloc[0] == "soft"  # a plan takes days, and 40 days are longer than 30
    assert got.dates["urgency"].is_monotonic_decreasing
    rows = capacity_findings.findings(got, CATALOGUE).query("signal == 'disk_used'")
    assert rows["priority"].tolist() == got.dates.query("signal == 'disk_used'")["urgency"].tolist()
    assert got.labels["labels"].tolist()[0] == tamland.LABELS
    assert got.labels["labels"].tolist()[1] == ()


def test_a_limit_further_out_is_said_only_when_the_one_before_it_is_in_reach():
    rows = capacity_findings.findings(outlook(disk_used=disk(0.7, 0.005), cpu_used=cpu), CATALOGUE)
    assert len(rows.query("signal == 'cpu_used'")) == 1
    assert len(rows.query("signal == 'disk_used'")) == 3


def test_bursts_rank_below_the_same_chance_of_growth_and_are_said_once():
    def outages(t, rng):
        y = cpu(t, rng)
        y[len(t) - 24 * np.array([2, 11, 19, 24, 33, 36, 44, 54]) - [3, 1, 9, 14, 6, 2, 11, 7]] = 0.97
        return y

    got = outlook(cpu_used=outages)
    soft = next(one for one in got.passages if one.level == "soft")
    assert soft.in_bursts
    assert soft.urgency == pytest.approx(100 * 0.3 * 0.4 * 1.0, abs=0.7)
    assert len(capacity_findings.findings(got, CATALOGUE).query("signal == 'cpu_used'")) == 1


def test_one_reading_is_said_to_be_one_and_not_to_have_stopped():
    def newborn(t, rng):
        return np.where(t == len(t) - 1, 0.3, np.nan)

    with pytest.raises(NotEnoughData, match=r"cpu_used has one reading so far.* \(from 2026-11-16 something can"):
        outlook(days=1, cpu_used=newborn)


@pytest.mark.parametrize("hour", range(24))
def test_two_hours_of_readings_name_the_day_from_which_more_is_said_at_any_hour(hour):
    start = pd.Timestamp("2026-11-15T00:00Z") + pd.Timedelta(hours=hour)
    window = TimeRange(start, start + pd.Timedelta("2h"), "1h")
    frame = frames.build(np.array([[0.3, 0.4]]), [{"__name__": "cpu_used"}], window)
    with pytest.raises(NotEnoughData, match=r"readings.*[(]from 2026-11-1[67] something can"):
        capacity.outlook({"cpu_used": frame}, CATALOGUE)


def test_the_data_looked_at_begin_with_the_first_sample():
    asked = TimeRange(pd.Timestamp(END) - pd.Timedelta(days=120), END, "1h")
    got = sufficiency.looked_at(outlook(days=15, cpu_used=cpu).sufficiency, asked)
    assert got == TimeRange(pd.Timestamp(END) - pd.Timedelta(days=15), END, "1h")
