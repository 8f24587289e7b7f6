"""Results as the models would give them, with values that a test can work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tutordex_analysis.frame import TimeRange, build
from tutordex_analysis.model.breach import Breach
from tutordex_analysis.model.forecast import Forecast


def history(label_sets=({},), *, n=48, end="2026-03-02T00:00Z", step="1h"):
    """Series i is i + 1 times 100, with a daily swing of a tenth."""
    step = pd.Timedelta(step)
    time_range = TimeRange(pd.Timestamp(end) - n * step, end, step)
    hours = np.arange(n) * (step / pd.Timedelta("1h"))
    wave = 100 * (1 + 0.1 * np.sin(2 * np.pi * hours / 24))
    return build(np.stack([wave * (i + 1) for i in range(len(label_sets))]), list(label_sets), time_range)


def forecast(ids=("{}",), *, start="2026-03-02T00:00Z", n=24, step="1h", level=None):
    """Series i at k steps ahead is 100 * (i + 1) + k, or `level(instants)`; quantile p lies p - 0.5 above it."""
    quantiles = (0.025, 0.1, 0.5, 0.9, 0.975)
    instants = pd.date_range(start, periods=n, freq=step)
    pieces = []
    for i, one in enumerate(ids):
        middle = 100.0 * (i + 1) + np.arange(1.0, n + 1) if level is None else level(instants)
        values = {f"q{p:g}": middle + p - 0.5 for p in quantiles}
        pieces.append(pd.DataFrame({"unique_id": one, "ds": instants, "yhat": middle, **values}))
    frame = pd.concat(pieces, ignore_index=True).astype({"unique_id": pd.CategoricalDtype(list(ids))})
    each = pd.Series(1.0, index=list(ids))
    return Forecast(
        frame=frame,
        model=pd.Series("structural", index=list(ids)),
        reason=pd.Series("best", index=list(ids)),
        scores=pd.DataFrame(),
        quantiles=quantiles,
        horizon=n,
        step=pd.Timedelta(step),
        last=each,
        memory=each,
        season=24,
        lower=None,
        upper=None,
    )


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
    )
