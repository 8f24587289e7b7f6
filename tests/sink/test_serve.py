"""The endpoint: what it serves, when it stops serving it, and what it does with clients that misbehave."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pandas as pd
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tutordex_analysis.errors import FrameError, PublishRefused
from tutordex_analysis.sink import exposition, serve, textfile
from tutordex_analysis.sink.exposition import GENERATED, Family, Sample

MADE = 1_800_000_000
HOUR = 3600
X, Y = (Family(name=name, help="x", samples=(Sample(labels={}, value=1.0),)) for name in ("tutordex_x", "tutordex_y"))
SELF = {GENERATED, "tutordex_publisher_families", "tutordex_publisher_validity_seconds"}


def text_of(*families):
    moment = pd.Timestamp(MADE, unit="s", tz="UTC")
    return exposition.render(families, data_end=moment, validity="1h", now=moment)


def values(text):
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in found}


def names(text):
    return {name for name, *_ in values(text)}


def test_within_its_validity_everything_is_served():
    text = serve.current(text_of(X, Y), now=MADE + HOUR, validity="1h")
    assert names(text) == {"tutordex_x", "tutordex_y"} | SELF
    assert values(text)["tutordex_publisher_families", "served"] == 2
    assert values(text)["tutordex_publisher_families", "expired"] == 0


def test_after_its_validity_only_what_tells_its_age_is_served():
    text = serve.current(text_of(X, Y), now=MADE + HOUR + 1, validity="1h")
    assert names(text) == SELF
    assert "tutordex_x 1" not in text
    assert values(text)[GENERATED, "tutordex_x"] == MADE
    assert values(text)["tutordex_publisher_families", "expired"] == 2
    assert values(text)["tutordex_publisher_validity_seconds",] == HOUR


def test_each_family_expires_by_its_own_time():
    text = text_of(X, Y).replace(f'{{family="tutordex_y"}} {MADE}', f'{{family="tutordex_y"}} {MADE + HOUR}')
    assert names(serve.current(text, now=MADE + HOUR + 1, validity="1h")) == {"tutordex_y"} | SELF


@pytest.mark.parametrize("stamp", ["", "NaN", str(MADE + 999)])
def test_a_family_without_a_sound_time_counts_as_expired(stamp):
    text = text_of(X).replace(
        f'{GENERATED}{{family="tutordex_x"}} {MADE}', f'{GENERATED}{{family="tutordex_x"}} {stamp}'
    )
    assert "tutordex_x 1" not in serve.current(text, now=MADE, validity="1h")


def test_a_demonstration_stays_marked():
    moment = pd.Timestamp(MADE, unit="s", tz="UTC")
    text = exposition.render([X], data_end=moment, validity="1h", now=moment, as_of=moment)
    assert serve.current(text, now=MADE, validity="1h").startswith("# DEMONSTRATION")


@contextmanager
def running(path, *, clock=lambda: MADE, deadline="10s"):
    with serve.server(path, validity="1h", port=0, clock=clock, deadline=deadline) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web.server_address[1]
        finally:
            web.shutdown()
            thread.join()


def ask(port, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def test_over_http_the_file_is_read_anew_and_expires(tmp_path):
    path, now = tmp_path / "metrics.prom", [MADE]
    with running(path, clock=lambda: now[0]) as port:
        answer, body = ask(port)
        assert (answer.status, names(body)) == (200, SELF - {GENERATED})  # no file yet: alive, with nothing to say
        textfile.write(text_of(X), path)
        answer, body = ask(port)
        assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        assert names(body) == {"tutordex_x"} | SELF
        textfile.write(text_of(Y), path)
        assert names(ask(port)[1]) == {"tutordex_y"} | SELF
        now[0] += HOUR + 1
        assert names(ask(port)[1]) == SELF


def test_other_paths_and_methods_are_answered_in_words(tmp_path):
    with running(tmp_path / "m") as port:
        answer, body = ask(port, "/")
        assert answer.status == 200
        assert '<a href="/metrics">' in body
        assert ask(port, "/metrics?x=1")[0].status == 200
        assert ask(port, "/../etc/passwd")[0].status == 404
        assert ask(port, "/<script>")[1] == "not found; see /metrics\n"
        answer, body = ask(port, method="HEAD")
        assert (answer.status, body) == (200, "")
        assert int(answer.getheader("Content-Length")) > 0
        answer, _ = ask(port, method="POST")
        assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
        assert ask(port, method="BREW")[0].status == 501


def test_clients_that_send_nothing_do_not_keep_others_out(tmp_path):
    with running(tmp_path / "m") as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        assert ask(port)[0].status == 200
        for one in silent:
            one.close()


def test_more_clients_than_it_can_bear_are_turned_away_and_then_let_in_again(tmp_path):
    with running(tmp_path / "m") as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(serve._MOST_AT_ONCE)]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one_more:
            assert one_more.recv(1) == b""
        for one in silent:
            one.shutdown(socket.SHUT_RDWR)
            assert one.recv(1) == b""  # its thread is done
            one.close()
        assert ask(port)[0].status == 200


def test_a_slow_client_is_cut_off_at_the_deadline(tmp_path):
    with (
        running(tmp_path / "m", deadline="50ms") as port,
        socket.create_connection(("127.0.0.1", port), timeout=5) as slow,
    ):
        slow.sendall(b"GET /metrics HT")
        assert slow.recv(1) == b""


def test_a_port_in_use_is_a_sentence(tmp_path):
    with (
        running(tmp_path / "m") as port,
        pytest.raises(PublishRefused, match=f"cannot listen on 127.0.0.1:{port}: Addr"),
    ):
        serve.server(tmp_path / "m", validity="1h", port=port)


@pytest.mark.parametrize("options", [{"port": 70_000}, {"host": "no.such.host.invalid"}])
def test_an_address_that_cannot_be_is_a_sentence(tmp_path, options):
    with pytest.raises(PublishRefused, match="cannot listen on"):
        serve.server(tmp_path / "m", validity="1h", **options)


def test_a_validity_that_is_no_duration_is_refused_at_once(tmp_path):
    with pytest.raises(FrameError, match="not a duration"):
        serve.server(tmp_path / "m", validity="soon", port=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_on_signals(tmp_path, number):
    code = (
        "import sys; from tutordex_analysis.sink.serve import serve;"
        "serve(sys.argv[1], validity='1h', port=0, ready=lambda url: print(url, flush=True)); print('stopped')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline() if process.stdout else ""
        assert url.startswith("http://127.0.0.1:")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


@pytest.mark.parametrize(("host", "target"), [("127.0.0.1", "127.0.0.1:9877"), ("::1", "[::1]:9877")])
def test_the_scrape_job_is_yaml_for_prometheus(host, target):
    jobs = yaml.safe_load("scrape_configs:\n" + serve.scrape_job(host))["scrape_configs"]
    assert [one["static_configs"] for one in jobs] == [[{"targets": [target]}]]
