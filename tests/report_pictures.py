"""The pictures of docs/report: `python -m tests.report_pictures PAGE.html` draws parts of an exported page."""

import argparse
import tempfile
from pathlib import Path

from tests.engine.report.chromium import opened

FOLDER = Path(__file__).parent.parent / "docs" / "report"
WIDTH = 1180
PARTS = (("summary", "summary", "light", 900), ("edits", "edits", "light", 760), ("neuron", "neuron-4", "dark", 700))
"""Of each picture: its name, the element that it begins with, the colours, and its height in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, opened(Path(profile)) as page:
        for name, element, colours, height in PARTS:
            page.size(WIDTH, height)
            page.scheme(colours)
            page.open(given.page.resolve())
            page.run(f"document.getElementById({element!r}).scrollIntoView()")
            page.picture(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
