"""Promises in sentences: kept, at risk, broken, switched off, untold; what spent the budget and what was beside it."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.mask import Mask, Masks
from tutordex_analysis.model.slo_ahead import Ahead
from tutordex_analysis.question import slo_words
from tutordex_analysis.question.slo import Told, promises, scorecard, tell
from tutordex_analysis.question.slo_history import Kept
from tutordex_analysis.sink import slo_page, slo_plot, slo_table
from tutordex_analysis.sink.exposition_slo import from_promises
from tutordex_analysis.slo import BurnAlerts, Slo

TZ = "Asia/Singapore"
START = pd.Timestamp("2026-09-01T00:00Z")
API = Slo(name="api", title="API", objective=0.99, bad="errors", total="requests", noun="requests")


def kept(bad, total=100.0, *, slo=API, **more):
    ds = pd.date_range(START, periods=len(bad), freq="h") + pd.Timedelta("1h")
    return Kept(slo=slo, events=pd.DataFrame({"ds": ds, "bad": np.asarray(bad, float), "total": total}), **more)


def quiet(days=60):
    bad = np.zeros(24 * days)
    bad[::12] = 1.0
    return bad


def outage(at=24 * 58, length=3):
    bad = quiet()
    bad[at : at + length] = 90.0
    return bad


def test_a_kept_promise_says_what_is_left_and_that_it_lasts():
    one = tell(kept(quiet()), tz=TZ)
    assert one.state == "kept"
    assert one.sentence == (
        "API: 91.7 % of the budget is left (promised 99 %, kept 99.917 %): 60 of 72,000 requests were bad, 720 may be. "
        "As things go it lasts (over 99 % that it survives the next 30 days)."
    )


def test_an_outage_is_told_with_its_day_its_share_and_its_name():
    at = START + pd.Timedelta(hours=24 * 58)
    masks = Masks(
        masks=(
            Mask(start=at, end=at + pd.Timedelta("1h"), reason="maintenance", origin="silence"),
            Mask(start=at, end=at + pd.Timedelta("1h"), reason="ApiDown fired", origin="alert", signals=("errors",)),
            Mask(start=at, end=at + pd.Timedelta("1h"), reason="of others", origin="alert", signals=("disk",)),
        )
    )
    one = tell(kept(outage()), tz=TZ, masks=masks)
    assert "What went wrong on Thursday, 29 Oct 2026 08:00 (ApiDown fired), took 37 % of the budget." in one.sentence
    assert one.incidents["beside"].tolist() == ["ApiDown fired; maintenance"]
    rows = slo_table.incidents(one.incidents, tz=TZ).frame.iloc[0].to_dict()
    assert rows == {
        "From": "29 Oct 2026 08:00", "For": "3 h", "Bad": "270 of 300", "Of the budget": "37 %",
        "At that time": "ApiDown fired; maintenance",
    }  # fmt: skip


def test_the_alerts_of_a_promise_stand_beside_what_set_them_off():
    slo = API.model_copy(update={"alerts": BurnAlerts(page="ApiBurn", ticket="ApiSlo", component="backend")})
    at = START + pd.Timedelta(hours=24 * 58)
    fired = pd.DataFrame(
        [(at + pd.Timedelta("30min"), 1.0, "ApiBurn"), (at + pd.Timedelta("9h"), 1.0, "ApiSlo"), (at, 1.0, "Other")],
        columns=["ds", "y", "alertname"],
    )
    assert tell(kept(outage(), slo=slo), tz=TZ, fired=fired).incidents["beside"].tolist() == ["ApiBurn fired"]


def test_a_burn_that_goes_on_is_at_risk_with_a_date():
    bad = np.concatenate([np.zeros(24 * 50), np.full(24 * 10, 2.0)])
    one = tell(kept(bad), tz=TZ)
    assert one.state == "at_risk"
    assert "As things go it is gone about 5 Nov 2026, between " in one.sentence
    assert one.burn["1d"] == pytest.approx(2.0)
    picture = slo_plot.budget(one.over_time, one.incidents, one.ahead.dates, title=one.title, tz=TZ)
    assert picture.alt.endswith("100 % were left then, 33 % now. As things go it is gone about 5 Nov 2026.")


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((None, None, None), "none of it is left for the next 30 days."),
        (
            (9, None, None),
            "it more likely stays broken for the next 30 days; before 10 Nov 2026 nothing of it is left.",
        ),
        ((9, 9, None), "from about 10 Nov 2026 on; the chance that it stays broken for the next 30 days is over 10 %."),
        ((9, 9, 9), "left again from about 10 Nov 2026 on."),
        ((8, 9, 11), "left again from about 10 Nov 2026 on (between 9 Nov 2026 and 12 Nov 2026)."),
    ],
)
def test_when_a_broken_promise_is_whole_again_is_said_with_its_doubt(days, said):
    noon = pd.Timestamp("2026-11-01T04:00Z")
    back = {
        p: None if one is None else noon + pd.Timedelta(days=one) for p, one in zip((0.1, 0.5, 0.9), days, strict=True)
    }
    assert slo_words._returns(Ahead(dates={}, survives=0.0, back=back), API, ZoneInfo(TZ)).endswith(said)


def test_a_broken_promise_comes_first():
    found = promises([kept(quiet()), kept(np.full(24 * 60, 2.0), slo=API.model_copy(update={"name": "b"}))], tz=TZ)
    assert [one.state for one in found.told] == ["kept", "broken"]
    assert found.headline == "Broken: API (−100 %); kept: API (91.7 %)."
    assert found.findings["signal"].tolist() == ["b", "api"]
    assert found.findings["kind"].tolist() == ["promise", "promise"]
    assert found.told[1].sentence.startswith("API: broken (promised 99 %, kept 98 %): 1,440 of 72,000 requests")
    assert found.told[1].sentence.endswith("As things go none of it is left for the next 30 days.")
    back = tell(kept(outage(at=24 * 45, length=9)), tz=TZ)
    assert (
        "As things go some of the budget is left again from about 15 Nov 2026 on; the chance that it" in back.sentence
    )
    overview = slo_table.overview(found.overview, tz=TZ).frame
    assert overview["Gone"].tolist() == ["–", "gone"]
    assert overview["Kept"].tolist() == ["99.917 %", "98 %"]


def test_a_sender_that_is_switched_off_promises_nothing():
    total = np.full(24 * 60, 100.0)
    total[24 * 40 :] = 0.0
    one = (
        tell(kept(quiet(), total=np.where(total > 0, total, 0)), tz=TZ)
        if False
        else tell(Kept(slo=API, events=kept(np.where(total > 0, quiet(), 0.0), total=total).events), tz=TZ)
    )
    assert one.state == "off"
    assert one.sentence == "API: no requests since 11 Oct 2026, so there is nothing to keep or to break."
    assert from_promises([one]) == ()


def test_a_sender_of_which_nothing_is_known_is_not_said_to_be_off():
    one = kept(quiet())
    one.events.loc[24 * 56 :, ["bad", "total"]] = np.nan
    told = tell(one, tz=TZ)
    assert told.state == "unknown"
    assert told.sentence == "API: no requests since 27 Oct 2026 are known of: it is switched off, or nobody counts."


def test_an_unknown_stretch_in_the_middle_is_not_counted_as_known():
    one = kept(quiet())
    one.events.loc[900:1199, ["bad", "total"]] = np.nan
    assert "It is counted over 18 days, which is what is known of 30 days." in tell(one, tz=TZ).sentence


def test_a_promise_that_is_just_broken_is_told_apart_from_its_objective():
    bad = np.full(1440, 1.0)
    bad[-3:] = 2
    assert "broken (promised 99 %, kept 98.9958 %): 723 of 72,000" in tell(kept(bad), tz=TZ).sentence


def test_few_events_and_no_events_are_untold():
    few = tell(kept(np.zeros(24 * 30), total=np.eye(1, 720, 700).ravel() * 7), tz=TZ)
    assert few.sentence == "API: cannot be told: 7 requests in 30 days are too few to say; it takes 20."
    lacking = tell(Kept(slo=API, lacks="errors has no sample"), tz=TZ)
    assert lacking.sentence == "API: cannot be told: errors has no sample."
    found = promises([Kept(slo=API, lacks="errors has no sample")], tz=TZ)
    assert found.headline == "1 cannot be told."
    assert scorecard(found.told)[0] == "0 of 1 promises are counted over their whole period."
    assert promises([], tz=TZ).headline == "Nothing is promised; write it under slos: in the catalogue."


def test_a_new_service_says_over_how_much_it_is_counted():
    one = tell(kept(quiet(12)), tz=TZ)
    assert "It is counted over 12 days, which is what is known of 30 days." in one.sentence
    hours = tell(kept(quiet(1)), tz=TZ)
    assert "Nobody can tell how long it lasts: 1.0 days of history" in hours.sentence


def test_jobs_that_are_late_since_others_wait_are_said():
    assert (
        "34 requests count as bad since others waited too long meanwhile."
        in tell(kept(quiet(), late=34.0), tz=TZ).sentence
    )


def test_metrics_have_what_is_known_and_nothing_else():
    bad = np.concatenate([np.zeros(24 * 50), np.full(24 * 10, 2.0)])
    risky: Told = tell(kept(bad), tz=TZ)
    left, dates, lasts = from_promises([risky, tell(Kept(slo=API, lacks="no"), tz=TZ)])
    assert [(one.labels, round(one.value, 3)) for one in left.samples] == [({"slo": "api"}, 0.333)]
    assert [one.labels["quantile"] for one in dates.samples] == ["0.1", "0.5", "0.9"]
    assert dates.samples[1].value == risky.ahead.dates[0.5].timestamp()
    assert lasts.samples[0].value == 0
    (left, lasts) = from_promises([tell(kept(quiet()), tz=TZ)])  # no date where it lasts
    assert lasts.samples[0].value == 1


def test_a_section_has_a_figure_and_tables():
    parts = slo_page.sections([tell(kept(outage()), tz=TZ), tell(Kept(slo=API, lacks="no sample"), tz=TZ)], tz=TZ).parts
    assert [type(one).__name__ for one in parts] == ["Heading", "Picture", "Table", "FoldOut", "Heading"]
    assert parts[-1].sentence == "Cannot be told: no sample."
