"""The catalogue: what is accepted, what is refused and where, overlays, recognition."""

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml

from tutordex_analysis import catalogue_add, catalogue_file
from tutordex_analysis.catalogue import Part
from tutordex_analysis.errors import CatalogueError

HEAD = "signals:\n  a:\n    title: A\n    area: x\n    kind: gauge\n    unit: ratio\n    promql: up\n"
GAUGE = "  mine: {title: Mine, area: host, kind: gauge, unit: ratio, promql: up}\n"


def written(folder: Path, text: str, name="own.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_shipped_catalogue_loads_and_asks_only_for_what_the_stack_exposes():
    known = catalogue_file.load()
    assert len(known.signals) >= 40
    assert len(known.inventory) > 50
    assert {signal.kind for signal in known.signals.values()} == {"count", "gauge", "ratio", "duration"}
    assert {limit.signal for limit in known.limits.values()} <= set(known.signals)
    assert known.calendar.timezone == "Asia/Singapore"


def test_parts_fill_in_the_step_and_are_shared_between_signals():
    known = catalogue_file.load()
    assert known.signal("posts_seen").parts == known.signal("posts_seen_by_channel").parts
    cpu = known.signal("cpu_used").parts[0]
    assert "[5m]" in cpu.at("1m")
    assert "[1h]" in cpu.at("1h")
    assert cpu.digest("1m") == cpu.digest("5m") != cpu.digest("1h")
    assert Part("sum( x )").digest("1h") == Part("sum( x )\n").digest("1h")


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ("signals:\n  a:\n    title: A\n    titel: B\n", 4, "titel: there is no such key"),
        (
            "signals:\n  a:\n    title: A\n    area: x\n    kind: gauge\n    unit: percent\n    promql: up\n",
            6,
            "known unit",
        ),
        (
            "signals:\n  a:\n    title: A\n    area: x\n    kind: gauge\n    unit: ratio\n    promql: rate(up\n",
            7,
            "not PromQL",
        ),
        (
            "signals:\n" + GAUGE + "  b:\n    title: B\n    area: x\n    unit: ratio\n    promql: up\n",
            3,
            "kind: this key is missing",
        ),
        (
            "signals:\n  a:\n    title: A\n    area: x\n    kind: count\n    unit: posts\n    promql: up\n",
            2,
            "a count is made of",
        ),
        (
            "signals:\n  a:\n    title: A\n    area: x\n    kind: count\n    unit: posts\n    counter: sum(x)\n",
            7,
            "plain selector",
        ),
        ("signals:\n" + GAUGE + GAUGE, 3, "twice"),
        ("signals:\n" + GAUGE + GAUGE.replace("mine", "Bad Name"), 3, "is not a name"),
        ("signals:\n  a: [\n", 3, "not YAML"),
        ("- a\n", 1, "has the keys"),
        ("limits:\n  l: {signal: nothing, hard: 1, owner: me, runbook: r}\n", 2, "'nothing' that is not there"),
        ("limits:\n  l: {signal: cpu_used, soft: 2, hard: 1, owner: me, runbook: r}\n", 2, "soft"),
        (
            "limits:\n  l: {signal: cpu_used, hard: 1, physical: 1, owner: me, runbook: r}\n",
            2,
            "hard .1. must come before",
        ),
        (
            "limits:\n  l: {signal: cpu_used, hard: 1, physical: 2, direction: below, owner: me, runbook: r}\n",
            2,
            "below",
        ),
        ("limits:\n  l: {signal: cpu_used, hard: 1, scaling: years, owner: me, runbook: r}\n", 2, "'weeks'"),
        ("queues:\n  q: {title: Q, jobs: jobs_done, busy: nothing}\n", 2, "'nothing' that is not there"),
        (
            "queues:\n  q: {title: Q, jobs: cpu_used, busy: worker_busy}\n",
            2,
            "count without by:, which cpu_used is not",
        ),
        ("queues:\n  q: {title: Q, jobs: jobs_done, busy: worker_busy, times: jobs_done}\n", 2, "a count by le, which"),
        ("queues:\n  q: {title: Q, jobs: jobs_done, busy: worker_busy, poll: soon}\n", 2, "duration"),
        ("calendar:\n  timezone: Asia/Singapura\n", 2, "time zone"),
        ("flow:\n  - [collector]\n  - [worker, moon]\n", 3, "the area 'moon' is in flow, but no signal lies in it"),
        ("flow:\n  - [worker]\n  - [queue,\n     worker]\n", 4, "'worker' is in flow twice"),
        ("flow:\n  - worker\n", 2, "valid tuple"),
        (HEAD + "    watch:\n      leest: 1\n", 9, "leest: there is no such key"),
        (HEAD + "    watch: {least_above: -1}\n", 8, "greater than or equal"),
        (HEAD + "    watch: {lowest: 2, highest: 1}\n", 8, "must be less than highest"),
        (HEAD + "    watch: false\n", 8, "watch"),
        (HEAD + "    tells: deploy\n", 2, "deploy with one label in by"),
        (HEAD + "    tells: restart\n    by: [job]\n", 2, "restart without by"),
        ("alerts:\n  a: {alert: Down, signals: [post_seen]}\n", 2, "the alert a is about signals 'post_seen'"),
        ("alerts:\n  a:\n    alert: Down\n    areas: [moon]\n", 4, "about areas 'moon', which are not there"),
        ("alerts:\n  a:\n    alert: Down\n", 2, "name the signals"),
        ("alerts:\n  a:\n    alert: sum(Down)\n    areas: [host]\n", 3, "must name an alert"),
        ("alerts:\n  a:\n    alert: '{job=\"x\"}'\n    areas: [host]\n", 3, "must name an alert"),
        ("alerts:\n  a:\n    alert: Down\n    signal: [cpu_used]\n", 4, "signal: there is no such key"),
        ("alerts:\n  Down: {alert: Down, areas: [host]}\n", 2, "is not a name"),
        ("alerts: [Down]\n", 1, "not a list"),
        (
            HEAD + "    seasons: [1 day]\n",
            8,
            "duration",
        ),
        (
            HEAD + "    lower: 2\n    upper: 1\n",
            2,
            "less than",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_file_and_line(tmp_path, text, line, match):
    with pytest.raises(CatalogueError, match=match) as caught:
        catalogue_file.load(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'own.yaml'}:{line}:")


def test_a_metric_that_the_inventory_lacks_is_refused(tmp_path):
    written(
        tmp_path,
        "metrics:\n  a:\n    - {name: known_total, type: counter}\n    - {name: dead, type: gauge, emission: never}\n",
        "stack.yaml",
    )
    entry = 'signals:\n  a: {{title: A, area: x, kind: gauge, unit: ratio, promql: "{}"}}\n'
    assert "a" in catalogue_file.load(written(tmp_path, entry.format("rate(known_total[5m])"))).signals
    for metric in ("unknown", "dead"):
        with pytest.raises(CatalogueError, match=rf"own.yaml:2: .* asks for {metric}, which the stack does not expose"):
            catalogue_file.load(written(tmp_path, entry.format(metric)))


def test_own_signals_overlay_the_shipped_ones_name_by_name(tmp_path):
    written(
        tmp_path,
        "signals:\n  cpu_used: null\n  memory_used: {title: RAM, area: host, kind: gauge, unit: bytes, promql: ram}\n",
    )
    known = catalogue_file.load(tmp_path)
    assert "cpu_used" not in known.signals
    assert "cpu" not in known.limits
    assert known.signal("memory_used").title == "RAM"
    assert "disk_used" in known.signals


def test_alerts_are_overlaid_name_by_name_and_forget_signals_that_are_gone(tmp_path):
    shipped = catalogue_file.load().alerts
    written(
        tmp_path,
        "signals:\n  dms_sent: null\n" + GAUGE + "alerts:\n  llm_failing: null\n"
        "  site_down: {alert: SiteDown, signals: [mine], areas: [backend]}\n"
        "  hot: {alert: '{alertname=\"High CPU\"}', signals: [cpu_used]}\n",
    )
    known = catalogue_file.load(tmp_path)
    assert {*known.alerts} == {*shipped} - {"llm_failing"} | {"hot"}
    down = known.alerts["site_down"]
    assert (down.name, down.alert) == ("site_down", "SiteDown")
    assert {"mine", "api_requests"} < {*known.concerned(down.signals, down.areas)}
    assert known.concerned(known.alerts["dm_failing"].signals, ()) == ()


def test_a_catalogue_can_stand_without_the_shipped_one(tmp_path):
    assert list(catalogue_file.load(written(tmp_path, "shipped: false\nsignals:\n" + GAUGE)).signals) == ["mine"]


def test_a_name_in_two_files_is_refused(tmp_path):
    written(tmp_path, "signals:\n" + GAUGE)
    written(tmp_path, "signals:\n" + GAUGE, "second.yaml")
    with pytest.raises(CatalogueError, match=r"second.yaml:2: 'mine' is in own.yaml already"):
        catalogue_file.load(tmp_path)


def test_add_writes_a_signal_that_loads_and_keeps_comments(tmp_path):
    written(tmp_path, "# mine\nsignals:\n" + GAUGE, "signals.yaml")
    catalogue_add.add(
        tmp_path, "temperature", {"title": "Rack", "area": "host", "kind": "gauge", "unit": "celsius", "promql": "t"}
    )
    assert catalogue_file.load(tmp_path).signal("temperature").unit == "celsius"
    assert (tmp_path / "signals.yaml").read_text().startswith("# mine\n")


@pytest.mark.parametrize("before", [None, "# mine\nsignals:\n" + GAUGE])
def test_add_leaves_the_file_as_it_was_when_the_signal_is_refused(tmp_path, before):
    path = tmp_path / "signals.yaml"
    if before:
        path.write_text(before)
    with pytest.raises(CatalogueError, match="known unit"):
        catalogue_add.add(
            tmp_path, "bad", {"title": "Rack", "area": "host", "kind": "gauge", "unit": "furlongs", "promql": "t"}
        )
    assert (path.read_text() if path.exists() else None) == before


def test_json_schema_accepts_the_shipped_files_and_refuses_a_typo():
    schema = json.loads(catalogue_file.json_schema())
    for path in catalogue_file.SHIPPED.rglob("*.yaml"):
        if path.name not in (catalogue_file.INVENTORY, "releases.yaml"):
            data = yaml.safe_load(path.read_text(encoding="utf-8").replace("2026-", "x2026-"))
            jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError, match="titel"):
        jsonschema.validate({"signals": {"a": {"titel": "A"}}}, schema)


def test_an_unknown_signal_is_answered_with_near_names():
    with pytest.raises(CatalogueError, match="did you mean posts_seen"):
        catalogue_file.load().signal("post_seen")


def test_a_foreign_server_is_recognised_by_its_exporters():
    known = catalogue_file.recognise(["up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_load1"])
    assert list(known.signals) == ["disk_used"]
    assert list(known.limits) == ["disk"]
    assert known.calendar.timezone == "UTC"
    assert "posts_seen" in catalogue_file.recognise(["up", "collector_messages_seen_total"]).signals
    with pytest.raises(CatalogueError, match="none of the server's 1 metrics"):
        catalogue_file.recognise(["my_metric"])


def test_limits_come_in_the_order_in_which_they_are_met():
    limit = catalogue_file.load().limits["disk"]
    assert list(limit.values) == ["soft", "hard", "physical"]
    assert pd.Series(limit.values).is_monotonic_increasing


def test_the_shipped_queue_is_told_by_its_signals_and_goes_with_them(tmp_path):
    queue = catalogue_file.load().queues["extraction"]
    assert queue.signals == {"jobs": "jobs_done", "busy": "worker_busy", "times": "jobs_by_time"}
    assert catalogue_file.load(written(tmp_path, "signals:\n  worker_busy: null\n")).queues == {}
    assert catalogue_file.load(written(tmp_path, "queues:\n  extraction: null\n")).queues == {}
    assert "worker_busy" in catalogue_file.load(tmp_path).signals


PLAIN = "shipped: false\nsignals:\n" + GAUGE
QUANTILE = "signals:\n  a: {title: A, area: x, kind: duration, unit: seconds, histogram: %s}\n"
LIMIT = PLAIN + "limits:\n  l: {signal: mine, owner: me, runbook: r, %s}\n"


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ("signals: [a]\n", 1, "names with their keys"),
        ("limits: 5\n", 1, "names with their keys"),
        ("? [a, b]\n: 1\n", 1, "a key is one word"),
        ("signals: !!python/object:os.x {}\n", 1, "cannot be read"),
        ("calendar:\n  breaks: [{name: x, first: 2026-02-30, last: 2026-03-01}]\n", 1, "day is out of range"),
        ("calendar:\n  breaks: [{name: x, first: 2026-03-02, last: 2026-03-01}]\n", 2, "before it begins"),
        ("calendar: {timezone: Asia}\n", 1, "time zone"),
        (LIMIT % "hard: .nan", 5, "finite"),
        (LIMIT % "hard: 1, where: {montpoint: /}", 5, "label montpoint, which mine does not keep"),
        (QUANTILE % "foo_bucket", 2, "a name without _bucket"),
        (QUANTILE % "foo offset 5m", 2, "a name without _bucket"),
        (HEAD + "    replaces: {old: abc}\n", 2, "replaces names 'old', which this signal does not ask"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_line(tmp_path, text, line, match):
    with pytest.raises(CatalogueError, match=match) as caught:
        catalogue_file.load(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'own.yaml'}:{line}:")


def test_an_inventory_that_is_not_yaml_is_refused(tmp_path):
    written(tmp_path, "a: [1\n", "stack.yaml")
    with pytest.raises(CatalogueError, match=r"stack.yaml:2: this cannot be read"):
        catalogue_file.load(written(tmp_path, PLAIN))


def test_without_the_shipped_signals_their_inventory_does_not_count(tmp_path):
    assert catalogue_file.load(written(tmp_path, PLAIN)).inventory == frozenset()
    written(tmp_path, "- {name: up, type: gauge}\n", "stack.yaml")
    assert catalogue_file.load(tmp_path).inventory == {"up"}


@pytest.mark.parametrize(
    "before",
    [
        "signals: {}\n",
        "# signals:\nshipped: true\n",
        "signals:\n    mine: {title: M, area: x, kind: gauge, unit: ratio, promql: up}\n",
        "signals:  # mine\n" + GAUGE + "limits:\n  l: {signal: mine, hard: 1, owner: me, runbook: r}\n",
    ],
)
def test_add_finds_its_place_however_the_file_is_written(tmp_path, before):
    known = catalogue_file.load(written(tmp_path, before, "signals.yaml"))
    entry = {"title": "Rack", "area": "host", "kind": "gauge", "unit": "celsius", "promql": "t"}
    catalogue_add.add(tmp_path, "temperature", entry)
    got = catalogue_file.load(tmp_path)
    assert got.signals.keys() == known.signals.keys() | {"temperature"}
    assert got.limits == known.limits


def test_the_flow_gives_each_area_its_height(tmp_path):
    known = catalogue_file.load()
    order = ["collector", "queue", "llm", "dm", "backend", "host"]
    assert [known.height(area) for area in order] == [0, 1, 2, 3, 4, 5]
    assert known.height("worker") == known.height("database") == 2
    assert known.height("nothing that is there") == 5
    assert known.heights == {one.area: known.height(one.area) for one in known.signals.values()}
    assert {area for areas in known.flow for area in areas} <= {*known.heights}


def test_an_own_flow_takes_the_place_of_the_shipped_one(tmp_path):
    known = catalogue_file.load(written(tmp_path, "flow:\n  - [host]\n  - [queue]\n"))
    assert known.flow == (("host",), ("queue",))
    assert known.height("collector") == 2
    alone = catalogue_file.load(written(tmp_path, "shipped: false\n" + HEAD))
    assert (alone.flow, alone.height("x")) == ((), 0)


def test_a_shipped_flow_does_not_trip_over_areas_whose_signals_are_switched_off(tmp_path):
    off = "".join(f"  {name}: null\n" for name in ("broadcasts_sent", "broadcast_failures"))
    assert catalogue_file.load(written(tmp_path, "signals:\n" + off)).height("backend") == 4
