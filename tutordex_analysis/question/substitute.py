"""Signals that were read from a substitute, since what they mean is not counted yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.question.finding import Finding


def findings(histories: Mapping[str, pd.DataFrame], catalogue: Catalogue, *, question: str) -> Iterator[Finding]:
    """One row a history that a substitute stands in for, in whole or at its beginning; none once that is past.

    Args:
        histories: Frames as a source reads them, whose `attrs["note"]` tells of the substitute; by signal name.
        catalogue: Titles, and what the real counters are called.
        question: The notebook that shows them.
    """
    for name, history in histories.items():
        note, signal = str(history.attrs.get("note", "")), catalogue.signal(name)
        if note and history["y"].notna().any():
            yield Finding(
                question=question,
                signal=name,
                kind="data",
                sentence=f"{signal.title}: {note}.",
                action=f"Count {signal.instead}, then it is read from its first sample on.",
                priority=1.0,
            )
