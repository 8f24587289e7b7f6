"""A Prometheus server, or anything with its API, as a source of frames."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prometheus_api_client.prometheus_connect import PrometheusConnect

from tutordex_analysis import catalogue_file
from tutordex_analysis import frame as frames
from tutordex_analysis.catalogue import Catalogue, Part, Signal
from tutordex_analysis.errors import SourceError
from tutordex_analysis.frame import TimeRange
from tutordex_analysis.moment import UNIT, Span, duration, duration_text, floor
from tutordex_analysis.source import answer, pieces, reading
from tutordex_analysis.source.matrix import Grid
from tutordex_analysis.source.pieces import OnPiece
from tutordex_analysis.source.session import Session

HOLD_BACK = pd.Timedelta("10m")  # longest lookback (5 m) and a late scrape: newer samples may still change
CLOCK_SECONDS = 60.0  # how long one reading of the server's clock serves
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PrometheusSource:
    """Reads from one server. Making one sends nothing.

    Range queries are cut into pieces, fetched in parallel and decoded by us; metadata and instant queries go through
    prometheus-api-client. Both use one session.

    Args:
        url: Of the server, with its path prefix if it has one, without user and password.
        token: Sent as bearer token.
        basic_auth: "user:password".
        ca_file: PEM file of the CA that signed the server's certificate.
        verify: False accepts any certificate.
        gzip: Whether to ask for compressed answers; pays on links below about 60 Mbit/s.
        workers: Requests under way at once, at most; two while pieces are large.
        timeout: Seconds of silence after which a request is given up.
        catalogue: The signals that `read` knows; when left out, the server is recognised by its metrics.

    Raises:
        SourceError: The URL or the credentials cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        basic_auth: str | None = None,
        ca_file: str | Path | None = None,
        verify: bool = True,
        gzip: bool = False,
        workers: int = 4,
        timeout: float = 60.0,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.session = Session(
            url, token=token, basic_auth=basic_auth, ca_file=ca_file, verify=verify, gzip=gzip, timeout=timeout
        )
        self.uri = self.session.address
        self._given = catalogue
        self.workers = workers
        self._clock: tuple[float, pd.Timestamp] | None = None

    def __repr__(self) -> str:
        return f"PrometheusSource({self.uri!r})"

    @functools.cached_property
    def catalogue(self) -> Catalogue:
        """The signals that `read` knows; asks for the server's metrics where none were given.

        Raises:
            CatalogueError: None were given, and the server exposes nothing that is known.
        """
        return self._given or catalogue_file.recognise(self.metrics())

    def query(
        self, promql: str, time_range: TimeRange, *, future: bool = False, on_piece: OnPiece | None = None
    ) -> pd.DataFrame:
        """The answer to any PromQL expression on the grid of `time_range`.

        Args:
            promql: The expression.
            time_range: The grid; it is cut at the server's now.
            future: Whether instants after the server's now are asked for too.
            on_piece: Progress: called with (instants done, instants in all).

        Returns:
            A frame, empty where no series answers; `attrs["provenance"]` tells in JSON what was asked and came.

        Raises:
            SourceError: The server did not give all of it.
        """
        window = time_range if future else self._until_now(time_range)
        if window is None:
            return self._signed(frames.empty(), promql, time_range, None, None)
        asked = answer.asked(self.uri, promql)
        grid = Grid(_milliseconds(window.start), round(window.step / pd.Timedelta(milliseconds=1)), len(window))
        ask = functools.partial(self._ask, promql)
        pulled = pieces.pull(ask, grid, asked=asked, workers=self.workers, on_piece=on_piece)
        frame = frames.build(pulled.values, pulled.label_sets, window) if pulled.label_sets else frames.empty()
        return self._signed(frame, promql, time_range, window, pulled)

    def read(self, signal: str | Signal, time_range: TimeRange) -> pd.DataFrame:
        """A catalogued signal on the grid of `time_range`, which is cut at the server's now.

        Raises:
            CatalogueError: There is no such signal.
            SourceError: The server did not give all of it.
        """
        wanted = self.catalogue.signal(signal)
        window = self._until_now(time_range)

        def fetch(part: Part, fine: TimeRange) -> pd.DataFrame:
            return frames.empty() if window is None else self.query(part.at(fine.step), fine, future=True)

        return reading.read(fetch, wanted, window or time_range, base_step=reading.base_step(time_range.step))

    def fetch(self, part: Part, time_range: TimeRange) -> pd.DataFrame:
        """One part at the step of the range, which is cut at the server's now."""
        return self.query(part.at(time_range.step), time_range)

    def signals(self) -> pd.DataFrame:
        """One row a catalogued signal."""
        return self.catalogue.table()

    def last(self, window: Span, *, step: Span = "1h") -> TimeRange:
        """The latest `window`, such that its last instant is settled: ten minutes before the server's now."""
        end = floor(self.now() - HOLD_BACK, step) + duration(step)
        return TimeRange(end - duration(window), end, step)

    def now(self) -> pd.Timestamp:
        """The server's clock; read at most once a minute, and never ahead of it."""
        if self._clock is None or time.monotonic() - self._clock[0] > CLOCK_SECONDS:
            moment = pd.Timestamp(self.instant("time()")["ds"].iloc[0])
            self._clock = time.monotonic(), moment
        read_at, moment = self._clock
        return (moment + pd.Timedelta(seconds=time.monotonic() - read_at)).floor("ms").as_unit(UNIT)

    def metrics(self) -> list[str]:
        """Names of all metrics, sorted."""
        return self.label_values("__name__")

    def label_values(self, name: str) -> list[str]:
        """Values of one label over all series, sorted.

        Raises:
            SourceError: `name` is no label name, or the server did not answer.
        """
        if not _LABEL.fullmatch(name):
            raise SourceError(f"{name!r} is not the name of a label; it has letters, digits and _ only")
        try:
            return sorted(self._connect.get_label_values(name) or [])
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self.uri} did not answer with the values of the label {name}") from error

    def instant(self, promql: str) -> pd.DataFrame:
        """The answer at the server's now: one row a series, `ds` the instant of evaluation.

        Raises:
            SourceError: The server did not answer, or not with one number a series.
        """
        try:
            result = self._connect.custom_query(promql)
            if result and not isinstance(result[0], dict):
                result = [{"metric": {}, "value": result}]  # a scalar
            values = np.array([[float(series["value"][1])] for series in result])
            moments = {round(float(series["value"][0]) * 1000) for series in result}
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{answer.asked(self.uri, promql)} is not one number a series; take query for a range such as x[5m], "
                f"and histogram_quantile for a native histogram"
            ) from error
        if not moments:
            return frames.empty()
        start = pd.Timestamp(moments.pop(), unit="ms", tz="UTC")
        at = TimeRange(start, start + pd.Timedelta(milliseconds=1), "1ms")
        return frames.build(values, [series["metric"] for series in result], at)

    @functools.cached_property
    def _connect(self) -> Any:  # noqa: ANN401 - the package has no types
        return PrometheusConnect(self.uri, session=self.session, retry=0, method="POST")

    def _ask(self, promql: str, grid: Grid) -> bytes:
        form = {
            "query": promql,
            "start": _seconds(grid.start),
            "end": _seconds(grid.last),
            "step": _seconds(grid.step),
            # sooner than ours, so that the server says that it is too much instead of going on unheard
            "timeout": f"{max(round(self.session.timeout * 900), 1)}ms",
        }
        return self.session.fetch("POST", f"{self.uri}/api/v1/query_range", form)

    def _until_now(self, time_range: TimeRange) -> TimeRange | None:
        """The range without what lies after the server's now; None where nothing is left."""
        end = min(time_range.end, floor(self.now(), time_range.step) + time_range.step)
        return TimeRange(time_range.start, end, time_range.step) if end > time_range.start else None

    def _signed(
        self,
        frame: pd.DataFrame,
        promql: str,
        wanted: TimeRange,
        window: TimeRange | None,
        pulled: pieces.Pulled | None,
    ) -> pd.DataFrame:
        facts: Mapping[str, object] = {
            "url": self.uri,
            "query": promql,
            "range": {"start": wanted.start.isoformat(), "end": wanted.end.isoformat()},
            "step": duration_text(wanted.step),
            "cut_at": None if window is not None and window.end == wanted.end else _text(window),
            "pieces": pulled.pieces if pulled else 0,
            "warnings": list(pulled.infos) if pulled else [],
        }
        frame.attrs["provenance"] = json.dumps(facts, ensure_ascii=False)
        return frame


def _text(window: TimeRange | None) -> str:
    return window.end.isoformat() if window else "start"


def _milliseconds(moment: pd.Timestamp) -> int:
    return round(moment.value / 1_000_000)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
