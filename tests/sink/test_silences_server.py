"""Maintenance windows as silences of a real Alertmanager: the same set however often and whenever a run was killed."""

import contextlib
import dataclasses
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from tests.source.local_alertmanager import PROGRAM, LocalAlertmanager
from tests.web import Web, until
from tests.windows import ENTRY, KNOWN, calendar
from tutordex_analysis import cli, labelled
from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.maintenance import windows
from tutordex_analysis.moment import duration
from tutordex_analysis.sink import silences
from tutordex_analysis.sink.silence_journal import Journal
from tutordex_analysis.sink.silence_plan import Plan, fingerprint_of, is_live, plan
from tutordex_analysis.sink.silence_server import SilenceServer
from tutordex_analysis.source.session import Session

pytestmark = pytest.mark.server(PROGRAM)
NONE = {name: None for name in os.environ if name.startswith("TUTORDEX_")}
ENV = {name: value for name, value in os.environ.items() if not name.startswith("TUTORDEX_")}
WEBHOOK = """
route: {{receiver: web, group_by: [...], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: web, webhook_configs: [{{url: 'http://{}/'}}]}}]
"""


@pytest.fixture
def manager(tmp_path):
    with LocalAlertmanager(tmp_path / "alertmanager") as running:
        yield running


def client_of(url):
    return SilenceServer(Session(url, server="Alertmanager"))


def today(lasts="2h", **changes):
    """An entry that began ten minutes ago."""
    begun = pd.Timestamp.now("UTC") - pd.Timedelta("10min")
    return {
        **ENTRY,
        "weekdays": None,
        "dates": [f"{begun:%Y-%m-%d}"],
        "at": f"{begun:%H:%M}",
        "zone": "UTC",
        "lasts": lasts,
        **changes,
    }


def several():
    return {
        "database": today(matchers=None, template="database_migration"),
        "session": today(matchers=None, template="collector_maintenance", reason="session renewed"),
    }


def live(manager):
    return {fingerprint_of(one): one.key for one in client_of(manager.url).silences() if is_live(one)}


def test_applying_twice_gives_the_same_set(manager):
    client, known = client_of(manager.url), calendar(several())
    first = silences.apply(plan(known, silences.look(client)), client)
    assert len(first.made) == 5
    assert live(manager) == first.made
    second = silences.apply(plan(known, silences.look(client)), client)
    assert (second.made, second.ended, second.kept) == ({}, (), 5)
    assert live(manager) == first.made
    assert len(client.silences()) == 5
    now = pd.Timestamp.now("UTC")
    assert first.made.keys() == {one.fingerprint for one in windows(known, now, now + duration("1d"))}


def test_it_comes_back_after_the_alertmanager_lost_everything(tmp_path):
    known = calendar(several())
    for place in ("one", "two"):
        with LocalAlertmanager(tmp_path / place) as running:
            client = client_of(running.url)
            journal = Journal(tmp_path / "journal", "http://alertmanager:9093")
            seen = silences.look(client)
            done = silences.apply(plan(known, seen, past=silences.past_of(journal)), client, journal)
            assert len(done.made) == 5


def sent(alerts):
    """Labels of each alert as it arrives; of those with a job, one for each of two jobs."""
    for job in ("tutordex_worker", "tutordex_collector"):
        values = {"job": job, "channel": "t.me/x"}
        yield from ({**one.fixed, **{name: values.get(name, "some") for name in one.open}} for one in alerts)
    yield {"alertname": "Watchdog", "severity": "warning", "component": "observability"}  # the stack's own


def test_templates_silence_what_the_rules_label_and_never_the_watchdog(manager):
    """Every alert of the rules is sent as it is labelled; the Alertmanager's own word is held against ours."""
    client, alerts = client_of(manager.url), labelled.alerts_of(KNOWN)
    manager.call("POST", "alerts", [{"labels": one} for one in sent(alerts)])
    for name, template in KNOWN.silences.items():
        values = {one: {"channel": "t.me/x", "alert": "ApiSlow"}[one] for one in template.variables}
        known = calendar({name: today(matchers=None, template=name, values=values, lasts="15m")})
        made = silences.apply(plan(known, silences.look(client)), client).made
        assert len(made) == len(template.matchers)
        for one in (silence for silence in client.silences() if silence.key in made.values()):
            held = {alert.name for alert in client.alerts() if one.key in alert.silenced_by}
            assert held == {alert.name for alert in labelled.reached(one.matchers, alerts)}
            assert held
        loud = {one.name for one in client.alerts() if one.labels["severity"] != "warning" or one.name == "Watchdog"}
        assert {"Watchdog", "PublicApiDown"} <= loud
        assert not {one.name for one in client.alerts() if one.silenced_by} & loud
        silences.apply(plan(calendar({"none": today(dates=["2020-01-01"])}), silences.look(client)), client)
        assert live(manager) == {}


def test_critical_alerts_are_silenced_by_the_flag_only(manager):
    client = client_of(manager.url)
    labels = {"alertname": "QueueStuckProcessing", "component": "queue", "severity": "critical"}
    manager.call("POST", "alerts", [{"labels": labels}])
    silences.apply(plan(calendar({"a": today()}), silences.look(client)), client)
    assert client.alerts()[0].silenced_by == frozenset()
    silences.apply(plan(calendar({"a": today(critical=True)}), silences.look(client)), client)
    assert client.alerts()[0].silenced_by == {*live(manager).values()}


@contextlib.contextmanager
def serving(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def test_an_alert_is_held_back_until_the_silence_ends_by_itself(tmp_path):
    with (
        Web() as web,
        LocalAlertmanager(tmp_path / "am", config=WEBHOOK.format(web.address)) as manager,
    ):
        client, now = client_of(manager.url), pd.Timestamp.now("UTC")
        (one,) = windows(calendar({"queue": today()}), now, now + pd.Timedelta("1min"))
        short = dataclasses.replace(one, end=now + pd.Timedelta("5s"))
        silences.apply(Plan(makes=(short,)), client)
        queue = {"alertname": "QueueOldestPendingTooOld", "component": "queue", "severity": "warning"}
        other = {"alertname": "ApiSlow", "component": "backend", "severity": "warning"}
        manager.call("POST", "alerts", [{"labels": queue}, {"labels": other}])
        until(lambda: web.told("ApiSlow"), "it was not told")
        assert not web.told("QueueOldestPendingTooOld")
        assert len(live(manager)) == 1
        until(lambda: web.told("QueueOldestPendingTooOld"), "it was held back for ever")
        assert pd.Timestamp.now("UTC") >= short.end
        assert live(manager) == {}


def test_a_silence_that_nothing_matched_is_ended_and_stays_ended(manager, tmp_path):
    client, journal = client_of(manager.url), Journal(tmp_path / "journal", manager.url)
    known = calendar({"idle": today(), "busy": today(matchers='{component="dm"}')})
    silences.apply(plan(known, silences.look(client)), client, journal)
    labels = {"alertname": "DMFailureSpike", "component": "dm", "severity": "warning"}
    manager.call("POST", "alerts", [{"labels": labels}])
    later = pd.Timestamp.now("UTC") + pd.Timedelta("70min")
    seen = silences.look(client, later)
    silences.note(seen, journal)
    done = silences.apply(plan(known, seen, past=silences.past_of(journal)), client, journal)
    assert len(done.ended) == 1
    assert [one.told for one in journal.entries if one.action == "matched"] == ["DMFailureSpike"]
    assert [one.told for one in journal.entries if one.action == "ended"] == ["nothing matched it in 1h10m"]
    after = plan(known, silences.look(client, later), past=silences.past_of(journal))
    assert not after.is_needed
    assert [one.title for one, _ in after.leaves] == ["idle"]


def test_a_window_that_is_taken_out_and_put_back_is_silenced_again(manager, tmp_path):
    client, journal = client_of(manager.url), Journal(tmp_path / "journal", manager.url)
    both, one = calendar(entries := several()), calendar({"database": entries["database"]})
    for known, n in ((both, 5), (one, 2), (both, 5)):
        silences.apply(plan(known, silences.look(client), past=silences.past_of(journal)), client, journal)
        assert len(live(manager)) == n


def test_the_alertmanager_itself_takes_a_silence_without_a_reason(manager):
    """Why we check it ourselves."""
    now = pd.Timestamp.now("UTC")
    assert manager.silence(now.isoformat(), (now + pd.Timedelta("1h")).isoformat(), "", component="queue")


class Proxy(http.server.ThreadingHTTPServer):
    """Passes everything on to an Alertmanager, but holds one silence up: before it is made, or before that is told."""

    def __init__(self, url, *, at, done):
        self.made, self.reached = 0, threading.Event()
        proxy, host = self, urlsplit(url).netloc

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "POST":
                    proxy.made += 1
                holds = self.command == "POST" and proxy.made == at
                if holds and not done:
                    proxy.reached.set()
                    return
                upstream = http.client.HTTPConnection(host, timeout=10)
                headers = {"Content-Type": self.headers.get("Content-Type", "")}
                upstream.request(self.command, self.path, body, headers)
                found = upstream.getresponse()
                text = found.read()
                upstream.close()
                if holds:
                    proxy.reached.set()
                    time.sleep(30)
                    return
                self.send_response(found.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Folder:
    """An operator's folder: a file of windows, a journal, the commands."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url

    def write(self, entries):
        kept = {name: {key: value for key, value in one.items() if value} for name, one in entries.items()}
        (self.folder / "maintenance.yaml").write_text(yaml.safe_dump({"windows": kept}, sort_keys=False))

    def words(self, *words, url=None):
        file = ["--calendar", str(self.folder / "maintenance.yaml")] if words[0] in ("plan", "apply", "sync") else []
        return ["silence", *words, "--url", url or self.url, "--state", str(self.folder / "data"), *file]

    def start(self, *words, **options):
        """A process of its own."""
        command = [sys.executable, "-m", "tutordex_analysis", *self.words(*words, **options)]
        return subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words, code=0, **options):
        done = CliRunner().invoke(cli.app, self.words(*words, **options), env=NONE)
        if isinstance(done.exception, AnalysisError):
            assert code == 1, done.exception
            return f"{done.stdout}{done.stderr}{done.exception}"
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == code, done.output
        return done.stdout + done.stderr


@pytest.mark.parametrize("done", [False, True], ids=["before it is made", "before that is told"])
def test_a_kill_in_the_middle_and_a_second_run_give_the_same_set(manager, tmp_path, done):
    place = Folder(tmp_path, manager.url)
    place.write(several())
    with serving(Proxy(manager.url, at=3, done=done)) as proxy:
        running = place.start("apply", "--yes", url=proxy.url)
        assert proxy.reached.wait(60)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=20)
    assert len(live(manager)) == 2 + done
    assert f"{3 - done} silences made, 0 ended, {2 + done} there already" in place.run("apply", "--yes")
    assert len(client_of(manager.url).silences()) == len(live(manager)) == 5
    assert "0 silences made, 0 ended, 5 there already" in place.run("sync", "--yes")


def test_the_commands_say_first_and_do_when_told(manager, tmp_path):
    place = Folder(tmp_path, manager.url)
    place.write(several())
    assert "nothing was changed; `silence sync --yes` does it" in place.run("plan")
    assert "nothing was changed; say --yes to do it" in place.run("apply")
    assert "nothing was changed; say --yes to do it" in place.run("sync")
    assert client_of(manager.url).silences() == ()
    assert not (tmp_path / "data").exists()
    assert place.run("sync", "--yes") == "5 silences made, 0 ended, 0 there already\n"
    assert "there is nothing to do" in place.run("plan")
    assert {one["what"] for one in json.loads(place.run("plan", "--json"))} == {"keep"}

    labels = {"alertname": "ApiSlow", "component": "backend", "severity": "warning"}
    manager.call("POST", "alerts", [{"labels": labels}])
    now = pd.Timestamp.now("UTC")
    manager.silence(now.isoformat(), (now + pd.Timedelta("9h")).isoformat(), "", component="queue")
    rows = json.loads(place.run("list", "--json"))
    assert len(rows) == 6
    assert {one["matched"] for one in rows if "Api" in one["silences"]} == {"ApiSlow"}
    (other,) = [one for one in rows if not one["window"]]
    assert other["remarks"].startswith("no reason; no link; longer than 8h, not approved; silences critical")

    refused = place.run("expire", other["key"], code=1)
    assert "is not of a maintenance window, so nothing was ended" in refused
    assert "say --yes to do it" in place.run("expire", "session")
    assert "0 silences made, 3 ended" in place.run("expire", "session", "--yes")
    assert "0 silences made, 0 ended, 2 there already" in place.run("sync", "--yes")  # not made again
    assert "before its time" in place.run("plan")
    assert len(json.loads(place.run("list", "--json"))) == 3
    assert len(json.loads(place.run("list", "--all", "--json"))) == 6

    place.write({"session": several()["session"]})
    done = place.run("sync", "--yes")
    assert re.search(r"\d silences? made, 2 ended", done)
    assert done.count("its window is no longer in the file") == 2


def test_a_silence_at_once_needs_no_file_and_no_sync_takes_it_away(manager, tmp_path):
    place = Folder(tmp_path, manager.url)
    said = ["--reason", "release 4.2", "--by", "ops", "--link", "https://tracker.example.org/121"]
    asked = ["now", "worker_restart", "--lasts", "10m", *said]
    assert "say --yes to do it" in place.run(*asked)
    assert live(manager) == {}
    assert place.run(*asked, "--yes") == "2 silences made, 0 ended, 0 there already\n"
    assert place.run(*asked, "--yes") == "0 silences made, 0 ended, 2 there already\n"
    place.write({"other": today(matchers='{component="dm"}')})
    assert "1 silence made, 0 ended" in place.run("sync", "--yes")
    assert len(live(manager)) == 3
    assert "2 ended" in place.run("expire", "now", "--yes")
    for words, code, told in (
        (["now", "worker_restart", "--lasts", "20m", *said], 1, "a template worker_restart may be 15m"),
        (["now", '{severity="none"}', "--lasts", "10m", *said], 1, "would silence Watchdog"),
        (["now", "one_channel", "--lasts", "10m", *said], 1, "needs a value for channel"),
        (["now", "worker_restart", "--lasts", "soon", *said], 2, "'soon' is not a duration"),
        (["now", "worker_restart", "--lasts", "10m", *said[:-1], "ticket 3"], 2, "is no link"),
        (["now", "worker_restart", "--lasts", "10m", *said[2:]], 2, "--reason"),
    ):
        assert told in " ".join(place.run(*words, "--yes", code=code).split())
    assert len(live(manager)) == 1
    told = place.run("now", "one_alert", "--value", "alert=CollectorStalled", "--lasts", "1h", *said)
    assert "CollectorStalled is silenced, and while it fires ChannelDeclining, ChannelStalenessWarning" in told
    one = ["now", "one_channel", "--value", "channel=t.me/x", "--lasts", "2h", *said]
    assert place.run(*one, "--yes").startswith("1 silence made")


def test_what_is_wrong_is_one_sentence_and_changes_nothing(manager, tmp_path):
    place = Folder(tmp_path, manager.url)
    assert "there is no file of maintenance windows" in place.run("sync", "--yes", code=1)
    for entry, said in (
        (today(zone="Asia/Singapur"), r"maintenance.yaml:\d+: windows.a.zone: 'Asia/Singapur' is not a time zone"),
        (today(matchers='{alertname=~".+"}'), "would silence Watchdog"),
        (today(lasts="5h"), "a window without a template may be 4h"),
    ):
        place.write({"good": today(), "a": entry})
        assert re.search(said, place.run("sync", "--yes", code=1))
    place.write({"good": today()})
    away = place.run("sync", "--yes", code=1, url="http://127.0.0.1:9")
    assert "nothing answers at http://127.0.0.1:9 (connection refused); start Alertmanager" in away
    assert client_of(manager.url).silences() == ()
    manager.call("POST", "alerts", [{"labels": {"alertname": "Watchdog", "component": "queue", "severity": "none"}}])
    assert "good would silence Watchdog as it arrives there" in place.run("sync", "--yes", code=1)
    assert client_of(manager.url).silences() == ()
