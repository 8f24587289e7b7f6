"""Detectors on simulated worlds: incidents found and when, false ones, releases and holidays."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench import _verdict
from bench import _world_incidents as worlds
from bench._line import Line
from bench._opponents import Opponent
from bench._verdict import Verdict
from tutordex_analysis import catalogue_file
from tutordex_analysis.model.incidents import intervals
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question import anomalies
from tutordex_analysis.source.changes import read_changes
from tutordex_analysis.source.connect import connect
from tutordex_analysis.source.simulator import Truth

BUDGET = 5.0  # alerts a week over all signals, of which the planted incidents take nearly two
A_WEEK = 2.0  # alerts over all signals in weeks without an incident, of an opponent
ALWAYS = ("collector_silent", "worker_hung")
TRIED = 20_000  # of the highest scores, as thresholds of an opponent


def world(*, seeds: int, step: Span, others: Mapping[str, Opponent], folder: Path) -> list[Line]:
    """Simulated incidents: found and when, false ones a week, releases and holidays that raise nothing."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not on PATH; on Debian: apt-get install prometheus")
    homes = [worlds.made(worlds.world(seed), folder / f"world-{seed:02}") for seed in range(seeds)]
    verdicts: dict[str, list[Verdict]] = {name: [] for name in ("detect", *others)}
    for home in homes:
        frame, truth = worlds.read(home, step)
        for name, method in others.items():
            verdicts[name].append(_judged(_runs_of(method, frame), frame, truth))
        verdicts["detect"].append(_judged(_alerting(home, step), frame, truth))
    print(f"\nworld: {seeds} seeds, every {step}; detect: a budget of {BUDGET:g} alerts a week over all signals")
    print(f"others: {A_WEEK:g} alerts a week in the second half of the calm weeks", flush=True)
    print(f"{'':24} {'found':>6} {'false/wk':>9} {'bumps quiet':>12} {'holidays quiet':>15}")
    for name, each in verdicts.items():
        one = _shares(each)
        quiet = f"{one['bumps']:12.0%} {one['holidays']:15.0%}"
        print(f"{name:24} {one['found']:6.0%} {one['false']:9.2f} {quiet}", flush=True)
    table = _verdict.table(verdicts["detect"])
    print(f"\nfound by kind\n{_verdict.by_kind(verdicts).to_string(float_format='{:.0%}'.format)}")
    print(f"\ndetect, delays in minutes\n{table.to_string(float_format='{:.3g}'.format)}", flush=True)
    mine = _shares(verdicts["detect"])
    at_least = partial(Line, case="world", at_most=False)
    lines = [
        at_least(what="incidents found", value=mine["found"], target=0.9),
        Line(case="world", what="false incidents a week, all signals", value=mine["false"], target=2),
        at_least(what="releases that raise nothing, share of seeds", value=mine["bumps"], target=0.95),
        at_least(what="holidays that raise nothing, share of seeds", value=mine["holidays"], target=0.95),
    ]
    return lines + [at_least(what=f"{kind} found", value=table["share"][kind], target=1) for kind in ALWAYS]


def _alerting(home: Path, step: Span) -> pd.DataFrame:
    """The runs of the incidents that alert, as the page of anomalies and its policies have them."""
    source = connect(home)
    span = source.last(worlds.LENGTH, step=step)
    histories = anomalies.gather(source, source.catalogue, span)
    weeks = int(worlds.LENGTH / duration("7d"))
    changes = read_changes(source, span)
    found = anomalies.unusual(histories, source.catalogue, changes=changes, alerts_per_week=BUDGET, weeks=weeks)
    return found.members[found.members["incident"].isin(found.incidents["incident"])]


def _judged(runs: pd.DataFrame, frame: pd.DataFrame, truth: Truth) -> Verdict:
    first, last = frame["ds"].iloc[0], frame["ds"].iloc[len(frame) // frame["unique_id"].nunique() - 1]
    since = first.floor("1h") + worlds.WARM_UP
    return _verdict.judged(runs, truth, catalogue_file.load(), since=since, until=last)


def _runs_of(method: Opponent, frame: pd.DataFrame) -> pd.DataFrame:
    """Runs above the threshold that gives the wanted alerts a week in the second half of the warm-up."""
    parts = [_scored(one, method) for _, one in frame.groupby("unique_id", observed=True, sort=True)]
    table = pd.concat(parts, ignore_index=True)
    begun, warm = table["ds"].min(), worlds.WARM_UP
    calm = table[(table["ds"] >= begun + warm / 2) & (table["ds"] < begun + warm)]
    most = A_WEEK * (warm / 2 / duration("7d"))
    tried = np.unique(calm["score"].dropna().nlargest(TRIED))[::-1]
    low, high = 0, len(tried) - 1
    while low < high:  # the lowest threshold that keeps the budget; the number of alerts grows as it falls
        half = (low + high + 1) // 2
        alerts = _verdict.together(intervals(calm.assign(is_anomaly=calm["score"] > tried[half])))
        low, high = (half, high) if len(alerts) <= most else (low, half - 1)
    return intervals(table.assign(is_anomaly=table["score"] > tried[low]))


def _scored(one: pd.DataFrame, method: Opponent) -> pd.DataFrame:
    """One series with its scores; the direction of an anomaly is that to the median so far."""
    with np.errstate(all="ignore"):
        score = method(pd.Series(one["y"].to_numpy(), index=pd.DatetimeIndex(one["ds"])))
    return one.assign(score=score, expected=one["y"].expanding().median(), kind="")


def _shares(each: list[Verdict]) -> dict[str, float]:
    planted = pd.concat([one.planted for one in each])
    quiet = {
        "bumps": [one.bumps for one in each if one.bumps],
        "holidays": [one.holidays for one in each if one.holidays],
    }
    return {
        "found": float(planted["found"].mean()),
        "false": sum(len(one.false) for one in each) / sum(one.weeks for one in each),
        **{name: float(np.mean([all(one) for one in those])) if those else np.nan for name, those in quiet.items()},
    }
