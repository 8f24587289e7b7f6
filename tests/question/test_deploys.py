"""Did this deploy change it: releases of the sample, several signals, refusals, releases told by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.model.test_deploy import DAY, START, hourly, posts
from tutordex_analysis import catalogue_file, changes_file, connect
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.question.deploy_table import COLUMNS
from tutordex_analysis.question.deploys import deploys
from tutordex_analysis.source.changes import read_changes

KNOWN = catalogue_file.load()


def release(days, component="worker", name="worker released as v2"):
    at = START + days * DAY
    return Change(kind="deploy", component=component, name=name, start=at, end=at)


def asked(values, *releases, signal="assignments_parsed", **options):
    return deploys({signal: hourly(values, signal)}, Changes(changes=releases), KNOWN, **options)


def fallen():
    values = posts(130, seed=3)
    values[24 * 120 :] = np.random.default_rng(0).binomial(values[24 * 120 :].astype(int), 0.7)
    return values


def test_a_count_that_fell_is_a_finding_with_its_error_rate():
    found = asked(fallen(), release(120))
    assert [*found.table.columns] == [*COLUMNS]
    row = found.table.iloc[0]
    assert row["verdict"] == "changed"
    assert row["p_value"] > 0
    assert row["relative_lower"] < row["relative"] < row["relative_upper"] < 0
    assert "Evidence, not proof" in row["sentence"]
    assert f"On {row['placebo_dates']} earlier dates" in row["sentence"]
    assert [*found.findings["kind"]] == ["did_it_work"]
    case = found.cases[0].frame
    assert case["expected"].isna().sum() == 28
    assert case["expected"].notna().sum() == 10


def test_too_early_and_too_short_and_the_next_release():
    early = asked(posts(120, seed=3)[: 24 * 119 + 20], release(119)).table.iloc[0]
    assert early["verdict"] == "too early"
    short = asked(posts(60), release(20)).table.iloc[0]
    assert short["verdict"] == "can't tell"
    assert "on can be judged" in short["note"]
    second = asked(posts(130), release(119), release(122)).table
    assert "the next release came after 3 days" in second.iloc[1]["note"]


def test_an_incident_beside_the_release_is_said():
    at = START + 121 * DAY
    mask = Mask(start=at, end=at + DAY / 8, reason="LLMFailureSpike fired", origin="alert")
    found = asked(posts(130), release(120), masks=Masks(masks=(mask,))).table.iloc[0]
    assert "amid an incident: LLMFailureSpike fired" in found["note"]


def test_nonsense_is_refused():
    with pytest.raises(FrameError, match="days is 1 to 14"):
        asked(posts(60), release(50), days=15)
    with pytest.raises(CatalogueError, match="no signal"):
        asked(posts(60), release(50), signals=("nothing",))
    assert deploys({}, Changes(), KNOWN).table.empty


def test_the_releases_of_the_sample_changed_no_volume():
    source = connect("data/sample")
    window = source.last("120d", step="1h")
    changes = read_changes(source, window)
    found = deploys(
        {"posts_seen": source.read("posts_seen", window)}, changes, source.catalogue, signals=["posts_seen"]
    )
    assert len(found.table) == 4  # version bumps of truth.json, of collector and worker at once
    planted = pd.DatetimeIndex(["2026-11-04T06:27Z", "2026-10-05T06:25Z", "2026-09-05T06:29Z", "2026-08-07T06:36Z"])
    assert (abs(pd.DatetimeIndex(found.table["at"]) - planted) < pd.Timedelta("1h")).all()
    assert "changed" not in set(found.table["verdict"])
    assert "no change shown" in set(found.table["verdict"])


def test_releases_told_by_hand(tmp_path):
    path = tmp_path / "changes.yaml"
    path.write_text(
        "changes:\n  - at: 2026-05-02T14:30+08:00\n    component: worker\n    name: new prompt\n"
        "  - at: 2026-05-01T10:00Z\n    name: bigger model\n"
    )
    found = changes_file.read(path, KNOWN).changes
    assert [one.name for one in found] == ["bigger model", "new prompt"]
    assert found[1].start == pd.Timestamp("2026-05-02T06:30Z")
    path.write_text("changes:\n  - at: 2026-05-02T14:30+08:00\n    component: wroker\n    name: x\n")
    with pytest.raises(CatalogueError, match=r"changes\.yaml:3: there is no area 'wroker'"):
        changes_file.read(path, KNOWN)
    with pytest.raises(CatalogueError, match="is not there"):
        changes_file.read(tmp_path / "none.yaml", KNOWN)
