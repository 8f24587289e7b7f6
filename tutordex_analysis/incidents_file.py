"""Masks made by hand: a YAML file of incidents, each with its reason and the day on which it is looked at again."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutordex_analysis import yaml_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.civil import from_civil
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.moment import Instant, instant
from tutordex_analysis.settings import Settings
from tutordex_analysis.spec import Moment, moment_of


def _day_or_moment(value: object) -> dt.date | pd.Timestamp:
    """A date stays one, since the day's end depends on the zone."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return moment_of(value)


NAME = "incidents.yaml"  # in the catalogue folder


class Incident(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    signals: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    reason: str = Field(min_length=1)
    expires: Annotated[Any, AfterValidator(_day_or_moment)]

    @model_validator(mode="after")
    def _order(self) -> Incident:
        if self.end <= self.start:
            raise CatalogueError(f"it ends at {self.end:%Y-%m-%d %H:%M} UTC, which is not after its start")
        return self

    def mask(self, catalogue: Catalogue) -> Mask:
        """The mask; a day on which it expires counts to its end in the catalogue's zone."""
        expires = self.expires
        if not isinstance(expires, pd.Timestamp):
            expires = from_civil(pd.Timestamp(expires) + pd.Timedelta(days=1), tz=catalogue.calendar.timezone)
        signals = catalogue.concerned(self.signals, self.areas)
        return Mask(
            start=self.start, end=self.end, reason=self.reason, origin="incident", signals=signals, expires=expires
        )


class _File(BaseModel):
    """The file: one list."""

    model_config = ConfigDict(extra="forbid")

    incidents: list[Incident]


def beside(folder: Path | None) -> Path | None:
    """The incidents file of a catalogue folder, None where it has none."""
    path = folder / NAME if folder is not None else None
    return path if path is not None and path.is_file() else None


def path_of(settings: Settings) -> Path | None:
    """The file that the settings name, else that of their catalogue folder, None where there is none."""
    return settings.incidents or beside(settings.catalogue)


def applying(masks: Iterable[Mask], path: Path, *, at: Instant, tz: str) -> Masks:
    """The masks that apply at a moment, and a note for each that has expired by then.

    Args:
        masks: Of the file.
        path: The file, for the notes.
        at: The moment; a mask applies before it expires.
        tz: Zone of the notes' times.
    """
    moment, held, notes = instant(at), [], []
    for mask in masks:
        if mask.expires is not None and mask.expires <= moment:
            notes.append(_expired(mask, path, tz))
        else:
            held.append(mask)
    return Masks(masks=tuple(held), notes=tuple(notes))


def read(path: Path, catalogue: Catalogue) -> tuple[Mask, ...]:
    """Every mask of an incidents file, also those that have expired.

    Args:
        path: The file.
        catalogue: Its signals, areas and zone.

    Raises:
        CatalogueError: The file is not there, or the first thing that is wrong, with file and line.
    """
    if not path.is_file():
        raise CatalogueError(f"the incidents file {path} is not there; make it or correct the setting incidents")
    root, data = yaml_file.read(path, keys=("incidents",))
    try:
        found = _File.model_validate(data | ({"incidents": []} if data.get("incidents") is None else {})).incidents
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error
    areas = {signal.area for signal in catalogue.signals.values()}
    for i, one in enumerate(found):
        _known(one.signals, {*catalogue.signals}, "signals", path, root, i)
        _known(one.areas, areas, "areas", path, root, i)
    return tuple(one.mask(catalogue) for one in found)


def _known(names: tuple[str, ...], known: set[str], key: str, path: Path, root: yaml.Node, place: int) -> None:
    strange = [name for name in names if name not in known]
    if strange:
        close = difflib.get_close_matches(strange[0], sorted(known), n=1)
        hint = f"did you mean {close[0]}?" if close else "see: tutordex-analysis catalogue list"
        line = yaml_file.line_of(root, ("incidents", str(place), key))
        raise CatalogueError(f"{path}:{line}: there is no {key.removesuffix('s')} {strange[0]!r}; {hint}")


def _expired(mask: Mask, path: Path, tz: str) -> str:
    first = mask.start.tz_convert(tz)
    last = ((mask.expires or mask.end) - pd.Timedelta("1ms")).tz_convert(tz)
    return (
        f'The mask of the incident of {first:%Y-%m-%d %H:%M} ("{mask.reason}") held until {last:%Y-%m-%d} and '
        f"no longer applies: forecasts learn from that time again. Give it a new day in {path.name}, or take it out."
    )
