"""Every watched signal at once: one pass over the rows of all their series, one budget over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.model.anomaly import Anomalies, detect, judged, within
from tutordex_analysis.model.live import Live, moved, started
from tutordex_analysis.question.watch import policy_of

_BETWEEN = "\n"  # signal and series in one name; no signal has it


def scored(
    histories: Mapping[str, pd.DataFrame], catalogue: Catalogue, *, alerts_per_week: float | None = None
) -> dict[str, Anomalies]:
    """The scores of every watched signal, each under its own policy and all under one budget.

    Args:
        histories: Frames by signal name, all at one step; a signal with too little history is left out.
        catalogue: Policies and civil time.
        alerts_per_week: Alerts that are wanted in a week over all signals together; None for no budget.
    """
    found: dict[str, Anomalies] = {}
    for names in _alike(histories, catalogue):
        seasons = catalogue.signal(names[0]).season_lengths
        whole = detect(
            _joined({name: histories[name] for name in names}),
            season_lengths=seasons,
            calendar=catalogue.calendar.country,
            tz=catalogue.calendar.timezone,
        )
        for name, table in _split(whole.frame, catalogue):
            policy = policy_of(catalogue.signal(name))
            if policy is not None:
                found[name] = judged(table, frames.step_of(table), policy)
    ordered = {name: found[name] for name in histories if name in found}
    return ordered if alerts_per_week is None else within(ordered, alerts_per_week=alerts_per_week)


@dataclass(kw_only=True, eq=False)
class Watching:
    """Scores of the newest instant of every watched signal, whose state is kept from one look to the next.

    Attributes:
        lives: State and signals of each group of signals with the same seasons.
        latest: By signal, the newest judged row of each of its series.
        catalogue: Where the signals can be.
    """

    lives: list[tuple[Live, tuple[str, ...]]]
    latest: dict[str, pd.DataFrame]
    catalogue: Catalogue

    @property
    def newest(self) -> pd.Timestamp | None:
        """The last instant that every group has judged; None where nothing is watched."""
        return min((live.newest for live, _ in self.lives), default=None)

    def look(self, histories: Mapping[str, pd.DataFrame]) -> None:
        """Judges what is newer than the last look.

        Args:
            histories: Frames by signal name; rows that were seen before are passed over.
        """
        for live, names in self.lives:
            there = {name: histories[name] for name in names if name in histories and len(histories[name])}
            if there:
                self._keep(moved(live, _joined(there)))

    def _keep(self, table: pd.DataFrame) -> None:
        if len(table):
            newest = table[table["ds"] == table["ds"].max()]
            self.latest |= dict(_split(newest, self.catalogue))


def watching(histories: Mapping[str, pd.DataFrame], catalogue: Catalogue) -> Watching:
    """The state after a history.

    Args:
        histories: Frames by signal name, all at one step; a signal with too little history is left out.
        catalogue: Which signals are watched, and civil time.
    """
    found = Watching(lives=[], latest={}, catalogue=catalogue)
    for names in _alike(histories, catalogue):
        live, table = started(
            _joined({name: histories[name] for name in names}),
            season_lengths=catalogue.signal(names[0]).season_lengths,
            calendar=catalogue.calendar.country,
            tz=catalogue.calendar.timezone,
        )
        found.lives.append((live, names))
        found._keep(table)
    return found


def _alike(histories: Mapping[str, pd.DataFrame], catalogue: Catalogue) -> Iterable[tuple[str, ...]]:
    """Watched signals with something to judge, those with the same seasons together."""
    groups: dict[tuple[pd.Timedelta, ...], list[str]] = {}
    for name, history in histories.items():
        signal = catalogue.signal(name)
        if policy_of(signal) is not None and _enough(history):
            groups.setdefault(signal.season_lengths, []).append(name)
    return [tuple(names) for names in groups.values()]


def _enough(history: pd.DataFrame) -> bool:
    return bool(len(history) > history["unique_id"].nunique() and history["y"].notna().any())


def _joined(histories: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One frame of all; a series is called by its signal and its own name."""
    parts = []
    for name in sorted(histories):
        one = histories[name]
        ids = one["unique_id"].astype("category").cat.remove_unused_categories()
        parts.append(
            pd.DataFrame({"unique_id": name + _BETWEEN + ids.astype(str), "ds": one["ds"], "y": one["y"].to_numpy()})
        )
    whole = pd.concat(parts, ignore_index=True).sort_values(["unique_id", "ds"], kind="stable", ignore_index=True)
    return whole.assign(unique_id=pd.Categorical(whole["unique_id"]))


def _split(table: pd.DataFrame, catalogue: Catalogue) -> Iterable[tuple[str, pd.DataFrame]]:
    """The rows of each signal, its series under their own names, the band inside of where the signal can be."""
    pairs = [str(one).split(_BETWEEN, 1) for one in table["unique_id"].cat.categories]
    signals, codes = np.array([one[0] for one in pairs]), table["unique_id"].cat.codes.to_numpy()
    own = np.array([one[1] for one in pairs], dtype=object)
    for name in dict.fromkeys(signals):
        inside = signals[codes] == name
        rows = table[inside].drop(columns="is_anomaly", errors="ignore").reset_index(drop=True)
        signal = catalogue.signal(name)
        lowest, highest = (np.nan if one is None else one for one in (signal.lower, signal.upper))
        yield (
            name,
            rows.assign(
                unique_id=pd.Categorical(own[codes[inside]]),
                lower=np.fmax(rows["lower"], lowest).where(rows["lower"].notna()),
                upper=np.fmin(rows["upper"], highest).where(rows["upper"].notna()),
            ),
        )
