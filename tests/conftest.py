"""What every test shares: golden files, hypothesis profiles, and the servers that tests may need."""

from __future__ import annotations

import os
import shutil
import signal

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

mpl.use("Agg")

# A shell lets its background jobs ignore Ctrl-C, and every program that a test starts and interrupts would do so too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI") == "true"
settings.register_profile("ci", derandomize=True, max_examples=50, deadline=None, print_blob=True)
settings.register_profile("here", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if IN_CI else "here")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/ anew from what the code makes")


@pytest.fixture(scope="session")
def update_golden(request):
    """Whether golden files are to be written instead of compared."""
    return request.config.getoption("--update-golden")


def pytest_runtest_setup(item):
    """A `server` test is skipped, or fails with CI=true, where one of its programs is not on PATH."""
    for mark in item.iter_markers("server"):
        absent = [program for program in mark.args or ("prometheus", "promtool") if not shutil.which(program)]
        if absent:
            reason = f"{' and '.join(absent)} not on PATH; ./run test installs servers when root on Debian"
            pytest.fail(reason, pytrace=False) if IN_CI else pytest.skip(reason)
