"""Adopting a model that was trained elsewhere: join it with a catalogue by id, check it, and make a run of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.catalogue.catalogue import Catalogue
from engine.device import one_thread, usable_device
from engine.errors import RunError
from engine.home import Home
from engine.pipeline import check_new_name, checked, make_run
from engine.presets import autoencoder_for, fit_notes, fitted
from engine.progress import Progress
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Program
from engine.run import Run, trust
from engine.sae.config import SaeConfig
from engine.steering.inputs import Ranking, TrainedOn, histories

PARITY_TOLERANCE = 1e-3
"""Largest difference from the given scores, as a share of their range (at least 1), that counts as the same model."""
BEHAVIOUR_USERS = 1000
MISALIGNED_MPR = 0.4
"""A model that ranks what its users have no better than this was hardly trained on these ids; 0.5 is chance."""
SAMPLES = 3


@dataclass(frozen=True)
class Pairs:
    """Scores that the original model gives to some pairs: three aligned columns."""

    users: Sequence[str]
    items: Sequence[str]
    scores: np.ndarray


@dataclass(frozen=True)
class Adoption:
    """What comes with the vectors."""

    trained_on: TrainedOn = "unknown"
    allow_missing: bool = False
    pairs: Pairs | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    """Files and hashes, for the manifest."""
    notes: Sequence[str] = ()
    sae: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the autoencoder that are not the usual ones."""
    device: str = "auto"


def adopt(
    home: Home, dataset: str, brought: Recommender, adoption: Adoption, name: str | None, progress: Progress
) -> Run:
    """Make the run `name` (default: `DATASET-adopted`) of a model that was trained elsewhere.

    `brought` has the model's own ids in any order. Raises `RunError` before anything is built: scores that are not
    the original model's, ids that do not match the catalogue (unless `allow_missing`), settings that do not fit.
    """
    name = check_new_name(home, name, f"{dataset}-adopted")
    device = usable_device(adoption.device)
    d = brought.items.vectors.shape[1]
    usual = autoencoder_for(d, brought.scorer.kind)
    sae = checked(SaeConfig, fitted(usual, adoption.sae), "sae")
    notes = [*adoption.notes, *fit_notes(usual, adoption.sae)]
    if adoption.pairs is not None:
        notes.append(parity(brought, adoption.pairs))
    notes += _ensured(home, dataset, brought)
    with Catalogue.open(home, dataset) as catalogue:
        recommender, missing = aligned(brought, catalogue, allow_missing=adoption.allow_missing)
        ranking = Ranking(catalogue, recommender, adoption.trained_on)
        mpr = behaviour(ranking)
        about = {
            "kind": "adopted",
            "bias": bool(recommender.users.bias.any() or recommender.items.bias.any()),
            "source": dict(adoption.source),
            "behaviour_mpr": mpr,
        }
        if isinstance(recommender.scorer, Program):
            trust(home, recommender.scorer.sha256)
        with one_thread(True):
            return make_run(
                home,
                name,
                ranking,
                about,
                {"recommender": {"kind": "adopted", **adoption.source}, "sae": sae.model_dump()},
                sae,
                device,
                [],
                [*notes, *missing, *_behaviour_notes(mpr)],
                progress,
            )


def parity(brought: Recommender, pairs: Pairs) -> str:
    """A sentence with the largest difference between the given scores and ours.

    Raises `RunError` for ids that the model does not have, and for a difference beyond the tolerance.
    """
    if not len(pairs.scores):
        raise RunError("The pairs to check are none; give some rows of user, item and score.")
    user, item = (_numbers(tower, ids) for tower, ids in ((brought.users, pairs.users), (brought.items, pairs.items)))
    ours = np.array([brought.affinities(user[n : n + 1], e_id=None)[0, item[n]] for n in range(len(user))])
    theirs = np.asarray(pairs.scores, np.float64)
    allowed = PARITY_TOLERANCE * max(1.0, float(np.ptp(theirs)))
    worst = int(np.abs(ours - theirs).argmax())
    largest = float(np.abs(ours - theirs)[worst])
    if largest <= allowed:
        return f"Of {len(theirs)} pairs the scores differ by {largest:.2g} at most."
    through = float(np.abs(1 / (1 + np.exp(-ours)) - theirs).max())
    if through <= PARITY_TOLERANCE:
        return (
            f"Of {len(theirs)} pairs the scores differ by {through:.2g} at most, after the sigmoid that the original "
            "ends with; it changes no ranking and is left out."
        )
    raise RunError(
        f"The scores are not the original model's: user {pairs.users[worst]}, item {pairs.items[worst]} has "
        f"{ours[worst]:.6g} here and {theirs[worst]:.6g} in the pairs (largest difference of {len(theirs)} pairs). "
        "Check the scorer, the biases, and that ids belong to their rows."
    )


def _numbers(tower: Tower, ids: Sequence[str]) -> np.ndarray:
    place = {one: n for n, one in enumerate(tower.ids)}
    unknown = next((one for one in ids if one not in place), None)
    if unknown is not None:
        raise RunError(f"The pairs name {unknown!r}, for which the model brought no vector.")
    return np.array([place[one] for one in ids])


def aligned(brought: Recommender, catalogue: Catalogue, *, allow_missing: bool) -> tuple[Recommender, list[str]]:
    """The recommender in the catalogue's order of ids, and notes on ids that only one of the two has.

    An id without a vector gets the mean vector and is marked as not known. Raises `RunError` where ids do not match
    and that is not allowed, or where none does.
    """
    notes: list[str] = []
    sides = {"users": catalogue.users().user_id, "items": catalogue.items().item_id}
    towers = []
    for side, ids in sides.items():
        tower: Tower = getattr(brought, side)
        place = {one: n for n, one in enumerate(tower.ids)}
        rows = np.array([place.get(one, -1) for one in ids])
        known = rows >= 0
        without = [one for one, there in zip(ids, known, strict=True) if not there]
        known_ids = set(ids)
        strange = [one for one in tower.ids if one not in known_ids]
        if not known.any():
            raise RunError(
                f"None of the model's {len(tower.ids)} ids of {side} ({_some(tower.ids)}) is in {catalogue.name} "
                f"({_some(ids)}); give the ids that the data set uses."
            )
        for found, text in (
            (without, f"{side} of {catalogue.name} have no vector"),
            (strange, f"vectors are of {side} that {catalogue.name} does not have"),
        ):
            if found:
                notes.append(f"{len(found):,} {text}: {_some(found)}.")
        vectors = np.where(known[:, None], tower.vectors[rows], tower.vectors.mean(axis=0)).astype(np.float32)
        bias = np.where(known, tower.bias[rows], 0).astype(np.float32)
        towers.append(Tower(ids, vectors, bias, known))
    if notes and not allow_missing:
        raise RunError(
            f"{' '.join(notes)} Correct the ids, or add --allow-missing to go on with those that match: the others are "
            "neither ranked nor measured."
        )
    return replace(brought, users=towers[0], items=towers[1]), notes


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in ids[:SAMPLES])
    return shown + (", ..." if len(ids) > SAMPLES else "")


def behaviour(ranking: Ranking) -> float | None:
    """MPR of what users have in the training fold, among all items: 0 best, 0.5 chance. None without interactions.

    Whatever a model was trained on, it ranks its users' own items high if its ids are theirs.
    """
    recommender = ranking.recommender
    own = histories(ranking.catalogue, len(recommender.users.ids), 0)
    users = np.flatnonzero((own.lengths() > 0) & recommender.users.known)
    if not len(users):
        return None
    if len(users) > BEHAVIOUR_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, BEHAVIOUR_USERS, replace=False))
    eligible = ranking.candidates.eligible
    ranks = []
    for user in users:
        affinity = recommender.affinities(np.array([user]))[0]
        items = own[int(user)]
        mine = affinity[items[eligible[items]]]
        among = np.sort(affinity[eligible])
        if len(mine):
            below, through = np.searchsorted(among, mine, "left"), np.searchsorted(among, mine, "right")
            ranks.append(float((1 - (below + through) / 2 / len(among)).mean()))
    return float(np.mean(ranks)) if ranks else None


def _behaviour_notes(mpr: float | None) -> list[str]:
    if mpr is None:
        return ["Without interactions nobody can tell whether the ids belong to their vectors."]
    if mpr > MISALIGNED_MPR:
        return [
            f"WARNING: the model ranks what its users have no better than chance (MPR {mpr:.2f}; 0.5 is chance): its "
            "ids are probably not those of its vectors."
        ]
    return [f"The model ranks what its users have at MPR {mpr:.3f} (0 best, 0.5 chance)."]


def _ensured(home: Home, dataset: str, brought: Recommender) -> list[str]:
    """Make a data set of the model's ids alone where there is none of that name; returns what to say of it."""
    if (home.dataset(dataset) / "catalogue.duckdb").is_file():
        return []
    from engine.catalogue.recipes import recipes

    if dataset in recipes():
        return []  # opening it says how to fetch it
    from engine.catalogue.add import add_ids

    add_ids(home, dataset, list(brought.users.ids), list(brought.items.ids))
    return [f"There was no data set {dataset!r}, so one was made of the model's ids: they serve as titles."]


def described(files: Mapping[str, Path | None]) -> dict[str, Any]:
    """Names and SHA-256 of the files that a model came from."""
    import hashlib

    found = {}
    for role, path in files.items():
        if path is not None and path.is_file():
            with open(path, "rb") as file:
                found[role] = {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return found
