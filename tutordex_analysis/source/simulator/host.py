"""The targets around the stack: node_exporter, Prometheus itself, cAdvisor and the blackbox probes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import Lives, Processes
from tutordex_analysis.source.simulator.queue import History
from tutordex_analysis.source.simulator.series import (
    At,
    Family,
    Target,
    Total,
    constant,
    counter,
    cumulative,
    gauge,
)
from tutordex_analysis.source.simulator.services import process
from tutordex_analysis.source.simulator.world import DAY, HOUR, MONTH, SGT, World, rhythm, wobble

_GIB = 1 << 30
_RAM = 16 * _GIB
_KNOT = 600.0
_LLM_CORES = 0.8  # share of every core while the LLM answers
_UPTIME = 41 * DAY
_RETENTION_BYTES = 1.9e9
_RENEWED_EVERY, _VALID = 60 * DAY, 90 * DAY
_DISKS = {  # mount point: device, size, share used at the end of the world, growth a day
    "/": ("/dev/sda2", 118 * _GIB, 0.56, 0.0012),
    "/data": ("/dev/sdb1", 236 * _GIB, 0.74, 0.0033),
}
_SERVICES = {  # compose service: memory in MiB, cores used, bytes a second in
    "aggregator-worker": (240, 0.03, 900),
    "collector-tail": (130, 0.008, 1500),
    "backend": (190, 0.015, 2400),
    "redis": (22, 0.003, 350),
    "prometheus": (420, 0.02, 5200),
    "grafana": (180, 0.006, 700),
}
_COMPOSE = "container_label_com_docker_compose_service"
_PHASES = {"connect": 0.004, "processing": 0.021, "resolve": 0.002, "tls": 0.012, "transfer": 0.001}


def host(world: World, incidents: Sequence[Incident], alive: Processes, history: History) -> list[Target]:
    """Everything that is not the stack's own code."""
    return [
        Target(
            labels={"job": "node_exporter", "instance": "node-exporter:9100"},
            lives=alive.host,
            offset=12.375,
            families=tuple(_node(world, alive.host, history)),
            seconds=0.035,
        ),
        Target(
            labels={"job": "prometheus", "instance": "prometheus:9090"},
            lives=alive.prometheus,
            offset=1.875,
            families=tuple(_prometheus(world, alive.prometheus)),
            seconds=0.006,
        ),
        Target(
            labels={"job": "cadvisor", "instance": "cadvisor:8080"},
            lives=alive.host,
            offset=5.625,
            families=tuple(_containers(world, alive)),
            seconds=0.09,
        ),
        *_probes(world, incidents, alive),
    ]


def disk_full(world: World) -> dict[str, pd.Timestamp]:
    """When each file system has no space left if its growth goes on."""
    return {
        mount: pd.Timestamp(round(world.last + np.log(1 / used) / growth * DAY), unit="s", tz="UTC")
        for mount, (_, _, used, growth) in _DISKS.items()
    }


def _node(world: World, lives: Lives, history: History) -> list[Family]:
    families = [*_cpu(world, lives, history), *_load(world, lives, history)]
    families.append(gauge("node_memory_MemTotal_bytes", constant(_RAM), lives))
    families.append(gauge("node_memory_MemAvailable_bytes", lambda t, since: _available(world, t), lives))
    for mount, (device, size, used, growth) in _DISKS.items():
        labels = {"device": device, "fstype": "ext4", "mountpoint": mount}
        families.append(gauge("node_filesystem_size_bytes", constant(size), lives, labels=labels))
        families.append(
            gauge("node_filesystem_avail_bytes", _free(world, mount, size, used, growth), lives, labels=labels)
        )
    for disk, share in (("sda", 0.006), ("sdb", 0.014))[: 2 if world.detailed else 1]:
        busy = _drifting(world, f"io {disk}", share, night=0.35)
        families.append(
            counter("node_disk_io_time_seconds_total", cumulative(busy), lives, decimals=3, labels={"device": disk})
        )
    for device, rate in (("eth0", 21_000.0), ("lo", 4_000.0))[: 2 if world.detailed else 1]:
        for way, share in (("receive", 1.0), ("transmit", 0.55)):
            total = _drifting(world, f"{way} {device}", rate * share, demand=0.8)
            name = f"node_network_{way}_bytes_total"
            families.append(counter(name, cumulative(total), lives, labels={"device": device}))
    families.append(gauge("node_boot_time_seconds", constant(round(world.first - _UPTIME)), lives))
    return families


def _cpu(world: World, lives: Lives, history: History) -> list[Family]:
    """Seconds of each core by mode: they add up to the time since boot, and the LLM is what works hardest."""
    llm = _llm_busy(history)
    cores = 4 if world.detailed else 2
    families = []
    for core in range(cores):
        modes: dict[str, Total] = {
            "user": _plus(_drifting(world, f"user {core}", 0.035, demand=0.6), llm, _LLM_CORES * 0.94),
            "system": _plus(_drifting(world, f"system {core}", 0.014, demand=0.5), llm, _LLM_CORES * 0.06),
            "iowait": _drifting(world, f"iowait {core}", 0.003, night=0.04),
        }
        if world.detailed:
            modes["softirq"] = _drifting(world, f"softirq {core}", 0.002, demand=0.5)
        modes["idle"] = _idle(world, list(modes.values()))
        for mode, total in modes.items():
            at = cumulative(total)
            families.append(
                counter("node_cpu_seconds_total", at, lives, decimals=2, labels={"cpu": str(core), "mode": mode})
            )
    return families


def _llm_busy(history: History) -> Total:
    """Seconds during which the LLM answered, up to a moment; exact, since there is one slot."""
    calls = history.attempts[history.attempts["called"]]
    begun, took = calls["begun"].to_numpy(), calls["llm_seconds"].to_numpy()
    edges = np.column_stack([begun, begun + took]).ravel()
    busy = np.column_stack([np.cumsum(took) - took, np.cumsum(took)]).ravel()
    return lambda t: np.interp(t, edges, busy) if len(edges) else np.zeros(len(t))


def _plus(base: Total, more: Total, factor: float) -> Total:
    return lambda t: base(t) + factor * more(t)


def _idle(world: World, modes: list[Total]) -> Total:
    return lambda t: (t - world.first + _UPTIME) - sum((mode(t) for mode in modes), np.zeros(len(t)))


def _load(world: World, lives: Lives, history: History) -> list[Family]:
    llm = _llm_busy(history)

    def load(minutes: float) -> At:
        def at(t: Floats, since: Floats) -> Floats:
            busy = (llm(t) - llm(t - 60 * minutes)) / (60 * minutes)
            return 0.25 + 3.4 * busy + 0.08 * np.abs(wobble(world, "load", t, 60 * minutes))

        return at

    minutes = (1, 5, 15) if world.detailed else (1,)
    return [gauge(f"node_load{one}", load(one), lives, decimals=2) for one in minutes]


def _available(world: World, t: Floats) -> Floats:
    used = 9.3 + 0.35 * (t - world.first) / MONTH + 0.12 * rhythm(world, t) + 0.15 * wobble(world, "memory", t, HOUR)
    return np.rint((_RAM - np.clip(used, 1, 15.5) * _GIB) / 4096) * 4096


def _free(world: World, mount: str, size: int, used: float, growth: float) -> At:
    """Free bytes: exponential growth, and what a weekly clean-up on Sunday night gives back."""

    def at(t: Floats, since: Floats) -> Floats:
        level = used * np.exp(growth * (t - world.last) / DAY)
        week = ((t + SGT - 4 * DAY + DAY) % (7 * DAY)) / (7 * DAY) - 0.5  # -0.5 right after the clean-up
        level = level * (1 + growth * 2.5 * week) + 0.0003 * wobble(world, f"disk {mount}", t, 2 * HOUR)
        return np.rint(size * (1 - np.clip(level, 0, 1)) / 4096) * 4096

    return at


def _drifting(world: World, key: str, rate: float, *, demand: float = 0.0, night: float = 0.0) -> Total:
    """A total that grows at `rate` a second, give or take, more with demand, and with a backup at 3 at night."""
    knots = np.arange(world.first - HOUR, world.last + 2 * _KNOT, _KNOT)
    shape = np.exp(0.25 * wobble(world, key, knots, HOUR))
    if demand:
        shape *= 1 - demand + demand * rhythm(world, knots)
    rates = rate * shape + night * (np.abs((knots + SGT) % DAY - 3.25 * HOUR) < 900)
    totals = np.concatenate([[0.0], np.cumsum(rates[:-1] * _KNOT)])
    return lambda t: np.interp(t, knots, totals)


def _prometheus(world: World, lives: Lives) -> list[Family]:
    def series(t: Floats, since: Floats) -> Floats:
        return np.rint(9_400 + 120 * (t - since) / DAY % 900 + 40 * wobble(world, "head", t, 2 * HOUR))

    def blocks(t: Floats, since: Floats) -> Floats:
        return np.rint(_RETENTION_BYTES * (1 + 0.06 * ((t / (2 * HOUR)) % 1) + 0.01 * wobble(world, "tsdb", t, DAY)))

    def took(t: Floats, since: Floats) -> Floats:
        return 0.004 * np.exp(0.2 * wobble(world, "rules", t, 300))

    def memory(t: Floats, since: Floats) -> Floats:
        return np.rint((380 + 60 * ((t / (2 * HOUR)) % 1) + 5 * wobble(world, "rss", t, HOUR)) * 256) * 4096

    group = {"rule_group": "/etc/prometheus/recording_rules.yml;tutordex-recording"}
    own = process(lives, _drifting(world, "prometheus", 0.021), memory, constant(61))
    tsdb = [
        gauge("prometheus_tsdb_head_series", series, lives),
        gauge("prometheus_tsdb_storage_blocks_bytes", blocks, lives),
    ]
    if not world.detailed:
        return [*own[2:3], *tsdb]
    return [
        *own,
        *tsdb,
        gauge("prometheus_rule_group_last_duration_seconds", took, lives, decimals=6, labels=group),
        counter("prometheus_rule_evaluation_failures_total", constant(0), lives, labels=group),
        gauge("prometheus_config_last_reload_successful", constant(1), lives),
        counter("prometheus_notifications_dropped_total", constant(0), lives),
    ]


def _containers(world: World, alive: Processes) -> list[Family]:
    """A few compose services; a release recreates a container, so it comes back under a new id."""
    lives = {"aggregator-worker": alive.worker, "collector-tail": alive.collector, "backend": alive.backend}
    families = [
        gauge("machine_memory_bytes", constant(_RAM), alive.host),
        gauge("machine_cpu_cores", constant(4 if world.detailed else 2), alive.host),
    ]
    edges = [world.first, *alive.releases.tolist(), world.last]
    for name, (mib, cores, rate) in list(_SERVICES.items())[: 6 if world.detailed else 1]:
        own = lives.get(name, alive.host)
        for low, high in pairwise(edges) if name in lives else [(edges[0], edges[-1])]:
            part = own.clip(low, high)
            container = f"/system.slice/docker-{zlib.crc32(f'{name} {low:.0f}'.encode()):08x}.scope"
            labels = {"id": container, "name": f"tutordex-prod-{name}-1", _COMPOSE: name}
            families += _container(world, name, part, labels, mib, cores, rate)
    return families


def _container(
    world: World, name: str, lives: Lives, labels: dict[str, str], mib: float, cores: float, rate: float
) -> list[Family]:
    def memory(t: Floats, since: Floats) -> Floats:
        grown = mib * (1 + 0.1 * (1 - np.exp(-(t - since) / DAY)) + 0.02 * wobble(world, f"memory {name}", t, HOUR))
        return np.rint(grown * 256) * 4096

    cpu = cumulative(_drifting(world, f"container {name}", cores, demand=0.7))
    found = [
        counter("container_cpu_usage_seconds_total", cpu, lives, decimals=3, labels=labels | {"cpu": "total"}),
        gauge("container_memory_working_set_bytes", memory, lives, labels=labels),
    ]
    if world.detailed:
        received = cumulative(_drifting(world, f"network {name}", rate, demand=0.8))
        found.append(
            counter("container_network_receive_bytes_total", received, lives, labels=labels | {"interface": "eth0"})
        )
        found.append(gauge("container_start_time_seconds", lambda t, since: np.floor(since), lives, labels=labels))
    return found


def _probes(world: World, incidents: Sequence[Incident], alive: Processes) -> list[Target]:
    """Two health probes from inside; the one of the dependencies fails while the database refuses."""
    refused = [one.span for one in incidents if one.kind == "database_refuses"]
    targets = []
    for path, offset, spans in (("/health", 8.75, []), ("/health/dependencies", 13.125, refused)):
        labels = {"job": "blackbox_http_public", "instance": f"https://api.tutordex.example{path}"}
        labels |= {"public_host": "api.tutordex.example", "probe_route": "lan_sni"}
        families = _probe(world, path, alive, spans)
        targets.append(Target(labels=labels, lives=alive.host, offset=offset, families=tuple(families), seconds=0.05))
    return targets if world.detailed else targets[:1]


def _probe(world: World, path: str, alive: Processes, refused: list[tuple[float, float]]) -> list[Family]:
    def works(t: Floats) -> np.ndarray:
        good = alive.backend.index(t) >= 0
        for low, high in refused:
            good &= (t < low) | (t >= high)
        return good

    def success(t: Floats, since: Floats) -> Floats:
        return works(t).astype(float)

    def status(t: Floats, since: Floats) -> Floats:
        return np.where(alive.backend.index(t) < 0, 502.0, np.where(works(t), 200.0, 503.0))

    def lasting(seconds: float) -> At:
        return lambda t, since: seconds * np.exp(0.3 * wobble(world, f"probe {path}", t, 120))

    def expiry(t: Floats, since: Floats) -> Floats:
        return np.floor(t / _RENEWED_EVERY) * _RENEWED_EVERY + _VALID

    families = [
        gauge("probe_success", success, alive.host),
        gauge("probe_duration_seconds", lasting(sum(_PHASES.values())), alive.host, decimals=4),
    ]
    if not world.detailed:
        return families
    for phase, seconds in _PHASES.items():
        name, labels = "probe_http_duration_seconds", {"phase": phase}
        families.append(gauge(name, lasting(seconds), alive.host, decimals=5, labels=labels))
    families.append(gauge("probe_http_status_code", status, alive.host))
    families.append(gauge("probe_ssl_earliest_cert_expiry", expiry, alive.host))
    return families
