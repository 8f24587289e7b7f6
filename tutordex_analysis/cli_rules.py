"""The commands `tutordex-analysis rules …`."""

from __future__ import annotations

import typer

from tutordex_analysis import cli_backtest, cli_pins, cli_rules_build, cli_rules_push, cli_shadow
from tutordex_analysis.console import examples

app = typer.Typer(no_args_is_help=True, help="Alert rules: build, check, push, take back, replay; hold their limits.")

app.command(epilog=examples("rules build", "rules build --out /srv/observability --runbooks docs/runbooks"))(
    cli_rules_build.build
)
app.command(
    epilog=examples(
        "rules check observability/prometheus/*.yml",
        "rules check alert_rules.yml recording_rules.yml --target 2.50 --json",
    )
)(cli_rules_build.check)
app.command(
    epilog=examples(
        "rules diff /srv/prometheus/alert_rules.yml --from observability/prometheus/tutordex_alerts.yml",
        "rules diff /srv/prometheus/rules --json",
    )
)(cli_rules_push.diff)
app.command(
    epilog=examples(
        "rules push /srv/prometheus/rules",
        "rules push /srv/prometheus/rules --yes --url http://127.0.0.1:9090",
        "rules push /srv/prometheus/alert_rules.yml --from observability/prometheus/tutordex_alerts.yml --yes",
    )
)(cli_rules_push.push)
app.command(epilog=examples("rules revert /srv/prometheus/rules", "rules revert /srv/prometheus/rules --to 3 --yes"))(
    cli_rules_push.revert
)
app.command(epilog=examples("rules history", "rules history /srv/prometheus/rules --json"))(cli_rules_push.history)
app.command(
    epilog=examples(
        "rules backtest observability/prometheus --old /srv/prometheus/alert_rules.yml --window 28d",
        "rules backtest tutordex_alerts.yml --url http://any-prometheus:9090 --incidents incidents.yaml --json",
        "rules backtest tutordex_alerts.yml --firings",
    )
)(cli_backtest.backtest)
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
app.command(epilog=examples("rules ready", "rules ready OrdersMissing --saved data/archive --json"))(cli_shadow.ready)
app.command(
    epilog=examples(
        'rules release OrdersMissing --reason "a week without a false alarm" --by ops',
        'rules release OrdersMissing --force --reason "its channel has no incident to be found"',
    )
)(cli_shadow.release)
app.command(epilog=examples('rules shadow OrdersMissing --reason "calls at every release"'))(cli_shadow.shadow)
app.command(epilog=examples("rules unpin PostsVolumeSpike", "rules unpin '*'"))(cli_pins.unpin)
app.command(epilog=examples("rules thresholds", "rules thresholds --source data/sample --as-of newest --json"))(
    cli_pins.thresholds
)
