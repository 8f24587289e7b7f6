"""What readers see of past forecasts: the table, the figure and its words."""

import numpy as np
import pandas as pd
import pytest

from tests.issues import HOUR, MONDAY, WEEK, history, rows
from tutordex_analysis import catalogue_file, issued
from tutordex_analysis.errors import FrameError
from tutordex_analysis.question.scorecard import scorecard
from tutordex_analysis.sink.hindsight import past_forecasts, said_and_happened, shown
from tutordex_analysis.sink.table import MOST_ROWS

CATALOGUE = catalogue_file.load()
SG = "Asia/Singapore"


def card(table, **actual):
    return scorecard(table, issued.no_scores(), actual, CATALOGUE)


def weeks(n=3, **options):
    return pd.concat([rows(MONDAY - i * WEEK, digest=f"{i:012}", **options) for i in range(n)], ignore_index=True)


def test_the_table_says_what_was_said_and_what_happened_in_the_words_of_a_reader():
    table = rows(said=0.5, naive=0.6, spread=0.2, hindsight=True)
    got = said_and_happened(card(table, cpu_used=history(np.full(168, 0.4))).table, tz=SG)
    assert got.frame.to_dict("records") == [
        {
            "Forecast of": "CPU in use",
            "Week to": "8 Nov 2026",
            "We said": "50 %",
            "80 % range": "42 % to 58 %",
            "It was": "40 %",
            "Missed by": "25 %",
            "Last week's by": "50 %",
            "In range": "0 %",
        }
    ]
    assert "all in hindsight, made afterwards from what was known then" in got.caption


def test_real_weeks_and_replayed_ones_are_told_apart():
    both = [rows(), rows(signal="memory_used", unique_id="memory_used", hindsight=True)]
    got = card(pd.concat(both), cpu_used=history(np.ones(168)), memory_used=history(np.ones(168), name="memory_used"))
    frame = said_and_happened(got.table, tz=SG).frame
    assert frame["Week to"].tolist() == ["8 Nov 2026", "8 Nov 2026 (hindsight)"]


def test_ten_rows_at_most_and_nothing_says_so():
    table = card(rows(), cpu_used=history(np.ones(168))).table
    many = pd.concat([table] * 12, ignore_index=True)
    got = said_and_happened(many, tz=SG)
    assert (len(got.frame), "10 of 12 shown" in got.caption) == (MOST_ROWS, True)
    assert "nothing yet" in said_and_happened(table.iloc[:0], tz=SG).caption


def test_the_figure_says_how_many_forecasts_and_how_many_held():
    y = np.full(800, 0.4)
    y[-84:] = 9.0
    picture = past_forecasts(weeks(said=0.4, spread=0.2, hindsight=True), history(y), title="CPU in use", unit="ratio")
    assert picture.alt == (
        "Past forecasts of CPU in use: 3 forecasts in hindsight from 19 Oct 2026 to 9 Nov 2026; on average 40 % was "
        "said and 183 % happened; 83 % lay in the 80 % range."
    )
    notes = " ".join(ax.get_title(loc="left") for ax in picture.figure.axes)
    assert "Hindsight: made afterwards" in notes
    hatched = [one for ax in picture.figure.axes for one in ax.collections if one.get_hatch()]
    assert len(hatched) == 3


def test_issued_forecasts_are_not_called_hindsight():
    picture = past_forecasts(weeks(), history(np.zeros(800)), title="CPU in use")
    assert "indsight" not in picture.alt + " ".join(ax.get_title(loc="left") for ax in picture.figure.axes)
    assert not [one for ax in picture.figure.axes for one in ax.collections if one.get_hatch()]


def test_the_same_picture_has_the_same_bytes():
    one, two = (past_forecasts(weeks(), history(np.zeros(800))).png() for _ in range(2))
    assert one == two


def test_overlapping_issues_are_drawn_once():
    daily = pd.concat([rows(MONDAY - i * 24 * HOUR, digest=f"{i:012}") for i in range(15)], ignore_index=True)
    picture = past_forecasts(daily, history(np.zeros(800)))
    assert "3 forecasts" in picture.alt


def test_no_forecast_and_no_reading_are_said():
    assert "no past forecast yet" in past_forecasts(issued.no_rows(), history(np.zeros(8))).alt
    later = rows(MONDAY + WEEK)
    assert "nothing was measured yet" in past_forecasts(later, history(np.zeros(24))).alt
    with pytest.raises(FrameError, match="one signal at one step"):
        past_forecasts(pd.concat([rows(), rows(step="1d", n=7)]), history(np.zeros(8)))


def test_a_page_shows_the_table_and_one_figure():
    got = card(rows(), cpu_used=history(np.ones(168)))
    assert [type(one).__name__ for one in shown(got.table, got.rows, got.actual, CATALOGUE).parts] == [
        "Table",
        "Picture",
    ]
    none = card(issued.no_rows(), cpu_used=history(np.ones(168)))
    assert len(shown(none.table, none.rows, none.actual, CATALOGUE).parts) == 1
