"""Rates of events from totals: the ratio of two Poisson rates, exact or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scipy import special

from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import tail
from tutordex_analysis.model.effect import RatioEffect
from tutordex_analysis.model.tail import Alternative

Method: TypeAlias = Literal["exact", "mid-p", "score", "wald-log"]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Events over an exposure.

    Attributes:
        events: A count from 0.
        exposure: Time or units, above 0.
    """

    events: float
    exposure: float

    def __post_init__(self) -> None:
        if not (self.events >= 0 and math.isfinite(self.events)):
            raise ExperimentError(f"a count of events is a number from 0; got {self.events:g}")
        if not (self.exposure > 0 and math.isfinite(self.exposure)):
            raise ExperimentError(f"an exposure is above 0; got {self.exposure:g}")

    @property
    def rate(self) -> float:
        """Events per unit of exposure."""
        return self.events / self.exposure


def rate_ratio(
    control: Rate,
    treatment: Rate,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    method: Method = "exact",
) -> RatioEffect:
    """The ratio of two Poisson rates; only for events that are independent (see `counters` for those of Prometheus).

    Args:
        control: One arm.
        treatment: The other.
        alpha: In (0, 1).
        alternative: One-sided leaves one bound open.
        method: "exact" conditions on the sum of events (Clopper and Pearson's bounds), "mid-p" counts half of what was
            seen; "score" takes the variance under equal rates, "wald-log" is the normal on the log scale.

    References:
        Przyborowski & Wilenski (1940), Biometrika 31, 313-323; Gu, Ng, Tang & Schucany (2008), Biometrical J. 50, 283.
    """
    x, y = treatment.events, control.events
    fair = treatment.exposure / (treatment.exposure + control.exposure)
    odds = control.exposure / treatment.exposure
    crit_alpha = tail.checked_alpha(alpha) if alternative != "two-sided" else tail.checked_alpha(alpha) / 2
    ratio = math.nan if x + y == 0 else math.inf if y == 0 else x * odds / y
    statistic = _statistic(x, y, 1 / odds, method)
    if method in ("exact", "mid-p"):
        p = _binomial_p(x, x + y, fair, alternative, mid=method == "mid-p")
        low, high = _conditional(x, y, crit_alpha, odds, mid=method == "mid-p")
    else:
        p = tail.p_value(statistic, alternative=alternative)
        low, high = _bounds(x, y, odds, -float(special.ndtri(crit_alpha)), method)
    return RatioEffect(
        ratio=ratio,
        log_se=math.sqrt(1 / x + 1 / y) if x and y else math.nan,
        statistic=statistic,
        df=math.inf,
        p_value=p,
        ci_lo=0.0 if alternative == "less" else low,
        ci_hi=math.inf if alternative == "greater" else high,
        alpha=alpha,
        method=f"Poisson rates, {method}",
    )


def _statistic(x: float, y: float, d: float, method: Method) -> float:
    """Normal statistic of equal rates; `d` is the treatment's exposure over the control's."""
    if method in ("exact", "mid-p") or x + y == 0:
        return math.nan
    if method == "score":
        return (x - y * d) / math.sqrt((x + y) * d)
    if x == 0 or y == 0:
        return math.nan
    return math.log(x / y / d) / math.sqrt(1 / x + 1 / y)


def _binomial_p(x: float, n: float, fair: float, alternative: Alternative, *, mid: bool) -> float:
    """Of x of n events in the treatment; two-sided adds the outcomes that are no more likely (as in R and scipy)."""
    if x != int(x) or n != int(n):
        raise ExperimentError("an exact test needs whole counts; increase() gives fractions, take the raw counter")
    seen = _pmf(x, n, fair)
    upper = float(special.bdtrc(x - 1, int(n), fair)) if x > 0 else 1.0
    lower = float(special.bdtr(x, int(n), fair))
    if alternative != "two-sided":
        p = upper if alternative == "greater" else lower
    elif x == n * fair:
        p = 1.0
    else:
        p = _both_tails(int(x), int(n), fair, seen, lower, upper)
    return tail.open_tail(p - seen / 2 if mid else p)


def _both_tails(x: int, n: int, fair: float, seen: float, lower: float, upper: float) -> float:
    likely = seen * (1 + 1e-7)
    above = x > n * fair
    near, far = (0, math.floor(n * fair)) if above else (math.ceil(n * fair), n)
    low, high = near - 1, far + 1  # the pmf falls away from the mode: bisect for the first outcome no more likely
    if above:
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _pmf(middle, n, fair) <= likely else (low, middle)
        return upper + (float(special.bdtr(low, n, fair)) if low >= 0 else 0.0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _pmf(middle, n, fair) <= likely else (middle, high)
    return lower + (float(special.bdtrc(high - 1, n, fair)) if high <= n else 0.0)


def _pmf(k: float, n: float, p: float) -> float:
    choose = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return float(math.exp(choose + special.xlogy(k, p) + special.xlog1py(n - k, -p)))


def _conditional(x: float, y: float, alpha: float, odds: float, *, mid: bool) -> tuple[float, float]:
    """Bounds of the share of events in the treatment, as a ratio of rates."""
    if mid:
        low, high = _mid_bound(x, y, alpha), 1 - _mid_bound(y, x, alpha)
    else:
        low = float(special.betaincinv(x, y + 1, alpha)) if x > 0 else 0.0
        high = float(special.betaincinv(x + 1, y, 1 - alpha)) if y > 0 else 1.0
    return low / (1 - low) * odds, (high / (1 - high) * odds if high < 1 else math.inf)


def _mid_bound(x: float, y: float, alpha: float) -> float:
    if x == 0:
        return 0.0
    n, low, high = x + y, 0.0, 1.0
    for _ in range(200):
        p = (low + high) / 2
        beyond = float(special.bdtrc(x, int(n), p)) + _pmf(x, n, p) / 2
        low, high = (p, high) if beyond < alpha else (low, p)
    return (low + high) / 2


def _bounds(x: float, y: float, odds: float, z: float, method: Method) -> tuple[float, float]:
    """Bounds of the treatment's rate over the control's, from the same statistic."""
    if method == "wald-log":
        if not (x and y):
            return 0.0, math.inf
        width = z * math.sqrt(1 / x + 1 / y)
        return x / y * odds * math.exp(-width), x / y * odds * math.exp(width)
    # score: (x - y r)² = z² (x + y) r with r = ratio of rates / odds
    n = x + y
    if y == 0:
        return (x / (z * z) * x / n * odds if n else 0.0), math.inf
    half = (2 * x * y + z * z * n) / (2 * y * y)
    root = math.sqrt(max(half * half - (x / y) ** 2, 0.0))
    return (half - root) * odds, (half + root) * odds
