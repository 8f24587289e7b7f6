"""A real Alertmanager on a free loopback port, for tests: no receiver unless told, no cluster, its own folder."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PROGRAM = "prometheus-alertmanager"  # as Debian calls it
_CONFIG = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n"


class LocalAlertmanager:
    """Started on entering, ended on leaving; silences are made and ended through its API."""

    def __init__(self, folder: Path, *, prefix: str = "", config: str = _CONFIG) -> None:
        self.folder, self.prefix, self.config = folder, prefix, config
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}{prefix}"

    def __enter__(self) -> LocalAlertmanager:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "alertmanager.yml"
        config.write_text(self.config)
        command = [PROGRAM, f"--config.file={config}", f"--storage.path={self.folder / 'data'}"]
        command += [f"--web.listen-address={self.url.removeprefix('http://').removesuffix(self.prefix)}"]
        command += ["--cluster.listen-address=", f"--web.route-prefix={self.prefix or '/'}"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.call("GET", "status")
                return self
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def call(self, method: str, path: str, body: object = None) -> object:
        """One request to its API, version 2."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/api/v2/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def silence(self, start: str, end: str, comment: str, **matchers: str) -> str:
        """Its key; a value that begins with ~ is an expression, one with ! must not be."""
        rows = [
            {"name": name, "value": value.lstrip("~!"), "isRegex": "~" in value[:2], "isEqual": value[:1] != "!"}
            for name, value in matchers.items()
        ]
        body = {"startsAt": start, "endsAt": end, "comment": comment, "createdBy": "somebody", "matchers": rows}
        answer = self.call("POST", "silences", body)
        assert isinstance(answer, dict)
        return str(answer["silenceID"])

    def end(self, key: str) -> None:
        """Ends a silence now; it stays known as expired."""
        self.call("DELETE", f"silence/{key}")
