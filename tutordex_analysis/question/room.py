"""How near a resource may come to its hard limit before an alert must speak, by a forecast that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.limit import Limit
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.model.panel import Panel
from tutordex_analysis.model.threshold import Learnt, Timeline, room
from tutordex_analysis.question.urgency import LEAD
from tutordex_analysis.question.ways import NONE, Refusal, Way

WORST_MASE, LEAST_COVERAGE = 1.2, 0.6  # of past forecasts, beyond which none is to be acted on (docs/metrics.md)


def room_left(
    way: Way,
    panel: Panel,
    time: Timeline,
    catalogue: Catalogue,
    forecast: Forecast | None,
    labels: Mapping[str, Mapping[str, str]],
) -> tuple[Learnt, list[Refusal]]:
    """Limits of a panel's series, and what those without one lack.

    The lead is the time that more capacity takes, at most as far as the forecast goes after the week that is wanted.
    """
    nothing = np.full((len(panel.ids), time.horizon), np.nan)
    found = {key: nothing.copy() for key in Learnt.__dataclass_fields__}
    refusals = []
    for row, name in enumerate(panel.ids):
        limit = _limit(way, catalogue, labels[name])
        refusals.append(_lacks(forecast, name, limit, time))
        if refusals[-1].why or limit is None or forecast is None:
            continue
        steps = min(int(LEAD[limit.scaling] // time.step), forecast.horizon - time.horizon)
        one = room(forecast, limits={name: limit.hard}, direction=limit.direction, lead=steps, horizon=time.horizon)
        for key, rows in found.items():
            rows[row] = getattr(one, key)[0]
    return Learnt(**found), refusals


def trusted(signal: str, series: str, recent: pd.DataFrame | None) -> Refusal:
    """Refuses a series whose forecasts of the past four weeks lost to repeating the last season, or were too sure."""
    if recent is None:
        return NONE
    mine = recent[(recent["signal"] == signal) & (recent["unique_id"].astype(str) == series)]
    if (mine["mase"] > WORST_MASE).any():
        return Refusal(why="scorecard", sentence="its forecasts of four weeks lost to repeating the last season")
    if (mine["coverage_80"] < LEAST_COVERAGE).any():
        return Refusal(why="scorecard", sentence="the ranges of its forecasts of the past four weeks held too little")
    return NONE


def _limit(way: Way, catalogue: Catalogue, labels: Mapping[str, str]) -> Limit | None:
    """The limit that concerns a series on the alert's side."""
    for one in catalogue.limits_of(way.signal.name):
        if one.direction == way.rule.direction and all(labels.get(key) == value for key, value in one.where.items()):
            return one
    return None


def _lacks(forecast: Forecast | None, series: str, limit: Limit | None, time: Timeline) -> Refusal:
    if limit is None:
        return Refusal(why="reading", sentence="it has no hard limit in the catalogue")
    if forecast is None or series not in forecast.series:
        return Refusal(why="reading", sentence="there is no forecast of it")
    if forecast.horizon <= time.horizon or forecast.step != time.step:
        return Refusal(why="reading", sentence="its forecast does not reach further than a week")
    return NONE
