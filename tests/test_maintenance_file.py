"""The file of maintenance windows: what is wrong is refused with its line, before anything is asked of a server."""

import pytest
import yaml
from typer.testing import CliRunner

from tests.windows import ENTRY, KNOWN, calendar
from tutordex_analysis import catalogue_file, cli, maintenance_file
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.settings import Settings
from tutordex_analysis.silence import text_of

TEMPLATED = {**ENTRY, "matchers": None, "template": "database_migration"}


def test_a_template_gives_matchers_length_and_patience():
    ((planned,),) = (calendar({"vacuum": TEMPLATED}).windows,)
    assert [text_of(one) for one in planned.silences] == [
        '{component=~"worker|queue|quality|broadcast|dm", severity!="critical"}',
        '{alertname=~"(Public)?Api.*|BlackboxProbeFailed", severity!="critical"}',
    ]
    assert str(planned.longest) == "0 days 02:00:00"
    assert str(planned.patience) == "0 days 00:02:00"  # BlackboxProbeFailed is the quickest


def test_critical_alerts_are_in_it_only_where_the_window_says_so():
    (quiet,) = calendar().windows[0].silences
    (loud,) = calendar(critical=True).windows[0].silences
    assert (text_of(quiet), text_of(loud)) == ('{component="queue", severity!="critical"}', '{component="queue"}')
    (only,) = calendar(matchers='{alertname="PublicApiDown"}', critical=True).windows[0].silences
    assert text_of(only) == '{alertname="PublicApiDown"}'


def test_the_file_lies_in_the_catalogue_folder_which_is_read_without_it(tmp_path):
    assert maintenance_file.path_of(Settings()) is None
    path = tmp_path / "maintenance.yaml"
    path.write_text(yaml.safe_dump({"windows": {"vacuum": ENTRY}}))
    assert maintenance_file.path_of(Settings(catalogue=tmp_path)) == path
    assert [one.window.name for one in maintenance_file.read(path, catalogue_file.load(tmp_path)).windows] == ["vacuum"]


def test_catalogue_check_reads_it_too(tmp_path):
    path = tmp_path / "maintenance.yaml"
    path.write_text(yaml.safe_dump({"windows": {"vacuum": ENTRY}}))
    assert (
        ", 1 maintenance windows: all is well"
        in CliRunner().invoke(cli.app, ["catalogue", "check", str(tmp_path)]).stdout
    )
    path.write_text(yaml.safe_dump({"windows": {"vacuum": {**ENTRY, "lasts": "5h"}}}))
    done = CliRunner().invoke(cli.app, ["catalogue", "check", str(tmp_path)])
    assert f"{path}:2: vacuum: it lasts 5h" in str(done.exception)


def test_a_users_own_templates_and_rules_count(tmp_path):
    rule = {"value": "up == 0", "component": "shop", "summary": "Shop down"}
    template = {"title": "Shop closed", "matchers": ['{component="shop"}'], "longest": "30m"}
    (tmp_path / "shop.yaml").write_text(
        yaml.safe_dump({"rules": {"ShopDown": rule}, "silences": {"shop": template, "load_test": None}})
    )
    own = catalogue_file.load(tmp_path)
    made = calendar({"one": {**TEMPLATED, "template": "shop", "lasts": "30m"}}, catalogue=own)
    assert text_of(made.windows[0].silences[0]) == '{component="shop", severity!="critical"}'
    with pytest.raises(CatalogueError, match="there is no template 'load_test'"):
        calendar({"one": {**TEMPLATED, "template": "load_test"}}, catalogue=own)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**ENTRY, "zone": "Mars/Olympus"}, r"maintenance\.yaml:\d+: windows\.one\.zone: 'Mars/Olympus' is not a time"),
        ({**ENTRY, "lasts": "5h"}, r":2: one: it lasts 5h, and a window without a template may be 4h; shorten it"),
        ({**ENTRY, "lasts": "5d", "approved_by": "me"}, r":2: one: it lasts 5d, and at most 4d"),
        ({**TEMPLATED, "lasts": "3h"}, "a template database_migration may be 2h; shorten it, or name who approved"),
        ({**TEMPLATED, "template": "databse_migration"}, "did you mean database_migration?"),
        ({**TEMPLATED, "template": "one_channel"}, "needs a value for channel"),
        ({**ENTRY, "matchers": '{alertname="Watchdog"}'}, ":2: one: .* would silence Watchdog"),
        ({**ENTRY, "matchers": '{alertname=~".+"}'}, ":2: one: .* would silence Watchdog"),
        ({**ENTRY, "matchers": '{alertname="NoSuch"}'}, ":2: one: .* would silence nothing that is known"),
        ({**ENTRY, "matchers": '{severity="critical"}'}, ":2: one: .*say critical: true"),
        ({**ENTRY, "link": None}, r"windows\.one\.link: this key is missing"),
        ({**ENTRY, "reason": ""}, r"windows\.one\.reason: this must be said; it is empty"),
        ({**ENTRY, "wekdays": ["sunday"]}, r"windows\.one\.wekdays: there is no such key"),
    ],
)
def test_a_bad_window_is_refused_with_its_line(entry, said):
    with pytest.raises(CatalogueError, match=said):
        calendar({"one": entry})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("windows: [1]", "write names with their keys below, not a list"),
        ("- a", "a file of this kind has the key windows"),
        ("windows:\n  A b: {}", "'A b' is not a name"),
        ("windows:\n  now: {}", "'now' is taken; `silence now` makes it"),
        ("windows:\n  a: {}\n  a: {}", "the key 'a' is here twice"),
        ("windows: {", "this is not YAML"),
        ("windos: {}", "there is no such key"),
        ("windows:\n  a: {dates: [2026-02-30]}", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "maintenance.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=said):
        maintenance_file.read(path, KNOWN)


def test_a_file_that_is_not_there_is_no_empty_file(tmp_path):
    with pytest.raises(CatalogueError, match="there is no file of maintenance windows"):
        maintenance_file.read(tmp_path / "maintenance.yaml", KNOWN)
    (tmp_path / "maintenance.yaml").write_text("windows:\n")
    assert maintenance_file.read(tmp_path / "maintenance.yaml", KNOWN).windows == ()
