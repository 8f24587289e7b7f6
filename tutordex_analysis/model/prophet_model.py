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
from tutordex_analysis.model.calendar import Break, civil, continued, days_of, holidays_of
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
    breaks: Sequence[Break] = (),
    seed: int = 0,
    lower: float | None = None,
    upper: float | None = None,
) -> Floats:
    """Prophet with its own components, each series on its own: a trend, seasons, holidays.

    Between two bounds the trend is logistic, with `lower` as Prophet's floor and `upper` as its cap; else it is a line.
    Two years of history have a yearly season too.

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
        breaks: First and last civil day of stretches such as school holidays.
        seed: Of the fit and of the samples.
        lower: Least possible value.
        upper: Largest possible value.

    Returns:
        Quantiles, shape (n_series, horizon, n_quantiles).
    """
    step = ds[1] - ds[0]
    local = civil(continued(ds, horizon), step=step, tz=tz)
    days = step / pd.Timedelta(days=1)
    seasons = {m * days: min(_HARMONICS, m // 2) for m in bases.terms(len(ds), season_lengths)}
    if bases.has_year(len(ds), bases.YEAR / step):
        seasons[bases.YEAR / pd.Timedelta(days=1)] = _HARMONICS
    named = pd.concat([_holidays(calendar, local), _breaks(breaks)])
    bounds = (lower, upper) if lower is not None and upper is not None else None
    result = np.empty((len(y), horizon, len(quantiles)))
    for i, row in enumerate(y):
        there = ~np.isnan(row)
        spread = np.ptp(row[there]) if there.sum() >= _LEAST else 0.0
        if spread == 0:  # nothing to fit, and Prophet fails on it
            result[i] = last_value(row[None], ds=ds, horizon=horizon, season_lengths=(), quantiles=quantiles)[0]
            continue
        history = pd.DataFrame({"ds": local[: len(ds)][there], "y": row[there]})
        samples = _samples(history, local[len(ds) :], seasons, named, bounds, seed)
        result[i] = np.quantile(samples, quantiles, axis=1).T
    return result


def _samples(
    history: pd.DataFrame,
    future: pd.DatetimeIndex,
    seasons: dict[float, int],
    named: pd.DataFrame,
    bounds: tuple[float, float] | None,
    seed: int,
) -> Floats:
    """Samples of one series, shape (horizon, n_samples).

    Args:
        history: `ds`, `y`.
        future: Instants ahead.
        seasons: Length in days and harmonics of each.
        named: Holidays, `ds` and `holiday`; possibly none.
        bounds: Floor and cap of a logistic trend, or None for a line.
        seed: Of the fit and of the samples.
    """
    limits = {} if bounds is None else {"floor": bounds[0], "cap": bounds[1]}
    with _quiet():
        from prophet import Prophet  # takes seconds to import

        model = Prophet(
            growth="linear" if bounds is None else "logistic",
            daily_seasonality=False,
            weekly_seasonality=False,
            yearly_seasonality=False,
            holidays=named if len(named) else None,
            uncertainty_samples=_SAMPLES,
        )
        for days, harmonics in seasons.items():
            model.add_seasonality(f"season_{days:g}", period=days, fourier_order=harmonics)
        state = np.random.get_state()  # noqa: NPY002 – Prophet draws from numpy's global generator; it is put back
        try:
            np.random.seed(seed)  # noqa: NPY002
            model.fit(history.assign(**limits), seed=seed + 1)
            drawn = model.predictive_samples(pd.DataFrame({"ds": future, **limits}))
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return np.asarray(drawn["yhat"], dtype=np.float64)


def _holidays(calendar: str | None, local: pd.DatetimeIndex) -> pd.DataFrame:
    if calendar is None:
        return pd.DataFrame({"ds": [], "holiday": []})
    found = holidays_of(calendar, first_year=local[0].year, last_year=local[-1].year)
    return pd.DataFrame({"ds": found.index, "holiday": found.to_numpy()})


def _breaks(breaks: Sequence[Break]) -> pd.DataFrame:
    days = [day for pair in breaks for day in days_of(pair)]
    return pd.DataFrame({"ds": days, "holiday": ["break"] * len(days)})


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
