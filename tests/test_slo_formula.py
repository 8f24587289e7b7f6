"""Burn-rate rules in Prometheus's own hands: the known formula on the same series, and tests that can fail."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tutordex_analysis import catalogue_file, slo_sloth
from tutordex_analysis.sink import rule_text, rules

LINKS = rule_text.Links(grafana="http://g", alertmanager="http://a", runbooks="docs/runbooks")


def promtool(*words):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


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
