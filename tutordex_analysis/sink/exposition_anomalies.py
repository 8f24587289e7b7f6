"""What was expected of the newest value of each watched series, and how odd it is, as metrics."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tutordex_analysis.sink.exposition import Family, Sample
from tutordex_analysis.sink.series_name import own_labels

_BOUNDS = ("lower", "expected", "upper")


def from_scores(latest: Mapping[str, pd.DataFrame]) -> tuple[Family, ...]:
    """Families `tutordex_expected` and `tutordex_anomaly_score`.

    Args:
        latest: By signal, the newest judged row of each of its series: unique_id, lower, expected, upper, score.
    """
    expected, scores = [], []
    for signal, rows in latest.items():
        for row in rows.to_dict("records"):
            labels = {"signal": signal, **own_labels(str(row["unique_id"]))}
            expected += [Sample(labels=labels | {"bound": one}, value=float(row[one])) for one in _BOUNDS]
            scores.append(Sample(labels=labels, value=float(row["score"])))
    families = (
        Family(
            name="tutordex_expected",
            help="What was expected of the newest complete step, and the band around it, in the signal's unit.",
            samples=tuple(expected),
        ),
        Family(
            name="tutordex_anomaly_score",
            help="How odd the newest complete step is: 1 at the band's edge, more outside.",
            samples=tuple(scores),
        ),
    )
    return tuple(one for one in families if one.samples)
