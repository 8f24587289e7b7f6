"""The wheel carries all that an installed package needs: sample, notebooks, catalogue, page shell."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROBE = """
from pathlib import Path
import tutordex_analysis
from tutordex_analysis import connect
from tutordex_analysis.notebook import found, shipped
home = Path(tutordex_analysis.__file__).parent
source = connect()
assert Path(source.uri).is_relative_to(home), source.uri
assert shipped().is_relative_to(home), shipped()
from tutordex_analysis.source.connect import events_beside
assert Path(events_beside(source).uri).is_relative_to(home)
print(len(source.read("posts_seen", source.last("7d"))), *found(shipped()))
"""


@pytest.mark.slow
def test_an_installed_wheel_finds_its_sample_and_its_notebooks(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
        assert {"tutordex_analysis/sink/page.html.jinja", "tutordex_analysis/sink/page.css"} <= set(packed.namelist())
    # before the checkout on the path, as an installed package is
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["168", "explore", "capacity", "anomalies", "experiments", "alert_rules", "slo"]
    assert wheel.stat().st_size < 16e6
