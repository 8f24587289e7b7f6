"""What is known to have happened: the incidents file, and marks that confirm an incident by its time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tutordex_analysis import incidents_file
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Mask
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import Source, same_host
from tutordex_analysis.source.verdicts import read_verdicts

_EXPIRES = pd.Timestamp("2100-01-01", tz="UTC")  # of a mark, which never stops having happened


def known_incidents(
    source: Source, span: TimeRange, *, path: Path | None = None, settings: Settings | None = None
) -> tuple[Mask, ...]:
    """The incidents of a stretch, in order of time; files of the settings speak of their own server alone.

    A mask that has expired still tells what happened; only forecasts learn from its time again.

    Args:
        source: Whose history.
        span: The stretch.
        path: Another incidents file, which alone counts then.
        settings: Those in force when left out.

    Raises:
        CatalogueError: A file is wrong, with file and line.
    """
    known = settings or load()
    url = source.manifest.url if isinstance(source, ArchiveSource) else source.uri
    ours = known.prometheus_url is None or same_host(url, known.prometheus_url)
    place = path or (incidents_file.path_of(known) if ours else None)
    masks = list(incidents_file.read(place, source.catalogue)) if place is not None else []
    if path is None:
        masks += [
            Mask(
                start=one.start,
                end=one.end,
                reason=one.note or "marked as confirmed",
                origin="incident",
                signals=one.signals,
                expires=_EXPIRES,
            )
            for one in read_verdicts(source, settings=known)
            if one.verdict == "confirmed" and one.start is not None
        ]
    inside = [one for one in masks if one.start < span.end and one.end > span.start]
    return tuple(sorted(inside, key=lambda one: (one.start, one.end, one.reason)))
