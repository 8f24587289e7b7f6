"""The data that the measurements read, and a real Prometheus that holds them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tutordex_analysis.source.local_server import LocalPrometheus

END = pd.Timestamp("2025-06-01T00:00:00Z")
DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Some series that are scraped at one interval.

    Attributes:
        job: Their job label.
        kinds: How many counters (with resets), gauges of whole numbers, gauges of 17 digits.
        days: Length, up to `END` less `before` days.
        seconds: Scrape interval.
        before: Days between the last sample and `END`.
    """

    job: str
    kinds: tuple[int, int, int]
    days: int
    seconds: int
    before: int = 0

    @property
    def samples(self) -> int:
        """How many in all."""
        return sum(self.kinds) * self.days * DAY // self.seconds


FULL = (
    DataSet(job="a", kinds=(60, 20, 20), days=60, seconds=300, before=30),
    DataSet(job="a", kinds=(60, 20, 20), days=30, seconds=30),
    DataSet(job="b", kinds=(1200, 400, 400), days=7, seconds=60),
    DataSet(job="c", kinds=(0, 0, 1), days=30, seconds=15),
)
QUICK = (
    DataSet(job="a", kinds=(60, 20, 20), days=60, seconds=1800, before=30),
    DataSet(job="a", kinds=(60, 20, 20), days=30, seconds=120),
    DataSet(job="b", kinds=(300, 100, 100), days=7, seconds=300),
    DataSet(job="c", kinds=(0, 0, 1), days=30, seconds=15),
)


def write(data: DataSet, path: Path) -> None:
    """OpenMetrics text of one data set."""
    names = ("bench_requests_total", "bench_queue", "bench_load")
    types = ("counter", "gauge", "gauge")
    end = END.timestamp() - data.before * DAY
    with path.open("w", encoding="ascii") as file:
        for kind, (count, name, sort) in enumerate(zip(data.kinds, names, types, strict=True)):
            if count:
                file.write(f"# TYPE {name.removesuffix('_total')} {sort}\n")
            for target in range(count):
                rng = np.random.default_rng([kind, target, data.before])
                moments = end - data.days * DAY + np.arange(data.days * DAY // data.seconds) * data.seconds
                head = f'{name}{{job="{data.job}",target="{target:04}"}}'
                times = (moments + rng.integers(0, data.seconds * 1000) / 1000).tolist()
                lines = [
                    f"{head} {value!r} {t:.3f}\n"
                    for value, t in zip(_values(kind, len(moments), rng), times, strict=True)
                ]
                file.writelines(lines)
        file.write("# EOF\n")


def _values(kind: int, n: int, rng: np.random.Generator) -> list[float]:
    if kind == 0:
        total = np.cumsum(rng.poisson(3, n)).astype(float)
        for reset in sorted(rng.integers(0, n, 3)):
            total[reset:] -= total[reset]
        return total.tolist()  # type: ignore[no-any-return]  # numpy's tolist
    return (rng.poisson(20, n).astype(float) if kind == 1 else rng.random(n)).tolist()  # type: ignore[no-any-return]  # numpy's tolist


@contextlib.contextmanager
def served(sets: tuple[DataSet, ...], folder: Path) -> Iterator[str]:
    """URL of a Prometheus that holds `sets`; they are made once, then found again in `folder`."""
    mark = folder / "complete"
    made = mark.exists() and mark.read_text(encoding="ascii") == repr(sets)
    if not made:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    server = LocalPrometheus(folder)
    for data in () if made else sets:
        print(f"making {data.samples:,} samples of job {data.job}", flush=True)
        text = folder / "samples.txt"
        write(data, text)
        server.import_openmetrics(text)
        text.unlink()
    mark.write_text(repr(sets), encoding="ascii")
    with server:
        yield server.url
