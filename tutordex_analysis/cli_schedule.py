"""The command that prints units for a machine that runs the others on time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schedule(
    kind: Annotated[str, typer.Argument(help="systemd or cron.")],
    output: Annotated[Path | None, typer.Option(help="Folder to write the units into; printed when left out.")] = None,
    user: Annotated[str, typer.Option(help="User of a system service; empty for units of your own.")] = "",
) -> None:
    """Print units that pull every hour, report every week, publish all the time and keep windows silenced."""
    from dataclasses import replace

    from tutordex_analysis import catalogue_file, maintenance_file
    from tutordex_analysis import schedule as schedules
    from tutordex_analysis.settings import load

    settings = load()
    tz = catalogue_file.load(settings.catalogue).calendar.timezone
    silences = settings.alertmanager_url is not None and maintenance_file.beside(settings.catalogue) is not None
    here = schedules.here(folder=Path.cwd(), output=settings.reports, user=user)
    here = replace(here, tz=tz, silences=silences)
    if kind == "cron":
        typer.echo(schedules.cron(here), nl=False)
        return
    if kind != "systemd":
        raise typer.BadParameter(f"{kind!r} is neither systemd nor cron")
    units = schedules.systemd(here)
    for name, text in units.items():
        if output is None:
            typer.echo(text)
        else:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
    for line in schedules.complaints(units, user=not user):
        typer.echo(line, err=True)
