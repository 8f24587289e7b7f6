"""Tables, figures, sections and metrics of experiments, from verdicts whose numbers are known."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis.experiment import Experiment
from tutordex_analysis.model.comparison import Comparison
from tutordex_analysis.model.experiment import family
from tutordex_analysis.model.proportion import Share
from tutordex_analysis.model.segments import mantel_haenszel
from tutordex_analysis.model.srm import chi_square
from tutordex_analysis.sink import experiment_page, experiment_plot, experiment_table, exposition
from tutordex_analysis.sink.exposition_experiments import from_experiments

NBSP = "\N{NO-BREAK SPACE}"
DAYS = pd.date_range("2026-10-01T16:00Z", periods=5, freq="D")
OVER_TIME = pd.DataFrame(
    {
        "ds": DAYS,
        "n": [10, 20, 30, 40, 50],
        "estimate": [0.2, 0.1, 0.05, 0.04, 0.03],
        "lower": [-5.0, -0.2, -0.01, 0.005, 0.01],
        "upper": [5.0, 0.4, 0.11, 0.075, 0.05],
        "p_value": [1.0, 1.0, 0.2, 0.04, 0.01],
    }
)


PLAN = Experiment(
    name="newest_first", title="Newest first", unit="user", arms={"control": "a", "treatment": "b"}, counters={},
    start="2026-10-01T00:00Z", metrics={"applied": {"title": "Applied", "role": "goal", "counter": "x"}},
)  # fmt: skip


def share(successes, n):
    return {"successes": successes, "n": n}


@dataclasses.dataclass(frozen=True)
class Judged:
    comparisons: dict[str, Comparison]
    experiment: Experiment = PLAN
    check: object = None
    state: str = "better"

    @property
    def goal(self):
        return next(iter(self.comparisons.values()), None)


@dataclasses.dataclass(frozen=True)
class Part:
    column: str = "level"
    table: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    p_adjusted: float = 0.4
    strata: object = None
    reversed: bool = False
    small: int = 0


@dataclasses.dataclass(frozen=True)
class Told:
    verdict: Judged
    metrics: pd.DataFrame
    title: str = "Newest first"
    sentence: str = "Newest first: applied 6 % against 5 %."
    over_time: pd.DataFrame = dataclasses.field(default_factory=lambda: OVER_TIME)
    segments: tuple[Part, ...] = ()
    quality: pd.DataFrame = dataclasses.field(
        default_factory=lambda: pd.DataFrame({"check": ["Split"], "found": ["as planned"]})
    )


@pytest.fixture
def judged():
    names = ["applied", "viewed"]
    one = {"applied": share(200, 4000), "viewed": share(2000, 4000)}
    two = {"applied": share(246, 4020), "viewed": share(2015, 4020)}
    return Judged(dict(zip(names, family(one, two, outcomes=names, correction="none"), strict=True)), state="better")


def row(name, role, one=None, **changed):
    made = {
        "metric": name, "title": name.title(), "role": role, "kind": "proportion", "control": 0.05, "treatment": 0.0612,
        "lift": 0.22, "lift_lower": 0.021, "lift_upper": 0.47, "p_value": 0.029, "alpha": 0.05, "status": "better",
        "guard": "", "margin": np.nan, "higher_is_better": True, "method": "score", "why": "proportions",
        "dispersion": np.nan, "effective_n": 8020.0, "blocks": 0, "mde_lift": 0.3, "reason": "",
    }  # fmt: skip
    return made | changed


@pytest.fixture
def rows():
    return pd.DataFrame(
        [
            row("applied", "goal"),
            row("viewed", "guardrail", margin=0.05, lift=0.002, lift_lower=-0.04, lift_upper=0.05, guard="held"),
            row("spent", "behaviour", kind="mean", control=12.5, treatment=13.0, lift_upper=np.inf, lift_lower=-np.inf),
            row("slow", "behaviour", status="", lift=np.nan, lift_lower=np.nan, lift_upper=np.nan, p_value=np.nan,
                control=np.nan, treatment=np.nan, kind=np.nan, reason="the control has no unit yet"),
        ]
    )  # fmt: skip


def test_metrics_say_their_change_their_interval_and_why_not(rows):
    made = experiment_table.metrics(rows)
    first = [text.replace(NBSP, " ") for text in made.frame.loc[0]]
    assert first == ["Applied", "goal", "5 %", "6.12 %", "+22 % (+2.1 % to +47 %)", "0.029", "better"]
    assert made.frame["Verdict"].tolist() == ["better", "unharmed", "better", "not judged"]
    assert made.frame.loc[2, ["Control", "Change"]].tolist() == ["12.5", f"+22{NBSP}% (−100{NBSP}% to{NBSP}any)"]
    assert made.frame.loc[3, "Change"] == "–"
    assert made.notes == ("Slow: the control has no unit yet.",)
    assert len(experiment_table.methods(rows).frame) == 3


def test_the_forest_draws_what_is_known_and_says_it(rows):
    picture = experiment_plot.forest(rows)
    assert picture.alt.startswith("Forest plot of 3 metrics. Applied: +22 % (+2.1 % to +47 %).")
    (ax,) = picture.figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["Applied", "Viewed", "Spent"]
    low, high = ax.get_xlim()
    assert -1.7 < low < -0.4
    assert 0.4 < high < 1.7
    margins = [line for line in ax.lines if list(line.get_xdata()) == [-0.05, -0.05]]
    assert len(margins) == 1
    assert experiment_plot.forest(rows.iloc[3:]).alt == "Forest plot of 0 metrics."


def test_a_forest_of_many_metrics_grows_and_leaves_none_out():
    few, many = (pd.DataFrame([row(f"m{i}", "behaviour") for i in range(n)]) for n in (12, 40))
    pictures = [experiment_plot.forest(one) for one in (few, many)]
    room = [one.figure.get_figheight() / n for one, n in zip(pictures, (12, 40), strict=True)]
    assert room[1] > 0.42
    (ax,) = pictures[1].figure.axes
    assert len(ax.get_yticklabels()) == 40
    assert "M39: +22 %" in pictures[1].alt
    pictures[1].figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    scale = [one for tick in ax.xaxis.get_major_ticks() for one in (tick.label1, tick.label2) if one.get_visible()]
    assert len(scale) == 2 * len(ax.get_xticks())


def test_a_forest_of_very_many_says_how_many_it_leaves_out():
    picture = experiment_plot.forest(pd.DataFrame([row(f"m{i}", "behaviour") for i in range(61)]))
    assert picture.alt.startswith("Forest plot of 60 of 61 metrics.")
    assert picture.figure.axes[0].get_title(loc="left").endswith("the first 60 of 61")


def test_the_days_cut_the_wide_beginning_and_say_on_which_side_of_zero_they_end():
    picture = experiment_plot.over_time(OVER_TIME, title="Applied", fraction=True, tz="Asia/Singapore")
    assert "between 1 and 5, which is above zero" in picture.alt
    (ax,) = picture.figure.axes
    low, high = ax.get_ylim()
    assert low <= 0 < 20 < high < 60  # in percent points; the first day's 500 is cut


def test_a_section_has_every_part_in_order_and_escapes_its_words(judged, rows):
    segment = pd.DataFrame([row("P1", "goal", n=900)]).assign(segment="P1 <b>")
    old, new = ([Share(successes=one, n=100) for one in yes] for yes in ((50, 10), (60, 20)))
    strata = mantel_haenszel(old, new)
    told = Told(
        judged,
        rows,
        title="<b>Newest</b>",
        sentence="<b>Newest</b>: fine.",
        segments=(Part(table=segment, strata=strata, reversed=True),),
    )
    parts = experiment_page.sections([told], tz="Asia/Singapore").parts
    kinds = [type(one).__name__ for one in parts]
    assert kinds == ["Heading", "Picture", "Table", "Picture", "Table", "Table", "FoldOut"]
    assert "<b>Newest" not in parts[0]._repr_html_()
    assert "P1 <b>" not in parts[4]._repr_html_()
    assert "believe the parts" in parts[4].notes[0]
    assert "10 percent points" in parts[4].notes[0]
    blocked = Told(Judged({}, state="blocked"), rows.iloc[3:], over_time=OVER_TIME.iloc[:0])
    assert [type(one).__name__ for one in experiment_page.sections([blocked], tz="UTC").parts] == [
        "Heading", "Table", "Table",
    ]  # fmt: skip
    assert "experiments:" in experiment_page.sections([], tz="UTC").otherwise


def test_a_title_with_a_colon_stays_whole(judged, rows):
    title = "Order of the list: newest first"
    told = Told(judged, rows, title=title, sentence=f"{title}: applied 6 % against 5 %.")
    heading = experiment_page.sections([told], tz="UTC").parts[0]
    assert (heading.title, heading.sentence) == (title, "Applied 6 % against 5 %.")


@pytest.mark.parametrize(("alpha", "word"), [(0.05, "is not shown to differ"), (0.1, "differs"), (0.01, "is not")])
def test_segments_differ_at_the_alpha_of_the_experiment(judged, rows, alpha, word):
    segment = pd.DataFrame([row("P1", "goal", n=900)]).assign(segment="P1")
    plan = PLAN.model_copy(update={"alpha": alpha})
    told = Told(dataclasses.replace(judged, experiment=plan), rows, segments=(Part(table=segment, p_adjusted=0.07),))
    [table] = [
        one for one in experiment_page.sections([told], tz="UTC").parts if "by level" in getattr(one, "caption", "")
    ]
    assert table.notes[0].startswith(f"The effect {word}")


def test_verdicts_are_metrics_and_refusals_have_no_p_value(judged):
    few, more = {"applied": share(1, 900)}, {"applied": share(3, 500)}
    blocked = family(few, more, outcomes=["applied"], check=chi_square([900, 500], [1, 1]))
    families = from_experiments(
        [
            ("order", dataclasses.replace(judged, check=chi_square([4000, 4020], [1, 1]))),
            ("broken", Judged({"applied": blocked[0]}, check=blocked[0].srm, state="blocked")),
        ]
    )
    now = "2026-11-15T08:00Z"
    text = exposition.render(families, data_end=pd.Timestamp(now), validity="3h", now=now)
    assert 'tutordex_experiment_status{experiment="order",status="better"} 1' in text
    assert 'tutordex_experiment_status{experiment="broken",metric="applied",status="blocked"} 1' in text
    assert re.search(r'tutordex_experiment_pvalue{experiment="order",metric="applied"} 0\.02[89]', text)
    assert 'tutordex_experiment_pvalue{experiment="broken"' not in text
    assert 'tutordex_experiment_srm_pvalue{experiment="broken"}' in text
    lower = judged.comparisons["applied"].lift.ci_lo
    assert f'tutordex_experiment_effect{{bound="lower",experiment="order",metric="applied"}} {lower:.17g}'[:70] in text
