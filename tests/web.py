"""What stands at both ends of a Prometheus and its Alertmanager in tests: metrics to scrape, a receiver of alerts."""

import http.server
import json
import threading
import time


class Web(http.server.ThreadingHTTPServer):
    """Serves metrics and keeps what it is told, on a free loopback port; a context manager.

    Args:
        metrics: The text that a scrape gets, asked each time.

    Attributes:
        calls: Each alert as a receiver was told of it, with the last part of the receiver's path as `receiver`.
        address: Host and port.
    """

    def __init__(self, metrics=lambda: ""):
        self.calls = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(metrics().encode())

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                web.calls += [{**one, "receiver": self.path.strip("/")} for one in body["alerts"]]
                self.answer(b"")

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def told(self, alert, status="firing", receiver=""):
        """How receivers, or the one of this name, were told of an alert."""
        mine = [one for one in list(self.calls) if one["labels"]["alertname"] == alert and one["status"] == status]
        return [one for one in mine if receiver in ("", one["receiver"])]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def until(true, what, seconds=60):
    """Waits for something, and returns it; `what` says what went wrong if it does not come, or makes the sentence."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)
    return found
