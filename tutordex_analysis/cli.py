"""The command `tutordex-analysis`: asks, and prints. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import tutordex_analysis
from tutordex_analysis import (
    cli_anomalies,
    cli_catalogue,
    cli_dashboards,
    cli_ledger,
    cli_rules,
    cli_schedule,
    cli_silence,
    cli_world,
)
from tutordex_analysis.console import Json, examples, fail, progress, show_table
from tutordex_analysis.errors import AnalysisError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Forecasts from Prometheus history, handed back as reports and metrics.\n\n"
    "Settings: tutordex.toml in this folder, or TUTORDEX_… in the environment (docs/settings.md).",
)
for group in (cli_anomalies, cli_catalogue, cli_dashboards, cli_ledger, cli_rules, cli_silence):
    app.add_typer(group.app, name=group.__name__.rpartition("cli_")[2])

SourceOption = Annotated[str, typer.Option("--source", "--url", help="URL of a Prometheus, or folder of an archive.")]
AsOf = Annotated[str, typer.Option(help='A past moment, like "2026-03-01T08:00+08:00".')]


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    ctx.obj = debug
    if version:
        print(tutordex_analysis.__version__)
        raise typer.Exit


@app.command(
    epilog=examples(
        "pull",
        "pull posts_seen queue_pending --step 1h --since 90d",
        "pull --refill 2026-03-01T00:00Z 2026-03-02T00:00Z",
    )
)
def pull(
    signals: Annotated[list[str] | None, typer.Argument(help="Names of signals, or alerts; none for all.")] = None,
    source: SourceOption = "",
    step: Annotated[str, typer.Option(help="Grid of what is kept.")] = "5m",
    since: Annotated[str, typer.Option(help="How far back the first pull goes.")] = "15d",
    refill: Annotated[tuple[str, str] | None, typer.Option(metavar="FROM TO", help="Ask this stretch again.")] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Folder of archives; that of the settings when left out.")
    ] = None,
    note: Annotated[str, typer.Option(help="How this archive is made, kept in its manifest.")] = "",
    as_json: Json = False,
) -> None:
    """Bring the archive up to date with the server."""
    from tutordex_analysis import catalogue_file
    from tutordex_analysis.settings import load
    from tutordex_analysis.source import alerts
    from tutordex_analysis.source import pull as pulling
    from tutordex_analysis.source.connect import server_of
    from tutordex_analysis.source.masks import keep_silences

    settings = load()
    url = source or settings.prometheus_url
    if not url:
        raise typer.BadParameter("name a server: --url http://host:9090, or prometheus_url in tutordex.toml")
    own = catalogue_file.load(settings.catalogue) if settings.catalogue else None
    server = server_of(url, settings, own)
    known = server.catalogue
    wanted = signals or [*known.pulled, alerts.NAME]
    parts = {name: known.parts_of(name) for name in wanted if name != alerts.NAME}
    parts |= {alerts.NAME: (alerts.FIRING,)} if alerts.NAME in wanted else {}
    folder = (archive or settings.archive) / settings.source_name
    with progress("pulling") as show:
        result = pulling.pull(
            server,
            folder,
            parts,
            step=step,
            since=since,
            refill=refill,
            now=server.now(),
            on_progress=show,
            note=note,
        )
    show_table(result.table, as_json=as_json)
    if alerts.NAME in wanted:
        keep_silences(folder, server.uri, settings)
    if result.failed:
        fail("some signals could not be pulled; the others were, and the next pull asks for the rest")


@app.command(
    epilog=examples(
        "report capacity",
        "report --all",
        "report capacity --url http://any-prometheus:9090",
        "report capacity -p horizon=30d --as-of 2026-11-01T00:00Z",
    )
)
def report(
    names: Annotated[list[str] | None, typer.Argument(help="Questions, such as capacity.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every question.")] = False,
    source: SourceOption = "",
    output: Annotated[Path | None, typer.Option(help="Folder of the pages.")] = None,
    notebooks: Annotated[Path | None, typer.Option(help="Folder of the notebooks.")] = None,
    parameter: Annotated[list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE")] = None,
    as_of: AsOf = "",
    timeout: Annotated[float, typer.Option(help="Seconds for each notebook.")] = 1800,
    replay: Annotated[int, typer.Option(min=0, help="Past weeks that a source's first report replays.")] = 4,
) -> None:
    """Run notebooks and make their pages and the overview."""
    import pandas as pd

    from tutordex_analysis import weekly
    from tutordex_analysis.notebook import shipped
    from tutordex_analysis.settings import load

    if bool(names) == every:
        raise typer.BadParameter("name the questions, or say --all")
    settings = load()
    folder = output or settings.reports
    given = dict(_pair(one) for one in parameter or [])
    for name, option in (("source_uri", "--source"), ("as_of", "--as-of")):
        if name in given:
            raise typer.BadParameter(f"{name} has an option of its own: {option}", param_hint="--parameter")
    speaks = bool(replay) and not as_of and (every or "capacity" in (names or []))
    with progress("reporting") as show:
        run = weekly.report(
            names or [],
            notebooks=notebooks or shipped(),
            output=folder,
            now=pd.Timestamp.now("UTC"),
            parameters=given,
            source_uri=source,
            as_of=as_of,
            timeout=timeout,
            tz=_zone(source),
            ledger=cli_ledger.place(source),
            before=(lambda: cli_ledger.first(source, weeks=replay, show=show)) if speaks else (lambda: None),
            progress=lambda name, cell, cells: show(cell, cells, name),
        )
    print("\n".join([run.sentence, *run.remarks]), file=sys.stderr)
    if run.failed:
        raise typer.Exit(1)
    print(f"look at {folder / 'index.html'}")


@app.command(
    epilog=examples(
        "publish",
        "publish --serve",
        "publish --textfile /var/lib/node_exporter",
        "publish --source data/sample --as-of newest --output metrics.prom",
    )
)
def publish(
    source: SourceOption = "",
    output: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    textfile: Annotated[Path | None, typer.Option(help="Folder of node_exporter's textfile collector.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it; renew it hourly, and when a pin changes.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 9877,
    validity: Annotated[str, typer.Option(help="How old the data may be.")] = "3h",
    horizon: Annotated[str, typer.Option(help="How far ahead.")] = "31d",
    as_of: Annotated[str, typer.Option(help='A past moment to demonstrate, or "newest".')] = "",
    as_json: Json = False,
) -> None:
    """Compute forecasts, breach dates and anomaly scores, and write or serve them as metrics."""
    import pandas as pd

    from tutordex_analysis import publish as publishing
    from tutordex_analysis.in_force import Limits
    from tutordex_analysis.settings import load
    from tutordex_analysis.sink import ledger as records
    from tutordex_analysis.sink import serve as serving
    from tutordex_analysis.sink import textfile as files
    from tutordex_analysis.source import ledger as ledgers
    from tutordex_analysis.source.connect import connect

    reports = load().reports
    path = output or reports / "metrics.prom"
    where = connect(source)
    watch, limits = publishing.Watch(), Limits.of(where)
    published = partial(publishing.publication, where, validity=validity, as_of=as_of, horizon=horizon, reports=reports)

    def renew() -> publishing.Publication:
        now = pd.Timestamp.now("UTC")
        past = ledgers.folders(where)
        made = published(now=now, ledger=past, watch=watch, limits=limits)
        for complaint in made.complaints:
            print(complaint, file=sys.stderr)
        files.write(made.text, path)
        if textfile is not None:
            files.write_textfile(made.text, textfile)
        try:
            limits.keep(None if as_of else made.limits)
            records.append(past[0], made.issued, made.scores)
        except AnalysisError as error:  # the metrics stand all the same
            print(f"the forecasts were not recorded: {error}", file=sys.stderr)
        return made

    if serve:
        print("add this under scrape_configs: in prometheus.yml\n" + serving.scrape_job(host, port), flush=True)
        changed = partial(limits.pins_at, lambda: pd.Timestamp.now("UTC"))
        with publishing.renewed(renew, every_seconds=3600, on_error=partial(print, file=sys.stderr), changed=changed):
            serving.serve(path, validity=validity, host=host, port=port, ready=lambda url: print(url, flush=True))
        return
    made = renew()
    show_table(made.families, as_json=as_json)
    print(f"{path} speaks of {made.at:%Y-%m-%d %H:%M} UTC; data to {made.data_end:%Y-%m-%d %H:%M}", file=sys.stderr)


app.command(epilog=examples("simulate world --days 35", "simulate world --days 120 --size sample --seed 7"))(
    cli_world.simulate
)
app.command(epilog=examples("live", "live --days 120 --size sample --port 9090"))(cli_world.live)


@app.command(epilog=examples("doctor", "doctor --url http://127.0.0.1:9090 --json"))
def doctor(source: SourceOption = "", as_json: Json = False) -> None:
    """Say what is reachable, stale and missing."""
    import pandas as pd

    from tutordex_analysis.source import doctor as doctors
    from tutordex_analysis.source.archive import ArchiveSource
    from tutordex_analysis.source.connect import connect
    from tutordex_analysis.source.through import ThroughSource

    where = connect(source)
    server = where.server if isinstance(where, ThroughSource) else None if isinstance(where, ArchiveSource) else where
    archive = where.archive if isinstance(where, ThroughSource) else where if isinstance(where, ArchiveSource) else None
    found = doctors.doctor(server, archive, where.catalogue, pd.Timestamp.now("UTC"))
    if as_json:
        show_table(pd.concat([found.facts, found.signals]), as_json=True)
    else:
        show_table(found.facts, as_json=False)
        show_table(found.signals, as_json=False)
    if not found.healthy:
        raise typer.Exit(1)


app.command(epilog=examples("schedule systemd --output units", "schedule cron"))(cli_schedule.schedule)


def main() -> None:
    """Runs a command; a user's mistake is one sentence and exit code 1, or 2 for bad usage."""
    debug = "--debug" in sys.argv[1:]
    try:
        app()
    except AnalysisError as error:
        if debug:
            raise
        fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(130)  # requests under way to a silent server would hold the exit up
    except OSError as error:
        if debug:
            raise
        fail(f"{error.filename or 'the system'}: {error.strerror or error}")


def _zone(source: str) -> str:
    """The zone of the source's catalogue; UTC where it cannot be had, which the page then says."""
    from tutordex_analysis.source.connect import connect

    try:
        return connect(source).catalogue.calendar.timezone
    except AnalysisError:
        return "UTC"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--parameter")
    return name.strip(), value
