"""Sloth's files as promises of ours: what is read, what is refused in one sentence."""

from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

from tutordex_analysis import catalogue_file, cli, slo_sloth
from tutordex_analysis.errors import CatalogueError

EVENTS = {
    "error_query": 'sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))',
    "total_query": 'sum(rate(http_requests_total{job="shop"}[{{.window}}]))',
}
PROMISE = {
    "name": "requests-availability", "objective": 99.9, "description": "Answered requests.", "sli": {"events": EVENTS},
    "alerting": {"name": "ShopErrors", "page_alert": {"labels": {"severity": "page"}}, "ticket_alert": {}},
}  # fmt: skip
SPEC = {"version": "prometheus/v1", "service": "shop", "labels": {"owner": "shop team"}, "slos": [PROMISE]}


def read(folder, period="30d", **changed):
    path = folder / "sloth.yml"
    path.write_text(yaml.safe_dump(SPEC | changed))
    return slo_sloth.read(path, period=period)


def promise(**changed):
    return {"slos": [PROMISE | changed]}


def test_a_file_is_read_with_its_queries_its_objective_and_its_alerts(tmp_path):
    (one,) = read(tmp_path)
    assert (one.name, one.title, one.owner) == (
        "shop_requests_availability",
        "shop: requests-availability",
        "shop team",
    )
    assert one.objective == 0.999
    assert one.bad_query == 'sum(rate(http_requests_total{code=~"5..",job="shop"}[$window]))'
    assert one.total_query == 'sum(rate(http_requests_total{job="shop"}[$window]))'
    assert (one.alerts.page, one.alerts.ticket) == ("ShopErrorsBudgetBurn", "ShopErrorsSLOViolation")


def test_a_ratio_is_taken_apart_so_that_events_can_be_counted(tmp_path):
    ratio = f"({EVENTS['error_query']}) / ({EVENTS['total_query']})"
    (plain,) = read(tmp_path)
    (one,) = read(tmp_path, **promise(sli={"raw": {"error_ratio_query": ratio}}))
    assert (one.bad_query, one.total_query) == (plain.bad_query, plain.total_query)
    good = f"1 - (({EVENTS['error_query']}) / ({EVENTS['total_query']}))"
    (one,) = read(tmp_path, **promise(sli={"raw": {"error_ratio_query": good}}))
    good = '(sum(rate(http_requests_total{code=~"5..",job="shop"}[$window])))'
    every = '(sum(rate(http_requests_total{job="shop"}[$window])))'
    assert " ".join(one.bad_query.split()) == f"{every} - ( {good} or 0 * {every} )"  # an absent counter is no good one


def test_what_is_printed_is_a_file_of_a_catalogue_with_rules(tmp_path):
    (tmp_path / "sloth.yml").write_text(yaml.safe_dump(SPEC))
    done = CliRunner().invoke(cli.app, ["catalogue", "sloth", str(tmp_path / "sloth.yml")])
    assert done.exit_code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/slos.yaml").write_text(done.output)
    known = catalogue_file.load(tmp_path / "mine")
    assert known.slos["shop_requests_availability"].objective == 0.999
    assert known.rules["ShopErrorsBudgetBurn"].severity == "critical"
    assert "tutordex:slo:shop_requests_availability_bad_1h" in known.records


def test_switched_off_alerts_are_not_made(tmp_path):
    off = {"disable": True}
    (one,) = read(tmp_path, **promise(alerting={"name": "ShopErrors", "page_alert": off}))
    assert (one.alerts.page, one.alerts.ticket) == (None, "ShopErrorsSLOViolation")
    (one,) = read(tmp_path, **promise(alerting={"page_alert": off, "ticket_alert": off}))
    assert one.alerts is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "prometheus/v2"}, r"sloth.yml:\d+: this is a file of the version 'prometheus/v2'; only version"),
        ({"version": None}, "a file without version:"),
        ({"service": ""}, "service: must name the service"),
        ({"slos": []}, "a list of at least one promise"),
        (promise(objective=100), "leaves no error budget"),
        (promise(objective=0), "is no percentage"),
        (promise(objective=0.999), "looks like a share; Sloth writes percent, such as 99.9"),
        (promise(objective="high"), "is no percentage"),
        (promise(sli={"events": {"total_query": "x"}}), "has no error_query:"),
        (promise(sli={"plugin": {"id": "a"}}), "of a plugin is code"),
        (promise(sli={}), "is events: or raw:, one of them; got nothing"),
        (promise(sli={"events": EVENTS | {"error_query": "sum(rate(x[5m]))"}}), r"asks for no {{.window}}"),
        (
            promise(sli={"events": EVENTS | {"error_query": "sum(rate(x[{{.window}}]"}}),
            r"error_query: .*{{.window}}.* is not PromQL: unclosed",
        ),
        (promise(sli={"raw": {"error_ratio_query": "rate(x[{{.window}}])"}}), "no bad / all"),
        ({"slos": [PROMISE, PROMISE]}, "is there twice"),
    ],
)
def test_what_cannot_be_said_in_ours_is_one_sentence_with_its_line(tmp_path, changed, said):
    with pytest.raises(CatalogueError, match=said):
        read(tmp_path, **changed)


def test_a_period_that_is_too_short_for_its_alerts_is_refused_when_the_rules_are_made(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/slos.yaml").write_text(slo_sloth.text(read(tmp_path, period="2d")))
    with pytest.raises(CatalogueError, match=r"slos.yaml:\d+: .*a period of 2d is too short for burn-rate alerts"):
        catalogue_file.load(tmp_path / "mine")
