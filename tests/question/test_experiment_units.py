"""From tables of events to what is compared: who counts, what counts, and what is said of the rest."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file, compare
from tutordex_analysis.errors import ExperimentError, SourceError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.experiment_data import covariate_of, denominator_of
from tutordex_analysis.question.experiment_units import gather
from tutordex_analysis.source.events import EventsSource
from tutordex_analysis.source.experiments import read_tables

START = pd.Timestamp("2026-10-01T00:00Z")
NOW = pd.Timestamp("2026-10-20T00:00Z")
APPLIED = {"title": "Applied", "role": "goal", "event": "apply"}


def planned(metrics=None, **changed):
    whole = {
        "name": "order", "title": "Order", "unit": "user", "arms": {"control": "a", "treatment": "b"},
        "start": START, "end": "2026-11-01T00:00Z", "looks": "once", "events": {},
        "metrics": metrics or {"applied": APPLIED},
    }  # fmt: skip
    return Experiment(**whole | changed)


def day(n, hour=0):
    return START + pd.Timedelta(days=n, hours=hour)


def exposures(*rows):
    """Rows of (user, variant, day)."""
    return pd.DataFrame(
        [(user, arm, at if isinstance(at, pd.Timestamp) else day(at), "order") for user, arm, at in rows],
        columns=["user_id", "variant", "event_time", "experiment"],
    )


def events(*rows):
    """Rows of (user, event, day, value)."""
    return pd.DataFrame(
        [(user, event, day(at), value) for user, event, at, value in rows],
        columns=["user_id", "event_type", "event_time", "value"],
    ).astype({"event_time": "datetime64[us, UTC]", "value": float})


def got(folder, experiment, now=NOW, **tables):
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    source = EventsSource(folder, catalogue=catalogue_file.load())
    return gather(read_tables(experiment, events=source, source=None, now=now))


def column(data, name):
    return dict(zip(data.units["unit"], data.units[name], strict=True))


def test_only_what_came_from_the_first_exposure_on_counts(tmp_path):
    shown = exposures((1, "a", 3), (1, "a", 1), (2, "b", 2), (3, "b", 2))
    did = events((1, "apply", 2, 1), (2, "apply", 1, 1), (3, "apply", 2, 1), (9, "apply", 5, 1), (3, "view", 5, 1))
    data = got(tmp_path, planned(), exposures=shown, events=did)
    assert column(data, "applied") == {1: 1, 2: 0, 3: 1}
    assert column(data, "arm") == {1: "control", 2: "treatment", 3: "treatment"}
    assert column(data, "ds") == {1: day(1), 2: day(2), 3: day(2)}
    assert (data.seen, data.end) == ({"a": 1, "b": 2}, day(5))
    assert data.notes == (
        "1 outcome came before the exposure of their unit, not counted as outcomes",
        "1 outcome of units never exposed, or in no arm, not counted",
    )


def test_a_unit_in_two_arms_is_in_none_and_rows_that_came_twice_count_once(tmp_path):
    shown = exposures((1, "a", 1), (1, "b", 2), (2, "a", 1), (2, "a", 1), (3, "b", 1), (4, "red", 1))
    did = events((2, "apply", 2, 1), (2, "apply", 2, 1), (2, "apply", 3, 1), (1, "apply", 3, 1))
    metrics = {"applied": APPLIED | {"take": "events"}}
    data = got(tmp_path, planned(metrics), exposures=shown, events=did)
    assert column(data, "applied") == {2: 2, 3: 0}
    assert data.seen == {"a": 1, "b": 1, "red": 1}
    assert data.notes[:4] == (
        "1 unit saw more than one arm, in none",
        "1 unit in arms that the experiment does not have, left out: red",
        "1 exposure came twice, counted once",
        "1 outcome came twice, counted once",
    )


def test_a_unit_that_is_too_young_waits_and_earlier_deeds_are_its_covariate(tmp_path):
    shown = exposures((1, "a", 1), (2, "b", 8))
    did = events(
        *[(1, "view", at, 1) for at in (-1, 0, 1, 3)], (1, "apply", 8, 1), (1, "apply", 9, 1), (2, "apply", 9, 1),
        (1, "apply", -6, 1),
    )  # fmt: skip
    metrics = {"applies": APPLIED | {"take": "events", "per": "view", "within": "7d", "before": "3d"}}
    data = got(tmp_path, planned(metrics), exposures=shown, events=did)
    whole = data.units.set_index("unit")
    assert whole.loc[1, ["applies", denominator_of("applies")]].tolist() == [1, 2]
    assert whole.loc[1, [covariate_of("applies"), covariate_of(denominator_of("applies"))]].tolist() == [0, 2]
    assert np.isnan(whole.loc[2, ["applies", denominator_of("applies")]].astype(float)).all()


def test_values_of_a_quantile_are_several_rows_a_unit(tmp_path):
    shown = exposures((1, "a", 1), (2, "b", 1), (3, "b", 4))
    did = events((2, "load", 2, 0.5), (1, "load", 2, 0.25), (2, "load", 3, 1.5), (3, "load", 4, 9), (1, "apply", 2, 1))
    slow = {"title": "Slow", "event": "load", "take": "value", "quantile": 0.95, "within": "1d"}
    data = got(tmp_path, planned({"applied": APPLIED, "slow": slow}), exposures=shown, events=did)
    assert data.values["slow"].to_numpy().tolist() == [[1, "control", 0.25], [2, "treatment", 0.5]]
    assert "slow" not in data.units


def test_what_was_read_goes_into_compare(tmp_path):
    shown = exposures(*[(i, "ab"[i % 2], 1) for i in range(400)])
    did = events(*[(i, "apply", 2, 1) for i in range(400) if i % (5 if i % 2 else 10) < 2])
    data = got(tmp_path, planned(), exposures=shown, events=did)
    control, treatment = (data.units[data.units["arm"] == side] for side in ("control", "treatment"))
    verdict = compare(control, treatment, outcome="applied", metric="applied")
    assert verdict.status == "better"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"exposures": None}, "no table exposures .* export it as exposures.parquet"),
        ({"events": None}, "no table events .*instrumentation.md"),
        (
            {"exposures": exposures((1, "a", 1)).assign(experiment="other")},
            "exposures .* has no exposures of order yet",
        ),
        ({"now": day(-1)}, "starts on 2026-10-01"),
    ],
)
def test_what_is_not_there_yet_is_a_sentence(tmp_path, changed, said):
    tables = {"exposures": exposures((1, "a", 1)), "events": events((1, "apply", 2, 1))} | changed
    data = got(tmp_path, planned(), **{name: one for name, one in tables.items() if one is not None})
    assert data.units.empty
    assert pd.Series([data.lacks]).str.contains(said, regex=True).all(), data.lacks


@pytest.mark.parametrize(
    ("shown", "did", "said"),
    [
        ({"variant": "red"}, {}, r"exposures has no unit in a or b; its arms are red"),
        ({"event_time": pd.NaT}, {}, "the table exposures has 2 rows without event_time"),
        ({"event_time": pd.Timestamp("2026-10-03")}, {}, "event_time of .*exposures.parquet must be times with a zone"),
        ({}, {"value": np.nan}, "value of the table events in .* is empty or infinite in 1 row of apply"),
        ({}, {"value": np.inf}, "is empty or infinite"),
        ({}, {"value": "much"}, "value of the table events in .* must be numbers, and it holds 'much'"),
        ({}, {"user_id": "u1"}, "user_id is a number in one of exposures and events"),
        ({"variant": None}, "drop", "no column"),
    ],
)
def test_what_cannot_be_is_one_sentence_with_table_and_column(tmp_path, shown, did, said):
    table = exposures((1, "a", 1), (2, "b", 1)).assign(**shown)
    outcomes = events((1, "apply", 2, 1))
    outcomes = outcomes.drop(columns="event_type") if did == "drop" else outcomes.assign(**did)
    metrics = {"applied": APPLIED | {"take": "value"}}
    table = exposures((1, "a", 1), (2, "b", 1)) if did == "drop" else table
    if "event_time" in shown and pd.isna(shown["event_time"]):
        table["event_time"] = pd.to_datetime(table["event_time"], utc=True)
    with pytest.raises((SourceError, ExperimentError), match=said):
        got(tmp_path, planned(metrics), exposures=table, events=outcomes)


def test_rows_without_a_unit_are_guests_and_said(tmp_path):
    shown = exposures((1, "a", 1), (None, "b", 1), (2, "b", 1))
    data = got(tmp_path, planned(), exposures=shown, events=events((1, "apply", 2, 1)))
    assert column(data, "applied") == {1: 1, 2: 0}
    assert data.notes == ("1 row of exposures without user_id, left out",)
    assert data.units["unit"].dtype == np.int64


def test_no_source_of_events_is_a_sentence():
    data = gather(read_tables(planned(), events=None, source=None, now=NOW))
    assert data.lacks.startswith("it needs the table exposures and events; name its folder or database in the setting")


def pairs(*rows):
    return pd.DataFrame(rows, columns=["raw_id", "pipeline_version", "status", "score", "updated_at"])


PAIRED = {
    "pairs": {},
    "events": None,
    "metrics": {
        "parsed": {"title": "Parsed", "role": "goal", "column": "status", "equals": ["ok"], "waiting": ["pending"]},
        "score": {"title": "Score", "column": "score"},
    },
}


def test_pairs_are_one_row_a_unit_and_arm(tmp_path):
    table = pairs(
        (1, "a", "ok", 12, day(1)), (1, "b", "failed", None, day(2)), (2, "a", "ok", 9, day(1)),
        (2, "b", "ok", 10, day(2)), (2, "b", "ok", 10, day(2)),
        (3, "a", "failed", 1, day(1)), (3, "a", "ok", 8, day(4)), (3, "b", "pending", 1, day(2)),
        (1, "old", "ok", 3, day(1)), (4, "a", "ok", 3, day(-1)),
    )  # fmt: skip
    data = got(tmp_path, planned(**PAIRED), telegram_extractions=table)
    found = data.units.set_index(["unit", "arm"])
    assert found["parsed"].to_list()[:4] == [1, 0, 1, 1]
    assert (found.loc[(3, "control"), "parsed"], found.loc[(3, "control"), "score"]) == (1, 8)
    assert np.isnan(found.loc[(3, "treatment"), "parsed"])
    assert (data.seen, data.end) == ({"a": 3, "b": 3}, day(4))
    assert data.notes == (
        "1 row of telegram_extractions without status yet, not counted for parsed",
        "1 row of telegram_extractions without score yet, not counted for score",
        "1 row came twice, counted once",
        "1 older row of a unit in the same arm, left out",
    )


def test_pairs_without_a_time_must_be_unique(tmp_path):
    table = pairs((1, "a", "ok", 1, day(1)), (1, "a", "failed", 1, day(1)), (1, "b", "ok", 1, day(1)))
    with pytest.raises(ExperimentError, match="telegram_extractions has 1 unit twice in one arm"):
        got(tmp_path, planned(**PAIRED | {"pairs": {"time": None}, "looks": "any"}), telegram_extractions=table)


def test_totals_are_handed_on():
    totals = {"control": {"successes": 3, "n": 9}, "treatment": {"successes": 4, "n": 8}}
    plan = planned({"applied": {"title": "Applied", "role": "goal", "totals": totals}}, events=None)
    data = gather(read_tables(plan, events=None, source=None, now=NOW))
    assert data.totals["applied"] == (totals["control"], totals["treatment"])
    assert (pd.isna(data.end), data.seen) == (True, {"a": 9, "b": 8})


def many(days):
    """Four users a day, of either arm in turn, who apply on the fifth day after it."""
    shown = exposures(*[(i, "ab"[i % 2], day(i // 4, i % 4)) for i in range(4 * days)])
    did = events(*[(i, "apply", i // 4 + 5, 1) for i in range(4 * days)])
    return {"exposures": shown, "events": did}


@pytest.mark.parametrize("days", [9, 12, 18])
def test_one_look_is_at_the_planned_units_and_stays_the_same_however_late_it_is_read(tmp_path, days):
    plan = planned({"applied": APPLIED | {"within": "6d"}}, end=None, planned=5)
    data = got(tmp_path, plan, **many(days))
    assert data.over
    assert column(data, "applied") == dict.fromkeys(range(10), 1)  # the fifth of b came as the tenth of all
    assert data.end == day(2 + 6, 1)


def test_one_look_waits_until_the_last_planned_unit_was_watched(tmp_path):
    plan = planned({"applied": APPLIED | {"within": "6d"}}, end=None, planned=5)
    assert not got(tmp_path, plan, now=day(8), **many(9)).over
    assert not got(tmp_path, planned(end=None, planned=99), **many(9)).over


def test_one_look_at_pairs_is_at_the_planned_pairs(tmp_path):
    rows = [(i, arm, "ok", 1, day(i)) for i in range(1, 9) for arm in "ab"]
    rows[1] = (1, "b", "pending", 1, day(1))  # not known yet, so it is not among the first four
    for later in (6, 18):
        table = pairs(*[row for row in rows if row[-1] <= day(later)])
        data = got(tmp_path, planned(**PAIRED | {"end": None, "planned": 4}), telegram_extractions=table)
        assert data.over
        assert (set(data.units["unit"]), data.end) == ({1, 2, 3, 4, 5}, day(5))
