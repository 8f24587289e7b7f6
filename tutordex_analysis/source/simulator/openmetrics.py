"""OpenMetrics text with timestamps, as `promtool tsdb create-blocks-from openmetrics` wants it.

Each sample carries its time in seconds; the samples of a series ascend; the file ends with `# EOF`. Text is made a
whole series at a time, since formatting is what costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import Floats, escape

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

EOF = "# EOF\n"
_CHUNK = 1 << 22


def header(name: str, kind: Kind) -> str:
    r"""The TYPE line of a metric family; a counter's family is its name without `_total`.

    Example:
        >>> header("worker_jobs_processed_total", "counter")
        '# TYPE worker_jobs_processed counter\n'
    """
    return f"# TYPE {name.removesuffix('_total') if kind == 'counter' else name} {kind}\n"


def series_text(name: str, labels: Mapping[str, str]) -> str:
    """A series as it stands before its value, with the space after it.

    Example:
        >>> series_text("up", {"job": "node"})
        'up{job="node"} '
    """
    pairs = ",".join(f'{key}="{escape(value)}"' for key, value in labels.items() if value)
    return f"{name}{{{pairs}}} "


def time_texts(moments: Floats) -> list[str]:
    """Each moment (unix seconds) as it stands after a value, with the line's end; whole milliseconds."""
    return [f" {moment:.3f}\n" for moment in moments.tolist()]


def value_texts(values: Floats, decimals: int) -> Iterable[str]:
    """Numbers as short as they go: whole ones without a point, others with so many decimals at most.

    Example:
        >>> list(value_texts(np.array([2.0, 0.25]), 0)), list(value_texts(np.array([0.123456]), 3))
        (['2', '0'], ['0.123'])
    """
    if decimals == 0:
        return map(str, np.rint(values).astype(np.int64).tolist())
    return map(repr, np.round(values, decimals).tolist())


def sample_lines(series: str, values: Iterable[str], times: Sequence[str]) -> str:
    """The lines of one series: one value and one time each."""
    return series + series.join(map(add, values, times)) if times else ""


def count_samples(path: Path) -> int:
    """Lines of a file that are samples, counted without reading it as text.

    Raises:
        SourceError: The file does not end with `# EOF`, so it was cut.
    """
    lines, comments, tail = 0, 0, b"\n"
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                comments += (tail[-1:] + chunk).count(b"\n#")
                tail = (tail + chunk)[-len(EOF) :]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if tail != EOF.encode():
        raise SourceError(f"{path} does not end with '# EOF'; it was cut while being written, so write it again")
    return lines - comments
