"""A real PostgreSQL on a free loopback port, for tests: a cluster of its own in a temporary folder, no other socket."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("initdb", "postgres")
PASSWORD = "sesame-of-the-test"


class LocalPostgres:
    """Started on entering, ended by its own process id on leaving; never runs as root."""

    def __enter__(self) -> LocalPostgres:
        self.folder = Path(tempfile.mkdtemp(prefix="tutordex-postgres-"))
        if os.geteuid() == 0:
            self.user: str | None = "postgres" if "postgres" in {one.pw_name for one in pwd.getpwall()} else "nobody"
            shutil.chown(self.folder, self.user)
        else:
            self.user = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        secret, data = self.folder / "password", self.folder / "data"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "-D", data, "-U", "reader", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "-N")
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["postgres", "-D", data, "-p", str(self.port), *options],
                stdout=log, stderr=log, user=self.user, cwd=self.folder,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute("SELECT 1")
                return self
            except OSError:
                log_text = (self.folder / "log").read_text()
                assert self.process.poll() is None, log_text
                assert time.monotonic() < deadline, log_text
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgresql://reader:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        """Statements in a transaction of their own."""
        import psycopg

        try:
            with psycopg.connect(self.url, connect_timeout=5) as connection:
                for one in statements:
                    connection.execute(one)
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [*map(str, command)], user=self.user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
