"""What people really hand in: each is one clear sentence, or a finite forecast that says it is a simple one."""

import re

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.model.backtest import backtest
from tutordex_analysis.model.counts import counts
from tutordex_analysis.model.decomposition import damped_trend, ets, theta
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.naive import drift, last_value, seasonal_naive
from tutordex_analysis.model.prophet_model import prophet
from tutordex_analysis.model.structural import straight_line, structural

FORECASTERS = (seasonal_naive, last_value, drift, ets, damped_trend, theta, structural, straight_line, counts, prophet)
MODELS = [*FORECASTERS, "auto"]
SIMPLE = "a simpler model|the last season is repeated"
DAY = 24

each = pytest.mark.parametrize("model", MODELS, ids=lambda one: getattr(one, "__name__", one))


def frame(y, freq="h"):
    ds = pd.date_range("2026-01-05", periods=len(y), freq=freq, tz="UTC")
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.asarray(y, dtype=float)}).astype({"unique_id": "category"})


def wave(n, seed=0):
    return np.round(50 + 10 * np.sin(2 * np.pi * np.arange(n) / DAY) + 3 * np.random.default_rng(seed).normal(size=n))


def holes(n, share):
    y = wave(n)
    y[np.random.default_rng(1).random(n) < share] = np.nan
    return y


def gone(n, start, stop):
    y = wave(n)
    y[start:stop] = np.nan
    return y


def ask(data, *, model="auto", **options):
    asked = {"horizon": 12, "season_lengths": (24, 168), "budget_seconds": 0.05} | options
    return forecast(data, model=model, **asked)


@each
@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([], "there is no series to forecast: the frame is empty"),
        ([1.0], "at least two rows a series to know the step, got one"),
        ([1.0, 2.0], "at least 3 readings, the history of 2 steps has 2"),
        ([np.nan] * 100, "at least 3 readings, the history of 100 steps has 0"),
        ([*[np.nan] * 50, 1.0, *[np.nan] * 50, 2.0], "at least 3 readings, the history of 52 steps has 2"),
    ],
)
def test_too_little_says_what_was_needed_and_what_came(model, y, says):
    with pytest.raises(NotEnoughData, match=re.escape(says)) as found:
        ask(frame(y), model=model)
    assert "\n" not in str(found.value)


AWKWARD = {
    "three readings": [1.0, 2.0, 4.0],
    "eleven readings": [*range(11)],
    "constant": [5.0] * 200,
    "all zero": [0.0] * 200,
    "one event": [0.0] * 150 + [1.0] + [0.0] * 49,
    "one event at the end": [0.0] * 199 + [1.0],
    "six of ten missing": holes(400, 0.6),
    "nearly all missing": holes(400, 0.97),
    "three weeks missing within": gone(DAY * 45, 200, 200 + 21 * DAY),
    "three weeks missing at the end": gone(DAY * 45, DAY * 24, DAY * 45),
    "no reading at night": np.where(np.arange(400) % DAY < 8, np.nan, wave(400)),
    "three days of hours": wave(72),
    "two values": [1.0, 2.0] * 100,
    "a step at the end": [0.0] * 198 + [100.0] * 2,
    "huge": wave(200) * 1e15,
    "tiny": np.round(wave(200)) * 1e-200,
    "the smallest numbers": [5e-324, 1e-323, 0.0, 5e-324] * 50,
    "a counter that wraps": [*wave(199), 1.8e19],
}


@pytest.mark.parametrize(
    ("what", "model", "horizon"),
    [
        (what, model, horizon)
        for what, y in AWKWARD.items()
        for model in MODELS
        for horizon in (12, 500)
        if model is not prophet or (horizon == 12 and len(y) < 500)  # seconds each, and nothing new
    ],
)
def test_an_awkward_history_has_a_finite_forecast(model, what, horizon):
    y = np.array(AWKWARD[what], dtype=float)
    if model is counts and (np.nan_to_num(y) != np.floor(np.nan_to_num(y))).any():
        with pytest.raises(FrameError, match="counts are whole numbers"):
            ask(frame(y), model=model)
        return
    got = ask(frame(y), model=model, horizon=horizon)
    q = got.frame.iloc[:, 2:].to_numpy()
    assert q.shape == (horizon, 12)
    assert np.isfinite(q).all()
    assert (np.diff(q[:, 1:], axis=1) >= 0).all()
    assert np.isfinite(got.paths(3)).all()
    assert got.reason["a"]
    if model == "auto" and (horizon > len(y) or len(y) <= 72):
        assert re.search(SIMPLE, got.reason["a"])


@pytest.mark.parametrize("what", ["constant", "all zero"])
@each
def test_what_never_moved_goes_on_without_a_band(model, what):
    q = ask(frame(AWKWARD[what]), model=model).frame.iloc[:, 2:].to_numpy()
    wide = 1.0 if model is counts else 0.0  # chance itself has a spread
    np.testing.assert_allclose(q, AWKWARD[what][0], atol=wide * 5 + 1e-9)


def test_few_readings_say_that_the_model_is_simple_and_why():
    reasons = {what: ask(frame(AWKWARD[what])).reason["a"] for what in ("three readings", "three days of hours")}
    assert "3 readings are fewer than the 48 that show a season" in reasons["three readings"]
    assert "72 steps are too few to try models" in reasons["three days of hours"]


@pytest.mark.parametrize("horizon", ["1y", 24 * 365 * 10])
def test_years_from_days_are_a_straight_line(horizon):
    got = ask(frame(wave(240)), horizon=horizon)
    q = got.frame.iloc[:, 2:].to_numpy()
    assert np.isfinite(q).all()
    assert "the horizon is longer than the history" in got.reason["a"] or "last season" in got.reason["a"]
    assert set(got.scores["model"]) <= {"seasonal_naive", "straight_line", "combination"}


def shuffled():
    return frame(wave(100)).sample(frac=1, random_state=0)


def infinite(where, sign=1):
    y = wave(100)
    y[where] = sign * np.inf
    return frame(y)


def mixed_steps():
    return pd.concat([frame(wave(50)), frame(wave(50), freq="2h").assign(unique_id="b")]).astype(
        {"unique_id": "category"}
    )


@each
@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (infinite(50), {}, "a has an infinite value"),
        (infinite(0, -1), {}, "a has an infinite value"),
        (frame([*wave(99), 1e200]), {}, "a has a value of 1e+200, too large to reckon with"),
        (pd.concat([frame(wave(9)), frame(wave(9))]), {}, "one row an instant"),
        (frame(wave(99)).iloc[[*range(50), 49, *range(50, 99)]], {}, "one row an instant"),
        (shuffled(), {}, "must be sorted by ds"),
        (frame(wave(99)).drop(index=[7]), {}, "not at one step (found 1h, 2h)"),
        (mixed_steps(), {}, "not at one step (found 1h, 2h)"),
        (frame(wave(99) - 60), {"lower": 0}, "below lower=0"),
        (frame(wave(99)), {"upper": 40}, "above upper=40"),
        (frame(wave(99)), {"lower": 40, "upper": 40}, "lower must be less than upper, got 40 and 40"),
        (frame(wave(99)), {"horizon": 0}, "a horizon must be at least one step, got 0"),
        (frame(wave(99)), {"horizon": -3}, "a horizon must be at least one step, got -3"),
        (frame(wave(99)), {"horizon": "soon"}, "'soon' is not a duration"),
        (frame(wave(99)), {"horizon": "10m"}, "a horizon of 10m is shorter than one step of 1h"),
        (frame(wave(99)), {"horizon": 10**9}, "longer than 100 years"),
        (frame(wave(99)), {"season_lengths": (0,)}, "a season must be at least one step, got 0"),
        (frame(wave(99)), {"quantiles": (0.5, 0.5)}, "rising numbers between 0 and 1"),
        (frame(wave(99)), {"seed": -1}, "a seed is a whole number from 0"),
        (frame(wave(99)), {"model": "magic"}, '"auto" or a forecaster such as structural'),
        (frame(wave(99)).drop(columns="y"), {}, "y not in it"),
        (frame(wave(99)).assign(y="many"), {}, "y must be float64"),
        (frame(wave(99)).assign(ds=range(99)), {}, "ds must be times with a zone"),
    ],
)
def test_a_wrong_frame_or_question_is_one_sentence_for_every_model(model, data, options, says):
    with pytest.raises(FrameError, match=re.escape(says)) as found:
        ask(data, **({"model": model} | options))
    assert "\n" not in str(found.value)


WRONG_CALENDARS = [
    ({"calendar": "Atlantis"}, "there is no holiday calendar called 'Atlantis'"),
    ({"calendar": ""}, "there is no holiday calendar called ''"),
    ({"tz": "Mars/Base", "calendar": "SG"}, "there is no time zone called 'Mars/Base'"),
    ({"tz": "", "calendar": "SG"}, "there is no time zone called ''"),
    ({"breaks": [("2026-01-09", "2026-01-06")]}, "a break is a first and a last civil day in order"),
    ({"breaks": ("2026-01-06", "2026-01-09")}, "a break is a first and a last day"),
    ({"breaks": [None]}, "a break is a first and a last day"),
]


@pytest.mark.parametrize(("options", "says"), WRONG_CALENDARS)
@pytest.mark.parametrize("model", ["auto", structural, straight_line, prophet])
def test_a_wrong_calendar_is_one_sentence_for_models_that_use_one(model, options, says):
    with pytest.raises(FrameError, match=re.escape(says)):
        ask(frame(wave(240)), model=model, **options)


@pytest.mark.parametrize(("options", "says"), WRONG_CALENDARS)
@pytest.mark.parametrize(("n", "model"), [(10, "auto"), (72, "auto"), (240, seasonal_naive)])
def test_a_wrong_calendar_is_told_where_no_model_uses_it_yet(options, says, n, model):
    with pytest.raises(FrameError, match=re.escape(says)):
        ask(frame(wave(n)), model=model, **options)


def test_a_backtest_refuses_the_same():
    for data, says in ((infinite(50), "infinite"), (shuffled(), "sorted"), (mixed_steps(), "not at one step")):
        with pytest.raises(FrameError, match=says):
            backtest(data, horizon=6, season_lengths=(24,), models=FORECASTERS)
    with pytest.raises(FrameError, match="no time zone"):
        backtest(frame(wave(240)), horizon=6, season_lengths=(24,), models=(drift,), tz="Mars/Base")
    with pytest.raises(NotEnoughData, match="steps of history, the longest series has 20"):
        backtest(frame(wave(20)), horizon=6, season_lengths=(24,), models=FORECASTERS)
