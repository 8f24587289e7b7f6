"""PrometheusSource on a real Prometheus: odd data, limits, equality with one plain request."""

import contextlib
import json
import math
import socket
import subprocess

import numpy as np
import pandas as pd
import pytest
import requests
from prometheus_api_client import PrometheusConnect

from tests.source.fake_prometheus import wait_until
from tutordex_analysis import frame as frames
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration, floor
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.plan import MAX_POINTS
from tutordex_analysis.source.prometheus import PrometheusSource

pytestmark = pytest.mark.server

START = pd.Timestamp("2026-03-01T00:00:00Z")
ODD = [math.nan, math.inf, -math.inf, -0.0, 0.1 + 0.2, 1e300, 5e-324, 123456789012345.67]
LABELS = ['say "hi"', 'a"values":[[1,"2"]]', "back\\slash", "two\nlines", "]]}", "世界 🎓 é", "{}=~,"]
MINUTES = TimeRange(START, START + duration("2h"), "1m")
TWO_DAYS = TimeRange(START, START + duration("2d"), "15s")


def line(name, labels, value, minute):
    pairs = ",".join(f'{key}="{frames.escape(label)}"' for key, label in labels.items())
    number = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, value)
    return f"{name}{{{pairs}}} {number!s} {START.timestamp() + 60 * minute:.3f}\n"


def text():
    """OpenMetrics of everything that these tests read."""
    yield "# TYPE odd gauge\n"
    yield from (line("odd", {}, ODD[minute % len(ODD)], minute) for minute in range(120))
    yield "# TYPE life gauge\n"
    lives = {"whole": range(120), "born": range(60, 120), "dies": range(60), "gap": [*range(30), *range(90, 120)]}
    for name, minutes in lives.items():
        yield from (line("life", {"kind": name}, float(minute), minute) for minute in minutes)
    yield "# TYPE said gauge\n"
    yield from (line("said", {"text": label, "n": str(i)}, i, 0) for i, label in enumerate(LABELS))
    yield "# TYPE seen counter\n"
    rng = np.random.default_rng(7)
    for target in range(24):
        total = np.cumsum(rng.poisson(5, 2880)).astype(float)
        total[rng.integers(0, 2880) :] -= total[1000]  # may fall below: a reset
        yield from (line("seen_total", {"target": f"{target:02}"}, abs(one), i) for i, one in enumerate(total))
    yield "# EOF\n"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp("openmetrics") / "samples.txt"
    path.write_text("".join(text()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def url(samples, tmp_path_factory):
    with LocalPrometheus(tmp_path_factory.mktemp("prometheus"), openmetrics=[samples]) as server:
        yield server.url


@pytest.fixture(scope="module")
def source(url):
    return PrometheusSource(url)


def one_request(url, promql, time_range):
    """The slow, obvious way: one plain request, json, float."""
    form = {
        "query": promql,
        "start": time_range.start.timestamp(),
        "end": (time_range.end - time_range.step).timestamp(),
        "step": time_range.step.total_seconds(),
    }
    answer = requests.post(f"{url}/api/v1/query_range", data=form, timeout=60).json()
    assert answer["status"] == "success", answer
    result = {}
    for series in answer["data"]["result"]:
        row = result[frames.series_id(series["metric"])] = np.full(len(time_range), np.nan)
        for moment, value in series["values"]:
            row[round((moment - form["start"]) / form["step"])] = float(value)
    return result


@pytest.mark.parametrize(
    "promql",
    ["seen_total", "rate(seen_total[5m])", "sum by (target) (increase(seen_total[30m]))", "life", "odd", "said"],
)
def test_pieces_equal_one_request_bit_for_bit(url, promql):
    time_range = TimeRange(START - duration("30m"), START + duration("45h"), "15s")  # 10,920 points
    expected = one_request(url, promql, time_range)
    frame = PrometheusSource(url, workers=2).query(promql, time_range)
    assert json.loads(frame.attrs["provenance"])["pieces"] > 1
    ids, grid, values = frames.matrix(frame)
    assert ids == sorted(expected)
    assert (grid == time_range.grid).all()
    for row, name in zip(values, ids, strict=True):
        assert row.tobytes() == expected[name].tobytes()


def test_values_equal_those_of_prometheus_api_client(url, source):
    time_range = TimeRange(START, START + duration("6h"), "1m")
    frame = source.query("rate(seen_total[5m])", time_range)
    last = time_range.grid[-1]
    theirs = PrometheusConnect(url).custom_query_range("rate(seen_total[5m])", time_range.start, last, step="60")
    ours = dict(zip(*frames.matrix(frame)[::2], strict=True))
    for series in theirs:
        values = ours[frames.series_id(series["metric"])]
        assert values[~np.isnan(values)].tolist() == [float(value) for _, value in series["values"]]
    assert len(theirs) == 24


def test_odd_values_are_kept(source):
    frame = source.query("odd", MINUTES)
    expected = np.resize(ODD, 120)
    assert frame["y"].to_numpy()[:120].view(np.int64)[1:4].tolist() == expected.view(np.int64)[1:4].tolist()
    assert np.array_equal(frame["y"], expected, equal_nan=True)


def test_series_are_born_and_die_and_gaps_are_nan(source):
    # last_over_time, since a plain selector looks back five minutes
    table = frames.wide(source.query("last_over_time(life[59s])", MINUTES))
    minutes = np.arange(120.0)
    expected = {
        "born": np.where(minutes < 60, np.nan, minutes),
        "dies": np.where(minutes < 60, minutes, np.nan),
        "gap": np.where((minutes < 30) | (minutes >= 90), minutes, np.nan),
        "whole": minutes,
    }
    assert [*table] == [f'life{{kind="{kind}"}}' for kind in expected]
    assert np.array_equal(table.to_numpy().T, [*expected.values()], equal_nan=True)


def test_labels_come_back_as_they_were(source):
    table = frames.labels(source.query("said", TimeRange(START, START + duration("5m"), "1m")))
    assert dict(zip(table["n"], table["text"], strict=True)) == {str(i): label for i, label in enumerate(LABELS)}
    assert sorted(LABELS) == source.label_values("text")


def test_a_range_before_the_first_sample(source):
    before = TimeRange(START - duration("9d"), START - duration("1d"), "1m")
    assert source.query("life", before).empty
    across = source.query("seen_total", TimeRange(START - duration("2d"), START + duration("1h"), "1m"))
    assert np.isnan(frames.matrix(across)[2][:, :2880]).all()
    assert not np.isnan(frames.matrix(across)[2][:, 2880:]).any()


def test_an_unknown_metric_is_an_empty_frame(source):
    assert source.query("no_such_metric", TWO_DAYS).empty
    assert source.instant("no_such_metric").empty


@pytest.mark.parametrize("n", [MAX_POINTS, MAX_POINTS + 1, MAX_POINTS + 2, 3 * MAX_POINTS + 1])
def test_ranges_beyond_the_servers_limit(source, n):
    time_range = TimeRange(START, START + n * duration("250ms"), "250ms")
    frame = source.query("time() * 4", time_range)
    assert len(frame) == n
    assert (frame["y"] == START.timestamp() * 4 + np.arange(n)).all()


def test_a_range_beyond_now_ends_at_the_servers_now(source):
    now = source.now()
    assert abs(now - pd.Timestamp.now("UTC")) < duration("5s")
    frame = source.query("time()", TimeRange(now - duration("1h"), now + duration("1h"), "1m"))
    assert frame["ds"].max() == floor(source.now(), "1m")
    tomorrow = TimeRange(now + duration("1d"), now + duration("2d"), "1h")
    assert source.query("time()", tomorrow).empty
    assert len(source.query("time()", tomorrow, future=True)) == 24


def test_instants_and_metadata(source):
    frame = source.instant(f"life @ {START.timestamp():.0f}")
    assert sorted(frame["kind"]) == ["dies", "gap", "whole"]
    assert len(set(frame["ds"])) == 1
    assert source.instant("scalar(vector(3))")["y"].tolist() == [3.0]
    assert source.metrics() == ["life", "odd", "said", "seen_total"]
    assert source.last("1d").end <= source.now() + duration("1h")


def test_the_servers_own_words_for_a_bad_query(source):
    with pytest.raises(SourceError, match=r"refused the query: .*parse error: unclosed left parenthesis"):
        source.query("rate(seen_total[5m]", MINUTES)
    with pytest.raises(SourceError, match=r"could not compute the query: .*many-to-many matching not allowed"):
        source.query("life + on() seen_total", MINUTES)
    with pytest.raises(SourceError, match="refused the query"):
        source.instant("sum(")


def test_too_many_samples_are_had_in_smaller_pieces(samples, tmp_path):
    with LocalPrometheus(tmp_path, openmetrics=[samples], flags=["--query.max-samples=2000"]) as server:
        source = PrometheusSource(server.url)
        frame = source.query("seen_total", TimeRange(START, START + duration("1d"), "1m"))
        assert len(frame) == 24 * 1440
        assert json.loads(frame.attrs["provenance"])["pieces"] > 3
        with pytest.raises(SourceError, match=r"too many samples into memory .*; one instant is too much"):
            source.query(
                "sum_over_time(seen_total[2d])", TimeRange(START + duration("1d"), START + duration("3d"), "1d")
            )


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def prometheus_with_tls(folder):
    """LocalPrometheus speaks plain HTTP only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "prometheus.yml").write_text("scrape_configs: []\n", encoding="ascii")
    names = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "web.config.file": "web.yml"}
    flags = [f"--{flag}={folder / name}" for flag, name in names.items()]
    command = ["prometheus", *flags, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen(command, cwd=folder) as server:
        try:
            wait_until(lambda: listens(port), seconds=30)
            yield f"https://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.mark.server("prometheus", "promtool", "openssl")
def test_tls_and_basic_auth(tmp_path):
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run([*make, *names, *files], check=True, capture_output=True)
    # bcrypt of "open sesame"
    hashed = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\nbasic_auth_users: {{ann: '{hashed}'}}\n",
        encoding="ascii",
    )
    auth, ca_file = "ann:open sesame", tmp_path / "cert.pem"
    with prometheus_with_tls(tmp_path) as url:
        assert PrometheusSource(url, basic_auth=auth, ca_file=ca_file).instant("time()")["y"].iloc[0] > 1e9
        assert len(PrometheusSource(url, basic_auth=auth, verify=False).query("time()", MINUTES)) == 120
        with pytest.raises(SourceError, match=r"certificate of .* is not accepted .*give ca_file"):
            PrometheusSource(url, basic_auth=auth).query("time()", MINUTES)
        with pytest.raises(SourceError, match=r"does not know us \(401\)"):
            PrometheusSource(url, basic_auth="ann:wrong", ca_file=ca_file).query("time()", MINUTES)
