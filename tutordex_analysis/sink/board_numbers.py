"""Panels of the dashboard `tutordex-forecast` that show the present: its key numbers, and the table of all limits."""

from __future__ import annotations

from tutordex_analysis.sink.board import GREEN, RED, YELLOW, Link, Panel, Query
from tutordex_analysis.sink.board_queries import Queries
from tutordex_analysis.sink.exposition import GENERATED


def numbers(queries: Queries) -> tuple[Panel, ...]:
    """The key numbers of the chosen series, on top: age, chance and date of a breach, score, past errors."""
    breach = 'signal="$signal"' + "".join(f',{label}="${label}"' for label in queries.labels)
    ratio = {"unit": "percentunit", "decimals": 0}
    return (
        Panel(
            kind="stat",
            title="Age of what is published",
            description="Since the forecast was made, and since the oldest family of metrics was. Renewed every hour; "
            "after three hours it is no longer served and alerts go back to human limits.",
            unit="s",
            queries=(
                Query(expr=f'time() - max({GENERATED}{{family="tutordex_forecast"}})', legend="forecast"),
                Query(expr=f"max(time() - max by (family) ({GENERATED}))", legend="oldest family"),
            ),
            width=5,
            height=4,
            steps=((None, GREEN), (7200, YELLOW), (10800, RED)),
            empty="nothing is published",
        ),
        Panel(
            kind="stat",
            title="Chance that $signal reaches a limit within 7 days",
            description="Probability, by limit, that one hour's mean is at or beyond it. Below 5 % is calm, from 50 % "
            "on it is more likely than not.",
            unit="percentunit",
            queries=(
                Query(expr=f'max by (limit) (tutordex_breach_probability{{{breach},within="7d"}})', legend="{{limit}}"),
            ),
            width=5,
            height=4,
            steps=((None, GREEN), (0.05, YELLOW), (0.5, RED)),
            empty="it has no limit",
        ),
        Panel(
            kind="stat",
            title="When $signal reaches a limit",
            description="The moment before which it is as likely as not that the limit is reached.",
            unit="dateTimeAsIso",
            queries=(
                Query(
                    expr=f'min by (limit) (tutordex_breach_timestamp_seconds{{{breach},quantile="0.5"}}) * 1000',
                    legend="{{limit}}",
                ),
            ),
            width=5,
            height=4,
            steps=((None, RED),),
            empty="not within 31 days, or no limit",
        ),
        Panel(
            kind="stat",
            title="How unusual $signal is now",
            description="Score of the newest complete hour: 1 is the edge of the expected band, more lies outside.",
            unit="short",
            queries=(Query(expr=queries.published("tutordex_anomaly_score"), legend="score"),),
            width=4,
            height=4,
            steps=((None, GREEN), (1, YELLOW), (2, RED)),
            empty="not judged",
        ),
        Panel(
            kind="stat",
            title="How good past forecasts of $signal were",
            description="Of the last four weeks: error against that of repeating the last season (below 1 is better), "
            "and the share of what happened that lay in the 80 % band.",
            unit="none",
            queries=(
                Query(expr=f"max by ({queries.on}) (tutordex_forecast_mase{{{queries.chosen}}})", legend="error"),
                Query(
                    expr=f'min by ({queries.on}) (tutordex_forecast_coverage_ratio{{{queries.chosen},level="0.8"}})',
                    legend="in the 80 % band",
                    look={
                        **ratio,
                        "thresholds": {
                            "mode": "absolute",
                            "steps": [{"color": YELLOW, "value": None}, {"color": GREEN, "value": 0.7}],
                        },
                    },
                ),
            ),
            width=5,
            height=4,
            steps=((None, GREEN), (1, RED)),
            empty="not scored yet",
        ),
    )


def passages(queries: Queries) -> Panel:
    """Every published limit of every signal; a click shows its signal."""
    by = f"max by ({queries.on}, limit)"
    chance = {"unit": "percentunit", "decimals": 0, "custom.align": "right"}
    chosen = "&".join(f"var-{label}=${{__data.fields.{label}}}" for label in ("signal", *queries.labels))
    heads = {label: label for label in ("signal", *queries.labels)}
    return Panel(
        kind="table",
        title="Which signals reach a limit, and when",
        description="Every published limit: the chance that it is reached within 7 and 30 days, and the moment before "
        "which that is as likely as not. A click on a row shows its signal.",
        unit="short",
        queries=(
            Query(expr=f'{by} (tutordex_breach_probability{{within="7d"}})'),
            Query(expr=f'{by} (tutordex_breach_probability{{within="30d"}})'),
            Query(expr=f'{by} (tutordex_breach_timestamp_seconds{{quantile="0.5"}}) * 1000'),
        ),
        width=12,
        height=9,
        empty="–",
        columns={
            **heads,
            "limit": "limit",
            "Value #A": "within 7 d",
            "Value #B": "within 30 d",
            "Value #C": "likely at",
        },
        looks={"within 7 d": chance, "within 30 d": chance, "likely at": {"unit": "dateTimeAsIso"}},
        row_link=Link(title="Show ${__data.fields.signal}", url=chosen),
    )
