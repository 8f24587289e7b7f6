"""The rules that are built: the same bytes each time, whole, within what a message holds, and right in Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.source.local_alertmanager import LocalAlertmanager
from tutordex_analysis import catalogue_file, promql, publish
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError, RulesRefused
from tutordex_analysis.question.thresholds import REACH
from tutordex_analysis.rule import Example, Fired, Record, Rule, Threshold
from tutordex_analysis.settings import Settings
from tutordex_analysis.sink import (
    alertmanager,
    rule_cut,
    rule_promtool,
    rule_rails,
    rule_tests,
    rule_text,
    rules,
    runbook,
)
from tutordex_analysis.source.local_server import LocalPrometheus

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "observability"
LINKS = rule_text.Links(grafana="http://localhost:3300", alertmanager="http://localhost:9093", runbooks="docs/runbooks")
KNOWN = catalogue_file.load()
LIMIT = Threshold(human=60, floor=10, ceiling=200, learn="season", signal="posts_seen")
STACK = {  # alerts of the monitored stack; the last row is what its guidelines ask for
    *("PrometheusTargetDown", "BlackboxProbeFailed", "PublicApiDown", "HostDiskLow", "ContainerRestarted", "Watchdog"),
    *("CollectorStalled", "QueueBacklogGrowingNoThroughput", "QueueOldestPendingTooOld", "QueueStuckProcessing"),
    *("LLMFailureSpike", "SupabaseFailureSpike", "BroadcastFailureSpike", "DMFailureSpike", "DMRateLimited"),
    *("ParseFailureSpike", "ParseErrorFractionHigh", "MissingSubjectsHigh"),
    *("AssignmentProcessingSLOViolation", "ParseQualitySLOViolation", "ChannelStalenessWarning"),
}
# Dashboards that the stack loads.
BOARDS = {
    *("tutordex-overview", "tutordex-infra", "tutordex-llm-supabase", "tutordex-quality", "tutordex_data_quality"),
    *("tutordex_matching", "tutordex-home", "tutordex-realtime"),
}


def made(rule: Rule, *others: Rule, records: tuple[Record, ...] = ()) -> Catalogue:
    return Catalogue(
        signals=KNOWN.signals,
        rules={one.name: one for one in (rule, *others)},
        records={one.name: one for one in records},
    )


def test_what_is_in_git_is_what_is_built(tmp_path):
    before = rules.files(KNOWN, LINKS)
    assert rules.files(catalogue_file.load(), LINKS) == before
    here = {str(path.relative_to(OBSERVABILITY)) for path in OBSERVABILITY.rglob("*.yml")}
    assert {path for path in here if "tutordex_" in path or path.startswith(rules.TESTS)} == before.keys()
    changed = [path for path, text in before.items() if (OBSERVABILITY / path).read_text("utf-8") != text]
    assert changed == [], "build again: tutordex-analysis rules build"
    assert (ROOT / "docs/runbooks" / rule_text.RUNBOOK).read_text("utf-8") == runbook.page(KNOWN)


def test_links_of_the_files_in_git_are_the_defaults():
    links = Settings()
    assert (links.grafana_url, links.alertmanager_external_url, links.runbook_url) == (
        LINKS.grafana,
        LINKS.alertmanager,
        LINKS.runbooks,
    )


def test_every_alert_of_the_stack_and_its_guidelines_is_there():
    assert KNOWN.rules.keys() >= STACK
    assert {one.dashboard for one in KNOWN.rules.values()} <= BOARDS | {None}
    for rule in KNOWN.rules.values():
        assert rule.meaning, rule.name
        assert rule.name == "Watchdog" or (rule.causes and rule.checks), rule.name
        for selector in rule.muted_by:
            assert promql.matchers(selector)[0].value in KNOWN.rules, rule.name


def test_every_alert_has_examples_that_fire_and_that_do_not():
    for rule in KNOWN.rules.values():
        fires = {bool(one.fires) for one in rule.examples}
        assert fires == ({True} if rule.name == "Watchdog" else {True, False}), rule.name
    tests = rule_tests.tests(KNOWN, LINKS)
    for rule in KNOWN.rules.values():
        names = " ".join(one["name"] for one in tests[rule.name]["tests"])
        if rule.threshold and rule.threshold.learn:
            for wanted in ("a learnt limit", "does not silence", "no number", "does not flood", "rails: inside"):
                assert wanted in names, (rule.name, wanted)


def test_every_alert_has_its_section_in_the_runbook():
    page = (ROOT / "docs/runbooks" / rule_text.RUNBOOK).read_text("utf-8")
    for rule in KNOWN.rules.values():
        assert f'<a id="{rule_text.anchor(rule)}"></a>{rule.name}\n' in page
        assert rule_text.templates(rule, LINKS)["runbook"] == f"docs/runbooks/alerts.md#{rule_text.anchor(rule)}"


@pytest.mark.parametrize("runbooks", ["docs/runbooks", "https://git.example/tutordex/blob/main/docs/runbooks"])
def test_a_description_fits_and_says_value_limit_and_why(runbooks):
    links = rule_text.Links(grafana=LINKS.grafana, alertmanager=LINKS.alertmanager, runbooks=runbooks)
    for rule in KNOWN.rules.values():
        said = rule_text.rendered(rule, links, rule_text._widest(rule))
        assert len(said["description"]) <= rule_text.MOST, rule.name
        assert f"/#/silences/new?filter=%7Balertname%3D%22{rule.name}%22" in said["description"]
        assert not re.search("[<>&]", said["summary"] + said["description"])
        if rule.threshold:
            assert re.search("limit .*(fixed|human)", said["description"]), rule.name
        if runbooks == LINKS.runbooks:
            assert f"#{rule_text.anchor(rule)}" in said["description"], rule.name
            assert not rule.causes or "Likely: " in said["description"], rule.name


def test_a_learnt_limit_is_told_with_its_reason():
    told = rule_text.Told(value=352, limit=310, age_seconds=3600, usual=(2, 190))
    said = rule_text.rendered(KNOWN.rules["PostsVolumeSpike"], LINKS, told)["description"]
    assert said.startswith("352 posts an hour; limit 310, learned 1h ago (human 300), usual 2–190. Likely: catch-up")


def test_rule_text_has_no_learnt_number_in_it():
    text = rules.files(KNOWN, LINKS)[rules.ALERTS]
    for rule in yaml.safe_load(text)["groups"][1]["rules"]:
        promql.check(rule["expr"])
    spike = next(r for g in yaml.safe_load(text)["groups"] for r in g["rules"] if r.get("alert") == "PostsVolumeSpike")
    assert spike["expr"].splitlines()[-1] == '> on () tutordex:threshold:in_force{alert="PostsVolumeSpike"}'


def test_limits_are_recorded_in_the_group_of_their_alert_and_before_it():
    for group in rules.alert_groups(KNOWN, LINKS):
        recorded: set[str] = set()
        for rule in group["rules"]:
            if "record" in rule:
                recorded.add(rule["labels"]["alert"])
            elif rule_rails.IN_FORCE in rule["expr"]:
                assert rule["alert"] in recorded


def test_records_come_after_what_they_read():
    for group in rules.record_groups(KNOWN):
        seen: set[str] = set()
        inside = {one["record"] for one in group["rules"]}
        for one in group["rules"]:
            assert promql.metrics(one["expr"]) & inside <= seen, one["record"]
            seen.add(one["record"])


def test_a_price_for_a_thousand_is_divided_and_bounds_are_floats():
    assert KNOWN.records["tutordex:llm:cost_per_request"].expression.endswith("/ 1000")
    text = (OBSERVABILITY / rules.RECORDS).read_text("utf-8")
    assert not re.search(r'le="\d+"', text)


def test_an_edit_by_hand_is_seen():
    text = rules.files(KNOWN, LINKS)[rules.ALERTS]
    assert rules.untouched(text)
    assert not rules.untouched(text.replace("5400", "5401"))
    assert not rules.untouched("groups: []\n")


def test_tests_of_alerts_that_are_gone_are_deleted_unless_somebody_edited_them(tmp_path):
    one = Rule(name="One", value="up", component="c", summary="s", examples=KNOWN.rules["Watchdog"].examples)
    two = one.model_copy(update={"name": "Two"})
    rules.write(made(one, two), LINKS, output=tmp_path, runbooks=tmp_path / "docs")
    home = tmp_path / rules.TESTS
    assert {path.name for path in home.iterdir()} == {"One_test.yml", "Two_test.yml"}
    rules.write(made(one), LINKS, output=tmp_path, runbooks=tmp_path / "docs")
    assert {path.name for path in home.iterdir()} == {"One_test.yml"}
    (home / "One_test.yml").write_text((home / "One_test.yml").read_text() + "# mine\n")
    rules.write(made(two), LINKS, output=tmp_path, runbooks=tmp_path / "docs")
    assert {path.name for path in home.iterdir()} == {"One_test.yml", "Two_test.yml"}


def test_a_learnt_limit_is_taken_as_long_as_it_is_made_for():
    """Else that of an evening rules over a night of which it knows nothing, once the publisher is dead."""
    accepted = pd.Timedelta(seconds=rule_rails.MOST_AGE_SECONDS)
    assert accepted == REACH
    assert accepted > pd.Timedelta(seconds=3600 + publish._RETRY_SECONDS)  # one renewal may fail


def test_building_costs_little():
    start = time.process_time()
    rules.files(KNOWN, LINKS)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("threshold: {human: 5, floor: 9, ceiling: 3}", r"own.yaml:5: rules.Mine.threshold: .*floor \(9\)"),
        ("threshold: {human: 5, floor: 5, ceiling: 5, learn: drop, signal: posts_seen}", "a floor below its ceiling"),
        ("threshold: {human: 5, floor: 1, ceiling: 9, learn: drop, signal: posts}", "there is no signal 'posts'"),
        (
            "threshold: {human: 5, floor: 1, ceiling: 9, learn: drop, signal: posts_seen, by: [channel]}",
            "must be in by: too",
        ),
        ("guard: sum(nobody_exposes_this) > 1", "asks for nobody_exposes_this, which nothing exposes or records"),
        ("muted_by: [Mine]", "would mute the alert by itself"),
        ("hold: soon", "'soon' is not a duration"),
        ("by: [severity]", "cannot be a label"),
        (
            "by: [alert]\n    threshold: {human: 5, floor: 1, ceiling: 9}",
            "'alert' names the alert of a published limit",
        ),
        ("}\n  Mine: {value: up", "the key 'Mine' is here twice"),
    ],
)
def test_a_wrong_overlay_is_one_sentence_with_its_place(tmp_path, text, sentence):
    inside = f"rules:\n  Mine:\n    component: c\n    summary: s\n    {text}\n    value: up\n"
    if text.startswith("}"):
        inside = (
            "rules:\n  Mine: {value: up, component: c, summary: s}\n  Mine: {value: up, component: c, summary: s}\n"
        )
    (tmp_path / "own.yaml").write_text(inside)
    (tmp_path / "stack.yaml").write_text("metrics: [{name: mine, type: gauge}]\n")
    with pytest.raises(CatalogueError, match=sentence) as found:
        catalogue_file.load(tmp_path)
    assert "\n" not in str(found.value)
    assert "own.yaml:" in str(found.value)


def test_two_alerts_of_one_name_in_two_files_are_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("rules:\n  Mine: {value: up, component: c, summary: s}\n")
    with pytest.raises(CatalogueError, match=r"b.yaml:2: 'Mine' is in a.yaml already"):
        catalogue_file.load(tmp_path)


def test_records_that_read_each_other_are_refused(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "records:\n  a:b:c: {title: t, promql: a:b:d + 1}\n  a:b:d: {title: t, promql: a:b:c + 1}\n"
    )
    with pytest.raises(CatalogueError, match=r"own.yaml:2: a:b:c: it reads itself"):
        catalogue_file.load(tmp_path)


def test_the_guide_s_example_builds_and_passes(tmp_path):
    guide = (ROOT / "docs/alerting.md").read_text("utf-8")
    example = re.findall(r"```yaml\n(rules:.*?)```", guide, re.DOTALL)[0]
    orders = "{title: Orders, area: shop, kind: count, unit: requests, counter: shop_orders_total}"
    (tmp_path / "own.yaml").write_text(f"signals:\n  orders: {orders}\n{example}")
    known = catalogue_file.load(tmp_path)
    assert "AnalysisMetricsAbsent" not in known.rules
    rules.write(known, LINKS, output=tmp_path, runbooks=tmp_path)
    fragment = yaml.safe_load((tmp_path / rules.FRAGMENT).read_text())
    assert {'alertname="ShopDown"'} <= {one["source_matchers"][0] for one in fragment["inhibit_rules"]}
    if shutil.which("promtool"):
        promtool("test", "rules", tmp_path / rules.TESTS / "OrdersMissing_test.yml")


def test_a_record_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "own.yaml").write_text("rules:\n  Mine: {value: a:b:c, component: c, summary: s}\n")
    with pytest.raises(CatalogueError, match=r"own.yaml:2: Mine: it asks for a:b:c, which nothing exposes"):
        catalogue_file.load(tmp_path)


def test_a_shipped_rule_can_be_removed_and_moved(tmp_path):
    (tmp_path / "own.yaml").write_text("rules:\n  AnalysisMetricsAbsent: null\nsignals:\n  cpu_used: null\n")
    known = catalogue_file.load(tmp_path)
    assert "AnalysisMetricsAbsent" not in known.rules
    assert "HostCpuHigh" in known.rules  # its human value holds without a signal to learn from


# --- what strangers write, in Prometheus's own hands

WORDS = (*"ab{}\"'`\\\n\t<>&:#-|[]%$ é\u2028", "{{", "}}", "{{ $value }}", "or vector(1)", ": ", "- ")
NASTY = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map("".join)


@settings(max_examples=25)
@given(summary=NASTY, causes=NASTY, when=NASTY)
def test_any_text_arrives_as_text(tmp_path_factory, summary, causes, when):
    folder = tmp_path_factory.mktemp("nasty")
    rule = nasty_rule(summary=summary, causes=causes, when=when, value="x")
    made_files = rules.files(made(rule), LINKS)
    for text in made_files.values():
        assert yaml.safe_load(text)
    (alert,) = [r for g in yaml.safe_load(made_files[rules.ALERTS])["groups"] for r in g["rules"] if "alert" in r]
    assert alert["annotations"]["summary"].replace('{{ "{{" }}', "").replace('{{ "}}" }}', "").count("{{") == 0
    assert folder.exists()


def nasty_rule(*, summary: str, causes: str, when: str, value: str) -> Rule:
    return Rule(
        name="Nasty",
        value="sum by (channel) (thing)",
        by=("channel",),
        threshold=LIMIT.model_copy(update={"by": ("channel",)}),
        component="c",
        summary=summary,
        causes=causes,
        dashboard="tutordex-overview",
        examples=(
            Example(
                when=when,
                series={f"thing{{channel={rule_tests._quoted(value)}}}": "500x30"},
                at="10m",
                fires=(Fired(value=500, labels={"channel": value}),),
            ),
            Example(when=when, series={f"thing{{channel={rule_tests._quoted(value)}}}": "5x30"}, at="10m"),
        ),
    )


@pytest.mark.server("promtool")
@pytest.mark.parametrize(
    "value",
    [
        't.me/"quoted"',
        "back\\slash and 'single'",
        "{{ $value }} {{ end }}",
        "line\nbreak",
        "<b>&amp;</b>",
        "a: b # c",
        "} or vector(1) {",
        "x" * 80,
        "Überkanal 频道",
        "plus+ and space",
    ],
)
def test_nasty_labels_and_texts_pass_promtool(tmp_path, value):
    rule = nasty_rule(summary=f"It is {{channel}}: {value}", causes=value, when=f"when {value}", value=value)
    rules.write(made(rule), LINKS, output=tmp_path, runbooks=tmp_path)
    promtool("check", "rules", tmp_path / rules.ALERTS)
    promtool("test", "rules", tmp_path / rules.TESTS / "Nasty_test.yml")


def promtool(*words: object) -> str:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[:3000]
    return done.stdout


@pytest.mark.server("promtool")
@pytest.mark.parametrize("unit", ["", "seconds", "ratio", "bytes", "jobs"])
@pytest.mark.parametrize("value", [0.001, 0.5, 1, 59, 61.5, 3600, 7325, 123456.7, 8.5e9])
def test_numbers_are_foretold_as_prometheus_writes_them(tmp_path, unit, value):
    example = Example(when="so", series={"thing": f"{value!r}x20"}, at="10m", fires=(Fired(value=value),))
    limit = Threshold(human=value / 2, floor=0, ceiling=value)
    rule = Rule(name="Told", value="thing", threshold=limit, unit=unit, component="c", summary="s", examples=(example,))
    rules.write(made(rule), LINKS, output=tmp_path, runbooks=tmp_path)
    promtool("test", "rules", tmp_path / rules.TESTS / "Told_test.yml")


LIVE, DEAD = 'job="a",instance="live"', 'job="node",instance="textfile"'


@pytest.mark.server("promtool")
@pytest.mark.parametrize(
    ("alert", "limits", "in_force"),
    [
        ("PostsVolumeSpike", {LIVE: (100, "fresh"), DEAD: (900, "old")}, 100),  # the live one does not vouch for it
        ("PostsVolumeSpike", {LIVE: (100, "fresh"), DEAD: (200, "fresh")}, 200),  # the one that fires least
        ("PostsVolumeDrop", {LIVE: (2, "fresh"), DEAD: (12, "fresh")}, 2),
        ("PostsVolumeDrop", {LIVE: (2, "old"), DEAD: (12, "old")}, 1),  # human
        ("PostsVolumeSpike", {LIVE: ("NaN", "fresh"), DEAD: (200, "fresh")}, 200),
    ],
)
def test_each_of_two_publishers_speaks_for_its_own_limits_and_the_mildest_counts(tmp_path, alert, limits, in_force):
    series = []
    for by, (value, age) in limits.items():
        stamp = "18000" if age == "fresh" else "0"
        series += [
            {"series": f'tutordex_threshold{{alert="{alert}",{by}}}', "values": " ".join([str(value)] * 401)},
            {
                "series": f'tutordex_generated_timestamp_seconds{{family="tutordex_threshold",{by}}}',
                "values": f"{stamp}x400",
            },
        ]
    expr = f'tutordex:threshold:in_force{{alert="{alert}"}}'
    want = [{"labels": expr, "value": in_force}]
    case = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": expr, "eval_time": "5h5m", "exp_samples": want}],
    }
    document = {"rule_files": [str((OBSERVABILITY / rules.ALERTS).resolve())], "evaluation_interval": "1m"}
    (tmp_path / "case.yml").write_text(yaml.safe_dump(document | {"tests": [case]}))
    promtool("test", "rules", tmp_path / "case.yml")


@pytest.mark.server("promtool")
def test_all_rules_pass_promtool():
    for path in (rules.RECORDS, rules.ALERTS):
        assert "SUCCESS" in promtool("check", "rules", OBSERVABILITY / path)


@pytest.mark.server("promtool")
def test_all_generated_tests_pass():
    """All alerts fire and stay quiet as their examples say, and rails hold, in Prometheus's own evaluation."""
    folder = OBSERVABILITY / rules.TESTS
    assert {path.name.removesuffix("_test.yml") for path in folder.iterdir()} == KNOWN.rules.keys()
    said = rule_promtool.checked({}, tests=folder)
    assert said == (f"{len(KNOWN.rules)} files of rule tests pass",)


@pytest.mark.server("promtool")
@pytest.mark.parametrize("name", ["LearntLimitRefused", "MetricMissing", "AnalysisMetricsStale"])
def test_rules_cut_down_to_what_an_alert_needs_pass_as_the_whole_files_do(tmp_path, name):
    path = OBSERVABILITY / rules.TESTS / f"{name}_test.yml"
    promtool("test", "rules", path)
    promtool("test", "rules", rule_promtool._cut(path, tmp_path / "cut", {}))


def test_a_cut_has_what_is_read_however_far_away_and_no_limit_of_another_alert():
    whole = {path: yaml.safe_load((OBSERVABILITY / path).read_text("utf-8")) for path in (rules.RECORDS, rules.ALERTS)}

    def names(test):
        found = rule_cut.cut(whole, test)
        return [
            (one.get("record") or one["alert"], one.get("labels", {}).get("alert"))
            for content in found.values()
            for group in content["groups"]
            for one in group["rules"]
        ]

    spike = names({"tests": [{"alert_rule_test": [{"alertname": "PostsVolumeSpike"}]}]})
    assert spike == [
        ("tutordex:collector:posts_1h", None),
        ("tutordex:threshold:learnt", "PostsVolumeSpike"),
        ("tutordex:threshold:in_force", "PostsVolumeSpike"),
        ("PostsVolumeSpike", None),
    ]
    limits = names({"tests": [{"promql_expr_test": [{"expr": "tutordex:threshold:in_force"}]}]})
    assert len({alert for name, alert in limits if name.endswith("in_force")}) > 15
    everything = names({"tests": [{"promql_expr_test": [{"expr": 'ALERTS{alertname="A"}'}]}]})
    assert len(everything) > 150
    for rule in KNOWN.rules.values():  # what is read is there, and nothing reads what was left out
        found = rule_cut.cut(whole, {"tests": [{"alert_rule_test": [{"alertname": rule.name}]}]})
        kept = [one for content in found.values() for group in content["groups"] for one in group["rules"]]
        recorded = {one["record"] for one in kept if "record" in one}
        every = {
            one["record"]
            for content in whole.values()
            for g in content["groups"]
            for one in g["rules"]
            if "record" in one
        }
        assert {name for one in kept for name in promql.metrics(one["expr"]) & every} <= recorded, rule.name


@pytest.mark.server("promtool")
def test_a_push_refuses_a_rule_without_rails(tmp_path):
    rule = KNOWN.rules["PostsVolumeSpike"]
    records = (KNOWN.records["tutordex:collector:posts_1h"],)
    rules.write(made(rule, records=records), LINKS, output=tmp_path, runbooks=tmp_path)
    home = tmp_path / rules.ALERTS
    home.write_text(re.sub(r"clamp\((max by .*?), 60, 1000\)", r"\1", home.read_text(), flags=re.DOTALL))
    with pytest.raises(RulesRefused, match=r"a test of the rules fails: .*PostsVolumeSpike"):
        rule_promtool.checked({}, tests=tmp_path / rules.TESTS)


@pytest.mark.server("promtool")
def test_the_tests_see_a_rule_without_rails(tmp_path):
    """A test that cannot fail proves nothing: with the clamp taken out, the poison comes through."""
    rule = KNOWN.rules["PostsVolumeSpike"]
    rules.write(
        made(rule, records=(KNOWN.records["tutordex:collector:posts_1h"],)), LINKS, output=tmp_path, runbooks=tmp_path
    )
    home = tmp_path / rules.ALERTS
    text = home.read_text()
    promtool("test", "rules", tmp_path / rules.TESTS / "PostsVolumeSpike_test.yml")
    for broken in (
        re.sub(r"clamp\((max by .*?), 60, 1000\)", r"\1", text, flags=re.DOTALL),
        text.replace("or vector(300)", ""),
        re.sub(r"\n +and on \(job, instance\) \(time.*5400 > -300\)", "", text),
        re.sub(r"(tutordex_threshold\{[^}]*\}) == tutordex_threshold\{[^}]*\}", r"\1", text),
    ):
        assert broken != text
        home.write_text(broken)
        with pytest.raises(AssertionError, match="FAILED"):
            promtool("test", "rules", tmp_path / rules.TESTS / "PostsVolumeSpike_test.yml")


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read())["data"]


@pytest.mark.server
def test_a_running_prometheus_loads_all_and_computes_all(tmp_path):
    for path in (rules.RECORDS, rules.ALERTS):
        text = (OBSERVABILITY / path).read_text("utf-8")
        (tmp_path / Path(path).name).write_text(re.sub(r"interval: \w+", "interval: 1s", text))
    config = f"global: {{evaluation_interval: 1s}}\nrule_files: ['{tmp_path}/*.yml']\n"
    with LocalPrometheus(tmp_path / "server", config=config) as server:
        deadline = time.monotonic() + 60
        while True:
            groups = fetched(f"{server.url}/api/v1/rules")["groups"]
            every = [rule for group in groups for rule in group["rules"]]
            waiting = [rule["name"] for rule in every if rule["health"] == "unknown"]
            if every and not waiting:
                break
            assert time.monotonic() < deadline, waiting
            time.sleep(0.5)
        assert {rule["name"]: rule.get("lastError") for rule in every if rule["health"] != "ok"} == {}
        names = {rule["name"] for rule in every if rule["type"] == "alerting"}
        assert names == {*KNOWN.rules}
        (limit,) = fetched(
            f"{server.url}/api/v1/query?query=tutordex:threshold:in_force%7Balert=%22PostsVolumeSpike%22%7D"
        )["result"]
        assert limit["value"][1] == "300"  # nobody publishes: the human value


CONFIG = """
route:
  receiver: telegram-warning
  group_by: [alertname, component, channel]
  group_wait: 1s
  routes:
    - {matchers: ['severity="critical"'], receiver: telegram-critical}
receivers:
  - name: telegram-warning
  - name: telegram-critical
  - name: telegram-probe
  - name: blackhole
"""


def merged():
    config = yaml.safe_load(CONFIG)
    fragment = yaml.safe_load((OBSERVABILITY / rules.FRAGMENT).read_text("utf-8"))
    config["route"]["routes"] = fragment["route"]["routes"] + config["route"]["routes"]
    return config | {"inhibit_rules": fragment["inhibit_rules"]}


@pytest.mark.server("amtool")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=SignalUnusual", "severity=warning", "shadow=true"], "blackhole"),
        (["alertname=Anything", "severity=critical", "shadow=true"], "blackhole"),
        (["alertname=PublicApiDown", "severity=critical"], "telegram-critical"),
        (["alertname=QueueStuckProcessing", "severity=critical"], "telegram-critical"),
        (["alertname=HostDiskLow", "severity=warning"], "telegram-warning"),
    ],
)
def test_the_fragment_sends_alerts_where_they_belong(tmp_path, labels, receiver):
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(merged()))
    subprocess.run(["amtool", "check-config", str(path)], check=True, capture_output=True)
    words = ["amtool", "config", "routes", "test", f"--config.file={path}", f"--verify.receivers={receiver}", *labels]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server("prometheus-alertmanager")
def test_a_collector_that_is_down_mutes_its_channels(tmp_path):
    def state(server, name):
        alerts = server.call("GET", "alerts")
        return next(one["status"]["state"] for one in alerts if one["labels"]["alertname"] == name)

    with LocalAlertmanager(tmp_path, config=yaml.safe_dump(merged())) as server:
        told = {"severity": "warning", "component": "collector"}
        channel = {"labels": {"alertname": "ChannelStalenessWarning", "channel": "t.me/Alpha", **told}}
        disk = {"labels": {"alertname": "HostDiskLow", "mountpoint": "/", **told}}
        down = {"labels": {"alertname": "PrometheusTargetDown", "job": "tutordex_collector", **told}}
        hidden = {"labels": {**down["labels"], "shadow": "true"}}
        server.call("POST", "alerts", [channel, disk, hidden])
        wait_for(lambda: state(server, "ChannelStalenessWarning") == "active")
        server.call("POST", "alerts", [down])
        wait_for(lambda: state(server, "ChannelStalenessWarning") == "suppressed")
        assert state(server, "HostDiskLow") == "active"


def wait_for(true):
    deadline = time.monotonic() + 30
    while True:
        try:
            if true():
                return
        except StopIteration:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_matchers_of_the_fragment_are_quoted():
    rule = Rule(name="A", value="up", component="c", summary="s", muted_by=('B{job=~"a|\\"b"}',))
    (one,) = alertmanager.fragment(made(rule))["inhibit_rules"]
    assert one["source_matchers"] == ['alertname="B"', 'job=~"a|\\"b"', 'shadow!="true"']


def test_the_guide_says_how_many_rules_a_first_push_adds():
    built = rules.files(KNOWN, LINKS)
    count = sum(
        len(group["rules"]) for name in (rules.RECORDS, rules.ALERTS) for group in yaml.safe_load(built[name])["groups"]
    )
    guide = (Path(__file__).parents[2] / "docs/alerting.md").read_text("utf-8")
    assert f": {count} added" in guide
