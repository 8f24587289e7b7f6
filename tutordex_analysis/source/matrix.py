"""The matrix of a range query from its JSON text to float64, without a Python object for each timestamp.

The numbers lie between `"values":[[` and `"]]`. No label can hold that text, since quotes in JSON strings are escaped.
They are cut out, so that `json` reads only the small rest, and split at their quotes: every second piece is a value.
Arrow reads these as exactly as `float` does, in a third of the time and without holding up other threads. Timestamps
are read only where a series has gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats
from tutordex_analysis.source import answer

_OPEN, _CLOSE = b'"values":[[', b'"]]'
_FEW = 200  # numbers for which calling Arrow costs more than it wins


@dataclass(frozen=True)
class Grid:
    """Instants of one request, in whole milliseconds.

    Attributes:
        start: First instant, since 1970 UTC.
        step: Distance of two instants.
        n: How many.
    """

    start: int
    step: int
    n: int

    @property
    def last(self) -> int:
        """Last instant."""
        return self.start + (self.n - 1) * self.step


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """One answer; its numbers are still text.

    Attributes:
        label_sets: Labels of each series.
        texts: Of each series: where its values lie in `body` (from, to), or the values themselves as JSON had them.
        body: The answer's bytes.
        infos: What the server remarks on the query (Prometheus 3), nothing wrong with the data.
        asked: Server and query for sentences.
    """

    label_sets: list[dict[str, str]]
    texts: list[tuple[int, int] | list[Any]]
    body: bytes
    infos: tuple[str, ...]
    asked: str

    def place(self, out: Floats, rows: list[int], grid: Grid) -> None:
        """Writes the values of series i into `out[rows[i]]`, shape (…, grid.n); absent instants stay as they are.

        Raises:
            SourceError: A value is no number, or a timestamp lies off the grid.
        """
        try:
            for row, text in zip(rows, self.texts, strict=True):
                if isinstance(text, tuple):
                    _place_text(out[row], self.body[slice(*text)], grid)
                else:
                    pairs = [(_milliseconds(moment), float(value)) for moment, value in text]
                    out[row, _indices([moment for moment, _ in pairs], grid)] = [value for _, value in pairs]
        except (ValueError, TypeError, IndexError) as error:
            raise SourceError(
                f"the answer of {self.asked} has numbers or times that were not asked for ({error}); "
                f"is the server a Prometheus?"
            ) from error


def read(body: bytes, *, asked: str) -> Matrix:
    """The series of a query_range answer.

    Args:
        body: The JSON text.
        asked: Server and query for sentences, see `answer.asked`.

    Raises:
        SourceError: The answer is not whole, not good, partial, or not a matrix of plain numbers.
    """
    rest, spans = _outline(body)
    document = answer.envelope(rest, asked=asked)
    data = document["data"]
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind != "matrix":
        raise SourceError(f"{asked} answered with {kind or 'something'} where a range of numbers was asked for")
    try:
        label_sets, texts = _series(data["result"], spans, asked)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise SourceError(f"{asked} did not answer as Prometheus does; is the URL that of its API?") from error
    return Matrix(label_sets=label_sets, texts=texts, body=body, infos=_infos(document), asked=asked)


def _series(
    result: list[dict[str, Any]], spans: list[tuple[int, int]], asked: str
) -> tuple[list[dict[str, str]], list[tuple[int, int] | list[Any]]]:
    """Labels and texts of each series; what Prometheus would not send falls out as a KeyError and the like."""
    label_sets: list[dict[str, str]] = []
    texts: list[tuple[int, int] | list[Any]] = []
    cut = 0
    for series in result:
        if series.get("histograms"):
            raise SourceError(
                f"{asked} answered with native histograms; ask for numbers, e.g. histogram_quantile(0.9, …) or "
                f"histogram_count(…)"
            )
        values = series.get("values", [])
        if values == 0:
            texts.append(spans[cut])
            cut += 1
        else:
            texts.append(values)
        label_sets.append(dict(series["metric"]))
    return label_sets, texts


def _outline(body: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """The JSON text with a 0 for every list of values, and where these lists lie; a cut one stays and is no JSON."""
    kept: list[bytes] = []
    spans: list[tuple[int, int]] = []
    at = 0
    while (begin := body.find(_OPEN, at)) >= 0:
        begin += len(_OPEN)
        end = body.find(_CLOSE, begin) + 1
        if not end:
            break
        kept.append(body[at : begin - 2])
        spans.append((begin, end))
        at = end + 2
    kept.append(body[at:])
    return b"0".join(kept), spans


def _infos(document: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(info) for info in document.get("infos") or [])


def _place_text(row: Floats, text: bytes, grid: Grid) -> None:
    """One series: `time,"value"],[time,"value"`."""
    parts = text.split(b'"')
    n = len(parts) // 2
    values = _numbers(parts[1::2])
    first = _milliseconds(parts[0][:-1])
    last = _milliseconds(parts[-3][3:-1]) if n > 1 else first
    if last - first == (n - 1) * grid.step:
        # n ascending instants of the grid from first to last: there is one way only
        begin = int(_indices([first], grid)[0])
        row[begin : begin + n] = values
    else:
        moments = b"".join(parts[:-1:2])[:-1].split(b",],[")
        row[_indices([_milliseconds(moment) for moment in moments], grid)] = values


def _numbers(texts: list[bytes]) -> Floats:
    """Each text as `float` reads it, to the bit."""
    if len(texts) < _FEW:
        return np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))
    try:
        return np.asarray(pa.array(texts, pa.binary()).cast(pa.string()).cast(pa.float64()))
    except pa.ArrowInvalid:  # a spelling that this Arrow does not know
        return np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))


def _milliseconds(seconds: bytes | float) -> int:
    return round(float(seconds) * 1000)


def _indices(moments: list[int], grid: Grid) -> npt.NDArray[np.int64]:
    indices, off = np.divmod(np.array(moments, dtype=np.int64) - grid.start, grid.step)
    if off.any() or (len(indices) and (indices[0] < 0 or indices[-1] >= grid.n or (np.diff(indices) <= 0).any())):
        raise ValueError(f"times off the grid, from {moments[0] / 1000:.3f}")
    return indices
