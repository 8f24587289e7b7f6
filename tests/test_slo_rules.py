"""Promises as rules: names, guards against few events, and what cannot be made into an alert."""

from __future__ import annotations

import pytest
import yaml

from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import CatalogueError

ALERTS = {"page": "MyBurn", "ticket": "MyTicket", "component": "backend"}
API = {
    "title": "API", "objective": 0.999, "noun": "requests", "bad": "api_errors", "total": "api_requests",
    "alerts": ALERTS,
}  # fmt: skip


def loaded(folder, **changed):
    (folder / "own.yaml").write_text(yaml.safe_dump({"slos": {"mine": API | changed}}))
    return catalogue_file.load(folder)


def test_every_existing_name_stays_and_no_alert_is_there_twice():
    known = catalogue_file.load()
    stack = {"AssignmentProcessingSLOViolation", "ParseQualitySLOViolation", "DMDeliverySLOViolation"}
    assert stack <= known.rules.keys()
    assert {name: known.rules[name].severity for name in stack} == dict.fromkeys(stack, "warning")
    assert known.slos["dm_delivery"].alerts.page is None


def test_a_page_needs_the_least_events_and_the_least_bad_ones(tmp_path):
    page = loaded(tmp_path, least=40, least_bad=9).rules["MyBurn"]
    assert "(tutordex:slo:mine_bad_1h > 8.5) / (tutordex:slo:mine_events_1h > 39.5) > 0.0144" in page.value
    assert "last_over_time(tutordex:slo:mine_bad_fraction_5m[1h]) > 0.0144" in page.value
    assert page.threshold.human == 0.006


def test_a_promise_without_alerts_has_no_rules(tmp_path):
    known = loaded(tmp_path, alerts=None)
    assert not [name for name in known.records if name.startswith("tutordex:slo:mine_")]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"objective": 1}, "an objective of 1 leaves no budget"),
        ({"objective": 0}, "it is a share between 0 and 1"),
        ({"period": "3d"}, "too short for burn-rate alerts"),
        ({"alerts": ALERTS | {"page": "Watchdog"}}, "Watchdog, which is there already"),
        ({"alerts": ALERTS | {"page": "MyTicket"}}, "page and ticket are both called MyTicket"),
        ({"objective": 0.05}, "no failure can reach the limit of MyBurn"),
        ({"bad": "queue_pending"}, "queue_pending is a gauge"),
        ({"bad": {"signal": "api_errors", "labels": {"path": "/x"}}}, "no events of one path can be told"),
    ],
)
def test_what_cannot_be_an_alert_is_one_sentence_with_its_line(tmp_path, changed, said):
    with pytest.raises(CatalogueError, match=said) as caught:
        loaded(tmp_path, **changed)
    assert "own.yaml:" in str(caught.value)


def test_births_count_above_nothing_and_where_any_metric_of_the_promise_was_there():
    known = catalogue_file.load()
    text = known.records["tutordex:slo:parse_quality_bad_1h"].promql
    assert (
        "count((min_over_time(worker_parse_failure_total[1h]) > 0) unless worker_parse_failure_total offset 1h)" in text
    )
    assert "count(worker_parse_success_total offset 1h or worker_parse_failure_total offset 1h)" in text


def test_a_wait_that_is_no_number_makes_nobody_late():
    text = catalogue_file.load().records["tutordex:slo:assignments_in_time_bad_1h"].promql
    assert "1 - (" in text
    assert "> bool 300" in text
    assert "<= bool" not in text


def test_no_warning_mutes_a_page():
    known = catalogue_file.load()
    for name, rule in known.rules.items():
        if name.endswith("BudgetBurn"):
            assert {known.rules[one].severity for one in rule.muted_by} <= {"critical"}, name
    assert "ParseFailureSpike" in known.rules["ParseQualitySLOViolation"].muted_by
