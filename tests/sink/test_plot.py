"""Figures: what they say in words and in artists, odd data, and text that nobody can trust."""

from __future__ import annotations

import base64
import io
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from tests.sink.results import breach, forecast, history
from tutordex_analysis.errors import FrameError
from tutordex_analysis.frame import empty
from tutordex_analysis.measure import scale_of, tick_dates, tick_texts, value_text
from tutordex_analysis.sink import plot
from tutordex_analysis.sink.figure_style import number, spread
from tutordex_analysis.sink.series_name import short_names

UTC = "UTC"


def texts(picture):
    return [one.get_text() for one in picture.figure.findobj(Text) if one.get_text()]


def lines(picture):
    """Lines over time, without limits, leaders and lone dots."""
    ax = picture.figure.axes[0]
    return [one for one in ax.get_lines() if one.get_transform() == ax.transData and len(one.get_xdata()) > 2]


def test_history_says_what_it_shows():
    picture = plot.history(history(), title="Jobs waiting", unit="jobs", tz=UTC, limits={"hard limit": 150})
    assert picture.alt == (
        "Line chart of Jobs waiting, 1 series, 28 Feb 2026 00:00 to 1 Mar 2026 23:00, between 90 jobs and 110 jobs. "
        "The last value is 97.4 jobs. Limits: hard limit at 150 jobs."
    )
    assert {"Jobs waiting", "Jobs · UTC time", "hard limit: 150 jobs"} <= set(texts(picture))


def test_the_axis_is_in_civil_time():
    picture = plot.history(history(), tz="Asia/Singapore")
    assert "28 Feb 2026 08:00 to 2 Mar 2026 07:00" in picture.alt
    ax = picture.figure.axes[0]
    midnights = number(pd.DatetimeIndex(["2026-02-28T16:00Z", "2026-03-01T16:00Z"]))
    assert set(midnights) <= set(ax.get_xticks())


def test_a_gap_is_a_gap():
    frame = history()
    frame.loc[10:19, "y"] = np.nan
    picture = plot.history(frame)
    assert np.isnan(lines(picture)[0].get_ydata()[10:20]).all()
    assert picture.alt.endswith("10 of 48 values are missing.")
    missing_rows = frame.drop(index=range(10, 20))
    shown = lines(plot.history(missing_rows))[0].get_ydata()
    assert np.isnan(shown[10])
    assert len(shown) == 39  # 38 rows and the break


def test_a_value_alone_between_gaps_is_a_dot():
    frame = history()
    frame.loc[[10, 12], "y"] = np.nan
    dots = [one for one in plot.history(frame).figure.axes[0].get_lines() if one.get_marker() == "o"]
    assert [np.asarray(one.get_ydata()).tolist() for one in dots] == [[frame["y"][11]]]


def test_beyond_eight_series_the_largest_are_named_and_the_rest_grey():
    picture = plot.history(history([{"c": f"ch{i:02}"} for i in range(12)]), unit="posts", tz=UTC)
    named = {one for one in texts(picture) if one.startswith("ch")}
    assert named == {f"ch{i:02}" for i in range(4, 12)}
    assert "Posts · UTC time · 8 largest of 12 named" in texts(picture)
    assert len(lines(picture)) == 12


def test_no_two_named_series_look_alike():
    drawn = lines(plot.history(history([{"c": str(i)} for i in range(8)])))
    assert len({one.get_color() for one in drawn}) == 8
    assert len({(one.get_linestyle(), str(one._unscaled_dash_pattern)) for one in drawn}) == 8


def test_a_forecast_says_where_it_ends_and_when_the_limit_is_reached():
    picture = plot.forecast(
        forecast(), history(), title="Jobs", unit="jobs", tz=UTC, limits={"80 %": 112}, breach=breach()
    )
    assert picture.alt == (
        "Forecast chart of Jobs, 1 of 1 series. It stands at 97.4 jobs and is forecast at 124 jobs on 2 Mar 2026, "
        "with 95 % between 124 jobs and 124 jobs. 80 % limit likely reached 2 Mar 2026 (2 Mar or later). "
        "Limits: 80 % at 112 jobs."
    )
    assert {"80 %: 112 jobs", "likely 124", "80 % range", "95 % range", "now"} <= set(texts(picture))


def test_a_limit_that_is_not_reached_is_said_so():
    never = breach(dates=(None, None, None))
    assert "Limit not reached by 2 Mar 2026." in plot.forecast(forecast(), breach=never, tz=UTC).alt
    past = breach(dates=("2026-03-02T00:00Z",) * 3)
    assert "Limit is reached already." in plot.forecast(forecast(), breach=past, tz=UTC).alt
    perhaps = breach(dates=("2026-03-02T06:00Z", None, None))
    assert "Limit may be reached from 2 Mar 2026 on." in plot.forecast(forecast(), breach=perhaps, tz=UTC).alt


def test_a_limit_far_away_does_not_flatten_the_data():
    picture = plot.history(history(), unit="jobs", tz=UTC, limits={"hard": 1_000_000})
    assert picture.figure.axes[0].get_ylim()[1] < 200
    assert "Jobs · UTC time · out of view: hard: 1,000,000 jobs" in texts(picture)


def test_each_series_of_a_forecast_has_its_panel_up_to_six():
    ids = [f'{{c="ch{i}"}}' for i in range(8)]
    picture = plot.forecast(forecast(ids), history([{"c": f"ch{i}"} for i in range(8)]), tz=UTC)
    assert [one.get_title(loc="left") for one in picture.figure.axes] == [f"ch{i}" for i in (7, 6, 5, 4, 3, 2)]
    assert "6 of 8 series" in picture.alt


def test_a_long_forecast_shows_the_busiest_time_of_each_whole_day():
    def daily(instants):
        return 100 + 10 * np.sin(2 * np.pi * instants.hour.to_numpy() / 24) + np.arange(len(instants)) / 24

    picture = plot.forecast(forecast(n=60 * 24, level=daily, start="2026-03-02T05:00Z"), tz=UTC)
    drawn = lines(picture)[0]
    assert len(drawn.get_xdata()) == 59  # the first and the last day are cut off at 05:00
    assert ((np.asarray(drawn.get_xdata()) % 1) * 24).round() == pytest.approx(12)  # the 06:00 value, drawn at noon
    assert drawn.get_ydata()[0] == pytest.approx(100 + 10 + 25 / 24)
    assert "at the busiest time of each day" in picture.alt


def test_a_series_without_a_forecast_says_why():
    nothing = forecast()
    object.__setattr__(nothing, "frame", nothing.frame.iloc[:0])
    object.__setattr__(nothing, "reason", pd.Series(["needs 14 days, got 2"], index=["{}"]))
    picture = plot.forecast(nothing)
    assert picture.alt == "Forecast chart of a signal, 0 of 0 series. needs 14 days, got 2"
    assert "needs 14 days, got 2" in texts(picture)


def test_the_usual_week_counts_a_value_to_the_hour_that_it_covers():
    # The value at Monday 01:00 in Singapore covers the hour from midnight; 2 March 2026 is a Monday.
    frame = history(n=1, end="2026-03-01T18:00Z")
    assert frame["ds"][0] == pd.Timestamp("2026-03-01T17:00Z")
    picture = plot.hour_of_week(frame, unit="jobs")
    assert "highest on Mon 00:00 with 100 jobs" in picture.alt


def test_the_usual_week_is_a_mean_over_weeks():
    frame = history(n=24 * 21).assign(y=lambda f: f["ds"].dt.isocalendar().week.astype(float))
    mesh = plot.hour_of_week(frame, tz=UTC).figure.axes[0].collections[0]
    weeks = (frame["ds"] - pd.Timedelta("1h")).dt.floor("h")
    wanted = frame["y"].groupby(weeks.dt.day_of_week * 24 + weeks.dt.hour).mean()
    assert np.asarray(mesh.get_array()).ravel() == pytest.approx(wanted.to_numpy())


def test_the_usual_week_wants_one_series_and_hours():
    with pytest.raises(FrameError, match="one series, got 2"):
        plot.hour_of_week(history([{"c": "a"}, {"c": "b"}]))
    with pytest.raises(FrameError, match="at most 1h, got 6h"):
        plot.hour_of_week(history(step="6h"))


def test_bars_are_sorted_and_carry_their_numbers():
    picture = plot.bars(pd.Series({'{c="a"}': 20.0, '{c="b"}': 1234.0, '{c="x"}': np.nan}), title="Posts", unit="posts")
    assert picture.alt == "Bars of Posts: b 1,234 posts; a 20 posts. 1 not shown."


ODD = {
    "empty": empty(),
    "one point": history(n=1),
    "all missing": history().assign(y=np.nan),
    "infinite": history().assign(y=np.inf),
    "constant": history().assign(y=5.0),
    "zero": history().assign(y=0.0),
    "huge": history().assign(y=lambda f: f["y"] * 1e300),
    "tiny": history().assign(y=lambda f: f["y"] * 1e-300),
    "negative": history().assign(y=lambda f: -f["y"]),
}


@pytest.mark.parametrize("unit", ["jobs", "ratio", "bytes", "seconds"])
@pytest.mark.parametrize("name", ODD)
def test_odd_data_are_drawn_without_a_warning(name, unit):
    picture = plot.history(ODD[name], title=name, unit=unit, limits={"limit": 3.0})
    assert picture.png().startswith(b"\x89PNG")
    assert name in picture.alt


@pytest.mark.parametrize("name", ODD)
def test_odd_history_before_a_forecast(name):
    assert plot.forecast(forecast(), ODD[name], limits={"limit": 3.0}).png().startswith(b"\x89PNG")


def test_text_from_labels_stays_text():
    hostile = ["$x^2$ \\frac", "<script>alert(1)</script>", "新加坡", "a\u202eb\nc", "long" * 30, "_hidden"]
    picture = plot.history(history([{"c": one} for one in hostile]), title="$\\alpha$ & <b>")
    shown = texts(picture)
    assert {"$x^2$ \\frac", "新加坡", "a b c", "_hidden", "$\\alpha$ & <b>"} <= set(shown)
    assert max(len(one) for one in shown if one.startswith("long")) == 24
    assert not any(one.get_parse_math() for one in picture.figure.findobj(Text) if "$" in one.get_text())
    picture.png()


def test_the_same_figure_gives_the_same_bytes_whatever_the_caller_has_set():
    first = plot.history(history(), title="a").png()
    with mpl.rc_context({"font.size": 30, "text.parse_math": True, "axes.facecolor": "red", "xtick.direction": "in"}):
        assert plot.history(history(), title="a").png() == first
        assert mpl.rcParams["font.size"] == 30


def test_pyplot_never_hears_of_a_figure():
    import matplotlib.pyplot as plt

    plot.history(history()).png()
    assert plt.get_fignums() == []


def test_a_notebook_gets_the_picture_with_its_text():
    picture = plot.history(history(), title='A "quoted" <title>')
    data, metadata = picture._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == picture.png()
    assert metadata["image/png"] == {"alt": picture.alt, "width": 720, "height": 400}


def test_the_text_reaches_a_report_escaped():
    import nbformat
    from nbconvert import HTMLExporter

    data, metadata = plot.history(history(), title='A "quoted" <title>')._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    page, _ = HTMLExporter(template_name="basic", exclude_input=True).from_notebook_node(notebook)
    assert '<img alt=\'Line chart of A "quoted" &lt;title&gt;, 1 series, 28 Feb 2026' in page
    assert "<title>" not in page


def test_the_callers_frame_is_not_changed():
    before = history()
    frame = before.copy()
    plot.history(frame, limits={"x": 1.0})
    plot.forecast(forecast(), frame)
    plot.hour_of_week(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_a_picture_can_be_saved_and_read(tmp_path):
    from matplotlib.image import imread

    path = plot.history(history()).save(tmp_path / "a.png")
    assert imread(io.BytesIO(path.read_bytes())).shape == (640, 1152, 4)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, "ratio", "50 %"),
        (0.98765, "ratio", "98.8 %"),
        (3 * 2**30, "bytes", "3 GiB"),
        (2048, "bytes_per_second", "2 KiB/s"),
        (90, "seconds", "90 s"),
        (150, "seconds", "2.5 min"),
        (0.25, "seconds", "250 ms"),
        (172_800, "seconds", "2 d"),
        (1_234_567, "posts", "1,234,567 posts"),
        (25_000_000, "posts", "25 M posts"),
        (0, "posts", "0 posts"),
        (-0.0, "posts", "0 posts"),
        (-3.25, "celsius", "-3.25 °C"),
        (0.01234, "per_second", "0.0123 per second"),
        (float("nan"), "posts", "unknown"),
        (float("inf"), "bytes", "unlimited"),
        (1_772_452_800, "unix_seconds", "2026-03-02 12:00 UTC"),
        (1e20, "bytes", "1e+20"),
    ],
)
def test_numbers_are_written_for_people(value, unit, text):
    assert value_text(value, unit) == text


@pytest.mark.parametrize(
    ("ticks", "unit", "wanted"),
    [
        ([0, 0.005, 0.01], "ratio", ["0.0 %", "0.5 %", "1.0 %"]),
        ([-1, 0, 1], "posts", ["−1", "0", "1"]),
        ([0, 2**30, 2 * 2**30], "bytes", ["0 GiB", "1 GiB", "2 GiB"]),
        ([0, 1e21], "posts", ["0", "1e+21"]),
        ([], "posts", []),
    ],
)
def test_ticks_share_one_scale(ticks, unit, wanted):
    assert tick_texts(ticks, unit) == wanted


def test_short_names_keep_only_what_differs():
    assert short_names(["{}"]) == ["no label"]
    assert short_names(["up", "down"]) == ["up", "down"]
    assert short_names(['up{a="1",b="2"}']) == ["1 · 2"]
    assert short_names(['{a="1",b="2"}', '{a="1",b="3",c="4"}']) == ["2", "3 · 4"]


@pytest.mark.parametrize("n", [1, 2, 8])
def test_labels_moved_apart_keep_their_order_and_their_distance(n):
    places = spread([0.5] * n, apart=0.1)
    assert np.diff(places) == pytest.approx([0.1] * (n - 1))
    assert max(places) <= 1
    assert scale_of(0.0, "bytes") == (1.0, " B")
    assert tick_dates(pd.DatetimeIndex([], tz="UTC"), ZoneInfo("UTC")) == []
