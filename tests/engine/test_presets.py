"""The settings that nobody gave: they fit those that somebody did."""

import pytest

from engine.errors import RunError
from engine.presets import fit_notes, fitted, sae_recipe
from engine.train import TrainConfig

USUAL = {"neurons": 40, "k_items": 8, "k_users": 10}


@pytest.mark.parametrize(
    ("given", "k", "told"),
    [
        ({}, (8, 10), None),
        ({"neurons": 11}, (8, 10), None),
        ({"neurons": 10}, (8, 5), "Too few neurons (10) for the usual sae.k_users (10): lowered to 5."),
        ({"neurons": 5}, (2, 2), "the usual sae.k_items (8) and sae.k_users (10): lowered to 2."),
        ({"neurons": 5, "k_items": 4}, (4, 2), "sae.k_users (10)"),
        ({"neurons": 1}, (1, 1), "lowered to 1"),
        ({"neurons": 5, "k_items": 1, "k_users": 5}, (1, 5), None),
    ],
)
def test_a_usual_k_is_lowered_for_few_neurons_and_a_given_one_stays(given: dict, k: tuple, told: str | None) -> None:
    found, notes = fitted(USUAL, given), fit_notes(USUAL, given)
    assert (found["k_items"], found["k_users"]) == k
    assert len(notes) == (told is not None)
    assert told is None or told in notes[0]
    config = TrainConfig.of({"recommender": {"d": 20}, "sae": given}, "any", 10, 10, 10).sae
    assert (config.k_items, config.k_users) == k


def test_without_k_there_is_nothing_to_tell_and_a_k_that_was_given_is_refused() -> None:
    assert fit_notes(USUAL, {"neurons": 5, "variant": "relu"}) == []
    assert fit_notes(sae_recipe({"recipe": "paper"}, "any", 20, "dot"), {"neurons": 5}) == []
    with pytest.raises(RunError, match="cannot exceed neurons"):
        TrainConfig.of({"sae": {"neurons": 5, "k_items": 8}}, "any", 10, 10, 10)
