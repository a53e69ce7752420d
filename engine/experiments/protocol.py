"""One autoencoder's lists under two protocols: ours, and the one that the paper's Figure 4 was measured by.

What differs between the two figures is the protocol alone, so it can be set beside the distance to a printed figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.comparison import USERS_OF_A_SLOW_SCORER
from engine.experiments.published import RBO_P, Fidelity
from engine.fidelity import kendall_tau, rbo, shared
from engine.recommenders.ranking import Candidates, Histories, masked_affinities, top_k
from engine.run import Run
from engine.sae.config import SaeConfig
from engine.sae.training import split_users
from engine.steering.inputs import Ranking

OUR_LENGTH = 30


@dataclass(frozen=True)
class Protocol:
    """Mean RBO and tau over `users` that the autoencoder of `run` did not train on, our way, the paper's, and between.

    `truncated` is our way with the paper's RBO, which has nothing for what lies beyond the list.
    """

    run: str
    users: int
    rbo: float
    rbo_truncated: float
    rbo_theirs: float
    tau: float
    tau_theirs: float


def both_ways(run: Run, theirs: Fidelity) -> Protocol | None:
    """Measure the lists of a run both ways; None where nobody has anything left to rank."""
    recommender, config = run.recommender, SaeConfig.model_validate(run.manifest["config"]["sae"])
    known = np.flatnonzero(recommender.users.known)
    trained_on, held = split_users(len(known), config.held_out_users, config.seed)
    users = known[held if len(held) else trained_on]
    if recommender.scorer.kind not in ("dot", "cosine"):
        users = users[:USERS_OF_A_SLOW_SCORER]
    with run.catalogue() as catalogue:
        ours = Ranking(catalogue, recommender, run.manifest["recommender"].get("trained_on", "train")).candidates
    nothing = np.empty(0, np.int64)
    everything = Candidates(Histories.of(nothing, nothing, len(ours.seen.starts) - 1), ours.eligible)
    first = _lists(run, ours, users, OUR_LENGTH)
    some = (first[0] >= 0).any(axis=1)
    if not some.any():
        return None
    second = _lists(run, everything if theirs.seen_items == "kept" else ours, users, theirs.list_length)
    (before, after), (their_before, their_after) = ((one[0][some], one[1][some]) for one in (first, second))
    return Protocol(
        run.name,
        int(some.sum()),
        float(rbo(before, after, RBO_P).mean()),
        float(truncated(before, after).mean()),
        float(truncated(their_before, their_after).mean()),
        float(kendall_tau(before, after).mean()),
        float(kendall_tau(their_before, their_after).mean()),
    )


def truncated(a_uk: np.ndarray, b_uk: np.ndarray) -> np.ndarray:
    """The paper's RBO of two top-k lists a row: the sum to the lists' end. Identical lists of 30 give 0.958."""
    depth = np.minimum((a_uk >= 0).sum(axis=1), (b_uk >= 0).sum(axis=1))
    beyond = shared(a_uk, b_uk) / np.maximum(depth, 1) * RBO_P**depth
    return rbo(a_uk, b_uk, RBO_P) - beyond * (depth > 0)


def _lists(run: Run, among: Candidates, users: np.ndarray, k: int) -> Sequence[np.ndarray]:
    """The users' lists (users × k) with the model's own vectors, and with those of both sides reconstructed."""
    recommender, sae = run.recommender, run.sae
    back_ud = sae.decode(sae.encode(recommender.users.vectors[users], "users"), "users")
    back_id = sae.decode(sae.encode(recommender.items.vectors, "items"), "items")
    k = min(k, len(recommender.items.ids))
    found = [np.full((len(users), k), -1, np.int32) for _ in range(2)]
    for lists, vectors in zip(found, ((None, None), (back_ud, back_id)), strict=True):
        for rows, affinity in masked_affinities(recommender, among, users, *vectors):
            lists[rows] = top_k(affinity, k)
    return found
