"""The state of reports as metrics."""

import pandas as pd

from tutordex_analysis.sink.answer import Record, answer
from tutordex_analysis.sink.exposition_reports import from_shelf
from tutordex_analysis.sink.shelf import Shelf, shelf

STARTED = pd.Timestamp("2026-03-01T00:00Z")


def record(name, *, good):
    said = answer("All is well.") if good else None
    return Record(
        name=name, title=name, asks="", started=STARTED, seconds=30.0, answer=said, error="" if good else "no"
    )


def test_a_failed_page_keeps_the_time_of_its_last_success():
    good, bad, never = record("capacity", good=True), record("capacity", good=False), record("anomalies", good=False)
    held = Shelf(latest={"capacity": bad, "anomalies": never}, good={"capacity": good}, findings=pd.DataFrame())
    success, failed = from_shelf(held)
    assert [(one.labels["page"], one.value) for one in success.samples] == [("capacity", STARTED.timestamp() + 30)]
    assert {one.labels["page"]: one.value for one in failed.samples} == {"capacity": 1.0, "anomalies": 1.0}


def test_an_empty_folder_says_nothing(tmp_path):
    assert from_shelf(shelf(tmp_path)) == ()
