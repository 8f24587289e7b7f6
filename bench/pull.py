"""`python -m bench.pull`: range queries against plain curl and against prometheus-api-client, on a real Prometheus.

Every measurement runs in its own process, the ways of one case in turn, so that the load of the machine hits all alike;
what counts is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from bench import _world as world
from bench._line import Line, told

MOST_POINTS = 11_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One range query.

    Attributes:
        name: In the table.
        promql: The query.
        days: Length, up to the end of the data.
        step: In seconds.
        against_curl: Largest wanted ratio of our time to curl's.
        against_mrdf: Smallest wanted ratio of MetricRangeDataFrame's time to ours.
        peak: Largest wanted memory above the imports, bytes a sample.
    """

    name: str
    promql: str
    days: int
    step: int
    against_curl: float
    against_mrdf: float
    peak: float | None

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last second of as few requests as the server allows."""
        end = int(world.END.timestamp())
        size = MOST_POINTS * self.step
        return [(start, min(start + size, end) - self.step) for start in range(end - self.days * world.DAY, end, size)]


CASES = (
    Case(name="q30d", promql='{job="a"}', days=30, step=300, against_curl=1.25, against_mrdf=9, peak=45),
    Case(
        name="rate30d",
        promql='rate(bench_requests_total{job="a"}[5m])',
        days=30,
        step=300,
        against_curl=1.5,
        against_mrdf=5,
        peak=45,
    ),
    Case(name="q90d", promql='{job="a"}', days=90, step=300, against_curl=1.5, against_mrdf=9, peak=30),
    Case(name="wide2000", promql='{job="b"}', days=7, step=300, against_curl=1.2, against_mrdf=9, peak=30),
    Case(name="one15s", promql='{job="c"}', days=30, step=15, against_curl=2.5, against_mrdf=5, peak=None),
)
DECODE_MICROSECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one way in its own process.

    Attributes:
        seconds: Wall time after the imports.
        cpu: Processor time of the client in seconds.
        peak: Memory above the imports at its highest, in bytes.
        samples: In the answer.
    """

    seconds: float
    cpu: float = 0.0
    peak: int = 0
    samples: int = 0


def curl(case: Case, url: str) -> Measured:
    """The floor: the same range to /dev/null, one connection, the time that curl itself measures."""
    lines: list[str] = []
    for first, last in case.spans:
        form = urllib.parse.urlencode({"query": case.promql, "start": first, "end": last, "step": case.step})
        lines += ["next"] if lines else []
        lines += [f'url = "{url}/api/v1/query_range"', f'data = "{form}"', 'output = "/dev/null"']
        lines += ['write-out = "%{time_total}\\n"', "silent"]
    done = subprocess.run(["curl", "-K", "-"], input="\n".join(lines), capture_output=True, text=True, check=True)
    return Measured(seconds=sum(float(line) for line in done.stdout.split()))


def ours(case: Case, url: str) -> Measured:
    """The long frame of `PrometheusSource.query`."""
    from tutordex_analysis.frame import TimeRange
    from tutordex_analysis.source.prometheus import PrometheusSource

    end = world.END
    time_range = TimeRange(end - pd.Timedelta(days=case.days), end, pd.Timedelta(seconds=case.step))
    return _measure(lambda: len(PrometheusSource(url).query(case.promql, time_range)))


def mrdf(case: Case, url: str) -> Measured:
    """prometheus-api-client's custom_query_range and its MetricRangeDataFrame."""
    from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

    warnings.simplefilter("ignore")

    def run() -> int:
        connect = PrometheusConnect(url)
        answers = []
        for first, last in case.spans:
            moments = (datetime.fromtimestamp(moment, UTC) for moment in (first, last))
            answers += connect.custom_query_range(case.promql, *moments, step=str(case.step))
        return len(MetricRangeDataFrame(answers))

    return _measure(run)


def decode(case: Case, url: str) -> Measured:
    """Our decoder alone: bodies are fetched first, then decoded and placed; only that is measured."""
    from tutordex_analysis.source import pieces
    from tutordex_analysis.source.matrix import Grid
    from tutordex_analysis.source.prometheus import PrometheusSource

    source = PrometheusSource(url)
    first, last = case.spans[0][0], case.spans[-1][1]
    grid = Grid(first * 1000, case.step * 1000, (last - first) // case.step + 1)
    bodies: dict[Grid, bytes] = {}

    def fetch(part: Grid) -> bytes:
        return bodies.setdefault(part, source._ask(case.promql, part))

    pieces.pull(fetch, grid, asked=url)
    return _measure(lambda: pieces.pull(bodies.__getitem__, grid, asked=url, workers=1).values.size)


WAYS: dict[str, Callable[[Case, str], Measured]] = {"curl": curl, "ours": ours, "mrdf": mrdf, "decode": decode}


def _measure(work: Callable[[], int]) -> Measured:
    before = _memory("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    samples = work()
    seconds, spent = time.perf_counter() - wall, time.process_time() - cpu
    return Measured(seconds=seconds, cpu=spent, peak=_memory("VmHWM") - before, samples=samples)


def _memory(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) * 1024


def in_own_process(way: str, case: Case, url: str) -> Measured:
    """One measurement by a fresh interpreter."""
    command = [sys.executable, "-m", "bench.pull", "--one", way, case.name, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed at {case.name}: {done.stderr[-800:]}")
    return Measured(**json.loads(done.stdout))


def measure(case: Case, url: str, *, runs: int) -> list[Line]:
    """The lines of one case: medians of `runs` interleaved runs."""
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in ("curl", "ours", "decode"):
            found[way].append(in_own_process(way, case, url))
    for _ in range(-(-runs // 2)):  # slow, and its ratio is far from the bound
        found["mrdf"].append(in_own_process("mrdf", case, url))
        found["ours"].append(in_own_process("ours", case, url))
    seconds = {way: statistics.median(one.seconds for one in each) for way, each in found.items()}
    samples = found["ours"][0].samples
    peak = statistics.median(one.peak for one in found["ours"]) / samples
    spent = statistics.median(one.cpu for one in found["decode"]) / samples * 1e6
    theirs = statistics.median(one.peak for one in found["mrdf"]) / samples
    text = " ".join(f"{way} {value:.3f} s" for way, value in seconds.items())
    print(f"{case.name}: {samples:,} samples, {text}; MetricRangeDataFrame {theirs:.0f} B/sample", flush=True)
    lines = [
        Line(case=case.name, what="time / curl", value=seconds["ours"] / seconds["curl"], target=case.against_curl),
        Line(
            case=case.name,
            what="time of MetricRangeDataFrame / ours",
            value=seconds["mrdf"] / seconds["ours"],
            target=case.against_mrdf,
            at_most=False,
        ),
        Line(case=case.name, what="decoding, µs CPU a sample", value=spent, target=DECODE_MICROSECONDS),
    ]
    if case.peak is not None:
        lines.append(Line(case=case.name, what="peak memory, B a sample", value=peak, target=case.peak))
    return lines


def main() -> int:
    """Measures and prints; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.pull", description="Range queries against curl.")
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(case.name for case in CASES)}; all without")
    parser.add_argument("--quick", action="store_true", help="thinner data, three runs: a look, no verdict")
    parser.add_argument("--runs", type=int, default=0, help="runs of each way (5, quick 3)")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"), help="keeps the data for the next time")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "CASE", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, name, url = options.one
        print(json.dumps(vars(WAYS[way](next(case for case in CASES if case.name == name), url))))
        return 0
    for program in ("prometheus", "promtool", "curl"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not on PATH; on Debian: apt-get install prometheus curl")
    folder = options.folder / ("quick" if options.quick else "full")
    runs = options.runs or (3 if options.quick else 5)
    lines: list[Line] = []
    with world.served(world.QUICK if options.quick else world.FULL, folder) as url:
        for case in CASES:
            if not options.cases or case.name in options.cases:
                lines += measure(case, url, runs=runs)
    return told(lines)


if __name__ == "__main__":
    sys.exit(main())
