"""Experiments of a catalogue are read one by one, and what is wrong with one is its own."""

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.question import experiments
from tutordex_analysis.source.connect import connect, sample
from tutordex_analysis.trials import read_experiments

NOW = pd.Timestamp("2026-11-01T00:00Z")
CATALOGUE = """
experiments:
  order:
    title: Newest first
    unit: user
    arms: {control: old, treatment: new}
    start: 2026-10-01T00:00+08:00
    planned: 300
    looks: once
    events: {experiment: null}
    metrics: {applied: {title: Applied, role: goal, event: apply}}
  broken:
    title: No such column
    unit: user
    arms: {control: old, treatment: new}
    start: 2026-10-01T00:00+08:00
    events: {experiment: null, unit: person}
    metrics: {applied: {title: Applied, role: goal, event: apply, within: 1d}}
  known:
    title: Known totals
    unit: user
    arms: {control: old, treatment: new}
    start: 2026-10-01T00:00+08:00
    metrics:
      applied:
        {title: Applied, role: goal, totals: {control: {successes: 20, n: 400}, treatment: {successes: 90, n: 400}}}
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.yaml").write_text(CATALOGUE)
    return connect(sample(), catalogue=catalogue_file.load(tmp_path / "own"))


@pytest.fixture
def events(tmp_path):
    folder = tmp_path / "events"
    folder.mkdir()
    ds = pd.date_range("2026-10-05T00:00Z", periods=600, freq="h")
    arm = ["old", "new"] * 300
    pd.DataFrame({"user_id": range(600), "variant": arm, "event_time": ds}).to_parquet(folder / "exposures.parquet")
    applied = [i for i in range(600) if i % (3 if i % 2 else 10) == 0]
    rows = {"user_id": applied, "event_type": "apply", "event_time": ds[applied] + pd.Timedelta("1h")}
    pd.DataFrame(rows).to_parquet(folder / "events.parquet")
    return folder


def test_each_is_read_and_a_broken_one_says_what_it_lacks(source, events):
    order, broken, known = read_experiments(source, events, now=NOW)
    assert len(order.units) == 600
    assert order.units.groupby("arm")["applied"].sum().to_dict() == {"control": 60, "treatment": 100}
    assert "person" in broken.lacks
    assert known.totals["applied"][1] == {"successes": 90, "n": 400}
    found = experiments.experiments([order, broken, known], tz="Asia/Singapore")
    assert [one.verdict.state for one in found.told] == ["better", "not_enough", "better"]


def test_without_a_folder_of_events_only_what_needs_one_lacks_it(source, tmp_path):
    order, broken, known = read_experiments(source, tmp_path / "nowhere", now=NOW)
    assert "nowhere" in order.lacks
    assert "nowhere" in broken.lacks
    assert not known.lacks
