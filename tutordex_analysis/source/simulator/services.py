"""The targets of the stack itself: collector, worker and backend, with their process metrics and permanent zeros."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import Era, Lives, Processes, eras
from tutordex_analysis.source.simulator.queue import History
from tutordex_analysis.source.simulator.sends import sends
from tutordex_analysis.source.simulator.series import (
    At,
    Family,
    Series,
    Target,
    Total,
    constant,
    counter,
    counters,
    cumulative,
    gauge,
    histograms,
    started,
)
from tutordex_analysis.source.simulator.worker import version_gauges, worker
from tutordex_analysis.source.simulator.world import DAY, HOUR, MONTH, World, rhythm, wobble

_COLLECTOR_ERRORS_A_DAY = 0.6
_ERRORS = ("raw_tail_new_failed", "raw_tail_edit_failed", "raw_tail_delete_failed")
_API_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
_API_REQUESTS_A_DAY = 2_400.0
_API = (  # method, path, weight, median seconds
    ("GET", "/assignments", 0.44, 0.060),
    ("GET", "/assignments/facets", 0.20, 0.035),
    ("GET", "/me", 0.09, 0.012),
    ("GET", "/me/tutor", 0.06, 0.018),
    ("POST", "/analytics/event", 0.08, 0.015),
    ("POST", "/me/assignments/match-counts", 0.05, 0.120),
    ("POST", "/track", 0.04, 0.006),
    ("PUT", "/me/tutor", 0.01, 0.030),
    ("GET", "/assignments/{id}/duplicates", 0.02, 0.040),
    ("GET", "{scanner}", 0.01, 0.003),
)
_SCANNED = ("/wp-login.php", "/.env", "/robots.txt", "/favicon.ico", "/xmlrpc.php", "/admin.php")
_PATHS_OF_A_TEST = ("/assignments", "/assignments/facets", "/me")
_TIMED = ("/assignments", "/assignments/facets", "/me/assignments/match-counts")
_API_FAILS, _API_FAILS_REFUSED, _API_SLOWER = 0.0005, 0.35, 6.0
_TICKS = (("/metrics", 15.0), ("/health", 60.0), ("/health/dependencies", 60.0))
_FLAT_GAUGES = (
    "tutordex_assignments_created_per_hour",
    "tutordex_tutors_with_active_dm_subscriptions",
    "tutordex_tutors_with_profiles",
    "tutordex_tutors_with_telegram_linked",
    "tutordex_assignments_with_parsed_rate",
    "tutordex_assignments_with_location",
    "tutordex_average_matches_per_assignment",
)
_FLAT_COUNTERS = ("tutordex_broadcast_skipped_duplicate_total", "tutordex_dm_skipped_duplicate_total")
_MIB = 1 << 20


def services(world: World, incidents: Sequence[Incident], alive: Processes, history: History) -> list[Target]:
    """Collector, worker and backend as Prometheus scrapes them."""
    seen, done = history.seen["at"].to_numpy(), np.sort(history.attempts["left"].to_numpy())
    requests = _requests(world, incidents, alive)
    asked = requests["at"].to_numpy()
    return [
        _target(
            "collector",
            "tutordex_collector",
            "collector-tail:9001",
            3.125,
            alive.collector,
            [
                *_collector(world, alive, history),
                *_process(world, "collector", alive.collector, _work(seen, 0.05), 96),
                *_zeros(world, alive.collector),
            ],
        ),
        _target(
            "worker",
            "tutordex_worker",
            "aggregator-worker:9002",
            7.5,
            alive.worker,
            [
                *worker(world, incidents, alive, history),
                *sends(world, incidents, alive, history),
                *_process(world, "worker", alive.worker, _work(done, 0.9), 210),
                *_zeros(world, alive.worker),
            ],
        ),
        _target(
            "backend",
            "tutordex_backend",
            "backend:8000",
            10.25,
            alive.backend,
            [
                *_backend(alive.backend, requests, world),
                *_process(world, "backend", alive.backend, _work(asked, 0.02), 155),
            ],
        ),
    ]


def process(lives: Lives, cpu: Total, memory: At, files: At) -> list[Family]:
    """What the client library tells of its own process; `cpu` is a total in seconds."""
    return [
        counter("process_cpu_seconds_total", cumulative(cpu), lives, decimals=2),
        gauge("process_resident_memory_bytes", memory, lives),
        gauge("process_start_time_seconds", started, lives, decimals=2),
        gauge("process_open_fds", files, lives),
    ]


def _target(component: str, job: str, instance: str, offset: float, lives: Lives, families: list[Family]) -> Target:
    labels = {"job": job, "instance": instance, "component": component}
    return Target(labels=labels, lives=lives, offset=offset, families=tuple(families))


def _process(world: World, name: str, lives: Lives, work: Total, base_mib: float) -> list[Family]:
    """A Python process: CPU of its work and a little for idling, memory that settles and then leaks slowly."""

    def cpu(t: Floats) -> Floats:
        return 0.006 * (t - world.first) + work(t)

    def memory(t: Floats, since: Floats) -> Floats:
        age = t - since
        grown = 40 * (1 - np.exp(-age / (6 * HOUR))) + 2.5 * age / DAY + 3 * wobble(world, f"rss {name}", t, HOUR)
        return np.rint((base_mib + grown) * _MIB / 4096) * 4096

    def files(t: Floats, since: Floats) -> Floats:
        return np.asarray(22 + np.rint(2 * np.abs(wobble(world, f"fds {name}", t, 900))))

    return process(lives, cpu, memory, files)


def _work(times: Floats, seconds: float) -> Total:
    """CPU seconds of so many events."""
    return lambda t: np.asarray(seconds * np.searchsorted(times, t), dtype=float)


def _zeros(world: World, lives: Lives) -> list[Family]:
    """Unlabelled metrics that nothing ever updates: collector and worker share the module that declares them."""
    gauges = [gauge(name, constant(0), lives) for name in (_FLAT_GAUGES if world.detailed else _FLAT_GAUGES[:1])]
    return gauges + [counter(name, constant(0), lives) for name in (_FLAT_COUNTERS if world.detailed else ())]


def _collector(world: World, alive: Processes, history: History) -> list[Family]:
    main = eras(world, alive.collector, alive.releases)
    seen = history.seen
    rng = world.rng("collector errors")
    days = (world.last - world.first) / DAY
    count = rng.poisson(_COLLECTOR_ERRORS_A_DAY * days)
    chosen = history.upserted.sample(min(count, len(history.upserted)), random_state=rng).sort_values("at")
    errors = chosen.assign(reason=rng.choice(_ERRORS, len(chosen), p=[0.6, 0.35, 0.05]))
    return [
        counters("collector_messages_seen_total", seen, ["channel"], main),
        counters("collector_messages_upserted_total", history.upserted, ["channel"], main),
        counters("collector_errors_total", errors, ["channel", "reason"], main),
        _last_message(seen, main),
        *version_gauges("collector", main),
    ]


def _last_message(seen: pd.DataFrame, main: list[Era]) -> Family:
    """Time of the post handled last, not of the newest: catch-up reads backwards."""
    series = []
    for channel, part in seen.groupby("channel", sort=True):
        at = _latest(part["at"].to_numpy(), np.floor(part["posted"].to_numpy()))
        series += [
            Series(
                name="collector_last_message_timestamp_seconds",
                labels={"channel": str(channel)} | era.labels,
                at=at,
                lives=era.lives,
            )
            for era in main
        ]
    return Family(name="collector_last_message_timestamp_seconds", kind="gauge", series=tuple(series))


def _latest(times: Floats, values: Floats) -> At:
    def at(t: Floats, since: Floats) -> Floats:
        index = np.searchsorted(times, t, side="right") - 1
        known = np.maximum(index, 0)
        return np.where((index >= 0) & (times[known] > since), values[known], np.nan)

    return at


def _requests(world: World, incidents: Sequence[Incident], alive: Processes) -> pd.DataFrame:
    """Requests of people and of scanners: at, method, path, status_code, seconds; none while the backend is down."""
    rng = world.rng("requests")
    minutes = np.arange(np.floor(world.first), world.last, 60.0)
    growth = (1 + world.growth_per_month) ** ((minutes - world.first) / MONTH)
    counts = rng.poisson(_API_REQUESTS_A_DAY / 1440 * rhythm(world, minutes) * growth)
    at = np.sort(np.repeat(minutes, counts) + rng.uniform(0, 60, int(counts.sum())))
    at = at[(alive.backend.index(at) >= 0) & (at < world.last)]
    weights = np.array([weight for _, _, weight, _ in _API])
    which = rng.choice(len(_API), len(at), p=weights / weights.sum())
    refused = np.zeros(len(at), dtype=bool)
    for one in incidents:
        if one.kind == "database_refuses":
            refused |= (at >= one.span[0]) & (at < one.span[1])
    seconds = rng.lognormal(np.log(np.array([median for *_, median in _API])[which]), 0.7)
    paths = np.array([path for _, path, _, _ in _API], dtype=object)[which]
    scans, twins = paths == "{scanner}", paths == "/assignments/{id}/duplicates"
    paths[scans] = rng.choice(_SCANNED, int(scans.sum()))
    paths[twins] = [f"/assignments/{number}/duplicates" for number in rng.choice((4187, 5209, 5316), int(twins.sum()))]
    return pd.DataFrame(
        {
            "at": at,
            "method": np.array([method for method, *_ in _API], dtype=object)[which],
            "path": paths,
            "status_code": _statuses(rng.uniform(0, 1, len(at)), paths, scans, refused),
            "seconds": seconds * np.where(refused, _API_SLOWER, 1.0),
        }
    )


def _statuses(luck: Floats, paths: np.ndarray, scans: np.ndarray, refused: np.ndarray) -> np.ndarray:
    codes = np.full(len(luck), "200", dtype=object)
    codes[(paths == "/me") & (luck > 0.93)] = "401"
    codes[(paths == "/assignments") & (luck > 0.997)] = "422"
    codes[scans] = "404"
    codes[~scans & (luck < np.where(refused, _API_FAILS_REFUSED, _API_FAILS))] = "500"
    return codes


def _backend(lives: Lives, requests: pd.DataFrame, world: World) -> list[Family]:
    main = [Era(labels={}, lives=lives)]
    by = ["method", "path", "status_code"]
    log = requests if world.detailed else requests[requests["path"].isin(_PATHS_OF_A_TEST)]
    timed = requests[requests["path"].isin(_TIMED if world.detailed else _TIMED[:1])]
    swallowed = requests[(requests["status_code"] == "500")].assign(context="supabase_rpc", exception_type="APIError")
    return [
        counters("backend_http_requests_total", log, by, main),
        *_ticks(lives),
        histograms(
            "backend_http_request_latency_seconds",
            timed,
            ["method", "path"],
            main,
            value="seconds",
            bounds=_API_BOUNDS,
        ),
        counters("backend_swallowed_exceptions_total", swallowed, ["context", "exception_type"], main),
    ]


def _ticks(lives: Lives) -> list[Family]:
    """Scrapes and probes are requests too, thousands a day."""

    def ticking(period: float) -> At:
        def at(t: Floats, since: Floats) -> Floats:
            count = np.floor(t / period) - np.floor(since / period)
            return np.where(count > 0, count, np.nan)

        return at

    return [
        counter(
            "backend_http_requests_total",
            ticking(period),
            lives,
            labels={"method": "GET", "path": path, "status_code": "200"},
        )
        for path, period in _TICKS
    ]
