"""The inventory of a stack: which metrics it exposes, and which of them give samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutordex_analysis import yaml_file

# What `publish` writes back → labels, besides a signal's own.
PUBLISHED = {
    "tutordex_threshold": ("alert",),
    "tutordex_forecast": ("signal", "horizon", "quantile"),
    "tutordex_forecast_info": ("signal", "model", "unit"),
    "tutordex_forecast_mase": ("signal", "step", "hindsight"),
    "tutordex_forecast_bias_ratio": ("signal", "step", "hindsight"),
    "tutordex_forecast_coverage_ratio": ("signal", "step", "level", "hindsight"),
    "tutordex_forecast_demoted_info": ("signal", "model"),
    "tutordex_breach_probability": ("signal", "limit", "within"),
    "tutordex_breach_timestamp_seconds": ("signal", "limit", "quantile"),
    "tutordex_expected": ("signal", "bound"),
    "tutordex_anomaly_score": ("signal",),
    "tutordex_capacity_limit": ("signal", "limit"),
    "tutordex_generated_timestamp_seconds": ("family",),
    "tutordex_report_last_success_timestamp_seconds": ("page",),
    "tutordex_report_failed": ("page",),
}
_TARGET = frozenset({"job", "instance", "component"})
_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Exposed:
    """One metric that a stack exposes.

    Attributes:
        type: counter, gauge or histogram.
        labels: With those of its target; None where nobody said.
        emission: Whether real samples can be expected; `live` where nothing is said.
    """

    type: str
    labels: frozenset[str] | None
    emission: str


def exposed(path: Path) -> dict[str, Exposed]:
    """What a stack exposes by name, histograms with their suffixes; empty without an inventory."""
    found: dict[str, Exposed] = {}
    for metric in _metrics(yaml_file.data(path)) if path.exists() else ():
        suffixes = _HISTOGRAM_SUFFIXES if metric.get("type") == "histogram" else ("",)
        for suffix in suffixes:
            labels = metric.get("labels")
            own = None if labels is None else _TARGET | {*labels} | ({"le"} if suffix == "_bucket" else set())
            found[f"{metric['name']}{suffix}"] = Exposed(
                "counter" if suffix else str(metric["type"]), own, str(metric.get("emission", "live"))
            )
    return found


def names(path: Path) -> frozenset[str]:
    """Metric names that give samples, histograms with their suffixes; empty without an inventory."""
    return frozenset(name for name, one in exposed(path).items() if one.emission != "never")


def _metrics(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "name" in node and "type" in node:
            yield node
        for key, value in node.items():
            if key not in ("exposed_but_not_scraped", "seed_only", "events"):
                yield from _metrics(value)
    elif isinstance(node, list):
        for value in node:
            yield from _metrics(value)
