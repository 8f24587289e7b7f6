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
    "Ratio": 't:ratio{kind="ra$tio"} > 0.5',
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
