"""Did this deploy change it? What followed each release, beside our own forecast frozen at that moment.

Evidence and not proof: nobody drew lots, and whatever else changed on that day counts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.errors import FrameError, NotEnoughData
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model import deploy, multiplicity
from tutordex_analysis.model.days import DAY, Days, by_day, together
from tutordex_analysis.model.deploy import Effects, Frozen, Stretch
from tutordex_analysis.model.placebo import LEAST, MOST_ALARMS
from tutordex_analysis.question import finding
from tutordex_analysis.question.deploy_table import (
    COLUMNS,
    Case,
    Told,
    Verdict,
    cases_of,
    day_word,
    findings_of,
    row_of,
    window_of,
)
from tutordex_analysis.question.left_out import left_out

_ALIKE = pd.Timedelta("1h")  # releases of several components so close together are one


@dataclass(frozen=True, kw_only=True, eq=False)
class Deploys:
    """What followed each release.

    Attributes:
        table: One row a release and signal, columns `COLUMNS`, the newest release first. Values in the signal's unit,
            counts a day; lower and upper end the band of what was expected; fractions are fractions.
        windows: The same over 1, 3, 7 and 14 days without correction for several signals: change, signal, window,
            days, seen, expected, relative, p_value.
        findings: Those of kind did_it_work: signals that changed.
        cases: Figures, in the order of the table; those that could be forecast.
        notes: One sentence each for what could not be told.
    """

    table: pd.DataFrame
    windows: pd.DataFrame
    findings: pd.DataFrame
    cases: tuple[Case, ...] = field(default=())
    notes: tuple[str, ...] = ()


def deploys(
    histories: Mapping[str, pd.DataFrame],
    changes: Changes,
    catalogue: Catalogue,
    *,
    alpha: float = 0.05,
    days: int = 7,
    masks: Masks = NO_MASKS,
    signals: Sequence[str] = (),
    correction: multiplicity.Correction = "benjamini-hochberg",
    seed: int = 0,
) -> Deploys:
    """What each release changed in each signal, with the error rate of the question on earlier dates.

    Args:
        histories: Frames by signal name, hourly, one series each; a step that divides a day will do. A frame may carry
            the column `weight`, such as the requests behind a share: its days are means by weight. Without one a share
            or a duration is the mean of its hours.
        changes: Releases (kind deploy) of `read_changes`, of a file, or given by hand; restarts are passed over.
        catalogue: Signals, flow, civil time.
        alpha: Chance of a false finding a release, over all its signals.
        days: Days after a release that are compared; fewer where fewer have passed or the next release came.
        masks: Stretches that are neither learnt from nor compared.
        signals: Which; without any those watched in the component's area and downstream of it.
        correction: For several signals of one release: "benjamini-hochberg" or "holm".
        seed: Of the simulated futures.

    Raises:
        FrameError: `days` or `alpha` is out of range.
        CatalogueError: There is no such signal.
    """
    if not 1 <= days <= max(deploy.WINDOWS) or not 0 < alpha < 1:
        raise FrameError(f"days is 1 to {max(deploy.WINDOWS)} and alpha between 0 and 1, got {days} and {alpha}")
    named = [catalogue.signal(name).name for name in signals]
    releases = _together([one for one in changes.changes if one.kind == "deploy"])
    asked = [
        _Asked(catalogue.signal(name), histories[name], release, releases, masks)
        for release in reversed(releases)
        for name in named or _concerned(release, catalogue)
        if name in histories and _one_series(histories[name])
    ]
    frozen = _frozen(asked, catalogue)
    rows: list[dict[str, object]] = []
    windows: list[dict[str, object]] = []
    cases: list[Case] = []
    for release in reversed(releases):
        told = [_told(one, frozen.get(one.key), days, alpha) for one in asked if one.release is release]
        p = np.array([one.main.p_value if one.main and not one.refused else np.nan for one in told])
        adjusted = multiplicity.adjusted(p, correction=correction) if len(p) else p
        levels = multiplicity.interval_alphas(p, alpha=alpha, correction=correction) if len(p) else p
        for one, corrected, level in zip(told, adjusted, levels, strict=True):
            row = row_of(one, float(corrected), float(level), alpha)
            rows.append(row)
            windows += [window_of(one, each) for each in one.effects]
            cases += cases_of(one, row, alpha)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    notes = (*changes.notes, *(["No release is known in this stretch of time."] if not releases else []))
    columns = ["change", "signal", "window", "days", "seen", "expected", "relative", "p_value"]
    return Deploys(
        table=table,
        windows=pd.DataFrame(windows, columns=columns),
        findings=finding.table(findings_of(table)),
        cases=tuple(cases),
        notes=notes,
    )


class _Asked:
    """One signal after one release, as it is asked."""

    def __init__(
        self, signal: Signal, history: pd.DataFrame, release: Change, releases: Sequence[Change], masks: Masks
    ) -> None:
        self.signal, self.history, self.release, self.masks = signal, history, release, masks
        self.others = _others(signal, release, releases, masks)
        self.training = _training(signal, history, release, masks)
        later = [one for one in releases if one.start > release.end and _shares(one, release)]
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
class _Held:
    """Where the forecasts of a signal are; a sentence in their place where there is no whole day."""

    frozen: Frozen | None
    series: str = ""
    why: str = ""


def _frozen(asked: Sequence[_Asked], catalogue: Catalogue) -> dict[tuple[str, bytes], _Held]:
    """One batch of forecasts for all signals that have the same days."""
    first = {one.key: one for one in reversed(asked)}
    held: dict[tuple[str, bytes], _Held] = {}
    alike: dict[tuple[pd.Timestamp, int], list[tuple[tuple[str, bytes], Days]]] = {}
    for key, one in first.items():
        try:
            days = one.days(catalogue)
        except NotEnoughData as error:
            held[key] = _Held(None, why=str(error))
            continue
        alike.setdefault((days.dates[0], len(days)), []).append((key, days))
    stretches = [(one.release.start, one.release.end) for one in asked]
    for some in alike.values():
        names = [f"{key[0]} {i}" for i, (key, _) in enumerate(some)]
        made = Frozen(together([days for _, days in some], names), stretches, breaks=catalogue.calendar.break_days)
        held |= {key: _Held(made, name) for (key, _), name in zip(some, names, strict=True)}
    return held


def _told(asked: _Asked, held: _Held | None, days: int, alpha: float) -> Told:
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
            why = f"the next release came {_hours(release, until)} later" if cut else ""
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
    return Told(
        signal=signal,
        release=release,
        days=frozen.days,
        row=row,
        found=found,
        main=main,
        refused=refused,
        notes=tuple(notes),
    )


def _together(changes: Sequence[Change]) -> list[Change]:
    """Releases in order of time; those of several components within an hour as one."""
    found: list[Change] = []
    for one in sorted(changes, key=lambda each: (each.end, each.component)):
        last = found[-1] if found else None
        if last is not None and one.start - last.end <= _ALIKE and not _shares(one, last):
            found[-1] = Change(
                kind="deploy",
                component=f"{last.component}, {one.component}",
                name=f"{last.name}, {one.name}",
                start=min(last.start, one.start),
                end=max(last.end, one.end),
            )
        else:
            found.append(one)
    return found


def _shares(one: Change, other: Change) -> bool:
    """Whether two releases have a component in common; one without a component concerns all."""
    a, b = ({*each.component.split(", ")} - {""} for each in (one, other))
    return not a or not b or bool(a & b)


def _concerned(release: Change, catalogue: Catalogue) -> list[str]:
    """Signals watched in the areas of a release and downstream of them."""
    own = [catalogue.height(one) for one in release.component.split(", ") if one]
    top = min(own, default=0)
    return [
        name
        for name, one in catalogue.signals.items()
        if one.watch is not None
        and not one.by
        and (top <= catalogue.height(one.area) < len(catalogue.flow) or one.area in release.component.split(", "))
    ]


def _one_series(history: pd.DataFrame) -> bool:
    return not history.empty and len(frames.series_ids(history)) == 1 and bool(history["y"].notna().any())


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
