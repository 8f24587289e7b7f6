from functools import partial

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.model.prophet_model import prophet


@pytest.mark.slow
def test_prophet_finds_a_season_is_quiet_and_repeats_itself(capfd, caplog):
    t = np.arange(24 * 14 + 24)
    truth = 50 + 10 * np.sin(2 * np.pi * t / 24)
    y = truth + np.random.default_rng(0).normal(size=(2, len(t)))
    y[1, 100:130] = np.nan
    y = np.vstack([y, np.full(len(t), 4.0)])[:, :-24]
    ds = pd.date_range("2026-01-01", periods=y.shape[1], freq="h", tz="UTC")
    model = partial(prophet, ds=ds, horizon=24, season_lengths=(24, 168), quantiles=(0.1, 0.5, 0.9), seed=3)
    before = str(np.random.get_state())  # noqa: NPY002 - the global generator is the point
    both = model(y, calendar="SG", tz="Asia/Singapore")
    alone = model(y[1:2], calendar="SG", tz="Asia/Singapore")
    assert str(np.random.get_state()) == before  # noqa: NPY002
    assert np.array_equal(both[1:2], alone)
    assert np.abs(both[:2, :, 1] - truth[-24:]).mean() < 1.5
    assert (np.diff(both, axis=2) >= 0).all()
    assert (both[2] == 4.0).all()
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


@pytest.mark.slow
def test_between_two_bounds_the_growth_levels_off():
    t = np.arange(200)
    y = 100 / (1 + np.exp(-(t - 110) / 35)) + np.random.default_rng(0).normal(size=200) * 0.5
    ds = pd.date_range("2026-01-01", periods=170, freq="D", tz="UTC")
    model = partial(
        prophet, y[None, :170].clip(0, 100), ds=ds, horizon=200, season_lengths=(), quantiles=(0.1, 0.5, 0.9)
    )
    line, floored, bounded = model(), model(lower=0.0), model(lower=0.0, upper=100.0)
    assert np.array_equal(line, floored)  # one bound alone has no logistic trend
    assert line[0, -1, 1] > 110
    assert 85 < bounded[0, -1, 1] < 101
    assert np.abs(bounded[0, :30, 1] - y[170:]).mean() < 5


@pytest.mark.slow
def test_two_years_teach_prophet_the_year():
    t = np.arange(365 * 2 + 10 + 182)
    truth = 200 + 30 * np.cos(2 * np.pi * t / 365.25)
    y = truth + np.random.default_rng(0).normal(size=len(t)) * 3
    for start, error in ((0, 4), (40, 1e9)):  # short of two years there is no such term
        part = y[None, start:-182]
        ds = pd.date_range("2024-01-01", periods=part.shape[1], freq="D", tz="UTC")
        q = prophet(part, ds=ds, horizon=182, season_lengths=(7,), quantiles=(0.1, 0.5, 0.9))[0, :, 1]
        assert np.abs(q - truth[-182:]).mean() < error
        assert start == 0 or np.abs(q - truth[-182:]).mean() > 8
