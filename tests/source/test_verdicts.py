"""Marks are those of the settings' catalogue folder, and speak of the settings' server alone."""

from __future__ import annotations

from tutordex_analysis import catalogue_file, verdicts_file
from tutordex_analysis.settings import Settings
from tutordex_analysis.source.connect import connect, sample
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.verdicts import read_verdicts

MARK = verdicts_file.Verdict(incident="20261008T0200Z-queue_pending-3fa9c1", verdict="false", note="a test")
URL = "http://127.0.0.1:9090"


def settings_of(folder, **more):
    verdicts_file.add(folder / verdicts_file.NAME, MARK)
    return Settings(catalogue=folder, **more)


def test_marks_of_the_catalogue_folder_are_read(tmp_path):
    settings = settings_of(tmp_path, prometheus_url=URL)
    source = PrometheusSource(URL, catalogue=catalogue_file.load())
    assert read_verdicts(source, settings=settings) == (MARK,)


def test_without_a_folder_or_a_file_there_are_none(tmp_path):
    assert read_verdicts(PrometheusSource(URL), settings=Settings()) == ()
    assert read_verdicts(PrometheusSource(URL), settings=Settings(catalogue=tmp_path)) == ()


def test_they_say_nothing_of_another_server(tmp_path):
    settings = settings_of(tmp_path, prometheus_url=URL)
    assert read_verdicts(PrometheusSource("http://127.0.0.1:9999"), settings=settings) == ()


def test_an_archive_is_that_of_its_server(tmp_path):
    archive = connect(sample())
    assert read_verdicts(archive, settings=settings_of(tmp_path)) == (MARK,)
    assert read_verdicts(archive, settings=Settings(catalogue=tmp_path, prometheus_url="https://elsewhere:1")) == ()
