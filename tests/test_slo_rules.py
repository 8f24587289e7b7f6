"""Promises as rules: the same bytes each time, quiet on few events, refused in one sentence where they cannot be."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tutordex_analysis import catalogue_file, slo_rules, slo_sloth
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.sink import rule_check, rule_text, rules

LINKS = rule_text.Links(grafana="http://g", alertmanager="http://a", runbooks="docs/runbooks")
KNOWN = catalogue_file.load()
PAGES = ("ApiErrorBudgetBurn", "AssignmentProcessingBudgetBurn", "ParseQualityBudgetBurn")
TICKETS = (
    *("ApiErrorSLOViolation", "AssignmentProcessingSLOViolation", "ParseQualitySLOViolation"),
    "DMDeliverySLOViolation",
)
SHOP = """signals:
  orders: {title: Orders, area: shop, kind: count, unit: requests, counter: shop_orders_total}
  refused: {title: Refused, area: shop, kind: count, unit: requests, counter: 'shop_orders_total{code=~"5.."}'}
  prices: {title: Prices, area: shop, kind: gauge, unit: seconds, metric: shop_price_age_seconds, combine: max}
  shelves: {title: Shelves, area: shop, kind: gauge, unit: seconds, metric: shop_shelf, combine: max, by: [shelf]}
"""


def shop(folder, promise, more=""):
    (folder / "own.yaml").write_text(f"shipped: false\n{SHOP}slos:\n  shop: {{title: Shop, {promise}}}\n{more}")
    return catalogue_file.load(folder)


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def test_the_stack_s_alerts_keep_their_names_and_are_there_once():
    made = {name for slo in KNOWN.slos.values() if slo.alerts for name in slo.alerts.names}
    assert made == {*PAGES, *TICKETS}
    assert {KNOWN.rules[name].severity for name in PAGES} == {"critical"}
    assert {KNOWN.rules[name].severity for name in TICKETS} == {"warning"}
    text = (Path(__file__).parents[1] / "observability" / rules.ALERTS).read_text("utf-8")
    assert all(text.count(f"alert: {name}\n") == 1 for name in made)


def test_a_page_mutes_the_ticket_of_its_promise():
    assert "ApiErrorBudgetBurn" in KNOWN.rules["ApiErrorSLOViolation"].muted_by
    assert KNOWN.rules["ApiErrorBudgetBurn"].muted_by == ("PublicApiDown",)


def test_every_case_of_the_brief_is_among_the_generated_tests():
    for name in (*PAGES, *TICKETS):
        whens = {one.when for one in KNOWN.rules[name].examples}
        assert whens >= {
            *("it burns fast", "only the longer windows burn", "it burns fast, then nothing more happens"),
            *("counters of two processes", "under the limit", "ten times the traffic, under the limit"),
            *("it burned and is over", "one of three is bad", "one bad event too few", "no events", "no numbers"),
            *("no series", "it burned and its series are gone"),
        }, name
    assert "all are quick but wait too long" in {
        one.when for one in KNOWN.rules["AssignmentProcessingBudgetBurn"].examples
    }


def test_building_twice_gives_the_same_bytes():
    assert rules.files(catalogue_file.load(), LINKS) == rules.files(catalogue_file.load(), LINKS)


@pytest.mark.parametrize(
    ("promise", "sentence"),
    [
        ("objective: 1, bad: refused, total: orders", "an objective of 1 leaves no budget"),
        ("objective: 0, bad: refused, total: orders", "it is a share between 0 and 1"),
        (
            "objective: 0.9, bad: refunds, total: orders, alerts: {page: A, component: c}",
            "there is no signal 'refunds'",
        ),
        (
            "objective: 0.9, bad: prices, total: orders, alerts: {page: A, component: c}",
            "prices is a gauge without counter",
        ),
        (
            "objective: 0.9, bad: {signal: orders, labels: {code: x}}, total: orders, alerts: {page: A, component: c}",
            "orders keeps no label, so no events of one code can be told",
        ),
        (
            "objective: 0.9, bad: refused, total: orders, late_while: {signal: shelves, above: 3}, "
            "alerts: {page: A, component: c}",
            "late_while needs a gauge without by:, which shelves is not",
        ),
        (
            "objective: 0.9, bad: refused, total: orders, alerts: {page: A, ticket: A, component: c}",
            "page and ticket are both called A",
        ),
        (
            "objective: 0.8, bad: refused, total: orders, alerts: {page: A, component: c}",
            "no failure can reach the limit of A: an error budget of 0.2",
        ),
        (
            "objective: 0.9, period: 2d, bad: refused, total: orders, alerts: {page: A, component: c}",
            "a period of 2d is too short for burn-rate alerts",
        ),
        ("objective: 0.9, bad: refused, total: orders, alerts: {page: a, component: c}", "'a' is no alert's name"),
    ],
)
def test_what_cannot_be_promised_is_one_sentence_with_its_place(tmp_path, promise, sentence):
    with pytest.raises(CatalogueError, match=rf"own.yaml:\d+: .*{re.escape(sentence)}") as found:
        shop(tmp_path, promise)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        ("rules:\n  Lost: {value: up, component: c, summary: s}\n", "Lost"),
        ("records:\n  tutordex:slo:shop_bad_1h: {title: t, promql: up}\n", "tutordex:slo:shop_bad_1h"),
        (
            "  other: {title: O, objective: 0.9, bad: refused, total: orders, alerts: {page: Lost, component: c}}\n",
            "Lost",
        ),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path, more, taken):
    with pytest.raises(CatalogueError, match=rf"own.yaml:\d+: .* it makes {taken}, which is there already"):
        shop(tmp_path, "objective: 0.9, bad: refused, total: orders, alerts: {page: Lost, component: c}", more)


def test_a_promise_of_the_stack_can_be_taken_out_with_its_alerts_or_one_alert_alone(tmp_path):
    (tmp_path / "own.yaml").write_text("slos: {api_availability: null}\nrules: {ParseQualityBudgetBurn: null}\n")
    made = catalogue_file.load(tmp_path).rules
    assert not {"ApiErrorBudgetBurn", "ApiErrorSLOViolation", "ParseQualityBudgetBurn"} & {*made}
    assert "ParseQualitySLOViolation" in made
    (tmp_path / "own.yaml").write_text("signals: {api_errors: null}\n")
    assert "api_availability" not in catalogue_file.load(tmp_path).slos


def test_a_promise_without_alerts_makes_no_rules(tmp_path):
    made = shop(tmp_path, "objective: 0.9, bad: refused, total: orders")
    assert not made.rules
    assert not made.records


def test_only_windows_that_are_read_are_recorded(tmp_path):
    made = shop(tmp_path, "objective: 0.99, bad: refused, total: orders, alerts: {page: Lost, component: c}")
    windows = {name.rpartition("_")[2] for name in made.records}
    assert windows == {"5m", "30m", "1h", "6h"}


def test_windows_longer_than_the_retention_are_named(tmp_path):
    made = shop(tmp_path, "objective: 0.99, bad: refused, total: orders, alerts: {ticket: Lost, component: c}")
    rules.write(made, LINKS, output=tmp_path, runbooks=tmp_path)
    files = [tmp_path / rules.RECORDS, tmp_path / rules.ALERTS]
    found = {kept: rule_check.check(files, made, retention=kept).findings for kept in ("2d", "15d")}
    said = {one.rule for one in found["2d"] if "3 days are asked for, 2 are kept" in one.why}
    assert said == {"tutordex:slo:shop_events_3d", "tutordex:slo:shop_bad_3d"}
    assert not [one for one in found["15d"] if "are kept" in one.why]


# --- in Prometheus's own hands

DEMO = """version: prometheus/v1
service: demo
slos:
  - name: requests
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(demo_total{code="500"}[{{.window}}]))
        total_query: sum(rate(demo_total[{{.window}}]))
"""
# What the workbook's formula says: two pairs of windows each, both over their factor times the budget of 0.001.
_RATIO = 'sum(rate(demo_total{{code="500"}}[{0}])) / sum(rate(demo_total[{0}]))'
_PAIRS = {"page": (("1h", "5m", 0.0144), ("6h", "30m", 0.006)), "ticket": (("1d", "2h", 0.003), ("3d", "6h", 0.001))}
THEIRS = {
    kind: " or ".join(
        f"({_RATIO.format(long)} > {limit} and {_RATIO.format(short)} > {limit})" for long, short, limit in some
    )
    for kind, some in _PAIRS.items()
}
MINUTE = 100  # requests a minute: far above every guard
KNOWN_GOOD = [  # stretches of (minutes, bad in a thousand), when, page, ticket
    ([(120, 20)], "1h55m", 1, 1),
    ([(485, 10)], "8h5m", 1, 1),
    ([(485, 5)], "8h5m", 0, 1),
    ([(485, 2)], "8h5m", 0, 1),  # 0.1 % of three days, of which there are eight hours
    ([(485, 0.5)], "8h5m", 0, 0),
    ([(120, 20), (45, 0)], "2h45m", 0, 1),
    ([(120, 20), (300, 0)], "7h", 0, 1),  # six hours still hold half an hour of it
    ([(120, 20), (400, 0)], "8h40m", 0, 0),
    ([(300, 0), (10, 1000)], "5h10m", 1, None),  # a ticket counts whole hours
    ([(240, 0), (60, 1000)], "5h", 1, 1),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Rules of a promise that was read from Sloth's file."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "sloth.yml").write_text(DEMO)
    own = folder / "own"
    own.mkdir()
    (own / "slos.yaml").write_text("shipped: false\n" + slo_sloth.text(slo_sloth.read(folder / "sloth.yml")))
    made = catalogue_file.load(own)
    rules.write(made, LINKS, output=folder, runbooks=folder)
    return folder, made


def series(stretches):
    """Cumulative counters, in eighths so that sums are exact."""
    made, totals = {"500": [], "200": []}, {"500": 0.0, "200": 0.0}
    for minutes, bad in stretches:
        wrong = round(MINUTE * bad / 1000 * 64) / 64
        for code, rate in (("500", wrong), ("200", MINUTE - wrong)):
            made[code].append(f"{totals[code] + rate!r}+{rate!r}x{minutes - 1}")
            totals[code] += rate * minutes
    return [{"series": f'demo_total{{code="{code}"}}', "values": " ".join(each)} for code, each in made.items()]


@pytest.mark.server("promtool")
def test_pages_and_tickets_are_those_of_the_known_formula(demo):
    """At traffic where no guard speaks: the formula of the workbook and of Sloth's rules, on the same series."""
    folder, made = demo
    cases = []
    for stretches, at, page, ticket in KNOWN_GOOD:
        asked = []
        for kind, name, wanted in (
            ("page", "DemoRequestsBudgetBurn", page),
            ("ticket", "DemoRequestsSLOViolation", ticket),
        ):
            for text in (THEIRS[kind], made.rules[name].value):
                if wanted is not None:
                    expr = f"count({text}) or vector(0)"
                    asked.append({"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": wanted}]})
        cases.append({"interval": "1m", "input_series": series(stretches), "promql_expr_test": asked})
    above = [str(folder / rules.RECORDS)]
    (folder / "case.yml").write_text(yaml.safe_dump({"rule_files": above, "evaluation_interval": "5m", "tests": cases}))
    good, said = promtool("test", "rules", folder / "case.yml")
    assert good, said


@pytest.mark.server("promtool")
@pytest.mark.parametrize(
    ("old", "new", "case"),
    [
        (r"_bad_1h > 4.5", "_bad_1h > 0.5", "BudgetBurn: one bad event too few"),
        (r"_(bad|events)_6h > [\d.]+", r"_\1_6h > 0.5", "BudgetBurn: one of three is bad"),
        (r"last_over_time\((\S+)\[\w+\]\)", r"\1", "BudgetBurn: it burns fast, then nothing"),
        (r"and on \(\) last_over_time\(\S+\) > [\d.]+", "", "BudgetBurn: it burned and is over"),
        (r"> 0.006", "> 0.012", "BudgetBurn: only the longer windows burn"),
        (r"> 0.006", "> 0.003", "BudgetBurn: under the limit"),
        (r"and on \(\) \S+_bad_[26]h > 1.5", "", "SLOViolation: it burned days ago"),
    ],
)
def test_the_generated_tests_see_what_is_broken(demo, tmp_path, old, new, case):
    """A test that cannot fail proves nothing."""
    folder, _ = demo
    kind, _, when = case.partition(": ")
    home = folder / rules.ALERTS
    text = home.read_text()
    broken = re.sub(old, new, text)
    assert broken != text
    (tmp_path / "alerts.yml").write_text(broken)
    document = yaml.safe_load((folder / rules.TESTS / f"DemoRequests{kind}_test.yml").read_text())
    document["rule_files"] = [str(folder / rules.RECORDS), str(tmp_path / "alerts.yml")]
    document["tests"] = [one for one in document["tests"] if when in one["name"]]
    assert document["tests"]
    (tmp_path / "case.yml").write_text(yaml.safe_dump(document))
    good, said = promtool("test", "rules", tmp_path / "case.yml")
    assert not good, said


@pytest.mark.server("promtool")
def test_rules_of_a_foreign_promise_pass_their_own_tests(demo):
    folder, _ = demo
    found = sorted((folder / rules.TESTS).glob("*.yml"))
    assert [path.name for path in found] == ["DemoRequestsBudgetBurn_test.yml", "DemoRequestsSLOViolation_test.yml"]
    good, said = promtool("test", "rules", *found)
    assert good, said


def test_no_series_are_guessed_where_a_query_is_no_plain_sum():
    slo = KNOWN.slos["api_availability"].model_copy(
        update={
            "bad": None,
            "total": None,
            "bad_query": "max(rate(a[$window]))",
            "total_query": "sum(rate(b[$window]))",
        }
    )
    assert [one.examples for one in slo_rules.alerts_of(slo, KNOWN.signals).values()] == [(), ()]
