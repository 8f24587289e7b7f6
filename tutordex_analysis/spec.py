"""What every spec of a catalogue is: frozen, checked when it is made, strict about keys that it does not know."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.moment import duration_text, instant


class Spec(BaseModel):
    """One entry of a catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _span(text: str) -> str:
    try:
        return duration_text(text)
    except FrameError as error:
        raise CatalogueError(str(error)) from error


Duration = Annotated[str, AfterValidator(_span), Field(json_schema_extra={"pattern": r"^(\d+(ms|[smhdwy]))+$"})]


def moment_of(value: object) -> pd.Timestamp:
    """A moment with a zone, as a file has it.

    Raises:
        CatalogueError: It is none.
    """
    if not isinstance(value, (str, dt.datetime)):
        raise CatalogueError(f'{value} has no time of day; write a moment like "2026-03-01T09:00+08:00"')
    try:
        return instant(value)
    except FrameError as error:
        raise CatalogueError(str(error)) from error


Moment = Annotated[Any, AfterValidator(moment_of)]
