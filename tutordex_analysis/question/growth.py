"""How the daily volume of a counted signal changes until the end of its forecast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.model.forecast import Forecast


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Events a day, now and at the end of the horizon.

    Attributes:
        signal: Name of the signal; `title` in words.
        now: Mean of the last four weeks, `unit` a day.
        then: Median over the paths of the mean of the horizon's last week.
        horizon: How far ahead that is.
        change: `then` relative to `now`; `lower` and `upper` end its 80 % band.
    """

    signal: str
    title: str
    unit: str
    now: float
    then: float
    horizon: pd.Timedelta
    change: float
    lower: float
    upper: float

    @property
    def is_clear(self) -> bool:
        """Whether the band leaves no doubt about the direction."""
        return self.lower > 0 or self.upper < 0


def growth(signal: Signal, history: pd.DataFrame, ahead: Forecast, *, seed: int, n: int = 400) -> Iterator[Growth]:
    """How the daily volume changes; nothing for split signals, short histories and short horizons."""
    if signal.kind != "count" or signal.by:
        return
    step = frames.step_of(history)
    week, day = round(pd.Timedelta(days=7) / step), pd.Timedelta(days=1) / step
    recent = history["y"].to_numpy()[-4 * week :]
    paths = ahead.paths(n, seed)[0]
    if np.isfinite(recent).sum() < week or paths.shape[1] < 2 * week or np.nanmean(recent) <= 0:
        return
    now = float(np.nanmean(recent) * day)
    lower, then, upper = np.quantile(paths[:, -week:].mean(axis=1) * day, [0.1, 0.5, 0.9])
    yield Growth(
        signal=signal.name,
        title=signal.title,
        unit=signal.unit,
        now=now,
        then=float(then),
        horizon=ahead.horizon * ahead.step,
        change=float(then / now - 1),
        lower=float(lower / now - 1),
        upper=float(upper / now - 1),
    )
