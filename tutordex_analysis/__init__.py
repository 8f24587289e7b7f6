"""Forecasts, anomalies and experiment verdicts from Prometheus history. The analyst's names, loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tutordex_analysis.frame import TimeRange, labels, wide
    from tutordex_analysis.model.anomaly import detect
    from tutordex_analysis.model.backtest import backtest
    from tutordex_analysis.model.breach import breach
    from tutordex_analysis.model.experiment import compare
    from tutordex_analysis.model.forecast import forecast
    from tutordex_analysis.model.policy import Policy
    from tutordex_analysis.sink import plot
    from tutordex_analysis.source.connect import connect

__version__ = "0.1.0"

_HOMES = {
    "Policy": "model.policy",
    "TimeRange": "frame",
    "backtest": "model.backtest",
    "breach": "model.breach",
    "compare": "model.experiment",
    "connect": "source.connect",
    "detect": "model.anomaly",
    "forecast": "model.forecast",
    "labels": "frame",
    "plot": "sink.plot",
    "wide": "frame",
}
_RESULTS = ("backtest", "breach", "forecast")

__all__ = [
    "Policy",
    "TimeRange",
    "backtest",
    "breach",
    "compare",
    "connect",
    "detect",
    "forecast",
    "labels",
    "plot",
    "wide",
]


def __getattr__(name: str) -> object:
    """Loads a name when it is first used, so that importing the package costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOMES[name]}")
    if name in _RESULTS:
        import_module(f"{__name__}.sink.display")  # results then show themselves in notebooks
    found = module if name == "plot" else getattr(module, name)
    globals()[name] = found  # a submodule of the same name, imported later, does not take its place
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
