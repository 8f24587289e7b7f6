"""The file of maintenance windows: read, and checked against the alerts that there are."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tutordex_analysis import labelled, yaml_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.maintenance import AT_ONCE, Maintenance, Planned, longest_of
from tutordex_analysis.moment import duration, duration_text
from tutordex_analysis.promql import Matcher
from tutordex_analysis.settings import Settings
from tutordex_analysis.silence import LONGEST_APPROVED, Matchers, Template, matchers_of
from tutordex_analysis.window import Window

NAME = "maintenance.yaml"  # in the catalogue folder
TAKEN = (AT_ONCE, "and")  # a merged window is called "one and other"
_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_KEY = "windows"


class _File(BaseModel):
    """The file: windows by name."""

    model_config = ConfigDict(extra="forbid")

    windows: dict[str, Window]


def beside(folder: Path | None) -> Path | None:
    """The file of a catalogue folder, None where it has none."""
    path = folder / NAME if folder is not None else None
    return path if path is not None and path.is_file() else None


def path_of(settings: Settings) -> Path | None:
    """The file of the settings' catalogue folder, None where they name no folder."""
    return settings.catalogue / NAME if settings.catalogue is not None else None


def read(path: Path, catalogue: Catalogue) -> Maintenance:
    """The windows of a file.

    Args:
        path: The file.
        catalogue: Its templates, and its rules: the alerts that there are.

    Raises:
        CatalogueError: The file is not there, or the first thing that is wrong, with file and line.
    """
    if not path.is_file():
        raise CatalogueError(
            f"there is no file of maintenance windows {path}; make it (docs/silencing.md), or name one"
        )
    root, data = yaml_file.read(path, keys=(_KEY,))
    entries = data.get(_KEY) or {}
    if not isinstance(entries, dict):
        line = yaml_file.line_of(root, (_KEY,))
        raise CatalogueError(f"{path}:{line}: {_KEY}: write names with their keys below, not a list")
    for name, entry in entries.items():
        if not _WORD.fullmatch(str(name)) or name in TAKEN:
            line = yaml_file.line_of(root, (_KEY, str(name)))
            told = "is taken; `silence now` makes it" if name in TAKEN else "is not a name"
            raise CatalogueError(f"{path}:{line}: {name!r} {told}; use small letters, digits, _ and -")
        if isinstance(entry, dict):
            entry["name"] = str(name)
    try:
        found = _File.model_validate(data | {_KEY: entries}).windows
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error
    made = []
    for name, window in found.items():
        try:
            made.append(planned(window, catalogue))
        except CatalogueError as error:
            line = yaml_file.line_of(root, (_KEY, name))
            raise CatalogueError(f"{path}:{line}: {name}: {error}") from error
    return Maintenance(path=path, windows=tuple(made))


def planned(window: Window, catalogue: Catalogue) -> Planned:
    """What a window means for a catalogue.

    Raises:
        CatalogueError: It is too long, or silences what it must not.
    """
    alerts = labelled.alerts_of(catalogue)
    template = _template(window, catalogue)
    asked = template.silences(window.values) if template else (matchers_of(str(window.matchers)),)
    silences = tuple(_quiet(one, critical=window.critical) for one in asked)
    for one in silences:
        if why := labelled.unfit(one, alerts):
            raise CatalogueError(why)
    longest = longest_of(window, template.longest if template else None)
    if duration(window.lasts) > longest:
        by = f"template {template.name}" if template else "window without a template"
        allowed = f"a {by} may be {duration_text(longest)}" if not window.approved_by else f"at most {LONGEST_APPROVED}"
        rest = "" if window.approved_by else "; shorten it, or name who approved it (approved_by)"
        raise CatalogueError(f"it lasts {window.lasts}, and {allowed}{rest}")
    patience = min(one.hold for matchers in silences for one in labelled.reached(matchers, alerts))
    return Planned(window=window, silences=silences, longest=longest, patience=patience)


def _template(window: Window, catalogue: Catalogue) -> Template | None:
    if window.template is None:
        return None
    if window.template not in catalogue.silences:
        close = difflib.get_close_matches(window.template, catalogue.silences, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(catalogue.silences) or 'none'}"
        raise CatalogueError(f"there is no template {window.template!r}; {hint}")
    return catalogue.silences[window.template]


def _quiet(matchers: Matchers, *, critical: bool) -> Matchers:
    """The matchers, and one that leaves critical alerts loud where nobody said that they may be silenced."""
    loud = Matcher("severity", labelled.LOUD, equal=False)
    return matchers if critical or loud in matchers else (*matchers, loud)
