"""Stretches of history that no forecast shall learn from: when, which signals, why, and until when that holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.frame import step_of
from tutordex_analysis.moment import instant

Origin = Literal["incident", "alert", "silence"]
Window: TypeAlias = tuple[pd.Timestamp, pd.Timestamp]  # half-open, UTC


@dataclass(frozen=True, kw_only=True)
class Mask:
    """One stretch of time in which the numbers of some signals are not normal.

    Attributes:
        start: First moment, UTC.
        end: First moment that is no longer in it.
        reason: Why, in words.
        origin: Who says so: the incidents file, a fired alert, a silence of Alertmanager.
        signals: Names of the signals concerned; () for all.
        expires: Moment from which it no longer applies; only masks made by hand have one, and they must.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    reason: str
    origin: Origin
    signals: tuple[str, ...] = ()
    expires: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        for name in ("start", "end", *(["expires"] if self.expires is not None else [])):
            object.__setattr__(self, name, instant(getattr(self, name)))
        if self.end <= self.start:
            raise CatalogueError(f"a mask ends after it begins, got {self.start} to {self.end}")
        if not self.reason.strip():
            raise CatalogueError("a mask has a reason; say what happened")
        if (self.expires is None) == (self.origin == "incident"):
            raise CatalogueError("a mask made by hand has a moment at which it expires, any other has none")

    def concerns(self, signal: str) -> bool:
        """Whether a signal is masked by it."""
        return not self.signals or signal in self.signals


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Every mask that was found, and what could not be.

    Attributes:
        masks: Those that apply.
        notes: One sentence each for a mask that expired, and for alerts or silences that could not be read.
    """

    masks: tuple[Mask, ...] = ()
    notes: tuple[str, ...] = ()


NO_MASKS = Masks()


def _alert(text: str) -> str:
    if not promql.is_selector(text) or "alertname" not in {one.label for one in promql.matchers(text)}:
        raise CatalogueError(f'{text!r} must name an alert, like LLMFailureSpike or TargetDown{{job="worker"}}')
    return text


class Alert(BaseModel):
    """An alert that tells that the numbers of some signals are not normal while it fires.

    Never one that tells of the very quantity growing, such as a full disk for the disk: its growth would be masked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", exclude=True, description="Filled in from the key")
    alert: Annotated[str, AfterValidator(_alert)] = Field(description='Its name, with labels: TargetDown{job="worker"}')
    signals: tuple[str, ...] = Field((), description="Signals whose numbers are not normal while it fires")
    areas: tuple[str, ...] = Field((), description="The same for all signals of these areas")

    @model_validator(mode="after")
    def _some(self) -> Alert:
        if not self.signals and not self.areas:
            raise CatalogueError("name the signals (or areas) whose numbers it makes abnormal")
        return self


def masked(frame: pd.DataFrame, windows: Iterable[Window]) -> pd.DataFrame:
    """The frame with gaps where a value covers a part of a window; the caller's frame stays as it is.

    A value at t covers (t - step, t]; one that only touches a window at a single instant stays.

    Args:
        frame: Series at one step.
        windows: In any order; they may overlap.

    Example:
        >>> from tutordex_analysis.frame import TimeRange, build
        >>> hours = TimeRange("2026-03-01T00:00Z", "2026-03-01T04:00Z", "1h")
        >>> frame = build(np.array([[1.0, 2.0, 3.0, 4.0]]), [{"__name__": "up"}], hours)
        >>> outage = (pd.Timestamp("2026-03-01T01:30Z"), pd.Timestamp("2026-03-01T02:00Z"))
        >>> masked(frame, [outage])["y"].tolist()
        [1.0, 2.0, nan, 4.0]
    """
    joined = union(windows)
    if frame.empty or not joined:
        return frame
    return frame.assign(y=frame["y"].mask(covered(frame["ds"], joined, step=step_of(frame))))


def covered(ds: pd.Series, windows: Iterable[Window], *, step: pd.Timedelta) -> npt.NDArray[np.bool_]:
    """Which values, each of which covers (t - step, t], have more than an instant in common with a window."""
    joined = union(windows)
    if not joined:
        return np.zeros(len(ds), dtype=bool)
    starts, ends = (pd.DatetimeIndex([one[i] for one in joined]).as_unit("ns").asi8 for i in (0, 1))
    moments = pd.DatetimeIndex(ds).as_unit("ns").asi8
    before = np.searchsorted(starts, moments, side="left") - 1  # the last window that begins before t
    result: npt.NDArray[np.bool_] = (before >= 0) & (ends[np.maximum(before, 0)] > moments - step.value)
    return result


def union(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Windows in order of time, those that touch as one."""
    joined: list[Window] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return tuple(joined)
