"""Events of a promise from signals and queries: sides that lack, waits, what no source holds."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.errors import NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.question import slo_history
from tutordex_analysis.slo import Slo

RANGE = TimeRange("2026-09-01T00:00Z", "2026-09-01T06:00Z", "1h")
NAN = np.nan


class Source:
    """Signals from a table, the end of what is asked for; queries answer a rate of 2 a second, the bad ones of 0.5."""

    def __init__(self, **rows):
        self.rows = rows

    def read(self, signal, time_range):
        if signal not in self.rows:
            return frames.empty(["__name__", "le"])
        rows = self.rows[signal]
        step = pd.Timedelta("6h") / len(next(iter(rows.values())))
        if step != time_range.step:
            raise NotHeld(f"{signal} is held every {step}")
        before = np.full(len(time_range) - round(pd.Timedelta("6h") / step), np.nan)
        values = np.array([np.concatenate([before, row]) for row in rows.values()], dtype=float)
        return frames.build(values, [{"__name__": signal, "le": name} for name in rows], time_range)

    def query(self, promql, time_range):
        assert "[3600s]" in promql
        value = 0.5 if "bad" in promql else -1e-17 if "- 1" in promql else 2.0
        return frames.build(np.full((1, len(time_range)), value), [{}], time_range)


class Catalogue:
    def __init__(self, slo):
        self.slos = {"one": slo}


def read(slo, **rows):
    (found,) = slo_history.gather(Source(**rows), Catalogue(slo), RANGE)
    return found


def test_a_counter_that_is_not_born_has_counted_nothing_while_the_other_counts():
    slo = Slo(title="T", objective=0.9, good="good", bad="bad")
    found = read(slo, good={"a": [3, NAN, 4, NAN, 5, 6]}, bad={"a": [NAN, NAN, 1, 2, NAN, 0]})
    assert found.events["bad"].tolist()[2:] == [1, 2, 0, 0]
    assert found.events["total"].tolist()[2:] == [5, 2, 5, 6]
    assert found.events[["bad", "total"]].iloc[1].isna().all()
    whole = Slo(title="T", objective=0.9, good="good", total="total")
    born = read(whole, good={"a": [NAN, NAN, 2, 2, 2, 2]}, total={"a": [2] * 6})
    assert born.events["bad"].tolist() == [2, 2, 0, 0, 0, 0]
    assert len(read(slo, good={"a": [1] * 6}).events) == 6


def test_series_of_a_label_are_chosen_and_good_ones_taken_from_all():
    slo = Slo(
        title="T",
        objective=0.9,
        good={"signal": "jobs", "labels": {"le": "300.0"}},
        total={"signal": "jobs", "labels": {"le": "+Inf"}},
    )
    found = read(slo, jobs={"1.0": [9] * 6, "300.0": [4, 4, 4, 6, 4, 4], "+Inf": [5] * 6})
    assert found.events["bad"].tolist() == [1, 1, 1, 0, 1, 1]  # never below none
    assert found.events["total"].tolist() == [5] * 6


def test_while_others_wait_too_long_all_are_late():
    wait = {"signal": "age", "above": 300}
    slo = Slo(title="T", objective=0.9, bad="bad", total="total", late_while=wait)
    age = [NAN, 100, 301, 900, 300, 10]
    found = read(slo, bad={"a": [1] * 6}, total={"a": [10] * 6}, age={"a": age})
    assert found.events["bad"].tolist() == [1, 1, 10, 10, 1, 1]
    assert found.late == 18
    fine = np.full(72, 100.0)
    fine[25:28] = 500.0  # 10, 15 and 20 minutes after one
    found = read(slo, bad={"a": [1] * 6}, total={"a": [12] * 6}, age={"a": fine})
    assert found.events["bad"].tolist() == [1, 1, 3, 1, 1, 1]  # a quarter of the hour that ends at two


def test_rates_of_queries_become_events():
    slo = Slo(title="T", objective=0.9, bad_query="sum(rate(bad[$window]))", total_query="sum(rate(all[$window]))")
    found = read(slo)
    assert len(found.events) == 60 * 24  # two periods
    assert set(found.events["bad"]) == {1800}
    assert set(found.events["total"]) == {7200}


def test_a_wait_or_a_query_that_fails_takes_no_other_promise_along():
    wait = {"signal": "age", "above": 300}
    late = Slo(title="T", objective=0.9, bad="bad", total="total", late_while=wait)
    odd = read(late, bad={"a": [1] * 6}, total={"a": [10] * 6}, age={"a": [1] * 3})
    assert odd.lacks.startswith("age is held every 0 days 02:00:00")
    rates = Slo(title="T", objective=0.9, bad_query="rate(x[$window]) - 1", total_query="rate(y[$window])")
    assert read(rates).events["bad"].min() >= 0  # a hair below nothing is nothing


def test_what_was_never_counted_says_so():
    slo = Slo(title="T", objective=0.9, bad="bad", total="total")
    assert read(slo, bad={"a": [0] * 6}).lacks.startswith("bad and total has no sample from 2026-07-03 06:00")
    late = read(slo, total={"a": [NAN, NAN, 4, 5, 6, 7]})
    assert late.events["ds"].iloc[0] == pd.Timestamp("2026-09-01T02:00Z")  # a service is as old as its first sample
    assert late.events["bad"].tolist() == [0] * 4


@pytest.mark.parametrize("total", [[1, 1, 1, 1, 1, 1]])
def test_more_bad_than_all_are_all(total):
    slo = Slo(title="T", objective=0.9, bad="bad", total="total")
    assert read(slo, bad={"a": [2] * 6}, total={"a": total}).events["total"].tolist() == [2] * 6


def test_a_page_speaks_of_the_time_that_is_known():
    slo = Slo(title="T", objective=0.9, bad="bad", total="total")
    kept = read(slo, total={"a": [NAN, NAN, 4, 5, 6, 7]})
    assert slo_history.window([kept], RANGE).start == pd.Timestamp("2026-09-01T02:00Z")
    assert slo_history.window([read(slo)], RANGE) == RANGE
