"""When does a resource reach its limit, and how fast does the work grow?

A limit is reached when one mean over the step (an hour by default) is at or beyond it: the first passage of simulated
paths, not the crossing of a median line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Protocol

import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model.choice import NONE_DEMOTED
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question import substitute, tamland
from tutordex_analysis.question.finding import Finding
from tutordex_analysis.question.growth import Volume, volume
from tutordex_analysis.question.left_out import LeftOut, left_out
from tutordex_analysis.question.passage import Passage, passages, rank
from tutordex_analysis.question.resource import Resource, newest, resource
from tutordex_analysis.question.sufficiency import Sufficiency, sufficiency

QUESTION = "10_capacity"
NONE_AWAY: Mapping[str, Mapping[str, frozenset[str]]] = MappingProxyType({})


class Reads(Protocol):
    """What a question needs of a source."""

    def read(self, signal: str, time_range: TimeRange) -> pd.DataFrame:
        """A signal by name."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """What the capacity page says.

    Attributes:
        at: The newest instant with a sample, UTC.
        resources: Every signal with a limit that could be forecast.
        passages: Every limit of every series, the most urgent first.
        volumes: How fast each counted signal grows.
        sufficiency: What each history allows.
        left_out: Each history with what its forecast did not learn from.
        substitutes: A finding for each signal that a substitute stands in for.
        mask_notes: Masks that expired, were refused or could not be read, one sentence each.
    """

    at: pd.Timestamp
    resources: tuple[Resource, ...]
    passages: tuple[Passage, ...]
    volumes: tuple[Volume, ...]
    sufficiency: tuple[Sufficiency, ...]
    left_out: tuple[LeftOut, ...] = ()
    substitutes: tuple[Finding, ...] = ()
    mask_notes: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[Resource | Volume, ...]:
        """Everything that was forecast."""
        return *self.resources, *self.volumes

    @property
    def digest(self) -> str:
        """Twelve hex digits of all that was read."""
        each = "".join(frames.digest(one.history) for one in self.answers)
        each += "".join(frames.digest(one.training) for one in self.left_out if one.masks)
        return hashlib.sha256(each.encode()).hexdigest()[:12]

    @property
    def dates(self) -> pd.DataFrame:
        """The passages as a table, with `lead`, `within_lead`, `in_bursts` and `urgency`."""
        more = ("lead", "within_lead", "in_bursts", "urgency")
        rows = [{**asdict(one), **{name: getattr(one, name) for name in more}} for one in self.passages]
        return pd.DataFrame(rows, columns=[*Passage.__dataclass_fields__, *more])

    @property
    def ranking(self) -> pd.DataFrame:
        """One row a resource, columns as `dates`: the most urgent of its limits."""
        return self.dates.drop_duplicates(["signal", "where"], ignore_index=True)

    @property
    def labels(self) -> pd.DataFrame:
        """One row a limit of a series, in the order of the ranking: title, where, labels (see `tamland`)."""
        each: dict[tuple[str, str, str], list[Passage]] = {}
        for one in self.passages:
            each.setdefault((one.title, one.where, one.limit), []).append(one)
        rows = [(title, where, tamland.labels(some, at=self.at)) for (title, where, _), some in each.items()]
        return pd.DataFrame(rows, columns=["title", "where", "labels"])

    @property
    def growth(self) -> pd.DataFrame:
        """The volumes as a table."""
        names = ["title", "unit", "now", "then", "change", "lower", "upper"]
        rows = [
            [one.signal.title, one.signal.unit, *(getattr(one, name) for name in names[2:])] for one in self.volumes
        ]
        return pd.DataFrame(rows, columns=names)

    @property
    def models(self) -> pd.DataFrame:
        """One row a series: the model that was used, and why."""
        rows = [
            {
                "signal": one.signal.name,
                "where": str(series).removeprefix(one.signal.name),
                "model": model,
                "why": one.forecast.reason[str(series)],
            }
            for one in self.answers
            for series, model in one.forecast.model.items()
        ]
        return pd.DataFrame(rows, columns=["signal", "where", "model", "why"])


def gather(
    source: Reads, catalogue: Catalogue, time_range: TimeRange, *, events: Reads | None = None
) -> dict[str, pd.DataFrame]:
    """Histories of every signal that has a limit or is forecast, by name; empty frames where nothing is held.

    Args:
        source: Where most are read.
        catalogue: Which there are.
        time_range: Their grid.
        events: Where those that are made of events are read; without it they are left out.

    Raises:
        NotEnoughData: Not one signal has a sample in the range.
        SourceError: The source failed; what could not be read is not the same as what is not there.
    """
    histories: dict[str, pd.DataFrame] = {}
    refused = ""
    for name, signal in catalogue.signals.items():
        reader = source if signal.events is None else events
        if reader is not None and (signal.forecast or catalogue.limits_of(name)):
            try:
                histories[name] = reader.read(name, time_range)
            except NotHeld as error:
                refused = refused or str(error)
                histories[name] = frames.empty(signal.by)
    if all(history["y"].isna().all() for history in histories.values()):
        why = f"; the first answer was: {refused}" if refused else ""
        raise NotEnoughData(
            f"none of the {len(histories)} signals has a value from {time_range}{why}; a value needs half of its step, "
            "so a server that is minutes old has none yet"
        )
    return histories


def outlook(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    *,
    horizon: Span = "90d",
    seed: int = 0,
    n_paths: int = 1000,
    masks: Masks = NO_MASKS,
    demoted: Mapping[str, Mapping[str, frozenset[str]]] = NONE_AWAY,
) -> Outlook:
    """Every signal with a limit against it, and how every counted one grows.

    Args:
        histories: Frames by signal name; hourly is what the defaults are made for.
        catalogue: Signals, limits and civil time.
        horizon: How far to look; for each signal at most twice its own history.
        seed: Of the simulated paths.
        n_paths: How many.
        masks: Stretches that forecasts do not learn from; what is shown and compared with limits holds them.
        demoted: Models that are not used, by signal and series: `Scorecard.demoted`.

    Raises:
        NotEnoughData: Not one signal can be forecast.
    """
    resources: list[Resource] = []
    volumes: list[Volume] = []
    known: list[Sufficiency] = []
    without: list[LeftOut] = []
    for name, history in histories.items():
        enough = sufficiency(catalogue.signal(name), history, horizon=duration(horizon))
        less = left_out(enough.signal, history, masks.masks)
        learnt, lost, civil = less.training, demoted.get(name, NONE_DEMOTED), catalogue.calendar
        try:
            if catalogue.limits_of(name):
                found = resource(history, enough, catalogue, seed=seed, n_paths=n_paths, training=learnt, demoted=lost)
                resources.append(found)
            elif enough.signal.kind == "count" and not enough.signal.by:
                ahead = enough.horizon
                grown = volume(
                    enough.signal, history, horizon=ahead, calendar=civil, seed=seed, training=learnt, demoted=lost
                )
                volumes.append(grown)
            else:
                continue
        except NotEnoughData as error:
            enough = replace(enough, refused=str(error))
        known.append(enough)
        without.append(less)
    if not resources and not volumes:
        soonest = min(known, key=lambda one: (pd.isna(one.first_from), one.first_from))
        since = "" if pd.isna(soonest.first_from) else f" (from {soonest.first_from:%Y-%m-%d} something can be said)"
        raise NotEnoughData(f"not one of {len(known)} signals can be forecast yet: {soonest.refused}{since}")
    ranked = sorted((passage for one in resources for passage in passages(one)), key=rank)
    return Outlook(
        at=newest(histories.values()),
        resources=tuple(resources),
        passages=tuple(ranked),
        volumes=tuple(volumes),
        sufficiency=tuple(known),
        left_out=tuple(without),
        substitutes=tuple(substitute.findings(histories, catalogue, question=QUESTION)),
        mask_notes=(*masks.notes, *(sentence for one in without for sentence in one.refused)),
    )
