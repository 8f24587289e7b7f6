"""Every query of the committed dashboard, asked of a real Prometheus as Grafana would ask it.

Eight days of a simulated stack, and fifteen days of metrics that the functions of `publish` made, hourly, each hour's
forecast a little higher than the one before; the recording rules of this repository are loaded and evaluated.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pandas as pd
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.sink.results import breach, forecast
from tutordex_analysis import catalogue_file, promql
from tutordex_analysis.sink import board_queries, dashboards, exposition
from tutordex_analysis.sink.board_check import panels
from tutordex_analysis.sink.exposition_anomalies import from_scores
from tutordex_analysis.sink.exposition_ledger import from_scorecard
from tutordex_analysis.sink.exposition_thresholds import from_thresholds
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.simulator import World

ROOT = Path(__file__).parents[1]
BOARD = json.loads((ROOT / "observability" / dashboards.FOLDER / "tutordex-forecast.json").read_text("utf-8"))
HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
IDS = {
    "queue_oldest_pending": ("queue_oldest_pending",),
    "disk_used": ('disk_used{mountpoint="/"}', 'disk_used{mountpoint="/data"}'),
    "posts_seen": ("posts_seen",),
}
CHOICES = (
    {"signal": "queue_oldest_pending", "mountpoint": "", "alert": "QueueOldestPendingTooOld"},
    {"signal": "disk_used", "mountpoint": "/data", "alert": "HostDiskLow"},
    {"signal": "posts_seen", "mountpoint": "", "alert": "PostsVolumeSpike"},
)
RECORDED = (  # all that the board's value of a signal reads; the last limit is known after those of the host
    *(
        name
        for name in promql.metrics(board_queries.Queries(catalogue_file.load()).actual)
        if name.startswith("tutordex:")
    ),
    "tutordex:host:disk_used",
    'tutordex:threshold:in_force{alert="HostDiskLow",mountpoint="/"}',
    'tutordex:threshold:in_force{alert="QueueOldestPendingTooOld"}',
)
RISE = 0.25  # from one hour's forecast to the next


def families(now):
    start = now.floor("h")
    for name, ids in IDS.items():
        made = forecast(ids, start=start.isoformat(), n=31 * 24)
        yield from exposition.from_forecast(name, made, now=now, unit="jobs")
        yield from exposition.from_breach(name, breach(ids), limit="test_hard")
        yield from exposition.from_limits(name, {"test_hard": 112.0, "test_soft": 90.0})
    judged = {
        name: pd.DataFrame({"unique_id": ids, "lower": 1.0, "expected": 2.0, "upper": 3.0, "score": 1.5})
        for name, ids in IDS.items()
    }
    yield from from_scores(judged)
    rows = [(name, one) for name, ids in IDS.items() for one in ids]
    past = pd.DataFrame(rows, columns=["signal", "unique_id"])
    past = past.assign(step="1h", hindsight=False, mase=0.75, bias=0.0, coverage_80=0.8125, coverage_95=0.9375)
    yield from from_scorecard(past, [])
    limits = pd.DataFrame(
        {
            "alert": ["QueueOldestPendingTooOld", "HostDiskLow"],
            "labels": [{}, {"mountpoint": "/data"}],
            "value": [1500.0, 0.875],
            "in_force": "learned",
            "refused": "",
        }
    )
    yield from from_thresholds(limits, pins={})


class Published:
    """What was published at each full hour before a moment, and when each sample was."""

    def __init__(self, now):
        self.last = int(now.timestamp())
        self.hours = 15 * 24
        text = exposition.render(families(now), data_end=now, validity="3h", now=now)
        self.samples = [
            (family.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def at(self, hour, name, labels, value):
        """The value of a series that many hours before the last."""
        moment = self.last - hour * HOUR
        if name == exposition.GENERATED:
            return moment
        return value - RISE * hour if name == "tutordex_forecast" else value

    def write(self, path):
        by_name = {}
        for one in self.samples:
            by_name.setdefault(one[0], []).append(one)
        lines = []
        for name, samples in by_name.items():
            lines.append(f"# TYPE {name} gauge")
            for _, labels, value in samples:
                scraped = labels | {"job": "tutordex_analysis", "instance": "host:9877"}
                pairs = ",".join(f'{key}="{text}"' for key, text in scraped.items())
                lines += [
                    f"{name}{{{pairs}}} {self.at(hour, name, labels, value)!r} {self.last - hour * HOUR}"
                    for hour in range(self.hours, -1, -1)
                ]
        path.write_text("\n".join([*lines, "# EOF\n"]), "utf-8")
        return path

    def forecast(self, signal, lead, quantile, hour):
        """What was said of one lead, so many hours before the last."""
        wanted = {"signal": signal, "horizon": lead, "quantile": quantile}
        (found,) = [
            (name, labels, value)
            for name, labels, value in self.samples
            if name == "tutordex_forecast" and wanted.items() <= labels.items() and labels.get("mountpoint") != "/"
        ]
        return self.at(hour, *found)


class Asked:
    """Prometheus as Grafana asks it, at full hours before and after `now`."""

    def __init__(self, url, now, published):
        self.url, self.now, self.published = url, now, published

    def range(self, expr, start, end, step=HOUR):
        answer = requests.get(
            f"{self.url}/api/v1/query_range",
            params={"query": expr, "start": start, "end": end, "step": step},
            timeout=60,
        ).json()
        assert answer["status"] == "success", (answer.get("error"), expr)
        assert not answer.get("warnings"), (answer["warnings"], expr)
        return answer["data"]["result"]

    def line(self, expr, choice):
        """The one series of a query over the range of the board: hours from now → value."""
        (one,) = self.range(chosen(expr, choice), self.now - WEEK, self.now + WEEK)
        return {round((at - self.now) / HOUR): float(value) for at, value in one["values"]}

    def values(self, label, match):
        params = {"match[]": match} if match else {}
        return requests.get(f"{self.url}/api/v1/label/{label}/values", params=params, timeout=10).json()["data"]


def chosen(text, choice):
    """What Grafana puts in the place of its variables."""
    for name, value in choice.items():
        text = text.replace(f"${name}", value)
    assert "$" not in text
    return text


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    now = pd.Timestamp.now("UTC").floor("min")
    published = Published(now)
    rules = folder / "rules"
    rules.mkdir()
    for path in (ROOT / "observability/prometheus").glob("*.yml"):
        text = path.read_text("utf-8")
        for interval in ("30s", "1m", "2m"):
            text = text.replace(f"interval: {interval}\n", "interval: 1s\n")
        (rules / path.name).write_text(text, "utf-8")
    server = LocalPrometheus(
        folder,
        openmetrics=[published.write(folder / "published.txt")],
        config=f"rule_files: [{rules}/*.yml]\n",
    )
    load_world(server, World(start=now - pd.Timedelta(days=8), end=now, step="2m", incidents=()))
    with server:
        ready = Asked(server.url, int(now.timestamp()), published)
        deadline = time.monotonic() + 60
        while not all(ready.range(name, time.time(), time.time()) for name in RECORDED):
            assert time.monotonic() < deadline, "rules were not evaluated"
            time.sleep(0.2)
        ready.now = time.time()
        assert ready.now - published.last < 170, "the newest samples are nearly out of sight: a slow machine"
        yield ready


def queries():
    for panel in panels(BOARD):
        for target in panel["targets"]:
            name = f"{panel['id']}{target['refId']}"
            yield pytest.param(target["expr"], panel["type"] == "timeseries", id=name)
    for mark in BOARD["annotations"]["list"]:
        yield pytest.param(mark["expr"], True, id="marks")


def target(panel, legend):
    """A query of a panel by its legend."""
    (found,) = [
        one["expr"]
        for each in panels(BOARD)
        for one in each["targets"]
        if panel in each["title"] and one["legendFormat"] == legend
    ]
    return found


@pytest.mark.server
@pytest.mark.parametrize(("expr", "over_range"), [*queries()])
def test_a_query_of_the_board_is_accepted_and_answered(asked, expr, over_range):
    start, end = (asked.now - WEEK, asked.now + WEEK) if over_range else (asked.now, asked.now)
    found = [asked.range(chosen(expr, choice), start, end) for choice in CHOICES]
    numbers = [float(value) for one in found for series in one for _, value in series["values"]]
    assert any(math.isfinite(number) for number in numbers), chosen(expr, CHOICES[0])


@pytest.mark.server
def test_what_is_said_to_have_been_said_was_published_a_week_before(asked):
    expr = target("actual, forecast and limit", "said 7 d before")
    for choice in CHOICES:
        line = asked.line(expr, choice)
        assert line.keys() == {*range(-7 * 24, 7 * 24 + 1)}
        wanted = {hour: asked.published.forecast(choice["signal"], "7d", "0.5", 7 * 24 - hour) for hour in line}
        assert line == pytest.approx(wanted, rel=1e-12)


@pytest.mark.server
@pytest.mark.parametrize(
    ("legend", "quantile"), [("forecast", "0.5"), ("1 in 10 is below", "0.1"), ("1 in 10 is above", "0.9")]
)
def test_the_forecast_starts_now_and_takes_the_shortest_lead_that_reaches_each_moment(asked, legend, quantile):
    expr = target("actual, forecast and limit", legend)
    leads = {"1h": 1, "6h": 6, "1d": 24, "3d": 72, "7d": 168}
    for choice in CHOICES:
        line = asked.line(expr, choice)
        assert line.keys() == {*range(1, 7 * 24 + 1)}  # to a week ahead, and not where it is known already
        for hour, value in line.items():
            lead = next(name for name, hours in leads.items() if hours >= hour)
            wanted = asked.published.forecast(choice["signal"], lead, quantile, leads[lead] - hour)
            assert value == pytest.approx(wanted, rel=1e-12), (hour, lead)


@pytest.mark.server
def test_what_happened_ends_now_and_the_miss_is_what_lies_between(asked):
    for choice in CHOICES:
        actual = asked.line(target("actual, forecast and limit", "actual"), choice)
        missed = asked.line(target("missed", "missed by"), choice)
        said = asked.line(target("actual, forecast and limit", "said 7 d before"), choice)
        assert max(actual) == 0
        half = chosen(target("actual, forecast and limit", "actual"), choice)  # an hour's window reaches over now
        assert asked.range(half, asked.now + HOUR / 6, asked.now + HOUR, HOUR / 6) == []
        assert missed.keys() == actual.keys()
        assert missed == pytest.approx({hour: value - said[hour] for hour, value in actual.items()})
    assert len(asked.line(target("actual, forecast and limit", "actual"), CHOICES[1])) == 7 * 24 + 1


@pytest.mark.server
def test_limits_reach_as_far_as_the_forecast(asked):
    found = asked.range(
        chosen(target("actual, forecast and limit", "limit {{limit}}"), CHOICES[1]), asked.now, asked.now + WEEK
    )
    assert {one["metric"]["limit"]: {value for _, value in one["values"]} for one in found} == {
        "test_hard": {"112"},
        "test_soft": {"90"},
    }
    assert {len(one["values"]) for one in found} == {7 * 24 + 1}


@pytest.mark.server
def test_a_limit_in_force_lies_between_its_rails(asked):
    legends = ("floor", "limit in force {{channel}}{{mountpoint}}", "ceiling", "value {{channel}}{{mountpoint}}")
    found = [asked.range(chosen(target("rails", one), CHOICES[1]), asked.now, asked.now) for one in legends]
    low, limit, high = ({float(value) for one in each for _, value in one["values"]} for each in found[:3])
    assert (low, high) == ({0.8}, {0.95})
    assert limit == {0.875, 0.9}  # learned for /data, human for /
    assert {one["metric"]["mountpoint"] for one in found[3]} == {"/", "/data"}


@pytest.mark.server
def test_every_signal_and_every_alert_that_can_be_chosen_is_accepted(asked):
    known = catalogue_file.load()
    exprs = {one.values[0] for one in queries()}
    for signal in board_queries.forecast_signals(known):
        choice = {"signal": signal.name, "mountpoint": "/" if signal.by else "", "alert": "none"}
        for expr in exprs:
            asked.range(chosen(expr, choice), asked.now, asked.now)
        actual = asked.range(chosen(target("actual, forecast and limit", "actual"), choice), asked.now - DAY, asked.now)
        assert len(actual) == 1, signal.name
        assert actual[0]["metric"]["signal"] == signal.name
    for alert in board_queries.Limits(known).rules:
        choice = {"signal": "none", "mountpoint": "", "alert": alert}
        for legend in ("floor", "ceiling", "human limit", "value {{channel}}{{mountpoint}}"):
            asked.range(chosen(target("rails", legend), choice), asked.now, asked.now)


@pytest.mark.server
def test_variables_offer_what_is_published(asked):
    offered = {one["name"]: one["query"]["query"] for one in BOARD["templating"]["list"]}
    assert offered["signal"] == "label_values(tutordex_forecast, signal)"
    assert asked.values("signal", "tutordex_forecast") == sorted(IDS)
    assert asked.values("mountpoint", 'tutordex_forecast{signal="disk_used"}') == ["/", "/data"]
    assert asked.values("mountpoint", 'tutordex_forecast{signal="posts_seen"}') == []
    assert asked.values("unit", 'tutordex_forecast_info{signal="disk_used"}') == ["jobs"]
    assert {"HostDiskLow", "PostsVolumeSpike"} <= {*asked.values("alert", "tutordex:threshold:in_force")}
