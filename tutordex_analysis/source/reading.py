"""A catalogued signal from its parts: the same arithmetic whether they come from a server or from the archive.

Counts are differenced raw counters, added up; gauges are averaged; ratios and quantiles are made from their added parts
and never from averaged ratios. A value at t covers (t - step, t].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis import promql
from tutordex_analysis.catalogue import Part, Signal, Term
from tutordex_analysis.errors import FrameError, NotHeld
from tutordex_analysis.frame import Floats, TimeRange
from tutordex_analysis.moment import Span, duration, duration_text

Fetch: TypeAlias = Callable[[Part, TimeRange], pd.DataFrame]
Rows: TypeAlias = dict[tuple[str, ...], Floats]

BASE_STEP = pd.Timedelta("5m")


def read(fetch: Fetch, signal: Signal, time_range: TimeRange, *, base_step: Span = BASE_STEP) -> pd.DataFrame:
    """A signal on the grid of `time_range`, made from parts at the base step.

    Args:
        fetch: Gives one part on a range at the base step, or an empty frame.
        signal: What to read.
        time_range: The grid of the answer; its step is the base step or a multiple of it.
        base_step: The step at which parts are asked for.

    Returns:
        A frame whose series are called `signal{labels in signal.by}`, in the signal's unit; empty where the parts are.

    Raises:
        FrameError: The steps do not divide, or a query gives several series where the signal has one.
    """
    base = duration(base_step)
    if time_range.step % base:
        raise FrameError(
            f"{signal.name} is kept every {duration_text(base)}; ask for that or a multiple of it, "
            f"not for every {duration_text(time_range.step)}"
        )
    window = TimeRange(time_range.start - time_range.step + base, time_range.end - time_range.step + base, base)
    reader = _Reader(fetch, signal, window, int(time_range.step / base))
    rows = {"count": reader.count, "gauge": reader.gauge, "ratio": reader.ratio, "duration": reader.duration}[
        signal.kind
    ]()
    if not rows:
        return frames.empty(["__name__", *signal.by])
    keys = sorted(rows)
    label_sets = [{"__name__": signal.name, **dict(zip(signal.by, key, strict=True))} for key in keys]
    result = frames.build(np.stack([rows[key] for key in keys]), label_sets, time_range)
    result = result[[*frames.COLUMNS, "__name__", *signal.by]]
    if reader.note:
        result.attrs["note"] = reader.note
    return result


def base_step(step: Span) -> pd.Timedelta:
    """The step at which parts are asked for: five minutes where that divides `step`, else `step` itself."""
    length = duration(step)
    return length if length % BASE_STEP else BASE_STEP


class _Reader:
    """One reading: fetches parts at the fine step of `window` and folds `n` fine instants into one."""

    def __init__(self, fetch: Fetch, signal: Signal, window: TimeRange, n: int) -> None:
        self.fetch, self.signal, self.window, self.n = fetch, signal, window, n
        self.note = ""

    def count(self) -> Rows:
        selectors = self.signal.counter
        counters = (selectors,) if isinstance(selectors, str) else tuple(selectors or ())
        rows = self._counted(counters)
        if self.signal.instead is not None:
            rows = self._switched(rows, counters, self.signal.instead)
            rows = self._zeros(rows, any_series=not self.signal.by) if self.signal.up else rows
        return {key: self._fold(values, "sum") for key, values in rows.items()}

    def gauge(self) -> Rows:
        rows = self._values(str(self.signal.gauge_query))
        how: frames.How = self.signal.combine if self.signal.combine in ("max", "min") else "mean"
        return {key: self._fold(values, how) for key, values in rows.items()}

    def ratio(self) -> Rows:
        assert isinstance(self.signal.numerator, Term)  # noqa: S101 - checked when the catalogue was loaded
        above = self._term(self.signal.numerator)
        if isinstance(self.signal.denominator, Term):
            below = self._term(self.signal.denominator)
        else:
            seconds = self.window.step.total_seconds() * self.n
            below = {key: np.where(np.isnan(values), np.nan, seconds) for key, values in above.items()}
        none = np.full(len(self.window) // self.n, np.nan)
        rows: Rows = {}
        for key, total in below.items():
            part = above.get(key, none)
            part = np.where(np.isnan(part) & ~np.isnan(total), 0.0, part)
            rows[key] = _divide(part, total, least=self.signal.least)
        return rows

    def duration(self) -> Rows:
        queries = self.signal.histogram_queries
        if self.signal.quantile is None:
            total = self._folded(self._counted((queries["sum"],)))
            count = self._folded(self._counted((queries["count"],)))
            return {key: _divide(total[key], n, least=self.signal.least) for key, n in count.items() if key in total}
        buckets = self._folded(self._counted((queries["bucket"],), by=(*self.signal.by, "le")))
        rows: Rows = {}
        for key in sorted({one[:-1] for one in buckets}):
            bounds = {float(one[-1]): values for one, values in buckets.items() if one[:-1] == key}
            rows[key] = histogram_quantile(bounds, self.signal.quantile, least=self.signal.least)
        return rows

    def _term(self, term: Term) -> Rows:
        if term.counters:
            return self._folded(self._counted(term.counters))
        return {key: self._fold(values, "sum") / self.n for key, values in self._values(str(term.promql)).items()}

    def _folded(self, rows: Rows) -> Rows:
        return {key: self._fold(values, "sum") for key, values in rows.items()}

    def _fold(self, values: Floats, how: frames.How) -> Floats:
        """`n` fine instants into one; NaN where fewer than half of them are there."""
        windows = values.reshape(-1, self.n)
        folded = frames.fold(windows, axis=1, how=how)
        return np.where(np.isnan(windows).mean(axis=1) > 0.5, np.nan, folded)

    def _values(self, query: str) -> Rows:
        rows = _grouped(answer := self.fetch(self.signal.part(query), self.window), self.signal.by, how="mean")
        if len(rows) != answer["unique_id"].nunique() and _overlapping(answer, self.signal.by):
            raise FrameError(
                f"{self.signal.name} is one series for each of its labels ({', '.join(self.signal.by) or 'none'}), and "
                f"{promql.shorten(query)!r} gives several; sum or average them in the query, or keep more labels in by:"
            )
        return rows

    def _counted(self, selectors: Sequence[str], *, by: Sequence[str] | None = None) -> Rows:
        """Whole events a fine step from raw counters, added up over all labels but `by`."""
        earlier = TimeRange(self.window.start - self.window.step, self.window.end, self.window.step)
        kept = self.signal.by if by is None else by
        rows: Rows = {}
        for selector in selectors:
            counters = self.fetch(self.signal.part(selector), earlier)
            for key, values in _grouped(frames.increase(counters), kept, how="sum").items():
                rows[key] = frames.fold(np.stack([rows[key], values]), axis=0, how="sum") if key in rows else values
        return self._zeros(rows, any_series=not kept) if self.signal.up and self.signal.instead is None else rows

    def _switched(self, rows: Rows, counters: Sequence[str], real: str) -> Rows:
        """The substitute until the real counter has been seen, and that one from then on; `note` says it in words."""
        try:
            found = self._counted((real,))
        except NotHeld:
            found = {}
        scaled = {key: values * self.signal.each for key, values in rows.items()}
        substitute = " + ".join(counters) + (f" times {self.signal.each:g}" if self.signal.each != 1 else "")
        seen = ~np.isnan(np.stack([*found.values()])).all(axis=0) if found else np.zeros(0, dtype=bool)
        if not seen.any():
            self.note = f"{real} is not counted yet; this is {substitute} in its place"
            return scaled
        begun = int(seen.argmax())
        self.note = ""
        if begun and any(not np.isnan(values[:begun]).all() for values in scaled.values()):
            at = self.window.grid[begun] - self.window.step
            self.note = f"{real} is counted from {at:%Y-%m-%d %H:%M} UTC on; before, this is {substitute} in its place"
        none = np.full(len(self.window), np.nan)
        later = np.arange(len(self.window)) >= begun
        return {key: np.where(later, found.get(key, none), scaled.get(key, none)) for key in sorted({*scaled, *found})}

    def _zeros(self, rows: Rows, *, any_series: bool) -> Rows:
        """A counter that is absent while its target is up has counted nothing since its first event."""
        up = _grouped(self.fetch(self.signal.part(str(self.signal.up)), self.window), (), how="max").get(())
        if up is None:
            return rows
        if not rows and any_series and (up > 0).any():
            rows = {(): np.full(len(self.window), np.nan)}
        filled: Rows = {}
        for key, values in rows.items():
            born = np.arange(len(values)) >= (0 if any_series else int((~np.isnan(values)).argmax()))
            filled[key] = np.where(np.isnan(values) & (up > 0) & born, 0.0, values)
        return filled


def histogram_quantile(buckets: Mapping[float, Floats], quantile: float, *, least: float) -> Floats:
    """A quantile from cumulative bucket counts, linear inside a bucket, as PromQL's `histogram_quantile`.

    Args:
        buckets: Upper bound (seconds, the last +Inf) → events a step at or below it, each shape (n,).
        quantile: Between 0 and 1.
        least: With fewer events in a step the quantile is unknown.

    Returns:
        Shape (n,), in the unit of the bounds; the highest finite bound where the quantile lies above it.
    """
    bounds = np.array(sorted(buckets))
    counts = np.maximum.accumulate(np.stack([np.nan_to_num(buckets[bound]) for bound in bounds]), axis=0)
    total = counts[-1]
    wanted = quantile * total
    row = np.argmax(counts >= wanted, axis=0)
    lower = np.where(row > 0, bounds[np.maximum(row - 1, 0)], 0.0)
    below = np.where(row > 0, np.take_along_axis(counts, np.maximum(row - 1, 0)[None], axis=0)[0], 0.0)
    inside = np.take_along_axis(counts, row[None], axis=0)[0] - below
    upper = bounds[row]
    last = bounds[np.isfinite(bounds)].max() if np.isfinite(bounds).any() else np.nan
    share = np.divide(wanted - below, inside, out=np.ones_like(total), where=inside > 0)
    value = np.where(np.isinf(upper), last, lower + (np.where(np.isinf(upper), lower, upper) - lower) * share)
    return np.where(total >= max(least, 1), value, np.nan)


def _divide(part: Floats, total: Floats, *, least: float) -> Floats:
    enough = np.nan_to_num(total, nan=-np.inf) >= max(least, np.finfo(float).tiny)
    result: Floats = np.divide(part, total, out=np.full(len(total), np.nan), where=enough)
    return result


def _overlapping(frame: pd.DataFrame, by: Sequence[str]) -> bool:
    """Whether two series that have the same labels in `by` have samples at one instant; one after the other is fine."""
    keys = [name for name in by if name in frame.columns]
    return bool(frame[frame["y"].notna()].duplicated([*keys, "ds"]).any())


def _grouped(frame: pd.DataFrame, by: Sequence[str], *, how: frames.How) -> Rows:
    if frame.empty:
        return {}
    _, _, values = frames.matrix(frame)
    table = frames.labels(frame).reindex(columns=list(by), fill_value="")
    keys = list(map(tuple, table.to_numpy().tolist())) if by else [()] * len(values)
    members: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        members.setdefault(key, []).append(row)
    return {key: frames.fold(values[rows], axis=0, how=how) for key, rows in members.items()}
