"""The command in the row above the keys: for every view one that the command line takes."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from engine.home import Home
from tests.workbench.view_of import view_of
from workbench.commandline import Inner, Outer, parse
from workbench.edits import as_steer, new_edit
from workbench.equivalents import (
    cohort_command,
    curve_command,
    lists_command,
    neuron_command,
    page_command,
    table_command,
    with_home,
)
from workbench.view import Cohort, Curve, Page

AWKWARD = ("Toy Story (1995)", "'Til There Was You", '"quoted" $HOME `x`', "-dash", "浜崎", "a\\b", "[/x]")
EVERYONE_BUT = (
    {"side": "users", "neuron": 1, "operation": "set", "amount": 2.0, "unit": "raw"},
    {"side": "items", "neuron": 1, "operation": "off", "amount": None, "unit": "p99", "where": "year < 1950"},
)
SOLVED = {"goal": "share(Horror)<=0.5x", "where": "true", "amounts": "0" * 64}


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


@pytest.mark.parametrize(
    "edits",
    [
        (new_edit(1, "off", None), new_edit(2, "add", 1.0)),
        EVERYONE_BUT[1:],
        (SOLVED,),
        ({**new_edit(1, "off", None), "on": False},),
    ],
)
def test_what_is_no_single_edit_for_everyone_is_read_from_the_session(demo: Home, edits: tuple[Any, ...]) -> None:
    command = cohort_command(view_of(demo, "demo-mf", cohort=Cohort("young"), edits=edits))
    assert command == 'monoscope steer demo-mf --users "young" --session work'
    understood(command)
    waiting = (new_edit(1, "off", None), {**new_edit(2, "add", 1.0), "on": False})
    assert "--off" in str(cohort_command(view_of(demo, "demo-mf", cohort=Cohort("young"), edits=waiting)))


def test_a_cohort_without_an_edit_needs_no_session(demo: Home) -> None:
    command = cohort_command(view_of(demo, "demo-mf", cohort=Cohort(""), current=None))
    assert command == 'monoscope steer demo-mf --users "true"'
    understood(command)


@pytest.mark.parametrize("users", [("17",), ("17", "O'Brien"), ("-dash", "$x", "a\\b", "浜崎")])
def test_the_command_of_the_lists_names_every_watched_user(demo: Home, users: tuple[str, ...]) -> None:
    alone = view_of(demo, "demo-mf", watched=users, user=users[-1])
    words = understood(str(lists_command(alone)))
    assert [word.removeprefix("--user=") for word in words[2:] if word != "--user"] == list(users)
    edited = view_of(demo, "demo-mf", watched=users, user=users[-1], edits=(new_edit(1, "off", None),))
    assert understood(str(lists_command(edited))) == (*words, "--session", "work")
    assert lists_command(view_of(demo, "demo-mf")) is None


@pytest.mark.parametrize("user", [None, "17", "O'Brien", "$x"])
def test_a_curves_command_is_a_dose(demo: Home, user: str | None) -> None:
    command = curve_command(view_of(demo, "demo-mf", curve=Curve(2), user=user))
    assert command is not None
    words = understood(command)
    assert words[:4] == ("dose", "demo-mf", "--neuron", "2")
    condition = "true" if user is None else "user_id = '" + user.replace("'", "''") + "'"
    assert words[-1] == condition


def test_a_curves_command_is_for_whom_the_curve_is(demo: Home) -> None:
    of_page = curve_command(view_of(demo, "demo-mf", curve=Curve(2, user="9"), user="17"))
    assert str(of_page).endswith("--users \"user_id = '9'\"")
    drawn = Curve(2, {"users": 500, "of": 2000}, where="young")
    assert str(curve_command(view_of(demo, "demo-mf", curve=drawn, user="17"))).endswith('--users "young" --sample 500')
    everyone = Curve(2, {"users": 40, "of": 40}, where="")
    command = str(curve_command(view_of(demo, "demo-mf", curve=everyone, user="17")))
    assert command.endswith('--users "true"')
    understood(command)


def test_a_curve_lies_on_the_edits_of_the_session(demo: Home) -> None:
    for edits in ((new_edit(2, "add", 1.0),), (new_edit(3, "off", None),), (new_edit(2, "add", 1.0), SOLVED)):
        command = curve_command(view_of(demo, "demo-mf", curve=Curve(2), edits=edits))
        assert str(command).endswith("--session work")
        understood(str(command))


def test_a_session_that_is_not_the_runs_own_gives_its_labels(demo: Home) -> None:
    page = Page("item", "3")
    for saved, told in ((("14:02 label 1 Horror (human)",), ("--session", "work")), ((), ())):
        view = view_of(demo, "demo-mf", page=page, log=saved)
        assert shlex.split(str(page_command(view))) == ["monoscope", "item", "demo-mf", *told, "3"]
        assert understood(neuron_command(view)) == ("neuron", "demo-mf", "0", "-k", "50", *told)
    concept = view_of(demo, "demo-mf", page=Page("concept", "Horror"), log=("x",))
    assert page_command(concept) == "monoscope concept demo-mf Horror"
    assert neuron_command(view_of(demo, "demo-mf", current=None)) == "monoscope neurons demo-mf"


def test_an_edit_for_some_is_no_option_of_steer() -> None:
    assert as_steer(EVERYONE_BUT[0]) == "--set 2 --unit raw"
    assert as_steer(EVERYONE_BUT[1]) is None


def test_a_tab_has_the_command_that_prints_as_much(demo: Home) -> None:
    def of(tab: str, **also: Any) -> str:
        return neuron_command(view_of(demo, "demo-mf", tab=tab, current=1, **also))

    for tab in ("concepts", "range", "moves", "users"):
        assert "--all" in understood(of(tab))
    assert "--all" not in understood(of("items"))
    assert understood(of("label", log=("a line",)))[:4] == ("labels", "demo-mf", "show", "1")
    assert understood(of("label", log=("a line",)))[4:] == ("--session", "work")
    assert understood(of("notes", log=("a line",))) == ("sessions", "show", "work")
    assert understood(of("compare", marks=frozenset({0, 2}))) == ("neurons", "demo-mf", "--where", "neuron IN (0, 2)")
    assert [of(tab) for tab in ("jobs", "log", "notes")] == ["", "", ""]


@pytest.mark.parametrize(
    ("filtered", "sort", "descending", "options"),
    [
        ("", "p20", False, ("--sort", "purity20", "--reverse")),
        ("", "q", False, ("--sort", "q", "--reverse")),
        ("", "number", False, ("--sort", "neuron")),
        ("p20>.8 !q≥.05", "p20", True,
         ("--sort", "purity20", "--where", "purity20 > 0.8 AND NOT coalesce(q >= 0.05, false)")),
        ("horror", "lift", True, ("--sort", "lift", "--where", "neuron IN (0, 2)")),
        ("horror", "name", False, ("--where", "neuron IN (0, 2)")),
    ],
)  # fmt: skip
def test_a_list_that_is_filtered_or_sorted_has_its_command(
    demo: Home, filtered: str, sort: str, descending: bool, options: tuple[str, ...]
) -> None:
    view = view_of(demo, "demo-mf", current=1)
    command = table_command(view, filtered, [2, 0], sort, descending, "p20")
    assert command is not None
    words = understood(command)
    assert words[:2] == ("neurons", "demo-mf")
    assert sorted(words[2:]) == sorted(options)
    assert table_command(view, "", [2, 0], "p20", True, "p20") is None


def test_a_copied_command_names_the_home_that_a_new_shell_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOSCOPE_HOME", raising=False)
    assert with_home("monoscope runs", Home.find().root) == "monoscope runs"
    told = with_home("monoscope neuron monoscope 1", Path("/a home"))
    assert told == "monoscope --home '/a home' neuron monoscope 1"
    monkeypatch.setenv("MONOSCOPE_HOME", "/a home")  # which a new shell may not have
    assert with_home("monoscope runs", Path("/a home")) == "monoscope --home '/a home' runs"
