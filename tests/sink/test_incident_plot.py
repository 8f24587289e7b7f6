"""One figure an incident, and the week in small: what they say in words and in artists."""

from __future__ import annotations

import numpy as np
import pandas as pd
from bs4 import BeautifulSoup
from matplotlib.text import Text

from tests.sink.cases import HOUR, START, Case, contexts, trace
from tutordex_analysis.sink import incident_plot
from tutordex_analysis.sink.figure_style import BLUE, VERMILION, number


def texts(picture):
    return [one.get_text() for one in picture.figure.findobj(Text) if one.get_text()]


def lines(ax, colour):
    return [one for one in ax.get_lines() if one.get_color() == colour and one.get_transform() == ax.transData]


def test_an_incident_says_what_it_shows():
    picture = incident_plot.incident(Case((trace(),)), tz="Asia/Singapore")
    assert picture.alt == (
        "Incident 1. Tue 6 Oct 14:00–16:00: Jobs finished fell to 0 (expected 12–30 an hour). "
        "Jobs finished: between 0 jobs and 0 jobs, expected between 20 jobs and 20 jobs."
    )
    assert {"Jobs finished · jobs · Asia/Singapore time", "seen", "expected"} <= set(texts(picture))


def test_the_incident_is_shaded_and_its_values_are_dots():
    ax = incident_plot.incident(Case((trace(),))).figure.axes[0]
    spans = [one for one in ax.patches if one.get_facecolor()[:3] != (1, 1, 1)]
    left, right = number(pd.DatetimeIndex([START, START + 2 * HOUR]))
    assert [(round(one.get_x(), 6), round(one.get_x() + one.get_width(), 6)) for one in spans] == [
        (round(left, 6), round(right, 6))
    ]
    (dots,) = lines(ax, VERMILION)
    assert dots.get_marker() == "o"
    assert dots.get_ydata().tolist() == [0.0, 0.0]
    assert len(lines(ax, BLUE)) == 1  # what was expected
    assert len(ax.collections) == 1  # its band


def test_at_most_three_series_are_drawn_and_the_rest_is_counted():
    picture = incident_plot.incident(Case(tuple(trace(f"Signal {i}") for i in range(5))))
    assert len(picture.figure.axes) == 3
    assert picture.alt.endswith("2 more series not drawn.")


def test_releases_and_restarts_are_dotted_lines_named_once():
    marks = contexts(("deploy", "worker released as v7", -1), ("restart", "worker restarted", 2))
    again = contexts(("restart", "worker restarted", 3), ("alert", "WorkerDown fired", 0), ("restart", "late", 900))
    picture = incident_plot.incident(Case((trace(), trace("LLM calls")), contexts=pd.concat([marks, again])))
    found = texts(picture)
    assert found.count("worker restarted") == 1
    assert "WorkerDown fired" not in found
    for ax in picture.figure.axes:
        dotted = [one for one in ax.get_lines() if one.get_linestyle() == ":"]
        places = [round(float(one.get_xdata()[0]), 6) for one in dotted]
        wanted = number(pd.DatetimeIndex([START + i * HOUR for i in (-1, 2, 3)]))
        assert places == [round(one, 6) for one in wanted]
    assert "Dotted line: worker released as v7 at 6 Oct 2026 13:00." in picture.alt


def test_a_band_that_nothing_is_known_of_does_not_flatten_the_rest():
    one = trace()
    one.frame.loc[:5, "upper"] = 1e12
    one.frame.loc[:5, "lower"] = np.nan
    ax = incident_plot.incident(Case((one,))).figure.axes[0]
    assert ax.get_ylim()[1] < 100


def test_an_incident_of_missing_values_says_so():
    one = trace()
    gone = one.frame["is_anomaly"]
    one.frame.loc[gone, "y"] = np.nan
    picture = incident_plot.incident(Case((one,)))
    assert "Jobs finished: no value meanwhile." in picture.alt
    assert lines(picture.figure.axes[0], VERMILION)[0].get_ydata().tolist() == []


def test_an_incident_without_series_is_a_picture_all_the_same():
    assert incident_plot.incident(Case(())).png().startswith(b"\x89PNG")


def test_titles_are_text_and_no_markup():
    picture = incident_plot.incident(Case((trace("a$_b$ \u202e<b>x</b>"),)), title="$x^2$")
    assert {"a$_b$ <b>x</b> · jobs · Asia/Singapore time", "$x^2$"} <= set(texts(picture))
    picture.png()


def test_the_same_incident_gives_the_same_bytes():
    assert incident_plot.incident(Case((trace(),))).png() == incident_plot.incident(Case((trace(),))).png()


def test_cases_are_a_heading_a_sentence_and_a_figure_each():
    shown = incident_plot.cases([Case((trace(),)), Case((trace(),), number=2, what="<script>")], tz="UTC")
    heads = [BeautifulSoup(one._repr_html_(), "html.parser") for one in shown.told]
    assert [one.h3.get_text() for one in heads] == [f"{i}. Tue 6 Oct 14:00–16:00 · high" for i in (1, 2)]
    assert heads[1].p.get_text() == "<script>"
    assert repr(shown.told[0]).splitlines()[1] == "Jobs finished fell to 0 (expected 12–30 an hour)."


def test_the_week_in_small_has_two_columns_and_ten_at_most():
    picture = incident_plot.multiples([trace(f"Signal {i}") for i in range(11)], title="The week")
    assert len(picture.figure.axes) == 10
    odd = incident_plot.multiples([trace(f"Signal {i}") for i in range(3)])
    assert [ax.axison for ax in odd.figure.axes] == [True, True, True, False]
    assert odd.alt == (
        "Small multiples: signals against their bands. "
        + " ".join(f"Signal {i}: between 0 jobs and 20 jobs, 2 unusual of 72 values." for i in range(3))
    )
    assert "Signal 0 · jobs" in texts(odd)


def test_no_series_is_an_empty_picture():
    assert incident_plot.multiples([]).png().startswith(b"\x89PNG")
