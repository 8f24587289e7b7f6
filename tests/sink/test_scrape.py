"""Write-back on a real Prometheus: scraped, read back, compared with what came true, and drawn past now.

A week of published texts is imported as the scrapes of that week would have stored them; then our endpoint is scraped.
"""

from __future__ import annotations

import subprocess
import threading
import time

import numpy as np
import pandas as pd
import pytest
import requests

from tests.sink.results import forecast
from tutordex_analysis.frame import TimeRange, wide
from tutordex_analysis.moment import floor
from tutordex_analysis.sink import exposition, serve, textfile
from tutordex_analysis.sink.exposition import Family, Sample
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource

pytestmark = pytest.mark.server

HOUR = pd.Timedelta("1h")
NOW = floor(pd.Timestamp.now("UTC"), HOUR)
BIAS = 3.0  # every forecast is this much too high
PUBLISHED = 'tutordex_forecast{signal="queue_pending",quantile="0.5",horizon="%s"} offset %s'
WEEK = PUBLISHED % ("7d", "7d")
NEAREST = "max without (horizon) ({})".format(
    " or ignoring (horizon) ".join(f"({PUBLISHED % (lead, lead)})" for lead in ("1h", "1d", "7d"))
)


def truth(instants):
    return 100 + 10 * np.sin(2 * np.pi * instants.hour.to_numpy() / 24)


def stored():
    """OpenMetrics of what scrapes every five minutes would have kept of texts published each hour."""
    lines, actual = [], []
    for made in pd.date_range(NOW - 8 * pd.Timedelta("24h"), NOW - 3 * HOUR, freq=HOUR):
        made_of = forecast(start=made + HOUR, n=7 * 24 + 6, level=lambda instants: truth(instants) + BIAS)
        families = exposition.from_forecast("queue_pending", made_of, now=made, horizons=["1h", "1d", "7d"])
        text = exposition.render(families, data_end=made, validity="1h", now=made)
        samples = [line for line in text.splitlines() if line.startswith("tutordex_forecast{")]
        moments = [int(made.timestamp()) + 300 * i for i in range(11)]
        lines += [f"{line} {moment}" for moment in moments for line in samples]
        actual += [f"queue_pending {truth(pd.DatetimeIndex([made]))[0]} {moment}" for moment in moments]
    return "\n".join(["# TYPE queue_pending gauge", *actual, "# TYPE tutordex_forecast gauge", *lines, "# EOF", ""])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The file of an endpoint, how late that endpoint's clock is, and its scrape job."""
    path, late = tmp_path_factory.mktemp("published") / "metrics.prom", [0.0]
    with serve.server(path, validity="1h", port=0, clock=lambda: time.time() + late[0]) as web:
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        job = serve.scrape_job(port=web.server_address[1]).replace("60s", "1s")
        yield path, late, f"scrape_configs:\n{job}"
        web.shutdown()


@pytest.fixture(scope="module")
def url(published, tmp_path_factory):
    """A Prometheus that holds the week and scrapes the endpoint every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "week.txt").write_text(stored(), encoding="utf-8")
    with LocalPrometheus(folder, openmetrics=[folder / "week.txt"], config=published[2]) as server:
        yield server.url


@pytest.fixture(scope="module")
def source(url):
    return PrometheusSource(url)


def instant(url, query):
    answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=10).json()
    assert answer["status"] == "success", answer
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


def until(url, query, good):
    """The answer, as soon as it is good."""
    for _ in range(300):
        found = instant(url, query)
        if good(found):
            return found
        time.sleep(0.1)  # real time has to pass for a scrape
    raise AssertionError(f"{query} still gives {found}")


def publish(path, *, actual, ahead):
    now = pd.Timestamp.now("UTC")
    live = Family(name="queue_pending_live", help="Invented.", samples=(Sample(labels={}, value=actual),))
    made = forecast(start=now.floor("s"), step="1s", n=30, level=lambda instants: np.full(len(instants), ahead))
    families = [live, *exposition.from_forecast("live", made, now=now, horizons=["3s"])]
    textfile.write(exposition.render(families, data_end=now, validity="1h", now=now), path)


def test_the_forecast_of_a_week_ago_minus_the_present_is_the_live_error(source):
    past = TimeRange(NOW - 20 * HOUR, NOW - 3 * HOUR, "1h")
    error = source.query(f"queue_pending - on () {WEEK}", past)
    assert error["y"].to_numpy() == pytest.approx(-BIAS)
    assert len(error) == 17


def test_a_range_that_ends_six_days_ahead_draws_the_future(source):
    ahead = TimeRange(NOW, NOW + 6 * pd.Timedelta("24h"), "1h")
    frame = source.query(WEEK, ahead, future=True)
    assert frame["y"].to_numpy() == pytest.approx(truth(pd.DatetimeIndex(frame["ds"])) + BIAS)
    assert len(frame) == 144


def test_the_nearest_lead_that_reaches_an_instant_can_be_drawn_as_one_line(source):
    ahead = TimeRange(NOW - 24 * HOUR, NOW + 6 * pd.Timedelta("24h"), "1h")
    table = wide(source.query(NEAREST, ahead, future=True))
    assert table.shape == (168, 1)
    assert table.iloc[:, 0].to_numpy() == pytest.approx(truth(table.index) + BIAS)


def test_a_scraped_forecast_is_read_back_and_its_error_follows(url, published):
    path, late, _ = published
    publish(path, actual=100.0, ahead=107.0)
    found = until(url, 'tutordex_forecast{signal="live",quantile="0.5"}', bool)
    labels = found[0][0]
    assert (labels["horizon"], labels["job"], found[0][1]) == ("3s", "tutordex-analysis", 107.0)
    query = 'queue_pending_live - on () tutordex_forecast{signal="live",quantile="0.5",horizon="3s"} offset 3s'
    assert until(url, query, bool)[0][1] == -7.0
    assert instant(url, "queue_pending_live - tutordex_forecast") == []  # without on() labels never match

    late[0] = 3601.0  # the endpoint's clock passes the validity
    until(url, 'tutordex_forecast{signal="live"}', lambda answer: answer == [])
    age = until(url, 'time() - tutordex_generated_timestamp_seconds{family="tutordex_forecast"}', bool)
    assert 0 <= age[0][1] < 120
    assert until(url, 'tutordex_publisher_families{state="expired"}', lambda answer: answer[0][1] == 3)
    assert instant(url, 'up{job="tutordex-analysis"}')[0][1] == 1.0


def test_promtool_accepts_the_scrape_job(published, tmp_path):
    (tmp_path / "prometheus.yml").write_text(published[2], encoding="utf-8")
    command = ["promtool", "check", "config", tmp_path / "prometheus.yml"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
