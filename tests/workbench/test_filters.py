"""The filter: what each term finds, that nothing that is typed raises, and that `!` is the complement."""

from dataclasses import replace
from operator import eq, ge, gt, le, lt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions import Label
from engine.home import Home
from tests.workbench.fake_run import DEAD, RARE, make_run
from tests.workbench.test_columns import flagged, scored
from workbench.columns import COLUMNS, Column
from workbench.edits import new_edit
from workbench.filters import SETS, matching, parse
from workbench.model import read_card, read_neurons
from workbench.sheet import Sheet
from workbench.view import View

FIGURES = [column for column in COLUMNS if column.figure]
OPERATORS = {">": gt, "<": lt, "=": eq, ">=": ge, "<=": le, "≥": ge, "≤": le}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    root: Path = tmp_path_factory.mktemp("filters")
    make_run(root)
    home = Home(root)
    return View(
        read_card(home, "demo-mf"),
        "s",
        neurons=read_neurons(home, "demo-mf"),
        labels={0: Label("Night Owls", "human"), 1: Label("Ghosts", "llm"), 2: Label(None, "failed")},
        scores={0: scored(0.8), 1: scored(0.6)},
        marks=frozenset({3, 4}),
        asked={9: "asked"},
        edits=(new_edit(7, "off", None),),
    )


def found(view: View, text: str) -> list[int]:
    shown, _ = matching(parse(text), Sheet(view))
    return [int(row) for row in np.flatnonzero(shown)]


def remarks(view: View, text: str) -> tuple[str, ...]:
    return matching(parse(text), Sheet(view))[1]


@pytest.mark.parametrize(
    ("text", "neurons"),
    [
        ("", list(range(12))),
        ("   ", list(range(12))),
        ("OWLS", [0]),
        ("owls night", [0]),
        ("owls ghosts", []),
        ('"night owls"', [0]),
        ('"owls night"', []),
        ('"night ow', [0]),
        ("horror", [1, 7]),
        ("name:horror", [7]),
        ("concept:horror", [1, 7]),
        ('concept:"sci-fi" !state:none', []),
        ("sci", [3, 9]),
        ("!sci", [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]),
        ("!!sci", [3, 9]),
        ('item:"film 6 "', [0, 6]),
        ('"film 6 "', [0, 6]),
        ("item:天国", [3]),
        ("p20>.9", [0, 1, 2, 3]),
        ("p20>0.9 p20<1", [1, 2, 3]),
        ("P@20 > 90%", [0, 1, 2, 3]),
        ("purity20>=.97", [0, 1]),
        ("lift>=9.7", [0, 1]),
        ("q<.001", [0]),
        ("number=5", [5]),
        ("#≤1", [0, 1]),
        ("items<12%", [0, 5]),
        ("users>40% items<15%", [5]),
        ("pop<6", [0, 4, 8]),
        ("pop<6%", [0, 4, 8]),
        ("detection>.7", [0]),
        ("!detection>.7", list(range(1, 12))),
        ("state:human", [0]),
        ("state:f", [2]),
        ("state:none", [3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("state:asked", [9]),
        ("marked", [3, 4]),
        ("!marked sci", [9]),
        ("edited", [7]),
        ("dead", [DEAD]),
        ('"dead"', []),
        ("p20>.9 sci !marked", []),
    ],
)  # fmt: skip
def test_a_filter_finds(view: View, text: str, neurons: list[int]) -> None:
    assert found(view, text) == neurons


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("p21>.8", "no column 'p21'; there are number, name, state, p10"),
        ("p20>", "p20> …"),
        ("p20>much", "p20> needs a number, not 'much'"),
        ("p20>80", "p20 is a share of 1; write 80% for per cent"),
        ("lift>20%", "lift is no share; write the number without %"),
        ("name>3", "name is no figure; write name:horror"),
        ("flags>3", "flags is no figure; write flag:dense"),
        ("state:clever", "no state 'clever'; there are human"),
        ("flag:odd", "no flag 'odd'; there are dead"),
        ("item:", "item: needs a text after it"),
        (">5", "'>5' needs a column before it"),
        ("flag:dense", "this run's files tell no flags"),
        ("moves>0", "moves is unknown for every neuron here"),
        ("stat:human", "'stat:human' is in no name or title; terms with a colon are name:, concept:"),
    ],
)
def test_what_makes_no_sense_is_remarked(view: View, text: str, remark: str) -> None:
    (said,) = remarks(view, text)
    assert said.startswith(remark)


@pytest.mark.parametrize("nonsense", ["p21>.8", "p20>", "state:clever", "flag:dense", "item:", "!", '""', "lift>5%"])
def test_the_rest_of_a_filter_holds_beside_nonsense(view: View, nonsense: str) -> None:
    assert found(view, f"{nonsense} sci") == found(view, f"sci {nonsense}") == [3, 9]


def test_dead_finds_the_dead_and_says_how_the_word_is_written_where_there_are_none(view: View) -> None:
    assert view.neurons is not None
    alive = replace(view, neurons=replace(view.neurons, dead=np.zeros(12, bool)))
    assert found(alive, "dead") == []
    assert remarks(alive, "dead") == ('no neuron is dead; write "dead" in quotes for the word',)
    assert remarks(replace(view, marks=frozenset()), "marked") == ("no neuron is marked",)


def test_flags_are_found_where_the_files_have_them(view: View) -> None:
    assert view.neurons is not None
    flags = [("dense", "popularity") if at == 2 else ("dense",) if at == 4 else () for at in range(12)]
    seen = replace(view, neurons=flagged(view.neurons, flags))
    assert found(seen, "flag:popularity") == [2]
    assert found(seen, "!flags:dense") == [0, 1, 3, 5, 6, 7, 8, 9, 10, 11]


def test_words_look_at_the_20_strongest_items_only(view: View) -> None:
    assert view.neurons is not None
    titles = list(view.neurons.titles)
    at = view.neurons.top_item
    titles[at[0, 19]], titles[at[0, 20]] = "The Twentieth", "The Twenty-First"
    seen = replace(view, neurons=replace(view.neurons, titles=titles))
    assert 0 in found(seen, "twentieth")
    assert 0 not in found(seen, "twenty-first")
    assert RARE not in found(seen, "(untitled)")


def test_new_labels_and_marks_are_found_by_the_same_sheet(view: View) -> None:
    sheet = Sheet(view)
    assert not matching(parse("zebra"), sheet)[0].any()
    sheet.show(replace(view, labels={6: Label("Zebra", "human")}, marks=frozenset({6})))
    assert np.flatnonzero(matching(parse("zebra marked"), sheet)[0]).tolist() == [6]


def test_the_sheet_forgets_old_words(view: View) -> None:
    sheet = Sheet(view)
    for at in range(40):
        assert matching(parse(f"owl{at:02}"), sheet)[0].sum() == 0
    assert np.flatnonzero(matching(parse("owl"), sheet)[0]).tolist() == [0]


TERMS = st.one_of(
    st.sampled_from([column.id for column in COLUMNS] + ["p21", "", "x"]).flatmap(
        lambda name: st.tuples(st.sampled_from([*OPERATORS]), st.text("0123456789.%e-+naif", max_size=6)).map(
            lambda pair: f"{name}{pair[0]}{pair[1]}"
        )
    ),
    st.tuples(st.sampled_from(["name", "concept", "item", "state", "flag", "key"]), st.text(max_size=6)).map(":".join),
    st.sampled_from([*SETS, "horror", '"night owls"', '"', "!", "::", "ſ", "İ"]),
    st.text(max_size=8),
)


@given(st.lists(st.tuples(st.sampled_from(["", "!", "!!"]), TERMS).map("".join), max_size=4).map(" ".join))
def test_no_text_raises(view: View, text: str) -> None:
    shown, said = matching(parse(text), Sheet(view))
    assert shown.dtype == bool
    assert len(shown) == 12
    assert all(isinstance(remark, str) and remark for remark in said)


@given(TERMS)
def test_not_is_the_complement(view: View, term: str) -> None:
    whole = parse(term)
    if len(whole.terms) != 1 or whole.remarks or term.startswith("!") or term != term.strip() or remarks(view, term):
        return
    assert sorted(found(view, term) + found(view, f"!{term}")) == list(range(12))


@given(
    st.sampled_from(FIGURES),
    st.sampled_from([*OPERATORS]),
    st.floats(0, 20, allow_nan=False).map(lambda value: round(value, 3)),
    st.sampled_from(["", " "]),
)
def test_figures_compare_as_numpy_does(view: View, column: Column, operator: str, value: float, between: str) -> None:
    assert view.neurons is not None
    values = view.neurons.figures[column.figure or ""]
    expected = np.flatnonzero(OPERATORS[operator](values, np.float32(value))).tolist()
    assert found(view, f"{column.id}{between}{operator}{between}{value}") == expected


@given(st.sampled_from(FIGURES), st.integers(0, 11))
def test_a_figure_equals_itself_and_is_not_more_than_itself(view: View, column: Column, row: int) -> None:
    assert view.neurons is not None
    value = view.neurons.figures[column.figure or ""][row]
    if not np.isnan(value):
        assert row in found(view, f"{column.id}={value}")
        assert row not in found(view, f"{column.id}>{value}")


def test_every_column_has_a_term_or_a_hint(view: View) -> None:
    for column in COLUMNS:
        said = " ".join(remarks(view, f"{column.title}>0"))
        assert (column.kind == "text") == ("is no figure" in said), column.id
