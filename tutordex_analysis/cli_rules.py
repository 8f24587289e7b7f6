"""The commands `tutordex-analysis rules …`."""

from __future__ import annotations

import typer

from tutordex_analysis import cli_pins
from tutordex_analysis.console import examples

app = typer.Typer(no_args_is_help=True, help="Alert rules and their limits.")

app.command(
    epilog=examples(
        'rules pin PostsVolumeSpike 400 --until 24h --reason "backfill of October" --by ops',
        'rules pin ChannelStalenessWarning 172800 --where channel=t.me/quiet --reason "agency on holiday"',
    )
)(cli_pins.pin)
app.command(
    epilog=examples(
        'rules human PostsVolumeSpike --reason "learned limit looks wrong"',
        'rules human --all --until 8h --reason "migration tonight"',
    )
)(cli_pins.human)
app.command(epilog=examples("rules unpin PostsVolumeSpike", "rules unpin '*'"))(cli_pins.unpin)
app.command(epilog=examples("rules thresholds", "rules thresholds --source data/sample --as-of newest --json"))(
    cli_pins.thresholds
)
