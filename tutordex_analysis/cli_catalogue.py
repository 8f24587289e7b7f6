"""The commands `tutordex-analysis catalogue …`: check, list and extend the catalogue of signals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, examples, show_table

if TYPE_CHECKING:
    from tutordex_analysis.catalogue import Catalogue

app = typer.Typer(no_args_is_help=True, help="Check, list and extend the catalogue of signals.")


@app.command(epilog=examples("catalogue check", "catalogue check my-signals"))
def check(folder: Annotated[Path | None, typer.Argument(help="Folder of your signals.")] = None) -> None:
    """Load the catalogue; say what is wrong with file and line."""
    from tutordex_analysis import incidents_file, maintenance_file, verdicts_file
    from tutordex_analysis.settings import load

    known = _catalogue(folder)
    path = incidents_file.path_of(load()) if folder is None else incidents_file.beside(folder)
    by_hand = incidents_file.read(path, known) if path is not None else ()
    more = f", {len(by_hand)} masks by hand" if path is not None else ""
    said = verdicts_file.path_of(load()) if folder is None else verdicts_file.beside(folder)
    more += f", {len(verdicts_file.read(said, known))} marks" if said is not None else ""
    windows = maintenance_file.beside(folder or load().catalogue)
    more += f", {len(maintenance_file.read(windows, known).windows)} maintenance windows" if windows is not None else ""
    typer.echo(f"{len(known.signals)} signals, {len(known.limits)} limits{more}: all is well")


@app.command("list", epilog=examples("catalogue list", "catalogue list --json"))
def list_signals(
    folder: Annotated[Path | None, typer.Argument(help="Folder of your signals.")] = None, as_json: Json = False
) -> None:
    """Show every signal and its limits."""
    table = _catalogue(folder).table()
    show_table(table if as_json else table.drop(columns="made of"), as_json=as_json)


@app.command(
    epilog=examples("catalogue add my-signals rack_heat --title 'Rack' --unit celsius --promql 'max(rack_celsius)'")
)
def add(
    folder: Annotated[Path, typer.Argument(help="Folder of your signals; made when missing.")],
    name: Annotated[str, typer.Argument(help="Name of the new signal.")],
    title: Annotated[str, typer.Option(help="Name in words.")],
    unit: Annotated[str, typer.Option(help="Such as ratio, seconds, bytes, requests.")],
    promql: Annotated[str, typer.Option(help="What to read, for a gauge.")] = "",
    counter: Annotated[str, typer.Option(help="The raw counter, for a count.")] = "",
    area: Annotated[str, typer.Option(help="Part of the system.")] = "other",
) -> None:
    """Add a signal to a catalogue of your own."""
    from tutordex_analysis import catalogue_add

    if bool(promql) == bool(counter):
        raise typer.BadParameter("say what it is made of: --promql for a gauge, or --counter for a count")
    made = (
        {"kind": "gauge", "unit": unit, "promql": promql}
        if promql
        else {"kind": "count", "unit": unit, "counter": counter}
    )
    path = catalogue_add.add(folder, name, {"title": title, "area": area, **made, "forecast": True})
    typer.echo(f'{name} is in {path}; put catalogue = "{folder}" into tutordex.toml to use it')


@app.command(epilog=examples("catalogue schema > catalogue.schema.json"))
def schema() -> None:
    """Print the JSON Schema of catalogue files, for editors."""
    from tutordex_analysis import catalogue_file

    typer.echo(catalogue_file.json_schema(), nl=False)


@app.command(
    epilog=examples("catalogue sloth sloth.yml > my-signals/slos.yaml", "catalogue sloth sloth.yml --period 28d")
)
def sloth(
    file: Annotated[Path, typer.Argument(help="A file of Sloth, version prometheus/v1.", exists=True, dir_okay=False)],
    period: Annotated[str, typer.Option(help="Over which the promises hold.")] = "30d",
) -> None:
    """Print the promises of Sloth's file as a file of a catalogue; `rules build` makes their rules."""
    from tutordex_analysis import slo_sloth

    typer.echo(slo_sloth.text(slo_sloth.read(file, period=period)), nl=False)


def _catalogue(folder: Path | None) -> Catalogue:
    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load

    return catalogue_file.load(folder or load().catalogue)
