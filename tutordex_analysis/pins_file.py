"""Limits that an operator holds: a YAML file of pins, each one alert's value, or its human value, until a moment."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutordex_analysis import disk, yaml_file
from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.moment import instant
from tutordex_analysis.rule import Rule
from tutordex_analysis.settings import Settings

NAME = "pins.yaml"  # in the catalogue folder
ALL = "*"  # every alert with a limit
_HEAD = "# Limits that are held by hand (docs/thresholds.md#pins); of two for one alert the later counts.\npins:\n"


def _moment(value: object) -> pd.Timestamp | None:
    if value is None:
        return None
    if not isinstance(value, (str, dt.datetime)):
        raise CatalogueError(f'{value} has no time of day; write a moment like "2026-03-01T09:00+08:00"')
    try:
        return instant(value)
    except FrameError as error:
        raise CatalogueError(str(error)) from error


Moment = Annotated[Any, AfterValidator(_moment)]


class Pin(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alert: str = Field(description='Name of the alert; "*" with human: true for all')
    value: float | None = Field(None, description="The limit, between floor and ceiling of the rule")
    human: bool = Field(False, description="true: the human value of the rule")
    where: dict[str, str] = Field({}, description="Only limits with these labels")
    until: Moment = Field(None, description="When it ends; only human: true may do without")
    reason: str = Field(description="Why")
    by: str = Field("", description="Who says so")
    made: Moment = Field(None, description="When it was made")

    @model_validator(mode="after")
    def _whole(self) -> Pin:
        if (self.value is None) == (not self.human):
            raise CatalogueError("give a value, or human: true, not both")
        if self.value is not None and self.until is None:
            raise CatalogueError("a pinned value needs until: the moment at which it ends")
        if self.alert == ALL and not self.human:
            raise CatalogueError('all alerts ("*") can be put back to their human values only')
        if not self.reason.strip():
            raise CatalogueError("a pin has a reason; say why")
        return self


class _File(BaseModel):
    """The file: one list."""

    model_config = ConfigDict(extra="forbid")

    pins: list[Pin]


@dataclass(frozen=True, kw_only=True)
class Pins:
    """The pins at one moment.

    Attributes:
        active: Those that hold, in the order of the file.
        over: Alerts of those that ended.
        notes: One sentence each for a pin that ended or cannot be kept.
    """

    active: tuple[Pin, ...] = ()
    over: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, alert: str, labels: Mapping[str, str]) -> Pin | None:
        """The pin of one limit, the last of several; None for none."""
        mine = [
            one
            for one in self.active
            if one.alert in (alert, ALL) and all(labels.get(key) == value for key, value in one.where.items())
        ]
        return mine[-1] if mine else None

    @property
    def state(self) -> dict[str, bool]:
        """By alert, whether a pin of it is in force; none for all alerts at once."""
        held = {one.alert for one in self.active}
        return {name: name in held for name in sorted({*held, *self.over} - {ALL})}


NO_PINS = Pins()


def path_of(settings: Settings) -> Path | None:
    """Where the pins of the settings' catalogue folder are, be there any or not; None where there is no folder."""
    return settings.catalogue / NAME if settings.catalogue is not None else None


def read(path: Path) -> tuple[Pin, ...]:
    """Every pin of a file, in its order; none where there is no file.

    Raises:
        CatalogueError: The first thing that is wrong, with file and line.
    """
    return tuple(_read(path)[1]) if path.is_file() else ()


def at(pins: Iterable[Pin], rules: Mapping[str, Rule], moment: pd.Timestamp) -> Pins:
    """What holds at a moment; one that ended, or that the rules do not allow, is told and left out."""
    active, over, notes = [], [], []
    for one in pins:
        why = unfit(one, rules)
        if one.until is not None and one.until <= moment:
            over.append(one.alert)
            notes.append(f"the pin of {one.alert} ended at {one.until:%Y-%m-%d %H:%M} UTC and is ignored")
        elif why:
            notes.append(f"the pin of {one.alert} is ignored: {why}")
        elif one.made is None or one.made <= moment:
            active.append(one)
    return Pins(active=tuple(active), over=tuple(over), notes=tuple(notes))


def unfit(pin: Pin, rules: Mapping[str, Rule]) -> str:
    """Why the rules do not allow a pin, in one sentence; "" where they do."""
    if pin.alert == ALL:
        return ""
    if pin.alert not in rules:
        close = difflib.get_close_matches(pin.alert, sorted(rules), n=1)
        return f"there is no alert {pin.alert!r}" + (f"; did you mean {close[0]}?" if close else "")
    limit = rules[pin.alert].threshold
    if limit is None:
        return f"{pin.alert} has no limit to pin"
    if strange := sorted(pin.where.keys() - {*limit.by}):
        return f"the limit of {pin.alert} is not by {strange[0]}; it is by {', '.join(limit.by) or 'no label'}"
    if pin.value is not None and not limit.floor <= pin.value <= limit.ceiling:
        return (
            f"{pin.value:g} is outside the rails of {pin.alert}, which are {limit.floor:g} to {limit.ceiling:g}; "
            "change them in the catalogue, or pin a value between them"
        )
    return ""


def add(path: Path, pin: Pin) -> None:
    """Adds a pin at the end of a file, which is made when missing; what stands there, comments too, stays as it is.

    Raises:
        CatalogueError: The file is wrong as it is, or written in a way that nothing can be added to.
        Locked: Another process is writing there.
        NotWritten: It cannot be written.
    """
    with disk.locked(path.parent):
        there = path.is_file()
        root, before = _read(path) if there else (None, [])
        made = yaml_file.appended(path.read_text(encoding="utf-8") if there else _HEAD, "pins", _plain(pin), root)
        _put(path, made, [*before, pin])


def remove(path: Path, alert: str) -> int:
    """Takes every pin of an alert out of a file; what else stands there stays.

    Returns:
        How many there were.

    Raises:
        CatalogueError: The file is wrong as it is, or written in a way that nothing can be taken out of.
        Locked: Another process is writing there.
        NotWritten: It cannot be written.
    """
    if not path.is_file():
        return 0
    with disk.locked(path.parent):
        root, before = _read(path)
        gone = [i for i, one in enumerate(before) if one.alert == alert]
        if gone:
            listed = next(value for key, value in root.value if key.value == "pins")
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            for i in reversed(gone):
                first = listed.value[i].start_mark.line
                last = listed.value[i + 1].start_mark.line if i + 1 < len(before) else _end(lines, first)
                del lines[first:last]
            _put(path, "".join(lines), [one for one in before if one.alert != alert])
        return len(gone)


def _end(lines: list[str], first: int) -> int:
    """The line after the last entry, which begins on line `first`: what is further in belongs to it."""
    indent = len(lines[first]) - len(lines[first].lstrip())
    inside = (len(one) - len(one.lstrip()) > indent for one in lines[first + 1 :])
    return first + 1 + next((i for i, one in enumerate(inside) if not one), len(lines) - first - 1)


def _put(path: Path, text: str | None, wanted: list[Pin]) -> None:
    """Writes the text, if it says what is wanted."""
    if text is None or _pins(text) != wanted:
        raise CatalogueError(
            f"{path}: it cannot be changed by itself; write the pins one below the other, each after a dash, under "
            "pins: as the last key of the file"
        )
    disk.put(path, text)


def _plain(pin: Pin) -> dict[str, object]:
    """The keys of a pin as the file has them."""
    moments = {
        key: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for key, moment in (("until", pin.until), ("made", pin.made)) if moment
    }
    what: dict[str, object] = {"human": True} if pin.human else {"value": pin.value}
    return {"alert": pin.alert, **what, "where": dict(pin.where), **moments, "reason": pin.reason, "by": pin.by}


def _read(path: Path) -> tuple[yaml.Node, list[Pin]]:
    root, data = yaml_file.read(path, keys=("pins",))
    try:
        return root, _File.model_validate(_filled(data)).pins
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error


def _pins(text: str) -> list[Pin] | None:
    try:
        return _File.model_validate(_filled(yaml.load(text, Loader=yaml_file.LOADER))).pins  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, AttributeError):  # the last where it is no mapping any more
        return None


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return data | ({"pins": []} if data.get("pins") is None else {})
