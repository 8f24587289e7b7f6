"""pyproject.toml is where ranges are decided; environment.yml and the locks follow it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = {"core": PROJECT["dependencies"], "dev": sum(EXTRAS.values(), PROJECT["dependencies"])}

# Name on PyPI → name on conda-forge, where they differ by more than case; None: conda-forge does not have it.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "prometheus-client": "prometheus_client",
    "jupyter-server": "jupyter_server",
    "prometheus-api-client": None,
    "promql-parser": None,
    "grafana-foundation-sdk": None,
}


def ranges(requirements):
    parsed = [Requirement(text) for text in requirements]
    assert len({one.name for one in parsed}) == len(parsed), "a package is named twice"
    return {one.name: one.specifier for one in parsed}


def pins(lock):
    """Name → version of every line of a lock, whatever platform or Python it is for."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    assert len({one.name for one in pinned}) == len(pinned), "two versions of a package; one must serve every Python"
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in pinned}


@pytest.fixture(scope="module")
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))


def test_conda_takes_packages_from_conda_forge_alone(environment):
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_conda_installs_the_ranges_of_pyproject(environment):
    *conda, pip = environment["dependencies"]
    *from_pypi, itself = pip["pip"]
    wanted = ranges([*PROJECT["dependencies"], *EXTRAS["lab"]])
    assert itself == "-e ."
    assert ranges(from_pypi) == {name: wanted[name] for name in wanted if CONDA_NAMES.get(name, name) is None}
    assert ranges(conda) == {
        "python": Requirement(f"python{PROJECT['requires-python']}").specifier,
        "pip": Requirement("pip").specifier,
        **{CONDA_NAMES.get(name, name): wanted[name] for name in wanted if CONDA_NAMES.get(name, name)},
    }


@pytest.mark.parametrize("lock", LOCKED)
def test_a_lock_is_within_every_range(lock):
    pinned = pins(lock)
    outside = {
        text: pinned.get(canonicalize_name(Requirement(text).name))
        for text in LOCKED[lock]
        if pinned.get(canonicalize_name(Requirement(text).name)) not in Requirement(text).specifier
    }
    assert not outside, "run scripts/lock"


def test_the_larger_lock_holds_the_smaller():
    core, dev = pins("core"), pins("dev")
    assert core == {name: dev.get(name) for name in core}


@pytest.mark.parametrize("lock", ["core", "dev", "uv"])
def test_a_lock_names_no_index_and_no_machine(lock):
    pin = re.compile(r"[a-z0-9-]+==[0-9][a-z0-9.]*( ; [a-z0-9_ ()'<>=!.*A-Z]+)?")
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not pin.fullmatch(line) and not line.startswith("#")] == []
    assert not [line for line in lines if "://" in line or re.search(r"(^|\s)/", line)]
