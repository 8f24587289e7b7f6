"""Shipped signals take the real metric when it appears, and pages tell of its substitute until then."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.change import NO_CHANGES
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import anomalies, capacity, capacity_findings, deploys, substitute
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

SHIPPED = catalogue_file.load()
NAMES = ("llm_tokens", "tutors_matched")
KNOWN = Catalogue(signals={name: SHIPPED.signals[name] for name in NAMES}, calendar=SHIPPED.calendar)
HOUR = pd.Timedelta("1h")
START, DAYS, STEP = pd.Timestamp("2026-03-01T00:00Z"), 34, 120
SINCE = START + pd.Timedelta(days=16)  # tokens and tutors are counted
BEFORE = TimeRange("2026-03-01T01:00Z", "2026-03-16T17:00Z", "1h")
ACROSS = TimeRange("2026-03-09T00:00Z", "2026-03-24T00:00Z", "1h")
AFTER = TimeRange("2026-03-18T00:00Z", "2026-04-03T00:00Z", "1h")
SENTENCES = {
    "llm_tokens": "LLM tokens: llm_tokens_total is not counted yet; this is worker_llm_requests_total times 3700 in "
    "its place.",
    "tutors_matched": "Tutors matched: tutors_matched_total is not counted yet; this is dm_sent_total + dm_fail_total "
    "in its place.",
}


@pytest.fixture(scope="module")
def truth():
    """Events of each hour, by counter."""
    random = np.random.default_rng(11)
    n = DAYS * 24
    calls, sent, failed = (random.poisson(mean, n) for mean in (9, 20, 1))
    return SimpleNamespace(calls=calls, sent=sent, failed=failed, tokens=calls * 2900, tutors=sent * 2)


@pytest.fixture(scope="module")
def server(truth, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")

    def lines(name, hourly, *, labels="", since=0):
        yield f"# TYPE {name} counter\n"
        total = 0.0
        for hour in range(since, DAYS * 24):
            at = START.timestamp() + hour * 3600
            for k in range(3600 // STEP):  # all events of an hour by its first scrape but one
                total += float(hourly[hour]) if k == 1 else 0.0
                yield f"{name}_total{labels} {total} {at + k * STEP:.3f}\n"

    since = round((SINCE - START) / HOUR)
    half = truth.tokens // 2
    with (folder / "samples.txt").open("w") as file:
        file.writelines(lines("worker_llm_requests", truth.calls, labels='{model="a"}'))
        file.writelines(lines("dm_sent", truth.sent))
        file.writelines(lines("dm_fail", truth.failed))
        file.writelines(lines("tutors_matched", truth.tutors, since=since))
        file.writelines(lines("llm_tokens", half, labels='{model="a",operation="prompt"}', since=since))
        file.writelines([*lines("llm_tokens", half, labels='{model="a",operation="completion"}', since=since)][1:])
        file.write("# TYPE up gauge\n")
        file.writelines(
            f'up{{job="tutordex_worker"}} 1 {START.timestamp() + k * STEP:.3f}\n' for k in range(DAYS * 86400 // STEP)
        )
        file.write("# EOF\n")
    with LocalPrometheus(folder / "prometheus", openmetrics=[folder / "samples.txt"]) as running:
        yield PrometheusSource(running.url, catalogue=KNOWN)


@pytest.fixture(scope="module")
def archive(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "one"
    parts = {name: KNOWN.parts_of(name) for name in KNOWN.pulled}
    assert {"llm_tokens_total", "tutors_matched_total", "dm_fail_total"} <= {part.query for part in KNOWN.parts}
    now = START + pd.Timedelta(days=DAYS)
    assert not pull(server, folder, parts, step="5m", since="35d", now=now).failed
    return ArchiveSource(folder, catalogue=KNOWN)


def data_findings(source, window):
    """What the capacity page says about data, by signal."""
    outlook = capacity.outlook(capacity.gather(source, KNOWN, window), KNOWN, horizon="21d", n_paths=50)
    rows = capacity_findings.findings(outlook, KNOWN)
    rows = rows[(rows["kind"] == "data") & (rows["signal"] != "")]
    return rows.set_index("signal")[["sentence", "action"]].to_dict(orient="index")


@pytest.mark.server
@pytest.mark.parametrize("where", ["server", "archive"])
def test_the_shipped_signals_take_the_real_metric_when_it_appears(where, truth, request):
    source = request.getfixturevalue(where)
    hours = pd.Series(range(DAYS * 24), index=START + pd.to_timedelta(np.arange(1, DAYS * 24 + 1), unit="h"))
    for name, substituted, real in (
        ("llm_tokens", truth.calls * 3700, truth.tokens // 2 * 2),
        ("tutors_matched", truth.sent + truth.failed, truth.tutors),
    ):
        early = source.read(name, BEFORE).set_index("ds")["y"]
        np.testing.assert_array_equal(early, substituted[hours[early.index]])
        both = source.read(name, ACROSS).set_index("ds")["y"]
        before, after = both[both.index <= SINCE], both[both.index > SINCE + HOUR]
        np.testing.assert_array_equal(before, substituted[hours[before.index]])
        np.testing.assert_array_equal(after, real[hours[after.index]])


@pytest.mark.server
@pytest.mark.parametrize("where", ["server", "archive"])
def test_the_capacity_page_tells_of_a_substitute_until_it_is_none(where, request):
    source = request.getfixturevalue(where)
    early = data_findings(source, BEFORE)
    assert {name: one["sentence"] for name, one in early.items()} == SENTENCES
    assert early["llm_tokens"]["action"] == "Count llm_tokens_total, then it is read from its first sample on."
    both = data_findings(source, ACROSS)
    assert "is counted from 2026-03-17 00:0" in both["llm_tokens"]["sentence"]
    assert both["tutors_matched"]["sentence"].endswith("before, this is dm_sent_total + dm_fail_total in its place.")
    assert data_findings(source, AFTER) == {}


@pytest.mark.parametrize("question", ["anomalies", "deploys"])
def test_every_page_that_shows_a_substituted_signal_says_so(question):
    random = np.random.default_rng(3)
    window = TimeRange("2026-03-01T00:00Z", "2026-04-12T00:00Z", "1h")
    signal = SHIPPED.signals["llm_tokens"].model_copy(update={"watch": SHIPPED.signals["llm_requests"].watch})
    catalogue = Catalogue(signals={"llm_tokens": signal}, calendar=SHIPPED.calendar)
    history = frames.build(random.poisson(9.0, (1, len(window))) * 3700.0, [{"__name__": "llm_tokens"}], window)
    history.attrs["note"] = "llm_tokens_total is not counted yet"
    if question == "anomalies":
        rows = anomalies.unusual({"llm_tokens": history}, catalogue, weeks=2).findings
    else:
        rows = deploys.deploys({"llm_tokens": history}, NO_CHANGES, catalogue).findings
    told = rows[rows["sentence"] == "LLM tokens: llm_tokens_total is not counted yet."]
    assert told["kind"].tolist() == ["data"]


def test_nothing_is_said_of_a_signal_without_a_value():
    window = TimeRange("2026-03-01T00:00Z", "2026-03-02T00:00Z", "1h")
    history = frames.build(np.full((1, len(window)), np.nan), [{"__name__": "llm_tokens"}], window)
    history.attrs["note"] = "llm_tokens_total is not counted yet"
    assert [*substitute.findings({"llm_tokens": history}, KNOWN, question="x")] == []


def test_a_call_has_as_many_tokens_in_the_signal_as_in_the_rules():
    size = [
        float(SHIPPED.records[f"tutordex:llm:{what}_tokens_per_request"].promql.removeprefix("vector(").rstrip(")"))
        for what in ("prompt", "completion")
    ]
    assert SHIPPED.signals["llm_tokens"].each == sum(size)
