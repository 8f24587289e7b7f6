"""Recorded names replaced by what they compute: refusals; values are compared on a real Prometheus in tests/source."""

import pytest

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.rule_groups import FileRule, Group
from tutordex_analysis.rule_inline import inlined, is_scalar, recordings


def known(**rules):
    made = [FileRule(kind="record", name=name.replace("__", ":"), expr=expr) for name, expr in rules.items()]
    return recordings([Group(name="g", file="f", rules=tuple(made))])


def test_no_recorded_name_is_left_however_deep():
    held = known(a__b="sum by (job) (rate(x_total[5m]))", a__c="a:b / 2", a__d="max_over_time(a:c[1h])")
    found = inlined('a:d{job="z"} offset 1h > on () a:c and absent(a:b)', held)
    assert promql.metrics(found) == {"x_total"}


def test_other_names_stay():
    assert inlined("b:x > 1", known(a__b="x")) == "b:x > 1"


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ('a:b{alert="X"}', {"x"}),
        ('a:b{alert!="X"}', {"y", "z"}),
        ('a:b{alert=~"X|Y"}', {"x", "y"}),
        ('a:b{alert="W"}', set()),
        ('a:b{job="j"}', {"x", "y", "z"}),
        ("a:b", {"x", "y", "z"}),
    ],
)
def test_a_rule_whose_own_label_does_not_fit_is_left_out(selector, kept):
    rules = [FileRule(kind="record", name="a:b", expr=name, labels={"alert": name.upper()}) for name in "xyz"]
    found = inlined(selector, recordings([Group(name="g", file="f", rules=tuple(rules))]))
    assert promql.metrics(found) == kept
    assert ("and on (job)" in found) == ("job" in selector)


@pytest.mark.parametrize(
    ("expr", "rules", "why"),
    [
        ("a:b", {"a__b": "a:b offset 1m"}, "needs its own past"),
        ("a:b", {"a__b": "a:c", "a__c": "a:b"}, "needs its own past"),
        ('{__name__=~"a:.*"}', {"a__b": "x"}, "selects the recorded a:b by a pattern"),
        ("a:b >", {"a__b": "x"}, "is not PromQL"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(expr, rules, why):
    with pytest.raises(CatalogueError, match=why):
        inlined(expr, known(**rules))


@pytest.mark.parametrize(
    ("expr", "scalar"),
    [("1", True), ("-(time() + 2) > bool 3", True), ("scalar(x)", True), ("vector(1)", False), ("1 + x", False)],
)
def test_scalars(expr, scalar):
    assert is_scalar(expr) == scalar
