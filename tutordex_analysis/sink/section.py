"""Sections of a page: a heading with its sentence, and whatever stands below it."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Heading:
    """A title and a sentence."""

    title: str
    sentence: str

    def _repr_html_(self) -> str:
        return f"<h3>{html.escape(self.title)}</h3><p>{html.escape(self.sentence)}</p>"

    def __repr__(self) -> str:
        return f"{self.title}\n{self.sentence}"


@dataclass(frozen=True, eq=False)
class Sections:
    """Parts to be shown one after the other; `otherwise` where there is none."""

    parts: tuple[object, ...]
    otherwise: str

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        if not self.parts:
            display(HTML(f"<p>{html.escape(self.otherwise)}</p>"))  # type: ignore[no-untyped-call]
        for one in self.parts:
            display(one)  # type: ignore[no-untyped-call]  # IPython has no annotations here
