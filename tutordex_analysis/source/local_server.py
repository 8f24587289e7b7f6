"""A real Prometheus on this machine, for tests and for exploring: its own folder, a free loopback port, simulated data.

`tutordex-analysis live` simulates a world that ends now, starts a server with it, prints the address and serves until
it is interrupted.
"""

from __future__ import annotations

import atexit
import http.client
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType, TracebackType

from tutordex_analysis.errors import SourceError
from tutordex_analysis.source.simulator import Progress, Truth, World, simulate
from tutordex_analysis.source.simulator.openmetrics import count_samples

_READY_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LONGEST_BLOCK = "1458h"  # one block a file: promtool reads a file once for each block that it makes of it
_NO_SCRAPES = "global:\n  scrape_interval: 15s\n"


class LocalPrometheus:
    """A Prometheus that this process owns; a context manager.

    Example:
        with LocalPrometheus(folder, openmetrics=[path]) as server:
            connect(server.url)

    Args:
        folder: Holds data, configuration and log; made where it does not exist, kept afterwards.
        openmetrics: Files to import before the start, one by one.
        config: prometheus.yml; by default nothing is scraped.
        port: On 127.0.0.1; 0 takes a free one.
        flags: More flags for Prometheus.
        lifecycle: Whether it can be told to reload.

    Raises:
        SourceError: A program is missing, an import loses samples, or the server does not become ready.
    """

    def __init__(
        self,
        folder: Path,
        *,
        openmetrics: Iterable[Path] = (),
        config: str = _NO_SCRAPES,
        port: int = 0,
        flags: Iterable[str] = (),
        lifecycle: bool = True,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "prometheus.log"
        self.port = port
        self._openmetrics = tuple(openmetrics)
        self._config = config
        self._flags = (*(["--web.enable-lifecycle"] if lifecycle else []), *flags)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalPrometheus:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process, None while it does not run."""
        return None if self._process is None else self._process.pid

    def import_openmetrics(self, path: Path) -> int:
        """Import one file and return its number of samples.

        A running server sees the new blocks about a minute later, so import before the start where possible.

        Raises:
            SourceError: promtool refuses the file, or took fewer samples than are in it (promtool drops a sample that
                does not ascend in time without a word).
        """
        wanted = count_samples(path)
        before = _blocks(self.data)
        self.data.mkdir(parents=True, exist_ok=True)
        command = [_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
        command += [f"--max-block-duration={_LONGEST_BLOCK}", str(path), str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SourceError(f"promtool did not import {path}: {_last_line(done.stderr or done.stdout)}")
        after = _blocks(self.data)
        taken = sum(count for name, count in after.items() if name not in before)
        if taken != wanted:
            raise SourceError(
                f"promtool took {taken:,} of the {wanted:,} samples in {path}; the times of a series must ascend, "
                "and no sample may come twice"
            )
        return taken

    def start(self) -> None:
        """Import the files, start the server and wait until it answers; nothing happens where it runs already."""
        if self._process is not None:
            return
        program = _program("prometheus")
        for path in self._openmetrics:
            self.import_openmetrics(path)
        self._openmetrics = ()
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yml"
        config.write_text(self._config, encoding="utf-8")
        self.port = self.port or _free_port()
        command = [
            *_dies_with_its_parent(),
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=10y",  # imported blocks are old, and would be deleted at once
            "--storage.tsdb.max-block-duration=2h",  # and they need no compaction
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self._flags,
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        atexit.register(self.stop)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, politely first; nothing happens where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self) -> None:
        process = self._process
        deadline = time.monotonic() + _READY_SECONDS
        while process is not None and time.monotonic() < deadline:
            if process.poll() is not None:
                raise SourceError(f"Prometheus ended while starting: {self._tail()} (log: {self.log})")
            if _ready(self.port):
                return
            time.sleep(0.05)
        raise SourceError(f"Prometheus was not ready after {_READY_SECONDS:.0f} s: {self._tail()} (log: {self.log})")

    def _tail(self) -> str:
        return _last_line(self.log.read_text(encoding="utf-8", errors="replace"))


def load_world(server: LocalPrometheus, world: World, *, progress: Progress | None = None) -> Truth:
    """Simulate a world into a server that is not started yet; piece by piece, so that little disk is needed.

    While promtool imports one piece, the next one is written. `truth.json` stays in the server's folder.

    Raises:
        SourceError: As `simulate` and `import_openmetrics`; or the server took fewer samples than were simulated.
    """
    taken: list[Future[int]] = []

    def bring_in(path: Path) -> int:
        count = server.import_openmetrics(path)
        path.unlink()
        return count

    with ThreadPoolExecutor(max_workers=1) as importer:

        def written(path: Path) -> None:
            if taken:
                taken[-1].result()
            taken.append(importer.submit(bring_in, path))

        truth = simulate(world, server.folder, progress=progress, written=written)
        total = sum(one.result() for one in taken)
    if total != truth.samples:
        raise SourceError(f"{total:,} of {truth.samples:,} simulated samples were imported")
    return truth


def serve(
    world: World, *, port: int = 0, ready: Callable[[str, Truth], None], progress: Progress | None = None
) -> None:
    """Serves a simulated world until Ctrl-C or SIGTERM, then leaves nothing behind.

    Args:
        world: What to simulate.
        port: On 127.0.0.1; 0 takes a free one.
        ready: Called with the URL once it answers.
        progress: As for `load_world`.

    Raises:
        SourceError: A program is missing, or the server does not become ready.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="tutordex-prometheus-") as folder:
            server = LocalPrometheus(Path(folder), port=port)
            truth = load_world(server, world, progress=progress)
            with server:
                ready(server.url, truth)
                signal.pause()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SourceError(
            f"{name} is not on PATH; install it (Debian and Ubuntu: apt-get install prometheus) or put it there"
        )
    return found


def _dies_with_its_parent() -> list[str]:
    """A prefix that ends the server even when this process is killed, where the system has one."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _blocks(data: Path) -> dict[str, int]:
    """The blocks of a data folder with their number of samples."""
    metas = data.glob("*/meta.json")
    return {path.parent.name: int(json.loads(path.read_text())["stats"].get("numSamples", 0)) for path in metas}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
