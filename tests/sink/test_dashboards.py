"""The dashboard's file: the same bytes, what Grafana needs of it, and what `dashboards check` says of broken ones."""

from __future__ import annotations

import copy
import json
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tutordex_analysis import catalogue_file, cli, promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.sink import board_check, board_forecast, board_queries, dashboards, grafana
from tutordex_analysis.sink.board import COLUMNS, Panel, places

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "observability" / dashboards.FOLDER / "tutordex-forecast.json"
KNOWN = catalogue_file.load()
LINKS = {"alertmanager": "http://localhost:9093", "datasource": "prometheus"}
TEXT = COMMITTED.read_text("utf-8")
BOARD = json.loads(TEXT)


def faults(data, tmp_path, **options):
    path = tmp_path / "board.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return [(one.what, one.why) for one in board_check.check([path], KNOWN, **options)]


def test_the_committed_file_is_what_is_built_and_building_twice_gives_the_same_bytes():
    ((path, text),) = dashboards.files(KNOWN, **LINKS).items()
    assert text == TEXT, "run: tutordex-analysis dashboards build"
    assert dashboards.files(KNOWN, **LINKS) == {path: text}
    assert path == dashboards.FOLDER / COMMITTED.name


def test_the_library_reads_back_all_that_it_wrote():
    assert grafana.read_back(TEXT) == TEXT


def test_nothing_is_wrong_with_it(tmp_path):
    assert faults(BOARD, tmp_path) == []


def test_it_is_what_the_others_are():
    assert (BOARD["uid"], BOARD["schemaVersion"], BOARD["editable"]) == ("tutordex-forecast", 41, False)
    assert "tutordex" in BOARD["tags"]
    assert BOARD["time"] == {"from": "now-7d", "to": "now+7d"}
    assert 8 <= len(BOARD["panels"]) <= 12
    assert [one["id"] for one in BOARD["panels"]] == [*range(1, len(BOARD["panels"]) + 1)]
    assert {one["type"] for one in BOARD["panels"][:5]} == {"stat"}  # key numbers on top
    assert "placement" not in BOARD["links"][0]
    assert BOARD["links"][0]["keepTime"] is False


@pytest.mark.parametrize("panel", BOARD["panels"], ids=lambda one: str(one["id"]))
def test_a_panel_says_what_it_means_and_shows_its_names(panel):
    assert re.search(r"good|calm|below|likely|better|longer|edge|click", panel["description"])
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"] is True
        assert panel["options"]["tooltip"]["mode"] == "multi"
        assert all(one["range"] and one["legendFormat"] for one in panel["targets"])
    else:  # the board ends in the future, where an instant query finds nothing
        assert (panel["timeFrom"], panel["hideTimeOverride"]) == ("1h", True)
        assert all(one["instant"] for one in panel["targets"])
    assert "No data" not in panel["fieldConfig"]["defaults"]["noValue"]
    legends = {one["legendFormat"] for one in panel["targets"]}
    letters = {one["refId"] for one in panel["targets"]}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byFrameRefID":
            assert override["matcher"]["options"] in letters
        for one in override["properties"]:
            assert one["id"] != "custom.fillBelowTo" or one["value"] in legends


def test_colours_are_those_of_the_other_dashboards():
    used = {one.upper() for one in re.findall(r"#[0-9A-Fa-f]{6}", TEXT)}
    assert used == {"#C4162A", "#FADE2A", "#37872D", "#5794F2", "#8E8E8E"}


def changed(path, value):
    """The board with one thing different; the last key of the path is deleted for a value of None."""
    data = copy.deepcopy(BOARD)
    node = data
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "what", "why"),
    [
        (("panels", 0, "id"), None, "id", "1 panels have no id"),
        (("panels", 0, "id"), 2, "id", "2 panels have the id 2"),
        (("panels", 0, "title"), "", "title", "it has none"),
        (("panels", 0, "description"), " ", "description", "it has none"),
        (("panels", 0, "datasource"), None, "datasource", "None, not 'prometheus'"),
        (("panels", 0, "fieldConfig", "defaults", "unit"), None, "unit", "it has none"),
        (("panels", 0, "gridPos"), None, "gridPos", "it has no place"),
        (("panels", 0, "gridPos", "w"), 6, "gridPos", "it overlaps 1 Age of what is published"),
        (("panels", 5, "gridPos", "w"), 25, "gridPos", "within 24 columns"),
        (("panels", 0, "targets"), [], "targets", "it asks nothing"),
        (("panels", 0, "targets", 1, "refId"), "A", "targets", "two queries are called A"),
        (("panels", 0, "targets", 0, "datasource"), {"uid": "other"}, "query A", "'other', not 'prometheus'"),
        (("panels", 0, "targets", 0, "expr"), "sum(up) or 0", "query A", "is not PromQL"),
        (
            ("panels", 0, "targets", 0, "expr"),
            "tutordex_forcast",
            "query A",
            "nothing exposes or records tutordex_forcast",
        ),
        (("annotations", "list", 0, "expr"), "nothing_at_all", "annotation Unusual", "records nothing_at_all"),
        (("templating", "list", 0, "query"), "label_values(upp, job)", "variable signal", "records upp"),
        (("templating", "list", 0, "datasource"), None, "variable signal", "None, not 'prometheus'"),
        (("uid",), "Not_Kebab", "uid", "'Not_Kebab' is not made of"),
        (("uid",), "a" * 41, "uid", "at most 40"),
        (("title",), "", "title", "it has none"),
        (("tags",), ["generated"], "tags", "the tag tutordex is missing"),
        (("schemaVersion",), 36, "schemaVersion", "it is 36, not 41"),
        (("time", "from"), "now-30d", "time", "longer than the 15d"),
        (("time",), None, "time", "does not start at a set time"),
        (("panels", 0), "a text", "file", "it is not built as a dashboard is"),
        (("panels",), None, "file", "no list of panels"),
    ],
)
def test_a_fault_is_found(tmp_path, path, value, what, why):
    found = faults(changed(path, value), tmp_path)
    assert any(one == what and why in said for one, said in found), found


def test_a_broken_or_missing_file_is_a_fault_and_a_uid_is_used_once(tmp_path):
    ((what, why),) = faults("{", tmp_path)
    assert (what, why.partition(":")[0]) == ("file", "it is not JSON")
    (gone,) = board_check.check([tmp_path / "gone.json"], KNOWN)
    assert gone.why == "it cannot be read: No such file or directory"
    twice = board_check.check([COMMITTED, COMMITTED], KNOWN)
    assert [one.what for one in twice] == ["uid"]


def test_names_are_not_judged_without_an_inventory(tmp_path):
    path = tmp_path / "board.json"
    path.write_text(json.dumps(changed(("panels", 0, "targets", 0, "expr"), "somebody_elses")), "utf-8")
    assert board_check.check([path], replace(KNOWN, inventory=frozenset())) == []


@pytest.mark.parametrize(
    ("expr", "plain"),
    [
        ("rate(x[$__rate_interval])", "rate(x[5m])"),
        ("avg_over_time(x[${__range}:$__interval])", "avg_over_time(x[5m:5m])"),
        ("rate(x[$window])", "rate(x[5m])"),
        ('x{a=~"${a:regex}",b="$b",c="[[c]]"}', 'x{a=~"a",b="b",c="c"}'),
        ("x * ${__range_s}", "x * 5m"),
    ],
)
def test_grafanas_words_are_taken_out_before_a_query_is_read(expr, plain):
    assert board_check.parsable(expr) == plain


def test_another_data_source_is_named_everywhere(tmp_path):
    ((_, text),) = dashboards.files(KNOWN, datasource="mine").items()
    assert '"uid": "prometheus"' not in text
    assert faults(text, tmp_path, datasource="mine") == []
    assert faults(text, tmp_path)


def signal(text, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    return catalogue_file.load(tmp_path)


def test_a_catalogue_without_forecasts_is_refused_in_a_sentence():
    with pytest.raises(CatalogueError, match="no signal of the catalogue has forecast: true or a limit"):
        board_forecast.board(Catalogue(signals={}))


def test_signals_of_a_users_own_can_be_chosen_by_their_labels(tmp_path):
    known = signal(
        """
signals:
  mine_by_shop:
    title: Mine
    area: queue
    kind: ratio
    unit: ratio
    numerator: {counter: worker_llm_fail_total}
    denominator: {counter: worker_llm_requests_total}
    least: 5
    by: [channel]
    forecast: true
  mine_seconds:
    title: Seconds
    area: queue
    kind: duration
    unit: seconds
    histogram: worker_job_latency_seconds
    quantile: 0.95
    forecast: true
""",
        tmp_path,
    )
    queries = board_queries.Queries(known)
    assert queries.labels == ("channel", "mountpoint")
    promql.check(queries.actual)
    assert (
        "sum by (channel) (increase(worker_llm_fail_total[1h]))) / "
        "((sum by (channel) (increase(worker_llm_requests_total[1h]))) >= 5)" in queries.actual
    )
    assert "histogram_quantile(0.95, sum by (le) (increase(worker_job_latency_seconds_bucket[1h])))" in queries.actual
    ((_, text),) = dashboards.files(known, datasource="prometheus").items()
    assert [one["name"] for one in json.loads(text)["templating"]["list"]][:3] == ["signal", "channel", "mountpoint"]
    assert faults(text, tmp_path) == []


def test_leads_that_prometheus_no_longer_keeps_are_not_asked_for():
    assert board_queries.Queries(KNOWN).leads == ("1h", "6h", "1d", "3d", "7d", "14d")
    assert board_queries.Queries(KNOWN, retention="31d").leads[-1] == "30d"


def test_recorded_names_are_used_where_they_say_the_same():
    assert "label_replace(tutordex:collector:posts_1h," in board_queries.Queries(KNOWN).actual
    assert board_queries.value(KNOWN.signals["posts_seen"], replace(KNOWN, records={})) != "tutordex:collector:posts_1h"


@given(st.lists(st.tuples(st.integers(1, COLUMNS), st.integers(1, 12)), max_size=15))
def test_panels_never_overlap_whatever_their_sizes(sizes):
    panels = [
        Panel(kind="stat", title=letter, description="", unit="s", queries=(), width=width, height=height)
        for letter, (width, height) in zip(string.ascii_letters, sizes, strict=False)
    ]
    taken = set()
    for panel, x, y in places(panels):
        cells = {(x + i, y + k) for i in range(panel.width) for k in range(panel.height)}
        assert x + panel.width <= COLUMNS
        assert not cells & taken
        taken |= cells


def run(*words):
    return CliRunner().invoke(cli.app, ["dashboards", *words])


def test_the_commands_build_and_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nothing = run("check")
    assert nothing.exit_code == 2
    assert "build one, or name files" in nothing.output
    built = run("build", "--folder", "here", "--datasource", "mine")
    assert built.exit_code == 0
    path = tmp_path / "here" / dashboards.FOLDER / COMMITTED.name
    assert built.output.strip() == str(path.relative_to(tmp_path))
    before = path.stat().st_mtime_ns
    run("build", "--folder", "here", "--datasource", "mine")
    assert path.stat().st_mtime_ns == before  # what did not change is not written again
    good = run("check", "--folder", "here", "--datasource", "mine")
    assert (good.exit_code, good.output) == (0, "1 dashboards: 0 faults\n")
    bad = run("check", str(path), "--json")
    assert bad.exit_code == 1
    assert "its data source is 'mine', not 'prometheus'" in bad.output
