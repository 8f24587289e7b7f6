"""What an answer of the Prometheus API means: data, or the sentence that says what went wrong and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tutordex_analysis.errors import SourceError
from tutordex_analysis.promql import shorten

_HTML = re.compile(rb"^\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
# What servers say when a shorter range may pass: Prometheus, Thanos, Mimir and VictoriaMetrics word it differently.
_TOO_MUCH = re.compile(r"too many|limit|exceed|maximum|timed out|timeout", re.IGNORECASE)


class Refused(SourceError):
    """The server answered with a status that is not 200, and asking again is of no use.

    Attributes:
        status: The HTTP status.
        said: The server's own words; "" where it sent none.
    """

    def __init__(self, sentence: str, *, status: int, said: str = "") -> None:
        super().__init__(sentence)
        self.status, self.said = status, said


class TooHeavy(SourceError):
    """The server could not compute that much at once; a shorter range may pass."""


class TryAgain(SourceError):
    """A fault that may pass by itself.

    Attributes:
        after_seconds: How long the server asks to wait; None where it does not say.
    """

    def __init__(self, sentence: str, *, after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.after_seconds = after_seconds


def envelope(body: bytes, *, asked: str) -> dict[str, Any]:
    """The whole JSON document of a good answer: status "success", complete, no warnings.

    Args:
        body: JSON text.
        asked: Server and query for the error's sentence, see `asked`.

    Raises:
        SourceError: No JSON, another status, or `warnings`, which mean that a part of the data is missing.
    """
    if _HTML.match(body[:200]):
        raise SourceError(_web_page(asked))
    try:
        document = json.loads(body)
    except ValueError as error:
        raise SourceError(
            f"the answer of {asked} is not whole JSON ({len(body):,} bytes); something between here and there cut or "
            f"changed it, so ask again or go to the server directly"
        ) from error
    if not isinstance(document, dict) or "data" not in document or document.get("status") != "success":
        said = document.get("error") if isinstance(document, dict) else None
        raise SourceError(
            f"{asked} answered without the status success: {_short(str(said))}"
            if said
            else f"{asked} did not answer as Prometheus does; is the URL that of its API?"
        )
    warnings = document.get("warnings") or (["the answer is partial"] if document.get("isPartial") else [])
    if warnings:
        raise SourceError(
            f"the answer of {asked} came with the warning {_short(str(warnings[0]))!r}, so a part of the data may be "
            f"missing; mend that on the server, then ask again"
        )
    return document


def asked(url: str, query: str | None) -> str:
    """Server and query as a sentence names them.

    Example:
        >>> asked("http://prometheus:9090", "up")
        'http://prometheus:9090 (query: up)'
    """
    return f"{url} (query: {shorten(query)})" if query else url


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, asked: str, server: str = "Prometheus"
) -> SourceError:
    """What an HTTP status that is not 200 means; `TooHeavy` and `TryAgain` where that may help.

    Args:
        status: The HTTP status.
        headers: The answer's headers.
        body: The answer's body; JSON with errorType and error, plain text, or a proxy's page.
        asked: Server and query, see `asked`.
        server: What answers there.
    """
    kind, said = _said(body)
    message = said or f"HTTP status {status}"
    if status in (422, 503) and (kind == "timeout" or (kind and _TOO_MUCH.search(said))):
        return TooHeavy(f"{asked} gave up: {message}")
    if status in (429, 502, 503, 504):
        return _busy(status, headers, message, asked)
    if 300 <= status < 400:
        place = headers.get("Location", "elsewhere").split("?")[0]
        return SourceError(f"{asked} sends us on to {_without_user(place)}; give the URL where {server} itself answers")
    sentences = {
        400: f"{asked} refused the query: {message}; correct the PromQL",
        401: f"{asked} does not know us (401); give a token or user and password that it accepts",
        403: f"{asked} does not let us read (403): {message}; ask for the right to read, or use other credentials",
        404: f"{asked} has no {server} API (404); give the URL of its web page, with the path prefix if there is one",
        405: f"{asked} takes no POST (405); a proxy in front must let POST through to /api/v1",
        407: f"the proxy in front of {asked} wants credentials (407); see HTTP_PROXY in the environment",
        413: f"{asked} says that the query is too long (413); shorten it, or raise the proxy's limit",
        422: f"{asked} could not compute the query: {message}",
    }
    sentence = sentences.get(status) or f"{asked} failed ({status}): {message}; its log says more"
    return Refused(sentence, status=status, said=said)


def _busy(status: int, headers: Mapping[str, str], message: str, asked: str) -> TryAgain:
    if status == 429:
        wait = headers.get("Retry-After", "")
        sentence = f"{asked} says that we ask too much (429): {message}; ask later, or with workers=1"
        return TryAgain(sentence, after_seconds=float(wait) if wait.isascii() and wait.isdigit() else None)
    return TryAgain(f"{asked} is not available ({status}): {message}; ask again when it is up")


def _said(body: bytes) -> tuple[str, str]:
    """The API's errorType and the words of the server, short; both empty where it only sent a page."""
    try:
        document = json.loads(body)
        return str(document["errorType"]), _short(str(document["error"]))
    except (ValueError, KeyError, TypeError):
        return "", "" if _HTML.match(body[:200]) else _short(body[:400].decode("utf-8", "replace"))


def _short(text: str) -> str:
    printable = "".join(one if one.isprintable() else " " for one in text)
    words = " ".join(printable.split())
    return words if len(words) <= 300 else words[:299] + "…"


def _without_user(place: str) -> str:
    return re.sub(r"//[^/@]*@", "//", _short(place))


def _web_page(asked: str) -> str:
    return (
        f"{asked} answered with a web page instead of JSON; is that Prometheus itself, not a login page or a dashboard?"
    )
