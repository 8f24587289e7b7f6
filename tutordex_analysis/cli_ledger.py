"""The commands around past forecasts: which there are, what they were worth, and those that would have been made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutordex_analysis.console import Json, examples, progress, show_table
from tutordex_analysis.errors import AnalysisError

if TYPE_CHECKING:
    from tutordex_analysis.source.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Past forecasts: list, score, replay.")
SourceOption = Annotated[str, typer.Option("--source", "--url", help="URL of a Prometheus, or folder of an archive.")]
_SHOWN = [
    *("signal", "where", "step", "model", "week_end", "said", "said_lower", "said_upper", "happened", "miss"),
    *("naive_miss", "coverage_80", "hindsight"),
]


@app.command("list", epilog=examples("ledger list", "ledger list --source data/sample --json"))
def list_(source: SourceOption = "", as_json: Json = False) -> None:
    """Say which forecasts are kept: one row an issue, the newest first."""
    from tutordex_analysis.source import ledger as ledgers
    from tutordex_analysis.source.connect import connect

    held = ledgers.ledger(connect(source))
    _complain(held)
    show_table(held.issues, as_json=as_json)


@app.command(epilog=examples("ledger score", "ledger score --source data/sample --within 3d", "ledger score --json"))
def score(
    source: SourceOption = "",
    within: Annotated[str, typer.Option(help="How far ahead is looked at; 7d is what models are judged by.")] = "7d",
    window: Annotated[str, typer.Option(help="How much history is read.")] = "120d",
    step: Annotated[str, typer.Option(help="Its grid.")] = "1h",
    as_json: Json = False,
) -> None:
    """Score every forecast whose time has come, keep the scores, and show the newest week of each series."""
    from tutordex_analysis.question import capacity
    from tutordex_analysis.question.scorecard import scorecard
    from tutordex_analysis.sink import ledger as records
    from tutordex_analysis.source import ledger as ledgers
    from tutordex_analysis.source.connect import connect, settled

    where = connect(source)
    held = ledgers.ledger(where)
    _complain(held)
    catalogue = where.catalogue
    histories = capacity.gather(where, catalogue, settled(where, window, step=step))
    card = scorecard(held.rows, held.scores, histories, catalogue, within=within)
    if len(held.rows):
        records.append(ledgers.home(where), held.rows.iloc[:0], card.scores)
    show_table(card.table[_SHOWN], as_json=as_json)
    for sentence in card.sentences():
        typer.echo(sentence, err=True)


@app.command(
    epilog=examples(
        "ledger replay", "ledger replay --weeks 12 --signal disk_used", "ledger replay --source data/sample"
    )
)
def replay(
    source: SourceOption = "",
    weeks: Annotated[int, typer.Option(min=1, help="How many past weeks.")] = 6,
    signal: Annotated[list[str] | None, typer.Option(help="Only this signal; may be given several times.")] = None,
    window: Annotated[str, typer.Option(help="History before each week.")] = "120d",
    as_json: Json = False,
) -> None:
    """Make the forecasts of past weeks from what was known then, and keep them, labelled hindsight."""
    from tutordex_analysis import replay as replaying
    from tutordex_analysis.sink import ledger as records
    from tutordex_analysis.source import ledger as ledgers
    from tutordex_analysis.source.connect import connect

    where = connect(source)
    held = ledgers.ledger(where)
    _complain(held)
    folder = ledgers.home(where)
    with progress("replaying") as show:
        made = replaying.replay(
            where,
            held.rows,
            weeks=weeks,
            signals=signal or (),
            window=window,
            keep=lambda rows: records.append(folder, rows),
            progress=show,
        )
    show_table(made.moments, as_json=as_json)
    typer.echo(f"{len(made.rows):,} rows were added to {folder}; see `tutordex-analysis ledger score`", err=True)


def place(source: str) -> Path | None:
    """Where forecasts of the source are recorded; None where it cannot be had, which the page then says."""
    from tutordex_analysis.source.connect import connect
    from tutordex_analysis.source.ledger import home

    try:
        return home(connect(source))
    except AnalysisError:
        return None


def first(source: str, *, weeks: int, show: Callable[[int, int, str], None]) -> None:
    """Replays the past weeks of a source of which no report is on file; its first page opens with them.

    What goes wrong is a sentence: the page stands without it.
    """
    from tutordex_analysis import replay as replaying
    from tutordex_analysis.sink import ledger as records
    from tutordex_analysis.source import ledger as ledgers
    from tutordex_analysis.source.connect import connect

    try:
        where = connect(source)
        held = ledgers.ledger(where)
        if held.complaints or (len(held.rows) and (held.rows["via"] == "report").any()):
            return
        folder = ledgers.home(where)
        replaying.replay(
            where,
            held.rows,
            weeks=weeks,
            keep=lambda rows: records.append(folder, rows),
            progress=lambda done, total, week: show(done, total, f"the week before {week}, this once"),
        )
    except AnalysisError as error:
        typer.echo(f"past weeks were not replayed: {error}", err=True)


def _complain(held: Ledger) -> None:
    for sentence in held.complaints:
        typer.echo(sentence, err=True)
