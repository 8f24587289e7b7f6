"""Simulated worlds with all kinds of incidents, pulled from a real Prometheus once and kept with their truth."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.source import pull as pulling
from tutordex_analysis.source.archive import ArchiveSource
from tutordex_analysis.source.local_server import LocalPrometheus, load_world
from tutordex_analysis.source.prometheus import PrometheusSource
from tutordex_analysis.source.simulator import Truth, World, read_truth

WARM_UP, LENGTH = duration("28d"), duration("63d")
BASE = "5m"
INCIDENTS = (
    "collector_silent",
    "channel_format_change",
    "llm_down",
    "llm_slow",
    "database_refuses",
    "telegram_rate_limit",
    "replay",
    "worker_hung",
)
# Midnights in Singapore with which a Monday begins; each has public holidays in the five weeks before it.
ENDS = ("2026-06-07", "2026-08-23", "2026-11-22", "2026-01-11", "2026-04-12", "2026-03-08", "2026-05-10")


def world(seed: int) -> World:
    """Nine weeks: four in which nothing goes wrong, then each kind of incident once and a release, in random order."""
    end = pd.Timestamp(ENDS[seed % len(ENDS)] + "T16:00:00Z")
    order = np.random.default_rng([seed, 4]).permutation([*INCIDENTS, "version_bump"])
    kinds = tuple(str(kind) for kind in order)
    return World(start=end - LENGTH, end=end, seed=seed, size="sample", incidents=kinds, calm=WARM_UP)


def made(one: World, home: Path, *, loaded: Path | None = None) -> Path:
    """The folder of a world's archive and its truth; they are made once, then found again.

    Args:
        one: The world.
        home: The folder.
        loaded: That of a server, not started, that holds the world already.
    """
    known = catalogue_file.load()
    parts = {name: known.signal(name).parts for name in watched(known)}
    mark, wanted = home / "complete", repr((one, parts))
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return home
    shutil.rmtree(home, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="tutordex-bench-") as scratch:
        server = LocalPrometheus(loaded or Path(scratch))
        if loaded is None:
            load_world(server, one)
        with server:
            source, now = PrometheusSource(server.url, catalogue=known), one.range.end + pulling.HOLD_BACK
            length = one.range.end - one.range.start
            result = pulling.pull(source, home / "tutordex", parts, step=BASE, since=length, now=now)
            if result.failed:
                raise SystemExit(result.table.to_string())
        shutil.copy(server.folder / "truth.json", home / "truth.json")
    mark.write_text(wanted, encoding="utf-8")
    return home


def watched(catalogue: Catalogue) -> list[str]:
    """Names of the signals that can be bad and are read from Prometheus, in the catalogue's order."""
    return [name for name, signal in catalogue.signals.items() if signal.bad != "none" and signal.parts]


def read(home: Path, step: Span) -> tuple[pd.DataFrame, Truth]:
    """All watched signals of a world in one frame, and what was planted in it.

    Args:
        home: As `made` gives it.
        step: Five minutes or a multiple.
    """
    archive = ArchiveSource(home)
    time_range = archive.last(LENGTH, step=step)
    tables = [archive.read(name, time_range) for name in watched(archive.catalogue)]
    table = pd.concat([one.astype({"unique_id": str})[[*frames.COLUMNS]] for one in tables], ignore_index=True)
    table["unique_id"] = pd.Categorical(table["unique_id"])
    return table.sort_values(["unique_id", "ds"], ignore_index=True), read_truth(home / "truth.json")
