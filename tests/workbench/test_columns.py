"""The columns: one list, what is said of each, and how they sort."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from engine.actions import Label
from engine.home import Home
from engine.labels.exchange import flat_scores
from tests.workbench.fake_run import DEAD, RARE, make_run
from workbench.column_help import column_help
from workbench.columns import BY_ID, COLUMNS, find_column, flags_of
from workbench.edits import new_edit
from workbench.model import Neurons, read_card, read_neurons
from workbench.sheet import Sheet
from workbench.view import View


@dataclass(frozen=True, eq=False)
class Flagged(Neurons):
    """Neurons of a run whose files tell flags."""

    flags: tuple[tuple[str, ...], ...] = ()


def flagged(neurons: Neurons, flags: list[tuple[str, ...]]) -> Flagged:
    return Flagged(**vars(neurons) | {"flags": tuple(flags)})


def scored(value: float) -> dict[str, dict[str, Any]]:
    return {"detection": {"state": "scored", "figures": {"value": value}}}


@pytest.fixture
def view(demo: Home) -> View:
    return View(read_card(demo, "demo-mf"), "s", neurons=read_neurons(demo, "demo-mf"))


def order(view: View, column: str, descending: bool) -> list[int]:
    assert view.neurons is not None
    rows: list[int] = view.neurons.number[Sheet(view).rows(BY_ID[column], descending)].tolist()
    return rows


def test_a_name_means_one_column() -> None:
    names = [name for column in COLUMNS for name in (column.id, column.title)]
    assert all(find_column(name) in COLUMNS for name in names)
    assert [find_column(column.id) for column in COLUMNS] == list(COLUMNS)
    assert [find_column(column.title) for column in COLUMNS] == list(COLUMNS)
    for typed, id in (
        ("P@20", "p20"),
        ("purity20", "p20"),
        ("density_items", "items"),
        ("pop%", "pop"),
        ("#", "number"),
    ):
        assert find_column(typed) is BY_ID[id]
    assert find_column("p21") is find_column("") is find_column("%") is None


def test_every_figure_that_a_run_must_have_is_a_column(view: View) -> None:
    assert view.neurons is not None
    assert set(view.neurons.figures) == {column.figure for column in COLUMNS if column.figure}


def test_titles_fit_their_columns() -> None:
    assert all(len(column.title) <= column.width for column in COLUMNS if column.width)


@pytest.mark.parametrize("column", [column.id for column in COLUMNS])
@pytest.mark.parametrize("descending", [True, False])
def test_every_column_sorts_with_the_unknown_last(view: View, column: str, descending: bool) -> None:
    assert view.neurons is not None
    view = replace(
        view,
        labels={2: Label("Zebras", "human"), 3: Label("apes", "llm"), 4: Label(None, "failed")},
        scores={1: scored(0.6), 9: scored(0.9)},
        edits=(new_edit(7, "off", None), new_edit(1, "off", None)),
        neurons=flagged(view.neurons, [("dense",) if at == 3 else () for at in range(12)]),
    )
    values = Sheet(view).values(BY_ID[column])[Sheet(view).rows(BY_ID[column], descending)]
    known = values[~np.isnan(values)]
    assert np.isnan(values[len(known) :]).all()
    assert (np.diff(known) <= 0).all() if descending else (np.diff(known) >= 0).all()
    assert sorted(order(view, column, descending)) == list(range(12))


def test_names_sort_as_they_are_shown_and_no_name_is_unknown(view: View) -> None:
    view = replace(view, labels={2: Label("Zebras", "human"), 3: Label("apes", "llm")})
    assert order(view, "name", False)[0] == 3
    assert order(view, "name", True)[0] == 2
    assert order(view, "name", False)[-1] == order(view, "name", True)[-1] == DEAD


def test_equals_stand_by_lift_then_by_number(view: View) -> None:
    assert view.neurons is not None
    lift = np.array([1, 3, 3, 2, *[0] * 8], np.float32)
    view = replace(view, neurons=replace(view.neurons, figures={**view.neurons.figures, "lift": lift}))
    for descending in (True, False):
        assert order(view, "base", descending) == [1, 2, 3, 0, *range(4, 12)]


def test_edits_sort_as_on_the_bench_and_tests_by_their_figure(view: View) -> None:
    edits = (new_edit(7, "off", None), new_edit(1, "off", None), {**new_edit(3, "off", None), "where": "age < 20"})
    view = replace(view, edits=edits, scores={1: scored(0.6), 9: scored(0.9)})
    assert order(view, "edit", False)[:3] == [7, 1, 0]
    assert order(view, "detection", True)[:3] == [9, 1, 0]
    assert order(view, "intruder", True) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, DEAD]


def test_what_has_not_changed_is_not_made_again_and_what_has_is(view: View) -> None:
    sheet = Sheet(view)
    first, names = sheet.rows(BY_ID["p20"], True), sheet.names
    sheet.show(replace(view, current=3, marks=frozenset({1}), labels={}))
    assert sheet.rows(BY_ID["p20"], True) is first
    assert sheet.names is names
    sheet.show(replace(view, labels={0: Label("Owls", "human")}, scores={0: scored(0.5)}))
    assert sheet.names.having("owls").tolist() == [True, *[False] * 11]
    assert sheet.known(BY_ID["detection"])
    assert not sheet.known(BY_ID["moves"])


def test_help_tells_of_this_run(view: View) -> None:
    said = " ".join(column_help(replace(view, current=1), BY_ID["p20"]))
    assert "20 strongest items" in said
    assert "base rate (Horror: 0.10)" in said
    assert "the median is 0.82, the best tenth reaches 0.97; unknown for 1 of 12" in said
    assert "lift and q" in said
    assert "the best tenth reaches .001" in " ".join(column_help(view, BY_ID["q"]))
    assert "eight of ten lie between" in " ".join(column_help(view, BY_ID["items"]))


@pytest.mark.parametrize(("chance", "told"), [({"monosemanticity": 0.2994}, "0.30"), ({}, "unknown")])
def test_coherence_stands_beside_what_random_items_have(view: View, chance: dict[str, float], told: str) -> None:
    seen = replace(view, card=replace(view.card, chance=chance))
    said = " ".join(column_help(seen, BY_ID["coherence"]))
    assert f"Random items would have the mean cosine of all items: {told} in this run." in said


def test_help_is_there_whatever_is_known(view: View) -> None:
    assert view.neurons is not None
    empty = replace(view.neurons, figures={name: values * math.nan for name, values in view.neurons.figures.items()})
    for seen in (view, replace(view, neurons=empty), replace(view, neurons=None)):
        for column in COLUMNS:
            sentences = column_help(seen, column)
            assert all(sentence.endswith(".") and "{" not in sentence for sentence in sentences), column.id
            assert "nan" not in " ".join(sentences).split()
    assert "no label was tested yet" in " ".join(column_help(view, BY_ID["detection"]))
    tested = replace(view, scores={1: scored(0.6)})
    assert "the median is 0.60, the best tenth reaches 0.60; unknown for 11 of 12" in " ".join(
        column_help(tested, BY_ID["detection"])
    )


def test_flags_are_unknown_where_the_files_have_none_and_where_they_do_not_fit(view: View) -> None:
    assert view.neurons is not None
    assert flags_of(flagged(view.neurons, [("dense",)])) is None
    assert flags_of(flagged(view.neurons, [()] * 12)) == [()] * 12


def test_a_run_without_some_arrays_sorts_all_the_same(view: View) -> None:
    assert view.neurons is not None
    bare = replace(view.neurons, figures={"purity20": view.neurons.figures["purity20"]})
    assert order(replace(view, neurons=bare), "lift", True) == list(range(12))
    assert order(replace(view, neurons=bare), "p20", True)[-1] == DEAD
    assert order(view, "p50", True)[-2:] == [RARE, DEAD]


def test_an_empty_run_has_an_empty_sheet(home: Home) -> None:
    make_run(home.root, neurons=0)
    view = View(read_card(home, "demo-mf"), "s", neurons=read_neurons(home, "demo-mf"))
    assert all(len(Sheet(view).rows(column, True)) == 0 for column in COLUMNS)


def test_every_column_of_a_score_is_a_figure_of_a_labels_tests() -> None:
    told = set(flat_scores({}))
    assert {column.score for column in COLUMNS if column.score} <= told
