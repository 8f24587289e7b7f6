"""Rules replayed on a real Prometheus: recorded names inlined, thresholds that move, `for` and `keep_firing_for`.

The oracle is promtool: it records, evaluates and holds alerts as a running server does, over the same samples.
"""

from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

from tutordex_analysis import frame as frames
from tutordex_analysis import rule_groups
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.model.alert_state import firing
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.replay_rules import replay

pytestmark = pytest.mark.server

START = pd.Timestamp("2026-03-02T00:00:00Z")
N = 360  # minutes
SINCE = 15  # promtool begins at 0 with nothing pending, the replay earlier, with what is absent then
LABELS = (
    {"job": "a", "mode": "x.y"},
    {"job": "a", "mode": "z"},
    {"job": "b", "mode": "x.y"},
    {"job": "c$1", "mode": 'q"\\'},
    {"mode": "lonely"},
)
RECORDING = [
    {"record": "t:plain", "expr": "jobs"},
    {"record": "t:rate", "expr": "sum by (job) (rate(done_total[5m]))"},
    {"record": "t:ratio", "expr": "t:rate / on () group_left () (sum(t:rate) > 0)", "labels": {"kind": "ra$tio"}},
    {"record": "t:price", "expr": "0.02"},
    {"record": "t:two", "expr": 'jobs{job="a"}', "labels": {"mode": ""}} | {"expr": 'max(jobs{job="a"})'},
    {"record": "t:two", "expr": "sum by (job) (jobs)", "labels": {"side": "sum"}},
    {"record": "t:gone", "expr": "jobs > 8"},
]
EXPRESSIONS = {
    "Plain": "jobs > 5",
    "Named": "t:plain > 5",
    "Rate": 't:rate{job="a"} > 0.04',
    "NotEqual": 't:plain{job!="a"} > 6',
    "Pattern": 't:plain{mode=~"x.+|z",job=~"a|b"} > 6',
    "NotPattern": 't:plain{mode!~"x.*"} > 6',
    "NoLabel": 't:plain{job=""} > 4',
    "HasLabel": 't:plain{job!=""} > 7',
    "Odd": 't:plain{job="c$1",mode="q\\"\\\\"} > 5',
    "Ratio": 't:ratio{kind="ra$tio"} > 0.501',  # no tie: promtool adds floats in any order
    "Price": "t:rate * on () group_left () t:price > 0.001",
    "Two": "t:two > 7",
    "Offset": "t:plain offset 7m > t:plain + 3",
    "Window": "max_over_time(t:gone[5m]) > 9",
    "Absent": 'absent(t:gone{job="a",mode="z"})',
    "AbsentOver": 'absent_over_time(t:gone{job="b"}[4m])',
    "Count": 'count by (__name__) ({__name__="t:plain"} > 5) > 2',
    "Or": "t:gone or t:plain < 1",
    "Unless": "t:plain > 6 unless t:gone",
    "Scalar": "scalar(sum(t:plain)) > bool 3",
    "NaN": "t:plain * NaN",
    "Nothing": "vector(0) == 1",
    "Clamped": "jobs > on (job) group_left () clamp(max by (job) (t:rate == t:rate), 0.01, 8) and on () t:price",
}
HOLDS = (("0s", "0s"), ("3m", "0s"), ("0s", "4m"), ("2m", "3m"), ("90s", "150s"))


def values():
    """Of each series and minute; NaN is no sample."""
    rng = np.random.default_rng(5)
    table = rng.integers(0, 11, (len(LABELS), N)).astype(float)
    table = np.where(rng.random(table.shape) < 0.7, np.roll(table, 1, axis=1), table)
    for row in table[1:]:
        for start in rng.integers(0, N - 40, 3):
            row[start : start + int(rng.integers(1, 30))] = np.nan
    return table


GAUGE = values()
COUNTER = np.nancumsum(np.nan_to_num(GAUGE), axis=1)


def openmetrics():
    for name, kind, table in (("jobs", "gauge", GAUGE), ("done", "counter", COUNTER)):
        yield f"# TYPE {name} {kind}\n"
        full = "done_total" if kind == "counter" else name
        for labels, row in zip(LABELS, table, strict=True):
            head = full + frames.series_id(labels)
            for minute, value in enumerate(row):
                if not np.isnan(value):
                    yield f"{head} {value} {START.timestamp() + 60 * minute:.0f}\n"
    yield "# EOF\n"


def rules():
    found = []
    for number, (name, expr) in enumerate(EXPRESSIONS.items()):
        hold, keep = HOLDS[number % len(HOLDS)]
        alert = {"alert": name, "expr": expr, "for": hold, "labels": {"severity": "warning", "of": "{{ $labels.job }}"}}
        found.append(alert | ({"keep_firing_for": keep} if keep != "0s" else {}))
    return yaml.safe_dump({"groups": [{"name": "g", "interval": "1m", "rules": [*RECORDING, *found]}]})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    (folder / "samples.txt").write_text("".join(openmetrics()))
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.txt"]) as server:
        yield PrometheusSource(server.url)


def expected(series):
    """As promtool wants a row of samples: missing ones are _."""
    return " ".join("_" if np.isnan(value) else f"{value:g}" if value < 1e5 else f"{value}" for value in series)


def alerts_series(labels):
    """The series ALERTS of an alert; where a template of a label gives "", 2.42 leaves the template in that series."""
    raw = "" if ",of=" in labels else ',of="{{ $labels.job }}"'
    return f'{labels[:-1]}{raw},alertstate="firing"}}'


def promtool_agrees(folder, firing_at):
    """Fails with promtool's words where ALERTS of its own engine is not ours at any minute."""
    (folder / "rules.yml").write_text(rules())
    inputs = [
        {"series": name + frames.series_id(labels), "values": expected(row)}
        for name, table in (("jobs", GAUGE), ("done_total", COUNTER))
        for labels, row in zip(LABELS, table, strict=True)
    ]
    tests = []
    for minute in range(SINCE, N):
        samples = [{"labels": f"ALERTS{labels}", "value": 1} for labels in sorted(firing_at[minute])]
        tests.append({"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minute}m", "exp_samples": samples})
    case = {"interval": "1m", "input_series": inputs, "promql_expr_test": tests}
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "case.yml").write_text(yaml.safe_dump(document))
    return subprocess.run(["promtool", "test", "rules", "case.yml"], cwd=folder, capture_output=True, text=True)


def test_every_alert_fires_at_the_minutes_at_which_prometheus_itself_fires_it(source, tmp_path):
    groups = rule_groups.parse(rules(), "rules.yml")
    found = replay(source, groups, TimeRange(START, START + pd.Timedelta(minutes=N), "60s"))
    assert found.rules.set_index("alert")["problem"].to_dict() == dict.fromkeys(EXPRESSIONS, "")
    at = [set() for _ in range(N)]
    fired = set()
    for rule in found.rules.itertuples():
        own = found.active[found.active["rule"] == rule.rule]
        table = firing(own, step=pd.Timedelta("60s"), hold=rule.hold, keep=rule.keep)
        fired |= {rule.alert} if len(table) else set()
        for row in table.itertuples():
            first, last = ((one - START) / pd.Timedelta("1m") for one in (row.start, row.end))
            for minute in range(int(first), min(int(last), N - 1) + 1):
                at[minute].add(alerts_series(row.labels))
    assert fired == {*EXPRESSIONS} - {"Nothing"}  # each expression tests something
    done = promtool_agrees(tmp_path, at)
    assert done.returncode == 0, done.stderr[:3000] + done.stdout[:3000]
    at[100].pop()
    assert promtool_agrees(tmp_path, at).returncode == 1  # and it would have told


RAILS = """groups:
  - name: rails
    interval: 1m
    rules:
      - record: tutordex:limit:learned
        expr: |
          clamp(max by (job) (tutordex_threshold{alert="Learned"} == tutordex_threshold{alert="Learned"}), 2, 9)
            and on () (time() - tutordex_generated_timestamp_seconds{family="threshold"} < 10800)
      - alert: Learned
        expr: jobs > on (job) group_left () tutordex:limit:learned or jobs > 6 unless on (job) tutordex:limit:learned
      - alert: Human
        expr: jobs > on () group_left () (tutordex_threshold{alert="Human"} or vector(7))
"""


def limits():
    """Every 37 minutes another limit for jobs a and b; some beyond the rails, some none."""
    ds = [START + pd.Timedelta(minutes=37 * i) for i in range(-2, 9)]
    table = {
        "a": [5, 3.3, np.nan, 4, 100, 7.25, 7.25, np.nan, 0, 6, 1e-7],
        "b": [1, 8, 8, 5, 4, np.nan, 3, 2, 1, 0, -1],
    }
    rows = [(moment, value, job) for job, values in table.items() for moment, value in zip(ds, values, strict=True)]
    return pd.DataFrame(rows, columns=["ds", "value", "job"]).sample(frac=1, random_state=1)


def test_thresholds_move_within_their_rails_and_where_there_is_none_the_human_value_holds(source):
    span = TimeRange(START, START + pd.Timedelta(minutes=N), "60s")
    groups = rule_groups.parse(RAILS, "rails.yml")
    found = replay(source, groups, span, thresholds={"Learned": limits()})
    assert found.rules["problem"].tolist() == ["", ""]
    ids, grid, values = frames.matrix(source.query("jobs", span))
    held = {}
    for job in ("a", "b"):
        own = limits()[lambda rows, job=job: rows["job"] == job].sort_values("ds")
        at = np.searchsorted(own["ds"].to_numpy("datetime64[ns]"), grid.to_numpy("datetime64[ns]"), side="right") - 1
        held[job] = np.clip(own["value"].to_numpy()[at], 2, 9)
    expected = set()
    for name, row in zip(ids, values, strict=True):
        job = next((one for one in held if f'job="{one}"' in name), None)
        limit = np.where(np.isnan(held[job]), 6, held[job]) if job else np.full(len(grid), 6.0)
        expected |= {(name.removeprefix("jobs"), moment) for moment in grid[row > limit]}
    got = set()
    own = found.active[found.active["rule"] == 0]
    for labels, first, last in own[["labels", "first", "last"]].itertuples(index=False):
        series = labels.replace('alertname="Learned",', "")
        got |= {(series, moment) for moment in pd.date_range(first, last, freq="60s") if moment in grid}
    assert got == expected
    human = found.active[found.active["rule"] == 1]
    plain = replay(source, rule_groups.parse(RAILS.replace('tutordex_threshold{alert="Human"} or ', ""), "r"), span)
    assert len(human)
    assert human["first"].tolist() == plain.active.loc[plain.active["rule"] == 1, "first"].tolist()


def test_without_thresholds_the_rails_fall_back_by_themselves(source):
    span = TimeRange(START, START + pd.Timedelta(minutes=N), "60s")
    found = replay(source, rule_groups.parse(RAILS, "rails.yml"), span)
    learned = "jobs > on (job) group_left () tutordex:limit:learned"
    plain = RAILS.replace(f"{learned} or jobs > 6 unless on (job) tutordex:limit:learned", "jobs > 6")
    assert plain != RAILS
    expected = replay(source, rule_groups.parse(plain, "rails.yml"), span)
    pd.testing.assert_frame_equal(found.active, expected.active)


def test_a_rule_that_prometheus_cannot_evaluate_is_told_and_the_others_are_there(source):
    text = """groups:
  - name: g
    rules:
      - {alert: Many, expr: jobs > on () done_total}
      - {alert: Same, expr: jobs > 3, labels: {job: x, mode: y}}
      - {alert: Good, expr: jobs > 3}
"""
    span = TimeRange(START, START + pd.Timedelta(minutes=N), "60s")
    seen = []
    found = replay(source, rule_groups.parse(text, "g.yml"), span, on_alert=lambda *told: seen.append(told))
    many, same, good = found.rules["problem"]
    assert "many-to-many" in many
    assert "same labels" in same
    assert not good
    assert {*found.active["rule"]} == {2}
    assert sorted(done for done, _, _ in seen) == [1, 2, 3]
