"""Every notebook runs by papermill, on the sample and on a live server, and what it shows is there to be read."""

import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell

from tutordex_analysis.notebook import found, load, run, settle, shipped
from tutordex_analysis.sink.answer import answer_of
from tutordex_analysis.sink.body import body
from tutordex_analysis.source.connect import sample
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.simulator import World

SMALL = {
    "capacity": {"window": "28d", "horizon": "14d"},
    "explore": {"window": "21d"},
    "anomalies": {"window": "42d", "weeks": 2},
    "alert_rules": {"window": "84d"},
    "experiments": {"window": "120d"},
    "slo": {"window": "60d"},
}


def executed(name, **parameters):
    """A shipped notebook after its run; its cells as they were counted."""
    notebook = load(name, found(shipped())[name])
    cells = []
    done = run(
        notebook,
        settle(notebook, parameters),
        timeout=300,
        on_cell=lambda cell, count: cells.append((cell, count)),
    )
    count = len([one for one in notebook.node.cells if one.cell_type == "code"])
    assert cells == [(i + 1, count) for i in range(count)]
    return done


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def shown(notebook, kind):
    """What was displayed in one MIME type, in order."""
    return [output["data"][kind] for output in outputs(notebook) if kind in output.get("data", {})]


def tables(notebook):
    """Rows of every HTML table that was displayed, as text."""
    found_tables = BeautifulSoup("".join(shown(notebook, "text/html")), "html.parser").find_all("table")
    return [
        [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
        for table in found_tables
    ]


def assert_clean(notebook):
    """No error, no warning, nothing printed to the side."""
    assert [output for output in outputs(notebook) if output.output_type in ("error", "stream")] == []


@pytest.fixture(scope="module")
def capacity():
    return executed("capacity", source_uri=str(sample()), **SMALL["capacity"])


@pytest.fixture(scope="module")
def explore():
    return executed("explore", source_uri=str(sample()), **SMALL["explore"])


@pytest.fixture(scope="module")
def anomalies():
    return executed("anomalies", source_uri=str(sample()), **SMALL["anomalies"])


@pytest.fixture(scope="module")
def alert_rules():
    return executed("alert_rules", source_uri=str(sample()), **SMALL["alert_rules"])


def test_every_shipped_notebook_is_run_here():
    assert set(found(shipped())) == set(SMALL)


@pytest.mark.slow
def test_capacity_answers_in_one_sentence_with_its_findings(capacity):
    assert_clean(capacity)
    answer = answer_of(capacity, name="capacity")
    assert re.search(r"(reaches|stays|is at|passed|No limit) .*\d", answer.sentence)
    kinds = answer.findings["kind"].value_counts()
    assert kinds["will_happen"] >= 10
    assert set(kinds.index) <= {"will_happen", "data"}
    assert answer.findings["sentence"].str.endswith(".").all()
    data = answer.findings[answer.findings["kind"] == "data"]
    assert data["sentence"].str.startswith("LLM tokens: llm_tokens_total is not counted yet; this is").sum() == 1
    assert data["sentence"].str.startswith("Tutors matched: tutors_matched_total is not counted yet").sum() == 1
    assert {"disk_used", "cpu_used", "posts_seen"} <= set(answer.findings["signal"])
    assert answer.findings["priority"].between(0, 100).all()
    assert answer.window.end - answer.window.start == pd.Timedelta(days=28)
    assert re.fullmatch(r"[0-9a-f]{12}", answer.digest)
    assert answer.scorecard


@pytest.mark.slow
def test_capacity_shows_each_resource_and_volume_as_a_figure_that_says_what_it_shows(capacity):
    page = BeautifulSoup(body(capacity), "html.parser")
    alts = [picture["alt"] for picture in page.find_all("img")]
    assert len(alts) == len(set(alts)) >= 6
    for what in ("Disk in use", "CPU in use", "New posts a day"):
        assert any(alt.startswith(f"Forecast chart of {what}") and re.search(r"forecast at \S+", alt) for alt in alts)
    assert all(picture["src"].startswith("data:image/") for picture in page.find_all("img"))


@pytest.mark.slow
def test_capacity_opens_with_what_was_said_and_what_happened_and_hands_over_what_it_forecast(capacity):
    first = tables(capacity)[0]
    assert first[0][:5] == ["Forecast of", "Week to", "We said", "80 % range", "It was"]
    assert len(first) == 11
    page = BeautifulSoup(body(capacity), "html.parser")
    assert page.find("h2").get_text(strip=True) == "What we said, what happened"
    assert re.match(r"Past forecasts of .* a day: 6 forecasts in hindsight from", page.find("img")["alt"])
    assert "in hindsight, made afterwards from what was known then" in page.find("caption").get_text()
    answer = answer_of(capacity, name="capacity")
    assert answer.scorecard[0].startswith("In 4 past weeks (in hindsight")  # 28 days are read
    assert set(answer.issued["signal"]) >= {"disk_used", "cpu_used", "posts_seen"}
    assert (answer.issued["ds"] > answer.issued["cutoff"]).all()
    assert answer.issued["issued"].isna().all()
    assert len(answer.scores) >= 12


@pytest.mark.slow
def test_capacity_shows_the_dates_the_growth_and_how_we_know(capacity):
    by_head = {rows[0][0]: rows for rows in tables(capacity)}
    assert {"Resource", "Volume", "Signal", "", "What", "Outage"} <= set(by_head)
    assert all(len(row) == len(rows[0]) for rows in by_head.values() for row in rows)
    assert all(re.search(r"[+−]?\d+ %", row[3]) for row in by_head["Volume"][1:])
    ranking, every, labels = (rows for rows in tables(capacity) if rows[0][0] == "Resource")
    assert 6 <= len(ranking) - 1 <= 10
    assert len({row[0] for row in ranking[1:]}) == len(ranking) - 1 == len(labels) - 1
    assert [float(re.search(r"\d+", row[1])[0]) for row in ranking[1:]] == sorted(
        (float(re.search(r"\d+", row[1])[0]) for row in ranking[1:]), reverse=True
    )
    assert len(every) - 1 >= 6


@pytest.mark.slow
def test_capacity_tells_the_queue_and_what_more_work_would_do(capacity):
    by_head = {rows[0][0]: rows for rows in tables(capacity)}
    facts = dict(by_head[""][1:])
    assert re.fullmatch(r"\d+\.\d s", facts["Mean wait before a job starts"])
    assert re.fullmatch(r"[\d.]+ % \((Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d:00\)", facts["Busy in its busiest hour"])
    assert [row[0] for row in by_head["Outage"][1:]] == ["1 h", "6 h", "24 h", "72 h"]
    assert by_head["What"][0] == ["What", "Today's work", "2 times the work"]
    assert any(row[0].startswith("Disk in use (/data)") for row in by_head["What"])
    alts = [picture["alt"] for picture in BeautifulSoup(body(capacity), "html.parser").find_all("img")]
    assert any(alt.startswith("Heat map of Extraction: share of the time busy") for alt in alts)
    assert any(alt.startswith("Forecast chart of Extraction: share of the time busy, busiest hour") for alt in alts)
    sentences = answer_of(capacity, name="capacity").findings["sentence"]
    assert sentences.str.contains(r"Extraction is busy [\d.]+ % of the time, [\d.]+ % in its busiest hour").any()


@pytest.mark.slow
def test_anomalies_answers_with_the_incident_that_was_planted(anomalies):
    assert_clean(anomalies)
    answer = answer_of(anomalies, name="anomalies")
    assert re.match(r"(One incident|\d+ incidents) in the last 7 days\. ", answer.sentence)
    odd = answer.findings[answer.findings["kind"] == "unusual"]
    assert odd["sentence"].str.contains("12 Nov").any()  # the slow LLM of the sample's truth.json
    assert odd["priority"].is_monotonic_decreasing
    assert set(answer.findings["kind"]) <= {"unusual", "data"}
    assert answer.window.end - answer.window.start <= pd.Timedelta(days=42)
    assert re.fullmatch(r"[0-9a-f]{12}", answer.digest)
    assert "a week are allowed." in answer.scorecard[0]


@pytest.mark.slow
def test_anomalies_shows_the_weeks_the_incidents_and_this_week_as_figures(anomalies):
    page = BeautifulSoup(body(anomalies), "html.parser")
    alts = [picture["alt"] for picture in page.find_all("img")]
    assert alts[0].startswith("Calendar of hours: Worst score of all signals, 2 Nov 2026 to 15 Nov 2026, a row a day.")
    assert "Holidays: Deepavali on 8 Nov, Deepavali (observed) on 9 Nov." in alts[0]
    assert alts[-1].startswith("Small multiples: The last seven days.")
    cases = alts[1:-1]
    assert cases
    assert all(alt.startswith(f"Incident {i}. ") for i, alt in enumerate(cases, 1))
    heads = [one.get_text(strip=True) for one in page.find_all("h3")]
    assert [head.partition(".")[0] for head in heads] == [str(i + 1) for i in range(len(cases))]


@pytest.mark.slow
def test_anomalies_lists_the_incidents_what_was_held_back_and_how_the_detectors_do(anomalies):
    by_head = {rows[0][0]: rows for rows in tables(anomalies)}
    assert {"No.", "Signal", "Why", "Week from"} <= set(by_head)
    assert all(re.fullmatch(r"\d{8}T\d{4}Z-\w+-[0-9a-f]{6}", row[-1]) for row in by_head["No."][1:])
    assert [row[0] for row in by_head["Week from"][1:]] == ["9 Nov 2026", "2 Nov 2026"]
    assert any("Deepavali" in row[-1] for row in by_head["Why"][1:])


@pytest.mark.slow
def test_alert_rules_opens_with_old_rules_beside_new_and_the_noisiest(alert_rules):
    assert_clean(alert_rules)
    answer = answer_of(alert_rules, name="alert_rules")
    assert re.match(
        r"In 15 weeks ours with learned limits would have found 15 of 15 known incidents with [\d.]+ false alarms a "
        r"week, the old rules 10 with 21\.3 false alarms a week\. \d+ alerts fired; DMRateLimited is the noisiest",
        answer.sentence,
    )
    assert re.search(r"[1-9]\d* of \d+ limits follow from history\.$", answer.sentence)
    assert "did_it_work" in set(answer.findings["kind"])
    assert re.match(
        r"Our rules are in force since 21 Sep 2026 \(the first sample of our Watchdog\): [\d.]+ calls a week before, "
        r"[\d.]+ since; that is fewer",
        answer.scorecard[0],
    )
    by_head = {rows[0][1 if len(rows[0]) > 1 else 0]: rows for rows in reversed(tables(alert_rules))}
    beside = {row[0]: row[1:] for row in by_head["Fired (old / ours / learned)"][1:]}
    assert beside["All alerts"][:2] == ["329 / 59 / 63", "10 / 15 / 15"]
    assert beside["DMRateLimited"] == ["303 / 2 / 2", "2 / 2 / 2", "−17 / 19 / 13", "21 / 0 / 0"]
    incidents = by_head["First alert, old"]
    assert len(incidents) == 16
    assert incidents[5][0].replace("\u00a0", " ") == "3 Sep 10:58 replay"
    assert incidents[5][1] == "missed"
    before, since = by_head["Weeks"][1:]
    assert (before[0], since[0], since[1]) == ("Before our rules", "Since", "8")
    assert float(before[4]) > float(since[4])
    assert by_head["Fired"][1][:2][0] == "DMRateLimited"


@pytest.mark.slow
def test_alert_rules_shows_the_limits_with_their_rails_and_ages(alert_rules):
    every = [rows for rows in tables(alert_rules) if rows[0][0] == "Alert"]
    (moving,) = (rows for rows in every if "In force" in rows[0])
    (fixed,) = (rows for rows in every if rows[0] == ["Alert", "Limit"])
    assert moving[0] == ["Alert", "In force", "Limit", "Learned (age)", "Floor / human / ceiling", "Why"]
    names = [row[0] for row in (*moving[1:], *fixed[1:])]
    assert len(names) == len(set(names)) > 40
    of = {row[0]: row for row in moving[1:]}
    assert of["ChannelStalenessWarning"][-1] == "23 series, each with its own"
    assert of["PostsVolumeSpike"][-1].startswith("learned ")
    assert re.fullmatch(r"\d+ posts \(0 s\)", of["PostsVolumeSpike"][3].replace("\u00a0", " "))
    assert of["PostsVolumeSpike"][4].replace("\u00a0", " ") == "60 posts / 300 posts / 1,000 posts"
    said = "".join(shown(alert_rules, "text/html"))
    assert "No limit was published from here yet: the rules use human limits" in said
    assert "No limit is pinned." in said


@pytest.mark.slow
def test_alert_rules_draws_weeks_lengths_and_hours(alert_rules):
    page = BeautifulSoup(body(alert_rules), "html.parser")
    alts = [picture["alt"] for picture in page.find_all("img")]
    assert alts[0].startswith("Stacked bars of Alerts by week, weeks of ")
    assert alts[0].endswith("Dotted line: our rules, 21 Sep 2026.")
    assert alts[1].startswith("How long alerts fire: DMRateLimited ")
    assert alts[2].startswith("Heat map of Alerts firing at once by weekday and hour, Asia/Singapore time: highest on ")
    assert len(alts) == 3


@pytest.mark.slow
def test_experiments_say_what_was_planted_and_show_what_stands_behind_it():
    done = executed("experiments", source_uri=str(sample()), **SMALL["experiments"])
    assert_clean(done)
    answer = answer_of(done, name="experiments")
    assert answer.sentence == (
        "“A shorter prompt for extraction” and “A larger apply button”: better; "
        "“A smaller model for every other request”: worse; "
        "“Nearest assignments first in the digest” and “Suggestions in the search box”: no difference shown; "
        "“The new listing behind a redirect”: blocked by the split; "
        "“Suggestions in the search box, from counters alone”: no verdict from such data."
    )
    assert (answer.findings["kind"] == "did_it_work").sum() >= 5
    assert answer.scorecard[0] == "5 of 7 experiments have a verdict."
    every = tables(done)
    overview = next(rows for rows in every if rows[0][0] == "Experiment")
    goals = {row[0]: row[2] for row in overview[1:]}
    assert goals["The new listing behind a redirect"] == "–"  # no number where the split is broken
    assert re.match(r"\+53\W% \(\+21\W% to\W\+95\W%\)", goals["A larger apply button"])
    assert sum(rows[0][0] == "Metric" for rows in every) >= 5
    releases = next(rows for rows in every if rows[0][:2] == ["Signal", "Release"])
    assert {row[-1].split(":")[0] for row in releases[1:]} == {"no change shown"}  # nothing was planted with a release
    page = BeautifulSoup(body(done), "html.parser")
    alts = [picture["alt"] for picture in page.find_all("img")]
    assert sum(alt.startswith("Forest plot") for alt in alts) == 5
    assert any("which is above zero" in alt for alt in alts)


@pytest.mark.slow
def test_explore_displays_tables_and_pictures_and_no_error(explore):
    assert_clean(explore)
    heads = [rows[0] for rows in tables(explore)]
    assert any("unique_id" in head and "y" in head for head in heads)
    assert any("channel" in head for head in heads)
    page = BeautifulSoup("".join(shown(explore, "text/html")) + body(explore), "html.parser")
    alts = {picture["alt"] for picture in page.find_all("img")}
    assert any(alt.startswith("Forecast chart of New posts") for alt in alts)
    assert len(alts) >= 3
    assert all(len(alt) > 40 for alt in alts)


@pytest.mark.server
@pytest.mark.slow
def test_explore_works_on_a_live_server_when_one_line_is_changed(tmp_path):
    end = pd.Timestamp.now("UTC")
    server = LocalPrometheus(tmp_path)
    load_world(server, World(start=end - pd.Timedelta(days=9), end=end, step="240s", incidents=()))
    with server:
        live = executed("explore", source_uri=server.url)
    assert_clean(live)
    assert server.url in "".join(shown(live, "text/plain"))
    alts = [picture["alt"] for picture in BeautifulSoup(body(live), "html.parser").find_all("img")]
    assert any(alt.startswith("Forecast chart of New posts") for alt in alts)
    (history,) = [rows for rows in tables(live) if "posts_seen" in str(rows[1:]) and "y" in rows[0]]
    assert float(history[-1][history[0].index("y")]) >= 0


def test_a_mistake_in_a_notebook_is_one_sentence(capsys):
    shell = InteractiveShell()
    try:
        done = shell.run_cell("from tutordex_analysis import connect\nconnect('nowhere')")
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
    said = capsys.readouterr()
    assert type(done.error_in_exec).__name__ == "SourceError"
    lines = [line for line in (said.out + said.err).splitlines() if line.strip()]
    assert lines == ["SourceError: 'nowhere' is neither a URL (http://host:9090) nor a folder that is there"]


@pytest.mark.slow
def test_promises_are_told_with_what_spent_their_budget():
    done = executed("slo", source_uri=str(sample()), **SMALL["slo"])
    assert_clean(done)
    answer = answer_of(done, name="slo")
    assert re.fullmatch(
        r"Kept: Assignments within five minutes \(\d+ %\), Posts that are extracted .*", answer.sentence
    )
    assert answer.findings["kind"].tolist() == ["promise"] * 4
    assert answer.scorecard[0] == "4 of 4 promises are counted over their whole period."
    every = tables(done)
    overview = next(rows for rows in every if rows[0][0] == "Promise")
    assert [row[1] for row in overview[1:]] == ["99 %", "95 %", "99.9 %", "98 %"]
    spent = [row for rows in every if rows[0][0] == "From" for row in rows[1:]]
    assert any("DMFailureSpike fired" in row[-1] for row in spent)  # planted on 26 October
    page = BeautifulSoup(body(done), "html.parser")
    alts = [picture["alt"] for picture in page.find_all("img")]
    assert len(alts) == 4
    assert all(alt.startswith("Error budget of ") for alt in alts)
