"""Findings: what every question hands to the overview, one sentence a row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

Kind = Literal["will_happen", "unusual", "did_it_work", "promise", "data"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One answer, in one sentence, with the numbers behind it.

    Attributes:
        question: The notebook that found it.
        signal: Name of the signal.
        where: Which series of it, such as "/data"; "" for the only one.
        kind: The section of the overview it belongs to.
        sentence: What the reader of the weekly report sees.
        effect: The number in the sentence, in `unit`; NaN where we cannot tell.
        unit: Unit of effect, lower and upper.
        lower: Lower end of the 80 % interval of the effect; NaN where there is none.
        upper: Upper end.
        certainty: Probability between 0 and 1 that the sentence holds; NaN where it is not a matter of chance.
        action: What to do about it, "" for nothing.
        priority: 0 to 100; the overview shows the largest first.
    """

    question: str
    signal: str
    where: str = ""
    kind: Kind
    sentence: str
    effect: float = float("nan")
    unit: str = ""
    lower: float = float("nan")
    upper: float = float("nan")
    certainty: float = float("nan")
    action: str = ""
    priority: float = 0.0


COLUMNS = tuple(Finding.__dataclass_fields__)


def joined(*tables: pd.DataFrame) -> pd.DataFrame:
    """Tables of findings as one, the most urgent first."""
    kept = [one for one in tables if not one.empty]
    if not kept:
        return table([])
    return pd.concat(kept).sort_values("priority", ascending=False, kind="stable").reset_index(drop=True)


def table(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding, the most urgent first, those of equal priority in the order they came."""
    rows = pd.DataFrame([asdict(one) for one in findings], columns=list(COLUMNS))
    return rows.sort_values("priority", ascending=False, kind="stable").reset_index(drop=True)
