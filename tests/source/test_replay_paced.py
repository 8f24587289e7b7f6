"""Rules of a set, each at a step that suits its windows, as one replay."""

import pandas as pd

from tutordex_analysis import rule_groups
from tutordex_analysis.source.replay_paced import paced, swapped

START = pd.Timestamp("2026-03-02T00:00Z")
END = START + pd.Timedelta("8h")
RULES = """groups:
  - name: r
    rules: [{record: 'a:day', expr: 'sum(increase(x_total[1d]))'}]
  - name: g
    rules:
      - {alert: Fast, expr: 'y > 1'}
      - {alert: Slow, expr: 'a:day > 1'}
      - {alert: Limit, expr: 'y > on () tutordex_threshold{alert="Limit"}'}
      - {alert: Wrong, expr: '{__name__=~"a:.*"} > 1'}
"""


class Asked:
    """Answers every question with one series that is always there, and remembers what was asked."""

    def __init__(self):
        self.asked = []

    def query(self, promql, time_range):
        self.asked.append((promql, time_range))
        ds = pd.date_range(time_range.start, time_range.end, freq=time_range.step, inclusive="left")
        table = pd.DataFrame({"unique_id": "{}", "ds": ds, "y": 1.0})
        return table.assign(unique_id=pd.Categorical(table["unique_id"]))


def replayed(source, **more):
    told = []
    groups = rule_groups.parse(RULES, "r.yml")
    found = paced(source, groups, START, END, on_alert=lambda *one: told.append(one), **more)
    return found, told


def test_a_rule_of_days_is_asked_at_longer_steps_and_each_keeps_its_own_stretches():
    source = Asked()
    found, told = replayed(source)
    steps = {name: {one.step for text, one in source.asked if name in text} for name in ("x_total", "y >")}
    assert steps["x_total"] == {pd.Timedelta("15min")}
    assert steps["y >"] == {pd.Timedelta("60s")}
    assert found.range.step == pd.Timedelta("60s")
    assert sorted(found.rules["alert"]) == ["Fast", "Limit", "Slow", "Wrong"]
    assert found.rules["rule"].is_unique
    of = found.rules.set_index("alert")
    assert "by a pattern" in of.loc["Wrong", "problem"]
    assert set(found.active["rule"]) == set(of.loc[["Fast", "Limit", "Slow"], "rule"])
    assert (told[-1][0], told[-1][1]) == (4, 4)


def test_a_slow_rule_reads_records_less_often_and_a_fast_one_keeps_their_interval():
    text = """groups:
  - {name: r, interval: 15s, rules: [{record: 'a:now', expr: sum(x)}]}
  - name: g
    rules: [{alert: Slow, expr: 'last_over_time(a:now[6h]) > 1'}, {alert: Fast, expr: 'last_over_time(a:now[10m]) > 1'}]
"""
    source = Asked()
    paced(source, rule_groups.parse(text, "r.yml"), START, END)
    asked = {one.step: text for text, one in source.asked if "x" in text}
    assert "[6h:2m]" in asked[pd.Timedelta("10min")]
    assert "[10m:15s]" in asked[pd.Timedelta("60s")]


def test_a_limit_that_is_not_given_is_the_servers_or_the_human_one():
    source = Asked()
    replayed(source)
    assert any("tutordex_threshold" in text for text, _ in source.asked)
    source = Asked()
    replayed(source, human=True)
    assert not any("tutordex_threshold" in text for text, _ in source.asked)
    source = Asked()
    moves = pd.DataFrame({"ds": [START - pd.Timedelta("1D"), START + pd.Timedelta("1h")], "value": [3.0, 4.5]})
    replayed(source, human=True, limits={"Limit": moves})
    (text,) = {text for text, one in source.asked if "vector(4.5)" in text}
    assert "vector(3.0)" in text  # both in one query


def test_nothing_to_replay_is_an_empty_replay_and_moved_alerts_take_the_place_of_others():
    source = Asked()
    every = {"Fast", "Slow", "Limit", "Wrong"}
    assert replayed(source, without=every)[0].rules.empty
    whole, only = replayed(source)[0], replayed(source, without=every - {"Limit"})[0]
    both = swapped(whole, only)
    assert sorted(both.rules["alert"]) == sorted(every)
    assert both.rules["rule"].is_unique
    assert len(both.active) == len(whole.active)
