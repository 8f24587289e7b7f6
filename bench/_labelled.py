"""Detectors on the public series with labels: one score a row, one threshold for all series."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from bench import _opponents as opponents
from bench import _public as public
from bench._cpu import cpu_seconds
from bench._line import Line
from bench._opponents import Opponent
from bench._public import Scorer
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.anomaly import detect

Corpus: TypeAlias = dict[str, tuple[Any, Floats, list[Any]]]  # name → stamps, y, windows; as the scorer loads it

BUDGETS = {"nab": 0.5, "injected": 0.25, "kpi": 0.5}  # alerts a series-week
SEASONS = ("1d", "7d")


def ours(y: pd.Series) -> Floats:
    """The scores of `detect` for one series."""
    frame = pd.DataFrame(
        {
            "unique_id": pd.Categorical(["y"] * len(y)),
            "ds": pd.DatetimeIndex(y.index).tz_localize("UTC"),
            "y": y.to_numpy(dtype=float),
        }
    )
    return detect(frame, season_lengths=SEASONS).frame["score"].to_numpy(dtype=float)


def scores(score: Scorer, corpus: Corpus, method: Opponent) -> dict[str, Floats]:
    """Scores at the files' own stamps: each series on its grid, read back at the stamps floored to it."""
    found: dict[str, Floats] = {}
    for name, (stamps, y, _) in corpus.items():
        series = score.on_grid(stamps, y)
        grid = pd.DatetimeIndex(series.index)
        rows = grid.get_indexer(pd.DatetimeIndex(stamps).floor(grid[1] - grid[0]))
        found[name] = method(series)[rows]
    return found


def measure(case: str, others: Mapping[str, Opponent]) -> list[Line]:
    """The table of one set, printed, and its lines."""
    score = public.scorer()
    corpus, events = load(score, case)
    rows: dict[str, dict[str, Any]] = {}
    print(f"\n{case}: {len(corpus)} series, {BUDGETS[case]:g} alerts a series-week, CPU seconds of all", flush=True)
    for title, method in {"detect": ours, **others}.items():
        started = cpu_seconds()
        found = scores(score, corpus, method)
        seconds = cpu_seconds() - started
        rows[title] = _judged(score, case, corpus, events, found) | {"seconds": seconds}
        if len(rows) == 1:
            print(
                f"{'':22} "
                + " ".join(f"{key.replace('false_per_week', 'false/wk'):>9}" for key in _numbers(rows[title]))
            )
        print(f"{title:22} " + " ".join(f"{value:9.4g}" for value in _numbers(rows[title]).values()), flush=True)
    for title, row in rows.items():
        if "by_kind" in row:
            print(f"{title:22} " + ", ".join(f"{kind} {value:.2f}" for kind, value in row["by_kind"].items()))
    return _lines(case, rows)


def load(score: Scorer, case: str) -> tuple[Corpus, dict[str, Any]]:
    """The series of a set with their windows, and the events that were put in where they were."""
    if case == "injected":
        corpus, events = score.load_injected()
        return corpus, events
    if case == "nab":
        return score.load_nab(), {}
    table = pd.read_parquet(public.folder() / "anomaly" / "kpi.parquet")
    return {str(name): _with_windows(one) for name, one in table.groupby("unique_id", observed=True)}, {}


def _with_windows(one: pd.DataFrame) -> tuple[Any, Floats, list[Any]]:
    stamps, label = one["ds"].to_numpy(), one["label"].to_numpy() > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], label, [False]]).astype(int)))
    windows = [[stamps[a], stamps[b - 1]] for a, b in edges.reshape(-1, 2)]
    return stamps, one["y"].to_numpy(dtype=float), windows


def _judged(
    score: Scorer, case: str, corpus: Corpus, events: dict[str, Any], found: dict[str, Floats]
) -> dict[str, Any]:
    threshold = score.budget_threshold(corpus, found, BUDGETS[case])
    if case == "injected":
        return {**score.score_injected(corpus, events, found, threshold), "threshold": threshold}
    row = {**score.events(corpus, found, threshold), "threshold": threshold}
    if case == "nab":
        row["best"], row["at"] = score.nab_score(corpus, found)
        row["at budget"] = score.nab_score(corpus, found, threshold=threshold)[0]
    return row


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in row.items() if key != "by_kind"}


def _lines(case: str, rows: dict[str, dict[str, Any]]) -> list[Line]:
    mine = rows["detect"]
    at_least = partial(Line, case=case, at_most=False)
    if case == "nab":
        return [
            at_least(what="event F1 at .5 alerts a series-week", value=mine["f1"], target=0.57, stretch=0.65),
            at_least(what="standard score, best threshold for the labels", value=mine["best"], target=52, stretch=60),
            at_least(what="standard score at .5, labels unseen", value=mine["at budget"], target=52, stretch=60),
        ]
    if case == "injected":
        lines = [at_least(what="F1 at .25 alerts a series-week", value=mine["f1"], target=0.55, stretch=0.65)]
        worst = min(mine["by_kind"].values())
        lines.append(at_least(what="recall of the kind found least", value=worst, target=0, stretch=0.4))
        theirs = [rows[name]["f1"] for name in opponents.GRAFANA if name in rows]
        if theirs:
            ratio = mine["f1"] / max(theirs)
            lines.append(at_least(what="F1 / that of the better of Grafana's bands", value=ratio, target=2))
        return lines
    return []
