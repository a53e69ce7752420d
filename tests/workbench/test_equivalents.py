"""The command in the row above the keys: for every view one that the command line takes."""

import shlex
from typing import Any

import pytest

from engine.home import Home
from tests.workbench.view_of import view_of
from workbench.commandline import Inner, Outer, parse
from workbench.edits import as_steer, new_edit
from workbench.equivalents import cohort_command, curve_command, page_command
from workbench.view import Cohort, Curve, Page

AWKWARD = ("Toy Story (1995)", "'Til There Was You", '"quoted" $HOME `x`', "-dash", "浜崎", "a\\b", "[/x]")
EVERYONE_BUT = (
    {"side": "users", "neuron": 1, "operation": "set", "amount": 2.0, "unit": "raw"},
    {"side": "items", "neuron": 1, "operation": "off", "amount": None, "unit": "p99", "where": "year < 1950"},
)


def understood(command: str) -> tuple[str, ...]:
    """The words of a command that the command line takes as it stands."""
    meant = parse(command, None, None)
    assert isinstance(meant, Outer)
    assert list(meant.words) == shlex.split(command)[1:]
    return meant.words


@pytest.mark.parametrize("kind", ["item", "user", "concept"])
@pytest.mark.parametrize("name", AWKWARD)
def test_a_pages_command_names_it(demo: Home, kind: Any, name: str) -> None:
    command = page_command(view_of(demo, "demo-mf", page=Page(kind, name)))
    assert command is not None
    words = understood(command.replace(kind, f"{kind} --json", 1))
    assert words[:3] == (kind, "--json", "demo-mf")
    assert words[-1] == name
    if name[0] != "-":
        assert parse(command, "demo-mf", "demo-mf") == Inner(kind, (name,))


def test_a_pages_command_goes_by_the_id_that_the_engine_told(demo: Home) -> None:
    page = Page("item", "Film 3", {"item_id": "3", "title": "Film 3"})
    assert page_command(view_of(demo, "demo-mf", page=page)) == "monoscope item demo-mf 3"
    assert page_command(view_of(demo, "demo-mf")) is None


@pytest.mark.parametrize("where", ["", "young", "age < 25 AND gender = 'F'", "share('Children''s') > 0.3", *AWKWARD])
@pytest.mark.parametrize("edits", [(), (new_edit(1, "off", None),), (new_edit(1, "add", 0.5),), EVERYONE_BUT[:1]])
def test_a_cohorts_command_makes_the_edit_for_its_users(demo: Home, where: str, edits: tuple[Any, ...]) -> None:
    command = cohort_command(view_of(demo, "demo-mf", cohort=Cohort(where), edits=edits))
    assert command is not None
    words = understood(command)
    assert words[0] == "steer"
    assert words[words.index("--users") + 1] == (where or "true")
    assert "--session" not in words


def test_several_edits_of_a_cohort_are_told_by_a_report(demo: Home) -> None:
    edits = (new_edit(1, "off", None), new_edit(2, "add", 1.0))
    command = cohort_command(view_of(demo, "demo-mf", cohort=Cohort("young"), edits=edits))
    assert command == "monoscope export demo-mf --session work --format md"
    understood(command)
    waiting = (edits[0], {**edits[1], "on": False})
    assert "--off" in str(cohort_command(view_of(demo, "demo-mf", cohort=Cohort("young"), edits=waiting)))


@pytest.mark.parametrize("user", [None, "17", "O'Brien", "$x"])
def test_a_curves_command_is_a_dose(demo: Home, user: str | None) -> None:
    command = curve_command(view_of(demo, "demo-mf", curve=Curve(2), user=user))
    assert command is not None
    words = understood(command)
    assert words[:4] == ("dose", "demo-mf", "--neuron", "2")
    condition = "true" if user is None else "user_id = '" + user.replace("'", "''") + "'"
    assert words[-1] == condition


def test_a_curve_lies_on_the_edits_of_other_neurons(demo: Home) -> None:
    own, other = new_edit(2, "add", 1.0), new_edit(3, "off", None)
    alone = curve_command(view_of(demo, "demo-mf", curve=Curve(2), edits=(own,)))
    beneath = curve_command(view_of(demo, "demo-mf", curve=Curve(2), edits=(other,)))
    assert alone is not None
    assert "--session" not in alone
    assert beneath is not None
    assert beneath.endswith("--session work")
    understood(beneath)
    assert curve_command(view_of(demo, "demo-mf", curve=Curve(2), edits=(own, other))) is None


def test_an_edit_for_some_is_no_option_of_steer() -> None:
    assert as_steer(EVERYONE_BUT[0]) == "--set 2 --unit raw"
    assert as_steer(EVERYONE_BUT[1]) is None
