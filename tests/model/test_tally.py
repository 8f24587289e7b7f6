"""Who was exposed and what they did then, against an obvious loop."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tutordex_analysis.model.exposure import first_exposures
from tutordex_analysis.model.tally import deeds

ZERO = pd.Timestamp("2026-10-01T00:00Z")
HOURS = st.integers(-4, 8)
UNITS = st.integers(1, 5)
SHOWN = st.lists(st.tuples(UNITS, st.sampled_from("ab"), HOURS), min_size=1, max_size=12)
DONE = st.lists(st.tuples(UNITS, st.sampled_from(["apply", "view"]), HOURS, st.integers(0, 3)), max_size=25)


def at(hour):
    return ZERO + pd.Timedelta(hours=hour)


def table(rows, *names):
    frame = pd.DataFrame(rows, columns=[*names])
    return frame.assign(ds=pd.to_datetime([at(hour) for hour in frame["ds"]], utc=True).as_unit("us"))


def slowly(shown, done, *, event, within=None, before=None):
    """Unit → (arm, count, sum), one unit and one row after the other."""
    found = {}
    for unit in {one[0] for one in shown}:
        arms = {arm for user, arm, _ in shown if user == unit}
        if len(arms) > 1:
            continue
        first = min(hour for user, _, hour in shown if user == unit)
        values = []
        for user, what, hour, value in set(done):
            if user != unit or what != event:
                continue
            lag = hour - first
            later = lag >= 0 and (within is None or lag <= within)
            if later if before is None else -before <= lag < 0:
                values.append(value)
        found[unit] = (arms.pop(), len(values), sum(values))
    return found


@given(shown=SHOWN, done=DONE, within=st.sampled_from([None, 1, 3]), before=st.sampled_from([None, 2]))
def test_a_tally_is_what_a_loop_finds(shown, done, within, before):
    exposed = first_exposures(table(shown, "unit", "arm", "ds"))
    outcomes = table(done, "unit", "event", "ds", "value").astype({"value": float})
    did = deeds(exposed, outcomes)
    for event in ("apply", "view"):
        wanted = slowly(shown, done, event=event, within=within, before=before)
        spans = {
            "within": None if within is None else pd.Timedelta(hours=within),
            "before": None if before is None else pd.Timedelta(hours=before),
        }
        count, total, yes = (did.taken(event, take, **spans) for take in ("events", "value", "converted"))
        units = exposed.frame["unit"].tolist()
        assert units == sorted(wanted)
        assert exposed.frame["arm"].tolist() == [wanted[one][0] for one in units]
        np.testing.assert_array_equal(count, [wanted[one][1] for one in units])
        np.testing.assert_array_equal(total, [wanted[one][2] for one in units])
        np.testing.assert_array_equal(yes, [min(wanted[one][1], 1) for one in units])
        if before is None:
            values = did.values(event, within=spans["within"])
            assert values["unit"].tolist() == [one for one in units for _ in range(wanted[one][1])]
    assert did.repeated == len(done) - len(set(done))
    counted = {(user, arm) for user, arm, _ in shown}
    assert len(exposed.crossed) == len(counted) - len({user for user, _ in counted})


def test_a_million_units_are_tallied_in_two_seconds():
    import time

    random, n = np.random.default_rng(1), 1_000_000
    seconds = pd.to_timedelta(random.integers(0, 14 * 86_400, n), unit="s")
    shown = pd.DataFrame({"unit": np.arange(n), "arm": random.choice(["a", "b"], n), "ds": ZERO + seconds})
    kinds = random.choice(["apply", "view", "open"], n)
    done = pd.DataFrame({"unit": random.integers(0, n, n), "event": kinds, "ds": ZERO + seconds[::-1], "value": 1.0})
    begun = time.process_time()
    did = deeds(first_exposures(shown), done)
    for event in ("apply", "view", "open"):
        for take in ("converted", "events", "value"):
            did.taken(event, take, within=pd.Timedelta(days=7))
        did.taken(event, "events", before=pd.Timedelta(days=7))
    assert time.process_time() - begun < 2
