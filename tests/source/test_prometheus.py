"""Frames and faults of PrometheusSource against a fake server."""

import gzip
import json
import math
import socket

import numpy as np
import pandas as pd
import pytest

from tests.source import fake_prometheus
from tests.source.fake_prometheus import Reply, failure
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source import answer
from tutordex_analysis.source.prometheus import PrometheusSource

HOUR = TimeRange("2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z", "5m")
MONTH = TimeRange("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "5m")


@pytest.fixture
def fake():
    with fake_prometheus.serve() as server:
        server.series = [({"__name__": "up", "job": "b"}, lambda t: t), ({"__name__": "up", "job": "a"}, lambda t: -t)]
        yield server


@pytest.fixture
def source(fake):
    made = PrometheusSource(fake.url, timeout=5.0)
    made.session.pause = lambda seconds: None
    return made


def test_making_a_source_sends_nothing_and_hides_what_is_secret(fake):
    source = PrometheusSource(fake.url + "/", token="s3cret")
    assert fake.asked == []
    assert source.uri == fake.url
    assert "s3cret" not in repr(source) + str(vars(source))


def test_a_query_gives_one_frame_in_order_on_the_grid(fake, source):
    frame = source.query("up", MONTH)
    assert frames.series_ids(frame) == ['up{job="a"}', 'up{job="b"}']
    _, grid, values = frames.matrix(frames.check(frame))
    assert (grid == MONTH.grid).all()
    seconds = MONTH.grid.as_unit("s").astype("int64").to_numpy()
    assert (values == np.stack([-seconds, seconds])).all()


def test_what_is_sent(fake, source):
    source.query("sum(up)", HOUR)
    (path, form, headers) = fake.asked[-1]
    assert path == "/api/v1/query_range"
    assert form["query"] == "sum(up)"
    assert (form["start"], form["end"], form["step"]) == ("1772323200.000", "1772326500.000", "300.000")
    assert headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("options", "header"),
    [({"token": "t0k\n"}, "Bearer t0k"), ({"basic_auth": "ann:pä:ss"}, "Basic YW5uOnDDpDpzcw==")],
)
def test_credentials_are_sent_to_every_endpoint(fake, options, header):
    source = PrometheusSource(fake.url, **options)
    source.query("up", HOUR)
    source.metrics()
    assert [headers["Authorization"] for _, _, headers in fake.asked] == [header] * 3


def test_compressed_answers_are_taken(fake):
    document = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
    fake.replies = [Reply(body=gzip.compress(document), headers={"Content-Encoding": "gzip"})]
    assert PrometheusSource(fake.url, gzip=True).query("up", HOUR).empty
    assert fake.asked[-1][2]["Accept-Encoding"] == "gzip"


def test_a_path_prefix_is_kept(fake):
    PrometheusSource(fake.url + "/team/prometheus/").query("up", HOUR, future=True)
    assert fake.asked[-1][0] == "/team/prometheus/api/v1/query_range"


@pytest.mark.parametrize("workers", [1, 3])
def test_pieces_equal_one_request_whatever_appears_and_dies(fake, workers):
    start, end = MONTH.start.timestamp(), MONTH.end.timestamp()
    middle = (start + end) / 2
    fake.series = [
        ({"n": "dies"}, lambda t: t if t < middle else None),
        ({"n": "born"}, lambda t: t if t > middle else None),
        ({"n": "old"}, lambda t: t if t < start + 9000 else None),
        ({"n": "gaps"}, lambda t: None if t % 1500 else t),
        ({"n": "odd"}, lambda t: (math.nan, math.inf, -math.inf, -0.0, 1e-300)[int(t // 300) % 5]),
        ({}, lambda t: 1.0),
    ]
    frame = PrometheusSource(fake.url, workers=workers).query("x", MONTH)
    assert len(fake.ranges) > 1
    ids, grid, values = frames.matrix(frame)
    assert ids == sorted(frames.series_id(labels) for labels, _ in fake.series)
    for labels, value in fake.series:
        expected = [np.nan if (v := value(t)) is None else v for t in grid.as_unit("s").astype("int64").tolist()]
        assert values[ids.index(frames.series_id(labels))].tobytes() == np.array(expected).tobytes()


def test_progress_counts_instants(source):
    seen = []
    source.query("up", MONTH, on_piece=lambda done, total: seen.append((done, total)))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (len(MONTH), len(MONTH))


def test_no_series_is_an_empty_frame(fake, source):
    fake.series = []
    frame = source.query("nothing", MONTH)
    assert frame.empty
    assert frame.dtypes.astype(str).to_dict() == frames.empty().dtypes.astype(str).to_dict()


def test_a_range_is_cut_at_the_servers_now(fake, source):
    fake.now = pd.Timestamp("2026-03-01T00:32:00Z").timestamp()
    frame = source.query("up", HOUR)
    assert frame["ds"].max() == pd.Timestamp("2026-03-01T00:30:00Z")
    assert json.loads(frame.attrs["provenance"])["cut_at"] == "2026-03-01T00:35:00+00:00"
    assert source.query("up", HOUR, future=True)["ds"].max() == HOUR.grid[-1]


def test_a_range_in_the_future_is_an_empty_frame_and_no_request(fake, source):
    fake.now = pd.Timestamp("2026-02-01T00:00:00Z").timestamp()
    frame = source.query("up", HOUR)
    assert frame.empty
    assert json.loads(frame.attrs["provenance"])["cut_at"] == "start"
    assert fake.ranges == []


def test_provenance_tells_what_was_asked_and_came(fake, source):
    fake.extra = {"infos": ["metric might not be a counter"]}
    facts = json.loads(source.query("rate(up[5m])", HOUR).attrs["provenance"])
    assert facts == {
        "url": fake.url,
        "query": "rate(up[5m])",
        "range": {"start": "2026-03-01T00:00:00+00:00", "end": "2026-03-01T01:00:00+00:00"},
        "step": "5m",
        "cut_at": None,
        "pieces": 1,
        "warnings": ["metric might not be a counter"],
    }


def test_last_ends_at_the_newest_settled_instant(fake, source):
    fake.now = pd.Timestamp("2026-03-01T12:09:59Z").timestamp()
    found = source.last("2d", step="1h")
    assert (found.start, found.end) == (pd.Timestamp("2026-02-27T12:00:00Z"), pd.Timestamp("2026-03-01T12:00:00Z"))
    assert source.last("2d", step="5m").grid[-1] == pd.Timestamp("2026-03-01T11:55:00Z")


def test_the_clock_is_read_once(fake, source):
    fake.now = 1772323200.0
    first = source.now()
    assert first >= pd.Timestamp("2026-03-01T00:00:00Z")
    assert source.now() >= first
    assert len(fake.asked) == 1


def test_instants_come_as_one_row_a_series_by_post(fake, source):
    frame = source.instant("time()")
    assert frame["y"].tolist() == [fake.now]
    assert frame["ds"].tolist() == [pd.Timestamp(fake.now, unit="s", tz="UTC")]
    assert frames.series_ids(frame) == ["{}"]
    assert fake.asked[-1][1] == {"query": "time()"}


def test_metadata(source):
    assert source.metrics() == ["up"]
    assert source.label_values("job") == ["a", "b"]
    with pytest.raises(SourceError, match=r"'\.\./query' is not the name of a label"):
        source.label_values("../query")


QUEUE = Signal(name="queue", title="Jobs waiting", area="queue", kind="gauge", unit="jobs", metric="q", combine="sum")


def test_a_signal_is_read_up_to_the_servers_now(fake):
    fake.series = [({}, lambda t: 3.0)]
    fake.now = pd.Timestamp("2026-03-01T05:50:00Z").timestamp()
    source = PrometheusSource(fake.url, catalogue=Catalogue(signals={"queue": QUEUE}))
    day = TimeRange("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "1h")
    frame = source.read("queue", day)
    assert frame["ds"].tolist() == list(day.grid[:6])
    assert max(float(form["end"]) for form in fake.ranges) <= fake.now
    assert len(fake.asked) == len(fake.ranges) + 1  # the clock is read once
    assert source.signals()["signal"].tolist() == ["queue"]
    later = TimeRange("2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z", "1h")
    assert source.read("queue", later).empty


def test_a_server_without_catalogue_is_recognised_by_its_metrics(source, fake):
    names = ("node_filesystem_avail_bytes", "node_filesystem_size_bytes")
    fake.series = [({"__name__": name}, lambda t: t) for name in names]
    assert source.signals()["signal"].tolist() == ["disk_used"]


# ---- faults: (replies, the sentence)

FINAL = {
    "bad query": (
        failure(400, "bad_data", "parse error: unexpected end of input"),
        r"\(query: up\) refused the query: parse error: unexpected end of input; correct the PromQL",
    ),
    "no credentials": (Reply(401, b"Unauthorized"), r"does not know us \(401\); give a token"),
    "not allowed": (Reply(403, b"no access to tenant"), r"does not let us read \(403\): no access to tenant"),
    "wrong path": (Reply(404, b"404 page not found"), r"has no Prometheus API \(404\); give the URL of its web page"),
    "bug": (failure(500, "internal", "block 7 is corrupt"), r"failed \(500\): block 7 is corrupt"),
    "bad vector": (failure(422, "execution", "multiple matches for labels"), "not compute the query: multiple matches"),
    "redirect": (
        Reply(302, b"", {"Location": "https://ann:pw@login.example/x?token=1"}),
        "sends us on to https://login.example/x;",
    ),
    "login page": (Reply(200, b"<!DOCTYPE html><html>Sign in</html>"), "a web page instead of JSON"),
    "page with error": (Reply(418, b"<html><body>teapot</body></html>"), r"failed \(418\): HTTP status 418"),
    "other JSON": (Reply(200, b'{"hello":"world"}'), "did not answer as Prometheus does"),
    "a list": (Reply(200, b"[]"), "did not answer as Prometheus does"),
    "status error": (Reply(200, failure(1, "x", "no leader").body), "answered without the status success: no leader"),
    "body without length": (
        Reply(200, b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"],[3'),
        "is not whole JSON",
    ),
}


@pytest.mark.parametrize("name", FINAL)
def test_a_final_fault_is_one_sentence_after_one_request(fake, source, name):
    reply, sentence = FINAL[name]
    fake.replies = [reply]
    with pytest.raises(SourceError, match=sentence) as caught:
        source.query("up", HOUR, future=True)
    assert fake.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pw" not in str(caught.value)
    assert len(fake.asked) == 1


PASSING = {
    "too many": (failure(429, "x", "slow down"), r"we ask too much \(429\): slow down"),
    "bad gateway": (Reply(502, b"<html>nginx</html>"), r"is not available \(502\)"),
    "starting": (Reply(503, b"Service Unavailable"), r"is not available \(503\): Service Unavailable"),
    "gateway timeout": (Reply(504), r"is not available \(504\)"),
    "cut in the middle": (Reply(200, b'{"status":"success","data":{}}', cut=12), "broke off"),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_asked_again(fake, source, name):
    fake.replies = [PASSING[name][0]] * 3
    assert len(source.query("up", HOUR)) == 2 * len(HOUR)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_stays_is_one_sentence(fake, source, name):
    fake.replies = [PASSING[name][0]] * 9
    with pytest.raises(SourceError, match=PASSING[name][1]) as caught:
        source.query("up", HOUR)
    assert type(caught.value) is SourceError
    assert "(asked 4 times)" in str(caught.value)
    assert len(fake.ranges) == 4


def test_waits_grow_and_retry_after_is_honoured(fake):
    waits = []
    source = PrometheusSource(fake.url)
    source.session.pause = waits.append
    fake.replies = [Reply(502), Reply(429, headers={"Retry-After": "7"}), Reply(502)]
    source.query("up", HOUR)
    assert 0.2 <= waits[0] <= 0.4
    assert waits[1] == 7.0
    assert 0.8 <= waits[2] <= 1.6


@pytest.mark.parametrize("said", ["²", "soon", "-1"])
def test_a_retry_after_that_is_no_number_is_not_followed(said):
    fault = answer.refusal(429, {"Retry-After": said}, b"", asked="http://fake")
    assert isinstance(fault, answer.TryAgain)
    assert fault.after_seconds is None


def test_a_long_retry_after_is_not_waited_for(fake, source):
    fake.replies = [Reply(429, headers={"Retry-After": "3600"})]
    with pytest.raises(SourceError, match="we ask too much"):
        source.query("up", HOUR)
    assert len(fake.ranges) == 1


def test_too_many_samples_halve_the_piece(fake, source):
    fake.max_samples = 100
    frame = source.query("up", MONTH)
    assert (frame["y"].abs() == frame["ds"].astype("datetime64[s, UTC]").astype("int64")).all()
    answered = [form for form in fake.ranges if (float(form["end"]) - float(form["start"])) / 300 < 50]
    assert len(fake.ranges) - len(answered) < 10  # one size is learned once, not by each piece


def test_a_timeout_of_the_server_halves_the_piece(fake, source):
    fake.replies = [failure(503, "timeout", "query timed out in expression evaluation")]
    assert len(source.query("up", HOUR)) == 2 * len(HOUR)
    assert len(fake.ranges) == 3


def test_one_instant_that_is_too_much_is_an_error(fake, source):
    fake.max_samples = 1
    with pytest.raises(SourceError, match="too many samples into memory; one instant is too much") as caught:
        source.query("up", HOUR)
    assert type(caught.value) is SourceError


def test_warnings_are_an_error_everywhere(fake, source):
    fake.extra = {"warnings": ["store-3 is down"]}
    with pytest.raises(SourceError, match="came with the warning 'store-3 is down'"):
        source.query("up", HOUR)


def test_instant_queries_and_metadata_meet_the_same_faults(fake):
    source = PrometheusSource(fake.url)
    fake.answer = lambda path, form: Reply(403, b"closed")
    for call in (source.metrics, source.now, lambda: source.instant("up"), lambda: source.label_values("job")):
        with pytest.raises(SourceError, match=r"does not let us read \(403\): closed"):
            call()


@pytest.mark.parametrize(
    "result",
    ['[{"metric":{},"values":[[1,"2"]]}]', '[1,"a word"]', '[{"metric":{},"histogram":[1,{}]}]', "7"],
)
def test_an_instant_answer_that_is_no_number_is_an_error(fake, source, result):
    body = f'{{"status":"success","data":{{"resultType":"?","result":{result}}}}}'.encode()
    fake.answer = lambda path, form: Reply(body=body)
    with pytest.raises(SourceError, match="is not one number a series"):
        source.instant("x[5m]")


def test_two_series_of_the_same_labels_are_an_error(fake, source):
    fake.series = [({"a": "1"}, lambda t: 1.0), ({"a": "1"}, lambda t: 2.0)]
    with pytest.raises(SourceError, match="two series of the same labels"):
        source.query("x", HOUR)


def test_silence_is_an_error_after_the_timeout(fake):
    fake.replies = [Reply(wait=True)]
    with pytest.raises(SourceError, match=r"was silent for 0\.05 s; ask for a shorter range"):
        PrometheusSource(fake.url, timeout=0.05).query("up", HOUR, future=True)


def test_no_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    source = PrometheusSource(url)
    source.session.pause = lambda seconds: None
    with pytest.raises(SourceError, match=rf"nothing answers at {url} .*\(connection refused\); start Prometheus"):
        source.query("up", HOUR)


def test_no_tls_where_tls_is_asked_for(fake):
    with pytest.raises(SourceError, match=r"certificate of https://.* is not accepted"):
        PrometheusSource(fake.url.replace("http:", "https:")).query("up", HOUR, future=True)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:9090", "is not the URL of a server; write it like http"),
        ("file:///etc/passwd", "is not the URL of a server"),
        ("http://", "is not the URL of a server"),
        ("http://[::1", "cannot be read"),
        ("http://host:port", "cannot be read"),
        ("https://ann:hunter2@host/x", "at host must not carry a user or a password; give them as basic_auth"),
        ("ann:hunter2@host:9090", "'host:9090' is not the URL of a server"),
        ("http://host:9090/graph?g0.expr=up", "without . and #; use http://host:9090"),
    ],
)
def test_urls_that_cannot_be_used(url, sentence):
    with pytest.raises(SourceError, match=sentence) as caught:
        PrometheusSource(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"token": "a", "basic_auth": "b:c"}, "not both"),
        ({"token": "hunter2\r\nX: y"}, "characters that no HTTP header can carry"),
        ({"basic_auth": "hunter2"}, "the colon is missing"),
        ({"ca_file": "/nowhere/ca.pem"}, "there is no CA file /nowhere/ca.pem"),
    ],
)
def test_credentials_that_cannot_be_used(options, sentence):
    with pytest.raises(SourceError, match=sentence) as caught:
        PrometheusSource("http://127.0.0.1:9", **options)
    assert "hunter2" not in str(caught.value)
