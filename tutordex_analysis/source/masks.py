"""Every mask there is for a source: incidents told by hand, alerts that fired, silences."""

from __future__ import annotations

import functools
from pathlib import Path

from tutordex_analysis import disk, incidents_file
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Masks
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source import alerts, silences
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import Source, same_host
from tutordex_analysis.source.session import Session
from tutordex_analysis.source.silences import Silence
from tutordex_analysis.source.through import ThroughSource


def read_masks(source: Source, time_range: TimeRange, *, settings: Settings | None = None) -> Masks:
    """What a forecast from this stretch of history must not learn from.

    What cannot be read, or no longer applies, is a note and no error; only a mistake in the incidents file is one. The
    incidents file and the Alertmanager are those of the server that the settings name, and say nothing of another one.

    Args:
        source: Where the history is read.
        time_range: The history; its end is the moment at which masks made by hand apply or have expired.
        settings: Those in force when left out; they name the incidents file and the Alertmanager.

    Raises:
        CatalogueError: The incidents file is wrong, with file and line.
    """
    known = settings or load()
    by_hand = _incidents(source, time_range, known)
    found = (by_hand, alerts.fired(source, time_range), _silences(source, time_range, known))
    return Masks(
        masks=tuple(sorted((mask for one in found for mask in one.masks), key=lambda mask: (mask.start, mask.end))),
        notes=tuple(note for one in found for note in one.notes),
    )


def _incidents(source: Source, time_range: TimeRange, settings: Settings) -> Masks:
    path = incidents_file.path_of(settings)
    if path is None or not _is_ours(_url(source), settings):
        return Masks()
    known = source.catalogue
    found = incidents_file.read(path, known)
    return incidents_file.applying(found, path, at=time_range.end, tz=known.calendar.timezone)


def _silences(source: Source, time_range: TimeRange, settings: Settings) -> Masks:
    """Those that the archive keeps and those that the Alertmanager still knows."""
    archive = source.archive if isinstance(source, ThroughSource) else source
    known: dict[str, Silence] = {}
    notes = []
    asks = []
    if isinstance(archive, ArchiveSource):
        asks.append(functools.partial(silences.kept, archive.folder))
    if settings.alertmanager_url is not None and _is_ours(_url(source), settings):
        asks.append(functools.partial(_live, settings))
    for ask in asks:
        try:
            known |= {one.key: one for one in ask()}
        except SourceError as error:
            notes.append(f"Silences could not be read, and forecasts learn from their times: {error}.")
    return Masks(masks=tuple(silences.masks(known.values(), source.catalogue, time_range)), notes=tuple(notes))


def keep_silences(folder: Path, url: str, settings: Settings) -> None:
    """Adds what the Alertmanager of the settings knows to the archive of the server at this URL; part of a pull.

    Raises:
        SourceError: The Alertmanager did not answer, or what is kept is damaged.
        NotWritten: It cannot be written.
    """
    if settings.alertmanager_url is not None and _is_ours(url, settings):
        with disk.locked(folder):
            silences.keep(folder, _live(settings))


def _live(settings: Settings) -> tuple[Silence, ...]:
    return silences.read(session_of(str(settings.alertmanager_url), settings))


def session_of(url: str, settings: Settings) -> Session:
    """A session with the Alertmanager; credentials go to it only where it has the origin of `prometheus_url`."""
    known = settings.prometheus_url is not None and same_host(url, settings.prometheus_url)
    return Session(
        url,
        token=settings.token.get_secret_value() if settings.token and known else None,
        basic_auth=settings.basic_auth.get_secret_value() if settings.basic_auth and known else None,
        ca_file=settings.ca_file,
        verify=settings.verify_tls,
        server="Alertmanager",
    )


def speaks_of(settings: Settings, source: Source) -> bool:
    """Whether what people wrote beside these settings is about this source's server."""
    return _is_ours(_url(source), settings)


def _url(source: Source) -> str:
    return source.manifest.url if isinstance(source, ArchiveSource) else source.uri


def _is_ours(url: str, settings: Settings) -> bool:
    """Whether a server is that of the settings, of which their incidents file and Alertmanager speak."""
    return settings.prometheus_url is None or same_host(url, settings.prometheus_url)
