"""Whether rules can be used at all: promtool's word where it is installed, the parser's where it is not."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tutordex_analysis import promql, rule_groups, yaml_file
from tutordex_analysis.errors import CatalogueError, RulesRefused
from tutordex_analysis.sink import rule_cut
from tutordex_analysis.sink.rule_target import Contents
from tutordex_analysis.sink.rules import GENERATED

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDTH = 2**16
_SECONDS = 300.0  # of a whole folder of tests


def checked(contents: Contents, *, tests: Path | None, where: str | None = None) -> tuple[str, ...]:
    """What was checked, one sentence each.

    Args:
        contents: The files.
        tests: Folder of `*_test.yml`, run where it is there; None for no tests.
        where: PATH on which promtool is looked for; that of the environment when left out.

    Raises:
        RulesRefused: A file cannot be used, or a test fails; promtool's own words are in the sentence.
    """
    promtool = shutil.which("promtool", path=where)
    for name, data in contents.items():
        try:
            for group in rule_groups.parse(data, name):
                for rule in group.rules if promtool is None else ():
                    promql.check(promql.double_quoted(rule.expr))
        except CatalogueError as error:
            raise RulesRefused(f"the rules cannot be used: {error}; nothing was pushed") from error
    if promtool is None:
        return ("promtool is not on PATH: only parsed, and no rule test was run",)
    with tempfile.TemporaryDirectory(prefix="tutordex-rules-") as folder:
        paths = [Path(folder) / name for name in contents]
        for path, data in zip(paths, contents.values(), strict=True):
            path.write_bytes(data)
        if paths:
            _run([promtool, "check", "rules", *map(str, paths)], "promtool refuses the rules", folder)
    said = [f"promtool accepts {', '.join(contents)}"] if contents else []
    files = sorted(tests.glob("*_test.yml")) if tests is not None else []
    if files:
        _test(promtool, files)
        said.append(f"{len(files)} files of rule tests pass")
    return tuple(said)


def _test(promtool: str, files: Sequence[Path]) -> None:
    """Runs files of tests; those that we generated with no more rules than they need, which is quicker."""
    read: dict[Path, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tutordex-rules-") as folder:
        paths = [_cut(path, Path(folder) / str(i), read) for i, path in enumerate(files)]
        _run([promtool, "test", "rules", *map(str, paths)], "a test of the rules fails", folder)


def _cut(path: Path, folder: Path, read: dict[Path, Any]) -> Path:
    """A copy of a generated file of tests beside copies of its rules, cut down; any other file as it is."""
    if not path.read_text(encoding="utf-8", errors="replace").startswith(GENERATED):
        return path
    test = yaml_file.data(path)
    sources = [(path.parent / name).resolve() for name in test["rule_files"]]
    if not all(one.is_file() for one in sources):
        return path  # promtool says what is missing
    for one in sources:
        if one not in read:
            read[one] = yaml_file.data(one)
    needed = rule_cut.cut({str(one): read[one] for one in sources}, test)
    names = [f"rules{i}.yml" for i in range(len(sources))]
    there = {group["name"] for content in needed.values() for group in content["groups"]}
    order = [name for name in test["group_eval_order"] if name in there]
    made = dict(zip(names, needed.values(), strict=True))
    made[path.name] = {**test, "rule_files": names, "group_eval_order": order}
    folder.mkdir()
    for name, content in made.items():
        (folder / name).write_text(yaml.dump(content, Dumper=_DUMPER, sort_keys=False, width=_WIDTH), encoding="utf-8")
    return folder / path.name


def _run(command: list[str], fault: str, folder: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RulesRefused(f"{fault}: promtool did not end within {_SECONDS:.0f} s") from error
    if done.returncode:
        text = f"{done.stdout}\n{done.stderr}".replace(f"{folder}/", "") if folder else f"{done.stdout}\n{done.stderr}"
        lines = [" ".join(one.split()) for one in text.splitlines()]
        told = [one for one in lines if one and not one.startswith(("Checking", "Unit Testing", "SUCCESS"))]
        raise RulesRefused(f"{fault}: {' '.join(one for one in told if one != 'FAILED:')[:600]}; nothing was pushed")
