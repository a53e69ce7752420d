"""The figures of one run: what the paper shows of its models, drawn from this run's own neurons, sweeps and edits."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import opening
from engine.experiments.drawing import BLUE, FAINT, INK, SKY, VERMILION, Picture, Value, grid, picture, shortened
from engine.experiments.figures import ConceptProfile, DecadeProfile, NeuronProfile, figure2, figure3
from engine.experiments.frontier import MEASURES, MODEL_NAMES, BetaCurve, Tradeoff, figure4, pareto
from engine.neurons.profile import concept_means, decade_shares, purest_neurons
from engine.neurons.standing import panel, random_ranges
from engine.report.doses import DoseCurve, Doses
from engine.report.effects import K
from engine.report.wording import percent
from engine.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from matplotlib.figure import SubFigure

    from engine.inspector import Inspector

NARROW = 5.6
"""Inches: what a phone shows whole."""
PROFILES, DECADES, PANEL = 2, 4, 30
"""Concepts and neurons of the profiles, neurons of the decades, concepts of the comparison."""
HALF = 0.5
"""Purity from which on a neuron can be shown as a concept's."""
READING, DEPTH = "split-half", "20"


@dataclass(frozen=True)
class Figure:
    """A figure of the report, or why there is none."""

    id: str
    title: str
    meaning: str
    """What to look for, in a sentence or two."""
    picture: Picture | None
    reason: str | None = None


Names = Mapping[int, str | None]
"""What the report calls each neuron: the session's label, or the concept that names it."""


def figures(
    inspector: "Inspector",
    names: Names,
    doses: Doses,
    unknown_doses: str | None,
    told: Callable[[str], None],
) -> list[Figure]:
    """Every figure of the report in its order; `told` hears which is being drawn."""
    drawn = []
    for name, make in _FIGURES.items():
        told(name)
        drawn.append(make(inspector, names))
    told("doses")
    return [*drawn, _doses(doses, unknown_doses)]


def _comparison(inspector: "Inspector", _names: Names) -> Figure:
    title, compared = "Are the neurons purer than random directions?", inspector.run.manifest.get("comparison")
    concepts = [] if not compared else [one for one in compared["concepts"] if one["concept"] in compared["panel"]]
    means = {} if not compared else compared["random"]["by_concept"].get(READING, {})
    ranges = _random_ranges(inspector) if concepts else {}
    standing = [_standing(one, means.get(one["concept"]), ranges.get(one["concept"])) for one in concepts]
    known = [row for row in standing if row[1] is not None]
    rows = sorted(known, key=lambda row: (-float(row[1] or 0), str(row[0])))[:PANEL]
    meaning = _comparison_words(inspector, rows)
    if not rows:
        reason = "this run was not compared with baselines, or its data set has no concept with enough items"
        return Figure("comparison", title, meaning, None, reason)

    def draw(canvas: "Canvas") -> None:
        axes, at = canvas.add_subplot(), range(len(rows))
        for y, row in enumerate(rows):
            purity, base, chance, low, high = (None if value is None else float(value) for value in row[1:])
            if low is not None and high is not None:
                axes.plot([low, high], [y, y], color=SKY, linewidth=4, solid_capstyle="butt")
            axes.plot([base or 0.0], [y], "|", color=FAINT, markersize=8, label="base rate" if y == 0 else "_")
            if chance is not None:
                axes.plot([chance], [y], "D", color=FAINT, markersize=5, markerfacecolor="white")
            axes.plot([purity or 0.0], [y], "o", color=BLUE, markersize=6, label="neuron" if y == 0 else "_")
        axes.plot([], [], "D", color=FAINT, markerfacecolor="white", label="random directions, mean")
        if ranges:
            axes.plot([], [], color=SKY, linewidth=4, label="random directions, 95 of 100 sets")
        axes.set_yticks(at, [shortened(str(row[0]), 20) for row in rows])
        axes.set(xlabel=f"purity@{DEPTH}, {READING}", xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6))
        axes.tick_params(axis="y", length=0)
        grid(axes, "x")
        canvas.legend(loc="outside lower left", ncols=2)

    columns = ("concept", "neuron", "base rate", "random directions, mean", "2.5th percentile", "97.5th percentile")
    alt = f"Purity@{DEPTH} of {len(rows)} concepts. {_beyond(rows)}"
    drawn = picture("comparison", 1.3 + 0.2 * len(rows), draw, alt, columns, rows, NARROW)
    return Figure("comparison", title, meaning, drawn)


def _comparison_words(inspector: "Inspector", rows: Sequence[tuple[Value, ...]]) -> str:
    told = opening.figures(inspector.run)
    return (
        "A dot is the share of the 20 most active items that carry the concept, for the neuron that was chosen on the "
        "other half of the items. As many random directions of the same vectors are chosen from in the same way: the "
        "diamond is what they reach on average, the bar what 95 of 100 sets of them reach; the tick is what any items "
        f"would. {_beyond(rows)} Taken one by one, each beside the best concept of a single random direction, "
        f"{told['beyond_chance']} of the {told['named']} neurons that a concept names are clearly purer than random "
        f"(q below {opening.RARE_Q})."
    )


def _beyond(rows: Sequence[tuple[Value, ...]]) -> str:
    """How many neurons are purer than nearly all random sets, or why that is not known."""
    ranged = [(float(row[1] or 0), float(row[5])) for row in rows if row[5] is not None]
    if not ranged:
        return "The bar is not drawn: it takes the data set, which is not here."
    better = sum(purity > high for purity, high in ranged)
    return f"{better} of {len(ranged)} dots lie beyond the bar; one within it is what chance gives too."


def _random_ranges(inspector: "Inspector") -> dict[str, tuple[float, float]]:
    """By concept; empty without the data set. A run keeps the mean alone."""
    if inspector.joined is None:
        return {}
    run, compared = inspector.run, inspector.run.manifest["comparison"]
    among = panel(inspector.joined.concepts, inspector.eligible, compared["panel"])
    sets, seed = compared["random"], int(run.manifest["config"]["sae"]["seed"])
    vectors = run.recommender.items.vectors
    return random_ranges(vectors, inspector.eligible, among, sets["candidates"], seed, sets["draws"])


def _standing(concept: Mapping[str, Any], chance: float | None, span: tuple[float, float] | None) -> tuple[Value, ...]:
    purity = concept["readings"][READING]["purity"][DEPTH]
    return concept["concept"], purity, concept["base_rate"], chance, *(span or (None, None))


def _profiles(inspector: "Inspector", names: Names) -> Figure:
    title = "Concepts across neurons, and neurons across concepts"
    meaning = (
        "Above, how active every neuron is on the items of one concept; below, how active one neuron is on the items "
        "of every concept; the line is the mean over the whole catalogue. The neurons are the purest of their concepts "
        "(by their 20 most active items); one that stands for its concept alone has it first, well above the line (the "
        "paper's Figure 2). The largest bar is orange: over all items of a concept it can be another neuron's."
    )
    joined = inspector.joined
    among = [] if joined is None else panel(joined.concepts, inspector.eligible)
    if not among:
        return Figure("profiles", title, meaning, None, inspector.missing or "no concept has enough items")
    panelled = [concept.name for concept in among]
    means, catalogue = concept_means(inspector.z_im, inspector.eligible, np.array([one.member for one in among]))
    purest = purest_neurons(inspector.z_im, inspector.eligible, np.array([one.member for one in among]))
    order = sorted(range(len(among)), key=lambda c: (-purest[c].purity, -purest[c].lift, panelled[c]))
    # A neuron that is the purest of several concepts is drawn for the one that it is the most selective of.
    first = list({purest[c].neuron: c for c in reversed(order) if purest[c].purity >= HALF}.values())[::-1][:PROFILES]
    if not first:
        return Figure("profiles", title, meaning, None, "no neuron stands for a genre, tag or era")
    concepts = [ConceptProfile(panelled[c], means[c], catalogue) for c in first]
    shown = [purest[c].neuron for c in first]
    neurons = [NeuronProfile(j, names.get(j), panelled, means[:, j], float(catalogue[j])) for j in shown]
    return Figure("profiles", title, meaning, replace(figure2(concepts, neurons), name="profiles"))


def _decades(inspector: "Inspector", names: Names) -> Figure:
    title = "Decades of the most active items"
    meaning = (
        "Of each neuron's 200 most active items, how many are from which decade, beside what any 200 items of the "
        "catalogue would have; the neurons furthest from it (the paper's Figure 3)."
    )
    joined = inspector.joined
    if joined is None:
        return Figure("decades", title, meaning, None, inspector.missing)
    found = []
    for neuron in inspector.run.neurons:
        shares = decade_shares(inspector.z_im[:, neuron.neuron], inspector.eligible, joined.year)
        furthest = max((one.share - one.catalogue for one in shares), default=0.0)
        found.append((furthest, DecadeProfile(neuron.neuron, names.get(neuron.neuron), shares)))
    if not any(profile.decades for _, profile in found):
        return Figure("decades", title, meaning, None, "the items of this data set have no year")
    first = [profile for _, profile in sorted(found, key=lambda pair: -pair[0])[:DECADES]]
    return Figure("decades", title, meaning, replace(figure3(first), name="decades"))


def _beta(inspector: "Inspector", _names: Names) -> Figure:
    title = "Fidelity against beta"
    meaning = (
        "What the weight of the loss on predictions (beta) buys in fidelity and costs in readability, over "
        "autoencoders of this recommender (the paper's Figure 4)."
    )
    run = inspector.run
    for sweep in _sweeps(run):
        curves = _curves(sweep["trials"])
        if curves and run.manifest["recommender"]["kind"] in MODEL_NAMES:
            drawn = figure4(run.manifest["recommender"]["kind"], curves, None)
            return Figure("beta", title, meaning, replace(drawn, name="beta"))
    command = f"monoscope sweep {run.manifest['dataset']} --base {run.name} --grid sae.beta=0,1,10 --name NAME"
    return Figure("beta", title, meaning, None, f"no sweep over beta is stored for this run; make one with: {command}")


def _front(inspector: "Inspector", _names: Names) -> Figure:
    title = "Readable against faithful"
    meaning = "Every autoencoder of a sweep: further right keeps more of the lists, higher is purer."
    for sweep in _sweeps(inspector.run):
        points = [
            Tradeoff(
                ", ".join(f"{key.removeprefix('sae.')} {value}" for key, value in one.get("changed", {}).items())
                or one["name"],
                "autoencoder" if "changed" in one else "needs no training",
                one["purity"][READING][DEPTH],
                one["rbo"],
                one["passes_through"],
            )
            for one in (*sweep["trials"], *sweep["baselines"])
            if one["rbo"] is not None and one["purity"]
        ]
        if points:
            drawn = pareto(points, f"{READING} purity@{DEPTH}")
            return Figure("front", title, meaning, replace(drawn, name="front"))
    return Figure("front", title, meaning, None, "no sweep is stored for this run")


_FIGURES: Mapping[str, Callable[["Inspector", Names], Figure]] = {
    "comparison": _comparison,
    "profiles": _profiles,
    "decades": _decades,
    "beta": _beta,
    "front": _front,
}


def _sweeps(run: Run) -> list[dict[str, Any]]:
    """Stored sweeps over this run's recommender, in the order of their names."""
    wanted = run.name, run.manifest["hashes"]["recommender.safetensors"]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in _stored(run)]
    return [sweep for sweep in found if (sweep["base"], sweep["base_hash"]) == wanted]


def _stored(run: Run) -> list[Path]:
    return sorted((run.home.root / "sweeps").glob("[!.]*.json"))


def _curves(trials: Sequence[Mapping[str, Any]]) -> list[BetaCurve]:
    """The trials by beta, a curve for each way of training the rest; trials of one curve differ by seed alone."""
    ways: dict[str, dict[tuple[float, int], Mapping[str, Any]]] = {}
    for trial in trials:
        changed = dict(trial["changed"])
        if "sae.beta" not in changed:
            return []
        beta, seed = float(changed.pop("sae.beta")), int(changed.pop("sae.seed", 0))
        name = ", ".join(f"{key.removeprefix('sae.')} {value}" for key, value in changed.items()) or "this recommender"
        ways.setdefault(name, {})[beta, seed] = trial
    curves = []
    for name, by_place in ways.items():
        betas, seeds = sorted({beta for beta, _ in by_place}), sorted({seed for _, seed in by_place})
        measured = {
            key: np.array([[_measure(by_place.get((beta, seed)), key) for beta in betas] for seed in seeds])
            for key in MEASURES
        }
        if len(betas) > 1:
            curves.append(BetaCurve(name, betas, measured))
    return curves


def _measure(trial: Mapping[str, Any] | None, key: str) -> float:
    value = None if trial is None else trial[key]
    if isinstance(value, list):
        value = value[1]  # on the half of the items that tuned nothing
    return float("nan") if value is None else float(value)


def _doses(doses: Doses, unknown: str | None) -> Figure:
    title, curves = "Dose and response", doses.curves
    edited = bool(curves) and curves[0].at is not None
    whose = "Each edit is alone here, without the others of the session, and on the users of its table."
    meaning = (
        f"On the left, what an edit is for (the share of the neuron's concept in the top {K}; of an edit of items, the "
        "share of users who see them), each on a scale of its own; on the right, how much of the lists stays (RBO: 1 "
        "is unchanged), as the one neuron is moved further. A useful edit moves the left line before the right one "
        "falls. " + " ".join([whose if edited else "These are neurons of the purest concepts.", *doses.undrawn])
    )
    if not curves:
        return Figure("doses", title, meaning, None, unknown or "no neuron that stands for a concept can be moved")
    rows: list[tuple[Value, ...]] = [
        (one.title, one.told[0], amount, share, kept, ndcg10)
        for one in curves
        for amount, share, kept, ndcg10 in zip(one.amounts, one.told[1], one.rbo, one.ndcg10, strict=True)
    ]
    words = [
        f"{one.title}: {one.told[0]} {percent(one.told[1][0])} at {one.amounts[0]:g} and "
        f"{percent(one.told[1][-1])} at {one.amounts[-1]:g} ({one.unit}); the lists of {one.users} users keep an RBO "
        f"of {one.rbo[0]:.2f} and {one.rbo[-1]:.2f}."
        for one in curves
    ]

    def draw(canvas: "Canvas") -> None:
        for part, one in zip(canvas.subfigures(len(curves), 1, squeeze=False).flat, curves, strict=True):
            _dose_panels(part, one)

    height = 0.2 + 2.0 * len(curves)
    columns = ("curve", "what it is for", "amount", f"its share, top {K}", "RBO", "NDCG@10")
    return Figure("doses", title, meaning, picture("doses", height, draw, " ".join(words), columns, rows, NARROW))


def _dose_panels(canvas: "SubFigure", one: DoseCurve) -> None:
    """What the edit is for, on its own scale from 0, beside how much of the lists stays, on that from 0 to 1."""
    words, figures = one.told
    left, right = canvas.subplots(1, 2)
    shares = [float("nan") if value is None else 100 * value for value in figures]
    most = max((value for value in shares if value > 0), default=1.0)
    left.plot(one.amounts, shares, color=BLUE, marker="o", markersize=4)
    left.set(title=f"{one.title}\n{shortened(words, 34)}", ylim=(-0.05 * most, 1.12 * most))
    left.set_ylabel("% of places" if one.reach is None else "% of users")
    right.plot(one.amounts, one.rbo, color=VERMILION, marker="s", markersize=4, linestyle="--")
    right.set(title="\nhow much of the lists stays", ylabel="RBO", ylim=(-0.05, 1.12))
    for axes in (left, right):
        grid(axes)
        axes.set_xlabel(f"amount ({one.unit})")
        if one.at is not None:
            axes.axvline(one.at, color=INK, linewidth=1, linestyle=":")
    if one.at is not None:
        right.annotate("as edited", (one.at, 0), (3, 2), textcoords="offset points", fontsize=8, color=INK)
