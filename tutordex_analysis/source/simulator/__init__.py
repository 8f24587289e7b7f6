"""OpenMetrics of a stack that does not exist: any length, any step, with the truth of what was planted beside it.

What happens is simulated once, for the whole world; series are then functions of time that are written in pieces. So
memory holds the events (about half a megabyte a day) and one series of one piece, however long the world is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from tutordex_analysis.errors import SourceError
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.source.simulator.host import disk_full, host
from tutordex_analysis.source.simulator.incidents import Incident, Truth, plan, read_truth, write_truth
from tutordex_analysis.source.simulator.lives import Processes, processes
from tutordex_analysis.source.simulator.queue import happen
from tutordex_analysis.source.simulator.scrape import write_piece
from tutordex_analysis.source.simulator.series import Target
from tutordex_analysis.source.simulator.services import services
from tutordex_analysis.source.simulator.world import World

__all__ = ["Incident", "Truth", "World", "plan", "read_truth", "simulate", "targets"]

Progress: TypeAlias = Callable[[int, int], None]
PIECE = "240h"


def simulate(
    world: World,
    folder: Path,
    *,
    piece: Span = PIECE,
    progress: Progress | None = None,
    written: Callable[[Path], None] | None = None,
) -> Truth:
    """Write a world as OpenMetrics files, in order of time, and `truth.json` beside them.

    Args:
        world: What to simulate.
        folder: Made where it does not exist; files of the same names are replaced.
        piece: Length of a file; each starts at a multiple of it since 1970. The samples do not depend on it.
        progress: Called with the number of files done and their total.
        written: Called with each file once it is complete; it may import and remove it.

    Returns:
        The truth, with the files in order; promtool imports them one by one.

    Raises:
        SourceError: A file cannot be written.
    """
    incidents = plan(world)
    alive = processes(world, incidents)
    scraped = targets(world, incidents, alive)
    edges = _edges(world, piece)
    samples, series, files = 0, set[str](), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for i, (low, high) in enumerate(edges):
            path = folder / f"{low:010.0f}.om"
            with path.open("wb") as file:
                count, names = write_piece(file, world, scraped, alive.prometheus, low, high)
            samples, series = samples + count, series | names
            files.append(path)
            if written:
                written(path)
            if progress:
                progress(i + 1, len(edges))
        truth = Truth(
            incidents=incidents, samples=samples, series=len(series), files=tuple(files), disk_full=disk_full(world)
        )
        write_truth(truth, folder / "truth.json")
    except OSError as error:
        raise SourceError(f"the simulated world cannot be written to {folder}: {error.strerror}") from error
    return truth


def targets(world: World, incidents: Sequence[Incident], alive: Processes) -> list[Target]:
    """Everything that Prometheus scrapes in this world."""
    history = happen(world, incidents, alive)
    return services(world, incidents, alive, history) + host(world, incidents, alive, history)


def _edges(world: World, piece: Span) -> list[tuple[float, float]]:
    """The pieces that the world touches, aligned to multiples of their length since 1970."""
    length = duration(piece).total_seconds()
    low, found = world.first // length * length, []
    while low < world.last:
        found.append((low, low + length))
        low += length
    return found
