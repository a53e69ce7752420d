"""The analyst's own keys: what a file may say, how texts follow, and each mistake in a sentence."""

import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.keys import Keys as TextualKeys
from textual.keys import _character_to_key

from engine.errors import MonoscopeError
from engine.home import Home
from tests.workbench.cli import Monoscope
from workbench import keymap
from workbench.key_names import nearest, shown, textual_name, written
from workbench.keymap import SCREENS, Action, check
from workbench.keys import Keys, as_rows, as_toml, file_of, read_keys, rebind, use_keys
from workbench.screens.base import bindings_of

MOVE = (
    Action("down", "travel('row', 1)", "j down", "j k", "move", "down, up; arrows too"),
    Action("up", "travel('row', -1)", "k up", "k"),
    Action("page_down", "travel('page', 1)", "pagedown ctrl+f", "PgDn PgUp", "page", "a page down, up"),
    Action("page_up", "travel('page', -1)", "pageup", "PgUp"),
)
PANES = (
    Action("next_pane", "cycle(1)", "tab", "tab", "pane", "next pane; shift+tab goes back"),
    Action("previous_pane", "cycle(-1)", "shift+tab", "shift+tab"),
    Action("pane_1", "go('neurons')", "1", "1 2 3", "pane", "to Neurons, Inspector, Bench"),
    Action("pane_2", "go('inspector')", "2", "2"),
    Action("pane_3", "go('bench')", "3", "3"),
    Action("zoom", "zoom", "z", "z", "zoom", "this pane alone, or all of them"),
    Action("filter", "filter", "slash", "/", "filter", "neurons with a text in label or concept; esc clears"),
    Action("clear_filter", "clear_filter", "escape", "esc"),
    Action("sort_right", "sort(1)", "greater_than_sign", "< >", "sort", "sort by the column to the left, right"),
    Action("sort_left", "sort(-1)", "less_than_sign", "<"),
)
EVERYWHERE = (
    Action("redraw", "redraw", "ctrl+l", "ctrl+l", "redraw", "draw the screen again"),
    Action("back", "back", "q", "q", "quit", "back, then quit; everything is already saved"),
    Action("help", "help", "question_mark", "?", "keys", "this page"),
)
SMALL = {"run": {"Move": MOVE, "Panes": PANES, "Everywhere": EVERYWHERE}, "runs": {"All": EVERYWHERE}}


def file(home: Home, text: str) -> Path:
    path = file_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def bound(**table: list[str]) -> dict[str, Action]:
    """The small screens' actions after a change of keys, by id."""
    keys = Keys("keys.toml", {id: tuple(textual_name(key) or "?" for key in keys) for id, keys in table.items()})
    screens = rebind(SMALL, keys)
    check(screens)
    return {action.id: action for groups in screens.values() for group in groups.values() for action in group}


def refusal(**table: list[str]) -> str:
    with pytest.raises(MonoscopeError) as caught:
        bound(**table)
    return str(caught.value)


@given(st.characters())
def test_a_character_is_called_what_textual_calls_it(character: str) -> None:
    if character.isprintable():
        assert textual_name(character) in (_character_to_key(character), None)
        assert textual_name(character) or not character.isascii()


def test_every_key_that_can_be_written_is_read_back() -> None:
    names = [key.value for key in TextualKeys] + [_character_to_key(one) for one in string.printable.strip() + "éß"]
    read = {name: textual_name(name) for name in names}
    known = {name for name, found in read.items() if found == name}
    assert all(textual_name(written(name)) == name for name in known)
    assert {"ctrl+a", "pagedown", "shift+tab", "f12", "ctrl+left", "escape", "slash", "question_mark"} <= known
    assert {name for name, found in read.items() if found is None} <= {
        *(name for name in names if name.startswith(("<", "ctrl-", "ctrl+shift+"))), "shift+ctrl+v"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (">", "greater_than_sign"),
        ("Esc", "escape"),
        ("PgDn", "pagedown"),
        ("ctrl+i", "tab"),
        ("ctrl+m", "enter"),
        ("shift+a", "A"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("ctrl+/", "ctrl+slash"),
        (" ", "space"),
        ("minus", "minus"),
        ("hyphen_minus", "minus"),
    ],
)
def test_keys_have_one_name_however_they_are_written(text: str, name: str) -> None:
    assert textual_name(text) == name


@pytest.mark.parametrize("text", ["", "pgdwn", "hyper+a", "ctrl+", "+", "ctrl+ctrl+a", "shift+1", "f25", "\x07", "ab"])
def test_what_is_no_key_has_no_name_unless_it_is_plus(text: str) -> None:
    assert textual_name(text) == ("plus" if text == "+" else None)


@given(st.text())
def test_no_text_is_too_strange_for_a_key_name(text: str) -> None:
    name = textual_name(text)
    assert name is None or (shown(name) and textual_name(written(name)) == name)
    nearest(text)


def test_keys_of_an_action_change_wherever_it_is() -> None:
    screens = rebind(SMALL, Keys("keys.toml", {"back": ("ctrl+x", "Q")}))
    for groups in screens.values():
        back = next(action for group in groups.values() for action in group if action.id == "back")
        assert (back.keys, back.shown, back.word) == ("ctrl+x Q", "ctrl+x", "quit")
    assert rebind(SMALL, Keys("", {})) == SMALL


def test_what_is_shown_follows_the_keys() -> None:
    assert bound(down=["e", "down"])["down"].shown == "e k"
    assert bound(up=["e"])["down"].shown == "j e"
    assert bound(sort_left=["("])["sort_right"].shown == "( >"
    assert bound(pane_2=["F2"])["pane_1"].shown == "1 f2 3"
    assert bound(page_down=["space"])["page_down"].shown == "space PgUp"
    assert bound(clear_filter=["x"])["filter"].help.endswith("x clears")
    assert bound(previous_pane=["\\"])["next_pane"].help == "next pane; \\ goes back"
    assert bound(down=["e"])["down"].help == "down, up"
    assert bound(down=["e", "down"])["down"].help == "down, up; arrows too"


def test_an_action_without_keys_is_left_out_and_another_tells_of_the_rest() -> None:
    found = bound(down=[])
    assert "down" not in found
    assert (found["up"].shown, found["up"].word, found["up"].help) == ("k", "move", "down, up")
    assert "zoom" not in bound(zoom=[])
    found = bound(up=[])
    assert found["down"].shown == "j"


def test_each_mistake_is_one_sentence_that_names_the_file() -> None:
    assert refusal(dwon=["e"]) == "keys.toml: there is no action 'dwon'; did you mean down?"
    assert refusal(xyzzy=["e"]) == "keys.toml: there is no action 'xyzzy'; `monoscope keys` lists them."
    assert refusal(down=["z"]) == (
        "keys.toml: down and zoom are both on the key 'z' of the run screen; give one of them another."
    )
    assert "page_down and redraw are both on the key 'ctrl+x'" in refusal(redraw=["ctrl+x"], page_down=["ctrl+x"])
    assert refusal(back=[]) == "keys.toml: back has no key left, but one has to quit."
    assert refusal(help=[]) == "keys.toml: help has no key left, but one has to show the others."


def test_keys_may_change_places() -> None:
    found = bound(down=["z"], zoom=["j"])
    assert (found["down"].keys, found["zoom"].keys) == ("z", "j")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[keys\n", "is not valid TOML"),
        ('[kyes]\ndown = ["e"]', "has 'kyes' beside its [keys]"),
        ("keys = 1", "keys is no table"),
        ("[keys]\ndown = 1", 'down needs a list of keys, such as down = ["x", "ctrl+x"].'),
        ("[keys]\ndown = [1]", "down needs a list of keys"),
        ('[keys]\ndown = ["pgdwn"]', "'pgdwn', for down, is no key; did you mean 'pagedown'?"),
        ('[keys]\ndown = ["€€"]', "'€€', for down, is no key; write a character"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(home: Home, text: str, sentence: str) -> None:
    path = file(home, text)
    with pytest.raises(MonoscopeError) as caught:
        read_keys(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_no_file_changes_nothing_unless_it_was_named(home: Home) -> None:
    assert read_keys(file_of(home)) is None
    with pytest.raises(MonoscopeError, match=r"Cannot read .*keys\.toml: No such file"):
        read_keys(file_of(home), needed=True)


def test_the_printed_list_is_a_file_that_changes_nothing(home: Home) -> None:
    keys = read_keys(file(home, as_toml(SCREENS)))
    assert keys is not None
    assert rebind(SCREENS, keys) == SCREENS
    assert {row["action"] for row in as_rows(SCREENS)} == set(keys.table)


def test_one_string_does_for_a_list_and_repeats_count_once(home: Home) -> None:
    keys = read_keys(file(home, '[keys]\ndown = "e"\nup = ["pgup", "PageUp"]'))
    assert keys is not None
    assert keys.table == {"down": ("e",), "up": ("pageup",)}


def test_the_command_prints_what_counts_and_checks_it(elsewhere: Monoscope) -> None:
    plain = elsewhere("keys")
    assert tomllib.loads(plain.out)["keys"]["back"] == ["q"]
    file(elsewhere.home, '[keys]\nback = ["ctrl+x"]')
    assert tomllib.loads(elsewhere("keys").out)["keys"]["back"] == ["ctrl+x"]
    row = next(row for row in elsewhere("keys", "--json").json if row["action"] == "back")
    assert row["keys"] == ["ctrl+x"]
    assert set(row["screens"]) >= {"run", "runs"}
    assert elsewhere("keys", "--default").out == plain.out
    file(elsewhere.home, "[keys]\nback = []")
    failed = elsewhere("keys")
    assert failed.code == 1
    assert failed.err.endswith("keys.toml: back has no key left, but one has to quit.\n")


def test_bindings_follow_the_file_of_the_home_or_another(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keymap, "SCREENS", dict(SCREENS))
    use_keys(home)
    assert keymap.SCREENS == SCREENS
    file(home, '[keys]\nback = ["ctrl+x", "f9"]')
    use_keys(home)
    for screen in keymap.SCREENS:
        back = next(binding for binding in bindings_of(screen) if binding.id == "back")
        assert back.key == "ctrl+x,f9"
    (home.root / "other.toml").write_text('[keys]\nback = "f10"')
    use_keys(home, home.root / "other.toml")
    assert "f10" in [binding.key for binding in bindings_of("runs")]
    with pytest.raises(MonoscopeError, match="Cannot read"):
        use_keys(home, home.root / "none.toml")
