"""Releases told by hand: a YAML file, for teams whose stack does not expose a version."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutordex_analysis import yaml_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.settings import Settings
from tutordex_analysis.spec import Moment

NAME = "changes.yaml"  # in the catalogue folder


class _Entry(BaseModel):
    """One release: when, of what, and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Moment
    to: Moment | None = None
    component: str = ""
    name: str = Field(min_length=1)

    @model_validator(mode="after")
    def _order(self) -> _Entry:
        if self.to is not None and self.to < self.at:
            raise CatalogueError(f"it ends at {self.to:%Y-%m-%d %H:%M} UTC, before it begins")
        return self


class _File(BaseModel):
    """The file: one list."""

    model_config = ConfigDict(extra="forbid")

    changes: list[_Entry]


def path_of(settings: Settings) -> Path | None:
    """The file in the catalogue folder of the settings, None where there is none."""
    path = settings.catalogue / NAME if settings.catalogue is not None else None
    return path if path is not None and path.is_file() else None


def read(path: Path, catalogue: Catalogue) -> Changes:
    """The releases of a file, in order of time.

    Args:
        path: The file: `changes:`, a list of `at` (a moment with zone), `name`, and where they are known `component`
            (an area of the catalogue; without it all signals are concerned) and `to` (when it was done).
        catalogue: Its areas.

    Raises:
        CatalogueError: The file is not there, or the first thing that is wrong, with file and line.
    """
    if not path.is_file():
        raise CatalogueError(f"the file of releases {path} is not there; make it or leave it out")
    root, data = yaml_file.read(path, keys=("changes",))
    try:
        found = _File.model_validate(data | ({"changes": []} if data.get("changes") is None else {})).changes
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error
    areas = {signal.area for signal in catalogue.signals.values()}
    for i, one in enumerate(found):
        if one.component and one.component not in areas:
            line = yaml_file.line_of(root, ("changes", str(i), "component"))
            raise CatalogueError(
                f"{path}:{line}: there is no area {one.component!r}; there are {', '.join(sorted(areas))}"
            )
    made = [
        Change(kind="deploy", component=one.component, name=one.name, start=one.at, end=one.to or one.at)
        for one in found
    ]
    return Changes(changes=tuple(sorted(made, key=lambda each: (each.start, each.name))))
