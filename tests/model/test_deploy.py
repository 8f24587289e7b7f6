"""What followed a change, beside a forecast frozen before it: known answers, causality, and false alarms."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model.days import by_day, together
from tutordex_analysis.model.deploy import MOST_DATES, Frozen
from tutordex_analysis.model.deploy_effect import Effect
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


def test_a_p_value_is_the_rank_at_each_earlier_error_and_lies_between_two_of_them():
    made = placebo([0.5, -1.0, 2.0], length=1)
    assert [made.p_value(one) for one in (0.0, 0.5, 1.0, -2.0)] == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])
    assert made.p_value(1.5) == pytest.approx(np.sqrt(2 / 4 * 1 / 4))


def test_errors_that_are_all_nothing_or_impossible_give_an_answer():
    flat = placebo([0.0] * 30, length=1)
    assert flat.p_value(0.0) == 1
    assert 0 < flat.p_value(1e-9) < 1e-300
    assert flat.half_width(0.05) == 0
    assert placebo([np.inf] * 30, length=1).p_value(np.inf) > 0.5


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.001])
def test_the_band_ends_where_the_p_value_crosses_alpha(alpha):
    made = placebo(np.random.default_rng(1).standard_t(4, 60), length=7)
    reach = made.half_width(alpha)
    assert made.p_value(reach * (1 + 1e-6)) < alpha < made.p_value(reach * (1 - 1e-6))


def test_windows_that_overlap_count_as_few():
    slow = sum((1 - abs(a - b) / 7) ** 2 if abs(a - b) < 7 else 0 for a in [50] for b in range(101))
    assert freedom(49, length=7) == pytest.approx(49 / slow)
    assert placebo(np.arange(49), length=7).p_value(48) == pytest.approx(1 / (1 + 2 * 49 / slow))
    assert alarms([0.1] * 10 + [9.0] + [0.1] * 30, length=3, alpha=0.05) == 1


def test_an_answer_is_doubtful_from_more_than_a_tenth_of_twenty_dates_on():
    facts = {"series": "a", "window": 7, "days": 7, "seen": 1.0, "expected": 1.0, "spread": 1.0}
    assert Effect(**facts, dates=20, alarms=3).doubtful
    assert not Effect(**facts, dates=20, alarms=2).doubtful
    assert not Effect(**facts, dates=19, alarms=9).doubtful


def test_days_are_civil_days_and_only_whole_ones():
    frame = hourly(np.ones(24 * 3))
    assert by_day(frame, counted=["posts"]).y[0].tolist() == [24, 24, 24]
    found = by_day(frame, counted=["posts"], tz="Asia/Singapore")
    assert found.y[0].tolist() == [24, 24]
    assert found.ends.tolist() == [pd.Timestamp("2026-03-02T16:00Z"), pd.Timestamp("2026-03-03T16:00Z")]
    assert found.place("2026-03-02T15:59Z") == 0
    assert found.place("2026-03-02T16:00Z") == 1
    assert found.place("2026-03-01T15:00Z") == -1
    with pytest.raises(NotEnoughData, match="no whole day"):
        by_day(hourly(np.ones(30)), tz="Asia/Singapore")


def test_the_days_when_clocks_change_are_shorter_and_longer():
    frame = hourly(np.ones(24 * 40))
    found = by_day(frame, counted=["posts"], tz="Europe/Berlin")  # summer time from 29 March 2026 on
    assert found.y[0, found.place("2026-03-29T10:00Z")] == 23
    assert set(found.y[0].tolist()) == {23, 24}


def test_a_mean_is_weighted_and_a_day_with_a_quarter_missing_is_unknown():
    values = np.tile([1.0, 3.0], 24)
    weight = np.tile([3.0, 1.0], 24)
    assert by_day(hourly(values), weights={"posts": weight}).y[0].tolist() == [1.5, 1.5]
    values[:7] = np.nan
    assert np.isnan(by_day(hourly(values)).y[0]).tolist() == [True, False]


def test_a_holiday_is_no_day_to_compare():
    found = by_day(hourly(np.ones(24 * 170)), counted=["posts"], calendar="SG", tz="Asia/Singapore")
    day = found.place("2026-08-09T04:00Z")  # National Day, a Sunday; the Monday is off too
    assert found.holiday[day - 1 : day + 3].tolist() == [False, True, True, False]
    assert np.isnan(found.y[0, day])


def _answer(values, days, windows=(1, 7), tz="UTC", **more):
    at = START + days * DAY
    frozen = Frozen(by_day(hourly(values), counted=["posts"], tz=tz), [(at, at)])
    return frozen.effects("posts", start=at, end=at, windows=windows, **more)


def test_the_day_of_the_change_belongs_to_neither_side():
    values = posts(90)
    found = _answer(values, 70, windows=(7,))
    other = values.copy()
    other[24 * 70 : 24 * 71] = 999.0
    again = _answer(other, 70, windows=(7,))
    assert again.of(7).seen == found.of(7).seen == pytest.approx(values[24 * 71 : 24 * 78].sum() / 7)
    assert again.of(7).p_value == found.of(7).p_value


def test_nothing_after_the_change_moves_what_was_expected():
    values = posts(78)
    other = values.copy()
    other[24 * 70 :] = 999.0
    one, two = _answer(values, 70), _answer(other, 70)
    assert np.array_equal(one.expected, two.expected)
    assert one.of(7).expected == two.of(7).expected
    assert two.of(7).p_value < 0.05
    late = np.concatenate([values, np.full(24 * 20, 5.0)])
    assert _answer(late, 70).of(7).p_value == one.of(7).p_value
    at = START + 70 * DAY
    both = Frozen(by_day(hourly(late), counted=["posts"]), [(at, at), (at + 20 * DAY, at + 20 * DAY)])
    assert both.effects("posts", start=at, end=at, windows=(7,)).of(7).p_value == one.of(7).p_value


def test_series_in_one_batch_answer_as_each_alone():
    days = [by_day(hourly(posts(80, seed=seed)), counted=["posts"]) for seed in range(3)]
    at = START + 70 * DAY
    frozen = Frozen(together(days, ["a", "b", "c"]), [(at, at)])
    for seed, name in enumerate("abc"):
        alone = _answer(posts(80, seed=seed), 70).of(7)
        assert frozen.effects(name, start=at, end=at, windows=(7,)).of(7).p_value == alone.p_value
    with pytest.raises(FrameError, match="same days"):
        together([days[0], by_day(hourly(posts(50)))], ["a", "b"])


def test_days_of_a_school_break_count_where_the_history_knows_what_they_do():
    values = posts(120, seed=2)
    pause = [("2026-05-01", "2026-06-20")]
    inside = pd.date_range("2026-05-01", "2026-06-20").tz_localize("UTC")
    values *= np.where(np.isin(np.arange(len(values)) // 24, (inside - START).days), 0.5, 1)
    known, unknown = START + 75 * DAY, START + 60 * DAY  # 14 days into it, and the day before
    frozen = Frozen(by_day(hourly(values), counted=["posts"]), [(known, known), (unknown, unknown)], breaks=pause)
    found = frozen.effects("posts", start=known, end=known, windows=(7,))
    assert found.compared[:7].all()
    assert found.of(7).expected == pytest.approx(found.of(7).seen, rel=0.15)
    early = frozen.effects("posts", start=unknown, end=unknown, windows=(7,))
    assert frozen.strange(early)[:7].all()
    assert early.of(7).days == 0


def test_a_steady_count_that_falls_by_a_fifth_is_seen_with_its_size():
    values = posts(78, seed=3)
    values[24 * 70 :] = np.random.default_rng(0).binomial(values[24 * 70 :].astype(int), 0.8)
    found = _answer(values, 70).of(7)
    lower, upper = found.relative_interval(0.05)
    assert lower < found.relative < upper < 0
    assert lower < -0.2 < upper
    assert found.total == pytest.approx(7 * found.effect)


def test_few_earlier_dates_are_said():
    assert _answer(posts(51), 43).of(7).yardstick is None
    with pytest.raises(NotEnoughData, match="learns from 28 days, there are 20"):
        _answer(posts(30), 20)
    at = START + 40 * DAY
    frozen = Frozen(by_day(hourly(posts(60))), [(at, at)])
    with pytest.raises(NotEnoughData, match="on which of 6 days"):
        frozen.effects("posts", start=at, end=at + 5 * DAY)
    with pytest.raises(FrameError, match="window"):
        _answer(posts(50), 40, windows=(0,))
    with pytest.raises(FrameError, match="no series"):
        Frozen(by_day(hourly(posts(50))), []).effects("other", start=START, end=START)


def test_a_window_ends_where_another_change_begins():
    found = _answer(posts(90), 70, windows=(1, 3, 7), until=START + 75 * DAY)
    assert found.after == 4
    assert [one.window for one in found.effects] == [1, 3]


def test_earlier_dates_that_touch_something_else_are_not_asked():
    at = START + 50 * DAY + HOUR
    without = _answer(posts(78), 70, others=[(at, at)]).of(7)
    assert without.dates == _answer(posts(78), 70).of(7).dates - 8
    assert _answer(posts(300), 280, windows=(7,)).of(7).dates == MOST_DATES


def test_false_alarms_are_rare():
    found = [_answer(posts(78, seed=10 + i), 70).of(7).p_value <= 0.05 for i in range(8)]
    assert sum(found) <= 2
