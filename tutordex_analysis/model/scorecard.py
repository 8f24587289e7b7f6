"""What issued forecasts were worth once their time has come, and which models are sent away for it.

Forecasts from the data of one UTC day are scored together, on what happened within a week of their data's end, or
within their whole horizon where that is shorter: hourly publications of one day are one witness, not 24. A day's
forecasts are due when the history reaches that far, and are scored when half of those instants have a reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tutordex_analysis import issued
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import score
from tutordex_analysis.moment import Span, duration, duration_text

WITHIN = "7d"
LOSSES = 3  # in a row, and a model is sent away
AWAY = pd.Timedelta(days=28)  # for so long after the end of the last loss
NEVER_AWAY = frozenset({"seasonal_naive", "last_value", "none"})
_LEAST_SHARE = 0.5  # of the instants, without which a week is not scored
_APART = pd.Timedelta(days=1)  # two weeks that overlap by no more than this count as two
_ROUNDING = 1e-5  # a ledger's numbers have five digits, and a band's edge belongs to the band
_DECILES = tuple(p for p in issued.LEVELS if 0.05 < p < 0.95)
_GROUP = ["signal", "step", "unique_id", "model", "via", "hindsight", "within", "day"]

Actual = Mapping[tuple[str, str], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Demotion:
    """A model that lost to repeating the last season in its newest scored issues of one series.

    Attributes:
        signal: Name of the signal.
        unique_id: The series.
        model: Name of the model.
        weeks: Ends of the lost weeks, oldest first.
        until: The day from which it is tried again; one more loss then sends it away for as long.
        hindsight: Whether any of the losses is a replayed one.
    """

    signal: str
    unique_id: str
    model: str
    weeks: tuple[pd.Timestamp, ...]
    until: pd.Timestamp
    hindsight: bool


def scored(rows: pd.DataFrame, actual: Actual, *, within: Span = WITHIN) -> pd.DataFrame:
    """Scores of everything that is due.

    Args:
        rows: Of a ledger (`issued.ROW_COLUMNS`).
        actual: What happened: frames by signal and step text, each on the grid of the forecasts.
        within: How far after the end of its data a forecast is looked at.

    Returns:
        Columns of `issued.SCORE_COLUMNS`, one row a series, model, way and UTC day of data. `said`, `said_lower` and
        `said_upper` are means of the median and of the 80 % band, `happened` that of the readings at the same instants;
        `miss` is the mean absolute error over the mean size of what happened, `naive_miss` that of repeating the last
        season; `mase`, `smape`, `bias`, `coverage_80`, `coverage_95` as in `model.score`; `pinball` as in
        `model.backtest`; `skill` is 1 - pinball / naive_pinball. NaN where there is nothing to divide by.
    """
    length = duration(within)
    found = [
        _scored(mine, actual[key], length)
        for (signal, step), mine in rows.groupby(["signal", "step"], sort=True)
        if (key := (str(signal), str(step))) in actual and len(actual[key])
    ]
    filled = [one for one in found if len(one)]
    return issued.latest_scores(issued.no_scores(), pd.concat(filled)) if filled else issued.no_scores()


def judged(scores: pd.DataFrame, *, within: Span = WITHIN) -> pd.DataFrame:
    """The scores that a series is judged by: whole weeks as a report forecasts them, where it has any.

    The few leads that `publish` gives out, which for counts are forecasts of another step, count only for a series
    that no report speaks of.
    """
    mine = scores[scores["within"] == duration_text(within)]
    whole = mine[mine["via"] != "publish"]
    told = whole.drop_duplicates(["signal", "unique_id"])
    rest = mine[(mine["via"] == "publish") & ~issued.among(mine, told, ["signal", "unique_id"])]
    return pd.concat([rest, whole], ignore_index=True) if len(rest) else whole


def demotions(scores: pd.DataFrame, *, at: pd.Timestamp) -> tuple[Demotion, ...]:
    """The models that are away at a moment.

    A model is sent away when it lost (skill below 0) in the three newest scored weeks in which a series was forecast
    with it; weeks that overlap count once. Replayed weeks count only where there are no three real ones. Four weeks
    after the end of the last loss it is tried again.
    """
    near = judged(scores)
    near = near[near["skill"].notna() & ~near["model"].isin(NEVER_AWAY) & (near["until"] <= at)]
    return tuple(
        one
        for _, mine in near.groupby(["signal", "unique_id", "model"], sort=True)
        if (one := _demotion(mine)) is not None and one.until > at
    )


def away(found: tuple[Demotion, ...]) -> dict[str, dict[str, frozenset[str]]]:
    """Models that are not to be used, by signal and series: what `forecast(…, demoted=…)` takes for a signal."""
    result: dict[str, dict[str, frozenset[str]]] = {}
    for one in found:
        of_signal = result.setdefault(one.signal, {})
        of_signal[one.unique_id] = of_signal.get(one.unique_id, frozenset()) | {one.model}
    return result


def recent(scores: pd.DataFrame, *, at: pd.Timestamp, length: Span = "28d") -> pd.DataFrame:
    """How each series was forecast of late: means over the scored weeks that ended in the last four weeks.

    Real ones only; where a series has none, the replayed ones, which `hindsight` says.

    Returns:
        Columns signal, step, unique_id, hindsight, weeks, mase, bias, coverage_80, coverage_95, skill (of the summed
        losses).
    """
    end = at - duration(length)
    near = judged(scores)
    near = near[(near["until"] > end) & (near["until"] <= at)]
    keys = ["signal", "step", "unique_id"]
    real = near.groupby(keys)["hindsight"].transform(lambda one: not one.all())
    near = near[~(near["hindsight"].astype(bool) & real.astype(bool))]
    grouped = near.groupby([*keys, "hindsight"], sort=True)
    table = grouped[["mase", "bias", "coverage_80", "coverage_95", "pinball", "naive_pinball"]].mean()
    table = table.assign(weeks=grouped.size(), skill=_skill(table["pinball"], table["naive_pinball"]))
    wanted = [*keys, "hindsight", "weeks", "mase", "bias", "coverage_80", "coverage_95", "skill"]
    return table.reset_index()[wanted]


def apart(mine: pd.DataFrame) -> list[int]:
    """Places of the newest rows whose weeks do not overlap, newest first; columns cutoff and until."""
    order = np.argsort(mine["until"].to_numpy(), kind="stable")[::-1]
    places: list[int] = []
    edge = None
    for place in map(int, order):
        if edge is None or mine["until"].iloc[place] <= edge + _APART:
            places.append(place)
            edge = mine["cutoff"].iloc[place]
    return places


def _demotion(mine: pd.DataFrame) -> Demotion | None:
    real = mine[~mine["hindsight"].astype(bool)]
    chosen = real.iloc[apart(real)[:LOSSES]]
    if len(chosen) < LOSSES:  # of two that end together the real one counts
        ordered = mine.sort_values("hindsight", ascending=False, kind="stable")
        chosen = ordered.iloc[apart(ordered)[:LOSSES]]
    if len(chosen) < LOSSES or not (chosen["skill"] < 0).all():
        return None
    ends = tuple(sorted(pd.Timestamp(one) for one in chosen["until"]))
    first = mine.iloc[0]
    return Demotion(
        signal=str(first["signal"]),
        unique_id=str(first["unique_id"]),
        model=str(first["model"]),
        weeks=ends,
        until=ends[-1] + AWAY,
        hindsight=bool(chosen["hindsight"].any()),
    )


def _scored(rows: pd.DataFrame, history: pd.DataFrame, within: pd.Timedelta) -> pd.DataFrame:
    """Scores of one signal at one step: weeks that the history covers from their first instant on."""
    step = duration(str(rows["step"].iloc[0]))
    first = rows["cutoff"] + step
    rows = rows[first >= history["ds"].min()]
    end = rows.groupby(["unique_id", "issued", "via"])["ds"].transform("max")
    late = (rows["via"] == "publish").map({True: 2 * step, False: 0 * step})  # its leads count from the clock
    reach = np.minimum(end, rows["cutoff"] + within + late)
    whole = rows.assign(day=rows["cutoff"].dt.floor("D"), within=duration_text(within), until=reach)
    due = whole[(whole["ds"] <= reach) & (reach <= history["ds"].max())]
    truth = history[["unique_id", "ds", "y"]].assign(
        unique_id=history["unique_id"].astype(object), ds=history["ds"].astype(rows["ds"].dtype)
    )
    known = due.merge(truth, on=["unique_id", "ds"], how="left")
    return pd.DataFrame(
        [dict(zip(_GROUP, key, strict=True)) | numbers for key, numbers in _groups(known)],
        columns=list(issued.SCORE_COLUMNS),
    )


def _groups(known: pd.DataFrame) -> Iterator[tuple[tuple[object, ...], dict[str, object]]]:
    for key, mine in known.groupby(_GROUP, sort=True):
        there = mine[np.isfinite(mine["y"])]
        if len(there) >= max(1.0, _LEAST_SHARE * len(mine)):
            ends = {name: pd.Timestamp(mine[name].max()) for name in ("issued", "cutoff", "until")}
            yield tuple(key), {**ends, "steps": len(there), **_numbers(there)}


def _numbers(rows: pd.DataFrame) -> dict[str, float]:
    y, scale = (rows[name].to_numpy(dtype=np.float64) for name in ("y", "scale"))
    said, naive = (rows[list(names)].to_numpy(dtype=np.float64) for names in (issued.SAID, issued.NAIVE))
    at = {p: said[:, issued.LEVELS.index(p)] for p in issued.LEVELS}
    slack = _ROUNDING * np.abs(y)
    losses = [_loss(y, one, scale) for one in (said, naive)]
    size = score.mean(np.abs(y))
    return {
        "said": float(score.mean(at[0.5])),
        "said_lower": float(score.mean(at[0.1])),
        "said_upper": float(score.mean(at[0.9])),
        "happened": float(score.mean(y)),
        "miss": float(score.ratio(score.mean(np.abs(y - at[0.5])), size)),
        "naive_miss": float(score.ratio(score.mean(np.abs(y - naive[:, issued.LEVELS.index(0.5)])), size)),
        "mase": float(score.mean(score.ratio(np.abs(y - at[0.5]), scale))),
        "smape": float(score.smape(y, at[0.5])),
        "bias": float(score.bias(y, at[0.5])),
        "coverage_80": float(score.coverage(y, at[0.1] - slack, at[0.9] + slack)),
        "coverage_95": float(score.coverage(y, at[0.025] - slack, at[0.975] + slack)),
        "pinball": losses[0],
        "naive_pinball": losses[1],
        "skill": float(_skill(losses[0], losses[1])),
    }


def _loss(y: Floats, quantile_values: Floats, scale: Floats) -> float:
    """Twice the mean pinball loss of the deciles over the scale of MASE, each row over its own."""
    chosen = quantile_values[:, [issued.LEVELS.index(p) for p in _DECILES]]
    each = score.pinball(y[:, None], chosen[:, None, :], quantiles=_DECILES)
    return float(score.mean(score.ratio(2 * each, scale)))


def _skill(pinball: pd.Series | float, naive: pd.Series | float) -> Floats:
    """The share of the naive's loss that was saved; NaN where that lost nothing or is not known."""
    return 1 - score.ratio(np.asarray(pinball, dtype=np.float64), np.asarray(naive, dtype=np.float64))
