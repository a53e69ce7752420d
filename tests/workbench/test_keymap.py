"""One list of keys: what it offers exists, and nothing clashes."""

import dataclasses

import pytest
from textual import actions

from workbench.keymap import EVERYWHERE, FOOTERS, MOVE, SCREENS, check, help_action, of_footer, of_screen
from workbench.screens.base import bindings_of
from workbench.screens.help import help_lines
from workbench.screens.run import RunScreen
from workbench.screens.runs import RunsScreen
from workbench.widgets.frame import footer
from workbench.widgets.line import text_of, width_of

CLASSES = {"run": RunScreen, "runs": RunsScreen}


@pytest.mark.parametrize("screen", list(SCREENS))
def test_every_action_has_a_method_and_a_binding(screen: str) -> None:
    bound = {key: binding.action for binding in bindings_of(screen) for key in binding.key.split(",")}
    assert bindings_of(screen) == CLASSES[screen].BINDINGS
    for action in of_screen(screen):
        _, name, _ = actions.parse(action.call)
        assert hasattr(CLASSES[screen], f"action_{name}"), action.id
        assert {bound[key] for key in action.keys.split()} == {action.call}


@pytest.mark.parametrize("screen", list(SCREENS))
def test_every_key_is_on_the_help_page_or_beside_one_that_is(screen: str) -> None:
    page = "\n".join(text_of(line) for line in help_lines(screen, 78))
    shown = " ".join(action.shown for action in of_screen(screen) if action.help)
    for action in of_screen(screen):
        if action.help:
            assert action.help[:40] in page
        else:
            assert action.shown in f"{shown} esc shift+tab"


def test_two_actions_on_one_key_are_refused_by_name() -> None:
    twin = dataclasses.replace(MOVE[0], id="twin")
    with pytest.raises(ValueError, match="down and twin both claim 'j'"):
        check({"run": {"Move": (MOVE[0], twin)}})


@pytest.mark.parametrize("pane", list(FOOTERS))
@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_footer_fits_its_width_and_always_ends_with_help(pane: str, width: int) -> None:
    line = footer(pane, width)
    assert width_of(line) == width
    assert text_of(line).endswith("? keys ")
    assert text_of(line).count("  ") >= 3
    assert of_footer(pane)[0].word in text_of(line)


def test_quit_is_in_every_footer_at_80_columns() -> None:
    assert help_action() is EVERYWHERE[-1]
    assert all("q quit" in text_of(footer(pane, 80)) for pane in FOOTERS)
