"""Forecasts, anomalies and experiment verdicts from Prometheus history. The analyst's names, loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tutordex_analysis.frame import TimeRange, labels, wide

__version__ = "0.1.0"

_HOMES = {
    "TimeRange": "frame",
    "labels": "frame",
    "wide": "frame",
}

__all__ = ["TimeRange", "labels", "wide"]


def __getattr__(name: str) -> object:
    """Loads a name when it is first used, so that importing the package costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
