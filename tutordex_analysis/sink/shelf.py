"""What a folder of reports holds: the newest run of each page, the newest good one, and the findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tutordex_analysis.errors import ReportFailed
from tutordex_analysis.sink.answer import FINDING_COLUMNS, Record, record_from_json

SCHEMA = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Shelf:
    """What a folder of reports holds.

    Attributes:
        latest: The newest run of each page.
        good: The newest run of each page that did not fail.
        findings: Of the good pages, with their name in the column `page`.
    """

    latest: Mapping[str, Record]
    good: Mapping[str, Record]
    findings: pd.DataFrame


def shelf(output: Path) -> Shelf:
    """What a folder of reports holds; an empty or missing folder holds nothing.

    Raises:
        ReportFailed: Its manifest or its findings cannot be read.
    """
    try:
        manifest = _read(output / "manifest.json", {"schema": SCHEMA, "pages": {}})
        if manifest["schema"] != SCHEMA:
            raise ReportFailed(f"{output} is of another version of tutordex-analysis; choose an empty folder")
        pages = manifest["pages"]
        latest = {name: record_from_json(one["latest"]) for name, one in pages.items()}
        good = {name: record_from_json(one["good"]) for name, one in pages.items() if one["good"]}
        findings = pd.DataFrame(_read(output / "findings.json", []), columns=["page", *FINDING_COLUMNS])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportFailed(f"{output}/manifest.json or findings.json is damaged; delete both and run again") from error
    return Shelf(latest=latest, good=good, findings=findings)


def _read(path: Path, otherwise: Any) -> Any:  # noqa: ANN401  # JSON
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else otherwise
