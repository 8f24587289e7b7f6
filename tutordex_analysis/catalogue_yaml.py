"""The YAML files of a catalogue: their keys, and each file with the lines that its entries stand on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tutordex_analysis import releases_file, yaml_file
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.civil import Calendar
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.experiment import Experiment
from tutordex_analysis.limit import Limit, Queue
from tutordex_analysis.mask import Alert
from tutordex_analysis.rule import RECORD, Record, Rule
from tutordex_analysis.silence import Template
from tutordex_analysis.slo import Slo
from tutordex_analysis.yaml_file import line_of

SHIPPED = Path(__file__).parent / "signals"
INVENTORY = "stack.yaml"
# No signals are in these; see …_file.py.
_OTHERS = (
    *(INVENTORY, "incidents.yaml", "changes.yaml", "anomalies.yaml", "pins.yaml", "maintenance.yaml"),
    releases_file.NAME,
)
_NAMED = ("signals", "limits", "queues", "alerts", "rules", "records", "experiments", "slos", "silences")
_NAME = (re.compile(r"[a-z][a-z0-9_]*"), "use small letters, digits and _")
_ALERT = (re.compile(r"[A-Z][A-Za-z0-9]*"), "write it like QueueStuck")
_NAMES = {"rules": _ALERT, "records": (RECORD, "write it like tutordex:queue:wait_seconds")}


class File(BaseModel):
    """One YAML file of a catalogue: any of these keys."""

    model_config = ConfigDict(extra="forbid")

    shipped: bool = Field(True, description="false: the shipped signals are left out, only this folder counts")
    signals: dict[str, Signal | None] = Field({}, description="Signals by name; null removes a shipped one")
    limits: dict[str, Limit | None] = Field({}, description="Limits by name; null removes a shipped one")
    queues: dict[str, Queue | None] = Field({}, description="Queues by name; null removes a shipped one")
    alerts: dict[str, Alert | None] = Field(
        {}, description="Alerts that make numbers abnormal, by a name of yours; null removes a shipped one"
    )
    rules: dict[str, Rule | None] = Field({}, description="Alert rules by the alert's name; null removes a shipped one")
    records: dict[str, Record | None] = Field({}, description="Recording rules by name; null removes a shipped one")
    experiments: dict[str, Experiment | None] = Field({}, description="Experiments by name; null removes a shipped one")
    slos: dict[str, Slo | None] = Field({}, description="Promises by name; null removes a shipped one")
    silences: dict[str, Template | None] = Field(
        {}, description="Templates of silences by name; null removes a shipped one"
    )
    flow: tuple[tuple[str, ...], ...] | None = Field(
        None, description="Areas in the order in which work passes them, most upstream first, several at one height"
    )
    calendar: Calendar | None = None


Read: TypeAlias = tuple[File, yaml.Node]
Files: TypeAlias = Mapping[Path, Read]


def files(folder: Path) -> dict[Path, Read]:
    """Every file of a folder that may hold signals, in order of their names."""
    if not folder.is_dir():
        raise CatalogueError(f"the catalogue folder {folder} is not there; make it or correct the setting catalogue")
    paths = [path for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if path.name not in _OTHERS]
    return {path: read_file(path) for path in paths}


def read_file(path: Path) -> Read:
    """One file of a catalogue, and where its lines are."""
    root, data = yaml_file.read(path, keys=tuple(File.model_fields))
    for key in _NAMED:
        if not isinstance(data.get(key) or {}, dict):
            raise CatalogueError(
                f"{path}:{line_of(root, (key,))}: {key}: write names with their keys below, not a list"
            )
        for name, entry in (data.get(key) or {}).items():
            pattern, wanted = _NAMES.get(key, _NAME)
            if not pattern.fullmatch(str(name)):
                raise CatalogueError(f"{path}:{line_of(root, (key, str(name)))}: {name!r} is not a name; {wanted}")
            if isinstance(entry, dict):
                entry["name"] = str(name)
        data[key] = data.get(key) or {}
    try:
        return File.model_validate(data), root
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error


def unique(found: Files) -> None:
    """Refuses a name that two files of a folder have."""
    homes: dict[tuple[str, str], Path] = {}
    for path, (file, root) in found.items():
        for key in _NAMED:
            for name in getattr(file, key):
                if (key, name) in homes:
                    line = line_of(root, (key, name))
                    raise CatalogueError(f"{path}:{line}: {name!r} is in {homes[key, name].name} already")
                homes[key, name] = path
