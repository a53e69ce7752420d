"""`make bench`: how long things take here, and how good our recommenders are beside those of a known library.

`python -m tests.benchmarks [paths|peers|terminal|big|questions] [--archive DIR] [--home DIR]`: one part, or the first
two. `big` builds a data set of 25 million ratings; `questions` asks a language model's stand-in; `terminal` measures
keys, on the runs of a home if one is named. The archive's DIR holds ml-1m.zip; without it MONOSCOPE_TEST_ARCHIVES names
the folder. Nothing here fails for a figure.
"""

import argparse
import os
import tempfile
from pathlib import Path

from engine.home import Home
from tests.benchmarks.big import big
from tests.benchmarks.paths import paths
from tests.benchmarks.peers import peers
from tests.benchmarks.questions import questions
from tests.benchmarks.terminal import terminal

PARTS = {"paths": paths, "peers": peers, "terminal": terminal, "big": big, "questions": questions}
USUAL = ("paths", "peers")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "part",
        nargs="?",
        choices=PARTS,
        help="paths: times; peers: quality; terminal: keys and bytes; big: 25 million ratings; questions: a "
        "language model's stand-in (default: the first two)",
    )
    parser.add_argument("--archive", type=Path, default=os.environ.get("MONOSCOPE_TEST_ARCHIVES"))
    parser.add_argument("--home", type=Path, help="terminal: a home whose runs are read")
    given = parser.parse_args()
    archive = None if given.archive is None else Path(given.archive) / "ml-1m.zip"
    if given.part in ("terminal", "big", "questions"):
        archive = None
    elif archive is None:
        print("MovieLens 1M is not measured: --archive or MONOSCOPE_TEST_ARCHIVES names the folder with ml-1m.zip.")
    elif not archive.is_file():
        parser.error(f"there is no {archive}")
    for part in [given.part] if given.part else USUAL:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MONOSCOPE_HOME"] = folder
            if given.home is not None:
                borrow(given.home, Path(folder))
            PARTS[part](archive, Home(Path(folder)))


def borrow(source: Path, folder: Path) -> None:
    """Runs and data sets of a home seen from another, where sessions and new runs go."""
    for part in ("runs", "datasets"):
        (folder / part).mkdir()
        for one in (source.expanduser().resolve() / part).glob("[!.]*"):
            (folder / part / one.name).symlink_to(one)


if __name__ == "__main__":
    main()
