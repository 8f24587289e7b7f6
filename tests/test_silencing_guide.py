"""docs/silencing.md says what is true: files are read, commands are there, lengths are those of the templates."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from tests.windows import KNOWN
from tutordex_analysis import catalogue_file, cli, cli_silence, maintenance_file
from tutordex_analysis.maintenance import LONGEST_OWN, windows
from tutordex_analysis.silence import LONGEST, LONGEST_APPROVED

GUIDE = (Path(__file__).parents[1] / "docs/silencing.md").read_text("utf-8")
BLOCKS = re.findall(r"```(yaml|console)\n(.*?)```", GUIDE, re.DOTALL)
FILE, TEMPLATES, ROUTES = (text for kind, text in BLOCKS if kind == "yaml")


def test_the_example_is_a_file_of_windows_that_is_read(tmp_path):
    (tmp_path / "maintenance.yaml").write_text(FILE)
    known = maintenance_file.read(tmp_path / "maintenance.yaml", KNOWN)
    assert [one.window.name for one in known.windows] == ["weekly_vacuum", "new_session", "queue_drain"]
    december = windows(known, "2026-12-01T00:00+08:00", "2027-01-02T00:00+08:00")
    starts = {(one.names[0], f"{one.start.tz_convert('Asia/Singapore'):%d %H:%M}") for one in december}
    sundays = {("weekly_vacuum", f"{day:02} 03:00") for day in (6, 13, 20, 27)}
    drains = {("queue_drain", "01 13:00"), ("queue_drain", "31 13:00")}
    assert starts == sundays | drains | {("new_session", "05 23:30")}


def test_the_templates_of_the_example_are_read(tmp_path):
    rule = {"value": "up == 0", "component": "shop", "summary": "Shop slow"}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"rules": {"ShopSlow": rule}}))
    (tmp_path / "silences.yaml").write_text(TEMPLATES)
    own = catalogue_file.load(tmp_path).silences
    assert "load_test" not in own
    assert own["shop_closed"].variables == ("region",)


COMMANDS = sorted(set(re.findall(r"(?:`|tutordex-analysis )(silence [a-z]+)", GUIDE)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_named_is_there(command):
    done = CliRunner().invoke(cli.app, [*command.split(), "--help"])
    assert done.exit_code == 0, command


def test_every_command_is_named():
    there = {f"silence {one.name or one.callback.__name__}" for one in cli_silence.app.registered_commands}
    assert there == {*COMMANDS}


def test_the_lengths_are_those_of_the_templates():
    told = {}
    for row in re.findall(r"^\| (.*?) \| (\d+[mh]) \|", GUIDE, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"`(\w+)`", row[0]) or ["own"], row[1])
    assert told == {**{name: one.longest for name, one in KNOWN.silences.items()}, "own": LONGEST_OWN}
    assert pd.Timedelta(LONGEST) == pd.Timedelta("8h")
    assert LONGEST_APPROVED == "4d"
    assert "up to four days" in GUIDE
