"""docs/alerting.md, step by step, as an operator goes: from nothing to learned limits in a running Prometheus.

Every command and every piece of YAML is taken out of the guide. Only places and clocks are put in: free ports, the
test's folders, a second where the guide has a minute or half a minute. The catalogue has a few of the shipped alerts,
the queue's without its ten minutes of `for`, so that the test need not wait for them.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from typer.testing import CliRunner

from tests.source.local_alertmanager import LocalAlertmanager
from tests.web import Web, until
from tutordex_analysis import catalogue_file, cli
from tutordex_analysis.sink import rules
from tutordex_analysis.source.local_server import LocalPrometheus

GUIDE = (Path(__file__).parents[1] / "docs/alerting.md").read_text("utf-8")
ALERT = "QueueOldestPendingTooOld"
HUMAN, FLOOR, CEILING = 1800, 900, 7200
KEPT = {ALERT, "QueueBacklogGrowingNoThroughput", "QueueStuckProcessing", "ChannelStalenessWarning", "Watchdog"}
KEPT |= {"AnalysisMetricsAbsent", "LearntLimitRefused", "HostDiskLow", "PostsVolumeSpike"}
LIMIT = f'tutordex:threshold:in_force{{alert="{ALERT}"}}'
BEGAN = time.monotonic()
CALLED = "telegram-warning"
RECEIVERS = (CALLED, "telegram-critical", "blackhole")


def steps():
    """The numbered steps, in order: their text."""
    found = re.split(r"^### \d+\. ", GUIDE, flags=re.MULTILINE)[1:]
    found[-1] = found[-1].split("\n## ")[0]
    return found


def commands(text):
    """What a step tells to type."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def block(text, kind):
    """The piece of configuration that a step shows."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def past(path):
    """Five weeks of a queue whose oldest job waits five minutes, give or take one, until a minute ago."""
    now = int(time.time()) - 60
    at = np.arange(now - 35 * 86400, now, 600)
    rng = np.random.default_rng(5)
    families = {
        "queue_pending": rng.poisson(4, len(at)),
        "queue_oldest_pending_age_seconds": rng.normal(300, 20, len(at)),
    }
    lines = []
    for name, values in families.items():
        lines += [f"# TYPE {name} gauge", *(f"{name} {value:.6g} {t}" for value, t in zip(values, at, strict=True))]
    path.write_text("\n".join([*lines, "# EOF\n"]))
    return path


def catalogue():
    """A user's rules: without most of the shipped ones, the queue's without `for` and `keep_firing_for`."""
    known = catalogue_file.load()
    shipped = yaml.safe_load((catalogue_file.SHIPPED / "rules_queue.yaml").read_text())["rules"][ALERT]
    quick = {key: value for key, value in shipped.items() if key not in ("hold", "keep_firing")}
    return yaml.safe_dump({"rules": {name: None for name in known.rules if name not in KEPT} | {ALERT: quick}})


class Stack:
    """The servers of an operator, and the guide's commands in their folder."""

    def __init__(self, folder, web, server, alertmanager):
        self.folder, self.web, self.server, self.alertmanager = folder, web, server, alertmanager
        self.loaded, self.port = folder / "loaded", free_port()
        self.publisher = None

    def placed(self, text):
        """The guide's text with the test's places and clock in it."""
        text = text.replace("http://127.0.0.1:9090", self.server.url).replace("/srv/prometheus/rules", str(self.loaded))
        return text.replace("127.0.0.1:9877", f"127.0.0.1:{self.port}").replace("interval: 60s", "interval: 1s")

    def do(self, command):
        """One command, which must be done; what it said."""
        print(f"{time.monotonic() - BEGAN:6.1f}", command)
        words = shlex.split(self.placed(command))
        if words[:3] == ["tutordex-analysis", "publish", "--serve"]:
            return self.publish(words[1:])
        if words[0] != "tutordex-analysis":
            done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (command, done.stderr)
            return done.stdout
        result = CliRunner().invoke(cli.app, words[1:])
        assert result.exit_code == 0, (command, result.output, result.exception)
        if words[1:3] == ["rules", "build"]:
            for path in (self.folder / "observability/prometheus").glob("*.yml"):
                path.write_text(re.sub(r"interval: \w+", "interval: 1s", path.read_text("utf-8")), "utf-8")
        return result.output

    def publish(self, words):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TUTORDEX_")}
        command = [sys.executable, "-m", "tutordex_analysis", *words, "--port", str(self.port)]
        with (self.folder / "publish.log").open("wb") as log:
            self.publisher = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        return ""

    @property
    def exposed(self):
        return (self.folder / "reports/metrics.prom").read_text("utf-8")

    def value(self, query):
        """What Prometheus answers; None for nothing."""
        answer = requests.get(f"{self.server.url}/api/v1/query", params={"query": query}, timeout=10).json()
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def recorded(self, seconds):
        """Every value of the limit that was recorded lately."""
        query = f"{LIMIT}[{math.ceil(seconds)}s]"
        answer = requests.get(f"{self.server.url}/api/v1/query", params={"query": query}, timeout=10).json()
        (one,) = answer["data"]["result"]
        return [float(value) for _, value in one["values"]]

    def alerts(self):
        """State of our alert in Prometheus: none, pending or firing."""
        answer = requests.get(f"{self.server.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return next((one["state"] for one in answer if one["labels"]["alertname"] == ALERT), "none")

    def rules(self):
        groups = requests.get(f"{self.server.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def poison(self, change):
        """The published file as something broke it; it is served at the next scrape."""
        path = self.folder / "reports/metrics.prom"
        path.with_suffix(".new").write_text(change(path.read_text("utf-8")), "utf-8")
        path.with_suffix(".new").replace(path)


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TUTORDEX_")]:
        monkeypatch.delenv(name)
    with contextlib.ExitStack() as servers:
        web = servers.enter_context(Web(lambda: f"queue_pending 40\nqueue_oldest_pending_age_seconds {web.age}\n"))
        web.age = 300.0
        receivers = [
            {"name": name, "webhook_configs": [{"url": f"http://{web.address}/{name}", "send_resolved": True}]}
            for name in RECEIVERS
        ]
        base = {"receiver": RECEIVERS[0], "group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}
        config = {"route": {**base, "routes": []}, "receivers": receivers}
        alertmanager = servers.enter_context(LocalAlertmanager(tmp_path / "am", config=yaml.safe_dump(config)))
        configured = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}]
            },
            "scrape_configs": [{"job_name": "queue", "static_configs": [{"targets": [web.address]}]}],
        }
        before = past(tmp_path / "past.txt")
        server = LocalPrometheus(
            tmp_path / "server",
            openmetrics=[before],
            config=yaml.safe_dump(configured),
            flags=["--rules.alert.resend-delay=1s"],  # after a reload it knows no Alertmanager for some seconds
        )
        made = Stack(tmp_path, web, servers.enter_context(server), alertmanager)
        made.alertmanager_config, made.prometheus_config = config, configured
        try:
            yield made
        finally:
            if made.publisher is not None:
                made.publisher.send_signal(signal.SIGTERM)
                made.publisher.wait(20)


@pytest.mark.server("prometheus", "promtool", "prometheus-alertmanager", "curl")
def test_the_guide_leads_from_nothing_to_learned_limits(stack):
    settings, build, publish, scrape, push, see, pin, shadow, back = steps()
    web = stack.web

    # 1 and 2: settings, rules
    for command in commands(settings):
        stack.do(command)
    (stack.folder / "tutordex.toml").write_text(stack.placed(block(settings, "toml")))
    (stack.folder / "mine/rules.yaml").write_text(catalogue())
    for command in commands(build):
        stack.do(command)

    # 3 and 4: the endpoint, scraped
    for command in commands(publish):
        stack.do(command)
    make, reload = commands(scrape)
    stack.do(make)
    more = yaml.safe_load(stack.placed(block(scrape, "yaml")))
    config = stack.prometheus_config
    config["scrape_configs"] += more["scrape_configs"]
    config["rule_files"] = more["rule_files"]
    (stack.server.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    stack.do(reload)
    merge(stack)

    # 5: push; first it only says so
    dry, real = commands(push)
    assert "nothing was changed; say --yes" in stack.do(dry)
    assert stack.rules() == {}
    said = stack.do(real)
    assert f"version 1 of {stack.loaded} is in force at {stack.server.url}" in said
    assert stack.rules().keys() >= KEPT

    # 6: a limit is learned, below the human one since it is on its way down
    until(lambda: stack.value(f'tutordex_threshold{{alert="{ALERT}"}}'), lambda: log(stack))
    learned = until(lambda: (v := stack.value(LIMIT)) and v < HUMAN and v, "no learned limit in force")
    assert FLOOR <= learned < HUMAN
    for command in commands(see):
        (row,) = [one for one in stack.do(command).splitlines() if one.startswith(ALERT)]
        assert "human limit 30 min" in row

    # an incident that the human limit would not see
    web.age = (learned + HUMAN) / 2
    (first, *_) = until(lambda: web.told(ALERT, receiver=CALLED), "nothing was delivered")
    text = first["annotations"]["description"]
    assert len(text) <= 350
    assert re.match(r"2[67]m; limit 24m, learned .* ago \(human 30m\). Likely: slow LLM", text), text
    assert "/d/tutordex-overview" in text
    assert "#queueoldestpendingtooold" in text
    assert f"/#/silences/new?filter=%7Balertname%3D%22{ALERT}%22%7D" in text
    active = stack.alertmanager.call("GET", "alerts")
    assert [one["status"]["state"] for one in active if one["labels"]["alertname"] == ALERT] == ["active"]

    # 7: pinned higher, it ends; unpinned, it is back; the rails hold whatever comes
    hold, free, every, rest = commands(pin)
    stack.do(hold)
    until(lambda: stack.value(LIMIT) == 3600, lambda: log(stack))
    until(lambda: web.told(ALERT, "resolved", CALLED), "its end was not told")
    assert stack.alerts() == "none"
    stack.do(free)
    stack.do(every)
    until(lambda: stack.value(LIMIT) == HUMAN, lambda: log(stack))
    stack.do(rest)
    until(lambda: (v := stack.value(LIMIT)) and v < HUMAN, lambda: log(stack))
    poisoned(stack)

    # 8: in shadow it reaches nobody but the black hole
    web.calls.clear()
    for command in commands(shadow):
        stack.do(command)
    until(lambda: web.told(ALERT, receiver="blackhole"), "not in the black hole")
    assert stack.rules()[ALERT]["labels"]["shadow"] == "true"

    # 9: back to the old rules
    listed, revert = commands(back)
    assert "in force" in stack.do(listed)
    stack.do(revert)
    assert "shadow" not in stack.rules()[ALERT]["labels"]
    web.calls.clear()
    until(lambda: web.told(ALERT, receiver=CALLED), "not told after it was taken back")
    stack.do(f"{revert} --to 0")
    assert stack.rules() == {}


def merge(stack):
    """The fragment into Alertmanager's configuration, as the guide says."""
    fragment = yaml.safe_load((stack.folder / "observability" / rules.FRAGMENT).read_text("utf-8"))
    config = stack.alertmanager_config
    routes = [
        {**one, **{key: config["route"][key] for key in ("group_wait", "group_interval")}}
        for one in fragment["route"]["routes"]
    ]
    config["route"]["routes"] = routes + config["route"]["routes"]
    config["inhibit_rules"] = fragment["inhibit_rules"]
    (stack.alertmanager.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    requests.post(f"{stack.alertmanager.url}/-/reload", timeout=10).raise_for_status()


def poisoned(stack):
    """Whatever the endpoint says, no value in force leaves the rails, and no alert is silenced or made by it."""
    good = stack.exposed
    began = time.monotonic()
    sample = re.compile(rf'^(tutordex_threshold\{{alert="{ALERT}"\}}) .*$', re.MULTILINE)
    stamp = re.compile(r'^(tutordex_generated_timestamp_seconds\{family="tutordex_threshold"\}) (.*)$', re.MULTILINE)
    (value,) = [float(line.rsplit(" ", 1)[1]) for line in good.splitlines() if sample.match(line)]

    def is_in_force(wanted, what, text=None):
        """Waits for the limit; the text is put there again and again, since the publisher may write in between."""

        def looked():
            if text is not None and stack.exposed != text:
                stack.poison(lambda _: text)
            return stack.value(LIMIT) == wanted

        until(looked, lambda: f"{what}: {stack.value(LIMIT)}, not {wanted}")

    stack.web.age = CEILING + 100
    until(lambda: stack.value("queue_oldest_pending_age_seconds") == stack.web.age, "not scraped")
    until(lambda: stack.alerts() == "firing", "it does not fire")
    for what, text, wanted in (
        ("x10", sample.sub(rf"\1 {value * 10}", good), CEILING),
        ("no number", sample.sub(r"\1 NaN", good), HUMAN),
        ("infinite", sample.sub(r"\1 +Inf", good), CEILING),
        ("nothing", "", HUMAN),
    ):
        is_in_force(wanted, what, text)
        assert stack.alerts() == "firing", f"{what} silences it"
    stack.web.age = FLOOR - 100
    until(lambda: stack.alerts() == "none", "it does not end")
    for what, text, wanted in (
        ("negative", sample.sub(r"\1 -1e9", good), FLOOR),
        ("stale", stamp.sub(lambda found: f"{found[1]} {float(found[2]) - 4 * 3600}", good), HUMAN),
        ("zero", sample.sub(r"\1 0", good), FLOOR),
        ("of the future", stamp.sub(lambda found: f"{found[1]} {float(found[2]) + 4 * 3600}", good), HUMAN),
    ):
        is_in_force(wanted, what, text)
        assert stack.alerts() == "none", f"{what} floods"
    is_in_force(value, "mended", good)
    stack.publisher.send_signal(signal.SIGTERM)
    stack.publisher.wait(20)
    is_in_force(HUMAN, "a publisher that died")
    assert all(FLOOR <= one <= CEILING for one in stack.recorded(time.monotonic() - began))
    stack.web.age = CEILING + 100


def log(stack):
    return (stack.folder / "publish.log").read_text("utf-8")[-2000:]


def test_every_command_of_the_guide_has_its_help():
    for command in (one for text in steps() for one in commands(text)):
        words = shlex.split(command)
        if words[0] != "tutordex-analysis":
            assert shutil.which(words[0])
            continue
        name = [one for one in words[1:3] if not one.startswith("-")]
        said = CliRunner().invoke(cli.app, [*name, "--help"]).output
        for option in (one for one in words if one.startswith("--")):
            assert option in said, command
