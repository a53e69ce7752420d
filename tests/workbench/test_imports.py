"""What the workbench's process never imports: those libraries cost seconds and freeze the screen."""

import subprocess
import sys
from pathlib import Path

from tests.workbench.driving import FAKE_ENGINE
from tests.workbench.fake_run import make_run

HEAVY = ("torch", "duckdb", "pandas", "openai", "sklearn", "scipy", "pyarrow", "pydantic")

PROGRAM = """
import asyncio, sys
from engine.home import Home
from pathlib import Path
from workbench.screens.application import MonoscopeApp
from workbench.terminal import Terminal

async def main():
    app = MonoscopeApp(Home(Path(sys.argv[1])), "demo-mf", None, sys.argv[2:], Terminal.probe())
    async with app.run_test(size=(80, 24)) as pilot:
        print("numpy at first paint:", "numpy" in sys.modules)
        while app.screen.view.ranking is None:
            await asyncio.sleep(0.01)
        await pilot.press("j", "i", "plus", "slash", "escape", "question_mark", "q")
        print("heavy:", sorted(set(HEAVY) & set(sys.modules)))

HEAVY = %r
asyncio.run(main())
"""


def run(home: Path) -> list[str]:
    command = [sys.executable, "-c", PROGRAM % (HEAVY,), str(home), *FAKE_ENGINE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_nothing_heavy_is_imported_and_numpy_only_after_the_first_paint(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert run(tmp_path) == ["numpy at first paint: False", "heavy: []"]
