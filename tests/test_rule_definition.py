"""One digest for what an alert fires on, from the catalogue and from the file that is built of it."""

from dataclasses import replace

import pytest

from tutordex_analysis import catalogue_file, rule_definition, rule_groups, rule_trial
from tutordex_analysis.sink import rule_rails
from tutordex_analysis.sink.rule_text import Links
from tutordex_analysis.sink.rules import ALERTS, files

NAME = "PostsVolumeSpike"
KNOWN = catalogue_file.load()


def test_the_file_and_the_catalogue_agree_on_every_alert():
    found = rule_definition.definitions(rule_trial.ours(KNOWN))
    assert found == {name: rule_rails.definition(rule) for name, rule in KNOWN.rules.items()}
    assert len({*found.values()}) == len(found)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"summary": "other words"}, True),
        ({"severity": "critical"}, True),
        ({"shadow": True}, True),
        ({"hold": "7m"}, False),
        ({"keep_firing": "7m"}, False),
        ({"direction": "below"}, False),
        ({"value": "vector(1)"}, False),
    ],
)
def test_it_is_another_one_where_it_fires_otherwise(change, same):
    rule = KNOWN.rules[NAME]
    assert (rule_rails.definition(rule.model_copy(update=change)) == rule_rails.definition(rule)) is same


def test_white_space_makes_no_other_definition():
    facts = {"hold_seconds": 60, "keep_seconds": 0, "limits": ["a", "b  +\n c"]}
    again = {**facts, "limits": ["b + c", "a"]}
    assert rule_definition.digest("x\n  > 1", **facts) == rule_definition.digest("x > 1", **again)


def test_a_limit_with_other_rails_is_another_definition():
    rule = KNOWN.rules[NAME]
    limit = rule.threshold.model_copy(update={"ceiling": rule.threshold.ceiling + 1})
    other = rule.model_copy(update={"threshold": limit})
    assert rule_rails.definition(other) != rule_rails.definition(rule)


def test_an_alert_in_shadow_brings_a_record_of_its_definition():
    rule = KNOWN.rules[NAME].model_copy(update={"shadow": True})
    built = files(replace(KNOWN, rules={NAME: rule}), Links(grafana="", alertmanager="", runbooks=""))[ALERTS]
    (group,) = rule_groups.parse(built, "alerts.yml")
    record = group.rules[-1]
    assert (record.name, record.expr) == ("tutordex:alert:in_shadow", "vector(1)")
    assert record.labels == {"alert": NAME, "definition": rule_rails.definition(rule)}
