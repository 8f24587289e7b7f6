"""Laws that hold in every simulated world, read from the text that promtool would read."""

from __future__ import annotations

import datetime as dt
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tutordex_analysis.errors import SourceError
from tutordex_analysis.source.simulator import World, plan, read_truth, simulate, targets
from tutordex_analysis.source.simulator.lives import processes
from tutordex_analysis.source.simulator.posts import posts
from tutordex_analysis.source.simulator.scrape import write_piece
from tutordex_analysis.source.simulator.world import DAY, SGT, day_factors, demand, in_term, public_holidays

STACK = Path(__file__).parents[3] / "tutordex_analysis" / "signals" / "stack.yaml"
BUSY = World(start="2026-08-03T16:00:00Z", end="2026-08-06T16:00:00Z", seed=3, incidents=("worker_hung",))


def day(*, hours=24, **options):
    start = pd.Timestamp("2026-08-03T00:00:00Z")
    return World(start=start, end=start + pd.Timedelta(hours=hours), **options)


def read(paths):
    """Every series of some files: its text, times and values."""
    lines: dict[str, list] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            if line[0] != "#":
                series, value, moment = line.rsplit(" ", 2)
                lines.setdefault(series, []).append((float(moment), float(value)))
    return {series: np.array(pairs).T for series, pairs in lines.items()}


def named(world, name, **labels):
    """The series of a metric that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return {s: data for s, data in world.items() if s.startswith(name + "{") and all(one in s for one in wanted)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("busy")
    simulate(BUSY, path)
    return path


@pytest.fixture(scope="module")
def written(folder):
    return read(sorted(folder.glob("*.om")))


@cache
def scraped(world):
    incidents = plan(world)
    return targets(world, incidents, processes(world, incidents))


def test_samples_of_a_series_ascend_on_one_grid(written):
    for series, (moments, _) in written.items():
        assert (np.diff(moments) > 0).all(), series
        assert len(set(np.round(moments % 120, 3))) == 1, series


def test_truth_counts_what_was_written(folder, written):
    truth = read_truth(folder / "truth.json")
    assert truth.series == len(written)
    assert truth.samples == sum(len(moments) for moments, _ in written.values())


def test_counters_fall_only_when_their_process_restarts(written):
    ((moments, starts),) = named(written, "process_start_time_seconds", job="tutordex_worker").values()
    assert len(np.unique(starts)) > 1
    counters = [
        s for s in written if s.startswith("worker_") and any(end in s for end in ("_total{", "_bucket{", "_count{"))
    ]
    assert len(counters) > 50
    for series in counters:
        times, values = written[series]
        life = starts[np.searchsorted(moments, times)]
        fell = np.flatnonzero(np.diff(values) < 0)
        assert (life[fell] != life[fell + 1]).all(), series


def test_labelled_counters_are_born_with_their_first_event(written):
    ((moments, starts),) = named(written, "process_start_time_seconds", job="tutordex_worker").values()
    births = []
    for times, values in named(written, "worker_parse_failure_total").values():
        life = starts[np.searchsorted(moments, times)]
        born = np.concatenate([[True], life[1:] != life[:-1]])
        births += values[born].tolist()
    assert min(births) == 1
    assert np.median(births) == 1


def test_histograms_are_cumulative_with_float_bounds(written):
    buckets = named(written, "worker_job_latency_seconds_bucket")
    bounds = {series.split('le="')[1].split('"')[0]: data for series, data in buckets.items()}
    assert {"0.25", "1.0", "300.0", "+Inf"} < set(bounds)
    ordered = [bounds[bound][1] for bound in sorted(bounds, key=lambda text: float(text.replace("+Inf", "inf")))]
    assert all((low <= high).all() for low, high in pairwise(ordered))
    ((_, count),) = named(written, "worker_job_latency_seconds_count").values()
    ((_, total),) = named(written, "worker_job_latency_seconds_sum").values()
    assert (count == bounds["+Inf"][1]).all()
    assert 4 < total[-1] / count[-1] < 15


def test_histogram_counts_every_finished_job(written):
    ((moments, count),) = named(written, "worker_job_latency_seconds_count").values()
    jobs = np.zeros(len(moments))
    for times, values in named(written, "worker_jobs_processed_total").values():
        jobs[np.searchsorted(moments, times)] += values
    assert (jobs == count).all()


def test_cpu_modes_of_a_core_add_up_to_the_time_that_passed(written):
    modes = named(written, "node_cpu_seconds_total", cpu="0")
    total = sum(values for _, values in modes.values())
    moments = next(iter(modes.values()))[0]
    assert np.abs(np.diff(total) - np.diff(moments)).max() < 0.05


def test_the_same_world_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        truth = simulate(day(hours=8, seed=seed), tmp_path / name)
        texts.append(b"".join(path.read_bytes() for path in truth.files))
    assert texts[0] == texts[1] != texts[2]


def test_pieces_of_any_length_hold_the_same_samples(tmp_path):
    world = World(start="2026-08-03T00:00:00Z", end="2026-08-04T06:00:00Z", step="240s", incidents=("llm_down",))
    calls = []
    whole = simulate(world, tmp_path / "whole")
    parts = simulate(world, tmp_path / "parts", piece="5h", progress=lambda done, of: calls.append((done, of)))
    assert len(parts.files) == 7 == len(calls)
    one, many = read(whole.files), read(parts.files)
    assert one.keys() == many.keys()
    assert all(np.array_equal(one[series], many[series]) for series in one)


def test_pieces_are_aligned_to_multiples_of_240_hours(tmp_path):
    edge = pd.Timestamp(2067 * 240 * 3600, unit="s", tz="UTC")
    world = World(start=edge - pd.Timedelta("6h"), end=edge + pd.Timedelta("3h"), step="240s", incidents=())
    edges = []
    for path in simulate(world, tmp_path).files:
        edges.append(float(path.stem))
        moments = np.concatenate([moments for moments, _ in read([path]).values()])
        assert edges[-1] <= moments.min()
        assert moments.max() < edges[-1] + 240 * 3600
        assert path.read_bytes().endswith(b"# EOF\n")
    assert all(edge % (240 * 3600) == 0 for edge in edges)
    assert len(edges) == 2


@pytest.mark.parametrize("size", ["test", "sample"])
def test_everything_exposed_is_in_the_inventory_with_its_type_and_labels(size):
    known, words = inventory()
    for target in scraped(World(start="2026-08-03T00:00:00Z", end="2026-08-06T00:00:00Z", size=size)):
        for family in target.families:
            entry = known[family.name]
            assert entry["type"] == family.kind, family.name
            for series in family.series:
                assert series.name.removeprefix(family.name) in ("", "_bucket", "_sum", "_count", "_created")
                for label, listed in entry.get("values", {}).items():
                    assert series.labels[label] in words[listed], series
                declared = set(entry.get("labels", ()))
                assert set(series.labels) - {"le"} <= declared, series
                missing = declared - set(series.labels) - {"public_host", "probe_route"}
                assert not missing or series.labels.get("operation") == "get:telegram_extractions", series


def inventory():
    found = {}

    def walk(node):
        if isinstance(node, dict):
            if "name" in node and "type" in node:
                found[node["name"]] = node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    stack = yaml.safe_load(STACK.read_text())
    walk(stack)
    return found, stack["label_values"]


@pytest.mark.parametrize(("size", "most"), [("test", 230), ("sample", 600)])
def test_series_stay_within_the_budget(size, most):
    world = World(start="2026-08-03T00:00:00Z", end="2026-08-13T00:00:00Z", size=size)
    alive = processes(world, plan(world))
    samples = scrapes = 0
    for days in (4, 9):
        low = world.first + days * DAY
        with Path(os.devnull).open("wb") as nothing:
            samples += write_piece(nothing, world, scraped(world), alive.prometheus, low, low + 3600)[0]
        scrapes += 30
    assert 0.6 * most < samples / scrapes < most


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"step": "5m"}, "at most 4m"), ({"size": "huge"}, "of size"), ({"incidents": "none"}, '"default" or a tuple')],
)
def test_a_world_that_cannot_be_is_refused(wrong, sentence):
    with pytest.raises(SourceError, match=sentence):
        day(**wrong)


@pytest.mark.parametrize("messages", [0.0, 30.0])
@pytest.mark.parametrize("size", ["test", "sample"])
def test_half_an_hour_with_little_or_nothing_is_a_world_too(tmp_path, size, messages):
    truth = simulate(day(hours=0.5, size=size, messages_per_day=messages), tmp_path)
    found = read(truth.files)
    assert truth.samples == sum(len(moments) for moments, _ in found.values())
    assert len(named(found, "up")) == (8 if size == "sample" else 7)


def test_an_unknown_incident_is_refused_with_the_kinds_there_are():
    with pytest.raises(SourceError, match="there is no incident 'flood'; the kinds are collector_silent"):
        plan(day(incidents=("flood",)))


@pytest.fixture(scope="module")
def month():
    world = World(start="2026-07-26T16:00:00Z", end="2026-08-23T16:00:00Z", size="sample", incidents=())
    wanted = posts(world, (), processes(world, ()).collector)
    return world, wanted.jobs[: wanted.count]


def test_volumes_are_those_of_the_real_stack(month):
    _, table = month
    single, several = ((table["kind"] == kind).sum() / 28 for kind in ("single", "compilation"))
    assignments = single + 4 * several
    assert 200 < assignments < 600
    assert 1.2 < len(table) / 28 / (single + several) < 1.6
    share = table["channel"].value_counts(normalize=True)
    assert np.abs(share[[0, 1, 2, 3, 4]].to_numpy() - [0.367, 0.133, 0.098, 0.092, 0.090]).max() < 0.01
    assert len(share) == 23


def test_counts_of_an_hour_are_poisson(month):
    world, table = month
    hours = np.arange(world.first, world.last, 3600.0)
    expected = (
        demand(world, (hours[:, None] + np.arange(30.0, 3600.0, 60.0)).ravel()).reshape(len(hours), -1).sum(axis=1) * 60
    )
    found = np.histogram(table["posted"], np.append(hours, world.last))[0]
    dispersion = ((found - expected) ** 2 / expected).mean()
    assert dispersion == pytest.approx(1, abs=5 * np.sqrt(2 / len(hours)) + 0.02)


def test_the_day_has_singapores_shape(month):
    _, table = month
    hour = ((table["posted"] + SGT) % DAY // 3600).value_counts()
    assert hour[20] > 10 * hour[4]
    assert hour[[19, 20, 21]].mean() > hour[[9, 15]].mean()
    weekday = pd.to_datetime(table["posted"] + SGT, unit="s").dt.day_of_week.value_counts()
    assert weekday[[0, 1, 2, 3]].mean() > 1.25 * weekday[[5, 6]].mean()


def test_holidays_and_breaks_are_quiet():
    days = pd.date_range("2026-01-01", "2026-12-31", freq="D")
    first = (days[0] - pd.Timestamp("1970-01-01")).days
    factor = pd.Series(day_factors(first, first + len(days) - 1), index=days)
    assert factor["2026-05-27"] < 0.6 * factor["2026-05-20"]
    assert factor["2026-02-17"] < 0.6 * factor["2026-02-10"]
    assert factor["2026-12-01":"2026-12-20"].mean() < 0.75 * factor["2026-01-12":"2026-01-31"].mean()


@pytest.mark.parametrize("date", ["2026-01-02", "2026-03-13", "2026-06-29", "2025-11-21"])
def test_terms_are_those_of_the_ministrys_calendar(date):
    assert in_term(dt.date.fromisoformat(date))


@pytest.mark.parametrize("date", ["2026-03-18", "2026-06-15", "2025-09-10", "2025-11-24", "2026-12-30", "2026-01-01"])
def test_breaks_are_those_of_the_ministrys_calendar(date):
    assert not in_term(dt.date.fromisoformat(date))


def test_public_holidays_know_lunar_new_year():
    found = public_holidays(dt.date(2026, 2, 1), dt.date(2026, 2, 28))
    assert [day.day for day in found] == [17, 18]


def test_demand_grows_by_the_month():
    world = World(start="2026-01-05T00:00:00Z", end="2026-03-30T00:00:00Z", growth_per_month=0.5)
    flat = World(start="2026-01-05T00:00:00Z", end="2026-03-30T00:00:00Z", growth_per_month=0.0)
    later = world.first + 30.44 * DAY * np.array([0.0, 1.0, 2.0])
    assert demand(world, later) / demand(flat, later) == pytest.approx([1, 1.5, 2.25])
