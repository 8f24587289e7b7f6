"""Time ranges and the frame contract: what every source returns and every model takes.

A frame is long and sorted by (`unique_id`, `ds`): `unique_id` (categorical, Prometheus notation), `ds` (UTC-aware),
`y` (float64), then one categorical column a label. What a source returns has every instant of one grid for every
series; a gap is NaN, never 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.moment import UNIT, Instant, Span, duration, duration_text, floor, instant

Floats: TypeAlias = npt.NDArray[np.float64]
How: TypeAlias = Literal["sum", "mean", "max", "min"]

COLUMNS = ("unique_id", "ds", "y")


@dataclass(frozen=True)
class TimeRange:
    """A half-open stretch of a regular grid: `start`, `start + step`, … before `end`.

    Attributes:
        start: First instant, floored to the step's grid.
        end: First instant that is no longer in the range, floored likewise.
        step: Distance between two instants.

    Raises:
        FrameError: A moment without zone, a step that is no duration, or nothing between start and end.

    Example:
        >>> TimeRange("2026-03-01T00:02:00Z", "2026-03-01T01:00:00Z", "15m").grid.strftime("%H:%M").tolist()
        ['00:00', '00:15', '00:30', '00:45']
    """

    start: pd.Timestamp
    end: pd.Timestamp
    step: pd.Timedelta

    def __init__(self, start: Instant, end: Instant, step: Span) -> None:
        length = duration(step)
        if length % pd.Timedelta(milliseconds=1):
            raise FrameError(f"a step is whole milliseconds, got {length}")
        object.__setattr__(self, "step", length)
        object.__setattr__(self, "start", floor(start, length))
        object.__setattr__(self, "end", floor(end, length))
        if self.end <= self.start:
            raise FrameError(
                f"no step of {duration_text(length)} lies between {instant(start).isoformat()} and "
                f"{instant(end).isoformat()}; the end must be at least one step after the start"
            )

    @property
    def grid(self) -> pd.DatetimeIndex:
        """Every instant of the range, shape (len,), UTC."""
        first, last = (moment.value // 1_000_000 for moment in (self.start, self.end))
        milliseconds = np.arange(first, last, round(self.step / pd.Timedelta(milliseconds=1)))
        return pd.DatetimeIndex(milliseconds.astype(f"datetime64[{UNIT}]"), tz="UTC", name="ds")

    def __len__(self) -> int:
        return round((self.end - self.start) / self.step)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC, every {duration_text(self.step)}"


def series_id(labels: Mapping[str, str]) -> str:
    """A series in Prometheus notation: name first, labels sorted, values escaped; `{}` without any.

    Example:
        >>> series_id({"job": "node", "__name__": "up"})
        'up{job="node"}'
    """
    name = labels.get("__name__", "")
    pairs = ",".join(f'{key}="{escape(labels[key])}"' for key in sorted(labels) if key != "__name__" and labels[key])
    return f"{name}{{{pairs}}}" if pairs or not name else name


def escape(value: str) -> str:
    """A label value between double quotes, as PromQL and the exposition format want it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def build(values: Floats, label_sets: Sequence[Mapping[str, str]], time_range: TimeRange) -> pd.DataFrame:
    """A frame from one row of values a series.

    Args:
        values: Shape (n_series, len(time_range)), NaN where there is a gap. Not copied when the series come in order.
        label_sets: Labels of each row, `__name__` among them where the answer has it.
        time_range: The grid of the columns.

    Returns:
        A frame; a label that a series does not have is "", as in PromQL.

    Raises:
        FrameError: Shapes differ, two rows have the same labels, or a label is called like a column.
    """
    if values.shape != (len(label_sets), len(time_range)):
        raise FrameError(f"values have shape {values.shape}, wanted {(len(label_sets), len(time_range))}")
    ids = [series_id(labels) for labels in label_sets]
    if len(set(ids)) != len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise FrameError(f"two series are both called {twice}; give them different labels")
    names = sorted({name for labels in label_sets for name in labels})
    clash = [name for name in names if name in COLUMNS]
    if clash:
        raise FrameError(f'the label {clash[0]!r} has the name of a column; rename it with label_replace(…, "x", …)')
    order = sorted(range(len(ids)), key=ids.__getitem__)
    if order != list(range(len(ids))):
        values = values[order]
    n_series, n = values.shape
    grid = time_range.grid
    codes = np.repeat(np.arange(n_series, dtype=_code_type(n_series)), n)
    columns: dict[str, object] = {
        "unique_id": pd.Categorical.from_codes(codes, dtype=_categories([ids[i] for i in order])),
        "ds": grid[:0].append([grid] * n_series),  # one copy; giving np.tile a zone takes three
        "y": values.reshape(-1),
    }
    for name in names:
        texts = [label_sets[i].get(name, "") for i in order]
        found = sorted(set(texts))
        position = {text: i for i, text in enumerate(found)}
        each = np.array([position[text] for text in texts], dtype=_code_type(len(found)))
        columns[name] = pd.Categorical.from_codes(np.repeat(each, n), dtype=_categories(found))
    return pd.DataFrame(columns, copy=False)


def empty(label_names: Iterable[str] = ()) -> pd.DataFrame:
    """The frame of an empty answer: no rows, the right dtypes."""
    nothing = pd.Categorical([], dtype=_categories([]))
    return pd.DataFrame(
        {
            "unique_id": nothing,
            "ds": pd.DatetimeIndex([], dtype=f"datetime64[{UNIT}, UTC]"),
            "y": np.empty(0, dtype=np.float64),
        }
        | dict.fromkeys(label_names, nothing)
    )


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame itself, when it keeps the contract that models need: three columns, sorted, one row an instant.

    Raises:
        FrameError: What is wrong, in one sentence.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise FrameError(f"a frame needs the columns unique_id, ds and y; {', '.join(missing)} not in it")
    if not isinstance(frame["ds"].dtype, pd.DatetimeTZDtype):
        raise FrameError(f"ds must be times with a zone, got {frame['ds'].dtype}; use .dt.tz_localize")
    if frame["ds"].isna().any() or frame["unique_id"].isna().any():
        raise FrameError("ds and unique_id must not be missing in any row")
    if not pd.api.types.is_float_dtype(frame["y"].dtype):
        raise FrameError(f"y must be float64, got {frame['y'].dtype}; use .astype(float)")
    if len(frame) < 2:
        return frame
    codes, moments = _codes(frame["unique_id"]), frame["ds"].to_numpy("datetime64[ns]")
    same = codes[1:] == codes[:-1]
    if (same & (moments[1:] <= moments[:-1])).any():
        raise FrameError("each series must be sorted by ds, one row an instant; use .sort_values(['unique_id', 'ds'])")
    first = np.concatenate([[True], ~same])
    if int(first.sum()) != len(np.unique(codes[first])):
        raise FrameError("the rows of each series must stand together; use .sort_values(['unique_id', 'ds'])")
    return frame


def step_of(frame: pd.DataFrame) -> pd.Timedelta:
    """The distance of two rows, the same in every series.

    Raises:
        FrameError: There are fewer than two rows a series, or the distances differ (a missing row instead of NaN).
    """
    codes, moments = _codes(check(frame)["unique_id"]), frame["ds"].to_numpy("datetime64[ns]")
    steps = np.diff(moments)[codes[1:] == codes[:-1]]
    steps = steps[:1] if (steps == steps[:1]).all() else np.unique(steps)
    if not len(steps):
        raise FrameError("the step cannot be read off a frame with one row a series; pass a longer history")
    if len(steps) > 1:
        few = ", ".join(duration_text(pd.Timedelta(one)) for one in steps[:3])
        raise FrameError(f"the rows of a series are not at one step (found {few}); keep gaps as rows with NaN")
    return pd.Timedelta(steps[0])


def matrix(frame: pd.DataFrame) -> tuple[list[str], pd.DatetimeIndex, Floats]:
    """Series on their shared grid: ids, instants and values of shape (n_series, n); a view where possible.

    Raises:
        FrameError: The series do not share one grid.
    """
    ids = series_ids(frame)
    if not ids:
        return [], pd.DatetimeIndex([], tz="UTC"), np.empty((0, 0))
    n, rest = divmod(len(frame), len(ids))
    moments = frame["ds"].to_numpy("datetime64[ns]")
    if rest or (moments.reshape(len(ids), n) != moments[:n]).any():
        raise FrameError("the series do not share one grid; select one, or read them with one TimeRange")
    return ids, pd.DatetimeIndex(frame["ds"].iloc[:n]), frame["y"].to_numpy().reshape(len(ids), n)


def series_ids(frame: pd.DataFrame) -> list[str]:
    """The series of a frame in the order of its rows."""
    return [str(one) for one in frame["unique_id"].unique()]


def label_names(frame: pd.DataFrame) -> list[str]:
    """The label columns of a frame."""
    return [str(name) for name in frame.columns if name not in COLUMNS]


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """One column a series, one row an instant; an instant that a series does not have is NaN."""
    table = check(frame).pivot_table(index="ds", columns="unique_id", values="y", observed=True, dropna=False)
    table.columns = pd.Index([str(name) for name in table.columns], name="unique_id")
    return table[series_ids(frame)]


def labels(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a series, one column a label."""
    first = check(frame).drop_duplicates("unique_id").set_index("unique_id")
    table = first[label_names(frame)].astype(str)
    table.index = pd.Index([str(name) for name in table.index], name="unique_id")
    return table


def increase(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole events a step from raw counters: differences that know resets and births.

    A counter that falls has restarted, so its new value is the increase. A series that appears after the frame's first
    instant with any sample was born there, so its first value counts. After a gap the first sample holds the
    increase since the last one seen. The first instant of the frame has nothing to differ from and is left out.

    Args:
        frame: Counters on one shared grid, with one step more than is wanted in front.

    Returns:
        A frame of the same series, one row a series shorter; NaN where the counter has no sample.
    """
    if frame.empty:
        return frame
    ids, _, values = matrix(frame)
    seen = np.where(np.isnan(values), -np.inf, values)
    index = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(values.shape[1])), axis=1)
    before = np.concatenate([np.full((len(ids), 1), -1), index[:, :-1]], axis=1)
    last = np.where(before >= 0, np.take_along_axis(seen, np.maximum(before, 0), axis=1), 0.0)
    grown = np.where(values >= last, values - last, values)
    any_sample = ~np.isnan(values).all(axis=0)
    start = int(any_sample.argmax()) if any_sample.any() else 0
    grown[:, : start + 1] = np.nan
    keep = np.tile(np.arange(values.shape[1]) > 0, len(ids))
    return frame.assign(y=grown.reshape(-1))[keep].reset_index(drop=True)


def digest(frame: pd.DataFrame) -> str:
    """Twelve hex digits that tell two frames of samples apart: series, instants and values."""
    found = hashlib.sha256("\n".join(series_ids(frame)).encode())
    found.update(frame["ds"].to_numpy(f"datetime64[{UNIT}]").tobytes())
    found.update(frame["y"].to_numpy().tobytes())
    return found.hexdigest()[:12]


def fold(values: Floats, *, axis: int, how: How) -> Floats:
    """Sum, mean, max or min along an axis without the NaNs; NaN where there is nothing else."""
    gone = np.isnan(values)
    filled = np.where(gone, {"sum": 0.0, "mean": 0.0, "max": -np.inf, "min": np.inf}[how], values)
    if how in ("max", "min"):
        result = filled.max(axis=axis) if how == "max" else filled.min(axis=axis)
    else:
        result = filled.sum(axis=axis)
        if how == "mean":
            result = result / np.maximum((~gone).sum(axis=axis), 1)
    return np.where(gone.all(axis=axis), np.nan, result)


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of any table, by column name."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _categories(values: Sequence[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(values, dtype=object if not values else None), ordered=False)


def _code_type(n: int) -> np.dtype[np.signedinteger]:
    return np.dtype(np.int8 if n < 127 else np.int16 if n < 32_767 else np.int32)


def _codes(column: pd.Series) -> npt.NDArray[np.integer]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    return pd.factorize(column)[0]
