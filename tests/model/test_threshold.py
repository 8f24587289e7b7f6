"""Limits of counts, of gaps, of capacity and of spending: known answers, and how often held-out weeks pass them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from tests import oracle
from tutordex_analysis import frame as frames
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model import counts, threshold
from tutordex_analysis.model.forecast import forecast

HOUR, DAY, WEEK = pd.Timedelta(hours=1), 24, 168
START = pd.Timestamp("2026-01-05T00:00Z")  # a Monday
SEASONS = (DAY, WEEK)


def around(n, **civil):
    return threshold.timeline(START + (n - 1) * HOUR, step=HOUR, horizon=WEEK, **civil)


def rate(n, mean):
    """Nearly nothing at night, less at the weekend."""
    h = np.arange(n)
    shape = np.maximum(0.05, 1 - np.cos(2 * np.pi * (h % DAY - 4) / DAY)) * np.where((h // DAY) % 7 >= 5, 0.6, 1.0)
    return mean * shape / shape[:WEEK].mean()


def drawn(mean, weeks, *, series=60, seed=0):
    """History, the held-out week after it, and its true rates."""
    n = weeks * WEEK
    lam = rate(n + WEEK, mean)
    y = np.random.default_rng(seed).poisson(lam, size=(series, n + WEEK)).astype(float)
    return y[:, :n], y[:, n:], lam[n:]


def steady(mean, weeks=40):
    """A count whose rate is as sure as it can be: the same every hour, with the spread of chance."""
    return np.random.default_rng(1).poisson(mean, size=(1, weeks * WEEK)).astype(float)


@pytest.mark.parametrize(("mean", "window"), [(4.0, 1), (20.0, 1), (4.0, 6)])
def test_limits_of_a_steady_count_are_the_quantiles_of_poisson(mean, window):
    y = steady(mean)
    known = {"time": around(y.shape[1]), "season_lengths": (), "chance": 0.001, "window": window}
    most, fewest = threshold.most_events(y, **known), threshold.fewest_events(y, **known)
    total = mean * window
    by_hand = next(k for k in range(1000) if 1 - sum(poisson.pmf(range(k + 1), total)) <= 0.001)
    assert np.abs(most.value - by_hand).max() <= 1
    by_hand = max(k for k in range(1000) if sum(poisson.pmf(range(k), total)) <= 0.001)
    assert np.abs(fewest.value - by_hand).max() <= 1
    assert np.abs(most.lower - poisson.ppf(0.1, total)).max() <= 1
    assert np.abs(most.upper - poisson.ppf(0.9, total)).max() <= 1


def test_where_even_no_event_is_nothing_strange_the_fewest_is_zero():
    y = steady(2.0)
    assert (threshold.fewest_events(y, time=around(y.shape[1]), season_lengths=(), chance=0.01).value == 0).all()


@pytest.mark.parametrize("mean", [0.2, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("chance", [0.01, 0.001])
def test_held_out_weeks_pass_count_limits_no_more_often_than_asked(mean, chance):
    """By the true rates, so that nothing but the limits is left to chance: at most half as often again on average."""
    history, _, lam = drawn(mean, 8)
    known = {"time": around(history.shape[1]), "season_lengths": SEASONS, "chance": chance}
    above = poisson.sf(threshold.most_events(history, **known).value, lam).mean()
    below = poisson.cdf(threshold.fewest_events(history, **known).value - 1, lam).mean()
    assert 0.1 * chance <= above <= 1.5 * chance
    assert below <= 1.1 * chance


@pytest.mark.parametrize("mean", [0.2, 1.0, 5.0])  # 0.2 an hour is five a day
def test_held_out_weeks_pass_gap_limits_as_often_as_asked(mean):
    chance = 0.01
    history, _, lam = drawn(mean, 8)
    found = threshold.longest_gap(history, time=around(history.shape[1]), season_lengths=SEASONS, chance=chance)
    full = np.tile(lam, 12)
    run = np.concatenate([[0.0], np.cumsum(full)])
    ends = np.arange(11 * WEEK + 1, 12 * WEEK + 1)
    back = np.array([np.interp(ends - row / 3600, np.arange(len(run)), run) for row in found.value])
    none = np.exp(back - run[ends])  # chance of no event in the gap, by the true rates
    assert 0.75 * chance <= none.mean() <= 1.1 * chance
    nights = (np.arange(WEEK) % DAY) == 7
    assert 0.5 * chance <= none[:, nights].mean() <= 1.5 * chance


def test_gaps_seen_in_a_simulated_week_are_as_rare_as_asked():
    """Not by formula: event by event, each minute's age of the newest event beside its limit."""
    chance, rng = 0.02, np.random.default_rng(5)
    history, _, lam = drawn(1.0, 8)
    found = threshold.longest_gap(history, time=around(history.shape[1]), season_lengths=SEASONS, chance=chance)
    beyond = []
    for row in found.value:
        minutes = rng.random(2 * WEEK * 60) < np.repeat(np.tile(lam, 2), 60) / 60
        at = np.arange(len(minutes))
        age = at - np.maximum.accumulate(np.where(minutes, at, 0))
        ends = np.arange(WEEK * 60 + 59, 2 * WEEK * 60, 60)
        beyond.append((age[ends] * 60 > row).mean())
    error = np.std(beyond) / np.sqrt(len(beyond))
    assert abs(np.mean(beyond) - chance) < 3 * error + 0.1 * chance


def test_a_gap_equals_its_twin():
    history, _, _ = drawn(0.4, 6, series=1)
    time = around(history.shape[1])
    found = threshold.longest_gap(history, time=time, season_lengths=SEASONS, chance=0.001)
    ahead = counts.rates(history, horizon=WEEK, season_lengths=SEASONS)
    extra = np.maximum(ahead.extra[0] + ahead.rough[0], 1e-9)
    for k in (3, 50, 120):
        rates = np.concatenate([np.tile(ahead.mean[0], 4), ahead.mean[0, : k + 1]])
        both = np.concatenate([np.tile(extra, 4), extra[: k + 1]])
        want = oracle.longest_gap(rates, both, 1 / ahead.unknown[0, k], 0.001, 3600)
        assert found.value[0, k] == pytest.approx(want, abs=10)


def test_the_gap_of_a_steady_count_is_that_of_a_poisson_process():
    y = steady(3.0)
    found = threshold.longest_gap(y, time=around(y.shape[1]), season_lengths=(), chance=0.001)
    assert found.value == pytest.approx(-np.log(0.001) / 3.0 * 3600, rel=0.05)


def test_a_gap_that_began_in_the_night_is_longer():
    history, _, _ = drawn(4.0, 8, series=1)
    found = threshold.longest_gap(history, time=around(history.shape[1]), season_lengths=SEASONS, chance=0.001)
    night, evening = found.value[0, 6], found.value[0, 20]
    assert night > 2 * evening


def test_a_channel_with_hardly_any_event_has_no_longest_gap():
    y = np.zeros((1, 8 * WEEK))
    y[0, ::400] = 1
    found = threshold.longest_gap(y, time=around(y.shape[1]), season_lengths=(), chance=1e-6)
    assert np.isinf(found.value).all()


def test_public_holidays_ease_drops_and_gaps_and_nothing_else():
    """14 and 15 Feb 2026 are a weekend, 17 and 18 the Lunar New Year in Singapore."""
    n = 41 * DAY
    y = np.random.default_rng(0).poisson(rate(n, 12.0), size=(1, n)).astype(float)
    civil = {"calendar": "SG", "tz": "Asia/Singapore"}
    time = around(n, **civil)
    off = time.sunday[time.back :] >= 0
    assert off.sum() == 2 * DAY
    known = {"time": time, "season_lengths": SEASONS, "chance": 0.001}
    drop = threshold.fewest_events(y, **known)
    assert (drop.eased[0, off] <= drop.value[0, off]).all()
    assert (drop.eased[0, off] < drop.value[0, off]).any()
    np.testing.assert_array_equal(drop.eased[0, ~off], drop.value[0, ~off])
    gap = threshold.longest_gap(y, **known)
    assert (gap.eased >= gap.value).all()
    assert gap.eased[0, off].mean() > 2 * gap.value[0, off].mean()  # a Sunday alone would not do that
    most = threshold.most_events(y, **known)
    np.testing.assert_array_equal(most.eased, most.value)


def test_a_burst_in_the_past_does_not_raise_the_limit():
    history, _, _ = drawn(5.0, 8, series=1)
    wild = history.copy()
    wild[0, 500:506] = 400
    known = {"time": around(history.shape[1]), "season_lengths": SEASONS, "chance": 0.001}
    assert threshold.most_events(wild, **known).value.max() <= threshold.most_events(history, **known).value.max() + 5


def ramp(slope, *, start=0.3, n=42 * DAY, noise=0.0005):
    grid = TimeRange(START, START + n * HOUR, "1h")
    y = start + slope * np.arange(n) + noise * np.random.default_rng(0).normal(size=n)
    return frames.build(y[None], [{"__name__": "disk"}], grid)


def test_room_equals_its_twin():
    ahead = forecast(ramp(0.0, noise=0.05), horizon=60, season_lengths=(24,))
    found = threshold.room(ahead, limits={"disk": 0.9}, lead=7, horizon=40).value[0]
    futures = ahead.paths_of("disk", 500)
    for k in (0, 11, 39):
        rises = sorted(max(path[k + 1 : k + 8]) - path[k] for path in futures)
        middle = (rises[249] + rises[250]) / 2
        assert found[k] == pytest.approx(0.9 - middle)


def test_room_is_what_a_steady_growth_needs_within_the_lead():
    slope, lead = 1e-4, 10 * DAY
    ahead = forecast(ramp(slope), horizon="21d", season_lengths=("1d", "7d"))
    found = threshold.room(ahead, limits={"disk": 0.9}, lead=lead, horizon=WEEK)
    assert found.value.shape == (1, WEEK)
    assert found.value == pytest.approx(0.9 - slope * lead, abs=0.006)
    surer = threshold.room(ahead, limits={"disk": 0.9}, lead=lead, horizon=WEEK, likely=0.1)
    assert (surer.value <= found.value).all()  # told earlier where a tenth of a chance is enough


def test_room_below_a_limit_mirrors_room_above_it():
    up, down = ramp(1e-4), ramp(1e-4)
    down = down.assign(y=1 - down["y"])
    kinds = {"lead": 5 * DAY, "horizon": WEEK}
    above = threshold.room(forecast(up, horizon="14d", season_lengths=("1d",)), limits={"disk": 0.9}, **kinds)
    below = threshold.room(
        forecast(down, horizon="14d", season_lengths=("1d",)), limits={"disk": 0.1}, direction="below", **kinds
    )
    assert 1 - below.value == pytest.approx(above.value, abs=0.006)


def test_the_share_spent_by_now_rises_over_the_civil_day():
    n = 28 * DAY
    day = np.repeat([1.0, 3.0], 12)  # a quarter by noon
    y = np.tile(day, 28)[None] * np.repeat(np.random.default_rng(0).uniform(0.8, 1.2, 28), DAY)
    ds = pd.date_range(START - 8 * HOUR + HOUR, periods=n, freq="h")  # hours that end in Singapore's day
    time = threshold.timeline(ds[-1], step=HOUR, horizon=WEEK, tz="Asia/Singapore")
    found = threshold.spent(y, ds=ds, time=time, tz="Asia/Singapore", chance=0.01)
    want = np.cumsum(day) / day.sum()
    np.testing.assert_allclose(found.value[0, :DAY], want)  # the same shape every day leaves nothing to chance
    noisy = y * np.random.default_rng(1).uniform(0.5, 1.5, n)
    wide = threshold.spent(noisy, ds=ds, time=time, tz="Asia/Singapore", chance=0.01)
    assert (wide.value[0, :23] > wide.upper[0, :23]).all()
    assert wide.value.max() <= 1


@pytest.mark.parametrize("end", ["2026-03-27T22:00Z", "2026-10-23T21:00Z"])
def test_a_clock_change_in_the_week_ahead_leaves_no_hole(end):
    """In spring one hour of the week is not ahead; the limits of all others, and of the sums around it, stay."""
    n = 10 * WEEK
    time = threshold.timeline(pd.Timestamp(end), step=HOUR, horizon=WEEK, tz="Europe/Berlin")
    y = np.random.default_rng(0).poisson(6.0, size=(2, n)).astype(float)
    for found in (
        threshold.most_events(y, time=time, season_lengths=SEASONS, chance=0.001),
        threshold.fewest_events(y, time=time, season_lengths=SEASONS, chance=0.001, window=3),
        threshold.longest_gap(y, time=time, season_lengths=SEASONS, chance=0.001),
    ):
        assert np.isfinite(found.value).all()
