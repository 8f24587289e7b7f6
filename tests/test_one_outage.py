"""One outage from end to end on real servers: the budget falls, the alert fires and is delivered, a window of the
calendar silences it, the silence ends by itself, and the page tells the story.

The rules and the file of windows are those that the commands make and read; only clocks are put in: a second where
rules have half a minute, so that nobody waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time

import numpy as np
import pandas as pd
import pytest
import requests
import yaml
from typer.testing import CliRunner

from tests.source.local_alertmanager import LocalAlertmanager
from tests.web import Web, until
from tutordex_analysis import catalogue_file, cli, connect
from tutordex_analysis.question import slo, slo_history
from tutordex_analysis.source.connect import settled
from tutordex_analysis.source.local_server import LocalPrometheus

ALERT = "ApiErrorBudgetBurn"
KEPT = {ALERT, "ApiErrorSLOViolation", "PublicApiDown", "Watchdog"}
A_MINUTE = 30.0  # requests
LASTED = 3 * 3600  # seconds of outage until now
BAD = 0.2  # of the requests in it
METRIC = 'backend_http_requests_total{{method="GET",path="/assignments",status_code="{code}",job="tutordex_backend"}}'


def past(path, now):
    """Five weeks of an API without a failure, and the three hours of outage at their end; where its counters stand."""
    at = np.arange(now - 35 * 86400, now, 120)
    out = at > now - LASTED
    each = A_MINUTE * 2
    counted = {
        "200": np.cumsum(np.where(out, each * (1 - BAD), each)),
        "500": np.cumsum(np.where(out, each * BAD, 0.0)),
    }
    lines = ["# TYPE backend_http_requests counter"]
    for code, values in counted.items():
        lines += [f"{METRIC.format(code=code)} {value:.0f} {t}" for value, t in zip(values, at, strict=True)]
    lines += ["# TYPE up gauge", *(f'up{{job="tutordex_backend"}} 1 {t}' for t in at)]
    path.write_text("\n".join([*lines, "# EOF\n"]))
    return path, {code: values[-1] for code, values in counted.items()}, at[-1]


def counters(counted, since):
    """What a scrape of the API gets: its counters go on from what was loaded."""
    passed = (time.time() - since) / 60 * A_MINUTE
    now = {"200": counted["200"] + passed * (1 - BAD), "500": counted["500"] + passed * BAD}
    lines = ["# TYPE backend_http_requests_total counter"]
    lines += [f"{METRIC.format(code=code)} {int(value)}" for code, value in now.items()]
    return "\n".join([*lines, ""])


def overlay():
    """A user's catalogue: the promise of the API and what its rules need, nothing else."""
    known = catalogue_file.load()
    return yaml.safe_dump(
        {
            "slos": {name: None for name in known.slos if name != "api_availability"},
            "rules": {name: None for name in known.rules if name not in KEPT},
            "records": {name: None for name in known.records if not name.startswith("tutordex:slo:")},
        }
    )


def run(*words):
    result = CliRunner().invoke(cli.app, [*words])
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.output


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TUTORDEX_")]:
        monkeypatch.delenv(name)
    with contextlib.ExitStack() as servers:
        before, counted, since = past(tmp_path / "past.txt", int(time.time()) - 60)
        web = servers.enter_context(Web(lambda: counters(counted, since)))
        config = {
            "route": {"receiver": "hook", "group_wait": "0s", "group_interval": "1s"},
            "receivers": [{"name": "hook", "webhook_configs": [{"url": f"http://{web.address}/hook"}]}],
        }
        alertmanager = servers.enter_context(LocalAlertmanager(tmp_path / "am", config=yaml.safe_dump(config)))
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/own.yaml").write_text(overlay())
        run("catalogue", "check", str(tmp_path / "mine"))
        (tmp_path / "tutordex.toml").write_text('catalogue = "mine"\n')
        run("rules", "build")
        for path in (tmp_path / "observability/prometheus").glob("*.yml"):
            text = re.sub(r"interval: \w+", "interval: 1s", path.read_text("utf-8"))
            path.write_text(re.sub(r"\bfor: \w+", "for: 1s", text), "utf-8")
        targets = [{"targets": [alertmanager.url.removeprefix("http://")]}]
        configured = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "alerting": {"alertmanagers": [{"static_configs": targets}]},
            "scrape_configs": [
                {"job_name": "tutordex_backend", "honor_labels": True, "static_configs": [{"targets": [web.address]}]}
            ],
            "rule_files": [str(tmp_path / "observability/prometheus/*.yml")],
        }
        server = LocalPrometheus(
            tmp_path / "server", openmetrics=[before], config=yaml.safe_dump(configured),
            flags=["--rules.alert.resend-delay=1s"],
        )  # fmt: skip
        servers.enter_context(server)
        (tmp_path / "tutordex.toml").write_text(
            f'catalogue = "mine"\nprometheus_url = "{server.url}"\nalertmanager_url = "{alertmanager.url}"\n'
        )
        yield server, alertmanager, web


def told(server, as_of=""):
    """The promise as the question tells it at a moment."""
    source = connect(server.url)
    time_range = settled(source, "35d", step="1h", as_of=as_of)
    (one,) = slo.promises(slo_history.gather(source, source.catalogue, time_range), tz="Asia/Singapore").told
    return one


@pytest.mark.server("prometheus", "promtool", "prometheus-alertmanager")
def test_an_outage_from_the_budget_to_the_page(stack, tmp_path):
    server, alertmanager, web = stack

    def alert():
        found = [one for one in alertmanager.call("GET", "alerts") if one["labels"]["alertname"] == ALERT]
        return found[0]["status"] if found else {"state": "none"}

    # the budget falls
    before = told(server, as_of=(pd.Timestamp.now("UTC") - pd.Timedelta("5h")).isoformat())
    after = told(server)
    assert (before.state, before.budget.remaining) == ("kept", 1.0)
    assert after.budget.remaining < 0.6
    assert after.incidents["ongoing"].tolist() == [True]

    # the alert fires, and reaches Alertmanager and whom it calls
    def firing():
        found = requests.get(f"{server.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return [one for one in found if one["labels"]["alertname"] == ALERT and one["state"] == "firing"]

    until(firing, "it does not fire")
    until(lambda: float(firing()[0]["value"]) == pytest.approx(BAD, rel=0.05), "its value is not the share of an hour")
    until(lambda: alert()["state"] == "active", "it does not reach Alertmanager")
    (call, *_) = until(lambda: web.told(ALERT), "nobody was called")
    assert len(call["annotations"]["description"]) <= 350
    assert re.match(r"\d+\.?\d*%; limit 0\.6%", call["annotations"]["description"])
    assert f"#{ALERT.lower()}" in call["annotations"]["description"]

    # a window of the calendar silences it
    now = pd.Timestamp.now("UTC")
    if now.second > 30:  # a window is whole minutes; this one has more than half a minute left
        time.sleep(61 - now.second)
        now = pd.Timestamp.now("UTC")
    window = {
        "matchers": f'{{alertname="{ALERT}"}}', "dates": [f"{now:%Y-%m-%d}"], "at": f"{now:%H:%M}", "zone": "UTC",
        "lasts": "1m", "critical": True, "reason": "the database is moved", "by": "ops@example.org",
        "link": "https://tracker.example.org/7",
    }  # fmt: skip
    (tmp_path / "mine/maintenance.yaml").write_text(yaml.safe_dump({"windows": {"move": window}}))
    assert "nothing was changed; say --yes" in run("silence", "sync")
    assert alert()["state"] == "active"
    run("silence", "sync", "--yes")
    until(lambda: alert()["state"] == "suppressed", "it is not silenced", seconds=15)
    (silence,) = alertmanager.call("GET", "silences")
    assert silence["status"]["state"] == "active"
    assert silence["comment"].startswith("the database is moved")
    run("silence", "sync", "--yes")  # a timer does it again
    assert [one["id"] for one in alertmanager.call("GET", "silences")] == [silence["id"]]

    # and the silence ends by itself
    until(lambda: alert()["state"] == "active", "the silence does not end", seconds=75)
    (silence,) = alertmanager.call("GET", "silences")
    assert silence["status"]["state"] == "expired"
    assert pd.Timestamp(silence["endsAt"]) == now.floor("min") + pd.Timedelta("1min")
    (row,) = json.loads(run("silence", "list", "--all", "--json"))
    assert "the database is moved" in json.dumps(row)

    # the page tells the story
    run("report", "slo", "--output", str(tmp_path / "pages"))
    page = (tmp_path / "pages/slo.html").read_text("utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "API requests that are answered" in text
    assert f"({ALERT} fired), took" in text
    assert "of the budget and goes on." in text
    findings = json.loads((tmp_path / "pages/findings.json").read_text("utf-8"))
    assert '"promise"' in json.dumps(findings)
    assert f"{ALERT} fired" in json.dumps(findings)
