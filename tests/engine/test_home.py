import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import HomeError
from engine.home import Home, building, content, write_whole
from engine.text import plain


def test_the_home_is_the_option_then_the_variable_then_the_platforms_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MONOSCOPE_HOME", str(tmp_path / "variable"))
    assert Home.find(tmp_path / "option").root == tmp_path / "option"
    assert Home.find().root == tmp_path / "variable"
    monkeypatch.delenv("MONOSCOPE_HOME")
    assert Home.find().root.name == "monoscope"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_that_could_leave_the_home_is_refused(home: Home, name: str) -> None:
    with pytest.raises(HomeError, match="cannot name a run"):
        home.run(name)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "file"
    write_whole(path, "first")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.home.os.fsync", full)
    with pytest.raises(HomeError, match="No space left"):
        write_whole(path, "second")
    assert path.read_text() == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one"
    with building(target) as folder:
        (folder / "part").write_text("new")
        assert not target.exists()
    assert (target / "part").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_old_one_and_nothing_else(tmp_path: Path, error: type) -> None:
    target = tmp_path / "one"
    with building(target) as folder:
        (folder / "part").write_text("old")
    with pytest.raises(error), building(target) as folder:  # noqa: PT012 (the error comes after a write)
        (folder / "part").write_text("new")
        raise error
    assert (target / "part").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["one"]


def test_what_a_killed_process_left_is_swept_away_and_a_living_ones_work_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".one.{dead.pid}.partial").mkdir()
    (tmp_path / f".one.{os.getppid()}.partial").mkdir()
    with building(tmp_path / "one"):
        pass
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [f".one.{os.getppid()}.partial", "one"]


def test_a_home_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="Cannot write to"):
        write_whole(tmp_path / "file" / "below" / "x", "data")


def test_the_content_that_ships_is_found() -> None:
    assert (content("datasets") / "demo" / "dataset.toml").is_file()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Cité des enfants perdus, La", "Cité des enfants perdus, La"),
        ("[REC] (2007)", "[REC] (2007)"),
        ("浜崎あゆみ 👩‍🎤", "浜崎あゆみ 👩‍🎤"),
        ("a\x1b[31mred\x07", "a [31mred"),
        ("one\ntwo\u2028three", "one two three"),
        ("abc\u202etxt.exe", "abc txt.exe"),
    ],
)
def test_text_from_data_loses_control_characters_alone(text: str, shown: str) -> None:
    assert plain(text) == shown
