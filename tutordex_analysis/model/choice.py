"""Which model forecasts which series: what the history allows, then what won on past moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model import score
from tutordex_analysis.model.backtest import LEAST, Forecaster, cutoff_places, name_of, tournament
from tutordex_analysis.model.basis import CYCLES
from tutordex_analysis.model.naive import last_value, seasonal_naive
from tutordex_analysis.model.panel import Panel
from tutordex_analysis.model.structural import straight_line, structural
from tutordex_analysis.moment import duration_text

MARGIN = 0.02  # a model must lose this share less than the seasonal naive, or the naive is used
CUTOFFS = 3
_LEAST_PLAIN = 12  # readings below which the last value is all that is forecast
_LOST = "{} lost to repeating the last season three times in a row and is away for four weeks"
NONE_DEMOTED: Mapping[str, frozenset[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Plan:
    """Which model a series gets and why; no model where there is not enough data."""

    model: Forecaster | None
    reason: str

    @property
    def name(self) -> str:
        """What the model is called in results."""
        return "none" if self.model is None else name_of(self.model)


def choose(
    panel: Panel,
    *,
    horizon: int,
    season_lengths: tuple[int, ...],
    model: Literal["auto"] | Forecaster,
    options: Mapping[str, object],
    demoted: Mapping[str, frozenset[str]] = NONE_DEMOTED,
) -> tuple[list[Plan], pd.DataFrame]:
    """A plan for each series of the panel, and the tournament behind them (columns of `Backtest.frame`).

    A demoted model is no candidate for its series; the seasonal naive never is demoted.

    Raises:
        FrameError: `model` is neither "auto" nor a function.
    """
    lengths = season_lengths
    n, season = len(panel.ds), min(lengths, default=1)
    readings = (~np.isnan(panel.y)).sum(axis=1)
    needed = max(2 * season, _LEAST_PLAIN)
    if not callable(model):
        if model != "auto":
            raise FrameError(f'model is "auto" or a forecaster such as structural, got {model!r}')
        plan, scores = _automatic(panel, horizon, lengths, options)
        plan = [
            Plan(seasonal_naive, f"the last season is repeated, since {_LOST.format(one.name)}")
            if one.name in demoted.get(series, ())
            else one
            for series, one in zip(panel.ids, plan, strict=True)
        ]
    else:
        plan, scores = [Plan(model, f"{name_of(model)}, as asked")] * len(panel.ids), pd.DataFrame()
    for i, count in enumerate(readings):
        if count < LEAST:
            plan[i] = Plan(None, f"a forecast needs at least {LEAST} readings, the history of {n} steps has {count}")
        elif model == "auto" and count < needed:
            plan[i] = Plan(
                last_value,
                f"a simpler model: {count} readings are fewer than the {needed} that show a season, "
                "so the last value is repeated",
            )
    return plan, scores


def _automatic(
    panel: Panel, horizon: int, lengths: tuple[int, ...], options: Mapping[str, object]
) -> tuple[list[Plan], pd.DataFrame]:
    n, season, count = len(panel.ds), min(lengths, default=1), len(panel.ids)
    if n < max(2 * season, _LEAST_PLAIN):
        return [Plan(last_value, "")] * count, pd.DataFrame()  # too few readings; the reason follows
    near = min(horizon, n // 4)
    places = cutoff_places(n, near, season=season, cutoffs=CUTOFFS)
    at = [place for place in places if place >= max(CYCLES * season, _LEAST_PLAIN)]
    if not at:
        simple = f"a simpler model: {n} steps are too few to try models on past moments, so the last season is repeated"
        return [Plan(seasonal_naive, simple)] * count, pd.DataFrame()
    line = horizon > n
    rival = straight_line if line else structural
    scores = tournament(
        panel, horizon=near, season_lengths=lengths, models=(seasonal_naive, rival), at=at, options=options
    )
    # scores come sorted by series, model, cutoff: one row of `loss` a series and model
    loss = score.mean(scores["pinball"].to_numpy().reshape(count, 2, len(at)))
    won = loss[:, 1] <= (1 - MARGIN) * loss[:, 0]
    span = duration_text(near * panel.step)
    plans = []
    for i in range(count):
        if np.isnan(loss[i]).any():
            unknown = "past moments cannot be scored: they have no readings, or each season is as the one before"
            plans.append(Plan(seasonal_naive, f"the last season is repeated, since {unknown}"))
            continue
        better = 1 - loss[i, 1] / loss[i, 0] if loss[i, 0] > 0 else 0.0
        verdict = (
            f"over {span} from {len(at)} past moments it was {abs(better):.0%} {'better' if better > 0 else 'worse'}"
        )
        if line and won[i]:
            why = f"a simpler model, since the horizon is longer than the history; {verdict} than the last season"
        elif won[i]:
            why = f"{verdict} than the last season"
        else:
            why = f"the last season is repeated, since {name_of(rival)} did not beat it by {MARGIN:.0%}: {verdict}"
        plans.append(Plan(rival if won[i] else seasonal_naive, why))
    return plans, scores
