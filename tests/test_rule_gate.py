"""From shadow to service on a real Prometheus and Alertmanager: not ready, ready, released, and it calls."""

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
from tutordex_analysis import catalogue_file, cli, releases_file
from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.sink import rule_rails, rules
from tutordex_analysis.source.connect import sample
from tutordex_analysis.source.local_server import LocalPrometheus

ALERT = "ManyWait"
RECEIVERS = ("telegram-warning", "telegram-critical", "blackhole")
RULE = {
    "value": "sum(queue_pending)",
    "threshold": {"human": 30, "floor": 16, "ceiling": 90, "learn": "season", "signal": "queue_pending"},
    "component": "queue",
    "summary": "Many jobs wait",
}
DAY = 86_400


def overlay(folder):
    """A catalogue of one new learned alert and the watchdog."""
    folder.mkdir()
    others = {name: None for name in catalogue_file.load().rules if name != "Watchdog"}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"rules": {**others, ALERT: RULE}}))
    return catalogue_file.load(folder)


def series(name, at, values):
    values = np.broadcast_to(values, len(at))
    return [f"{name} {value:g} {t:.0f}" for value, t in zip(values, at, strict=True)]


def past(path, now, definition, *, shadow_days):
    """Six weeks of a queue with an hour of 200 jobs three days ago, and what the rules recorded since some days.

    The alert fired in that hour, and once for nothing.
    """
    incident = now - 3 * DAY
    at = np.arange(now - 45 * DAY, now, 300)
    pending = np.random.default_rng(5).poisson(4, len(at)).astype(float)
    pending[(at >= incident) & (at < incident + 3600)] = 200
    lines = ["# TYPE queue_pending gauge", *series("queue_pending", at, pending)]
    shadow = np.arange(now - shadow_days * DAY, now, 120)
    if len(shadow):
        name = f'tutordex:alert:in_shadow{{alert="{ALERT}",definition="{definition}"}}'
        lines += ["# TYPE tutordex:alert:in_shadow gauge", *series(name, shadow, 1)]
        lines += ["# TYPE tutordex:threshold:learnt gauge"]
        lines += series(f'tutordex:threshold:learnt{{alert="{ALERT}"}}', shadow, 20)
        lines += ["# TYPE ALERTS gauge", *series('ALERTS{alertname="Watchdog",alertstate="firing"}', shadow, 1)]
        own = f'ALERTS{{alertname="{ALERT}",alertstate="firing",component="queue",severity="warning",shadow="true"}}'
        lines += series(own, shadow[(shadow >= now - 2 * DAY) & (shadow < now - 2 * DAY + 600)], 1)  # for nothing
        own = own.replace("component", 'instance="a",component')
        lines += series(own, shadow[(shadow >= incident + 300) & (shadow < incident + 3600)], 1)
    path.write_text("\n".join([*lines, "# EOF", ""]))
    return path


class Place:
    """Servers, a folder of a user, and the commands that the user gives there."""

    def __init__(self, folder, web, server, alertmanager):
        self.folder, self.web, self.server, self.alertmanager = folder, web, server, alertmanager

    def do(self, *words, code=0):
        """What a command said, which must end with this code."""
        done = CliRunner().invoke(cli.app, ["rules", *map(str, words)])
        if isinstance(done.exception, AnalysisError):
            assert code == 1, done.exception
            return str(done.exception)
        assert done.exit_code == code, (words, done.output, done.exception)
        return done.stdout if "--json" in words else done.output

    def loaded(self):
        """Builds and pushes; rules are evaluated each second."""
        said = self.do("build")
        for path in (self.folder / "observability/prometheus").glob("*.yml"):
            path.write_text(re.sub(r"interval: \w+", "interval: 1s", path.read_text("utf-8")), "utf-8")
        self.do("push", self.folder / "loaded", "--yes")
        return said

    def ready(self, code):
        """The row of our alert."""
        (row,) = json.loads(self.do("ready", "--json", code=code))
        assert row["alert"] == ALERT
        return row

    def told(self, receiver):
        return self.web.told(ALERT, receiver=receiver)


@contextlib.contextmanager
def placed(folder, monkeypatch, *, shadow_days):
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("TUTORDEX_")]:
        monkeypatch.delenv(name)
    definition = rule_rails.definition(overlay(folder / "mine").rules[ALERT])
    (folder / "loaded").mkdir()
    now = int(time.time()) - 60
    with contextlib.ExitStack() as servers:
        web = servers.enter_context(Web(lambda: "queue_pending 40\n"))
        receivers = [{"name": n, "webhook_configs": [{"url": f"http://{web.address}/{n}"}]} for n in RECEIVERS]
        base = {"receiver": RECEIVERS[0], "group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}
        built = rules.files(catalogue_file.load(folder / "mine"), rules.Links(grafana="", alertmanager="", runbooks=""))
        fragment = yaml.safe_load(built[rules.FRAGMENT])
        config = {"route": base | fragment["route"], "receivers": receivers}
        alertmanager = servers.enter_context(LocalAlertmanager(folder / "am", config=yaml.safe_dump(config)))
        targets = [{"targets": [alertmanager.url.removeprefix("http://")]}]
        configured = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "alerting": {"alertmanagers": [{"static_configs": targets}]},
            "scrape_configs": [
                {"job_name": "q", "static_configs": [{"targets": [web.address], "labels": {"job": ""}}]}
            ],
            "rule_files": [f"{folder}/loaded/*.yml"],
        }
        server = servers.enter_context(
            LocalPrometheus(
                folder / "server",
                openmetrics=[past(folder / "past.txt", now, definition, shadow_days=shadow_days)],
                config=yaml.safe_dump(configured),
                flags=["--rules.alert.resend-delay=1s"],
            )
        )
        (folder / "tutordex.toml").write_text(f'prometheus_url = "{server.url}"\ncatalogue = "mine"\n')
        start = pd.Timestamp(now - 3 * DAY, unit="s", tz="UTC")
        known = f"{{from: {start:%Y-%m-%dT%H:%MZ}, to: {start + pd.Timedelta('1h'):%Y-%m-%dT%H:%MZ}"
        (folder / "mine/incidents.yaml").write_text(
            f"incidents:\n  - {known}, reason: the worker hung, expires: 2100-01-01}}\n"
        )
        yield Place(folder, web, server, alertmanager)


@pytest.mark.server("prometheus", "promtool", "prometheus-alertmanager")
def test_a_new_learned_alert_calls_after_a_good_backtest_and_a_week_in_shadow(tmp_path, monkeypatch):
    with placed(tmp_path, monkeypatch, shadow_days=8) as place:
        # it is built in shadow without a word, and reaches the black hole alone
        assert f"in shadow, where nobody is called, {ALERT} is" in " ".join(place.loaded().split())
        until(lambda: place.told("blackhole"), "not in the black hole")
        assert place.told("telegram-warning") == []
        assert place.told("blackhole")[0]["labels"]["shadow"] == "true"

        # shadow is good, and no backtest is kept: nobody can tell, and it stays
        row = place.ready(1)
        assert row["ready"] == "cannot tell"
        assert row["days"] == pytest.approx(8, abs=0.1)
        assert (row["fired"], row["false"]) == (2, 1)
        assert "none is kept" in row["backtest"]
        refused = place.do("release", ALERT, "--reason", "it looks good", code=1)
        assert "It stays in shadow" in refused
        assert not (tmp_path / "mine" / releases_file.NAME).exists()

        # the backtest learns its limits walk-forward, and is kept
        place.do("backtest", "observability/prometheus", "--window", "14d", "--save", place.server.url)
        row = place.ready(0)
        assert row["ready"] == "yes", row
        assert "found 1 of 1 incidents" in row["backtest"]

        # a reason must be said; then it leaves, is written down, and calls
        assert "say why" in place.do("release", ALERT, code=2)
        said = place.do("release", ALERT, "--reason", "a good week", "--by", "ops")
        assert f"{ALERT} leaves shadow with the next" in said
        (entry,) = releases_file.read(tmp_path / "mine" / releases_file.NAME)
        assert (entry.state, entry.reason, entry.by, entry.forced) == ("released", "a good week", "ops", False)
        assert "is ready. Backtest:" in entry.gate
        place.loaded()
        until(lambda: place.told("telegram-warning"), "it does not call")
        assert "shadow" not in place.told("telegram-warning")[0]["labels"]
        assert "no alert is in shadow" in place.do("ready")
        assert "is not in shadow" in place.do("release", ALERT, "--reason", "again", code=1)

        # and back
        place.do("shadow", ALERT, "--reason", "calls at every release")
        place.web.calls.clear()
        assert ALERT in place.loaded()
        until(lambda: place.told("blackhole"), "not back in the black hole")


@pytest.mark.server("prometheus", "promtool", "prometheus-alertmanager")
def test_what_is_not_ready_is_released_only_by_force_which_is_written_down(tmp_path, monkeypatch):
    with placed(tmp_path, monkeypatch, shadow_days=3) as place:
        place.loaded()
        row = place.ready(1)
        assert row["ready"] == "no"
        assert "7 days are needed" in row["shadow"]
        assert place.ready(1)["days"] == pytest.approx(3, abs=0.1)
        assert "It stays in shadow" in place.do("release", ALERT, "--reason", "no patience", code=1)
        place.do("release", ALERT, "--force", "--reason", "no patience")
        (entry,) = releases_file.read(tmp_path / "mine" / releases_file.NAME)
        assert entry.forced
        assert "is not ready" in entry.gate
        # another definition begins anew, whatever the old one has shown
        releases_file.add(
            tmp_path / "mine" / releases_file.NAME, entry.model_copy(update={"state": "shadow", "forced": False})
        )
        other = {"rules": yaml.safe_load((tmp_path / "mine/rules.yaml").read_text())["rules"]}
        other["rules"][ALERT] = {**RULE, "hold": "5m"}
        (tmp_path / "mine/rules.yaml").write_text(yaml.safe_dump(other))
        assert "another definition of it is in shadow there" in place.ready(1)["shadow"]


@pytest.mark.server
def test_a_server_without_alerts_cannot_tell_and_one_that_is_away_keeps_the_alert_in_shadow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overlay(tmp_path / "mine")
    place = Place(tmp_path, None, None, None)
    with LocalPrometheus(tmp_path / "server") as server:
        (tmp_path / "tutordex.toml").write_text(f'prometheus_url = "{server.url}"\ncatalogue = "mine"\n')
        requests.get(f"{server.url}/-/ready", timeout=10).raise_for_status()
        row = place.ready(1)
        assert row["ready"] == "cannot tell"
        assert "no series ALERTS at all" in row["shadow"]
        assert "there is no alert 'Mny'" in place.do("ready", "Mny", code=1)
    assert "It stays in shadow" in place.do("release", ALERT, "--reason", "x", code=1)
    assert place.do("release", "ManyWaits", "--reason", "x", code=2)
    assert "is an archive" in place.do("ready", "--url", sample(), code=1)
