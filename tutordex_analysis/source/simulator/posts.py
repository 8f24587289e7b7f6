"""What is posted in the channels and how it reaches the queue: live, as edits, by catch-up, by replay.

A job is one row of the extraction table. Jobs are one table: the posts first, in order of time, then edits and replays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import Lives
from tutordex_analysis.source.simulator.world import DAY, HOUR, MONTH, World, demand

Span: TypeAlias = tuple[float, float]
Flags: TypeAlias = npt.NDArray[np.bool_]

_LLM_MEDIAN_SECONDS, _LLM_SPREAD = 7.5, 0.55  # log-normal; 4 to 12 s is what the bucket layout suggests
_STORE_MEDIAN_SECONDS, _STORE_SPREAD = 0.7, 0.5  # with geocoding
_SKIPPED, _COMPILATION, _EDITED = 0.25, 0.03, 0.08
_EDIT_AFTER_SECONDS = 3 * HOUR
_RECIPIENTS, _MOST_RECIPIENTS = 6.0, 50
_REPLAY_TIMES = 10.0
_SLICE, _OVERLAP, _BEHIND = 6 * HOUR, 600.0, 120.0  # catch-up: length of a slice, overlap, how near it comes to now
_CATCH_UP_STARTS = 8.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """One step of the catch-up, read as soon as the queue is empty.

    Attributes:
        ready: Not before this moment, unix seconds.
        posts: Row numbers of the posts it reads, newest first, those included that were seen before.
        fresh: Row numbers of those that make a job.
    """

    ready: float
    posts: tuple[int, ...]
    fresh: frozenset[int]


@dataclass(frozen=True, eq=False, kw_only=True)
class Posts:
    """Everything that wants to enter the queue.

    Attributes:
        jobs: arrival and created (unix seconds; the queue's view), posted (the message's own time), channel (number),
            kind ("skip", "single", "compilation"), llm_seconds, store_seconds, luck (uniform, decides over failures),
            recipients, edit, replay.
        heard: For every job whether it enters the queue by itself; what the collector missed comes by catch-up.
        count: How many of the jobs are posts; they are the first rows.
        slices: The catch-up, in order of time.
    """

    jobs: pd.DataFrame
    heard: Flags
    count: int
    slices: tuple[Slice, ...]


def posts(world: World, incidents: Sequence[Incident], collector: Lives) -> Posts:
    """All posts of the world with their edits, replays of old ones, and how the collector comes to hear of them."""
    posted, channel = _times(world)
    table = _jobs(world, "jobs", posted, channel)
    silent = [one.span for one in incidents if one.kind == "collector_silent"]
    deaf = [*silent, *collector.gaps()]
    live = ~_inside(posted, deaf)
    edits = _edits(world, table, deaf)
    replays = [_replay(world, *one.span) for one in incidents if one.kind == "replay"]
    later = [part for part in (edits, *replays) if len(part)]
    return Posts(
        jobs=pd.concat([table, *later], ignore_index=True),
        heard=np.concatenate([live, np.ones(sum(map(len, later)), dtype=bool)]),
        count=len(table),
        slices=tuple(_catch_up(collector, silent, posted, live)),
    )


def _times(world: World) -> tuple[Floats, npt.NDArray[np.intp]]:
    """A Poisson process of the world's demand, and the channel of each post by the shares of its time."""
    rng = world.rng("posts")
    minutes = np.arange(np.floor(world.first), world.last, 60.0)
    counts = rng.poisson(demand(world, minutes + 30) * 60)
    posted = np.sort(np.repeat(minutes, counts) + rng.uniform(0, 60, int(counts.sum())))
    posted = posted[posted < world.last - 3]
    shares = np.array([one.share for one in world.channels])
    growth = np.array([1 + one.growth for one in world.channels])
    weights = shares * growth ** ((posted[:, None] - world.first) / MONTH)
    edges = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    return posted, (rng.uniform(0, 1, len(posted))[:, None] > edges[:, :-1]).sum(axis=1)


def _jobs(world: World, purpose: str, posted: Floats, channel: npt.NDArray[np.intp]) -> pd.DataFrame:
    rng, n = world.rng(purpose), len(posted)
    arrival = posted + rng.uniform(0.5, 3.0, n)
    kinds = ["skip", "single", "compilation"]
    return pd.DataFrame(
        {
            "arrival": arrival,
            "created": arrival,
            "posted": posted,
            "channel": channel,
            "kind": rng.choice(kinds, n, p=[_SKIPPED, 1 - _SKIPPED - _COMPILATION, _COMPILATION]),
            "llm_seconds": rng.lognormal(np.log(_LLM_MEDIAN_SECONDS), _LLM_SPREAD, n),
            "store_seconds": rng.lognormal(np.log(_STORE_MEDIAN_SECONDS), _STORE_SPREAD, n),
            "luck": rng.uniform(0, 1, n),
            "recipients": np.minimum(rng.poisson(rng.gamma(2.0, _RECIPIENTS / 2, n)), _MOST_RECIPIENTS),
            "edit": False,
            "replay": False,
        }
    )


def _edits(world: World, table: pd.DataFrame, deaf: Sequence[Span]) -> pd.DataFrame:
    """Posts edited hours later: the row is queued again and keeps its first time of creation."""
    rng, n = world.rng("edits"), len(table)
    later = table["arrival"].to_numpy() + rng.exponential(_EDIT_AFTER_SECONDS, n)
    chosen = (rng.uniform(0, 1, n) < _EDITED) & (later < world.last - 3) & ~_inside(later, deaf)
    return table.assign(
        arrival=later,
        llm_seconds=rng.lognormal(np.log(_LLM_MEDIAN_SECONDS), _LLM_SPREAD, n),
        luck=rng.uniform(0, 1, n),
        recipients=0,
        edit=True,
    )[chosen]


def _replay(world: World, low: float, high: float) -> pd.DataFrame:
    """Messages a month old, at ten times the plain volume and an even pace."""
    rng = world.rng(f"replay {low:.0f}")
    count = rng.poisson(_REPLAY_TIMES * world.messages_per_day * (high - low) / DAY)
    times = np.sort(rng.uniform(low, high, count))
    shares = np.array([one.share for one in world.channels])
    channel = rng.choice(len(shares), count, p=shares / shares.sum())
    table = _jobs(world, f"replayed jobs {low:.0f}", times, channel)
    return table.assign(posted=table["posted"] - 30 * DAY, replay=True)


def _catch_up(collector: Lives, silent: Sequence[Span], posted: Floats, live: Flags) -> list[Slice]:
    """After every restart: from ten minutes before the silence until two minutes behind now, six hours at a time."""
    found = []
    for down, up in collector.gaps():
        since = min([down, *(low for low, high in silent if abs(high - up) < 60)])
        low, taken = since - _OVERLAP, np.zeros(len(posted), dtype=bool)
        while low < up - _BEHIND:
            high = min(low + _SLICE + _OVERLAP, up)
            read = (posted >= low) & (posted < high)
            fresh = read & ~live & ~taken
            taken |= read
            found.append(
                Slice(
                    ready=up + _CATCH_UP_STARTS,
                    posts=tuple(np.flatnonzero(read)[::-1].tolist()),
                    fresh=frozenset(np.flatnonzero(fresh).tolist()),
                )
            )
            low = high - _OVERLAP if high < up else up
    return found


def _inside(moments: Floats, spans: Sequence[Span]) -> Flags:
    inside = np.zeros(len(moments), dtype=bool)
    for low, high in spans:
        inside |= (moments >= low) & (moments < high)
    return inside
