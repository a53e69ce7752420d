"""What loads when, and which room may import which."""

import ast
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "duckdb", "pandas", "openai", "sklearn", "scipy", "pyarrow", "textual")


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('LOADED', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    start = "from workbench.__main__ import main\ntry: main()\nexcept SystemExit: pass"
    code = f"sys.argv = ['monoscope', *{words}]\n{start}"
    assert loaded_after(code).isdisjoint({*HEAVY, "numpy", "rich"})


def test_the_engine_process_starts_with_numpy_alone() -> None:
    assert loaded_after("import engine.serve").isdisjoint(HEAVY)


def test_sessions_and_homes_need_the_standard_library_alone() -> None:
    assert loaded_after("import engine.session, engine.home").isdisjoint({*HEAVY, "numpy", "pydantic"})


@pytest.mark.parametrize("path", sorted((ROOT / "engine").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_terminal(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported.isdisjoint({"workbench", "textual", "rich", "typer", "pickle"})


def test_the_built_wheel_carries_its_content_and_runs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "site")]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    code = (
        "import engine, sys; from engine.catalogue.recipes import recipes; from workbench.__main__ import main;"
        f"assert engine.__file__.startswith({str(tmp_path)!r}), engine.__file__;"
        "assert {'demo', 'ml-1m'} <= set(recipes()); sys.argv = ['monoscope', 'datasets', 'fetch', 'demo']; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "MONOSCOPE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "datasets" / "demo" / "catalogue.duckdb").is_file()


@pytest.mark.parametrize("seconds", [0.5, 0.8, 1.1, 1.4])
def test_ctrl_c_at_any_moment_leaves_nothing_half_written(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, "-m", "workbench", "--home", str(tmp_path / "home"), "datasets", "fetch", "demo"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130, -signal.SIGINT), errors
    assert "Traceback" not in errors or process.returncode == -signal.SIGINT  # before Python had started
    assert [path.name for path in (tmp_path / "home").rglob(".*")] == []
    folder = tmp_path / "home" / "datasets" / "demo"
    assert not folder.exists() or {"raw", "catalogue.duckdb", "manifest.json"} <= {p.name for p in folder.iterdir()}
    assert folder.exists() or process.returncode != 0


SLOW = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
except KeyboardInterrupt as error:
    raise ImportError("a library in C++ would abort here") from error
os.write(1, b"loaded\\n")
"""
INTERRUPTED_IMPORT = """
import signal, sys
import workbench.cli
from workbench.__main__ import main
def app(prog_name):
    import slow
    while True:
        signal.pause()
workbench.cli.app = app
sys.argv = ["monoscope", "train"]
main()
"""


def test_ctrl_c_while_a_library_loads_ends_in_one_sentence_once_it_has(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "loaded\n", "monoscope: interrupted.\n")
