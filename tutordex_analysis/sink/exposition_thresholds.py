"""Limits of alerts as metrics: what is in force where it is not the human value, which are pinned, which withheld."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from tutordex_analysis.sink.exposition import Family, Sample

NAME = "tutordex_threshold"


def from_thresholds(rows: pd.DataFrame, *, pins: Mapping[str, bool]) -> tuple[Family, ...]:
    """Families `tutordex_threshold`, `tutordex_threshold_pinned` and `tutordex_threshold_withheld`.

    A limit that is human is not published: the rule has that value itself.

    Args:
        rows: alert, labels (a mapping), value, in_force, refused.
        pins: By alert, whether a pin of it is in force.
    """
    table = [{str(key): value for key, value in row.items()} for row in rows.to_dict("records")]
    values = [
        Sample(labels={"alert": str(row["alert"]), **row["labels"]}, value=float(row["value"]))
        for row in table
        if row["in_force"] != "human"
    ]
    withheld = Counter((str(row["alert"]), str(row["refused"])) for row in table if row["refused"])
    families = (
        Family(
            name=NAME,
            help="Limit of an alert that is not its human value: learned inside its rails, or pinned; in its unit.",
            samples=tuple(values),
        ),
        Family(
            name="tutordex_threshold_pinned",
            help="1 while a pin of the alert is in force, 0 once it ended.",
            samples=tuple(Sample(labels={"alert": alert}, value=float(held)) for alert, held in pins.items()),
        ),
        Family(
            name="tutordex_threshold_withheld",
            help="For how many series no limit is learned, and why: history, scorecard, reading (nothing to learn of).",
            samples=tuple(
                Sample(labels={"alert": alert, "why": why}, value=float(n)) for (alert, why), n in withheld.items()
            ),
        ),
    )
    return tuple(one for one in families if one.samples)
