"""The guide to experiments names the tests that are really chosen, and the sentences of the sample."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import compare, connect
from tutordex_analysis.question.experiment_rows import metrics
from tutordex_analysis.question.experiments import experiments
from tutordex_analysis.trials import read_experiments

GUIDE = (Path(__file__).parents[1] / "docs" / "experiments.md").read_text("utf-8")
RANDOM = np.random.default_rng(8)
YES = pd.DataFrame({"unit": range(400), "outcome": RANDOM.random(400) < 0.3})
NUMBER = pd.DataFrame({"unit": range(400), "outcome": RANDOM.gamma(4, 2.0, 400)}).assign(
    before=lambda table: table["outcome"] + RANDOM.normal(0, 1, 400), views=RANDOM.poisson(9, 400) + 1
)
HOURS = pd.date_range("2026-10-01T00:00Z", periods=14 * 24, freq="h")
COUNTED = pd.DataFrame({"ds": HOURS, "y": RANDOM.poisson(5, len(HOURS))})
FORMS = {
    "yes and no of units": (YES, {}),
    "a number of units": (NUMBER, {}),
    "a ratio, rows or sums": (NUMBER, {"denominator": "views"}),
    "a number, and what it was before": (NUMBER, {"covariate": "before"}),
    "a quantile": (NUMBER, {"quantile": 0.9}),
    "pairs of yes and no": (YES, {"paired": True}),
    "pairs of numbers": (NUMBER, {"paired": True}),
    "pairs": (NUMBER, {"paired": True}),
    "units otherwise": (NUMBER, {}),
    "totals of events": ({"events": 30, "exposure": 9}, {"assignment": "request"}),
    "counters by bucket, each request its own arm": (COUNTED, {"assignment": "request"}),
}
ROWS = re.findall(r"^\| ([^|]+) \| (once|any) \| `([^`]+)` \|", GUIDE, flags=re.M)


def changed(arm, options):
    """The other arm: other units, or the same ones in another order, or other numbers in the same buckets."""
    if not isinstance(arm, pd.DataFrame):
        return arm | {"events": 41}
    if "ds" in arm:
        return arm.assign(y=arm["y"].to_numpy()[::-1])
    other = arm.assign(outcome=arm["outcome"].to_numpy()[::-1])
    return other if options.get("paired") else other.assign(unit=arm["unit"] + 1000)


def test_the_guide_has_a_row_for_every_form():
    assert [form for form, _, _ in ROWS] == [*FORMS]


@pytest.mark.parametrize(("form", "looks", "method"), ROWS)
def test_the_guide_names_the_test_that_is_chosen(form, looks, method):
    arm, options = FORMS[form]
    verdict = compare(arm, changed(arm, options), looks=looks, **options)
    assert verdict.method == method
    assert verdict.why


def test_the_guide_tells_what_the_sample_says():
    source = connect(Path(__file__).parents[1] / "data" / "sample")
    now = source.last("1d", step="1h").end
    found = {one.name: one for one in experiments(read_experiments(source, "", now=now), tz="Asia/Singapore").told}
    text = " ".join(GUIDE.split())
    assert found["model_route"].sentence.partition(": ")[2] in text
    assert metrics(found["model_route"].verdict)["method"].tolist() == ["paired t over 28 blocks of time"]
    assert found["search_box_counters"].verdict.state == "no_verdict"
    assert found["search_box"].verdict.state == "no_difference_shown"
