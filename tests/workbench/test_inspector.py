"""The inspector's tabs: every one says what the facts say, within its width, whatever is missing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.actions import Label, Note, State
from engine.home import Home
from engine.run import Run
from tests.workbench.fake_run import AWKWARD, DEAD, RARE
from tests.workbench.view_of import WIDTHS, damaged, view_of
from workbench.facts import inspected
from workbench.view import TABS, Job, View
from workbench.widgets.inspector import inspector, tabs_line
from workbench.widgets.line import text_of, width_of

ENGINE_TABS = ("concepts", "range", "moves", "users", "near")
RAISED = {
    "unit": 2.0,
    "exact": True,
    "sample": 0,
    "gained": [{"item_id": "7", "title": "Up (2009)", "change": 1.5, "low": 1.0, "high": 2.0, "same_sign": 0.9}],
    "lost": [{"item_id": "8", "title": "Down (2001)", "change": -0.75, "low": -1.0, "high": -0.5, "same_sign": 0.8}],
    "concepts": {
        "gained": [{"concept": "Horror", "kind": "genre", "items": 40, "mean": 1.0, "excess": 0.9}],
        "lost": [],
        "measured": 12,
        "own": {"concept": "Comedy", "kind": "genre", "items": 30, "mean": 0.2, "excess": 0.1, "place": 2},
        "null_share": 0.02,
        "null_own_share": 0.5,
        "null_directions": 1000,
        "implied": True,
    },
}
FACTS: dict[str, Any] = {
    "neuron": 0,
    "concept": "Comedy",
    **{f"purity{k}": value for k, value in ((10, 1.0), (20, 0.9), (50, 0.6))},
    "base_rate": 0.1, "concept_items": 30, "cap10": 1.0, "cap20": 1.0, "cap50": 0.6, "lift": 9.0, "q": 0.04,
    "half_concept": "Comedy",
    "half_purity10": 0.9, "half_purity20": 0.8, "half_purity50": None,
    "label_concept": "Horror", "label_purity10": 0.3, "label_purity20": 0.25, "label_purity50": 0.2,
    "items": [{"rank": 1, "item_id": "7", "title": "Up (2009)", "activation": 3.0, "concepts": []}],
    "users": [{"rank": 1, "user_id": "u1", "activation": 4.0}, {"rank": 2, "user_id": "u2", "activation": 1.0}],
    "quantiles": {
        "items": [
            {"quantile": 1.0, "rows": [{"item_id": "7", "title": "Up (2009)", "activation": 3.0}]},
            {"quantile": 0.5, "rows": [{"item_id": "9", "title": "Half way", "activation": 1.0}]},
            {"quantile": 0.0, "rows": [{"item_id": "4", "title": "Hardly", "activation": 0.01}]},
        ]
    },
    "histogram": {
        "items": {"rows": 1000, "zeros": 0.9, "edges": [0.0, 1.5, 3.0], "counts": [75, 25]},
        "users": {"rows": 40, "zeros": 1.0, "edges": [], "counts": []},
    },
    "profiles": {
        "mean": 0.2,
        "top50_items": 50,
        "concepts": [
            {"concept": "Comedy", "kind": "genre", "items": 30, "mean": 1.0, "top50": 30, "catalogue": 0.1},
            {"concept": "War", "kind": "genre", "items": 20, "mean": 0.5, "top50": 0, "catalogue": 0.05},
        ],
        "decades": [{"decade": 1990, "count": 20, "share": 0.4, "catalogue": 0.5}],
    },
    "segments": {
        "segments": [
            {"column": "age", "value": "18-24", "users": 12, "mean": 0.5, "active": 0.4, "difference": 0.31,
             "p": 0.01, "q": 0.02},
        ],
        "skipped": {"zip": "too many values"},
    },
    "moves": {"users": RAISED, "items": None},
    "neighbours": [{"neuron": 2, "cosine": 0.41, "jaccard": None}],
    "missing": None,
}  # fmt: skip
SCORES: dict[str, dict[str, Any]] = {
    "evidence": {
        "state": "shown",
        "figures": {"by": "gpt", "fields": ["title"], "shown": [["7", "top"], ["99", "top"], ["1", "random"]]},
    },
    "detection": {
        "state": "scored",
        "judge": "gpt",
        "figures": {
            "value": 0.8,
            "low": 0.65,
            "high": 0.9,
            "chance": 0.5,
            "items": 40,
            "said_to_fit": {"top": [9, 10], "lower": [6, 10], "near by metadata": [2, 5], "random": [1, 20]},
            "verdicts": [["7", "top", False], ["9", "random", False], ["4", "random", True]],
        },
    },
    "intruder": {"state": "failed", "judge": "gpt", "why": "It did not answer.", "figures": None},
    "held-out": {"state": "unknown", "judge": "metadata", "why": "Too few items.", "figures": None},
    "moves": {
        "state": "scored",
        "concept": "Comedy",
        "figures": {
            "users": 200,
            "k": 20,
            "before": 0.07,
            "after": 0.9,
            "gain": 0.83,
            "low": 0.8,
            "high": 0.86,
            "room": 0.93,
            "null_directions": 100,
            "null_gain": 0.4,
            "null_low": 0.2,
            "null_high": 0.6,
            "null_share": 0.01,
            "random_share": 0.001,
            "implied": True,
        },
    },
}


@pytest.fixture
def view(demo: Home) -> View:
    return view_of(demo, "demo-mf", facts={0: FACTS})


@pytest.fixture(scope="session")
def real(demo_run: Run) -> Mapping[str, Any]:
    """What the engine tells of a neuron of the demo's run."""
    return inspected(demo_run, 2, State(), 20)


def shown(view: View, tab: str, width: int = 44, **more: Any) -> str:
    """A tab's text, a row a line."""
    return "\n".join(text_of(line).rstrip() for line in inspector(replace(view, tab=tab, **more), width))


def said(view: View, tab: str, **more: Any) -> str:
    """A tab's text as one sentence."""
    return " ".join(shown(view, tab, **more).split())


def fits(view: View, width: int) -> None:
    for tab in TABS:
        wide = [text_of(line) for line in inspector(replace(view, tab=tab), width) if width_of(line) > width]
        assert not wide, (tab, width)


def test_items_and_label_need_no_engine_and_the_others_say_that_they_wait(view: View) -> None:
    waiting = replace(view, facts={})
    assert "purity @10 1.00" in shown(waiting, "items")
    assert "[REC] (2007)" in shown(waiting, "items")
    assert "No label" in shown(waiting, "label")
    for tab in ENGINE_TABS:
        assert shown(waiting, tab).splitlines()[1:] == ["Measuring…"], tab
        assert "it broke" in shown(waiting, tab, facts={0: {"fault": "it broke"}}), tab


def test_a_dead_neuron_is_dead_in_every_tab_of_figures(view: View) -> None:
    for tab in ("items", *ENGINE_TABS):
        assert "Dead: it fires on none of the films" in said(view, tab, current=DEAD), tab


def test_concepts_show_purity_with_what_it_could_be_and_the_labels_own(view: View) -> None:
    label = Label("Scary", "human", "Horror")
    text = shown(view, "concepts", labels={0: label})
    rows = {line.rsplit(None, 3)[0]: line.split()[-3:] for line in text.splitlines() if len(line.split()) > 3}
    assert rows["best: Comedy"] == ["1.00", "0.90", "0.60"]
    assert rows["at most"] == ["1.00", "1.00", "0.60"]
    assert rows["on unseen items"] == ["0.90", "0.80", "–"]
    assert rows["label: Horror"] == ["0.30", "0.25", "0.20"]
    assert "base rate 10%  lift 9.0  q .040" in text
    assert "1,000 random directions" in text
    assert "it has 30 films, fewer than 50" in said(view, "concepts")


def test_a_labels_purity_is_unknown_where_the_facts_are_of_another_label(view: View) -> None:
    label = Label("Westerns", "human", "Western")
    line = next(row for row in shown(view, "concepts", labels={0: label}).splitlines() if row.startswith("label:"))
    assert line.split()[-3:] == ["–", "–", "–"]
    score = {"concept": "Western", "figures": {"whole": {"purity10": 0.7, "purity20": 0.65, "purity50": 0.6}}}
    text = shown(view, "concepts", labels={0: label}, scores={0: {"held-out": score}})
    assert "0.70 0.65 0.60" in text


def test_concepts_come_by_mean_activation_with_counts_and_lift(view: View) -> None:
    rows = shown(view, "concepts", 70).splitlines()
    comedy = next(row for row in rows if row.startswith("Comedy"))
    assert [cell for cell in comedy.split() if "█" not in cell] == ["Comedy", "1.00", "30", "10%", "6.0", "30"]
    assert rows.index(comedy) < next(at for at, row in enumerate(rows) if row.startswith("War"))
    assert "All items: mean 0.20" in shown(view, "concepts", 70)
    assert any(row.split()[0] == "1990s" and "40%" in row and "50%" in row and "-10" in row for row in rows if row)


def test_range_shows_zeros_bins_and_items_from_the_top_down(view: View) -> None:
    text = shown(view, "range")
    assert "90% of 1,000 films are at 0" in text
    assert " 0.00–1.50     75  ████" in text
    assert "100% of 40 users are at 0: no activations" in said(view, "range")
    for row in ("top Up (2009)", "50% Half way", "low Hardly"):
        assert row in text
    assert "3.00" in next(line for line in text.splitlines() if line.startswith("top"))


def test_moves_show_both_sides_and_what_chance_and_algebra_would_do(view: View) -> None:
    text = said(view, "moves")
    assert "Up (2009) +1.50" in text
    assert "Down (2001) -0.75" in text
    assert "low, high" not in text
    assert "2% of 1,000 random directions of equal length raise some concept as much as this raises Horror" in text
    assert "Comedy, is number 2 (+0.10); 50% of" in text
    assert "implied by the algebra" in text
    assert "None of the films activates it" in text


def test_moves_of_another_scorer_show_their_spread(view: View) -> None:
    moves = {"users": {**RAISED, "exact": False, "sample": 103}, "items": None}
    text = said(view, "moves", facts={0: {**FACTS, "moves": moves}})
    assert "mean over 103 drawn at random" in text
    assert "Up (2009) +1.50 +1.00 +2.00 90%" in text


def test_users_show_groups_and_say_who_was_not_compared(view: View) -> None:
    text = said(view, "users")
    assert "18-24 (age) 12 0.50 40% +0.31 .020" in text
    assert "Not compared: zip (too many values)." in text
    assert "1 u1 4.00" in text
    none = {**FACTS, "segments": {"segments": [], "skipped": {}}}
    assert "no columns of users and no cohorts" in said(view, "users", facts={0: none})


def test_without_a_catalogue_its_sentence_is_shown(view: View) -> None:
    moves = {"users": {**RAISED, "concepts": None}, "items": None}
    gone = {**FACTS, "profiles": None, "segments": None, "moves": moves, "missing": "The catalogue is not here."}
    for tab in ("concepts", "moves", "users"):
        assert "The catalogue is not here." in said(view, tab, facts={0: gone}), tab


def test_near_neurons_have_their_names(view: View) -> None:
    assert "2 Children 0.41 –" in said(view, "near")


def test_a_labels_tests_stand_beside_chance_and_a_failure_is_no_figure(view: View) -> None:
    label = Label("Funny films", "llm", "Comedy", "gpt", "All are comedies.")
    text = said(view, "label", labels={0: label}, scores={0: SCORES})
    for words in (
        "“Funny films”",
        "concept: Comedy",
        "model: gpt",
        "note: All are comedies.",
        "detection 0.80 0.65 0.90 0.50",
        "intruder !",
        "held-out – – – –",
        "moves +0.83 +0.80 +0.86 +0.40",
        "! intruder failed: It did not answer.",
        "held-out purity unknown: Too few items.",
        "top 9 of 10",
        "near by metadata 2 of 5",
        "judged wrongly (2): Up (2009) · Hardly",
        "7% to 90% Comedy",
        "1% move as much or more",
        "implied by the algebra",
        "Shown to who named it: gpt (title)",
        "top (2): Up (2009) · Film 99 (1989)",
        "a accept x reject L write l ask",
    ):
        assert words in text, words
    assert "a accept" not in shown(view, "label", read_only=True)


def test_a_rejected_and_a_failed_label_say_so(view: View) -> None:
    assert "“Funny” was rejected" in shown(view, "label", labels={0: Label("Funny", "rejected")})
    assert "no key" in shown(view, "label", labels={0: Label(None, "failed", note="no key")})
    assert "3 of 6" in shown(view, "label", asked={0: "3 of 6"})


def test_marked_neurons_stand_side_by_side_with_what_they_share(view: View) -> None:
    assert "No neuron is marked" in said(view, "compare")
    assert "Neuron 3 alone is marked" in said(view, "compare", marks=frozenset({3}))
    text = said(view, "compare", marks=frozenset({0, 2}))
    assert "purity @20 1.00 0.94" in text
    assert "0 and 2 – – 0" in text
    assert "Label not tested: 0, 2 (l tests it)." in text
    assert "detection" not in text
    assert "In both (0)" in text
    assert "Only 0 Comedy (50) [REC] (2007) ·" in text
    same = said(view, "compare", marks=frozenset({0, 6}))
    assert "0 and 6 – – 30" in same
    assert "In both (30) Film 6 (1956)" in same
    assert "Only 0 Comedy (20) [REC] (2007) ·" in same
    assert same.endswith("Only 6 Comedy (0) none")
    many = said(view, "compare", marks=frozenset(range(6)))
    assert "2 more are marked; the first 4 are shown" in many


def test_compared_neurons_show_their_tests_what_they_move_and_how_alike_they_are(view: View) -> None:
    held = {"state": "scored", "figures": {"value": 0.95, "low": 0.8, "high": 0.99, "chance": 0.1}}
    moves = {"users": {"concepts": {
        "gained": [{"concept": f"C{n}", "excess": 1.5 - n} for n in range(5)],
        "lost": [{"concept": "Western", "excess": -0.25}], "null_share": 0.04,
    }}}  # fmt: skip
    view = replace(
        view,
        marks=frozenset({0, 2}),
        scores={0: {**SCORES, "held-out": held}},
        facts={0: {"moves": moves}, 2: {"fault": "it broke"}},
        pairs={(0, 2): {"cosine": -0.001, "jaccard": 0.25}},
    )
    text = said(view, "compare")
    for words in (
        "detection 0.80 – 95 % from 0.65 – to 0.90 –",
        "held-out 0.95 – 95 % from 0.80 – to 0.99 –",
        "moves +0.83 – at random +0.40 –",
        "Label not tested: 2 (l tests it).",
        "0 and 2 0.00 25% 0",
        "0 C0 +1.50 · C1 +0.50 · C2 -0.50 Western -0.25 · random: 4%",
        "2 it broke",
        "chance .50",
    ):
        assert words in text, words
    rows = [" ".join(line.split()) for line in shown(view, "compare", 95).splitlines()]
    assert "detection 0.80 [0.65, 0.90] –" in rows
    early = [" ".join(line.split()) for line in shown(view, "compare", 39).splitlines()[:15]]
    assert "moves +0.83 –" in early
    assert "measuring…" in said(replace(view, facts={}), "compare")


def test_notes_about_this_neuron_come_first_and_none_is_left_out(view: View) -> None:
    notes = (Note("mine", "neuron 0", "2026-01-02T03:04:05Z"), Note("theirs", "neuron 10"), Note("free"))
    text = shown(view, "notes", notes=notes, bookmarks=(("neuron", "2"), ("item", "[/x]")))
    assert text.index("2026-01-02 03:04") < text.index("mine") < text.index("Other notes (2)") < text.index("free")
    assert "neuron 10" in text
    assert "neuron 2 Children · item [/x]" in text


def test_tabs_are_all_named_where_they_fit_and_counted_where_not(view: View) -> None:
    moves = replace(view, tab="moves")
    named = [name.replace("Moves", "[Moves]") for name in TABS.values()]
    for between in ("  ", " "):
        told = between.join(named)
        assert text_of(tabs_line(moves, len(told))) == told
    assert text_of(tabs_line(moves, len(told) - 1)) == f"‹ Moves 4/{len(TABS)} ›"
    assert all(width_of(tabs_line(moves, width)) <= width for width in range(1, 140))


def test_jobs_and_journal_come_newest_first(view: View) -> None:
    jobs = (Job(1, "monoscope label demo", "done"), Job(2, "monoscope sweep demo", "running", 0.4, "training", 65.0))
    text = said(view, "jobs", jobs=jobs)
    assert text.index("sweep demo") < text.index("40%") < text.index("label demo")
    assert "No job" in said(view, "jobs")
    assert said(view, "log", log=("08:29 label 14", "08:31 [/x]")) == "08:31 [/x] 08:29 label 14"
    assert "Nothing was done" in said(view, "log")


@pytest.mark.parametrize("title", AWKWARD)
@pytest.mark.parametrize("width", [30, 44, 46, 70, 120])
def test_awkward_texts_are_shown_as_they_are_and_align(view: View, title: str, width: int) -> None:
    row = {"item_id": title, "title": title, "change": 1.0, "low": 1.0, "high": 1.0, "same_sign": 1.0}
    moves = {"users": {**RAISED, "gained": [row, *RAISED["gained"]]}, "items": None}  # type: ignore[misc]
    text = shown(view, "moves", width, facts={0: {**FACTS, "moves": moves}})
    rows = [line for line in text.splitlines() if "+1.00" in line or "+1.50" in line]
    assert len(rows) == 2
    assert "\x1b" not in text
    assert "\x07" not in text
    if title.startswith("[/x]"):
        assert "[/x]" in text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), width=WIDTHS)
def test_nothing_is_too_wide_and_nothing_fails_whatever_is_missing(
    view: View, real: Mapping[str, Any], data: st.DataObject, width: int
) -> None:
    facts = data.draw(damaged(real if data.draw(st.booleans()) else FACTS))
    scores = data.draw(damaged(SCORES))
    label = Label(data.draw(st.text(max_size=50)), "llm", data.draw(st.text(max_size=50)), "m", "n " * 30)
    notes = (Note(data.draw(st.text(max_size=80)), data.draw(st.sampled_from(["neuron 0", "[/x]", None]))),)
    marks = frozenset(data.draw(st.sets(st.integers(0, 12), max_size=6)))
    current = data.draw(st.sampled_from([0, RARE]))
    fits(
        replace(
            view,
            current=current,
            facts={current: facts},
            scores={current: scores},
            labels={current: label},
            notes=notes,
            marks=marks,
        ),
        width,
    )


@pytest.mark.parametrize("width", [30, 44, 46, 70, 120])
def test_the_facts_of_a_real_run_fill_every_tab(demo_run: Run, real: Mapping[str, Any], width: int) -> None:
    view = view_of(demo_run.home, "demo", current=2, facts={2: real})
    fits(view, width)
    for tab in ENGINE_TABS:
        text = shown(view, tab, width)
        assert len(text.splitlines()) > 4, tab
        assert "None" not in text, tab
        assert "nan" not in text, tab
    assert real["quantiles"]["items"][0]["rows"][0]["title"][:12] in shown(view, "range", width)
