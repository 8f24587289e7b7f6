"""Which labels an expression's result can have, and where two sides of an operation can never meet.

Nothing is asked of a server: labels of metrics come from an inventory. What is not known stays unknown, and nothing is
said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import promql_parser as p

from tutordex_analysis import promql

Labels: TypeAlias = frozenset[str] | None  # None: not known
_SET = {"and", "or", "unless"}
_KEEPING = {"topk", "bottomk", "limitk", "limit_ratio"}
_SCALAR = {"time", "scalar", "pi"}
_NO_LABELS = {"vector"}


class Reading:
    """The labels of one expression, and the faults found on the way.

    Attributes:
        labels: Of its result.
        faults: (what, why) of each join that cannot be meant.

    Args:
        query: PromQL that parses.
        known: Metric → its labels, None where they are not known; a metric that is not in it is not known either.
    """

    def __init__(self, query: str, known: Mapping[str, Labels]) -> None:
        self._known = known
        self.faults: list[tuple[str, str]] = []
        self.labels = self._of(p.parse(query))

    def _of(self, node: Any) -> Labels:  # noqa: ANN401 - the parser is not typed
        if isinstance(node, p.ParenExpr | p.UnaryExpr | p.SubqueryExpr):
            return self._of(node.expr)
        if isinstance(node, p.MatrixSelector):
            return self._of(node.vector_selector)
        if isinstance(node, p.VectorSelector):
            return self._selected(node)
        if isinstance(node, p.AggregateExpr):
            return self._aggregated(node)
        if isinstance(node, p.Call):
            return self._called(node)
        if isinstance(node, p.BinaryExpr):
            return self._joined(node)
        return frozenset()

    def _selected(self, node: Any) -> Labels:  # noqa: ANN401
        return self._known.get(node.name or "")

    def _aggregated(self, node: Any) -> Labels:  # noqa: ANN401
        inner, by = self._of(node.expr), node.modifier
        if name_of(node) in _KEEPING:
            return inner
        if by is None:
            return frozenset()
        named = frozenset(by.labels)
        if by.type == p.AggModifierType.By:
            if inner is not None and (gone := sorted(named - inner)):
                self.faults.append(
                    (
                        f"by ({', '.join(sorted(named))})",
                        f"there is no label {gone[0]} to keep; there are {_list(inner)}",
                    )
                )
            return named if inner is None else named & inner
        return None if inner is None else inner - named

    def _called(self, node: Any) -> Labels:  # noqa: ANN401
        name = node.func.name
        vectors = [self._of(one) for one in node.args if not isinstance(one, p.NumberLiteral | p.StringLiteral)]
        if name in _SCALAR | _NO_LABELS:
            return frozenset()
        if name in ("absent", "absent_over_time"):
            return _equal(node.args[0])
        inner = vectors[-1] if name == "histogram_quantile" and vectors else vectors[0] if vectors else frozenset()
        if inner is None:
            return None
        if name == "histogram_quantile":
            return inner - {"le"}
        if name in ("label_replace", "label_join"):
            return inner | {str(node.args[1].val)}
        return inner

    def _joined(self, node: Any) -> Labels:  # noqa: ANN401
        left, right = self._of(node.lhs), self._of(node.rhs)
        operator = op_of(node)
        if is_scalar(node.lhs) or is_scalar(node.rhs):
            return right if is_scalar(node.lhs) else left
        match = node.modifier.matching if node.modifier else None
        if match is None:
            self._meet(node, operator, left, right)
        elif match.type == p.LabelModifierType.Include:
            for side, labels in (("left", left), ("right", right)):
                if labels is not None and (gone := sorted(set(match.labels) - labels)):
                    self.faults.append(
                        (short(node), f"on ({gone[0]}): the {side} side has no such label; it has {_list(labels)}")
                    )
        if operator in _SET:
            return (None if left is None or right is None else left | right) if operator == "or" else left
        return self._result(node, match, left, right)

    def _result(self, node: Any, match: Any, left: Labels, right: Labels) -> Labels:  # noqa: ANN401
        many = str(node.modifier.card).rpartition(".")[2] if node.modifier else "OneToOne"
        if many in ("ManyToOne", "OneToMany"):
            most = left if many == "ManyToOne" else right
            return None if most is None else most | frozenset(node.modifier.group_labels)
        if match is not None and match.type == p.LabelModifierType.Include:
            return frozenset(match.labels)
        if match is not None:
            return None if left is None else left - frozenset(match.labels)
        return left if left is not None else right

    def _meet(self, node: Any, operator: str, left: Labels, right: Labels) -> None:  # noqa: ANN401
        """Without on or ignoring all labels must be the same."""
        if left is None or right is None or left == right:
            return
        sides = f"the left side has {_list(left)}, the right {_list(right)}"
        if operator == "or":
            if left and not right:
                self.faults.append(
                    (short(node), f"or adds a series without labels beside those that have some: {sides}")
                )
            return
        effect = "takes nothing away" if operator == "unless" else "finds no pair"
        self.faults.append((short(node), f"{operator} {effect}: {sides}; name the common ones with on ()"))


def nodes(query: str) -> Iterator[Any]:
    """Every node of an expression, the whole one first."""
    found: list[Any] = []

    def visit(node: Any) -> bool:  # noqa: ANN401
        found.append(node)
        return True

    p.walk(p.parse(query), visit)
    return iter(found)


def op_of(node: Any) -> str:  # noqa: ANN401
    """The operator of a binary expression, such as `and` or `==`."""
    return str(node.op).strip().lower()


def name_of(node: Any) -> str:  # noqa: ANN401
    """The name of an aggregation, such as `sum`."""
    return str(node.op).strip().lower()


def is_scalar(node: Any) -> bool:  # noqa: ANN401
    """Whether a side of an operation is one number and not series."""
    if isinstance(node, p.ParenExpr | p.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, p.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    return isinstance(node, p.NumberLiteral) or (isinstance(node, p.Call) and node.func.name in _SCALAR)


def short(node: Any) -> str:  # noqa: ANN401
    """An expression for a message."""
    return promql.shorten(str(node).replace("{}", ""), most=90)


def _equal(node: Any) -> Labels:  # noqa: ANN401
    if not isinstance(node, p.VectorSelector):
        return frozenset()
    return frozenset(one.name for one in node.matchers.matchers if one.op == p.MatchOp.Equal and one.name != "__name__")


def _list(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "none"
