"""A user at a terminal: one command in a folder of their own, with no settings but what the folder holds."""

import os
import subprocess
import sys


def command(folder, *words):
    """The finished process: `returncode`, `stdout`, `stderr`."""
    return subprocess.run(
        [sys.executable, "-m", "tutordex_analysis", *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("TUTORDEX_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
