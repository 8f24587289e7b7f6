"""The commands `tutordex-analysis anomalies …`: say of an incident what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from tutordex_analysis.console import examples

app = typer.Typer(no_args_is_help=True, help="Incidents: say what they were.")
_WORDS = ("confirmed", "false", "expected")


@app.callback()
def _group() -> None:
    """Keeps the name of a command where there is only one."""


@app.command(
    epilog=examples(
        'anomalies mark 20261008T0200Z-queue_pending-3fa9c1 confirmed --note "the database was moved"',
        'anomalies mark 20261011T1800Z-disk_busy-77ab02 expected --every 7d --note "weekly backup" --by ops',
    )
)
def mark(
    incident: Annotated[str, typer.Argument(help="Its name, as the page and the alert have it.")],
    verdict: Annotated[str, typer.Argument(help="confirmed, false or expected.")],
    note: Annotated[str, typer.Option(help="What it was.")] = "",
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    every: Annotated[str, typer.Option(help='Expected again after so long, such as "7d".')] = "",
    file: Annotated[Path | None, typer.Option(help="File of marks; anomalies.yaml of your catalogue folder.")] = None,
) -> None:
    """Say of an incident what it was; the next run counts with it."""
    from pydantic import ValidationError

    from tutordex_analysis import verdicts_file
    from tutordex_analysis.settings import load

    if verdict not in _WORDS:
        raise typer.BadParameter(f"{verdict!r} is none of {', '.join(_WORDS)}")
    path = file
    if path is None:
        folder = load().catalogue
        if folder is None:
            raise typer.BadParameter(
                'say where marks are kept: --file anomalies.yaml, or catalogue = "my-signals" in tutordex.toml'
            )
        path = folder / verdicts_file.NAME
    note, by = (text.encode(errors="replace").decode() for text in (note, by))
    try:
        made = verdicts_file.Verdict(
            incident=incident, verdict=cast(verdicts_file.Word, verdict), note=note, by=by, every=every or None
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise typer.BadParameter(str(first.get("ctx", {}).get("error") or first["msg"])) from error
    verdicts_file.add(path, made)
    typer.echo(f"{incident} is marked as {verdict} in {path}")
