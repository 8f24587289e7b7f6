"""Rules on trial: kept and found again; on a live server those that are loaded there, without a rule file at hand."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from tutordex_analysis import catalogue_file, cli, rule_trial
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.question import backtest_rules
from tutordex_analysis.question.alert_load import QUESTION
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.connect import connect, sample
from tutordex_analysis.source.known_incidents import known_incidents
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.simulator import World

END = pd.Timestamp("2026-11-01T16:00Z")
OLD = """groups:
  - name: records
    rules: [{record: 'a:pending', expr: sum(queue_pending)}]
  - name: old
    interval: 1m
    rules:
      - {alert: Waiting, expr: 'a:pending > 5', for: 5m, labels: {severity: warning}}
      - {alert: TargetDown, expr: 'up == 0', for: 5m, labels: {severity: warning}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working folder of its own, so that nothing is kept elsewhere."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_sample_brings_a_result_of_a_real_prometheus(home):
    trial = rule_trial.of(connect(sample()))
    rows = trial.alerts.set_index("alert")
    assert (rows.loc["all alerts", "found_old"], rows.loc["all alerts", "found_learnt"]) == (10, 15)
    assert rows.loc["all alerts", "false_old"] > 20
    assert rows.loc["DMRateLimited", ["fired_old", "fired_human"]].tolist() == [303, 2]
    assert trial.sentence.startswith("In 15 weeks ours with learned limits would have found 15 of 15 known incidents ")
    assert len(trial.incidents) == 15
    assert trial.findings["question"].tolist() == [QUESTION]


def test_a_page_of_a_past_moment_knows_nothing_that_came_later(home):
    trial = rule_trial.of(connect(sample()), as_of="2026-10-01T00:00Z")
    assert trial.result is None
    assert "rules cannot be replayed from it" in trial.sentence
    assert "rules backtest RULES --old OLD_RULES" in trial.sentence
    assert trial.alerts.empty
    assert trial.incidents.empty
    assert trial.findings.empty


def test_what_is_kept_is_found_by_the_page_of_that_source_and_damage_is_said(home):
    source = connect("http://127.0.0.1:1", catalogue=catalogue_file.load())
    result = rule_trial.kept(sample() / "ledger" / rule_trial.NAME)
    path = rule_trial.keep(source, result)
    assert path.is_relative_to("data") or path.is_relative_to(home)
    assert rule_trial.of(source).sentence == rule_trial.of(connect(sample())).sentence
    path.write_text("{")
    assert "is damaged or of another version; make it again with" in rule_trial.of(source).sentence


def test_nothing_is_asked_where_no_window_is_named(home):
    assert "no window is named" in rule_trial.of(connect("http://127.0.0.1:1"), window="").sentence
    assert "Which rules are loaded cannot be told: " in rule_trial.of(connect("http://127.0.0.1:1")).sentence


def test_an_alert_counts_as_learned_that_was_so_half_of_the_time():
    moments = pd.date_range(END, periods=4, freq="1h")

    def limit(*values, **labels):
        return pd.DataFrame({"ds": moments, "value": values}).assign(**labels)

    none = float("nan")
    parts = [limit(1, none, none, none, c="x"), limit(none, none, 2, none, c="y")]
    limits = {
        "Half": limit(none, none, 3.0, 3.0),
        "Late": limit(none, none, none, 3.0),
        "ByLabel": pd.concat(parts, ignore_index=True),
    }
    assert rule_trial._learned(limits) == ("ByLabel", "Half")


def test_ours_are_the_rules_that_build_writes():
    names = {rule.name for group in rule_trial.ours(catalogue_file.load()) for rule in group.rules}
    assert {*catalogue_file.load().rules} <= names


def test_known_incidents_are_those_of_the_file_and_confirmed_marks(home):
    (home / "incidents.yaml").write_text(
        "incidents: [{from: 2026-10-02T10:00Z, to: 2026-10-02T11:00Z, reason: moved, expires: 2026-10-03}]"
    )
    (home / "anomalies.yaml").write_text(
        "marks:\n"
        "  - {from: 2026-10-01T10:00Z, to: 2026-10-01T11:00Z, signals: [jobs_done], verdict: confirmed, note: full}\n"
        "  - {from: 2026-10-01T12:00Z, to: 2026-10-01T13:00Z, signals: [queue_pending], verdict: 'false'}\n"
        "  - {incident: 20261008T0200Z-queue_pending-3fa9c1, verdict: confirmed}\n"
    )
    source, settings = connect(sample()), Settings(catalogue=home)
    span = source.last("90d")
    found = known_incidents(source, span, settings=settings)
    assert [(one.reason, one.signals) for one in found] == [("full", ("jobs_done",)), ("moved", ())]
    other = Settings(catalogue=home, prometheus_url="http://elsewhere:9090")
    assert known_incidents(source, span, settings=other) == ()
    assert [one.reason for one in known_incidents(source, span, path=home / "incidents.yaml", settings=other)] == [
        "moved"
    ]


@pytest.mark.server
def test_a_server_is_asked_with_the_rules_that_it_has_loaded(home):
    """Three days with a worker that hangs; the page of a server needs no rule file."""
    (home / "old.yml").write_text(OLD)
    config = f"rule_files: [{home / 'old.yml'}]\n"
    world = World(start=END - pd.Timedelta("3D"), end=END, step="120s", seed=3, incidents=("worker_hung",))
    server = LocalPrometheus(home / "server", config=config)
    load_world(server, world)
    with server:
        source = connect(server.url)
        trial = rule_trial.of(source, window="1d", as_of=END - pd.Timedelta("1h"))
        assert trial.note == "The rules that are loaded there, beside ours."
        rows = trial.alerts.set_index("alert")
        assert {"Waiting", "TargetDown", "PrometheusTargetDown", "all alerts"} <= {*rows.index}
        assert pd.isna(rows.loc["PrometheusTargetDown", "fired_old"])
        assert rows.loc["PrometheusTargetDown", "fired_human"] == 0
        assert set(trial.result.alerts["rules"]) == {"old", "human"}  # three days teach no limit
        assert "no incident is known" in trial.sentence
        words = ["--window", "6h", "--as-of", f"{END - pd.Timedelta('1h'):%Y-%m-%dT%H:%MZ}", "--save", server.url]
        done = CliRunner().invoke(cli.app, ["rules", "backtest", "old.yml", "--url", server.url, *words, "--json"])
        assert done.exit_code == 0, done.output
        assert {one["rules"] for one in json.loads(done.stdout)} == {"human"}
        kept = rule_trial.of(source)
        assert kept.note == "A Prometheus was asked for 1 Nov 2026 to 1 Nov 2026, and the result kept."
        assert kept.result.range.end == END - pd.Timedelta("59min")
        assert {"Waiting", "TargetDown"} < {*kept.alerts["alert"]}


@pytest.mark.server
@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("groups: []", "No alert rule is loaded there"),
        (
            "groups: [{name: g, rules: [{alert: A, expr: 'x > on () tutordex_threshold'}]}]",
            "Ours are loaded there",
        ),
    ],
)
def test_a_server_without_old_rules_says_how_to_name_them(home, rules, why):
    (home / "r.yml").write_text(rules)
    with LocalPrometheus(home / "server", config=f"rule_files: [{home / 'r.yml'}]\n") as server:
        trial = rule_trial.of(connect(server.url))
    assert trial.result is None
    assert why in trial.sentence
    assert "--save SOURCE" in trial.sentence


def only(name, folder):
    """The shipped catalogue with one alert."""
    gone = {one: None for one in catalogue_file.load().rules if one != name}
    folder.mkdir()
    (folder / "rules.yaml").write_text(json.dumps({"rules": gone}))
    return catalogue_file.load(folder)


def test_limits_of_capacity_move_in_a_backtest_too(home):
    source = connect(sample(), catalogue=only("HostDiskLow", home / "mine"))
    newest = source.last("1d", step="1h").end
    day = TimeRange(newest - pd.Timedelta("1D"), newest, "60s")
    seen = []
    limits = rule_trial.walked(source, day, on_day=lambda done, total: seen.append((done, total)))
    values = limits["HostDiskLow"].dropna()
    assert {"ds", "value", "mountpoint"} <= {*values.columns}
    assert values["value"].between(0.6, 0.95).all()
    assert rule_trial._learned(limits) == ("HostDiskLow",)
    assert seen[-1] == (len(seen), len(seen))
    assert rule_trial.walked(source, day, capacity=False) == {}


@pytest.mark.server
@pytest.mark.parametrize("published", [0.9, 0.2])
def test_an_alert_on_scores_is_tried_where_scores_were_published(home, published):
    """One hour far out, in an incident of which it is known which signal showed it."""
    catalogue = only("SignalUnusual", home / "mine")
    start, name = END - pd.Timedelta("2D"), "tutordex_anomaly_score"
    at = pd.date_range(END - published * pd.Timedelta("2D"), END, freq="1min", inclusive="left")
    bad = (at >= END - pd.Timedelta("5h")) & (at < END - pd.Timedelta("4h"))
    scores = [
        f'{name}{{signal="posts_seen"}} {4 if b else 0.5} {t.timestamp():.0f}' for t, b in zip(at, bad, strict=True)
    ]
    fresh = "tutordex_generated_timestamp_seconds"
    stamps = [f'{fresh}{{family="{name}"}} {t.timestamp():.0f} {t.timestamp():.0f}' for t in at]
    text = [f"# TYPE {name} gauge", *scores, f"# TYPE {fresh} gauge", *stamps, "# EOF", ""]
    (home / "scores.txt").write_text("\n".join(text))
    hours = (END - pd.Timedelta("5h"), END - pd.Timedelta("4h"))
    mask = Mask(
        start=hours[0], end=hours[1], reason="flood", origin="incident", expires=END, signals=("assignments_parsed",)
    )
    with LocalPrometheus(home / "server", openmetrics=[home / "scores.txt"]) as server:
        result = rule_trial.trial(
            {rule_trial.HUMAN: rule_trial.ours(catalogue)},
            connect(server.url, catalogue=catalogue),
            TimeRange(start, END, "60s"),
            known=[mask],
            concerns=backtest_rules.by_signals(catalogue),
        )
    rows = result.alerts.set_index("alert")
    if published < 0.5:
        assert "SignalUnusual" not in rows.index  # that it was silent would prove nothing
    else:
        assert rows.loc["SignalUnusual", ["fired", "found", "known", "false"]].tolist() == [1, 1, 1, 0]
