"""What the worker exposes: jobs, LLM, database, quality, and the queue gauges that only its own loop refreshes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import REPLAY_LINGERS, SCHEMA_VERSION, Era, Lives, Processes, eras
from tutordex_analysis.source.simulator.queue import History
from tutordex_analysis.source.simulator.series import (
    At,
    Family,
    Series,
    Total,
    constant,
    counters,
    histograms,
)
from tutordex_analysis.source.simulator.world import World

JOB_BOUNDS = (0.25, 0.5, 1, 2, 5, 10, 20, 45, 90, 180, 300, 600)
_STAGE_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 45, 90, 180)
_LLM_BOUNDS = (0.25, 0.5, 1, 2, 5, 10, 20, 45, 90, 180, 300)
_DATABASE_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20)
_MODEL = "lfm2-8b-a1b"
_MISSING = {"signals_subjects": 0.13, "postal_code": 0.16, "signals_levels": 0.054, "academic_display_text": 0.01}
_INCONSISTENT = {"headline_ib_no_signal": 0.006, "headline_igcse_no_signal": 0.003}
_MENTIONS = {"extracted": 1.0, "low_confidence": 0.18, "unmapped": 0.05}  # tutor types a stored assignment
_STOCK = {"ok": 21_840, "failed": 412}  # rows of the first version that are older than the world
_GAUGE_SECONDS, _CLAIM_SECONDS, _REQUEUE_SECONDS = 15.0, 2.4, 60.0


def worker(world: World, incidents: Sequence[Incident], alive: Processes, history: History) -> list[Family]:
    """The families of the worker, without sends and process metrics."""
    attempts = _labelled(history.attempts)
    live, replayed = attempts[~attempts["replay"]], attempts[attempts["replay"]]
    main = eras(world, alive.worker, alive.releases)
    families = _jobs(world, live, main) + _quality(world, live, main) + _idle_calls(history, main)
    families += _queue(world, live, history, main, _STOCK) + version_gauges("worker", main)
    for one in incidents:
        if one.kind == "replay":
            era = _replay_era(one, alive.worker)
            families += _jobs(world, replayed, [era])
            families += _queue(world, replayed, history, [era], {"ok": 0, "failed": 0})
    return families


def _labelled(attempts: pd.DataFrame) -> pd.DataFrame:
    return attempts.assign(at=attempts["left"], model=_MODEL, seconds=attempts["left"] - attempts["begun"])


def _replay_era(one: Incident, lives: Lives) -> Era:
    """A replay's series stay until the worker is restarted, some time after its end."""
    low, high = one.span
    labels = {"pipeline_version": f"historical_full_{one.start:%Y-%m-%d}_v1", "schema_version": SCHEMA_VERSION}
    return Era(labels=labels, lives=lives.clip(low, high + REPLAY_LINGERS))


def _jobs(world: World, attempts: pd.DataFrame, main: list[Era]) -> list[Family]:
    done = attempts[attempts["status"] != ""].sort_values("at")
    called = done[done["called"]]
    stale = attempts[(attempts["status"] == "") & np.isfinite(attempts["claimed"])].sort_values("at")
    failed = done[done["reason"] != ""]
    success = done[(done["status"] == "ok") & (done["kind"] == "single")]
    stored = done[done["store_seconds"] > 0].assign(operation="persist")
    reads = done.assign(operation="get:telegram_messages_raw")
    patches = done.assign(operation="patch:telegram_extractions")
    calls = pd.concat([stored, reads, patches] if world.detailed else [stored]).sort_values("at")
    stages = _stages(world, done) if world.detailed else done.iloc[:0].assign(stage="", took=0.0)
    return [
        counters("worker_jobs_processed_total", done, ["status"], main),
        counters("worker_parse_success_total", success, ["channel"], main),
        counters("worker_parse_failure_total", failed, ["channel", "reason"], main),
        histograms(
            "worker_job_latency_seconds", done, [], main, value="seconds", bounds=JOB_BOUNDS, created=world.detailed
        ),
        histograms("worker_job_stage_latency_seconds", stages, ["stage"], main, value="took", bounds=_STAGE_BOUNDS),
        histograms(
            "worker_llm_call_latency_seconds",
            called[called["llm_ok"]],
            [],
            main,
            value="llm_seconds",
            bounds=_LLM_BOUNDS,
            created=world.detailed,
        ),
        counters("worker_llm_requests_total", called, ["model"], main),
        counters("worker_llm_fail_total", called[~called["llm_ok"]], [], main),
        counters("worker_supabase_requests_total", calls, ["operation"], main),
        histograms(
            "worker_supabase_latency_seconds",
            stored,
            ["operation"],
            main,
            value="store_seconds",
            bounds=_DATABASE_BOUNDS,
        ),
        counters(
            "worker_supabase_fail_total", stored[stored["reason"] == "supabase_persist_failed"], ["operation"], main
        ),
        counters("worker_requeued_stale_jobs_total", stale, [], main),
    ]


def _stages(world: World, done: pd.DataFrame) -> pd.DataFrame:
    """Time by stage: loading takes milliseconds, validation less, and the rest is the LLM and the store."""
    called, stored = done[done["called"]], done[(done["store_seconds"] > 0) & (done["kind"] == "single")]
    noise = world.rng("stages").lognormal(0, 0.5, len(done))
    return _merged(
        [
            done.assign(stage="load_raw", took=0.03 * noise),
            called.assign(stage="llm", took=called["llm_seconds"]),
            called.assign(stage="validate", took=0.012 * noise[done["called"].to_numpy()]),
            stored.assign(stage="persist", took=stored["store_seconds"]),
        ]
    )


def _quality(world: World, attempts: pd.DataFrame, main: list[Era]) -> list[Family]:
    """Absent fields and contradictions, once a persisted job; tutor types with labels that carry no information."""
    final = attempts["status"].isin(["ok", "failed"]) & (attempts["kind"] == "single")
    checked = attempts[final].sort_values("at")
    stored = checked[checked["status"] == "ok"]
    rng = world.rng("quality")
    factor = checked["channel"].map({one.name: one.missing for one in world.channels}).to_numpy(dtype=float)
    fields = list(_MISSING) if world.detailed else list(_MISSING)[:2]
    absent = [checked[rng.uniform(0, 1, len(checked)) < _MISSING[name] * factor].assign(field=name) for name in fields]
    kinds = [
        checked[rng.uniform(0, 1, len(checked)) < share].assign(kind=name) for name, share in _INCONSISTENT.items()
    ][: 2 if world.detailed else 1]
    families = [
        counters("assignment_quality_missing_field_total", _merged(absent), ["field", "channel"], main),
        counters("assignment_quality_inconsistency_total", _merged(kinds), ["kind", "channel"], main),
    ]
    nothing = {"channel": "unknown", "pipeline_version": "-", "schema_version": "-"}
    low, high = main[0].lives.starts[0], main[-1].lives.ends[-1]
    whole = Lives(np.concatenate([era.lives.starts for era in main]), np.concatenate([era.lives.ends for era in main]))
    for name, share in list(_MENTIONS.items())[: 3 if world.detailed else 1]:
        part = stored[rng.uniform(0, 1, len(stored)) < share]
        era = Era(labels=nothing, lives=whole.clip(low, high))
        families.append(counters(f"worker_tutor_types_{name}_total", part, [], [era]))
    return families


def _merged(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts).sort_values("at", kind="stable")


def _idle_calls(history: History, main: list[Era]) -> list[Family]:
    """Polling dominates the database calls: a claim every two seconds, ages and stale rows more seldom."""
    busy = history.batches.to_numpy()
    waits = busy[:, 1] - busy[:, 0]
    edges, paused = busy.ravel(), np.column_stack([np.cumsum(waits) - waits, np.cumsum(waits)]).ravel()

    def ticking(period: float) -> At:
        def idle(t: Floats) -> Floats:
            return t - (np.interp(t, edges, paused) if len(edges) else 0.0)

        def at(t: Floats, since: Floats) -> Floats:
            count = np.floor((idle(t) - idle(since)) / period)
            return np.where(count > 0, count, np.nan)

        return at

    series = []
    for era in main:
        unversioned = {"operation": "get:telegram_extractions"}  # the age look-ups carry no version
        for labels, period in (
            ({"operation": "rpc:claim_telegram_extractions"} | era.labels, _CLAIM_SECONDS),
            ({"operation": "rpc:requeue_stale_extractions"} | era.labels, _REQUEUE_SECONDS),
            (unversioned, _GAUGE_SECONDS / 2),
        ):
            series.append(
                Series(name="worker_supabase_requests_total", labels=labels, at=ticking(period), lives=era.lives)
            )
    return [Family(name="worker_supabase_requests_total", kind="counter", series=tuple(series))]


def _queue(
    world: World, attempts: pd.DataFrame, history: History, main: list[Era], stock: Mapping[str, int]
) -> list[Family]:
    """Queue gauges as the worker's loop last saw them: after a claim, or every 15 s while it is idle."""
    seen = _refreshes(world, history)
    claimed, left = np.sort(attempts["claimed"].to_numpy()), attempts["left"].to_numpy()
    enqueued, created = attempts["enqueued"].to_numpy(), attempts["created"].to_numpy()
    entered, gone, passed = np.sort(enqueued), np.sort(left), np.maximum.accumulate(left) if len(left) else left

    def last(t: Floats) -> Floats:
        return seen[np.maximum(np.searchsorted(seen, t, side="right") - 1, 0)]

    def count(times: Floats, t: Floats) -> Floats:
        return np.searchsorted(times, t, side="right").astype(float)

    def age(low: Floats, high: Floats, u: Floats) -> Floats:
        oldest = _least(created, low.astype(np.intp), high.astype(np.intp))
        return np.where(high > low, u - oldest, 0.0)

    looks: dict[str, Total] = {
        "queue_pending": lambda u: count(entered, u) - count(claimed, u),
        "queue_processing": lambda u: count(claimed, u) - count(gone, u),
        "queue_oldest_pending_age_seconds": lambda u: age(count(claimed, u), count(entered, u), u),
        "queue_oldest_processing_age_seconds": lambda u: age(count(passed, u), count(claimed, u), u),
    }
    families = []
    for i, era in enumerate(main):
        values = dict(looks)
        for status in ("ok", "failed"):
            times = np.sort(attempts.loc[attempts["status"] == status, "left"].to_numpy())
            older = stock[status] if i == 0 else 0
            values[f"queue_{status}"] = _stock(times, older, era)
        for name, value in values.items():
            decimals = 1 if name.endswith("seconds") else 0
            series = Series(name=name, labels=era.labels, at=_seen(value, last), lives=era.lives, decimals=decimals)
            families.append(Family(name=name, kind="gauge", series=(series,)))
    return families


def _seen(value: Total, last: Total) -> At:
    """A gauge that shows what the last look saw, and nothing before the first look of this life."""

    def at(t: Floats, since: Floats) -> Floats:
        moments = last(t)
        return np.where(moments >= since, value(moments), np.nan)

    return at


def _stock(times: Floats, older: int, era: Era) -> Total:
    """Finished rows of one version: they outlive the process."""
    start = era.lives.starts[0] if len(era.lives.starts) else 0.0
    before = np.searchsorted(times, start, side="right")
    return lambda u: older + np.searchsorted(times, u, side="right") - before


def _refreshes(world: World, history: History) -> Floats:
    """When the worker's loop looks at the queue; never inside a batch."""
    claims, until = history.batches["claimed"].to_numpy(), history.batches["until"].to_numpy()
    grid = np.arange(world.first + 3.0, world.last, _GAUGE_SECONDS)
    batch = np.searchsorted(claims, grid, side="right") - 1
    inside = (batch >= 0) & (grid < until[np.maximum(batch, 0)]) if len(claims) else batch >= 0
    return np.union1d(grid[~inside], claims)


def _least(values: Floats, low: np.ndarray, high: np.ndarray) -> Floats:
    """The least of values[low:high] for each pair; undefined where it is empty."""
    pairs = np.column_stack([low, np.maximum(low, high)]).ravel()
    return np.minimum.reduceat(np.append(values, np.inf), pairs)[::2]


def version_gauges(component: str, main: list[Era]) -> list[Family]:
    """The two info gauges of a component: constant 1, the version in a label."""
    families = []
    for what in ("pipeline_version", "schema_version"):
        name = f"{component}_{what}"
        series = tuple(
            Series(name=name, labels={"version": era.labels[what]}, at=constant(1), lives=era.lives) for era in main
        )
        families.append(Family(name=name, kind="gauge", series=series))
    return families
