"""An Alertmanager whose silences we make and end, through version 2 of its API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tutordex_analysis.errors import SilencesRefused, SourceError
from tutordex_analysis.maintenance import Bounded
from tutordex_analysis.source import answer, silences
from tutordex_analysis.source.session import Session
from tutordex_analysis.source.silences import Silence


@dataclass(frozen=True, kw_only=True)
class Firing:
    """An alert that Alertmanager has now.

    Attributes:
        labels: All of them.
        silenced_by: Keys of the silences that hold it.
    """

    labels: Mapping[str, str]
    silenced_by: frozenset[str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels.get("alertname", "")


class SilenceServer:
    """One server, over a session that knows who we are to it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def url(self) -> str:
        """Its address."""
        return self.session.address

    def silences(self) -> tuple[Silence, ...]:
        """Every silence that it knows, with those that ended in the last days.

        Raises:
            SourceError: It does not answer as Alertmanager does.
        """
        return silences.read(self.session)

    def alerts(self) -> tuple[Firing, ...]:
        """Every alert that it has now, silenced or not.

        Raises:
            SourceError: It does not answer as Alertmanager does.
        """
        document = self._json(self.session.fetch("GET", f"{self.url}/api/v2/alerts", {}))
        try:
            return tuple(
                Firing(
                    labels={str(name): str(text) for name, text in one["labels"].items()},
                    silenced_by=frozenset(map(str, one["status"]["silencedBy"])),
                )
                for one in document
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise self._strange() from error

    def make(self, one: Bounded, comment: str) -> str:
        """Makes a silence; its key. Asked once: what is sent twice would be there twice.

        Raises:
            SilencesRefused: The server refused it, in its own words.
            SourceError: The server did not answer; whether it was made is not known.
        """
        document = {
            "matchers": [
                {"name": m.label, "value": m.value, "isRegex": m.regex, "isEqual": m.equal} for m in one.matchers
            ],
            "startsAt": one.start.isoformat(),
            "endsAt": one.end.isoformat(),
            "createdBy": one.by,
            "comment": comment,
        }
        try:
            body = self.session.change("POST", f"{self.url}/api/v2/silences", document)
        except answer.Refused as refused:
            raise self._refusal(f"the silence of {one.title}", refused) from refused
        found = self._json(body)
        if not isinstance(found, dict) or not found.get("silenceID"):
            raise self._strange()
        return str(found["silenceID"])

    def end(self, key: str) -> None:
        """Ends a silence now; one that has ended, or is not there, stays so.

        Raises:
            SilencesRefused: The server refused to, in its own words.
            SourceError: The server did not answer; whether it was ended is not known.
        """
        try:
            self.session.change("DELETE", f"{self.url}/api/v2/silence/{key}")
        except answer.Refused as refused:
            if refused.status != 404 and "not found" not in refused.said:  # 0.25 says so with status 500
                raise self._refusal(f"to end the silence {key}", refused) from refused

    def _json(self, body: bytes) -> Any:  # noqa: ANN401 - JSON
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._strange() from error

    def _refusal(self, what: str, refused: answer.Refused) -> SilencesRefused:
        return SilencesRefused(
            f"{self.url} refused {what} ({refused.status}): {_words(refused.said) or 'it gave no reason'}"
        )

    def _strange(self) -> SourceError:
        return SourceError(f"{self.url} did not answer as Alertmanager does; is the setting alertmanager_url right?")


def _words(said: str) -> str:
    """What the server says, out of its JSON: a text, or an object with a message."""
    try:
        found = json.loads(said)
    except ValueError:
        return said
    return str(found.get("message", said) if isinstance(found, dict) else found)
