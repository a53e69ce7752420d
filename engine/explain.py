"""The engine without files or terminal: vectors in, neurons and steered lists out. For notebooks and scripts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import RunError
from engine.fidelity import Fidelity, measure_fidelity
from engine.neurons.evidence import top_items
from engine.neurons.standing import Standing, panel, standing
from engine.neurons.table import ConceptItems, Neuron, neuron_table
from engine.pipeline import checked
from engine.presets import autoencoder_for, fitted
from engine.progress import Progress, silent
from engine.recommenders.ranking import Candidates, Histories
from engine.recommenders.recommender import Recommender
from engine.sae.config import SaeConfig
from engine.sae.model import SparseAutoencoder
from engine.sae.training import split_users, train_sae
from engine.steering.edits import Edit
from engine.steering.effect import Steering

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Explained:
    """A recommender's neurons, by its own ids."""

    recommender: Recommender
    sae: SparseAutoencoder
    neurons: Sequence[Neuron]
    standing: Standing | None
    """How the neurons cover the concepts, in three readings; None without concepts."""
    fidelity: Fidelity
    """What the reconstruction keeps, on users that the autoencoder was not trained on."""
    steering: Steering

    def table(self) -> "pd.DataFrame":
        """One row a neuron."""
        import pandas as pd

        return pd.DataFrame([neuron.as_dict() for neuron in self.neurons]).set_index("neuron")

    def top(self, neuron: int, k: int = 10) -> list[tuple[Any, float]]:
        """Ids and activations of the k items that activate a neuron most; fewer where fewer do."""
        z_im = self.sae.encode(self.recommender.items.vectors, "items")
        top = top_items(z_im[:, [neuron]], self.steering.candidates.eligible, k)[0]
        return [(self.recommender.items.ids[item], float(z_im[item, neuron])) for item in top[top >= 0]]

    def lists(self, users: Iterable[Any], edits: Sequence[Edit] = (), k: int = 10) -> dict[str, list[str]]:
        """Each user's k best items that they have not seen, by id, after the edits of the users' codes.

        Raises `RunError` for an id that is not known, `EditError` for an edit that makes no sense.
        """
        place = {one: number for number, one in enumerate(self.recommender.users.ids)}
        found = {}
        for user in map(str, users):
            if user not in place:
                raise RunError(f"There is no user {user!r}.")
            ranked = self.steering.rank(place[user], edits, k)["after"]
            found[user] = [line["item_id"] for line in ranked]
        return found


def explain(
    recommender: Recommender,
    *,
    concepts: Mapping[str, Iterable[Any]] | None = None,
    seen: Mapping[Any, Iterable[Any]] | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Explained:
    """Train a sparse autoencoder through a frozen recommender and measure its neurons.

    `concepts` are named sets of item ids, `seen` the item ids of each user, which lists leave out; unknown ids are
    refused. `settings` are those of `SaeConfig`, such as neurons=40 or beta=0. Raises `RunError` in a sentence for what
    does not fit.
    """
    users, items = recommender.users, recommender.items
    d_users, d_items = users.vectors.shape[1], items.vectors.shape[1]
    if d_users != d_items:
        raise RunError(f"Users have vectors of {d_users} numbers and items of {d_items}; they need to be alike.")
    config: SaeConfig = checked(SaeConfig, fitted(autoencoder_for(d_items, recommender.scorer.kind), settings))
    history = _histories(recommender, seen or {})
    popularity = np.bincount(history.items, minlength=len(items.ids))
    candidates = Candidates(history, items.known)
    known = np.flatnonzero(users.known)
    trained_on, measured_on = (known[part] for part in split_users(len(known), config.held_out_users, config.seed))
    sae = train_sae(
        config,
        recommender,
        users=trained_on,
        items=np.flatnonzero(candidates.eligible),
        progress=progress,
        log=lambda _line: None,
        seen=history,
    )
    named = _concepts(recommender, concepts or {})
    z_im = sae.encode(items.vectors, "items")
    table = neuron_table(
        z_im,
        sae.encode(users.vectors[known], "users"),
        items.vectors,
        popularity,
        candidates.eligible,
        named,
        config.seed,
        sae.w_md,
        sae.levels,
    )
    nothing = Histories.of(np.empty(0, np.int32), np.empty(0, np.int32), len(users.ids))
    measured = measured_on if len(measured_on) else trained_on
    chosen = panel(named, candidates.eligible, list(concepts or {}))
    return Explained(
        recommender,
        sae,
        table.neurons,
        standing(z_im, candidates.eligible, chosen, popularity, config.seed) if chosen else None,
        measure_fidelity(recommender, sae, candidates, nothing, measured),
        Steering(
            recommender=recommender,
            sae=sae,
            neurons=table.neurons,
            candidates=candidates,
            held_out=nothing,
            titles=list(items.ids),
            concepts=named,
            labels_of_items=[[one.name for one in named if one.member[item]] for item in range(len(items.ids))],
        ),
    )


def _concepts(recommender: Recommender, concepts: Mapping[str, Iterable[Any]]) -> list[ConceptItems]:
    place = {one: number for number, one in enumerate(recommender.items.ids)}
    found = []
    for name, ids in concepts.items():
        member = np.zeros(len(place), bool)
        member[_numbers(place, ids, f"The concept {name!r}", "item")] = True
        found.append(ConceptItems(name, "own", member))
    return found


def _histories(recommender: Recommender, seen: Mapping[Any, Iterable[Any]]) -> Histories:
    users = {one: number for number, one in enumerate(recommender.users.ids)}
    items = {one: number for number, one in enumerate(recommender.items.ids)}
    owner, item = [], []
    for user, ids in seen.items():
        numbers = _numbers(items, ids, f"What user {user} has seen", "item")
        owner += _numbers(users, [user], "What was seen", "user") * len(numbers)
        item += numbers
    return Histories.of(np.array(owner, np.int32), np.array(item, np.int32), len(users))


def _numbers(place: Mapping[str, int], ids: Iterable[Any], where: str, word: str) -> list[int]:
    texts = dict.fromkeys(map(str, ids))
    unknown = next((one for one in texts if one not in place), None)
    if unknown is not None:
        raise RunError(f"{where} names the {word} {unknown!r}, which the recommender does not have.")
    return [place[one] for one in texts]
