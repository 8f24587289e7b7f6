"""Limits from the sample to the exposition and the terminal, as an operator sees them; and on day one."""

import json
import re
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from tests.test_publish_watch import ROOT
from tests.user import command
from tutordex_analysis import catalogue_file, cli, connect, pins_file, publish
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.in_force import Limits, in_force
from tutordex_analysis.moment import duration
from tutordex_analysis.pins_file import Pin
from tutordex_analysis.publish import publication, renewed
from tutordex_analysis.sink import threshold_state

RULES = """
rules:
  PostsVolumeSpike:
    value: sum(increase(collector_messages_seen_total[1h]))
    threshold: {human: 300, floor: 10, ceiling: 1000, learn: season, signal: posts_seen}
    component: collector
    summary: Far more posts than usual
  ChannelStalenessWarning:
    value: time() - max by (channel) (collector_last_message_timestamp_seconds)
    threshold: {human: 129600, floor: 7200, ceiling: 172800, learn: gaps, signal: posts_seen_by_channel, by: [channel]}
    by: [channel]
    component: collector
    summary: A channel is silent
  HostDiskLow:
    value: max by (mountpoint) (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)
    threshold: {human: 0.9, floor: 0.5, ceiling: 0.95, learn: capacity, signal: disk_used, by: [mountpoint]}
    by: [mountpoint]
    component: infra
    summary: A disk fills
"""
SAMPLE = str(ROOT / "data/sample")
ALERTS = ("PostsVolumeSpike", "ChannelStalenessWarning", "HostDiskLow")
NAMES = ("posts_seen", "posts_seen_by_channel", "disk_used")
END = pd.Timestamp("2026-11-15T16:00Z")


@pytest.fixture
def folder(tmp_path):
    """A user with three rules."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/rules.yaml").write_text(RULES)
    (tmp_path / "tutordex.toml").write_text('catalogue = "mine"\n')
    return tmp_path


class Small:
    """Three signals of the sample, up to a moment and no more than so many days before it."""

    def __init__(self, folder, *, days=120, end=END):
        whole = catalogue_file.load(folder / "mine")
        signals = {name: whole.signals[name] for name in NAMES}
        limits = {name: one for name, one in whole.limits.items() if one.signal in NAMES}
        rules = {name: whole.rules[name] for name in ALERTS}
        self.catalogue = type(whole)(signals=signals, limits=limits, rules=rules, calendar=whole.calendar)
        self.source, self.days, self.end = connect(SAMPLE, catalogue=self.catalogue), days, end
        self.uri = SAMPLE

    def last(self, window, *, step="1h"):
        return TimeRange(self.end + duration(step) - duration(window), self.end + duration(step), step)

    def fetch(self, part, time_range):
        return self.source.fetch(part, time_range)

    def read(self, name, time_range):
        found = self.source.read(name, time_range)
        young = found["ds"] > self.end - self.days * pd.Timedelta(days=1)
        return found.assign(y=found["y"].where(young & (found["ds"] <= self.end)))


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str


def ended(monkeypatch, capsys, *words):
    """A command in this process: starting one for each of many mistakes takes long."""
    monkeypatch.setattr("sys.argv", ["tutordex-analysis", *words])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    found = capsys.readouterr()
    return Ended(int(caught.value.code or 0), found.out, found.err)


def samples(text, name="tutordex_threshold"):
    """Labels, as the text has them, → value."""
    return {labels: float(value) for labels, value in re.findall(rf"^{name}\{{(.*)\}} (.*)$", text, re.MULTILINE)}


def test_runs_bring_limits_from_human_to_learnt_and_none_of_them_jumps(folder):
    source, limits = Small(folder), Limits(state=folder / "thresholds.json")
    now = END + pd.Timedelta("20min")
    found = publication(source, now=now, validity="3h", limits=limits).limits
    assert {*found.frame["in_force"]} == {"railed", "learnt"}
    limits.keep(found)
    rails = {name: rule.threshold for name, rule in source.catalogue.rules.items()}
    for _ in range(12):  # twice a day
        before = threshold_state.read(limits.state).values
        now += pd.Timedelta("12h")
        found, _ = limits.at(limits.lessons, source.catalogue, now)
        limits.keep(found)
        assert found.frame["value"].between(found.frame["floor"], found.frame["ceiling"]).all()
        after = threshold_state.read(limits.state).values
        assert {*after} == {*before}
        for (alert, series), values in after.items():
            one, last = rails[alert], before[alert, series]
            base = np.maximum(np.abs(last), 0.1 * (one.ceiling - one.floor))
            assert (np.abs(values - last) <= 0.5 * one.largest_move * base + 1e-3).all()
    moved = found.frame.set_index("alert").loc["PostsVolumeSpike", "value"]
    assert 300 * 1.25**-8 < moved < 300 * 1.25**-5  # seven days from the human 300 to what is learnt, about 40


def test_publish_writes_limits_keeps_them_and_honours_pins(folder):
    source, limits = Small(folder), Limits(state=folder / "thresholds.json", pins=folder / "mine/pins.yaml")
    now = END + pd.Timedelta("20min")
    first = publication(source, now=now, validity="3h", limits=limits)
    assert first.complaints == ()
    said = samples(first.text)
    assert said['alert="PostsVolumeSpike"'] == 240
    assert sum("ChannelStalenessWarning" in one for one in said) == 23
    assert 0.8 < said['alert="HostDiskLow",mountpoint="/data"'] < 0.9
    generated = samples(first.text, "tutordex_generated_timestamp_seconds")
    assert generated['family="tutordex_threshold"'] == now.timestamp()
    limits.keep(first.limits)
    assert threshold_state.read(limits.state).at == now.floor("s")

    pin = "  - {alert: %s, value: %s, until: 2026-11-16T16:00Z, reason: load test}\n"
    limits.pins.write_text("pins:\n" + pin % ("PostsVolumeSpike", 77) + pin % ("HostDiskLow", 7))
    found, complaints = limits.at(limits.lessons, source.catalogue, now)
    assert found.frame.set_index("alert").loc["PostsVolumeSpike", "value"] == 77
    assert complaints == [
        "the pin of HostDiskLow is ignored: 7 is outside the rails of HostDiskLow, which are 0.5 to 0.95; change them "
        "in the catalogue, or pin a value between them"
    ]
    limits.pins.write_text("pins: [")
    none, complaints = limits.at(limits.lessons, source.catalogue, now)
    assert none is None
    assert complaints[0].startswith("no limit is published, since pins cannot be read: ")
    limits.pins.unlink()
    limits.state.write_text("{")
    again, complaints = limits.at(limits.lessons, source.catalogue, now)
    assert "starts from its human value again" in complaints[0]
    assert again.frame.set_index("alert").loc["PostsVolumeSpike", "value"] == 240


def test_history_is_asked_once_a_day(folder):
    source, limits = Small(folder), Limits(state=folder / "thresholds.json")
    publication(source, now=END + pd.Timedelta("20min"), validity="3h", limits=limits)
    learnt = limits.lessons
    source.end = END + pd.Timedelta(hours=3)
    time_range = source.last("120d")
    known = {"known": {}, "masks": None, "forecasts": {}, "recent": None}
    assert limits.learnt(source, time_range, **known) is learnt


def test_on_day_one_no_limit_is_learnt_and_every_row_says_until_when(folder):
    source, limits = Small(folder, days=15), Limits(state=folder / "thresholds.json")
    now = END + pd.Timedelta("20min")
    made = publication(source, now=now, validity="3h", limits=limits)
    assert samples(made.text) == {}
    withheld = samples(made.text, "tutordex_threshold_withheld")
    assert withheld['alert="PostsVolumeSpike",why="history"'] == 1
    assert withheld['alert="ChannelStalenessWarning",why="history"'] == 23
    found, _ = in_force(source, limits, now=now)
    table = found.frame.set_index("alert")
    assert (table["in_force"] == "human").all()
    assert (table["value"] == table["human"]).all()
    assert table.loc["PostsVolumeSpike", "sufficient_from"] == pd.Timestamp("2026-11-29T00:00Z")
    assert "15 days of history, and it takes 28 days; likely from 29 Nov 2026" in table.loc["PostsVolumeSpike", "why"]
    assert table["sufficient_from"].notna().all()


def test_an_operator_pins_looks_and_takes_the_pin_away(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def run(*words):
        return ended(monkeypatch, capsys, "rules", *words)

    done = command(folder, "rules", "pin", "PostsVolumeSpike", "4000", "--reason", "x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "4000 is outside the rails of PostsVolumeSpike, which are 10 to 1000" in done.stderr
    for words, code, said in (
        (("pin", "PostsVolumeSpike", "400"), 2, "say why: --reason"),
        (("pin", "PostsVolumeSpik", "400", "--reason", "x"), 1, "did you mean PostsVolumeSpike?"),
        (("pin", "PostsVolumeSpike", "nan", "--reason", "x"), 2, "finite"),
        (("pin", "PostsVolumeSpike", "400", "--reason", "x", "--until", "soon"), 2, "not 'soon'"),
        (("pin", "PostsVolumeSpike", "400", "--reason", "x", "--until", "2020-01-01T00:00Z"), 2, "is over already"),
        (("human", "--reason", "x"), 2, "name the alert, or say --all"),
        (("unpin", "PostsVolumeSpike"), 1, "has no pin in"),
    ):
        done = run(*words)
        assert (done.code, said in done.stderr) == (code, True), (words, done.stderr)
    assert not (folder / "mine/pins.yaml").exists()
    done = run("pin", "PostsVolumeSpike", "400", "--until", "2100-01-01T00:00Z", "--reason", "backfill", "--by", "ops")
    assert done.stdout.startswith("PostsVolumeSpike is pinned at 400 until 2100-01-01 00:00 UTC, from the next")
    pins = (folder / "mine/pins.yaml").read_text()
    (folder / "mine/pins.yaml").write_text(re.sub(r"    made: .*\n", "", pins))  # the sample is in the past
    done = run("thresholds", "--source", SAMPLE, "--as-of", "newest", "--json")
    rows = {(one["alert"], one["where"]): one for one in json.loads(done.stdout)}
    assert sum(alert in ALERTS for alert, _ in rows) == 26
    held = rows["PostsVolumeSpike", ""]
    assert (held["value"], held["in_force"]) == (400, "pinned")
    assert held["why"].startswith("pinned at 400 until 1 Jan 2100 08:00 by ops: backfill; learned ")
    assert run("unpin", "PostsVolumeSpike").code == 0
    assert run("human", "--all", "--reason", "migration").stdout.startswith(
        "every alert has its human limit until it is"
    )
    assert not (folder / "data").exists()  # looking keeps nothing


@pytest.mark.parametrize("name", ["pin", "human", "unpin", "thresholds"])
def test_help_has_examples(name, monkeypatch, capsys):
    done = ended(monkeypatch, capsys, "rules", name, "--help")
    assert (done.code, "examples:" in done.stdout) == (0, True)


def test_a_pin_is_published_at_once_and_its_end_too(folder):
    pins = folder / "mine/pins.yaml"
    limits, now, made = Limits(state=folder / "thresholds.json", pins=pins), [END], []
    renewing = renewed(
        lambda: made.append(limits.pins_at(lambda: now[0])),
        every_seconds=3600,
        on_error=made.append,
        changed=lambda: limits.pins_at(lambda: now[0]),
        look_seconds=0.01,
    )

    def seen(n):
        deadline = time.monotonic() + 20
        while len(made) < n:
            assert time.monotonic() < deadline, made
            time.sleep(0.01)

    with renewing:
        seen(1)
        time.sleep(0.1)
        assert made == ["[]"]  # nothing changed
        until = END + pd.Timedelta("1h")
        pins_file.add(pins, Pin(alert="PostsVolumeSpike", value=400, until=until, reason="load", made=END))
        seen(2)
        assert "PostsVolumeSpike" in made[1]
        now[0] = until
        seen(3)
        assert made[2] == "[]"
        pins.write_text("pins: [{")
        seen(4)
        assert "pins.yaml" in made[3]


def test_an_alert_is_built_in_shadow_and_a_wrong_name_is_told(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "tutordex.toml").unlink()  # the shipped rules
    for words in (("build",), ("build", "--shadow", "PostsVolumeSpike")):
        assert ended(monkeypatch, capsys, "rules", *words).code == 0
        text = (folder / "observability/prometheus/tutordex_alerts.yml").read_text("utf-8")
        assert text.count("shadow: 'true'") == (2 if "--shadow" in words else 1)  # SignalUnusual is shipped so
    said = ended(monkeypatch, capsys, "rules", "build", "--shadow", "PostsVolumeSpikes")
    assert said.code == 2
    assert "did you mean PostsVolumeSpike?" in " ".join(said.stderr.replace("│", " ").split())


def test_no_error_ends_the_renewing(monkeypatch):
    monkeypatch.setattr(publish, "_RETRY_SECONDS", 0.02)
    told, calls = [], []

    def renew():
        calls.append(len(calls))
        if len(calls) < 3:
            raise ZeroDivisionError("nobody thought of this")

    def changed():
        raise RuntimeError("nor of that")

    with renewed(renew, every_seconds=3600, on_error=told.append, changed=changed, look_seconds=0.01):
        deadline = time.monotonic() + 20
        while len(calls) < 3:
            assert time.monotonic() < deadline, told
            time.sleep(0.01)
        time.sleep(0.1)
    assert (len(calls), [str(one) for one in told]) == (3, ["nobody thought of this"] * 2)
