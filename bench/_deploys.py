"""Did a deploy change it: false alarms on dates without a change, and power, beside a t-test and an unchecked band."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from bench._line import Line
from bench._sample import between
from tutordex_analysis.frame import Floats
from tutordex_analysis.model.days import Days
from tutordex_analysis.model.deploy import effects

ALPHA, DATES, BEFORE, AFTER = 0.05, 200, 90, 7
A_DAY, FALL = 300.0, 0.2
_WEEK = np.array([1.1, 1.1, 1.05, 1.0, 0.95, 0.8, 0.75])
KINDS = (  # a day's own spread, drift of the level a day
    ("posts", 0.07, 0.0),  # as the simulator's: luck of the day 7 %
    ("poisson", 0.0, 0.0),
    ("overdispersed", 0.1, 0.0),
    ("drifting", 0.1, 0.01),
)


def placebos(*, seed: int) -> list[Line]:
    """Each date is a world of its own: 90 days, then 7 without a change, and the same 7 with a fifth less."""
    lines = []
    for place, (name, spread, drift) in enumerate(KINDS):
        rng = np.random.default_rng([seed, 30, place])
        calm, closed = _counts(rng, spread, drift)
        fallen = calm.copy()
        fallen[:, BEFORE:] = rng.binomial(calm[:, BEFORE:].astype(np.int64), 1 - FALL)
        ours, band = _ours(np.concatenate([calm, fallen]), closed)
        t = _before_after(np.concatenate([calm, fallen]))
        for what, part in (("false alarms", slice(None, DATES)), ("a fifth less is seen", slice(DATES, None))):
            rates = {window: float(np.mean(p[part] <= ALPHA)) for window, p in ours.items()}
            print(
                f"deploy, {name}: {what} after 1, 3, 7 days {rates[1]:.1%}, {rates[3]:.1%}, {rates[7]:.1%}; "
                f"t-test of weeks {np.mean(t[part] <= ALPHA):.1%}, band unchecked {np.mean(band[part] <= ALPHA):.1%}",
                flush=True,
            )
            if what == "false alarms":
                lines += between("deploy", f"{name}: {what}, 7 days", rates[7], 0.03, 0.07)
            elif not drift:
                lines.append(
                    Line(case="deploy", what=f"{name}: {what} in 7 days", value=rates[7], target=0.8, at_most=False)
                )
    return lines


def _counts(rng: np.random.Generator, spread: float, drift: float) -> tuple[Floats, Floats]:
    """Counts a day, shape (DATES, BEFORE + AFTER), and which days are holidays: half as much is counted there."""
    n = BEFORE + AFTER
    closed = np.isin(np.arange(n), (20, 55, 76))
    level = np.exp(np.cumsum(rng.normal(0, drift, (DATES, n)), axis=1) + spread * rng.normal(size=(DATES, n)))
    counts: Floats = rng.poisson(A_DAY * _WEEK[np.arange(n) % 7] * level * np.where(closed, 0.5, 1)).astype(np.float64)
    return counts, closed.astype(np.float64)


def _ours(y: Floats, closed: Floats) -> tuple[dict[int, Floats], Floats]:
    """P-values by window, and those of the model's own band over 7 days."""
    holiday = closed.astype(np.bool_)
    days = Days(
        ids=tuple(f"date {i:03}" for i in range(len(y))),
        ends=pd.date_range("2026-03-02T16:00Z", periods=y.shape[1], freq="D"),
        before=BEFORE,
        y=np.where(holiday, np.nan, y),
        weight=np.ones_like(y),
        counted=np.ones(len(y), dtype=np.bool_),
        holiday=holiday,
        in_break=np.zeros(y.shape[1], dtype=np.bool_),
    )
    found = effects(days, windows=(1, 3, 7)).effects
    by_window = {window: [one for one in found if one.window == window] for window in (1, 3, 7)}
    plain = np.array([2 * special.ndtr(-abs(one.effect) / one.spread) for one in by_window[7]])
    return {window: np.array([one.p_value for one in some]) for window, some in by_window.items()}, plain


def _before_after(y: Floats) -> Floats:
    """P-values of a t-test of the 7 days after against the 7 before."""
    result: Floats = np.asarray(stats.ttest_ind(y[:, BEFORE:], y[:, BEFORE - 7 : BEFORE], axis=1).pvalue)
    return result
