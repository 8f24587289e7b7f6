"""What `detect` promises: columns, warm-up, a score of 1 at the band's edge, and the past as it was."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest

from tests.unusual import DAY, SEASONS, WEEK, counts, found, frame, gauges, named
from tutordex_analysis.errors import FrameError
from tutordex_analysis.model import anomaly
from tutordex_analysis.model.anomaly import detect, judged
from tutordex_analysis.model.live import moved, started
from tutordex_analysis.model.policy import Policy
from tutordex_analysis.model.surprise import KINDS

COLUMNS = ["unique_id", "ds", "y", "expected", "lower", "upper", "score", "kind", "is_anomaly"]
WARM_UP = 31  # readings: a day, and as many as it takes to know what errors are usual


def mixed(n=5 * WEEK, seed=0):
    """Gauges, counts, holes, a late birth, an early end, a constant and a frozen stretch."""
    y = np.concatenate(
        [
            gauges(4, n, seed=seed),
            counts(2, n, mean=20, seed=seed),
            counts(2, n, mean=0.5, seed=seed),
            np.full((1, n), 7.0),
        ]
    )
    rng = np.random.default_rng(seed)
    y[1, rng.random(n) < 0.1] = np.nan
    y[2, n // 2 : n // 2 + 30] = np.nan
    y[2, 3 * n // 4 : 3 * n // 4 + 5] += 40
    y[3, -100:-80] = y[3, -101]
    y[4, -200:-190] = 0
    y[5, rng.random(n) < 0.02] = np.nan
    return y


def same(one, two):
    pd.testing.assert_frame_equal(one.reset_index(drop=True), two.reset_index(drop=True), check_exact=True)


def test_a_row_for_each_reading_with_these_columns():
    data = frame(named(gauges(2, 100)))
    got = detect(data, season_lengths=SEASONS)
    assert list(got.frame.columns) == COLUMNS
    same(got.frame[["unique_id", "ds", "y"]], data)
    assert got.frame["unique_id"].dtype == data["unique_id"].dtype
    assert got.frame["ds"].dtype == data["ds"].dtype
    assert {str(got.frame[name].dtype) for name in ("y", "expected", "lower", "upper", "score")} == {"float64"}
    assert got.frame["is_anomaly"].dtype == bool
    assert list(got.frame["kind"].cat.categories) == list(KINDS)
    assert got.threshold == 1.0
    assert got.policy == Policy()


def test_series_keep_their_order_and_their_own_length():
    rows = {"b": gauges(1, 90)[0], "a": gauges(1, 60)[0], "c": gauges(1, 80)[0]}
    start = {"b": "2026-01-05", "a": "2026-03-05", "c": "2026-01-06 00:30"}
    got = detect(frame(rows, start=start), season_lengths=SEASONS).frame
    want = frame(rows, start=start)
    assert list(got["unique_id"].unique()) == ["b", "a", "c"]
    assert got["ds"].tolist() == want["ds"].tolist()
    assert got["y"].tolist() == want["y"].tolist()


def test_labels_stay_out_and_gaps_before_the_first_reading_too():
    y = gauges(1, 100)
    y[0, :20] = np.nan
    got = detect(frame(named(y)).assign(channel="x"), season_lengths=SEASONS).frame
    assert list(got.columns) == COLUMNS
    assert len(got) == 80


def test_the_frame_of_the_caller_stays_as_it_was():
    data = frame(named(mixed(300)))
    before = data.copy(deep=True)
    detect(data, season_lengths=SEASONS, policy=Policy(alerts_per_week=2))
    pd.testing.assert_frame_equal(data, before, check_exact=True)


@pytest.mark.parametrize("season", [7, 24, 48])
def test_there_is_no_score_in_a_gap_or_in_the_first_season_and_everywhere_else(season):
    y = gauges(6, 200)
    y[1, 60:70] = np.nan
    y[2, 3:9] = np.nan
    got = found(y, season_lengths=(season,))
    readings = np.cumsum(~np.isnan(y), axis=1)
    want = ~np.isnan(y) & (readings > max(season, WARM_UP))
    np.testing.assert_array_equal(~np.isnan(got["score"]), want)
    np.testing.assert_array_equal(~np.isnan(got["lower"]), want)
    np.testing.assert_array_equal(~np.isnan(got["upper"]), want)
    assert np.isfinite(got["expected"]).all()
    assert not got["is_anomaly"][:, :season].any()


def test_a_value_is_outside_the_band_exactly_where_its_score_is_above_1():
    y = np.concatenate([mixed(), counts(6, 5 * WEEK, mean=1.5, seed=4)])
    rng = np.random.default_rng(2)
    y[9:, 600:640] = 0  # silence, as long as it takes to get used to it
    y[0, 500:518] = y[0, 499]
    y[3, 650:662] += 5 * rng.normal(size=12)
    table = detect(frame(named(y)), season_lengths=SEASONS).frame
    known = table[table["score"].notna()]
    assert set(known["kind"]) >= {"", "spike", "dip", "level", "noise", "flat", "silence"}
    outside = (known["y"] < known["lower"]) | (known["y"] > known["upper"])
    np.testing.assert_array_equal(outside, known["score"] > 1)
    np.testing.assert_array_equal(known["kind"] != "", known["score"] > 1)
    assert (known["lower"] <= known["expected"]).all()
    assert (known["expected"] <= known["upper"]).all()
    assert (known["score"] >= 0).all()


@pytest.mark.parametrize("season", [2, 3, 7, 12])
def test_band_and_score_agree_from_the_first_score_on_in_a_short_season(season):
    got = found(np.random.default_rng(1).normal(size=(100, 90)), season_lengths=(season,))
    known = ~np.isnan(got["score"])
    outside = (got["y"] < got["lower"]) | (got["y"] > got["upper"])
    np.testing.assert_array_equal(outside[known], got["score"][known] > 1)


EDGED = np.concatenate([gauges(30, 4 * WEEK, seed=3), counts(10, 4 * WEEK, mean=40, seed=3)])


@pytest.fixture(scope="module")
def last_changed():
    """The newest row after its value was replaced."""
    before, _ = started(frame(named(EDGED[:, :-1])), season_lengths=SEASONS)

    def judged(to):
        new = frame(named(np.reshape(to, (-1, 1))), start=before.newest.tz_localize(None) + pd.Timedelta("1h"))
        return {name: column.to_numpy() for name, column in moved(deepcopy(before), new).items()}

    return judged


def test_the_newest_row_of_a_frame_and_of_a_state_are_the_same(last_changed):
    got = found(EDGED)
    for name, column in last_changed(EDGED[:, -1]).items():
        np.testing.assert_array_equal(column, got[name][:, -1])


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_the_score_is_1_at_the_edge_of_the_band(side, last_changed):
    now = last_changed(EDGED[:, -1])
    calm = now["score"] < 1
    at_edge = last_changed(now[side])
    calm &= at_edge["kind"] != "level"  # which sees the values before as well
    assert calm.mean() > 0.8
    np.testing.assert_allclose(at_edge["score"][calm], 1.0, rtol=1e-6)
    np.testing.assert_allclose(at_edge[side][calm], now[side][calm], rtol=1e-9)
    width = (now["upper"] - now["lower"]) / 2
    way = -1 if side == "lower" else 1
    over, under = (last_changed(now[side] + way * step * width) for step in (0.02, -0.02))
    assert (over["score"][calm] > 1).all()
    assert set(over["kind"][calm]) == {"dip" if side == "lower" else "spike"}
    assert (under["score"][calm] <= 1).all()


def test_further_outside_scores_more_without_a_ceiling(last_changed):
    now = last_changed(EDGED[:, -1])
    width = (now["upper"] - now["lower"]) / 2
    scores = np.stack([last_changed(now["upper"] + k * width)["score"] for k in (0.1, 0.5, 1, 3, 10, 1e3, 1e6)])
    assert (np.diff(scores, axis=0) > 0).all()
    assert (scores[-1, :30] > 1e4).all()
    assert np.isfinite(scores).all()


def test_scores_of_different_units_are_comparable():
    y = EDGED[:30]
    scale = 10.0 ** np.arange(-15, 15)[:, None]
    np.testing.assert_allclose(found(y * scale)["score"], found(y)["score"], rtol=1e-6)


def test_a_power_of_two_scales_the_band_and_keeps_the_score_bit_for_bit():
    y = mixed()[:4]
    one = found(y)
    for factor in (2.0**-30, 2.0**40):
        two = found(factor * y)
        np.testing.assert_array_equal(two["score"], one["score"])
        np.testing.assert_array_equal(two["kind"], one["kind"])
        for name in ("expected", "lower", "upper"):
            np.testing.assert_array_equal(two[name], factor * one[name])


@pytest.mark.parametrize(("freq", "n"), [("h", 4 * WEEK), ("5min", 3 * 288)])
@pytest.mark.parametrize("weeks", [1, 500])
def test_whole_weeks_later_is_the_same(freq, n, weeks):
    rows = named(mixed(n))
    later = pd.Timestamp("2026-01-05") + weeks * pd.Timedelta(weeks=1)
    one, two = (detect(frame(rows, freq=freq, start=start), season_lengths=SEASONS).frame for start in (MONDAY, later))
    same(one.drop(columns="ds"), two.drop(columns="ds"))


MONDAY = pd.Timestamp("2026-01-05")


@pytest.mark.parametrize("cut", [100, 2 * WEEK - 1, 4 * WEEK, 5 * WEEK - 85])
def test_what_comes_later_changes_no_bit_of_what_was_said(cut):
    turned = counts(1, 5 * WEEK, mean=3)
    turned[0, 4 * WEEK + 5] = 2.5  # no count after all
    y = np.concatenate([mixed(), turned])
    whole, then = (detect(frame(named(one)), season_lengths=SEASONS) for one in (y, y[:, :cut]))
    until = MONDAY.tz_localize("UTC") + cut * pd.Timedelta("1h")
    same(then.frame, whole.frame[whole.frame["ds"] < until])
    for policy in (Policy(alerts_per_week=2), Policy(alerts_per_week=1, persistence=2)):
        flagged, past = (judged(one.frame, pd.Timedelta("1h"), policy).frame for one in (whole, then))
        same(past, flagged[flagged["ds"] < until])


def test_what_comes_later_changes_no_score_of_the_first_season_either():
    y = np.concatenate([np.ones((3, 12)), gauges(3, 60)], axis=1)
    whole, then = (found(one) for one in (y, y[:, :10]))
    for name in ("score", "lower", "upper", "kind", "is_anomaly"):
        np.testing.assert_array_equal(then[name], whole[name][:, :10])


def births():
    y = mixed(3 * WEEK)
    start = np.array([0, 0, 100, 7, 0, 333, 0, 50, 200])
    rows = {name: row[begin:] for (name, row), begin in zip(named(y).items(), start, strict=True)}
    at = {name: MONDAY + int(begin) * pd.Timedelta("1h") for name, begin in zip(rows, start, strict=True)}
    return rows, at


def alone(name, rows, at):
    return detect(frame({name: rows[name]}, start=at), season_lengths=SEASONS).frame.drop(columns="unique_id")


def test_neighbours_change_no_bit_of_a_series_however_they_are_ordered_and_whenever_born():
    rows, at = births()
    order = list(np.random.default_rng(0).permutation(list(rows)))
    whole, other = (
        detect(frame({name: rows[name] for name in names}, start=at), season_lengths=SEASONS).frame
        for names in (rows, order)
    )
    for name in ("s0001", "s0003", "s0005", "s0008"):
        mine = alone(name, rows, at)
        for table in (whole, other):
            same(table[table["unique_id"] == name].drop(columns="unique_id"), mine)


def test_a_late_birth_is_no_gap():
    """What was not born yet was not missing, so that a later gap says the same beside an older neighbour."""
    y = gauges(2, 5 * WEEK)
    y[1, 4 * WEEK : 4 * WEEK + 6] = np.nan
    rows = {"old": y[0], "young": y[1, 200:]}
    at = {"old": MONDAY, "young": MONDAY + 200 * pd.Timedelta("1h")}
    both = detect(frame(rows, start=at), season_lengths=SEASONS).frame
    mine = alone("young", rows, at)
    assert (mine["kind"] == "missing").sum() == 3
    same(both[both["unique_id"] == "young"].drop(columns="unique_id"), mine)


def test_more_series_than_one_block_holds_are_judged_alike(monkeypatch):
    rows = named(mixed(200))
    one = detect(frame(rows), season_lengths=SEASONS).frame
    monkeypatch.setattr(anomaly, "_BLOCK", 2)
    same(detect(frame(rows), season_lengths=SEASONS).frame, one)


def test_the_same_series_twice_has_the_same_scores_twice():
    y = mixed(300)
    got = found(np.concatenate([y, y]))
    for name in ("expected", "lower", "upper", "score", "kind", "is_anomaly"):
        np.testing.assert_array_equal(got[name][: len(y)], got[name][len(y) :])


def test_the_same_question_has_the_same_bytes():
    one, two = (
        detect(frame(named(mixed(400))), season_lengths=SEASONS, policy=Policy(alerts_per_week=3)) for _ in range(2)
    )
    assert one.frame.to_csv() == two.frame.to_csv()
    assert one.incidents.to_csv() == two.incidents.to_csv()
    assert one.threshold == two.threshold


def test_incidents_are_the_runs_of_the_frame():
    got = detect(frame(named(mixed())), season_lengths=SEASONS)
    assert got.incidents["steps"].sum() == got.frame["is_anomaly"].sum() > 20
    for row in got.incidents.itertuples():
        run = got.frame[(got.frame["unique_id"] == row.unique_id) & got.frame["ds"].between(row.start, row.end)]
        assert run["is_anomaly"].all()
        assert len(run) == row.steps
        if row.kind != "missing":
            assert run["score"].max() == row.score


def test_only_the_shortest_and_the_longest_season_count():
    y = gauges(2, 2 * WEEK)
    one, two = (found(y, season_lengths=lengths) for lengths in ((24, 48, 168), ("7d", "1d")))
    np.testing.assert_array_equal(one["score"], two["score"])


def test_a_series_without_season_is_judged_too():
    y = np.random.default_rng(0).normal(size=(20, 300))
    y[:, 250] += 12
    got = found(y, season_lengths=())
    assert (got["kind"][:, 250] == "spike").mean() > 0.9


def test_looking_ahead_is_refused():
    with pytest.raises(FrameError, match="detect is causal"):
        detect(frame(named(gauges(1, 60))), season_lengths=(DAY,), causal=False)
