"""`monoscope reproduce`: the paper's tables and figures from this data set, ours beside the published ones."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.errors import CatalogueError
from engine.experiments import dose_response, steering_table, tables
from engine.experiments.ablation import Curve, ablation
from engine.experiments.drawing import Picture
from engine.experiments.figures import (
    ConceptProfile,
    DecadeProfile,
    NeuronProfile,
    TagCounts,
    figure2,
    figure3,
    matryoshka,
)
from engine.experiments.frontier import MEASURES as DRAWN
from engine.experiments.frontier import BetaCurve, figure4
from engine.experiments.interventions import FIGURE5, INTERVENTIONS, Case, Outcome, outcomes, tellable
from engine.experiments.matryoshka import by_level, trends
from engine.experiments.pace import minutes
from engine.experiments.published import published
from engine.experiments.table1 import column, wanted_runs
from engine.experiments.trained import Model, Wanted, plan, trained
from engine.home import Home, make_folder, write_whole
from engine.neurons.profile import concept_means, decade_shares, most_active, purest_neurons
from engine.neurons.standing import panel
from engine.neurons.table import ConceptItems
from engine.progress import Progress, part, silent
from engine.run import Run
from engine.steering.inputs import Ranking, concept_items

FIGURE2 = {"films": (("Children's", "Horror"), ("Sci-Fi", "Comedy")), "music": (("metal", "jazz"), ("electronic",))}
"""Concepts whose items are averaged over, and concepts whose purest neuron is shown; the paper's, where it has some."""
FIGURE3_NEURONS, TAGS_SHOWN = 4, 12
RECIPES: tuple[Literal["best", "paper"], ...] = ("best", "paper")
NESTED: tuple[tuple[Literal["best", "paper"], str], ...] = (("best", "random"), ("best", "ica"), ("paper", "random"))
"""Recipes and starts of the Matryoshka dictionaries; ICA is the best recipe's own."""


NOT_PRINTED = "The paper has a picture alone here and prints no figure to set ours beside."


@dataclass(frozen=True)
class Reproduced:
    """One table or figure: facts for programs, words, and pictures."""

    name: str
    facts: Mapping[str, Any]
    markdown: str
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Order:
    """What is to be made: the data set, the models and the seeds of their bases."""

    home: Home
    dataset: str
    models: Sequence[Model]
    seeds: Sequence[int]
    with_users: bool = False
    """Whether groups of fewer than `SEGMENT_MINIMUM` users are told of."""

    @property
    def folder(self) -> Path:
        """Where results are kept."""
        return self.home.root / "reproductions" / self.dataset


def wanted(order: Order, what: str) -> list[Wanted]:
    """The runs that one of `MAKERS` is made of."""
    if what == "table1":
        variants = [wanted_runs(order.dataset, model, order.seeds) for model in order.models]
        return [one for found in variants for some in found.values() for one in some]
    if what == "matryoshka":
        return _nested(order)
    if what in ("figure4", "figure5", "interventions"):
        return [Wanted(model, "best", order.seeds[0]) for model in order.models]
    if what == "steering":
        return [Wanted(model, "best", seed) for model in order.models for seed in order.seeds]
    return _shown(order)


def needed(order: Order, what: str) -> str:
    """What has to be trained first, in a sentence, with about how long it takes."""
    said = plan(order.home, order.dataset, wanted(order, what)).sentence()
    if what == "figure4":
        trainings = 2 * len(published().figure4.beta) * len(order.seeds) * len(order.models)
        said += f" Then {trainings} autoencoders, some ten seconds each for MF and a minute for NCF."
    elif what == "steering":
        seconds = steering_table.seconds(order.dataset, order.models, len(order.seeds))
        said += f" Then about {minutes(seconds)} of steering."
    return said


def reproduce(order: Order, what: str, progress: Progress = silent) -> Reproduced:
    """Make one of `MAKERS`; train what is missing. Raises `CatalogueError` for a data set the paper says nothing of."""
    published().domain(order.dataset)
    return MAKERS[what](order, progress)


def write(result: Reproduced, folder: Path) -> list[Path]:
    """Write NAME.json, NAME.md and each picture as SVG and PNG; returns what was written."""
    make_folder(folder)
    files: dict[str, str | bytes] = {
        f"{result.name}.json": json.dumps(result.facts, indent=1, ensure_ascii=False) + "\n",
        f"{result.name}.md": result.markdown,
    }
    for drawn in result.pictures:
        files |= {f"{drawn.name}.svg": drawn.svg, f"{drawn.name}.png": drawn.png}
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


def _table1(order: Order, progress: Progress) -> Reproduced:
    own = {}
    for number, model in enumerate(order.models):
        share = part(progress, number / len(order.models), (number + 1) / len(order.models), model)
        own[model] = column(order.home, order.dataset, model, order.seeds, share).as_dict()
    # As JSON has it, so that fresh columns and those of earlier runs are alike.
    fresh = json.loads(json.dumps(own))
    columns = {(order.dataset, model): fresh[model] for model in fresh}
    for path in sorted((order.home.root / "reproductions").glob("*/table1.json")):
        for stored in json.loads(path.read_text())["columns"]:
            columns.setdefault((stored["dataset"], stored["model"]), stored)
    facts = {"dataset": order.dataset, "columns": [one for (name, _), one in columns.items() if name == order.dataset]}
    return Reproduced("table1", facts, tables.table1(columns))


def _shown(order: Order) -> list[Wanted]:
    """The runs of Figures 2 and 3: every model by both recipes, on its first base."""
    return [Wanted(model, recipe, order.seeds[0]) for model in order.models for recipe in RECIPES]


def _figure2(order: Order, progress: Progress) -> Reproduced:
    across, within = FIGURE2[published().domain(order.dataset)]
    words = f"Mean activations and tags, each beside the catalogue's mean. {NOT_PRINTED}"
    return _pictured("figure2", order, lambda _, loaded: _activations(loaded, across, within), words, progress)


def _activations(loaded: "_Loaded", across: Sequence[str], within: Sequence[str]) -> Picture:
    names = [concept.name for concept in loaded.panel]
    means, catalogue = concept_means(loaded.z_im, loaded.eligible, np.array([c.member for c in loaded.panel]))
    profiles = [ConceptProfile(name, means[names.index(name)], catalogue) for name in across if name in names]
    chosen = [(name, loaded.purest(name)) for name in within if name in names]
    neurons = [NeuronProfile(j, name, names, means[:, j], float(catalogue[j])) for name, j in chosen]
    tagged = []
    for name, j in chosen:
        top = most_active(loaded.z_im[:, j], loaded.eligible, 50)
        counts = np.array([int(concept.member[top].sum()) for concept in loaded.panel])
        base = np.array([float(concept.member[loaded.eligible].mean()) for concept in loaded.panel])
        order_ = np.argsort(-counts, kind="stable")[:TAGS_SHOWN]
        tagged.append(
            TagCounts(
                j,
                name,
                len(top),
                [names[n] for n in order_],
                [int(counts[n]) for n in order_],
                [float(base[n] * len(top)) for n in order_],
            )
        )
    return figure2(profiles, neurons, tagged)


def _figure3(order: Order, progress: Progress) -> Reproduced:
    words = f"The {FIGURE3_NEURONS} neurons furthest from the catalogue in some decade, top 200 items. {NOT_PRINTED}"
    return _pictured("figure3", order, _decades, words, progress)


def _decades(run: Run, loaded: "_Loaded") -> Picture | None:
    profiles = []
    for neuron in run.neurons:
        decades = decade_shares(loaded.z_im[:, neuron.neuron], loaded.eligible, loaded.year)
        strongest = max((decade.share - decade.catalogue for decade in decades), default=0.0)
        profiles.append((strongest, DecadeProfile(neuron.neuron, neuron.named_by, decades)))
    if not any(profile.decades for _, profile in profiles):
        return None
    chosen = sorted(profiles, key=lambda pair: -pair[0])[:FIGURE3_NEURONS]
    return figure3([profile for _, profile in chosen])


def _figure4(order: Order, progress: Progress) -> Reproduced:
    found = ablation(order.home, order.dataset, order.models, order.seeds, progress)
    facts = published().figure4
    pictures = []
    for model in order.models:
        curves = [_curve(one) for one in found.curves if one.model == model]
        drawn = figure4(model, curves, facts if found.paper else None)
        pictures.append(replace(drawn, name=f"figure4-{model}"))
    return Reproduced("figure4", found.as_dict(), tables.figure4(found), pictures)


def _curve(curve: Curve) -> BetaCurve:
    name = f"L0 {curve.sparsity} ({tables.RECIPES[curve.recipe]})"
    measured = {
        key: np.array([[np.nan if value is None else value for value in row] for row in rows], float)
        for key, rows in curve.measures.items()
        if key in DRAWN
    }
    return BetaCurve(name, curve.beta, measured)


def _nested(order: Order) -> list[Wanted]:
    """Nested dictionaries of every model, recipe and start, and as a control flat ones."""
    return [
        Wanted(model, recipe, order.seeds[0], (("levels", levels), ("start", start)))
        for model in order.models
        for recipe, start in NESTED
        for levels in (4, 1)
    ]


def _matryoshka(order: Order, progress: Progress) -> Reproduced:
    """Nested dictionaries, and flat ones cut into quarters by number."""
    facts: dict[str, Any] = {"dataset": order.dataset, "models": {model: {} for model in order.models}}
    pictures, words = [], []
    asked = _nested(order)
    for number, one in enumerate(asked):
        nested, start = one.sae[0][1] == 4, one.sae[1][1]
        kind = f"{tables.RECIPES[one.recipe]}, {start} start" + ("" if nested else ", flat, cut into quarters")
        share = part(progress, number / len(asked), (number + 1) / len(asked), f"{one.model}, {kind}")
        run = trained(order.home, order.dataset, one, share)
        loaded = _Loaded.of(run)
        m = run.sae.neurons
        kinds = [concept for concept in loaded.concepts if concept.kind in ("genre", "tag")]
        ends = run.sae.levels or tuple(round(m * quarter / 4) for quarter in range(1, 5))
        levels = by_level(loaded.z_im, loaded.z_um, loaded.popularity, loaded.eligible, kinds, ends)
        gone = trends(levels, order.seeds[0])
        drawn = matryoshka(levels, gone)
        if nested:
            pictures.append(replace(drawn, name=f"matryoshka-{one.model}-{one.recipe}-{start}"))
        facts["models"][one.model][f"{one.recipe}, {start}" + ("" if nested else ", flat")] = {
            "run": run.name,
            "rows": [dict(zip(drawn.columns, row, strict=True)) for row in drawn.rows],
            "trends": {key: vars(trend) for key, trend in gone.items()},
            "fidelity": run.manifest["fidelity"],
        }
        words.append(tables.matryoshka(f"{tables.NAMES[one.model]}, {kind}", run.name, levels, gone))
    return Reproduced("matryoshka", facts, "# Matryoshka levels\n\n" + "\n".join(words), pictures)


@dataclass(frozen=True)
class _Loaded:
    """A run's codes beside its catalogue."""

    z_im: np.ndarray
    z_um: np.ndarray
    eligible: np.ndarray
    popularity: np.ndarray
    year: np.ndarray
    concepts: Sequence[ConceptItems]
    panel: Sequence[ConceptItems]

    @classmethod
    def of(cls, run: Run) -> "_Loaded":
        recommender = run.recommender
        with run.catalogue() as catalogue:
            items = catalogue.items()
            concepts = concept_items(catalogue, len(items.item_id))
            eligible = Ranking(catalogue, recommender).candidates.eligible
        return cls(
            run.sae.encode(recommender.items.vectors, "items"),
            run.sae.encode(recommender.users.vectors[recommender.users.known], "users"),
            eligible,
            items.popularity,
            items.year,
            concepts,
            panel([concept for concept in concepts if concept.kind in ("genre", "tag")], eligible),
        )

    def purest(self, name: str) -> int:
        """The neuron whose 20 most active items carry a concept most, the most selective of several."""
        member = next(concept.member for concept in self.panel if concept.name == name)
        (found,) = purest_neurons(self.z_im, self.eligible, member[None])
        return found.neuron


def _pictured(
    name: str, order: Order, draw: Callable[[Run, _Loaded], Picture | None], words: str, progress: Progress
) -> Reproduced:
    """One picture for each run of `_shown`; None from `draw`: the data set has no years."""
    title, drawings, pictures, said = name.replace("figure", "Figure "), [], [], []
    shown = _shown(order)
    for number, one in enumerate(shown):
        kind = f"{tables.NAMES[one.model]}, {tables.RECIPES[one.recipe]}"
        share = part(progress, number / len(shown), (number + 1) / len(shown), kind)
        run = trained(order.home, order.dataset, one, share)
        drawn = draw(run, _Loaded.of(run))
        if drawn is None:
            text = f"# {title}\n\n{order.dataset} has no years, so no decades.\n"
            return Reproduced(name, {"dataset": order.dataset, "known": False}, text)
        rows = [dict(zip(drawn.columns, row, strict=True)) for row in drawn.rows]
        drawings.append({"model": one.model, "recipe": one.recipe, "run": run.name, "rows": rows})
        pictures.append(replace(drawn, name=f"{name}-{one.model}-{one.recipe}"))
        said.append(f"## {kind} (run {run.name})\n\n![{drawn.alt}]({pictures[-1].name}.svg)\n\n{drawn.markdown()}")
    facts = {"dataset": order.dataset, "drawings": drawings}
    return Reproduced(name, facts, "\n".join([f"# {title}\n\n{words}\n", *said]), pictures)


def _interventions(order: Order, progress: Progress) -> Reproduced:
    cases = INTERVENTIONS[published().domain(order.dataset)]
    return _dosed("interventions", "Interventions, dose by dose", cases, order, progress)


def _figure5(order: Order, progress: Progress) -> Reproduced:
    if published().domain(order.dataset) != "music":
        raise CatalogueError(
            f"Figure 5 is about music and {order.dataset} has films; `reproduce interventions` has those of films."
        )
    return _dosed("figure5", "Figure 5: an artist promoted to three audiences", FIGURE5, order, progress)


def _dosed(name: str, title: str, cases: Sequence[Case], order: Order, progress: Progress) -> Reproduced:
    found: list[Outcome] = []
    runs: dict[str, str] = {}
    for number, model in enumerate(order.models):
        share = part(progress, number / len(order.models), (number + 1) / len(order.models), model)
        run, own = outcomes(order.home, order.dataset, model, cases, order.seeds[0], share)
        runs[model] = run.name
        found += own if order.with_users else [tellable(one) for one in own]
    facts = {"dataset": order.dataset, "runs": runs, "cases": [one.as_dict() for one in found]}
    drawn = dose_response.pictures("interventions-" if name == "interventions" else "figure5-", found)
    return Reproduced(name, facts, dose_response.tables(title, order.dataset, list(runs.values()), found), drawn)


def _steering(order: Order, progress: Progress) -> Reproduced:
    kept = order.folder / "steering-cells"
    by_model: dict[str, Sequence[steering_table.Cell]] = {}
    for number, model in enumerate(order.models):
        share = part(progress, number / len(order.models), (number + 1) / len(order.models), model)
        by_model[model] = steering_table.measure(order.home, order.dataset, model, order.seeds, kept, share)
    found = {"dataset": order.dataset, "models": steering_table.facts(by_model)}
    return Reproduced("steering", found, steering_table.markdown(order.dataset, by_model))


MAKERS: dict[str, Callable[[Order, Progress], Reproduced]] = {
    "table1": _table1,
    "figure2": _figure2,
    "figure3": _figure3,
    "figure4": _figure4,
    "figure5": _figure5,
    "interventions": _interventions,
    "matryoshka": _matryoshka,
    "steering": _steering,
}
