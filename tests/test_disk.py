import os
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_takes_the_place_of_a_file_has_its_owner(tmp_path):
    path = tmp_path / "rules.yml"
    disk.put(path, "old", mode=0o640)
    os.chown(path, 65534, 65534)
    disk.put(path, "new", mode=0o640)
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777, path.read_text()) == (65534, 65534, 0o640, "new")
