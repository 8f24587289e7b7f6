import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.user import command
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.schedule import Installation, complaints, cron, here, systemd

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on PATH")
ODD = 'of 100%n $HOME; it\'s "mine"'


def installation(folder=Path("/srv/tutordex"), python=Path(sys.executable), **changes):
    paths = {"output": folder / "reports", "environment": folder / "secrets.env"}
    return Installation(python=python, folder=folder, **(paths | changes))


def python_in(folder):
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    return folder / "python"


@needs_systemd
@pytest.mark.parametrize("user", ["", "daemon"])
def test_systemd_takes_the_units_as_they_are(user, tmp_path):
    python = python_in(tmp_path / "100%n $HOME; venv")
    units = systemd(installation(folder=tmp_path, python=python, output=tmp_path / ODD, user=user))
    assert complaints(units, user=not user) == []
    start = next(line for line in units["tutordex-report.service"].splitlines() if line.startswith("ExecStart="))
    assert f'ExecStart="{tmp_path}/100%%n $HOME; venv/python" -m' in start  # no variables in the program's path
    assert start.endswith(f'"{tmp_path}/of 100%%n $$HOME; it\'s \\"mine\\""')


@needs_systemd
def test_complaints_are_told_with_the_file():
    units = systemd(installation(python=Path("/nowhere/python")))
    wrong = units | {"tutordex-report.timer": units["tutordex-report.timer"].replace("Mon", "Someday")}
    said = "\n".join(complaints(wrong, user=True))
    assert "tutordex-report.timer:6: Failed to parse calendar" in said
    assert "Command /nowhere/python is not executable" in said


@needs_systemd
def test_the_weekly_moment_is_monday_morning_in_singapore():
    timer = systemd(installation())["tutordex-report.timer"]
    calendar = next(line for line in timer.splitlines() if line.startswith("OnCalendar=")).partition("=")[2]
    command = ["systemd-analyze", "calendar", "--base-time=2026-11-18 00:00:00 UTC", calendar]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    assert "Sun 2026-11-22 22:30:00 UTC" in done.stdout


def test_without_systemd_the_check_says_that_it_was_none(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert complaints(systemd(installation()), user=True) == [
        "the units were not checked, since systemd-analyze is not on this machine"
    ]


def test_here_is_this_python_in_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = here(folder=Path(), output=Path("reports"))
    assert (found.python, found.folder, found.output) == (Path(sys.executable), tmp_path, tmp_path / "reports")
    assert found.environment == tmp_path / "tutordex.env"


def test_units_catch_up_spread_out_and_keep_secrets_in_their_file():
    units = systemd(installation(user="tutor"))
    assert sorted(units) == [
        *("tutordex-publish.service", "tutordex-pull.service", "tutordex-pull.timer"),
        *("tutordex-report.service", "tutordex-report.timer"),
    ]
    for name, text in units.items():
        if name.endswith(".timer"):
            assert "Persistent=true\n" in text
            assert "RandomizedDelaySec=" in text
        else:
            assert "User=tutor\n" in text
            assert "EnvironmentFile=-/srv/tutordex/secrets.env\n" in text
    assert "-m tutordex_analysis publish --serve" in units["tutordex-publish.service"]
    assert "WantedBy=multi-user.target" in units["tutordex-publish.service"]
    assert "WantedBy=default.target" in systemd(installation())["tutordex-publish.service"]
    assert "User=" not in systemd(installation())["tutordex-pull.service"]


def test_windows_are_kept_silenced_every_five_minutes_where_there_are_any():
    units = systemd(installation(silences=True))
    assert {*units} - {*systemd(installation())} == {"tutordex-silences.service", "tutordex-silences.timer"}
    assert "-m tutordex_analysis silence sync --yes" in units["tutordex-silences.service"]
    assert "OnCalendar=*-*-* *:0/5:00" in units["tutordex-silences.timer"]
    assert "RandomizedDelaySec=15s" in units["tutordex-silences.timer"]
    assert complaints(units, user=True) == complaints(systemd(installation()), user=True)
    lines = dict(commands(cron(installation(silences=True))))
    assert lines["*/5 * * * *"].endswith("-m tutordex_analysis silence sync --yes")


def test_the_command_looks_for_a_file_of_windows_and_an_alertmanager(tmp_path):
    for name in ("maintenance.yaml", "tutordex.toml"):
        assert "silence sync" not in command(tmp_path, "schedule", "cron").stdout
        (tmp_path / name).write_text(
            'catalogue = "."\nalertmanager_url = "http://localhost:9093"\n' if "toml" in name else ""
        )
    assert "silence sync --yes" in command(tmp_path, "schedule", "cron").stdout


def commands(text):
    """Each command as cron hands it to sh, with its schedule."""
    for line in text.splitlines():
        if not line.startswith("#"):
            fields = 1 if line.startswith("@") else 5
            *when, command = line.split(" ", fields)
            assert "%" not in command.replace("\\%", "")
            yield " ".join(when), command.replace("\\%", "%")


def test_cron_runs_what_systemd_runs(tmp_path):
    folder = tmp_path / ODD
    python = tmp_path / "py %.sh"
    folder.mkdir()
    python.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    lines = dict(commands(cron(installation(folder=folder, python=python))))
    assert list(lines) == ["7 * * * *", "30 22 * * 0", "@reboot"]
    done = subprocess.run(["/bin/sh", "-c", lines["30 22 * * 0"]], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        *(str(folder), "-m", "tutordex_analysis", "report", "--all", "--output", str(folder / "reports"))
    ]


@pytest.mark.parametrize(
    ("machine_tz", "weekly", "said"),
    [
        ("Asia/Singapore", "30 6 * * 1", "is Mon 06:30 in Asia/Singapore\n"),
        ("Asia/Kolkata", "0 4 * * 1", "is Mon 04:00 in Asia/Kolkata\n"),
        ("Europe/Berlin", "30 23 * * 0", "is Sun 23:30 in Europe/Berlin, an hour off in summer\n"),
    ],
)
def test_cron_is_in_the_zone_of_the_machine(machine_tz, weekly, said):
    text = cron(installation(machine_tz=machine_tz))
    assert f"\n{weekly} cd " in text
    assert said in text


@pytest.mark.parametrize("folder", [Path("reports"), Path("/srv/a\nb")])
def test_paths_must_be_absolute_and_printable(folder):
    with pytest.raises(CatalogueError, match=r"absolute|control"):
        installation(folder=folder)


def test_paths_that_no_quoting_saves_are_refused():
    with pytest.raises(CatalogueError, match="starts no program with a quote"):
        systemd(installation(python=Path('/srv/"x"/python')))
    with pytest.raises(CatalogueError, match="backslash"):
        cron(installation(folder=Path("/srv/a\\b")))


@pytest.mark.parametrize("user", ["root\nExecStartPre=/bin/true", "%i", "a b", "-x"])
def test_a_user_is_a_name_and_no_line_of_its_own(user):
    with pytest.raises(CatalogueError, match="is not the name of a user"):
        installation(user=user)
