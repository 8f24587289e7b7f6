"""Texts that let a machine run the commands on time: systemd units and crontab lines, and a check of the former.

Nothing here writes or installs; the command prints the texts and says where they go.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from tutordex_analysis.errors import CatalogueError

REPORT_DAY, REPORT_TIME = "Mon", dt.time(6, 30)
PULL_MINUTE = 7  # past the hour, away from the crowd at :00
SYNC_MINUTES = 5
_SYNC = ("silence", "sync", "--yes")
_USER = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.\-]*\$?)?")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What the machine is to run, and where.

    Attributes:
        python: The interpreter that has the package, absolute.
        folder: Where `tutordex.toml` and the data are; the commands start there. Absolute.
        output: Folder of the reports, absolute.
        environment: File of `TUTORDEX_…=…` lines with the secrets, absolute; it may be missing.
        user: Account of system-wide units; "" for units of the calling user, which need no root.
        tz: Zone of the weekly report.
        machine_tz: Zone of the machine's clock, which is what cron goes by.
        silences: Whether there are maintenance windows to be kept silenced.
    """

    python: Path
    folder: Path
    output: Path
    environment: Path
    user: str = ""
    tz: str = "Asia/Singapore"
    machine_tz: str = "UTC"
    silences: bool = False

    def __post_init__(self) -> None:
        for path in (self.python, self.folder, self.output, self.environment):
            if not path.is_absolute():
                raise CatalogueError(f"a schedule needs absolute paths, got {str(path)!r}")
            if any(ord(letter) < 32 for letter in str(path)):
                raise CatalogueError(f"a path in a schedule must not have control characters, got {str(path)!r}")
        if not _USER.fullmatch(self.user):
            raise CatalogueError(f"{self.user!r} is not the name of a user; it has letters, digits, dots, _ and - only")


def here(*, folder: Path, output: Path, user: str = "", tz: str = "Asia/Singapore") -> Installation:
    """This very Python on this machine; secrets are expected in `tutordex.env` inside the folder."""
    return Installation(
        python=Path(sys.executable).absolute(),  # not resolved: a virtual environment's python is a link
        folder=folder.absolute(),
        output=(folder / output).absolute(),
        environment=folder.absolute() / "tutordex.env",
        user=user,
        tz=tz,
        machine_tz=_zone_of(Path("/etc/localtime")),
    )


def systemd(installation: Installation) -> dict[str, str]:
    """Unit texts by file name: pull every hour, report every week, publish all the time, sync silences where asked.

    A run missed while the machine was off is made up for (`Persistent=true`); runs start spread out, so that many
    machines do not ask one server in the same second. The commands hold their own locks.

    Raises:
        CatalogueError: The path of Python has a quote or a backslash.
    """
    report = ["report", "--all", "--output", str(installation.output)]
    weekly = f"{REPORT_DAY} *-*-* {REPORT_TIME:%H:%M:%S} {installation.tz}"
    texts = {
        "tutordex-pull.service": _job(installation, "Bring the archive up to date", ["pull"], limit="50min"),
        "tutordex-pull.timer": _timer("Archive, every hour", f"*-*-* *:{PULL_MINUTE:02}:00", delay="2min"),
        "tutordex-report.service": _job(installation, "Make the weekly report", report, limit="4h"),
        "tutordex-report.timer": _timer("Report, every week", weekly, delay="10min"),
        "tutordex-publish.service": _server(installation, "Serve forecasts to Prometheus", ["publish", "--serve"]),
    }
    if installation.silences:
        every = f"*-*-* *:0/{SYNC_MINUTES}:00"
        texts |= {
            "tutordex-silences.service": _job(installation, "Keep maintenance windows silenced", _SYNC, limit="2min"),
            "tutordex-silences.timer": _timer("Silences, every few minutes", every, delay="15s"),
        }
    return {name: f"# {name}, made by `tutordex-analysis schedule systemd`\n{text}" for name, text in texts.items()}


def cron(installation: Installation) -> str:
    """The same as crontab lines. Cron knows one zone, the machine's, and makes up for nothing that it missed.

    Args:
        installation: What to run; its `user` and `environment` are the crontab owner's business.

    Raises:
        CatalogueError: A path has a backslash, which crons read differently.
    """
    machine_tz = installation.machine_tz
    clocks = {_shifted(installation.tz, machine_tz, month) for month in (1, 7)}
    day, time = _shifted(installation.tz, machine_tz, 1)
    said = f"{REPORT_DAY} {REPORT_TIME:%H:%M} in {installation.tz} is {_DAYS[day]} {time:%H:%M} in {machine_tz}"
    note = ", an hour off in summer" if len(clocks) > 1 else ""
    report = ["report", "--all", "--output", str(installation.output)]
    return "\n".join(
        [
            "# made by `tutordex-analysis schedule cron`",
            f"{PULL_MINUTE} * * * * {_line(installation, ['pull'])}",
            f"# {said}{note}",
            f"{time.minute} {time.hour} * * {(day + 1) % 7} {_line(installation, report)}",
            *([f"*/{SYNC_MINUTES} * * * * {_line(installation, _SYNC)}"] if installation.silences else []),
            f"@reboot {_line(installation, ['publish', '--serve'])}",
            "",
        ]
    )


def complaints(units: Mapping[str, str], *, user: bool) -> list[str]:
    """What `systemd-analyze verify` has to say against units; none means that systemd would load them as they are.

    Where there is no systemd-analyze, the one complaint is that they could not be checked.

    Args:
        units: Texts by file name.
        user: Whether they are units of a user, not of the system.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return ["the units were not checked, since systemd-analyze is not on this machine"]
    with tempfile.TemporaryDirectory(prefix="tutordex-") as folder:
        paths = [Path(folder) / name for name in units]
        for path, text in zip(paths, units.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        command = [program, *(["--user"] if user else []), "--man=no", "--recursive-errors=no", "verify"]
        try:
            done = subprocess.run(
                [*command, *map(str, paths)],
                env={"XDG_RUNTIME_DIR": folder, **os.environ},  # a user without a session has none
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ["systemd-analyze did not answer within 60 seconds, so the units were not checked"]
        lines = [line for line in (done.stdout + done.stderr).splitlines() if folder in line or "tutordex-" in line]
        return [line.replace(f"{folder}/", "") for line in lines] or (
            done.stderr.splitlines()[-1:] if done.returncode else []
        )


def _exec_start(installation: Installation, arguments: Sequence[str]) -> str:
    """The command line; systemd expands no variables in its first word, and takes no quote or backslash in there."""
    program, *words = _command(installation, arguments)
    if set(program) & set("'\"\\"):
        raise CatalogueError(f"systemd starts no program with a quote or a backslash in its path: {program}")
    return " ".join([_quoted(program).replace("$$", "$"), *map(_quoted, words)])


def _command(installation: Installation, arguments: Sequence[str]) -> list[str]:
    return [str(installation.python), "-m", "tutordex_analysis", *arguments]


def _service(installation: Installation, about: str, kind: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The lines that every service has."""
    return [
        "[Unit]",
        f"Description=TutorDex analysis: {about}",
        *(["Wants=network-online.target", "After=network-online.target"] if installation.user else []),
        "",
        "[Service]",
        *kind,
        *([f"User={installation.user}"] if installation.user else []),
        f"WorkingDirectory={_escaped(str(installation.folder))}",
        f"EnvironmentFile=-{_escaped(str(installation.environment))}",
        f"ExecStart={_exec_start(installation, arguments)}",
        "NoNewPrivileges=true",
        "UMask=0027",
    ]


def _job(installation: Installation, about: str, arguments: Sequence[str], *, limit: str) -> str:
    kind = ["Type=oneshot", f"TimeoutStartSec={limit}", "Nice=10"]
    return "\n".join([*_service(installation, about, kind, arguments), ""])


def _server(installation: Installation, about: str, arguments: Sequence[str]) -> str:
    kind = ["Type=exec", "Restart=on-failure", "RestartSec=30s"]
    target = "multi-user.target" if installation.user else "default.target"
    install = ["", "[Install]", f"WantedBy={target}", ""]
    return "\n".join([*_service(installation, about, kind, arguments), *install])


def _timer(about: str, calendar: str, *, delay: str) -> str:
    return "\n".join(
        [
            "[Unit]",
            f"Description=TutorDex analysis: {about}",
            "",
            "[Timer]",
            f"OnCalendar={calendar}",
            f"RandomizedDelaySec={delay}",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def _escaped(text: str) -> str:
    """A setting of a unit, in which % begins a specifier."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of ExecStart: in it $ begins a variable, too, and backslashes and quotes are read as in C."""
    word = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return word if word and not set(word) & set(" '\"\\;") else f'"{word}"'


def _line(installation: Installation, arguments: Sequence[str]) -> str:
    """A command of a crontab, in which a bare % ends the line."""
    folder = shlex.quote(str(installation.folder))
    text = f"cd {folder} && {shlex.join(_command(installation, arguments))}"
    if "\\" in text:
        raise CatalogueError(f"crons read backslashes differently; give a path without one, not {text!r}")
    return text.replace("%", "\\%")


def _zone_of(link: Path) -> str:
    """Name of the zone that the machine's clock shows, from where its link points; UTC where that does not tell."""
    _, _, name = str(link.resolve()).partition("/zoneinfo/")
    return name if name in available_timezones() else "UTC"


def _shifted(tz: str, machine_tz: str, month: int) -> tuple[int, dt.time]:
    """Day (0 is Monday) and time of the weekly report on the machine's clock, in a winter or a summer month."""
    first = next(day for day in range(1, 8) if dt.date(2026, month, day).weekday() == _DAYS.index(REPORT_DAY))
    civil = dt.datetime.combine(dt.date(2026, month, first), REPORT_TIME, tzinfo=ZoneInfo(tz))
    local = civil.astimezone(ZoneInfo(machine_tz))
    return local.weekday(), local.time()
