"""Commands of limits: pin one, go back to human values, and see what is in force and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, show_table

if TYPE_CHECKING:
    from tutordex_analysis.pins_file import Pin

SourceOption = Annotated[str, typer.Option("--source", "--url", help="URL of a Prometheus, or folder of an archive.")]
File = Annotated[Path | None, typer.Option("--file", help="File of pins; pins.yaml of your catalogue folder.")]
Reason = Annotated[str, typer.Option(help="Why; it must be said.")]
By = Annotated[str, typer.Option(help="Who says so.")]
Where = Annotated[list[str] | None, typer.Option(metavar="LABEL=VALUE", help="Only the limit with this label.")]
_SHOWN = ["alert", "where", "in_force", "value", "learnt", "human", "floor", "ceiling", "why"]


def pin(
    alert: Annotated[str, typer.Argument(help="Name of the alert.")],
    value: Annotated[float, typer.Argument(help="The limit, between floor and ceiling of the rule.")],
    until: Annotated[str, typer.Option(help='How long, such as "24h", or a moment, "2026-03-01T08:00+08:00".')] = "24h",
    reason: Reason = "",
    by: By = "",
    where: Where = None,
    file: File = None,
) -> None:
    """Hold the limit of an alert at a value until a moment; the next publication has it."""
    made = _made(alert, value=value, until=until, reason=reason, by=by, where=where)
    path = _add(file, made)
    typer.echo(
        f"{alert}{_told(made)} is pinned at {value:g} until {made.until:%Y-%m-%d %H:%M} UTC, "
        f"from the next publication; {path}"
    )


def human(
    alert: Annotated[str, typer.Argument(help="Name of the alert.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every alert that has a limit.")] = False,
    until: Annotated[str, typer.Option(help="How long, or until when; left out: until it is unpinned.")] = "",
    reason: Reason = "",
    by: By = "",
    where: Where = None,
    file: File = None,
) -> None:
    """Go back to the human limit of an alert, or of all."""
    from tutordex_analysis.pins_file import ALL

    if bool(alert) == every:
        raise typer.BadParameter("name the alert, or say --all")
    made = _made(alert or ALL, value=None, until=until, reason=reason, by=by, where=where)
    path = _add(file, made)
    ends = f"until {made.until:%Y-%m-%d %H:%M} UTC" if made.until is not None else "until it is unpinned"
    who = f"{alert or 'every alert'}{_told(made)}"
    typer.echo(f"{who} has its human limit {ends}, from the next publication; {path}")


def _told(made: Pin) -> str:
    """For which labels alone it is."""
    return "".join(f" with {name}={value}" for name, value in made.where.items())


def unpin(
    alert: Annotated[str, typer.Argument(help='Name of the alert; "*" for what `human --all` made.')],
    file: File = None,
) -> None:
    """Take the pins of an alert away."""
    from tutordex_analysis import pins_file
    from tutordex_analysis.errors import CatalogueError

    path = _path(file)
    gone = pins_file.remove(path, alert)
    if not gone:
        raise CatalogueError(
            f"{alert} has no pin in {path}; `tutordex-analysis rules thresholds` says what is in force"
        )
    typer.echo(f"{alert} is no longer pinned, from the next publication; {path}")


def thresholds(
    source: SourceOption = "",
    as_of: Annotated[str, typer.Option(help='A past moment, like "2026-03-01T08:00+08:00", or "newest".')] = "",
    file: File = None,
    as_json: Json = False,
) -> None:
    """Show which limit of each alert is in force, and why; as the next publication would have it, which it leaves."""
    import pandas as pd

    from tutordex_analysis.in_force import Limits, in_force
    from tutordex_analysis.source.connect import connect

    where = connect(source)
    limits = Limits.of(where)
    limits.pins = file or limits.pins
    found, complaints = in_force(where, limits, now=pd.Timestamp.now("UTC"), as_of=as_of)
    shown = found.frame if as_json else found.frame[_SHOWN]
    show_table(shown, as_json=as_json)
    for line in [*complaints, *found.findings["sentence"]] if not as_json else complaints:
        typer.echo(line, err=True)


def _made(alert: str, *, value: float | None, until: str, reason: str, by: str, where: list[str] | None) -> Pin:
    """The pin that was asked for.

    Raises:
        BadParameter: What is wrong, in one sentence.
    """
    import pandas as pd
    from pydantic import ValidationError

    from tutordex_analysis.pins_file import Pin

    now = pd.Timestamp.now("UTC").floor("s")
    if not reason.strip():
        raise typer.BadParameter('say why: --reason "load test of the worker"')
    labels = dict(_pair(one) for one in where or [])
    reason, by = (text.encode(errors="replace").decode() for text in (reason, by))
    try:
        return Pin(
            alert=alert,
            value=value,
            human=value is None,
            where=labels,
            until=_end(until, now),
            reason=reason,
            by=by,
            made=now,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise typer.BadParameter(str(first.get("ctx", {}).get("error") or first["msg"])) from error


def _end(until: str, now: object) -> str | None:
    """The moment that a length or a moment means; None for ""."""
    import pandas as pd

    from tutordex_analysis.errors import FrameError
    from tutordex_analysis.moment import duration, instant

    if not until:
        return None
    start = pd.Timestamp(now)  # type: ignore[arg-type]  # a Timestamp; the annotation would import pandas
    try:
        end = start + duration(until)
    except FrameError:
        try:
            end = instant(until)
        except FrameError as error:
            raise typer.BadParameter(
                f'--until is a length like "24h" or a moment with a zone, not {until!r}'
            ) from error
    if end <= start:
        raise typer.BadParameter(f"{until} is over already; choose a later moment")
    return end.isoformat()


def _add(file: Path | None, made: Pin) -> Path:
    from tutordex_analysis import catalogue_file, pins_file
    from tutordex_analysis.errors import CatalogueError
    from tutordex_analysis.settings import load

    path = _path(file)
    if why := pins_file.unfit(made, catalogue_file.load(load().catalogue).rules):
        raise CatalogueError(why)
    pins_file.add(path, made)
    return path


def _path(file: Path | None) -> Path:
    from tutordex_analysis import pins_file
    from tutordex_analysis.settings import load

    path = file or pins_file.path_of(load())
    if path is None:
        raise typer.BadParameter(
            'say where pins are kept: --file pins.yaml, or catalogue = "my-signals" in tutordex.toml; publish reads '
            "those of the catalogue folder"
        )
    return path


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not LABEL=VALUE")
    return name.strip(), value
