"""Expressions without recorded names, so that the past can be asked: each is replaced by what its rule computes.

A recorded series is the value of its expression at that instant, under a new name and with the rule's labels. All of
it can be said in PromQL: `label_replace` names and labels, `and on` and `unless on` pick by matchers, a subquery
stands for a range. So only a name that is known by a pattern, and a rule that needs its own past, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import promql_parser as pp

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.frame import escape
from tutordex_analysis.moment import duration_text
from tutordex_analysis.promql import Matcher
from tutordex_analysis.rule_groups import FileRule, Group

# A vector for a selector of this name with these matchers, which it has applied; None leaves the selector as it is.
Given: TypeAlias = Callable[[str, Sequence[Matcher]], str | None]
NOTHING = "(vector(1) unless vector(1))"
_MARK = "tutordex_mark"  # a label that is there only between two label_replace
_ABSENT = ("absent", "absent_over_time")
_TAIL = re.compile(r"(?: @ (?:start\(\)|end\(\)|[-+.\deE]+))?(?: offset -?\w+)?$")
_SCALARS = ("scalar", "time", "pi")


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """What the recording rules of some groups compute.

    Attributes:
        rules: By name; several where several rules record under one name.
        every_seconds: Interval at which each of these names is recorded.
    """

    rules: Mapping[str, tuple[FileRule, ...]] = field(default_factory=dict)
    every_seconds: Mapping[str, float] = field(default_factory=dict)


def recordings(groups: Iterable[Group], *, every_seconds: float = 60.0) -> Recordings:
    """The recording rules of the groups.

    Args:
        groups: Of all files that are loaded together.
        every_seconds: Interval of groups that do not say.
    """
    rules: dict[str, list[FileRule]] = {}
    every: dict[str, float] = {}
    for group in groups:
        for rule in group.rules:
            if rule.kind == "record":
                rules.setdefault(rule.name, []).append(rule)
                every[rule.name] = group.every_seconds or every_seconds
    return Recordings(rules={name: tuple(each) for name, each in rules.items()}, every_seconds=every)


def inlined(expr: str, known: Recordings, *, given: Given = lambda name, matchers: None) -> str:
    """The expression without the names that are recorded, of the same value at every instant.

    Args:
        expr: PromQL.
        known: What is recorded.
        given: Vectors in the place of other names.

    Raises:
        CatalogueError: It is no PromQL, a recording rule needs itself, or a name is only known by a pattern.

    Example:
        >>> rule = FileRule(kind="record", name="a:b", expr="sum(x)")
        >>> inlined("a:b > 2", Recordings(rules={"a:b": (rule,)}, every_seconds={"a:b": 60.0}))
        'label_replace(sum(x), "__name__", "a:b", "", "") > 2'
    """
    return _Inliner(known, given, ()).text(expr)


def is_scalar(expr: str | pp.Expr) -> bool:
    """Whether an expression is one number without labels, of which Prometheus makes a vector of one sample."""
    node = pp.parse(expr) if isinstance(expr, str) else expr
    if isinstance(node, (pp.ParenExpr, pp.UnaryExpr)):
        return is_scalar(node.expr)
    if isinstance(node, pp.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    if isinstance(node, pp.Call):
        return node.func.name in _SCALARS
    return isinstance(node, pp.NumberLiteral)


def labelled(vector: str, labels: Mapping[str, str]) -> str:
    """The vector with labels set; "" takes one away."""
    for name, value in labels.items():
        vector = f'label_replace({vector}, "{name}", "{escape(value).replace("$", "$$")}", "", "")'
    return vector


@dataclass(frozen=True)
class _Inliner:
    """One walk; `under` are the recorded names around this expression."""

    known: Recordings
    given: Given
    under: tuple[str, ...]

    def text(self, expr: str) -> str:
        expr = promql.check(promql.double_quoted(expr))
        return str(pp.transform(pp.parse(expr), self._before, self._after).prettify())

    def _before(self, node: pp.Expr) -> pp.Expr | None:
        """What must be seen as a whole: a range; and `absent(x{a="b"})`, which takes the label a from the selector."""
        if isinstance(node, pp.MatrixSelector):
            return self._range(node)
        if not isinstance(node, pp.Call) or node.func.name not in _ABSENT:
            return None
        selector = node.args[0]
        if isinstance(selector, pp.MatrixSelector):
            vector, replaced = selector.vector_selector, self._range(selector)
        else:
            vector, replaced = selector, self._after(selector)
        if replaced is None:
            return None
        matchers = _matchers(vector)[1]
        names = [one.label for one in matchers]
        equal = [one for one in matchers if one.equal and not one.regex and one.value]
        labels = {one.label: one.value for one in equal if names.count(one.label) == 1}
        return pp.parse(labelled(f"{node.func.name}({replaced.prettify()})", labels))

    def _range(self, node: pp.MatrixSelector) -> pp.Expr | None:
        vector = self._vector(node.vector_selector)
        if vector is None:
            return None
        every = self.known.every_seconds.get(_matchers(node.vector_selector)[0], 60.0)
        step = duration_text(f"{every * 1000:.0f}ms")
        return pp.parse(f"({vector})[{duration_text(node.range)}:{step}]{_tail(node)}")

    def _after(self, node: pp.Expr) -> pp.Expr | None:
        vector = self._vector(node) if isinstance(node, pp.VectorSelector) else None
        if vector is None:
            return None
        tail = _tail(node)
        if not tail:
            return pp.parse(f"({vector})" if isinstance(pp.parse(vector), (pp.BinaryExpr, pp.UnaryExpr)) else vector)
        # exactly one point: that of the whole second at the shifted instant
        return pp.parse(f"last_over_time(({vector})[999ms:1s]{tail})")

    def _vector(self, selector: pp.VectorSelector) -> str | None:
        """What stands for a selector, without offset and @; None where it stays."""
        name, matchers = _matchers(selector)
        patterns = [one for one in matchers if one.label == "__name__"]
        for one in patterns:
            hit = next((known for known in sorted(self.known.rules) if one.fits(known)), None)
            if hit is not None and not name:
                raise CatalogueError(
                    f"{promql.shorten(str(selector.prettify()))} selects the recorded {hit} by a pattern; "
                    "a replay needs the name itself"
                )
        found = self.given(name, matchers)
        if found is not None:
            return found
        if name not in self.known.rules:
            return None
        if name in self.under:
            raise CatalogueError(f"the recording rule {name} needs its own past, which a replay cannot compute")
        inner = _Inliner(self.known, self.given, (*self.under, name))
        able = [rule for rule in self.known.rules[name] if _able(rule, matchers)]
        each = []
        for rule in able:
            value = inner.text(rule.expr)
            value = f"vector({value})" if is_scalar(value) else value
            each.append(labelled(value, {"__name__": name, **dict(sorted(rule.labels.items()))}))
        vector = " or ".join(each) or NOTHING
        for one in matchers:
            if not all(rule.labels.get(one.label) for rule in able):  # else each fits by its own label
                vector = _picked(vector, one)
        return vector


def _able(rule: FileRule, matchers: Iterable[Matcher]) -> bool:
    """Whether what a rule records can be selected; a label that the rule sets is the same on all of it."""
    return all(one.fits(rule.labels[one.label]) for one in matchers if rule.labels.get(one.label))


def _matchers(selector: pp.VectorSelector) -> tuple[str, list[Matcher]]:
    """The metric's name, "" where only a pattern has it, and the other matchers."""
    op, name, found = pp.MatchOp, selector.name or "", []
    for one in selector.matchers.matchers:
        if one.name == "__name__" and one.op == op.Equal:
            name = name or one.value
            continue
        regex, equal = one.op in (op.Re, op.NotRe), one.op in (op.Equal, op.Re)
        found.append(Matcher(one.name, one.value, regex=regex, equal=equal))
    return name, found


def _picked(vector: str, matcher: Matcher) -> str:
    """The series of a vector that a matcher lets through."""
    operator = "and" if matcher.equal else "unless"
    if not matcher.regex and matcher.value:
        return f"({vector}) {operator} on ({matcher.label}) {labelled('vector(1)', {matcher.label: matcher.value})}"
    pattern = escape(matcher.value)
    marked = f'label_replace({vector}, "{_MARK}", "1", "{matcher.label}", "{pattern}")'
    kept = f"{marked} {operator} on ({_MARK}) {labelled('vector(1)', {_MARK: '1'})}"
    return labelled(kept, {_MARK: ""})


def _tail(node: pp.Expr) -> str:
    """Offset and @ of a selector, as text."""
    found = _TAIL.search(str(node.prettify()))
    return found[0] if found else ""
