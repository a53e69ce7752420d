"""The runs that the paper's tables need: found in the home where they are there, trained where they are not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.catalogue.catalogue import Catalogue
from engine.experiments.pace import Pace, minutes
from engine.home import Home
from engine.progress import Progress, silent
from engine.run import Run, free_name, runs
from engine.train import TrainConfig, train

Model = Literal["mf", "ncf"]
MODELS: tuple[Model, ...] = ("mf", "ncf")
SECONDS_A_STEP, SECONDS_A_PAIR, SECONDS_A_CELL, SECONDS_AN_SAE_STEP = 8e-4, 2e-6, 2e-8, 0.012
"""What a training takes on two cores, roughly and on the safe side; used where none was ever measured here."""


@dataclass(frozen=True)
class Wanted:
    """One run: a model, a recipe and a seed, and settings of either part that are not the recipe's."""

    model: Model
    recipe: Literal["best", "paper"]
    seed: int
    sae: tuple[tuple[str, Any], ...] = ()
    recommender: tuple[tuple[str, Any], ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """As `TrainConfig.of` takes them."""
        return {
            "recipe": self.recipe,
            "recommender": {"kind": self.model, "seed": self.seed, **dict(self.recommender)},
            "sae": {"seed": self.seed, **dict(self.sae)},
        }

    @property
    def base(self) -> tuple[Any, ...]:
        """What decides its recommender."""
        return self.model, self.recipe, self.seed, self.recommender

    def name(self, dataset: str) -> str:
        """The name of the run, if it has to be trained."""
        extra = "".join(f"-{key}{_short(value)}" for key, value in (*self.recommender, *self.sae))
        return f"{dataset}-{self.model}-{self.recipe}{extra}-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """Which of the wanted runs are here, which recommenders are, and about how long the rest takes."""

    dataset: str
    wanted: Sequence[Wanted]
    here: Mapping[Wanted, str]
    bases: Mapping[Wanted, str]
    guesses: Mapping[Wanted, tuple[str, float]]
    """Of what is missing: the kind of work, as its pace is remembered, and the seconds that it is guessed at."""
    pace: Pace

    @property
    def seconds(self) -> float:
        """About how long the missing ones take here."""
        return sum(self.pace.expected(*guess) for guess in self.guesses.values())

    @property
    def missing(self) -> list[Wanted]:
        """What has to be trained."""
        return [one for one in self.wanted if one not in self.here]

    def sentence(self) -> str:
        """What will be trained, and about how long that takes."""
        if not self.missing:
            return f"All {len(self.wanted)} runs are here."
        recommenders = {one.base for one in self.missing if one not in self.bases}
        here = all(self.pace.measured(kind) for kind, _ in self.guesses.values())
        where = "as measured on this machine" if here else "on two cores"
        return (
            f"{len(self.missing)} of {len(self.wanted)} runs have to be trained ({len(recommenders)} recommenders), "
            f"about {minutes(self.seconds)} {where}. Interrupted, the same command goes on."
        )


@dataclass(frozen=True)
class Stock:
    """What a plan is made against: a catalogue's content and size, and the runs of the home on it."""

    hash: str
    size: tuple[int, int, int]
    """Users, items, training interactions."""
    years: bool
    """Whether any item has one."""
    runs: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, home: Home, dataset: str) -> "Stock":
        """Raises `CatalogueError` for a data set that is not here."""
        with Catalogue.open(home, dataset) as catalogue:
            content, items = catalogue.hash, catalogue.items()
            size = len(catalogue.users().user_id), len(items.item_id), int(items.popularity.sum())
        known = [one for one in runs(home) if one.get("catalogue_hash") == content]
        return cls(content, size, bool((items.year >= 0).any()), known)


def plan(home: Home, dataset: str, wanted: Sequence[Wanted], stock: Stock | None = None) -> Plan:
    """Compare `wanted` with the runs of the home (`stock`, where it was read before): equal settings on an equal
    catalogue are the same run.
    """
    stock = stock or Stock.read(home, dataset)
    here, bases, guesses, counted = {}, {}, {}, set()
    for one in wanted:
        config = TrainConfig.of(one.values, dataset, *stock.size)
        recommender, sae = _plain(config.recommender), _plain(config.sae)
        same = [run for run in stock.runs if run["config"].get("recommender") == recommender]
        complete = [run for run in same if run["config"].get("sae") == sae and run.get("comparison")]
        if complete:
            here[one] = str(complete[-1]["name"])
            continue
        kind, seconds = f"{dataset}, {one.model}, autoencoder", config.sae.steps * SECONDS_AN_SAE_STEP
        if same:
            bases[one] = str(same[-1]["name"])
        elif one.base not in counted:
            counted.add(one.base)
            kind, seconds = f"{dataset}, {one.model}, {one.recipe}", seconds + _seconds(config, *stock.size)
        guesses[one] = kind, seconds
    return Plan(dataset, wanted, here, bases, guesses, Pace.of(home))


def trained(home: Home, dataset: str, wanted: Wanted, progress: Progress = silent) -> Run:
    """The run for `wanted`: one that is here, else a new one, over a recommender that is here if there is one."""
    found = plan(home, dataset, [wanted])
    if wanted in found.here:
        return Run.open(home, found.here[wanted])
    name = free_name(home, wanted.name(dataset))
    with found.pace.timing(*found.guesses[wanted]):
        if wanted in found.bases:
            over = {"recipe": wanted.recipe, "sae": wanted.values["sae"]}
            return train(home, dataset, over, name, progress, base=found.bases[wanted])
        return train(home, dataset, wanted.values, name, progress)


def _seconds(config: TrainConfig, users: int, items: int, interactions: int) -> float:
    settings = config.recommender
    if settings.loss == "dense":
        return settings.epochs * users * items * SECONDS_A_CELL
    pairs = settings.epochs * interactions * (1 + settings.negatives)
    return pairs / settings.batch * SECONDS_A_STEP + pairs * SECONDS_A_PAIR


def _plain(config: Any) -> Any:
    """As the manifest has it."""
    return json.loads(json.dumps(config.model_dump()))


def _short(value: Any) -> str:
    return "".join(letter for letter in str(value) if letter.isalnum())
