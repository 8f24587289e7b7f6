"""How the reports stand, as metrics: an alert can ask for pages that failed or grew old."""

from __future__ import annotations

from tutordex_analysis.sink.exposition import Family, Sample
from tutordex_analysis.sink.shelf import Shelf


def from_shelf(shelf: Shelf) -> tuple[Family, ...]:
    """When each page was last made, and whether its newest run failed; nothing for an empty folder."""
    if not shelf.latest:
        return ()
    good = [
        Sample(labels={"page": name}, value=record.started.timestamp() + record.seconds)
        for name, record in shelf.good.items()
    ]
    failed = [
        Sample(labels={"page": name}, value=float(record.state == "failed")) for name, record in shelf.latest.items()
    ]
    return (
        Family(
            name="tutordex_report_last_success_timestamp_seconds",
            help="When the page was last made without failure, unix seconds.",
            samples=tuple(good),
        ),
        Family(name="tutordex_report_failed", help="1 while the newest run of the page failed.", samples=tuple(failed)),
    )
