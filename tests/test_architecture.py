"""Imports point one way, and what touches the world stands where `docs/design.md`, section 1, says."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

PACKAGE = "tutordex_analysis"
ROOT = Path(__file__).parents[1]
LONGEST = 320

# Lowest first; a room sees those of the levels below its own, and itself.
LEVELS = (
    {"errors"},
    {"moment", "disk"},
    {"frame", "promql", "promql_labels", "measure", "civil", "spec", "yaml_file"},
    {
        *("part", "limit", "mask", "watch", "change", "experiment", "inventory", "rule", "rule_groups", "rule_inline"),
        *("slo", "burn", "silence", "rule_definition", "releases_file"),
    },
    {
        "catalogue",
        "rulebook",
        "experiment_data",
        *("slo_events", "slo_examples", "slo_rules", "slo_sloth"),
        "catalogue_yaml",
        "catalogue_file",
        "catalogue_add",
        "settings",
        "incidents_file",
        "changes_file",
        "verdicts_file",
        "pins_file",
        "issued",
        "window",
    },
    {"labelled", "maintenance"},
    {"maintenance_file"},
    {"source", "model"},
    {"question", "sink"},
    {"in_force", "rule_trial", "trials"},
    {"rule_gate"},
    {"weekly", "notebook", "publish", "schedule", "replay"},
    {"console"},
    {
        *("cli_anomalies", "cli_catalogue", "cli_dashboards", "cli_ledger", "cli_world"),
        *("cli_rules_build", "cli_rules_push", "cli_backtest", "cli_pins", "cli_shadow"),
        *("cli_silence", "cli_schedule"),
    },
    {"cli_rules"},
    {"cli"},
    {"__main__"},
)
NEIGHBOURS = {
    ("promql", "frame"),
    ("promql_labels", "promql"),
    ("catalogue", "catalogue_file"),  # inside its `load` only
    ("catalogue_file", "catalogue"),
    ("catalogue_file", "catalogue_yaml"),
    ("catalogue_yaml", "catalogue"),
    ("catalogue_add", "catalogue_yaml"),
    ("catalogue_file", "rulebook"),
    ("catalogue_file", "slo_rules"),
    *(("slo_" + name, "catalogue") for name in ("events", "examples", "rules")),
    *(("slo_rules", "slo_" + name) for name in ("events", "examples")),
    ("slo_examples", "slo_events"),
    ("slo", "rule"),
    ("catalogue_add", "catalogue_file"),
    ("rulebook", "catalogue"),
    ("incidents_file", "catalogue"),
    ("changes_file", "catalogue"),
    ("incidents_file", "settings"),
    ("changes_file", "settings"),
    ("verdicts_file", "catalogue"),
    ("verdicts_file", "settings"),
    ("pins_file", "settings"),
    ("weekly", "notebook"),
    ("rule_inline", "rule_groups"),
    ("rule_definition", "rule_groups"),
    ("releases_file", "rule"),
}

# What reaches the network, another program or a kernel → who may import it.
HANDS = {
    **{name: {"source", "sink"} for name in ("requests", "urllib3", "http", "socket", "prometheus_api_client")},
    **{name: {"source"} for name in ("sqlalchemy", "psycopg")},
    **{name: {"weekly", "notebook"} for name in ("papermill", "nbclient", "jupyter_client")},
    "subprocess": {"source", "sink", "weekly", "notebook", "schedule"},
}
PRINTERS = {"cli"}
# Rooms that compute: they get the data, the time and the seed as arguments.
PURE = {"model", "question"}
DISK = {"io", "os", "pathlib", "shutil", "tempfile"}
CLOCK = {"logging", "time"}
ALLOWED = {
    ("model", "backtest", "time"),  # a backtest says how many seconds each model took
    ("model", "prophet_model", "logging"),  # Prophet's own loggers are silenced
}


@dataclass(frozen=True)
class Module:
    """One file of the package; the room is its folder, or its own name at the root."""

    path: str
    text: str

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def name(self) -> str:
        return Path(self.path).stem

    @cached_property
    def nodes(self):
        return list(ast.walk(ast.parse(self.text)))

    def imports(self):
        """(line, dotted name) of everything imported, at the top or inside a function."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.path}:{node.lineno} is a relative import; write the real path"
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"


def level(room: str) -> int:
    found = [height for height, rooms in enumerate(LEVELS) if room in rooms]
    assert found, f"{room} is new at the root of the package; give it its level here and in docs/design.md"
    return found[0]


def upward(module: Module):
    """Imports of a room that this one must not see."""
    for line, name in module.imports():
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package != PACKAGE or module.room == "__init__" or other in ("", module.room, "__version__"):
            continue
        if level(other) >= level(module.room) and (module.room, other) not in NEIGHBOURS:
            yield line, f"{module.room} must not see {other}"


def hands(module: Module):
    """Imports of a library that reaches further than the room may."""
    for line, name in module.imports():
        library = name.split(".")[0]
        if module.room not in HANDS.get(library, {module.room}):
            yield line, f"{library} belongs to {', '.join(sorted(HANDS[library]))}, not to {module.room}"
        allowed = (module.room, module.name, library) in ALLOWED
        if module.room in PURE and library in DISK | CLOCK and not allowed:
            yield line, f"{module.room} has no disk, clock or log; {library} must not be needed"


def calls(module: Module):
    """Printing outside the command line, and reading files or the time where things are computed."""
    for node in module.nodes:
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called == "print" and module.room not in PRINTERS:
            yield node.lineno, "only the command line prints"
        if module.room in PURE and (called == "open" or called.split(".")[-1] in ("now", "utcnow", "today")):
            yield node.lineno, f"{called}() in {module.room}; it gets data and time as arguments"


def too_long(module: Module):
    """A module with more than one noun in it, most likely."""
    n = module.text.count("\n")
    if n > LONGEST:
        yield n, f"{n} lines, at most {LONGEST}; find its second noun"


RULES = (upward, hands, calls, too_long)
MODULES = [
    Module(str(path.relative_to(ROOT / PACKAGE)), path.read_text("utf-8"))
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
]


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_the_rule(rule):
    broken = [f"{PACKAGE}/{module.path}:{line}: {why}" for module in MODULES for line, why in rule(module)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (upward, "sink/plot.py", f"from {PACKAGE}.question.capacity import outlook"),
        (upward, "question/capacity.py", f"def f():\n    from {PACKAGE} import sink"),
        (upward, "source/pull.py", f"import {PACKAGE}.model.forecast"),
        (upward, "model/forecast.py", f"from {PACKAGE}.source.archive import ArchiveSource"),
        (upward, "frame.py", f"from {PACKAGE}.promql import rate"),
        (upward, "settings.py", f"from {PACKAGE}.catalogue import load"),
        (hands, "question/capacity.py", "import requests"),
        (hands, "cli.py", "import subprocess"),
        (hands, "sink/page.py", "from papermill.execute import execute_notebook"),
        (hands, "model/forecast.py", "import time"),
        (hands, "model/backtest.py", "import logging"),
        (hands, "question/capacity.py", "from pathlib import Path"),
        (calls, "source/pull.py", "print('done')"),
        (calls, "model/forecast.py", "import datetime as dt\nnow = dt.datetime.now(dt.UTC)"),
        (calls, "question/capacity.py", "import pandas as pd\nday = pd.Timestamp.today()"),
        (calls, "model/forecast.py", "open('x')"),
        (too_long, "model/forecast.py", "\n" * 321),
    ],
)
def test_each_rule_sees_what_breaks_it(rule, path, text):
    assert len(list(rule(Module(path, text)))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sink/plot.py", f"from {PACKAGE}.model.forecast import Forecast\nimport socket"),
        ("model/backtest.py", f"from {PACKAGE}.model import score\nimport time\nstart = time.perf_counter()"),
        ("cli.py", f"from {PACKAGE} import __version__\nprint(__version__)"),
        ("weekly.py", f"from {PACKAGE}.notebook import run\nimport subprocess"),
    ],
)
def test_no_rule_forbids_what_is_right(path, text):
    assert [why for rule in RULES for _, why in rule(Module(path, text))] == []


def test_importing_the_package_costs_nothing():
    """Names load when they are used, so that `--help` need not wait for pandas."""
    ask = f"import sys, {PACKAGE}; print(*sorted({{'pandas', 'numpy', 'pydantic', 'matplotlib'}} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
