"""Settings: the environment over the file over defaults; typos are errors; secrets stay secret."""

import pytest

from tutordex_analysis import settings
from tutordex_analysis.errors import CatalogueError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"TUTORDEX_{name.upper()}", raising=False)


def test_environment_wins_over_file_and_file_over_default(tmp_path, monkeypatch):
    (tmp_path / settings.FILE).write_text('prometheus_url = "http://file:9090"\nsource_name = "prod"\n')
    monkeypatch.setenv("TUTORDEX_PROMETHEUS_URL", "http://environment:9090")
    got = settings.load()
    assert (got.prometheus_url, got.source_name, str(got.archive)) == (
        "http://environment:9090",
        "prod",
        "data/archive",
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('promethius_url = "x"\n', r"there is no setting 'promethius_url'; the settings are .*prometheus_url"),
        ("verify_tls = 'perhaps'\n", "the setting verify_tls .* is wrong"),
        ('source_name = "../up"\n', "the setting source_name .* is wrong"),
        ('source_name = ".."\n', "the setting source_name .* is wrong"),
        ("archive = \n", r"tutordex.toml cannot be read"),
    ],
)
def test_a_typo_in_the_file_is_an_error(tmp_path, text, match):
    (tmp_path / settings.FILE).write_text(text)
    with pytest.raises(CatalogueError, match=match):
        settings.load()


def test_secrets_are_neither_printed_nor_in_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORDEX_TOKEN", "sesame")
    monkeypatch.setenv("TUTORDEX_BASIC_AUTH", "ali:sesame")
    assert "sesame" not in repr(settings.load())
    (tmp_path / settings.FILE).write_text('tokken = "sesame"\n')
    with pytest.raises(CatalogueError) as caught:
        settings.load()
    assert "sesame" not in str(caught.value)
