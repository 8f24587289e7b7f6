"""The weeks at a glance: cells in civil time, incidents outlined, holidays named, classes that any eye tells apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from tutordex_analysis.errors import FrameError
from tutordex_analysis.sink import heat_map
from tutordex_analysis.sink.figure_style import VERMILION

MONDAY = pd.Timestamp("2026-10-05T00:00", tz="Asia/Singapore")
HOUR = pd.Timedelta("1h")
NONE = pd.DataFrame(columns=["start", "end", "number"])
NO_HOLIDAYS = pd.Series(dtype=object)


def scores(values, *, step="1h", start=MONDAY):
    """One instant a value; the first covers the first step after `start`."""
    ds = start.tz_convert("UTC") + (np.arange(len(values)) + 1) * pd.Timedelta(step)
    return pd.DataFrame({"ds": pd.DatetimeIndex(ds), "score": np.asarray(values, dtype=float)})


def incident(start, end, number=1):
    """Of the civil hours from `start` to `end` after Monday midnight."""
    first, last = (MONDAY.tz_convert("UTC") + i * HOUR for i in (start + 1, end))
    return pd.DataFrame({"start": [first], "end": [last], "number": [number]})


def frames(picture):
    ax = picture.figure.axes[0]
    boxes = [one for one in ax.patches if isinstance(one, Rectangle) and not one.get_fill()]
    return [(one.get_y(), one.get_x(), one.get_x() + one.get_width()) for one in boxes]


def texts(picture):
    return [one.get_text() for one in picture.figure.findobj(Text) if one.get_text()]


def cells(picture):
    """Score of each cell as it is drawn, NaN where none is."""
    mesh = [one for one in picture.figure.axes[0].collections if one.norm.__class__.__name__ == "BoundaryNorm"][-1]
    return np.ma.filled(mesh.get_array().astype(float), np.nan)


def test_each_hour_stands_in_its_civil_cell():
    values = np.zeros(14 * 24)
    values[24 + 9] = 3.0  # Tuesday 09:00 to 10:00
    picture = heat_map.calendar(scores(values), NONE, holidays=NO_HOLIDAYS)
    table = cells(picture)
    assert table.shape == (14, 24)
    assert np.argwhere(table > 1).tolist() == [[1, 9]]
    assert {"Mon 5 Oct", "Mon 12 Oct", "00", "24"} <= set(texts(picture))


def test_an_hour_of_five_minute_steps_shows_its_worst():
    values = np.zeros(7 * 288)
    values[12 * 5 + 7] = 2.0
    values[12 * 5 + 8] = np.nan
    table = cells(heat_map.calendar(scores(values, step="5min"), NONE, holidays=NO_HOLIDAYS))
    assert np.argwhere(table == 2.0).tolist() == [[0, 5]]


def test_weeks_are_whole_and_what_was_not_judged_is_hatched_and_in_the_legend():
    values = np.zeros(7 * 24)
    values[:30] = np.nan
    picture = heat_map.calendar(scores(values, start=MONDAY + 48 * HOUR), NONE, holidays=NO_HOLIDAYS)
    table = cells(picture)
    assert table.shape == (14, 24)
    assert np.isnan(table[0]).all()
    assert np.isnan(table[2]).all()
    assert not np.isnan(table[4]).any()
    legend = [one.get_text() for one in picture.figure.axes[0].get_legend().get_texts()]
    assert legend == [*heat_map.CLASSES, "nothing to judge"]


def test_missing_data_are_as_bad_as_it_gets():
    values = np.zeros(7 * 24)
    values[3] = np.inf
    assert cells(heat_map.calendar(scores(values), NONE, holidays=NO_HOLIDAYS))[0, 3] >= heat_map.BOUNDS[-1]


def test_incidents_are_outlined_with_their_number_also_over_midnight():
    picture = heat_map.calendar(scores(np.zeros(7 * 24)), incident(22, 27), holidays=NO_HOLIDAYS)
    assert frames(picture) == [(0, 22, 24), (1, 0, 3)]
    assert "1" in texts(picture)
    assert "incident" in texts(picture)
    quiet = heat_map.calendar(scores(np.zeros(7 * 24)), incident(22, 23, number=0), holidays=NO_HOLIDAYS)
    assert frames(quiet) == [(0, 22, 23)]
    assert "0" not in texts(quiet)


def test_holidays_are_named_at_their_day():
    holidays = pd.Series({pd.Timestamp("2026-10-07"): "A day\u202e off", pd.Timestamp("2026-12-25"): "Christmas"})
    picture = heat_map.calendar(scores(np.zeros(7 * 24)), NONE, holidays=holidays)
    (label,) = [one for one in picture.figure.findobj(Text) if "A day off" in one.get_text()]
    assert label.xy[1] == 2.5
    assert not any("Christmas" in one for one in texts(picture))
    assert picture.alt.endswith("Holidays: A day off on 7 Oct.")


def test_it_says_what_it_shows():
    values = np.zeros(7 * 24)
    values[14:17] = (1.2, 3.0, 2.6)
    picture = heat_map.calendar(scores(values), incident(14, 17), title="Worst score", holidays=NO_HOLIDAYS)
    assert picture.alt == (
        "Calendar of hours: Worst score, 5 Oct 2026 to 11 Oct 2026, a row a day. 98 % of the hours lie inside the "
        "band, 2 are far outside. 1 incidents are outlined: 5 Oct 2026 14:00 to 5 Oct 2026 17:00."
    )
    nothing = heat_map.calendar(scores(np.full(48, np.nan)), NONE, holidays=NO_HOLIDAYS)
    assert nothing.alt == "Calendar of hours: Scores. Nothing could be judged yet."


def luminance(colour):
    parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def test_classes_go_from_light_to_dark_so_that_any_eye_tells_them_apart():
    light = [luminance(one) for one in heat_map.SHADES]
    assert all((a + 0.05) / (b + 0.05) >= 1.2 for a, b in pairwise(light))
    assert luminance("white") > light[0]
    assert VERMILION not in heat_map.SHADES


def test_the_clock_change_leaves_every_cell_in_its_hour():
    start = pd.Timestamp("2026-10-19T00:00", tz="Europe/Berlin")
    values = np.zeros(7 * 24 + 1)
    values[-1] = 3.0  # Sunday 23:00 to midnight, after an hour that was there twice
    picture = heat_map.calendar(scores(values, start=start), NONE, holidays=NO_HOLIDAYS, tz="Europe/Berlin")
    assert np.argwhere(cells(picture) > 1).tolist() == [[6, 23]]


def test_what_it_cannot_draw_is_one_sentence():
    with pytest.raises(FrameError, match="a calendar of hours needs a step of at most 1h, got 2h"):
        heat_map.calendar(scores(np.zeros(20), step="2h"), NONE, holidays=NO_HOLIDAYS)
    with pytest.raises(FrameError, match="a calendar holds at most 26 weeks, got 30; show fewer"):
        heat_map.calendar(scores(np.zeros(30 * 7 * 24)), NONE, holidays=NO_HOLIDAYS)


def test_no_scores_are_an_empty_picture_and_equal_ones_equal_bytes():
    empty = heat_map.calendar(scores([]), NONE, holidays=NO_HOLIDAYS)
    assert empty.png() == heat_map.calendar(scores([]), NONE, holidays=NO_HOLIDAYS).png()
