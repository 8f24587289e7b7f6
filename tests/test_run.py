"""The parts of `./run` that do not need a fresh machine; what does is `.ci/run` on one."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from tutordex_analysis.notebook import found, shipped

ROOT = Path(__file__).parents[1]


def load_run():
    """The file as a module; it has no .py to be imported by."""
    spec = spec_from_loader("run", SourceFileLoader("run", str(ROOT / "run")))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_run()


@pytest.fixture(autouse=True)
def _signals_stay_as_they_were():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path):
    """The files that decide what is in .venv."""
    (tmp_path / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/core.txt", "requirements/dev.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_stamp_stays_when_nothing_that_is_installed_changed(project):
    before = run.stamp("dev", root=project, python="3.12.1")
    edit(project / "pyproject.toml", "[tool.mypy]", "[tool.other]\nx = 1\n\n[tool.mypy]")
    edit(project / "requirements/core.txt", "pandas==", "pandas==9.")
    assert run.stamp("dev", root=project, python="3.12.1") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("requirements/dev.txt", "pandas==", "pandas==9."),
        ("pyproject.toml", '"papermill>=', '"papermill>=9'),
        ("pyproject.toml", "hatchling>=", "hatchling>=9"),
        ("pyproject.toml", "cli:main", "cli:other"),
    ],
)
def test_a_stamp_changes_with_what_is_installed(project, file, old, new):
    before = run.stamp("dev", root=project, python="3.12.1")
    edit(project / file, old, new)
    assert run.stamp("dev", root=project, python="3.12.1") != before


def test_a_stamp_tells_locks_pythons_and_folders_apart(project, tmp_path_factory):
    moved = tmp_path_factory.mktemp("moved") / "project"
    before = {run.stamp(lock, root=project, python=python) for lock in run.LOCKS for python in ("3.12.1", "3.13.0")}
    project.rename(moved)
    after = {run.stamp(lock, root=moved, python=python) for lock in run.LOCKS for python in ("3.12.1", "3.13.0")}
    assert len(before | after) == 8


@pytest.mark.parametrize(
    ("held", "ready_for"), [("core", {"core"}), ("dev", {"core", "dev"}), ("other", set()), (None, set())]
)
def test_a_fuller_environment_serves_the_smaller_need(monkeypatch, tmp_path, held, ready_for):
    monkeypatch.setattr(run, "STAMP", tmp_path / "stamp")
    if held:
        run.STAMP.write_text(run.stamp(held) if held in run.LOCKS else "other", encoding="utf-8")
    assert {lock for lock in run.LOCKS if run.is_ready(lock)} == ready_for


def test_an_environment_whose_python_is_gone_is_not_ready(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(run, "PYTHON", str(tmp_path / "python"))
    run.STAMP.write_text(run.stamp("dev"), encoding="utf-8")
    assert not run.is_ready("dev")


def test_missing_names_the_packages_of_which_a_program_is_not_there(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).touch(mode=0o755)
    table = {"whole": ("one", "two"), "half": ("two", "three"), "none": ("four",)}
    assert run.missing(table, path=str(tmp_path)) == ["half", "none"]


def test_no_service_starts_while_packages_are_installed(tmp_path):
    policy = tmp_path / "policy-rc.d"
    with run.no_services(policy):
        assert subprocess.run([policy], check=False).returncode == 101
    assert not policy.exists()
    policy.write_text("the machine's own", encoding="utf-8")
    with run.no_services(policy):
        pass
    assert policy.read_text("utf-8") == "the machine's own"


def test_a_missing_server_fails_in_ci_and_is_only_said_elsewhere(monkeypatch, capsys):
    monkeypatch.setattr(run, "SERVERS", {"no-such-server": ("no-such-program",)})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(run.Stop, match="no-such-server not on PATH"):
        run.provide_servers()
    monkeypatch.delenv("CI")
    run.provide_servers()
    assert "what needs it is skipped" in capsys.readouterr().out


def test_children_see_the_environment_before_anything_of_the_user():
    seen = run.environment({"PATH": "/bin", "PYTHONPATH": "/x", "JUPYTER_PATH": "/y", "TUTORDEX_ARCHIVE": "a"})
    assert seen["PATH"].split(os.pathsep)[:2] == [str(run.BIN), "/bin"]
    assert seen["JUPYTER_PATH"].split(os.pathsep) == [str(run.VENV / "share" / "jupyter"), "/y"]
    assert "PYTHONPATH" not in seen
    assert seen["TUTORDEX_ARCHIVE"] == "a"


def test_no_kernel_of_the_user_shadows_ours(tmp_path):
    foreign = tmp_path / "kernels" / "python3"
    foreign.mkdir(parents=True)
    foreign.joinpath("kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "other"}))
    user = {**os.environ, "JUPYTER_PATH": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path)}
    ask = "from jupyter_client.kernelspec import get_kernel_spec; print(get_kernel_spec('python3').resource_dir)"
    found = [
        subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True).stdout.strip()
        for env in (user, run.environment(user))
    ]
    assert found[0] == str(foreign)  # so the test tests something
    assert Path(found[1]).is_relative_to(sys.prefix)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "run: name a command: demo, test, lab, check or bench\n"),
        (["tset"], "run: no command 'tset'; there are demo, test, lab, check, bench\n"),
        (["demo", "fast"], "run: demo takes no arguments, got fast; ./run --help has examples\n"),
        (["lab", "--live", "--port"], "run: lab takes only --live, got --port; ./run --help has examples\n"),
    ],
)
def test_bad_usage_is_one_sentence_and_code_2(arguments, sentence, capsys):
    assert run.main(arguments) == 2
    assert capsys.readouterr().err == sentence


def test_help_names_every_command(capsys):
    assert run.main(["--help"]) == run.main(["test", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out and f"\n  ./run {name}" in out for name in run.COMMANDS if name != "check")


def test_an_older_python_gets_one_sentence():
    """It must be able to parse the file to say so; 3.7 is what the oldest supported Debian has."""
    tree = ast.parse((ROOT / "run").read_text("utf-8"), feature_version=(3, 7))
    guard = tree.body[2]
    assert isinstance(guard, ast.If)
    assert ast.unparse(guard.test) == "sys.version_info < (3, 11)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_child_running(number):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    lines = [
        "import sys; from tests.test_run import run",
        f"run.COMMANDS['demo'] = lambda _: run.call([sys.executable, '-c', {child!r}])",
        "run.PATIENCE = 0",
        "sys.exit(run.main(['demo']))",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(number)
        _, words = parent.communicate(timeout=20)
    assert parent.returncode == 130
    assert words.endswith("run: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_live_server_gives_its_url_and_ends_with_the_lab(monkeypatch, capsys):
    server = "import os, time; print('pid', os.getpid()); print('Prometheus on http://127.0.0.1:4711/'); time.sleep(60)"
    monkeypatch.setattr(run, "LIVE", ("-c", server))
    with run.live_prometheus() as url:
        assert url == "http://127.0.0.1:4711"
        (pid,) = map(int, re.findall(r"pid (\d+)", capsys.readouterr().out))
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_live_server_that_does_not_start_is_one_sentence(monkeypatch):
    monkeypatch.setattr(run, "LIVE", ("-c", "print('no disk')"))
    with pytest.raises(run.Stop, match="did not start"), run.live_prometheus():
        pass


def test_the_demo_makes_a_page_of_every_notebook():
    (report, *_) = run.DEMO
    assert [*report[1 : report.index("--source")]] == [*found(shipped())]
