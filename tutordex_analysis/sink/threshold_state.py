"""What a run leaves to the next: the limits of each phase of the week, in one small JSON file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tutordex_analysis import disk
from tutordex_analysis.errors import FrameError, SourceError
from tutordex_analysis.model.rails import Kept
from tutordex_analysis.moment import instant

NAME = "thresholds.json"  # in the folder of a source's ledger
_VERSION = 1


def text(kept: Kept) -> str:
    """The file: the same for the same limits, nine digits of each."""
    limits = [
        {
            "alert": alert,
            "series": series,
            "values": [float(f"{one:.9g}") if math.isfinite(one) else None for one in values.tolist()],
        }
        for (alert, series), values in sorted(kept.values.items())
    ]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in limits)
    head = f'{{"version": {_VERSION}, "at": "{kept.at:%Y-%m-%dT%H:%M:%SZ}", "limits": ['
    return f"{head}\n{lines}\n]}}\n" if lines else f"{head}]}}\n"


def write(path: Path, kept: Kept) -> None:
    """Writes the file, whole or not at all.

    Raises:
        NotWritten: It cannot be written; the old one stands.
    """
    disk.put(path, text(kept))


def read(path: Path) -> Kept | None:
    """What the last run left; None where there was none.

    Raises:
        SourceError: The file is there and damaged.
    """
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] != _VERSION:
            raise ValueError(found["version"])
        values = {
            (str(one["alert"]), str(one["series"])): np.array(
                [math.nan if number is None else float(number) for number in one["values"]]
            )
            for one in found["limits"]
        }
        return Kept(at=instant(str(found["at"])), values=values)
    except (
        OSError,
        ValueError,
        ArithmeticError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
        FrameError,
    ) as error:
        raise SourceError(
            f"{path} is damaged or of another version and is not used: every limit starts from its human value again"
        ) from error
