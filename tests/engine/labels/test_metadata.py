from engine.labels.metadata import NO_CONCEPT, metadata_label


def test_a_concept_that_names_a_neuron_is_its_label() -> None:
    label = metadata_label("80's Horror")
    assert (label.text, label.state, label.concept) == ("80's Horror", "metadata", "80's Horror")


def test_a_neuron_that_no_concept_names_is_said_to_have_none() -> None:
    label = metadata_label(None)
    assert (label.text, label.state, label.concept) == (NO_CONCEPT, "metadata", None)
