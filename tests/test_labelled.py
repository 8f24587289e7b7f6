"""Which alerts matchers reach: held against the rule files that Prometheus loads, label for label."""

import re
from pathlib import Path

import pytest
import yaml

from tests.windows import KNOWN
from tutordex_analysis import labelled
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.labelled import WATCHDOG
from tutordex_analysis.promql import Matcher
from tutordex_analysis.silence import Template, fit, matchers_of, text_of

ALERTS = labelled.alerts_of(KNOWN)
FILES = sorted((Path(__file__).parents[1] / "observability/prometheus").glob("*.yml"))
QUIET = Matcher("severity", "critical", equal=False)
# What the alerts of the stack's own rules have, as they arrive.
STACK = (
    {"alertname": WATCHDOG, "severity": "warning", "component": "observability"},
    {"alertname": WATCHDOG, "severity": "none", "component": "observability", "environment": "prod"},
)


def loaded():
    """Alert → labels that its rule gives it, of every file that Prometheus loads."""
    groups = [group for path in FILES for group in yaml.safe_load(path.read_text())["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: {"alertname": rule["alert"], **rule["labels"]} for rule in rules}


LOADED = loaded()
TEMPLATES = [
    (name, matchers)
    for name, template in KNOWN.silences.items()
    for matchers in template.silences(
        {one: {"channel": "t.me/x", "alert": "ApiSlow"}[one] for one in template.variables}
    )
]
# Template → what it must reach among others.
REACHED = {
    "worker_restart": "ContainerRestarted PrometheusTargetDown TargetMissing LLMFailureSpike SupabaseFailureSpike "
    "ParseErrorFractionHigh ParseFailureSpike QueueBacklogGrowingNoThroughput QueueStuckProcessing",
    "database_migration": "SupabaseFailureSpike ApiSlow PublicApiDown BlackboxProbeFailed DMFailureSpike",
    "collector_maintenance": "CollectorStalled ChannelStalenessWarning AssignmentsVolumeDrop PrometheusTargetDown",
    "load_test": "PostsVolumeSpike HostCpuHigh HostMemoryHigh ApiSlow WorkerSaturated QueueOldestPendingTooOld",
    "telegram_outage": "BroadcastFailureSpike DMFailureSpike DMRateLimited CollectorStalled",
    "one_alert": "ApiSlow",
    "one_channel": "ChannelStalenessWarning ChannelDeclining ChannelParseQualityLow",
}


def test_the_catalogues_alerts_are_labelled_as_the_files_say():
    assert {one.name: dict(one.fixed) for one in ALERTS} == LOADED
    assert len(LOADED) > 40


def really(matchers):
    """Alerts of the files that the matchers fit; labels of their values have whatever value is asked for."""
    open_ = {one.name: one.open for one in ALERTS}
    return {
        name
        for name, labels in LOADED.items()
        if fit(matchers, {**{one.label: one.value for one in matchers if one.label in open_[name]}, **labels})
    }


@pytest.mark.parametrize(("template", "matchers"), TEMPLATES, ids=[f"{n} {text_of(m)}" for n, m in TEMPLATES])
def test_every_silence_of_a_template_fits_a_real_alert_and_never_the_watchdog(template, matchers):
    found = really(matchers)
    assert found == {one.name for one in labelled.reached(matchers, ALERTS)}
    assert found
    assert WATCHDOG not in found
    assert not any(fit(matchers, labels) for labels in STACK)
    assert labelled.unfit((*matchers, QUIET), ALERTS) == ""
    names = [one for m in matchers if m.label == "alertname" for one in m.value.split("|")]
    for name in names:  # no name is there in vain
        assert any(re.fullmatch(name, there) for there in LOADED), name


@pytest.mark.parametrize("template", KNOWN.silences)
def test_a_template_reaches_what_its_occasion_sets_off(template):
    found = set().union(*(really(matchers) for name, matchers in TEMPLATES if name == template))
    assert {*REACHED[template].split()} <= found


def test_a_job_alone_misses_what_sums_jobs_away():
    """Why templates go by component: the labels of a sum have no job."""
    found = really(matchers_of('{job="tutordex_worker"}'))
    assert found.isdisjoint({"SupabaseFailureSpike", "ParseFailureSpike", "ParseErrorFractionHigh"})


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ('{alertname="Watchdog"}', "would silence Watchdog"),
        ('{alertname=~".+"}', "would silence Watchdog"),
        ('{severity="none"}', "would silence Watchdog"),
        ('{severity="warning"}', "would silence Watchdog"),  # the stack's own one
        ('{component="observability"}', "would silence Watchdog"),
        ('{alertname=~"Watch.*|ApiSlow"}', "would silence Watchdog"),
        ('{alertname=~".+", alertname!="Watchdog"}', "would silence every alert"),
        ('{component=~".+", alertname!~"Watch.*"}', "would silence every alert"),
        ('{severity="critical"}', r"fits critical alerts only .*say critical: true"),
        ('{alertname="PublicApiDown"}', r"fits critical alerts only \(PublicApiDown\)"),
        ('{alertname="WorkerDown"}', "would silence nothing that is known: no alert has these labels together"),
        ('{alertname="ApiSlow", channel="x"}', "no alert has these labels together"),
        ('{component="quue"}', "no alert has these labels together"),
        ('{compose_service="worker"}', "no alert has a label compose_service"),
        ('{component="queue"}', ""),
        ('{channel="t.me/x"}', ""),
        ('{component=~"worker|queue", alertname!="WorkerSaturated"}', ""),
    ],
)
def test_matchers_that_reach_too_much_or_nothing_are_refused(selector, said):
    found = labelled.unfit((*matchers_of(selector), QUIET), ALERTS)
    assert re.search(said, found) if said else found == ""


def test_critical_alerts_are_reached_where_nothing_keeps_them_out():
    assert labelled.unfit(matchers_of('{alertname="PublicApiDown"}'), ALERTS) == ""
    assert labelled.names_of(labelled.reached(matchers_of('{component="queue"}'), ALERTS)) == (
        "QueueBacklogGrowingNoThroughput, QueueOldestPendingTooOld, QueueStuckProcessing"
    )


def test_a_small_catalogue_of_one_component_may_be_silenced_whole():
    own = [one for one in ALERTS if one.fixed["component"] == "queue"]
    assert labelled.unfit(matchers_of('{component="queue"}'), own) == ""


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"matchers": ["{}"]}, "would fit every alert"),
        ({"matchers": []}, "at least 1 item"),
        ({"longest": "9h"}, "a template gives at most 8h"),
        ({"matchers": ['{channel=~"$channel.*"}']}, "a variable stands for one text"),
    ],
)
def test_a_template_is_checked_when_it_is_read(entry, said):
    with pytest.raises(ValueError, match=said):
        Template.model_validate({"title": "x", "matchers": ['{component="queue"}'], "longest": "1h", **entry})


def test_a_templates_variables_get_values_as_they_are():
    template = KNOWN.silences["one_channel"]
    ((only,),) = template.silences({"channel": 't.me/"$x"\\'})
    assert only == Matcher("channel", 't.me/"$x"\\')
    with pytest.raises(CatalogueError, match="one_channel needs a value for channel"):
        template.silences({"channel": " "})
    with pytest.raises(CatalogueError, match="one_channel has no variable 'chanel'; its variables: channel"):
        template.silences({"channel": "x", "chanel": "y"})


def muted(*selectors):
    """Cause → alerts that nobody hears of while these are silenced."""
    found = labelled.still_muted([matchers_of(one) for one in selectors], ALERTS)
    return {name: {one.name for one in others} for name, others in found.items()}


def test_a_silenced_alert_still_mutes_what_it_explains():
    explained = {"ChannelDeclining", "ChannelStalenessWarning", "PostsVolumeDrop"}
    assert muted('{alertname="CollectorStalled"}') == {"CollectorStalled": explained}
    both = muted('{alertname="CollectorStalled"}', '{alertname="PostsVolumeDrop"}')
    assert both == {"CollectorStalled": explained - {"PostsVolumeDrop"}}  # silenced on purpose
    assert muted('{alertname="HostDiskLow"}') == {}


def test_a_cause_counts_only_with_the_labels_that_are_silenced():
    of = {job: muted(f'{{alertname="PrometheusTargetDown", job="{job}"}}') for job in ("tutordex_collector", "other")}
    assert "CollectorStalled" in of["tutordex_collector"]["PrometheusTargetDown"]
    assert of["other"] == {}
    assert of["tutordex_collector"] == muted('{alertname="PrometheusTargetDown"}')
