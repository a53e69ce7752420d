"""A trained two-tower recommender, frozen: vectors with their ids, biases, and a scorer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.recommenders.scorers import SCORERS, Cosine, Dot, Over, Program, Scorer


@dataclass(frozen=True)
class Tower:
    """One side of the recommender. Row r of `vectors` (n × d, float32) and `bias` (n) belongs to `ids[r]`."""

    ids: Sequence[str]
    vectors: np.ndarray
    bias: np.ndarray
    known: np.ndarray = field(default_factory=lambda: np.ones(0, bool))
    """bool (n): False where the model brought no vector for an id; such a row is not ranked, measured or trained on."""

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors) == len(self.bias):
            raise RunError(
                f"A tower has {len(self.ids)} ids, {len(self.vectors)} vectors and {len(self.bias)} biases; "
                "they must be as many."
            )
        if len(self.known) != len(self.ids):
            object.__setattr__(self, "known", np.ones(len(self.ids), bool))

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The row of each id."""
        return {one: row for row, one in enumerate(self.ids)}

    @classmethod
    def of(cls, ids: Sequence[Any], vectors: Any, bias: Any = None) -> "Tower":
        """From whatever numpy can read; ids become text. Raises `RunError` for what cannot be a tower."""
        texts = [str(one) for one in ids]
        array = np.ascontiguousarray(vectors, np.float32)
        if array.ndim != 2 or not array.size:
            raise RunError(f"The vectors have the shape {array.shape}; a table of ids × numbers is needed.")
        if len(set(texts)) != len(texts):
            raise RunError("An id stands there twice; every id may have one vector.")
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise RunError(f"The vector of {texts[row] if row < len(texts) else row!r} holds NaN or infinity.")
        return cls(texts, array, np.zeros(len(array), np.float32) if bias is None else np.asarray(bias, np.float32))


@dataclass(frozen=True)
class Recommender:
    """Users, items and the function that scores a pair. Biases stay outside the SAE but inside the ranking."""

    users: Tower
    items: Tower
    scorer: Scorer = field(default_factory=Dot)

    @classmethod
    def of(cls, users: Any, items: Any, scorer: Any = "dot") -> "Recommender":
        """A recommender from any pair of arrays with ids.

        `users` and `items` are a `Tower`, or (ids, vectors) or (ids, vectors, bias). `scorer` is "dot", "cosine", a
        `Scorer`, or a torch module or function `score(u: n × d, v: n × d) -> n`, which is exported with torch.export.
        Raises `RunError` for what does not fit together.
        """
        towers = [side if isinstance(side, Tower) else Tower.of(*side) for side in (users, items)]
        d_users, d_items = (tower.vectors.shape[1] for tower in towers)
        if isinstance(scorer, str):
            named: dict[str, Scorer] = {"dot": Dot(), "cosine": Cosine()}
            if scorer not in named:
                raise RunError(f"There is no scorer {scorer!r}; there are dot and cosine, or a function of your own.")
            if d_users != d_items:
                raise RunError(f"{scorer} needs vectors of one length; users have {d_users} numbers, items {d_items}.")
            return cls(towers[0], towers[1], named[scorer])
        if not hasattr(scorer, "arrays"):
            scorer = Program.of(scorer, d_users, d_items)
        return cls(towers[0], towers[1], scorer)

    def affinities(
        self, user: np.ndarray, e_ud: np.ndarray | None = None, e_id: np.ndarray | None = None
    ) -> np.ndarray:
        """Affinities (len(user) × items) of the users numbered `user`.

        `e_ud` (len(user) × d) and `e_id` (items × d) stand in for the recommender's own vectors when they
        are given: edited or reconstructed ones. Biases are added after scoring, always the same.
        """
        e_ud = self.users.vectors[user] if e_ud is None else e_ud
        scored = self._over_own_items if e_id is None else self.scorer.over(e_id)
        return scored(e_ud) + self.users.bias[user, None] + self.items.bias

    @cached_property
    def _over_own_items(self) -> Over:
        return self.scorer.over(self.items.vectors)

    def save(self, path: Path) -> None:
        """Write vectors, biases and scorer to a safetensors file. The ids are stored by the run, once."""
        from safetensors.numpy import save_file

        arrays = dict(self.scorer.arrays())
        for side, tower in (("users", self.users), ("items", self.items)):
            arrays[f"{side}.vectors"], arrays[f"{side}.bias"] = tower.vectors, tower.bias
            if not tower.known.all():
                arrays[f"{side}.known"] = tower.known
        save_file(
            {name: np.ascontiguousarray(array) for name, array in arrays.items()},
            path,
            # One entry: several come out in any order, and the file's hash with them.
            metadata={"scorer": json.dumps({"kind": self.scorer.kind, **self.scorer.facts()})},
        )

    @classmethod
    def load(cls, path: Path, user_ids: Sequence[str], item_ids: Sequence[str]) -> "Recommender":
        """Read what `save` wrote and put the ids beside it. Raises `RunError` when the counts differ."""
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            told = (file.metadata() or {}).get("scorer", "dot")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        facts = json.loads(told) if told.startswith("{") else {"kind": told}
        kind = facts.pop("kind")
        if kind not in SCORERS:
            raise RunError(f"{path} has the scorer {kind!r}, which this version does not know; update monoscope.")
        everything = np.ones(0, bool)
        towers = [
            Tower(ids, arrays[f"{side}.vectors"], arrays[f"{side}.bias"], arrays.get(f"{side}.known", everything))
            for side, ids in (("users", user_ids), ("items", item_ids))
        ]
        return cls(towers[0], towers[1], SCORERS[kind](facts, arrays))
