"""The inventory of a stack: which metrics it exposes, and which of them give samples."""

from __future__ import annotations

from collections.abc import Iterator
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
_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


def names(path: Path) -> frozenset[str]:
    """Metric names that give samples, histograms with their suffixes; empty without an inventory."""
    if not path.exists():
        return frozenset()
    data = yaml_file.data(path)
    found: set[str] = set()
    for metric in _metrics(data):
        if metric.get("emission") not in ("never",):
            suffixes = _HISTOGRAM_SUFFIXES if metric.get("type") == "histogram" else ("",)
            found |= {f"{metric['name']}{suffix}" for suffix in suffixes}
    return frozenset(found)


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
