"""What goes wrong in a simulated world, when, and how it is told afterwards: the truth beside the data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tutordex_analysis.errors import SourceError
from tutordex_analysis.moment import instant
from tutordex_analysis.source.simulator.world import DAY, HOUR, SGT, World, public_holidays

_EVERY_DAYS = 4.0  # the first eight incidents lie at least so far apart, later ones three times as far


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One pattern of trouble.

    Attributes:
        hours: Shortest and longest duration.
        local: Earliest and latest local hour of its start.
        affected: Metrics (or label sets) that show it.
        description: One sentence for a reader of the truth.
        is_incident: Whether a detector should speak up.
    """

    hours: tuple[float, float]
    local: tuple[float, float]
    affected: tuple[str, ...]
    description: str
    is_incident: bool = True


KINDS = {
    "collector_silent": Kind(
        hours=(4, 9),
        local=(9, 15),
        affected=("collector_messages_seen_total", "collector_last_message_timestamp_seconds", "queue_pending"),
        description="The collector's session is lost: no channel gives a message although the target is up; its "
        "restart is followed by a catch-up burst and by falsely stale channels.",
    ),
    "channel_format_change": Kind(
        hours=(48, 96),
        local=(8, 18),
        affected=("worker_parse_failure_total", "worker_parse_success_total"),
        description="One channel changes its format: most of its posts fail as invalid JSON or by schema, the other "
        "channels stay normal.",
    ),
    "llm_down": Kind(
        hours=(1.5, 3),
        local=(11, 20),
        affected=("worker_llm_fail_total", "worker_parse_failure_total", "worker_llm_call_latency_seconds"),
        description="The LLM server is down: connections fail, the circuit opens, jobs fail fast, and the latency "
        "histogram of successful calls stands still.",
    ),
    "llm_slow": Kind(
        hours=(4, 8),
        local=(10, 17),
        affected=("worker_job_stage_latency_seconds", "worker_job_latency_seconds", "queue_pending"),
        description="The LLM answers ten times slower, some calls run into the 200 s timeout; throughput falls, the "
        "queue and its age grow.",
    ),
    "database_refuses": Kind(
        hours=(0.75, 2),
        local=(10, 20),
        affected=("up", "worker_jobs_processed_total", "queue_pending", "backend_http_requests_total"),
        description="The database refuses RPC calls: the worker exits and restarts in a loop, its counters vanish, "
        "queue gauges flicker, the API answers with 5xx.",
    ),
    "telegram_rate_limit": Kind(
        hours=(1.5, 3),
        local=(19, 20),
        affected=("dm_rate_limited_total", "dm_fail_total", "broadcast_fail_total"),
        description="Telegram answers 429 in the evening hours of direct messages; broadcasts are written to the "
        "fallback file.",
    ),
    "replay": Kind(
        hours=(12, 20),
        local=(10, 14),
        affected=("worker_jobs_processed_total", "worker_llm_requests_total", "queue_pending"),
        description="Old messages are replayed under a pipeline version of their own: ten times the volume, nothing "
        "is sent, live jobs wait behind them.",
    ),
    "worker_hung": Kind(
        hours=(3, 7),
        local=(10, 17),
        affected=("worker_jobs_processed_total", "queue_pending", "queue_oldest_pending_age_seconds"),
        description="The worker hangs: its target is up, its counters stand still, the queue gauges freeze at their "
        "last value; a restart ends it.",
    ),
    "version_bump": Kind(
        hours=(0.1, 0.1),
        local=(14, 15),
        affected=("worker_pipeline_version", "collector_pipeline_version"),
        description="A release: every labelled series of collector and worker restarts under a new pipeline version.",
        is_incident=False,
    ),
}
_QUIET = "A public holiday: low volume that is expected."
_ORDER = tuple(name for name, kind in KINDS.items() if kind.is_incident)


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that was planted, with its truth.

    Attributes:
        kind: A name in `KINDS`, or "quiet_holiday".
        start: First moment, UTC.
        end: First moment at which its cause is gone; a backlog may last longer.
        is_incident: False for releases and holidays, which a detector should let pass.
        affected: Metrics that show it.
        description: One sentence.
        channel: The one channel concerned, "" where it is not about one.
    """

    kind: str
    start: pd.Timestamp
    end: pd.Timestamp
    is_incident: bool
    affected: tuple[str, ...]
    description: str
    channel: str = ""

    @property
    def span(self) -> tuple[float, float]:
        """Start and end in unix seconds."""
        return self.start.timestamp(), self.end.timestamp()


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulation wrote and what is true in it.

    Attributes:
        incidents: In order of time.
        samples: Written, in all files.
        series: Distinct series written.
        files: OpenMetrics files in order of time; empty after `read_truth`.
        disk_full: For each mount point when it will have no space left if its growth goes on; growth is exponential.
    """

    incidents: tuple[Incident, ...]
    samples: int
    series: int
    files: tuple[Path, ...]
    disk_full: dict[str, pd.Timestamp]


def write_truth(truth: Truth, path: Path) -> None:
    """The truth as JSON: incidents, counts, and when the disks fill."""
    incidents = [asdict(one) | {"start": _iso(one.start), "end": _iso(one.end)} for one in truth.incidents]
    full = {mount: _iso(moment) for mount, moment in truth.disk_full.items()}
    facts = {"samples": truth.samples, "series": truth.series, "disk_full": full, "incidents": incidents}
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_truth(path: Path) -> Truth:
    """The truth that `write_truth` wrote."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    incidents = tuple(
        Incident(
            **one | {"start": instant(one["start"]), "end": instant(one["end"]), "affected": tuple(one["affected"])}
        )
        for one in facts["incidents"]
    )
    full = {mount: instant(moment) for mount, moment in facts["disk_full"].items()}
    return Truth(incidents=incidents, samples=facts["samples"], series=facts["series"], files=(), disk_full=full)


def plan(world: World) -> tuple[Incident, ...]:
    """The world's incidents, releases and quiet holidays, in order of time.

    The range after the calm at its start is cut into as many equal slots as there are incidents, one
    in each; so the last slot lies in the last 14 days.

    Raises:
        SourceError: A kind that is not known.
    """
    kinds = _default_kinds(world) if world.incidents == "default" else world.incidents
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise SourceError(f"there is no incident {unknown[0]!r}; the kinds are {', '.join(KINDS)}")
    rng = world.rng("incidents")
    edges = np.linspace(world.first + world.calm_seconds, world.last, len(kinds) + 1)
    planted = [_place(world, kind, edges[i], edges[i + 1], rng) for i, kind in enumerate(kinds)]
    if world.incidents == "default":
        planted += _releases(world, planted, rng)
    return tuple(sorted(planted + _holidays(world), key=lambda one: (one.start, one.kind)))


def _default_kinds(world: World) -> tuple[str, ...]:
    days = (world.last - world.first) / DAY
    many = len(_ORDER) * _EVERY_DAYS
    count = max(1, round(min(days, many) / _EVERY_DAYS + max(0.0, days - many) / (3 * _EVERY_DAYS)))
    rng = world.rng("order of incidents")
    rounds = [rng.permutation(_ORDER) for _ in range(-(-count // len(_ORDER)))]
    return tuple(str(kind) for kind in np.concatenate(rounds)[:count])


def _place(world: World, name: str, low: float, high: float, rng: np.random.Generator) -> Incident:
    """One incident inside its slot, at one of its hours of the day where the slot has such an hour."""
    kind = KINDS[name]
    length = min(rng.uniform(*kind.hours) * HOUR, 0.6 * (high - low))
    start = low + rng.uniform(0, 1) * max(0.0, high - low - length)
    day = np.floor((start + SGT) / DAY) * DAY - SGT
    hour = rng.uniform(*kind.local) * HOUR
    fitting = [t for t in (day + hour, day + DAY + hour, day - DAY + hour) if low <= t <= high - length]
    channel = world.channels[int(rng.integers(1, 4))].name if name == "channel_format_change" else ""
    return _incident(name, fitting[0] if fitting else start, length, channel)


def _incident(name: str, start: float, length: float, channel: str = "") -> Incident:
    kind = KINDS[name]
    first, last = (pd.Timestamp(round(moment), unit="s", tz="UTC") for moment in (start, start + length))
    return Incident(
        kind=name,
        start=first,
        end=last,
        is_incident=kind.is_incident,
        affected=kind.affected,
        description=kind.description,
        channel=channel,
    )


def _releases(world: World, planted: Sequence[Incident], rng: np.random.Generator) -> list[Incident]:
    """About one release a month, on a day without an incident, never in the calm first fifth of a short world."""
    days = (world.last - world.first) / DAY
    found = []
    for i in range(round(days / 30)):
        start = world.first + (i + 0.6) * days / round(days / 30) * DAY
        start = np.floor((start + SGT) / DAY) * DAY - SGT + rng.uniform(14, 15) * HOUR
        busy = [one.span for one in planted if one.kind != "channel_format_change"]
        while any(low - 12 * HOUR < start < high + 12 * HOUR for low, high in busy):
            start += DAY
        if start < world.last - DAY:
            found.append(_incident("version_bump", start, KINDS["version_bump"].hours[0] * HOUR))
    return found


def _holidays(world: World) -> list[Incident]:
    """The public holidays that lie wholly inside the world."""
    low, high = (pd.Timestamp(moment + SGT, unit="s") for moment in (world.first, world.last))
    found = []
    for day, name in public_holidays(low.date(), high.date()).items():
        start = pd.Timestamp(day, tz="Asia/Singapore").tz_convert("UTC").as_unit("ms")
        end = start + pd.Timedelta("1D")
        if world.range.start <= start and end <= world.range.end:
            found.append(
                Incident(
                    kind="quiet_holiday",
                    start=start,
                    end=end,
                    is_incident=False,
                    affected=("collector_messages_seen_total",),
                    description=f"{name}. {_QUIET}",
                )
            )
    return found


def _iso(moment: pd.Timestamp) -> str:
    return moment.isoformat().replace("+00:00", "Z")
