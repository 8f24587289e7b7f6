"""A dashboard as data: what it shows and how it looks, without Grafana's JSON (`grafana` makes that)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

RED, YELLOW, GREEN, BLUE, GREY = "#C4162A", "#FADE2A", "#37872D", "#5794F2", "#8E8E8E"
COLUMNS = 24  # of Grafana's grid


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to Prometheus.

    Attributes:
        expr: PromQL, in which `$name` stands for a variable of the board.
        legend: Name of what comes back; `{{label}}` stands for a label.
        look: What Grafana calls field properties, such as `color` → value, for this query alone.
    """

    expr: str
    legend: str = ""
    look: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a reader goes from here.

    Attributes:
        title: What is there.
        url: Where; `$name` stands for a variable.
    """

    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture, which answers one question.

    Attributes:
        kind: `stat` and `table` show the present moment, `timeseries` the range of the board.
        title: The question's subject.
        description: What it says, and what is good.
        unit: Grafana's id of a unit; `short` where it is the signal's own.
        queries: Called A, B, C, … in this order.
        width: In columns of 24.
        height: In rows of about 30 pixels.
        steps: From which value on which colour holds; the first has None.
        empty: What stands there where Prometheus has no data.
        columns: Of a table: name of a field → its heading, in order; others are hidden.
        looks: Of a table: heading → field properties.
        links: Where to look next.
        row_link: Of a table: where a click on a row leads.
        legend: Whether names stand below a time series.
    """

    kind: Literal["stat", "timeseries", "table"]
    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    width: int
    height: int
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    empty: str = "no data"
    columns: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    links: Sequence[Link] = ()
    row_link: Link | None = None
    legend: bool = True


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top of the board.

    Attributes:
        name: As queries say it.
        label: As people read it.
        query: Such as `label_values(up, job)`.
        current: What is chosen at first.
        description: What the choice means.
        hidden: Whether it is only there for titles and queries.
    """

    name: str
    label: str
    query: str
    current: str = ""
    description: str = ""
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard.

    Attributes:
        uid: Of its address, at most 40 letters, digits and `-`.
        title: Unique in its folder.
        description: In a sentence or two.
        tags: By which others find it.
        since: Start of its range, relative to now.
        until: End of its range.
        variables: Those that others read first.
        panels: In the order of reading; they fill rows from the left.
        marks: Query whose results are marked in every time series.
        mark_text: What such a mark is called.
        links: On top.
    """

    uid: str
    title: str
    description: str
    tags: Sequence[str]
    since: str
    until: str
    variables: Sequence[Variable]
    panels: Sequence[Panel]
    marks: Query
    mark_text: str
    links: Sequence[Link] = ()


def places(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    """Each panel with the column and the row of its corner: from the left, in a new row where it does not fit.

    Example:
        >>> stat = Panel(kind="stat", title="", description="", unit="s", queries=(), width=12, height=4)
        >>> [(x, y) for _, x, y in places([stat, stat, stat])]
        [(0, 0), (12, 0), (0, 4)]
    """
    x, y, tallest = 0, 0, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        yield panel, x, y
        x, tallest = x + panel.width, max(tallest, panel.height)
