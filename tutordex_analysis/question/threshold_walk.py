"""The limits that alerts would have had at past moments, each learnt from what was known then: for backtests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.frame import Floats
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.model.rails import moved
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.question.left_out import left_out
from tutordex_analysis.question.lesson import Lesson
from tutordex_analysis.question.resource import resource
from tutordex_analysis.question.sufficiency import sufficiency
from tutordex_analysis.question.thresholds import REACH, learn, learners

COLUMNS = ("alert", "labels", "ds", "value", "in_force")
_DAY, _WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)
_HORIZON = pd.Timedelta(days=31)  # as publish forecasts


def over(
    histories: Mapping[str, pd.DataFrame],
    catalogue: Catalogue,
    moments: pd.DatetimeIndex,
    *,
    masks: Masks = NO_MASKS,
    reach: Span | pd.Timedelta = REACH,
    from_human: bool = True,
    capacity: bool = True,
    on_day: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Limits that were not human at past moments; where there is no row for a moment, the human value was in force.

    Each is learnt anew every 24 hours, from readings up to that instant and no later, and moves inside its rails from
    one day to the next. Capacity is learnt every seven days, since it takes a forecast.

    Args:
        histories: Frames by signal name, all at one step; they may go on after the moments.
        catalogue: Rules, limits, civil time.
        moments: Rising, UTC.
        masks: Stretches that nothing is learnt from; only what had ended by then counts.
        reach: How long a limit must serve, zero for its moment alone; publish looks 90 minutes ahead.
        from_human: The first limit moves on from the human value, as a first run does; false: it is what history says.
        capacity: Whether limits of capacity are learnt.
        on_day: Progress: days done, in all.

    Returns:
        Columns alert, labels (a dict), ds, value, in_force (learnt or railed), a row a moment.
    """
    span = reach if isinstance(reach, pd.Timedelta) else duration(reach)
    walk = _Walk(catalogue=catalogue, masks=masks, reach=span, from_human=from_human)
    rules = {
        name: rule
        for name, rule in learners(catalogue).items()
        if capacity or (rule.threshold is not None and rule.threshold.learn != "capacity")
    }
    rooms = {one.signal or "" for rule in rules.values() if (one := rule.threshold) and one.learn == "capacity"}
    rest = {name: histories[name] for rule in rules.values() if (name := _signal(rule)) in histories}
    rows: list[pd.DataFrame] = []
    newest: pd.Timestamp | None = None
    days = moments.floor("1D").unique()
    for number, cut in enumerate(days, start=1):
        known = {name: one[one["ds"] <= cut] for name, one in rest.items()}
        known = {name: one for name, one in known.items() if len(one)}
        afresh = newest is None or cut >= newest + _WEEK
        newest = cut if afresh else newest
        ahead = walk.forecasts({name: one for name, one in known.items() if name in rooms}, cut) if afresh else {}
        walk.learn(known, ahead, cut)
        mine = moments[(moments >= cut) & (moments < cut + _DAY)]
        rows += walk.limits(mine)
        if on_day is not None:
            on_day(number, len(days))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))


def _signal(rule: object) -> str:
    limit = getattr(rule, "threshold", None)
    return str(limit.signal) if limit is not None else ""


@dataclass(kw_only=True, eq=False)
class _Walk:
    """What is known on one day of the walk."""

    catalogue: Catalogue
    masks: Masks
    reach: pd.Timedelta
    from_human: bool
    lessons: dict[str, Lesson] = field(default_factory=dict)
    moved: dict[tuple[str, str], Floats] = field(default_factory=dict)

    def ended(self, cut: pd.Timestamp) -> Masks:
        """The masks that are known whole at a moment."""
        return Masks(masks=tuple(one for one in self.masks.masks if one.end <= cut))

    def forecasts(self, histories: Mapping[str, pd.DataFrame], cut: pd.Timestamp) -> dict[str, Forecast]:
        """Of signals with limits, as publish makes them."""
        found, masks = {}, self.ended(cut).masks
        for name, history in histories.items():
            enough = sufficiency(self.catalogue.signal(name), history, horizon=_HORIZON)
            training = left_out(enough.signal, history, masks).training
            try:
                found[name] = resource(history, enough, self.catalogue, training=training).forecast
            except NotEnoughData:
                continue
        return found

    def learn(self, histories: Mapping[str, pd.DataFrame], ahead: Mapping[str, Forecast], cut: pd.Timestamp) -> None:
        """Takes a day's lessons in; those of capacity stay for the week."""
        found = learn(histories, self.catalogue, masks=self.ended(cut), forecasts=ahead, checked=0).found
        for name, one in found.items():
            if one.way.limit.learn != "capacity" or one.way.limit.signal in ahead:
                self.lessons[name] = one
        for name, one in self.lessons.items():
            for i, series in enumerate(one.series):
                if one.refusals[i].why:
                    continue
                wanted = one.phases[i]
                last = self.moved.get((name, series))
                if last is None or last.shape != wanted.shape:
                    last = np.full_like(wanted, np.nan) if self.from_human else wanted
                self.moved[name, series] = moved(last, wanted, one.rails, since=_DAY)

    def limits(self, moments: pd.DatetimeIndex) -> Iterator[pd.DataFrame]:
        """The limits of a day's moments."""
        for name, one in self.lessons.items():
            places = [one.places(moment, self.reach) for moment in moments]
            nothing = np.full(one.phases.shape[1], np.nan)
            state = np.stack([self.moved.get((name, series), nothing) for series in one.series])
            kinds = {tuple(some): some for some in places}
            said = {key: one.published(state, some) for key, some in kinds.items()}
            wanted = {key: one.mildest(one.learnt.eased[:, some]) for key, some in kinds.items()}
            for i, labels in enumerate(one.labels):
                if one.refusals[i].why:
                    continue
                value = np.array([said[tuple(some)][i] for some in places])
                goal = np.array([wanted[tuple(some)][i] for some in places])
                there = np.isfinite(value)
                same = np.isclose(value, goal, rtol=1e-9)
                yield pd.DataFrame(
                    {
                        "alert": name,
                        "labels": [labels] * int(there.sum()),
                        "ds": moments[there],
                        "value": value[there],
                        "in_force": np.where(same[there], "learnt", "railed"),
                    }
                )
