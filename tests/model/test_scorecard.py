"""Scores of issued forecasts against slow loops, and which models are sent away for them."""

import numpy as np
import pandas as pd
import pytest

from tests import oracle
from tests.issues import HOUR, MONDAY, WEEK, history, rows
from tutordex_analysis import issued
from tutordex_analysis.model import scorecard
from tutordex_analysis.model.forecast import forecast
from tutordex_analysis.model.scorecard import AWAY, away, demotions, recent, scored

KEY = ("cpu_used", "1h")
DECILES = tuple(p for p in issued.LEVELS if 0.05 < p < 0.95)


def one(table, y, **options):
    got = scored(table, {KEY: history(y, **options)})
    assert len(got) == 1
    return got.iloc[0]


def test_scores_equal_the_slow_loops():
    rng = np.random.default_rng(3)
    y = rng.normal(5, 2, 168)
    y[[4, 90]] = np.nan
    said, naive = rng.normal(5, 2, 168), rng.normal(5, 2, 168)
    table = rows(said=said, naive=naive, spread=3.0, scale=1.7)
    got = one(table, y)
    q, n = table[list(issued.SAID)].to_numpy(), table[list(issued.NAIVE)].to_numpy()
    at = {p: q[:, i] for i, p in enumerate(issued.LEVELS)}
    inside = [issued.LEVELS.index(p) for p in DECILES]
    past = [0.0, 1.7]  # one season of one step: what MASE divides by is 1.7
    assert got["steps"] == 166
    assert got["mase"] == pytest.approx(oracle.mase(y, said, past, 1))
    assert got["smape"] == pytest.approx(oracle.smape(y, said))
    assert got["bias"] == pytest.approx(oracle.bias(y, said))
    assert got["coverage_80"] == pytest.approx(oracle.coverage(y, at[0.1], at[0.9]))
    assert got["coverage_95"] == pytest.approx(oracle.coverage(y, at[0.025], at[0.975]))
    losses = [2 * oracle.pinball(y, values[:, inside], DECILES) / 1.7 for values in (q, n)]
    assert [got["pinball"], got["naive_pinball"]] == pytest.approx(losses)
    assert got["skill"] == pytest.approx(1 - losses[0] / losses[1])
    assert got["miss"] == pytest.approx(np.nansum(np.abs(y - said)) / np.nansum(np.abs(y)))
    assert got["happened"] == pytest.approx(np.nanmean(y))


def test_a_week_is_scored_when_it_is_over_and_not_an_hour_before():
    table = rows(n=400, said=1.0, naive=2.0)
    early = scored(table, {KEY: history(np.ones(300), end=MONDAY + WEEK - HOUR)})
    assert early.empty
    assert one(table, np.ones(300))["until"] == MONDAY + WEEK


def test_what_is_not_due_yet_does_not_disturb_what_is():
    early = rows(MONDAY + WEEK, signal="another", unique_id="another")
    both = {KEY: history(np.ones(168)), ("another", "1h"): history(np.ones(168), name="another")}
    got = scored(pd.concat([early, rows(said=1.0, naive=2.0)]), both)
    alone = scored(rows(said=1.0, naive=2.0), both)
    pd.testing.assert_frame_equal(got, alone)
    assert got["until"].dt.tz is not None


def test_a_horizon_shorter_than_a_week_is_due_at_its_end():
    got = one(rows(n=24), np.ones(48), end=MONDAY + 24 * HOUR)
    assert (got["steps"], got["until"]) == (24, MONDAY + 24 * HOUR)


def test_without_readings_nothing_is_scored_and_half_of_them_are_enough():
    y = np.full(168, np.nan)
    assert scored(rows(), {KEY: history(y)}).empty
    y[:83] = 1.0
    assert scored(rows(), {KEY: history(y)}).empty
    y[83] = 1.0
    assert one(rows(), y)["steps"] == 84
    assert scored(rows(), {}).empty
    assert scored(rows(unique_id="another"), {KEY: history(np.ones(168))}).empty


def test_a_history_in_which_nothing_moved_has_no_scale_and_so_no_skill():
    got = one(rows(said=1.0, scale=float("nan")), np.ones(168))
    assert np.isnan([got["mase"], got["pinball"], got["skill"]]).all()
    assert got["coverage_80"] == 1.0


def test_publications_of_one_day_are_one_witness():
    hourly = [
        rows(MONDAY + i * HOUR, n=2, said=float(i), via="publish", digest=f"{i:012}", scale=i + 1.0) for i in range(8)
    ]
    got = one(pd.concat(hourly, ignore_index=True), np.zeros(200), end=MONDAY + WEEK)
    assert got["steps"] == 16
    assert got["mase"] == pytest.approx(np.mean([i / (i + 1) for i in range(8)]))


def test_the_newer_score_of_a_week_counts_and_others_stay():
    first = scored(rows(said=1.0, naive=2.0), {KEY: history(np.ones(168))})
    again = scored(rows(said=1.0, naive=2.0), {KEY: history(np.full(168, 1.5))})
    other = scored(rows(MONDAY - WEEK), {KEY: history(np.ones(400))})
    both = issued.latest_scores(issued.latest_scores(first, other), again)
    assert both["happened"].tolist() == [1.0, 1.5]


def scores(*skills, start=MONDAY, hindsight=False, model="structural", apart=WEEK):
    """One scored week a skill, the oldest first."""
    made = []
    for i, skill in enumerate(skills):
        cutoff = start + i * apart
        # MASE 1 of the naive one, 1 - skill of ours: the miss at a spread of nothing
        table = rows(cutoff, said=1 - skill, naive=1.0, spread=0.0, hindsight=hindsight, model=model)
        made.append(scored(table, {KEY: history(np.zeros(168), end=cutoff + WEEK)}))
    found = pd.concat(made, ignore_index=True)
    assert found["skill"].tolist() == pytest.approx(list(skills))
    return issued.latest_scores(issued.no_scores(), found)


NOW = MONDAY + 5 * WEEK


@pytest.mark.parametrize(
    ("skills", "sent"),
    [
        ((-0.1, -0.2, -0.3), True),
        ((-0.1, -0.2), False),
        ((0.5, -0.1, -0.2, -0.3), True),
        ((-0.1, -0.2, -0.3, 0.1), False),
        ((-0.1, 0.2, -0.3, -0.1), False),
    ],
)
def test_three_losses_in_a_row_send_a_model_away(skills, sent):
    found = demotions(scores(*skills), at=NOW)
    assert bool(found) is sent
    assert away(found) == ({"cpu_used": {"cpu_used": frozenset({"structural"})}} if sent else {})


def test_a_model_comes_back_after_four_weeks_and_goes_at_its_next_loss():
    lost = scores(-0.1, -0.1, -0.1)
    (found,) = demotions(lost, at=NOW)
    assert found.weeks == tuple(MONDAY + i * WEEK for i in (1, 2, 3))
    assert found.until == MONDAY + 3 * WEEK + AWAY
    assert demotions(lost, at=found.until) == ()
    again = issued.latest_scores(lost, scores(-0.1, start=found.until))
    assert demotions(again, at=found.until + WEEK)[0].until == found.until + WEEK + AWAY
    won = issued.latest_scores(lost, scores(0.1, start=found.until))
    assert demotions(won, at=found.until + WEEK) == ()


def test_leads_that_are_published_send_nobody_away_where_a_report_speaks():
    won = scores(0.3, 0.3, 0.3).assign(step="1d")
    lost = scores(-0.1, -0.1, -0.1).assign(via="publish", until=lambda t: t["until"] + HOUR)
    assert demotions(pd.concat([won, lost], ignore_index=True), at=NOW) == ()
    assert len(demotions(lost, at=NOW)) == 1  # nobody else speaks of it
    assert scorecard.recent(pd.concat([won, lost], ignore_index=True), at=NOW)["step"].tolist() == ["1d"]


def test_a_published_lead_counts_from_the_clock():
    late = rows(MONDAY, n=170, via="publish").iloc[[0, 168]]  # an hour, and a week and an hour after the data's end
    (steps,) = scored(late, {KEY: history(np.zeros(400), end=MONDAY + WEEK + 3 * HOUR)})["steps"]
    assert steps == 2


def test_weeks_that_overlap_are_one_loss():
    daily = scores(-0.1, -0.1, -0.1, -0.1, -0.1, apart=pd.Timedelta(days=1))
    assert demotions(daily, at=NOW) == ()
    almost = scores(-0.1, -0.1, -0.1, apart=WEEK - HOUR)  # a report that ran an hour earlier
    assert len(demotions(almost, at=NOW)) == 1


def test_nothing_later_than_the_moment_counts():
    assert demotions(scores(-0.1, -0.1, -0.1), at=MONDAY + 3 * WEEK - HOUR) == ()


def test_replayed_weeks_count_until_there_are_three_real_ones():
    replayed = scores(-0.1, -0.1, -0.1, start=MONDAY - 3 * WEEK, hindsight=True)
    (found,) = demotions(replayed, at=MONDAY)
    assert found.hindsight
    two = issued.latest_scores(replayed, scores(-0.1, -0.1))
    assert len(demotions(two, at=MONDAY + 2 * WEEK)) == 1
    won = issued.latest_scores(replayed, scores(0.1, -0.1, -0.1))
    assert demotions(won, at=MONDAY + 3 * WEEK) == ()


def test_repeating_the_last_season_is_never_sent_away():
    assert demotions(scores(-0.1, -0.1, -0.1, model="seasonal_naive"), at=NOW) == ()


def test_what_is_published_are_the_real_weeks_of_late_or_else_the_replayed_ones():
    replayed, real = scores(0.5, 0.5, hindsight=True), scores(0.2, 0.4)
    got = recent(replayed, at=NOW - WEEK)
    assert got[["weeks", "hindsight"]].to_numpy().tolist() == [[2, True]]
    got = recent(issued.latest_scores(replayed, real), at=NOW - WEEK)
    assert got["mase"].tolist() == pytest.approx([0.7])
    assert got["hindsight"].tolist() == [False]
    assert recent(real, at=MONDAY + 8 * WEEK).empty


def drift(n_weeks, *, turn):
    """Hourly, a day's swing; climbs until `turn` weeks, then each week repeats the one before."""
    t = np.arange(n_weeks * 168)
    swing = np.sin(2 * np.pi * t / 24)
    rng = np.random.default_rng(1)
    climb = np.minimum(t, turn * 168) * 0.02
    return swing + climb + 0.05 * rng.normal(size=168)[t % 168]


def climbing(y, *, ds, horizon, season_lengths, quantiles):
    """A model that goes on with the slope that it saw first."""
    steps = np.arange(1, horizon + 1) * 0.02
    middle = np.tile(y[:, -24:], (1, -(-horizon // 24)))[:, :horizon] + steps
    return middle[:, :, None] + 0.1 * (np.asarray(quantiles) - 0.5)


def test_a_scripted_drift_demotes_the_model_within_three_scored_runs():
    y = drift(12, turn=8)
    kept, said = issued.no_scores(), []
    lost = {}
    for week in range(7, 12):
        now = MONDAY + week * WEEK
        past = history(y[: week * 168], end=now)
        kept = issued.latest_scores(kept, scored(pd.concat(said), {KEY: past}) if said else kept)
        lost = away(demotions(kept, at=now)).get("cpu_used", {})
        if lost:
            break
        ahead = forecast(past, horizon=168, season_lengths=(24, 168), model=climbing, demoted=lost)
        naive = forecast(past, horizon=168, season_lengths=(24, 168), model=scorecard_naive())
        table = rows(now, model="climbing", digest=f"{week:012}")
        beside = dict(zip(issued.NAIVE, naive.frame[list(issued.SAID)].to_numpy().T, strict=True))
        said.append(table.assign(**{name: ahead.frame[name].to_numpy() for name in issued.SAID}, **beside))
    losses = kept[kept["skill"] < 0]
    assert lost == {"cpu_used": frozenset({"climbing"})}
    assert len(losses) == 3  # the drift came, three scored runs lost, and the fourth does without the model


def scorecard_naive():
    from tutordex_analysis.model.naive import seasonal_naive

    return seasonal_naive


def test_a_demoted_model_is_not_used_and_the_reason_says_so():
    past = history(drift(8, turn=8))
    free = forecast(past, horizon=168, season_lengths=(24, 168))
    used = str(free.model["cpu_used"])
    assert used != "seasonal_naive"
    everything = {"cpu_used": frozenset({used})}
    bound = forecast(past, horizon=168, season_lengths=(24, 168), demoted=everything)
    assert bound.model["cpu_used"] != used
    assert f"{used} lost to repeating the last season three times in a row" in bound.reason["cpu_used"]
    other = forecast(past, horizon=168, season_lengths=(24, 168), demoted={"another": frozenset({used})})
    pd.testing.assert_frame_equal(other.frame, free.frame)


def test_the_band_edge_of_a_constant_belongs_to_the_band():
    y = np.full(168, 0.123456789)
    table = issued.rows_of(issued.row_bytes(rows(said=0.123456789, spread=0.0)), name="x")
    assert one(table, y)["coverage_80"] == 1.0
    assert scorecard.WITHIN == "7d"
