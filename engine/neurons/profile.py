"""What one neuron responds to, beyond its top items: its whole range, every concept, decades, groups of users.

Pure functions over arrays; position is the item's or user's number, and the caller puts ids beside it. Item figures
count `eligible` items alone, user figures the users that have a vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

QUANTILES = (0.99, 0.9, 0.75, 0.5, 0.25)
"""Quantiles of the positive activations at which examples are shown, between the top and the first above zero."""
BINS = 20
SEGMENT_MINIMUM = 10
"""Users below which a group is never shown, nor may be worked out from the groups beside it."""
SEGMENT_VALUES = 50
"""A column with more values than this names people, not segments."""


@dataclass(frozen=True)
class Step:
    """Examples at one height of a neuron: `quantile` of its positive activations; 1 is the top, 0 the first above 0."""

    quantile: float
    rows: tuple[int, ...]
    """Their numbers, most active first."""


def quantile_steps(z_n: np.ndarray, eligible: np.ndarray, each: int = 3) -> list[Step]:
    """`each` rows at the top, at every one of `QUANTILES`, and at the first above zero; no row twice.

    Rows are ordered by activation, then by number, and a step takes those nearest to its place in that order. Steps
    that would be empty because too few rows are active are left out.
    """
    active = np.flatnonzero((z_n > 0) & eligible)
    order = active[np.lexsort((active, -z_n[active]))]
    ends = {1.0: np.arange(len(order))[:each], 0.0: np.arange(len(order))[::-1][:each]}
    taken: set[int] = set()
    steps = []
    for quantile in (1.0, 0.0, *QUANTILES):
        places = ends.get(quantile)
        if places is None:
            places = np.argsort(np.abs(np.arange(len(order)) - (1 - quantile) * (len(order) - 1)), kind="stable")[:each]
        rows = sorted(int(place) for place in places if int(place) not in taken)
        taken.update(rows)
        if rows:
            steps.append(Step(quantile, tuple(int(order[place]) for place in rows)))
    return sorted(steps, key=lambda step: -step.quantile)


@dataclass(frozen=True)
class Purest:
    """A concept's purest neuron; `lift`: its mean activation over the concept, as a multiple of that over all items."""

    neuron: int
    purity: float
    lift: float


@dataclass(frozen=True)
class Histogram:
    """Activations in equal bins from 0 to the largest; `edges` has one more entry than `counts`.

    Both are empty where nothing is active.
    """

    rows: int
    zeros: float | None
    """Share of the rows whose activation is 0; None without rows."""
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def histogram(z_n: np.ndarray, eligible: np.ndarray, bins: int = BINS) -> Histogram:
    """How often a neuron is active, and how strongly."""
    values = z_n[eligible]
    positive = values[values > 0]
    zeros = float(1 - len(positive) / len(values)) if len(values) else None
    if not len(positive):
        return Histogram(len(values), zeros, (), ())
    counts, edges = np.histogram(positive, bins=bins, range=(0.0, float(positive.max())))
    return Histogram(len(values), zeros, tuple(map(float, edges)), tuple(map(int, counts)))


def purest_neurons(z_im: np.ndarray, eligible: np.ndarray, member_ci: np.ndarray, depth: int = 20) -> list[Purest]:
    """For each concept the neuron whose `depth` most active items carry it most, with how selective it is.

    Of several as pure, the one whose mean activation over the concept is the most times its mean over all items.
    """
    means, catalogue = concept_means(z_im, eligible, member_ci)
    lift = np.nan_to_num(means) / np.maximum(catalogue, 1e-12)
    tops = [most_active(z_im[:, j], eligible, depth) for j in range(z_im.shape[1])]
    purity = np.array([[member[top].sum() / depth for top in tops] for member in member_ci])
    chosen = [max(range(len(tops)), key=lambda j: (purity[c, j], lift[c, j])) for c in range(len(member_ci))]
    return [Purest(j, float(purity[c, j]), float(lift[c, j])) for c, j in enumerate(chosen)]


def concept_means(z_im: np.ndarray, eligible: np.ndarray, member_ci: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean activation over each concept's eligible items (concepts × m; nan without items), and over all of them (m).

    A row is the top of the paper's Figure 2 (one concept, every neuron), a column its middle (one neuron, every
    concept).
    """
    z = z_im[eligible].astype(np.float64)
    inside = member_ci[:, eligible].astype(np.float64)
    count = inside.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(count > 0, (inside @ z) / count, np.nan)
    return means, z.mean(axis=0) if len(z) else np.full(z_im.shape[1], np.nan)


@dataclass(frozen=True)
class NearNeuron:
    """Another neuron: the cosine of the two decoder rows, and the Jaccard overlap of the items that activate them."""

    neuron: int
    cosine: float
    jaccard: float | None
    """None where neither is active."""


def near_neurons(w_md: np.ndarray, z_im: np.ndarray, eligible: np.ndarray, neuron: int, k: int = 3) -> list[NearNeuron]:
    """The `k` neurons whose decoder rows have the largest cosine with that of `neuron`; ties by number."""
    everyone = beside(w_md, z_im, eligible, neuron)
    others = [one for one in everyone if one.neuron != neuron]
    return sorted(others, key=lambda one: -one.cosine)[:k]


def cosine_by_chance(w_md: np.ndarray, share: float = 0.05) -> float:
    """What the nearest of the other rows' directions exceeds by chance in `share` of cases, were all drawn at random.

    The square of a random direction's cosine has the distribution Beta(1/2, (d - 1) / 2).
    """
    from scipy.stats import beta

    m, d = w_md.shape
    if m < 2 or d < 2:
        return 1.0
    one = 1 - (1 - share) ** (1 / (m - 1))
    return float(np.sqrt(beta.isf(2 * one, 0.5, (d - 1) / 2))) if one < 0.5 else 0.0


def beside(w_md: np.ndarray, z_im: np.ndarray, eligible: np.ndarray, neuron: int) -> list[NearNeuron]:
    """Every neuron beside `neuron`, that one too, by number."""
    unit = w_md / np.maximum(np.linalg.norm(w_md, axis=1, keepdims=True), 1e-12)
    cosine = (unit @ unit[neuron]).astype(np.float64)
    active = z_im[eligible] > 0
    both = (active & active[:, [neuron]]).sum(axis=0)
    either = (active | active[:, [neuron]]).sum(axis=0)
    return [
        NearNeuron(j, float(cosine[j]), float(both[j] / either[j]) if either[j] else None) for j in range(len(unit))
    ]


def most_active(z_n: np.ndarray, eligible: np.ndarray, depth: int) -> np.ndarray:
    """The numbers of the `depth` most active eligible rows, fewer where fewer are above 0; ties by number."""
    active = np.flatnonzero((z_n > 0) & eligible)
    return active[np.lexsort((active, -z_n[active]))][:depth]


@dataclass(frozen=True)
class DecadeShare:
    """A decade's share of a neuron's most active items, beside its share of all eligible items."""

    decade: int
    count: int
    share: float
    catalogue: float


def decade_shares(z_n: np.ndarray, eligible: np.ndarray, year: np.ndarray, depth: int = 200) -> list[DecadeShare]:
    """Decades among the `depth` most active items (the paper's Figure 3), in order; items without a year are left out.

    `year` is -1 where it is not known. Every decade that an eligible item has is listed, at a count of 0 too.
    """
    known = eligible & (year >= 0)
    top = most_active(z_n, eligible, depth)
    top = top[year[top] >= 0]
    everything, counts = np.unique(year[known] // 10 * 10, return_counts=True)
    mine = np.array([(year[top] // 10 * 10 == decade).sum() for decade in everything])
    return [
        DecadeShare(int(decade), int(n), float(n / len(top)) if len(top) else 0.0, float(total / known.sum()))
        for decade, n, total in zip(everything, mine, counts, strict=True)
    ]


@dataclass(frozen=True)
class Segment:
    """How strongly one group of users activates a neuron, beside everyone."""

    column: str
    """A column of the users, or "cohort"."""
    value: str
    users: int
    mean: float
    active: float
    """Share of the group that activates it."""
    difference: float | None
    """Cohen's d: the group's mean less that of everyone else, in pooled standard deviations. None without spread."""
    p: float
    """Two-sided Mann-Whitney test of the group against everyone else."""
    q: float
    """Benjamini-Hochberg over the segments of this neuron."""


Skipped = Literal["too many values", "too few users"]
Groups = Sequence[tuple[str, str, np.ndarray]]
"""Of each group its column, its value, and who is in it (bool, users)."""


def segments(
    z_n: np.ndarray,
    known: np.ndarray,
    columns: Mapping[str, Sequence[str | int | None]],
    cohorts: Mapping[str, np.ndarray],
) -> tuple[list[Segment], dict[str, Skipped]]:
    """The groups of users that activate a neuron more or less than others, largest difference first.

    `columns` has one value a user (None: unknown), `cohorts` user numbers; users that are not `known` count nowhere.
    A group is shown when it and its complement have `SEGMENT_MINIMUM` users or more. Where the users of a column that
    stay hidden are fewer than that, its smallest shown group is hidden too: it could be had by subtraction. The second
    result names the columns that are left out altogether, and why.
    """
    groups, skipped = groups_of(known, columns, cohorts)
    return segments_of(z_n, known, groups), skipped


def groups_of(
    known: np.ndarray, columns: Mapping[str, Sequence[str | int | None]], cohorts: Mapping[str, np.ndarray]
) -> tuple[Groups, dict[str, Skipped]]:
    """The groups that `segments` shows of any neuron, and what it leaves out."""
    groups: list[tuple[str, str, np.ndarray]] = []
    skipped: dict[str, Skipped] = {}
    for column, values in columns.items():
        found = _groups(values, known)
        if found is None:
            skipped[column] = "too many values"
        elif not found:
            skipped[column] = "too few users"
        else:
            groups += [(column, value, member) for value, member in found]
    for name, users in cohorts.items():
        member = np.zeros(len(known), bool)
        member[users] = True
        member &= known
        if min(int(member.sum()), int((known & ~member).sum())) >= SEGMENT_MINIMUM:
            groups.append(("cohort", name, member))
        else:
            skipped[f"cohort {name}"] = "too few users"
    return groups, skipped


def _groups(values: Sequence[str | int | None], known: np.ndarray) -> list[tuple[str, np.ndarray]] | None:
    """The groups of one column that may be shown; None for a column with too many values."""
    stated = known & np.array([value is not None for value in values], bool)
    texts = np.array(["" if value is None else str(value) for value in values])
    names, number = np.unique(texts[stated], return_inverse=True)
    if len(names) > SEGMENT_VALUES:
        return None
    count = np.bincount(number, minlength=len(names))
    shown = [int(n) for n in np.argsort(-count, kind="stable") if count[n] >= SEGMENT_MINIMUM]
    hidden = int(known.sum()) - int(count[shown].sum())
    while shown and 0 < hidden < SEGMENT_MINIMUM:
        hidden += int(count[shown.pop()])
    found = [(str(names[n]), stated & (texts == names[n])) for n in shown]
    return [(name, member) for name, member in found if (known & ~member).sum() >= SEGMENT_MINIMUM]


def segments_of(z_n: np.ndarray, known: np.ndarray, groups: Groups) -> list[Segment]:
    """As `segments`, of groups that were found before: many neurons have the same."""
    from scipy.stats import false_discovery_control, norm, rankdata

    if not groups:
        return []
    z = z_n.astype(np.float64)
    rank = np.zeros(len(z))
    rank[known] = rankdata(z[known])
    n = int(known.sum())
    _, ties = np.unique(z[known], return_counts=True)
    spread = (n + 1) - (ties.astype(float) ** 3 - ties).sum() / (n * (n - 1))  # scipy's correction for ties
    p = []
    for _, _, member in groups:
        inside = int(member.sum())
        outside = n - inside
        u = rank[member].sum() - inside * (inside + 1) / 2
        deviation = np.sqrt(inside * outside * spread / 12)
        away = max(abs(u - inside * outside / 2) - 0.5, 0.0)  # continuity, as scipy has it
        p.append(float(min(1.0, 2 * norm.sf(away / deviation))) if deviation > 0 else 1.0)
    q = false_discovery_control(p)
    result = []
    for (column, value, member), one, corrected in zip(groups, p, q, strict=True):
        inside_z, outside_z = z[member], z[known & ~member]
        result.append(
            Segment(
                column,
                value,
                len(inside_z),
                float(inside_z.mean()),
                float((inside_z > 0).mean()),
                _cohen(inside_z, outside_z),
                one,
                float(corrected),
            )
        )
    return sorted(result, key=lambda segment: -abs(segment.difference or 0.0))


def _cohen(a: np.ndarray, b: np.ndarray) -> float | None:
    pooled = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2)
    return float((a.mean() - b.mean()) / np.sqrt(pooled)) if pooled > 0 else None
