"""A server on loopback that answers as Prometheus does, or with a fault that a real one does not give on demand."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Form = dict[str, str]
Series = tuple[dict[str, str], Callable[[float], "float | None"]]


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: The HTTP status.
        body: What is sent.
        headers: Beside Content-Length, which is that of the body unless given here.
        wait: Held back until the server stops, when true.
        cut: The connection is closed after so many bytes.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: bool = False
    cut: int | None = None


@dataclass
class Fake:
    """What the server knows and what it was asked.

    Attributes:
        url: Its address.
        series: Labels and a function of the time, None where there is no sample.
        now: Its clock, in seconds.
        replies: Given before anything else to a range query, in turn.
        max_samples: A range query above it is answered with 422.
        extra: Fields added to each good answer of a range query.
        asked: (path, form, headers) of each request.
        silences: What an Alertmanager answers at this address; 404 for None.
    """

    url: str = ""
    series: list[Series] = field(default_factory=list)
    now: float = 4e9
    replies: list[Reply] = field(default_factory=list)
    max_samples: int = 50_000_000
    extra: dict[str, object] = field(default_factory=dict)
    asked: list[tuple[str, Form, dict[str, str]]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    silences: Reply | None = None

    @property
    def ranges(self) -> list[Form]:
        """The range queries."""
        return [form for path, form, _ in self.asked if path.endswith("/query_range")]

    def answer(self, path: str, form: Form) -> Reply:
        if path.endswith("/query_range"):
            return self.replies.pop(0) if self.replies else self._range(form)
        if path.endswith("/query"):
            return _good({"resultType": "scalar", "result": [self.now, str(self.now)]})
        if path.endswith("/values"):
            return _good(sorted({labels.get(path.split("/")[-2], "") for labels, _ in self.series} - {""}))
        if path.endswith("/api/v2/silences") and self.silences is not None:
            return self.silences
        return Reply(404, b"404 page not found")

    def _range(self, form: Form) -> Reply:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        moments = [start + i * step for i in range(round((end - start) / step) + 1)]
        if len(moments) * len(self.series) > self.max_samples:
            return failure(422, "execution", "query processing would load too many samples into memory")
        result = []
        for labels, value in self.series:
            pairs = [[t, text(v)] for t in moments if (v := value(t)) is not None]
            if pairs:
                result.append({"metric": labels, "values": pairs})
        return _good({"resultType": "matrix", "result": result}, **self.extra)


def text(value: float) -> str:
    """A value as Prometheus writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)


def failure(status: int, kind: str, said: str, **headers: str) -> Reply:
    """An error of the API."""
    body = json.dumps({"status": "error", "errorType": kind, "error": said}).encode()
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def _good(data: object, **extra: object) -> Reply:
    document = {"status": "success", "data": data, **extra}
    return Reply(body=json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


@contextlib.contextmanager
def serve() -> Iterator[Fake]:
    """A fake on a free port, for the length of a with block."""
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._answer({name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()})

        def do_GET(self) -> None:
            self._answer({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

        def _answer(self, form: Form) -> None:
            path = urlsplit(self.path).path
            fake.asked.append((path, form, dict(self.headers)))
            reply = fake.answer(path, form)
            if reply.wait:
                fake.stopped.wait(10)
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            self.close_connection = self.close_connection or reply.cut is not None or reply.wait

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that left before the answer is part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.stopped.set()
            server.shutdown()
            thread.join()


def wait_until(true: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Returns as soon as something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)
