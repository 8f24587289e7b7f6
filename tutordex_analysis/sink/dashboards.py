"""Dashboards on disk: which there are, and where they stand."""

from __future__ import annotations

from pathlib import Path

from tutordex_analysis import disk
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.moment import Span
from tutordex_analysis.sink import board_forecast, grafana

FOLDER = Path("grafana/dashboards")


def files(
    catalogue: Catalogue, *, datasource: str, alertmanager: str = "", reports: str = "", retention: Span = "15d"
) -> dict[Path, str]:
    """Path under the folder `observability` → text, of every dashboard.

    Args:
        catalogue: Whose signals and alerts they show.
        datasource: Uid of the Prometheus data source in Grafana.
        alertmanager: URL at which people open Alertmanager, for links; empty for none.
        reports: URL of the pages; empty for none.
        retention: How long Prometheus keeps samples.

    Raises:
        CatalogueError: The catalogue has no signal that is forecast.
    """
    board = board_forecast.board(catalogue, alertmanager=alertmanager, reports=reports, retention=retention)
    return {FOLDER / f"{board.uid}.json": grafana.text(board, datasource=datasource)}


def write(
    catalogue: Catalogue,
    *,
    folder: Path,
    datasource: str,
    alertmanager: str = "",
    reports: str = "",
    retention: Span = "15d",
) -> list[Path]:
    """Writes all dashboards under a folder, those that changed; returns every file.

    Raises:
        CatalogueError: As `files`.
        NotWritten: The folder cannot be written.
    """
    made = files(catalogue, datasource=datasource, alertmanager=alertmanager, reports=reports, retention=retention)
    for path, text in made.items():
        if not (folder / path).exists() or (folder / path).read_bytes() != text.encode():
            disk.put(folder / path, text)
    return [folder / path for path in made]
