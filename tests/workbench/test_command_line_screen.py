"""Stories of the `:` line: the workbench's own commands, those of the shell, and what is wrong with others."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import Driver, opened, until
from workbench.screens.run import RunScreen
from workbench.verbs import INNER

JobsThat = Callable[[str], None]


async def say(driver: Driver, line: str) -> str:
    """Paste a command; what is said then."""
    driver.screen.status.say("")
    await driver.press("colon", "ctrl+u")
    await driver.paste(line)
    return driver.screen.status.message


def test_every_verb_has_its_method() -> None:
    assert all(hasattr(RunScreen, f"do_{verb}") for verb in INNER)


async def test_sort_and_filter_by_name(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        assert await say(driver, "sort q") == ""
        assert driver.screen.table.sort == "q"
        assert "no column 'beauty'" in await say(driver, "sort beauty")
        assert await say(driver, "sort puryty20") == "no column 'puryty20' (did you mean p20?)."
        assert "unknown for every neuron" in await say(driver, "sort detection")
        await say(driver, "filter p20>.9 sci")
        assert list(driver.screen.table.order) == [3]
        await say(driver, "filter")
        assert len(driver.screen.table.order) == 12


async def test_neurons_tabs_and_users_by_name(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await say(driver, "neuron 7")
        assert driver.screen.view.current == 7
        assert "There is no neuron 99" in await say(driver, "neuron 99")
        assert "needs the number of a neuron" in await say(driver, "neuron Horror")
        await say(driver, "tab near")
        assert driver.screen.view.tab == "near"
        assert "There is no tab" in await say(driver, "tab nearby")
        await say(driver, "watch 17")
        await until(lambda: driver.screen.view.user == "17")


async def test_neuron_leaves_the_page_that_is_open(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await say(driver, "item Film 3")
        await say(driver, "neuron 0")
        assert driver.screen.view.page is None
        assert driver.screen.view.current == 0


async def test_undo_redo_note_and_bookmark_by_name(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        await say(driver, "undo")
        assert driver.screen.view.edits == ()
        await say(driver, "redo")
        assert len(driver.screen.view.edits) == 1
        await say(driver, 'note it\'s "odd" \\ here')
        assert driver.screen.view.notes[0].text == 'it\'s "odd" \\ here'
        await say(driver, "bookmark")
        assert driver.screen.view.bookmarks == (("neuron", "0"),)
        assert "note needs TEXT" in await say(driver, "note")


async def test_what_is_shown_is_written_to_a_file(demo: Home, tmp_path: Path) -> None:
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        file = tmp_path / "shown.txt"
        assert str(file) in await say(driver, f"write {file}")
        text = file.read_text()
        assert "0 Comedy" in text
        assert "[REC] (2007)" in text
        assert "user 1" in text
        assert "\x1b" not in text
        assert "needs FILE" in await say(driver, "write")
        assert "Cannot write" in await say(driver, f"write {file}/inside")


@pytest.mark.parametrize("line", ["write", "screenshot"])
async def test_a_file_that_is_there_is_written_over_only_on_a_yes(demo: Home, tmp_path: Path, line: str) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        file, other, third = (tmp_path / f"{name}.svg" for name in ("mine", "other", "third"))
        file.write_text("mine")
        for answer in ("n", "", "no"):
            await say(driver, f"{line} {file}")
            assert "mine.svg exists; write over it? y, or another name:" in driver.text
            await driver.type(answer)
            assert driver.screen.status.message == "Nothing was written."
        await say(driver, f"{line} {file}")
        await driver.press("escape")
        assert driver.screen.status.message == "Nothing was written."
        assert file.read_text() == "mine"
        other.write_text("other's")
        await say(driver, f"{line} {file}")
        await driver.paste(str(other))
        assert "other.svg exists" in driver.text
        await driver.paste(str(third))
        assert str(third) in driver.screen.status.message
        assert "exists" not in third.read_text()
        assert (file.read_text(), other.read_text()) == ("mine", "other's")
        await say(driver, f"{line} {file}")
        await driver.type("y")
        assert file.read_text() == third.read_text()
        await say(driver, f"{line} {file}")
        await driver.type(f"{file}/inside")
        assert "Cannot write" in driver.screen.status.message


@pytest.mark.parametrize(
    ("line", "agreed", "elsewhere"),
    [
        (
            "export --format md --output {0}/r.md",
            "export demo-mf --format md --output {0}/r.md --overwrite",
            "export demo-mf --format md --output {0}/s.md",
        ),
        (
            "export --output={0}/r.md",
            "export demo-mf --output={0}/r.md --overwrite",
            "export demo-mf --output={0}/s.md",
        ),
        ("labels export {0}/r.md", "labels demo-mf export {0}/r.md --overwrite", "labels demo-mf export {0}/s.md"),
        (
            "export --format vectors --output {0}",
            "export demo-mf --format vectors --output {0} --overwrite",
            "export demo-mf --format vectors --output {0}/s.md",
        ),
    ],
)
async def test_a_command_that_would_write_over_a_file_asks_first(
    demo: Home, jobs_that: JobsThat, tmp_path: Path, line: str, agreed: str, elsewhere: str
) -> None:
    jobs_that("")
    (tmp_path / "r.md").write_text("mine")
    line, agreed, elsewhere = (text.format(tmp_path) for text in (line, agreed, elsewhere))
    async with opened(demo) as driver:
        await driver.ready()
        await say(driver, line)
        assert "exists; write over it?" in driver.text
        await driver.type("n")
        assert not driver.screen.runner.jobs
        await say(driver, line)
        await driver.type(str(tmp_path / "s.md"))
        await say(driver, line)
        await driver.type("y")
        assert [job.command for job in driver.screen.runner.jobs] == [
            f"monoscope {elsewhere}",
            f"monoscope {agreed}",
        ]


async def test_a_screenshot_is_a_picture(demo: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(demo) as driver:
        await driver.ready()
        assert "picture.svg" in await say(driver, f"screenshot {tmp_path / 'picture'}")
        assert (tmp_path / "picture.svg").read_text().startswith("<svg")
        assert "Wrote demo-mf.svg." in await say(driver, "screenshot")
        assert (tmp_path / "demo-mf.svg").exists()


async def test_colours_change_by_name(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("colon", *"theme no")
        await driver.shows("nord")
        await driver.press("tab", "enter")
        assert driver.app.theme == "nord"
        assert "The colours are nord; there are" in await say(driver, "theme")
        assert "There are no colours 'mauve'; there are" in await say(driver, "theme mauve")
        assert await say(driver, "theme nrod") == "There are no colours 'nrod'; did you mean nord?"
        await driver.press("j")
        assert driver.app.theme == "nord"


async def test_help_and_quit_by_name(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("2")
        await driver.press("colon")
        await driver.type("help")
        assert not isinstance(driver.app.screen, RunScreen)
        await driver.press("escape")
        await driver.press("colon")
        await driver.type("quit")
    assert driver.app.return_code == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("frobnicate", "There is no command 'frobnicate'"),
        ("exprot", "did you mean export?"),
        ("tui demo-mf", "cannot be run from inside the workbench"),
        ("export --formt md", "did you mean --format?"),
        ("steer --neuron", "--neuron needs"),
        ("item 'unclosed", "quote is not closed"),
        ("runs remove demo-mf", "is open here"),
        ("train", "train needs DATASET"),
        ("help me", "takes nothing"),
    ],
)
async def test_what_is_wrong_is_a_sentence(demo: Home, jobs_that: JobsThat, line: str, sentence: str) -> None:
    jobs_that("")
    async with opened(demo, size=(100, 30)) as driver:
        await driver.ready()
        assert sentence in await say(driver, line)
        assert driver.screen.runner.jobs == ()
        await driver.press("j")
        assert driver.screen.view.current == 1


@pytest.mark.parametrize(
    "line",
    [
        "labels set 3 Mine",
        "sessions undo demo-mf",
        "label --neurons 3",
    ],
)
async def test_what_would_write_to_the_open_session_is_refused_with_what_to_do(
    demo: Home, jobs_that: JobsThat, line: str
) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        said = await say(driver, line)
        assert "writes to session demo-mf, which is open here" in said
        assert "use the keys" in said
        assert driver.screen.runner.jobs == ()


async def test_nothing_typed_is_nothing_done(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        assert await say(driver, "") == ""
        assert await say(driver, "   ") == ""
        await driver.press("colon", "escape")
        assert not driver.screen.status.asking
        assert driver.screen.focused_pane == "neurons"


async def test_e_begins_an_export_that_can_be_changed(demo: Home, jobs_that: JobsThat, tmp_path: Path) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("e")
        assert ": export --format md --output" in driver.text
        await driver.type(str(tmp_path / "r.md"))
        await until(lambda: driver.screen.runner.jobs[0].state == "done")
        assert driver.screen.runner.jobs[0].output.startswith("asked for export demo-mf --format md --output")


async def test_the_focus_returns_to_where_it_was(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("2")
        await say(driver, "sort q")
        assert driver.screen.focused_pane == "inspector"


async def test_a_read_only_session_is_left_alone_by_commands(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("watch", user="3")
        async with opened(demo) as driver:
            await driver.ready()
            for line in ("note hello", "bookmark", "undo"):
                assert "read-only" in await say(driver, line)
            await say(driver, "watch 4")
            await until(lambda: driver.screen.view.user == "4")
    lines = (demo.sessions / "demo-mf.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["open", "watch"]
