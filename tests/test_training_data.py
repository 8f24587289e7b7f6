"""What must not move a forecast: releases, restarts, and outages that are masked. Six weeks in a real Prometheus."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file, promql
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.question.left_out import left_out
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.simulator import World, plan, targets
from tutordex_analysis.source.simulator.lives import Lives, processes
from tutordex_analysis.source.simulator.scrape import write_piece

pytestmark = pytest.mark.server

KNOWN = catalogue_file.load()
NAMES = [name for name, one in KNOWN.signals.items() if one.parts and (one.forecast or KNOWN.limits_of(name))]
METRICS = {metric for name in NAMES for part in KNOWN.signal(name).parts for metric in promql.metrics(part.at("5m"))}
MASKED = sorted({name for one in KNOWN.alerts.values() for name in one.signals} & {*NAMES})
END = pd.Timestamp("2026-11-15T16:00Z")
DAY = pd.Timedelta("1D")
DAYS, BUMPS, SEED = 42, 2, 3
HOURS = TimeRange(END - DAYS * DAY + DAY, END, "1h")


def simulated(bumps):
    """A world, what lives in it, and its targets with the metrics of forecast signals only; restarts where it bumps."""
    world = World(start=END - DAYS * DAY, end=END, step="120s", seed=SEED, incidents=("version_bump",) * bumps)
    incidents = plan(world)
    alive = processes(world, incidents)
    if not bumps:
        whole = Lives(np.array([world.first]), np.array([world.last]))
        alive = replace(alive, collector=whole, worker=whole, backend=whole, prometheus=whole)
    kept = [
        replace(one, families=tuple(family for family in one.families if METRICS & {s.name for s in family.series}))
        for one in targets(world, incidents, alive)
    ]
    return world, alive, kept


def read(folder, world, alive, kept):
    """Each forecast signal as a user reads it: hourly, from a real Prometheus."""
    with (folder / "world.om").open("wb") as file:
        write_piece(file, world, kept, alive.prometheus, world.first, world.last)
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "world.om"]) as server:
        source = PrometheusSource(server.url, catalogue=KNOWN)
        return {name: source.read(name, HOURS) for name in NAMES}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Histories of a world in which nothing ever restarts."""
    return read(tmp_path_factory.mktemp("quiet"), *simulated(0))


@pytest.fixture(scope="module")
def restarted(tmp_path_factory):
    """The same posts, with two releases and the usual restarts of every process."""
    world, alive, kept = simulated(BUMPS)
    assert len(alive.releases) == BUMPS
    restarts = [len(one.starts) - 1 for one in (alive.collector, alive.worker, alive.backend, alive.prometheus)]
    assert min(restarts) >= 2
    assert sum(restarts) >= 15
    return read(tmp_path_factory.mktemp("restarted"), world, alive, kept)


def week(signal, history):
    """The next week's medians, and the mean width of its 80 % band."""
    ahead = forecast(
        history,
        horizon="7d",
        season_lengths=signal.season_lengths,
        calendar=KNOWN.calendar.country,
        tz=KNOWN.calendar.timezone,
        lower=signal.lower,
        upper=signal.upper,
    ).frame
    return ahead["yhat"].sum(), (ahead["q0.9"] - ahead["q0.1"]).mean()


@pytest.fixture(scope="module")
def calm(quiet):
    """The next week of each signal as the quiet world has it."""
    return cache(lambda name: week(KNOWN.signal(name), quiet[name]))


@pytest.mark.parametrize("name", NAMES)
def test_releases_and_restarts_move_next_weeks_median_by_less_than_one_percent(quiet, calm, restarted, name):
    assert not restarted[name].equals(quiet[name]) or quiet[name]["y"].sum() == 0
    without, with_restarts = calm(name)[0], week(KNOWN.signal(name), restarted[name])[0]
    assert abs(with_restarts - without) <= 0.01 * without


def outage(signal, history, start):
    """The history with nothing counted for six hours and all of it in the seventh; a gauge stands at its worst."""
    inside = (history["ds"] > start) & (history["ds"] <= start + pd.Timedelta("6h"))
    after = history["ds"] == start + pd.Timedelta("7h")
    if signal.kind == "gauge":
        return history.assign(y=history["y"].mask(inside, signal.upper or history["y"].max() + 100))
    missed = history["y"][inside].sum() / history["unique_id"].nunique()
    y = history["y"].mask(inside, 0.0)
    return history.assign(y=y.mask(after, y + missed))


@pytest.mark.parametrize(("name", "back"), [*((name, 10) for name in MASKED), ("posts_seen", 3), ("worker_busy", 3)])
def test_a_masked_outage_of_six_hours_moves_next_weeks_band_by_less_than_five_percent(quiet, calm, name, back):
    signal, history = KNOWN.signal(name), quiet[name]
    start = END - back * DAY + pd.Timedelta("20h")  # noon in Singapore
    broken = outage(signal, history, start)
    told = Mask(start=start, end=start + pd.Timedelta("6h"), reason="LLMFailureSpike fired", origin="alert")
    found = left_out(signal, broken, [told])
    assert found.masks
    (median, width), (masked_median, masked_width) = calm(name), week(signal, found.training)
    assert abs(masked_width - width) <= 0.05 * width
    assert abs(masked_median - median) <= 0.05 * median
