"""`monoscope reproduce` from the command line, on the miniature of the paper's music data."""

import json
import re
from pathlib import Path

import pytest

from engine.errors import CatalogueError
from engine.home import Home
from engine.report.paper import TITLES
from tests.engine.experiments.conftest import Makers, makers, music_home, short_recipes
from tests.workbench.cli import Monoscope

__all__ = ["makers", "music_home", "short_recipes"]  # fixtures of another folder


@pytest.fixture
def monoscope(music_home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(music_home.root, monkeypatch, capfd)


def test_a_figure_is_drawn_beside_its_text_and_a_second_call_trains_nothing(
    monoscope: Monoscope, music_home: Home, tmp_path: Path
) -> None:
    words = ("--dataset", "lastfm-msd", "--models", "mf", "--seeds", 1)
    answer = monoscope("reproduce", "figure2", *words, "--output", tmp_path / "out")
    assert answer.code == 0, answer.err
    files = {path.suffix for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert files == {".md", ".json", ".svg", ".png"}
    assert f"Written: {tmp_path / 'out'}" in answer.out
    assert (tmp_path / "out" / "figure2.md").read_text().splitlines()[0] in answer.out
    runs = [run["name"] for run in monoscope("runs", "--json").json]
    assert len(runs) == 2  # both recipes
    # Figure 3 is over the same runs, and of music without years it has nothing to draw.
    words = ("reproduce", "figure3", *words)
    decades = monoscope(*words, "--json").json
    assert [run["name"] for run in monoscope("runs", "--json").json] == runs
    files = [music_home.root / "reproductions" / "lastfm-msd" / f"figure3.{kind}" for kind in ("json", "md")]
    assert decades["files"] == [str(file) for file in files]
    assert json.loads(files[0].read_text()) == {name: value for name, value in decades.items() if name != "files"}
    assert "lastfm-msd has no years, so no decades." in monoscope(*words).out


ALL = ("reproduce", "all", "--dataset", "lastfm-msd", "--models", "mf", "--seeds", 1)


def test_everything_at_once_states_its_time_and_writes_one_document_that_is_the_same_twice(
    monoscope: Monoscope, makers: Makers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    answer = monoscope(*ALL, "--output", tmp_path)
    assert answer.code == 0, answer.err
    assert "figure3: left out. It is about decades, and lastfm-msd has no years." in answer.out
    assert "7 parts, all runs are here, about" in answer.out
    assert re.search(r"^figure2: being made\. It takes about .*\nfigure2: made in \d+ seconds?\.$", answer.out, re.M)
    documents = [tmp_path / f"all.{kind}" for kind in ("html", "md", "json")]
    assert all(str(path) in answer.out for path in documents)
    page, words, facts = (path.read_text(encoding="utf-8") for path in documents)
    assert "has a picture alone and prints no figure for it" in page
    assert page.count("<svg") == 6  # of the seven parts Table 1 shows none
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "![A line.](figure2-drawn.svg)" in words
    assert {one["state"] for one in json.loads(facts)["parts"]} == {"made", "does not apply"}
    makers.made = []
    again = monoscope(*ALL, "--output", tmp_path, "--json")
    assert (again.code, makers.made) == (0, [])
    assert {one["state"] for one in again.json["parts"]} == {"kept", "does not apply"}
    before = documents[0].read_bytes()
    monoscope(*ALL, "--output", tmp_path)
    assert documents[0].read_bytes() == before


def test_an_interruption_leaves_an_unfinished_document_and_the_next_call_finishes_it(
    monoscope: Monoscope, makers: Makers, tmp_path: Path
) -> None:
    makers.broken["figure4"] = KeyboardInterrupt()
    assert monoscope(*ALL, "--output", tmp_path).code != 0
    page, words = (tmp_path / f"all.{kind}" for kind in ("html", "md"))
    assert page.read_text(encoding="utf-8").count("Unfinished: ") == 2  # its title and its heading
    text = words.read_text(encoding="utf-8")
    assert re.search(r"\| Figure 4: .* \| not yet \| It was interrupted", text)
    *done, stopped = makers.made  # in an order that depends on how long such work took before
    assert stopped == "figure4"
    assert all(f"| {TITLES[name]} | made |" in text for name in done)
    assert text.count("| made |") == len(done)
    makers.broken = {}
    assert monoscope(*ALL, "--output", tmp_path).code == 0
    assert "nfinished" not in words.read_text(encoding="utf-8") + page.read_text(encoding="utf-8")


def test_the_document_is_written_as_each_part_begins(monoscope: Monoscope, makers: Makers, tmp_path: Path) -> None:
    seen = []
    makers.watch = lambda name: seen.append((name, (tmp_path / "all.md").read_text(encoding="utf-8")))
    assert monoscope(*ALL, "--output", tmp_path).code == 0
    assert len(seen) == 7
    for number, (name, text) in enumerate(seen):
        assert text.startswith("# Unfinished: ")
        assert f"| {TITLES[name]} | being made |" in text
        assert text.count("| made |") == number
        assert text.count("| not yet |") == 6 - number


def test_a_part_that_fails_is_said_and_the_command_ends_with_1(
    monoscope: Monoscope, makers: Makers, tmp_path: Path
) -> None:
    makers.broken["figure4"] = CatalogueError("The points are <gone>.")
    answer = monoscope(*ALL, "--output", tmp_path)
    assert answer.code == 1
    assert "figure4: failed. The points are <gone>." in answer.out
    assert "Traceback" not in answer.err
    assert "figure2: made" in answer.out
    assert "The points are &lt;gone&gt;." in (tmp_path / "all.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("figure9", "--dataset", "lastfm-msd"), 2, "WHAT is one of"),
        (("figure3", "--dataset", "lastfm-msd", "--models", "svd"), 2, "--models is mf, ncf or mf,ncf"),
        (("figure3", "--dataset", "nope"), 1, "nope"),
        (("all", "--dataset", "nope"), 1, "no figures to set beside nope"),
    ],
)
def test_what_cannot_be_reproduced_is_said(monoscope: Monoscope, words: tuple, code: int, told: str) -> None:
    answer = monoscope("reproduce", *words)
    assert answer.code == code
    assert told in answer.err
    assert "Traceback" not in answer.err
