"""Answers handed back as metrics: what the capacity page says, as one exposition text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from tutordex_analysis.errors import AnalysisError
from tutordex_analysis.frame import Instant, Span, instant
from tutordex_analysis.question import capacity
from tutordex_analysis.sink import exposition
from tutordex_analysis.sink.exposition import Family
from tutordex_analysis.source.connect import Source, settled

NEWEST = "newest"  # as-of: the moment at which the source's newest sample was settled
WINDOW = "120d"
HORIZON = "31d"  # a day more than the longest published lead
STEP = "1h"


@dataclass(frozen=True, kw_only=True, eq=False)
class Publication:
    """One exposition text and what is in it.

    Attributes:
        text: Prometheus text format 0.0.4.
        families: One row a family: `family`, `series`, `left_out` (samples that are not finite).
        data_end: The newest instant of the data behind it.
        at: The moment for which it was made.
    """

    text: str
    families: pd.DataFrame
    data_end: pd.Timestamp
    at: pd.Timestamp


def publication(source: Source, *, now: Instant, validity: Span, as_of: Instant = "") -> Publication:
    """Forecasts and breach dates of every catalogued signal that is to be published.

    Args:
        source: Where the history is read.
        now: The clock.
        validity: How old the newest sample may be at that moment.
        as_of: A past moment to speak of, "newest" for that of the newest sample; "" for now.

    Raises:
        NotEnoughData: Nothing can be forecast.
        PublishRefused: The data are older than the validity, or there are more series than may be published.
    """
    time_range = settled(source, WINDOW, step=STEP, as_of="" if as_of == NEWEST else as_of)
    catalogue = source.catalogue
    outlook = capacity.outlook(capacity.gather(source, catalogue, time_range), catalogue, horizon=HORIZON)
    moment = instant(now) if not as_of else outlook.at if as_of == NEWEST else instant(as_of)
    families = list(_families(outlook, moment))
    text = exposition.render(families, data_end=outlook.at, validity=validity, now=now, as_of=moment if as_of else None)
    return Publication(text=text, families=exposition.summary(families), data_end=outlook.at, at=moment)


def _families(outlook: capacity.Outlook, moment: pd.Timestamp) -> list[Family]:
    families: list[Family] = []
    for one in outlook.resources:
        name = one.signal.name
        families += exposition.from_forecast(name, one.forecast, now=moment, unit=one.signal.unit)
        for (limit, level), found in one.breaches.items():
            families += exposition.from_breach(name, found, limit=f"{limit}_{level}")
        values = {f"{limit.name}_{level}": v for limit in one.limits.values() for level, v in limit.values.items()}
        families += exposition.from_limits(name, values)
    return families


@contextmanager
def renewed(
    renew: Callable[[], object], *, every_seconds: float, on_error: Callable[[AnalysisError], object]
) -> Iterator[None]:
    """Calls `renew` at once and at every interval, beside what runs inside; after an error it tries again later."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                renew()
            except AnalysisError as error:
                on_error(error)
            stop.wait(every_seconds)

    worker = threading.Thread(target=work, name="publish", daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(timeout=5)
