import os
import subprocess
import sys

from tutordex_analysis import disk


def test_the_lock_sweeps_what_a_killed_process_left_and_nothing_else(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        kept = [tmp_path / ".notes.tmp", tmp_path / "mine" / ".draft.9a.tmp", tmp_path / f".page.html.{other.pid}.tmp"]
        gone = [tmp_path / ".page.html.9999999.tmp", tmp_path / f".page.html.{os.getpid()}.tmp"]
        (tmp_path / "mine").mkdir()
        (tmp_path / ".folder.9999999.tmp").mkdir()
        for path in kept + gone:
            path.write_text("half")
        with disk.locked(tmp_path):
            assert [path.name for path in kept if not path.exists()] == []
            assert [path.name for path in gone if path.exists()] == []
        other.communicate(b"\n")
