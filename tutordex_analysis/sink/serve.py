"""The published file over HTTP, for Prometheus to scrape: read anew at each scrape, dropped when it is too old.

What stays when everything has expired is when each family was computed, and how many are left, so that an alert can
tell a forecast that is stale from a publisher that is down (`up == 0`).
"""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

from tutordex_analysis.errors import PublishRefused
from tutordex_analysis.moment import Span, duration
from tutordex_analysis.sink.exposition import CONTENT_TYPE, GENERATED

HOST, PORT = "127.0.0.1", 9877
_MOST_AT_ONCE = 16
_SKEW_SECONDS = 60.0
_STAMP = re.compile(rf'^{GENERATED}\{{family="([^"]*)"\}} (\d+(?:\.\d+)?)$')
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>tutordex-analysis</title>
<p>Forecasts for Prometheus to scrape: <a href="/metrics">/metrics</a></p></html>
"""


def current(text: str, *, now: float, validity: Span) -> str:
    """The text without the families that are older than the validity, and with what is said about that.

    Args:
        text: As `exposition.render` makes it; a family without its generated time counts as too old.
        now: Unix seconds.
        validity: How long after it was computed a family may be served.
    """
    longest = duration(validity).total_seconds()
    lines = text.splitlines()
    stamps = {match[1]: float(match[2]) for match in map(_STAMP.match, lines) if match}
    fresh = {name for name, stamp in stamps.items() if -_SKEW_SECONDS <= now - stamp <= longest} | {GENERATED}
    kept, names, family = [], set(), ""
    for line in lines:
        if line.startswith(("# HELP ", "# TYPE ")):
            family = line.split(" ", 3)[2]
            names.add(family)
        if (line.startswith("#") and not line.startswith(("# HELP ", "# TYPE "))) or family in fresh:
            kept.append(line)
    counts = {"served": len(names & fresh - {GENERATED}), "expired": len(names - fresh)}
    kept += [
        "# HELP tutordex_publisher_families Families in the published file, by whether they are still valid.",
        "# TYPE tutordex_publisher_families gauge",
        *(f'tutordex_publisher_families{{state="{state}"}} {count}' for state, count in sorted(counts.items())),
        "# HELP tutordex_publisher_validity_seconds Age at which a family is no longer served.",
        "# TYPE tutordex_publisher_validity_seconds gauge",
        f"tutordex_publisher_validity_seconds {longest:g}",
    ]
    return "\n".join(kept) + "\n"


def server(
    path: str | Path,
    *,
    validity: Span,
    host: str = HOST,
    port: int = PORT,
    clock: Callable[[], float] = time.time,
    deadline: Span = "10s",
) -> ThreadingHTTPServer:
    """A bound server of that file, not yet answering; port 0 takes a free one.

    A request that is not done by its deadline is cut off; 10 s is when Prometheus gives up too.

    Raises:
        PublishRefused: The address cannot be used, for example since another program listens there.
    """
    duration(validity)

    def text() -> str:
        try:
            published = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            published = ""  # not there yet, or being mended: the self metrics say 0 families
        return current(published, now=clock(), validity=validity)

    class Handler(_Handler):
        metrics = staticmethod(text)
        deadline_seconds = duration(deadline).total_seconds()

    class Server(_Server):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        return Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PublishRefused(
            f"cannot listen on {_address(host, port)}: {reason}; stop what listens there or choose another port"
        ) from error


def serve(
    path: str | Path,
    *,
    validity: Span,
    host: str = HOST,
    port: int = PORT,
    clock: Callable[[], float] = time.time,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves the file until Ctrl-C or SIGTERM.

    Args:
        path: What `textfile.write` wrote; it may come later and may be replaced at any time.
        validity: How long after it was computed a family is served.
        host: Address to listen on; loopback unless told otherwise, since there is no authentication.
        port: TCP port.
        clock: Unix seconds now.
        ready: Called with the URL once it answers.

    Raises:
        PublishRefused: The address cannot be used.
    """
    with server(path, validity=validity, host=host, port=port, clock=clock) as web, _stopped_by_sigterm():
        try:
            ready(f"http://{_address(host, web.server_address[1])}/metrics")
            web.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return


def scrape_job(host: str = HOST, port: int = PORT) -> str:
    """What to add under `scrape_configs:` in prometheus.yml."""
    return (
        "  - job_name: tutordex-analysis\n"
        "    scrape_interval: 60s\n"
        "    static_configs:\n"
        f'      - targets: ["{_address(host, port)}"]\n'
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4 * _MOST_AT_ONCE

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)  # type: ignore[arg-type]
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "tutordex-analysis", ""
    metrics: Callable[[], str]
    deadline_seconds: float

    def handle(self) -> None:
        """One request, which ends at the deadline however slowly the client sends or reads."""
        watch = threading.Timer(self.deadline_seconds, _hang_up, [self.connection])
        watch.daemon = True
        watch.start()
        try:
            super().handle()
        finally:
            watch.cancel()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, self.metrics(), CONTENT_TYPE)
        elif path == "/":
            self._answer(HTTPStatus.OK, _PAGE, "text/html; charset=utf-8")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "not found; see /metrics\n", "text/plain; charset=utf-8")

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n", "text/plain; charset=utf-8")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _answer(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A library does not print."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already gone


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, where signals can be handled: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
