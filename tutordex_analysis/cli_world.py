"""The commands around simulated worlds: written to files, or served by a Prometheus to try things out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tutordex_analysis.console import progress


def simulate(
    output: Annotated[Path, typer.Argument(help="Folder of the OpenMetrics files and truth.json.")],
    days: Annotated[int, typer.Option(help="Length.")] = 35,
    end: Annotated[str, typer.Option(help="Last moment; now when left out.")] = "",
    step: Annotated[str, typer.Option(help="Scrape interval.")] = "120s",
    size: Annotated[Literal["test", "sample"], typer.Option(help="About 150 series, or about 600.")] = "test",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    clean: Annotated[bool, typer.Option("--clean", help="Without incidents.")] = False,
) -> None:
    """Write what the stack would expose, as OpenMetrics for promtool, with the truth beside it."""
    import pandas as pd

    from tutordex_analysis.moment import instant
    from tutordex_analysis.source import simulator

    last = instant(end) if end else pd.Timestamp.now("UTC")
    start = last - pd.Timedelta(days=days)
    kinds: Any = () if clean else "default"
    world = simulator.World(start=start, end=last, step=step, size=size, seed=seed, incidents=kinds)
    with progress("simulating") as show:
        simulator.simulate(world, output, progress=lambda done, total: show(done, total, f"piece {done} of {total}"))
    typer.echo(
        f"promtool tsdb create-blocks-from openmetrics --max-block-duration=240h FILE DATA, for each file in {output}"
    )


def live(
    days: Annotated[int, typer.Option(help="Length of the history.")] = 35,
    step: Annotated[str, typer.Option(help="Scrape interval.")] = "120s",
    size: Annotated[Literal["test", "sample"], typer.Option(help="About 150 series, or about 600.")] = "test",
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 1,
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Start a Prometheus that holds a simulated history up to now, until Ctrl-C."""
    import pandas as pd

    from tutordex_analysis.source import local_server
    from tutordex_analysis.source.simulator import World

    now = pd.Timestamp.now("UTC")
    world = World(start=now - pd.Timedelta(days=days), end=now, step=step, size=size, seed=seed)
    with progress("simulating") as show:
        local_server.serve(
            world,
            port=port,
            ready=lambda url, truth: typer.echo(url),
            progress=lambda done, total: show(done, total, f"piece {done} of {total}"),
        )
