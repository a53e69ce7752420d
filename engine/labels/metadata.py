"""The offline labeller: a neuron is named by its best concept, or by nothing."""

from engine.session import Label, now

MAX_Q = 0.05
"""A concept names a neuron up to this q: at most one in twenty such names is expected to be chance."""
NO_CONCEPT = "no coherent concept"


def metadata_label(concept: str | None, q: float | None = None, max_q: float = MAX_Q) -> Label:
    """A label with the state "metadata" from a neuron's best concept.

    `q` is the concept's false-discovery-corrected p-value (nan if unknown): above `max_q` the concept is no
    name. Without `q` the caller vouches for the concept; None for the concept means that there is none.
    """
    if concept is not None and (q is None or q <= max_q):
        return Label(concept, "metadata", concept=concept, time=now())
    return Label(NO_CONCEPT, "metadata", time=now())
