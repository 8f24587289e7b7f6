"""What is planted is found, told by its kind, and what is usual is left alone; 24 seeds each."""

import numpy as np
import pytest

from tests.unusual import DAY, WEEK, counts, found, gauges

SEEDS, AT = 24, 4 * WEEK + 30
BUSY = counts(SEEDS, 5 * WEEK, mean=30)
CALM = gauges(SEEDS, 5 * WEEK)


def planted(y, start, stop, value):
    changed = y.copy()
    changed[:, start:stop] = value
    return changed


def noisy(steps, size):
    return np.random.default_rng(5).normal(size=(SEEDS, steps)) * size


def plus(steps, what):
    return planted(CALM, AT, AT + steps, CALM[:, AT : AT + steps] + what)


def alerts(y, steps, *, start=AT, **options):
    """Whether each series has an alert in a stretch, and the kinds that it has there."""
    got = found(y, **options)
    part = slice(start, start + steps)
    kinds = [set(kind[flag]) for kind, flag in zip(got["kind"][:, part], got["is_anomaly"][:, part], strict=True)]
    return got["is_anomaly"][:, part].any(axis=1), kinds


KINDS = {  # what is planted, how many steps there are to find it, the kind to be among those told, share to be found
    "spike": (plus(1, 8), 1, "spike", 0.85),
    "dip": (plus(1, -8), 1, "dip", 0.85),
    "new level": (plus(5 * WEEK - AT, 6), DAY, "level", 0.9),
    "burst of noise": (plus(12, noisy(12, 5)), 13, "noise", 0.5),
    "frozen": (planted(CALM, AT, AT + 18, CALM[:, [AT - 1]]), 18, "flat", 0.95),
    "gap": (planted(CALM, AT, AT + 6, np.nan), 6, "missing", 1.0),
    "ramp": (plus(48, 0.4 * np.arange(48)), 48, "level", 0.7),
    "silence": (planted(BUSY, AT, AT + 6, 0), 6, "silence", 0.95),
}


@pytest.mark.parametrize("what", KINDS)
def test_what_was_planted_is_found_by_its_kind(what):
    y, steps, kind, share = KINDS[what]
    flagged, kinds = alerts(y, steps)
    assert flagged.mean() >= share
    assert np.mean([kind in told for told in kinds]) >= share


@pytest.mark.parametrize("y", [CALM, BUSY], ids=["gauges", "counts"])
def test_where_nothing_was_planted_little_is_found(y):
    got = found(y)
    flags = got["is_anomaly"][:, 2 * WEEK :]
    runs = (flags & ~np.pad(flags, ((0, 0), (1, 0)))[:, :-1]).sum()
    assert runs / SEEDS / 3 < 0.6  # a series-week, without any budget
    assert not np.isin(got["kind"], ("missing", "flat", "silence"))[:, 2 * WEEK :].any()


def test_a_quiet_channel_that_goes_silent_for_three_days_is_found():
    usual = counts(SEEDS, 8 * WEEK, mean=0.5, depth=0.3)
    start = 7 * WEEK
    flagged, kinds = alerts(planted(usual, start, start + 72, 0), 72, start=start)
    assert flagged.mean() >= 0.9
    assert np.mean(["silence" in told for told in kinds]) >= 0.9
    assert alerts(usual, 72, start=start)[0].mean() <= 0.2


def test_in_a_silence_the_usual_number_is_expected_and_not_the_silence():
    """What lasts of the last hours alone would say that nothing is to come."""
    usual = counts(SEEDS, 5 * WEEK, mean=2, depth=0.3)
    got = found(planted(usual, AT, AT + 36, 0))
    silent = got["kind"] == "silence"
    assert silent[:, AT + 12 : AT + 36].mean() > 0.5
    assert got["expected"][silent].min() > 0.01


@pytest.mark.parametrize("y", [CALM, BUSY], ids=["gauges", "counts"])
@pytest.mark.parametrize("hours", [1, 6, 18])
def test_a_drop_to_zero_fires_at_once_and_the_return_does_not(y, hours):
    got = found(planted(y, AT, AT + hours, 0))
    assert got["is_anomaly"][:, AT].all()
    assert (got["y"] < got["expected"])[:, AT].all()
    spare = 0.25 if hours == 1 and y is BUSY else 0  # a mean of two counts holds the one that was 0
    assert got["is_anomaly"][:, AT + hours].mean() <= spare
    usual = found(y)["is_anomaly"][:, AT + hours : AT + hours + DAY].any(axis=1).mean()
    assert got["is_anomaly"][:, AT + hours : AT + hours + DAY].any(axis=1).mean() <= usual + 0.1 + spare


def test_a_fault_of_every_night_is_reported_once_and_not_for_ever():
    y = CALM.copy()
    for day in range(7, 35):
        y[:, day * DAY + 3] += 15
    flagged = found(y)["is_anomaly"][:, 3::DAY]
    assert flagged[:, 7].mean() > 0.9
    assert flagged[:, 28:].mean() < 0.1


def test_what_is_away_half_of_the_time_is_not_missing():
    y = CALM.copy()
    away = np.random.default_rng(3).random(y.shape) < 0.5
    away[:, 0] = False
    y[away] = np.nan
    assert not (found(y)["kind"] == "missing").any()
    nights = CALM.copy()
    nights[:, np.arange(nights.shape[1]) % DAY >= 12] = np.nan
    assert not (found(nights)["kind"] == "missing").any()


def test_a_gap_that_lasts_is_told_for_two_days_and_then_is_how_it_is():
    got = found(planted(CALM, AT, AT + 96, np.nan))
    missing = got["kind"] == "missing"
    assert not missing[:, AT : AT + 3].any()
    assert missing[:, AT + 4 : AT + 40].all()
    assert not missing[:, AT + 2 * DAY + 1 :].any()
    assert np.isnan(got["score"][:, AT : AT + 96]).all()
    np.testing.assert_array_equal(got["is_anomaly"] & np.isnan(got["y"]), missing)


def test_a_value_that_hardly_ever_moves_may_stand_still():
    y = np.repeat(np.random.default_rng(0).integers(0, 50, size=(SEEDS, 35)), DAY, axis=1).astype(float)
    assert not (found(y)["kind"] == "flat").any()
