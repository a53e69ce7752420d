"""The paper's Figure 4: what the weight of the prediction loss buys, with sparsity left free and with it held equal.

Under soft penalties a larger beta makes codes denser, and denser codes keep more of the recommender whatever the loss.
So the figure is drawn twice over one frozen base: as the paper has it (ReLU, L1 and KL: L0 moves with beta), and with
the number of active neurons fixed (BatchTopK), where a gain can only come from the loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from engine.experiments.protocol import Protocol, both_ways
from engine.experiments.published import Fidelity, published
from engine.experiments.sweep import Trial, sweep
from engine.experiments.trained import Model, Wanted, trained
from engine.home import Home
from engine.progress import Progress, part
from engine.run import Run

Sparsity = Literal["free", "matched"]
MEASURES = (
    "rbo",
    "tau",
    "monosemanticity",
    "monosemanticity_independent",
    "l0_items",
    "l0_users",
    "dead",
    "purity20",
)


@dataclass(frozen=True)
class Curve:
    """One model with one sparsity: each measure as seeds of the autoencoder × betas; None is unknown."""

    model: Model
    sparsity: Sparsity
    recipe: str
    base: str
    seeds: Sequence[int]
    beta: Sequence[float]
    measures: Mapping[str, Sequence[Sequence[float | None]]]


@dataclass(frozen=True)
class Ablation:
    """Figure 4 for one data set; `paper` holds the published points for films, with their protocol."""

    dataset: str
    curves: Sequence[Curve]
    paper_beta: Sequence[float]
    paper: Mapping[str, Fidelity]
    protocol: Mapping[str, Protocol]
    """By model: the base's own lists measured our way and the paper's; empty without published points."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "paper": {model: one.model_dump() for model, one in self.paper.items()}}


def ablation(home: Home, dataset: str, models: Sequence[Model], seeds: Sequence[int], progress: Progress) -> Ablation:
    """Sweep beta over the best recipe's first base of each model; trains that base if it is missing."""
    facts = published()
    jobs: list[tuple[Model, Sparsity]] = [(m, sparsity) for m in models for sparsity in get_args(Sparsity)]
    films = facts.domain(dataset) == "films"
    curves: list[Curve] = []
    protocol: dict[str, Protocol] = {}
    for number, (model, sparsity) in enumerate(jobs):
        own = part(progress, number / len(jobs), (number + 1) / len(jobs), f"{model}, {sparsity} L0")
        base = trained(home, dataset, Wanted(model, "best", seeds[0]), part(own, 0, 0.2, "base"))
        if films and model not in protocol and (both := both_ways(base, facts.figure4.of(model))) is not None:
            protocol[model] = both
        recipe = "paper" if sparsity == "free" else "best"
        curves.append(_curve(home, base, model, sparsity, recipe, seeds, part(own, 0.2, 1, "sweep")))
    paper: dict[str, Fidelity] = {model: facts.figure4.of(model) for model in models} if films else {}
    return Ablation(dataset, curves, facts.figure4.beta, paper, protocol)


def _curve(
    home: Home,
    base: Run,
    model: Model,
    sparsity: Sparsity,
    recipe: str,
    seeds: Sequence[int],
    progress: Progress,
) -> Curve:
    axes = {"sae.beta": [float(beta) for beta in published().figure4.beta]}
    found: list[Sequence[Trial]] = []
    for number, seed in enumerate(seeds):
        values = {"recipe": recipe, "sae": {"seed": seed}}
        own = part(progress, number / len(seeds), (number + 1) / len(seeds), f"seed {seed}")
        found.append(sweep(home, base, values, axes, None, own).trials)
    measures = {name: [[value(trial)[name] for trial in trials] for trials in found] for name in MEASURES}
    return Curve(model, sparsity, recipe, base.name, list(seeds), axes["sae.beta"], measures)


def value(trial: Trial) -> dict[str, float | None]:
    """The measures of one trial; monosemanticity over both halves of the items."""
    return {
        "rbo": trial.rbo,
        "tau": trial.tau,
        "monosemanticity": _mean(trial.monosemanticity),
        "monosemanticity_independent": _mean(trial.monosemanticity_independent),
        "l0_items": trial.l0_items,
        "l0_users": trial.l0_users,
        "dead": float(trial.dead),
        "purity20": trial.purity["split-half"][20] if trial.purity else None,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
