"""Everything that one neuron, item or user of a run has to tell, as plain data with ids and titles.

What needs the data set is None where it is not here, and `missing` says why.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine.errors import CatalogueError, RunError
from engine.neurons import makeup, profile
from engine.neurons import moves as moving
from engine.sae.model import Side

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue
    from engine.neurons.table import ConceptItems
    from engine.run import Run

SHOWN = 10
YEAR = re.compile(r" \(\d{4}\)$")
SEED = 0
"""Draws the samples of users and of random directions, so that a page reads the same twice."""


@dataclass(frozen=True)
class Joined:
    """What the pages take from the catalogue, by the run's item and user numbers."""

    concepts: "list[ConceptItems]"
    year: np.ndarray
    popularity: np.ndarray
    columns: Mapping[str, list[str | int | None]]
    cohorts: Mapping[str, np.ndarray]
    catalogue: "Catalogue"

    def history(self, user: int) -> np.ndarray:
        """Items of a user's training interactions."""
        training = self.catalogue.interactions(0)
        return training.item[training.user == user]


@dataclass(frozen=True)
class Inspector:
    """A run opened for looking at; the catalogue beside it where there is one."""

    run: "Run"
    joined: Joined | None
    missing: str | None

    @classmethod
    def open(cls, run: "Run") -> "Inspector":
        """Works without the catalogue too: what needs it is then None."""
        from engine.steering.inputs import concept_items

        try:
            catalogue = run.catalogue()
        except (CatalogueError, RunError) as error:
            return cls(run, None, str(error))
        items, users = catalogue.items(), catalogue.users()
        if list(items.item_id) != list(run.recommender.items.ids) or list(users.user_id) != list(
            run.recommender.users.ids
        ):
            return cls(
                run, None, f"The ids of run {run.name} are not those of {catalogue.name}; train a new run on it."
            )
        cohorts = {cohort.name: cohort.users for cohort in catalogue.cohorts()}
        concepts = concept_items(catalogue, len(items.item_id))
        return cls(run, Joined(concepts, items.year, items.popularity, users.attributes, cohorts, catalogue), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.joined is not None:
            self.joined.catalogue.close()

    @cached_property
    def z_im(self) -> np.ndarray:
        """Codes of all items; those that are not ranked are zeros."""
        return self.run.sae.encode(self.run.recommender.items.vectors, "items") * self.eligible[:, None]

    @cached_property
    def z_um(self) -> np.ndarray:
        """Codes of all users; those without a vector are zeros."""
        users = self.run.recommender.users
        return self.run.sae.encode(users.vectors, "users") * users.known[:, None]

    @cached_property
    def eligible(self) -> np.ndarray:
        return self.run.screen["ranked"].astype(bool)

    def neuron(self, number: int) -> dict[str, Any]:
        """`quantiles`, `histogram`, `profiles`, `segments`, `moves` and `neighbours` of a neuron; what is `missing`."""
        self.run.neuron(number)
        z_i, z_u, known = self.z_im[:, number], self.z_um[:, number], self.run.recommender.users.known
        return {
            "quantiles": {"items": self._steps(z_i, "items"), "users": self._steps(z_u, "users")},
            "histogram": {
                "items": asdict(profile.histogram(z_i, self.eligible)),
                "users": asdict(profile.histogram(z_u, known)),
            },
            "profiles": self._profiles(number),
            "segments": self._segments(z_u),
            "moves": {"users": self._moves_items(number), "items": self._moves_users(number)},
            "neighbours": [
                asdict(one) for one in profile.near_neurons(self.run.sae.w_md, self.z_im, self.eligible, number)
            ],
            "missing": self.missing,
        }

    def pairs(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Each two of some neurons: `cosine` of their decoder rows, `jaccard` of the items that activate them."""
        found = []
        for place, a in enumerate(numbers):
            rows = profile.beside(self.run.sae.w_md, self.z_im, self.eligible, a)
            for b in numbers[place + 1 :]:
                found.append({"a": a, "b": b, "cosine": rows[b].cosine, "jaccard": rows[b].jaccard})
        return found

    def whole_neuron(self, number: int, k: int) -> dict[str, Any]:
        """`neuron` with the row of the table and the `k` items and users that activate it most."""
        row, told = self.run.neuron(number), self.neuron(number)
        items, users = self.run.top_of(self.z_im[:, number], self.z_um[:, number], k)
        named = {"named_by_metadata": row.named_by is not None}
        return {**row.as_dict(), **named, "items": items, "users": users, **told}

    def concept(self, name: str, k: int) -> dict[str, Any]:
        """One concept, as `concept_page` tells it; raises `CatalogueError` without the data set."""
        from engine.concept_page import concept_page

        if self.joined is None:
            raise CatalogueError(self.missing or "The data set is not here.")
        return concept_page(self.run, name, k, self.joined.concepts, self.z_im, self.eligible, self.joined.popularity)

    def _steps(self, z_n: np.ndarray, side: Side) -> list[dict[str, Any]]:
        rows = self.eligible if side == "items" else self.run.recommender.users.known
        return [
            {
                "quantile": step.quantile,
                "rows": [{**self._named(n, side), "activation": float(z_n[n])} for n in step.rows],
            }
            for step in profile.quantile_steps(z_n, rows)
        ]

    def _named(self, number: int, side: Side) -> dict[str, Any]:
        if side == "users":
            return {"user_id": self.run.recommender.users.ids[number]}
        return {"item_id": self.run.recommender.items.ids[number], "title": self.run.texts["title"][number]}

    def _profiles(self, number: int) -> dict[str, Any] | None:
        if self.joined is None:
            return None
        z, concepts = self.z_im[:, number], self.joined.concepts
        member = np.array([concept.member for concept in concepts]).reshape(len(concepts), len(z))
        means, overall = profile.concept_means(self.z_im[:, [number]], self.eligible, member)
        top = profile.most_active(z, self.eligible, 50)
        base = member[:, self.eligible].mean(axis=1)
        rows = [
            {
                "concept": concept.name,
                "kind": concept.kind,
                "items": int((concept.member & self.eligible).sum()),
                "mean": float(means[c, 0]),
                "top50": int(concept.member[top].sum()),
                "catalogue": float(base[c]),
            }
            for c, concept in enumerate(concepts)
            if np.isfinite(means[c, 0])
        ]
        return {
            "mean": float(overall[0]) if np.isfinite(overall[0]) else None,
            "concepts": sorted(rows, key=lambda row: -row["mean"]),
            "top50_items": len(top),
            "decades": [asdict(one) for one in profile.decade_shares(z, self.eligible, self.joined.year)],
        }

    def _segments(self, z_u: np.ndarray) -> dict[str, Any] | None:
        if self.joined is None:
            return None
        found, skipped = profile.segments(
            z_u, self.run.recommender.users.known, self.joined.columns, self.joined.cohorts
        )
        return {"segments": [asdict(one) for one in found], "skipped": skipped}

    def _moves_items(self, number: int) -> dict[str, Any] | None:
        """Items and concepts gained and lost when users are raised; None where no user activates the neuron."""
        run, unit = self.run, self.run.neuron(number).p99_users
        if unit is None:
            return None
        found = moving.moves(run.recommender, run.sae, number, "users", unit, SEED)
        return {
            **self._moved(found, self.eligible, "items"),
            "concepts": None
            if self.joined is None
            else self._concepts_moved(number, unit, found, self.joined.concepts),
        }

    def _moves_users(self, number: int) -> dict[str, Any] | None:
        """Users who gain and lose when items are raised; None where no item activates the neuron."""
        run, unit = self.run, self.run.neuron(number).p99_items
        if unit is None:
            return None
        found = moving.moves(run.recommender, run.sae, number, "items", unit, SEED)
        return self._moved(found, run.recommender.users.known, "users")

    def _moved(self, found: moving.Moves, rows: np.ndarray, side: Side) -> dict[str, Any]:
        order = np.flatnonzero(rows)[np.argsort(-found.mean[rows], kind="stable")]

        def line(number: int) -> dict[str, Any]:
            return {
                **self._named(number, side),
                "change": float(found.mean[number]),
                "low": float(found.low[number]),
                "high": float(found.high[number]),
                "same_sign": float(found.same_sign[number]),
            }

        gained = [int(n) for n in order[:SHOWN] if found.mean[n] > 0]
        lost = [int(n) for n in order[::-1][:SHOWN] if found.mean[n] < 0]
        return {
            "unit": found.unit,
            "exact": found.exact,
            "sample": found.sample,
            "gained": [line(n) for n in gained],
            "lost": [line(n) for n in lost],
        }

    def _concepts_moved(
        self, number: int, unit: float, found: moving.Moves, concepts: "list[ConceptItems]"
    ) -> dict[str, Any]:
        run, own = self.run, self.run.neuron(number).concept
        moved = moving.concept_moves(found.mean, self.eligible, concepts)
        code = np.zeros((1, run.sae.neurons), np.float32)
        code[0, number] = unit
        length = float(np.linalg.norm(run.sae.shift(code, "users")))
        null = moving.null_of_moves(run.recommender, length, self.eligible, concepts, SEED)
        mine = next(((place, one) for place, one in enumerate(moved, 1) if one.concept == own), None)
        return {
            "gained": [asdict(one) for one in moved[:SHOWN] if one.excess > 0],
            "lost": [asdict(one) for one in moved[::-1][:SHOWN] if one.excess < 0],
            "measured": len(moved),
            "own": None if mine is None else {**asdict(mine[1]), "place": mine[0]},
            "null_share": moving.share_at_or_above(moved[0].excess, null) if moved else None,
            "null_own_share": moving.share_at_or_above(mine[1].excess, null) if mine else None,
            "null_directions": len(null),
            "implied": moving.implied(run.recommender, run.sae),
        }

    def item(self, number: int, labels: Mapping[int, str], k: int = SHOWN) -> dict[str, Any]:
        """One item: its neurons, concepts, popularity, what its code leaves out, its nearest items in both spaces."""
        run, tower = self.run, self.run.recommender.items
        ranked = bool(self.eligible[number])
        known = np.flatnonzero(tower.known)
        codes, vectors = (
            makeup.nearest(x, number, self.eligible, k) if ranked else [] for x in (self.z_im, tower.vectors)
        )
        both = {one.number for one in codes} & {one.number for one in vectors}
        detail = run.texts["detail"][number]
        return {
            "run": run.name,
            **self._named(number, "items"),
            "concepts": detail.split("|") if detail else [],
            "ranked": ranked,
            "popularity": None if self.joined is None else int(self.joined.popularity[number]),
            "popularity_rank": self._popularity_rank(number),
            "ranked_items": int(self.eligible.sum()),
            "neurons": self._neurons(self.z_im[number], "items", labels),
            "error": asdict(
                makeup.reconstruction_error(run.sae, tower.vectors[known], int(np.searchsorted(known, number)), "items")
            )
            if tower.known[number]
            else None,
            "nearest_by_code": [{**self._named(one.number, "items"), "cosine": one.cosine} for one in codes],
            "nearest_by_vector": [{**self._named(one.number, "items"), "cosine": one.cosine} for one in vectors],
            "nearest_shared": len(both),
            "missing": self.missing,
        }

    def _popularity_rank(self, number: int) -> int | None:
        """1 for the most popular of the items that are ranked; equal counts share the better place."""
        if self.joined is None or not self.eligible[number]:
            return None
        popularity = self.joined.popularity
        return int((popularity[self.eligible] > popularity[number]).sum()) + 1

    def _neurons(self, z_m: np.ndarray, side: Side, labels: Mapping[int, str]) -> list[dict[str, Any]]:
        table = self.run.neurons
        units = [row.p99_items if side == "items" else row.p99_users for row in table]
        return [
            {
                **asdict(one),
                "name": labels.get(one.neuron) or table[one.neuron].named_by,
                "concept": table[one.neuron].concept,
            }
            for one in makeup.active_neurons(z_m, units)
        ]

    def user(self, number: int, labels: Mapping[int, str], k: int = SHOWN) -> dict[str, Any]:
        """One user: their neurons, their training items' concepts beside, and what the code explains.

        Other users like them are not shown.
        """
        run, tower = self.run, self.run.recommender.users
        known = np.flatnonzero(tower.known)
        facts: dict[str, Any] = {
            "run": run.name,
            "user": tower.ids[number],
            "neurons": self._neurons(self.z_um[number], "users", labels),
            "error": asdict(
                makeup.reconstruction_error(run.sae, tower.vectors[known], int(np.searchsorted(known, number)), "users")
            ),
            "affinity_explained": makeup.explained_affinity(run.recommender, run.sae, number, self.eligible),
            "training_items": None,
            "training_concepts": None,
            "missing": self.missing,
        }
        if self.joined is not None:
            history = self.joined.history(number)
            shares = makeup.concept_shares(history, self.eligible, self.joined.concepts)
            facts |= {"training_items": len(history), "training_concepts": [asdict(one) for one in shares[:k]]}
        return facts


def item_number(run: "Run", text: str) -> int:
    """The number of the item with this id, else with this title (its year may be left out), else with it in its title.

    Raises `RunError`, which names the candidates, where there is not one alone.
    """
    ids, titles = run.recommender.items.ids, run.texts["title"]
    if text in ids:
        return list(ids).index(text)
    wanted = text.casefold().strip()
    exact = [n for n, title in enumerate(titles) if title.casefold() == wanted]
    exact = exact or [n for n, title in enumerate(titles) if wanted and YEAR.sub("", title.casefold()) == wanted]
    found = exact or [n for n, title in enumerate(titles) if wanted and wanted in title.casefold()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunError(
            f"There is no item {text!r} in run {run.name}, by id or by title; ids are like {ids[0]}, titles like "
            f"{titles[0]!r}."
        )
    named = ", ".join(f"{ids[n]} ({titles[n]})" for n in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    raise RunError(f"{len(found)} items of run {run.name} have {text!r} in their title; name one by id: {named}{more}.")
