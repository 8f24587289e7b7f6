"""The one way in: a URL, a folder, or what the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pandas as pd

import tutordex_analysis
from tutordex_analysis import catalogue_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import Instant, Span, duration, floor, instant
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.events import EventsSource
from tutordex_analysis.source.postgres_tables import PostgresTables
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.through import ThroughSource, reads_through

EVENTS = "events"  # the folder of event tables beside an archive
OWN_CATALOGUE = "catalogue"  # the folder of what an archive adds to the shipped catalogue, such as its experiments
Source: TypeAlias = PrometheusSource | ArchiveSource | ThroughSource


def connect(uri: str | Path = "", *, catalogue: Catalogue | None = None, settings: Settings | None = None) -> Source:
    """A source of frames. Makes no request by itself.

    Args:
        uri: URL of a Prometheus API, or the folder of an archive. Empty: the server of the settings, else the sample.
        catalogue: Signals; the settings' when left out; where those name none, what the server is recognised by, or
            what an archive brings along in its folder `catalogue`.
        settings: Those in force when left out.

    Raises:
        SourceError: There is no archive in the folder, or the URL cannot be used.

    Example:
        >>> connect("data/sample").uri
        'data/sample'
    """
    known = settings or load()
    address = str(uri) or known.prometheus_url or str(sample())
    if catalogue is None and known.catalogue is not None:
        catalogue = catalogue_file.load(known.catalogue)
    if "://" not in address:
        return _archive(address, known, catalogue)
    server = server_of(address, known, catalogue)
    if reads_through(known.archive, known.source_name, server.uri):
        return ThroughSource(server, ArchiveSource(known.archive / known.source_name, catalogue=catalogue))
    return server


def connect_events(
    uri: str | Path = "", *, catalogue: Catalogue, settings: Settings | None = None
) -> EventsSource | None:
    """The event tables of a folder or a database; those of the settings for "", None where they name none.

    Args:
        uri: A folder, or `postgresql://user:password@host/database`.
        catalogue: Its signals with `events:` can be read there.
        settings: Those in force when left out.

    Raises:
        SourceError: The folder is not there, or the URL is that of something else; it is never in the sentence.
    """
    known = settings or load()
    address = str(uri) or (known.events_url.get_secret_value() if known.events_url else "")
    if "://" in address:
        return EventsSource(PostgresTables(address), catalogue=catalogue)
    return EventsSource(address, catalogue=catalogue) if address else None


def events_beside(source: Source | None, *, settings: Settings | None = None) -> EventsSource | None:
    """The event tables that belong to a source: those of the settings, else those in the folder `events` of an archive.

    The sample has such a folder, so that its experiments are found without a setting.

    Raises:
        SourceError: As `connect_events`.
    """
    catalogue = source.catalogue if source is not None else catalogue_file.load()
    named = connect_events(catalogue=catalogue, settings=settings)
    if named is not None or not isinstance(source, ArchiveSource):
        return named
    for folder in (Path(source.uri) / EVENTS, source.folder.parent / EVENTS):
        if folder.is_dir():
            return EventsSource(folder, catalogue=catalogue)
    return None


def settled(source: Source, window: Span, *, step: Span = "1h", as_of: Instant = "") -> TimeRange:
    """The settled history before a moment; before the newest sample for "".

    Args:
        source: Where it is read.
        window: Its length.
        step: Its grid.
        as_of: A past moment.

    Raises:
        FrameError: `as_of` is not a moment with a zone.
        SourceError: `as_of` is later than what is settled there.
    """
    newest = source.last(window, step=step)
    if not as_of:
        return newest
    end = floor(as_of, step) + duration(step)
    if end > newest.end + duration(step):
        raise SourceError(
            f"as-of {instant(as_of):%Y-%m-%d %H:%M} UTC is after the newest settled sample of {source.uri} "
            f"({newest.end - newest.step:%Y-%m-%d %H:%M} UTC); choose an earlier moment, or pull first"
        )
    end = min(end, newest.end)  # the step under way is not settled
    return TimeRange(end - duration(window), end, step)


def age(newest: Instant, *, as_of: Instant = "") -> pd.Timedelta:
    """How old the newest sample is at a moment; now for ""."""
    return (instant(as_of) if as_of else pd.Timestamp.now("UTC")) - instant(newest)


def server_of(url: str, settings: Settings, catalogue: Catalogue | None = None) -> PrometheusSource:
    """The server at a URL; credentials go only to the origin that the settings name, if they name one."""
    known = same_host(url, settings.prometheus_url) if settings.prometheus_url else True
    return PrometheusSource(
        url,
        token=settings.token.get_secret_value() if settings.token and known else None,
        basic_auth=settings.basic_auth.get_secret_value() if settings.basic_auth and known else None,
        ca_file=settings.ca_file,
        verify=settings.verify_tls,
        catalogue=catalogue,
    )


def sample() -> Path:
    """The folder of the sample archive, in a checkout and in an installed wheel.

    Raises:
        SourceError: It is in neither.
    """
    package = Path(tutordex_analysis.__file__).parent
    for folder in (package / "data" / "sample", package.parent / "data" / "sample"):
        if any(folder.glob("**/manifest.json")):
            return folder
    raise SourceError("the sample archive is not installed; name a server or a folder: connect('http://…')")


def _archive(folder: str, settings: Settings, catalogue: Catalogue | None) -> ArchiveSource:
    if not Path(folder).is_dir():
        raise SourceError(f"{folder!r} is neither a URL (http://host:9090) nor a folder that is there")
    if catalogue is None and (own := Path(folder) / OWN_CATALOGUE).is_dir():
        catalogue = catalogue_file.load(own)
    named = settings.source_name if (Path(folder) / settings.source_name / "manifest.json").is_file() else None
    return ArchiveSource(folder, catalogue=catalogue, source_name=named)


def same_host(url: str, other: str) -> bool:
    """Same scheme, host and port: what may be sent by https is not sent in the clear."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
