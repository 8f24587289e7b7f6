"""The tournament: what the history allows, which models do better than the last season, and how much each counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import Floats
from tutordex_analysis.model import backtest as trials
from tutordex_analysis.model import combination, conformal
from tutordex_analysis.model.backtest import LEAST, QUANTILES, Forecaster, Trial, cutoff_places, name_of
from tutordex_analysis.model.basis import CYCLES
from tutordex_analysis.model.conformal import Stretch
from tutordex_analysis.model.counts import counts, is_count
from tutordex_analysis.model.decomposition import damped_trend, ets, theta
from tutordex_analysis.model.naive import drift, last_value, seasonal_naive
from tutordex_analysis.model.panel import Panel
from tutordex_analysis.model.prophet_model import prophet
from tutordex_analysis.model.pseudo import usual_season
from tutordex_analysis.model.score import mean
from tutordex_analysis.model.structural import straight_line, structural
from tutordex_analysis.moment import duration_text

COMBINATION = "combination"
MARGIN = 0.02  # a forecast must lose this share less than the seasonal naive, or the naive is used
CUTOFFS = 3
_LEAST_PLAIN = 12  # readings below which the last value is all that is forecast
_LOST = "{} lost to repeating the last season three times in a row and is away for four weeks"
NONE_DEMOTED: Mapping[str, frozenset[str]] = MappingProxyType({})

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """A model that may be tried.

    Attributes:
        model: What forecasts.
        family: Of models that err alike.
        cost: CPU seconds of one fit to a thousand readings on a plain processor, which `./run bench forecast` prints
            anew. A budget is held by this figure and not by a clock, so that the same input gives the same answer.
        suits: Which rows it can forecast; all when left out.
    """

    model: Forecaster
    family: str
    cost: float
    suits: Callable[[Floats], Mask] = field(default=lambda y: np.ones(len(y), dtype=np.bool_))


CANDIDATES = (  # cheap ones first; the seasonal naive is what all are measured against, and no part of a mixture
    Candidate(seasonal_naive, "naive", 0.001),
    Candidate(usual_season, "naive", 0.005),
    Candidate(drift, "drift", 0.001),
    Candidate(counts, "counts", 0.005, is_count),
    Candidate(ets, "smoothing", 0.02),
    Candidate(damped_trend, "smoothing", 0.02),
    Candidate(theta, "smoothing", 0.02),
    Candidate(structural, "structural", 0.06),
)
LATE = Candidate(prophet, "prophet", 0.2)  # for series on which the cheap ones have little to show
ENOUGH = 0.2  # share by which the cheap ones lose less than the naive, from which on no dear model is tried
BEYOND = (Candidate(seasonal_naive, "naive", 0.001), Candidate(straight_line, "structural", 0.06))


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """How one series is forecast, and why.

    Attributes:
        reason: A sentence.
        weights: Share of each model, adding up to 1; empty where there is not enough data.
        stretch: How much its bands are widened or narrowed; None where no past moment could tell.
    """

    reason: str
    weights: Mapping[Forecaster, float] = field(default_factory=dict)
    stretch: Stretch | None = None

    @property
    def shares(self) -> dict[str, float]:
        """The weights by the names of the models."""
        return {name_of(model): weight for model, weight in self.weights.items()}

    @property
    def name(self) -> str:
        """What the model is called in results."""
        if not self.weights:
            return "none"
        return name_of(next(iter(self.weights))) if len(self.weights) == 1 else COMBINATION


def choose(
    panel: Panel,
    *,
    horizon: int,
    season_lengths: tuple[int, ...],
    model: Literal["auto"] | Forecaster,
    options: Mapping[str, object],
    budget_seconds: float,
    demoted: Mapping[str, Collection[str]],
) -> tuple[list[Plan], pd.DataFrame]:
    """A plan for each series of the panel, and the tournament behind them (columns of `Backtest.frame`).

    A demoted model is no candidate for its series; the seasonal naive never is demoted.

    Raises:
        FrameError: `model` is neither "auto" nor a function.
    """
    n, season = len(panel.ds), min(season_lengths, default=1)
    readings = (~np.isnan(panel.y)).sum(axis=1)
    needed = max(2 * season, _LEAST_PLAIN)
    if callable(model):
        plan, scores = [_single(model, f"{name_of(model)}, as asked")] * len(panel.ids), pd.DataFrame()
    elif model == "auto":
        plan, scores = _automatic(panel, horizon, season_lengths, options, budget_seconds, demoted)
    else:
        raise FrameError(f'model is "auto" or a forecaster such as structural, got {model!r}')
    for i, count in enumerate(readings):
        if count < LEAST:
            plan[i] = Plan(reason=f"a forecast needs at least {LEAST} readings, the history of {n} steps has {count}")
        elif model == "auto" and count < needed:
            plan[i] = _single(
                last_value,
                f"a simpler model: {count} readings are fewer than the {needed} that show a season, "
                "so the last value is repeated",
            )
    return plan, scores


def _single(model: Forecaster, reason: str) -> Plan:
    return Plan(reason=reason, weights={model: 1.0})


def _automatic(
    panel: Panel,
    horizon: int,
    lengths: tuple[int, ...],
    options: Mapping[str, object],
    budget_seconds: float,
    demoted: Mapping[str, Collection[str]],
) -> tuple[list[Plan], pd.DataFrame]:
    n, season, count = len(panel.ds), min(lengths, default=1), len(panel.ids)
    if n < max(2 * season, _LEAST_PLAIN):
        return [_single(last_value, "")] * count, pd.DataFrame()  # too few readings; the reason follows
    near = min(horizon, n // 4)
    places = cutoff_places(n, near, season=season, cutoffs=CUTOFFS)
    at = [place for place in places if place >= max(CYCLES * season, _LEAST_PLAIN)]
    if not at:
        simple = f"a simpler model: {n} steps are too few to try models on past moments, so the last season is repeated"
        return [_single(seasonal_naive, simple)] * count, pd.DataFrame()
    field_ = _Field(panel=panel, horizon=near, season=season, lengths=lengths, at=at, options=options)
    known = BEYOND if horizon > n else CANDIDATES
    spent = 0.0
    for one in known:
        spent += one.cost * n / 1000 * (len(at) + 1)
        if one.family in ("naive", "structural") or spent <= budget_seconds:
            field_.enter(one, one.suits(panel.y) & _allowed(panel, one, demoted))
    if horizon <= n and spent + 2 * LATE.cost * n / 1000 <= budget_seconds:
        field_.enter_late(LATE, _allowed(panel, LATE, demoted))
    return field_.plans(beyond=horizon > n, demoted=demoted), field_.scores()


def _allowed(panel: Panel, one: Candidate, demoted: Mapping[str, Collection[str]]) -> Mask:
    """The series for which a model has not been demoted; repeating the last season never is."""
    name = name_of(one.model)
    return np.array([one.family == "naive" or name not in demoted.get(unique_id, ()) for unique_id in panel.ids])


@dataclass(kw_only=True, eq=False)
class _Field:
    """The models that compete on one panel, with their trials."""

    panel: Panel
    horizon: int
    season: int
    lengths: tuple[int, ...]
    at: Sequence[int]
    options: Mapping[str, object]
    entered: list[Candidate] = field(default_factory=list)
    trials: list[list[Trial]] = field(default_factory=list)
    losses: list[Floats] = field(default_factory=list)

    def enter(self, one: Candidate, rows: Mask) -> None:
        """Tries a model from every past moment."""
        if rows.any():
            self._keep(one, [self._try(one, place, rows) for place in self.at])

    def enter_late(self, one: Candidate, rows: Mask) -> None:
        """Tries a dear model from the newest past moment, and from the others where it beat all there.

        Only on series on which the combination of what has entered gained less than `ENOUGH`.
        """
        ours = mean(np.stack([self._lost(each) for each in self._mixed()], axis=1))
        rows = rows & ~(ours <= (1 - ENOUGH) * mean(self.losses[0]))
        if not rows.any():
            return
        newest = self._try(one, self.at[-1], rows)
        best = np.nanmin(np.where(np.isnan(self._loss), np.inf, self._loss)[:, :, -1], axis=1)
        won = rows & (self._lost(newest) < best)
        if won.any():
            self._keep(one, [*(self._try(one, place, won) for place in self.at[:-1]), newest], rows=won)

    def _lost(self, one: Trial) -> Floats:
        return trials.losses(self.panel, one, season=self.season)

    def _try(self, one: Candidate, place: int, rows: Mask) -> Trial:
        return trials.trial(
            one.model,
            self.panel,
            horizon=self.horizon,
            season_lengths=self.lengths,
            at=place,
            options=self.options,
            rows=rows,
        )

    def _keep(self, one: Candidate, found: list[Trial], *, rows: Mask | None = None) -> None:
        loss = np.stack([self._lost(each) for each in found], axis=1)
        self.entered.append(one)
        self.trials.append(found)
        self.losses.append(loss if rows is None else np.where(rows[:, None], loss, np.nan))

    @property
    def _loss(self) -> Floats:
        """Shape (n_series, n_models, n_moments)."""
        return np.stack(self.losses, axis=1)

    def _weights(self, moments: Sequence[int]) -> Floats:
        """Shares from what was lost at some of the moments, shape (n_series, n_models)."""
        loss = mean(self._loss[:, :, list(moments)])
        loss[:, 0] = np.nan  # the opponent
        return combination.weights(loss, families=[one.family for one in self.entered])

    def _mixed(self) -> list[Trial]:
        """What the combination would have said at each moment, its shares learnt at the others."""
        count = len(self.at)
        found = []
        for i in range(count):
            others = [j for j in range(count) if j != i] or [i]
            q = np.stack([each[i].q for each in self.trials])
            mixed = combination.mixed(q, self._weights(others), quantiles=QUANTILES)
            seconds = sum(each[i].seconds for each in self.trials)
            found.append(Trial(name=COMBINATION, at=self.at[i], q=mixed, seconds=seconds))
        return found

    def scores(self) -> pd.DataFrame:
        """Every trial scored, the combination's too."""
        flat = [one for each in self.trials for one in each]
        return trials.table(self.panel, [*flat, *self._mixed()], season=self.season)

    def plans(self, *, beyond: bool, demoted: Mapping[str, Collection[str]]) -> list[Plan]:
        """The combination where it beats the naive by the margin, else the naive; with bands that past errors set."""
        mixed, weight = self._mixed(), self._weights(range(len(self.at)))
        ours = mean(np.stack([self._lost(one) for one in mixed], axis=1))
        naive = mean(self.losses[0])
        actual = np.stack([trials.actual(self.panel, place, self.horizon) for place in self.at], axis=1)
        bands = np.stack([one.q for one in mixed], axis=1), np.stack([one.q for one in self.trials[0]], axis=1)
        span = duration_text(self.horizon * self.panel.step)
        result = []
        for i, unique_id in enumerate(self.panel.ids):
            if np.isnan(ours[i]) or np.isnan(naive[i]):
                unknown = "past moments cannot be scored: they have no readings, or each season is as the one before"
                result.append(_single(seasonal_naive, f"the last season is repeated, since {unknown}"))
                continue
            better = 1 - ours[i] / naive[i] if naive[i] > 0 else 0.0
            share = {one.model: float(w) for one, w in zip(self.entered, weight[i], strict=True) if w > 0}
            who = COMBINATION if len(share) > 1 else name_of(next(iter(share)))
            verdict = (
                f"over {span} from {len(self.at)} past moments {_parts(share)} did "
                f"{abs(better):.0%} {'better' if better > 0 else 'worse'} than the last season"
            )
            won = better >= MARGIN and who not in demoted.get(unique_id, ()) and who != name_of(seasonal_naive)
            if won:
                why = f"a simpler model, since the horizon is longer than the history; {verdict}" if beyond else verdict
            elif better >= MARGIN and who != name_of(seasonal_naive):
                why = f"the last season is repeated, although {verdict}"
            elif who == name_of(seasonal_naive):
                why = f"the last season is repeated, since over {span} from {len(self.at)} past moments nothing beat it"
            else:
                why = f"the last season is repeated, since nothing beat it by {MARGIN:.0%}: {verdict}"
            away = [_LOST.format(name) for name in sorted({*demoted.get(unique_id, ())} - {name_of(seasonal_naive)})]
            why = "; ".join([*away, why])
            past = bands[0][i] if won else bands[1][i]
            result.append(
                Plan(
                    reason=why,
                    weights=share if won else {seasonal_naive: 1.0},
                    stretch=conformal.stretch(
                        actual[i], past, quantiles=QUANTILES, horizons=len(self.panel.ds) / self.horizon
                    ),
                )
            )
        return result


def _parts(share: Mapping[Forecaster, float]) -> str:
    """The models of a combination in words, the largest share first."""
    ordered = sorted(share.items(), key=lambda one: -one[1])
    if len(ordered) == 1:
        return name_of(ordered[0][0])
    return " + ".join(f"{weight:.0%} {name_of(model)}" for model, weight in ordered)
