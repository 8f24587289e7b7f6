"""How bad each incident is, by what the catalogue says of its signals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.limit import Level
from tutordex_analysis.model import severity as rule
from tutordex_analysis.model.incidents import Incidents
from tutordex_analysis.promql import is_selector, matchers


def usual(frame: pd.DataFrame) -> dict[str, float]:
    """The usual level of each series: the mean of its absolute values; NaN where it has none.

    Args:
        frame: unique_id, y.
    """
    means = frame["y"].abs().groupby(frame["unique_id"].astype(str)).mean()
    return {str(series): float(mean) for series, mean in means.items()}


def graded(incidents: Incidents, *, catalogue: Catalogue, levels: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """The incidents with `effect` (of the member that weighs most, a share) and `severity`: high, medium or low.

    Each member is judged by its own deviation, limits and good side, with the length and breadth of the whole
    incident; the worst of them is the incident's.

    Args:
        incidents: Of `together`.
        catalogue: What is bad for a signal, and its limits.
        levels: (signal, series) → usual level, as `usual` tells; one that is not there is not known.
    """
    length = (incidents.frame["end"] - incidents.frame["start"] + incidents.step).to_numpy()
    spans = dict(zip(incidents.frame["incident"], length, strict=True))
    breadths = dict(zip(incidents.frame["incident"], incidents.frame["signals"], strict=True))
    worst: dict[str, tuple[int, float]] = {}
    for row in incidents.members.to_dict("records"):
        signal = catalogue.signals.get(row["signal"])
        usually = levels.get((row["signal"], row["unique_id"]), math.nan)
        size = rule.effect(row["seen"], row["expected"], usual=usually)
        grade = rule.severity(
            effect=size,
            length=pd.Timedelta(spans[row["incident"]]),
            signals=int(breadths[row["incident"]]),
            to_zero=row["seen"] == 0 and row["direction"] == "down",
            limit=crossed(catalogue, row["signal"], row["unique_id"], row["seen"]),
            good=signal is not None and is_good(signal, row["direction"]),
        )
        mine = (rule.RANK[grade], -1.0 if math.isnan(size) else size)
        worst[row["incident"]] = max(mine, worst.get(row["incident"], mine))
    names = {rank: name for name, rank in rule.RANK.items()}
    found = [worst[one] for one in incidents.frame["incident"]]
    return incidents.frame.assign(
        effect=[math.nan if size < 0 else size for _, size in found], severity=[names[rank] for rank, _ in found]
    ).astype({"effect": float, "severity": str})


def is_good(signal: Signal, direction: str) -> bool:
    """Whether a deviation goes to the signal's good side."""
    return (signal.bad, direction) in (("up", "down"), ("down", "up")) and (
        signal.watch is None or signal.watch.direction != "both"
    )


def crossed(catalogue: Catalogue, signal: str, series: str, seen: float) -> Level | None:
    """The furthest limit of a series that a value is at or beyond; None where it is within all."""
    levels: list[Level] = []
    known = {one.label: one.value for one in matchers(series)} if is_selector(series) else {}
    for limit in catalogue.limits_of(signal):
        if any(known.get(label) != value for label, value in limit.where.items()):
            continue
        beyond = [
            level
            for level, value in limit.values.items()
            if (seen >= value if limit.direction == "above" else seen <= value)
        ]
        levels += beyond[-1:]
    order: tuple[Level, ...] = ("soft", "hard", "physical")
    return max(levels, key=order.index, default=None)
