"""The main views as text, whole: a change of what is drawn shows in the files under snapshots/.

MONOSCOPE_UPDATE_SNAPSHOTS=1 writes them anew; look at the difference before it is kept.
"""

import os
import re
from pathlib import Path

import pytest

from engine.home import Home
from tests.workbench.driving import opened, until

FOLDER = Path(__file__).with_name("snapshots")
SIZES = ((80, 24), (160, 45))
VIEWS = {
    "neurons": (),
    "bench": ("j", "plus", "plus", "3"),
    "page": ("o", *"Film 3", "enter", "2"),
    "cohort": ("j", "0", "C", *"young", "enter", "3"),
}


def settled(text: str) -> str:
    """`text` without the times of day and without spaces at the ends of rows."""
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "hh:mm:ss", text)
    text = re.sub(r"(?m)(^ |│ )\d\d:\d\d ", r"\1hh:mm ", text)
    return "".join(f"{row.rstrip()}\n" for row in text.splitlines())


def compare(name: str, text: str) -> None:
    file = FOLDER / f"{name}.txt"
    if os.environ.get("MONOSCOPE_UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(settled(text))
    assert settled(text) == file.read_text(), f"{file.name} differs; MONOSCOPE_UPDATE_SNAPSHOTS=1 writes it anew"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", list(VIEWS))
async def test_a_view_looks_as_it_did(demo: Home, name: str, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as driver:
        await driver.ready()
        await driver.press(*VIEWS[name])
        await until(lambda: not driver.screen.engine.pending())
        driver.screen.status.say("")
        await driver.ranked()
        await driver.settled()
        compare(f"{name}-{size[0]}x{size[1]}", driver.text)
