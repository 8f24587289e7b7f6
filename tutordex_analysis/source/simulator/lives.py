"""From start to exit: when each simulated process lives, and under which pipeline version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.world import DAY, HOUR, World

FIRST_VERSION = "2026-01-02_det_time_v1"
SCHEMA_VERSION = "2026-01-01"
REPLAY_LINGERS = 2 * HOUR  # then the worker is restarted without it, and the replay's series are gone
_DEPLOY_SECONDS = (25.0, 70.0)


@dataclass(frozen=True, eq=False)
class Lives:
    """The lives of a process: half-open, in order, never overlapping.

    Attributes:
        starts: Unix seconds, shape (n,).
        ends: Unix seconds, shape (n,).
    """

    starts: Floats
    ends: Floats

    def index(self, moments: Floats) -> npt.NDArray[np.intp]:
        """Which life each moment falls into, -1 between two lives."""
        found = np.searchsorted(self.starts, moments, side="right") - 1
        alive = (found >= 0) & (moments < self.ends[np.maximum(found, 0)]) if len(self.starts) else found >= 0
        return np.where(alive, found, -1)

    def clip(self, low: float, high: float) -> Lives:
        """What of the lives lies in [low, high)."""
        starts, ends = np.maximum(self.starts, low), np.minimum(self.ends, high)
        return Lives(starts[starts < ends], ends[starts < ends])

    def gaps(self) -> list[tuple[float, float]]:
        """Between two lives: from the end of one to the start of the next."""
        return list(zip(self.ends[:-1].tolist(), self.starts[1:].tolist(), strict=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Era:
    """The lives of a process under one pipeline version, with the labels that they give to its series."""

    labels: dict[str, str]
    lives: Lives


@dataclass(frozen=True, eq=False, kw_only=True)
class Processes:
    """Everything that lives and dies in the stack."""

    collector: Lives
    worker: Lives
    backend: Lives
    host: Lives
    prometheus: Lives
    releases: Floats


def processes(world: World, incidents: Sequence[Incident]) -> Processes:
    """Ordinary restarts, those that incidents bring, and releases."""
    releases = np.array([one.span[0] for one in incidents if one.kind == "version_bump"])
    spans = {kind: [one.span for one in incidents if one.kind == kind] for kind in ("collector_silent", "worker_hung")}
    after = [one.span[1] + REPLAY_LINGERS for one in incidents if one.kind == "replay"]
    loops = [cut for one in incidents if one.kind == "database_refuses" for cut in _loop(world, *one.span)]
    fixed = [(moment, moment + 40.0) for moment in releases.tolist()]
    quiet = world.first + 0.04 * (world.last - world.first)
    return Processes(
        collector=_lives(
            world, "collector", 13 * DAY, fixed + [(end - 20, end) for _, end in spans["collector_silent"]]
        ),
        worker=_lives(
            world,
            "worker",
            9 * DAY,
            [
                *fixed,
                *loops,
                *((end - 20, end) for _, end in spans["worker_hung"]),
                *((end, end + 30) for end in after),
            ],
        ),
        backend=_lives(world, "backend", 16 * DAY, fixed),
        host=Lives(np.array([world.first]), np.array([world.last])),
        prometheus=_lives(world, "prometheus", 45 * DAY, [], seconds=(200.0, 420.0), quiet=quiet),
        releases=releases,
    )


def eras(world: World, lives: Lives, releases: Floats) -> list[Era]:
    """The lives of collector or worker by pipeline version, oldest first."""
    edges = [world.first, *releases.tolist(), world.last]
    found = []
    for i, (low, high) in enumerate(pairwise(edges)):
        found.append(Era(labels=version_labels(low if i else None, number=i + 1), lives=lives.clip(low, high)))
    return found


def version_labels(release: float | None, *, number: int) -> dict[str, str]:
    """The labels pipeline_version and schema_version after a release, or before the first one."""
    name = FIRST_VERSION
    if release is not None:
        name = f"{pd.Timestamp(release, unit='s', tz='Asia/Singapore'):%Y-%m-%d}_v{number}"
    return {"pipeline_version": name, "schema_version": SCHEMA_VERSION}


def _loop(world: World, low: float, high: float) -> list[tuple[float, float]]:
    """The cuts of a process that exits and is restarted again and again."""
    rng = world.rng(f"restart loop {low:.0f}")
    cuts, moment = [], low
    while moment < high:
        back = moment + rng.uniform(6, 75)
        cuts.append((moment, min(back, high + 5)))
        moment = back + rng.uniform(8, 40)
    return cuts


def _lives(
    world: World,
    name: str,
    every: float,
    cuts: list[tuple[float, float]],
    *,
    seconds: tuple[float, float] = _DEPLOY_SECONDS,
    quiet: float | None = None,
) -> Lives:
    """Lives that `cuts` and ordinary restarts separate; a restart that would fall into another cut is left out."""
    rng = world.rng(f"restarts of {name}")
    low = world.first if quiet is None else quiet
    moments = np.sort(rng.uniform(low, world.last, rng.poisson((world.last - low) / every)))
    ordinary = [(moment, moment + rng.uniform(*seconds)) for moment in moments.tolist()]
    kept: list[tuple[float, float]] = sorted(cuts)
    for down, up in ordinary:
        if all(up + 60 < low or high + 60 < down for low, high in kept):
            kept.append((down, up))
    kept.sort()
    starts = [world.first, *(up for _, up in kept)]
    ends = [*(down for down, _ in kept), world.last]
    return Lives(np.array(starts), np.array(ends)).clip(world.first, world.last)
