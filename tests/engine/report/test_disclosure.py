"""What a report tells of groups of users must not tell, by subtraction, of a few of them."""

import json
import re
from typing import Any

import numpy as np
import pytest

from engine.report import effects
from engine.report.disclosure import few, withheld
from engine.report.formats import About, render
from engine.run import Run
from engine.session import State

EVERYONE = np.arange(100)


def group(*users: int) -> tuple[np.ndarray, ...]:
    return (np.array(users),)


def test_a_small_group_and_one_that_leaves_few_out_are_withheld() -> None:
    told = withheld([group(*range(9)), group(*range(10)), group(*range(91)), group(*range(90)), None], EVERYONE)
    assert told == [
        "it is for fewer than 10 users",
        None,
        "its users differ from everyone by fewer than 10",
        None,
        None,
    ]


def test_of_two_groups_that_are_nearly_the_same_the_first_is_told_of() -> None:
    told = withheld([group(*range(40)), group(*range(40)), group(*range(35)), group(*range(30))], EVERYONE)
    assert told == [None, None, "its users differ from those of edit 1 by fewer than 10", None]


def test_groups_that_each_leave_out_many_of_the_other_are_told_of() -> None:
    assert withheld([group(*range(50)), group(*range(5, 80))], EVERYONE) == [None, None]


def test_a_sample_counts_as_much_as_whom_it_was_drawn_from() -> None:
    sampled = (np.arange(60), np.arange(20))
    assert (
        withheld([sampled, group(*range(22))], EVERYONE)[1] == "its users differ from those of edit 1 by fewer than 10"
    )


def test_few_are_those_in_it_or_left_out() -> None:
    assert [few(users, 100) for users in (0, 1, 9, 10, 90, 91, 99, 100)] == [
        False, True, True, False, False, True, True, False,
    ]  # fmt: skip


def edited(*wheres: str) -> State:
    return State(edits=tuple({"side": "users", "neuron": 3 + n, "operation": "off", "where": where}
                             for n, where in enumerate(wheres)))  # fmt: skip


def exported(run: Run, state: State, with_users: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(render(run, state, "json", About(None, with_users)))
    return told


def test_the_difference_of_two_edits_or_of_one_and_all_together_tells_of_nobody(demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue:
        one, *rest = (demo_run.recommender.users.ids[n] for n in catalogue.match_users("age_band = 'under 18'"))
    state = edited("age_band = 'under 18'", f"user_id = '{one}'", f"age_band = 'under 18' and user_id <> '{rest[0]}'")
    told = exported(demo_run, state)
    assert [edit["effect"] is None for edit in told["edits"]] == [False, True, True]
    assert told["edits"][1]["withheld"] == "it is for fewer than 10 users"
    assert told["edits"][2]["withheld"] == "its users differ from those of edit 1 by fewer than 10"
    assert (told["together"], told["together_withheld"]) == (None, "fewer than two edits may be told of")
    whole = exported(demo_run, state, with_users=True)
    assert all(edit["effect"] is not None for edit in whole["edits"])
    assert whole["together"]["users"] == len(rest) + 1


def test_all_edits_together_are_measured_without_one_that_is_withheld(demo_run: Run) -> None:
    one = demo_run.recommender.users.ids[0]
    wheres = ("age_band = 'under 18'", f"user_id = '{one}'", "age_band <> 'under 18'")
    told = exported(demo_run, edited(*wheres))
    without = exported(demo_run, State(edits=(edited(*wheres).edits[0], edited(*wheres).edits[2])))
    assert told["together"]["left_out"] == [2]
    assert without["together"]["left_out"] == []
    for name in ("users", "before", "after", "collateral", "shares"):
        assert told["together"][name] == without["together"][name]
    words = render(demo_run, edited(*wheres), "md")
    assert "Without edit 2, which may not be told of." in words
    assert "of edits that may not be told there is no command, so that the session is another" in words
    assert "the session is the same where" in render(demo_run, edited(wheres[0], wheres[2]), "md")


def test_a_sample_is_said_to_be_one(demo_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "USERS", 50)
    words = render(demo_run, edited("age_band = 'under 18'"), "md")
    assert re.search(r"Measured on 50 users, drawn from \d+; the lists", words)


def test_no_share_of_a_group_tells_of_fewer_than_ten(demo_run: Run) -> None:
    told = [one for neuron in exported(demo_run, State())["neurons"] for one in neuron.get("segments") or ()]
    assert told
    for one in told:
        assert one["active"] is None or not few(round(one["active"] * one["users"]), one["users"])
