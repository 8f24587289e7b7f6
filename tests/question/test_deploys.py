"""Did this deploy change it: releases of the sample, several signals, refusals, releases told by hand."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.model.test_deploy import DAY, START, hourly, posts
from tutordex_analysis import catalogue_file, changes_file, connect
from tutordex_analysis.change import Change, Changes, merged
from tutordex_analysis.civil import Calendar
from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.model.deploy import Frozen
from tutordex_analysis.question import deploy_told
from tutordex_analysis.question.deploy_table import COLUMNS
from tutordex_analysis.question.deploys import deploys, gather
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.changes import read_changes
from tutordex_analysis.source.masks import read_masks

KNOWN = catalogue_file.load()
PLAIN = replace(KNOWN, calendar=Calendar(timezone="Asia/Singapore", country=None))  # no holiday is in the way


def release(days, component="worker", name="worker released as v2"):
    at = START + days * DAY
    return Change(kind="deploy", component=component, name=name, start=at, end=at)


def asked(values, *releases, signal="assignments_parsed", known=PLAIN, **options):
    return deploys({signal: hourly(values, signal)}, Changes(changes=releases), known, **options)


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
    assert case["expected"].isna().sum() == 28 + 1  # and the day of the release
    assert case["expected"].notna().sum() == 9  # the last whole day in Singapore is the 129th
    assert found.cases[0].verdict == "changed"


def test_too_early_and_too_short_and_the_next_release():
    early = asked(posts(120, seed=3)[: 24 * 119 + 20], release(119)).table.iloc[0]
    assert early["verdict"] == "too early"
    assert "no whole day has passed" in early["sentence"]
    short = asked(posts(60), release(20)).table.iloc[0]
    assert short["verdict"] == "can't tell"
    assert "on can be judged" in short["note"]
    second = asked(posts(130), release(119), release(122)).table
    assert "the next release came after 2 days" in second.iloc[1]["note"]
    at_once = asked(posts(130), release(119), release(119.2)).table
    assert at_once.iloc[1]["verdict"] == "can't tell"
    assert "the next release came 5 h later" in at_once.iloc[1]["note"]
    open_end = asked(posts(124), release(119)).table.iloc[0]
    assert "only 4 days so far" in open_end["note"]


def test_a_history_on_which_the_question_cries_wolf_is_told_so_and_claims_nothing():
    values = posts(90, seed=5)
    values[24 * 45 : 24 * 52] *= 1.5  # a busy week, nobody knows why
    values[24 * 80 :] *= 3
    found = asked(values, release(80))
    row = found.table.iloc[0]
    assert row["placebo_rate"] > 0.1
    assert row["p_value"] < 1e-5
    assert row["verdict"] == "can't tell"
    assert "this history moves too much by itself: on 6 of 44 earlier dates" in row["sentence"]
    assert np.isnan(row["p_adjusted"])
    assert found.findings.empty


def test_a_public_holiday_beside_the_release_is_not_taken_for_its_work():
    values = posts(170, seed=4)
    values[24 * 158 :] *= 0.6  # from 6 August 2026 on; National Day is the 9th
    singapore = replace(KNOWN, calendar=Calendar(timezone="Asia/Singapore", country="SG"))
    found = asked(values, release(158), known=singapore).table.iloc[0]
    assert found["p_adjusted"] < 0.05
    assert found["verdict"] == "can't tell"
    assert "a public holiday lies in these days" in found["sentence"]
    assert asked(posts(170, seed=4), release(158), known=singapore).table.iloc[0]["verdict"] == "no change shown"


def test_masks_are_neither_learnt_from_nor_compared():
    values = posts(130, seed=3)
    at = START + 122 * DAY
    values[24 * 122 : 24 * 124] = 0.0
    mask = Mask(start=at, end=at + 2 * DAY, reason="the collector was off", origin="alert")
    found = asked(values, release(120), masks=Masks(masks=(mask,))).table.iloc[0]
    plain = asked(values, release(120)).table.iloc[0]
    assert (found["days"], plain["days"]) == (4, 7)  # three civil days are touched
    assert found["relative"] == pytest.approx(0, abs=0.1)
    assert plain["relative"] < -0.2


def test_releases_that_lose_the_same_days_share_one_batch_of_forecasts(monkeypatch):
    made = []
    monkeypatch.setattr(deploy_told, "Frozen", lambda *a, **b: made.append(a) or Frozen(*a, **b))
    histories = {name: hourly(posts(130, seed=i), name) for i, name in enumerate(("posts_seen", "jobs_done"))}
    found = deploys(histories, Changes(changes=(release(100), release(112))), KNOWN, signals=[*histories])
    assert len(found.table) == 4
    assert len(made) == 1
    assert len(made[0][0].ids) == 2


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


@pytest.fixture(scope="module")
def sample():
    source = connect("data/sample")
    window = source.last("120d", step="1h")
    return source, window, read_changes(source, window), read_masks(source, window)


def test_the_releases_of_the_sample_changed_nothing(sample):
    source, window, changes, masks = sample
    histories = gather(source, source.catalogue, window)
    begin = time.process_time()
    found = deploys(histories, changes, source.catalogue, masks=masks)
    assert time.process_time() - begin < 10  # CPU seconds, for 36 signals and four releases
    assert masks.masks
    planted = pd.DatetimeIndex(["2026-11-04T06:27Z", "2026-10-05T06:25Z", "2026-09-05T06:29Z", "2026-08-07T06:36Z"])
    seen = pd.DatetimeIndex(found.table["at"].drop_duplicates())
    assert (abs(seen - planted) < pd.Timedelta("1h")).all()  # version bumps of truth.json, of two components at once
    assert set(found.table["verdict"]) == {"no change shown", "can't tell"}
    assert (found.table.loc[found.table["placebo_rate"] > 0.1, "verdict"] == "can't tell").all()
    october = found.table[found.table["at"] == seen[1]].set_index("signal")
    assert october.loc["job_seconds", "verdict"] == "no change shown"
    assert abs(october.loc["job_seconds", "relative"]) < 0.03


def test_a_share_comes_with_the_events_behind_it_and_a_level_without(sample):
    source, window, _, _ = sample
    found = gather(source, source.catalogue, window, signals=["parse_failure_share", "job_seconds", "worker_busy"])
    assert "weight" not in found["worker_busy"].columns
    share, parsed = found["parse_failure_share"], source.read("assignments_parsed", window)["y"]
    failed = (share["y"] * share["weight"]).sum()
    assert share["weight"].sum() - parsed.sum() == pytest.approx(failed, rel=0.05)
    done = source.read("jobs_done", window)["y"].sum()
    assert found["job_seconds"]["weight"].sum() == pytest.approx(done, rel=0.1)
    with pytest.raises(CatalogueError, match="no signal"):
        gather(source, source.catalogue, window, signals=["nothing"])


def test_an_hour_with_many_events_weighs_more_than_one_with_few():
    values, weight = np.tile([1.0, 3.0], 12 * 130), np.tile([3.0, 1.0], 12 * 130)
    history = hourly(values, "job_seconds").assign(weight=weight)
    found = deploys({"job_seconds": history}, Changes(changes=(release(120),)), PLAIN, signals=["job_seconds"])
    assert found.table.iloc[0]["seen"] == pytest.approx(1.5)


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


def test_a_release_that_people_and_a_version_tell_is_one():
    told = Changes(changes=(release(120),), notes=("a note",))
    by_hand = release(120.02, name="new prompt")
    every = merged(told, Changes(changes=(by_hand, release(100, component="", name="a bigger model"))))
    assert [one.name for one in every.changes] == ["a bigger model", "new prompt (worker released as v2)"]
    assert every.changes[1].start == release(120).start
    assert every.notes == ("a note",)
    other = release(120, component="collector", name="a new channel")
    assert len(merged(told, Changes(changes=(other,))).changes) == 2
    late = release(120.1, name="an hour is past")
    assert len(merged(told, Changes(changes=(late,))).changes) == 2


def test_the_file_of_releases_beside_the_catalogue_is_read_with_those_of_versions(sample, tmp_path):
    source, window, told, _ = sample
    (tmp_path / "changes.yaml").write_text(
        "changes:\n  - {at: 2026-10-20T10:00+08:00, component: worker, name: a new prompt}\n"
        "  - {at: 2020-10-20T10:00+08:00, name: long ago}\n"
    )
    settings = Settings(catalogue=tmp_path)
    found = read_changes(source, window, settings=settings)
    assert {one.name for one in found.changes} - {one.name for one in told.changes} == {"a new prompt"}
    assert len(found.changes) == len(told.changes) + 1
    assert len(catalogue_file.load(tmp_path).signals) == len(KNOWN.signals)  # no signals are looked for in it
    elsewhere = Settings(catalogue=tmp_path, prometheus_url="http://other.example:9090")
    assert read_changes(source, window, settings=elsewhere).changes == told.changes
    (tmp_path / "changes.yaml").write_text("changes:\n  - {at: yesterday, name: x}\n")
    with pytest.raises(CatalogueError, match=r"changes\.yaml:2"):
        read_changes(source, window, settings=settings)
