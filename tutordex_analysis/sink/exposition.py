"""Answers as metrics: results become families of gauges, families become one text in Prometheus's format 0.0.4.

A sample never carries a time: the scrape stamps it, so nothing can lie in the future. A forecast is a gauge with its
lead as a label, and `… offset 7d` of the one with `horizon="7d"` is the forecast made a week ago for now.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tutordex_analysis.errors import PublishRefused
from tutordex_analysis.frame import escape, series_ids
from tutordex_analysis.moment import Instant, Span, duration, duration_text, instant
from tutordex_analysis.sink.series_name import own_labels

if TYPE_CHECKING:
    from tutordex_analysis.model.breach import Breach
    from tutordex_analysis.model.forecast import Forecast

HORIZONS = ("1h", "6h", "1d", "3d", "7d", "14d", "30d")
QUANTILES = (0.1, 0.5, 0.9)
MOST_SERIES = 2000
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GENERATED = "tutordex_generated_timestamp_seconds"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SKEW = pd.Timedelta(seconds=60)  # two clocks may differ by this much


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One series of a family.

    Attributes:
        labels: Name → value; names as Prometheus allows them.
        value: In the family's unit; what is not finite is left out of the text.
    """

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True)
class Family:
    """All gauges of one name.

    Attributes:
        name: Such as `tutordex_forecast`.
        help: What one sample says, with its unit.
        samples: In any order; no two with the same labels.
    """

    name: str
    help: str
    samples: tuple[Sample, ...]


def from_forecast(
    signal: str,
    forecast: Forecast,
    *,
    now: Instant,
    unit: str = "",
    horizons: Sequence[Span] = HORIZONS,
    quantiles: Sequence[float] = QUANTILES,
) -> tuple[Family, ...]:
    """The forecast at fixed leads from now, and which model made it.

    A lead counts from `now`, when the text is made, and not from the last data, which are some minutes older: the row
    nearest to now + lead is taken. So `offset` meets the instant that was meant up to half a step, plus the age of
    the text when it is scraped. Leads shorter than a step, and leads that end more than a step past the end of the
    forecast, are left out; so forecast as far as the longest lead and the largest age of the data together.

    Args:
        signal: Name of what is forecast.
        forecast: Its `.frame` and `.model`.
        now: When the text is made.
        unit: The signal's unit, said on `tutordex_forecast_info`.
        horizons: Leads.
        quantiles: Which columns of the frame.

    Raises:
        PublishRefused: No lead lies within the forecast, or a quantile is missing.
    """
    frame = forecast.frame
    columns = {q: _column(frame, q) for q in quantiles}
    values, infos, met = [], [], set()
    for unique_id in series_ids(frame):
        rows = frame[frame["unique_id"].astype(str) == unique_id]
        own = {"signal": signal, **own_labels(unique_id)}
        infos.append(Sample(labels={**own, "model": str(forecast.model.get(unique_id, "")), "unit": unit}, value=1.0))
        for lead, row in _leads(rows, horizons, instant(now)):
            met.add(lead)
            values += [
                Sample(labels={**own, "horizon": lead, "quantile": f"{q:g}"}, value=float(row[columns[q]]))
                for q in quantiles
            ]
    if not met and len(frame):
        raise PublishRefused(
            f"none of the horizons {', '.join(map(duration_text, horizons))} of {signal} lies within its forecast, "
            f"which ends {frame['ds'].max():%Y-%m-%d %H:%M} UTC; forecast further or name shorter horizons"
        )
    return (
        Family(
            name="tutordex_forecast",
            help="Quantile of the signal forecast for the scrape time plus horizon, in the signal's unit.",
            samples=tuple(values),
        ),
        Family(
            name="tutordex_forecast_info",
            help="Always 1; which model made the forecast of a signal, and the signal's unit.",
            samples=tuple(infos),
        ),
    )


def from_breach(signal: str, breach: Breach, *, limit: str) -> tuple[Family, ...]:
    """How likely a limit is reached within given times, and when.

    Args:
        signal: Name of what is forecast.
        breach: Its `.frame` and `.dates`; a date that is NaT (not within the horizon) is left out.
        limit: Name of the limit, such as "hard".
    """
    probabilities = [
        Sample(
            labels={
                "signal": signal,
                **own_labels(str(unique_id)),
                "limit": limit,
                "within": duration_text(within),
            },
            value=float(probability),
        )
        for unique_id, within, probability in zip(
            *(breach.frame[name] for name in ("unique_id", "within", "probability")), strict=True
        )
    ]
    names = [name for name in map(str, breach.dates.columns) if re.fullmatch(r"q0\.\d+", name)]
    dates = [
        Sample(
            labels={"signal": signal, **own_labels(str(unique_id)), "limit": limit, "quantile": name[1:]},
            value=math.nan if pd.isna(date) else pd.Timestamp(date).timestamp(),
        )
        for name in names
        for unique_id, date in zip(breach.dates["unique_id"], breach.dates[name], strict=True)
    ]
    return (
        Family(
            name="tutordex_breach_probability",
            help="Probability that the signal reaches the limit within the time, 0 to 1.",
            samples=tuple(probabilities),
        ),
        Family(
            name="tutordex_breach_timestamp_seconds",
            help="Quantile of the moment at which the signal reaches the limit, unix seconds; absent: not within the "
            "horizon of the forecast.",
            samples=tuple(dates),
        ),
    )


def from_limits(signal: str, limits: Mapping[str, float]) -> tuple[Family, ...]:
    """The limits themselves, by name, so that alerts and panels need not repeat them: `… > on(signal) group_left …`."""
    samples = tuple(Sample(labels={"signal": signal, "limit": name}, value=one) for name, one in limits.items())
    return (Family(name="tutordex_capacity_limit", help="Limit of the signal, in the signal's unit.", samples=samples),)


def render(
    families: Iterable[Family],
    *,
    data_end: Instant,
    validity: Span,
    now: Instant,
    as_of: Instant | None = None,
    most_series: int = MOST_SERIES,
) -> str:
    """One text of all families, the same for the same input; families of one name are joined.

    Args:
        families: In any order.
        data_end: The newest instant of the data behind them.
        validity: How old these data may be.
        now: The clock.
        as_of: A past moment that is played as now, for a demonstration; the text says so on top.
        most_series: The text is refused with more.

    Raises:
        PublishRefused: Too many series, data that are too old or from the future, a name that Prometheus does not
            allow, the same series twice, or nothing to say.
    """
    joined = _join(families)
    finite = {one.name: [sample for sample in one.samples if math.isfinite(sample.value)] for one in joined}
    kept = {name: samples for name, samples in finite.items() if samples}
    _check_size(kept, most_series)
    moment = instant(now if as_of is None else as_of)
    _check_age(instant(data_end), moment, instant(now), validity)
    if not kept:
        raise PublishRefused("there is not one finite value to publish; look at the history with report or doctor")
    stamp = moment.timestamp()
    generated = Family(
        name=GENERATED,
        help="When the samples of a family were computed, unix seconds.",
        samples=tuple(Sample(labels={"family": name}, value=stamp) for name in kept),
    )
    kept[GENERATED] = list(generated.samples)
    lines = [] if as_of is None else [f"# DEMONSTRATION as of {moment:%Y-%m-%d %H:%M} UTC: not the present."]
    for family in sorted([*joined, generated], key=lambda one: one.name):
        if family.name in kept:
            said = family.help.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [f"# HELP {family.name} {said}", f"# TYPE {family.name} gauge"]
            lines += _sample_lines(family.name, kept[family.name])
    if left_out := sum(len(one.samples) for one in joined) - sum(map(len, kept.values())) + len(generated.samples):
        lines.append(f"# Left out, since they are not finite: {left_out} samples.")
    return "\n".join(lines) + "\n"


def summary(families: Iterable[Family]) -> pd.DataFrame:
    """What would be published: one row a family with its series and how many are left out as not finite."""
    rows = [(one.name, [math.isfinite(sample.value) for sample in one.samples]) for one in _join(families)]
    return pd.DataFrame(
        [(name, sum(finite), len(finite) - sum(finite)) for name, finite in rows],
        columns=["family", "series", "left_out"],
    )


def _column(frame: pd.DataFrame, q: float) -> str:
    name = f"q{q:g}"
    if name in frame.columns:
        return name
    if q == 0.5:
        return "yhat"
    there = ", ".join(str(one) for one in frame.columns if str(one).startswith("q0"))
    raise PublishRefused(f"the forecast has no quantile {q:g} to publish; it has {there}")


def _leads(rows: pd.DataFrame, horizons: Sequence[Span], now: pd.Timestamp) -> list[tuple[str, pd.Series]]:
    """The row for each lead: the one nearest to now + lead, at most a step away from it."""
    moments = pd.DatetimeIndex(rows["ds"])
    step = moments[1] - moments[0] if len(moments) > 1 else pd.Timedelta(0)
    found = []
    for lead in dict.fromkeys(duration(one) for one in horizons):
        away = np.abs(moments - (now + lead))
        nearest = int(np.argmin(away))
        if lead >= step and away[nearest] <= max(step, _SKEW):
            found.append((duration_text(lead), rows.iloc[nearest]))
    return found


def _join(families: Iterable[Family]) -> list[Family]:
    """One family a name, in the order of the names."""
    by_name: dict[str, Family] = {}
    for one in families:
        if not _NAME.fullmatch(one.name) or one.name == GENERATED:
            raise PublishRefused(f"{one.name!r} cannot be the name of a published metric")
        first = by_name.get(one.name, Family(name=one.name, help=one.help, samples=()))
        if first.help != one.help:
            raise PublishRefused(f"{one.name} is described in two ways; one name has one meaning")
        by_name[one.name] = Family(name=one.name, help=one.help, samples=first.samples + one.samples)
    return [by_name[name] for name in sorted(by_name)]


def _check_size(kept: Mapping[str, Sequence[Sample]], most: int) -> None:
    total = sum(map(len, kept.values())) + len(kept)
    if total <= most:
        return
    groups = Counter(
        f"{name} of {sample.labels['signal']}" if "signal" in sample.labels else name
        for name, samples in kept.items()
        for sample in samples
    )
    biggest = ", ".join(f"{name} ({count:,})" for name, count in groups.most_common(3))
    raise PublishRefused(
        f"{total:,} series are more than the {most:,} that may be published; the most come from {biggest}; "
        "publish fewer signals, horizons or labels"
    )


def _check_age(data_end: pd.Timestamp, moment: pd.Timestamp, now: pd.Timestamp, validity: Span) -> None:
    if moment > now + _SKEW:
        raise PublishRefused(f"{moment:%Y-%m-%d %H:%M} UTC has not come yet; as-of is now or a past moment")
    if data_end > moment + _SKEW:
        raise PublishRefused(
            f"the data end {data_end:%Y-%m-%d %H:%M} UTC, after {moment:%Y-%m-%d %H:%M} UTC when they would have been "
            "published; check the clocks, or choose a later as-of"
        )
    if moment - data_end > duration(validity):
        raise PublishRefused(
            f"the data end {data_end:%Y-%m-%d %H:%M} UTC, more than {duration_text(validity)} before "
            f"{moment:%Y-%m-%d %H:%M} UTC; pull newer data, or show a past moment with as-of"
        )


def _sample_lines(name: str, samples: Sequence[Sample]) -> list[str]:
    ordered = sorted((sorted(one.labels.items()), one.value) for one in samples)
    lines, before = [], None
    for labels, value in ordered:
        if labels == before:
            raise PublishRefused(f"two samples of {name} have the same labels {dict(labels)}; keep them apart")
        before = labels
        bad = next((key for key, _ in labels if not _NAME.fullmatch(key) or ":" in key), None)
        if bad is not None:
            raise PublishRefused(f"{bad!r} cannot be a label of {name}; use letters, digits and _")
        pairs = ",".join(f'{key}="{escape(text)}"' for key, text in labels if text)
        lines.append(f"{name}{{{pairs}}} {_number(value)}" if pairs else f"{name} {_number(value)}")
    return lines


def _number(value: float) -> str:
    """All digits of a float, none for a whole number's fraction."""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(float(value))
