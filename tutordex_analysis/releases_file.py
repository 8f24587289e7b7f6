"""Which learned alerts may call: a YAML file that only grows, one entry a release from shadow or a way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutordex_analysis import disk, yaml_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.rule import Rule
from tutordex_analysis.spec import moment_of

State: TypeAlias = Literal["released", "shadow"]
NAME = "releases.yaml"  # in a catalogue folder
_HEAD = "# Alerts that left shadow, or went back (docs/alerting.md#shadow); the last of an alert counts.\nreleases:\n"


class Release(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: str = Field(description="Name of the alert")
    state: State = Field(description="released: it calls; shadow: it is back in shadow")
    reason: str = Field(description="Why")
    by: str = Field("", description="Who says so")
    made: Annotated[Any, AfterValidator(moment_of)] = Field(description="When it was made")
    forced: bool = Field(False, description="Released although the gate did not say that it is ready")
    gate: str = Field("", description="What the gate said of it")

    @model_validator(mode="after")
    def _said(self) -> Release:
        if not self.reason.strip():
            raise CatalogueError("an entry has a reason; say why")
        return self


class _File(BaseModel):
    """The file: one list."""

    model_config = ConfigDict(extra="forbid")

    releases: list[Release]


def read(path: Path) -> tuple[Release, ...]:
    """Every entry of a file, oldest first; none where there is no file.

    Raises:
        CatalogueError: The first thing that is wrong, with file and line.
    """
    return tuple(_read(path)[1]) if path.is_file() else ()


def states(releases: Iterable[Release]) -> dict[str, State]:
    """By alert, what its last entry says."""
    return {one.alert: one.state for one in releases}


def settled(
    rules: Mapping[str, Rule], *, shipped: Iterable[Release] = (), own: Iterable[Release] = ()
) -> dict[str, Rule]:
    """The rules, each with the `shadow` that is in force.

    A user's own entry decides. Without one an alert is in shadow where its rule says so, or where its limit is
    learned and nobody released it: that is how a new one starts. A shipped release counts by the alert's name, so
    that an alert which calls today does not fall silent when a user's catalogue words it anew.
    """
    mine, theirs = states(own), states(shipped)
    made: dict[str, Rule] = {}
    for name, rule in rules.items():
        new = rule.threshold is not None and rule.threshold.learn is not None and theirs.get(name) != "released"
        shadow = mine[name] == "shadow" if name in mine else rule.shadow or new
        made[name] = rule if rule.shadow == shadow else rule.model_copy(update={"shadow": shadow})
    return made


def add(path: Path, release: Release) -> None:
    """Adds an entry at the end of a file, which is made when missing; nothing that stands there is changed.

    Raises:
        CatalogueError: The file is wrong as it is, or written in a way that nothing can be added to.
        Locked: Another process is writing there.
        NotWritten: It cannot be written.
    """
    with disk.locked(path.parent):
        root, before = _read(path) if path.is_file() else (None, [])
        text = path.read_text(encoding="utf-8") if root is not None else _HEAD
        made = yaml_file.appended(text, "releases", _plain(release), root)
        if made is None or _releases(made) != [*before, release]:
            raise CatalogueError(
                f"{path}: it cannot be added to by itself; write the entries one below the other, each after a dash, "
                "under releases: as the last key of the file"
            )
        disk.put(path, made)


def _plain(one: Release) -> dict[str, object]:
    """The keys of an entry as the file has them."""
    return {
        "alert": one.alert,
        "state": one.state,
        "made": f"{one.made:%Y-%m-%dT%H:%M:%SZ}",
        "reason": one.reason,
        "by": one.by,
        **({"forced": True} if one.forced else {}),
        "gate": one.gate,
    }


def _read(path: Path) -> tuple[yaml.Node, list[Release]]:
    root, data = yaml_file.read(path, keys=("releases",))
    try:
        return root, _File.model_validate(_filled(data)).releases
    except ValidationError as error:
        raise yaml_file.wrong(error, path, root) from error


def _releases(text: str) -> list[Release] | None:
    try:
        return _File.model_validate(_filled(yaml.load(text, Loader=yaml_file.LOADER))).releases  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, AttributeError):  # the last where it is no mapping any more
        return None


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    return data | ({"releases": []} if data.get("releases") is None else {})
