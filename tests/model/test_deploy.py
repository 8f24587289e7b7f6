"""What followed a change, beside a forecast frozen at it: known answers, causality, and false alarms."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model.days import around
from tutordex_analysis.model.deploy import effects
from tutordex_analysis.model.placebo import alarms, freedom, placebo

START = pd.Timestamp("2026-03-01T00:00Z")
HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")


def hourly(values, name="posts"):
    window = TimeRange(START + HOUR, START + HOUR + len(values) * HOUR, "1h")
    return frames.build(np.asarray(values, dtype=float)[None], [{"__name__": name}], window)


def posts(days, seed=0, least=0.0):
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * days)
    rate = 12.5 * (1 + 0.6 * np.sin(2 * np.pi * hour / 24)) * np.repeat(rng.gamma(100, 0.01, days), 24)
    return rng.poisson(rate).astype(float) + least


def test_a_rank_is_by_hand_and_never_zero():
    made = placebo([0.5, -1.0, 2.0, np.nan], length=1)
    assert made.rank(1.5) == 2 / 4
    assert made.rank(99.0) == 1 / 4
    assert made.scale == pytest.approx(np.sqrt((0.25 + 1 + 4) / 3))
    assert 0 < made.p_value(1e9) <= made.p_value(5.0) <= 1 / 4
    assert np.isnan(made.p_value(np.nan))


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.001])
def test_the_band_ends_where_the_p_value_crosses_alpha(alpha):
    made = placebo(np.random.default_rng(1).standard_t(4, 60), length=7)
    reach = made.half_width(alpha)
    assert made.p_value(reach * (1 + 1e-9)) <= alpha < made.p_value(reach * (1 - 1e-9)) + 1e-12


def test_windows_that_overlap_count_as_few():
    slow = sum((1 - abs(a - b) / 7) ** 2 if abs(a - b) < 7 else 0 for a in [50] for b in range(101))
    assert freedom(49, length=7) == pytest.approx(49 / slow)
    assert alarms([0.1] * 10 + [9.0] + [0.1] * 30, length=3, alpha=0.05) == 1


def test_days_end_and_begin_with_the_change_and_its_hour_belongs_to_neither():
    frame = hourly(np.arange(24 * 3 + 1))
    found = around(frame, start=START + 24 * HOUR + pd.Timedelta("10min"), end=START + 25 * HOUR, counted=["posts"])
    assert found.before == 1
    assert found.y[0].tolist() == [sum(range(24)), sum(range(25, 49)), sum(range(49, 73))]
    assert found.ends[0] == START + 24 * HOUR


def test_a_mean_is_weighted_and_a_day_with_a_quarter_missing_is_unknown():
    values = np.tile([1.0, 3.0], 24)
    weight = np.tile([3.0, 1.0], 24)
    frame = hourly(values)
    found = around(frame, start=START + DAY, end=START + DAY, weights={"posts": weight})
    assert found.y[0].tolist() == [1.5, 1.5]
    values[:7] = np.nan
    assert np.isnan(around(hourly(values), start=START + DAY, end=START + DAY).y[0, 0])


def test_a_holiday_is_no_day_to_compare():
    frame = hourly(np.ones(24 * 170))
    at = pd.Timestamp("2026-08-08T16:00Z")  # midnight in Singapore, National Day
    found = around(frame, start=at, end=at, counted=["posts"], calendar="SG", tz="Asia/Singapore")
    assert np.flatnonzero(found.holiday[found.before :]).tolist() == [0, 1]  # the day, and the Monday it is observed
    assert np.isnan(found.y[0, found.before])


def _answer(values, days, **more):
    at = START + days * DAY
    return effects(around(hourly(values), start=at, end=at, counted=["posts"]), windows=(1, 7), **more)


def test_nothing_after_the_change_moves_what_was_expected():
    values = posts(77)
    other = values.copy()
    other[24 * 70 :] = 999.0
    one, two = _answer(values, 70), _answer(other, 70)
    assert np.array_equal(one.expected, two.expected)
    assert one.of("posts", 7).expected == two.of("posts", 7).expected
    assert one.of("posts", 7).seen == pytest.approx(values[24 * 70 :].sum() / 7)
    assert two.of("posts", 7).p_value < 0.05
    late = np.concatenate([values, np.full(24 * 20, 5.0)])
    assert _answer(late, 70).of("posts", 7) == one.of("posts", 7) or (
        _answer(late, 70).of("posts", 7).p_value == one.of("posts", 7).p_value
    )


def test_a_steady_count_that_falls_by_a_fifth_is_seen_with_its_size():
    values = posts(77, seed=3)
    values[24 * 70 :] = np.random.default_rng(0).binomial(values[24 * 70 :].astype(int), 0.8)
    found = _answer(values, 70).of("posts", 7)
    lower, upper = found.relative_interval(0.05)
    assert lower < found.relative < upper < 0
    assert lower < -0.2 < upper
    assert found.total == pytest.approx(7 * found.effect)


def test_few_earlier_dates_are_said():
    assert _answer(posts(50), 43).of("posts", 7).yardstick is None
    with pytest.raises(NotEnoughData, match="learns from 28 days, there are 20"):
        _answer(posts(30), 20)
    with pytest.raises(FrameError, match="window"):
        effects(around(hourly(posts(50)), start=START + 40 * DAY, end=START + 40 * DAY), windows=(0,))


def test_earlier_dates_that_touch_something_else_are_not_asked():
    at = START + 50 * DAY + HOUR
    without = _answer(posts(77), 70, others=[(at, at)]).of("posts", 7)
    assert without.dates == _answer(posts(77), 70).of("posts", 7).dates - 7


def test_false_alarms_are_rare():
    found = [_answer(posts(77, seed=10 + i), 70).of("posts", 7).p_value <= 0.05 for i in range(8)]
    assert sum(found) <= 2
