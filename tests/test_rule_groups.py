"""Rule files as data: what is read, what is refused, and what differs between two."""

import pytest

from tests.rule_files import RECORDING, alerts
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.rule_groups import compare, normal, parse


def test_texts_stay_texts_and_durations_become_seconds():
    (group,) = parse(alerts("A", hold="1h30m"), "a.yml")
    (rule,) = group.rules
    assert rule.labels == {"severity": "warning", "on": "yes", "level": "1.0"}
    assert (rule.hold_seconds, rule.keep_seconds, group.every_seconds) == (5400, 0, 1)
    assert parse("", "empty.yml") == parse("groups: []", "none.yml") == parse("# nothing\n", "x.yml") == ()


def test_merged_keys_are_read_as_prometheus_reads_them():
    text = "x: &base {severity: page}\ngroups: [{name: g, rules: [{alert: A, expr: up, labels: {<<: *base, a: b}}]}]"
    assert parse(text, "a.yml")[0].rules[0].labels == {"severity": "page", "a": "b"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups: [", r"a\.yml:\d: this is not YAML"),
        ("- a", "has the key groups:"),
        ("groups: {a: b}", "has the key groups:"),
        ("groups: [{rules: []}]", "group 1 has no name"),
        ("groups: [{name: g}, {name: g}]", "two groups are called 'g'"),
        ("groups: [{name: g, rules: [{expr: up}]}]", "either alert: or record:"),
        ("groups: [{name: g, rules: [{alert: A, record: b, expr: up}]}]", "either alert: or record:"),
        ("groups: [{name: g, rules: [{alert: A}]}]", "alert 'A': it has no expr:"),
        ("groups: [{name: g, rules: [{alert: A, expr: up, for: 5 minutes}]}]", "'5 minutes' is not a duration"),
        ("groups: [{name: g, rules: [{alert: A, expr: up, labels: [a]}]}]", "labels: is a list of names with texts"),
        ("groups: [{name: g, rules: {a: b}}]", "is no list"),
        (b"\xff\xfe\x00", "this is not YAML"),
    ],
)
def test_what_is_no_rule_file_is_one_sentence(text, why):
    with pytest.raises(CatalogueError, match=why):
        parse(text, "a.yml")


def test_differences_are_told_by_rule():
    old = parse(alerts("A", "A", "B"), "old.yml")
    new = parse(alerts("A", "A", "C").replace("> 5", "> 6", 1) + RECORDING.split("\n", 1)[1], "new.yml")
    rows = [(one.change, one.kind, one.rule, one.what) for one in compare(old, new).itertuples()]
    assert rows == [
        ("changed", "alert", "A", "expr"),
        ("added", "alert", "C", ""),
        ("added", "record", "tutordex:jobs:rate", ""),
        ("removed", "alert", "B", ""),
    ]
    assert compare(new, new).empty


def test_one_expression_has_one_spelling():
    assert normal("sum(x)by(a)>1 # why") == normal("sum by (a) (x)  >\n1.0")
    assert normal("x{a=~`b\\d`}") == normal('x{a=~"b\\\\d"}')
    assert normal("no > > promql") == "no > > promql"
