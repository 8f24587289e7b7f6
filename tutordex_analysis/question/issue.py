"""What a run has said, as rows of the ledger: each forecast with its data, model and parameters, and the naive one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from tutordex_analysis import __version__, issued
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.civil import Calendar
from tutordex_analysis.model import score
from tutordex_analysis.model.forecast import Forecast, forecast
from tutordex_analysis.model.naive import seasonal_naive
from tutordex_analysis.model.panel import panels, seasons
from tutordex_analysis.moment import Instant, Span, duration, duration_text, instant

NEAR = pd.Timedelta(days=7)  # every step of it is kept, and one a day of what lies further
_DAY = pd.Timedelta(days=1)


class Answer(Protocol):
    """What a resource and a volume have in common."""

    @property
    def signal(self) -> Signal:
        """What it is."""

    @property
    def training(self) -> pd.DataFrame:
        """What the forecast was made from."""

    @property
    def forecast(self) -> Forecast:
        """What was said."""


def rows(
    answers: Iterable[Answer],
    calendar: Calendar,
    *,
    seed: int = 0,
    issued_at: Instant | None = None,
    leads: Sequence[Span] = (),
) -> pd.DataFrame:
    """Rows of a ledger but for the moment of issue, which `issued.stamped` adds.

    Args:
        answers: What was forecast, such as `Outlook.answers`.
        calendar: It was made with.
        seed: It was made with.
        issued_at: Where `leads` count from.
        leads: Only the rows nearest to these leads, which is what `publish` says; none for every step of the first
            week and one a day of the rest.

    Returns:
        Columns of `issued.ROW_COLUMNS`; `issued`, `via` and `hindsight` say nothing yet.
    """
    tables = [_rows(one, calendar, seed) for one in answers]
    tables = [_thinned(one) if issued_at is None else _at(one, instant(issued_at), leads) for one in tables]
    filled = [one for one in tables if len(one)]
    if not filled:
        return issued.no_rows()
    whole = pd.concat(filled, ignore_index=True)
    nowhen = pd.Series(pd.NaT, index=whole.index, dtype="datetime64[ms, UTC]")
    return whole.assign(issued=nowhen, via="", hindsight=False)[list(issued.ROW_COLUMNS)]


def _rows(one: Answer, calendar: Calendar, seed: int) -> pd.DataFrame:
    ahead, step = one.forecast, one.forecast.step
    lengths = [length for length in one.signal.season_lengths if length > step]
    naive = forecast(
        one.training,
        horizon=ahead.horizon,
        season_lengths=lengths,
        quantiles=issued.LEVELS,
        model=seasonal_naive,
        lower=ahead.lower,
        upper=ahead.upper,
    )
    said = ahead.frame.assign(**{"q0.5": ahead.frame["yhat"]})
    missing = [name for name in issued.SAID if name not in said.columns]
    said = said.assign(**dict.fromkeys(missing, np.nan))
    ids = said["unique_id"].astype(str)
    beside = naive.frame.assign(unique_id=naive.frame["unique_id"].astype(str))
    beside = beside.rename(columns=dict(zip(issued.SAID, issued.NAIVE, strict=True)))
    table = said.assign(unique_id=ids)[["unique_id", "ds", *issued.SAID]]
    table = table.merge(beside[["unique_id", "ds", *issued.NAIVE]], on=["unique_id", "ds"], how="left")
    first = table.groupby("unique_id", sort=False)["ds"].transform("min")
    scale = _scales(one.training, lengths)
    return table.assign(
        signal=one.signal.name,
        step=duration_text(step),
        cutoff=first - step,
        model=table["unique_id"].map(ahead.model.to_dict()),
        parameters=table["unique_id"].map(_parameters(one, lengths, calendar, seed)),
        digest=frames.digest(one.training),
        scale=table["unique_id"].map(scale),
    )


def _scales(history: pd.DataFrame, lengths: Sequence[pd.Timedelta]) -> dict[str, float]:
    """What MASE divides by, of each series: as in `backtest` it is of the shortest season."""
    found: dict[str, float] = {}
    for panel in panels(history):
        m = min(seasons(lengths, panel.step), default=1)
        enough = len(panel.ds) > m
        each = score.scale(panel.y, season_length=m) if enough else np.full(len(panel.ids), np.nan)
        found |= dict(zip(panel.ids, map(float, each), strict=True))
    return found


def _parameters(one: Answer, lengths: Sequence[pd.Timedelta], calendar: Calendar, seed: int) -> dict[str, str]:
    """What the forecast of each series was made with, as JSON text; `shares` are those of the models in a mixture."""
    ahead = one.forecast
    facts = {
        "calendar": calendar.country,
        "history_start": f"{one.training['ds'].min():%Y-%m-%dT%H:%MZ}",
        "horizon": duration_text(ahead.horizon * ahead.step),
        "lower": ahead.lower,
        "season_lengths": [duration_text(length) for length in lengths],
        "seed": seed,
        "tz": calendar.timezone,
        "upper": ahead.upper,
        "version": __version__,
    }
    rounded = {name: {k: round(v, 3) for k, v in parts.items()} for name, parts in ahead.shares.items()}
    return {name: json.dumps(facts | {"shares": parts}, sort_keys=True) for name, parts in rounded.items()}


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    lead = (rows["ds"] - rows["cutoff"]).to_numpy("timedelta64[ms]").astype(np.int64)
    near, day = (round(one / pd.Timedelta(milliseconds=1)) for one in (NEAR, _DAY))
    kept: pd.DataFrame = rows[(lead <= near) | (lead % day == 0)]
    return kept


def _at(rows: pd.DataFrame, moment: pd.Timestamp, leads: Sequence[Span]) -> pd.DataFrame:
    """The row of each series nearest to each lead, at most a step away, as `sink.exposition` publishes it."""
    kept: set[int] = set()
    ids = rows["unique_id"].to_numpy()
    for one in dict.fromkeys(ids):
        places = np.flatnonzero(ids == one)
        mine = rows.iloc[places]
        step = mine["ds"].iloc[0] - mine["cutoff"].iloc[0]
        for lead in map(duration, leads):
            away = (mine["ds"] - (moment + lead)).abs().to_numpy()
            if lead >= step and away.min() <= step:
                kept.add(int(places[away.argmin()]))
    return rows.iloc[sorted(kept)]
