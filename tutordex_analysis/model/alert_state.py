"""From when an expression was true to when its alert fired: `for` and `keep_firing_for`, as Prometheus applies them.

An alert is pending from the first evaluation at which its expression gives its labels; it fires at the first one that
is at least `for` later, if none in between lacked them. It stays while it is there and, from the first evaluation at
which it is not, for less than `keep_firing_for` more; back within that, it never ended (rules/alerting.go, 2.42).
"""

from __future__ import annotations

import math

import pandas as pd


def firing(active: pd.DataFrame, *, step: pd.Timedelta, hold: pd.Timedelta, keep: pd.Timedelta) -> pd.DataFrame:
    """When one rule fired, for each of its label sets.

    Args:
        active: labels, first, last: unbroken stretches on the grid of evaluations, both ends in them, disjoint.
        step: Between two evaluations.
        hold: `for`.
        keep: `keep_firing_for`.

    Returns:
        labels, start, end: from the first evaluation at which it fired to the last, both in it; by labels and start.
    """
    wait, stay = (math.ceil(one / step) for one in (hold, keep))
    rows: list[tuple[str, pd.Timestamp, pd.Timestamp]] = []
    for labels, each in active.sort_values(["labels", "first"]).groupby("labels", sort=True):
        until: pd.Timestamp | None = None  # last evaluation at which the latest firing goes on
        for first, last in zip(each["first"], each["last"], strict=True):
            if until is not None and first <= until + step:
                rows[-1] = (str(labels), rows[-1][1], last + stay * step)
            elif first + wait * step <= last:
                rows.append((str(labels), first + wait * step, last + stay * step))
            else:
                continue  # it ended while it was pending
            until = rows[-1][2]
    table = pd.DataFrame(rows, columns=["labels", "start", "end"])
    return table.astype({"labels": str, "start": "datetime64[ms, UTC]", "end": "datetime64[ms, UTC]"})
