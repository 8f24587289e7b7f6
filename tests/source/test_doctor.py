import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.source.memory_source import MemorySource, wave
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import instant
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.doctor import doctor
from tutordex_analysis.source.pull import pull

NOW = instant("2026-03-10T12:30:00Z")


def gauge(name, metric):
    return Signal(name=name, title=name, area="queue", kind="gauge", unit="jobs", metric=metric, combine="mean")


RATIO = Signal.model_validate(
    {
        "name": "errors",
        "title": "Errors",
        "area": "llm",
        "kind": "ratio",
        "unit": "ratio",
        "numerator": {"counter": "failed_total"},
        "denominator": {"counter": "all_total"},
    }
)
CATALOGUE = Catalogue(
    signals={
        "fresh": gauge("fresh", "fresh_jobs"),
        "old": gauge("old", "old_jobs"),
        "gone": gauge("gone", "gone_jobs"),
        "errors": RATIO,
    }
)


class Server:
    """A server that answers the doctor: metrics with the age of their newest sample."""

    uri = "http://127.0.0.1:9090"

    def __init__(self, ages, *, ahead="0s"):
        self.ages = {name: pd.Timedelta(age) for name, age in ages.items()}
        self.ahead = pd.Timedelta(ahead)
        self.session = self

    def fetch(self, method, url, form):
        if url.endswith("/status/buildinfo"):
            return json.dumps({"data": {"version": "2.42.0"}}).encode()
        raise SourceError("404")

    def now(self):
        return NOW + self.ahead

    def metrics(self):
        return sorted(self.ages)

    def instant(self, promql):
        (name,) = [one for one in self.ages if f"({one})" in promql]
        reach = pd.Timedelta("1D") if "max_over_time" in promql else pd.Timedelta("5min")
        if self.ages[name] > reach:
            return frames.empty()
        newest = (NOW - self.ages[name]).timestamp()
        return frames.build(np.array([[newest]]), [{}], TimeRange(NOW, NOW + pd.Timedelta("1s"), "1s"))


class Down(Server):
    def now(self):
        raise SourceError("nothing listens at http://127.0.0.1:9090; is Prometheus running there?")


def facts_of(checkup) -> dict[str, dict[str, Any]]:
    return {row.pop("what"): row for row in checkup.facts.to_dict("records")}


def signals_of(checkup) -> dict[str, dict[str, Any]]:
    return {row.pop("signal"): row for row in checkup.signals.to_dict("records")}


def found_state(fact):
    return [fact["found"], fact["state"]]


AGES = {"fresh_jobs": "20s", "old_jobs": "3h", "all_total": "5s"}


def archive_at(folder, names=("fresh",)):
    parts = {name: CATALOGUE.signal(name).parts for name in names}
    source = MemorySource({part.at("1h"): {"a": wave()} for own in parts.values() for part in own})
    pull(source, folder / "prod", parts, step="1h", since="3d", now=NOW)
    return ArchiveSource(folder / "prod", catalogue=CATALOGUE)


def test_each_signal_is_ok_stale_missing_or_partial():
    found = signals_of(doctor(Server(AGES), None, CATALOGUE, NOW))
    assert {name: row["state"] for name, row in found.items()} == {
        "fresh": "ok",
        "old": "stale",
        "gone": "missing",
        "errors": "partial",
    }
    assert found["fresh"]["newest"] == NOW - pd.Timedelta("20s")
    assert found["old"]["newest"] == NOW - pd.Timedelta("3h")
    assert found["old"]["sentence"] == "old_jobs has stopped: its newest sample is 3h old; is the target up?"
    assert found["gone"]["sentence"] == "the server has no gone_jobs; is the target scraped?"
    assert "failed_total" in found["errors"]["sentence"]


def test_a_metric_without_a_sample_for_a_day():
    found = signals_of(doctor(Server({**AGES, "old_jobs": "40h"}), None, CATALOGUE, NOW))
    assert (found["old"]["state"], pd.isna(found["old"]["newest"])) == ("stale", True)
    assert "no sample for 1d" in found["old"]["sentence"]


def test_facts_of_a_server_that_answers():
    checkup = doctor(Server(AGES), None, CATALOGUE, NOW)
    facts = facts_of(checkup)
    assert {name: row["found"] for name, row in facts.items()} == {
        "server": "http://127.0.0.1:9090",
        "version": "2.42.0",
        "clock": "as ours",
        "retention": "unknown",
        "metrics": "3",
    }
    assert (checkup.facts["state"] == "ok").all()
    assert checkup.healthy


@pytest.mark.parametrize(("ahead", "found"), [("90s", "1m30s ahead of ours"), ("-3h", "3h behind ours")])
def test_a_clock_apart_from_ours_is_a_warning(ahead, found):
    facts = facts_of(doctor(Server(AGES, ahead=ahead), None, CATALOGUE, NOW))
    assert found_state(facts["clock"]) == [found, "warning"]


def test_a_server_that_is_down_is_a_row_and_the_archive_is_still_looked_at(tmp_path):
    checkup = doctor(Down(AGES), archive_at(tmp_path), CATALOGUE, NOW)
    assert not checkup.healthy
    facts = facts_of(checkup)
    assert "nothing listens" in facts["server"]["sentence"]
    assert facts["archive"]["state"] == "ok"
    row = signals_of(checkup)["fresh"]
    assert (row["state"], row["archived_to"], row["series"], row["gaps"]) == (
        "unknown",
        instant("2026-03-10T12:00:00Z"),
        1,
        0,
    )
    assert row["bytes"] > 0


def test_what_is_not_archived_yet_is_said(tmp_path):
    found = signals_of(doctor(None, archive_at(tmp_path), CATALOGUE, NOW))
    assert found["gone"]["sentence"] == "not in the archive yet: tutordex-analysis pull gone"
    assert found["fresh"]["sentence"] == ""


def test_an_archive_that_was_not_pulled_for_days_is_a_warning(tmp_path):
    archive = archive_at(tmp_path)
    facts = facts_of(doctor(None, archive, CATALOGUE, NOW + pd.Timedelta(days=3)))
    assert found_state(facts["archive's newest"]) == ["3d old", "warning"]


def test_a_damaged_file_is_found_and_named(tmp_path):
    archive = archive_at(tmp_path, names=("fresh", "old"))
    key = f"{CATALOGUE.signal('old').parts[0].digest('1h')}/1h"
    path = tmp_path / "prod" / key / "2026-03.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    checkup = doctor(None, archive, CATALOGUE, NOW)
    assert not checkup.healthy
    assert signals_of(checkup)["old"]["state"] == "damaged"
    assert signals_of(checkup)["fresh"]["state"] == "unknown"
    assert str(path) in facts_of(checkup)["archive file"]["sentence"]


def test_an_archive_of_another_server_is_a_warning(tmp_path):
    server = Server(AGES)
    server.uri = "http://127.0.0.1:9999"
    facts = facts_of(doctor(server, archive_at(tmp_path), CATALOGUE, NOW))
    assert found_state(facts["archive of"]) == ["http://127.0.0.1:9090", "warning"]


def test_a_vanished_archive_is_a_row(tmp_path):
    archive = archive_at(tmp_path)
    (tmp_path / "prod" / "manifest.json").write_text("{")
    checkup = doctor(None, archive, CATALOGUE, NOW)
    assert checkup.facts["state"].tolist() == ["failed"]
    assert not checkup.healthy


def test_a_signal_made_of_events_is_neither_found_on_a_server_nor_to_be_pulled(tmp_path):
    users = Signal(
        name="users",
        title="Users",
        area="delivery",
        kind="count",
        unit="users",
        events="users.created_at",
        forecast=True,
    )
    row = signals_of(doctor(Server(AGES), archive_at(tmp_path), Catalogue(signals={"users": users}), NOW))["users"]
    assert row["state"] == "unknown"
    assert "made of exported events" in row["sentence"]
    assert "pull" not in row["sentence"]
