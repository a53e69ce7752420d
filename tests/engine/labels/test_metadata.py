import math

import pytest

from engine.labels.metadata import metadata_label


@pytest.mark.parametrize("q", [None, 0.0, 0.05])
def test_a_concept_beyond_chance_names_the_neuron(q: float | None) -> None:
    label = metadata_label("Horror", q)
    assert (label.text, label.state, label.concept) == ("Horror", "metadata", "Horror")
    assert label.time.endswith("Z")


@pytest.mark.parametrize(("concept", "q"), [("Horror", 0.051), ("Horror", math.nan), (None, 0.0), (None, None)])
def test_without_such_a_concept_the_neuron_is_said_to_have_none(concept: str | None, q: float | None) -> None:
    label = metadata_label(concept, q)
    assert (label.text, label.state, label.concept) == ("no coherent concept", "metadata", None)


def test_the_threshold_can_be_set() -> None:
    assert metadata_label("Horror", 0.15, max_q=0.2).concept == "Horror"
