"""What every command shows alike: examples, tables, progress, one sentence for an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    import pandas as pd

_NO_END = 1000  # columns
Json = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]


def examples(*lines: str) -> str:
    """The end of a help text, in lines that stay as they are."""
    return "\b\nexamples:\n" + "\n".join(f"  tutordex-analysis {line}" for line in lines)


def fail(sentence: str) -> NoReturn:
    """One sentence on standard error, exit code 1."""
    sys.stderr.write(f"tutordex-analysis: {sentence}\n")
    sys.exit(1)


def show_table(table: pd.DataFrame, *, as_json: bool) -> None:
    """A table for people, or the same as JSON records."""
    if as_json:
        sys.stdout.write(table.to_json(orient="records", date_format="iso", indent=1, default_handler=str) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in table.columns:
        numeric = table[name].dtype.kind in "if"
        shown.add_column(str(name).replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*map(_cell, row))
    # nobody sees the width of a pipe: there a row stays one line, for grep
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _NO_END)
    console.print(shown, crop=False)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, a line for each new name elsewhere; yields show(done, total, name)."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, markup=False)
    last = ""
    if not console.is_terminal:

        def line(done: int, total: int, name: str) -> None:
            nonlocal last
            if name and name != last:
                sys.stderr.write(f"{what} {name}\n")
                sys.stderr.flush()
            last = name

        yield line
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, name: bar.update(
            task, completed=done, total=total or None, description=f"{what} {name}"
        )


def _cell(value: object) -> str:
    import pandas as pd

    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
