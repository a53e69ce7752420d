"""`neuron`, `item` and `user`: the pages that the command line prints."""

import pytest

from engine.actions import State
from engine.run import Run
from tests.workbench.cli import Monoscope


@pytest.fixture
def monoscope(demo_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(demo_run.home.root, monkeypatch, capfd)


def test_a_neurons_json_holds_everything_that_is_promised(monoscope: Monoscope) -> None:
    facts = monoscope("neuron", "demo", 3, "--json").json
    assert {"quantiles", "histogram", "profiles", "moves", "segments", "neighbours", "items", "users"} <= set(facts)


def test_a_neurons_page_shows_its_range_its_groups_and_what_it_moves(monoscope: Monoscope) -> None:
    answer = monoscope("neuron", "demo", 3)
    assert answer.code == 0, answer.err
    for told in ("Lower down", "Mean activation over each concept", "Decades of its top 200", "items that gain"):
        assert told in answer.out
    assert "the same for every user" in answer.out


def test_an_item_is_named_by_id_or_by_title(monoscope: Monoscope) -> None:
    top = monoscope("neuron", "demo", 3, "-k", 1, "--json").json["items"][0]
    by_id = monoscope("item", "demo", top["item_id"], "-k", 4, "--json").json
    assert by_id == monoscope("item", "demo", top["title"], "-k", 4, "--json").json
    assert len(by_id["nearest_by_code"]) == 4
    assert 3 in {one["neuron"] for one in by_id["neurons"]}
    printed = monoscope("item", "demo", top["item_id"]).out
    assert top["title"] in printed
    assert "The code leaves out" in printed


def test_a_user_is_shown_with_what_they_saw(monoscope: Monoscope) -> None:
    facts = monoscope("user", "demo", "v0001", "--json").json
    assert (facts["user"], facts["training_items"] > 0) == ("v0001", True)
    printed = monoscope("user", "demo", "v0001").out
    assert "Carried by their training items" in printed
    assert "of the variance of this user's affinities" in printed


def test_a_label_of_ones_own_names_the_neuron_on_the_pages(monoscope: Monoscope) -> None:
    monoscope("labels", "demo", "set", 3, "[bold]Mine", "--session", "pages")
    top = monoscope("neuron", "demo", 3, "-k", 1, "--json").json["items"][0]["item_id"]
    told = monoscope("item", "demo", top, "--session", "pages", "--json").json
    assert next(one["name"] for one in told["neurons"] if one["neuron"] == 3) == "[bold]Mine"
    assert "[bold]Mine" in monoscope("item", "demo", top, "--session", "pages").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["item", "demo", "nothing like it"], "There is no item 'nothing like it' in run demo"),
        (["user", "demo", "nobody"], "There is no user 'nobody'"),
        (["neuron", "demo", 99], "has no neuron 99"),
    ],
)
def test_a_bad_id_is_one_sentence(monoscope: Monoscope, words: list[object], message: str) -> None:
    answer = monoscope(*words)
    assert answer.code == 1
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_neurons_are_chosen_by_a_condition_over_their_columns(monoscope: Monoscope) -> None:
    everyone = monoscope("neurons", "demo", "--json").json
    chosen = monoscope("neurons", "demo", "--where", "purity20 >= 0.9 AND density_items < 0.3", "--json").json
    assert chosen == [r for r in everyone if (r["purity20"] or 0) >= 0.9 and r["density_items"] < 0.3]
    assert 0 < len(chosen) < len(everyone)
    assert monoscope("neurons", "demo", "--where", "label = 'none such'", "--json").json == []
    wrong = monoscope("neurons", "demo", "--where", "purety20 > 0.9")
    assert wrong.code == 1
    assert "no column 'purety20' (did you mean purity20?)" in wrong.err


def test_a_concept_that_no_neuron_reaches_is_said_to_be_missing(monoscope: Monoscope, demo_run: Run) -> None:
    gone = next(entry.concept for entry in demo_run.reach if entry.kind == "genre" and not entry.reached)
    facts = monoscope("concept", "demo", gone, "--json").json
    assert facts["missing"]
    assert "It is missing: no neuron stands for it." in monoscope("concept", "demo", gone).out
    best = facts["neurons"][0]
    assert len(facts["misses"]) == round(20 * (1 - best["purity20"]))
    here = monoscope("concept", "demo", "Horror", "--json").json
    assert not here["missing"]
    named = here["neurons"][0]["neuron"]
    assert here["standing"]["one_to_one"]["neuron"] == named
    assert here["standing"]["split_half"]["purity20"] <= here["standing"]["label_chosen"]["purity20"]
    profile = {row["neuron"]: row for row in here["profile"]}
    assert len(profile) == 40
    assert max(profile.values(), key=lambda row: row["mean"] - row["catalogue"])["neuron"] == named


def test_on_a_narrow_terminal_the_neuron_table_keeps_its_names(
    demo_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from workbench import tables
    from workbench.facts import neuron_facts

    rows = [neuron_facts(demo_run, row.neuron, State()) for row in demo_run.neurons]
    monkeypatch.setattr(tables, "PIPE_WIDTH", 80)
    tables.show_neurons(rows, [], None)
    narrow = capsys.readouterr().out.splitlines()
    assert all(f"{row['concept']}" in line for row, line in zip(rows, narrow[1:], strict=False) if not row["dead"])
    assert max(len(line) for line in narrow[: len(rows) + 1]) <= 80
    assert "p@50" not in narrow[0]
    monkeypatch.setattr(tables, "PIPE_WIDTH", 140)
    tables.show_neurons(rows, [], None)
    assert "p@50" in capsys.readouterr().out


def test_a_concept_without_ranked_items_is_not_said_to_have_a_neuron(
    demo_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from workbench.facts import concept_facts
    from workbench.pages import show_concept

    show_concept({**concept_facts(demo_run, "Horror", 5), "items": 0})
    told = capsys.readouterr().out
    assert "None of its items is ranked" in told
    assert "p@20" not in told


def test_a_name_that_users_contradict_is_said_to_hold_for_items_alone(
    demo_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from workbench.facts import inspected
    from workbench.pages import show_neuron_page

    number = next(row.neuron for row in demo_run.neurons if row.concept == "Horror")
    facts = inspected(demo_run, number, State(), 5)
    show_neuron_page(facts)
    assert "users who gain" not in capsys.readouterr().out
    show_neuron_page(facts, whole=True)
    whole = capsys.readouterr().out
    concepts = [row["concept"] for row in facts["profiles"]["concepts"]]
    assert all(concept in whole for concept in concepts)
    assert all(str(row["user_id"]) in whole for row in facts["moves"]["items"]["gained"])
    show_neuron_page(facts)
    assert "That is implied, no evidence for its name" in capsys.readouterr().out
    facts["moves"]["users"]["concepts"]["own"]["excess"] *= -1
    show_neuron_page(facts)
    assert "its name holds for items alone: raising it on users does not raise Horror" in capsys.readouterr().out
