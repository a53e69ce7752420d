"""`monoscope reproduce steering`: what solved edits and their rivals cost at the same goal, concept by concept.

For every concept of the paper's panel, every goal and every way, each user gets the smallest strength that reaches the
goal; a way is compared with the solved edit over the users whom both reach ("at equal effect"). The RBO of the rest is
near what a solved edit minimises, so held-out recall and the drift of other concepts are the independent checks.
Concepts are strict. The solver's constants were chosen on another base (MF on MovieLens 1M, seed 5).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from engine.experiments.published import published
from engine.experiments.trained import Model, Wanted, trained
from engine.home import Home, make_folder, write_whole
from engine.neurons.standing import paired_interval, panel
from engine.neurons.table import ConceptItems
from engine.progress import Progress, part, silent
from engine.recommenders.ranking import Histories, mean
from engine.run import Run
from engine.steering.costs import SOLVED, Cost, compare_ways, unedited
from engine.steering.effect import Steering
from engine.steering.goals import Goal
from engine.steering.inputs import TRAIN, histories

USERS, USERS_ITEMS = 300, 20
"""So many users, among those with so many items in training: a concept's lovers, or a seeded draw of those below."""
SLOW_USERS = 60
"""Of these, drawn evenly, where the scorer is no dot product and every affinity has to be computed."""
K = 30
RAISED = 0.3
"""The share that "raised" asks for, of users who have less of the concept in training."""
GOALS = {"none left": ("<=", 0.0, False), "halved": ("<=", 0.5, True), "raised to 30 %": (">=", RAISED, False)}
SECONDS_A_CELL = {"mf": 10, "ncf": 30}
"""One concept and goal in all ways, on one core, roughly; for telling the user before it starts."""
LONGER = {"films": 1.0, "music": 3.5}
"""By so much where the usual recipe has three times as many neurons and dimensions."""
MEASURES = ("reached", "rbo", "recall", "drift")


@dataclass(frozen=True)
class Cell:
    """One concept, goal, run and way. `ahead`: by how much the solved edit is, with 95 % over users whom both reach."""

    run: str
    concept: str
    goal: str
    way: str
    users: int
    reached: float
    rbo: float | None
    """Of the rest, over the users reached."""
    recall: float | None
    """Change of held-out Recall@20 of the rest, over the users reached."""
    drift: float | None
    share: float
    """The concept's share of all list places afterwards."""
    share_before: float
    ahead: Mapping[str, tuple[float, float, float]] | None = None
    """By rbo, recall and drift (more is better for the solved edit in all three)."""


def seconds(dataset: str, models: Sequence[Model], seeds: int) -> float:
    """About how long the table takes on two cores once its runs are there."""
    domain = published().domain(dataset)
    cells = len(published().table1(domain)) * len(GOALS) * seeds
    return float(cells * sum(SECONDS_A_CELL[model] for model in models) * LONGER[domain])


def measure(
    home: Home, dataset: str, model: Model, seeds: Sequence[int], folder: Path, progress: Progress = silent
) -> list[Cell]:
    """The cells of one model over base seeds. What was measured before an interruption is taken from `folder`."""
    found: list[Cell] = []
    for number, seed in enumerate(seeds):
        share = part(progress, number / len(seeds), (number + 1) / len(seeds), f"{model}, seed {seed}")
        run = trained(home, dataset, Wanted(model, "best", seed), part(share, 0, 0.2, "run"))
        found += of_run(run, folder, part(share, 0.2, 1, run.name))
    return found


def of_run(run: Run, folder: Path, progress: Progress = silent) -> list[Cell]:
    """The cells of one run: every concept of the panel, every goal, every way."""
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        train = histories(catalogue, len(run.recommender.users.ids), TRAIN)
        domain = published().domain(str(run.manifest["dataset"]))
        names = [row.concept for row in published().table1(domain)]
        concepts = panel(steering.concepts, steering.candidates.eligible, names)
        asked = [(concept, goal) for concept in concepts for goal in GOALS]
        made: list[Cell] = []
        for number, (concept, goal) in enumerate(asked):
            progress(number / len(asked), f"{concept.name}, {goal}")
            made += _kept(folder, run, steering, train, concept, goal)
    return made


def _kept(folder: Path, run: Run, steering: Steering, train: Histories, concept: ConceptItems, goal: str) -> list[Cell]:
    """One concept and goal, from the folder where it is there."""
    letters = "".join(letter if letter.isalnum() else "-" for letter in f"{run.name} {concept.name} {goal}")
    path = folder / f"{letters}.json"
    key = {"weights": dict(run.manifest["hashes"]), "solver": _solver(), "users": [USERS, SLOW_USERS]}
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return [Cell(**one) for one in stored["cells"]]
    made = list(cells(steering, train, concept, goal, run.name))
    make_folder(folder)
    write_whole(path, json.dumps({"key": key, "cells": [vars(one) for one in made]}, ensure_ascii=False))
    return made


@cache
def _solver() -> str:
    """A hash of the code that was measured, so that its next version measures anew."""
    modules = sorted((Path(str(files("engine"))) / "steering").glob("*.py"))
    return hashlib.sha256(b"".join(one.read_bytes() for one in modules)).hexdigest()


def people(train: Histories, known: np.ndarray, member: np.ndarray, goal: str, seed: int = 0) -> np.ndarray:
    """Numbers (ascending) of the users of one goal: the concept's lovers, or a draw of those who have little of it."""
    lengths = train.lengths()
    user = np.repeat(np.arange(len(lengths)), lengths)
    share = np.bincount(user, member[train.items], len(lengths)) / np.maximum(lengths, 1)
    enough = (lengths >= USERS_ITEMS) & known
    if GOALS[goal][0] == ">=":
        few = np.flatnonzero(enough & (share < RAISED))
        return np.sort(np.random.default_rng(seed).choice(few, min(USERS, len(few)), replace=False))
    among = np.flatnonzero(enough & (share > 0))
    return np.sort(among[np.argsort(-share[among], kind="stable")[:USERS]])


def cells(steering: Steering, train: Histories, concept: ConceptItems, goal: str, run: str) -> Iterator[Cell]:
    """One concept and goal: every way, measured beside the solved edit; none where there is nobody to measure."""
    users = people(train, steering.recommender.users.known, concept.member, goal)
    if steering.recommender.scorer.kind != "dot":
        users = users[:: max(1, len(users) // SLOW_USERS)]
    sign, amount, relative = GOALS[goal]
    if not len(users):
        return
    asked = Goal(concept.name, sign, amount, relative)  # type: ignore[arg-type]  # one of GOALS
    before = unedited(steering, asked, users, K)
    ways = compare_ways(steering, asked, users, K)
    for way in ways:
        r = way.reached
        yield Cell(
            run=run,
            concept=concept.name,
            goal=goal,
            way=way.name,
            users=len(users),
            reached=float(r.mean()),
            rbo=mean(way.rbo_rest[r]),
            recall=_known_mean((way.recall_rest - before.recall_rest)[r]),
            drift=mean(way.drift[r]),
            share=way.share,
            share_before=before.share,
            ahead=None if way is ways[0] else _ahead(ways[0], way),
        )


def _ahead(solved: Cost, other: Cost) -> Mapping[str, tuple[float, float, float]] | None:
    """Paired differences in favour of the solved edit over the users whom both reach."""
    both = solved.reached & other.reached
    if not both.any():
        return None
    tested = both & ~np.isnan(solved.recall_rest)
    found = {
        "rbo": paired_interval(solved.rbo_rest[both], other.rbo_rest[both]),
        "drift": paired_interval(other.drift[both], solved.drift[both]),
    }
    if tested.any():
        found["recall"] = paired_interval(solved.recall_rest[tested], other.recall_rest[tested])
    return found


def _known_mean(values: np.ndarray) -> float | None:
    return mean(values[~np.isnan(values)])


@dataclass(frozen=True)
class Row:
    """A way at a goal: each measure's mean over concepts and bases with the lowest and highest concept."""

    goal: str
    way: str
    means: Mapping[str, tuple[float, float, float] | None]
    ahead: Mapping[str, tuple[float, float, float] | None]
    """By how much the solved edit is ahead at equal effect: mean and 95 % over concepts, each with all its bases."""
    wins: tuple[int, int, int]
    """Concepts on which the solved edit keeps more RBO, on which its interval says so, and all."""


def rows(made: Sequence[Cell]) -> list[Row]:
    """The table of one model."""
    found = []
    for goal in GOALS:
        own = [one for one in made if one.goal == goal]
        for way in dict.fromkeys(one.way for one in own):
            of_way = [one for one in own if one.way == way]
            means = {name: _spread([getattr(one, name) for one in of_way]) for name in MEASURES}
            told = [one.ahead for one in of_way if one.ahead is not None]
            ahead = {name: _over_concepts(of_way, name) for name in MEASURES[1:]}
            clear = sum(one["rbo"][1] > 0 for one in told)
            wins = sum(one["rbo"][0] > 0 for one in told), clear, len(told)
            found.append(Row(goal, way, means, ahead, wins))
    return found


def _spread(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    known = [value for value in values if value is not None]
    return (float(np.mean(known)), min(known), max(known)) if known else None


def _over_concepts(made: Sequence[Cell], measure: str) -> tuple[float, float, float] | None:
    by_concept: dict[str, list[float]] = {}
    for one in made:
        if one.ahead is not None and measure in one.ahead:
            by_concept.setdefault(one.concept, []).append(one.ahead[measure][0])
    means = np.array([np.mean(values) for values in by_concept.values()])
    return paired_interval(means, np.zeros(len(means))) if len(means) else None


def markdown(dataset: str, by_model: Mapping[str, Sequence[Cell]]) -> str:
    """The tables in words."""
    said = [
        "# Steering: what it costs to reach a goal",
        "",
        f"{dataset}, top {K}, seen items left out. None left and halved: for each concept the {USERS} users with its "
        f"largest share in training among those with {USERS_ITEMS} items; raised: {USERS} drawn users below "
        f"{RAISED:.0%}; {SLOW_USERS} of them where the scorer is no dot product. Every way gets the smallest strength "
        "that reaches each user's goal. RBO (extrapolated) of the list without the concept's items, change of held-out "
        "Recall@20 and drift of other concepts' shares in it, over the users reached: mean over concepts (and bases), "
        "lowest to highest concept in brackets. Solved ahead: RBO, paired over users whom both reach, mean over "
        "concepts with 95 %; wins: concepts with the solved edit ahead, in brackets those whose own interval excludes "
        "0. RBO is near what a solved edit minimises; recall and drift are the independent checks.",
        "",
    ]
    for model, made in by_model.items():
        said += [f"## {model.upper()} ({', '.join(dict.fromkeys(one.run for one in made))})", ""]
        table = rows(made)
        for goal in dict.fromkeys(row.goal for row in table):
            columns = ("way", "reached", "RBO of rest", "recall", "drift", "solved ahead", "recall ahead", "wins")
            said += [f"### {goal[0].upper()}{goal[1:]}", "", _line(columns), _line(["---"] * len(columns))]
            said += [_line(_said(row)) for row in table if row.goal == goal] + [""]
        said += _suppressed(made)
    return "\n".join(said) + "\n"


def _said(row: Row) -> list[str]:
    signs = {"recall": "+"}
    means = [_figure(row.means[name], signs.get(name, "")) for name in MEASURES]
    if row.way == SOLVED:
        return [row.way, *means, "", "", ""]
    wins = f"{row.wins[0]} ({row.wins[1]}) of {row.wins[2]}"
    return [row.way, *means, _figure(row.ahead["rbo"], "+"), _figure(row.ahead["recall"], "+"), wins]


def _suppressed(made: Sequence[Cell]) -> list[str]:
    """The paper's case: Horror for its lovers."""
    own = [one for one in made if one.concept == "Horror" and one.goal == "none left" and one.way == SOLVED]
    if not own:
        return []
    before, after, kept = (float(np.mean([getattr(one, name) for one in own])) for name in _SUPPRESSED)
    return [
        f"Horror for its lovers, solved: from {before:.1%} to {after:.1%} of the top {K}, RBO of the rest {kept:.2f}.",
        "",
    ]


_SUPPRESSED = ("share_before", "share", "rbo")


def _figure(value: Sequence[float] | None, sign: str = "") -> str:
    if value is None:
        return "–"
    middle, low, high = (f"{one:{sign}.3f}" for one in value)
    return middle if low == high else f"{middle} [{low}, {high}]"


def _line(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |"


def facts(by_model: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    """Everything measured, and the tables, as plain values."""
    return {
        model: {"rows": [vars(row) for row in rows(made)], "cells": [vars(one) for one in made]}
        for model, made in by_model.items()
    }
