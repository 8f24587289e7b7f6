"""What history says of the limit of one alert: its values for the week to come, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import rails
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.model.panel import Panel, panels
from tutordex_analysis.model.threshold import Learnt, Timeline
from tutordex_analysis.question.resource import SILENT
from tutordex_analysis.question.room import room_left, trusted
from tutordex_analysis.question.ways import CHECKED, NONE, Refusal, Way
from tutordex_analysis.rule import Rule


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What history says of the limit of one alert.

    Attributes:
        way: The alert, its threshold and how it is learnt.
        unit: Of the limit.
        time: The week to come.
        series: Names of the signal's series.
        labels: Of each series, those that the threshold is by.
        learnt: One row a series.
        refusals: Why a series has no limit.
    """

    way: Way
    unit: str
    time: Timeline
    series: tuple[str, ...]
    labels: tuple[dict[str, str], ...]
    learnt: Learnt
    refusals: tuple[Refusal, ...]

    @property
    def rails(self) -> rails.Rails:
        """Of the threshold."""
        one = self.way.limit
        return rails.Rails(floor=one.floor, ceiling=one.ceiling, human=one.human, largest_move=one.largest_move)

    @property
    def phases(self) -> Floats:
        """What is wanted at each phase of the week, shape (n_series, phases)."""
        found = np.full((len(self.series), int(self.time.week.max()) + 1), np.nan)
        found[:, self.time.week[self.time.back :]] = self.learnt.value
        return found

    def places(self, moment: pd.Timestamp, reach: pd.Timedelta) -> npt.NDArray[np.int64]:
        """Columns of `learnt` from a moment until `reach` later; none where the lesson does not go so far."""
        since = (moment - self.time.ahead[0]) / self.time.step
        first, last = max(int(np.floor(since)), 0), max(int(np.ceil(since + reach / self.time.step)), 0)
        return np.arange(first, last + 1) if last < self.time.horizon else np.arange(0)

    def published(self, moved: Floats, places: npt.NDArray[np.int64]) -> Floats:
        """The mildest limit of some places, shape (n_series,); NaN where none is known.

        Args:
            moved: Limits of each phase of the week, inside their rails.
            places: Columns of `learnt`.
        """
        value, eased = self.learnt.value[:, places], self.learnt.eased[:, places]
        more = np.where(np.isinf(value), 0.0, eased - np.where(np.isinf(value), 0.0, value))
        each = moved[:, self.time.week[self.time.back + places]] + more
        each = np.where(np.isnan(value), np.nan, each)
        return np.clip(self.mildest(each), self.way.limit.floor, self.way.limit.ceiling)

    def mildest(self, values: Floats) -> Floats:
        """Of several limits along the last axis the one that fires least; NaN where none is known."""
        above = self.way.rule.direction == "above"
        known = np.where(np.isnan(values), -np.inf if above else np.inf, values)
        found = known.max(axis=-1, initial=-np.inf) if above else known.min(axis=-1, initial=np.inf)
        result: Floats = np.where(np.isnan(values).all(axis=-1), np.nan, found)
        return result


def lesson(
    rule: Rule,
    training: pd.DataFrame,
    catalogue: Catalogue,
    *,
    forecast: Forecast | None = None,
    recent: pd.DataFrame | None = None,
    checked: int = CHECKED,
) -> Lesson | str:
    """What a history says up to its end, or a sentence why it says nothing at all.

    Args:
        rule: With a threshold that is learnt.
        training: History of its signal without what masks leave out.
        catalogue: Signals, limits and civil time.
        forecast: Of the signal, for `capacity`.
        recent: How past forecasts did (`Scorecard.recent`), for `capacity`.
        checked: Past weeks in which a limit must have held; 0 for no check.
    """
    limit = rule.threshold
    if limit is None or limit.learn is None or limit.signal is None:
        return "it is set by hand"
    if limit.signal not in catalogue.signals:
        return f"there is no signal {limit.signal}"
    way = Way(rule=rule, limit=limit, signal=catalogue.signals[limit.signal], civil=catalogue.calendar)
    if way.unfit:
        return way.unfit
    alive = _alive(training)
    if alive.empty:
        return f"{limit.signal} has no reading in the last {SILENT.days} days"
    names = {str(name): {str(k): str(v) for k, v in row.items()} for name, row in frames.labels(alive).iterrows()}
    parts = [_part(way, one, catalogue, forecast, recent, checked, names) for one in panels(alive)]
    ids = [name for panel, _, _ in parts for name in panel.ids]
    each = {key: np.concatenate([getattr(one, key) for _, one, _ in parts]) for key in Learnt.__dataclass_fields__}
    panel = parts[0][0]
    return Lesson(
        way=way,
        unit={"gaps": "seconds", "cost": "ratio"}.get(limit.learn, way.signal.unit),
        time=way.time(panel.ds[-1], panel.step),
        series=tuple(ids),
        labels=tuple({key: names[name].get(key, "") for key in limit.by} for name in ids),
        learnt=Learnt(**each),
        refusals=tuple(one for _, _, some in parts for one in some),
    )


def _alive(training: pd.DataFrame) -> pd.DataFrame:
    """The series with a reading lately; one that is gone needs no limit."""
    seen = training["ds"].where(training["y"].notna()).groupby(training["unique_id"], observed=True)
    alive = (seen.transform("max") >= training["ds"].max() - SILENT) & (seen.transform("count") >= 2)
    kept: pd.DataFrame = training[alive].reset_index(drop=True)
    return kept.assign(unique_id=kept["unique_id"].astype("category").cat.remove_unused_categories())


def _part(
    way: Way,
    panel: Panel,
    catalogue: Catalogue,
    forecast: Forecast | None,
    recent: pd.DataFrame | None,
    checked: int,
    labels: dict[str, dict[str, str]],
) -> tuple[Panel, Learnt, list[Refusal]]:
    """Series of one age."""
    time = way.time(panel.ds[-1], panel.step)
    nothing = np.full((len(panel.ids), time.horizon), np.nan)
    empty = Learnt(value=nothing, eased=nothing, lower=nothing, upper=nothing)
    refusals = way.enough(panel)
    if all(one.why == "history" for one in refusals):
        return panel, empty, refusals
    if way.limit.learn == "capacity":
        found, more = room_left(way, panel, time, catalogue, forecast, labels)
        card = [trusted(way.signal.name, name, recent) for name in panel.ids]
    else:
        found = way.learnt(panel.y, panel.ds, time)
        more = [NONE] * len(panel.ids)
        card = way.held(panel, weeks=checked) if checked and way.limit.learn != "cost" else more
    chosen = [next((one for one in some if one.why), NONE) for some in zip(refusals, more, card, strict=True)]
    return panel, found, chosen
