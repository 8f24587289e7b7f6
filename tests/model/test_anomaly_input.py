"""What people and servers really hand in: one clear sentence, or scores with a band wherever there is a score."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.unusual import DAY, SEASONS, WEEK, counts, found, frame, gauges
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.model.anomaly import detect
from tutordex_analysis.model.policy import Policy

EVERY = {"season_lengths": SEASONS, "policy": Policy(alerts_per_week=2)}


def wave(n, seed=0):
    return np.round(gauges(1, n, seed=seed)[0])


def holes(n, share):
    y = wave(n)
    y[np.random.default_rng(1).random(n) < share] = np.nan
    return y


def gone(n, start, stop):
    y = wave(n)
    y[start:stop] = np.nan
    return y


AWKWARD = {
    "two readings": [1.0, 2.0],
    "eleven readings": [*range(11)],
    "constant": [5.0] * 200,
    "all zero": [0.0] * 200,
    "all missing": [np.nan] * 200,
    "one reading": [*[np.nan] * 100, 3.0, *[np.nan] * 99],
    "one event": [0.0] * 150 + [1.0] + [0.0] * 49,
    "one event at the end": [0.0] * 199 + [1.0],
    "six of ten missing": holes(400, 0.6),
    "nearly all missing": holes(400, 0.97),
    "two weeks missing within": gone(DAY * 30, 200, 200 + 14 * DAY),
    "two weeks missing at the end": gone(DAY * 30, DAY * 16, DAY * 30),
    "no reading at night": np.where(np.arange(400) % DAY < 8, np.nan, wave(400)),
    "three days of hours": wave(72),
    "two values": [1.0, 2.0] * 100,
    "a step at the end": [0.0] * 198 + [100.0] * 2,
    "a negative count": [*counts(1, 300, mean=5)[0], -3.0, 4.0, 5.0],
    "huge": wave(200) * 1e15,
    "the largest numbers": np.tile([1e150, -1e150, 0.0, 1e149], 50),
    "tiny": np.round(wave(200)) * 1e-200,
    "the smallest numbers": [5e-324, 1e-323, 0.0, 5e-324] * 50,
    "a counter that wraps": [*wave(199), 1.8e19],
    "a step of 1e150": [1.0] * 199 + [1e150],
}


@pytest.mark.parametrize("what", AWKWARD)
@pytest.mark.parametrize("lengths", [SEASONS, (), (2,)])
def test_an_awkward_history_has_a_band_wherever_it_has_a_score(what, lengths):
    y = np.array(AWKWARD[what], dtype=float)
    got = detect(frame({"a": y}), season_lengths=lengths, policy=Policy(alerts_per_week=2))
    table = got.frame
    kept = table["y"].to_numpy()
    np.testing.assert_array_equal(kept, y[len(y) - len(kept) :])
    known = table["score"].notna()
    assert not known[table["y"].isna()].any()
    assert np.isfinite(table.loc[known, ["expected", "lower", "upper", "score"]]).all(axis=None)
    assert (table.loc[known, "lower"] <= table.loc[known, "upper"]).all()
    assert table.loc[~known, ["lower", "upper"]].isna().all(axis=None)
    assert known.any() == (table["y"].notna().sum() > 31)
    assert got.incidents["steps"].sum() == table["is_anomaly"].sum()


@pytest.mark.parametrize("what", ["constant", "all zero", "all missing", "two values"])
def test_what_never_changes_is_never_unusual(what):
    assert not detect(frame({"a": AWKWARD[what]}), **EVERY).frame["is_anomaly"].any()


def test_the_first_move_of_a_constant_is_unusual():
    got = found(np.array([[5.5] * 199 + [5.6]]))
    assert got["kind"][0, -1] == "spike"


@pytest.mark.parametrize(
    ("data", "options", "error", "says"),
    [
        (frame({"a": []}), {}, NotEnoughData, "there is no series"),
        (frame({"a": [1.0]}), {}, NotEnoughData, "at least two rows a series to know the step, got one"),
        (frame({"a": [*wave(50), np.inf, *wave(50)]}), {}, FrameError, "a has an infinite value"),
        (frame({"a": [-np.inf, *wave(50)]}), {}, FrameError, "a has an infinite value"),
        (frame({"a": [*wave(99), 1e200]}), {}, FrameError, "a has a value of 1e+200, too large to reckon with"),
        (frame({"a": wave(99)}).iloc[[*range(50), 49, *range(50, 99)]], {}, FrameError, "one row an instant"),
        (frame({"a": wave(99)}).sample(frac=1, random_state=0), {}, FrameError, "must be sorted by ds"),
        (frame({"a": wave(99)}).drop(index=[7]), {}, FrameError, "not at one step (found 1h, 2h)"),
        (
            pd.concat([frame({"a": wave(50)}), frame({"b": wave(50)}, freq="2h")]).astype({"unique_id": "category"}),
            {},
            FrameError,
            "not at one step (found 1h, 2h)",
        ),
        (frame({"a": wave(99)}).drop(columns="y"), {}, FrameError, "y not in it"),
        (frame({"a": wave(99)}).assign(y="many"), {}, FrameError, "y must be float64"),
        (frame({"a": wave(99)}).assign(ds=range(99)), {}, FrameError, "ds must be times with a zone"),
        (frame({"a": wave(99)}), {"season_lengths": (0,)}, FrameError, "a season must be at least one step, got 0"),
        (frame({"a": wave(99)}), {"season_lengths": "1d"}, FrameError, "season_lengths is a list"),
        (frame({"a": wave(99)}), {"season_lengths": ("150m",)}, FrameError, "no whole number of steps of 1h"),
        (frame({"a": wave(99)}), {"tz": "Mars/Base"}, FrameError, "there is no time zone called 'Mars/Base'"),
        (frame({"a": wave(99)}), {"tz": ""}, FrameError, "there is no time zone called ''"),
        (frame({"a": wave(99)}), {"calendar": "Atlantis"}, FrameError, "no holiday calendar called 'Atlantis'"),
    ],
)
def test_a_wrong_frame_or_question_is_one_sentence(data, options, error, says):
    with pytest.raises(error, match=re.escape(says)) as told:
        detect(data, **({"season_lengths": SEASONS} | options))
    assert "\n" not in str(told.value)


def test_an_hour_that_is_left_out_or_there_twice_is_refused_and_a_gap_is_not():
    """A clock that jumps: the rows that a server has, not NaN in their place."""
    data = frame({"a": wave(99)})
    forward, back = data.drop(index=[50]), data.iloc[[*range(50), 49, *range(50, 99)]]
    with pytest.raises(FrameError, match="keep gaps as rows with NaN"):
        detect(forward, season_lengths=SEASONS)
    with pytest.raises(FrameError, match="one row an instant"):
        detect(back, season_lengths=SEASONS)
    gap = detect(data.assign(y=data["y"].where(data.index != 50)), season_lengths=SEASONS).frame
    assert not gap["is_anomaly"].any()


def test_zeros_for_a_week_and_then_a_share_are_judged_as_measured():
    """The first share is found, what goes on is not, and no band ends at 0 as that of events would."""
    y = np.zeros((20, 4 * WEEK))
    y[:, WEEK:] = 0.2 + 0.01 * np.random.default_rng(0).normal(size=(20, 3 * WEEK))
    got = found(y)
    assert (got["kind"][:, WEEK] == "spike").all()
    assert not got["is_anomaly"][:, WEEK + DAY :].any()
    np.testing.assert_allclose(got["expected"][:, -DAY:], 0.2, atol=0.05)
    assert (got["lower"][:, 2 * WEEK :] < 0).all()


def test_zeros_for_a_week_and_then_events_are_judged_as_counts():
    y = np.concatenate([np.zeros((20, WEEK)), counts(20, 3 * WEEK, mean=3)], axis=1)
    got = found(y)
    assert got["is_anomaly"][:, 2 * WEEK :].mean() < 0.02
    assert (got["lower"][:, 2 * WEEK :] >= 0).all()


def test_a_tenth_of_the_scrapes_lost_changes_no_verdict():
    y = gauges(24, 5 * WEEK, seed=2)
    at = 4 * WEEK + 30
    y[:12, at] += 20
    y[12:18, at : at + 6] -= 20
    lossy = y.copy()
    lost = np.random.default_rng(0).random(y.shape) < 0.1
    lost[:, [0, at, at + 1]] = False
    lossy[lost] = np.nan
    policy = Policy(alerts_per_week=3)
    whole, part = (found(one, policy=policy) for one in (y, lossy))
    for got in (whole, part):
        assert got["is_anomaly"][:18, at].all()
        others = got["is_anomaly"][:, 4 * WEEK :].copy()
        others[:18, at - 30 - 4 * WEEK + 30 :] = False
        assert others.any(axis=1).sum() <= 2
    assert not (part["kind"] == "missing").any()


def daily(start, days, per_day, tz, *, n_series=4, seed=0):
    """Series that follow the clock of a zone by a factor of ten, and little noise."""
    step = pd.Timedelta("1D") / per_day
    ds = pd.date_range(start, periods=days * per_day, freq=step, tz="UTC")
    local = (ds - step / 2).tz_convert(tz)
    hour = (local.hour + local.minute / 60).to_numpy()
    rng = np.random.default_rng(seed)
    return ds, 100 + 90 * np.tanh(3 * np.sin(2 * np.pi * (hour - 8) / 24)) + rng.normal(size=(n_series, len(ds)))


def around(change, freq, days, **options):
    """What is said of the two days after a clock change, `days` before which the history begins."""
    begin = change.floor("1D") - pd.Timedelta(days=days)
    ds, y = daily(begin, days + 3, int(pd.Timedelta("1D") / pd.Timedelta(freq)), "Europe/Berlin")
    got = found(y, freq=freq, start=begin.tz_localize(None), policy=Policy(alerts_per_week=2), **options)
    after = (ds > change) & (ds <= change + pd.Timedelta("2D"))
    return got["is_anomaly"][:, after].any(axis=1), got["score"][:, after].max(axis=1)


CHANGES = pytest.mark.parametrize("change", [pd.Timestamp(one, tz="UTC") for one in ("2026-03-29 01", "2026-10-25 01")])


@CHANGES
def test_a_clock_change_alerts_nobody_who_names_the_zone(change):
    assert not around(change, "1h", 28, tz="Europe/Berlin")[0].any()
    assert around(change, "1h", 28)[0].mean() > 0.8


def test_a_clock_change_alerts_nobody_at_steps_of_minutes_either():
    """Nine days are too few for an alert from the wrong clock, but it shows."""
    change = pd.Timestamp("2026-03-29 01", tz="UTC")
    alerts, scores = around(change, "5min", 9, tz="Europe/Berlin")
    _, abroad = around(change, "5min", 9)
    assert not alerts.any()
    assert (abroad > 1.2 * scores).all()


def singapore(kind, n_series=24, depth=0.5):
    """Eight weeks up to 10 May 2026; 1 May, a Friday, is a holiday with half of the volume."""
    begin = pd.Timestamp("2026-03-15 16:00", tz="UTC")
    ds = pd.date_range(begin, periods=8 * WEEK, freq="h")
    local = (ds - pd.Timedelta("30min")).tz_convert("Asia/Singapore")
    usual = 60 + 40 * np.sin(2 * np.pi * (local.hour.to_numpy() - 6) / 24)
    usual = usual * np.where(local.day_of_week.to_numpy() >= 5, 0.6, 1.0)
    may = np.asarray(local.normalize() == pd.Timestamp("2026-05-01", tz="Asia/Singapore"))
    rate = np.where(may, depth * usual, usual)
    return found(
        np.random.default_rng(0).poisson(np.broadcast_to(rate, (n_series, len(ds)))).astype(float),
        start=begin.tz_localize(None),
        policy=Policy(alerts_per_week=2),
        **kind,
    ), may


def test_a_quiet_holiday_alerts_nobody_who_names_the_calendar():
    at_home, may = singapore({"calendar": "SG", "tz": "Asia/Singapore"})
    assert at_home["is_anomaly"][:, may].any(axis=1).mean() <= 0.05
    abroad, may = singapore({})
    assert abroad["is_anomaly"][:, may].any(axis=1).mean() > 0.9


def test_an_outage_on_a_holiday_is_one_all_the_same():
    got, may = singapore({"calendar": "SG", "tz": "Asia/Singapore"}, depth=0.0)
    assert got["is_anomaly"][:, may].any(axis=1).all()
