"""The stack's old rules as a file, and which alerts can tell of a planted incident."""

import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest

from bench import _world_incidents, rules
from tutordex_analysis import catalogue_file, inventory, promql, rule_groups
from tutordex_analysis.question import thresholds
from tutordex_analysis.rule_inline import inlined, recordings
from tutordex_analysis.source.simulator import Incident

OLD = rule_groups.parse(rules.OLD.read_bytes(), rules.OLD.name)


def test_the_old_rules_are_nine_recordings_and_eighteen_alerts_on_metrics_of_the_stack():
    kinds = [rule.kind for group in OLD for rule in group.rules]
    assert (kinds.count("record"), kinds.count("alert")) == (9, 18)
    exprs = [inlined(rule.expr, recordings(OLD)) for group in OLD for rule in group.rules]
    named = {name for expr in exprs for name in promql.metrics(expr)}
    assert named <= inventory.names(catalogue_file.SHIPPED / catalogue_file.INVENTORY)
    assert len(named) > 12


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
def test_the_old_rules_are_accepted_by_promtool():
    subprocess.run(["promtool", "check", "rules", rules.OLD], check=True, capture_output=True)


def test_learnt_limits_are_made_again_when_anything_that_they_follow_from_changes():
    known, reach = catalogue_file.load(), thresholds.REACH
    made = rules._made_of(_world_incidents.world(3), known, reach=reach)
    assert made == rules._made_of(_world_incidents.world(3), catalogue_file.load(), reach=reach)
    name, rule = next(iter(thresholds.learners(known).items()))
    limit = rule.threshold.model_copy(update={"chance": 0.01})
    signal = known.signals[limit.signal].model_copy(update={"title": "another"})
    others = [
        rules._made_of(_world_incidents.world(4), known, reach=reach),
        rules._made_of(_world_incidents.world(3), known, reach=2 * reach),
        *(
            rules._made_of(_world_incidents.world(3), one, reach=reach)
            for one in (
                replace(known, rules={**known.rules, name: rule.model_copy(update={"threshold": limit})}),
                replace(known, signals={**known.signals, limit.signal: signal}),
                replace(known, calendar=known.calendar.model_copy(update={"timezone": "UTC"})),
            )
        ),
    ]
    assert len({made, *others}) == len(others) + 1


def test_an_incident_is_shown_by_its_own_metrics_and_those_of_its_signals():
    start = pd.Timestamp("2026-03-02T00:00Z")
    one = Incident(
        kind="database_refuses",
        start=start,
        end=start + pd.Timedelta("1h"),
        is_incident=True,
        affected=("up", "queue_pending"),
        description="d",
    )
    found = rules.shows(one, catalogue_file.load())
    assert {"up", "queue_pending", "probe_success", "worker_supabase_fail_total"} <= found
    assert "dm_fail_total" not in found
