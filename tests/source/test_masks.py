"""Every mask of a source: from alerts, silences and the incidents file, and what is said where one cannot be read."""

import json
import re

import pandas as pd
import pytest

from tests.source import fake_prometheus
from tests.source.fake_prometheus import Reply
from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.settings import Settings
from tutordex_analysis.source import alerts
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import sample
from tutordex_analysis.source.masks import read_masks
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.pull import pull

KNOWN = catalogue_file.load()
START = pd.Timestamp("2026-11-01T00:00Z")
HOURS = TimeRange(START, START + pd.Timedelta("2D"), "1h")


def at(hours):
    return START + pd.Timedelta(hours=hours)


def firing(name, *spans, **labels):
    """A series of ALERTS with values in these spans of hours, both ends included."""
    first = START.timestamp()

    def value(t):
        return 1.0 if any(a <= (t - first) / 3600 <= b for a, b in spans) else None

    return {"alertname": name, "alertstate": "firing", **labels}, value


def silences(*rows):
    entries = [
        {
            "id": str(i),
            "startsAt": at(a).isoformat(),
            "endsAt": at(b).isoformat(),
            "comment": "a database is moved",
            "createdBy": "somebody",
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "status": {"state": "expired"},
        }
        for i, (name, a, b) in enumerate(rows)
    ]
    return Reply(body=json.dumps(entries).encode())


@pytest.fixture
def fake():
    with fake_prometheus.serve() as server:
        yield server


@pytest.fixture
def manager():
    with fake_prometheus.serve() as server:
        server.silences = silences(("DMFailureSpike", 30, 31))
        yield server


@pytest.fixture
def source(fake):
    return PrometheusSource(fake.url, catalogue=KNOWN)


def of(found, origin):
    return [(one.start, one.end) for one in found.masks if one.origin == origin]


def test_runs_of_an_alert_are_masks_of_its_signals(fake, source):
    fake.series = [
        firing("LLMFailureSpike", (5, 6), (20, 20), component="worker", operation="a"),
        firing("LLMFailureSpike", (5.5, 7), component="worker", operation="b"),
        firing("PrometheusTargetDown", (10, 11), job="tutordex_worker"),
        firing("PrometheusTargetDown", (12, 13), job="node"),
        firing("Watchdog", (-10, 100)),
        firing("HostDiskLow", (-10, 100)),
    ]
    found = read_masks(source, HOURS, settings=Settings())
    early = pd.Timedelta("5min")  # a value at t speaks of the five minutes before
    assert of(found, "alert") == [(at(5) - early, at(7)), (at(10) - early, at(11)), (at(20) - early, at(20))]
    assert [one.reason for one in found.masks] == [
        "LLMFailureSpike fired",
        'PrometheusTargetDown{job="tutordex_worker"} fired',
        "LLMFailureSpike fired",
    ]
    assert {*found.masks[0].signals} == {*KNOWN.alerts["llm_failing"].signals}
    assert not any(one.concerns("disk_used") for one in found.masks)
    assert found.notes == ()
    assert {form["query"] for form in fake.ranges} == {'max_over_time(ALERTS{alertstate="firing"}[5m])'}


def test_no_shipped_alert_that_tells_of_growth_masks_anything():
    grows = ("HostDiskLow", "QueueOldestPendingTooOld", "QueueStuckProcessing", "Watchdog")
    named = {one.alert.partition("{")[0] for one in KNOWN.alerts.values()}
    assert not named & {*grows}
    assert "queue_pending" not in KNOWN.alerts["worker_hung"].signals  # its alert is about the queue
    for name in ("disk_used", "memory_used", "cpu_used"):
        assert not any(name in one.signals for one in KNOWN.alerts.values())


def test_a_catalogue_without_alerts_asks_for_none(fake):
    known = catalogue_file.recognise(["node_filesystem_avail_bytes", "node_filesystem_size_bytes"])
    found = read_masks(PrometheusSource(fake.url, catalogue=known), HOURS, settings=Settings())
    assert (found.masks, found.notes, fake.ranges) == ((), (), [])


def test_a_server_that_refuses_is_a_note(fake, source):
    fake.replies = [fake_prometheus.failure(400, "bad_data", "no ALERTS for you")] * 4
    (note,) = read_masks(source, HOURS, settings=Settings()).notes
    assert note.startswith("Nothing is left out because of alerts that fired: ")
    assert "no ALERTS for you" in note


def test_an_archive_keeps_alerts_and_one_without_them_says_so(fake, source, tmp_path):
    fake.series = [firing("LLMFailureSpike", (5, 6))]
    fake.now = at(48).timestamp()
    pull(source, tmp_path / "prod", {alerts.NAME: (alerts.FIRING,)}, step="5m", since="2d", now=at(48))
    archive = ArchiveSource(tmp_path / "prod", catalogue=KNOWN)
    held = read_masks(archive, HOURS, settings=Settings())
    assert of(held, "alert") == [(at(5) - pd.Timedelta("5min"), at(6))]
    assert held == read_masks(source, HOURS, settings=Settings())
    longer = TimeRange(at(-48), HOURS.end, "1h")
    assert read_masks(archive, longer, settings=Settings()).notes == ()  # as old as all that is kept
    pull(source, tmp_path / "prod", {"cpu_used": KNOWN.signal("cpu_used").parts}, step="5m", since="9d", now=at(48))
    assert read_masks(archive, longer, settings=Settings()).masks == held.masks
    assert read_masks(archive, longer, settings=Settings()).notes == (
        "Alerts that fired are known since 2026-11-01 only; nothing before is left out because of them.",
    )


def test_an_archive_that_was_pulled_without_alerts_says_so(source, tmp_path):
    pull(source, tmp_path / "prod", {"cpu_used": KNOWN.signal("cpu_used").parts}, step="1h", since="2d", now=at(48))
    without = read_masks(ArchiveSource(tmp_path / "prod", catalogue=KNOWN), HOURS, settings=Settings())
    assert without.masks == ()
    (note,) = without.notes
    assert "was pulled without them; the next `tutordex-analysis pull` keeps them." in note


def test_the_sample_knows_which_alerts_fired_and_since_when():
    archive = ArchiveSource(sample())
    found = read_masks(archive, archive.last("120d"), settings=Settings())
    assert found.notes == ()
    assert {one.origin for one in found.masks} == {"alert"}
    hung = [one for one in found.masks if one.reason == "QueueBacklogGrowingNoThroughput fired"]
    start = pd.Timestamp("2026-10-01T03:51:41Z")  # of truth.json; from half an hour later on
    assert any(start < one.start < start + pd.Timedelta("1h") < one.end for one in hung)
    early = ArchiveSource(sample()).last("120d")
    assert min(one.start for one in found.masks) > early.start + pd.Timedelta("15D")


def test_silences_are_asked_with_our_credentials_only_where_prometheus_lives(fake, source, manager):
    here = Settings(prometheus_url=fake.url, alertmanager_url=manager.url + "/am/", token="s3cret")
    assert of(read_masks(source, HOURS, settings=here), "silence") == [(at(30), at(31))]
    path, _, headers = manager.asked[-1]
    assert path == "/am/api/v2/silences"
    assert "Authorization" not in headers
    fake.silences = manager.silences
    read_masks(source, HOURS, settings=here.model_copy(update={"alertmanager_url": fake.url}))
    assert fake.asked[-1][2]["Authorization"] == "Bearer s3cret"


def test_a_report_on_another_server_knows_nothing_of_our_silences_and_incidents(source, manager, tmp_path):
    path = tmp_path / "incidents.yaml"
    path.write_text("incidents:\n  - {signals: [of_our_stack_only]}\n")
    here = Settings(prometheus_url="http://127.0.0.1:1", alertmanager_url=manager.url, incidents=path)
    assert read_masks(source, HOURS, settings=here).masks == ()
    archived = read_masks(ArchiveSource(sample(), catalogue=KNOWN), HOURS, settings=here)
    assert {one.origin for one in archived.masks} <= {"alert"}
    assert manager.asked == []


@pytest.mark.parametrize(
    ("reply", "match"),
    [
        (None, r"has no Alertmanager API \(404\)"),
        (Reply(401, b"no"), r"does not know us \(401\)"),
        (Reply(body=b"<html>hello</html>"), "did not answer as Alertmanager does; is the setting alertmanager_url"),
        (Reply(body=b'{"status":"success","data":[]}'), "did not answer as Alertmanager does"),
        (Reply(body=b'[{"id": "x"}]'), "did not answer as Alertmanager does"),
        (Reply(302, b"", {"Location": "http://elsewhere/"}), "give the URL where Alertmanager itself answers"),
    ],
)
def test_an_alertmanager_that_does_not_answer_is_one_note(source, manager, reply, match):
    manager.silences = reply
    here = Settings(alertmanager_url=manager.url)
    (note,) = read_masks(source, HOURS, settings=here).notes
    assert note.startswith("Silences could not be read, and forecasts learn from their times: ")
    assert re.search(match, note)


def test_an_alertmanager_that_is_away_or_an_url_that_is_none_is_one_note(source):
    for url, said in (
        ("http://127.0.0.1:1", "(connection refused); start Alertmanager or correct the URL"),
        ("127.0.0.1:9093", "is not the URL of a server"),
        ("http://me:pw@127.0.0.1:9093", "the URL of Alertmanager at 127.0.0.1 must not carry a user"),
    ):
        (note,) = read_masks(source, HOURS, settings=Settings(alertmanager_url=url)).notes
        assert said in note
        assert "pw" not in note


def test_masks_made_by_hand_come_from_the_file_of_the_settings(source, tmp_path):
    path = tmp_path / "mine.yaml"
    entry = "  - {{from: {}, to: {}, reason: {}, expires: {}}}\n"
    rows = [
        entry.format(at(1).isoformat(), at(3).isoformat(), "load test", "2027-01-01"),
        entry.format(at(2).isoformat(), at(3).isoformat(), "long ago", "2026-11-01"),
    ]
    path.write_text("incidents:\n" + "".join(rows))
    found = read_masks(source, HOURS, settings=Settings(incidents=path))
    assert of(found, "incident") == [(at(1), at(3))]
    assert '("long ago") held until 2026-11-01 and no longer applies' in found.notes[0]
    earlier = read_masks(source, TimeRange(at(-24), at(12), "1h"), settings=Settings(incidents=path))
    assert len(of(earlier, "incident")) == 2  # a past moment has the masks of then
    path.write_text("incidents:\n  - {reason: x}\n")
    with pytest.raises(CatalogueError, match=r"mine.yaml:2: incidents.0.from: this key is missing"):
        read_masks(source, HOURS, settings=Settings(incidents=path))
