"""What is reachable, stale or missing: on the server, in the catalogue and in the archive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import pandas as pd

from tutordex_analysis import promql
from tutordex_analysis.catalogue import Catalogue, Signal
from tutordex_analysis.errors import AnalysisError, SourceError
from tutordex_analysis.moment import Instant, duration_text, instant
from tutordex_analysis.source import storage
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.manifest import Held

State: TypeAlias = Literal["ok", "warning", "failed"]
SKEW = pd.Timedelta("30s")  # more than a request takes; pull goes by the server's clock, reports by ours
BEHIND = pd.Timedelta("1D")  # a daily pull is late by more than this
LOOK_BACK = "1d"  # how far back the newest sample of a stale metric is looked for
_FACTS = ["what", "found", "state", "sentence"]
_SIGNALS = ["signal", "state", "newest", "archived_to", "series", "gaps", "bytes", "sentence"]


class Session(Protocol):
    """What asks a server for something other than samples."""

    def fetch(self, method: str, url: str, form: Mapping[str, str]) -> bytes:
        """The body of an answer."""


class Server(Protocol):
    """What the doctor needs of a server."""

    @property
    def uri(self) -> str:
        """Its address, without secrets."""

    @property
    def session(self) -> Session:
        """Its session."""

    def now(self) -> pd.Timestamp:
        """Its clock."""

    def metrics(self) -> list[str]:
        """Names of its metrics."""

    def instant(self, promql: str) -> pd.DataFrame:
        """Its answer now, one row a series."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkup:
    """What the doctor found.

    Attributes:
        facts: One row a fact about the server and the archive: `what`, `found`, `state` (ok, warning, failed),
            `sentence` (what to do; "" where nothing is to be done).
        signals: One row a signal: `signal`; `state`: ok, partial (some of its metrics are not there), stale, missing,
            unknown (no server was asked, or it is made of events), damaged (in the archive); `newest` (the server's
            newest sample), `archived_to`, `series`, `gaps` and `bytes` in the archive; `sentence`.
    """

    facts: pd.DataFrame
    signals: pd.DataFrame

    @property
    def healthy(self) -> bool:
        """Whether nothing failed: the server answers, the archive can be read."""
        return not (self.facts["state"] == "failed").any() and not (self.signals["state"] == "damaged").any()


def doctor(source: Server | None, archive: ArchiveSource | None, catalogue: Catalogue, now: Instant) -> Checkup:
    """Looks at everything once; whatever it meets is a row and never an exception.

    Args:
        source: The server; None: only the archive is looked at.
        archive: The archive; None: only the server.
        catalogue: The signals to look for.
        now: Our clock.
    """
    moment = instant(now)
    facts: list[tuple[str, str, State, str]] = []
    server: _Metrics | None = None
    if source is not None:
        reached, server = _server(source, moment)
        facts += reached
    held: dict[str, Held] = {}
    damaged: set[str] = set()
    if archive is not None:
        found, held, damaged = _archive(archive, source, moment)
        facts += found
    rows = [_signal(spec, server, archive, held, damaged, moment) for spec in catalogue.signals.values()]
    return Checkup(facts=pd.DataFrame(facts, columns=_FACTS), signals=_typed(pd.DataFrame(rows, columns=_SIGNALS)))


class _Metrics:
    """The metrics of a server, and the newest sample of each, asked once."""

    def __init__(self, source: Server, names: list[str]) -> None:
        self.source, self.names = source, set(names)
        self._newest: dict[str, tuple[pd.Timestamp | None, bool]] = {}

    def newest(self, name: str) -> tuple[pd.Timestamp | None, bool]:
        """Newest sample, and whether it is fresh: younger than the server's look-back of five minutes."""
        if name not in self._newest:
            fresh = self._moment(f"max(timestamp({name}))")
            older = (
                None if fresh is not None else self._moment(f"max(max_over_time(timestamp({name})[{LOOK_BACK}:1m]))")
            )
            self._newest[name] = (fresh or older, fresh is not None)
        return self._newest[name]

    def _moment(self, query: str) -> pd.Timestamp | None:
        answer = self.source.instant(query)
        if answer.empty or answer["y"].isna().all():
            return None
        return pd.Timestamp(float(answer["y"].max()), unit="s", tz="UTC").floor("ms")


def _server(source: Server, now: pd.Timestamp) -> tuple[list[tuple[str, str, State, str]], _Metrics | None]:
    try:
        clock = source.now()
        names = source.metrics()
    except AnalysisError as error:
        return [("server", source.uri, "failed", str(error))], None
    ahead = clock - now
    skewed = abs(ahead) > SKEW
    found = f"{_about(abs(ahead))} {'ahead of' if ahead > pd.Timedelta(0) else 'behind'} ours" if skewed else "as ours"
    advice = "set both clocks (NTP); a pull goes by the server's clock, the age of a report by ours" if skewed else ""
    retention = _status(source, "runtimeinfo", "storageRetention")
    return [
        ("server", source.uri, "ok", ""),
        ("version", _status(source, "buildinfo", "version"), "ok", ""),
        ("clock", found, "warning" if skewed else "ok", advice),
        ("retention", retention, "ok", "" if retention == "unknown" else f"pull more often than every {retention}"),
        ("metrics", str(len(names)), "ok" if names else "warning", "" if names else "the server has no metric at all"),
    ], _Metrics(source, names)


def _status(source: Server, page: str, key: str) -> str:
    try:
        body = json.loads(source.session.fetch("GET", f"{source.uri}/api/v1/status/{page}", {}))
        return str(body["data"][key]) or "unknown"
    except (AnalysisError, ValueError, KeyError, TypeError):
        return "unknown"  # not every server with this API has it


def _archive(
    archive: ArchiveSource, source: Server | None, now: pd.Timestamp
) -> tuple[list[tuple[str, str, State, str]], dict[str, Held], set[str]]:
    try:
        manifest = archive.manifest
    except SourceError as error:
        return [("archive", archive.uri, "failed", str(error))], {}, set()
    held = dict(manifest.held)
    broken = {key: sentence for key, one in held.items() if (sentence := _broken(archive.folder, one))}
    size = sum(one.bytes for one in held.values())
    facts: list[tuple[str, str, State, str]] = [
        ("archive", f"{archive.uri}: {len(held)} parts, {size / 1e6:.1f} MB", "ok", ""),
    ]
    if source is not None and source.uri != manifest.url:
        facts.append(
            (
                "archive of",
                manifest.url,
                "warning",
                f"it was pulled from another URL than {source.uri}; name its source",
            )
        )
    newest = max((one.newest for one in held.values() if one.newest), default=None)
    behind = newest is None or now - newest > BEHIND
    age = "empty" if newest is None else f"{_about(now - newest)} old"
    facts.append(
        ("archive's newest", age, "warning" if behind else "ok", "run `tutordex-analysis pull`" if behind else "")
    )
    facts += [("archive file", key, "failed", sentence) for key, sentence in broken.items()]
    return facts, held, set(broken)


def _broken(folder: Path, held: Held) -> str:
    """The sentence about the first damaged file of a part; "" when all are sound (every page has a checksum)."""
    for month in held.months:
        try:
            storage.read(folder / held.key / f"{month}.parquet", step=held.step)
        except SourceError as error:
            return str(error)
    return ""


def _signal(
    spec: Signal,
    server: _Metrics | None,
    archive: ArchiveSource | None,
    held: Mapping[str, Held],
    damaged: set[str],
    now: pd.Timestamp,
) -> dict[str, object]:
    state, newest, sentence = _reached(spec, server, now)
    mine = [one for one in held.values() if spec.name in one.signals]
    if any(one.key in damaged for one in mine):
        state, sentence = "damaged", "a file of it in the archive cannot be read; the facts say which, and what to do"
    elif archive is not None and not mine:
        sentence = sentence or f"not in the archive yet: tutordex-analysis pull {spec.name}"
    archived = [one.newest for one in mine if one.newest is not None]
    return {
        "signal": spec.name,
        "state": state,
        "newest": newest,
        "archived_to": max(archived, default=None),
        "series": max((one.series for one in mine), default=0),
        "gaps": sum(len(one.gaps) for one in mine),
        "bytes": sum(one.bytes for one in mine),
        "sentence": sentence,
    }


def _reached(spec: Signal, server: _Metrics | None, now: pd.Timestamp) -> tuple[str, pd.Timestamp | None, str]:
    if spec.events is not None:
        return "unknown", None, "made of exported events, not of metrics; the setting events_url names their folder"
    if server is None:
        return "unknown", None, ""
    wanted = sorted({name for part in spec.parts for name in promql.metrics(part.at("5m"))})
    absent = [name for name in wanted if name not in server.names]
    if absent and len(absent) == len(wanted):
        return "missing", None, f"the server has no {' and no '.join(absent)}; is the target scraped?"
    try:
        found = {name: server.newest(name) for name in wanted if name not in absent}
    except AnalysisError as error:
        return "unknown", None, str(error)
    newest = max((at for at, _ in found.values() if at is not None), default=None)
    stale = [name for name, (_, fresh) in found.items() if not fresh]
    if stale:
        at = found[stale[0]][0]
        age = f"its newest sample is {_about(now - at)} old" if at is not None else f"no sample for {LOOK_BACK}"
        return "stale", newest, f"{stale[0]} has stopped: {age}; is the target up?"
    if absent:
        return "partial", newest, f"the server has no {', '.join(absent)} yet; a counter is born with its first event"
    return "ok", newest, ""


def _typed(signals: pd.DataFrame) -> pd.DataFrame:
    return signals.assign(
        **{name: pd.to_datetime(signals[name], utc=True) for name in ("newest", "archived_to")},
        **{name: signals[name].astype("int64") for name in ("series", "gaps", "bytes")},
    )


def _about(span: pd.Timedelta) -> str:
    """A span without what is too small to matter: "3d4h", "2h5m", "1m30s"."""
    small = pd.Timedelta("1h") if span >= pd.Timedelta("1D") else pd.Timedelta("1min")
    if span < pd.Timedelta("1h"):
        small = pd.Timedelta("1s")
    return duration_text(max(span // small, 1) * small)
