"""The table of steering on the miniature: cells again from lists, means from cells, and nothing measured twice."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from engine.experiments import steering_table
from engine.experiments.reproduce import Order, needed, reproduce
from engine.experiments.steering_table import GOALS, Cell, K, people, rows
from engine.experiments.trained import Wanted, trained
from engine.fidelity import rbo
from engine.home import Home
from engine.neurons.standing import panel
from engine.recommenders.ranking import Candidates, ranked_lists
from engine.steering.inputs import TRAIN, histories

CONCEPTS = {"metal", "folk"}


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """The miniature's users have fewer than 20 items; two concepts will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steering_table, "USERS_ITEMS", 5)
        patch.setattr(steering_table, "USERS", 12)
        patch.setattr(steering_table, "panel", lambda *asked: [c for c in panel(*asked) if c.name in CONCEPTS])
        yield


@pytest.fixture(scope="module")
def order(music_home: Home) -> Order:
    return Order(music_home, "lastfm-msd", ("mf",), (0,))


@pytest.fixture(scope="module")
def made(order: Order) -> list[Cell]:
    found = reproduce(order, "steering").facts["models"]["mf"]["cells"]
    return [Cell(**one) for one in found]


def test_every_way_is_measured_for_every_concept_and_goal(made: list[Cell]) -> None:
    assert {(one.concept, one.goal) for one in made} == {(c, g) for c in CONCEPTS for g in GOALS}
    ways = {one.way for one in made}
    assert {"solved", "filter", "one neuron", "random neuron", "solved, 8 neurons"} <= ways
    assert {"difference of means of items", "logistic probe of users"} <= ways
    assert len(made) == len(ways) * 2 * len(GOALS)


def test_it_says_how_long_it_takes_before_it_starts(order: Order) -> None:
    assert needed(order, "steering").endswith("minutes of steering.")


def test_the_filter_reaches_everybody_and_moves_nothing_else(made: list[Cell]) -> None:
    for one in made:
        if one.way == "filter":
            assert (one.reached, one.drift, one.recall) == (1.0, 0.0, 0.0)
            assert one.rbo == pytest.approx(1.0)
        if one.way == "solved" and one.goal == "none left" and one.reached == 1.0:
            assert one.share == 0.0


def test_a_random_neuron_is_no_way(made: list[Cell]) -> None:
    """The control: the solved edit keeps more of the rest than it on both concepts, at every goal."""
    for row in rows(made):
        if row.way == "random neuron" and row.wins[2]:
            assert row.wins[0] == row.wins[2]


def test_lovers_have_the_concept_and_the_others_little(order: Order) -> None:
    run = trained(order.home, order.dataset, Wanted("mf", "best", 0))
    with run.catalogue() as catalogue:
        train = histories(catalogue, len(run.recommender.users.ids), TRAIN)
        steering = run.steering(catalogue)
    member = next(one.member for one in steering.concepts if one.name == "metal")
    share = np.array([member[train[u]].mean() if len(train[u]) else 0.0 for u in range(len(train.starts) - 1)])
    lovers, few = (people(train, steering.recommender.users.known, member, goal) for goal in ("halved", GOALS_UP))
    assert len(lovers) == len(few) == 12
    long = train.lengths() >= 5
    assert share[lovers].min() >= np.sort(share[long])[-12]
    assert (share[few] < 0.3).all()
    assert long[lovers].all()
    assert long[few].all()


GOALS_UP = "raised to 30 %"


def test_a_cell_is_what_lists_ranked_anew_say(order: Order, made: list[Cell]) -> None:
    """Of the filter's own rest and of the unedited share, by whole rankings."""
    run = trained(order.home, order.dataset, Wanted("mf", "best", 0))
    with run.catalogue() as catalogue:
        train = histories(catalogue, len(run.recommender.users.ids), TRAIN)
        steering = run.steering(catalogue)
    concept = next(one for one in steering.concepts if one.name == "folk")
    users = people(train, steering.recommender.users.known, concept.member, "halved")
    lists = ranked_lists(steering.recommender, steering.candidates, users, K)
    (one,) = (cell for cell in made if (cell.concept, cell.goal, cell.way) == ("folk", "halved", "filter"))
    assert one.share_before == pytest.approx(concept.member[lists[lists >= 0]].mean())
    rest = Candidates(steering.candidates.seen, steering.candidates.eligible & ~concept.member)
    same = ranked_lists(steering.recommender, rest, users, K)
    assert rbo(same, same).mean() == pytest.approx(one.rbo)


def test_means_and_wins_are_over_concepts() -> None:
    cell = Cell("r", "a", "halved", "w", 9, 1.0, 0.5, -0.1, 0.02, 0.1, 0.2, {"rbo": (0.2, 0.1, 0.3)})
    other = replace(cell, concept="b", rbo=0.7, ahead={"rbo": (0.1, -0.1, 0.3)})
    (row,) = rows([cell, other])
    assert row.means["rbo"] == pytest.approx((0.6, 0.5, 0.7))
    assert row.ahead["rbo"] is not None
    assert row.ahead["rbo"][0] == pytest.approx(0.15)
    assert row.wins == (2, 1, 2)
    assert row.ahead["recall"] is None


def test_a_concept_over_three_bases_is_no_three_concepts(made: list[Cell]) -> None:
    way = next(one for one in made if one.ahead is not None)
    spread = [
        replace(way, concept=f"c{n}", ahead={"rbo": (value, value, value)}) for n, value in enumerate((0, 0.2, 0.1))
    ]
    (once,) = rows(spread)
    (over_bases,) = rows([replace(one, run=f"base {n}") for n in range(3) for one in spread])
    assert over_bases.ahead["rbo"] == pytest.approx(once.ahead["rbo"])


def test_an_interrupted_table_goes_on_where_it_was(order: Order, made: list[Cell]) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured twice")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steering_table, "cells", refuse)
        again = reproduce(order, "steering").facts["models"]["mf"]["cells"]
    assert len(again) == len(made)
    assert "### Raised to 30 %" in reproduce(order, "steering").markdown
