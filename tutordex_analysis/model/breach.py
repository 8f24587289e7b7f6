"""When a limit is reached: first-passage probabilities and dates of simulated paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.model import paths
from tutordex_analysis.model.forecast import Forecast
from tutordex_analysis.moment import Span, duration, duration_text

DATE_QUANTILES = (0.1, 0.5, 0.9)
_WEEK = pd.Timedelta(days=7)


@dataclass(frozen=True, kw_only=True, eq=False)
class Breach:
    """How likely a limit is reached, and when.

    Attributes:
        frame: `unique_id`, `within` (as asked, such as "30d"), `probability` that the limit is reached by then.
        weeks: One row a series: `weeks` of history that were looked at for bursts, and in how many the limit was
            reached (`over`); zeros without a history.
        dates: `unique_id`, `q0.1`, `q0.5`, `q0.9`: by when the limit is reached with that probability; NaT where
            not within the forecast's horizon.
        limit: The limit of each series, by `unique_id`.
        direction: Which side of the limit is the breach; standing on it is one.
    """

    frame: pd.DataFrame
    dates: pd.DataFrame
    limit: pd.Series
    direction: Literal["above", "below"]
    weeks: pd.DataFrame


def breach(
    forecast: Forecast,
    *,
    limit: float | Mapping[str, float],
    direction: Literal["above", "below"] = "above",
    within: Sequence[Span] = ("7d", "30d", "90d"),
    n: int = 1000,
    seed: int = 0,
    history: pd.DataFrame | None = None,
) -> Breach:
    """First passage of a limit by simulated paths of a forecast.

    More time or a nearer limit never makes a breach less likely, since the same paths answer all questions. A series
    whose last reading is past the limit has probability 1 and the first instant of the forecast as its date.

    Args:
        forecast: Reaching at least as far as the longest `within`.
        limit: In the unit of the series, one for all or one for each `unique_id`.
        direction: "above" when reaching the limit from below is the breach.
        within: Durations from the end of the history.
        n: Paths a series; the standard error of a probability is at most `0.5 / sqrt(n)`.
        seed: Makes the paths; each series has its own chance.
        history: What was forecast from. A forecast leaves out outliers such as outages; with the history, weeks in
            which the limit was reached are taken to come again as often as before (a Poisson process), and count in the
            probabilities. The dates stay those of the paths: a burst has none.

    Raises:
        FrameError: A `within` reaches beyond the forecast or is shorter than its step, a limit is missing or not
            finite, or `n` is not positive.
    """
    spans = [duration(one) for one in within]
    reach = forecast.step * forecast.horizon
    if spans and min(spans) < forecast.step:
        raise FrameError(
            f"within={duration_text(min(spans))} is shorter than one step of the forecast, "
            f"{duration_text(forecast.step)}; ask for at least that, or forecast at a shorter step"
        )
    if spans and max(spans) > reach:
        raise FrameError(
            f"the forecast reaches {duration_text(reach)} ahead, within={duration_text(max(spans))} asks for more; "
            "forecast with a longer horizon or ask for less"
        )
    if direction not in ("above", "below") or n < 1 or not spans:
        raise FrameError(f'direction is "above" or "below", n and within not empty; got {direction!r}, {n}, {within!r}')
    limits = _limits(forecast, limit)
    sign = 1 if direction == "above" else -1
    reached = [int(span // forecast.step) for span in spans]
    rows, dates, weeks = [], [], []
    for unique_id in forecast.series:
        crossed = sign * forecast.paths_of(unique_id, n, seed=seed) >= sign * limits[unique_id]
        if sign * forecast.last[unique_id] >= sign * limits[unique_id]:
            crossed[:, 0] = True
        first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), forecast.horizon)
        dates.append((unique_id, *_dates(first, forecast.instants(unique_id))))
        over, looked_at = (0, 0) if history is None else _weeks_over(history, unique_id, sign * limits[unique_id], sign)
        weeks.append((over, looked_at))
        if over:
            rate = -np.log1p(-min(over, looked_at - 0.5) / looked_at) * (forecast.step / _WEEK)
            wait = paths.generator(seed, f"{unique_id}\0burst").exponential(size=n)
            first = np.minimum(first, wait / rate)
        rows += [(unique_id, _text(w), float((first < k).mean())) for w, k in zip(within, reached, strict=True)]
    ids = pd.CategoricalDtype(pd.Index(forecast.series, dtype=object))
    frame = pd.DataFrame(rows, columns=["unique_id", "within", "probability"]).astype({"unique_id": ids})
    when = pd.DataFrame(dates, columns=["unique_id", *(f"q{p:g}" for p in DATE_QUANTILES)]).astype({"unique_id": ids})
    for p in DATE_QUANTILES:
        when[f"q{p:g}"] = pd.to_datetime(when[f"q{p:g}"], utc=True)
    seen = pd.DataFrame(weeks, columns=["over", "weeks"], index=pd.Index(forecast.series, name="unique_id"))
    return Breach(frame=frame, dates=when, limit=limits, direction=direction, weeks=seen)


def _weeks_over(history: pd.DataFrame, unique_id: str, limit: float, sign: int) -> tuple[int, int]:
    """In how many weeks, counted back from the end, a series was at the limit or past it; and how many there are."""
    rows = history[history["unique_id"].astype(str) == unique_id]
    seen = rows["y"].notna()
    week = ((rows["ds"].iloc[-1] - rows["ds"][seen]) // _WEEK).to_numpy()
    over = sign * rows["y"][seen].to_numpy() >= limit
    return len(np.unique(week[over])), len(np.unique(week))


def _dates(first: npt.NDArray[np.int64], instants: pd.DatetimeIndex) -> list[object]:
    """By when each share of the paths has crossed: the smallest instant that so many have reached."""
    ordered = np.sort(first)
    at = [int(ordered[int(np.ceil(p * len(first))) - 1]) for p in DATE_QUANTILES]
    return [instants[k] if k < len(instants) else pd.NaT for k in at]


def _limits(forecast: Forecast, limit: float | Mapping[str, float]) -> pd.Series:
    ids = forecast.series
    if isinstance(limit, (Mapping, pd.Series)):
        missing = [one for one in ids if one not in limit]
        if missing:
            raise FrameError(f"there is no limit for {missing[0]}; give one for each series, or one number for all")
        found = pd.Series([float(limit[one]) for one in ids], index=pd.Index(ids, name="unique_id"), dtype=np.float64)
    else:
        found = pd.Series(float(limit), index=pd.Index(ids, name="unique_id"), dtype=np.float64)
    if not np.isfinite(found).all():
        raise FrameError(f"a limit must be a finite number, got {found[~np.isfinite(found)].iloc[0]}")
    return found


def _text(span: Span) -> str:
    return span if isinstance(span, str) else duration_text(span)
