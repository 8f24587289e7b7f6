"""From what the catalogue says of a signal to the policy by which its anomalies become alerts."""

from __future__ import annotations

import math

from tutordex_analysis.catalogue import Signal
from tutordex_analysis.model.policy import Policy


def policy_of(signal: Signal) -> Policy | None:
    """The policy of a signal, without a budget, which is one for all signals; None where it is not watched."""
    watch = signal.watch
    if watch is None:
        return None
    return Policy(
        direction=watch.direction,
        least_above=watch.least_above,
        least_below=watch.least_below,
        share_above=watch.share_above,
        share_below=watch.share_below,
        lowest=-math.inf if watch.lowest is None else watch.lowest,
        highest=math.inf if watch.highest is None else watch.highest,
        persistence=watch.persistence,
    )
