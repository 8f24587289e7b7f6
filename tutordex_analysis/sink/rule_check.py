"""Rule files checked without the server that will load them: syntax, functions, metrics, joins, and what rules mean."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import promql_parser as p

from tutordex_analysis import catalogue_file, inventory, promql
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.inventory import PUBLISHED
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.promql_labels import Labels, Reading, nodes
from tutordex_analysis.rulebook import ALWAYS
from tutordex_analysis.sink.rule_entries import Entry, Finding, read
from tutordex_analysis.sink.rule_lint import Lore, lint

# Prometheus's own release notes: since when a function or an aggregation can be used without a flag, 2.42 if not here.
_SINCE = {
    "histogram_stddev": (2, 49),
    "histogram_stdvar": (2, 49),
    "histogram_avg": (2, 51),
    "sort_by_label": (3, 0),
    "sort_by_label_desc": (3, 0),
    "mad_over_time": (3, 0),
    "limitk": (3, 0),
    "limit_ratio": (3, 0),
    "info": (3, 0),
    "double_exponential_smoothing": (3, 0),
    "ts_of_min_over_time": (3, 5),
    "ts_of_max_over_time": (3, 5),
    "ts_of_last_over_time": (3, 5),
    "first_over_time": (3, 7),
    "ts_of_first_over_time": (3, 7),
}
_UNTIL = {"holt_winters": (3, 0)}
_RENAMED = {"holt_winters": "double_exponential_smoothing"}  # the parser speaks the language of Prometheus 3
_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """
        abs absent absent_over_time acos acosh asin asinh atan atanh avg_over_time ceil changes
        clamp clamp_max clamp_min cos cosh count_over_time day_of_month day_of_week day_of_year
        days_in_month deg delta deriv exp floor histogram_count histogram_fraction
        histogram_quantile histogram_sum holt_winters hour idelta increase irate label_join
        label_replace last_over_time ln log10 log2 max_over_time min_over_time minute month pi
        predict_linear present_over_time quantile_over_time rad rate resets round scalar sgn sin
        sinh sort sort_desc sqrt stddev_over_time stdvar_over_time sum_over_time tan tanh time
        timestamp vector year
        """,
    )
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(\.\d+)?")
_PLACE = re.compile(r":\s*(\d+):\d+:")


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        findings: By file and line.
        files: How many were read.
        rules: How many rules are in them.
        promtool: Whether promtool had a look too.
    """

    findings: tuple[Finding, ...]
    files: int
    rules: int
    promtool: bool

    @property
    def faults(self) -> int:
        """How many findings keep a rule from doing what it should."""
        return sum(one.level == "fault" for one in self.findings)

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        seen = "" if self.promtool else "; promtool is not on PATH, so the parser alone judged the syntax"
        notes = len(self.findings) - self.faults
        return f"{self.rules} rules in {self.files} files: {self.faults} faults, {notes} notes{seen}"


def check(files: Sequence[Path], catalogue: Catalogue, *, target: str = "2.50", retention: Span = "15d") -> Checked:
    """Everything that is wrong with rule files that are loaded together.

    Args:
        files: YAML; what cannot be read is a finding.
        catalogue: Whose inventory names the metrics that there are; without one names are not judged.
        target: Version of the Prometheus that will load them.
        retention: How long it keeps samples.

    Raises:
        CatalogueError: The version is none.
        FrameError: The retention is no duration.
    """
    version, kept = _version(target), duration(retention)
    found: list[Finding] = []
    entries: list[Entry] = []
    for path in files:
        for one in read(path):
            (entries if isinstance(one, Entry) else found).append(one)  # type: ignore[arg-type]
    wrong = {one: [*_syntax(one, version)] for one in entries}
    found += [one for several in wrong.values() for one in several]
    readable = [one for one, several in wrong.items() if not several]
    exposed = inventory.exposed(catalogue_file.SHIPPED / catalogue_file.INVENTORY) if catalogue.inventory else {}
    labels = _labels(readable, exposed)
    lore = Lore(exposed=exposed, labels=labels, retention=kept)
    known = catalogue.inventory | ALWAYS | {*PUBLISHED} | {one.name for one in readable if not one.alert}
    for one in readable:
        found += _unknown(one, known) if catalogue.inventory else ()
        found += lint(one, lore)
    program = shutil.which("promtool")
    unreadable = {one.file for one in found if one.what == "file"}
    for path in (one for one in files if program and one not in unreadable):
        found += _promtool(str(program), path, {one.line for one in found if one.file == path}, version)
    order = {path: i for i, path in enumerate(files)}
    unique = sorted(dict.fromkeys(found), key=lambda one: (order[one.file], one.line, one.level, one.what))
    return Checked(tuple(unique), len(files), len(entries), program is not None)


def _syntax(entry: Entry, version: tuple[int, int]) -> Iterator[Finding]:
    text = entry.expr[0]
    for old, new in _RENAMED.items():
        text = re.sub(rf"\b{old}\s*\(", f"{new}(", text)
    try:
        promql.check(text)
    except CatalogueError as error:
        yield entry.fault("expr", str(error))
        return
    renamed = {new for old, new in _RENAMED.items() if old in entry.expr[0]}
    called = {one.func.name for one in nodes(text) if isinstance(one, p.Call)} - renamed
    called |= {str(one.op) for one in nodes(text) if isinstance(one, p.AggregateExpr)} & _SINCE.keys()
    called |= {old for old, new in _RENAMED.items() if old in entry.expr[0]}
    for name in sorted(called):
        since, until = _SINCE.get(name, (2, 42)), _UNTIL.get(name, (99, 0))
        if not since <= version < until or name not in _FUNCTIONS | _SINCE.keys():
            said = f"from {since[0]}.{since[1]}" if version < since else "no longer" if version >= until else "not"
            yield entry.fault(f"{name}()", f"Prometheus {version[0]}.{version[1]} does not know it ({said} there)")
    if renamed:
        yield entry.note("expr", "it cannot be read further, since its function has another name in Prometheus 3")


def _labels(entries: Iterable[Entry], exposed: Mapping[str, inventory.Exposed]) -> dict[str, Labels]:
    """Labels of every metric and record; a record is read once those that it reads are."""
    known: dict[str, Labels] = {name: one.labels for name, one in exposed.items()}
    known |= dict.fromkeys(PUBLISHED)
    for _ in range(4):  # records of records of records
        for one in entries:
            if not one.alert:
                labels = Reading(one.expr[0], known).labels
                own = None if labels is None else labels | one.labels.keys()
                before = known.get(one.name, own)
                known[one.name] = None if own is None or before is None else own | before
    return known


def _unknown(entry: Entry, known: frozenset[str] | set[str]) -> Iterator[Finding]:
    for name in sorted(promql.metrics(entry.expr[0]) - known):
        yield entry.fault(name, "nothing exposes or records it, so that the rule has no data")


def _promtool(program: str, path: Path, lines: set[int], version: tuple[int, int]) -> Iterator[Finding]:
    done = subprocess.run(
        [program, "check", "rules", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    if not done.returncode:
        return
    for line in (done.stderr + "\n" + done.stdout).splitlines():
        said = line.strip()
        unknown = re.search(r'unknown function with name "(\w+)"', said)
        newer = unknown and version >= _SINCE.get(unknown[1], (99, 0))
        if not said or "SUCCESS" in said or said in ("FAILED:", f"Checking {path}") or newer:
            continue
        place = _PLACE.search(said)
        where = int(place[1]) if place else 1
        if where not in lines or not place:
            yield Finding(path, where, "fault", "", "promtool", said.removeprefix(f"{path}: "))


def _version(text: str) -> tuple[int, int]:
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise CatalogueError(f"{text!r} is not a version of Prometheus; write it like 2.50")
    return int(found[1]), int(found[2])
