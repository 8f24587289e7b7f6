"""The sample's experiments: what was planted is found, and nothing else."""

import re

import pandas as pd
import pytest

from tutordex_analysis import compare, connect
from tutordex_analysis.experiment import SIDES
from tutordex_analysis.experiment_data import covariate_of
from tutordex_analysis.question import experiment_verdict
from tutordex_analysis.question.experiment_units import gather
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.connect import events_beside
from tutordex_analysis.source.experiments import read_tables
from tutordex_analysis.source.simulator import experiments as simulated

END = pd.Timestamp("2026-11-15T16:00Z")
TZ = "Asia/Singapore"


@pytest.fixture(scope="module")
def data():
    source = connect("data/sample")
    events = events_beside(source, settings=Settings(events_url=None))
    assert events is not None
    known = source.catalogue.experiments
    return {name: gather(read_tables(one, events=events, source=source, now=END)) for name, one in known.items()}


def verdict(found, metric, **options):
    known = found.units.dropna(subset=[metric])
    arms = [known[known["arm"] == side] for side in SIDES]
    return compare(*arms, metric=metric, outcome=metric, split=found.experiment.split, **options)


def test_nothing_lacks(data):
    assert {name for name, one in data.items() if one.lacks} == set()
    assert not [note for one in data.values() for note in one.notes if "more than one arm" in note]


def test_a_planted_effect_is_found_and_its_guardrail_is_unharmed(data):
    goal = verdict(data["apply_button"], "applied")
    assert goal.status == "better"
    assert goal.effect.ci_lo < 0.035 < goal.effect.ci_hi
    assert verdict(data["apply_button"], "viewed").status == "no_difference_shown"


def test_where_nothing_was_planted_nothing_is_found(data):
    assert verdict(data["digest_order"], "applied").status == "no_difference_shown"
    assert verdict(data["digest_order"], "views", covariate=covariate_of("views")).status == "no_difference_shown"


def test_a_split_that_went_wrong_blocks_the_verdict(data):
    assert verdict(data["listing_redirect"], "applied").status == "blocked"


def test_users_who_do_much_are_one_unit_each(data):
    found = verdict(data["search_box"], "views", covariate=covariate_of("views"))
    assert found.status == "no_difference_shown"
    assert data["search_box"].units["views"].max() > 20


def test_the_shorter_prompt_is_better_on_the_same_messages(data):
    found = data["extraction_prompt"]
    arms = [found.units[found.units["arm"] == side] for side in SIDES]
    assert compare(*arms, outcome="parsed", paired=True).status == "better"
    assert compare(*arms, outcome="seconds", paired=True, higher_is_better=False).status == "better"
    assert set(found.units["channel_link"]) == set(simulated._CHANNELS)


def test_requests_that_each_get_a_route_are_judged_from_counters_and_users_are_not(data):
    routed = experiment_verdict.verdict(data["model_route"], tz=TZ).goal
    assert routed.status == "worse"  # 4 % of the large model's requests fail, 6 % of the small one's
    assert routed.effect.ci_lo < 0.02 < routed.effect.ci_hi
    assert routed.blocks == simulated.DAYS
    users = experiment_verdict.verdict(data["search_box_counters"], tz=TZ)
    assert users.state == "no_verdict"
    assert "one row a user" in users.goal.reason


def test_the_counters_are_what_the_script_makes(data):
    made = re.findall(r'^(\w+)_total\{variant="(\w+)"\} (\d+) ', simulated.counters(END, seed=7), re.MULTILINE)
    last = {(name, arm): int(n) for name, arm, n in made}
    pair = data["model_route"].series["failed"]
    for arm, frame in zip(simulated.ROUTES, pair, strict=True):
        assert frame["y"].sum() == last["llm_route_failures", arm]
        assert frame["trials"].sum() == last["llm_route_requests", arm]


def test_the_tables_are_what_the_script_makes():
    for name, table in simulated.tables(END, seed=7).items():
        kept = pd.read_parquet(f"data/sample/events/{name}.parquet")
        pd.testing.assert_frame_equal(kept, table, check_dtype=False)
