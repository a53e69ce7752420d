"""What the environment says about a terminal, and what is made of it."""

import os
import stat
from pathlib import Path

import pytest

from workbench.terminal import Terminal, Wishes, copy


def test_ssh_switches_mouse_and_speed_down_and_the_user_has_the_last_word() -> None:
    remote = Terminal.probe({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"})
    assert not remote.mouse
    assert remote.textual_environment({})["TEXTUAL_FPS"] == "15"
    assert "TEXTUAL_FPS" not in remote.textual_environment({"TEXTUAL_FPS": "60"})
    local = Terminal.probe({})
    assert local.mouse
    assert local.textual_environment({})["TEXTUAL_FPS"] == "120"


def test_the_command_line_overrules_the_environment() -> None:
    own = {"TEXTUAL_THEME": "nord", "NO_COLOR": "1", "MONOSCOPE_ASCII": "1"}
    asked = Terminal.probe(own, Wishes(ascii=False, color="256", theme="gruvbox"))
    assert (asked.plain, asked.ascii) == (False, False)
    made = asked.textual_environment(own)
    assert (made["TEXTUAL_THEME"], made["TEXTUAL_COLOR_SYSTEM"]) == ("gruvbox", "256")
    assert "NO_COLOR" not in made
    plain = Terminal.probe({}, Wishes(color="none", theme="gruvbox"))
    assert plain.textual_environment({})["TEXTUAL_THEME"] == "ansi-dark"
    assert plain.textual_environment({})["NO_COLOR"] == "1"


def test_the_usual_theme_follows_the_background_that_the_terminal_tells() -> None:
    for told, theme in (
        ("0;15", "ansi-light"),
        ("15;0", "ansi-dark"),
        ("0;default;15", "ansi-light"),
        ("", "ansi-dark"),
    ):
        environment = {"COLORFGBG": told}
        assert Terminal.probe(environment).textual_environment(environment)["TEXTUAL_THEME"] == theme


@pytest.mark.parametrize(
    ("environ", "encoding", "ascii"),
    [
        ({}, "utf-8", False),
        ({}, "UTF8", False),
        ({}, "iso8859-1", True),
        ({"TERM": "linux"}, "utf-8", True),
        ({"TERM": "linux", "MONOSCOPE_ASCII": "0"}, "utf-8", False),
        ({"MONOSCOPE_ASCII": "1"}, "utf-8", True),
        ({"MONOSCOPE_ASCII": ""}, "utf-8", False),
    ],
)
def test_ascii_is_for_terminals_that_cannot_draw_more(environ: dict[str, str], encoding: str, ascii: bool) -> None:
    assert Terminal.probe(environ, encoding=encoding).ascii == ascii


def test_a_copy_goes_to_the_terminal_and_says_so() -> None:
    sent: list[str] = []
    assert "OSC 52" in copy("monoscope runs", sent.append, Terminal(remote=True, tmux=False, plain=False))
    assert sent == ["monoscope runs"]


@pytest.mark.parametrize(("code", "said"), [(0, "Copied the command to tmux"), (1, "tmux did not take it")])
def test_in_tmux_the_buffer_is_loaded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    program = tmp_path / "tmux"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/input\nexit {code}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    sentence = copy("monoscope runs", lambda _: None, Terminal(remote=False, tmux=True, plain=False))
    assert said in sentence
    assert (tmp_path / "args").read_text() == "load-buffer -w -\n"
    assert (tmp_path / "input").read_text() == "monoscope runs"
