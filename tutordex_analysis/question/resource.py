"""One signal against its limits: its history, its forecast, and when a limit is reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.limit import Level, Limit
from tutordex_analysis.model.breach import Breach, breach
from tutordex_analysis.model.choice import NONE_DEMOTED
from tutordex_analysis.model.forecast import Forecast, forecast
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.question.sufficiency import Sufficiency

WITHIN = ("7d", "30d", "90d")
BUDGET_SECONDS = 1.0  # a series; a page has dozens
SILENT = pd.Timedelta(days=2)  # a series without a sample for so long is gone, such as an unmounted disk


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """One signal: what was, what will be, and its limits.

    Attributes:
        signal: What it is.
        history: What was measured.
        training: What it was forecast from: the same rows without what masks leave out.
        forecast: Every series of the signal.
        limits: By name; the values of each in the signal's unit.
        breaches: When a value of a limit is reached, by (name of the limit, level); only series that the limit is
            for.
    """

    signal: Signal
    history: pd.DataFrame
    training: pd.DataFrame
    forecast: Forecast
    limits: Mapping[str, Limit]
    breaches: Mapping[tuple[str, Level], Breach]

    @property
    def horizon(self) -> pd.Timedelta:
        """How far ahead the forecast goes."""
        return self.forecast.horizon * self.forecast.step

    @property
    def where(self) -> dict[str, str]:
        """A short name of each series: its label values, "" for the only one."""
        table = frames.labels(self.history)
        return {str(key): ", ".join(row[name] for name in self.signal.by) for key, row in table.iterrows()}


def newest(histories: Iterable[pd.DataFrame]) -> pd.Timestamp:
    """The newest instant at which any of the histories has a sample, UTC; NaT without one."""
    found: pd.Timestamp = pd.Series([one.loc[one["y"].notna(), "ds"].max() for one in histories]).max()
    return found


def resource(
    history: pd.DataFrame,
    enough: Sufficiency,
    catalogue: Catalogue,
    *,
    seed: int = 0,
    n_paths: int = 1000,
    training: pd.DataFrame | None = None,
    demoted: Mapping[str, frozenset[str]] = NONE_DEMOTED,
) -> Resource:
    """The forecast of one signal and its limits, as far ahead as its history carries; by no model that is demoted.

    Args:
        history: What was measured: shown, and compared with the limits.
        enough: What the history allows.
        catalogue: Limits and civil time.
        seed: Of the simulated paths.
        n_paths: How many.
        training: The same rows without what masks leave out, which the forecast is made from; the history for None.
        demoted: Names of models that are not used, by series.

    Raises:
        NotEnoughData: No series has two samples and one in the last two days, or none can be forecast.
    """
    signal = enough.signal
    alive = _alive(signal, history)
    learnt = _series(history if training is None else training, alive)
    history = _series(history, alive)
    ahead = forecast(
        learnt,
        horizon=enough.horizon,
        season_lengths=signal.season_lengths,
        calendar=catalogue.calendar.country,
        tz=catalogue.calendar.timezone,
        breaks=catalogue.calendar.break_days,
        budget_seconds=BUDGET_SECONDS,
        lower=signal.lower,
        upper=signal.upper,
        seed=seed,
        demoted=demoted,
    )
    ahead = replace(ahead, last=_last(history))
    limits = {limit.name: limit for limit in catalogue.limits_of(signal.name)}
    within = dict.fromkeys([*(one for one in WITHIN if duration(one) <= enough.horizon), duration_text(enough.horizon)])
    breaches = {
        (name, level): _only(found, concerned)
        for name, limit in limits.items()
        if (concerned := [one for one in ahead.series if _concerns(limit, history, one)])
        for level, value in limit.values.items()
        for found in [
            breach(
                ahead,
                limit=value,
                direction=limit.direction,
                within=tuple(within),
                n=n_paths,
                seed=seed,
                history=history,
            )
        ]
    }
    return Resource(signal=signal, history=history, training=learnt, forecast=ahead, limits=limits, breaches=breaches)


def _alive(signal: Signal, history: pd.DataFrame) -> pd.Series:
    """The rows of the series that can still reach anything: two samples, one of them new."""
    sampled = history["ds"].where(history["y"].notna()).groupby(history["unique_id"], observed=True)
    alive: pd.Series = (sampled.transform("count") >= 2) & (sampled.transform("max") >= history["ds"].max() - SILENT)
    if not alive.any():
        last = newest([history])
        if pd.isna(last):
            raise NotEnoughData(f"{signal.name} has no sample yet")
        if last >= history["ds"].max() - SILENT:
            raise NotEnoughData(f"{signal.name} has one reading so far, and a forecast needs at least 3")
        raise NotEnoughData(f"{signal.name} has no sample since {last:%Y-%m-%d}")
    return alive


def _last(history: pd.DataFrame) -> pd.Series:
    """The newest reading of each series, masked or not: limits are compared with what is, not with what is learnt."""
    last: pd.Series = history.groupby(history["unique_id"].astype(str), sort=False)["y"].last()
    return last


def _series(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    kept: pd.DataFrame = frame[rows].reset_index(drop=True)
    return kept.assign(unique_id=kept["unique_id"].cat.remove_unused_categories())


def _only(found: Breach, series: list[str]) -> Breach:
    """The breaches of some of the series."""
    kept = [table[table["unique_id"].isin(series)].reset_index(drop=True) for table in (found.frame, found.dates)]
    frame, dates = (one.assign(unique_id=one["unique_id"].cat.remove_unused_categories()) for one in kept)
    return replace(found, frame=frame, dates=dates, limit=found.limit.loc[series], weeks=found.weeks.loc[series])


def _concerns(limit: Limit, history: pd.DataFrame, series: str) -> bool:
    row = frames.labels(history).loc[series]
    return all(row.get(name) == value for name, value in limit.where.items())
