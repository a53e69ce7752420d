"""Labels for the neurons of a run: its evidence, and the labeller's answers as they come."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.errors import LabelError
from engine.labels.evidence import Evidence, evidence_for
from engine.labels.llm import failed, label_neurons, settings
from engine.progress import Progress
from engine.run import Run
from engine.session import Label

EVIDENCE_SEED = 0


def evidence_of(run: Run, neurons: Sequence[int]) -> list[Evidence]:
    """What the labeller is shown of each neuron: top items and items that do not activate it, metadata only."""
    for number in neurons:
        run.neuron(number)
    z_im = run.sae.encode(run.recommender.items.vectors, "items")
    details = [detail.split("|") if detail else [] for detail in run.texts["detail"]]
    return [
        evidence_for(
            number,
            z_im[:, number],
            run.texts["title"],
            details,
            run.screen["ranked"],
            np.random.default_rng([EVIDENCE_SEED, number]),
        )
        for number in neurons
    ]


def label_run(
    run: Run,
    neurons: Sequence[int],
    model: str | None,
    base_url: str | None,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[tuple[int, Label]]:
    """Ask the language model for a label of each neuron, and give each as it comes.

    A failure is a label with the state "failed" and its reason, and so is a missing key or model name.
    """
    evidence = evidence_of(run, neurons)
    try:
        chosen = settings(model, base_url)
    except LabelError as error:
        for number in neurons:
            yield number, failed(str(error))
        return
    names = [concept.concept for concept in run.reach]
    yield from label_neurons(evidence, chosen, names, progress, cancelled)
