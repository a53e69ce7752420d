"""`monoscope reproduce` from the command line, on the miniature of the paper's music data."""

import json
from pathlib import Path

import pytest

from engine.home import Home
from tests.engine.experiments.conftest import music_home, short_recipes
from tests.workbench.cli import Monoscope

__all__ = ["music_home", "short_recipes"]  # fixtures of another folder


@pytest.fixture
def monoscope(music_home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(music_home.root, monkeypatch, capfd)


def test_a_figure_is_drawn_beside_its_text_and_a_second_call_trains_nothing(
    monoscope: Monoscope, music_home: Home, tmp_path: Path
) -> None:
    words = ("--dataset", "lastfm-msd", "--models", "mf", "--seeds", 1)
    answer = monoscope("reproduce", "figure2", *words, "--output", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".md", ".json", ".svg", ".png"}
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


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("figure9", "--dataset", "lastfm-msd"), 2, "WHAT is one of"),
        (("figure3", "--dataset", "lastfm-msd", "--models", "svd"), 2, "--models is mf, ncf or mf,ncf"),
        (("figure3", "--dataset", "nope"), 1, "nope"),
    ],
)
def test_what_cannot_be_reproduced_is_said(monoscope: Monoscope, words: tuple, code: int, told: str) -> None:
    answer = monoscope("reproduce", *words)
    assert answer.code == code
    assert told in answer.err
    assert "Traceback" not in answer.err
