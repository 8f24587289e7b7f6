"""The command line: help, exit codes, one sentence for a mistake; run as a user runs it."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tutordex_analysis import cli
from tutordex_analysis.source.connect import sample

COMMANDS = (
    "pull",
    "report",
    "publish",
    "simulate",
    "doctor",
    "schedule",
    "ledger list",
    "ledger score",
    "ledger replay",
    "anomalies list",
    "anomalies mark",
    "catalogue check",
    "catalogue list",
    "catalogue add",
    "catalogue schema",
    "rules build",
    "rules check",
    "rules diff",
    "rules push",
    "rules revert",
    "rules history",
    "rules backtest",
    "rules ready",
    "rules release",
    "rules shadow",
    "dashboards build",
    "dashboards check",
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUTORDEX_PROMETHEUS_URL", raising=False)
    return tmp_path


@pytest.fixture
def run(here, capfd, monkeypatch):
    """Exit code, standard output and standard error of one command."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["tutordex-analysis", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return ended.value.code or 0, out, err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    said = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert said.exit_code == 0
    assert re.search(rf"examples:\n\s+tutordex-analysis {command.split()[0]}", said.output)


def test_help_loads_nothing_heavy():
    heavy = ("pandas", "numpy", "prophet", "matplotlib", "grafana_foundation_sdk")
    code = f"import sys; from tutordex_analysis import cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["pull"], 2, "name a server"),
        (["pull", "--url", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1"),
        (["report"], 2, "name the questions, or say --all"),
        (["report", "capacity", "--all"], 2, "name the questions, or say --all"),
        (["report", "weather"], 1, "no notebook 'weather'"),
        (["report", "capacity", "-p", "horizon"], 2, "is not NAME=VALUE"),
        (["report", "capacity", "-p", "horizons=3d"], 1, "horizons"),
        (["report", "capacity", "-p", "source_uri=elsewhere"], 2, "source_uri has an option of its own: --source"),
        (["report", "capacity", "-p", "seed=tea"], 1, "seed"),
        (["report", "capacity", "--as-of", "yesterday"], 1, "not a moment"),
        (["publish", "--source", "nowhere"], 1, "neither a URL .* nor a folder"),
        (["publish", "--source", "ftp://host"], 1, "ftp://host"),
        (["doctor", "--url", "http://user:secret@127.0.0.1:1"], 1, "user"),
        (["ledger", "replay", "--weeks", "0"], 2, "weeks"),
        (["ledger", "replay", "--signal", "cpu"], 1, "there is no signal 'cpu'"),
        (["ledger", "list", "--source", "nowhere"], 1, "neither a URL .* nor a folder"),
        (["ledger", "score", "--within", "soon"], 1, "'soon' is not a duration"),
        (["schedule", "launchd"], 2, "neither systemd nor cron"),
        (["catalogue", "check", "nowhere"], 1, "nowhere is not there"),
        (["catalogue", "add", "f", "n", "--title", "T", "--unit", "bytes"], 2, "--promql for a gauge, or --counter"),
        (["simulate", "w", "--step", "1h", "--days", "1"], 1, "at most 4m"),
        (["rules", "check"], 2, "(?i)missing argument .files"),
        (["rules", "check", "a.yml", "--target", "newest"], 1, "not a version of Prometheus"),
        (["dashboards", "check"], 2, "build one, or name files"),
        (["dashboards", "build", "--datasource", ""], 2, "(?i)datasource.*uid"),
        (["dashboards", "build", "--retention", "long"], 1, "'long' is not a duration"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(run, words, code, sentence):
    got, _, err = run(*words)
    assert got == code
    assert re.search(sentence, err)
    assert "Traceback" not in err
    assert "secret" not in err


def test_a_typo_in_the_settings_stops_every_command(run, here):
    (here / "tutordex.toml").write_text("prometeus_url = 'x'\n")
    code, _, err = run("doctor")
    assert (code, "no setting 'prometeus_url'" in err) == (1, True)


def test_tables_are_also_json(run):
    code, out, _ = run("catalogue", "list", "--json")
    assert code == 0
    rows = {row["signal"]: row for row in json.loads(out)}
    assert rows["cpu_used"]["limits"] == "soft 0.8, hard 0.95, physical 1"


def test_doctor_looks_at_the_sample(run):
    code, out, _ = run("doctor", "--json")
    assert code == 0
    states = {row["signal"]: row["newest"] for row in json.loads(out) if row.get("signal")}
    assert "posts_seen" in states


def test_catalogue_add_and_schema(run, here):
    code, out, _ = run("catalogue", "add", "mine", "heat", "--title", "Heat", "--unit", "celsius", "--promql", "max(t)")
    assert code == 0
    assert 'catalogue = "mine"' in out
    assert run("catalogue", "check", "mine")[1].startswith("63 signals")
    (here / "mine" / "incidents.yaml").write_text(
        "incidents:\n- {from: 2026-03-01T00:00Z, to: 2026-03-02T00:00Z, areas: [other], reason: x, expires: 2026-04-01}"
    )
    assert ", 1 masks by hand: all is well" in run("catalogue", "check", "mine")[1]
    (here / "mine" / "incidents.yaml").write_text("incidents:\n- {signals: [cold]}\n")
    code, out, err = run("catalogue", "check", "mine")
    assert (code, out) == (1, "")
    assert err.startswith("tutordex-analysis: mine/incidents.yaml:2: incidents.0.from: this key is missing")
    assert json.loads(run("catalogue", "schema")[1])["title"] == "tutordex-analysis catalogue"


def test_simulate_writes_a_world_and_its_truth(run, here):
    code, out, _ = run("simulate", "world", "--days", "1", "--end", "2026-03-02T00:00Z", "--step", "240s", "--clean")
    assert code == 0
    assert "promtool tsdb create-blocks-from openmetrics" in out
    assert (here / "world" / "truth.json").exists()
    assert next((here / "world").glob("*.om")).read_bytes().endswith(b"# EOF\n")


def test_the_sample_brings_past_forecasts_and_nothing_is_written_beside_it(run, here):
    code, out, err = run("ledger", "list", "--json")
    assert (code, err) == (0, "")
    issues = json.loads(out)
    assert len(issues) == 6
    assert all(one["hindsight"] and one["series"] >= 10 for one in issues)
    code, out, err = run("ledger", "score", "--json")
    assert code == 0
    assert err.startswith("In 6 past weeks (in hindsight")
    rows = {(row["signal"], row["where"]): row for row in json.loads(out)}
    assert rows["disk_used", "/data"]["miss"] < rows["disk_used", "/data"]["naive_miss"]
    kept = here / "data" / "ledger"
    assert [path.name for path in kept.rglob("*.parquet")] == ["scores.parquet"]


def test_a_damaged_ledger_is_one_sentence_and_the_command_goes_on(run, here):
    run("ledger", "score")
    (scores,) = (here / "data" / "ledger").rglob("scores.parquet")
    scores.write_bytes(b"not a table")
    code, out, err = run("ledger", "list")
    assert code == 0
    assert "replay" in out
    assert err.strip() == f"{scores.relative_to(here)} is damaged and is left out; move it away"


def test_schedule_prints_units_with_this_python(run):
    code, out, _ = run("schedule", "systemd")
    assert code == 0
    assert sys.executable in out
    assert "OnCalendar=Mon" in out


MARKED = "20261008T0200Z-queue_pending-3fa9c1"


def test_anomalies_mark_writes_into_the_catalogue_folder(run, here):
    (here / "mine").mkdir()
    (here / "tutordex.toml").write_text('catalogue = "mine"\n')
    code, out, _ = run("anomalies", "mark", MARKED, "false", "--note", "a test: not real", "--by", "ops")
    assert (code, out) == (0, f"{MARKED} is marked as false in mine/anomalies.yaml\n")
    assert run("anomalies", "mark", MARKED.replace("08T", "15T"), "expected", "--every", "7d")[0] == 0
    text = (here / "mine" / "anomalies.yaml").read_text()
    assert text.count("incident: ") == 2
    assert 'verdict: "false"\n    note: "a test: not real"\n    by: "ops"\n' in text
    assert "2 marks: all is well" in run("catalogue", "check")[1]
    assert "2 marks: all is well" in run("catalogue", "check", "mine")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((MARKED, "maybe", "--file", "a.yaml"), "is none of confirmed, false, expected"),
        (("big-one", "false", "--file", "a.yaml"), "is not the name of an incident"),
        ((MARKED, "false", "--every", "7d", "--file", "a.yaml"), "every is for what is expected"),
        ((MARKED, "expected", "--every", "weekly", "--file", "a.yaml"), "is not a duration"),
        ((MARKED, "false"), "--file anomalies.yaml"),
    ],
)
def test_anomalies_mark_refuses_in_one_sentence(run, here, words, said):
    code, _, err = run("anomalies", "mark", *words)
    assert code == 2
    assert said in " ".join(err.split())
    assert [*here.iterdir()] == []


def test_anomalies_mark_leaves_a_broken_file_alone(run, here):
    (here / "a.yaml").write_text("marks:\n  - incident: x\n")
    code, _, err = run("anomalies", "mark", MARKED, "false", "--file", "a.yaml")
    assert code == 1
    assert err.startswith("tutordex-analysis: a.yaml:2: ")
    assert err.count("\n") == 1
    assert (here / "a.yaml").read_text() == "marks:\n  - incident: x\n"


@pytest.mark.slow
def test_anomalies_are_listed_and_a_mark_is_there_the_next_time(run, here):
    (here / "mine").mkdir()
    (here / "tutordex.toml").write_text('catalogue = "mine"\n')
    words = ("anomalies", "list", "--source", str(sample()), "--window", "42d", "--weeks", "2")
    code, out, err = run(*words, "--json")
    assert code == 0
    assert re.match(r"(One incident|\d+ incidents) in the last 7 days\. ", err)
    rows = {row["incident"]: row for row in json.loads(out)}
    (name,) = [one for one, row in rows.items() if "12 Nov" in row["sentence"]][:1]
    assert rows[name]["verdict"] == ""
    assert run("anomalies", "mark", name, "confirmed")[0] == 0
    code, out, _ = run(*words)
    head, *lines = out.splitlines()
    assert head.split()[:3] == ["incident", "when", "severity"]
    assert len(lines) == len(rows)
    (line,) = [one for one in lines if one.startswith(name)]
    assert line.rstrip().endswith("confirmed")


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        (("--alerts-per-week", "0"), 2, "0 is not a number of alerts above 0"),
        (("--weeks", "0"), 2, "should be greater than or equal to 1"),
        (("--as-of", "yesterday"), 1, "yesterday"),
        (("--source", "nowhere"), 1, "'nowhere' is neither a URL"),
    ],
)
def test_anomalies_list_refuses_in_one_sentence(run, option, code, said):
    where = () if "--source" in option else ("--source", str(sample()))
    got, _, err = run("anomalies", "list", *where, *option)
    assert got == code
    assert said in " ".join(err.split())
    assert "Traceback" not in err
