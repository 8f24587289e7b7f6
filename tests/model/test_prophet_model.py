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
