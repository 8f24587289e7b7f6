"""What a server says of its rules after a reload: good, bad, or not evaluated yet, which is neither."""

import json

import pytest

from tests.rule_files import alerts
from tutordex_analysis import rule_groups
from tutordex_analysis.errors import RulesRefused
from tutordex_analysis.sink.rule_server import RuleServer

GROUPS = rule_groups.parse(alerts("New", hold="5m"), "new.yml")


class Session:
    """Tells the rule's health as a list says, the last for good."""

    address = "http://127.0.0.1:9"

    def __init__(self, *health, interval=1):
        self.health, self.asked, self.interval = [*health], 0, interval

    def fetch(self, method, url, form):
        if url.endswith("/metrics"):
            return b"prometheus_config_last_reload_successful 1\n"
        (rule,) = GROUPS[0].rules
        health = self.health[min(self.asked, len(self.health) - 1)]
        self.asked += 1
        told = {"name": rule.name, "query": rule.expr, "duration": 300, "keepFiringFor": 0, "type": "alerting"}
        told |= {"labels": dict(rule.labels), "annotations": dict(rule.annotations), "lastError": "many-to-many"}
        told |= {"health": health} if health else {}
        group = {"name": GROUPS[0].name, "file": "/x/new.yml", "interval": self.interval, "rules": [told]}
        return json.dumps({"status": "success", "data": {"groups": [group]}}).encode()


def verified(session, *, patience=0.05, most_wait=5.0, **more):
    return RuleServer(session, patience=patience, most_wait=most_wait).verify(GROUPS, **more)


def test_the_first_evaluation_is_waited_for_and_a_good_one_is_good():
    session = Session(*["unknown"] * 6, "ok")
    assert verified(session) == ()
    assert session.asked > 6


def test_a_rule_that_its_first_evaluation_fails_is_refused():
    with pytest.raises(RulesRefused, match="cannot evaluate New: many-to-many"):
        verified(Session(*["unknown"] * 6, "err"))


@pytest.mark.parametrize(("interval", "most"), [(0.1, 60), (60, 0.1)])
def test_the_waiting_ends_after_an_interval_or_the_most_and_says_what_is_not_known(interval, most):
    session = Session("unknown", interval=interval)
    assert verified(session, most_wait=most) == ("New",)
    assert session.asked < 100  # every hundredth of a second, twice


def test_old_rules_that_are_put_back_need_not_be_evaluated():
    session = Session("unknown", interval=60)
    assert verified(session, wait=False) == ()
    assert session.asked == 1


def test_a_server_that_tells_no_health_is_not_waited_for():
    assert verified(Session("")) == ()
