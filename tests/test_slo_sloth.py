"""Promises from Sloth's files: events and ratios become ours, and what cannot be said in ours is refused."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from tutordex_analysis import catalogue_file, cli, slo_sloth
from tutordex_analysis.errors import CatalogueError

EVENTS = """events:
        error_query: sum(rate(shop_requests_total{code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(shop_requests_total[{{ .window }}]))"""


def file(folder, sli=EVENTS, *, objective="99.9", head="version: prometheus/v1\nservice: my-shop", more=""):
    path = folder / "sloth.yml"
    path.write_text(
        f"{head}\nlabels: {{owner: shop-team, tier: '1'}}\nslos:\n  - name: requests-availability\n"
        f"    objective: {objective}\n    description: Orders are taken.\n    sli:\n      {sli}\n{more}"
    )
    return path


def raw(query):
    return f"raw:\n        error_ratio_query: {query}"


def test_events_become_rates_over_our_window(tmp_path):
    (slo,) = slo_sloth.read(file(tmp_path))
    assert (slo.name, slo.objective, slo.period, slo.owner) == (
        "my_shop_requests_availability",
        0.999,
        "30d",
        "shop-team",
    )
    assert slo.bad_query == 'sum(rate(shop_requests_total{code=~"(5..|429)"}[$window]))'
    assert slo.total_query == "sum(rate(shop_requests_total[$window]))"
    assert slo.alerts is not None
    assert slo.alerts.names == ("MyShopRequestsAvailabilityBudgetBurn", "MyShopRequestsAvailabilitySLOViolation")


def test_alerts_keep_their_name_and_what_is_switched_off_stays_off(tmp_path):
    named = "    alerting:\n      name: shop-down\n      ticket_alert: {disable: true}\n"
    (slo,) = slo_sloth.read(file(tmp_path, more=named))
    assert slo.alerts is not None
    assert slo.alerts.names == ("ShopDownBudgetBurn",)
    (slo,) = slo_sloth.read(file(tmp_path, more=f"{named}      page_alert: {{disable: true}}\n"))
    assert slo.alerts is None


@pytest.mark.parametrize(
    ("query", "bad"),
    [
        ("sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}]))", "sum(rate(a[$window]))"),
        ("(sum(increase(a[{{.window}}])) / sum(increase(b[{{.window}}])))", "sum(rate(a[$window]))"),
        (
            "1 - (sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}])))",
            "(sum(rate(b[$window]))) - (sum(rate(a[$window])))",
        ),
    ],
)
def test_a_ratio_is_taken_apart(tmp_path, query, bad):
    (slo,) = slo_sloth.read(file(tmp_path, raw(query)))
    assert slo.bad_query is not None
    assert " ".join(slo.bad_query.split()) == bad
    assert slo.total_query == "sum(rate(b[$window]))"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"objective": "100"}, "an objective of 100 leaves no error budget"),
        ({"objective": "1"}, "objective 1 looks like a share; Sloth writes percent: 99.9 for 0.999"),
        ({"objective": "0.999"}, "objective 0.999 looks like a share; Sloth writes percent: 99.9 for 0.999"),
        ({"objective": "0"}, "objective 0 is no percentage"),
        ({"objective": "-5"}, "objective -5 is no percentage"),
        ({"objective": "most"}, "objective 'most' is no percentage"),
        ({"objective": ".nan"}, "objective nan is no percentage"),
        ({"sli": "events:\n        error_query: sum(rate(a[{{.window}}]))"}, "events: has no total_query:"),
        ({"sli": "raw: {}"}, "raw: has no error_ratio_query:"),
        ({"sli": "plugin: {id: x}"}, "sli: of a plugin is code of Sloth's own"),
        ({"sli": "{}"}, "sli: is events: or raw:, one of them; got nothing"),
        ({"sli": raw("sum(rate(a[5m])) / sum(rate(b[5m]))")}, "error_ratio_query asks for no {{.window}}"),
        (
            {"sli": raw("sum(rate(a[5m])) / sum(rate(b[{{.window}}]))")},
            "rate(a[5m]) has a window of its own, not {{.window}}",
        ),
        (
            {"sli": raw("sum(rate(a{j='{{.job}}'}[{{.window}}]))")},
            "error_ratio_query has {{.job}}; of Sloth's templates",
        ),
        ({"sli": raw("avg_over_time(a[{{.window}}])")}, "error_ratio_query is no bad / all and no 1 - good / all"),
        (
            {"sli": raw("sum_over_time(a[{{.window}}]) / count_over_time(a[{{.window}}])")},
            "events are counted with count_over_time, sum_over_time; use rate()",
        ),
        (
            {"sli": raw("sum(rate(a[{{.window}}])) / sum(increase(b[{{.window}}]))")},
            "events are counted with increase, rate; use rate() in both",
        ),
        (
            {"sli": raw("sum_over_time((a > 1)[{{.window}}:1m]) / count_over_time(a[{{.window}}])")},
            "a subquery over the window counts moments",
        ),
        ({"sli": raw("sum(rate(a[{{.window}}]) / b")}, "is not PromQL"),
        ({"head": "version: prometheus/v2\nservice: s"}, "this is a file of the version 'prometheus/v2'"),
        ({"head": "apiVersion: sloth.slok.dev/v1"}, "of the version 'sloth.slok.dev/v1'; only version: prometheus/v1"),
        ({"head": "service: s"}, "this is a file without version:"),
        ({"head": "version: prometheus/v1"}, "service: must name the service"),
        ({"more": "  - {name: requests_availability, objective: 99, sli: {}}\n"}, "sli: is events: or raw:"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_its_line(tmp_path, given, sentence):
    with pytest.raises(CatalogueError, match=re.escape(sentence)) as found:
        slo_sloth.read(file(tmp_path, given.get("sli", EVENTS), **{k: v for k, v in given.items() if k != "sli"}))
    assert re.match(r".*sloth\.yml:\d+: ", str(found.value))
    assert "\n" not in str(found.value)


def test_two_promises_of_one_name_are_refused(tmp_path):
    more = f"  - name: requests_availability\n    objective: 99\n    sli:\n      {EVENTS}\n"
    with pytest.raises(CatalogueError, match="'requests_availability' is there twice"):
        slo_sloth.read(file(tmp_path, more=more))


def test_the_command_prints_a_file_that_loads_and_makes_rules(tmp_path):
    path = file(tmp_path)
    done = CliRunner().invoke(cli.app, ["catalogue", "sloth", str(path), "--period", "28d"])
    assert done.exit_code == 0, done.output
    own = tmp_path / "own"
    own.mkdir()
    (own / "slos.yaml").write_text(done.stdout)
    known = catalogue_file.load(own)
    assert known.slos["my_shop_requests_availability"].period == "28d"
    rule = known.rules["MyShopRequestsAvailabilityBudgetBurn"]
    assert rule.threshold is not None
    assert rule.threshold.human == pytest.approx(0.0056)  # 5 % of 28 days in six hours
    assert rule.examples


def test_the_command_refuses_in_one_sentence(tmp_path):
    done = CliRunner().invoke(cli.app, ["catalogue", "sloth", str(file(tmp_path, objective="100"))])
    assert done.exit_code != 0
