"""Drifting walks against a limit: does the date interval hold, and is the probability worth more than a rule?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats
from tutordex_analysis.model.breach import breach
from tutordex_analysis.model.forecast import forecast

DAY = pd.Timedelta(days=1)
HORIZON = 90
WITHIN = ("7d", "30d", "90d")


@dataclass(frozen=True, kw_only=True, eq=False)
class Walks:
    """Random walks with a drift of their own, cut at the present.

    Attributes:
        history: Shape (n_walks, n_history), a value a day.
        future: Shape (n_walks, HORIZON).
        limit: Shape (n_walks,), above the present.
    """

    history: Floats
    future: Floats
    limit: Floats

    @property
    def crossed(self) -> Floats:
        """Days until each walk first reaches its limit; infinite where not within the horizon."""
        over = self.future >= self.limit[:, None]
        return np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a way to tell the date did.

    Attributes:
        held: Share of walks whose first passage lies in the 80 % interval; one that never crosses counts as held where
            the interval has no end.
        brier: Mean squared error of the probability, over the three times.
    """

    held: float
    brier: float


def walks(n: int, *, n_history: int, seed: int) -> Walks:
    """Walks whose drift is 0.2 to 0.6 of a day's standard deviation, limits 2 to 15 of it away."""
    rng = np.random.default_rng(seed)
    drift = rng.uniform(0.2, 0.6, size=n)
    path = 100 + np.cumsum(rng.normal(size=(n, n_history + HORIZON)) + drift[:, None], axis=1)
    history = path[:, :n_history]
    return Walks(history=history, future=path[:, n_history:], limit=history[:, -1] + rng.uniform(2, 15, size=n))


def ours(world: Walks, *, seed: int = 0) -> tuple[Verdict, Verdict]:
    """`forecast` and `breach`, and the rule that says yes when the upper edge of the 80 % band touches the limit."""
    n, length = world.history.shape
    ids = [f"walk{i:04d}" for i in range(n)]
    grid = pd.date_range("2026-01-01", periods=length, freq=DAY, tz="UTC")
    frame = pd.DataFrame(
        {
            "unique_id": pd.Categorical.from_codes(np.repeat(np.arange(n), length), categories=pd.Index(ids)),
            "ds": np.tile(grid, n),
            "y": world.history.ravel(),
        }
    )
    ahead = forecast(frame, horizon=HORIZON, season_lengths=(), seed=seed)
    found = breach(ahead, limit=dict(zip(ids, world.limit, strict=True)), within=WITHIN, seed=seed)
    dates = [(found.dates[name] - grid[-1]) / DAY for name in ("q0.1", "q0.9")]
    first, last = (np.asarray(one.fillna(np.inf), dtype=np.float64) for one in dates)
    chance = found.frame["probability"].to_numpy().reshape(n, len(WITHIN))
    upper = ahead.frame["q0.9"].to_numpy().reshape(n, HORIZON) >= world.limit[:, None]
    days = [int(pd.Timedelta(one.upper()) / DAY) for one in WITHIN]
    rule = np.stack([upper[:, :k].any(axis=1) for k in days], axis=1).astype(float)
    held = _held(world.crossed, first, last)
    return Verdict(held=held, brier=_brier(world, chance, days)), Verdict(held=held, brier=_brier(world, rule, days))


def knowing(world: Walks, *, n_paths: int = 1000, seed: int = 0) -> Verdict:
    """The best there is, for comparison: it knows that these are walks, and learns drift and size of a step."""
    rng = np.random.default_rng(seed)
    steps = np.diff(world.history, axis=1)
    first, last = np.empty(len(steps)), np.empty(len(steps))
    days = [int(pd.Timedelta(one.upper()) / DAY) for one in WITHIN]
    chance = np.empty((len(steps), len(days)))
    for i, row in enumerate(steps):
        sd = row.std(ddof=1)
        drift = row.mean() + rng.normal(size=n_paths) * sd / np.sqrt(len(row))
        paths = world.history[i, -1] + np.cumsum(drift[:, None] + sd * rng.normal(size=(n_paths, HORIZON)), axis=1)
        over = paths >= world.limit[i]
        passage = np.sort(np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf))
        first[i], last[i] = (passage[int(np.ceil(p * n_paths)) - 1] for p in (0.1, 0.9))
        chance[i] = [(passage <= k).mean() for k in days]
    return Verdict(held=_held(world.crossed, first, last), brier=_brier(world, chance, days))


def _held(crossed: Floats, first: Floats, last: Floats) -> float:
    inside = (crossed >= first) & (crossed <= last)
    return float(np.where(np.isinf(crossed), np.isinf(last), inside & ~np.isinf(first)).mean())


def _brier(world: Walks, chance: Floats, days: list[int]) -> float:
    happened = world.crossed[:, None] <= np.array(days)
    return float(((chance - happened) ** 2).mean())
