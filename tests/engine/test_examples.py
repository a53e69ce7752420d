"""Example sessions: each fits a run that was trained here, and does what it says."""

import json
from pathlib import Path

import pytest

from engine.errors import SessionError
from engine.examples import Example, examples, onto
from engine.home import content
from engine.run import Run
from engine.session import Session
from engine.steering.kept import steps_of


def test_there_are_some_and_each_says_what_it_shows() -> None:
    found = examples()
    assert len(found) >= 3
    assert all(one.title and one.edits for one in found)
    assert {one.name for one in found} == {path.stem for path in content("sessions").glob("*.jsonl")}


@pytest.mark.parametrize("example", examples(), ids=lambda one: one.name)
def test_each_fits_the_demo_and_replays_to_the_figures_that_it_kept(demo_run: Run, example: Example) -> None:
    onto(demo_run, example, example.name)
    state = Session.read(demo_run.home, example.name, "demo")
    assert len(state.edits) == example.edits
    with demo_run.catalogue() as catalogue:
        steering = demo_run.steering(catalogue)
        steps = steps_of(steering, state.edits, demo_run.home.amounts(example.name))
        cohort = state.measured["cohort"]  # type: ignore[index]
        users = catalogue.match_users(cohort or "true")
        effect = steering.effect(users, steps, 30)
    kept = state.measured["figures"]  # type: ignore[index]
    assert kept["rbo"] == pytest.approx(effect["collateral"]["rbo"], abs=1e-6)
    assert effect["collateral"]["lists_changed"] > 0


def effect_of(run: Run, name: str, where: str) -> dict:
    state = Session.read(run.home, name, "demo")
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        steps = steps_of(steering, state.edits, run.home.amounts(name))
        return steering.effect(catalogue.match_users(where), steps, 30)


def test_the_young_see_no_horror_and_everybody_else_what_they_saw(demo_run: Run) -> None:
    example = next(one for one in examples() if one.name == "less-horror-for-the-young")
    onto(demo_run, example, "young")
    young = effect_of(demo_run, "young", "age_band = 'under 18'")
    assert young["before"]["concept_shares"]["Horror"] > 0.02
    assert young["after"]["concept_shares"]["Horror"] == 0
    assert effect_of(demo_run, "young", "age_band <> 'under 18'")["collateral"]["lists_changed"] == 0


def test_half_of_the_comedy_fans_see_the_western(demo_run: Run) -> None:
    example = next(one for one in examples() if one.name == "westerns-for-comedy-fans")
    onto(demo_run, example, "western")
    effect = effect_of(demo_run, "western", "share('Comedy') >= 0.4")
    users = effect["collateral"]["users"]
    before, after = (effect[arm]["reach"]["edited_items"][0]["users"] / users for arm in ("before", "after"))
    assert before < 0.5
    assert after == pytest.approx(0.5, abs=0.01)


def test_a_concept_without_a_neuron_is_one_sentence_and_nothing_is_written(demo_run: Run, tmp_path: Path) -> None:
    lines = [
        json.loads(line) for line in (content("sessions") / "out-of-the-popular-head.jsonl").read_text().splitlines()
    ]
    lines[-2]["edit"]["concept"] = "Musical"
    with pytest.raises(SessionError, match="No neuron of run demo stands for Musical"):
        onto(demo_run, Example("x", "x", "demo", lines[1:]), "musical")
    assert not demo_run.home.session("musical").exists()
    with pytest.raises(SessionError, match="exists already"):
        onto(demo_run, examples()[0], examples()[0].name)
    assert tmp_path.exists()
