"""The pictures of docs/screens: `python -m tests.screenshots --home HOME RUN` opens a run without a terminal and draws.

Sessions that it needs are made in a copy of the home's run folder, so that nobody's are changed.
"""

import argparse
import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.home import Home
from tests.workbench.driving import Driver, opened, until
from workbench.engine_client import engine_command

SIZES = ((80, 24), (160, 45))
FOLDER = Path(__file__).parent.parent / "docs" / "screens"
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

Story = Callable[[Driver], Awaitable[None]]


async def _neuron(driver: Driver) -> None:
    """The Horror neuron and its strongest items."""
    await driver.press("slash", *"concept:horror", "enter", "escape", "g")
    neurons = driver.screen.view.neurons
    assert neurons is not None
    row = neurons.concept.index("Horror")
    driver.screen.run_line(f"neuron {neurons.number[row]}")
    await driver.settled()


async def browse(driver: Driver) -> None:
    await _neuron(driver)


async def moves(driver: Driver) -> None:
    await _neuron(driver)
    driver.screen.run_line("tab moves")
    await until(lambda: driver.screen.view.facts.get(driver.screen.view.current or 0), 60)


async def bench(driver: Driver) -> None:
    """The list of whoever activates it most, with the neuron off."""
    await moves(driver)
    users = driver.screen.view.facts[driver.screen.view.current or 0]["users"]
    driver.screen.run_line(f"watch {users[0]['user_id']}")
    driver.screen.run_line("tab items")
    await until(lambda: driver.screen.view.user == users[0]["user_id"], 60)
    await driver.ranked()
    await driver.press("0")
    await driver.ranked()


async def cohort(driver: Driver) -> None:
    await bench(driver)
    driver.screen.run_line("cohort gender = 'F'")
    await until(lambda: driver.screen.view.cohort is not None and driver.screen.view.cohort.facts, 60)


async def draw(home: Home, run: str, story: Story, size: tuple[int, int]) -> str:
    """The screen after a story, as SVG that fetches nothing."""
    async with opened(home, run, size, engine=engine_command(home.root)) as driver:
        await driver.ready()
        await story(driver)
        await driver.settled()
        picture = driver.app.export_screenshot(title=f"monoscope tui {run}")
    return _FONTS.sub("", picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        for name in ("runs", "datasets"):
            (home.root / name).symlink_to((given.home / name).resolve())
        FOLDER.mkdir(parents=True, exist_ok=True)
        for story in (browse, moves, bench, cohort):
            for size in SIZES:
                picture = asyncio.run(draw(home, given.run, story, size))
                (FOLDER / f"{story.__name__}-{size[0]}x{size[1]}.svg").write_text(picture)
            for session in home.sessions.glob("*.jsonl"):
                session.unlink()


if __name__ == "__main__":
    main()
