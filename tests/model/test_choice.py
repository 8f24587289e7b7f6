import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.model import backtest as trials
from tutordex_analysis.model import combination, conformal
from tutordex_analysis.model.backtest import QUANTILES
from tutordex_analysis.model.choice import CANDIDATES, LATE, MARGIN
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.panel import panels

N, H, DAY = 240, 12, 24
NO_PROPHET = 4 * N / 1000 * sum(one.cost for one in CANDIDATES) + 1e-9  # CPU seconds, enough for all others


def frame(**rows):
    return pd.concat(
        pd.DataFrame({"unique_id": name, "ds": pd.date_range("2026-01-05", periods=len(y), freq="h", tz="UTC"), "y": y})
        for name, y in rows.items()
    ).astype({"unique_id": "category"})


def wave(n=N, seed=0):
    return 50 + 10 * np.sin(2 * np.pi * np.arange(n) / DAY) + 2 * np.random.default_rng(seed).normal(size=n)


def ask(data, **options):
    return forecast(data, **({"horizon": H, "season_lengths": (DAY,), "budget_seconds": NO_PROPHET} | options))


def shares(reason):
    """Percentages by model, as the sentence says them."""
    found = {name: int(percent) / 100 for percent, name in re.findall(r"(\d+)% ([a-z_]+)", reason)}
    return {name: share for name, share in found.items() if name in {one.model.__name__ for one in (*CANDIDATES, LATE)}}


@pytest.mark.parametrize("kind", ["wave", "counts"])
def test_the_whole_way_in_slow_steps(kind):
    """Every model from every past moment, shares from the losses, the mixture, bands from the mixtures of the past."""
    y = wave(seed=3) if kind == "wave" else np.random.default_rng(0).poisson(4.0 + 3 * (np.arange(N) % DAY > 11)) * 1.0
    got = ask(frame(a=y))
    (panel,) = panels(frame(a=y))
    entered = [one for one in CANDIDATES if one.suits(panel.y).all()]
    at = [N - 3 * H, N - 2 * H, N - H]
    run = partial(trials.run, horizon=H, season_lengths=(DAY,), quantiles=QUANTILES, seed=0)
    q = np.stack([[run(one.model, panel.until(n))[0] for n in at] for one in entered])
    came = np.stack([y[n : n + H] for n in at])
    loss = np.empty((len(entered), 3))
    for i in range(len(entered)):
        for j, n in enumerate(at):
            scale = np.abs(y[DAY:n] - y[: n - DAY]).mean()
            error = came[j][:, None] - q[i, j][:, 1:-1]
            level = np.array(QUANTILES[1:-1])
            loss[i, j] = 2 * np.maximum(level * error, (level - 1) * error).mean() / scale
    families = [one.family for one in entered]
    loss[0] = np.nan  # the seasonal naive is the opponent, and no part of the mixture
    weight = combination.weights(loss.mean(axis=1)[None], families=families)
    past = np.stack(
        [
            combination.mixed(
                q[:, j][:, None],
                combination.weights(np.delete(loss, j, axis=1).mean(axis=1)[None], families=families),
                quantiles=QUANTILES,
            )[0]
            for j in range(3)
        ]
    )
    now = np.stack([run(one.model, panel) for one in entered])
    mixed = combination.mixed(now, weight, quantiles=QUANTILES)[0]
    want = conformal.stretch(came, past, quantiles=QUANTILES, horizons=N / H).apply(mixed, quantiles=QUANTILES)
    assert got.model["a"] in ("combination", entered[int(weight[0].argmax())].model.__name__)
    np.testing.assert_allclose(got.frame.iloc[:, 3:].to_numpy(), want, rtol=1e-9)
    told = dict(zip([one.model.__name__ for one in entered], weight[0], strict=True))
    for name, share in shares(got.reason["a"]).items():
        assert told[name] == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize("seed", range(4))
def test_the_sentence_says_what_the_scores_say(seed):
    y = wave(seed=seed) if seed % 2 else np.random.default_rng(seed).normal(size=N).cumsum()
    got = ask(frame(a=y))
    mean = got.scores.groupby("model")["pinball"].mean()
    better = 1 - mean["combination"] / mean["seasonal_naive"]
    word = "better" if better > 0 else "worse"
    assert f"did {abs(better):.0%} {word} than the last season" in got.reason["a"]
    assert "over 12h from 3 past moments" in got.reason["a"]
    assert (got.model["a"] != "seasonal_naive") == (better >= MARGIN)
    found = shares(got.reason["a"])
    assert not found or sum(found.values()) == pytest.approx(1, abs=0.03)
    assert all(share >= 0.05 for share in found.values())


def test_of_the_smoothing_models_one_counts():
    for seed in range(3):
        found = set(shares(ask(frame(a=wave(seed=seed))).reason["a"]))
        assert len(found & {"ets", "damped_trend", "theta"}) <= 1


def test_counts_are_tried_on_whole_events_only():
    events = np.random.default_rng(0).poisson(3.0, size=N).astype(float)
    got = ask(frame(events=events, halves=events / 2, below=events - 1))
    tried = got.scores.groupby("unique_id")["model"].unique()
    assert "counts" in tried["events"]
    assert "counts" in set(got.scores[got.scores["unique_id"] == "events"].dropna(subset="pinball")["model"])
    for name in ("halves", "below"):
        mine = got.scores[(got.scores["unique_id"] == name) & (got.scores["model"] == "counts")]
        assert mine["pinball"].isna().all()
        assert "counts" not in got.reason[name]


def test_a_demoted_model_is_not_used_for_its_series():
    data = frame(a=wave(), b=wave(seed=1))
    free = ask(data)
    assert "structural" in free.reason["a"]
    held = ask(data, demoted={"a": ["structural"]})
    assert "structural" not in held.shares["a"]
    assert held.reason["a"].startswith("structural lost to repeating the last season three times in a row")
    assert held.reason["b"] == free.reason["b"]
    mixed = ask(data, demoted={"a": ["combination"]})
    assert free.model["a"] == "combination"
    assert mixed.model["a"] == "seasonal_naive"
    assert mixed.reason["a"].startswith("combination lost to repeating the last season three times in a row")
    never = ask(data, demoted={"a": ["seasonal_naive"]})
    assert never.reason["a"] == free.reason["a"]


def test_a_budget_leaves_the_dear_ones_out():
    tried = [set(ask(frame(a=wave()), budget_seconds=b).scores["model"]) for b in (0.0, 0.03, NO_PROPHET, 2.0)]
    assert tried[0] == {"seasonal_naive", "usual_season", "structural", "combination"}
    assert tried[0] < tried[1] < tried[2] <= tried[3] <= tried[2] | {"prophet"}
    assert "prophet" not in tried[2]


def test_the_bands_of_the_naive_are_set_by_its_own_errors():
    walk = np.random.default_rng(0).normal(size=(20, DAY)).cumsum(axis=0).ravel()  # each hour walks on its own
    got = ask(frame(a=walk))
    assert got.model["a"] == "seasonal_naive"
    plain = ask(frame(a=walk), model=CANDIDATES[0].model)
    np.testing.assert_allclose(got.frame["yhat"], plain.frame["yhat"])
    ratio = (got.frame["q0.9"] - got.frame["q0.1"]) / (plain.frame["q0.9"] - plain.frame["q0.1"])
    assert (np.abs(ratio - 1) > 1e-3).any()
    assert ratio.between(0.4, 3.0).all()
