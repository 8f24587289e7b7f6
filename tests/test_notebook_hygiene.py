"""Notebooks are thin, clean and the same on every machine: `docs/style.md`, section 6. They are run elsewhere."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_CODE_CELLS = 12
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.AsyncFor, ast.While)
MACHINE_PATH = re.compile(r"""(?<![\w.:/<])(~?/\w[\w.-]*/|[A-Z]:\\)""")


def source(cell):
    return "".join(cell["source"])


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def left_over(notebook):
    """Traces of a run: outputs, counts, papermill's notes."""
    for cell in code_cells(notebook):
        if cell["outputs"] or cell["execution_count"] is not None:
            yield f"cell {cell['id']} has outputs or a count; run nbstripout"
    for part in (notebook, *notebook["cells"]):
        if "papermill" in part["metadata"]:
            yield "papermill's notes are in the metadata; this is an output, not a notebook"


def unnamed(notebook):
    """Cells without an id of their own, or a kernel that only one machine has."""
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) != len(ids):
        yield "each cell needs an id of its own (nbformat 4.5)"
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield "the kernelspec must be python3"


def untidy_parameters(notebook):
    """Not one cell of plain literals, which is all that papermill can replace and the command line can check."""
    tagged = [cell for cell in code_cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged parameters, wanted one"
    for statement in (line for cell in tagged for line in ast.parse(source(cell)).body):
        try:
            assert isinstance(statement, (ast.Assign, ast.AnnAssign))
            ast.literal_eval(statement.value or statement)
        except (AssertionError, ValueError):
            yield f"not a plain literal among the parameters: {ast.unparse(statement)}"


def thick(notebook):
    """Logic that wants to be a tested function of the library."""
    if len(code_cells(notebook)) > MOST_CODE_CELLS:
        yield f"{len(code_cells(notebook))} code cells, at most {MOST_CODE_CELLS}"
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, LOGIC):
                yield f"{type(node).__name__} in cell {cell['id']}; a library function can be tested"


def tied_to_a_machine(notebook):
    """Paths of one machine, in code or in text."""
    for cell in notebook["cells"]:
        for path in MACHINE_PATH.findall(source(cell)):
            yield f"cell {cell.get('id')} names the absolute path {path}…"


RULES = (left_over, unnamed, untidy_parameters, thick, tied_to_a_machine)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean_and_thin(path):
    notebook = json.loads(path.read_text("utf-8"))
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem), "notebooks are called NN_question.ipynb"
    assert [why for rule in RULES for why in rule(notebook)] == []


def cell(text, *, name="c", tags=(), **more):
    return {
        "id": name,
        "cell_type": "code",
        "source": [text],
        "outputs": [],
        "execution_count": None,
        "metadata": {"tags": list(tags)},
        **more,
    }


def made(*cells, kernel="python3"):
    parameters = cell('source_uri = "data/sample"\nwindow: str = "90d"', name="p", tags=["parameters"])
    return {"metadata": {"kernelspec": {"name": kernel}}, "cells": [parameters, *cells]}


def test_no_rule_forbids_what_is_right():
    right = made(
        cell("import pandas as pd", name="a"),
        cell("rows = [row for row in range(3)]", name="b"),
        cell("read http://127.0.0.1:9090/api/v1/query, data/sample or </details>, and/or not", name="t")
        | {"cell_type": "markdown"},
    )
    assert [why for rule in RULES for why in rule(right)] == []


@pytest.mark.parametrize(
    ("rule", "notebook"),
    [
        (left_over, made(cell("1", outputs=[{"output_type": "stream"}]))),
        (left_over, made(cell("1", execution_count=1))),
        (left_over, made(cell("1", metadata={"papermill": {}}))),
        (unnamed, made(cell("1", name="p"))),
        (unnamed, made(cell("1", name=None))),
        (unnamed, made(kernel="my-venv")),
        (untidy_parameters, made(cell("x = 1", tags=["parameters"]))),
        (untidy_parameters, {"cells": [cell("x = 1")]}),
        (untidy_parameters, {"cells": [cell("import os", tags=["parameters"])]}),
        (untidy_parameters, {"cells": [cell("x = len('a')", tags=["parameters"])]}),
        (thick, made(*(cell("1") for _ in range(12)))),
        (thick, made(cell("def f():\n    pass"))),
        (thick, made(cell("if x:\n    for y in x:\n        y"))),
        (tied_to_a_machine, made(cell("read('/srv/prometheus/data')"))),
        (tied_to_a_machine, made(cell("see ~/notes/today", cell_type="markdown"))),
        (tied_to_a_machine, made(cell(r"C:\data"))),
    ],
)
def test_each_rule_sees_what_breaks_it(rule, notebook):
    assert len(list(rule(notebook))) == 1
