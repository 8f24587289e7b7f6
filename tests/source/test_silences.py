"""Silences of an Alertmanager: which signals each concerns, and what is kept of them."""

import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.promql import Matcher, matchers
from tutordex_analysis.source import silences
from tutordex_analysis.source.silences import Silence

KNOWN = catalogue_file.load()
START = pd.Timestamp("2026-11-01T00:00Z")
HOUR = pd.Timedelta("1h")
NO, RE, NOT_RE = {"equal": False}, {"regex": True}, {"regex": True, "equal": False}


def silence(*asked, start=START, hours=2.0, key="k"):
    return Silence(key=key, start=start, end=start + hours * HOUR, matchers=asked, comment="moving the database")


def of(*names):
    return {signal for name in names for signal in KNOWN.alerts[name].signals}


ALL_WITH_ALERTS = of(*KNOWN.alerts)


@pytest.mark.parametrize(
    ("asked", "concerned"),
    [
        ([Matcher("alertname", "DMFailureSpike")], of("dm_failing")),
        ([Matcher("alertname", "LLM.*|DMFailureSpike", **RE)], of("llm_failing", "dm_failing")),
        ([Matcher("alertname", "LLM", **RE)], set()),  # anchored on both sides, as Alertmanager does
        ([Matcher("alertname", "DMFailureSpike"), Matcher("severity", "warning")], of("dm_failing")),
        ([Matcher("alertname", "DMFailureSpike"), Matcher("channel", "t.me/x")], set()),  # one of many
        ([Matcher("alertname", "PrometheusTargetDown"), Matcher("job", "tutordex_worker")], of("worker_down")),
        ([Matcher("job", "tutordex_worker")], of("worker_down")),
        (
            [Matcher("alertname", "PrometheusTargetDown")],
            of("worker_down", "collector_down", "backend_down"),
        ),
        ([Matcher("alertname", "PrometheusTargetDown"), Matcher("job", "node")], set()),
        ([Matcher("alertname", "Watchdog", **NO)], set()),  # names nothing
        ([Matcher("alertname", ".+", **RE), Matcher("alertname", "Public.*", **NOT_RE)], ALL_WITH_ALERTS),
        ([Matcher("alertname", "HostDiskLow")], set()),  # never one that tells of growth
        ([Matcher("alertname", "QueueOldestPendingTooOld")], set()),
        ([Matcher("severity", "warning")], set()),
        ([Matcher("component", "queue")], {*KNOWN.concerned((), ["queue"])}),
        (
            [Matcher("component", "queue|dm", **RE), Matcher("severity", "warning")],
            {*KNOWN.concerned((), ["queue", "dm"])},
        ),
        ([Matcher("component", "queue"), Matcher("channel", "x")], set()),
        ([Matcher("component", "queue", **NO)], set()),
        ([Matcher("alertname", "(", **RE)], set()),  # no expression that can be read
    ],
)
def test_a_silence_concerns_the_signals_of_the_alerts_it_names_or_of_its_component(asked, concerned):
    assert {*silences.concerned(silence(*asked), KNOWN)} == concerned


def test_a_silence_is_cut_at_the_history_and_its_reason_is_its_comment():
    asked = Matcher("alertname", "DMFailureSpike")
    window = TimeRange(START, START + 24 * HOUR, "1h")
    found = [
        silence(asked, start=START - 50 * HOUR, hours=10),
        silence(asked, start=START - 50 * HOUR, hours=60),
        silence(asked, start=START + 20 * HOUR, hours=60),
        silence(asked, start=START + 24 * HOUR, hours=1),
    ]
    got = [*silences.masks(found, KNOWN, window)]
    assert [(one.start, one.end) for one in got] == [
        (START - HOUR, START + 10 * HOUR),
        (START + 20 * HOUR, START + 24 * HOUR),
    ]
    assert {(one.origin, one.reason) for one in got} == {("silence", "moving the database")}


def test_what_is_kept_comes_back_and_a_later_state_replaces_an_earlier_one(tmp_path):
    first = silence(Matcher("alertname", 'a"b\\', **RE), key="one"), silence(Matcher("x", "ü", **NO), key="two")
    assert silences.keep(tmp_path, first) == 2
    before = (tmp_path / silences.FILE).read_bytes()
    assert silences.kept(tmp_path) == first
    silences.keep(tmp_path, reversed(first))
    assert (tmp_path / silences.FILE).read_bytes() == before
    ended = silence(*first[0].matchers, key="one", hours=0.5)
    silences.keep(tmp_path, [ended])
    assert silences.kept(tmp_path) == (ended, first[1])
    assert silences.kept(tmp_path / "elsewhere") == ()


def test_a_damaged_file_is_one_sentence(tmp_path):
    for text in ("[", "{}", '[{"id": 1}]', '[{"id": "a", "startsAt": "soon", "endsAt": "x", "matchers": []}]', "[1]"):
        (tmp_path / silences.FILE).write_text(text)
        with pytest.raises(SourceError, match="is damaged; put it back from a copy"):
            silences.kept(tmp_path)


def test_an_older_api_has_no_is_equal():
    entry = {"id": "a", "startsAt": "2026-11-01T00:00:00.123456789Z", "endsAt": "2026-11-01T01:00:00+08:00"}
    entry |= {"matchers": [{"name": "alertname", "value": "X", "isRegex": False}], "comment": ""}
    (got,) = silences.parsed([entry | {"endsAt": "2026-11-02T01:00:00+08:00"}])
    assert got.matchers == (Matcher("alertname", "X"),)
    assert got.comment == "no comment"


def test_what_a_selector_of_alerts_asks():
    assert matchers('{alertname="High CPU", job=~"a|b", env!="dev", team!~"x"}') == (
        Matcher("alertname", "High CPU"),
        Matcher("job", "a|b", **RE),
        Matcher("env", "dev", **NO),
        Matcher("team", "x", **NOT_RE),
    )
