"""The limits of alerts that are in force: what history says, from where the last run left them, under the pins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tutordex_analysis import pins_file
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError, NotEnoughData, SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import Masks
from tutordex_analysis.model.choice import NONE_DEMOTED
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.moment import Instant, Span, duration, instant
from tutordex_analysis.question import thresholds as question
from tutordex_analysis.question.left_out import left_out
from tutordex_analysis.question.resource import newest, resource
from tutordex_analysis.question.scorecard import Scorecard, scorecard
from tutordex_analysis.question.sufficiency import sufficiency
from tutordex_analysis.question.thresholds import Lessons, Thresholds, learn, thresholds
from tutordex_analysis.settings import load
from tutordex_analysis.sink import threshold_state
from tutordex_analysis.source.connect import Source, settled
from tutordex_analysis.source.ledger import folders, read
from tutordex_analysis.source.masks import read_masks

_LEARN_EVERY = pd.Timedelta(days=1)


@dataclass(kw_only=True, eq=False)
class Limits:
    """The limits of alerts: where the last run left them, who pins them, and what history said when last asked.

    Attributes:
        state: File of what the last run left.
        pins: File of pins; None for none.
    """

    state: Path
    pins: Path | None = None
    lessons: Lessons | None = None

    @classmethod
    def of(cls, source: Source) -> Limits:
        """Those of a source, in the folder of its ledger, with the pins of the settings' catalogue folder."""
        return cls(state=folders(source)[0] / threshold_state.NAME, pins=pins_file.path_of(load()))

    def learnt(
        self,
        source: Source,
        time_range: TimeRange,
        *,
        known: Mapping[str, pd.DataFrame],
        masks: Masks,
        forecasts: Mapping[str, Forecast],
        recent: pd.DataFrame | None,
    ) -> Lessons:
        """What history says; asked anew after a day, or where the range was moved back."""
        end = time_range.end - time_range.step
        if self.lessons is None or not self.lessons.at <= end < self.lessons.at + _LEARN_EVERY:
            self.lessons = learn(
                question.gather(source, source.catalogue, time_range, known=known),
                source.catalogue,
                masks=masks,
                forecasts=forecasts,
                recent=recent,
            )
        return self.lessons

    def at(self, lessons: Lessons, catalogue: Catalogue, moment: pd.Timestamp) -> tuple[Thresholds | None, list[str]]:
        """The limits at a moment, and complaints; none where pins cannot be read, so that human values hold."""
        complaints = []
        try:
            pins = pins_file.at(pins_file.read(self.pins) if self.pins else (), catalogue.rules, moment)
        except (CatalogueError, OSError) as error:
            return None, [f"no limit is published, since pins cannot be read: {error}"]
        try:
            kept = threshold_state.read(self.state)
        except SourceError as error:
            kept, complaints = None, [str(error)]
        return thresholds(lessons, catalogue, at=moment, kept=kept, pins=pins), [*complaints, *pins.notes]

    def pins_at(self, clock: Callable[[], pd.Timestamp]) -> str:
        """What the pins say now: another text when one is added, taken out or over, or the file gets unreadable."""
        try:
            pins = pins_file.read(self.pins) if self.pins else ()
        except (CatalogueError, OSError) as error:
            return str(error)
        now = clock()
        return repr([one for one in pins if one.until is None or one.until > now])

    @property
    def published(self) -> pd.Timestamp | None:
        """When limits were last published; None where none was, or what was left cannot be read."""
        try:
            kept = threshold_state.read(self.state)
        except SourceError:
            return None
        return kept.at if kept is not None else None

    def keep(self, made: Thresholds | None) -> None:
        """Leaves the limits that were published to the next run.

        Raises:
            NotWritten: The file cannot be written; the old one stands.
        """
        if made is not None:
            threshold_state.write(self.state, made.kept)


def in_force(
    source: Source,
    limits: Limits,
    *,
    now: Instant,
    as_of: Instant = "",
    window: Span = "120d",
    step: Span = "1h",
    horizon: Span = "31d",
) -> tuple[Thresholds, tuple[str, ...]]:
    """The limits as the next publication would have them, and complaints; nothing is kept.

    Args:
        source: Where the history is read.
        limits: Where the last run left them, and pins.
        now: The clock.
        as_of: A past moment, "newest" for that of the newest sample; "" for now.
        window: How much history is read.
        step: Its grid.
        horizon: Of the forecasts that capacity is learnt from.

    Raises:
        CatalogueError: The pins cannot be read.
    """
    catalogue = source.catalogue
    time_range = settled(source, window, step=step, as_of="" if as_of == "newest" else as_of)
    histories = question.gather(source, catalogue, time_range)
    masks = read_masks(source, time_range)
    rooms = {one.signal for rule in catalogue.rules.values() if (one := rule.threshold) and one.learn == "capacity"}
    kinds = {name: history for name, history in histories.items() if name in rooms and len(history)}
    past = read(folders(source), at=time_range.end)
    card = scorecard(past.rows, past.scores, kinds, catalogue) if kinds else None
    lessons = limits.learnt(
        source,
        time_range,
        known=histories,
        masks=masks,
        forecasts=_forecasts(kinds, catalogue, duration(horizon), masks, card),
        recent=None if card is None else card.recent,
    )
    data_end = newest(histories.values())
    moment = instant(now) if not as_of else data_end if as_of == "newest" else instant(as_of)
    found, complaints = limits.at(lessons, catalogue, moment)
    if found is None:
        raise CatalogueError(complaints[0])
    return found, tuple(complaints)


def _forecasts(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    horizon: pd.Timedelta,
    masks: Masks,
    card: Scorecard | None,
) -> dict[str, Forecast]:
    """The forecasts that publish would make of some signals; those that cannot be made are left out."""
    found = {}
    for name, history in histories.items():
        enough = sufficiency(catalogue.signal(name), history, horizon=horizon)
        training = left_out(enough.signal, history, masks.masks).training
        lost = NONE_DEMOTED if card is None else card.demoted.get(name, NONE_DEMOTED)
        try:
            found[name] = resource(history, enough, catalogue, training=training, demoted=lost).forecast
        except NotEnoughData:
            continue
    return found
