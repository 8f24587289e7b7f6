"""`python -m bench.archive`: the archive against pulling again, on a real Prometheus.

Reading and pulling take turns in one process, so that the load of the machine hits both alike; what counts is the ratio
of the medians.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench import _world as world
from bench._line import Line, told
from tutordex_analysis.catalogue import Catalogue, Part
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

STEP = pd.Timedelta(minutes=5)
HOUR = pd.Timedelta(hours=1)
MEGABYTES = 5.0  # a million samples
FASTER = 20.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One part that is pulled into an archive and read back.

    Attributes:
        name: In the table.
        promql: The part's text.
        days: Length, up to the end of the data.
    """

    name: str
    promql: str
    days: int


CASES = (
    Case(name="q30d", promql='{job="a"}', days=30),
    Case(name="rate30d", promql='rate(bench_requests_total{job="a"}[5m])', days=30),
    Case(name="counter30d", promql='bench_requests_total{job="a"}', days=30),
    Case(name="wide2000", promql='{job="b"}', days=7),
)


class Counted:
    """A source that remembers how many instants it was asked for."""

    def __init__(self, source: PrometheusSource) -> None:
        self.source, self.uri, self.instants = source, source.uri, 0

    def query(self, promql: str, time_range: TimeRange) -> pd.DataFrame:
        """The source's answer."""
        self.instants += len(time_range)
        return self.source.query(promql, time_range)


def measure(case: Case, url: str, folder: Path, *, runs: int) -> list[Line]:
    """The lines of one case."""
    source = Counted(PrometheusSource(url))
    parts, now = {case.name: [Part(case.promql)]}, world.END

    def fill(moment: pd.Timestamp) -> None:
        pull(source, folder, parts, step=STEP, since=pd.Timedelta(days=case.days) - 2 * HOUR, now=moment)

    first = _seconds(lambda: fill(now - HOUR))
    source.instants = 0
    second = _seconds(lambda: fill(now))
    asked = source.instants
    archive = ArchiveSource(folder, catalogue=Catalogue(signals={}))
    whole = archive.last(pd.Timedelta(days=case.days) - 4 * HOUR, step=STEP)
    held = next(iter(archive.manifest.held.values()))
    samples = sum(month.samples for month in held.months.values())
    if not archive.query(case.promql, whole).equals(source.query(case.promql, whole)):
        raise SystemExit(f"{case.name}: what is held is not what the server answers")
    reads, pulls = [], []
    for _ in range(runs):
        reads.append(_seconds(lambda: archive.query(case.promql, whole)))
        pulls.append(_seconds(lambda: source.query(case.promql, whole)))
    read, again = statistics.median(reads), statistics.median(pulls)
    print(
        f"{case.name}: {samples:,} samples, first pull {first:.3f} s, second {second:.3f} s; "
        f"reading {read:.4f} s ({samples / read / 1e6:.0f} M samples/s), pulling again {again:.3f} s",
        flush=True,
    )
    return [
        Line(case=case.name, what="pulling again / reading", value=again / read, target=FASTER, at_most=False),
        Line(case=case.name, what="MB a million samples", value=held.bytes / samples, target=MEGABYTES),
        Line(case=case.name, what="instants asked for an hour later (12 are new)", value=asked, target=15),
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive", description="Reading an archive against pulling.")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(case.name for case in CASES)}; all without")
    parser.add_argument("--quick", action="store_true", help="thinner data, three runs: a look, no verdict")
    parser.add_argument("--runs", type=int, default=0, help="runs of each way (5, quick 3)")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"), help="keeps the data for the next time")
    options = parser.parse_args()
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not on PATH; on Debian: apt-get install prometheus")
    folder = options.folder / ("quick" if options.quick else "full")
    runs = options.runs or (3 if options.quick else 5)
    lines: list[Line] = []
    with world.served(world.QUICK if options.quick else world.FULL, folder) as url:
        for case in CASES:
            if not options.cases or case.name in options.cases:
                with tempfile.TemporaryDirectory() as archive:
                    lines += measure(case, url, Path(archive), runs=runs)
    return told(lines)


if __name__ == "__main__":
    sys.exit(main())
