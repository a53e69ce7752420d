"""A recommender whose concepts are planted: what every measure must find, and what must vanish when it is shuffled."""

from dataclasses import dataclass

import numpy as np

from engine.neurons.table import ConceptItems
from engine.recommenders.ranking import Histories
from engine.recommenders.recommender import Recommender, Tower
from engine.recommenders.scorers import Mlp

CONCEPTS, D, ITEMS, USERS = 8, 10, 700, 400


@dataclass(frozen=True)
class Planted:
    """`concepts` are in the vectors, `missing` is a concept of the metadata that is not."""

    recommender: Recommender
    concepts: list[ConceptItems]
    missing: ConceptItems
    seen: Histories
    popularity: np.ndarray
    turned: np.ndarray
    """The rotation that users were turned by (identity unless asked for)."""

    def shuffled(self, seed: int = 5) -> list[ConceptItems]:
        """The same concepts on other items."""
        order = np.random.default_rng(seed).permutation(ITEMS)
        return [ConceptItems(one.name, one.kind, one.member[order]) for one in self.concepts]

    def direction(self, concept: int) -> np.ndarray:
        """Mean of the concept's items less that of all."""
        vectors = self.recommender.items.vectors
        return np.asarray(vectors[self.concepts[concept].member].mean(axis=0) - vectors.mean(axis=0))


def planted(seed: int = 0, *, scorer: str = "dot", turn: bool = False, knots: int = 33) -> Planted:
    """Items with one or two concepts of eight and a popularity direction; users who like a few of them.

    `scorer` mlp is a perceptron that computes the dot product of vectors with users turned back, the better and the
    slower the more `knots` it has; `turn` rotates the users by a hidden orthogonal matrix, so that the two towers live
    in unrelated spaces.
    """
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.standard_normal((D, D)))[0][: CONCEPTS + 1]
    member = np.zeros((ITEMS, CONCEPTS), bool)
    member[np.arange(ITEMS), random.integers(0, CONCEPTS, ITEMS)] = True
    second = random.random(ITEMS) < 0.3
    member[second, random.integers(0, CONCEPTS, second.sum())] = True
    strength = member * random.uniform(0.6, 1.6, member.shape)
    popular = random.exponential(size=ITEMS) * 0.4
    items = np.concatenate([strength, popular[:, None]], axis=1) @ directions
    likes = (random.random((USERS, CONCEPTS)) < 0.3) * random.uniform(0.5, 1.5, (USERS, CONCEPTS))
    users = np.concatenate([likes, np.full((USERS, 1), 0.5)], axis=1) @ directions
    items += 0.05 * random.standard_normal(items.shape)
    users += 0.05 * random.standard_normal(users.shape)
    affinity = users @ items.T
    seen = np.argsort(-(affinity + 0.5 * random.standard_normal(affinity.shape)), axis=1)[:, :15]
    turned = np.linalg.qr(random.standard_normal((D, D)))[0] if turn else np.eye(D)
    bias = (0.1 * popular).astype(np.float32)
    recommender = Recommender(
        Tower.of([f"u{n}" for n in range(USERS)], users @ turned),
        Tower.of([f"i{n}" for n in range(ITEMS)], items, bias),
    )
    if scorer == "mlp":
        recommender = Recommender(recommender.users, recommender.items, _dot_as_mlp(turned, np.linspace(-4, 4, knots)))
    return Planted(
        recommender,
        [ConceptItems(f"c{n}", "genre", member[:, n]) for n in range(CONCEPTS)],
        ConceptItems("missing", "genre", random.random(ITEMS) < 0.15),
        Histories.of(np.repeat(np.arange(USERS), 15), seen.ravel(), USERS),
        np.bincount(seen.ravel(), minlength=ITEMS),
        turned,
    )


def _dot_as_mlp(turned: np.ndarray, knots: np.ndarray) -> Mlp:
    """u'R v by |x| = relu(x) + relu(-x) over sums and differences: a sum of hinges at many places approximates x^2.

    u.v = (|u + v|^2 - |u - v|^2) / 4, and each square of a coordinate is a piecewise linear function.
    """
    rows, offsets, weights = [], [], []
    for axis in range(D):
        for sign in (1.0, -1.0):
            row = np.concatenate([turned[axis], sign * np.eye(D)[axis]])
            for knot in knots:
                for side in (1.0, -1.0):
                    rows.append(side * row)
                    offsets.append(-side * knot)
                    # The sum of |x - knot| over equal steps is x^2 / step and a constant.
                    weights.append(sign * (knots[1] - knots[0]) / 4)
    first = np.array(rows, np.float32)
    return Mlp(
        (first, np.array(weights, np.float32)[None]), (np.array(offsets, np.float32), np.zeros(1, np.float32)), D
    )
