"""Rule files of others: each fault is found with its file and line, and nothing is said of what is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tutordex_analysis import catalogue_file, cli
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.promql_labels import Reading
from tutordex_analysis.sink import rule_check, rules

DATA = Path(__file__).parents[1] / "data"
OBSERVABILITY = Path(__file__).parents[2] / "observability"
KNOWN = catalogue_file.load()


@pytest.fixture(scope="module")
def found():
    return rule_check.check(sorted(DATA.glob("foreign_*.yml")), KNOWN).findings


@pytest.mark.parametrize(
    ("rule", "level", "why"),
    [
        ("shop:llm:cost", "fault", "a thousand times too high"),
        ("shop:llm:cost", "fault", "nothing exposes or records it"),
        ("shop:funnel:matches_per_assignment", "fault", "finds no pair"),
        ("shop:funnel:matches_per_assignment", "note", "0/0"),
        ("shop:slo:slow_share", "fault", 'le="300.0"'),
        ("shop:slo:month", "fault", "30 days are asked for, 15 are kept"),
        ("shop:channel:silence", "note", "one series a pipeline version"),
        ("TargetGone", "fault", "it is always 0 here"),
        ("TargetGone", "fault", "inside the container network"),
        ("ContainerRestarts", "note", "process_start_time_seconds"),
        ("SwitchedOffTheRightWay", "note", "compares two constants"),
        ("SwitchedOffTheWrongWay", "fault", "fires for ever"),
        ("BacklogGrows", "note", "freezes when the worker hangs"),
        ("BacklogGrows", "note", "no series that could be 0"),
        ("JobStuck", "note", "it counts from the creation of the row"),
        ("LlmFails", "note", "17,280 a day"),
        ("HeldBack", "note", "born at 1, is not seen"),
        ("SlowJobs", "fault", "falls to the default route"),
        ("ChannelFails", "fault", "it prints nothing: the expression keeps reason"),
        ("NewFunction", "fault", "Prometheus 2.50 does not know it (from 2.51 there)"),
        ("DifferentSides", "fault", "takes nothing away"),
        ("Broken", "fault", "is not PromQL"),
        ("nothing_in_it", "note", "does nothing"),
        ("", "fault", "it has no name"),
        ("", "fault", "this is not YAML"),
        ("NoTutorTypes", "note", "hard-coded"),
        ("Unmapped", "fault", "since its start"),
        ("Unmapped", "fault", "the expression keeps no labels"),
    ],
)
def test_each_fault_of_a_foreign_file_is_found(found, rule, level, why):
    said = [one for one in found if (one.rule, one.level) == (rule, level) and why in one.why]
    assert len(said) >= 1, [one for one in found if one.rule == rule]
    for one in said:
        line = one.file.read_text().splitlines()[one.line - 1]
        assert one.line == 1 or line.strip(), "a finding points at a line with something in it"


def test_a_heartbeat_is_meant_to_fire_for_ever(found):
    assert [one for one in found if one.rule == "Heartbeat"] == []


def test_lines_are_those_of_the_file(found):
    lines = (DATA / "foreign_rules.yml").read_text().splitlines()
    for one in found:
        if one.rule == "SwitchedOffTheWrongWay":
            assert lines[one.line - 1].strip() == "expr: vector(0)"
        if one.rule == "ChannelFails":
            assert "$labels.channel" in lines[one.line - 1]


def test_our_own_rules_are_without_fault():
    mine = [OBSERVABILITY / rules.RECORDS, OBSERVABILITY / rules.ALERTS]
    checked = rule_check.check(mine, KNOWN, target="2.42")
    assert [one for one in checked.findings if one.level == "fault"] == []
    assert checked.rules > 100
    assert (
        rule_check.check(mine, KNOWN, target="2.50").faults == rule_check.check(mine, KNOWN, target="3.4").faults == 0
    )


@pytest.mark.parametrize(
    ("target", "expr", "wrong"),
    [
        ("2.50", "holt_winters(up[5m], 0.1, 0.2)", False),
        ("3.0", "holt_winters(up[5m], 0.1, 0.2)", True),
        ("2.50", "double_exponential_smoothing(up[5m], 0.1, 0.2)", True),
        ("3.1", "double_exponential_smoothing(up[5m], 0.1, 0.2)", False),
        ("2.50", "limitk(2, up)", True),
        ("2.50", "sum(rate(up[5m]))", False),
    ],
)
def test_functions_are_those_of_the_target(tmp_path, target, expr, wrong):
    path = tmp_path / "a.yml"
    path.write_text(f"groups:\n  - name: a\n    rules:\n      - record: a:b:c\n        expr: {expr}\n")
    findings = rule_check.check([path], KNOWN, target=target).findings
    assert any("does not know it" in one.why for one in findings) == wrong


@pytest.mark.parametrize(
    ("query", "labels", "faults"),
    [
        ("a", {"x", "y"}, 0),
        ("sum by (x) (a) / b", {"x"}, 0),
        ("a / b", {"x", "y"}, 1),
        ("a / on (x) group_left () b", {"x", "y"}, 0),
        ("a and on (x) b", {"x", "y"}, 0),
        ("a unless b", {"x", "y"}, 1),
        ("sum(a) or vector(0)", set(), 0),
        ("sum by (x) (a) or vector(0)", {"x"}, 1),
        ("a * on (q) b", {"q"}, 2),
        ("absent(a{x='1',y=~'2'})", {"x"}, 0),
        ('label_replace(b, "z", "1", "", "")', {"x", "z"}, 0),
        ("max_over_time((max by (x) (a))[1h:5m])", {"x"}, 0),
        ("histogram_quantile(0.9, sum by (le, x) (rate(h[5m])))", {"x"}, 0),
        ("a > bool 3", {"x", "y"}, 0),
        ("a / unknown", {"x", "y"}, 0),
        ("topk(3, b)", {"x"}, 0),
        ("sum without (y) (a)", {"x"}, 0),
    ],
)
def test_labels_of_a_result(query, labels, faults):
    known = {"a": frozenset("xy"), "b": frozenset("x"), "h": frozenset({"le", "x", "y"})}
    reading = Reading(query, known)
    assert (reading.labels, len(reading.faults)) == (frozenset(labels), faults)


def test_the_command_prints_and_ends_with_one():
    done = CliRunner().invoke(cli.app, ["rules", "check", str(DATA / "foreign_tutor_types.yml"), "--json"])
    assert done.exit_code == 1
    rows = json.loads(done.stdout)
    assert any(row["where"].endswith("foreign_tutor_types.yml:7") and row["level"] == "fault" for row in rows)
    mine = [str(OBSERVABILITY / path) for path in (rules.RECORDS, rules.ALERTS)]
    assert CliRunner().invoke(cli.app, ["rules", "check", *mine]).exit_code == 0


def test_a_version_that_is_none_is_refused():
    with pytest.raises(CatalogueError, match="'newest' is not a version of Prometheus"):
        rule_check.check([DATA / "foreign_rules.yml"], KNOWN, target="newest")


def test_a_file_that_is_not_there_is_a_finding(tmp_path):
    checked = rule_check.check([tmp_path / "none.yml"], KNOWN)
    assert checked.faults >= 1
    assert "cannot be read" in checked.findings[0].why
