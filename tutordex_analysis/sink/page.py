"""Pages for people: one for each notebook, a red one when it failed, and the overview. Facts in, HTML text out.

A notebook ends with its answer, and its page opens with it:

```python
from tutordex_analysis.sink import page

page.answer("The disk fills in March.", findings=result.findings, window=window, freshness=age, digest=digest)
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jinja2
import pandas as pd
from markupsafe import Markup

from tutordex_analysis.measure import day_text, value_text
from tutordex_analysis.moment import instant
from tutordex_analysis.sink.answer import FINDING_COLUMNS, SECTIONS, Answer, Record, answer, finding_records

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["FINDING_COLUMNS", "SECTIONS", "Answer", "Record", "answer", "failed_page", "overview", "page"]

_MOST = 8  # findings of a section in sight; the rest is folded


def page(notebook: NotebookNode, record: Record, *, generated: pd.Timestamp, version: str, tz: str) -> str:
    """The page of a notebook that ran to its end.

    Args:
        notebook: As executed.
        record: Its run, with an answer.
        generated: When the page is made.
        version: Of this package.
        tz: Zone of all times on the page.
    """
    from tutordex_analysis.sink.body import body  # nbconvert costs a second; kernels import this module

    inner = Markup(body(notebook))  # noqa: S704  # sanitised there
    return _render("page.html.jinja", tz, record=record, body=inner, generated=generated, version=version)


def failed_page(record: Record, good: Record | None, *, generated: pd.Timestamp, version: str, tz: str) -> str:
    """The red page: which notebook, which cell, why, and where the last good page (`good`) is."""
    return _render("failed.html.jinja", tz, record=record, good=good, generated=generated, version=version)


def overview(
    latest: Sequence[Record],
    good: Mapping[str, Record],
    findings: pd.DataFrame,
    *,
    generated: pd.Timestamp,
    version: str,
    tz: str,
) -> str:
    """The overview: findings by section and priority, then every page with its state.

    Args:
        latest: The newest run of each page, in the order of the list.
        good: The newest run that did not fail, by name of the page; its page still stands.
        findings: Columns of `FINDING_COLUMNS` and `page`, the name of the page that found it.
        generated: When the overview is made.
        version: Of this package.
        tz: Zone of all times.
    """
    rows = finding_records(findings.sort_values("priority", ascending=False, kind="stable"))
    sections = [(title, [row for row in rows if row["kind"] == kind]) for kind, title in SECTIONS.items()]
    return _render(
        "overview.html.jinja",
        tz,
        latest=latest,
        good=good,
        sections=sections,
        most=_MOST,
        lead=_lead(rows, latest, good),
        failed=[record for record in latest if record.answer is None],
        generated=generated,
        version=version,
    )


def _render(template: str, tz: str, **facts: object) -> str:
    zone = ZoneInfo(tz)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tutordex_analysis.sink", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": lambda moment: _when(moment, zone),
        "day": lambda moment: day_text(moment, zone),
        "span": span_text,
        "quantity": _quantity,
        "setting": lambda value: (value or "–") if isinstance(value, str) else repr(value),
        "stale": _stale,
        "moment": instant,
        "sure": lambda finding: _sure(finding["certainty"]),
        "together": lambda text: re.sub(r"(?<=\d) (?=%|[KMGT]iB\b)", "\u00a0", text),
        "from_older": lambda finding, latest, good: _older(finding["page"], latest, good, zone),
    }
    return environment.get_template(template).render(facts)


def span_text(length: pd.Timedelta | float) -> str:
    """A length of time in one or two units; a plain number is seconds.

    Example:
        >>> span_text(4.2), span_text(pd.Timedelta("42min")), span_text(pd.Timedelta("3h10min")), span_text(2e5)
        ('4.2 s', '42 min', '3 h 10 min', '2 d 8 h')
    """
    seconds = length.total_seconds() if isinstance(length, pd.Timedelta) else float(length)
    if seconds < 9.95:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    minutes = round(seconds / 60)
    big, small, count, whole = ("d", "h", 24, round(seconds / 3600)) if minutes >= 2880 else ("h", "min", 60, minutes)
    if minutes < 60:
        big, small, count, whole = "min", "s", 60, round(seconds)
    many, rest = divmod(whole, count)
    rest = 0 if big == "min" and many >= 10 else rest
    return " ".join(f"{n} {unit}" for n, unit in ((many, big), (rest, small)) if n)


def _lead(rows: Sequence[Mapping[str, Any]], latest: Sequence[Record], good: Mapping[str, Record]) -> str:
    """The overview in one sentence."""
    if not latest:
        return "Nothing has been looked at yet."
    asks = sum(bool(row["action"]) for row in rows)
    said = f"{_count(len(rows), 'finding')} on {_count(len(good), 'page')}"
    wants = "none asks for action" if not asks else f"{asks} asks for action" if asks == 1 else f"{asks} ask for action"
    return f"{said}; {wants}." if rows else f"No findings on {_count(len(good), 'page')}."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _older(name: str, latest: Sequence[Record], good: Mapping[str, Record], zone: ZoneInfo) -> str:
    """Says when a finding is not of the newest run, because that one failed."""
    failed = any(record.name == name and record.answer is None for record in latest)
    return f"from the page of {day_text(good[name].started, zone)}" if failed and name in good else ""


def _when(moment: pd.Timestamp, zone: ZoneInfo) -> str:
    civil = moment.tz_convert(zone)
    name = civil.tzname() or ""
    if name[:1] in ("+", "-"):  # the zone has no letters of its own
        name = {"Asia/Singapore": "SGT"}.get(zone.key, f"UTC{name}")
    return f"{civil:%a} {day_text(moment, zone, clock=True)} {name}"


def _sure(certainty: float | None) -> str:
    """A probability in words; what was simulated is never quite certain."""
    if certainty is None:
        return ""
    return "over 99 % sure" if certainty > 0.99 else f"{100 * certainty:.0f} % sure"


def _quantity(finding: Mapping[str, Any]) -> str:
    """The effect of a finding with its interval; "" where there is none."""
    effect, lower, upper = (finding[name] for name in ("effect", "lower", "upper"))
    if effect is None:
        return ""
    unit = finding["unit"] or ""
    interval = "" if lower is None or upper is None else f" ({value_text(lower, unit)} to {value_text(upper, unit)})"
    return value_text(effect, unit) + interval


def _stale(answer: Answer) -> bool:
    """Whether the newest sample was more than three steps old, and more than an hour."""
    if answer.freshness is None or answer.window is None:
        return False
    return answer.freshness > max(3 * answer.window.step, pd.Timedelta("1h"))
