"""The real thing in a pseudo-terminal: first paint, quit, signals, a crash, and no terminal at all."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual import events

from tests.workbench.fake_run import make_run
from tests.workbench.terminals import PROGRAM, Pty, alive, children_of, colours_of, until, workbench
from workbench.pasting import WholePastes

BROKEN = """
import workbench.widgets.inspector, workbench.screens.panes
def inspector(view, width):
    secret = "sk-secret-in-a-local"
    raise RuntimeError("broken on purpose")
workbench.screens.panes.inspector = inspector
"""
ALT_SCREEN_OFF = b"\x1b[?1049l"
COLOURS = {str(code).encode() for code in (*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108))}


@pytest.fixture
def ptys() -> Iterator[list[Pty]]:
    open_ones: list[Pty] = []
    yield open_ones
    for one in open_ones:
        one.close()


def test_keys_typed_in_one_burst_after_a_prompt_belong_to_the_prompt(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path)))
    terminal.shows("Neurons")
    terminal.shows("Comedy")
    terminal.press("/qjc")
    terminal.shows("/qjc")


HOSTILE = "log \x1b[Kuuq\x1b[0m\x1b[" + "q" * 60
"""A text with colours and more, such as a log that was copied."""


def test_a_paste_with_escape_sequences_is_no_keys(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path)))
    terminal.shows("Neurons")
    terminal.shows("Comedy")
    terminal.press("ji+")
    terminal.shows("+0.5")
    terminal.press(f"\x1b[200~{HOSTILE}\x1b[201~")
    terminal.press("/\x1b[200~" + HOSTILE + "\x1b[201~")  # in a question it is text
    terminal.shows("q" * 30)
    terminal.press("\r:quit\r")
    assert terminal.end() == 0
    records = [json.loads(line) for line in (tmp_path / "sessions" / "demo-mf.jsonl").read_text().splitlines()]
    assert [record["action"] for record in records] == ["open", "edit", "edit"]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_paste_is_one_event_however_it_arrives(size: int) -> None:
    parser = WholePastes()
    sent = f"\x1b[A\x1b[200~{HOSTILE}\x1b[201~j\x1b[200~\x1b[201~"
    told = [token for at in range(0, len(sent), size) for token in parser.feed(sent[at : at + size])]
    pastes = [token.text for token in told if isinstance(token, events.Paste)]
    assert pastes == [HOSTILE, ""]
    assert [token.key for token in told if isinstance(token, events.Key)] == ["up", "j"]
    assert list(parser.feed("\x1b[200~half")) == []
    assert list(parser.feed("")) == []


def test_it_draws_answers_keys_and_quits_quickly_without_orphans(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path), {"MONOSCOPE_FAKE": "deaf"}))
    terminal.shows("Neurons")
    terminal.shows("Comedy")
    terminal.press("ji+")
    terminal.shows("+0.5")
    terminal.shows("RBO")
    [child] = children_of(terminal.pid)
    terminal.press("q")
    assert terminal.end() == 0
    assert not alive(child)  # although it refuses to go by itself
    last = terminal.output[terminal.output.rindex(ALT_SCREEN_OFF) :]
    assert re.fullmatch(rb"(\x1b\[[?<0-9;]*[a-z])+", last), last


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_cut_line_ends_it_cleanly(tmp_path: Path, ptys: list[Pty], number: signal.Signals) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path)))
    terminal.shows("Comedy")
    terminal.press("j+")
    terminal.shows("+0.5")
    [child] = children_of(terminal.pid)
    os.kill(terminal.pid, number)
    assert terminal.end() == 128 + number
    assert not alive(child)
    assert (tmp_path / "sessions" / "demo-mf.jsonl").read_text().count("\n") == 2
    place = json.loads((tmp_path / "sessions" / ".demo-mf.place.json").read_text())
    assert (place["neuron"], place["shown"]) == (1, "bench"), "where it was is kept too"


def test_kill_9_leaves_the_session_and_no_engine(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path)))
    terminal.shows("Comedy")
    terminal.press("+")
    terminal.shows("+0.5")
    [child] = children_of(terminal.pid)
    os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.end() == -signal.SIGKILL
    until(lambda: not alive(child))
    ptys.append(again := Pty(workbench(tmp_path)))
    again.shows("Restored 1 edit")
    again.press("q")
    assert again.end() == 0


def test_a_crash_leaves_a_few_lines_a_report_without_locals_and_code_70(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path, program=BROKEN + PROGRAM)))
    assert terminal.end() == 70
    last = terminal.output[terminal.output.rindex(ALT_SCREEN_OFF) :]
    assert b"mistake of its own" in last
    assert b"Traceback" not in terminal.output
    [report] = (tmp_path / "log").glob("crash-*.txt")
    assert "broken on purpose" in report.read_text()
    assert "sk-secret-in-a-local" not in report.read_text().replace(BROKEN, "")


def used(terminal: Pty) -> set[bytes]:
    """Look at neurons, an edit and help, then quit; the SGR codes of all of that."""
    terminal.shows("Comedy")
    terminal.press("+")
    terminal.shows("+0.5")
    terminal.shows("RBO")
    terminal.press("?")
    terminal.shows("next pane;")
    terminal.press("qq")
    assert terminal.end() == 0
    return {code for codes in colours_of(terminal.output) for code in codes.split(b";")}


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ((), {"NO_COLOR": "1"}),
        ((), {"NO_COLOR": "1", "TEXTUAL_THEME": "nord", "COLORTERM": "truecolor"}),
        (("--color", "none", "--theme", "nord"), {}),
    ],
)
def test_no_colour_is_asked_for_where_none_is_wanted(
    tmp_path: Path, ptys: list[Pty], options: tuple[str, ...], environment: dict[str, str]
) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path, *options), environment))
    assert not used(terminal) & COLOURS


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ((), {}),
        (("--theme", "ansi-light"), {}),
        ((), {"COLORFGBG": "0;15"}),
        ((), {"TERM": "screen"}),
        ((), {"TERM": "linux"}),
        ((), {"COLORTERM": "truecolor"}),
    ],
)
def test_nothing_vanishes_on_a_light_or_a_dark_background(
    tmp_path: Path, ptys: list[Pty], options: tuple[str, ...], environment: dict[str, str]
) -> None:
    """Neither black, white nor grey is asked for, nor any background: what is not coloured is the terminal's own."""
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path, *options), environment))
    assert used(terminal) & COLOURS <= {b"31", b"32", b"33", b"34", b"35", b"36", b"91"}


def test_a_theme_has_as_many_colours_as_are_asked_for(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    for color, begins in (("true", b"38;2;"), ("256", b"38;5;"), ("16", b"9")):
        ptys.append(terminal := Pty(workbench(tmp_path, "--theme", "nord", "--color", color)))
        terminal.shows("Comedy")
        terminal.press("q")
        assert terminal.end() == 0
        assert any(begins in codes for codes in colours_of(terminal.output)), color
        assert color == "true" or b"8;2;" not in terminal.output


def test_ascii_is_drawn_where_it_is_wanted_or_nothing_else_can_be(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    latin = {"PYTHONIOENCODING": "latin-1"}
    for session, options, environment in (
        ("a", ("--ascii",), {}),
        ("b", (), {"MONOSCOPE_ASCII": "1"}),
        ("c", (), latin),
        ("d", (), {"TERM": "linux"}),
    ):
        ptys.append(terminal := Pty(workbench(tmp_path, *options, "--session", session), environment))
        terminal.shows("p@20v")
        terminal.shows("1.00 ######")
        terminal.press("jjj")
        terminal.shows("??????????" if environment == latin else "浜崎あゆみ")
        terminal.press("q")
        assert terminal.end() == 0
        signs = {sign for sign in terminal.output.decode(errors="replace") if not sign.isascii()}
        assert not signs & set("│▸█▼·…●–")


def test_over_ssh_no_mouse_is_asked_for(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    ptys.append(remote := Pty(workbench(tmp_path), {"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}))
    ptys.append(local := Pty(workbench(tmp_path)))
    for terminal in (remote, local):
        terminal.shows("Comedy")
        terminal.press("q")
        assert terminal.end() == 0
    assert b"\x1b[?1003h" in local.output
    assert b"\x1b[?1003h" not in remote.output


def test_without_a_terminal_or_a_run_there_is_one_sentence(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    command = workbench(tmp_path)
    piped = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert (piped.returncode, piped.stdout) == (1, "")
    assert piped.stderr.startswith("monoscope: The workbench needs a terminal")
    assert piped.stderr.count("\n") == 1
    unknown = subprocess.run(workbench(tmp_path, run="demo-nf"), capture_output=True, text=True, timeout=30)
    assert unknown.stderr == "monoscope: There is no run 'demo-nf'; did you mean 'demo-mf'?\n"
    ptys.append(dumb := Pty(workbench(tmp_path), {"TERM": "dumb"}))
    assert dumb.end() == 1
    assert b"TERM=dumb" in dumb.output
    assert b"\x1b" not in dumb.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--theme", "nordic"), "There is no theme 'nordic'; did you mean 'nord'?"),
        (("--keys", "/nowhere/keys.toml"), "Cannot read /nowhere/keys.toml: No such file or directory."),
        (("--color", "17"), "'17' is not one of"),
    ],
)
def test_an_option_that_makes_no_sense_is_told_before_anything_is_drawn(
    tmp_path: Path, ptys: list[Pty], options: tuple[str, str], told: str
) -> None:
    make_run(tmp_path)
    ptys.append(terminal := Pty(workbench(tmp_path, *options)))
    assert terminal.end() > 0
    assert told in terminal.output.decode()
    assert b"\x1b[?1049h" not in terminal.output


def test_few_bytes_are_sent_for_a_key_and_none_for_nothing(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path, neurons=60)
    ptys.append(terminal := Pty(workbench(tmp_path), {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}))
    terminal.shows("Comedy")
    terminal.shows("user 1")
    terminal.press("j")
    terminal.quiet(1.0)
    sizes = []
    for _ in range(20):
        before = len(terminal.output)
        terminal.press("j")
        terminal.quiet(0.3)
        sizes.append(len(terminal.output) - before)
    assert min(sizes) > 0
    assert sorted(sizes)[len(sizes) // 2] <= 2500
    assert max(sizes) <= 4000
    before = len(terminal.output)
    terminal.quiet(2.0)
    assert len(terminal.output) == before


def test_keys_of_a_named_file_are_the_keys(tmp_path: Path, ptys: list[Pty]) -> None:
    make_run(tmp_path)
    file = tmp_path / "mine.toml"
    file.write_text('[keys]\nback = ["X"]\nreject = []\n')
    ptys.append(terminal := Pty(workbench(tmp_path, "--keys", str(file))))
    terminal.shows("Comedy")
    terminal.press("qX")
    assert terminal.end() == 0
