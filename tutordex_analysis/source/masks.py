"""Every mask there is for a source: incidents told by hand, alerts that fired, silences."""

from __future__ import annotations

from pathlib import Path

from tutordex_analysis import catalogue_file, incidents_file
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Masks
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source import alerts, silences
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import Source, same_host
from tutordex_analysis.source.session import Session


def read_masks(source: Source, time_range: TimeRange, *, settings: Settings | None = None) -> Masks:
    """What a forecast from this stretch of history must not learn from.

    What cannot be read, or no longer applies, is a note and no error; only a mistake in the incidents file is one.

    Args:
        source: Where the history is read.
        time_range: The history; its end is the moment at which masks made by hand apply or have expired.
        settings: Those in force when left out; they name the incidents file and the Alertmanager.

    Raises:
        CatalogueError: The incidents file is wrong, with file and line.
    """
    known = settings or load()
    found = [_incidents(source, time_range, known), alerts.fired(source, time_range)]
    if known.alertmanager_url is not None and _is_ours(source, known):
        found.append(_silences(source, time_range, known, known.alertmanager_url))
    return Masks(
        masks=tuple(sorted((mask for one in found for mask in one.masks), key=lambda mask: (mask.start, mask.end))),
        notes=tuple(note for one in found for note in one.notes),
    )


def _incidents(source: Source, time_range: TimeRange, settings: Settings) -> Masks:
    path = settings.incidents or _beside(settings.catalogue)
    return incidents_file.load(path, source.catalogue, at=time_range.end) if path is not None else Masks()


def _beside(folder: Path | None) -> Path | None:
    path = folder / catalogue_file.INCIDENTS if folder is not None else None
    return path if path is not None and path.is_file() else None


def _silences(source: Source, time_range: TimeRange, settings: Settings, url: str) -> Masks:
    try:
        found = silences.read(session_of(url, settings))
    except SourceError as error:
        return Masks(notes=(f"Nothing is left out because of silences, for they could not be read: {error}.",))
    return Masks(masks=tuple(silences.masks(found, source.catalogue, time_range)))


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


def _is_ours(source: Source, settings: Settings) -> bool:
    """Whether the source is the stack of the settings: a report on another server knows nothing of our silences."""
    url = source.manifest.url if isinstance(source, ArchiveSource) else source.uri
    return settings.prometheus_url is None or same_host(url, settings.prometheus_url)
