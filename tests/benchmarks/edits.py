"""How long a list takes after an edit: for one user and for everyone, beside scoring and sorting everything anew."""

from collections.abc import Callable

import numpy as np

from engine.run import Run
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit
from engine.steering.effect import Steering
from tests.benchmarks.measuring import row, timed

K = 30
USER = 17
AMONG = 500
"""Users whom the edit of a cohort is for."""


def edits(run: Run, name: str, one_list: str, everyones: str, rounds: int) -> None:
    """Print the rows of one run, called `name`; `one_list` and `everyones` are the times to reach."""
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
    users = np.arange(len(run.recommender.users.ids))
    neuron = int(steering.sae.encode(run.recommender.users.vectors[[USER]], "users")[0].argmax())
    edit = Edit(neuron=neuron, operation="set", amount=1.5)
    steps = steering.steps([edit])
    served = steering.edit(steps).recommender.users.vectors
    one = np.array([USER])
    brute = _brute(steering, one, served[one])
    _line(f"{name}: one list after an edit", lambda: steering.list_after(USER, steps, K), brute, 300, one_list)
    _line(f"{name}: the same, compared", lambda: steering.rank(USER, steps, K), brute, 300, "")
    few = steering.steps([edit.model_copy(update={"ids": tuple(run.recommender.users.ids[:AMONG])})])
    three = steering.steps([Edit(side="items", neuron=neuron, operation="set", amount=2.0, ids=_items(steering))])
    cohort = Cohort(steering, users, K)
    cohort.before  # noqa: B018 (the lists without an edit are there when an edit is made)
    anew = _brute(steering, users, served)
    everything = [timed(1, anew) for _ in range(rounds)]
    for what, mine, reach in (
        ("everyone's lists, all edited", steps, everyones),
        (f"everyone's lists, {AMONG} edited", few, ""),
        ("everyone's lists, 3 items edited", three, ""),
    ):
        took = timed(rounds, lambda mine=mine: cohort.lists(steering.edit(mine)))
        against = f"{min(everything)[0] / took[0]:.1f} times as fast as sorting all ({min(everything)[0]:.2f} s)"
        row(f"{name}: {what}", f"{took[0]:.3f} s (median {took[1]:.3f} of {rounds})", against, reach)


def _line(what: str, ours: Callable[[], object], brute: Callable[[], object], rounds: int, reach: str) -> None:
    (best, median), (naive, _) = timed(rounds, ours), timed(rounds, brute)
    figure = f"{1000 * best:.2f} ms (median {1000 * median:.2f} of {rounds})"
    row(what, figure, f"{naive / best:.1f} times as fast as sorting all ({1000 * naive:.2f} ms)", reach)


def _brute(steering: Steering, users: np.ndarray, e_ud: np.ndarray) -> Callable[[], np.ndarray]:
    """Every pair scored from the vectors, and all of every row sorted; in parts that memory holds."""
    recommender, step = steering.recommender, 1000

    def part(start: int) -> np.ndarray:
        rows = slice(start, start + step)
        affinity = recommender.affinities(users[rows], e_ud[rows], recommender.items.vectors)
        return np.argsort(-steering.candidates.mask(affinity, users[rows]), axis=1, kind="stable")[:, :K]

    return lambda: np.concatenate([part(start) for start in range(0, len(users), step)])


def _items(steering: Steering) -> tuple[str, ...]:
    """Three items that many could be shown: those met least among the eligible."""
    count = np.bincount(steering.candidates.seen.items, minlength=len(steering.titles))
    least = np.argsort(np.where(steering.candidates.eligible, count, count.max() + 1), kind="stable")[:3]
    return tuple(steering.recommender.items.ids[item] for item in least)
