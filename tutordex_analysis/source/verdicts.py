"""What people said of the incidents of a source."""

from __future__ import annotations

from tutordex_analysis import verdicts_file
from tutordex_analysis.settings import Settings, load
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.connect import Source, same_host
from tutordex_analysis.verdicts_file import Verdict


def read_verdicts(source: Source, *, settings: Settings | None = None) -> tuple[Verdict, ...]:
    """The marks of the catalogue folder that the settings name; they say nothing of another server than theirs.

    Args:
        source: Where the history is read.
        settings: Those in force when left out.

    Raises:
        CatalogueError: The file is wrong, with file and line.
    """
    known = settings or load()
    path = verdicts_file.path_of(known)
    url = source.manifest.url if isinstance(source, ArchiveSource) else source.uri
    if path is None or (known.prometheus_url is not None and not same_host(url, known.prometheus_url)):
        return ()
    return verdicts_file.read(path, source.catalogue)
