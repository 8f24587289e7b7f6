import pytest
from nbformat import v4, writes

from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.notebook import found, load, settle, shipped, without_login

PARAMETERS = """
# where from
source_uri = "data/sample"
as_of: str = ""
horizon = 30
level = 0.9
quick = False
seasons = ["1d", "7d"]
limit = None
shift = -1
"""


def make(folder, source=PARAMETERS, name="10_capacity.ipynb"):
    cells = [v4.new_code_cell("x = 1")]
    if source is not None:
        cells.append(v4.new_code_cell(source, metadata={"tags": ["parameters"]}))
    (folder / name).write_text(writes(v4.new_notebook(cells=cells)))
    return load("capacity", folder / name)


def test_the_parameters_cell_gives_names_types_and_values(tmp_path):
    notebook = make(tmp_path)
    assert notebook.parameters == {
        **{"source_uri": "data/sample", "as_of": "", "horizon": 30, "level": 0.9, "quick": False},
        **{"seasons": ["1d", "7d"], "limit": None, "shift": -1},
    }
    assert settle(notebook, {}) == notebook.parameters
    assert len(notebook.sha256) == 64


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"horizon": "14"}, 14),
        ({"level": "1e-3"}, 1e-3),
        ({"level": 1}, 1.0),
        ({"quick": "Yes"}, True),
        ({"quick": "0"}, False),
        ({"as_of": "2026-03-01T00:00:00Z"}, "2026-03-01T00:00:00Z"),
        ({"as_of": "2026"}, "2026"),
        ({"seasons": '["1d"]'}, ["1d"]),
        ({"limit": 0.8}, 0.8),
        ({"limit": "0.8"}, "0.8"),
    ],
)
def test_values_become_the_type_of_the_literal(given, value, tmp_path):
    (name,) = given
    settled = settle(make(tmp_path), given)[name]
    assert settled == value
    assert type(settled) is type(value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"horizn": 3}, r"10_capacity.ipynb has no parameter 'horizn'; it has source_uri, as_of, horizon"),
        ({"horizon": "30d"}, r"'horizon' of 10_capacity.ipynb is a whole number such as 30, not '30d'"),
        ({"horizon": True}, "whole number such as 30, not True"),
        ({"horizon": 3.5}, "whole number such as 30, not 3.5"),
        ({"quick": "perhaps"}, "true or false such as False, not 'perhaps'"),
        ({"as_of": 3}, "text such as '', not 3"),
        ({"seasons": "__import__('os')"}, "a list such as"),
        ({"seasons": '{"a": 1}'}, "a list such as"),
        ({"seasons": "[{[]: 1}]"}, "a list such as"),
        ({"seasons": "[1e999]"}, "a list such as"),
        ({"seasons": [{(1, 2): 3}]}, "a list such as"),
        ({"level": "nan"}, "a number such as 0.9, not 'nan'"),
        ({"level": float("inf")}, "a number such as 0.9, not inf"),
        ({"limit": float("nan")}, "a plain value such as None"),
        ({"limit": object}, "a plain value such as None"),
    ],
)
def test_unknown_and_ill_typed_parameters_are_refused(given, said, tmp_path):
    with pytest.raises(CatalogueError, match=said):
        settle(make(tmp_path), given)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a = 1\nb = a + 1", "parameter 'b' of 10_capacity.ipynb is not a plain literal"),
        ("a = 1\nimport os", "line 2 of the parameters cell of 10_capacity.ipynb is not like name = 3"),
        ("a, b = 1, 2", "line 1 of the parameters cell"),
        ("a = (", "is not Python: '\\(' was never closed in line 1"),
    ],
)
def test_a_parameters_cell_holds_plain_literals_only(source, said, tmp_path):
    with pytest.raises(CatalogueError, match=said):
        make(tmp_path, source)


def test_a_notebook_without_parameters_takes_none(tmp_path):
    with pytest.raises(CatalogueError, match="no parameter 'a'; it has none"):
        settle(make(tmp_path, None), {"a": 1})


def test_what_is_no_notebook_is_refused(tmp_path):
    for content in (b"<html>", b"\xff\xfe", b"{}", b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'):
        (tmp_path / "10_x.ipynb").write_bytes(content)
        with pytest.raises(CatalogueError, match=r"10_x\.ipynb is not a notebook"):
            load("x", tmp_path / "10_x.ipynb")


def test_notebooks_are_found_by_number(tmp_path):
    for name in ("20_b_c.ipynb", "10_a.ipynb", "draft.ipynb", "30_d.txt"):
        (tmp_path / name).touch()
    assert list(found(tmp_path)) == ["a", "b_c"]
    with pytest.raises(CatalogueError, match="no folder of notebooks"):
        found(tmp_path / "none")


def test_every_shipped_notebook_can_be_given_parameters():
    names = found(shipped())
    assert "capacity" in names
    for name, path in names.items():
        assert load(name, path).parameters


def test_logins_are_taken_out_of_addresses_only():
    assert without_login("at http://bob:pw@prom:9090/x, t.me/@a") == "at http://…@prom:9090/x, t.me/@a"
    assert without_login("postgresql://bob:p@ss@db/tutors") == "postgresql://…@db/tutors"
    page = '<a href="https://example.org">ops@example.org" onclick=run() x="</a>'
    assert without_login(page) == page
