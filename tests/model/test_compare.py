"""`compare` and `family`: verdicts, refusals and bad input."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import tutordex_analysis
from tutordex_analysis.errors import ExperimentError
from tutordex_analysis.model import srm
from tutordex_analysis.model.arms import Columns
from tutordex_analysis.model.experiment import compare, family
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.sequential import critical_z
from tutordex_analysis.model.summary import of_values

HOURS = pd.date_range("2026-03-02", periods=14 * 24, freq="h", tz="UTC")


def share(successes, n):
    return {"successes": successes, "n": n}


def users(n, *, first=0, seed=0, lift=0.0):
    rng = np.random.default_rng([seed, first])
    before = rng.gamma(2.0, 3.0, n)
    return pd.DataFrame(
        {
            "unit": np.arange(first, first + n),
            "outcome": 0.8 * before + rng.gamma(2.0, 1.0, n) + lift,
            "before": before,
            "requests": rng.poisson(3, n) + 1,
            "requests_before": rng.poisson(3, n) + 1,
        }
    )


def buckets(rate, *, seed=0, trials=True):
    rng = np.random.default_rng(seed)
    n = rng.poisson(60, len(HOURS))
    table = pd.DataFrame({"ds": HOURS, "y": rng.binomial(n, rate / 60)})
    return table.assign(trials=n) if trials else table


def test_the_root_hands_it_on():
    assert tutordex_analysis.compare is compare


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_a_difference_of_proportions_has_all_its_numbers():
    verdict = compare(share(200, 4000), share(246, 4020), metric="applied")
    assert (verdict.status, verdict.kind, verdict.refused) == ("better", "proportion", False)
    assert verdict.effect.ci_lo < verdict.effect.estimate < verdict.effect.ci_hi
    assert 0 < verdict.lift.ci_lo < verdict.lift.estimate < verdict.lift.ci_hi
    pooled = stats.norm.sf((246 / 4020 - 0.05) / math.sqrt(446 / 8020 * (1 - 446 / 8020) * (1 / 4000 + 1 / 4020)))
    assert verdict.p_value == pytest.approx(2 * pooled, rel=1e-3)
    assert verdict.effective_n == 8020
    assert not verdict.srm.failed
    assert verdict.mde_lift == pytest.approx(verdict.mde / 0.05)
    assert "score" in verdict.method
    assert verdict.why
    assert verdict.sentence == (
        "applied: 6.12 % against 5 %. The treatment is better (+22 %, +2.1 to +47 %, 95 % interval, p = 0.029)."
    )


def test_less_may_be_better():
    assert compare(share(200, 4000), share(246, 4020), higher_is_better=False).status == "worse"


def test_few_conversions_make_no_interval_narrower():
    few = compare(share(5, 400), share(12, 400))
    plain = tutordex_analysis.model.proportion.score(Share(successes=5, n=400), Share(successes=12, n=400))
    assert few.effect.ci_lo < plain.ci_lo < plain.ci_hi < few.effect.ci_hi
    assert few.p_value > plain.p_value
    assert "under 20" in few.why


def test_means_match_scipy():
    one, two = users(300), users(310, first=1000, lift=0.6)
    found = stats.ttest_ind(two["outcome"], one["outcome"], equal_var=False)
    verdict = compare(one, two)
    assert verdict.p_value == pytest.approx(found.pvalue)
    assert (verdict.effect.ci_lo, verdict.effect.ci_hi) == pytest.approx(tuple(found.confidence_interval()))
    totals = compare(of_values(one["outcome"]), of_values(two["outcome"]))
    assert totals.effect.estimate == pytest.approx(verdict.effect.estimate)


def test_yes_and_no_in_rows_are_proportions():
    one = pd.DataFrame({"unit": range(100), "outcome": [True] * 30 + [False] * 70})
    two = pd.DataFrame({"unit": range(200, 300), "outcome": [1] * 45 + [0] * 55})
    verdict = compare(one, two)
    assert verdict.kind == "proportion"
    assert verdict.effect == compare(share(30, 100), share(45, 100)).effect


def test_a_covariate_narrows_the_interval_and_all_scales_agree():
    one, two = users(400), users(400, first=1000, lift=0.5)
    plain, adjusted = compare(one, two), compare(one, two, covariate="before")
    assert adjusted.effect.se < 0.5 * plain.effect.se
    assert adjusted.effective_n > 4 * plain.effective_n
    assert adjusted.lift.ci_lo > 0
    assert adjusted.effect.significant
    ratio = compare(one, two, denominator="requests", covariate="before", covariate_denominator="requests_before")
    assert ratio.kind == "ratio"
    assert ratio.effect.ci_lo < ratio.effect.estimate < ratio.effect.ci_hi


def test_ratio_metrics_take_units_and_not_requests():
    one, two = users(400), users(400, first=1000)
    verdict = compare(one, two, denominator="requests")
    arms = [
        y["outcome"] / y["requests"].mean()
        - y["outcome"].sum() / y["requests"].sum() * y["requests"] / y["requests"].mean()
        for y in (one, two)
    ]
    se = math.sqrt(sum(off.var() / len(off) for off in arms))
    assert verdict.effect.se == pytest.approx(se)


def test_pairs_that_agree_say_nothing():
    one = pd.DataFrame({"unit": range(200), "outcome": [1] * 100 + [0] * 100})
    two = one.assign(outcome=[1] * 95 + [0] * 5 + [1] * 15 + [0] * 85)
    verdict = compare(one, two.iloc[::-1], paired=True)
    assert verdict.method == "McNemar, exact"
    assert verdict.p_value == pytest.approx(stats.binomtest(15, 20).pvalue)
    assert verdict.effect.estimate == pytest.approx(0.05)
    assert "20 pairs" in verdict.why
    assert verdict.srm is None


def test_paired_numbers_are_the_paired_t():
    one = users(50)
    two = one.assign(outcome=one["outcome"] * 1.1 + np.random.default_rng(1).normal(0, 0.2, 50))
    found = stats.ttest_rel(two["outcome"], one["outcome"])
    verdict = compare(one, two, paired=True)
    assert verdict.p_value == pytest.approx(found.pvalue)
    assert verdict.lift.ci_lo < 0.1 < verdict.lift.ci_hi


def test_numbers_of_pairs_are_no_percents():
    rng = np.random.default_rng(2)
    one = pd.DataFrame({"unit": range(60), "outcome": rng.gamma(4, 0.1, 60)})
    verdict = compare(one, one.assign(outcome=one["outcome"] * 0.8), paired=True, higher_is_better=False)
    assert (verdict.kind, verdict.method, verdict.status) == ("mean", "paired t", "better")
    assert verdict.sentence.startswith(f"metric: {verdict.treatment:.3g} against {verdict.control:.3g}. ")
    counts = one.assign(outcome=rng.poisson(0.3, 60))  # some counts are 0 and 1 alone by chance
    few = counts.assign(outcome=np.minimum(counts["outcome"], 1))
    assert compare(counts.assign(outcome=few["outcome"] * 3 % 4 + (few.index == 7)), few, paired=True).kind == "mean"


def test_units_in_both_arms_are_left_out_and_said():
    verdict = compare(users(100), users(100, first=95))
    assert verdict.notes == ("5 units were in both arms and are left out",)
    assert (verdict.n_control, verdict.n_treatment) == (95, 95)


def test_counters_are_paired_by_day():
    one, two = buckets(5.0), buckets(6.5, seed=1)
    verdict = compare(one, two, assignment="request")
    assert verdict.blocks == 14
    assert verdict.effect.df == 7
    assert verdict.status == "better"
    assert 0.3 < verdict.dispersion < 3
    days = [y.groupby(y["ds"].dt.floor("D"))[["y", "trials"]].sum() for y in (one, two)]
    rates = [day["y"].sum() / day["trials"].sum() for day in days]
    assert (verdict.control, verdict.treatment) == pytest.approx(rates)


def test_a_day_without_a_reading_is_left_out_of_both_arms():
    one, two = buckets(5.0, trials=False), buckets(5.0, seed=1, trials=False)
    one.loc[30, "y"] = np.nan
    verdict = compare(one, two, assignment="request")
    assert verdict.blocks == 13
    assert verdict.notes == ("1 blocks of time lack a bucket and are left out",)


def test_requests_of_one_user_are_no_sample():
    rng = np.random.default_rng(3)
    y = pd.DataFrame({"unit": np.repeat(np.arange(200), 9), "outcome": rng.lognormal(0, 1, 1800)})
    x = y.assign(unit=y["unit"] + 1000, outcome=rng.lognormal(0, 1, 1800))
    verdict = compare(y, x, quantile=0.95, higher_is_better=False)
    assert verdict.kind == "quantile"
    assert verdict.n_control == 200
    assert verdict.control == pytest.approx(np.quantile(y["outcome"], 0.95))


# --- looks ------------------------------------------------------------------------------------------------------------


def test_a_verdict_of_any_look_is_wider_and_stays_right():
    once, held = (compare(share(200, 4000), share(260, 4020), looks=looks) for looks in ("once", "any"))
    assert held.effect.ci_lo < once.effect.ci_lo
    assert held.p_value > once.p_value
    assert held.method == "always valid"
    assert compare(share(0, 30), share(9, 30), looks="any").status == "no_difference_shown"


@given(
    st.integers(0, 60),
    st.integers(60, 6000),
    st.integers(0, 60),
    st.integers(60, 6000),
    st.sampled_from(["once", "any"]),
)
@settings(max_examples=150, deadline=None)
def test_p_value_interval_and_relative_interval_agree(c, n, t, m, looks):
    verdict = compare(share(c, n), share(t, m), split=(n, m), looks=looks)
    if verdict.refused or abs(verdict.p_value - 0.05) < 1e-9:
        return
    shown = verdict.p_value <= 0.05
    assert shown == (not verdict.effect.ci_lo <= 0 <= verdict.effect.ci_hi)
    assert shown == (not verdict.lift.ci_lo <= 0 <= verdict.lift.ci_hi)


@given(st.integers(0, 60), st.integers(60, 6000), st.integers(0, 60), st.integers(60, 6000))
@settings(max_examples=80, deadline=None)
def test_swapping_the_arms_turns_the_effect_around(c, n, t, m):
    one, two = compare(share(c, n), share(t, m), split=(n, m)), compare(share(t, m), share(c, n), split=(m, n))
    assert one.effect.estimate == pytest.approx(-two.effect.estimate)
    if not one.refused:
        assert one.p_value == pytest.approx(two.p_value)
        assert (one.effect.ci_lo, one.effect.ci_hi) == pytest.approx((-two.effect.ci_hi, -two.effect.ci_lo), abs=1e-9)


def test_a_group_sequential_look_asks_for_more():
    early, late = (compare(share(200, 4000), share(255, 4020), looks=looks) for looks in ([0.5], [0.5, 1.04]))
    assert early.status == "no_difference_shown"
    assert late.status == "better"
    assert early.p_value == late.p_value
    assert early.notes == ("look 1: a difference is shown from p = 0.0031",)


def test_the_bound_of_any_look_shrinks_for_good():
    t = np.array([1.0, 10.0, 100.0, 1000.0])
    width = critical_z(t) / np.sqrt(t)
    assert (np.diff(width) < 0).all()
    assert width[-1] < 0.2 * width[0]


def test_looking_after_every_visitor_rarely_finds_nothing():
    rng = np.random.default_rng(11)
    n = np.arange(1, 2001)
    c, t = (np.cumsum(rng.random((400, 2000)) < 0.05, axis=1) for _ in range(2))
    pool = (c + t) / (2 * n)
    se = np.sqrt(pool * (1 - pool) * 2 / n)
    z = np.abs(t - c) / n / np.where(se > 0, se, np.inf)
    assert (z >= critical_z(n / 5000)).any(axis=1).mean() <= 0.05
    assert (z >= 1.96).any(axis=1).mean() > 0.25


# --- refusals ---------------------------------------------------------------------------------------------------------


def bare(verdict):
    numbers = [
        *(verdict.effect.p_value, verdict.effect.ci_lo, verdict.effect.ci_hi),
        *(verdict.lift.p_value, verdict.lift.ci_lo, verdict.lift.ci_hi, verdict.p_adjusted),
    ]
    return verdict.refused and all(math.isnan(one) for one in numbers) and verdict.reason in verdict.sentence


def test_a_bad_split_blocks_everything():
    verdict = compare(share(200, 4000), share(246, 4500))
    assert verdict.status == "blocked"
    assert bare(verdict)
    assert verdict.srm.failed


def test_a_planned_uneven_split_is_no_mismatch():
    assert compare(share(200, 4000), share(25, 450), split=(9, 1)).srm.failed is False


@pytest.mark.parametrize(
    ("control", "treatment"),
    [(buckets(5.0), buckets(5.0, seed=1)), ({"events": 200, "exposure": 10}, {"events": 246, "exposure": 10})],
)
def test_counters_under_sticky_assignment_have_no_verdict(control, treatment):
    verdict = compare(control, treatment)
    assert verdict.status == "no_verdict"
    assert bare(verdict)
    assert "one row a user" in verdict.reason


@pytest.mark.parametrize(
    ("control", "treatment"),
    [(share(200, 4000), share(246, 9020)), (users(100), users(100, first=500)), (buckets(5.0), buckets(5.0, seed=1))],
)
def test_before_and_after_has_no_significance(control, treatment):
    verdict = compare(control, treatment, assignment="none")
    assert verdict.status == "not_randomised"
    assert bare(verdict)
    assert not math.isnan(verdict.effect.estimate)


@pytest.mark.parametrize(
    ("control", "treatment", "word"),
    [
        (share(0, 1), share(1, 1), "one unit"),
        (share(0, 500), share(0, 500), "no unit"),
        (share(500, 500), share(490, 490), "every unit"),
        ({"mean": 1.0, "sd": 0.0, "n": 30}, {"mean": 2.0, "sd": 0.0, "n": 30}, "do not vary"),
        ({"sum": 3.0, "sum_squares": 9.0, "n": 1}, {"mean": 2.0, "sd": 1.0, "n": 1}, "one unit"),
    ],
)
def test_too_little_is_said_and_no_p_of_one(control, treatment, word):
    verdict = compare(control, treatment)
    assert verdict.status == "not_enough"
    assert bare(verdict)
    assert word in verdict.reason


def test_fewer_than_six_days_of_counters_are_not_enough():
    verdict = compare(buckets(5.0)[: 5 * 24], buckets(9.0, seed=1)[: 5 * 24], assignment="request")
    assert verdict.status == "not_enough"
    assert bare(verdict)
    assert "6 are the least" in verdict.reason


def test_counters_are_looked_at_once():
    assert compare(buckets(5.0), buckets(9.0, seed=1), assignment="request", looks="any").status == "no_verdict"


# --- bad input --------------------------------------------------------------------------------------------------------

GOOD = users(50)
YES = pd.DataFrame({"unit": range(40), "outcome": [0, 1] * 20})
SLOW = pd.DataFrame({"unit": range(2000), "outcome": np.arange(2000.0)})


def sums(**changed):
    """Totals of a ratio metric of a hundred units."""
    made = {
        "numerator_sum": 200.0, "denominator_sum": 400.0, "numerator_sum_squares": 500.0,
        "denominator_sum_squares": 2000.0, "product_sum": 900.0, "n": 100,
    }  # fmt: skip
    return made | changed


@pytest.mark.parametrize(
    ("control", "treatment", "options", "sentence"),
    [
        (share(3, 2), share(1, 2), {}, "more successes"),
        (share(-1, 2), share(1, 2), {}, "cannot be negative"),
        (share(0, 0), share(1, 2), {}, "at least one unit"),
        (share(math.nan, 5), share(1, 2), {}, "finite"),
        (share(1, 5), share(2, math.nan), {}, "n of the treatment is nan; totals are finite numbers: leave units"),
        ({"events": 3, "exposure": math.inf}, {"events": 3, "exposure": 9}, {}, "exposure of the control is inf"),
        ({"mean": 1, "sd": math.nan, "n": 4}, {"mean": 1, "sd": 1, "n": 4}, {}, "sd of the control is nan"),
        (sums(), sums(n=math.nan), {}, "n of the treatment is nan"),
        (sums(product_sum=math.nan), sums(), {}, "product_sum of the control is nan"),
        (sums(numerator_sum_squares=100.0), sums(), {}, "a sum of squares is too small"),
        (sums(product_sum=5000.0), sums(), {}, "a sum of products is too far from zero"),
        (share(1, 5), share(1, 2), {"alpha": 0.0}, "alpha"),
        (share(1, 5), share(1, 2), {"alpha": 1.0}, "alpha"),
        (share(1, 5), share(1, 2), {"alpha": math.nan}, "alpha"),
        (share(1, 5), share(1, 2), {"split": (1, 0)}, "split"),
        (share(1, 5), share(1, 2), {"assignment": "random"}, "sticky, request or none"),
        (share(1, 5), share(1, 2), {"looks": "often"}, "once, any"),
        (share(1, 5), share(1, 2), {"looks": [0.5, 0.4]}, "rise"),
        (share(1, 5), share(1, 2), {"looks": "any", "tuned_for": 0}, "tuned size"),
        (share(1, 5), share(1, 5), {"quantile": 0.5}, "one row a unit"),
        (share(1, 5), {"mean": 1, "sd": 1, "n": 4}, {}, "different forms"),
        ({"wins": 3, "n": 5}, share(1, 2), {}, "successes and n"),
        ({"successes": "three", "n": 5}, share(1, 2), {}, "numbers"),
        ({"sum": 9.0, "sum_squares": 1.0, "n": 5}, {"sum": 1.0, "sum_squares": 1.0, "n": 5}, {}, "too small"),
        ({"mean": 1.0, "sd": -1.0, "n": 5}, {"mean": 1.0, "sd": 1.0, "n": 5}, {}, "from 0"),
        (GOOD, share(1, 2), {}, "different forms"),
        (GOOD[:0], GOOD, {}, "no rows"),
        (GOOD.assign(outcome=np.nan), users(50, first=90), {}, "missing"),
        (GOOD.assign(outcome=np.inf), users(50, first=90), {}, "infinite"),
        (GOOD.assign(outcome="yes"), users(50, first=90), {}, "no number"),
        (GOOD.assign(unit=1), users(50, first=90), {}, "repeat"),
        (GOOD.drop(columns="unit"), users(50, first=90), {}, "only one arm"),
        (GOOD, GOOD, {}, "paired"),
        (GOOD, users(50, first=90), {"outcome": "spend"}, "'spend'"),
        (GOOD, users(50, first=90), {"paired": True}, "no pairs"),
        (share(1, 2), share(1, 2), {"paired": True}, "two tables"),
        (YES, YES.assign(outcome=100 * YES["outcome"]), {"paired": True}, "'outcome' of the treatment is 0 and 100"),
        (YES.assign(outcome=-2 * YES["outcome"]), YES, {"paired": True}, "'outcome' of the control is 0 and -2"),
        (SLOW, SLOW[:1].assign(unit=9999), {"quantile": 0.5}, "in the treatment one unit has all values"),
        (SLOW[:4], SLOW.assign(unit=9999 + SLOW["unit"]), {"quantile": 0.99}, "in the control 4 values of 4 units are"),
        (SLOW, SLOW[:4].assign(unit=9999 + SLOW["unit"]), {"quantile": 0.99}, "in the treatment 4 values of 4 units"),
        (buckets(5.0), buckets(5.0)[1:], {"assignment": "request"}, "different buckets"),
        (buckets(5.0), buckets(5.0, trials=False), {"assignment": "request"}, "trials"),
        (buckets(5.0).assign(y=-1), buckets(5.0), {"assignment": "request"}, "negative"),
        (pd.concat([buckets(5.0)] * 2), pd.concat([buckets(5.0)] * 2), {"assignment": "request"}, "twice"),
        (
            buckets(5.0).assign(ds=HOURS.tz_localize(None)),
            buckets(5.0).assign(ds=HOURS.tz_localize(None)),
            {},
            "no zone",
        ),
        (buckets(5.0).assign(trials=1), buckets(5.0).assign(trials=1), {"assignment": "request"}, "more events"),
    ],
)
def test_what_cannot_be_is_one_sentence(control, treatment, options, sentence):
    with pytest.raises(ExperimentError) as caught:
        compare(control, treatment, **options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


# --- several metrics --------------------------------------------------------------------------------------------------


def test_a_family_is_corrected_and_its_intervals_agree():
    rng = np.random.default_rng(4)
    names = [f"m{i}" for i in range(8)]
    one = pd.DataFrame({"unit": range(800), **{name: rng.normal(5, 1, 800) for name in names}})
    two = one.assign(
        unit=one["unit"] + 5000, **{name: rng.normal(5 + (i < 2) * 0.2, 1, 800) for i, name in enumerate(names)}
    )
    for correction in ("holm", "benjamini-hochberg", "bonferroni"):
        verdicts = family(one, two, outcomes=names, correction=correction)
        assert [one.metric for one in verdicts] == names
        for verdict in verdicts:
            shown = verdict.p_adjusted <= 0.05
            assert shown == (verdict.status in ("better", "worse"))
            assert shown == (not verdict.effect.ci_lo <= 0 <= verdict.effect.ci_hi)
            assert shown == (not verdict.lift.ci_lo <= 0 <= verdict.lift.ci_hi)
            assert verdict.p_adjusted >= verdict.p_value
        assert [one.status for one in verdicts[:2]] == ["better", "better"]


def test_a_family_of_totals_at_any_look():
    control = {"applied": share(200, 4000), "failed": share(100, 4000)}
    treatment = {"applied": share(310, 4010), "failed": share(102, 4010)}
    first, second = family(control, treatment, outcomes=["applied", "failed"], looks="any", lower_is_better=["failed"])
    assert (first.status, second.status) == ("better", "no_difference_shown")
    assert first.alpha == pytest.approx(0.025)


def test_a_family_of_ratios_covariates_and_means_says_what_each_alone_would_at_its_level():
    one, two = users(400), users(400, first=400, seed=1, lift=0.6)
    columns = {
        "cuped": Columns(outcome="outcome", covariate="before"),
        "per request": Columns(outcome="outcome", denominator="requests"),
    }
    names = ["cuped", "per request", "outcome"]
    verdicts = family(one, two, outcomes=names, columns=columns)
    alone = [
        compare(one, two, covariate="before", alpha=verdicts[0].alpha),
        compare(one, two, denominator="requests", alpha=verdicts[1].alpha),
        compare(one, two, alpha=verdicts[2].alpha),
    ]
    for verdict, single in zip(verdicts, alone, strict=True):
        assert verdict.effect == single.effect
        assert verdict.p_adjusted >= verdict.p_value == single.p_value
    assert verdicts[0].alpha < 0.05  # it is the surest of three


def test_a_family_of_pairs_and_the_split_of_all_units():
    rng = np.random.default_rng(4)
    one = pd.DataFrame({"unit": np.arange(500), "ok": rng.random(500) < 0.8, "seconds": rng.gamma(4, 1, 500)})
    two = one.assign(ok=one["ok"] | (rng.random(500) < 0.5), seconds=one["seconds"] + rng.normal(0, 1, 500))
    first, second = family(one, two, outcomes=["ok", "seconds"], paired=True, lower_is_better=["seconds"])
    assert (first.status, first.method) == ("better", "McNemar, exact")
    assert second.status == "no_difference_shown"
    assert first.effect == compare(one, two, outcome="ok", paired=True, alpha=first.alpha).effect
    control, treatment = users(300), users(300, first=300)
    check = srm.chi_square([1000, 600], [1, 1])
    (blocked,) = family(control, treatment, outcomes=["outcome"], check=check)
    assert (blocked.status, blocked.srm) == ("blocked", check)


def test_a_refused_metric_is_no_test_of_the_family():
    control = {"applied": share(200, 4000), "never": share(0, 4000)}
    treatment = {"applied": share(250, 4010), "never": share(0, 4010)}
    first, second = family(control, treatment, outcomes=["applied", "never"])
    assert first.p_adjusted == pytest.approx(first.p_value)
    assert second.status == "not_enough"
