"""Grafana's JSON of a board (schema 41, for Grafana 12), the same bytes for the same board.

The only module that knows `grafana-foundation-sdk`. What that library leaves to its user is set here: ids of panels,
legends and tooltips that are shown, the data source of every panel and query, links above the panels.
"""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from tutordex_analysis.sink.board import Board, Link, Panel, Query, Variable, places

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it asks for schema 2, which Grafana 12.3 calls experimental
    from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as models
    from grafana_foundation_sdk.models import dashboard as boards
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SCHEMA = 41
_MOMENT = "1h"  # a stat shows the present, also on a board whose range ends in the future
_Builder = stat.Panel | table.Panel | timeseries.Panel


def text(board: Board, *, datasource: str) -> str:
    """The file that Grafana reads.

    Args:
        board: What is shown.
        datasource: Uid of the Prometheus data source in Grafana.
    """
    where = models.DataSourceRef(type_val="prometheus", uid=datasource)
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .timezone("browser")
        .time(board.since, board.until)
        .refresh("5m")
        .readonly()
        .tooltip(boards.DashboardCursorSync.CROSSHAIR)
        .variables([_variable(one, where) for one in board.variables])
        .annotation(_marks(board.marks, board.mark_text, where))
        .links([_others(board.tags[0]), *map(_link, board.links)])
    )
    for i, (panel, x, y) in enumerate(places(board.panels), start=1):
        place = boards.GridPos(x=x, y=y, w=panel.width, h=panel.height)
        made = made.with_panel(_panel(panel, where, uid=board.uid).id(i).grid_pos(place))
    return _written(made.build())


def read_back(made: str) -> str:
    """The same file after the library has read it: what it does not know is gone."""
    return _written(boards.Dashboard.from_json(json.loads(made)))


def _written(built: boards.Dashboard) -> str:
    data = json.loads(json.dumps(built, cls=JSONEncoder))
    data["schemaVersion"] = SCHEMA
    return json.dumps(_unhidden(data), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _unhidden(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Without the library's default that hides links and marks in a menu."""
    if isinstance(node, dict):
        return {key: _unhidden(one) for key, one in node.items() if (key, one) != ("placement", "inControlsMenu")}
    return [_unhidden(one) for one in node] if isinstance(node, list) else node


def _panel(panel: Panel, where: models.DataSourceRef, *, uid: str) -> _Builder:
    make: Mapping[str, Callable[[Panel], _Builder]] = {"stat": _stat, "table": _table, "timeseries": _timeseries}
    built = make[panel.kind](panel).title(panel.title).description(panel.description).datasource(where).unit(panel.unit)
    built = built.no_value(panel.empty).thresholds(_thresholds(panel)).links([_link(one) for one in panel.links])
    if panel.kind != "timeseries":
        built = built.time_from(_MOMENT).hide_time_override(True)
    if panel.row_link is not None:
        built = built.data_links([_link(Link(title=panel.row_link.title, url=f"/d/{uid}?{panel.row_link.url}"))])
    for letter, query in zip(string.ascii_uppercase, panel.queries, strict=False):
        built = built.with_target(_target(query, letter, where, kind=panel.kind))
        if query.look:
            built = built.override_by_query(letter, _properties(query.look))
    for heading, look in panel.looks.items():
        built = built.override_by_name(heading, _properties(look))
    return built


def _target(query: Query, letter: str, where: models.DataSourceRef, *, kind: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().ref_id(letter).expr(query.expr).datasource(where).legend_format(query.legend)
    if kind == "timeseries":
        return made.range().format(PromQueryFormat.TIME_SERIES)
    return made.instant().format(PromQueryFormat.TABLE if kind == "table" else PromQueryFormat.TIME_SERIES)


def _stat(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .color_mode(models.BigValueColorMode.VALUE)
        .graph_mode(models.BigValueGraphMode.NONE)
        .text_mode(models.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_scheme(dashboard.FieldColor().mode(boards.FieldColorModeId.THRESHOLDS))
    )


def _timeseries(panel: Panel) -> timeseries.Panel:
    shown = common.VizLegendOptions().show_legend(panel.legend).calcs(["lastNotNull"])
    made = (
        timeseries.Panel()
        .legend(shown.display_mode(models.LegendDisplayMode.LIST).placement(models.LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.NONE))
        .line_width(1)
        .fill_opacity(0)
        .show_points(models.VisibilityMode.NEVER)
        .span_nulls(False)
    )
    if len(panel.steps) > 1:
        style = common.GraphThresholdsStyleConfig().mode(models.GraphThresholdsStyleMode.DASHED)
        made = made.thresholds_style(style)
    return made


def _table(panel: Panel) -> table.Panel:
    order = {name: i for i, name in enumerate(panel.columns)}
    kept = boards.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*panel.columns]}})
    named = boards.DataTransformerConfig(
        id_val="organize", options={"excludeByName": {}, "indexByName": order, "renameByName": dict(panel.columns)}
    )
    merged = boards.DataTransformerConfig(id_val="merge", options={})
    return table.Panel().show_header(True).transformations([merged, kept, named])


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [boards.Threshold(value=value, color=color) for value, color in panel.steps]
    return dashboard.ThresholdsConfig().mode(boards.ThresholdsMode.ABSOLUTE).steps(steps)


def _properties(look: Mapping[str, object]) -> list[boards.DynamicConfigValue]:
    return [boards.DynamicConfigValue(id_val=name, value=value) for name, value in look.items()]


def _variable(one: Variable, where: models.DataSourceRef) -> dashboard.QueryVariable:
    hide = boards.VariableHide.HIDE_VARIABLE if one.hidden else boards.VariableHide.DONT_HIDE
    query: dict[str, object] = {
        "qryType": 1,
        "query": one.query,
        "refId": "PrometheusVariableQueryEditor-VariableQuery",
    }
    return (
        dashboard.QueryVariable(one.name)
        .label(one.label)
        .description(one.description)
        .hide(hide)
        .datasource(where)
        .query(query)
        .definition(one.query)
        .refresh(boards.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(boards.VariableSort.ALPHABETICAL_ASC)
        .multi(False)
        .include_all(False)
        .options([])
        .current(boards.VariableOption(selected=True, text=one.current, value=one.current))
    )


def _marks(query: Query, said: str, where: models.DataSourceRef) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(said)
        .datasource(where)
        .enable(True)
        .hide(False)
        .icon_color(str(query.look["color"]))
        .expr(query.expr)
        .title_format(said)
        .text_format(query.legend)
        .tag_keys("")
        .step("5m")
        .use_value_for_time(False)
    )


def _others(tag: str) -> dashboard.DashboardLink:
    made = dashboard.DashboardLink("Dashboards").type(boards.DashboardLinkType.DASHBOARDS).tags([tag])
    return made.as_dropdown(True).include_vars(False).keep_time(False)  # their range ends now, this one's does not


def _link(one: Link) -> dashboard.DashboardLink:
    made = dashboard.DashboardLink(one.title).type(boards.DashboardLinkType.LINK).url(one.url)
    return made.target_blank(one.url.startswith("http"))
