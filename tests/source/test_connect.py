"""The one way in, and a server seen through its archive."""

import numpy as np
import pandas as pd
import pytest

from tests.source import fake_prometheus
from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.settings import Settings
from tutordex_analysis.source import pull as pulling
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import age, connect, connect_events, events_beside, sample, server_of, settled
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource, joined

HOURS = TimeRange("2026-03-01T00:00Z", "2026-03-03T00:00Z", "1h")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TUTORDEX_{name.upper()}", raising=False)
    return tmp_path


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "signals"
    folder.mkdir()
    text = "shipped: false\nsignals:\n  queue: {title: Q, area: q, kind: gauge, unit: jobs, promql: queue}\n"
    (folder / "mine.yaml").write_text(text)
    return catalogue_file.load(folder)


@pytest.fixture
def fake():
    with fake_prometheus.serve() as server:
        server.series = [({"__name__": "queue", "job": "w"}, lambda t: t / 3600 % 24)]
        server.now = pd.Timestamp("2026-03-03T00:10Z").timestamp()
        yield server


def test_nothing_said_and_nothing_set_is_the_sample(nowhere):
    assert connect().uri == str(sample())
    assert isinstance(connect(), ArchiveSource)


def test_settings_name_the_server_and_connecting_asks_it_nothing(nowhere, fake):
    (nowhere / "tutordex.toml").write_text(f'prometheus_url = "{fake.url}"\n')
    source = connect()
    assert isinstance(source, PrometheusSource)
    assert source.uri == fake.url
    assert fake.asked == []


def test_an_archive_brings_its_own_catalogue_unless_another_is_given(nowhere, mine):
    brought = connect().catalogue
    assert "apply_button" in brought.experiments
    assert brought.signals.keys() == catalogue_file.load().signals.keys()
    assert not catalogue_file.load().experiments
    assert connect(sample(), catalogue=mine).catalogue is mine


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("nowhere", "neither a URL .* nor a folder"),
        (".", "nothing was pulled"),
        ("ftp://host", "ftp"),
        ("http://u:p@h", "login|user"),
    ],
)
def test_what_cannot_be_connected_to_is_one_sentence(nowhere, uri, match):
    with pytest.raises(SourceError, match=match) as caught:
        connect(uri)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("known", "sent"),
    [("{url}", True), ("{url}/prefix", True), ("http://127.0.0.1:1", False), ("https://{host}", False)],
)
def test_credentials_go_only_to_the_host_that_the_settings_name(nowhere, fake, known, sent):
    settings = Settings(
        prometheus_url=known.format(url=fake.url, host=fake.url.removeprefix("http://")), token="sesame"
    )
    server_of(fake.url, settings).metrics()
    assert ("sesame" in str(fake.asked)) is sent


def test_a_host_in_the_path_of_a_url_is_not_the_host_that_is_asked(nowhere, fake):
    settings = Settings(prometheus_url="http://known:9090", token="sesame")
    server_of(f"{fake.url}/x://known:9090", settings).metrics()
    assert fake.asked
    assert "sesame" not in str(fake.asked)


def test_the_url_of_another_database_is_refused_without_its_password(nowhere):
    settings = Settings(events_url="mysql://reader:sesame@db/users")
    with pytest.raises(SourceError, match=r"a folder or from postgresql://") as caught:
        connect_events(catalogue=catalogue_file.load(), settings=settings)
    assert "sesame" not in str(caught.value)


def test_the_sample_has_its_events_beside_it(nowhere):
    assert events_beside(connect()).uri.endswith("sample/events")
    assert events_beside(None) is None


def test_settled_ends_at_the_newest_sample_or_at_an_earlier_moment(nowhere):
    source = connect()
    newest = settled(source, "2d")
    assert newest.end - newest.step == pd.Timestamp("2026-11-15T16:00Z")
    past = settled(source, "2d", as_of="2026-11-01T08:30+08:00")
    assert past.grid[-1] == pd.Timestamp("2026-11-01T00:00Z")
    assert len(past) == len(newest) == 48
    assert settled(source, "2d", as_of="2026-11-15T17:05Z") == newest  # that step is not settled yet
    with pytest.raises(SourceError, match=r"after the newest settled sample .* choose an earlier moment"):
        settled(source, "2d", as_of="2026-11-20T00:00Z")
    assert age("2026-11-15T16:00Z", as_of="2026-11-15T18:00Z") == pd.Timedelta(hours=2)


def test_a_server_is_read_through_its_own_archive_only(nowhere, fake, mine):
    folder = nowhere / "archive" / "default"
    settings = Settings(archive=nowhere / "archive")
    server = PrometheusSource(fake.url, catalogue=mine)
    parts = {"queue": mine.signal("queue").parts}
    now = pd.Timestamp("2026-03-02T00:10Z")
    pulling.pull(server, folder, parts, step="5m", since="1d", now=now)
    through = connect(fake.url, catalogue=mine, settings=settings)
    assert isinstance(through, ThroughSource)
    fake.asked.clear()
    got = through.read("queue", HOURS)
    np.testing.assert_array_equal(got["y"], server.read("queue", HOURS)["y"])
    first_asked = min(float(form["start"]) for path, form, _ in fake.asked if "query_range" in path)
    assert first_asked < pd.Timestamp("2026-03-02T00:00Z").timestamp()  # what was never pulled is the server's too
    fake.asked.clear()
    through.read("queue", TimeRange("2026-03-01T06:00Z", "2026-03-03T00:00Z", "1h"))
    asked = [float(form["start"]) for path, form, _ in fake.asked if "query_range" in path]
    assert min(asked) >= pd.Timestamp("2026-03-02T00:00Z").timestamp()
    assert isinstance(connect(fake.url.replace("127.0.0.1", "localhost"), settings=settings), PrometheusSource)


def test_a_range_that_goes_past_now_is_read_through_as_from_the_server(nowhere, fake, mine):
    server = PrometheusSource(fake.url, catalogue=mine)
    pulling.pull(server, nowhere / "archive", {}, step="5m", since="1d", now=pd.Timestamp("2026-03-02T00:10Z"))
    through = ThroughSource(server, ArchiveSource(nowhere / "archive", catalogue=mine))
    later = TimeRange(HOURS.start, "2026-03-04T00:00Z", "1h")
    got = through.read("queue", later)
    assert len(got) == len(later)
    assert got["y"].notna().sum() == 49
    assert got.loc[got["y"].notna(), "ds"].max() == HOURS.end


def test_joined_frames_keep_every_series_and_the_later_sample():
    earlier = frames.build(
        np.array([[1.0, 2.0]]), [{"a": "x"}], TimeRange(HOURS.start, HOURS.start + 2 * HOURS.step, "1h")
    )
    start = HOURS.start + HOURS.step
    later = frames.build(
        np.array([[np.nan, 4.0], [5.0, 6.0]]), [{"a": "x"}, {"a": "y"}], TimeRange(start, start + 2 * HOURS.step, "1h")
    )
    got = frames.wide(joined([earlier, later], TimeRange(HOURS.start, HOURS.start + 3 * HOURS.step, "1h")))
    np.testing.assert_array_equal(got.to_numpy(), [[1, np.nan], [2, 5], [4, 6]])
