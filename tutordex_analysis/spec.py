"""What every spec of a catalogue is: frozen, checked when it is made, strict about keys that it does not know."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tutordex_analysis.errors import CatalogueError, FrameError
from tutordex_analysis.moment import duration_text


class Spec(BaseModel):
    """One entry of a catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _span(text: str) -> str:
    try:
        return duration_text(text)
    except FrameError as error:
        raise CatalogueError(str(error)) from error


Duration = Annotated[str, AfterValidator(_span), Field(json_schema_extra={"pattern": r"^(\d+(ms|[smhdwy]))+$"})]
