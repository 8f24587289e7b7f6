"""Day one: what the pages, the publisher and the doctor say when Prometheus holds fifteen days, or two hours."""

import json
import math
import re
from io import StringIO

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from tests.user import command
from tutordex_analysis import catalogue_file
from tutordex_analysis.notebook import found, shipped
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.prometheus import HOLD_BACK
from tutordex_analysis.source.simulator import World
from tutordex_analysis.weekly import FIRST_QUESTION

QUESTIONS = [name for name, path in found(shipped()).items() if int(path.name[:2]) >= FIRST_QUESTION]


def server_of(folder, *, start, end):
    """A server that holds a world without incidents."""
    server = LocalPrometheus(folder / "server")
    load_world(server, World(start=start, end=end, step="120s", seed=3, incidents=()))
    return server


@pytest.fixture(scope="module")
def young(tmp_path_factory):
    """A user whose Prometheus has fifteen days of whole hours, after the first pull; and the first of these hours."""
    folder = tmp_path_factory.mktemp("young")
    end = pd.Timestamp.now("UTC")
    start = (end - HOLD_BACK).floor("1h") - pd.Timedelta(days=15)
    with server_of(folder, start=start, end=end) as server:
        (folder / "tutordex.toml").write_text(f'prometheus_url = "{server.url}"')
        done = command(folder, "pull", "--json")
        assert done.returncode == 0, done.stderr
        (folder / "pull.json").write_text(done.stdout)
        yield folder, start + pd.Timedelta("1h")


@pytest.fixture(scope="module")
def reports(young):
    """The folder of every shipped question's page."""
    folder, _ = young
    done = command(folder, "report", "--all")
    assert done.returncode == 0, done.stderr
    return folder / "reports"


@pytest.fixture(scope="module")
def findings(reports):
    return pd.read_json(StringIO((reports / "findings.json").read_text()))


def table_of(page, first, other=""):
    """The table of a page whose first heading is this, and that has the other one too."""
    for table in BeautifulSoup(page.read_text(), "html.parser").find_all("table"):
        rows = [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
        if rows[0][0] == first and (not other or other in rows[0]):
            return pd.DataFrame(rows[1:], columns=rows[0]).replace("\N{NO-BREAK SPACE}", " ", regex=True)
    raise AssertionError(f"no table starts with {first}")


def day(moment):
    """The first whole day after a moment, as pages write it."""
    local = moment.ceil("1D").tz_convert("Asia/Singapore")
    return f"{local.day} {local:%b %Y}"


@pytest.mark.server
def test_the_first_pull_brings_every_signal_that_a_server_can_have(young):
    folder, _ = young
    rows = {row["signal"]: row for row in json.loads((folder / "pull.json").read_text())}
    catalogue = catalogue_file.load()
    signals = {name for name, signal in catalogue.signals.items() if signal.events is None}
    assert set(rows) == {*signals, "alerts"}  # what fired, though in this world nothing does
    assert rows["alerts"]["samples"] == 0
    assert [name for name, row in rows.items() if row["error"]] == []
    expected = 15 * 288
    assert 0.98 * expected < rows["cpu_used"]["samples"] <= expected


@pytest.mark.server
def test_doctor_says_what_is_there_one_row_a_signal(young):
    folder, _ = young
    done = command(folder, "doctor", "--json")
    rows = json.loads(done.stdout)
    facts = {row["what"]: row["state"] for row in rows if row.get("what")}
    assert facts["server"] == facts["archive"] == facts["archive's newest"] == "ok"
    states = {row["signal"]: row["state"] for row in rows if row.get("signal")}
    odd = {name for name, state in states.items() if state not in ("ok", "partial")}
    rare = {"jobs_requeued", "database_failures"}  # fifteen days may pass without one
    assert odd - rare == {"users_joined"}
    assert done.returncode == 0
    lines = command(folder, "doctor").stdout.splitlines()
    assert len([line for line in lines if line.startswith("parse_failure_share_by_channel ")]) == 1  # never folded


@pytest.mark.server
@pytest.mark.slow
def test_every_shipped_page_has_an_answer_on_day_one(reports):
    pages = json.loads((reports / "manifest.json").read_text())["pages"]
    assert set(pages) == set(QUESTIONS)
    for name, page in pages.items():
        assert page["latest"]["state"] == "good"
        assert page["latest"]["answer"]["sentence"]
        assert (reports / f"{name}.html").exists()
        assert not (reports / f"{name}.failed.html").exists()


@pytest.mark.server
@pytest.mark.slow
def test_what_cannot_be_said_yet_comes_with_the_day_from_which_it_can(findings, young):
    _, start = young
    lacks = findings.query("kind == 'data' and page == 'capacity'")["sentence"]
    week, far = day(start + pd.Timedelta(days=21)), day(start + pd.Timedelta(days=45))
    said = (
        f"15 days of history do not allow a pattern of 7 days (from {week}) or a look 90 days ahead (from {far}), "
        "if pull keeps it."
    )
    assert lacks.str.contains(said, regex=False).sum() == 1
    substitutes = lacks.str.endswith(" in its place.")  # of what is not counted, which no history brings
    assert substitutes.sum() == 2
    assert lacks[~substitutes].str.contains(r"\bfrom \d+ \w{3} \d{4}").all()
    odd = findings.query("kind == 'data' and page == 'anomalies'")["sentence"]
    said = f"the pattern of 7 days is not known yet; from {week} on it is enough."
    assert odd.str.endswith(said).sum() == 1


@pytest.mark.server
@pytest.mark.slow
def test_no_chance_in_90_days_and_no_weekly_pattern_is_claimed(reports, findings):
    ranking = table_of(reports / "capacity.html", "Resource", "Urgency")
    assert ranking["Chance in time"].str.endswith("in 30 days").all()  # where more takes weeks, 90 are not reached
    dates = table_of(reports / "capacity.html", "Resource", "Chance in 90 days")
    assert len(dates) >= 6  # six resources, soft limits at least
    assert (dates["Chance in 90 days"] == "–").all()
    assert not (dates["Chance in 30 days"] == "–").any()
    known = table_of(reports / "capacity.html", "Signal")
    can = known.loc[known["Can be said"].str.contains("look"), "Can be said"]
    assert set(can) == {"patterns of 1 day; a look 30 days ahead"}
    ahead = findings.query("kind == 'will_happen'")["sentence"]
    assert not ahead.str.contains("7 days|90 days|week").any()
    assert ahead.str.contains("for 30 days").any()
    assert findings.loc[findings["sentence"].str.startswith("Disk in use (/data) reaches 80 % about"), "action"].all()


@pytest.mark.server
@pytest.mark.slow
def test_a_page_claims_no_more_data_than_there_are(reports, young):
    _, start = young
    for name, page in json.loads((reports / "manifest.json").read_text())["pages"].items():
        window = page["latest"]["answer"]["window"]
        newest = pd.Timestamp(window["end"]) - pd.Timedelta(window["step"])
        assert pd.Timestamp(window["start"]) >= start
        assert newest <= pd.Timestamp.now("UTC")
        facts = BeautifulSoup((reports / f"{name}.html").read_text(), "html.parser").select_one(".facts").get_text(" ")
        assert newest.tz_convert("Asia/Singapore").strftime("%H:%M SGT") in facts


@pytest.mark.server
def test_publish_hands_on_what_it_can_say_and_leaves_out_the_rest(young):
    folder, _ = young
    done = command(folder, "publish", "--horizon", "90d", "--json")
    assert done.returncode == 0, done.stderr
    text = (folder / "reports" / "metrics.prom").read_text()
    samples = dict(re.findall(r"^(tutordex_\w+\{.*\}) (\S+)$", text, re.MULTILINE))
    chances = {key: float(value) for key, value in samples.items() if key.startswith("tutordex_breach_probability")}
    assert {re.search('within="(.*?)"', key)[1] for key in chances} == {"7d", "30d"}
    assert all(0 <= chance <= 1 for chance in chances.values())
    (disk,) = [v for key, v in chances.items() if "/data" in key and "disk_soft" in key and "30d" in key]
    assert disk > 0.9
    leads = {re.search('horizon="(.*?)"', key)[1] for key in samples if key.startswith("tutordex_forecast{")}
    assert "14d" in leads
    assert "90d" not in leads
    assert all(math.isfinite(float(value)) for value in samples.values())
    assert 'signal="users_joined"' not in text


@pytest.mark.server
def test_two_hours_are_one_clear_sentence(tmp_path):
    end = pd.Timestamp.now("UTC")
    with server_of(tmp_path, start=end - pd.Timedelta("2h"), end=end) as server:
        for words in (("report", "capacity"), ("publish",)):
            done = command(tmp_path, *words, "--url", server.url)
            assert done.returncode == 1, words
            assert "Traceback" not in done.stderr + done.stdout
            said = done.stderr.strip().splitlines()[-1]
            assert re.search(r"yet: .*(one reading so far.* at least 3|at least 3 readings.* has [12]\b)", said), said
    page = (tmp_path / "reports" / "capacity.failed.html").read_text()
    (day,) = re.findall(r"from (\S+) something can be said", page)
    assert end < pd.Timestamp(day, tz="UTC") <= (end + pd.Timedelta("4h")).ceil("1D")
