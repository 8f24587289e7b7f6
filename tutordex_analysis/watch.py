"""What of a signal's unusual values is worth an alert."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.spec import Spec


class Watch(Spec):
    """Which deviations of one signal matter; all in the signal's unit and of one value, whatever the step."""

    direction: Literal["both", "up", "down"] = Field(
        "both", description="The side that matters; when left out, that of bad:, and both where that is none"
    )
    least_above: float = Field(0.0, ge=0, description="Smallest deviation above what was expected")
    least_below: float = Field(0.0, ge=0, description="Smallest deviation below it")
    share_above: float = Field(0.0, ge=0, description="The same above, as a share of what was expected")
    share_below: float = Field(0.0, ge=0, description="The same below")
    lowest: float | None = Field(None, description="A value below is out of range, and always unusual")
    highest: float | None = Field(None, description="A value above is out of range, and always unusual")
    persistence: int = Field(1, ge=1, description="Steps in a row that must be unusual")

    @model_validator(mode="after")
    def _order(self) -> Watch:
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise CatalogueError(f"lowest ({self.lowest:g}) must be less than highest ({self.highest:g})")
        return self
