"""The commands `tutordex-analysis anomalies …`: say of an incident what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from tutordex_analysis.console import Json, examples, show_table

app = typer.Typer(no_args_is_help=True, help="Incidents: list them, say what they were.")
SourceOption = Annotated[str, typer.Option("--source", "--url", help="URL of a Prometheus, or folder of an archive.")]
_WORDS = ("confirmed", "false", "expected")


@app.command(
    "list",
    epilog=examples("anomalies list", "anomalies list --source data/sample --weeks 4", "anomalies list --json"),
)
def list_(
    source: SourceOption = "",
    window: Annotated[str, typer.Option(help="How much history is read; detectors warm up on its beginning.")] = "120d",
    step: Annotated[str, typer.Option(help="Its grid.")] = "1h",
    weeks: Annotated[int, typer.Option(min=1, help="Civil weeks that are told.")] = 8,
    alerts_per_week: Annotated[float, typer.Option(help="Alerts that are wanted in a week.")] = 2.0,
    as_of: Annotated[str, typer.Option(help='A past moment, like "2026-03-01T08:00+08:00".')] = "",
    as_json: Json = False,
) -> None:
    """Show the incidents of the past weeks, the worst first."""
    from tutordex_analysis.question import anomalies, anomaly_findings
    from tutordex_analysis.source.changes import read_changes
    from tutordex_analysis.source.connect import connect, settled
    from tutordex_analysis.source.masks import read_masks
    from tutordex_analysis.source.verdicts import read_verdicts

    if not 0 < alerts_per_week < float("inf"):
        raise typer.BadParameter(f"{alerts_per_week:g} is not a number of alerts above 0")
    where = connect(source)
    time_range = settled(where, window, step=step, as_of=as_of)
    found = anomalies.unusual(
        anomalies.gather(where, where.catalogue, time_range),
        where.catalogue,
        masks=read_masks(where, time_range),
        changes=read_changes(where, time_range),
        verdicts=read_verdicts(where),
        alerts_per_week=alerts_per_week,
        weeks=weeks,
    )
    if as_json:
        show_table(found.incidents, as_json=True)
    else:
        listed = anomaly_findings.listing(found.incidents, where.catalogue, step=found.step)
        show_table(listed.drop(columns=["number", "unit"]), as_json=False)
    typer.echo(anomaly_findings.headline(found.incidents, found.health, at=found.at), err=True)


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
