"""PromQL as text: the parse check, and which metrics a query names."""

from __future__ import annotations

import re
from dataclasses import dataclass

import promql_parser

from tutordex_analysis.errors import CatalogueError

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*")


def check(query: str) -> str:
    """The query itself, when it parses.

    Raises:
        CatalogueError: It does not; the parser's own message is in the sentence.
    """
    try:
        promql_parser.parse(query)
    except ValueError as error:
        raise CatalogueError(f"{shorten(query)!r} is not PromQL: {error}") from error
    return query


def metrics(query: str) -> set[str]:
    """The metric names that a query selects, also through `{__name__="…"}`; patterns of names are left out."""
    found: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        selected = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selected, promql_parser.VectorSelector):
            equal = [
                m.value
                for m in selected.matchers.matchers
                if m.name == "__name__" and m.op == promql_parser.MatchOp.Equal
            ]
            found.update(name for name in [selected.name, *equal] if name)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def double_quoted(query: str) -> str:
    r"""The query with its text in backticks between double quotes instead, which the parser reads rightly.

    Example:
        >>> print(double_quoted(r'x{path=~`/a\d`}'))
        x{path=~"/a\\d"}
    """

    def quoted(found: re.Match[str]) -> str:
        text = found[0]
        if not text.startswith("`"):
            return text
        inner = text[1:-1].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{inner}"'

    return _QUOTED.sub(quoted, query)


def is_selector(query: str) -> bool:
    """Whether the query is one plain selector, such as `up{job="node"}`."""
    try:
        return isinstance(promql_parser.parse(query), promql_parser.VectorSelector)
    except ValueError:
        return False


@dataclass(frozen=True)
class Matcher:
    """What a label must be.

    Attributes:
        label: Its name.
        value: Text, or a regular expression that must match the whole value.
        regex: Whether the value is one.
        equal: False where it must not match.
    """

    label: str
    value: str
    regex: bool = False
    equal: bool = True

    def fits(self, value: str) -> bool:
        """Whether a label's value is as it must be; an expression that cannot be read fits nothing."""
        try:
            same = re.fullmatch(self.value, value) is not None if self.regex else self.value == value
        except re.error:
            return False
        return same == self.equal


def matchers(selector: str) -> tuple[Matcher, ...]:
    """What a plain selector asks of an alert's labels: its name is `alertname`.

    Raises:
        CatalogueError: It is none.

    Example:
        >>> [one.label for one in matchers('TargetDown{job="worker"}')]
        ['alertname', 'job']
    """
    node = promql_parser.parse(selector)
    if not isinstance(node, promql_parser.VectorSelector):
        raise CatalogueError(f"{shorten(selector)!r} must be one plain selector")
    op = promql_parser.MatchOp
    named = [Matcher("alertname", node.name)] if node.name else []
    asked = [
        Matcher(one.name, one.value, regex=one.op in (op.Re, op.NotRe), equal=one.op in (op.Equal, op.Re))
        for one in node.matchers.matchers
        if one.name != "__name__"
    ]
    return (*named, *asked)


def normal(query: str) -> str:
    """The query without insignificant white space, for comparing two texts.

    Text inside quotes is left alone.
    """
    pieces = re.split(r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`)', query.strip())
    return "".join(piece if i % 2 else re.sub(r"\s+", " ", piece) for i, piece in enumerate(pieces))


def shorten(query: str, *, most: int = 120) -> str:
    """The query on one line, cut in the middle when it is long: for messages."""
    line = " ".join(query.split())
    return line if len(line) <= most else f"{line[: most // 2]} … {line[-most // 3 :]}"
