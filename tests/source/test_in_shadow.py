"""What a server says of itself, in all of its ways; a real one is asked in test_rule_gate."""

import json

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import frame as frames
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.answer import Refused
from tutordex_analysis.source.in_shadow import in_shadow

START = pd.Timestamp("2026-03-02T00:00Z")
SPAN = TimeRange(START, START + pd.Timedelta("1h"), "5m")
NO = float("nan")


class Server:
    """Answers queries by what stands in them, and pages by their name; None refuses a page."""

    uri = address = "http://127.0.0.1:9"

    def __init__(self, *, pages=(), **found):
        self.session, self.pages, self.found = self, dict(pages), found

    def query(self, promql, time_range):
        values, labels = next((one for key, one in self.found.items() if key in promql), ((), ()))
        if not labels:
            return frames.empty()
        return frames.build(np.array(values, dtype=float), labels, time_range)

    def fetch(self, method, url, form):
        page = self.pages.get(url.partition("/api/v1/")[2])
        if page is None:
            raise Refused("no such page", status=404)
        return page if isinstance(page, bytes) else json.dumps({"data": page}).encode()


def kept(said):
    return in_shadow(Server(pages={"status/runtimeinfo": {"storageRetention": said}}), SPAN).kept


def test_stretches_begin_where_the_sample_before_them_lies():
    row = [NO, NO, 2, 2, 2, NO, 1, NO, NO, NO, NO, 2]
    names = [{"alert": "A", "definition": "x"}]
    calls = [{"alertname": "A", "channel": "c", "shadow": "true"}, {"alertname": "B", "shadow": "true"}]
    limits = [[NO, 1, 1] + [NO] * 9], [{"alert": "A"}]
    found = in_shadow(Server(in_shadow=([row], names), learnt=limits, firing=([row, [NO] * 11 + [1]], calls)), SPAN)
    minutes = [((a - START) / pd.Timedelta("1min"), (b - START) / pd.Timedelta("1min")) for a, b in
               zip(found.loaded["start"], found.loaded["end"], strict=True)]  # fmt: skip
    assert minutes == [(5, 20), (25, 30), (50, 55)]
    assert found.learnt.to_numpy().tolist() == [["A", START, START + pd.Timedelta("10min")]]
    assert found.loaded[["alert", "definition"]].drop_duplicates().to_numpy().tolist() == [["A", "x"]]
    assert found.fired.query("alert == 'A'")["start"].tolist() == found.loaded["start"].tolist()
    assert found.fired["labels"].iloc[-1] == '{alertname="B",shadow="true"}'  # it has no channel
    assert found.fired["labels"].iloc[0] == '{alertname="A",channel="c",shadow="true"}'


@pytest.mark.parametrize(
    ("said", "days"), [("15d", 15), ("1w or 10GiB", 7), ("10GiB or 6h", 0.25), ("10GiB", None), ("", None)]
)
def test_how_long_a_server_keeps_samples_is_its_own_word(said, days):
    assert kept(said) == (None if days is None else pd.Timedelta(days=days))


def test_a_server_that_tells_nothing_of_itself_is_not_held_against_an_alert():
    found = in_shadow(Server(), SPAN)
    assert (found.kept, found.sick, found.alerts_known) == (None, {}, False)
    assert (len(found.loaded), len(found.fired)) == (0, 0)


def test_a_rule_that_cannot_be_evaluated_is_named_with_its_error():
    rules = [
        {"name": "Bad", "type": "alerting", "health": "err", "lastError": "many-to-many"},
        {"name": "New", "type": "alerting", "health": "unknown"},
        {"name": "record", "type": "recording", "health": "err"},
    ]
    assert in_shadow(Server(pages={"rules": {"groups": [{"rules": rules}]}}), SPAN).sick == {"Bad": "many-to-many"}


def test_alerts_are_known_from_their_first_minutes_on():
    newest = [[NO] * 11 + [3]], [{}]
    assert in_shadow(Server(**{"count(count_over_time(ALERTS": newest}), SPAN).alerts_known
    assert not in_shadow(Server(), SPAN).alerts_known
