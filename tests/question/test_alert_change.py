"""Before our rules and since: counted by hand, and told only where it can be."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.question import alert_change as question
from tutordex_analysis.question import alert_load

START = pd.Timestamp("2026-08-30T16:00Z")  # a Monday begins in Singapore
WEEK = pd.Timedelta(days=7)
STEP = pd.Timedelta("5min")
TZ = "Asia/Singapore"
CATALOGUE = catalogue_file.load()
OURS = {"severity": "none", "component": "observability"}
OLD = {"severity": "warning", "component": "observability"}


@dataclass
class Fired:
    frame: pd.DataFrame | None


def firing(stretches, *, weeks):
    """A frame of ALERTS; stretches are (alert, hours after the start, hours, labels)."""
    n = int(weeks * WEEK / STEP)
    ds = pd.date_range(START + STEP, periods=n, freq=STEP)
    parts = []
    for i, (alert, hour, length, labels) in enumerate(stretches):
        y = np.full(n, np.nan)
        y[round(hour * 12) : round((hour + length) * 12)] = 1.0
        parts.append(pd.DataFrame({"unique_id": f"{i}", "ds": ds, "y": y, "alertname": alert, **labels}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(unique_id=pd.Categorical(table["unique_id"]))


def watched(change, weeks):
    """The Watchdog all the time, ours from a week on."""
    hours = 168 * change
    return [("Watchdog", 0, hours, OLD), ("Watchdog", hours, 168 * weeks - hours, OURS)]


def load(frame):
    return alert_load.of(frame, CATALOGUE, step=STEP)


def test_ours_began_with_what_was_told_then_pushed_then_seen():
    frame = firing([*watched(3, 6), ("A", 2, 1, OLD)], weeks=6)
    seen, how = question.since(frame, CATALOGUE)
    assert (seen, how) == (START + 3 * WEEK + STEP, "the first sample of our Watchdog")
    first, later = "2026-09-10T01:00Z", "2026-09-20T01:00Z"
    assert question.since(frame, CATALOGUE, pushed=[later, first])[0] == pd.Timestamp(first)
    assert question.since(frame, CATALOGUE, told=later, pushed=[first])[0] == pd.Timestamp(later)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (None, "no push is recorded here"),
        (firing([("Watchdog", 0, 336, OURS)], weeks=2), "so there is no before"),
        (firing([("Watchdog", 0, 336, OLD)], weeks=2), "no alert on record tells our rules from others"),
    ],
)
def test_without_a_sign_nobody_knows_when(frame, why):
    moment, said = question.since(frame, CATALOGUE)
    assert pd.isna(moment)
    assert why in said
    change = question.change(None if frame is None else load(frame), moment, said, tz=TZ)
    assert "cannot be told: " in change.sentence
    assert change.rows.empty


def spread(before, after):
    """Calls of two alerts each, ten minutes apart, five hours from one to the next; three weeks on either side."""
    hours = [6 + 5 * i for i in range(before)] + [504 + 6 + 5 * i for i in range(after)]
    return [(name, hour + shift, 0.5, OLD) for hour in hours for name, shift in (("A", 0), ("B", 1 / 6))]


def test_what_comes_together_is_one_call_and_fewer_calls_are_told_with_their_exact_interval():
    """48 before and 16 since, over three weeks each: Clopper and Pearson's interval of 16 of 64 as odds."""
    frame = firing([*watched(3, 6), *spread(48, 16)], weeks=6)
    found = question.change(load(frame), START + 3 * WEEK, "told", tz=TZ)
    before, after = found.rows.to_dict("records")
    assert (before["firings"], before["calls"], before["weeks"]) == (96, 48, pytest.approx(3))
    assert (after["calls"], after["calls_a_week"], after["hours"]) == pytest.approx((16, 16 / 3, 16 / 3))
    assert found.ratio == pytest.approx(1 / 3)
    assert (found.lower, found.upper) == pytest.approx((1 / 5.66, 1 / 1.67), abs=0.01)
    assert "16 calls a week before, 5.33 since; that is fewer" in found.sentence
    assert found.sentence.startswith("Our rules are in force since 21 Sep 2026 (told)")


def test_few_calls_and_short_weeks_tell_nothing():
    frame = firing([*watched(3, 6), *spread(4, 3)], weeks=6)
    assert "more or fewer cannot be told" in question.change(load(frame), START + 3 * WEEK, "told", tz=TZ).sentence
    early = question.change(load(frame), START + WEEK, "told", tz=TZ)
    assert early.sentence.endswith("cannot be told from 1 weeks before.")
    assert np.isnan(early.ratio)
    assert len(early.rows) == 2
    quiet = question.change(load(firing(watched(3, 6), weeks=6)), START + 3 * WEEK, "told", tz=TZ)
    assert quiet.sentence.endswith("nobody was called before or since.")


def test_alerts_are_known_since_the_first_watchdog():
    frame = firing([("Watchdog", 168, 336, OLD), ("A", 200, 1, OLD)], weeks=3)
    found = load(frame)
    assert found.start == START + WEEK
    assert found.alerts["a_week"].tolist() == [0.5]


def test_weeks_hold_the_noisiest_by_name_and_the_rest_together():
    names = [chr(ord("A") + i) for i in range(10)]
    stretches = [(name, 3 * j, 0.5, OLD) for i, name in enumerate(names) for j in range(10 - i)]
    found = question.by_week(load(firing([*watched(1, 2), *stretches], weeks=2)))
    assert list(found.columns) == [*names[: question.SHOWN], question.OTHERS]
    assert found.iloc[0].tolist() == [10, 9, 8, 7, 6, 5, 4, 3 + 2 + 1]
    assert found.iloc[1].sum() == 0
    assert question.by_week(None).empty


def test_label_sets_of_one_alert_fire_as_one_and_a_watchdog_never():
    frame = firing(
        [*watched(1, 1), ("A", 1, 1, {"severity": "x"}), ("A", 1.5, 1, {"severity": "y"}), ("B", 2, 1, OLD)], weeks=1
    )
    found = question.at_once(Fired(frame), CATALOGUE).set_index("ds")["y"]
    at = [found[START + pd.Timedelta(hours=hour) + STEP] for hour in (0, 1, 1.75, 2.25, 2.75, 4)]
    assert at == [0, 1, 1, 2, 1, 0]
    assert question.at_once(Fired(None), CATALOGUE).empty
