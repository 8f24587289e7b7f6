"""Rules pushed to a real Prometheus: loaded and verified, or the old ones stay, whatever goes wrong and whenever."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import yaml
from typer.testing import CliRunner

from tests.rule_files import RECORDING, alerts
from tutordex_analysis import cli
from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.source.local_server import LocalPrometheus

CONFIG = "global: {{evaluation_interval: 1s}}\nrule_files: ['{}']\n"
COMMAND = [sys.executable, "-m", "tutordex_analysis"]
NO_SERVER = {"TUTORDEX_PROMETHEUS_URL": None}
pytestmark = pytest.mark.server


class Place:
    """A target that a Prometheus loads, the rules to push, and the commands as a user gives them."""

    def __init__(self, folder, *, is_folder=False, **options):
        self.folder = folder
        self.target = folder / "loaded" if is_folder else folder / "loaded.yml"
        self.new = folder / "new.yml"
        if is_folder:
            self.target.mkdir()
            self.new = folder / "new"
            self.new.mkdir()
        else:
            self.target.write_text(alerts("Old"))
        loads = f"{self.target}/*.yml" if is_folder else self.target
        self.server = LocalPrometheus(folder / "prometheus", config=CONFIG.format(loads), **options)
        self.url = ""

    def __enter__(self):
        self.server.start()
        self.url = self.server.url
        return self

    def __exit__(self, *_):
        self.server.stop()

    def words(self, name, *arguments, url=None):
        more = [] if name == "history" else ["--from", self.new] if name == "diff" else ["--url", url or self.url]
        more += ["--from", self.new] if name == "push" else []
        return [str(one) for one in ("rules", name, self.target, "--state", self.folder / "state", *more, *arguments)]

    def command(self, *arguments, prefix=(), **options):
        """A process of its own, as a user starts it."""
        return subprocess.Popen(
            [*prefix, *COMMAND, *self.words(*arguments, **options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name not in NO_SERVER},
        )

    def run(self, *arguments, prefix=(), **options):
        """Exit code, output, errors; in this process where no prefix asks for another."""
        if not prefix:
            where = options.pop("where", os.environ["PATH"])
            done = CliRunner().invoke(cli.app, self.words(*arguments, **options), env={"PATH": where, **NO_SERVER})
            if isinstance(done.exception, AnalysisError):
                return 1, done.stdout, f"{done.stderr}tutordex-analysis: {done.exception}"
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
            return done.exit_code, done.stdout, done.stderr
        with self.command(*arguments, prefix=prefix, **options) as process:
            out, error = process.communicate(timeout=120)
        assert "Traceback" not in error, error
        return process.returncode, out, error

    def done(self, *arguments, **options):
        code, out, error = self.run(*arguments, **options)
        assert code == 0, error
        return out + error

    def refused(self, *arguments, **options):
        code, _, error = self.run(*arguments, **options)
        assert code == 1, error
        (sentence,) = [line for line in error.splitlines() if line.startswith("tutordex-analysis: ")]
        return sentence

    @property
    def loaded(self):
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"]]

    def history(self):
        return json.loads(self.run("history", "--json")[1])


@pytest.fixture
def place(tmp_path):
    with Place(tmp_path) as made:
        yield made


def test_a_file_keeps_its_inode_and_the_server_has_the_new_rules(place):
    place.new.write_text(alerts("Old", "New", limit=7))
    inode = place.target.stat().st_ino
    assert "nothing was changed; say --yes" in place.done("push")
    assert place.target.read_text() == alerts("Old")
    said = place.done("push", "--yes")
    assert f"version 1 of {place.target} is in force at {place.url}: 1 added, 1 changed" in said
    assert "promtool accepts loaded.yml" in said
    assert place.target.read_bytes() == place.new.read_bytes()
    assert place.target.stat().st_ino == inode
    assert place.loaded == ["Old", "New"]
    place.done("revert", "--yes")  # a shorter file leaves nothing of a longer one behind it
    assert place.target.read_text() == alerts("Old")
    place.done("push", "--yes")
    assert "holds exactly these rules; nothing was changed" in place.done("push", "--yes")
    newest, *_, oldest = place.history()
    assert (newest["result"], newest["added"], newest["changed"]) == ("in force", ["New"], ["Old"])
    assert (oldest["action"], oldest["version"]) == ("found", 0)
    assert not {"user", "who", "host"} & {*newest}


def test_diff_names_rules_and_lines(place):
    place.new.write_text(alerts("Old", "New").replace("sum   by(job)", "sum by (job)").replace("for: 5m", "for: 6m"))
    out = place.done("diff")
    assert "\n-        for: 5m\n" in out
    assert "\n+        for: 6m\n" in out
    assert not (place.folder / "state").exists()
    rows = json.loads(place.done("diff", "--json"))
    assert [(one["change"], one["rule"], one["what"]) for one in rows] == [
        ("changed", "Old", "for"),  # spelling of the expression is none
        ("added", "New", ""),
    ]


def test_what_was_edited_by_hand_is_not_written_over_and_can_be_taken_back(place):
    place.new.write_text(alerts("New"))
    place.done("push", "--yes")
    edited = alerts("New", limit=99)
    place.target.write_text(edited)
    place.new.write_text(alerts("Newer"))
    sentence = place.refused("push", "--yes")
    assert "was edited by hand since the last push; nothing was changed" in sentence
    assert "--adopt" in sentence
    assert "rules revert" in sentence
    assert place.target.read_text() == edited
    assert "edited by hand" in place.done("diff")
    place.done("push", "--yes", "--adopt")
    assert place.loaded == ["Newer"]
    place.done("revert", "--yes")  # to what was adopted
    assert place.target.read_text() == edited
    place.target.write_text(alerts("Other"))
    place.done("revert", "--yes")  # undoes the edit only
    assert place.target.read_text() == edited
    place.done("revert", "--to", "0", "--yes")
    assert place.loaded == ["Old"]
    assert "no version 77" in place.refused("revert", "--to", "77")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (alerts("New").replace(" > 5", " > > 5"), "could not parse expression"),
        (alerts("New").replace("jobs{", 'label_replace("x"){'), "could not parse expression"),
        ("groups:\n- rules: []\n", "group 1 has no name"),
        (alerts("New").replace("$value", "$valu"), "promtool refuses the rules"),
        (alerts("New") + "      - alert: B\n        expr: up\n        labels: {1a: b}\n", "promtool refuses the rules"),
    ],
)
def test_rules_that_cannot_be_used_are_never_written(place, text, why):
    place.new.write_text(text)
    assert why in place.refused("push", "--yes")
    assert place.target.read_text() == alerts("Old")


def test_without_promtool_the_parser_checks(place):
    place.new.write_text(alerts("New"))
    said = place.done("push", "--yes", where=str(place.folder))
    assert "promtool is not on PATH: only parsed" in said
    assert place.loaded == ["New"]


def test_a_failing_rule_test_stops_the_push(place):
    place.new.write_text(alerts("New"))
    (place.folder / "tests").mkdir()
    case = {
        "rule_files": ["../new.yml"],
        "tests": [{"interval": "1m", "alert_rule_test": [{"eval_time": "9m", "alertname": "New", "exp_alerts": [{}]}]}],
    }
    (place.folder / "tests" / "new_test.yml").write_text(json.dumps(case))
    sentence = place.refused("push", "--yes")
    assert "a test of the rules fails" in sentence
    assert "New" in sentence
    assert place.target.read_text() == alerts("Old")


def test_a_reload_that_fails_is_rolled_back(place, tmp_path):
    """Another file of the same server is broken, so it refuses the whole configuration."""
    config = tmp_path / "prometheus" / "prometheus.yml"
    config.write_text(config.read_text() + "scrape_configs: [{job_name: a}, {job_name: a}]\n")
    place.new.write_text(alerts("New"))
    sentence = place.refused("push", "--yes")
    assert "refused the new files" in sentence
    assert "rolled back to version 0" in sentence
    assert "old rules are in force" in sentence
    assert place.target.read_text() == alerts("Old")
    assert place.loaded == ["Old"]
    assert place.history()[0]["result"] == "rolled back"


def test_a_rule_that_fails_only_when_it_is_evaluated_is_rolled_back(place):
    """It parses, and three seconds may pass before its first evaluation."""
    twice = 'label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", "")'
    rule = yaml.safe_dump(
        {"alert": "Twice", "expr": f"vector(1) * on () ({twice})"}, default_flow_style=True, width=999
    )
    place.new.write_text(f"groups:\n  - {{name: late, interval: 3s, rules: [{rule.strip()}]}}\n")
    sentence = place.refused("push", "--yes")
    assert "cannot evaluate Twice: " in sentence
    assert "the old rules are in force" in sentence
    assert place.loaded == ["Old"]


def test_a_server_that_loads_another_file_is_noticed(place, tmp_path):
    """As after a rename under a single-file mount: it answers with the old rules."""
    other = tmp_path / "other.yml"
    shutil.copy(place.target, other)
    config = tmp_path / "prometheus" / "prometheus.yml"
    config.write_text(config.read_text().replace(str(place.target), str(other)))
    place.new.write_text(alerts("Old", limit=9))
    sentence = place.refused("push", "--yes")
    assert "answers with other, old rules" in sentence
    assert place.target.read_text() == alerts("Old")
    place.new.write_text(alerts("Old", group="elsewhere"))
    assert "does not have the group 'elsewhere', so it does not load this target" in place.refused("push", "--yes")


def test_what_the_target_holds_already_is_in_force_only_if_the_server_says_so(place):
    place.target.write_text(alerts("Other"))  # put there by hand, and not loaded
    place.new.write_text(alerts("Other"))
    sentence = place.refused("push", "--yes")
    assert "holds exactly these rules; nothing was changed, but they are not in force: " in sentence
    assert "holds exactly these rules" in place.done("push")  # which asks nobody
    assert requests.post(f"{place.url}/-/reload", timeout=10).ok
    assert "holds exactly these rules; nothing was changed" in place.done("push", "--yes")
    assert "not in force" in place.refused("push", "--yes", url="http://127.0.0.1:1")


def test_a_server_without_lifecycle_is_refused_before_anything_is_written(tmp_path):
    with Place(tmp_path, lifecycle=False) as place:
        place.new.write_text(alerts("New"))
        sentence = place.refused("push", "--yes")
        assert "start it with --web.enable-lifecycle; nothing was changed" in sentence
        assert place.target.read_text() == alerts("Old")
        with through(place.url, hide="/api/v1/status/flags") as proxy:  # it does not tell before; the reload does
            sentence = place.refused("push", "--yes", url=proxy.url)
        assert "--web.enable-lifecycle. " in sentence
        assert "the old rules are in force" in sentence
        assert place.target.read_text() == alerts("Old")
        assert place.loaded == ["Old"]


def test_a_server_that_does_not_answer(place):
    place.new.write_text(alerts("New"))
    place.server.stop()
    sentence = place.refused("push", "--yes")
    assert "connection refused" in sentence
    assert "nothing was changed" in sentence
    assert place.target.read_text() == alerts("Old")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="as root a mode forbids nothing")
def test_a_read_only_target(place):
    place.new.write_text(alerts("New"))
    place.target.chmod(0o444)
    sentence = place.refused("push", "--yes", prefix=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
    assert f"cannot write {place.target}: Permission denied" in sentence
    assert "old rules are in force" in sentence.lower()
    assert place.loaded == ["Old"]
    assert place.history()[0]["result"] == "rolled back"


class Proxy:
    """Stands before a server: holds a reload up, or hides a path."""

    def __init__(self, url, hide):
        self.behind, self.hide, self.url = url, hide, ""
        self.asked, self.go_on = threading.Event(), threading.Event()


@contextlib.contextmanager
def through(url, *, hide=None, holds=False):
    proxy = Proxy(url, hide)
    if not holds:
        proxy.go_on.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.pass_on()

        def do_POST(self):
            proxy.asked.set()
            proxy.go_on.wait(60)
            self.pass_on()

        def pass_on(self):
            status, body = 404, b"404 page not found"
            if self.path != proxy.hide:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                answer = requests.request(self.command, proxy.behind + self.path, data=data, timeout=60)
                status, body = answer.status_code, answer.content
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.go_on.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("command", ["history", "diff", "push"])
def test_a_push_killed_between_write_and_reload_is_undone_by_the_next_command(place, command):
    place.new.write_text(alerts("New"))
    with through(place.url, holds=True) as proxy:
        with place.command("push", "--yes", url=proxy.url) as pushing:
            assert proxy.asked.wait(60)
            assert place.target.read_text() == alerts("New")  # written, not loaded
            pushing.send_signal(signal.SIGKILL)
            pushing.communicate()
        proxy.go_on.set()
        said = place.run(command)
        assert "was ended before it was verified; version 0 was restored and is in force" in said[2]
        assert place.target.read_text() == alerts("Old")
        assert place.loaded == ["Old"]
        assert "restored" not in place.run(command)[2]
    assert place.history()[0]["result"] == "restored"
    place.done("push", "--yes")
    assert place.loaded == ["New"]


def test_a_killed_push_is_undone_also_while_the_server_is_away(place):
    place.new.write_text(alerts("New"))
    with through(place.url, holds=True) as proxy, place.command("push", "--yes", url=proxy.url) as pushing:
        assert proxy.asked.wait(60)
        pushing.send_signal(signal.SIGKILL)
        pushing.communicate()
    said = place.run("history")[2]
    assert "version 0 was restored, but" in said
    assert "The next command tries again" in said
    assert place.target.read_text() == alerts("Old")


def test_two_pushes_at_once(place):
    place.new.write_text(alerts("New"))
    with through(place.url, holds=True) as proxy, place.command("push", "--yes", url=proxy.url) as first:
        assert proxy.asked.wait(60)
        assert "another run is writing" in place.refused("push", "--yes")
        assert "is under way" in place.run("diff")[2]
        proxy.go_on.set()
        assert first.wait(60) == 0
    assert place.loaded == ["New"]


def test_ctrl_c_rolls_back(place):
    place.new.write_text(alerts("New"))
    with through(place.url, holds=True) as proxy, place.command("push", "--yes", url=proxy.url) as first:
        assert proxy.asked.wait(60)
        first.send_signal(signal.SIGINT)
        proxy.go_on.set()
        assert first.wait(60) == 130
    assert place.target.read_text() == alerts("Old")
    assert place.loaded == ["Old"]


def test_a_folder_takes_several_files_and_loses_those_that_are_gone(tmp_path):
    with Place(tmp_path, is_folder=True) as place:
        (place.target / "theirs.yml").write_text(alerts("Theirs", group="theirs"))
        (place.new / "alerts.yml").write_text(alerts("One"))
        (place.new / "recording.yml").write_text(RECORDING)
        place.done("push", "--yes")
        assert sorted(place.loaded) == ["One", "Theirs", "tutordex:jobs:rate"]
        assert (place.target / "alerts.yml").stat().st_mode & 0o777 == 0o644
        (place.new / "recording.yml").unlink()
        place.done("push", "--yes")
        assert sorted(place.loaded) == ["One", "Theirs"]
        assert sorted(one.name for one in place.target.iterdir()) == ["alerts.yml", "theirs.yml"]
        place.done("revert", "--yes")
        assert sorted(place.loaded) == ["One", "Theirs", "tutordex:jobs:rate"]
        place.done("revert", "--to", "0", "--yes")  # as it was found
        assert place.loaded == ["Theirs"]


def test_mistakes_are_one_sentence(tmp_path):
    place = Place(tmp_path)
    place.url = "http://127.0.0.1:1"
    assert "there are no rules at" in place.refused("diff")
    place.new.mkdir()
    assert "no rule file" in place.refused("diff")
    for name in ("a.yml", "b.yml"):
        (place.new / name).write_text(alerts("A"))
    assert "is one file" in place.refused("diff")
    place.target.unlink()
    assert "there is no file or folder" in place.refused("push")


def test_a_group_that_a_server_still_has_is_noticed(place, tmp_path):
    """It loads a copy of the same name elsewhere; the new file only takes rules away."""
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / place.target.name
    shutil.copy(place.target, other)
    config = tmp_path / "prometheus" / "prometheus.yml"
    config.write_text(config.read_text().replace(str(place.target), str(other)))
    place.new.write_text("groups: []\n")
    assert "still has the group 'alerts', which is gone" in place.refused("push", "--yes")
    assert place.target.read_text() == alerts("Old")


def test_what_only_the_servers_version_knows_is_promtools_word(place):
    """Our parser speaks another version; the server's spelling is then not compared."""
    text = alerts("New").replace("sum   by(job) (jobs", "holt_winters(jobs[5m], 0.1, 0.1) or (jobs")
    place.new.write_text(text)
    place.done("push", "--yes")
    assert place.loaded == ["New"]


NASTY = [
    'say "hi"',
    "two\nlines",
    "{{ $value }} and {{ $labels.job }}",
    '{{ "{{" }}',
    "a: b # c",
    "- x",
    "yes",
    "1.0",
    "~",
    "null",
    "*anchor &x !tag",
    "back\\slash",
    "`tick` 'single'",
    "%d {} []",
    "世界 🎓 é",
    " leads and trails ",
    'x{y=~"z"} > 1 or vector(1)',
]


def test_texts_in_any_notation_come_through_as_they_are(place):
    rules = [
        {
            "alert": f"A{i}",
            "expr": f"jobs{{said={json.dumps(text, ensure_ascii=False)}}} > 0",
            "labels": {"l": text},
            "annotations": {"a": text},
        }
        for i, text in enumerate(NASTY)
    ]
    rules.append({"alert": "Tick", "expr": "jobs{path=~`/a\\d+`} > 0"})
    place.new.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, allow_unicode=True))
    place.done("push", "--yes")
    groups = requests.get(f"{place.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
    held = [(one["labels"].get("l"), one["annotations"].get("a")) for one in groups[0]["rules"][:-1]]
    assert held == [(text, text) for text in NASTY]
    assert [one["what"] for one in json.loads(place.done("diff", "--json"))] == []
