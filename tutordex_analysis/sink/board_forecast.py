"""The dashboard `tutordex-forecast`: where a signal goes, what was said of it, and which limits alerts have."""

from __future__ import annotations

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import Span
from tutordex_analysis.rulebook import IN_FORCE
from tutordex_analysis.sink.board import BLUE, GREEN, GREY, RED, YELLOW, Board, Link, Panel, Query, Variable
from tutordex_analysis.sink.board_numbers import numbers, passages
from tutordex_analysis.sink.board_queries import Limits, Queries

UID = "tutordex-forecast"
FIRST = "queue_oldest_pending"  # the signal that is shown at first, where it is there
FIRST_ALERT = "QueueOldestPendingTooOld"
_FIXED = {"mode": "fixed"}
_DASHED = {"fill": "dash", "dash": [10, 10]}
_DOTTED = {"fill": "dot", "dash": [0, 6]}


def board(catalogue: Catalogue, *, alertmanager: str = "", reports: str = "", retention: Span = "15d") -> Board:
    """The dashboard of one catalogue.

    Args:
        catalogue: Its signals and alerts can be chosen.
        alertmanager: URL at which people open Alertmanager; empty for no link.
        reports: URL of the pages; empty for no link.
        retention: How long Prometheus keeps samples.

    Raises:
        CatalogueError: No signal of the catalogue is forecast.
    """
    queries, limits = Queries(catalogue, retention=retention), Limits(catalogue)
    if not queries.signals:
        raise CatalogueError("no signal of the catalogue has forecast: true or a limit, so there is nothing to show")
    links = [Link(title="Reports", url=reports)] if reports.startswith("http") else []
    return Board(
        uid=UID,
        title="TutorDex Forecast",
        description="What one signal did, what was said of it a week before, and where it goes; when limits are "
        "reached; the limits of alerts. The range ends a week ahead: Prometheus has no sample there, the lines come "
        "from forecasts that it already keeps.",
        tags=("tutordex", "generated"),
        since="now-7d",
        until="now+7d",
        variables=_variables(queries, limits),
        panels=(
            *numbers(queries),
            _outlook(queries),
            _said(queries),
            _missed(queries),
            _expected(queries),
            _score(queries),
            *([_in_force(limits, alertmanager)] if limits.rules else []),
            passages(queries),
        ),
        marks=Query(
            expr=f"{queries.published('tutordex_anomaly_score')} >= 1",
            legend="score of 1 or more: outside the expected band",
            look={"color": RED},
        ),
        mark_text="Unusual",
        links=links,
    )


def _variables(queries: Queries, limits: Limits) -> tuple[Variable, ...]:
    names = [one.name for one in queries.signals]
    alerts = [*limits.rules]
    of = 'tutordex_forecast{signal="$signal"}'
    return (
        Variable(
            name="signal",
            label="Signal",
            query="label_values(tutordex_forecast, signal)",
            current=FIRST if FIRST in names else names[0],
            description="Of which there is a published forecast.",
        ),
        *(
            Variable(
                name=label,
                label=label,
                query=f"label_values({of}, {label})",
                description="Which series of the signal; empty where the signal does not have this label.",
            )
            for label in queries.labels
        ),
        Variable(
            name="unit",
            label="Unit",
            query='label_values(tutordex_forecast_info{signal="$signal"}, unit)',
            hidden=True,
        ),
        *(
            [
                Variable(
                    name="alert",
                    label="Alert",
                    query=f"label_values({IN_FORCE}, alert)",
                    current=FIRST_ALERT if FIRST_ALERT in alerts else alerts[0],
                    description="Whose limit is shown beside its value.",
                )
            ]
            if alerts
            else []
        ),
    )


def _outlook(queries: Queries) -> Panel:
    return Panel(
        kind="timeseries",
        title="$signal: actual, forecast and limit, in $unit",
        description="Left of now what happened, and dotted what was said of it 7 days before. Right of now the newest "
        "forecast of each moment with its 80 % band: said now where a lead ends (1 h, 6 h, 1 d, 3 d, 7 d), up to 4 "
        "days ago between them. It is good where the line stays clear of the red limits.",
        unit="short",
        queries=(
            Query(expr=queries.actual, legend="actual", look=_line(BLUE, width=2)),
            Query(expr=queries.said("0.5"), legend="said 7 d before", look=_line(GREY, style=_DOTTED)),
            Query(expr=queries.ahead("0.5"), legend="forecast", look=_line(BLUE, width=2, style=_DASHED)),
            Query(expr=queries.ahead("0.1"), legend="1 in 10 is below", look=_line(BLUE, width=0)),
            Query(
                expr=queries.ahead("0.9"),
                legend="1 in 10 is above",
                look=_line(BLUE, width=0, down_to="1 in 10 is below"),
            ),
            Query(expr=queries.limits, legend="limit {{limit}}", look=_line(RED)),
        ),
        width=24,
        height=11,
    )


def _said(queries: Queries) -> Panel:
    return Panel(
        kind="timeseries",
        title="$signal: did the band of a week before hold?",
        description="What happened, over the 80 % band that was published 7 days before each moment. It is good where "
        "the line leaves the band in about one hour of five.",
        unit="short",
        queries=(
            Query(expr=queries.actual, legend="actual", look=_line(BLUE, width=2)),
            Query(expr=queries.said("0.5"), legend="said 7 d before", look=_line(GREY, style=_DOTTED)),
            Query(expr=queries.said("0.1"), legend="1 in 10 is below", look=_line(GREY, width=0)),
            Query(
                expr=queries.said("0.9"),
                legend="1 in 10 is above",
                look=_line(GREY, width=0, down_to="1 in 10 is below"),
            ),
        ),
        width=12,
        height=9,
    )


def _missed(queries: Queries) -> Panel:
    return Panel(
        kind="timeseries",
        title="$signal: by how much the forecast of a week before missed",
        description="Actual less what was said 7 days before, in the signal's unit; above 0 more came than was said. "
        "It is good around 0, without lasting to one side.",
        unit="short",
        queries=(Query(expr=queries.missed, legend="missed by", look=_line(BLUE)),),
        width=12,
        height=9,
    )


def _expected(queries: Queries) -> Panel:
    bounds = {bound: queries.published("tutordex_expected", bound=bound) for bound in ("lower", "expected", "upper")}
    return Panel(
        kind="timeseries",
        title="$signal: actual beside what is usual at this hour",
        description="The band in which the newest complete hour was expected; it is an hour behind the line. It is "
        "good where the line stays inside.",
        unit="short",
        queries=(
            Query(expr=queries.actual, legend="actual", look=_line(BLUE, width=2)),
            Query(expr=bounds["expected"], legend="usual", look=_line(GREY, style=_DOTTED)),
            Query(expr=bounds["lower"], legend="low", look=_line(GREY, width=0)),
            Query(expr=bounds["upper"], legend="high", look=_line(GREY, width=0, down_to="low")),
        ),
        width=12,
        height=8,
    )


def _score(queries: Queries) -> Panel:
    return Panel(
        kind="timeseries",
        title="$signal: how unusual it was",
        description="Score of each complete hour when it was judged: below 1 it lay inside the expected band, from 2 "
        "on it is worth a look.",
        unit="short",
        queries=(Query(expr=queries.published("tutordex_anomaly_score"), legend="score", look=_line(BLUE)),),
        width=12,
        height=8,
        steps=((None, GREEN), (1, YELLOW), (2, RED)),
    )


def _in_force(limits: Limits, alertmanager: str) -> Panel:
    silence = f"{alertmanager}/#/silences/new?filter=%7Balertname%3D%22${{alert}}%22%7D"
    return Panel(
        kind="timeseries",
        title="$alert: its value, its limit and the rails of the limit",
        description="The limit that is in force now may move between the rails, floor and ceiling; the human limit "
        "holds where nothing fresh is learned. It is good where the value stays on the quiet side of the limit.",
        unit="short",
        queries=(
            Query(expr=limits.value, legend="value {{channel}}{{mountpoint}}", look=_line("", width=2)),
            Query(expr=limits.in_force, legend="limit in force {{channel}}{{mountpoint}}", look=_line(RED, width=2)),
            Query(expr=limits.human, legend="human limit", look=_line(YELLOW, style=_DASHED)),
            Query(expr=limits.floor, legend="floor", look=_line(GREY, style=_DOTTED)),
            Query(expr=limits.ceiling, legend="ceiling", look=_line(GREY, style=_DOTTED)),
        ),
        width=12,
        height=9,
        links=(Link(title="Silence $alert", url=silence),) if alertmanager else (),
    )


def _line(color: str, *, width: int = 1, style: object = None, down_to: str = "") -> dict[str, object]:
    """How one line looks; `down_to` fills the space between it and the line of that name."""
    look: dict[str, object] = {"custom.lineWidth": width}
    if color:
        look["color"] = {**_FIXED, "fixedColor": color}
    if style is not None:
        look["custom.lineStyle"] = style
    if down_to:
        look |= {"custom.fillBelowTo": down_to, "custom.fillOpacity": 15}
    return look
