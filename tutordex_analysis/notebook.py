"""One notebook: found by its name, its parameters checked, run by papermill in a kernel of this very Python."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import logging
import math
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from tutordex_analysis.errors import AnalysisError, CatalogueError, ReportFailed

Value: TypeAlias = bool | int | float | str | list[Any] | tuple[Any, ...] | dict[str, Any] | None
OnCell: TypeAlias = Callable[[int, int], None]

_NAME = re.compile(r"\d\d_(\w+)\.ipynb")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}
_KINDS |= {tuple: "a tuple", dict: "a dictionary", type(None): "a plain value"}
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_LONGEST = 600  # characters of an error on a page
_LATE = "it was stopped because it ran longer than {:g} seconds; pass a longer timeout or less data"


@dataclass(frozen=True, kw_only=True, eq=False)
class Notebook:
    """A notebook as it stands on disk.

    Attributes:
        name: File name without number and ending: "capacity" for 10_capacity.ipynb.
        path: Where it is.
        node: Its cells, version 4.
        parameters: Names and values of its `parameters` cell.
        sha256: Digest of the file.
    """

    name: str
    path: Path
    node: NotebookNode
    parameters: Mapping[str, Value]
    sha256: str


class CellFailed(ReportFailed):
    """A cell of a notebook stopped.

    Attributes:
        cell: Number of the code cell, counted from 1; 0 when the kernel did not come up.
        source: Its source text.
    """

    def __init__(self, message: str, *, cell: int, source: str) -> None:
        super().__init__(message)
        self.cell = cell
        self.source = source


def shipped() -> Path:
    """Folder of the notebooks that came with the package: inside it when installed, beside it in a working copy."""
    package = Path(__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def found(folder: Path) -> dict[str, Path]:
    """The notebooks of a folder by name, in the order of their numbers.

    Raises:
        CatalogueError: The folder does not exist.
    """
    if not folder.is_dir():
        raise CatalogueError(f"there is no folder of notebooks at {folder}")
    matches = [(path, _NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.ipynb"))]
    return {match[1]: path for path, match in matches if match}


def load(name: str, path: Path) -> Notebook:
    """A notebook, read and its parameters cell understood.

    Raises:
        CatalogueError: The file is no notebook, or its parameters cell holds more than plain literals.
    """
    content = path.read_bytes()
    try:
        node = nbformat.reads(content.decode(), as_version=4)  # type: ignore[no-untyped-call]
        _, node = nbformat.validator.normalize(node)
    except Exception as error:  # nbformat falls over broken files in many ways
        raise CatalogueError(f"{path.name} is not a notebook; open it in JupyterLab and save it again") from error
    cells = [cell for cell in node.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) > 1:
        raise CatalogueError(f"{path.name} has {len(cells)} cells tagged parameters; keep one")
    parameters = _literals(path.name, cells[0].source) if cells else {}
    return Notebook(name=name, path=path, node=node, parameters=parameters, sha256=hashlib.sha256(content).hexdigest())


def settle(notebook: Notebook, given: Mapping[str, object]) -> dict[str, Value]:
    """Every parameter of the notebook with the value it will run with.

    Text, such as the command line gives, becomes the type of the literal in the notebook; dates are text and stay so.

    Args:
        notebook: Names, types and default values.
        given: Some of its parameters.

    Raises:
        CatalogueError: The notebook does not have the parameter, or the value has another type.
    """
    known = notebook.parameters
    for name in given:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise CatalogueError(f"{notebook.path.name} has no parameter {name!r}; {has}")
    values = {name: _typed(notebook, name, value) for name, value in given.items()}
    return {**known, **values}


def run(notebook: Notebook, parameters: Mapping[str, Value], *, timeout: float, on_cell: OnCell) -> NotebookNode:
    """The notebook with its outputs.

    Args:
        notebook: Not changed.
        parameters: Of `settle`.
        timeout: Seconds for the whole notebook, kernel start included.
        on_cell: Called with the number of the code cell that starts and how many there are.

    Raises:
        CellFailed: A cell raised, the time was over, or the kernel died.
    """
    logging.getLogger("papermill").addHandler(logging.NullHandler())  # what it would print is in our error
    progress = _Progress(notebook=notebook, deadline=time.monotonic() + timeout, on_cell=on_cell)
    with _kernel() as manager:
        try:
            executed: NotebookNode = papermill.execute_notebook(
                notebook.node,
                None,
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=max(1, round(timeout)),
                kernel_manager_class=manager,
                timeout_func=progress.seconds_left,
                on_cell_start=progress.start,
            )
        except Exception as error:  # whatever it was, this notebook failed and the next one should run
            late = isinstance(error, TimeoutError) or time.monotonic() > progress.deadline
            reason = _LATE.format(timeout) if late else _reason(error)
            raise CellFailed(reason, cell=progress.cell, source=progress.source) from error
    return executed


def without_login(text: str) -> str:
    """Text in which no address carries a user name or a password."""
    # up to the last @, which a password may hold too; never past a quote or a tag, since pages are HTML
    return re.sub(r"""(?<=://)[^/\s"'<>]+@""", "…@", text)


@dataclass(kw_only=True)
class _Progress:
    """Where a run stands: which cell, and until when it may go on."""

    notebook: Notebook
    deadline: float
    on_cell: OnCell
    cell: int = 0
    source: str = ""

    def start(self, *, cell: NotebookNode, cell_index: int) -> None:
        """A hook of nbclient; the cell that papermill adds has no number."""
        ids = [one.id for one in self.notebook.node.cells if one.cell_type == "code" and one.source.strip()]
        if cell.id in ids:
            self.cell, self.source = ids.index(cell.id) + 1, cell.source
            self.on_cell(self.cell, len(ids))

    def seconds_left(self, cell: NotebookNode) -> int:
        """A hook of nbclient; it reads 0 as forever."""
        return max(1, math.ceil(self.deadline - time.monotonic()))


def _reason(error: Exception) -> str:
    """Why a notebook failed, in one line."""
    if isinstance(error, PapermillExecutionError):
        ours = {one.__name__ for one in _family(AnalysisError)}
        text = error.evalue if error.ename in ours else f"{error.ename}: {error.evalue}"
    elif isinstance(error, DeadKernelError):
        text = "its Python died, most often for want of memory; look at the system's log, or ask for less data"
    else:
        text = f"{type(error).__name__}: {error}"
    line = " ".join(without_login(text).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def _family(error: type[AnalysisError]) -> Iterator[type[AnalysisError]]:
    yield error
    for child in error.__subclasses__():
        yield from _family(child)


@contextmanager
def _kernel() -> Iterator[type[AsyncKernelManager]]:
    """A manager of kernels of this very Python, whatever kernel specs and start-up files the user has.

    Its sockets, its configuration and its temporary files are in one folder that goes away with it; over sockets of the
    file system no two kernels can meet on a port.
    """
    with tempfile.TemporaryDirectory(prefix="tutordex-", ignore_cleanup_errors=True) as folder:
        spec = KernelSpec(**get_kernel_dict(), env={"IPYTHONDIR": folder, "TMPDIR": folder})

        class ThisPython(AsyncKernelManager):
            kernel_spec = property(lambda self: spec)  # instead of a search by name

            @default("transport")
            def _transport(self) -> str:
                return "ipc"

            @default("connection_file")
            def _connection_file(self) -> str:
                return f"{folder}/kernel.json"

        yield ThisPython


def _literals(file: str, source: str) -> dict[str, Value]:
    """Names and values of a parameters cell."""
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise CatalogueError(
            f"the parameters cell of {file} is not Python: {error.msg} in line {error.lineno}"
        ) from error
    values: dict[str, Value] = {}
    for statement in statements:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                pass
            case _:
                raise CatalogueError(f"line {statement.lineno} of the parameters cell of {file} is not like name = 3")
        try:
            values[name] = ast.literal_eval(value)
        except ValueError as error:
            raise CatalogueError(f'parameter {name!r} of {file} is not a plain literal such as 3 or "7d"') from error
    return values


def _typed(notebook: Notebook, name: str, value: object) -> Value:
    """A given value as the type of the literal that it replaces; a literal None takes any plain value."""
    wanted = type(notebook.parameters[name])
    if isinstance(value, wanted) and not (isinstance(value, bool) and wanted is int) and _is_plain(value):
        return value
    with contextlib.suppress(ValueError, SyntaxError, TypeError, OverflowError):
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if notebook.parameters[name] is None and isinstance(value, bool | int | float | str) and _is_plain(value):
            return value
        if isinstance(value, str):
            return _from_text(wanted, value.strip())
    raise CatalogueError(
        f"parameter {name!r} of {notebook.path.name} is {_KINDS[wanted]} such as {notebook.parameters[name]!r}, "
        f"not {value!r}"
    )


def _is_plain(value: object) -> bool:
    """Whether JSON, and so the manifest, can hold a value: no NaN, no infinity, no tuple as a key."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _from_text(wanted: type, text: str) -> Value:
    """Text as a literal of the wanted type; ValueError, SyntaxError or TypeError where it is none."""
    if wanted is bool and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if wanted is int:
        return int(text)
    if wanted is float and _is_plain(float(text)):
        return float(text)
    value = ast.literal_eval(text)
    if wanted in (list, tuple, dict) and isinstance(value, wanted) and _is_plain(value):
        return value
    raise ValueError(text)
