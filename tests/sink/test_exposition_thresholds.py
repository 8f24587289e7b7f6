"""Limits as metrics, and the file that a run leaves to the next."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.errors import PublishRefused, SourceError
from tutordex_analysis.model.rails import Kept
from tutordex_analysis.question import threshold_words, thresholds
from tutordex_analysis.sink import exposition, rule_rails, threshold_state
from tutordex_analysis.sink.exposition_thresholds import from_thresholds

NOW = pd.Timestamp("2026-11-25T12:00Z")
AWKWARD = 'a"b\\c\n{{x}}'


def rows(*some):
    return pd.DataFrame(some, columns=["alert", "labels", "value", "in_force", "refused"])


ROWS = rows(
    ("Spike", {}, 31.0, "learnt", ""),
    ("Stale", {"channel": AWKWARD}, 7200.0, "railed", ""),
    ("Stale", {"channel": "new"}, 129600.0, "human", "history"),
    ("Disk", {"mountpoint": "/"}, 0.9, "human", "scorecard"),
    ("Held", {}, 5.0, "pinned", ""),
)


def text(families):
    return exposition.render(families, data_end=NOW, validity="3h", now=NOW)


def test_what_is_in_force_is_published_where_it_is_not_human():
    got = text(from_thresholds(ROWS, pins={"Held": True, "Gone": False}))
    assert 'tutordex_threshold{alert="Spike"} 31\n' in got
    assert 'tutordex_threshold{alert="Stale",channel="a\\"b\\\\c\\n{{x}}"} 7200\n' in got
    assert 'tutordex_threshold{alert="Held"} 5\n' in got
    assert got.count("\ntutordex_threshold{") == 3
    assert 'tutordex_threshold_pinned{alert="Held"} 1\n' in got
    assert 'tutordex_threshold_pinned{alert="Gone"} 0\n' in got
    assert 'tutordex_threshold_withheld{alert="Stale",why="history"} 1\n' in got
    assert 'tutordex_threshold_withheld{alert="Disk",why="scorecard"} 1\n' in got
    assert 'tutordex_generated_timestamp_seconds{family="tutordex_threshold"} 1795608000\n' in got


def test_no_limit_no_family_and_what_is_no_number_is_left_out():
    assert from_thresholds(rows(), pins={}) == ()
    odd = rows(("Spike", {}, np.nan, "learnt", ""), ("Other", {}, 3.0, "learnt", ""))
    got = text(from_thresholds(odd, pins={}))
    assert "Spike" not in got
    assert "tutordex_threshold" in got


def test_too_many_limits_are_refused_before_anything_is_written():
    many = rows(*[("Stale", {"channel": f"c{i}"}, 1.0, "learnt", "") for i in range(2001)])
    with pytest.raises(PublishRefused, match=r"tutordex_threshold \(2,001\)"):
        text(from_thresholds(many, pins={}))


def kept():
    values = {("Stale", f'x{{channel="{AWKWARD}"}}'): np.array([1 / 3, np.nan, 7200.0]), ("Spike", "y"): np.ones(2)}
    return Kept(at=NOW, values=values)


def test_what_is_left_to_the_next_run_comes_back(tmp_path):
    path = tmp_path / "ledger" / "thresholds.json"
    assert threshold_state.read(path) is None
    threshold_state.write(path, kept())
    found = threshold_state.read(path)
    assert found.at == NOW
    assert {*found.values} == {*kept().values}
    for key, values in kept().values.items():
        np.testing.assert_allclose(found.values[key], values, rtol=1e-8)
    assert threshold_state.text(found) == path.read_text()  # the same bytes again
    threshold_state.write(path, Kept(at=NOW))
    assert threshold_state.read(path).values == {}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 2}', '{"version": 1, "at": "x", "limits": []}'])
def test_a_damaged_file_is_told(tmp_path, damage):
    path = tmp_path / "thresholds.json"
    path.write_text(damage)
    with pytest.raises(SourceError, match="every limit starts from its human value again"):
        threshold_state.read(path)


def test_pages_and_rules_call_the_same_age_stale():
    assert threshold_words.FRESH == thresholds.REACH == pd.Timedelta(seconds=rule_rails.MOST_AGE_SECONDS)
    at = pd.Timestamp("2026-11-15T16:00Z")
    said = [threshold_words.published(at - pd.Timedelta(age), at) for age in ("30min", "90min", "-1h")]
    assert said[0] == "Limits were last published 0.5 hours ago; after 1.5 hours rules no longer trust them."
    assert said[1] == "The last publication is 1.5 hours old, which is stale: the rules use human limits since."
    assert said[2] == threshold_words.published(None, at)
