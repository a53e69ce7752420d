"""Which groups of users a report may tell of: none of fewer than ten, and no two that differ by so few.

What is told of two groups that differ by a few users is, by subtraction, told of these few. Pairs are looked at; three
groups and more, of which one could be computed from the others, are not.
"""

from collections.abc import Sequence

import numpy as np

from engine.neurons.profile import SEGMENT_MINIMUM

Group = Sequence[np.ndarray]
"""Numbers of users in ascending order: those whom an edit is for, and those among them whom it is measured on."""


def few(users: float, of: int) -> bool:
    """Whether so many users, or those of the whole who are not among them, are too small a group to be told of."""
    return 0 < users < SEGMENT_MINIMUM or 0 < of - users < SEGMENT_MINIMUM


def withheld(groups: Sequence[Group | None], everyone: np.ndarray) -> list[str | None]:
    """Why each group is not told of, as the end of a sentence; None: it is told of, or there is none.

    Everyone is told of in any case, then one group after the other that is no small one and that is the same as, or
    differs by ten users at least from, each that is told of before it.
    """
    told: list[tuple[str, Group]] = [("everyone", (everyone,))]
    found: list[str | None] = []
    for number, group in enumerate(groups, 1):
        why = None if group is None else _why(group, told)
        if group is not None and why is None:
            told.append((f"those of edit {number}", group))
        found.append(why)
    return found


def _why(group: Group, told: Sequence[tuple[str, Group]]) -> str | None:
    if min(len(users) for users in group) < SEGMENT_MINIMUM:
        return f"it is for fewer than {SEGMENT_MINIMUM} users"
    for name, other in told:
        if any(_nearly_same(one, two) for one in group for two in other):
            return f"its users differ from {name} by fewer than {SEGMENT_MINIMUM}"
    return None


def _nearly_same(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether one less the other, either way, leaves so few users that are not the same."""
    both = len(np.intersect1d(one, two, assume_unique=True))
    return len(one) + len(two) > 2 * both and max(len(one), len(two)) - both < SEGMENT_MINIMUM
