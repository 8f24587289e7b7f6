"""The alerts that watch limits: whatever is wrong with what is published, or with the records it passes, is told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ALERTS = Path(__file__).parents[2] / "observability/prometheus/tutordex_alerts.yml"
SPIKE = "PostsVolumeSpike"  # floor 60, ceiling 1000, human 300
FROM = 'job="tutordex_analysis",instance="a:9877"'
STAMP = f'tutordex_generated_timestamp_seconds{{family="tutordex_threshold",{FROM}}}'
LIMIT = f'tutordex_threshold{{alert="{SPIKE}",{FROM}}}'
NAN = " ".join(["NaN"] * 100)
pytestmark = pytest.mark.server("promtool")


def fires(folder, alert, series, *, rules=None):
    """Whether an alert fires after 80 minutes of these series, by promtool."""
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump(rules or yaml.safe_load(ALERTS.read_text("utf-8"))))
    expr = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "80m", "exp_samples": [{"labels": "{}", "value": -1}]}],
    }
    document = {"rule_files": [str(path)], "evaluation_interval": "1m", "tests": [case]}
    (folder / "case.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        ["promtool", "test", "rules", folder / "case.yml"], capture_output=True, text=True, check=False
    )
    (got,) = re.findall(r"got:.*?([\d.E+]+)", (done.stdout + done.stderr).replace("\n", " ")) or [""]
    assert got, done.stdout + done.stderr
    return float(got) > 0


def swapped(change):
    """The rules with another expression of what was learnt, or without it."""
    document = yaml.safe_load(ALERTS.read_text("utf-8"))
    for group in document["groups"]:
        for rule in list(group["rules"]):
            if rule.get("record") == "tutordex:threshold:learnt" and rule["labels"]["alert"] == SPIKE:
                if change is None:
                    group["rules"].remove(rule)
                else:
                    rule["expr"] = change
    return document


@pytest.mark.parametrize(
    ("limit", "stamp", "told"),
    [
        ("200x100", "3600x100", False),
        ("60x100", "3600x100", False),  # on the rail
        ("1000x100", "3600x100", False),
        (NAN, "3600x100", True),
        ("5000x100", "3600x100", True),
        ("1x100", "3600x100", True),
        ("5000x100", NAN, True),
        ("200x100", NAN, True),  # nothing vouches for it, so the human limit is in force
        ("200x100", "90000x100", True),
        ("5000x100", "-20000x100", False),  # of yesterday; AnalysisMetricsStale tells of that
    ],
)
def test_a_limit_that_is_not_in_force_as_published_is_told_whatever_its_stamp_says(tmp_path, limit, stamp, told):
    assert fires(tmp_path, "LearntLimitRefused", {LIMIT: limit, STAMP: stamp}) is told


@pytest.mark.parametrize(
    ("learnt", "limit", "told"),
    [
        (f'max by () (tutordex_threshold{{alert="{SPIKE}"}})', "5000x100", True),  # rails that let everything through
        (f'max by () (tutordex_threshold{{alert="{SPIKE}"}})', "200x100", False),
        ("vector(200)", "5000x100", True),  # a record that stays where it was
        (None, "200x100", True),  # a record that is not there
    ],
)
def test_a_broken_path_of_limits_does_not_silence_the_alert_that_watches_it(tmp_path, learnt, limit, told):
    series = {LIMIT: limit, STAMP: "3600x100"}
    assert fires(tmp_path, "LearntLimitRefused", series, rules=swapped(learnt)) is told


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("3600x100", False),
        ("240+60x100", False),  # some minutes are no lie
        ("-20000x100", True),
        ("1e9x100", True),
        ("+Inf " * 100, True),
        ("-Inf " * 100, True),
    ],
)
def test_a_stamp_that_cannot_be_right_is_stale(tmp_path, stamp, told):
    """At 80 minutes all time is 4,800 seconds old, so three hours are put on the clock by a lower limit."""
    document = yaml.safe_load(ALERTS.read_text("utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            if rule.get("alert") == "AnalysisMetricsStale":
                assert rule["expr"].rstrip().endswith("> 10800")
                rule["expr"] = rule["expr"].replace("> 10800", "> 2400")
    assert fires(tmp_path, "AnalysisMetricsStale", {STAMP: stamp.strip()}, rules=document) is told
