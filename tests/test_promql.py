"""PromQL text: the parse check, the metrics of a query."""

import pytest

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError


def test_metrics_of_a_query_are_found_wherever_they_stand():
    query = 'sum(rate(a_total[5m])) / on() {__name__="b", x="c"} + max_over_time(sum(d)[1h:5m]) + time()'
    assert promql.metrics(query) == {"a_total", "b", "d"}


def test_check_shows_the_parsers_own_words():
    with pytest.raises(CatalogueError, match=r"'rate\(foo' is not PromQL: unclosed left parenthesis"):
        promql.check("rate(foo")


@pytest.mark.parametrize(
    ("query", "plain"), [("up", True), ('up{job="a"}', True), ("sum(up)", False), ("up[5m]", False), ("(", False)]
)
def test_is_selector(query, plain):
    assert promql.is_selector(query) is plain


def test_normal_leaves_text_in_quotes_alone():
    assert promql.normal(' sum(\n  up{a="x  y"} )  ') == 'sum( up{a="x  y"} )'


def test_shorten_keeps_both_ends():
    assert promql.shorten("a" * 500 + "z").startswith("aaa")
    assert promql.shorten("a" * 500 + "z").endswith("z")
    assert len(promql.shorten("a" * 500)) < 130
