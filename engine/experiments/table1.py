"""The paper's Table 1: purity of concept neurons for MF and NCF, its cells beside ours, both recipes, several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.comparison import RANDOM
from engine.experiments.published import Cells, published
from engine.experiments.trained import Model, Wanted, trained
from engine.home import Home
from engine.neurons.evidence import DEPTHS
from engine.neurons.standing import (
    READINGS,
    RandomStanding,
    Reading,
    Standing,
    paired_interval,
    panel,
    random_standing,
    standing,
)
from engine.progress import Progress, part
from engine.run import Run
from engine.sae.baselines import baselines
from engine.sae.config import SaeConfig
from engine.sae.model import Side
from engine.sae.training import split_users
from engine.steering.inputs import Ranking, concept_items

PAPER, BEST, BEST_SMALL, BEST_FLAT = "paper", "best", "best, the paper's m", "best, no biases"
BEST_BETA = "best, beta 1"
"""The best recipe is the vanilla autoencoder (beta 0); this one has the prediction loss."""
Spread = tuple[float, float, float]
"""Mean, lowest and highest over seeds."""


@dataclass(frozen=True)
class Row:
    """One concept: the paper's cells, and for each variant ours by depth. None: no such concept, or unknown."""

    name: str
    concept: str
    looser: str | None
    items: int | None
    cap50: float | None
    paper: Cells | None
    impossible: Sequence[int]
    """Depths whose printed cell is no multiple of 1/K."""
    ours: Mapping[str, Mapping[int, Spread] | None]
    ours_looser: Mapping[str, Mapping[int, Spread] | None]


@dataclass(frozen=True)
class Column:
    """One model on one data set."""

    dataset: str
    model: Model
    seeds: Sequence[int]
    rows: Sequence[Row]
    neurons: Mapping[str, int]
    means: Mapping[str, Mapping[Reading, Mapping[int, Spread]]]
    """Over the concepts of the table; variants and, named by variant and method, baselines at equal candidates.

    Of random directions the range is that of 95 % of the draws, mean over seeds; else it is over seeds."""
    filled: Mapping[str, Mapping[int, Spread]]
    """Label-chosen, over the concepts that the paper fills and the data set has; `paper` is their printed mean."""
    paper: Cells
    size: Mapping[str, int]
    """Users, items, and items that are ranked: those with training interactions."""
    met: Mapping[str, tuple[int, int]]
    """How many of the paper's filled cells our mean meets or beats, and how many there are."""
    ahead: Mapping[str, Mapping[Reading, Spread]]
    """Purity@20 of the best recipe less that of a baseline: mean over bases, 95 % interval over concepts."""
    popularity_paper: Cells
    popularity: Mapping[str, Mapping[int, Spread | None]]
    quality: Mapping[str, Mapping[str, Spread | None]]
    """Recommender and fidelity: ndcg10, mpr, rbo, tau, l0_items, l0_users, dead."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def wanted_runs(dataset: str, model: Model, seeds: Sequence[int]) -> dict[str, list[Wanted]]:
    """The runs of each variant."""
    m = published().neurons[published().domain(dataset)]
    found = {
        PAPER: [Wanted(model, "paper", seed) for seed in seeds],
        BEST: [Wanted(model, "best", seed) for seed in seeds],
        BEST_SMALL: [Wanted(model, "best", seed, (("neurons", m),)) for seed in seeds],
        BEST_BETA: [Wanted(model, "best", seed, (("beta", 1.0),)) for seed in seeds],
    }
    if model == "mf":
        found[BEST_FLAT] = [Wanted(model, "best", seed, (), (("bias", False),)) for seed in seeds]
    return found


def column(home: Home, dataset: str, model: Model, seeds: Sequence[int], progress: Progress) -> Column:
    """Train what is missing and measure one column on the concepts of the paper's table."""
    wanted = wanted_runs(dataset, model, seeds)
    total, done = sum(map(len, wanted.values())), 0
    found: dict[str, list[_Measured]] = {}
    for variant, some in wanted.items():
        for one in some:
            own = part(progress, done / total, (done + 1) / total, one.name(dataset))
            found.setdefault(variant, []).append(_measured(trained(home, dataset, one, own)))
            done += 1
    facts, domain = published(), published().domain(dataset)
    rows = []
    for row in facts.table1(domain):
        printed = row.purity(model)
        impossible = [depth for depth in DEPTHS if facts.is_impossible(domain, model, row.name, depth)]
        first = next((c for c in found[BEST][0].strict.concepts if c.concept == row.concept), None)
        rows.append(
            Row(
                row.name,
                row.concept,
                row.looser,
                None if first is None else first.items,
                None if first is None else first.cap[50],
                printed,
                impossible,
                {variant: _cells([one.strict for one in found[variant]], row.concept) for variant in wanted},
                {
                    variant: _cells([one.looser for one in found[variant]], row.looser) if row.looser else None
                    for variant in wanted
                },
            )
        )
    means: dict[str, Mapping[Reading, Mapping[int, Spread]]] = {
        variant: _spreads([one.strict.means for one in found[variant]]) for variant in wanted
    }
    for variant in (PAPER, BEST, BEST_SMALL):
        for name in found[variant][0].baselines:
            means[f"{variant}: {name}"] = _spreads([one.baselines[name] for one in found[variant]])
        means[f"{variant}: {RANDOM}, 95 % of draws"] = _drawn([one.chance for one in found[variant]])
    return Column(
        dataset,
        model,
        list(seeds),
        rows,
        {variant: found[variant][0].strict.candidates for variant in wanted},
        means,
        {variant: _filled([one.strict for one in found[variant]], rows) for variant in wanted},
        _printed(rows),
        {name: int(found[BEST][0].run.manifest[name]) for name in ("users", "items", "ranked_items")},
        {variant: _met(rows, variant) for variant in wanted},
        _ahead(found[BEST]),
        facts.popularity_neuron(domain, model),
        {variant: _popularity([one.strict for one in found[variant]]) for variant in wanted},
        {variant: _quality([one.run for one in found[variant]]) for variant in wanted},
    )


@dataclass(frozen=True)
class _Measured:
    run: Run
    strict: Standing
    looser: Standing
    baselines: Mapping[str, Mapping[Reading, Mapping[int, float]]]
    chance: RandomStanding
    peers: Mapping[str, Mapping[Reading, np.ndarray]]
    """Purity@20 of every concept for each baseline with neurons of its own, and for random directions."""


def _measured(run: Run) -> _Measured:
    facts = published()
    recommender, config = run.recommender, SaeConfig.model_validate(run.manifest["config"]["sae"])
    with run.catalogue() as catalogue:
        ranking = Ranking(catalogue, recommender, run.manifest["recommender"].get("trained_on", "train"))
        eligible, popularity = ranking.candidates.eligible, catalogue.items().popularity
        concepts = concept_items(catalogue, len(recommender.items.ids))
    table = facts.table1(facts.domain(run.manifest["dataset"]))
    strict = panel(concepts, eligible, [row.concept for row in table])
    looser = panel(concepts, eligible, [row.looser for row in table if row.looser])
    z_im = run.sae.encode(recommender.items.vectors, "items")
    known = np.flatnonzero(recommender.users.known)
    trained_on = known[split_users(len(known), config.held_out_users, config.seed)[0]]
    e_nd: dict[Side, np.ndarray] = {
        "users": recommender.users.vectors[trained_on],
        "items": recommender.items.vectors[eligible],
    }
    means: dict[str, Mapping[Reading, Mapping[int, float]]] = {}
    peers: dict[str, Mapping[Reading, np.ndarray]] = {}
    for name, dictionary in baselines(config, run.sae.sides, e_nd).items():
        own = standing(dictionary.encode(recommender.items.vectors, "items"), eligible, strict, popularity, config.seed)
        means[name] = own.means
        peers[name] = {reading: own.purity(reading, 20) for reading in READINGS}
    chance = random_standing(recommender.items.vectors, eligible, strict, config.neurons, config.seed)
    peers[RANDOM] = {
        reading: np.array([chance.by_concept[reading][concept.name] for concept in strict]) for reading in READINGS
    }
    return _Measured(
        run,
        standing(z_im, eligible, strict, popularity, config.seed),
        standing(z_im, eligible, looser, popularity, config.seed),
        means,
        chance,
        peers,
    )


def _cells(found: Sequence[Standing], concept: str | None) -> Mapping[int, Spread] | None:
    rows = [next((c for c in one.concepts if c.concept == concept), None) for one in found]
    if not rows or any(row is None for row in rows):
        return None
    purity = [row.readings["label-chosen"].purity for row in rows if row is not None]
    return {depth: _spread([one[depth] or 0.0 for one in purity]) for depth in DEPTHS}


def _spread(values: Sequence[float]) -> Spread:
    return float(np.mean(values)), float(np.min(values)), float(np.max(values))


def _spreads(
    means: Sequence[Mapping[Reading, Mapping[int, float]]],
) -> dict[Reading, Mapping[int, Spread]]:
    return {
        reading: {depth: _spread([one[reading][depth] for one in means]) for depth in DEPTHS} for reading in READINGS
    }


def _drawn(chance: Sequence[RandomStanding]) -> dict[Reading, Mapping[int, Spread]]:
    """Mean over bases of the mean and of both ends of the range that 95 % of the draws lie in."""
    return {
        reading: {depth: tuple(np.mean([one.means[reading][depth] for one in chance], axis=0)) for depth in DEPTHS}
        for reading in READINGS
    }


def _filled(found: Sequence[Standing], rows: Sequence[Row]) -> Mapping[int, Spread]:
    """Means over the paper's filled rows; a concept that the data set lacks is left out, an unknown purity is 0."""
    names = {row.concept for row in rows if row.paper is not None}
    by_depth = {}
    for depth in DEPTHS:
        means = []
        for one in found:
            purity = [c.readings["label-chosen"].purity[depth] or 0.0 for c in one.concepts if c.concept in names]
            means.append(float(np.mean(purity)) if purity else 0.0)
        by_depth[depth] = _spread(means)
    return by_depth


def _printed(rows: Sequence[Row]) -> Cells:
    """Means of the printed cells over the same rows, impossible ones as printed; 0 without any."""
    cells = [row.paper for row in rows if row.paper is not None and row.items is not None]
    ten, twenty, fifty = np.array(cells, float).reshape(-1, 3).mean(axis=0) if cells else (0.0, 0.0, 0.0)
    return float(ten), float(twenty), float(fifty)


def _met(rows: Sequence[Row], variant: str) -> tuple[int, int]:
    met = filled = 0
    for row in rows:
        own = row.ours[variant]
        for n, depth in enumerate(DEPTHS):
            if row.paper is not None:
                filled += 1
                met += own is not None and own[depth][0] >= row.paper[n] - 1e-9
    return met, filled


def _ahead(found: Sequence[_Measured]) -> dict[str, Mapping[Reading, Spread]]:
    return {
        name: {
            reading: paired_interval(
                np.stack([one.strict.purity(reading, 20) for one in found], axis=1),
                np.stack([one.peers[name][reading] for one in found], axis=1),
            )
            for reading in READINGS
        }
        for name in found[0].peers
    }


def _popularity(found: Sequence[Standing]) -> dict[int, Spread | None]:
    result: dict[int, Spread | None] = {}
    for depth in DEPTHS:
        values = [one.popularity[depth] for one in found]
        known = [value for value in values if value is not None]
        result[depth] = _spread(known) if len(known) == len(values) else None
    return result


def _quality(found: Sequence[Run]) -> dict[str, Spread | None]:
    rows = []
    for run in found:
        metrics, fidelity = run.manifest["recommender"]["metrics"], run.manifest["fidelity"]
        rows.append(
            {
                "ndcg10": metrics["ndcg10"],
                "mpr": metrics["mpr"],
                **{key: fidelity[key] for key in ("rbo", "tau", "ndcg_kept", "l0_items", "l0_users")},
                "dead": float(sum(neuron.dead for neuron in run.neurons)),
            }
        )
    return {
        key: None if any(row[key] is None for row in rows) else _spread([row[key] for row in rows]) for key in rows[0]
    }
