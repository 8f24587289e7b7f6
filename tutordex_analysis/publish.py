"""Answers handed back as metrics: what the capacity page says, as one exposition text."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tutordex_analysis import issued
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.in_force import Limits
from tutordex_analysis.mask import Masks
from tutordex_analysis.model.choice import NONE_DEMOTED
from tutordex_analysis.moment import Instant, Span, duration, instant
from tutordex_analysis.question import anomalies, capacity, issue, slo_history
from tutordex_analysis.question.experiment_verdict import verdict
from tutordex_analysis.question.left_out import left_out
from tutordex_analysis.question.resource import Resource, newest, resource
from tutordex_analysis.question.scorecard import scorecard
from tutordex_analysis.question.slo import promises
from tutordex_analysis.question.sufficiency import sufficiency
from tutordex_analysis.question.thresholds import Thresholds
from tutordex_analysis.question.watching import Watching, watching
from tutordex_analysis.sink import exposition
from tutordex_analysis.sink.exposition import Family
from tutordex_analysis.sink.exposition_anomalies import from_scores
from tutordex_analysis.sink.exposition_experiments import from_experiments
from tutordex_analysis.sink.exposition_ledger import from_scorecard
from tutordex_analysis.sink.exposition_reports import from_shelf
from tutordex_analysis.sink.exposition_slo import from_promises
from tutordex_analysis.sink.exposition_thresholds import from_thresholds
from tutordex_analysis.sink.shelf import shelf
from tutordex_analysis.source.connect import Source, settled
from tutordex_analysis.source.ledger import read
from tutordex_analysis.source.masks import read_masks
from tutordex_analysis.trials import read_experiments

VIA = "publish"
NEWEST = "newest"  # as-of: the moment at which the source's newest sample was settled
WINDOW = "120d"
HORIZON = "31d"  # a day more than the longest published lead
STEP = "1h"
_LEARN_EVERY = pd.Timedelta(days=1)
_RETRY_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Publication:
    """One exposition text and what is in it.

    Attributes:
        text: Prometheus text format 0.0.4.
        families: One row a family: `family`, `series`, `left_out` (samples that are not finite).
        data_end: The newest sample behind it.
        at: The moment for which it was made.
        issued: What it says as rows of the ledger, to be recorded; none for a past moment.
        scores: Scores of what was issued before and has come due.
        complaints: One sentence for each file that could not be read, and for each pin that is not in force.
        limits: The limits of alerts; None where none was asked for, or pins could not be read.
    """

    text: str
    families: pd.DataFrame
    data_end: pd.Timestamp
    at: pd.Timestamp
    issued: pd.DataFrame
    scores: pd.DataFrame
    complaints: tuple[str, ...]
    limits: Thresholds | None = None


@dataclass(kw_only=True, eq=False)
class Watch:
    """The watched signals of a source, whose scores are kept from one publication to the next."""

    state: Watching | None = None
    learnt: pd.Timestamp | None = None

    def looked(self, source: Source, time_range: TimeRange) -> dict[str, pd.DataFrame]:
        """The newest judged rows by signal; none where no watched signal has a history yet.

        The first look learns from the whole range. Later ones read and judge what is newer; after a day, or where the
        range was moved back, it is learnt anew, so that new series are taken in and late samples count.
        """
        end, state = time_range.end - time_range.step, self.state
        newest = None if state is None else state.newest
        try:
            if (
                state is None
                or newest is None
                or self.learnt is None
                or not newest <= end <= self.learnt + _LEARN_EVERY
            ):
                state = watching(anomalies.gather(source, source.catalogue, time_range), source.catalogue)
                self.state, self.learnt = state, end
            elif newest < end:
                since = TimeRange(newest, time_range.end, time_range.step)
                state.look(anomalies.gather(source, source.catalogue, since))
        except NotEnoughData:
            return {}
        return state.latest


def publication(
    source: Source,
    *,
    now: Instant,
    validity: Span,
    as_of: Instant = "",
    horizon: Span = HORIZON,
    reports: Path | None = None,
    ledger: Sequence[Path] = (),
    watch: Watch | None = None,
    limits: Limits | None = None,
) -> Publication:
    """Forecasts and breach dates of every catalogued signal that is to be published.

    Args:
        source: Where the history is read.
        now: The clock.
        validity: How old the newest sample may be at that moment.
        as_of: A past moment to speak of, "newest" for that of the newest sample; "" for now.
        horizon: How far ahead; a lead as long as this is left out, since the data are some minutes old.
        reports: Folder of the pages, whose state is published too.
        ledger: Folders of past forecasts, whose scores are published too; models that lost three times in a row are
            not used.
        watch: What was expected and seen so far of watched signals; kept by the caller from one call to the next, so
            that only new steps are judged. None for no anomaly scores.
        limits: The limits of alerts that are learnt or pinned; None for none.

    Raises:
        NotEnoughData: Nothing can be forecast.
        PublishRefused: The data are older than the validity, or there are more series than may be published.
    """
    time_range = settled(source, WINDOW, step=STEP, as_of="" if as_of == NEWEST else as_of)
    catalogue = source.catalogue
    histories = capacity.gather(source, catalogue, time_range)
    masks = read_masks(source, time_range)
    past = read(ledger, at=time_range.end)
    card = scorecard(past.rows, past.scores, histories, catalogue)
    resources = list(_resources(histories, catalogue, duration(horizon), masks, card.demoted))
    data_end = newest(one.history for one in resources)
    moment = instant(now) if not as_of else data_end if as_of == NEWEST else instant(as_of)
    fresh = [one for one in resources if moment - newest([one.history]) <= duration(validity)]
    resources = fresh or resources  # where all are too old, render says so
    families = [family for one in resources for family in _families(one, moment)]
    families += from_scorecard(card.recent, card.demotions)
    if reports is not None and not as_of:
        families += from_shelf(shelf(reports))
    if watch is not None:
        families += from_scores(watch.looked(source, time_range))
    said_limits, complaints = None, list(past.complaints)
    if limits is not None and catalogue.rules:
        lessons = limits.learnt(
            source,
            time_range,
            known=histories,
            masks=masks,
            forecasts={one.signal.name: one.forecast for one in resources},
            recent=card.recent,
        )
        said_limits, more = limits.at(lessons, catalogue, moment)
        complaints += more
    families += from_experiments(
        (one.experiment.name, verdict(one, tz=catalogue.calendar.timezone))
        for one in read_experiments(source, now=time_range.end)
    )
    families += from_promises(
        promises(slo_history.gather(source, catalogue, time_range), tz=catalogue.calendar.timezone).told
    )
    if said_limits is not None:
        families += from_thresholds(said_limits.frame, pins=said_limits.pins.state)
    text = exposition.render(families, data_end=data_end, validity=validity, now=now, as_of=moment if as_of else None)
    said = issue.rows(resources, catalogue.calendar, issued_at=moment, leads=exposition.HORIZONS)
    return Publication(
        text=text,
        families=exposition.summary(families),
        data_end=data_end,
        at=moment,
        issued=issued.no_rows() if as_of else issued.stamped(said, issued=moment, via=VIA, hindsight=False),
        scores=issued.no_scores() if as_of else card.scores,
        complaints=tuple(complaints),
        limits=said_limits,
    )


def _resources(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    horizon: pd.Timedelta,
    masks: Masks,
    demoted: Mapping[str, Mapping[str, frozenset[str]]],
) -> Iterator[Resource]:
    """The forecasts that can be made; those that cannot yet are left out."""
    refused = ""
    some = False
    for name, history in histories.items():
        enough = sufficiency(catalogue.signal(name), history, horizon=horizon)
        try:
            without = left_out(enough.signal, history, masks.masks)
            lost = demoted.get(name, NONE_DEMOTED)
            yield resource(history, enough, catalogue, training=without.training, demoted=lost)
            some = True
        except NotEnoughData as error:
            refused = refused or str(error)
    if not some:
        raise NotEnoughData(f"there is nothing to publish yet: {refused}")


def _families(one: Resource, moment: pd.Timestamp) -> Iterator[Family]:
    name = one.signal.name
    yield from exposition.from_forecast(name, one.forecast, now=moment, unit=one.signal.unit)
    for (limit, level), found in one.breaches.items():
        yield from exposition.from_breach(name, found, limit=f"{limit}_{level}")
    values = {f"{limit.name}_{level}": v for limit in one.limits.values() for level, v in limit.values.items()}
    yield from exposition.from_limits(name, values)


@contextmanager
def renewed(
    renew: Callable[[], object],
    *,
    every_seconds: float,
    on_error: Callable[[Exception], object],
    changed: Callable[[], object] = lambda: None,
    look_seconds: float = 2.0,
) -> Iterator[None]:
    """Calls `renew` at once, at every interval and when something changed, beside what runs inside.

    After an error of any kind it tries again after five minutes, or at the next interval or change.

    Args:
        renew: What is called.
        every_seconds: The interval.
        on_error: Called with what went wrong.
        changed: What it says is compared with what it said before the last call; another answer calls at once.
        look_seconds: How often it is asked.
    """
    stop = threading.Event()

    def said() -> object:
        try:
            return changed()
        except Exception as error:  # what it reads, `renew` reads too and tells of
            return repr(error)

    def work() -> None:
        while not stop.is_set():
            seen, due = said(), time.monotonic() + every_seconds
            try:
                renew()
            except Exception as error:  # whatever it was: what is served goes on, and the next try may do
                on_error(error)
                due = min(due, time.monotonic() + _RETRY_SECONDS)
            while time.monotonic() < due and said() == seen:
                if stop.wait(min(look_seconds, max(due - time.monotonic(), 0.0))):
                    return

    worker = threading.Thread(target=work, name="publish", daemon=True)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(timeout=5)
