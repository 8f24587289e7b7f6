"""One worker and one LLM slot: a single-server queue, simulated job by job.

What comes out is a log. Queue gauges, latencies and counters are all counted from it, so they agree with each other.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import Processes
from tutordex_analysis.source.simulator.posts import Posts, Slice, Span, posts
from tutordex_analysis.source.simulator.world import DAY, World

_BATCH = 10
_STALE_SECONDS = 900.0
_POLL_SECONDS = 2.0
_CATCH_UP_PACE = 0.15  # seconds a post
_LLM_TIMEOUT, _LLM_SLOWER = 200.0, 16.0
_CIRCUIT_FAILURES, _CIRCUIT_SECONDS = 5, 60.0
_FAILURES = (("llm_invalid_json", 0.010), ("llm_bad_response", 0.002), ("schema_validation_failed", 0.012))
_STORE_FAILS = 0.002
_BROKEN_FORMAT = (("llm_invalid_json", 0.42), ("schema_validation_failed", 0.28))
_SEND_SECONDS, _SEND_SECONDS_LIMITED = 0.3, 2.5
_SENDS_OFF = 0.2  # share of the world before broadcasts and direct messages are switched on


@dataclass(frozen=True, eq=False, kw_only=True)
class History:
    """The log of a world; times are unix seconds, each table in order of its first column.

    Attributes:
        seen: New posts that the collector handled: at, channel, posted. Catch-up reads some of them twice.
        upserted: Rows written to the raw store: at, channel.
        attempts: One row an attempt, in order of the claims: claimed, enqueued, created, begun, left, channel, kind,
            status ("" where the worker died over it), reason, replay, called, llm_ok, llm_seconds, store_seconds,
            fresh (sends are due), recipients. Never claimed: claimed is inf.
        batches: One row a batch: claimed, until; between the two the worker's loop does not come round.
    """

    seen: pd.DataFrame
    upserted: pd.DataFrame
    attempts: pd.DataFrame
    batches: pd.DataFrame


class _Ticket(NamedTuple):
    enqueued: float
    number: int
    job: int
    created: float
    tries: int


class _Result(NamedTuple):
    status: str
    reason: str
    seconds: float
    called: bool = False
    llm_ok: bool = False
    llm_seconds: float = 0.0
    store_seconds: float = 0.0
    fresh: bool = False
    recipients: int = 0


_NOTHING = _Result("", "", 0.0)
_ATTEMPT = {
    **dict.fromkeys(("claimed", "enqueued", "created", "begun", "left"), float),
    **{"channel": int, "kind": object, "replay": bool, "status": object, "reason": object, "called": bool},
    **{"llm_ok": bool, "llm_seconds": float, "store_seconds": float, "fresh": bool, "recipients": int},
}  # columns, also those of a world in which nothing happens


def happen(world: World, incidents: Sequence[Incident], alive: Processes) -> History:
    """Everything that happens between the first post and the last attempt."""
    wanted = posts(world, incidents, alive.collector)
    caught: list[tuple[float, int]] = []
    batches: list[tuple[float, float]] = []
    attempts = pd.DataFrame(_serve(world, incidents, alive, wanted, caught, batches), columns=list(_ATTEMPT))
    jobs, count = wanted.jobs, wanted.count
    live = jobs[:count][wanted.heard[:count]].rename(columns={"arrival": "at"})
    late = jobs.iloc[[post for _, post in caught]].assign(at=np.array([at for at, _ in caught], dtype=float))
    seen = pd.concat([live, late], ignore_index=True)[["at", "channel", "posted"]]
    edits = jobs[jobs["edit"]].rename(columns={"arrival": "at"})
    return History(
        seen=_ordered(world, seen, "at"),
        upserted=_ordered(world, pd.concat([seen, edits], ignore_index=True)[["at", "channel"]], "at"),
        attempts=_ordered(world, attempts.astype(_ATTEMPT), "claimed"),
        batches=pd.DataFrame(batches, columns=["claimed", "until"], dtype=float),
    )


def sends_start(world: World) -> float:
    """When broadcasts and direct messages are switched on, unix seconds; before it their series are absent."""
    return world.first + _SENDS_OFF * (world.last - world.first)


def _serve(
    world: World,
    incidents: Sequence[Incident],
    alive: Processes,
    wanted: Posts,
    caught: list[tuple[float, int]],
    batches: list[tuple[float, float]],
) -> Iterator[dict[str, Any]]:
    """Attempts in order of the claims; notes what the catch-up read as (at, row number), and the batches."""
    jobs: list[Any] = list(wanted.jobs.itertuples(index=False))
    heap = [_Ticket(jobs[i].arrival, i, i, jobs[i].created, 0) for i in np.flatnonzero(wanted.heard).tolist()]
    heapq.heapify(heap)
    waiting = deque(wanted.slices)
    closed, handle, polls = _Closed(incidents, alive), _Handler(world, incidents), world.rng("polls")
    free = world.first
    while (heap or waiting) and free < world.last:
        if waiting and (not heap or heap[0].enqueued > max(free, waiting[0].ready)):
            _insert(heap, waiting.popleft(), free, caught)
            continue
        if heap[0].enqueued > free:
            free = heap[0].enqueued + polls.uniform(0, _POLL_SECONDS)
        claimed = free = closed.opens(free)
        for ticket in _claim(heap, free):
            job = jobs[ticket.job]
            result = handle(job, free, ticket.tries)
            left = free + result.seconds
            again = closed.cuts(free, left)
            if again is None:
                tries = ticket.tries + 1
            else:  # the worker dies or hangs over this job: its row is stale, and queued again after 15 minutes
                left, result, tries = max(claimed + _STALE_SECONDS, again + 5.0), _NOTHING, ticket.tries
            yield _row(ticket, job, result, claimed, free, left)
            if again is not None or result.status == "requeued":
                heapq.heappush(heap, ticket._replace(enqueued=left, tries=tries))
            free = left if again is None else free
        free = free if again is None else again
        batches.append((claimed, free))
    for ticket in sorted(heap):
        yield _row(ticket, jobs[ticket.job], _NOTHING, np.inf, np.inf, np.inf)


def _claim(heap: list[_Ticket], now: float) -> list[_Ticket]:
    """The rows that waited longest, at most ten."""
    batch: list[_Ticket] = []
    while heap and heap[0].enqueued <= now and len(batch) < _BATCH:
        batch.append(heapq.heappop(heap))
    return batch


def _insert(heap: list[_Ticket], piece: Slice, free: float, caught: list[tuple[float, int]]) -> None:
    """Read one slice of the catch-up: newest post first, a job for each that was not seen before."""
    at = max(free, piece.ready)
    for post in piece.posts:
        at += _CATCH_UP_PACE
        caught.append((at, post))
        if post in piece.fresh:
            heapq.heappush(heap, _Ticket(at, post, post, at, 0))


def _row(ticket: _Ticket, job: Any, result: _Result, claimed: float, begun: float, left: float) -> dict[str, Any]:  # noqa: ANN401 - a row of itertuples
    return {
        "claimed": claimed,
        "enqueued": ticket.enqueued,
        "created": ticket.created,
        "begun": begun,
        "left": left,
        "channel": job.channel,
        "kind": job.kind,
        "replay": job.replay,
        **result._asdict(),
    }


class _Closed:
    """When the worker does no work: it is dead, the database refuses its claims, or it hangs over a batch."""

    def __init__(self, incidents: Sequence[Incident], alive: Processes) -> None:
        hung = [(*one.span, True) for one in incidents if one.kind == "worker_hung"]
        refused = [(*one.span, False) for one in incidents if one.kind == "database_refuses"]
        dead = [(low, high, False) for low, high in alive.worker.gaps()]
        merged: list[tuple[float, float, bool]] = []
        for low, high, hangs in sorted([*hung, *refused, *dead]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]), merged[-1][2])
            else:
                merged.append((low, high, hangs))
        self._spans = deque(merged)

    def opens(self, moment: float) -> float:
        """The next claim at or after `moment`; a worker that is about to hang still claims. Never goes back."""
        while self._spans and self._spans[0][1] <= moment:
            self._spans.popleft()
        if not self._spans or moment < self._spans[0][0]:
            return moment
        _, high, hangs = self._spans[0]
        return moment if hangs else high

    def cuts(self, begun: float, left: float) -> float | None:
        """When the worker works again if its work stops before a job is done, else None."""
        if not self._spans or left <= self._spans[0][0]:
            return None
        return self._spans[0][1] if begun < self._spans[0][1] else None


class _Handler:
    """What becomes of a job: skipped, stored, or failed for a reason; remembers the LLM's circuit breaker."""

    def __init__(self, world: World, incidents: Sequence[Incident]) -> None:
        def spans(kind: str) -> list[Span]:
            return [one.span for one in incidents if one.kind == kind]

        self._down, self._slow, self._limited = spans("llm_down"), spans("llm_slow"), spans("telegram_rate_limit")
        names = [one.name for one in world.channels]
        changed = [one for one in incidents if one.kind == "channel_format_change"]
        self._changed = [(names.index(one.channel), one.span) for one in changed]
        self._sends_start = sends_start(world)
        self._in_row, self._circuit_until = 0, -np.inf

    def __call__(self, job: Any, now: float, tries: int) -> _Result:  # noqa: ANN401 - a row of itertuples
        if tries:  # the store failed before: the next claim raises the counter again and gives up
            return _Result("failed", "max_attempts", 0.05)
        if job.kind == "skip":
            return _Result("skipped", "", 0.05 + 0.2 * job.luck)
        seconds, reason = self._call(job.llm_seconds, now)
        if not reason:
            reason = self._verdict(job, now)
            if reason.startswith("llm_"):
                self._in_row = 0  # an answer came, only a useless one
        ok = not reason.startswith("llm_")
        base: dict[str, Any] = {"called": True, "llm_ok": ok, "llm_seconds": seconds}
        total = 0.06 + seconds + 0.02
        if reason == "supabase_persist_failed":
            return _Result("requeued", reason, total + job.store_seconds, store_seconds=job.store_seconds, **base)
        if reason:
            return _Result("failed", reason, total, **base)
        fresh = now >= self._sends_start and now - job.posted < DAY and not job.edit
        sends = job.recipients if fresh else 0
        pace = _SEND_SECONDS_LIMITED if _within(self._limited, now) else _SEND_SECONDS
        total += job.store_seconds + sends * pace
        return _Result("ok", "", total, store_seconds=job.store_seconds, fresh=fresh, recipients=sends, **base)

    def _call(self, seconds: float, now: float) -> tuple[float, str]:
        """How long the call takes and why it fails, "" where an answer comes."""
        if now < self._circuit_until:
            return 0.01, "llm_circuit_open"
        if _within(self._down, now):
            seconds, reason = min(seconds / 5, 3.0), "llm_connection"
        else:
            seconds *= _LLM_SLOWER if _within(self._slow, now) else 1.0
            reason = "llm_timeout" if seconds > _LLM_TIMEOUT else ""
        self._in_row = self._in_row + 1 if reason else 0
        if self._in_row >= _CIRCUIT_FAILURES:
            self._circuit_until = now + seconds + _CIRCUIT_SECONDS
        return min(seconds, _LLM_TIMEOUT), reason

    def _verdict(self, job: Any, now: float) -> str:  # noqa: ANN401 - a row of itertuples
        changed = any(job.channel == channel and low <= now < high for channel, (low, high) in self._changed)
        luck = job.luck
        for reason, share in _BROKEN_FORMAT if changed else _FAILURES:
            if luck < share:
                return reason
            luck -= share
        return "supabase_persist_failed" if luck < _STORE_FAILS else ""


def _within(spans: Sequence[Span], moment: float) -> bool:
    return any(low <= moment < high for low, high in spans)


def _ordered(world: World, log: pd.DataFrame, by: str) -> pd.DataFrame:
    """A log in order of time, with channels by name."""
    names = np.array([one.name for one in world.channels], dtype=object)
    log = log.sort_values(by, kind="stable", ignore_index=True)
    return log.assign(channel=names[log["channel"].to_numpy(dtype=np.int64)])
