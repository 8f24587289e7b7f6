"""Did this deploy change it? What followed each release, beside our own forecast frozen at that moment.

Evidence and not proof: nobody drew lots, and whatever else changed on that day counts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Signal, Term
from tutordex_analysis.change import Change, Changes
from tutordex_analysis.errors import FrameError, NotEnoughData, NotHeld
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.mask import NO_MASKS, Masks
from tutordex_analysis.model import deploy, multiplicity
from tutordex_analysis.question import finding, substitute
from tutordex_analysis.question.deploy_table import COLUMNS, QUESTION, Case, cases_of, findings_of, row_of, window_of
from tutordex_analysis.question.deploy_told import Asked, frozen_of, shares, told_of

_ALIKE = pd.Timedelta("1h")  # releases of several components so close together are one


class Reads(Protocol):
    """What the question needs of a source."""

    def read(self, signal: str | Signal, time_range: TimeRange) -> pd.DataFrame:
        """A signal by name, or one that is none of the catalogue's."""
        ...


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


def gather(
    source: Reads, catalogue: Catalogue, time_range: TimeRange, *, signals: Sequence[str] = ()
) -> dict[str, pd.DataFrame]:
    """Histories for `deploys` by signal name, those of shares and durations with the events behind them as `weight`.

    Args:
        source: Where they are read.
        catalogue: Which there are.
        time_range: Their grid; by the hour is what the question is made for.
        signals: Which; without any all that are watched and are one series.

    Raises:
        NotEnoughData: Not one signal has a sample in the range.
        CatalogueError: There is no such signal.
        SourceError: The source failed.
    """
    named = [catalogue.signal(name) for name in signals] or [*filter(_told_of_changes, catalogue.signals.values())]
    histories: dict[str, pd.DataFrame] = {}
    for signal in named:
        try:
            history = source.read(signal, time_range)
        except NotHeld:
            continue
        if _one_series(history):
            histories[signal.name] = _weighed(source, signal, history, time_range)
    if not histories:
        raise NotEnoughData(f"none of the {len(named)} signals has a value from {time_range}")
    return histories


def _told_of_changes(signal: Signal) -> bool:
    return signal.watch is not None and not signal.by and signal.events is None


def _weighed(source: Reads, signal: Signal, history: pd.DataFrame, time_range: TimeRange) -> pd.DataFrame:
    """The history with the events behind each value; as it is where a value is made of no events, or they are gone."""
    behind = _behind(signal)
    if behind is None:
        return history
    try:
        weight = source.read(behind, time_range)
    except NotHeld:
        return history
    known = history[["ds"]].merge(weight[["ds", "y"]], on="ds", how="left")["y"]
    if len(known) != len(history) or not (known > 0).any():
        return history
    return history.assign(weight=known.fillna(0.0).to_numpy())


def _behind(signal: Signal) -> Signal | None:
    """The events behind a share or a duration as a signal of its own; None where there are none."""
    counters: tuple[str, ...] = ()
    if isinstance(signal.denominator, Term):
        counters = tuple(signal.denominator.counters or ())
    elif signal.histogram is not None:
        name, brace, rest = signal.histogram.partition("{")
        counters = (f"{name}_count{brace}{rest}",)
    if not counters:
        return None
    return Signal(
        name=f"{signal.name}_events",
        title=signal.title,
        area=signal.area,
        kind="count",
        unit="events",
        counter=counters,
        up=signal.up,
        watch=None,
        replaces={text: digest for text, digest in signal.replaces.items() if text in counters},
    )


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

    Raises:
        FrameError: `days` or `alpha` is out of range.
        CatalogueError: There is no such signal.
    """
    if not 1 <= days <= max(deploy.WINDOWS) or not 0 < alpha < 1:
        raise FrameError(f"days is 1 to {max(deploy.WINDOWS)} and alpha between 0 and 1, got {days} and {alpha}")
    named = [catalogue.signal(name).name for name in signals]
    releases = _together([one for one in changes.changes if one.kind == "deploy"])
    asked = [
        Asked(catalogue.signal(name), histories[name], release, releases, masks)
        for release in reversed(releases)
        for name in named or _concerned(release, catalogue)
        if name in histories and _one_series(histories[name])
    ]
    frozen = frozen_of(asked, catalogue)
    rows: list[dict[str, object]] = []
    windows: list[dict[str, object]] = []
    cases: list[Case] = []
    for release in reversed(releases):
        told = [told_of(one, frozen.get(one.key), days, alpha) for one in asked if one.release is release]
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
        findings=finding.table([*findings_of(table), *substitute.findings(histories, catalogue, question=QUESTION)]),
        cases=tuple(cases),
        notes=notes,
    )


def _together(changes: Sequence[Change]) -> list[Change]:
    """Releases in order of time; those of several components within an hour as one."""
    found: list[Change] = []
    for one in sorted(changes, key=lambda each: (each.end, each.component)):
        last = found[-1] if found else None
        if last is not None and one.start - last.end <= _ALIKE and not shares(one, last):
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
