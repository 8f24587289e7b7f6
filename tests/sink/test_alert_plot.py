"""Figures of alerts say what they show, and draw what they are given."""

import pandas as pd
import pytest

from tutordex_analysis.sink import alert_plot

WEEKS = pd.date_range("2026-08-30T16:00Z", periods=3, freq="7D")


def test_a_week_is_a_bar_of_its_alerts_and_a_line_is_where_ours_began():
    counts = pd.DataFrame({"A": [3, 0, 1], "B": [1, 0, 0]}, index=WEEKS)
    made = alert_plot.weekly(counts, since=WEEKS[1], tz="Asia/Singapore")
    assert made.alt == (
        "Stacked bars of Alerts by week, weeks of 31 Aug 2026 to 14 Sep 2026: 5 in all, most in the week of 31 Aug "
        "2026 with 4. By alert: A 4, B 1. Dotted line: our rules, 7 Sep 2026."
    )
    (ax,) = made.figure.axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [3, 0, 1, 1, 0, 0]
    assert [bar.get_y() for bar in ax.patches][3] == 3
    assert made.png() == alert_plot.weekly(counts, since=WEEKS[1], tz="Asia/Singapore").png()
    assert "Dotted" not in alert_plot.weekly(counts, since=pd.NaT).alt


def test_lengths_are_dots_by_alert_with_the_median():
    firings = pd.DataFrame({"alert": ["A"] * 3 + ["B$x$"], "minutes": [5.0, 15.0, 240.0, 20000.0]})
    made = alert_plot.lengths(firings)
    assert made.alt == "How long alerts fire: A 3 times, the median 15 min; B$x$ 1 times, the median 13.9 d."
    (ax,) = made.figure.axes
    assert [one.get_text() for one in ax.get_yticklabels()] == ["A (3)", "B$x$ (1)"]
    assert ax.lines[0].get_xdata()[0] == pytest.approx(15)
    assert made.png()


@pytest.mark.parametrize("width", [0, 30])
def test_nothing_and_very_much_are_drawn_too(width):
    counts = pd.DataFrame({f"Alert{i}" * 9: [i] for i in range(width)}, index=WEEKS[:1] if width else WEEKS[:0])
    assert alert_plot.weekly(counts).png()
    many = pd.DataFrame({"alert": [f"A{i}" for i in range(width)], "minutes": [1.0] * width})
    made = alert_plot.lengths(many)
    assert made.png()
    assert ("18 alerts not shown" in made.alt) == bool(width)
