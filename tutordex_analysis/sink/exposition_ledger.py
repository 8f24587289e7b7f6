"""How past forecasts did, as metrics: an alert can ask for a forecast that should not be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from tutordex_analysis.sink.exposition import Family, Sample
from tutordex_analysis.sink.series_name import own_labels

if TYPE_CHECKING:
    from tutordex_analysis.model.scorecard import Demotion

_COVERAGE = {"coverage_80": "0.8", "coverage_95": "0.95"}


def from_scorecard(recent: pd.DataFrame, demotions: Iterable[Demotion] = ()) -> tuple[Family, ...]:
    """Scores of each series over the last four weeks, and the models that are not used; nothing for no scores.

    Args:
        recent: Columns signal, step, unique_id, hindsight, mase, bias, coverage_80, coverage_95. A series that has
            only replayed scores carries the label `hindsight="true"`.
        demotions: Models that are away.
    """
    rows = [{str(key): value for key, value in row.items()} for row in recent.to_dict("records")]
    labels = [
        {
            "signal": str(row["signal"]),
            **own_labels(str(row["unique_id"])),
            "step": str(row["step"]),
            "hindsight": "true" if row["hindsight"] else "",
        }
        for row in rows
    ]
    pairs = list(zip(labels, rows, strict=True))
    families = (
        Family(
            name="tutordex_forecast_mase",
            help="Mean absolute error of past forecasts over that of repeating the last season, weeks of the last four "
            "that are over; below 1 is better.",
            samples=tuple(Sample(labels=own, value=float(row["mase"])) for own, row in pairs),
        ),
        Family(
            name="tutordex_forecast_bias_ratio",
            help="How far past forecasts lay too high, as a share of what happened; below 0: too low.",
            samples=tuple(Sample(labels=own, value=float(row["bias"])) for own, row in pairs),
        ),
        Family(
            name="tutordex_forecast_coverage_ratio",
            help="Share of what happened that lay in the forecast's central range of this level.",
            samples=tuple(
                Sample(labels=own | {"level": level}, value=float(row[column]))
                for own, row in pairs
                for column, level in _COVERAGE.items()
            ),
        ),
        Family(
            name="tutordex_forecast_demoted_info",
            help="Always 1; a model that lost to repeating the last season three times in a row and is not used.",
            samples=tuple(
                Sample(labels={"signal": one.signal, **own_labels(one.unique_id), "model": one.model}, value=1.0)
                for one in demotions
            ),
        ),
    )
    return tuple(one for one in families if one.samples)
