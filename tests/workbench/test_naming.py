"""What a typed name means."""

import pytest

from workbench.naming import Candidate, meaning, with_kind
from workbench.view import PageKind

CONTACT: Candidate = ("Contact (1997)", "1584")
KINGS: Candidate = ("Original Kings of Comedy, The (2000)", "3900")
WARS: list[Candidate] = [("War Room, The (1993)", "556"), ("War of the Roses, The (1989)", "2929")]


def found(items: list[Candidate], users: list[str], concepts: list[str]) -> dict[PageKind, list[Candidate]]:
    return {"item": items, "user": [(name, "") for name in users], "concept": [(name, "genre") for name in concepts]}


@pytest.mark.parametrize(
    ("text", "there", "kind", "name"),
    [
        ("Comedy", found([KINGS], [], ["Comedy", "90's Comedy"]), "concept", "Comedy"),
        ("war", found(WARS, [], ["War", "60's War"]), "concept", "War"),
        ("contact", found([CONTACT, ("First Contact (1996)", "1356")], [], []), "item", "contact"),
        ("1584", found([CONTACT], ["15840"], []), "item", "1584"),
        ("15840", found([], ["15840"], []), "user", "15840"),
        ("Kings of", found([KINGS], [], []), "item", "3900"),
        ("Roman", found([], [], ["Romance"]), "concept", "Romance"),
    ],
)
def test_a_name_means_the_most_exact(text: str, there: dict[PageKind, list[Candidate]], kind: str, name: str) -> None:
    assert meaning(text, there, "film", 20) == (kind, name)


def test_what_may_be_more_than_one_thing_is_told_in_one_sentence() -> None:
    told = meaning("5", found([("Father of the Bride Part II (1995)", "5")], ["5", "15"], []), "film", 20)
    assert told == (
        "'5' may be the film Father of the Bride Part II (1995) and the user 5: type `item 5` or `user 5`, or a whole "
        "name."
    )
    told = meaning("Wa", found(WARS, [], ["War", "Western Wa"]), "film", 2)
    assert told == (
        "'Wa' may be 2 or more concepts (War, Western Wa) and 2 or more films (War Room, The (1993) (556), War of the "
        "Roses, The (1989) (2929)): type `concept Wa` or `item Wa`, or a whole name."
    )
    assert meaning("Roses", found(WARS, [], []), "film", 20) == (
        "'Roses' may be 2 films (War Room, The (1993) (556), War of the Roses, The (1989) (2929)): type more of the "
        "name, or an id."
    )
    assert (
        meaning("zz", found([], [], []), "film", 20)
        == "There is no film, user or concept 'zz' here; tab completes names."
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [("user 5", ("user", "5")), ("Concept War", ("concept", "War")), ("item", None), ("userland x", None), ("x", None)],
)
def test_a_kind_may_stand_before_a_name(text: str, told: object) -> None:
    assert with_kind(text) == told
