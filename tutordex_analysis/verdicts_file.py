"""What people said of incidents: a YAML file of marks, each confirmed, false or expected."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import pandas as pd
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutordex_analysis import disk, yaml_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.moment import instant
from tutordex_analysis.settings import Settings
from tutordex_analysis.spec import Duration, Moment

NAME = "anomalies.yaml"  # in the catalogue folder
Word: TypeAlias = Literal["confirmed", "false", "expected"]
_HEAD = "# What people said of incidents: confirmed, false or expected (docs/anomalies.md#marks).\nmarks:\n"
_NAMED = re.compile(r"(\d{8}T\d{4}(?:\d\d)?Z)-(\w+)-([0-9a-f]{6})")


def _name(text: str) -> str:
    try:
        parts(text)
    except FrameError as error:
        raise CatalogueError(str(error)) from error
    return text


class Verdict(BaseModel):
    """One entry of the file: of an incident by its name, or of what some signals did in a stretch of time."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    incident: Annotated[str, AfterValidator(_name)] | None = Field(None, description="Its name")
    start: Moment = Field(None, alias="from")
    end: Moment = Field(None, alias="to")
    signals: tuple[str, ...] = Field((), description="With from and to: what was unusual then")
    verdict: Word
    note: str = ""
    by: str = Field("", description="Who says so")
    every: Duration | None = Field(None, description='For what is expected and comes back: "7d"')

    @model_validator(mode="before")
    @classmethod
    def _words(cls, data: Any) -> Any:  # noqa: ANN401 - what a file may hold
        """In YAML a bare false is no text."""
        if isinstance(data, dict) and data.get("verdict") is False:
            return data | {"verdict": "false"}
        return data

    @model_validator(mode="after")
    def _whole(self) -> Verdict:
        by_time = (self.start is not None, self.end is not None, bool(self.signals))
        if self.incident is not None and any(by_time):
            raise CatalogueError("name an incident, or from, to and signals, not both")
        if self.incident is None and not all(by_time):
            raise CatalogueError("name an incident, or all of from, to and signals")
        if self.start is not None and self.end <= self.start:
            raise CatalogueError(f"it ends at {self.end:%Y-%m-%d %H:%M} UTC, which is not after its start")
        if self.every is not None and self.verdict != "expected":
            raise CatalogueError(f"every is for what is expected and comes back, not for what is {self.verdict}")
        return self


class _File(BaseModel):
    """The file: one list."""

    model_config = ConfigDict(extra="forbid")

    marks: list[Verdict]


def parts(name: str) -> tuple[pd.Timestamp, str, str]:
    """What the name of an incident says: its first start, the signal and a digest of the series that started it.

    Raises:
        FrameError: It is no such name.

    Example:
        >>> parts("20261008T0200Z-queue_pending-3fa9c1")[1:]
        ('queue_pending', '3fa9c1')
    """
    found = _NAMED.fullmatch(name)
    if found is None:
        raise FrameError(
            f"{name!r} is not the name of an incident, which looks like 20261008T0200Z-queue_pending-3fa9c1"
        )
    moment = found[1] if len(found[1]) > len("20261008T0200Z") else f"{found[1][:-1]}00Z"
    try:
        return instant(dt.datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)), found[2], found[3]
    except ValueError as error:
        raise FrameError(f"{name!r} is not the name of an incident: there is no such moment") from error


def beside(folder: Path | None) -> Path | None:
    """The marks of a catalogue folder, None where it has none."""
    path = folder / NAME if folder is not None else None
    return path if path is not None and path.is_file() else None


def path_of(settings: Settings) -> Path | None:
    """The file of the settings' catalogue folder, None where there is none."""
    return beside(settings.catalogue)


def read(path: Path, catalogue: Catalogue) -> tuple[Verdict, ...]:
    """Every mark of a file, in its order.

    Args:
        path: The file.
        catalogue: Its signals.

    Raises:
        CatalogueError: The file is not there, or the first thing that is wrong, with file and line.
    """
    if not path.is_file():
        raise CatalogueError(f"the file of marks {path} is not there; `tutordex-analysis anomalies mark` makes it")
    root, found = _read(path)
    for i, one in enumerate(found):
        strange = [name for name in one.signals if name not in catalogue.signals]
        if strange:
            close = difflib.get_close_matches(strange[0], sorted(catalogue.signals), n=1)
            hint = f"did you mean {close[0]}?" if close else "see: tutordex-analysis catalogue list"
            line = yaml_file.line_of(root, ("marks", str(i), "signals"))
            raise CatalogueError(f"{path}:{line}: there is no signal {strange[0]!r}; {hint}")
    return tuple(found)


def add(path: Path, mark: Verdict) -> None:
    """Adds a mark at the end of a file, which is made when missing; what stands there, comments too, stays as it is.

    Raises:
        CatalogueError: The file is wrong as it is, or written in a way that nothing can be added to.
        Locked: Another process is writing there.
        NotWritten: It cannot be written.
    """
    with disk.locked(path.parent):
        text = path.read_text(encoding="utf-8") if path.is_file() else _HEAD
        before = _read(path) if path.is_file() else None
        made = yaml_file.appended(text, "marks", _plain(mark), before[0] if before is not None else None)
        # the entry must be one more mark of the list, whatever was written after it
        if made is None or _marks(made) != [*(before[1] if before is not None else []), mark]:
            raise CatalogueError(
                f"{path}: nothing can be added to it by itself; write the marks one below the other, each after a "
                "dash, under marks: as the last key of the file"
            )
        disk.put(path, made)


def _plain(mark: Verdict) -> dict[str, Any]:
    """The keys of a mark as the file has them."""
    moments = {
        key: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for key, moment in (("from", mark.start), ("to", mark.end)) if moment
    }
    rest = {"signals": [*mark.signals], "verdict": mark.verdict, "note": mark.note, "by": mark.by, "every": mark.every}
    return {"incident": mark.incident, **moments, **rest}


def _read(path: Path) -> tuple[yaml.Node, list[Verdict]]:
    root, data = yaml_file.read(path, keys=("marks",))
    try:
        return root, _File.model_validate(_filled(data)).marks
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error


def _marks(text: str) -> list[Verdict] | None:
    try:
        return _File.model_validate(_filled(yaml.load(text, Loader=yaml_file.LOADER))).marks  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError):
        return None


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return data | ({"marks": []} if data.get("marks") is None else {})
