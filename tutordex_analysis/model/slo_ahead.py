"""When an error budget is gone, if things go on as they do now: simulated futures of good and bad events.

What goes on is the share of bad events since it last changed, the traffic of the last weeks, and incidents as often and
as large as there were. What leaves the rolling period is given back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special, stats

from tutordex_analysis.frame import Floats
from tutordex_analysis.model import slo
from tutordex_analysis.model.slo import Budget
from tutordex_analysis.moment import Span, duration

QUANTILES = (0.1, 0.5, 0.9)
LEAST_DAYS = 2.0
_CHANGES = 1 / 60  # chance that a day begins another share of bad events
_KEPT = 0.9  # of the squared differences between days; the largest are those at a change
_LESS = float(stats.chi2.cdf(stats.chi2.ppf(_KEPT, 1), 3)) / _KEPT  # their mean, where chance alone makes them
_NOISE = 1.5 * (3 * float(stats.chi2.cdf(stats.chi2.ppf(_KEPT, 1), 5)) / _KEPT - _LESS**2)  # neighbours share a day
_SURE = 3.0  # errors above 1, about one in twenty by chance, since squares are skewed
_FEWEST = 5  # differences that can tell
_NOTHING = 1e-9  # events: what sums that cancel leave of none
_DAY = pd.Timedelta("1D")
_WEEK = pd.Timedelta("7D")


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """When the budget is gone.

    Attributes:
        dates: By probability (0.1, 0.5, 0.9): the moment by which it is gone with that probability; None where not
            within one period from now.
        survives: Probability that it is never gone within one period from now; NaN where nobody can tell.
        back: Of a budget that is gone, by probability: by when some of it is left again; None where not within one
            period from now.
        share: The share of bad events that goes on, without incidents.
        bad_a_day: Bad events a day that this makes.
        since: From when on it has been so, roughly; None where nobody can tell.
        lacks: Why nobody can tell; "" where it can be told.
    """

    dates: Mapping[float, pd.Timestamp | None]
    survives: float
    back: Mapping[float, pd.Timestamp | None] = field(default_factory=lambda: dict.fromkeys(QUANTILES))
    share: float = math.nan
    bad_a_day: float = math.nan
    since: pd.Timestamp | None = None
    lacks: str = ""


def ahead(events: pd.DataFrame, *, objective: float, period: Span, n: int = 1000, seed: int = 0) -> Ahead:
    """Looks one period ahead.

    Args:
        events: As `slo.budget` takes them, at a step that divides a day.
        objective: Promised share of good events.
        period: Over which it is promised, rolling.
        n: Simulated futures.
        seed: Of chance.

    References:
        Adams & MacKay (2007), arXiv:0710.3742, for the share since it last changed; Gott (1993), Nature 363, 315-319,
        for how long an incident goes on that is not over.
    """
    known = slo.checked(events, objective=objective)
    end, step = events["ds"].iloc[-1], _step(events)
    now = slo.budget(events, objective=objective, period=period)
    if why := _lacking(known, now, end, step):
        gone = bool(now.remaining <= 0)
        return Ahead(
            dates=dict.fromkeys(QUANTILES, end if gone else None), survives=0.0 if gone else math.nan, lacks=why
        )
    rng = np.random.default_rng(seed)
    found = slo.incidents(events, objective=objective, period=period)
    days = _days(_without(known, found), end)
    spread = _spread(days)
    shares, begun = _shares(days, spread=spread, n=n, rng=rng)
    profile = _traffic(known, end=end, step=step, steps=_steps(events, period))
    per_day = round(_DAY / step)
    bad = _bad(np.minimum(shares, 1.0), profile, per_day=per_day, spread=spread, rng=rng)
    bad += _incidents(found, known, profile, step=step, rng=rng, n=n)
    over, margin = _over(events, bad, profile, objective=objective, period=period), now.bad - now.allowed
    share = float(np.median(shares))
    if now.remaining <= 0:
        back = _crossed(-over, now=min(-margin, 0.0))
        dates, survives = dict.fromkeys(QUANTILES, end), 0.0
    else:
        crossed = _crossed(over, now=margin)
        dates, survives = _dates(crossed, end=end, step=step), float(np.isinf(crossed).mean())
        back = np.full(1, np.inf)
    return Ahead(
        dates=dates,
        survives=survives,
        back=_dates(back, end=end, step=step),
        share=share,
        bad_a_day=share * float(profile[: 7 * per_day].sum()) / min(7, len(profile) / per_day),
        since=end - (int(days.index[-begun]) + 1) * _DAY,
    )


def _lacking(known: pd.DataFrame, now: Budget, end: pd.Timestamp, step: pd.Timedelta) -> str:
    """Why nothing can be said of the days to come; "" where something can."""
    if known.empty or now.total == 0:
        return "there were no events"
    lasting = (end - known["ds"].iloc[0] + step) / _DAY
    if lasting < LEAST_DAYS:
        told = math.floor(10 * lasting) / 10
        return f"{told:.1f} days of history tell nothing of the days to come; it takes {LEAST_DAYS:g}"
    if float(known.loc[known["ds"] > end - 4 * _WEEK, "total"].sum()) == 0:
        return "there were no events in the last four weeks"
    return ""


def _without(known: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The steps with the usual number of bad events in place of incidents."""
    usual = slo.usual_share(known) * known["total"].to_numpy(float)
    inside = np.zeros(len(known), dtype=bool)
    for start, stop in zip(found["start"], found["end"], strict=True):
        inside |= ((known["ds"] > start) & (known["ds"] <= stop)).to_numpy()
    return known.assign(bad=np.where(inside, np.minimum(usual, known["bad"]), known["bad"]))


def _days(known: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Bad and total of each stretch of 24 hours before the end, the oldest first; those without events are left out."""
    days = known.groupby(slo.back(known, end, _DAY))[["bad", "total"]].sum().sort_index(ascending=False)
    return days[days["total"] > 0]


def _spread(days: pd.DataFrame) -> float:
    """How many times the chance of single events neighbouring days differ; 1 where that may be chance itself.

    The largest differences are left out, those at a change of level are among them; days with many bad events count
    for more, since it is them that go on.

    References:
        Neumann (1941), Annals of Mathematical Statistics 12, 367-395, for differences of neighbours.
    """
    bad, total = (days[name].to_numpy(float) for name in ("bad", "total"))
    weights = bad[1:] + bad[:-1]
    some = weights > 0
    if some.sum() < _FEWEST:
        return 1.0
    gaps = (bad[1:] / total[1:] - bad[:-1] / total[:-1]) ** 2
    chance = weights / (total[1:] + total[:-1]) * (1 / total[1:] + 1 / total[:-1])
    squares, weights = (gaps[some] / chance[some]), weights[some]
    kept = np.argsort(squares)[: math.ceil(_KEPT * len(squares))]
    weights = weights[kept] / weights[kept].sum()
    found = float(weights @ squares[kept]) / _LESS
    error = math.sqrt(_NOISE * float(weights @ weights)) / _LESS
    return found if found > 1 + _SURE * error else 1.0


def _shares(days: pd.DataFrame, *, spread: float, n: int, rng: np.random.Generator) -> tuple[Floats, int]:
    """Draws of the share of bad events now, and how many days ago it most likely changed.

    Each day goes on with the share of the day before or begins another; how long it has gone on is weighed by how well
    that foretold the days. Counts are divided by `spread`, which makes them as rare as they count.
    """
    bad, total = days["bad"].to_numpy(float) / spread, days["total"].to_numpy(float) / spread
    shape0, rate0 = 0.5, 0.5 / ((bad.sum() + 0.5 / spread) / total.sum())
    shape, rate, weights = np.array([shape0]), np.array([rate0]), np.array([0.0])
    for count, exposure in zip(bad, total, strict=True):
        likely = (
            special.gammaln(shape + count) - special.gammaln(shape) - special.gammaln(count + 1)
            + shape * np.log(rate / (rate + exposure)) + count * np.log(exposure / (rate + exposure))
        )  # fmt: skip
        grown = weights + likely + math.log1p(-_CHANGES)
        new = special.logsumexp(weights + likely) + math.log(_CHANGES)
        weights = np.concatenate([[new], grown])
        weights -= special.logsumexp(weights)
        shape = np.concatenate([[shape0], shape + count])
        rate = np.concatenate([[rate0], rate + exposure])
    # the first has seen no day yet: it is what a change after the last one would bring, and we say what goes on
    chances = np.exp(weights[1:] - special.logsumexp(weights[1:]))
    which = rng.choice(len(chances), size=n, p=chances) + 1
    return rng.gamma(shape[which], 1 / rate[which]), int(np.argmax(chances)) + 1


def _traffic(known: pd.DataFrame, *, end: pd.Timestamp, step: pd.Timedelta, steps: int) -> Floats:
    """Events in each step to come: the mean of the same step of the week over four weeks, of the day without a week."""
    recent = known[known["ds"] > end - 4 * _WEEK]
    season = _WEEK if end - recent["ds"].iloc[0] >= _WEEK - step else _DAY if len(recent) else _WEEK
    length = round(season / step)
    place = slo.back(recent, end, step) % length
    means = recent.groupby(place)["total"].mean().reindex(range(length))
    means = means.fillna(float(recent["total"].mean()) if len(recent) else 0.0)
    ahead_of = (-np.arange(1, steps + 1)) % length
    found: Floats = means.to_numpy(float)[ahead_of]
    return found


def _bad(shares: Floats, profile: Floats, *, per_day: int, spread: float, rng: np.random.Generator) -> Floats:
    """Bad events of each step in each future, shape (n, steps): days differ as they did, steps by chance."""
    means = shares[:, None] * profile[None, :]
    if spread > 1:
        day = np.arange(len(profile)) // per_day
        daily = np.add.reduceat(means, np.flatnonzero(np.diff(day, prepend=-1)), axis=1)
        with np.errstate(divide="ignore"):
            shape = np.clip(daily / (spread - 1), 1e-9, 1e9)
        means = means * (rng.gamma(shape) / shape)[:, day]
    return rng.poisson(means).astype(float)


def _incidents(
    found: pd.DataFrame, known: pd.DataFrame, profile: Floats, *, step: pd.Timedelta, rng: np.random.Generator, n: int
) -> Floats:
    """Bad events of incidents to come, shape (n, steps): as often and as large as they were, and the last goes on.

    All of one counts in the step in which it begins. One that is not over lasts as long again with a chance of half.
    """
    steps = len(profile)
    more = np.zeros((n, steps))
    if found.empty:
        return more
    sizes = (found["bad"] - found["expected"]).to_numpy(float)
    lasted = len(known) * step / _DAY
    often = rng.gamma(len(sizes) + 0.5, size=n) / lasted * (steps * step / _DAY)
    for row, count in enumerate(rng.poisson(often)):
        np.add.at(more[row], rng.integers(0, steps, count), rng.choice(sizes, count))
    last = found.iloc[-1]
    if last["ongoing"]:
        so_far = (last["end"] - last["start"]) / step
        left = so_far * (1 / rng.uniform(size=n) - 1)
        pace = sizes[-1] / max(float(last["total"]), 1.0)
        share = np.clip(left[:, None] - np.arange(steps)[None, :], 0.0, 1.0)
        more += pace * profile[None, :] * share
    return more


def _over(events: pd.DataFrame, bad: Floats, profile: Floats, *, objective: float, period: Span) -> Floats:
    """Bad events above what is allowed, over the period before each step to come, shape (n, steps).

    Where the period has no event, nothing is broken: it is below any number there.
    """
    length = _steps(events, period)
    summed = []
    for past, future in zip(slo.sides(events), (bad, np.broadcast_to(profile, bad.shape)), strict=True):
        before = np.concatenate([np.zeros(max(length - len(past), 0)), past[-length:]])
        summed.append(before.sum() - np.cumsum(before[: future.shape[1]]) + np.cumsum(future, axis=1))
    found: Floats = np.where(summed[1] > _NOTHING, summed[0] - (1 - objective) * summed[1], -np.inf)
    return found


def _crossed(over: Floats, *, now: float) -> Floats:
    """Steps from now until each future goes from below 0 to 0 or above, with a fraction; infinite where it never does.

    Args:
        over: Shape (n, steps).
        now: What it is now, below 0.
    """
    found = np.full(len(over), np.inf)
    hit = over >= 0
    some = hit.any(axis=1)
    at = hit.argmax(axis=1)[some]
    here = over[some, at]
    before = np.where(at > 0, over[some, np.maximum(at - 1, 0)], now)
    with np.errstate(invalid="ignore"):
        part = np.where(np.isfinite(before) & (here > before), -before / (here - before), 0.0)
    found[some] = at + np.clip(part, 0.0, 1.0)
    return found


def _dates(crossed: Floats, *, end: pd.Timestamp, step: pd.Timedelta) -> dict[float, pd.Timestamp | None]:
    """Quantiles of the moments."""
    ordered = np.sort(crossed)
    places = [ordered[min(math.ceil(p * len(ordered)) - 1, len(ordered) - 1)] for p in QUANTILES]
    return {p: end + place * step if math.isfinite(place) else None for p, place in zip(QUANTILES, places, strict=True)}


def _steps(events: pd.DataFrame, period: Span) -> int:
    return max(round(duration(period) / _step(events)), 1)


def _step(events: pd.DataFrame) -> pd.Timedelta:
    return pd.Timedelta(events["ds"].diff().min())
