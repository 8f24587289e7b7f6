"""Verdicts on experiments whose truth is known: goals, guardrails, splits, segments, looks."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.experiment import Counters, Events, Experiment, Metric, Pairs
from tutordex_analysis.experiment_data import ExperimentData
from tutordex_analysis.question import experiment_parts as parts
from tutordex_analysis.question import experiments
from tutordex_analysis.question.experiment_verdict import verdict

TZ = "Asia/Singapore"
START = pd.Timestamp("2026-10-01T00:00", tz=TZ)
ARMS = {"control": "old", "treatment": "new"}
APPLIED = Metric(title="Applied", role="goal", event="apply", worth=0.1, within="7d")
CLICKS = Metric(title="Profile views", role="guardrail", margin=0.1, event="view", take="events", within="7d")


def plan(**changed):
    made = {
        "name": "order", "title": "Newest first", "unit": "user", "arms": ARMS, "start": START.isoformat(),
        "events": Events(), "metrics": {"applied": APPLIED, "views": CLICKS},
    }  # fmt: skip
    return Experiment(**made | changed)


def users(n, *, rates, views=(3.0, 3.0), days=20, seed=0, shares=(0.5, 0.5)):
    """Rows of units: who converted at which rate, and how often they looked."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < shares[1]
    return pd.DataFrame(
        {
            "unit": np.arange(n),
            "arm": np.where(treated, "treatment", "control"),
            "ds": START + pd.to_timedelta(rng.integers(0, days * 24, n), unit="h"),
            "applied": rng.random(n) < np.where(treated, rates[1], rates[0]),
            "views": rng.poisson(np.where(treated, views[1], views[0])),
        }
    )


def told(units, *, over=False, **changed):
    data = ExperimentData(experiment=plan(**changed), end=units["ds"].max(), over=over, units=units)
    return experiments.tell(data, tz=TZ)


def test_a_goal_that_is_better_with_a_guardrail_that_held():
    one = told(users(6000, rates=(0.10, 0.15)))
    assert (one.verdict.state, one.verdict.guards) == ("better", {"views": "held"})
    assert one.sentence.startswith("Newest first: Applied 1")
    assert "The treatment is better" in one.sentence
    assert "Unharmed: Profile views (at worst " in one.sentence


def test_a_harmed_guardrail_and_one_that_is_open():
    harmed = told(users(6000, rates=(0.10, 0.15), views=(3.0, 2.4)))
    assert harmed.verdict.guards == {"views": "harmed"}
    assert "Harmed: Profile views" in harmed.sentence
    opened = told(users(300, rates=(0.10, 0.15)))
    assert opened.verdict.guards == {"views": "open"}
    assert "Whether Profile views (at worst" in opened.sentence
    found = experiments.experiments([harmed.verdict.data], tz=TZ)
    assert harmed.verdict.state == "harmed"  # whatever the goal says
    assert found.headline == "“Newest first”: harms a guardrail."
    assert found.findings["action"].tolist() == ["Do not roll it out before the harm is understood."]


def test_no_difference_says_what_would_be_needed_and_when():
    one = told(users(2000, rates=(0.10, 0.10)))
    need = one.need
    assert one.verdict.state == "no_difference_shown"
    assert need.worth == 0.1
    assert need.have == min(one.verdict.goal.n_control, one.verdict.goal.n_treatment)
    assert 40 < need.a_day < 60  # 2,000 users over 20 days in two arms
    assert "An effect of 10 % needs about" in one.sentence
    assert "at the pace of the last week" in one.sentence


@pytest.mark.parametrize("planned", [None, 40_000])
def test_with_the_units_needed_the_effect_in_question_is_the_one_worth_having(planned):
    def exact(n):
        """One in ten of either arm, exactly."""
        i = np.arange(n)
        return users(n, rates=(0.1, 0.1)).assign(
            arm=np.where(i // 10 % 2, "treatment", "control"), applied=i % 10 == 0, views=i % 7
        )

    need = told(exact(2000), planned=planned).need
    there = told(exact(2 * need.units // 20 * 20), planned=planned).verdict.goal
    assert there.mde_lift == pytest.approx(need.worth, rel=0.02)


def test_a_broken_split_blocks_every_metric_and_says_so_first():
    one = told(users(6000, rates=(0.10, 0.20), shares=(0.4, 0.6)))
    assert one.verdict.state == "blocked"
    assert {found.status for found in one.verdict.comparisons.values()} == {"blocked"}
    assert one.verdict.guards == {}
    assert one.sentence.startswith("Newest first: blocked: the split is not as planned (p < 0.0001)")
    assert one.over_time.empty
    assert one.segments == ()
    found = experiments.experiments([one.verdict.data], tz=TZ).findings
    assert found["effect"].isna().all()  # no number that invites to be believed


def test_days_count_from_the_zone_of_the_stack_and_the_interval_covers_the_end():
    one = told(users(6000, rates=(0.10, 0.15)))
    last = one.over_time.iloc[-1]
    assert last["n"] == 6000
    assert one.over_time["n"].is_monotonic_increasing
    assert {moment.tz_convert(TZ).hour for moment in one.over_time["ds"]} == {0}
    assert last["estimate"] == pytest.approx(one.verdict.goal.effect.estimate)
    assert last["lower"] == pytest.approx(one.verdict.goal.effect.ci_lo)
    assert one.split[["control", "treatment"]].to_numpy().sum() == 6000


def test_days_begin_where_clocks_change_at_midnight():
    zone = "America/Sao_Paulo"  # there was no midnight on 15 October 2017, and two on 18 February 2018
    for first in ("2017-10-13T12:00Z", "2018-02-16T12:00Z"):
        ds = pd.Timestamp(first) + pd.to_timedelta(np.arange(96) // 2, unit="h") * 2
        units = users(96, rates=(0.5, 0.5)).assign(ds=ds, arm=["control", "treatment"] * 48)
        one = experiments.tell(ExperimentData(experiment=plan(), end=ds.max(), units=units), tz=zone)
        assert one.split[["control", "treatment"]].to_numpy().sum() == 96
        assert len(one.split) == 5
        assert one.over_time["ds"].is_monotonic_increasing
        assert (one.over_time["ds"].dt.tz_convert(zone).dt.hour <= 1).all()


def test_a_look_at_the_end_only_waits_for_it():
    early = told(users(400, rates=(0.1, 0.5)), looks="once", planned=5000)
    assert early.verdict.comparisons == {}
    assert "it is looked at once, at its end: when 5,000 units an arm have come (1" in early.sentence
    assert early.running
    done = told(users(400, rates=(0.1, 0.5)), looks="once", planned=100, over=True)
    assert (done.verdict.state, done.running) == ("better", False)
    assert done.over_time.empty  # a look every day was not planned


def test_a_broken_split_is_told_before_the_planned_end_too():
    one = told(users(6000, rates=(0.10, 0.20), shares=(0.4, 0.6)), looks="once", planned=5000)
    assert (one.verdict.state, one.verdict.comparisons) == ("blocked", {})
    assert "blocked: the split is not as planned" in one.sentence


def test_a_metric_that_cannot_be_judged_yet_counts_in_the_correction():
    both = {"applied": APPLIED, "views": CLICKS.model_copy(update={"role": "goal", "margin": None})}
    units = users(3000, rates=(0.10, 0.14))
    whole = told(units, metrics=both).verdict
    waiting = told(units.assign(views=np.nan), metrics=both).verdict
    assert [*waiting.comparisons] == ["applied"]
    assert waiting.goal.alpha <= whole.goal.alpha  # else the first look would have all of alpha, and the next again
    assert waiting.goal.alpha == pytest.approx(0.025)


def test_the_band_over_time_ends_in_the_verdict_where_two_goals_are_corrected():
    goals = {"applied": APPLIED, "views": CLICKS.model_copy(update={"role": "goal", "margin": None})}
    one = told(users(6000, rates=(0.10, 0.15)), metrics=goals)
    last = one.over_time.iloc[-1]
    assert last["lower"] == pytest.approx(one.verdict.goal.effect.ci_lo)
    assert last["upper"] == pytest.approx(one.verdict.goal.effect.ci_hi)


def test_a_guardrail_of_a_negative_control_loses_where_it_falls():
    saved = Metric(title="Saved", role="guardrail", margin=0.1, event="save", take="value", within="7d")
    rng = np.random.default_rng(8)
    units = users(6000, rates=(0.1, 0.1))
    for shift, word in ((-3.0, "harmed"), (3.0, "held")):
        treated = (units["arm"] == "treatment").to_numpy()
        loss = rng.normal(-10, 1, len(units)) + np.where(treated, shift, 0.0)
        found = told(units.assign(saved=loss), metrics={"applied": APPLIED, "saved": saved}).verdict
        assert found.guards == {"saved": word}


def test_a_total_that_says_the_opposite_by_chance_is_no_alarm():
    alarms = 0
    for seed in range(60):
        units = users(600, rates=(0.1, 0.1), seed=seed)
        level = np.random.default_rng(seed + 1000).integers(0, 2, 600).astype(str)
        (part,) = told(units.assign(level=level), events=Events(segments=["level"])).segments
        alarms += part.reversed
    assert alarms == 0


def test_metrics_of_one_role_are_corrected_together_and_a_guardrail_is_not():
    metrics = {"applied": APPLIED, "views": CLICKS} | {
        name: Metric(title=name, event=name, role="behaviour", within="7d") for name in ("a", "b", "c")
    }
    rng = np.random.default_rng(3)
    units = users(3000, rates=(0.1, 0.1)).assign(**{name: rng.random(3000) < 0.2 for name in ("a", "b", "c")})
    found = told(units, metrics=metrics).verdict
    alphas = {name: one.alpha for name, one in found.comparisons.items()}
    assert alphas["applied"] == alphas["views"] == 0.05
    assert alphas["a"] == alphas["b"] == alphas["c"] == pytest.approx(0.05 / 3)


def test_a_metric_without_units_yet_does_not_take_the_others_along():
    units = users(3000, rates=(0.10, 0.18)).assign(views=np.nan)
    metrics = {"applied": APPLIED, "views": CLICKS.model_copy(update={"within": "14d"})}
    one = told(units, metrics=metrics)
    assert one.verdict.state == "better"
    assert one.verdict.unjudged == {"views": "the control has no unit that was watched for 14d yet"}
    assert one.sentence.endswith("Not judged: Profile views.")
    broken = told(users(3000, rates=(0.10, 0.18)).assign(views=np.inf))
    assert broken.verdict.state == "better"
    assert "infinite" in broken.verdict.unjudged["views"]


def test_segments_that_differ_and_a_total_that_says_the_opposite():
    rng = np.random.default_rng(5)
    n = 8000
    hard = rng.random(n) < 0.5
    treated = rng.random(n) < np.where(hard, 0.8, 0.2)  # the mix differs: more hard cases in the treatment
    base = np.where(hard, 0.1, 0.5) + np.where(treated, 0.05, 0.0)
    units = users(n, rates=(0.1, 0.1)).assign(
        arm=np.where(treated, "treatment", "control"), applied=rng.random(n) < base, level=np.where(hard, "JC", "P1")
    )
    found = experiments.experiments(
        [
            ExperimentData(
                experiment=plan(events=Events(segments=["level"])), end=units["ds"].max(), over=False, units=units
            )
        ],
        tz=TZ,
    )
    (part,) = found.told[0].segments
    assert part.reversed
    assert found.told[0].verdict.goal.status == "worse"
    assert (part.table["estimate"] > 0).all()
    assert found.findings["sentence"].str.contains("all together say the opposite of the segments by level").any()


def test_segments_of_the_same_effect_do_not_differ_and_small_ones_are_counted():
    units = users(8000, rates=(0.10, 0.15)).assign(level=lambda table: np.where(table["unit"] < 40, "rare", "often"))
    units.loc[units["unit"] % 2 == 0, "level"] = "P1"
    (part,) = told(units, events=Events(segments=["level"])).segments
    assert part.small == 1
    assert part.table["segment"].tolist() == ["P1", "often"]
    assert part.p_adjusted > 0.05
    assert not part.reversed


def test_pairs_are_judged_pair_by_pair():
    rng = np.random.default_rng(6)
    raw = pd.DataFrame({"unit": np.arange(800), "ds": START + pd.to_timedelta(np.arange(800), unit="h")})
    old = rng.random(800) < 0.80
    new = old | (rng.random(800) < 0.25)
    units = pd.concat([raw.assign(arm="control", parsed=old), raw.assign(arm="treatment", parsed=new)])
    metric = Metric(title="Parsed", role="goal", column="status", equals=["ok"])
    one = told(units, events=None, pairs=Pairs(), metrics={"parsed": metric}, unit="message")
    assert (one.verdict.state, one.verdict.goal.kind) == ("better", "paired")
    assert one.verdict.check is None
    assert one.over_time["n"].iloc[-1] == 1600
    assert one.split.empty


def test_counters_of_users_get_no_verdict_and_counters_of_requests_one_at_the_end():
    hours = pd.date_range(START, periods=14 * 24, freq="h").tz_convert("UTC")
    rng = np.random.default_rng(7)
    made = [
        pd.DataFrame({"ds": hours, "trials": rng.poisson(60, len(hours))}).assign(
            y=lambda t, p=p: rng.binomial(t["trials"], p)
        )
        for p in (0.10, 0.13)
    ]
    metric = Metric(title="Sent", role="goal", counter="sent_total", trials="tried_total")
    base = {"events": None, "counters": Counters(), "metrics": {"sent": metric}, "unit": "request"}
    sticky = plan(**base)
    data = {"end": hours[-1], "series": {"sent": tuple(made)}}
    assert verdict(ExperimentData(experiment=sticky, **data), tz=TZ).state == "no_verdict"
    running = plan(**base, assignment="request", end="2026-12-01T00:00+08:00")
    found = verdict(ExperimentData(experiment=running, **data), tz=TZ)
    assert found.state == "no_verdict"
    assert "looked at once" in found.goal.reason
    over = plan(**base, assignment="request", end=hours[-1].isoformat())
    assert verdict(ExperimentData(experiment=over, over=True, **data), tz=TZ).state == "better"


def test_totals_and_what_could_not_be_read():
    totals = {"control": {"successes": 200, "n": 4000}, "treatment": {"successes": 290, "n": 4020}}
    metric = Metric(title="Applied", role="goal", totals=totals)
    experiment = plan(events=None, metrics={"applied": metric})
    data = ExperimentData(experiment=experiment, end=pd.NaT, over=True, totals={"applied": tuple(totals.values())})
    assert experiments.tell(data, tz=TZ).verdict.state == "better"
    lacking = ExperimentData(experiment=plan(), end=pd.NaT, over=False, lacks="there is no table exposures; export it")
    found = experiments.experiments([data, lacking], tz=TZ)
    assert found.headline == "“Newest first”: better; 1 cannot be told yet."
    assert found.findings["sentence"].str.contains("no verdict: there is no table exposures; export it").any()
    assert experiments.scorecard(found.told)[0] == "1 of 2 experiments have a verdict."
    assert experiments.digest(found.told) != experiments.digest(found.told[:1])
    assert parts.need(found.told[0].verdict, tz=TZ) is None
    assert experiments.headline([]).startswith("No experiment is declared")
