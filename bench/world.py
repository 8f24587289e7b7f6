"""The data that the measurements read, and a real Prometheus that holds them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import requests

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
        return total.tolist()  # type: ignore[no-any-return]
    return (rng.poisson(20, n).astype(float) if kind == 1 else rng.random(n)).tolist()  # type: ignore[no-any-return]


def load(sets: tuple[DataSet, ...], folder: Path) -> Path:
    """The TSDB folder that holds `sets`; made once, then found again."""
    tsdb, mark = folder / "tsdb", folder / "complete"
    if mark.exists() and mark.read_text(encoding="ascii") == repr(sets):
        return tsdb
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for data in sets:
        print(f"making {data.samples:,} samples of job {data.job}", flush=True)
        text = folder / "samples.txt"
        write(data, text)
        # without the hidden flag promtool reads the whole file once for every two hours
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=240h", "-q"]
        subprocess.run([*command, str(text), str(tsdb)], check=True, stdout=subprocess.DEVNULL)
        text.unlink()
    mark.write_text(repr(sets), encoding="ascii")
    return tsdb


@contextlib.contextmanager
def prometheus(tsdb: Path, *flags: str) -> Iterator[str]:
    """URL of a Prometheus on `tsdb`, for the length of a with block; `flags` are added to its command line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tsdb.parent / "prometheus.yml"
    config.write_text("scrape_configs: []\n", encoding="ascii")
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tsdb}",
        "--storage.tsdb.retention.time=20y",  # with the default, older blocks are deleted within seconds
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        *flags,
    ]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_until_ready(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(f"prometheus ended with {server.returncode}; is it installed and the data folder free?")
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/-/ready", timeout=5).status_code != 503:
                return
        time.sleep(0.1)
    raise SystemExit("prometheus was not ready within a minute")
