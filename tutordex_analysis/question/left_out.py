"""What a forecast does not learn from: masks applied to one history, and those refused that would take too much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Signal
from tutordex_analysis.mask import Mask, Window, covered, masked, union
from tutordex_analysis.measure import number_text

# Largest share of a history that one cause may take. What fires a tenth of the time is how things are, no exception.
MOST = {"incident": 0.5, "alert": 0.1, "silence": 0.1}
MOST_IN_ALL = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """One history with its masks applied.

    Attributes:
        signal: What it is.
        history: The frame as it was read.
        training: The same without what the masks take; what a forecast is made from.
        masks: Those that took a value.
        refused: One sentence for each cause that would have taken too much.
    """

    signal: Signal
    history: pd.DataFrame
    training: pd.DataFrame
    masks: tuple[Mask, ...] = ()
    refused: tuple[str, ...] = ()


def left_out(signal: Signal, history: pd.DataFrame, masks: Iterable[Mask]) -> LeftOut:
    """A history without what its masks take, causes that take the least first; incidents told by hand before all.

    Two windows are a step longer than they are told: one of an alert begins a step earlier, since its cause comes
    before it fires; and one of a signal made of counters ends a step later, since the first value after an outage holds
    what was missed in it.
    """
    known = history["y"].notna().to_numpy()
    if len(history) <= history["unique_id"].nunique() or not known.any():
        return LeftOut(signal=signal, history=history, training=history)
    step = frames.step_of(history)
    causes: dict[tuple[str, str], list[Mask]] = {}
    for mask in masks:
        if mask.concerns(signal.name) and covered(history["ds"], [_longer(mask, signal, step)], step=step)[known].any():
            causes.setdefault((mask.origin, mask.reason), []).append(mask)
    windows = {cause: union(_longer(one, signal, step) for one in own) for cause, own in causes.items()}
    share = {cause: float(covered(history["ds"], own, step=step)[known].mean()) for cause, own in windows.items()}
    kept: list[tuple[str, str]] = []
    taken = np.zeros(len(history), dtype=bool)
    refused = []
    for cause in sorted(causes, key=lambda one: (one[0] != "incident", share[one], one)):
        more = taken | covered(history["ds"], windows[cause], step=step)
        if share[cause] > MOST[cause[0]] or more[known].mean() > MOST_IN_ALL:
            refused.append(_refusal(signal, cause, share[cause]))
        else:
            taken = more
            kept.append(cause)
    return LeftOut(
        signal=signal,
        history=history,
        training=masked(history, [window for cause in kept for window in windows[cause]]),
        masks=tuple(sorted((one for cause in kept for one in causes[cause]), key=lambda one: (one.start, one.end))),
        refused=tuple(refused),
    )


def table(rows: Sequence[LeftOut]) -> pd.DataFrame:
    """One row a mask that took a value, the newest first: start, end (UTC), signals (titles), origin, reason."""
    titles: dict[tuple[pd.Timestamp, pd.Timestamp, str, str], list[str]] = {}
    for one in rows:
        for mask in one.masks:
            titles.setdefault((mask.start, mask.end, mask.origin, mask.reason), []).append(one.signal.title)
    made = [
        {"start": start, "end": end, "signals": ", ".join(dict.fromkeys(names)), "origin": origin, "reason": reason}
        for (start, end, origin, reason), names in sorted(titles.items(), reverse=True)
    ]
    return pd.DataFrame(made, columns=["start", "end", "signals", "origin", "reason"])


def _longer(mask: Mask, signal: Signal, step: pd.Timedelta) -> Window:
    early = step if mask.origin == "alert" else 0 * step
    late = step if signal.kind != "gauge" else 0 * step
    return mask.start - early, mask.end + late


def _refusal(signal: Signal, cause: tuple[str, str], share: float) -> str:
    origin, reason = cause
    said = {"incident": f"the incident {reason!r}", "alert": reason, "silence": f"the silence {reason!r}"}[origin]
    if share > MOST[origin]:
        too_much = (
            f"would take {number_text(100 * share)} % of the history; what takes more than "
            f"{number_text(100 * MOST[origin])} % is no exception"
        )
    else:
        too_much = f"would bring what is left out to more than {number_text(100 * MOST_IN_ALL)} % of the history"
    return f"{signal.title}: {said} {too_much}, so nothing of it is left out."
