"""Events: counts of rows over time from exported tables."""

import numpy as np
import pandas as pd
import pytest

from tutordex_analysis import catalogue_file
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.source.events import EventsSource

DAY = TimeRange("2026-03-01T01:00Z", "2026-03-01T07:00Z", "1h")


def users(folder, moments, **columns):
    folder.mkdir(exist_ok=True)
    pd.DataFrame({"created_at": pd.to_datetime(moments, utc=True), **columns}).to_parquet(folder / "users.parquet")
    return EventsSource(folder, catalogue=catalogue_file.load())


def test_rows_are_counted_up_to_and_with_each_instant(tmp_path):
    source = users(
        tmp_path, ["2026-03-01T02:00:00Z", "2026-03-01T02:00:01Z", "2026-03-01T04:30:00Z", "2026-03-01T06:00:00Z"]
    )
    got = source.read("users_joined", DAY)
    np.testing.assert_array_equal(got["y"], [np.nan, 1, 1, 0, 1, 1])
    assert got["unique_id"].unique().tolist() == ["users_joined"]


def test_a_table_without_rows_is_an_empty_frame(tmp_path):
    assert users(tmp_path, []).read("users_joined", DAY).empty


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda folder: None, "no table users"),
        (lambda folder: (folder / "users.parquet").write_text("id,created_at"), "cannot be read as Parquet"),
        (lambda folder: pd.DataFrame({"joined": [1]}).to_parquet(folder / "users.parquet"), "no column|cannot be read"),
        (
            lambda folder: pd.DataFrame({"created_at": ["monday"]}).to_parquet(folder / "users.parquet"),
            "times with a zone",
        ),
    ],
)
def test_what_cannot_be_counted_is_one_sentence(tmp_path, write, match):
    write(tmp_path)
    with pytest.raises(SourceError, match=match):
        EventsSource(tmp_path, catalogue=catalogue_file.load()).read("users_joined", DAY)


def test_a_signal_of_prometheus_is_refused(tmp_path):
    with pytest.raises(SourceError, match="posts_seen comes from Prometheus"):
        users(tmp_path, ["2026-03-01T02:00Z"]).read("posts_seen", DAY)
