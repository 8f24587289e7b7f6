"""What an experiment of a catalogue must say, and what is refused with file and line."""

import pytest
import yaml

from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import CatalogueError

METRIC = {"title": "Applied", "role": "goal", "event": "apply", "within": "7d"}
MESSAGES = {"unit": "user", "arms": {"control": "a", "treatment": "b"}, "start": "2026-10-01T00:00+08:00"}
WHOLE = {"title": "Order", **MESSAGES, "events": {}, "metrics": {"applied": METRIC}}

COUNTED = {
    "events": None, "counters": {}, "metrics": {"sent": {"title": "Sent", "role": "goal", "counter": "sent_total"}}
}  # fmt: skip
PARSED = {"title": "Parsed", "role": "goal", "column": "status", "equals": ["ok"]}
PAIRED = {"events": None, "pairs": {"time": None}, "metrics": {"parsed": PARSED}}


def loaded(folder, **changed):
    (folder / "own.yaml").write_text(yaml.safe_dump({"experiments": {"order": WHOLE | changed}}))
    return catalogue_file.load(folder).experiments["order"]


def test_an_experiment_says_where_its_numbers_come_from(tmp_path):
    found = loaded(tmp_path)
    assert (found.form, found.tables) == ("events", ("exposures", "events"))
    assert found.start.isoformat() == "2026-09-30T16:00:00+00:00"
    assert found.metrics["applied"].keys == {"event", "within"}
    totals = {side: {"successes": 3, "n": 9} for side in ("control", "treatment")}
    found = loaded(tmp_path, events=None, metrics={"applied": {"title": "Applied", "role": "goal", "totals": totals}})
    assert (found.form, found.tables) == ("totals", ())
    found = loaded(tmp_path, events=None, pairs={}, metrics={"parsed": PARSED})
    assert (found.form, found.tables) == ("pairs", ("telegram_extractions",))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"arms": {"control": "a", "treatment": "a"}}, "two different names"),
        ({"arms": {"control": "a"}}, "two different names"),
        ({"split": [1, 0]}, "share above 0"),
        ({"end": "2026-09-01T00:00Z"}, "ends after it starts"),
        ({"looks": "once"}, "say end: or planned:"),
        ({"looks": "once", "planned": 9, **COUNTED}, "say end:, counters do not count units"),
        ({"looks": "once", "planned": 9, **PAIRED}, "needs the time of each row"),
        ({"metrics": {"applied": METRIC | {"within": None}}}, "applied needs within:"),
        ({"metrics": {"unit": METRIC}}, "'unit' cannot be the name"),
        ({"metrics": {"applied:before": METRIC}}, "is not a name|cannot be the name"),
        ({"events": {"segments": ["arm"]}}, "'arm' cannot be the name"),
        ({"events": {"segments": ["applied"]}}, "name of a metric and of a segment"),
        ({"pairs": {}}, "has pairs and events"),
        ({"metrics": {}}, "has metrics"),
        ({"metrics": {"applied": METRIC | {"role": "behaviour"}}}, "role: goal"),
        ({"metrics": {"applied": METRIC | {"role": "guardrail"}}}, "a guardrail has a margin"),
        ({"metrics": {"applied": METRIC | {"counter": "applies_total"}}}, "has counter:, which does not fit events"),
        ({"metrics": {"applied": {"title": "A", "role": "goal", "column": "status"}}}, "needs event:"),
        ({"metrics": {"applied": METRIC | {"per": "view"}}}, "take: events"),
        ({"metrics": {"applied": METRIC | {"quantile": 0.9}}}, "take: value"),
        ({"start": "2026-10-01"}, "moment|zone"),
        ({"events": {"unit": "user id; drop"}}, "no name of a column"),
    ],
)
def test_what_cannot_be_is_refused_with_file_and_line(tmp_path, changed, said):
    with pytest.raises(CatalogueError, match=said) as caught:
        loaded(tmp_path, **changed)
    assert "own.yaml:" in str(caught.value)


def test_a_counter_is_one_selector_and_totals_name_both_arms(tmp_path):
    rate = {"title": "Sent", "role": "goal", "counter": "rate(sent_total[5m])"}
    with pytest.raises(CatalogueError, match="plain selector"):
        loaded(tmp_path, events=None, counters={}, metrics={"sent": rate})
    half = {"title": "Sent", "role": "goal", "totals": {"control": {"n": 3, "successes": 1}}}
    with pytest.raises(CatalogueError, match="name control: and treatment:"):
        loaded(tmp_path, events=None, metrics={"sent": half})
