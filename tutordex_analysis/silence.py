"""Silences that are made for alerts as they are really labelled: templates, and matchers as a selector says them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, TypeAlias

import promql_parser
from pydantic import AfterValidator, Field, model_validator

from tutordex_analysis import promql
from tutordex_analysis.errors import CatalogueError
from tutordex_analysis.moment import duration
from tutordex_analysis.promql import Matcher
from tutordex_analysis.spec import Duration, Spec

Matchers: TypeAlias = tuple[Matcher, ...]  # one silence: an alert has to fit them all
LONGEST = "8h"  # of any silence that nobody approved
LONGEST_APPROVED = "4d"  # Alertmanager forgets an ended silence after five days, and we would make it again
_VARIABLE = re.compile(r"\$([a-z][a-z0-9_]*)")
_SIGNS = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}


def matchers_of(selector: str) -> Matchers:
    """Matchers from a selector of alerts, such as `{component="queue"}`.

    Raises:
        CatalogueError: It cannot be read, asks for nothing in particular, or is more than one plain selector.
    """
    try:
        node = promql_parser.parse(selector)
    except ValueError as error:
        told = "would fit every alert" if "non-empty matcher" in str(error) else f"cannot be read ({error})"
        raise CatalogueError(
            f'{promql.shorten(selector)!r} {told}; name what is silenced, like {{component="queue"}}'
        ) from error
    plain = isinstance(node, promql_parser.VectorSelector) and not (
        node.matchers.or_matchers or node.offset or node.at or any(m.name == "__name__" for m in node.matchers.matchers)
    )
    if not plain:
        raise CatalogueError(f'{promql.shorten(selector)!r} must be one plain selector, like {{component="queue"}}')
    return promql.matchers(selector)


def text_of(matchers: Matchers) -> str:
    """Matchers as Alertmanager and amtool write them.

    Example:
        >>> text_of(matchers_of('Slow{job!="x"}'))
        '{alertname="Slow", job!="x"}'
    """
    pairs = (f"{m.label}{_SIGNS[m.equal, m.regex]}{json.dumps(m.value, ensure_ascii=False)}" for m in matchers)
    return "{" + ", ".join(pairs) + "}"


def fit(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels is silenced; a label that it has not is empty."""
    return all(one.fits(labels.get(one.label, "")) for one in matchers)


def _selector(text: str) -> str:
    for one in matchers_of(text):
        if one.regex and _VARIABLE.search(one.value):
            raise CatalogueError(f"a variable stands for one text, so {one.label} takes = or !=, not an expression")
    return text


AlertSelector = Annotated[str, AfterValidator(_selector)]


class Template(Spec):
    """What is silenced on one kind of occasion: one silence for each selector, since a silence has no *or*."""

    name: str = Field("", exclude=True, description="Filled in from the key")
    title: str = Field(description="The occasion")
    matchers: tuple[AlertSelector, ...] = Field(
        min_length=1, description='Selectors of alerts, such as {component="queue"}; $channel is a variable'
    )
    longest: Duration = Field(description="The longest that it may be, at most eight hours")

    @model_validator(mode="after")
    def _bounded(self) -> Template:
        if duration(self.longest) > duration(LONGEST):
            raise CatalogueError(f"longest is {self.longest}; a template gives at most {LONGEST}")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Names that a window gives values for."""
        return tuple(dict.fromkeys(name for text in self.matchers for name in _VARIABLE.findall(text)))

    def silences(self, values: Mapping[str, str]) -> tuple[Matchers, ...]:
        """The matchers of each silence, with a value for each variable.

        Raises:
            CatalogueError: A value is missing, empty or for nothing.
        """
        missing = [name for name in self.variables if not values.get(name, "").strip()]
        strange = sorted(values.keys() - {*self.variables})
        if missing or strange:
            told = f"needs a value for {missing[0]}" if missing else f"has no variable {strange[0]!r}"
            raise CatalogueError(f"the template {self.name} {told}; its variables: {', '.join(self.variables) or '-'}")
        return tuple(
            tuple(
                replace(one, value=_VARIABLE.sub(lambda found: values[found[1]], one.value))
                for one in matchers_of(text)
            )
            for text in self.matchers
        )
