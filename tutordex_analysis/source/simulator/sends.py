"""Broadcasts and direct messages: absent until they are switched on, slowed down and refused when Telegram says 429."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tutordex_analysis.source.simulator.incidents import Incident
from tutordex_analysis.source.simulator.lives import Processes, eras
from tutordex_analysis.source.simulator.queue import History
from tutordex_analysis.source.simulator.series import Family, counters
from tutordex_analysis.source.simulator.world import World

_BROADCAST_FAILS = (("telegram_5xx", 0.002), ("timeout", 0.001))
_BROADCAST_FAILS_LIMITED = (("rate_limited", 0.35),)
_DM_FAILS, _DM_FAILS_LIMITED = 0.012, 0.3  # a blocked bot on plain days; a second 429 in the incident
_ASKED_TO_WAIT, _ASKED_TO_WAIT_LIMITED = 0.0015, 0.45  # 429 answers a message
_MATCH_API_FAILS = 0.001


def sends(world: World, incidents: Sequence[Incident], alive: Processes, history: History) -> list[Family]:
    """What the worker counts while sending."""
    log = history.attempts[history.attempts["fresh"]].assign(at=lambda frame: frame["left"]).sort_values("at")
    limited = np.zeros(len(log), dtype=bool)
    for one in incidents:
        if one.kind == "telegram_rate_limit":
            limited |= (log["begun"].to_numpy() >= one.span[0]) & (log["begun"].to_numpy() < one.span[1])
    main = eras(world, alive.worker, alive.releases)
    broadcast, direct = _broadcasts(world, log, limited), _messages(world, log, limited)
    reasons = broadcast[broadcast["reason"] != ""]
    fallback = reasons[reasons["reason"] == "rate_limited"].assign(reason="fallback_written")
    refused = direct[direct["failed"] > 0]
    return [
        counters("broadcast_sent_total", broadcast[broadcast["reason"] == ""], [], main),
        counters("broadcast_fail_total", reasons, [], main),
        counters("broadcast_fail_reason_total", _in_order(reasons, fallback), ["reason"], main),
        counters("dm_sent_total", direct[direct["sent"] > 0], [], main, weights="sent"),
        counters("dm_fail_total", refused, [], main, weights="failed"),
        counters(
            "dm_fail_reason_total", _in_order(refused, _match_errors(world, log)), ["reason"], main, weights="failed"
        ),
        counters("dm_rate_limited_total", direct[direct["waits"] > 0], [], main, weights="waits"),
    ]


def _broadcasts(world: World, log: pd.DataFrame, limited: np.ndarray) -> pd.DataFrame:
    """One broadcast an assignment, with the reason for which it failed or ""."""
    luck = world.rng("broadcasts").uniform(0, 1, len(log))
    reason = np.full(len(log), "", dtype=object)
    for chances, rows in ((_BROADCAST_FAILS, ~limited), (_BROADCAST_FAILS_LIMITED, limited)):
        edge = 0.0
        for name, share in chances:
            reason[rows & (luck >= edge) & (luck < edge + share)] = name
            edge += share
    return log.assign(reason=reason)


def _messages(world: World, log: pd.DataFrame, limited: np.ndarray) -> pd.DataFrame:
    """The direct messages of an assignment: how many were sent, failed, and had to wait."""
    rng, tutors = world.rng("direct messages"), log["recipients"].to_numpy()
    failed = rng.binomial(tutors, np.where(limited, _DM_FAILS_LIMITED, _DM_FAILS))
    waits = rng.binomial(tutors - failed, np.where(limited, _ASKED_TO_WAIT_LIMITED, _ASKED_TO_WAIT))
    return log.assign(
        sent=tutors - failed,
        failed=failed,
        waits=waits + np.where(limited, failed, 0),  # who fails for the limit was asked to wait first
        reason=np.where(limited, "rate_limited", "telegram_4xx"),
    )


def _match_errors(world: World, log: pd.DataFrame) -> pd.DataFrame:
    """The matching API does not answer; counted by reason only."""
    chosen = world.rng("matching").uniform(0, 1, len(log)) < _MATCH_API_FAILS
    return log[chosen].assign(reason="match_api_error", failed=1)


def _in_order(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts).sort_values("at", kind="stable")
