"""The commands `tutordex-analysis dashboards build|check`: dashboards of Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tutordex_analysis.console import Json, examples, show_table

app = typer.Typer(no_args_is_help=True, help="Dashboards of Grafana: build, check.")

Datasource = Annotated[str, typer.Option(metavar="UID", help="Uid of Grafana's Prometheus data source.")]
Retention = Annotated[str, typer.Option(help="How long that Prometheus keeps samples.")]


@app.command(
    epilog=examples("dashboards build", "dashboards build --folder /srv/observability --datasource my-prometheus")
)
def build(
    folder: Annotated[Path, typer.Option(help="The dashboards go into grafana/dashboards in it.")] = Path(
        "observability"
    ),
    datasource: Datasource = "prometheus",
    retention: Retention = "15d",
) -> None:
    """Write the dashboard of forecasts, from the catalogue."""
    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import dashboards

    if not datasource.strip():
        raise typer.BadParameter("give the uid of Grafana's Prometheus data source", param_hint="--datasource")
    settings = load()
    made = dashboards.write(
        catalogue_file.load(settings.catalogue),
        folder=folder,
        datasource=datasource,
        alertmanager=settings.alertmanager_external_url.rstrip("/"),
        reports=settings.report_url or "",
        retention=retention,
    )
    for path in made:
        typer.echo(str(path))


@app.command(epilog=examples("dashboards check", "dashboards check board.json --datasource my-prometheus --json"))
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Dashboards; those of the folder when left out.")] = None,
    folder: Annotated[Path, typer.Option(help="Where build wrote.")] = Path("observability"),
    datasource: Datasource = "prometheus",
    retention: Retention = "15d",
    as_json: Json = False,
) -> None:
    """Say what is wrong with dashboards, panel by panel; exit code 1 where something is."""
    import pandas as pd

    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import board_check, dashboards

    known = catalogue_file.load(load().catalogue)
    wanted = files or sorted((folder / dashboards.FOLDER).glob("*.json"))
    if not wanted:
        raise typer.BadParameter(f"there is no dashboard in {folder / dashboards.FOLDER}; build one, or name files")
    found = board_check.check(wanted, known, datasource=datasource, retention=retention)
    if found or as_json:
        show_table(pd.DataFrame([one.row for one in found], columns=["where", "panel", "what", "why"]), as_json=as_json)
    typer.echo(f"{len(wanted)} dashboards: {len(found)} faults", err=True)
    if found:
        raise typer.Exit(1)
