"""`for` and `keep_firing_for` against the state machine of Prometheus, step by step."""

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tutordex_analysis.model.alert_state import firing

START, STEP = pd.Timestamp("2026-03-02T00:00Z"), pd.Timedelta("60s")


def machine(there, hold, keep):
    """rules/alerting.go of Prometheus 2.42, one label set; seconds."""
    state, active_at, keep_since, fired = "inactive", 0, None, []
    for i, present in enumerate(there):
        t = 60 * i
        keeps = False
        if present:
            if state == "inactive":
                state, active_at = "pending", t
            keep_since = None
        else:
            if state == "firing" and keep > 0:
                keep_since = t if keep_since is None else keep_since
                keeps = t - keep_since < keep
            if state != "inactive" and not keeps:
                state = "inactive"
        if state == "pending" and t - active_at >= hold:
            state = "firing"
        fired.append(state == "firing")
    return fired


def runs(there, labels="{}"):
    rows, i = [], 0
    while i < len(there):
        j = i
        while j < len(there) and there[j]:
            j += 1
        if j > i:
            rows.append((labels, START + i * STEP, START + (j - 1) * STEP))
        i = max(j, i + 1)
    return pd.DataFrame(rows, columns=["labels", "first", "last"])


THERE = st.lists(st.integers(1, 6), max_size=10).map(
    lambda each: [i % 2 == 0 for i, n in enumerate(each) for _ in range(n)]
)


@given(THERE, st.sampled_from([0, 30, 60, 90, 180]), st.sampled_from([0, 45, 60, 200]))
@example([True] * 4 + [False] + [True] * 2, 180, 60)  # back at the first evaluation at which it would have ended
@example([True] * 4 + [False] * 2 + [True] * 2, 180, 60)  # and one later
def test_as_prometheus_does(there, hold, keep):
    table = firing(runs(there), step=STEP, hold=pd.Timedelta(seconds=hold), keep=pd.Timedelta(seconds=keep))
    got = [
        bool(((table["start"] <= t) & (table["end"] >= t)).any()) for t in (START + i * STEP for i in range(len(there)))
    ]
    assert got == machine(there, hold, keep)


def test_label_sets_are_apart_and_nothing_gives_an_empty_table():
    both = pd.concat([runs([True, True], '{a="1"}'), runs([False, True], '{a="2"}')])
    table = firing(both, step=STEP, hold=STEP, keep=pd.Timedelta(0))
    assert table["labels"].tolist() == ['{a="1"}']
    empty = firing(both.iloc[:0], step=STEP, hold=STEP, keep=STEP)
    assert empty.empty
    assert str(empty["start"].dtype) == "datetime64[ms, UTC]"


@pytest.mark.parametrize(("hold", "fires"), [("59s", 1), ("60s", 1), ("61s", 0)])
def test_for_is_reached_at_the_first_evaluation_that_late(hold, fires):
    table = firing(runs([True, True]), step=STEP, hold=pd.Timedelta(hold), keep=pd.Timedelta(0))
    assert len(table) == fires
