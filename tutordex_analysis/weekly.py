"""Which notebooks run, in what order, and what of them stays: pages, findings, manifest, overview.

A folder of reports holds `NAME.html` (the last good page), `NAME.failed.html` (while the newest run failed),
`index.html`, `findings.json` (of the last good pages) and `manifest.json` (what ran, with what, and how it ended).
"""

from __future__ import annotations

import functools
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from nbformat import NotebookNode

from tutordex_analysis import __version__, disk
from tutordex_analysis.errors import AnalysisError, CatalogueError, ReportFailed
from tutordex_analysis.issued import stamped
from tutordex_analysis.moment import instant
from tutordex_analysis.notebook import CellFailed, Notebook, Value, found, load, run, settle, without_login
from tutordex_analysis.sink import ledger as ledgers
from tutordex_analysis.sink import page
from tutordex_analysis.sink.answer import Record, answer_of, finding_records, record_json
from tutordex_analysis.sink.body import heading
from tutordex_analysis.sink.shelf import SCHEMA, shelf

Progress = Callable[[str, int, int], None]

VIA = "report"
FIRST_QUESTION = 10  # notebooks numbered below teach; from here on each answers a question
_PACKAGES = ("tutordex-analysis", "pandas", "numpy", "scipy", "statsmodels", "prophet", "matplotlib", "papermill")


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What became of one call of `report`.

    Attributes:
        records: One a notebook, in the order they ran.
        output: The folder of the pages.
        remarks: Why forecasts could not be recorded in the ledger, one sentence each; the pages stand all the same.
    """

    records: tuple[Record, ...]
    output: Path
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the notebooks that failed; the command ends with exit code 1 when there are any."""
        return tuple(record.name for record in self.records if record.answer is None)

    @property
    def sentence(self) -> str:
        """What the command says at its end."""
        whole = f"{len(self.records) - len(self.failed)} of {len(self.records)} pages made in {self.output}"
        why = [f"{record.name}: {record.error}" for record in self.records if record.answer is None]
        return whole if not why else f"{whole}; failed: {'; '.join(why)}"


def report(
    names: Sequence[str],
    *,
    notebooks: Path,
    output: Path,
    now: pd.Timestamp,
    parameters: Mapping[str, object] | None = None,
    source_uri: str = "",
    as_of: str = "",
    timeout: float = 1800,
    tz: str = "Asia/Singapore",
    ledger: Path | None = None,
    before: Callable[[], None] = lambda: None,
    progress: Progress = lambda name, cell, cells: None,
) -> Run:
    """Runs notebooks one after the other and renders a page of each; everything is checked before the first starts.

    Args:
        names: Such as "capacity" for 10_capacity.ipynb; none for every notebook numbered 10 or above.
        notebooks: Folder of the notebooks.
        output: Folder of the pages, made when missing; one run at a time writes into it.
        now: When this starts, for the pages to say.
        parameters: For the notebooks that have them; each must be known to at least one.
        source_uri: Server or archive, for the notebooks that have this parameter; "" leaves theirs.
        as_of: The moment to speak of, for the notebooks that have this parameter; "" for the newest sample.
        timeout: Seconds for each notebook.
        tz: Zone of the times on the pages.
        ledger: Folder in which the forecasts of the pages are recorded; None, or a past moment, records nothing.
        before: Called once everything is checked, before the first notebook starts.
        progress: Called with the name, the code cell that starts and how many there are; (name, 0, 0) before the first.

    Returns:
        One record a notebook. A failed one has a red page, and its last good page stays.

    Raises:
        CatalogueError: No such notebook, an unknown or ill-typed parameter, a login in `source_uri`.
        FrameError: `as_of` is not a moment with a zone.
        ReportFailed: The folder's manifest or findings cannot be read.
        Locked: Another run writes into the folder.
        NotWritten: The folder cannot be written.
    """
    jobs = _jobs(names, notebooks, parameters or {}, source_uri=source_uri, as_of=as_of)
    begun, order, records, remarks = time.monotonic(), list(found(notebooks)), [], []
    with disk.locked(output):
        shelf(output)  # a damaged one is said before hours of work
        before()
        for notebook, settings in jobs:
            started = now + pd.Timedelta(seconds=round(time.monotonic() - begun))
            record, executed = _run(notebook, settings, started=started, timeout=timeout, progress=progress)
            _keep(record, executed, output=output, order=order, tz=tz)
            records.append(record)
            if ledger is not None and not record.as_of and record.answer:
                remarks += _recorded(record.answer, ledger, record.started)
    return Run(records=tuple(records), output=output, remarks=tuple(remarks))


def _jobs(
    names: Sequence[str], notebooks: Path, parameters: Mapping[str, object], *, source_uri: str, as_of: str
) -> list[tuple[Notebook, dict[str, Value]]]:
    """Notebooks and the parameters each will run with, all of them checked."""
    if without_login(source_uri) != source_uri:
        raise CatalogueError("the address of the source carries a login; put it into TUTORDEX_PROMETHEUS_BASIC_AUTH")
    paths = found(notebooks)
    unknown = [name for name in names if name not in paths]
    if unknown:
        raise CatalogueError(f"there is no notebook {unknown[0]!r} in {notebooks}; it has {', '.join(paths) or 'none'}")
    chosen = list(dict.fromkeys(names)) or [n for n, path in paths.items() if int(path.name[:2]) >= FIRST_QUESTION]
    if not chosen:
        raise CatalogueError(f"there is no notebook numbered {FIRST_QUESTION} or above in {notebooks}")
    loaded = [load(name, paths[name]) for name in chosen]
    known = {name for notebook in loaded for name in notebook.parameters}
    usual = {"source_uri": source_uri, "as_of": as_of and instant(as_of).isoformat()}
    jobs = []
    for notebook in loaded:
        # a name that no notebook has is for the first one to complain about
        mine = {name: value for name, value in parameters.items() if name in notebook.parameters or name not in known}
        given = {name: value for name, value in usual.items() if value and name in notebook.parameters}
        settings = settle(notebook, given | mine)
        if settings.get("as_of"):
            instant(str(settings["as_of"]))
        jobs.append((notebook, settings))
    return jobs


def _run(
    notebook: Notebook, settings: dict[str, Value], *, started: pd.Timestamp, timeout: float, progress: Progress
) -> tuple[Record, NotebookNode | None]:
    """The record of one run, and the executed notebook where it has an answer."""
    title, asks = heading(notebook.node)
    progress(notebook.name, 0, 0)
    begun = time.monotonic()
    outcome: dict[str, Any] = {}
    executed = None
    try:
        executed = run(notebook, settings, timeout=timeout, on_cell=functools.partial(progress, notebook.name))
        outcome["answer"] = answer_of(executed, name=notebook.name)
    except CellFailed as error:
        outcome |= {"error": str(error), "cell": error.cell, "source": without_login(error.source)}
    except ReportFailed as error:
        outcome["error"] = str(error)
    record = Record(
        name=notebook.name,
        title=title or notebook.name,
        asks=asks,
        started=started,
        seconds=time.monotonic() - begun,
        as_of=str(settings.get("as_of", "")),
        parameters={name: _shown(value) for name, value in settings.items()},
        notebook_sha256=notebook.sha256,
        versions={"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
        **outcome,
    )
    return record, executed


def _keep(record: Record, executed: NotebookNode | None, *, output: Path, order: Sequence[str], tz: str) -> None:
    """Writes the page first and what points to it afterwards, so that a kill in between leaves no dead link."""
    held = shelf(output)
    words: Any = {"generated": record.started + pd.Timedelta(seconds=round(record.seconds)), "version": __version__}
    latest, good, findings = {**held.latest, record.name: record}, dict(held.good), held.findings
    if executed is not None and record.answer:
        html = page.page(executed, record, tz=tz, **words)
        disk.put(output / f"{record.name}.html", without_login(html))
        good[record.name] = record
        rest = findings[findings["page"] != record.name]
        rows = [*finding_records(rest), *_found_by(record.name, record.answer)]
        findings = pd.DataFrame(rows, columns=["page", *page.FINDING_COLUMNS])
        disk.put(output / "findings.json", _json(rows))
    else:
        red = page.failed_page(record, good.get(record.name), tz=tz, **words)
        disk.put(output / f"{record.name}.failed.html", red)
    pages = {
        name: {"latest": record_json(one), "good": record_json(good[name]) if name in good else None}
        for name, one in latest.items()
    }
    disk.put(output / "manifest.json", _json({"schema": SCHEMA, "pages": pages}))
    shown = sorted(latest.values(), key=lambda one: order.index(one.name) if one.name in order else len(order))
    disk.put(output / "index.html", page.overview(shown, good, findings, tz=tz, **words))
    if record.answer:
        (output / f"{record.name}.failed.html").unlink(missing_ok=True)


def _recorded(answer: page.Answer, folder: Path, at: pd.Timestamp) -> list[str]:
    """Keeps what a page has forecast of the present; returns why it could not, if it could not."""
    rows = stamped(answer.issued, issued=at, via=VIA, hindsight=False)
    try:
        ledgers.append(folder, rows, answer.scores if len(rows) else None)
    except AnalysisError as error:
        return [f"the forecasts were not recorded: {error}"]
    return []


def _found_by(name: str, answer: page.Answer) -> list[dict[str, Any]]:
    return [{"page": name} | row for row in finding_records(answer.findings)]


def _shown(value: Value) -> Value:
    return without_login(value) if isinstance(value, str) else value


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"
