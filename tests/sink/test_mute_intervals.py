"""Windows as time intervals: accepted by amtool, and true at the same moments as the silences."""

import subprocess
import time

import pandas as pd
import pytest
import yaml

from tests.source.local_alertmanager import PROGRAM, LocalAlertmanager
from tests.web import Web, until
from tests.windows import ENTRY, calendar
from tutordex_analysis.maintenance import windows
from tutordex_analysis.sink import mute_intervals
from tutordex_analysis.window import DAYS

SEVERAL = {
    "weekly": ENTRY,
    "afternoon": {**ENTRY, "at": "13:30", "weekdays": ["saturday", "wednesday"], "lasts": "2h"},
    "over_midnight": {**ENTRY, "at": "23:30", "lasts": "90m"},
    "to_midnight": {**ENTRY, "at": "23:00", "lasts": "1h", "zone": "Europe/Berlin"},
    "first_sunday": {**ENTRY, "days_of_month": ["1:7"], "matchers": '{component="dm"}'},
    "last_day": {**ENTRY, "weekdays": None, "days_of_month": [-1], "matchers": '{component="infra"}'},
    "once": {**ENTRY, "weekdays": None, "dates": ["2026-12-31"], "at": "23:30", "matchers": '{component="quality"}'},
}
LEFT_OUT = {
    "bounded": {**ENTRY, "last": "2027-01-31"},
    "skipping": {**ENTRY, "leaving_out": ["2026-12-27"]},
    "month_night": {**ENTRY, "days_of_month": ["1:7"], "at": "23:30"},
    "long": {**ENTRY, "lasts": "2d", "approved_by": "the owner"},
}
CONFIG = """
route:
  receiver: telegram-warning
  routes:
    - matchers: ['severity="warning"']
      receiver: telegram-warning
      routes:
        - matchers: ['component="queue"']
          mute_time_intervals: [{names}]
receivers: [{{name: telegram-warning}}]
{intervals}
"""


def said(entries):
    return mute_intervals.text(calendar(entries))


def mutes(interval, at):
    """Whether Alertmanager would hold this moment to be in the interval: the rules of its documentation, plainly."""
    local = at.tz_convert(interval["location"])
    minute = f"{local:%H:%M}"
    if not any(one["start_time"] <= minute < one["end_time"] for one in interval["times"]):
        return False
    spans = {"weekdays": DAYS[local.weekday()], "years": str(local.year), "months": str(local.month)}
    if any(key in interval and value not in interval[key] for key, value in spans.items()):
        return False
    for span in interval.get("days_of_month", []) or ["1:31"]:
        first, last = (int(one) for one in (span.split(":") * 2)[:2])
        number = local.day if first > 0 else local.day - local.days_in_month - 1
        if first <= number <= last:
            return True
    return False


@pytest.mark.server("amtool")
@pytest.mark.parametrize("entries", [SEVERAL, {**SEVERAL, **LEFT_OUT}, LEFT_OUT], ids=["all", "some", "none"])
def test_amtool_accepts_them_in_a_configuration(entries, tmp_path):
    text = said(entries)
    names = [one["name"] for one in yaml.safe_load(text)["time_intervals"]]
    assert len(names) == len({*entries} - {*LEFT_OUT})
    (tmp_path / "am.yml").write_text(CONFIG.format(names=", ".join(names), intervals=text))
    done = subprocess.run(["amtool", "check-config", tmp_path / "am.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server(PROGRAM)
@pytest.mark.parametrize(("begun", "muted"), [("10min", True), ("61min", False)])
def test_a_running_alertmanager_mutes_while_the_window_lasts_and_nothing_else(begun, muted, tmp_path):
    """An hour that began ten minutes ago, and one that is over, on the clocks of Singapore."""
    start = pd.Timestamp.now("Asia/Singapore") - pd.Timedelta(begun)
    entry = {**ENTRY, "weekdays": None, "dates": [f"{start:%Y-%m-%d}"], "at": f"{start:%H:%M}", "lasts": "1h"}
    with Web() as web:
        hook = {"name": "telegram-warning", "webhook_configs": [{"url": f"http://{web.address}/hook"}]}
        config = yaml.safe_load(CONFIG.format(names="maintenance-vacuum", intervals=said({"vacuum": entry})))
        config["receivers"] = [hook]
        config["route"] |= {"group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}
        with LocalAlertmanager(tmp_path / "am", config=yaml.safe_dump(config)) as manager:
            labels = {"severity": "warning"}
            queue = {**labels, "alertname": "QueueStuckProcessing", "component": "queue"}
            manager.call("POST", "alerts", [{"labels": queue}])
            until(lambda: "QueueStuckProcessing" in str(manager.call("GET", "alerts")), "it did not arrive")
            manager.call("POST", "alerts", [{"labels": {**labels, "alertname": "ApiSlow", "component": "api"}}])
            until(lambda: web.told("ApiSlow"), "nobody was called at all")
            if not muted:
                until(lambda: web.told("QueueStuckProcessing"), "it was muted outside the window")
            time.sleep(2)  # two group intervals
            assert bool(web.told("QueueStuckProcessing")) != muted


@pytest.mark.parametrize("name", SEVERAL)
def test_an_interval_is_true_when_the_silence_is(name):
    start, end = pd.Timestamp("2026-11-30T00:00Z"), pd.Timestamp("2027-01-10T00:00Z")
    (interval,) = yaml.safe_load(said({name: SEVERAL[name]}))["time_intervals"]
    silent = windows(calendar({name: SEVERAL[name]}), start, end)
    assert silent
    for at in pd.date_range(start, end, freq="10min", inclusive="left"):
        wanted = any(one.start <= at < one.end for one in silent)
        assert any(mutes(one, at) for one in interval["time_intervals"]) == wanted, at


def test_what_an_interval_cannot_say_is_left_out_and_said():
    text = said({**SEVERAL, **LEFT_OUT})
    for name in LEFT_OUT:
        assert f"# {name} is left out: " in text
    assert '# mutes {component="queue", severity!="critical"}' in text
    assert f"# {ENTRY['reason']}; {ENTRY['by']}; {ENTRY['link']}" in text
