"""Which concept a neuron's top 20 items carry most, beside the one that they are most surprising for."""

import numpy as np

from engine.labels.resolve import JOINT
from engine.neurons.table import CHOICE_DEPTH, NAMED_LIFT
from engine.run import Run


def is_purest(run: Run, neuron: int, concept: str | None, purity20: float | None) -> bool | None:
    """Whether no concept at twice its base rate and more has a higher purity@20 than the label's own, of `purity20`.

    Ties count. A joint concept is as rare as its parts or rarer, so that its purity alone decides. None where the
    label names no concept, or its purity is not known.
    """
    if concept is None or purity20 is None or not run.reach:
        return None
    share = run.screen[f"hits{CHOICE_DEPTH}"][neuron] / CHOICE_DEPTH
    base = np.array([entry.base_rate for entry in run.reach])
    told = (share > 0) & (share >= NAMED_LIFT * base)
    names = [entry.concept for entry in run.reach]
    highest = float(share[told].max(initial=0.0))
    if concept in names:
        return bool(told[names.index(concept)]) and purity20 >= highest
    return JOINT in concept and purity20 > 0 and purity20 >= highest
