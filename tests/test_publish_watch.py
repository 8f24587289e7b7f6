"""The scores that publish keeps from one look to the next are those that a new start would give."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tutordex_analysis import connect
from tutordex_analysis.publish import Watch
from tutordex_analysis.question import anomalies, watching
from tutordex_analysis.sink.exposition_anomalies import from_scores

ROOT = Path(__file__).parents[1]
END = pd.Timestamp("2026-11-10T12:00:00Z")
WEEKS = pd.Timedelta(days=15)


class Counting:
    """The sample, which remembers how many steps it was asked for."""

    def __init__(self) -> None:
        self.source = connect(str(ROOT / "data/sample"))
        self.asked: list[int] = []

    @property
    def catalogue(self):
        return self.source.catalogue

    def read(self, name, time_range):
        self.asked.append(int((time_range.end - time_range.start) / time_range.step))
        return self.source.read(name, time_range)


def hours(end):
    from tutordex_analysis.frame import TimeRange

    return TimeRange(end - WEEKS, end, "1h")


def rows(latest):
    tables = [one.assign(signal=name, unique_id=one["unique_id"].astype(str)) for name, one in latest.items()]
    return pd.concat(tables).sort_values(["signal", "unique_id"], ignore_index=True)


def test_new_steps_alone_are_read_and_judged_and_say_what_a_longer_history_says():
    source, watch = Counting(), Watch()
    watch.looked(source, hours(END))
    source.asked.clear()
    kept = rows(watch.looked(source, hours(END + pd.Timedelta(hours=3))))
    assert set(source.asked) == {4}  # the newest that was seen, and three new ones

    longer = hours(END)
    longer = type(longer)(longer.start, END + pd.Timedelta(hours=3), "1h")
    anew = watching.watching(anomalies.gather(source.source, source.catalogue, longer), source.catalogue)
    both = kept.merge(rows(anew.latest), on=["signal", "unique_id"], suffixes=("", "_anew"))
    assert len(both) == len(kept) > 80
    for name in ("ds", "y", "expected", "lower", "upper", "score"):
        pd.testing.assert_series_equal(both[name], both[f"{name}_anew"], check_names=False, check_dtype=False)


def test_the_same_moment_again_reads_nothing_and_a_day_later_all_is_learnt_anew():
    source, watch = Counting(), Watch()
    first = watch.looked(source, hours(END))
    source.asked.clear()
    assert watch.looked(source, hours(END)) is first
    assert not source.asked
    watch.looked(source, hours(END + pd.Timedelta(hours=30)))
    assert set(source.asked) == {15 * 24}


def test_a_moment_before_the_last_is_learnt_anew():
    source, watch = Counting(), Watch()
    watch.looked(source, hours(END))
    back = watch.looked(source, hours(END - pd.Timedelta(days=2)))
    assert rows(back)["ds"].max() <= END - pd.Timedelta(days=2)


def test_the_families_carry_signal_labels_and_bounds():
    found = from_scores(Watch().looked(Counting(), hours(END)))
    expected, scores = found
    assert (expected.name, scores.name) == ("tutordex_expected", "tutordex_anomaly_score")
    assert len(expected.samples) == 3 * len(scores.samples)
    channel = [one for one in scores.samples if one.labels["signal"] == "posts_seen_by_channel"]
    assert all(one.labels["channel"].startswith("t.me/") for one in channel)
    bounds = {
        one.labels["bound"]: one.value
        for one in expected.samples
        if one.labels["signal"] == "posts_seen" and one.value == one.value
    }
    assert bounds["lower"] <= bounds["expected"] <= bounds["upper"]


def test_nothing_watched_yet_gives_no_scores():
    class Empty(Counting):
        def read(self, name, time_range):
            return super().read(name, time_range).assign(y=float("nan"))

    assert Watch().looked(Empty(), hours(END)) == {}
    assert from_scores({}) == ()
