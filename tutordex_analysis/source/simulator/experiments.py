"""Event tables of invented users and messages, with effects that are known: what the sample's experiments read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis.moment import Instant, instant

_DAY = 86_400
_CHANNELS = ("t.me/invented_one", "t.me/invented_two", "t.me/invented_three")


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One experiment of users and what is true of it.

    Attributes:
        arms: Names of control and treatment.
        users: Users of both arms.
        share: What of them is in the treatment; another than a half where the split went wrong.
        applied: Chance to apply within a week, control and treatment.
        heavy: Spread of how much a user does, the sigma of a lognormal.
    """

    arms: tuple[str, str]
    users: int
    share: float = 0.5
    applied: tuple[float, float] = (0.12, 0.12)
    heavy: float = 0.6


USERS = {
    "apply_button": Planted(arms=("small", "large"), users=6000, applied=(0.10, 0.135)),
    "digest_order": Planted(arms=("newest", "nearest"), users=4000),
    "listing_redirect": Planted(arms=("old", "new"), users=4000, share=0.45),
    "search_box": Planted(arms=("plain", "suggest"), users=1200, heavy=1.6),
}
DAYS = 28  # that each experiment has run at the end
MESSAGES = 1500
PARSED = (0.88, 0.92)  # chance that an extraction is ok: of the pipeline in use, of the one on trial
PIPELINES = ("2026-09-v7", "ab_short_prompt")
ROUTES = ("large", "small")  # of requests that each get an arm of their own
REQUESTS = 12.0  # an hour and arm, on average; bursts on top
FAILED = (0.04, 0.06)  # chance that one fails, by route
_BURST = 0.5  # sigma of the lognormal that an hour's traffic is multiplied with; both arms share it


def tables(end: Instant, *, seed: int) -> dict[str, pd.DataFrame]:
    """The tables exposures, events and telegram_extractions up to a moment.

    Args:
        end: No row is later.
        seed: The same one gives the same rows.
    """
    until, random = instant(end), np.random.default_rng(seed)
    shown, done, first = [], [], 1000
    for name, plan in USERS.items():
        exposures, events = _users(name, plan, first, until, random)
        shown.append(exposures)
        done.append(events)
        first += plan.users
    return {
        "exposures": pd.concat(shown).sort_values(["event_time", "user_id"], ignore_index=True),
        "events": pd.concat(done).sort_values(["event_time", "user_id", "event_type"], ignore_index=True),
        "telegram_extractions": _extractions(until, random),
    }


def truth() -> dict[str, object]:
    """What was planted, as plain data."""
    users = {
        name: {"arms": [*one.arms], "users": one.users, "treatment_share": one.share, "applied": [*one.applied]}
        for name, one in USERS.items()
    }
    return {
        "users": users,
        "extraction_prompt": {"arms": [*PIPELINES], "messages": MESSAGES, "ok": [*PARSED]},
        "model_route": {"arms": [*ROUTES], "requests_an_hour": REQUESTS, "failed": [*FAILED]},
        "search_box_counters": {"arms": [*USERS["search_box"].arms], "same_as": "users.search_box"},
    }


def counters(end: Instant, *, seed: int) -> str:
    """Counters by variant, hourly, as OpenMetrics: requests by route, and what the users of `search_box` looked at.

    Args:
        end: The last sample.
        seed: The same one gives the same text, and `tables` the users.
    """
    until, random = instant(end), np.random.default_rng([seed, 1])
    hours = pd.date_range(until - pd.Timedelta(days=DAYS), until, freq="h")
    traffic = random.lognormal(-(_BURST**2) / 2, _BURST, len(hours) - 1) * REQUESTS
    series: dict[str, dict[str, np.ndarray]] = {name: {} for name in ("llm_route_requests", "llm_route_failures")}
    for route, share in zip(ROUTES, FAILED, strict=True):
        asked = random.poisson(traffic)
        series["llm_route_requests"][route] = asked
        series["llm_route_failures"][route] = random.binomial(asked, share)
    made = tables(end, seed=seed)
    arms = made["exposures"].query("experiment == 'search_box'").rename(columns={"event_time": "shown"})
    seen = made["events"].query("event_type == 'assignment_view'").merge(arms[["user_id", "variant", "shown"]])
    seen = seen[seen["event_time"] >= seen["shown"]]
    series["web_assignment_views"] = {
        arm: np.histogram(seen.loc[seen["variant"] == arm, "event_time"].astype("int64") // 1000, _seconds(hours))[0]
        for arm in USERS["search_box"].arms
    }
    lines: list[str] = []
    for name, by_arm in sorted(series.items()):
        lines.append(f"# TYPE {name} counter")
        for arm, counts in by_arm.items():
            sums = np.concatenate([[0], np.cumsum(counts)])
            moments = _seconds(hours)
            lines += [f'{name}_total{{variant="{arm}"}} {n} {at}' for n, at in zip(sums, moments, strict=True)]
    return "\n".join([*lines, "# EOF", ""])


def _seconds(moments: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray((moments - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("1s"), dtype=np.int64)


def _users(
    name: str, plan: Planted, first: int, until: pd.Timestamp, random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    n = plan.users
    unit = np.arange(first, first + n)
    treated = random.random(n) < plan.share
    exposed = random.integers(0, (DAYS - 1) * _DAY, n)  # seconds since the experiment's start
    pace = random.lognormal(0.0, plan.heavy, n)
    start = until - pd.Timedelta(days=DAYS)
    exposures = pd.DataFrame(
        {
            "user_id": unit,
            "experiment": name,
            "variant": np.where(treated, plan.arms[1], plan.arms[0]),
            "surface": np.where(random.random(n) < 0.6, "website", "telegram_dm"),
            "event_time": _times(start, exposed),
        }
    )
    chance = np.where(treated, plan.applied[1], plan.applied[0]) * pace / pace.mean()
    applied = np.flatnonzero(random.random(n) < np.clip(chance, 0, 0.95))
    seconds = exposed[applied] + random.integers(60, 6 * _DAY, len(applied))
    rows = [(applied, seconds, "assignment_apply_click", np.full(len(applied), np.nan))]
    for event, rate, days in (("assignment_view", 1.2, 7), ("assignment_view", 1.2, -7)):
        counts = random.poisson(rate * pace)
        who = np.repeat(np.arange(n), counts)
        lag = random.integers(1, abs(days) * _DAY, len(who)) * (1 if days > 0 else -1)
        spent = np.round(random.lognormal(-0.7, 0.5, len(who)), 2)
        rows.append((who, exposed[who] + lag, event, spent))
    events = pd.concat(
        [
            pd.DataFrame({"user_id": unit[who], "event_type": event, "event_time": _times(start, at), "value": value})
            for who, at, event, value in rows
        ]
    )
    return exposures, events[events["event_time"] <= until]


def _extractions(until: pd.Timestamp, random: np.random.Generator) -> pd.DataFrame:
    """Each message by both pipelines; an easy message is easy for both."""
    n = MESSAGES
    ease = random.random(n)
    shared = random.random(n) < 0.7  # else a pipeline's luck is its own
    channel = random.choice(_CHANNELS, n)
    begun = until - pd.Timedelta(days=DAYS)
    sides = []
    for i, pipeline in enumerate(PIPELINES):
        luck = np.where(shared, ease, random.random(n))
        seconds = np.round(random.lognormal(2.2 - 0.2 * i, 0.35, n), 2)
        sides.append(
            pd.DataFrame(
                {
                    "raw_id": np.arange(1, n + 1),
                    "pipeline_version": pipeline,
                    "status": np.where(luck < PARSED[i], "ok", "failed"),
                    "channel_link": channel,
                    "meta": [f'{{"seconds": {one:g}}}' for one in seconds],
                    "updated_at": _times(begun, random.integers(0, DAYS * _DAY, n)),
                }
            )
        )
    return pd.concat(sides, ignore_index=True)


def _times(start: pd.Timestamp, seconds: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(start + pd.to_timedelta(seconds, unit="s")).as_unit("ms")
