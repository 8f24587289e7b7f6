"""Results as the models would give them, with values that a test can work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis.frame import TimeRange, build
from tutordex_analysis.model.breach import Breach
from tutordex_analysis.model.forecast import forecast as predict


def history(label_sets=({},), *, n=48, end="2026-03-02T00:00Z", step="1h"):
    """Series i is i + 1 times 100, with a daily swing of a tenth."""
    step = pd.Timedelta(step)
    time_range = TimeRange(pd.Timestamp(end) - n * step, end, step)
    hours = np.arange(n) * (step / pd.Timedelta("1h"))
    wave = 100 * (1 + 0.1 * np.sin(2 * np.pi * hours / 24))
    return build(np.stack([wave * (i + 1) for i in range(len(label_sets))]), list(label_sets), time_range)


def forecast(ids=("{}",), *, start="2026-03-02T00:00Z", n=24, step="1h", level=None):
    """Series i at k steps ahead is 100 * (i + 1) + k, or `level(instants)`; quantile p lies p - 0.5 above it."""
    step = pd.Timedelta(step)
    past = pd.date_range(end=pd.Timestamp(start) - step, periods=4, freq=step)
    rows = [pd.DataFrame({"unique_id": one, "ds": past, "y": 0.0}) for one in ids]

    def structural(y, *, ds, horizon, quantiles, **options):
        instants = pd.date_range(start, periods=horizon, freq=step)
        plain = 100.0 * np.arange(1, len(y) + 1)[:, None] + np.arange(1.0, horizon + 1)
        middle = plain if level is None else np.tile(level(instants), (len(y), 1))
        return middle[:, :, None] + np.array(quantiles) - 0.5

    frame = pd.concat(rows, ignore_index=True).astype({"unique_id": pd.CategoricalDtype(list(ids))})
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    return predict(frame, horizon=n, season_lengths=(), quantiles=levels, model=structural)


def breach(ids=("{}",), *, dates=("2026-03-02T06:00Z", "2026-03-02T12:00Z", None), probability=0.25, limit=112.0):
    """The same dates and probability for each series."""
    moments = {
        f"q{q}": pd.to_datetime([day] * len(ids), utc=True) for q, day in zip((0.1, 0.5, 0.9), dates, strict=True)
    }
    within = [(one, span, probability) for one in ids for span in ("7d", "30d")]
    return Breach(
        frame=pd.DataFrame(within, columns=["unique_id", "within", "probability"]),
        dates=pd.DataFrame({"unique_id": list(ids), **moments}),
        limit=pd.Series(limit, index=list(ids)),
        direction="above",
        weeks=pd.DataFrame({"over": 0, "weeks": 0}, index=list(ids)),
    )
