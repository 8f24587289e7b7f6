"""Prophet as a forecaster: one fit a series, seasons and holidays as asked, quantiles from its own samples."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import basis as bases
from tutordex_analysis.model.calendar import civil, continued, holidays_of
from tutordex_analysis.model.naive import last_value

_SAMPLES = 1000  # Prophet's own default
_HARMONICS = 10
_LEAST = 2  # readings that Prophet can fit


def prophet(
    y: Floats,
    *,
    ds: pd.DatetimeIndex,
    horizon: int,
    season_lengths: Sequence[int],
    quantiles: Sequence[float],
    calendar: str | None = None,
    tz: str = "UTC",
    seed: int = 0,
) -> Floats:
    """Prophet with a linear trend and additive seasons, each series on its own.

    Takes 0.1 to a few seconds a series. Every series is sampled from the same seed, so its numbers do not depend on the
    other series.

    Args:
        y: Histories, shape (n_series, n), NaN where there is a gap.
        ds: Instants of the history, UTC, n >= 2.
        horizon: Steps ahead.
        season_lengths: Seasons in steps; one with fewer than three cycles in `n` is left out.
        quantiles: Levels, rising.
        calendar: Holidays country code, or None.
        tz: Zone of the civil day.
        seed: Of the fit and of the samples.

    Returns:
        Quantiles, shape (n_series, horizon, n_quantiles).
    """
    step = ds[1] - ds[0]
    local = civil(continued(ds, horizon), step=step, tz=tz)
    seasons = {f"season_{m}": m * (step / pd.Timedelta(days=1)) for m in bases.terms(len(ds), season_lengths)}
    harmonics = {f"season_{m}": min(_HARMONICS, m // 2) for m in bases.terms(len(ds), season_lengths)}
    named = None if calendar is None else _holidays(calendar, local)
    result = np.empty((len(y), horizon, len(quantiles)))
    for i, row in enumerate(y):
        there = ~np.isnan(row)
        spread = np.ptp(row[there]) if there.sum() >= _LEAST else 0.0
        if spread == 0:  # nothing to fit, and Prophet fails on it
            result[i] = last_value(row[None], ds=ds, horizon=horizon, season_lengths=(), quantiles=quantiles)[0]
            continue
        history = pd.DataFrame({"ds": local[: len(ds)][there], "y": row[there]})
        samples = _samples(history, local[len(ds) :], seasons, harmonics, named, seed)
        result[i] = np.quantile(samples, quantiles, axis=1).T
    return result


def _samples(
    history: pd.DataFrame,
    future: pd.DatetimeIndex,
    seasons: dict[str, float],
    harmonics: dict[str, int],
    named: pd.DataFrame | None,
    seed: int,
) -> Floats:
    """Samples of one series, shape (horizon, n_samples)."""
    with _quiet():
        from prophet import Prophet  # takes seconds to import

        model = Prophet(
            daily_seasonality=False,
            weekly_seasonality=False,
            yearly_seasonality=False,
            holidays=named,
            uncertainty_samples=_SAMPLES,
        )
        for name, days in seasons.items():
            model.add_seasonality(name, period=days, fourier_order=harmonics[name])
        state = np.random.get_state()  # noqa: NPY002 – Prophet draws from numpy's global generator; it is put back
        try:
            np.random.seed(seed)  # noqa: NPY002
            model.fit(history, seed=seed + 1)
            drawn = model.predictive_samples(pd.DataFrame({"ds": future}))
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return np.asarray(drawn["yhat"], dtype=np.float64)


def _holidays(calendar: str, local: pd.DatetimeIndex) -> pd.DataFrame | None:
    found = holidays_of(calendar, first_year=local[0].year, last_year=local[-1].year)
    return pd.DataFrame({"ds": found.index, "holiday": found.to_numpy()}) if len(found) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Stan's chatter and Prophet's remark on plotly out of reports."""
    loggers = [logging.getLogger(name) for name in ("cmdstanpy", "prophet", "prophet.plot")]
    before = [one.disabled for one in loggers]
    for one in loggers:
        one.disabled = True  # a level would not do: cmdstanpy sets its own while it is imported
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Prophet's own calls of pandas and Stan, nothing that a user could mend
            yield
    finally:
        for one, was in zip(loggers, before, strict=True):
            one.disabled = was
