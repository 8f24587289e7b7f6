"""One signal after one release: what can be said, from one batch of forecasts for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.change import Change
from tutordex_analysis.errors import NotEnoughData
from tutordex_analysis.mask import Masks
from tutordex_analysis.model import deploy
from tutordex_analysis.model.days import DAY, Days, by_day, together
from tutordex_analysis.model.deploy import Effects, Frozen, Stretch
from tutordex_analysis.model.placebo import LEAST, MOST_ALARMS
from tutordex_analysis.question.deploy_table import Told, Verdict, day_word
from tutordex_analysis.question.left_out import left_out

_HOLIDAY = "it differs from what was expected, but a public holiday lies in these days and moves the days beside it too"


class Asked:
    """One signal after one release, as it is asked."""

    def __init__(
        self, signal: Signal, history: pd.DataFrame, release: Change, releases: Sequence[Change], masks: Masks
    ) -> None:
        self.signal, self.history, self.release, self.masks = signal, history, release, masks
        self.others = _others(signal, release, releases, masks)
        self.training = _training(signal, history, release, masks)
        later = [one for one in releases if one.start > release.end and shares(one, release)]
        self.until = later[0].start if later else None

    @property
    def key(self) -> tuple[str, bytes]:
        """Releases for which the same is masked share their forecasts."""
        return self.signal.name, self.training["y"].isna().to_numpy().tobytes()

    def days(self, catalogue: Catalogue) -> Days:
        """The history by civil days."""
        series = frames.series_ids(self.history)[0]
        weighted = "weight" in self.history.columns
        return by_day(
            self.history,
            training=self.training,
            counted=[series] if self.signal.kind == "count" else [],
            weights={series: self.history["weight"].to_numpy(dtype=np.float64)} if weighted else None,
            calendar=catalogue.calendar.country,
            tz=catalogue.calendar.timezone,
        )


@dataclass(frozen=True)
class Held:
    """Where the forecasts of a signal are; a sentence in their place where there is no whole day."""

    frozen: Frozen | None
    series: str = ""
    why: str = ""


def frozen_of(asked: Sequence[Asked], catalogue: Catalogue) -> dict[tuple[str, bytes], Held]:
    """One batch of forecasts for all signals that have the same days."""
    first = {one.key: one for one in reversed(asked)}
    held: dict[tuple[str, bytes], Held] = {}
    alike: dict[tuple[pd.Timestamp, int], list[tuple[tuple[str, bytes], Days]]] = {}
    for key, one in first.items():
        try:
            days = one.days(catalogue)
        except NotEnoughData as error:
            held[key] = Held(None, why=str(error))
            continue
        alike.setdefault((days.dates[0], len(days)), []).append((key, days))
    stretches = [(one.release.start, one.release.end) for one in asked]
    for some in alike.values():
        names = [f"{key[0]} {i}" for i, (key, _) in enumerate(some)]
        made = Frozen(together([days for _, days in some], names), stretches, breaks=catalogue.calendar.break_days)
        held |= {key: Held(made, name) for (key, _), name in zip(some, names, strict=True)}
    return held


def told_of(asked: Asked, held: Held | None, days: int, alpha: float) -> Told:
    """Everything that is known of one signal after one release."""
    signal, release, until = asked.signal, asked.release, asked.until
    notes: list[str] = []
    if held is None or held.frozen is None:
        return Told(signal=signal, release=release, refused="can't tell", notes=(held.why if held else "no history",))
    frozen = held.frozen
    try:
        first = frozen.effects(
            held.series, start=release.start, end=release.end, until=until, windows=(), others=(), alpha=alpha
        )
        if not first.after:
            cut = until is not None and until <= frozen.days.ends[-1]
            why = f"the next release came {_hours(release, until)} later" if cut and until is not None else ""
            refused: Verdict | None = "can't tell" if why else "too early"
            notes.append(why or "no whole day has passed since the day of the release")
            return Told(signal=signal, release=release, refused=refused, notes=tuple(notes))
        window = min(days, first.after)
        if window < days:
            cut = until is not None and first.first + window == frozen.days.place(until)
            said = "the next release came after" if cut else "only"
            notes.append(f"{said} {window} {day_word(window)}" + ("" if cut else " so far"))
        found = frozen.effects(
            held.series,
            start=release.start,
            end=release.end,
            until=until,
            windows=sorted({*deploy.WINDOWS, window}),
            others=asked.others,
            alpha=alpha,
        )
    except NotEnoughData as error:
        since = _from(asked.history, days)
        return Told(signal=signal, release=release, refused="can't tell", notes=(f"{error}; {since}",))
    main, refused = found.of(window), None
    if np.isnan(main.seen) or np.isnan(main.expected):
        refused = "can't tell"
        notes.append(f"{main.days} of {window} {day_word(window)} can be compared: {_why(frozen, found, window)}")
    elif main.yardstick is None:
        refused = "can't tell"
        notes.append(
            f"{main.dates} earlier dates to check the band against, {LEAST} are needed; {_from(asked.history, days)}"
        )
    elif main.doubtful:
        refused = "can't tell"
        notes.append(
            f"this history moves too much by itself: on {main.alarms} of {main.dates} earlier dates without a release "
            f"the same question would have said changed, more than {100 * MOST_ALARMS:.0f} % of them"
        )
    if main.days < window and (refused is None or main.doubtful):
        notes.append(f"{window - main.days} of {window} days left out: {_why(frozen, found, window)}")
    notes += _amid(signal, release, window, asked.masks)
    row = frozen.days.ids.index(held.series)
    holidays = frozen.days.holiday[found.first : found.first + window]
    return Told(
        signal=signal,
        release=release,
        days=frozen.days,
        row=row,
        found=found,
        main=main,
        refused=refused,
        doubt=_HOLIDAY if holidays.any() else "",
        notes=tuple(notes),
    )


def shares(one: Change, other: Change) -> bool:
    """Whether two releases have a component in common; one without a component concerns all."""
    a, b = ({*each.component.split(", ")} - {""} for each in (one, other))
    return not a or not b or bool(a & b)


def _training(signal: Signal, history: pd.DataFrame, release: Change, masks: Masks) -> pd.DataFrame:
    """The history without what masks take; which of them are refused before the release does not depend on after."""
    past = history["ds"] <= release.start
    before = history[past]
    learnt = left_out(signal, before, masks.masks).training["y"]
    after = left_out(signal, history, masks.masks).training["y"]
    return history.assign(y=np.where(past, learnt.reindex(history.index), after))


def _others(signal: Signal, release: Change, releases: Sequence[Change], masks: Masks) -> list[Stretch]:
    """Other releases, and the masks of the signal that last longer than a quarter of a day."""
    mine = [(one.start, one.end) for one in masks.masks if one.concerns(signal.name) and one.end - one.start >= DAY / 4]
    return [*((one.start, one.end) for one in releases if one.end < release.start), *mine]


def _amid(signal: Signal, release: Change, window: int, masks: Masks) -> list[str]:
    """What else was going on: masks that touch the window or the day before."""
    first, last = release.start - DAY, release.end + window * DAY
    near = {one.reason for one in masks.masks if one.concerns(signal.name) and one.start < last and one.end > first}
    return [f"amid an incident: {', '.join(sorted(near))}"] if near else []


def _from(history: pd.DataFrame, days: int) -> str:
    """From when on releases can be judged."""
    first = history.loc[history["y"].notna(), "ds"].min()
    day = (first + (deploy.HISTORY + LEAST + days) * DAY).ceil("1D")
    return f"releases from about {day:%Y-%m-%d} on can be judged"


def _why(frozen: Frozen, found: Effects, window: int) -> str:
    """What days after the release are left out for."""
    ahead = slice(found.first, found.first + window)
    said = ["public holidays"] if frozen.days.holiday[ahead].any() else []
    if frozen.strange(found)[:window].any():
        said.append("school holidays began or ended, and the history does not tell what they do")
    return "; ".join(said) or "masks or gaps"


def _hours(release: Change, until: pd.Timestamp) -> str:
    return f"{max((until - release.end) / pd.Timedelta('1h'), 0):.0f} h"
