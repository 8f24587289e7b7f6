"""Limits put into a real server are found there while they held, and rules replayed on it go by them, or do not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from bench import _replays
from tutordex_analysis import catalogue_file, rule_trial
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.rule import Rule, Threshold
from tutordex_analysis.source.local_server import LocalPrometheus
from tutordex_analysis.source.prometheus import PrometheusSource

START = pd.Timestamp("2026-03-02T00:00Z")
END = START + pd.Timedelta("8h")
CHANNEL = 'a "quoted" \\ one'
LIMIT = Threshold(human=50, floor=10, ceiling=90, learn="season", signal="queue_pending")
RULE = Rule(name="ManyWait", value="sum(queue_pending)", threshold=LIMIT, component="queue", summary="s")
OTHERS = [
    Rule(name=name, value="sum(queue_pending) > 5", component="x", summary="s")
    for name in ("Fixed", "LeftToTheCaller", *sorted(_replays.LEFT_OUT))
]


def hour(n):
    return START + pd.Timedelta(hours=n)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """30 jobs wait for eight hours; the limit was 20 in the third and fourth hour, and 40 in the fifth."""
    folder = tmp_path_factory.mktemp("replays")
    samples = [f"queue_pending 30 {t.timestamp():.0f}" for t in pd.date_range(START, END, freq="1min")]
    (folder / "past.txt").write_text("\n".join(["# TYPE queue_pending gauge", *samples, "# EOF", ""]))
    rows = [("ManyWait", {}, hour(n), value) for n, value in ((-2, 11.0), (2, 20.0), (3, 20.0), (4, 40.0), (9, 12.0))]
    rows.append(("PerChannel", {"channel": CHANNEL}, hour(3), 0.1 + 0.2))
    server = LocalPrometheus(folder / "server", openmetrics=[folder / "past.txt"])
    _replays.put(server, pd.DataFrame(rows, columns=["alert", "labels", "ds", "value"]), START, END)
    with server:
        yield PrometheusSource(server.url)


def held(source, query):
    """Values of every ten minutes, by label set."""
    found = source.query(query, TimeRange(START - pd.Timedelta("3h"), END + pd.Timedelta("3h"), "10m"))
    return found.dropna(subset=["y"])


@pytest.mark.server
def test_a_limit_is_there_for_its_hour_and_no_longer(source):
    found = held(source, 'tutordex_threshold{alert="ManyWait"}').set_index("ds")["y"]
    assert found.loc[hour(2)] == 20
    assert found.loc[hour(4) : hour(5) - pd.Timedelta("10min")].eq(40).all()
    assert found.index.min() == hour(2)  # what is over an hour before the stretch, or after it, is not written
    assert found.index.max() == hour(5)  # a last sample is found for five minutes
    assert found.loc[hour(2) : hour(5)].index.to_series().diff().max() == pd.Timedelta("10min")


@pytest.mark.server
def test_any_label_and_every_digit_arrive(source):
    found = held(source, 'tutordex_threshold{alert="PerChannel"}')
    assert set(found["channel"]) == {CHANNEL}
    assert set(found["y"]) == {0.1 + 0.2}


@pytest.mark.server
def test_limits_are_fresh_in_the_whole_stretch_and_not_outside(source):
    found = held(source, "time() - tutordex_generated_timestamp_seconds").set_index("ds")["y"]
    assert (found.index.min(), found.index.max()) == (START, END)
    assert found.between(0, 300).all()


@pytest.mark.server
def test_rules_go_by_the_limits_of_the_server_or_by_human_ones_and_some_are_left_out(source):
    catalogue = replace(catalogue_file.load(), rules={one.name: one for one in (RULE, *OTHERS)}, records={})
    groups = rule_trial.ours(catalogue)

    def fired(*, learnt):
        found = _replays.replayed(source, groups, START, END, learnt=learnt, without=["LeftToTheCaller"])
        assert set(found.rules["alert"]) == {"ManyWait", "Fixed"}
        assert set(found.rules["problem"]) == {""}
        number = found.rules.set_index("alert")["rule"]["ManyWait"]
        return found.active[found.active["rule"] == number]

    assert fired(learnt=False).empty  # 30 is under 50
    (one,) = fired(learnt=True).to_dict("records")
    assert one["first"] == hour(2)  # over 20
    assert one["last"] == hour(4) - pd.Timedelta("1min")  # under 40
