"""The offline labeller: a neuron is named by its best concept, or by nothing."""

from engine.session import Label, now

NO_CONCEPT = "no coherent concept"


def metadata_label(concept: str | None) -> Label:
    """A label with the state "metadata" from the concept that names a neuron; None where none does."""
    return Label(concept or NO_CONCEPT, "metadata", concept=concept, time=now())
