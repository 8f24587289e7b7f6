"""A queue as a single-server system, from histories whose rate and job times are known; and what if."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import FrameError, NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model import queue as single_server
from tutordex_analysis.question import capacity, queue, queue_findings, what_if
from tutordex_analysis.question.growth import volume
from tutordex_analysis.source.simulator import World
from tutordex_analysis.source.simulator.lives import processes
from tutordex_analysis.source.simulator.queue import happen

CATALOGUE = catalogue_file.load()
END = "2026-11-15T16:00Z"  # a Monday's midnight in Singapore
TZ = "Asia/Singapore"
BOUNDS = ("0.5", "2", "5", "10", "20", "45", "90", "+Inf")
SECONDS, SPREAD = 9.0, 0.7


def window(days):
    return TimeRange(pd.Timestamp(END) - pd.Timedelta(days=days), END, "1h")


def frame(values, days, label_sets):
    return frames.build(np.atleast_2d(values), label_sets, window(days))


def weekly(hours_of_week):
    """Jobs an hour: 20, but 80 on Mondays from 20:00 to 21:00 and 2 in the small hours."""
    hour = hours_of_week % 24
    return np.where(hours_of_week == 20, 80.0, np.where(hour < 6, 2.0, 20.0))


def histories(days=42, *, job_seconds=SECONDS, factor=1.0, times=True, growth=0.0):
    """Jobs whose times are log-normal, without chance: expected counts."""
    t = np.arange(days * 24)
    start = (pd.Timestamp(END) - pd.Timedelta(days=days)).tz_convert(TZ)
    place = (start.day_of_week * 24 + start.hour + t - 1) % 168  # a value covers the hour before it
    jobs = factor * weekly(place) * np.exp(growth * (t - len(t)) / 24)
    made = {
        "jobs_done": frame(jobs, days, [{"__name__": "jobs_done"}]),
        "worker_busy": frame(jobs * job_seconds / 3600, days, [{"__name__": "worker_busy"}]),
    }
    if times:
        draws = np.random.default_rng(1).lognormal(np.log(job_seconds) - SPREAD**2 / 2, SPREAD, 20_000)
        shares = np.array([(draws <= float(bound)).mean() for bound in BOUNDS])
        made["jobs_by_time"] = frame(shares[:, None] * jobs, days, [{"le": bound} for bound in BOUNDS])
    return made


def told(made, volumes=()):
    (one,) = queue.services(made, CATALOGUE, volumes, n=400).told
    return one


def test_rates_times_and_waits_are_those_that_were_planted():
    one = told(histories())
    np.testing.assert_allclose(one.rates * 3600, weekly(np.arange(168)))
    assert one.busiest_hour == 20
    assert one.job_seconds == pytest.approx(SECONDS)
    assert one.measured
    assert one.cv2 == pytest.approx(single_server.cv2_of_lognormal(SPREAD), rel=0.1)
    assert one.now.busiest == pytest.approx(80 * SECONDS / 3600)
    wanted = single_server.mean_wait(np.array(80 / 3600), SECONDS, cv2=one.cv2) + 1.0  # half of the sleep of 2 s
    assert one.now.busiest_wait_seconds == pytest.approx(float(wanted))
    assert one.capacity_a_day == pytest.approx(0.8 * 86_400 / SECONDS)
    assert one.room * one.now.busiest == pytest.approx(0.8)


def test_an_outage_and_its_catch_up_in_one_week_do_not_move_the_usual_one():
    made = histories()
    jobs, busy = made["jobs_done"], made["worker_busy"]
    away = np.arange(len(jobs)) // 24 == 30
    moved = {
        "jobs_done": jobs.assign(y=np.where(away, 0.0, np.where(np.roll(away, 24), 300.0, jobs["y"]))),
        "worker_busy": busy.assign(y=np.where(away, 0.0, np.where(np.roll(away, 24), 1.0, busy["y"]))),
    }
    plain, odd = told(made), told(made | moved)
    np.testing.assert_allclose(odd.rates, plain.rates)
    assert odd.job_seconds == pytest.approx(plain.job_seconds, rel=0.01)


def test_without_buckets_the_spread_is_said_to_be_assumed():
    one = told(histories(times=False))
    assert not one.measured
    assert one.cv2 == single_server.cv2_of_lognormal(single_server.SPREAD)


def test_more_work_waits_longer_then_falls_behind_then_never_catches_up():
    one = told(histories())
    twice, peaks, never = one.load(2), one.load(6), one.load(30)
    assert twice.wait_seconds > one.now.wait_seconds
    assert twice.busy == pytest.approx(2 * one.now.busy)
    assert (peaks.hours_over, peaks.busy < 1) == (1, True)
    assert np.isnan(peaks.wait_seconds)
    assert peaks.behind_seconds == pytest.approx((6 * 80 - 400) * SECONDS)
    assert never.wait_seconds == never.behind_seconds == np.inf
    said = [queue_findings.sentence(replace(one, rates=one.rates * factor)) for factor in (1, 6, 30)]
    assert "a job waits 1." in said[0]
    assert "in 1 hours of the week it falls behind, by up to 12 min." in said[1]
    assert "the queue never catches up" in said[2]
    assert "inf" not in "".join(said)


def forecast_of(made):
    signal = CATALOGUE.signal("jobs_done")
    return volume(signal, made["jobs_done"], horizon=pd.Timedelta(days=60), calendar=CATALOGUE.calendar, seed=0)


def test_growth_dates_the_day_on_which_the_busiest_hour_is_too_busy():
    made = histories(112, factor=3.3, growth=0.01)
    one = told(made, [forecast_of(made)])
    ahead = forecast_of(made).forecast.frame
    mondays = ahead[(ahead["ds"] - pd.Timedelta("12h")).dt.tz_convert(TZ).dt.day_of_week == 0]
    busiest = mondays["yhat"] * 80 / weekly(np.arange(24)).sum() * SECONDS / 3600
    crossed = mondays["ds"][busiest >= 0.8].iloc[0]
    assert one.ahead.date == pytest.approx(crossed, abs=pd.Timedelta(days=7))
    assert one.ahead.probability > 0.7  # its band holds what past errors were worth
    (found,) = queue_findings.findings(queue.Services(told=(one,), refused=()), CATALOGUE)
    assert found.priority > 10
    assert found.action.startswith("platform: see docs/runbooks/capacity.md#worker")
    assert f"{one.now.jobs_a_day:.3f}" == f"{forecast_of(made).now:.3f}"  # one volume on the page


def test_a_steady_queue_is_not_expected_to_fill():
    made = histories(84)
    one = told(made, [forecast_of(made)])
    assert pd.isna(one.ahead.date)
    assert one.ahead.probability < 0.05
    assert "not expected within 60 days" in queue_findings.sentence(one)
    assert told(made).ahead is None
    again = told(made, [forecast_of(made)])
    pd.testing.assert_frame_equal(one.ahead.forecast.frame, again.ahead.forecast.frame)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({}, "jobs_done has no sample"),
        (histories(5), "the usual week needs 7 days of counts, got 5.0"),
        (histories(14, factor=0.0), "nothing was counted"),
        (histories(14) | {"worker_busy": frame(np.full(14 * 24, np.nan), 14, [{}])}, "worker_busy has no sample"),
        (histories(14, factor=0.001), "a week with 20 of them"),
    ],
)
def test_what_is_missing_is_one_sentence(made, why):
    got = queue.services(made, CATALOGUE)
    assert got.told == ()
    assert why in got.refused[0]
    assert got.refused[0].startswith("Extraction: nothing can be said of the queue yet; ")
    (found,) = queue_findings.findings(got, CATALOGUE)
    assert found.kind == "data"


def test_a_catalogue_without_queues_has_none():
    got = queue.services({}, replace(CATALOGUE, queues={}))
    assert (got.told, got.refused, len(got.facts)) == ((), (), 0)


def test_gather_asks_for_eight_weeks_and_leaves_out_what_is_not_held():
    asked = []

    class Source:
        def read(self, signal, time_range):
            asked.append(time_range)
            if signal == "jobs_by_time":
                raise NotHeld("no buckets")
            return histories()[signal]

    got = queue.gather(Source(), CATALOGUE, window(120))
    assert set(got) == {"jobs_done", "worker_busy"}
    assert {one.end - one.start for one in asked} == {pd.Timedelta(days=57)}


def test_hours_that_were_never_seen_are_taken_from_other_days():
    made = histories(14)["jobs_done"]
    local = (made["ds"] - pd.Timedelta("1h")).dt.tz_convert(TZ)
    gone = (local.dt.day_of_week == 2) & (local.dt.hour == 12)
    rates = queue.usual_week(made.assign(y=made["y"].where(~gone)), tz=TZ)
    assert rates[2 * 24 + 12] * 3600 == pytest.approx(20.0)
    with pytest.raises(NotEnoughData, match="at most 1h"):
        queue.usual_week(
            frames.build(np.ones((1, 28)), [{}], TimeRange("2026-01-01T00:00Z", "2026-01-29T00:00Z", "1d")), tz=TZ
        )


def test_an_outage_is_made_up_for_and_comes_back_in_slices():
    rows = what_if.catch_up([told(histories())], outage_hours=12).set_index("outage_hours")
    assert rows.index.tolist() == [1, 6, 12, 24, 72]
    assert rows["slices"].tolist() == [1, 1, 2, 4, 12]
    assert rows["typical_hours"].is_monotonic_increasing
    assert (rows["worst_hours"] >= rows["typical_hours"]).all()
    assert rows["in_slices"][24] == rows["in_slices"][6] == rows["waiting"][6]
    week = weekly(np.arange(168)).sum()
    assert rows["jobs"][72] == pytest.approx(week * 72 / 168)


def test_twice_the_work_halves_the_way_to_a_limit():
    def climbing(t, rng):
        return 0.6 + 0.004 * t / 24 + rng.normal(0, 0.0005, len(t))

    days = 40
    t = np.arange(days * 24) - days * 24
    rng = np.random.default_rng(2)
    made = {
        "disk_used": frame(climbing(t, rng), days, [{"__name__": "disk_used", "mountpoint": "/data"}]),
        "worker_busy": frame(0.5 + 0.01 * rng.normal(size=len(t)), days, [{"__name__": "worker_busy"}]),
        "memory_used": frame(0.5 + 0.01 * rng.normal(size=len(t)), days, [{"__name__": "memory_used"}]),
    }
    got = capacity.outlook(made, CATALOGUE, horizon="80d", n_paths=300)
    rows = what_if.dates(got.resources, factor=2.0, n=300).set_index("title")
    assert set(rows.index) == {"Disk in use", "Worker busy"}  # memory is not said to follow the work
    away = (rows.loc["Disk in use", ["now_likely", "then_likely"]] - pd.Timestamp(END)) / pd.Timedelta(days=1)
    assert away["now_likely"] == pytest.approx(50, abs=6)
    assert away["then_likely"] == pytest.approx(25, abs=4)
    busy = rows.loc["Worker busy"]
    assert busy["now_chance"] < 0.05
    assert busy["then_chance"] == 1.0  # twice a half is more than 80 %
    same = what_if.dates(got.resources, factor=1.0, n=300).set_index("title")
    assert (same["now_chance"] <= same["then_chance"] + 0.05).all()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_growth_or_an_outage_that_is_no_positive_number_is_refused(wrong):
    with pytest.raises(FrameError, match="growth must be a number above zero"):
        what_if.loads([], factor=wrong)
    with pytest.raises(FrameError, match="outage_hours must be a number above zero"):
        what_if.catch_up([], outage_hours=wrong)


def test_the_wait_is_that_of_the_simulated_worker_which_claims_ten_and_sleeps_two_seconds():
    span = {"start": pd.Timestamp("2026-08-01T00:00Z"), "end": pd.Timestamp("2026-09-12T00:00Z")}
    world = World(**span, step="240s", incidents=())
    log = happen(world, (), processes(world, ())).attempts
    log = log[np.isfinite(log["begun"])]
    waits, times = log["begun"] - log["enqueued"], log["left"] - log["begun"]
    local = pd.to_datetime(log["enqueued"], unit="s", utc=True).dt.tz_convert(TZ)
    counts = np.bincount(local.dt.day_of_week * 24 + local.dt.hour, minlength=168)
    rates = counts / (6 * 3600)  # six weeks
    cv2 = times.var() / times.mean() ** 2
    wanted = single_server.mean_wait(rates, times.mean(), cv2=cv2, poll_seconds=2.0)
    assert np.average(wanted, weights=rates) == pytest.approx(waits.mean(), rel=0.1)
