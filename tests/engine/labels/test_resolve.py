import time
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.labels.metadata import NO_CONCEPT
from engine.labels.resolve import CANDIDATES, JOINT, members, resolve

FILMS = [
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
    *(f"{first}s" for first in range(1910, 2010, 10)),
    *("90's Action", "80's Horror", "80's Comedy", "90's Romance", "00's Comedy", "40's Film-Noir", "80's Children's"),
    *("Golden-Age", "Popular head"),
]
ARTISTS = [
    *("hip hop", "hip-hop", "nu metal", "nu-metal", "60s", "80s", "90s", "00s", "2008", "rnb", "female vocalists"),
    *("female vocalist", "guilty pleasure", "guilty pleasures", "metal", "rock", "pop", "rap", "indie", "indie pop"),
    *("pop rock", "indie rock", "rock and roll", "rock n roll", "synth pop", "synthpop", "lo-fi", "trip-hop", "<3"),
    *("Metal (union)", "Rock (union)", "Popular head"),
]


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("  sci-fi ", "Sci-Fi"),
        ("CHILDREN'S", "Children's"),
        ("80's horror", "80's Horror"),
        ("1980s", "1980s"),
    ],
)
def test_a_name_but_for_case_and_surrounding_space_is_exact(text: str, concept: str) -> None:
    found = resolve(text, FILMS)
    assert (found.concept, found.how) == (concept, "exact")


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Science fiction films", "Sci-Fi"),
        ("scifi", "Sci-Fi"),
        ("Horror movies", "Horror"),
        ("The westerns", "Western"),
        ("comedies", "Comedy"),
        ("War-film", "War"),
        ("Children’s films", "Children's"),
        ("Movies for kids", "Children's"),
        ("Animated cartoons", "Animation"),
        ("noir", "Film-Noir"),
        ("film noirs", "Film-Noir"),
        ("80s", "1980s"),
        ("'80s", "1980s"),
        ("80's", "1980s"),
        ("1980's films", "1980s"),
        ("the eighties", "1980s"),
        ("00s", "2000s"),
        ("noughties", "2000s"),
        ("1980s horror", "80's Horror"),
        ("Horror, 1980s", "80's Horror"),
        ("Horror (1980s)", "80's Horror"),
        ("Horror + 1980s", "80's Horror"),
        ("horror movies from the '80s", "80's Horror"),
        ("2000s comedies", "00's Comedy"),
        ("film noir of the 1940s", "40's Film-Noir"),
        ("Golden age of Hollywood", "Golden-Age"),
        ("classic Hollywood films", "Golden-Age"),
        ("films from before 1970", "Golden-Age"),
        ("blockbusters", "Popular head"),
        ("Mainstream hits", "Popular head"),
    ],
)
def test_the_same_words_in_other_dress_are_an_alias(text: str, concept: str) -> None:
    found = resolve(text, FILMS)
    assert (found.concept, found.how) == (concept, "alias")


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("1980s westerns", "1980s + Western"),
        ("Western, 1980s", "Western + 1980s"),
        ("Comedy/Drama", "Comedy + Drama"),
        ("Action & Adventure", "Action + Adventure"),
        ("rom-coms", "Romance + Comedy"),
        ("romantic comedies of the 1990s", "Romance + Comedy + 1990s"),
        ("1980s horror comedy", "1980s + Horror + Comedy"),
        ("popular action", "Popular head + Action"),
        ("horror, Horror and war", "Horror + War"),
    ],
)
def test_concepts_that_account_for_all_words_together_are_joint_in_their_order(text: str, concept: str) -> None:
    found = resolve(text, FILMS)
    assert (found.concept, found.how) == (concept, "joint")


@pytest.mark.parametrize(
    "text",
    [
        "slasher horror",
        "Horror films with ghosts",
        "non-horror",
        "comedy without romance",
        "Horror or thriller",
        "early 1980s horror",
        "classic horror",
        "family drama",
        "1980s and 1990s",
        "1980",
        "films",
        NO_CONCEPT,
        "",
        " \n",
        "🎬",
        "ホラー映画",
        "n" * 10_000,
        "horror, " * 2_000,
        "Horror " * 20,
        f"Horror{'!' * 200}",
    ],
)
def test_a_text_with_a_word_left_over_names_nothing(text: str) -> None:
    found = resolve(text, FILMS)
    assert (found.concept, found.how) == (None, "unknown")


def test_twenties_are_of_either_century_where_the_catalogue_has_both() -> None:
    assert resolve("20s", FILMS).concept == "1920s"
    found = resolve("The twenties", [*FILMS, "2020s"])
    assert (found.how, found.concept, found.candidates) == ("ambiguous", None, ("1920s", "2020s"))
    assert resolve("1920s films", [*FILMS, "2020s"]).concept == "1920s"
    assert resolve("20s drama", [*FILMS, "2020s"]).candidates == ("1920s + Drama", "2020s + Drama")


def test_a_genre_in_a_decade_of_two_digits_is_of_this_century_up_to_the_twenties() -> None:
    names = ["Horror", "1910s", "1920s", "2010s", "10's Horror", "20's Horror"]
    assert resolve("2020s horror", names).concept == "20's Horror"
    assert resolve("horror from the 20s", names).concept == "20's Horror"
    assert resolve("1910s horror", names).concept == "1910s + Horror"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("1980s", "80s"),
        ("2000s pop", "00s + pop"),
        ("R&B", "rnb"),
        ("r 'n' b artists", "rnb"),
        ("rhythm and blues", "rnb"),
        ("lofi", "lo-fi"),
        ("trip hop bands", "trip-hop"),
        ("80s synthpop", "80s + synthpop"),
        ("indie, pop", "indie + pop"),
        ("indie, pop rock", "indie + pop rock"),
        ("popular music", "Popular head"),
    ],
)
def test_artists_tags_have_their_synonyms_too(text: str, concept: str) -> None:
    assert resolve(text, ARTISTS).concept == concept


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("hiphop", ("hip hop", "hip-hop")),
        ("Nu--metal", ("nu metal", "nu-metal")),
        ("female singers", ("female vocalists", "female vocalist")),
        ("rock & roll", ("rock and roll", "rock n roll")),
        ("hiphop, 80s", ("hip hop + 80s", "hip-hop + 80s")),
        ("indie pop rock", ("indie + pop rock", "indie pop + rock")),
        ("indie rock and pop", ("indie + pop rock", "indie rock + pop")),
    ],
)
def test_what_fits_several_concepts_is_ambiguous_and_says_which(text: str, candidates: tuple[str, ...]) -> None:
    found = resolve(text, ARTISTS)
    assert (found.concept, found.how) == (None, "ambiguous")
    assert sorted(found.candidates) == sorted(candidates)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Hip hop music", "hip hop"),
        ("Hip-hop artists", "hip-hop"),
        ("hip-hop, 80s", "hip-hop + 80s"),
        ("rock music", "rock"),
        ("Rock (union) bands", "Rock (union)"),
        ("Female vocalists", "female vocalists"),
        ("rock and roll bands", "rock and roll"),
    ],
)
def test_of_concepts_with_the_same_words_the_one_that_is_spelled_so_is_meant(text: str, concept: str) -> None:
    assert resolve(text, ARTISTS).concept == concept


def test_names_that_differ_in_case_alone_need_their_own_case() -> None:
    assert resolve("rock", ["Rock", "rock"]).concept == "rock"
    assert resolve("ROCK", ["Rock", "rock"]).candidates == ("Rock", "rock")


def test_a_catalogue_of_nothing_or_of_filler_is_no_trouble() -> None:
    assert resolve("Horror", []).how == "unknown"
    assert resolve("Music!", ["Music", "Film"]).concept == "Music"
    assert resolve("<3", ARTISTS).concept == "<3"


@pytest.mark.parametrize("names", [FILMS, ARTISTS])
def test_every_name_resolves_to_itself(names: list[str]) -> None:
    assert [resolve(name, names).concept for name in names] == names


WORDS = st.sampled_from(
    [
        *FILMS,
        *ARTISTS,
        "films",
        "from the",
        "20s",
        "10s",
        "1980s",
        "twenties",
        "rom-com",
        "R&B",
        " + ",
        ", ",
        "'s",
        "the",
    ]
)
NAMES = st.lists(st.one_of(st.text(max_size=12), st.lists(WORDS, max_size=3).map(" ".join)), max_size=12, unique=True)
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=8).map(" ".join))


@given(TEXTS, NAMES)
def test_whatever_the_text_and_the_names_it_answers_with_concepts_that_are_there(text: str, names: list[str]) -> None:
    found = resolve(text, names)
    named = {name: np.ones(1, bool) for name in names}
    assert (found.concept is None) == (found.how in ("ambiguous", "unknown"))
    assert found.concept is None or members(found.concept, named) is not None
    assert all(members(one, named) is not None for one in found.candidates)
    assert (1 < len(found.candidates) <= CANDIDATES) == (found.how == "ambiguous")


@given(TEXTS, NAMES)
def test_what_a_text_resolves_to_resolves_to_itself(text: str, names: list[str]) -> None:
    concept = resolve(text, names).concept
    assert concept is None or resolve(concept, names).concept == concept
    assert [resolve(name, names).concept for name in names] == names


@pytest.mark.parametrize("text", ["80s 90s " * 25, "indie pop rock " * 6, "10s 20s pop " * 4, "a" * 10_000])
def test_no_text_takes_long(text: str) -> None:
    resolve("", ARTISTS)
    start = time.perf_counter()
    resolve(text, ARTISTS)
    assert time.perf_counter() - start < 1


def test_no_alias_stands_for_two_things() -> None:
    same = tomllib.loads((files("engine.labels") / "aliases.toml").read_text())["same"]
    for canonical, variants in same.items():
        assert all(resolve(variant, [canonical]).concept == canonical for variant in variants)
    written = [name for canonical, variants in same.items() for name in (canonical, *variants)]
    assert len(written) == len(set(written))


MASKS = {
    "Horror": np.array([1, 1, 0, 0], bool),
    "1980s": np.array([0, 1, 1, 0], bool),
    "War": np.array([1, 1, 1, 0], bool),
    "Horror + War": np.array([0, 0, 0, 1], bool),
}


@pytest.mark.parametrize(
    ("concept", "expected"),
    [
        ("Horror", [1, 1, 0, 0]),
        ("Horror + 1980s", [0, 1, 0, 0]),
        ("1980s + Horror + 1980s", [0, 1, 0, 0]),
        ("Horror + War", [0, 0, 0, 1]),
        ("Horror + War + 1980s", [0, 0, 0, 0]),
        ("1980s + War", [0, 1, 1, 0]),
    ],
)
def test_members_of_a_joint_carry_all_parts_and_a_concepts_own_name_comes_first(
    concept: str, expected: list[int]
) -> None:
    found = members(concept, MASKS)
    assert found is not None
    assert found.tolist() == [bool(one) for one in expected]


@pytest.mark.parametrize(
    "concept", ["", "horror", "Horror + Ghosts", "Horror +", JOINT, JOINT.join(["Horror"] * 5_000)]
)
def test_members_of_what_is_not_there_are_unknown(concept: str) -> None:
    assert members(concept, MASKS) is None
