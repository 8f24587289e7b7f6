"""One server, one queue: closed forms, and a simulation job by job."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracle
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.model import queue

JOB_BOUNDS = (0.25, 0.5, 1, 2, 5, 10, 20, 45, 90, 180, 300, 600, np.inf)


@pytest.mark.parametrize("busy", [0.1, 0.5, 0.8, 0.95])
def test_the_wait_is_that_of_the_closed_forms(busy):
    service = 10.0
    rate = np.array(busy / service)
    assert queue.mean_wait(rate, service, cv2=1.0) == pytest.approx(busy * service / (1 - busy))  # M/M/1
    assert queue.mean_wait(rate, service, cv2=0.0) == pytest.approx(busy * service / (2 * (1 - busy)))  # M/D/1


def test_at_eighty_percent_an_exponential_job_waits_four_times_its_own_length():
    assert queue.mean_wait(np.array(0.08), 10.0, cv2=1.0) == pytest.approx(40.0)


def test_work_that_comes_as_fast_as_it_is_done_never_gets_its_turn():
    assert queue.mean_wait(np.array([0.0999, 0.1, 0.2]), 10.0, cv2=1.0).tolist()[1:] == [np.inf, np.inf]


@pytest.mark.parametrize(("batch", "poll"), [(1, 0.0), (10, 0.0), (10, 2.0)])
@pytest.mark.parametrize("busy", [0.2, 0.7])
def test_the_wait_matches_a_simulation_with_batches_and_an_idle_sleep(batch, poll, busy):
    rng = np.random.default_rng(3)
    spread, n = 0.8, 150_000
    services = rng.lognormal(np.log(8) - spread**2 / 2, spread, n)
    arrivals = np.cumsum(rng.exponential(8 / busy, n))
    wanted = queue.mean_wait(np.array(busy / 8), 8.0, cv2=queue.cv2_of_lognormal(spread), poll_seconds=poll)
    seen = oracle.single_server(arrivals.tolist(), services.tolist(), poll=poll, batch=batch)
    assert seen.mean() == pytest.approx(float(wanted), rel=0.05)


@pytest.mark.parametrize("spread", [0.4, 0.7, 1.0])
def test_buckets_tell_the_spread_of_a_time(spread):
    times = np.random.default_rng(1).lognormal(np.log(8), spread, 50_000)
    counts = [(times <= bound).sum() for bound in JOB_BOUNDS]
    seen = times.var() / times.mean() ** 2
    assert queue.cv2_of_buckets(JOB_BOUNDS, counts) == pytest.approx(seen, rel=0.05, abs=0.05)


def test_the_assumed_spread_is_what_its_comment_says():
    wide = np.random.default_rng(0).lognormal(-(queue.SPREAD**2) / 2, queue.SPREAD, 200_000)
    assert np.quantile(wide, 0.95) == pytest.approx(2.7, abs=0.05)


@pytest.mark.parametrize(("bounds", "counts"), [((1, np.inf), (0, 0)), ((np.inf,), (3,))])
def test_buckets_that_tell_nothing_are_refused(bounds, counts):
    with pytest.raises(NotEnoughData, match="needs buckets"):
        queue.cv2_of_buckets(bounds, counts)


def test_times_in_one_point_have_no_spread_and_those_above_every_bound_count_as_the_last():
    assert queue.cv2_of_buckets((1.0, np.inf), (0, 5)) == pytest.approx(0.0, abs=1e-12)


def test_only_hours_that_bring_too_much_leave_work_over():
    rates = np.full(queue.WEEK, 0.02)
    assert queue.week_backlog(rates, 10.0).max() == 0
    rates[[10, 11]] = 0.15  # half as much again as can be done
    left = queue.week_backlog(rates, 10.0)
    assert left[10] == pytest.approx(0.05 * 3600)
    assert left[11] == pytest.approx(2 * 0.05 * 3600)
    assert left[12] == pytest.approx(0.1 * 3600 - 0.08 * 3600)
    assert np.isinf(queue.week_backlog(np.full(queue.WEEK, 0.101), 10.0)).all()


def test_work_left_on_sunday_evening_waits_on_monday():
    rates = np.full(queue.WEEK, 0.02)
    rates[-1] = 0.2
    assert queue.week_backlog(rates, 10.0)[0] == pytest.approx(0.1 * 3600 - 0.08 * 3600)


@pytest.mark.parametrize("hours", [1.0, 6.0, 72.0, 400.0])
def test_an_even_week_catches_up_as_its_room_allows(hours):
    busy = 0.25
    rates = np.full(queue.WEEK, busy / 8.0)
    got = queue.catch_up_hours(rates, 8.0, outage_hours=hours)
    np.testing.assert_allclose(got, hours * busy / (1 - busy))


def test_catching_up_matches_small_steps_in_an_uneven_week():
    rng = np.random.default_rng(8)
    rates = rng.uniform(0.01, 0.12, queue.WEEK)  # some hours bring more than 1 / 10
    got = queue.catch_up_hours(rates, 10.0, outage_hours=5.5)
    for end in (0, 50, 120):
        assert got[end] == pytest.approx(oracle.hours_to_level(rates, 10.0, 5.5, end), abs=0.03)


def test_a_week_without_room_never_catches_up():
    assert np.isinf(queue.catch_up_hours(np.full(queue.WEEK, 0.101), 10.0, outage_hours=1.0)).all()


@given(st.floats(0.01, 200), st.floats(0.01, 0.9), st.integers(0, 5))
def test_a_longer_outage_or_more_work_never_takes_less(hours, busy, seed):
    rates = np.random.default_rng(seed).uniform(0.5, 1.0, queue.WEEK) * busy / 8.0
    plain = queue.catch_up_hours(rates, 8.0, outage_hours=hours)
    assert (queue.catch_up_hours(rates, 8.0, outage_hours=hours * 1.5) >= plain - 1e-9).all()
    assert (queue.catch_up_hours(rates * 1.05, 8.0, outage_hours=hours) >= plain - 1e-9).all()
