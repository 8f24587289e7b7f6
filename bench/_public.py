"""The public forecasting tasks and their scorer, from the folder that `TUTORDEX_BENCHMARKS` names."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tutordex_analysis.frame import Floats

Scorer: TypeAlias = Any  # the module score.py of that folder
QUARTERS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """One forecast to make.

    Attributes:
        name: Of the series and its cutoff.
        frame: The training rows as a frame of one series; instants that are not known are hours from 2024 on.
        actual: What came, shape (horizon,), NaN where nothing was read.
        seasons: In rows.
        scale_season: Rows of the season that scales the errors.
        naive_season: Rows of the season that the opponent repeats.
        country: Calendar of the series, or None.
    """

    name: str
    frame: pd.DataFrame
    actual: Floats
    seasons: tuple[int, ...]
    scale_season: int
    naive_season: int
    country: str | None

    @property
    def y(self) -> Floats:
        """The training rows."""
        return self.frame["y"].to_numpy()


def folder() -> Path:
    """Where the public data are.

    Raises:
        SystemExit: The variable is not set or names no such folder.
    """
    found = os.environ.get("TUTORDEX_BENCHMARKS", "")
    if not found or not (Path(found) / "score.py").is_file():
        raise SystemExit("set TUTORDEX_BENCHMARKS to the folder of the public benchmarks, the one with score.py")
    return Path(found)


def scorer() -> Scorer:
    """The scorer that came with the data."""
    path = folder() / "score.py"
    spec = importlib.util.spec_from_file_location("public_score", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tasks(score: Scorer, name: str, *, every: int = 1) -> Iterator[Task]:
    """The tasks of a set; of M4 each `every`-th series."""
    step = "D" if name == "daily" else "h"
    for one in score.tasks(name, every):
        y = np.asarray(one["y"], dtype=np.float64)
        start = pd.Timestamp(one["ds"][0]).floor(step)
        grid = pd.date_range(start, periods=len(y), freq=step, tz="UTC")
        yield Task(
            name=one["task"],
            frame=pd.DataFrame({"unique_id": pd.Categorical(["y"] * len(y)), "ds": grid, "y": y}),
            actual=np.asarray(one["actual"], dtype=np.float64),
            seasons=tuple(one["seasons"]),
            scale_season=one["m"],
            naive_season=one["naive_season"],
            country=one["country"],
        )


def scored(score: Scorer, wanted: Mapping[str, Task], answers: Mapping[str, Floats]) -> pd.DataFrame:
    """One row a task.

    It has mase, spl, smape, cov80, cov95 as the scorer gives them, `rel` to the seasonal naive, and the coverage of
    each quarter of the horizon, `q1_80` to `q4_95`.

    Args:
        score: The scorer.
        wanted: Tasks by name.
        answers: Quantiles by name, shape (n_quantiles, horizon) in the order of `score.QUANTILES`.
    """
    rows = []
    for name, task in wanted.items():
        q = np.sort(answers[name], axis=0)
        naive = score.seasonal_naive(task.y, len(task.actual), task.naive_season)
        base = score.task_scores(naive, task.actual, task.y, task.scale_season)["spl"]
        row = score.task_scores(q, task.actual, task.y, task.scale_season)
        rel = float(np.clip((row["spl"] + 1e-9) / (base + 1e-9), 0.05, 20))
        rows.append({"task": name, **row, "rel": rel, **_by_quarter(q, task.actual)})
    return pd.DataFrame(rows)


def _by_quarter(q: Floats, actual: Floats) -> dict[str, float]:
    found = {}
    for i in range(QUARTERS):
        part = slice(i * len(actual) // QUARTERS, (i + 1) * len(actual) // QUARTERS)
        there = ~np.isnan(actual[part])
        y = actual[part][there]
        for level, low, high in ((80, 1, -2), (95, 0, -1)):
            inside = (y >= q[low, part][there]) & (y <= q[high, part][there])
            found[f"q{i + 1}_{level}"] = float(inside.mean()) if len(y) else float("nan")
    return found


def prophet_defaults(task: Task, quantiles: Floats) -> Floats:
    """Prophet as it comes, with the country's holidays where the task has one; shape (n_quantiles, horizon)."""
    import logging
    import warnings

    for name in ("prophet", "cmdstanpy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from prophet import Prophet

        logging.getLogger("cmdstanpy").disabled = True
        model = Prophet()
        if task.country:
            model.add_country_holidays(task.country)
        history = task.frame.assign(ds=task.frame["ds"].dt.tz_localize(None))[["ds", "y"]]
        step = history["ds"].iloc[1] - history["ds"].iloc[0]
        future = pd.date_range(history["ds"].iloc[-1] + step, periods=len(task.actual), freq=step)
        np.random.seed(0)  # noqa: NPY002 - Prophet draws from numpy's global generator
        model.fit(history, seed=1)
        drawn = np.asarray(model.predictive_samples(pd.DataFrame({"ds": future}))["yhat"])
    found: Floats = np.quantile(drawn, quantiles, axis=1)
    return found
