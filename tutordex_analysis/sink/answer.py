"""What a notebook hands over at its end, and the record of its run; both are facts, pages are made from them."""

from __future__ import annotations

import base64
import dataclasses
import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from tutordex_analysis import issued as ledger_rows
from tutordex_analysis.errors import FrameError, ReportFailed
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import duration_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

ANSWER_MIME = "application/vnd.tutordex.answer+json"
ISSUE_MIME = "application/vnd.tutordex.issue+json"
FINDING_COLUMNS = (
    *("question", "signal", "where", "kind", "sentence", "effect", "unit"),
    *("lower", "upper", "certainty", "action", "priority"),
)
SECTIONS = {
    "will_happen": "Will happen",
    "unusual": "Unusual",
    "did_it_work": "Did it work",
    "promise": "Promises",
    "data": "Data",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a notebook has to say, shown at its end and taken from there by the report.

    Attributes:
        sentence: The answer in one sentence.
        findings: A frame with the columns of `FINDING_COLUMNS`, maybe without rows; the largest priority comes first.
        window: The data that were looked at.
        freshness: Age of the newest sample at the moment of the answer; None where nobody measured it.
        digest: Digest of the data, so that two pages can be told apart or found equal.
        scorecard: How good the numbers behind the answer have been, one sentence each.
        issued: The forecasts behind it as rows of the ledger, without a moment of issue; the report records them.
        scores: Scores of forecasts that have come due, likewise.
    """

    sentence: str
    findings: pd.DataFrame
    window: TimeRange | None = None
    freshness: pd.Timedelta | None = None
    digest: str = ""
    scorecard: tuple[str, ...] = ()
    issued: pd.DataFrame = field(default_factory=ledger_rows.no_rows)
    scores: pd.DataFrame = field(default_factory=ledger_rows.no_scores)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """IPython's hook: the answer for the report to read, and the same for people."""
        sentence = html.escape(self.sentence)
        return {
            ANSWER_MIME: answer_json(self) | {"findings": finding_records(self.findings)},
            ISSUE_MIME: {
                "rows": base64.b64encode(ledger_rows.row_bytes(self.issued)).decode("ascii"),
                "scores": base64.b64encode(ledger_rows.score_bytes(self.scores)).decode("ascii"),
            },
            "text/html": f"<p><strong>{sentence}</strong></p>" + self.findings.to_html(index=False, na_rep=""),
            "text/plain": self.sentence,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """One run of one notebook: what went in, and either its answer or where and why it failed.

    Attributes:
        name: Short name of the page, "capacity" for notebooks/10_capacity.ipynb.
        title: Level-1 heading of the notebook.
        asks: The question that the page answers.
        started: When the run began.
        seconds: How long it took.
        as_of: The moment that the page speaks of, ISO text; "" for the newest sample.
        parameters: Every parameter of the notebook as it ran.
        notebook_sha256: Digest of the notebook's source.
        versions: Version of Python and of the packages that make the numbers.
        answer: What it said; None when it failed.
        error: Why it failed, in one sentence.
        cell: Which code cell failed, counted from 1; 0 when it was none of them.
        source: Source text of that cell.
    """

    name: str
    title: str
    asks: str
    started: pd.Timestamp
    seconds: float
    as_of: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    notebook_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    error: str = ""
    cell: int = 0
    source: str = ""

    @property
    def state(self) -> str:
        """`good` or `failed`."""
        return "good" if self.answer else "failed"


def answer(
    sentence: str,
    *,
    findings: pd.DataFrame | None = None,
    window: TimeRange | None = None,
    freshness: pd.Timedelta | None = None,
    digest: str = "",
    scorecard: str | Iterable[str] = (),
    issued: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
) -> Answer:
    """The answer of a notebook; as the last line of its last cell it is shown there and handed to the report.

    Args:
        sentence: One sentence that a reader in a hurry can act on.
        findings: A frame with the columns of `FINDING_COLUMNS`, from the question's result; None for no findings.
        window: The data that were looked at.
        freshness: Age of the newest sample at the moment that the page speaks of.
        digest: Digest of the data.
        scorecard: How good such numbers have been, one sentence or several.
        issued: The forecasts behind it, of `issue.rows`; None where nothing is to be recorded.
        scores: Of `Scorecard.scores`.

    Raises:
        FrameError: The sentence is empty, a column of the findings is missing, or a kind is unknown.
    """
    if not sentence.strip():
        raise FrameError("an answer needs a sentence; say what the page found, or that it can't tell and why")
    frame = pd.DataFrame(columns=list(FINDING_COLUMNS)) if findings is None else findings
    missing = [name for name in FINDING_COLUMNS if name not in frame.columns]
    if missing:
        raise FrameError(f"findings need the column {missing[0]}; they have {', '.join(map(str, frame.columns))}")
    unknown = sorted(set(map(str, frame["kind"])) - set(SECTIONS))
    if unknown:
        raise FrameError(f"the kind of a finding is one of {', '.join(SECTIONS)}, not {unknown[0]!r}")
    return Answer(
        sentence=" ".join(sentence.split()),
        findings=frame[list(FINDING_COLUMNS)].reset_index(drop=True),
        window=window,
        freshness=freshness,
        digest=digest,
        scorecard=(scorecard,) if isinstance(scorecard, str) else tuple(scorecard),
        issued=ledger_rows.no_rows() if issued is None else issued,
        scores=ledger_rows.no_scores() if scores is None else scores,
    )


def answer_of(notebook: NotebookNode, *, name: str) -> Answer:
    """The answer that an executed notebook handed over.

    Raises:
        ReportFailed: There is none, or more than one.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    found = [output["data"] for output in outputs if ANSWER_MIME in output.get("data", {})]
    if not found:
        raise ReportFailed(f"notebook {name} gave no answer; end its last cell with page.answer(…)")
    if len(found) > 1:
        raise ReportFailed(f"notebook {name} gave {len(found)} answers; one page has one, in its last cell")
    said, record = answer_from_json(found[0][ANSWER_MIME]), found[0].get(ISSUE_MIME)
    if record is None:
        return said
    rows, scores = (base64.b64decode(record[key]) for key in ("rows", "scores"))
    return dataclasses.replace(
        said,
        issued=ledger_rows.rows_of(rows, name=f"what notebook {name} issued"),
        scores=ledger_rows.scores_of(scores, name=f"what notebook {name} scored"),
    )


def finding_records(findings: pd.DataFrame) -> list[dict[str, Any]]:
    """One dictionary a finding, ready for JSON: what is missing is None, moments are ISO text."""
    return [{str(key): _jsonable(value) for key, value in row.items()} for row in findings.to_dict("records")]


def answer_json(answer: Answer) -> dict[str, Any]:
    """An answer without its findings, ready for JSON."""
    window = answer.window
    return {
        "sentence": answer.sentence,
        "window": window and {"start": str(window.start), "end": str(window.end), "step": duration_text(window.step)},
        "freshness_seconds": _jsonable(None if answer.freshness is None else answer.freshness.total_seconds()),
        "digest": answer.digest,
        "scorecard": list(answer.scorecard),
    }


def answer_from_json(stored: Mapping[str, Any]) -> Answer:
    """The inverse of `answer_json`; findings are taken where they are given."""
    window, seconds = stored["window"], stored["freshness_seconds"]
    return Answer(
        sentence=stored["sentence"],
        findings=pd.DataFrame(stored.get("findings", []), columns=list(FINDING_COLUMNS)),
        window=window and TimeRange(window["start"], window["end"], window["step"]),
        freshness=None if seconds is None else pd.Timedelta(seconds=seconds),
        digest=stored["digest"],
        scorecard=tuple(stored["scorecard"]),
    )


def record_json(record: Record) -> dict[str, Any]:
    """A record ready for JSON; findings are left out, they have a file of their own."""
    facts = {one.name: getattr(record, one.name) for one in dataclasses.fields(record)}
    return facts | {
        "state": record.state,
        "started": record.started.isoformat(),
        "seconds": round(record.seconds, 3),
        "answer": record.answer and answer_json(record.answer),
    }


def record_from_json(stored: Mapping[str, Any]) -> Record:
    """The inverse of `record_json`."""
    facts = {key: value for key, value in stored.items() if key != "state"}
    answer = stored["answer"] and answer_from_json(stored["answer"])
    return Record(**facts | {"started": pd.Timestamp(stored["started"]), "answer": answer})


def _jsonable(value: object) -> object:
    """A value that JSON can hold; what is missing or not finite is None."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, pd.Timedelta):
        return duration_text(value)
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
