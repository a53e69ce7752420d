"""Random directions that are just as pure for a concept as a neuron is: what the neuron has to be better than."""

from dataclasses import dataclass

import numpy as np

from engine.recommenders.ranking import top_k

DEPTH = 20
"""K of the purity that is made equal: labels are given by it."""
GRID, HALVINGS = 32, 12
"""Steps from a random direction to the concept's, and halvings of the step in which the purity is crossed."""
STEPS = 120
"""Steps of the walk that follows: on MovieLens 1M the mean gain is then within a tenth of that of the random directions
of this purity among 150,000; in 64 dimensions it is still up to a fifth too large, which is to the neuron's loss."""
STEP_ANGLES = 10.0, 40.0
REACHED_MINIMUM = 0.2
"""Share of the directions that must come to the purity; where fewer do, they begin too much alike to forget it."""


def members_in_top(value_ni: np.ndarray, member: np.ndarray, k: int) -> np.ndarray:
    """How many of each row's k largest are of `member` (rows); ties as `top_k` breaks them, but ten times as fast."""
    cut = np.partition(value_ni, value_ni.shape[1] - k, axis=1)[:, -k, None]
    hits = (value_ni[:, np.flatnonzero(member)] >= cut).sum(axis=1)
    tied = np.count_nonzero(value_ni >= cut, axis=1) > k
    if tied.any():
        hits[tied] = member[top_k(value_ni[tied], k)].sum(axis=1)
    return hits


@dataclass(frozen=True)
class EquallyPure:
    """Unit directions (n × d, float32), of whose top items `hits` (n) are the label's; none where too few came there.

    `unreached` of the random directions that were begun with did not.
    """

    direction_nd: np.ndarray
    hits: np.ndarray
    unreached: int


def equally_pure(
    x_id: np.ndarray, member: np.ndarray, hits: int, directions: int, seed: int, depth: int = DEPTH
) -> EquallyPure:
    """Random directions that have just as many of the label's items among their top `depth` of the centred `x_id`.

    "Equal" is the very number. A random direction is turned along the great circle to the mean difference of the
    label's items and the others (away from it, where it is too pure) until it has them. That alone would leave the
    directions nearer to the concept's mean than random ones of that purity are, and their gains too large. So each
    then walks at random over the directions that have the number (Metropolis on the sphere, uniform among them),
    until it has forgotten where it began.
    """
    random = np.random.default_rng([seed, directions])
    start_nd, reached = _turned(x_id, member, hits, _unit(random.standard_normal((directions, x_id.shape[1]))), depth)
    unreached = int((~reached).sum())
    if reached.sum() < max(1, REACHED_MINIMUM * directions):
        return EquallyPure(np.empty((0, x_id.shape[1]), np.float32), np.empty(0, np.int64), unreached)
    direction = np.resize(start_nd[reached], start_nd.shape)  # those that came there, over again for those that did not
    x_di = np.ascontiguousarray(x_id.T)
    for _ in range(STEPS):
        aside = random.standard_normal((directions, x_id.shape[1]))
        aside = _unit(aside - (aside * direction).sum(axis=1, keepdims=True) * direction)
        angle = np.radians(random.uniform(*STEP_ANGLES, (directions, 1)))
        tried = _unit(np.cos(angle) * direction + np.sin(angle) * aside)
        same = members_in_top(tried @ x_di, member, depth) == hits
        direction[same] = tried[same]
    return EquallyPure(direction, members_in_top(direction @ x_di, member, depth), unreached)


def _turned(
    x_id: np.ndarray, member: np.ndarray, hits: int, random_nd: np.ndarray, depth: int
) -> tuple[np.ndarray, np.ndarray]:
    """`random_nd` turned to or from the concept's mean until they have `hits` (n × d), and which of them came to it."""
    concept = _unit(x_id[member].mean(axis=0) - x_id[~member].mean(axis=0))
    along = random_nd @ concept
    aside_nd = _unit(random_nd - along[:, None] * concept)
    on_concept_i, on_aside_ni = x_id @ concept, aside_nd @ x_id.T

    def counted(angle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        response = np.cos(angle)[:, None] * on_concept_i + np.sin(angle)[:, None] * on_aside_ni[rows]
        return members_in_top(response.astype(np.float32), member, depth)

    # `short` is the last angle that is not there yet, `there` the first that is there or beyond.
    there = np.arccos(np.clip(along, -1, 1))
    short, begun = there.copy(), there.copy()
    count = counted(there, np.arange(len(there)))
    sign = np.where(count < hits, 1, -1)
    end, crossed = np.where(count < hits, 0.0, np.pi), count == hits
    for step in range(1, GRID + 1):
        rows = np.flatnonzero(~crossed)
        there[rows] = (begun + (end - begun) * step / GRID)[rows]
        count[rows] = counted(there[rows], rows)
        crossed[rows] = (count[rows] - hits) * sign[rows] >= 0
        waiting = rows[~crossed[rows]]
        short[waiting] = there[waiting]
    # Items change places one by one along the way, so that no number between is left out.
    for _ in range(HALVINGS):
        rows = np.flatnonzero(crossed & (count != hits))
        middle = (short[rows] + there[rows]) / 2
        found = counted(middle, rows)
        beyond = (found - hits) * sign[rows] >= 0
        there[rows[beyond]], count[rows[beyond]] = middle[beyond], found[beyond]
        short[rows[~beyond]] = middle[~beyond]
    direction = np.cos(there)[:, None] * concept + np.sin(there)[:, None] * aside_nd
    return _unit(direction), count == hits


def _unit(vectors: np.ndarray) -> np.ndarray:
    """At length 1, float32; what has no length stays 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
