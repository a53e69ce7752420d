"""The pictures of docs/report: parts of exported pages.

`python -m tests.report_pictures REPORT.html [COMPARISON.html] [PAPER.html]`: an export of a run, one of `runs compare`,
and the document of `reproduce all`.
"""

import argparse
import tempfile
from pathlib import Path

from tests.engine.report.chromium import opened

FOLDER = Path(__file__).parent.parent / "docs" / "report"
WIDTH = 1180
PARTS = (
    (("summary", "summary", "light", 900), ("edits", "edits", "light", 760), ("neuron", "neuron-4", "dark", 700)),
    (("comparison", "fidelity-against-interpretability", "light", 900),),
    (("paper", "what-reaching-a-goal-costs", "light", 700),),
)
"""Of each page its pictures: the name, the element that it begins with, the colours, and the height in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", type=Path, nargs="+")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, opened(Path(profile)) as page:
        for path, parts in zip(given.pages, PARTS, strict=False):
            for name, element, colours, height in parts:
                page.size(WIDTH, height)
                page.scheme(colours)
                page.open(path.resolve())
                page.run(f"document.getElementById({element!r}).scrollIntoView()")
                page.picture(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
