"""Clean seasonal series of known noise, for the alerts that a budget really gives, and level shifts put into some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench._line import Line
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.anomaly import detect, judged
from tutordex_analysis.model.policy import Policy

SERIES, WARM_UP_WEEKS, SCORED_WEEKS, WEEK = 200, 8, 4, 168
SHIFTED, SIGMAS, HOURS = 40, 5.0, 2  # series with a level shift, its height in standard deviations of the noise, length
BUDGETS = (2.0, 10.0)
NOISES = ("white", "lasting", "heavy")  # the targets are for the first; the others say what harder noise costs
HOUR = pd.Timedelta("1h")
START = pd.Timestamp("2026-02-02T00:00:00Z")


@dataclass(frozen=True, kw_only=True, eq=False)
class Clean:
    """Series in which nothing goes wrong.

    Attributes:
        y: Shape (n_series, n_hours).
        sigma: Standard deviation of each series' noise, shape (n_series,).
    """

    y: Floats
    sigma: Floats


def clean(
    seed: int, *, noise: str = "white", n_series: int = SERIES, weeks: int = WARM_UP_WEEKS + SCORED_WEEKS
) -> Clean:
    """Hourly series with a day and a week of mixed strength and shape, and Gaussian noise.

    Args:
        seed: Of everything.
        noise: "white"; "lasting": autoregressive with a coefficient up to .6, and the level of a third of the series
            wanders by up to .03 standard deviations of the noise an hour; "heavy": lasting, and the noise of a third is
            Student's t with 10 or 6 degrees of freedom.
        n_series: How many.
        weeks: How long.
    """
    rng = np.random.default_rng([seed, 17])
    n = weeks * WEEK
    hour = np.arange(n)
    sigma = np.exp(rng.normal(0, 1, (n_series, 1)))
    y = np.zeros((n_series, n))
    for season, most in ((24, 8.0), (WEEK, 4.0)):
        strength = rng.uniform(0, most, (n_series, 1))
        for harmonic in (1, 2, 3):
            weight = strength * rng.uniform(0, 1, (n_series, 1)) / harmonic
            y += weight * np.sin(2 * np.pi * (harmonic * hour / season + rng.random((n_series, 1))))
    y += _noise(rng, n_series, n, noise)
    wanders = (rng.random((n_series, 1)) < 1 / 3) & (noise != "white")
    pace = np.where(wanders, rng.uniform(0, 0.03, (n_series, 1)), 0.0)
    y += np.cumsum(rng.normal(size=(n_series, n)), axis=1) * pace
    level = rng.uniform(20, 100, (n_series, 1))
    return Clean(y=sigma * (level + y), sigma=sigma[:, 0])


def shifted(world: Clean, seed: int) -> tuple[Clean, npt.NDArray[np.int64]]:
    """The same with level shifts of two hours, up or down, in some series; and their first hours, -1 without."""
    rng = np.random.default_rng([seed, 18])
    y, n = world.y.copy(), world.y.shape[1]
    first = np.full(len(y), -1)
    for row in rng.permutation(len(y))[:SHIFTED]:
        first[row] = rng.integers(n - SCORED_WEEKS * WEEK, n - HOURS)
        y[row, first[row] : first[row] + HOURS] += rng.choice([-1, 1]) * SIGMAS * world.sigma[row]
    return Clean(y=y, sigma=world.sigma), first


def frame(world: Clean) -> pd.DataFrame:
    """The series as a frame."""
    n_series, n = world.y.shape
    ds = pd.date_range(START, periods=n, freq="h")
    ids = [f"clean_{i:03}" for i in range(n_series)]
    return pd.DataFrame(
        {
            "unique_id": pd.Categorical(np.repeat(ids, n)),
            "ds": pd.DatetimeIndex(np.tile(ds, n_series)),
            "y": world.y.ravel(),
        }
    )


def budget(*, seeds: int) -> list[Line]:
    """Alerts a week that a budget gives on clean series, and level shifts found under it."""
    lines = []
    print(f"\nbudget: {SERIES} clean hourly series, {WARM_UP_WEEKS} + {SCORED_WEEKS} weeks, {seeds} seeds", flush=True)
    print(
        f"{'noise':8} {'asked':>6} {'alerts a week':>14} {'least':>7} {'most':>7} {'shifts found':>13}   delay in hours"
    )
    for noise in NOISES:
        each = [_seed(seed, noise) for seed in range(seeds)]
        for place, k in enumerate(BUDGETS):
            alerts, found = [one[place][0] for one in each], [len(one[place][1]) / SHIFTED for one in each]
            delays = [hours for one in each for hours in one[place][1]]
            late = ", ".join(f"{hours} h {delays.count(hours) / max(len(delays), 1):.0%}" for hours in range(HOURS))
            numbers = f"{np.mean(alerts):14.2f} {min(alerts):7.2f} {max(alerts):7.2f} {np.mean(found):13.1%}"
            print(f"{noise:8} {k:6g} {numbers}   {late}", flush=True)
            if noise == NOISES[0]:
                lines += _lines(k, float(np.mean(alerts)), float(np.mean(found)))
    return lines


def _seed(seed: int, noise: str) -> list[tuple[float, list[int]]]:
    """Alerts a week, and delays of the shifts that were found, under each budget."""
    world = clean(seed, noise=noise)
    planted, first = shifted(world, seed)
    calm, busy = (detect(frame(one), season_lengths=("1d", "7d")).frame for one in (world, planted))
    since = START + pd.Timedelta(hours=WARM_UP_WEEKS * WEEK)
    result = []
    for k in BUDGETS:
        policy = Policy(alerts_per_week=k)
        runs = judged(calm, HOUR, policy).incidents
        flagged = judged(busy, HOUR, policy).frame["is_anomaly"].to_numpy().reshape(planted.y.shape)
        result.append((int((runs["start"] >= since).sum()) / SCORED_WEEKS, _delays(flagged, first)))
    return result


def _lines(k: float, alerts: float, found: float) -> list[Line]:
    return [
        Line(case="budget", what=f"alerts a week / {k:g} asked for", value=alerts / k, target=1.25, stretch=1.1),
        Line(case="budget", what=f"{SIGMAS:g} σ shifts found at {k:g} a week", value=found, target=0.9, at_most=False),
    ]


def _noise(rng: np.random.Generator, n_series: int, n: int, noise: str) -> Floats:
    """Noise of standard deviation 1."""
    burn = 50
    shock = rng.normal(size=(n_series, n + burn))
    if noise == "white":
        return shock[:, burn:]
    if noise == "heavy":
        degrees = np.array([10.0, 6.0])[rng.integers(0, 2, n_series)]
        chi = np.stack([rng.chisquare(one, n + burn) / one for one in degrees])
        tails = shock / np.sqrt(chi) / np.sqrt(degrees / (degrees - 2))[:, None]
        shock = np.where(rng.random((n_series, 1)) < 1 / 3, tails, shock)
    phi = rng.uniform(0, 0.6, n_series)
    values = np.zeros((n_series, n + burn))
    for t in range(1, n + burn):
        values[:, t] = phi * values[:, t - 1] + np.sqrt(1 - phi**2) * shock[:, t]
    return values[:, burn:]


def _delays(flagged: npt.NDArray[np.bool_], first: npt.NDArray[np.int64]) -> list[int]:
    """Hours from the start of each shift that was found to its first anomaly."""
    rows = np.flatnonzero(first >= 0)
    within = [flagged[row, first[row] : first[row] + HOURS] for row in rows]
    return [int(one.argmax()) for one in within if one.any()]
