"""Where our figures differ from the paper's, and why: each sentence follows from figures that were measured here.

A reason is given only where what it is about was measured and is there; how much it explains is its own figure. Where
nothing does, the reason is unknown, and is called so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.experiments.published import RBO_P, published
from engine.experiments.table1 import BEST, BEST_BETA, BEST_FLAT, BEST_SMALL, PAPER
from engine.experiments.tables import NAMES, RECIPES

CLEAR = 0.01
"""A measured difference smaller than this is no reason for anything."""
DEPTH = "20"
FEWEST_USERS = 10
"""A group smaller than this is not told of."""
UNKNOWN = "Reason unknown: nothing that was measured here explains it."


@dataclass(frozen=True)
class Difference:
    """One published figure beside ours."""

    what: str
    paper: float
    ours: float
    low: float
    high: float
    """Lowest and highest seed, or where there are no `seeds` the ends of the 95 % interval over users."""
    seeds: int | None
    reasons: Sequence[str]
    """What makes a difference, or can: sentences, each with the figure that was measured."""
    beside: Sequence[str] = ()
    """What explains nothing, and that a reader of the figure should know."""

    @property
    def why(self) -> Sequence[str]:
        """The reasons; that there is none that is known, where the figures differ."""
        return self.reasons or ([UNKNOWN] if abs(self.ours - self.paper) >= 0.005 else [])

    @property
    def verdict(self) -> str:
        """Where the published figure lies beside ours, in words."""
        gap = self.ours - self.paper
        told = f"ours is {abs(gap):.2f} {'higher' if gap > 0 else 'lower'}" if abs(gap) >= 0.005 else "they agree"
        if self.seeds == 1:
            return f"{told}; one seed, so its spread is unknown"
        inside = "inside" if self.low - 1e-9 <= self.paper <= self.high + 1e-9 else "outside"
        of = f"the range of our {self.seeds} seeds" if self.seeds else "our 95 % interval over users"
        return f"{told}; the published figure is {inside} {of}"


def differences(facts: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """From the facts of the parts that are here, by name; parts that the paper prints no figure of add nothing."""
    found: list[Difference] = []
    dataset = next((str(one["dataset"]) for one in facts.values()), "")
    for column in facts.get("table1", {}).get("columns", []):
        if column["dataset"] == dataset:
            found += _table1(column)
    found += _figure4(facts["figure4"]) if "figure4" in facts else []
    for name in ("figure5", "interventions"):
        found += _doses(facts[name]) if name in facts else []
    return found


def _table1(one: Mapping[str, Any]) -> list[Difference]:
    title, seeds = f"Table 1, {NAMES[one['model']]}", len(one["seeds"])
    if not any(row["paper"] is not None and row["items"] is not None for row in one["rows"]):
        return []
    printed = one["paper"][1]
    found = []
    for variant in (PAPER, BEST_SMALL, BEST):
        ours, low, high = one["filled"][variant][DEPTH]
        recipe = RECIPES[PAPER if variant == PAPER else BEST]
        what = f"{title}: mean purity@20 over the concepts it fills, {recipe}, {one['neurons'][variant]} neurons"
        reasons = [*_of_recipe(one, variant), *_of_number(one, variant)]
        beside = _of_choice(one, variant)
        if variant == PAPER:
            reasons += _of_rows(one)
            beside += [*_of_data(one), *_of_cells(one)]
        found.append(Difference(what, printed, ours, low, high, seeds, reasons, beside))
    for variant in (PAPER, BEST):
        spread = one["popularity"][variant][DEPTH]
        if spread is not None:
            what = (
                f"{title}: popularity percentile of the popularity neuron's top 20 (0 is the most popular), "
                f"{RECIPES[variant]}"
            )
            ours, low, high = spread
            reasons = _of_popularity(one, variant)
            found.append(Difference(what, one["popularity_paper"][1], ours, low, high, seeds, reasons))
    return found


def _of_recipe(one: Mapping[str, Any], variant: str) -> list[str]:
    """What another recipe makes of the same data, with as many neurons."""
    by_paper, own = one["filled"][PAPER][DEPTH][0], one["filled"][variant][DEPTH][0]
    if variant == PAPER or abs(own - by_paper) < CLEAR:
        return []
    return [f"The recipe: by the paper's on the same data it is {by_paper:.2f}, so ours makes {own - by_paper:+.2f}."]


def _of_popularity(one: Mapping[str, Any], variant: str) -> list[str]:
    """What moves the popularity of the popularity neuron's items here; for the paper's recipe that settles nothing."""
    known = {name: spread[DEPTH][0] for name, spread in one["popularity"].items() if spread[DEPTH] is not None}
    own, said = known[variant], []
    if variant == PAPER:
        if BEST in known and abs(known[BEST] - own) >= CLEAR:
            said.append(
                f"Reason unknown. It depends on how the recommender and the autoencoder are trained: by our recipe it "
                f"is {known[BEST]:.2f} on the same data{_without_biases(known)}. The paper's training is known as far "
                "as it is printed."
            )
        return said
    if PAPER in known and abs(known[PAPER] - own) >= CLEAR:
        said.append(f"The recipe: by the paper's on the same data it is {known[PAPER]:.2f}.")
    words = {
        BEST_FLAT: "Item biases hold part of what is popular outside the vectors: without them",
        BEST_SMALL: "With as many neurons as the paper",
        BEST_BETA: "With the prediction loss, beta 1",
    }
    moved = [name for name in words if name in known and abs(known[name] - own) >= CLEAR]
    return [*said, *(f"{words[name]} it is {known[name]:.2f}." for name in moved)]


def _without_biases(known: Mapping[str, float]) -> str:
    return f", and without item biases {known[BEST_FLAT]:.2f}" if BEST_FLAT in known else ""


def _of_choice(one: Mapping[str, Any], variant: str) -> list[str]:
    """What choosing a neuron by the labels that score it adds, and what chance has already."""
    means, said = one["means"][variant], []
    chosen, split = means["label-chosen"][DEPTH][0], means["split-half"][DEPTH][0]
    if chosen - split >= CLEAR:
        said.append(
            f"A neuron chosen by the labels that then score it flatters: over the table's concepts {chosen:.2f}, and "
            f"{split:.2f} where one half of the items chooses and the other scores. The published figures are of the "
            "first kind."
        )
    chance = one["means"].get(f"{variant}: random directions, 95 % of draws")
    if chance is not None:
        mean, low, high = chance["label-chosen"][DEPTH]
        said.append(
            f"{one['neurons'][variant]} random directions of the same vectors, chosen by the labels too, reach "
            f"{mean:.2f} [{low:.2f}, {high:.2f}]; the paper has no such row."
        )
    return said


def _of_number(one: Mapping[str, Any], variant: str) -> list[str]:
    """What more neurons to choose from add."""
    if variant != BEST or one["neurons"][BEST] == one["neurons"][BEST_SMALL]:
        return []
    more, fewer = one["filled"][BEST][DEPTH][0], one["filled"][BEST_SMALL][DEPTH][0]
    if abs(more - fewer) < CLEAR:
        return []
    return [
        f"{one['neurons'][BEST]} neurons to choose from, where the paper has {one['neurons'][BEST_SMALL]}: with as "
        f"many as the paper {fewer:.2f}."
    ]


def _of_data(one: Mapping[str, Any]) -> list[str]:
    size = published().sizes[published().domain(one["dataset"])]
    own, said = one["size"], []
    if (own["users"], own["items"]) != (size.users, size.items):
        said.append(
            f"The data differ: {own['users']:,} users and {own['ranked_items']:,} ranked items of {own['items']:,} "
            f"here, {size.users:,} users and {size.items:,} items there."
        )
    return said


def _of_rows(one: Mapping[str, Any]) -> list[str]:
    """Rows that can be read in two ways."""
    said = []
    for row in one["rows"]:
        strict, looser = row["ours"][PAPER], row["ours_looser"][PAPER]
        if row["paper"] is not None and strict is not None and looser is not None:
            by = looser[DEPTH][0] - strict[DEPTH][0]
            if abs(by) >= CLEAR:
                said.append(
                    f"{row['name']}: read as {row['looser']}, as the released tables do or may, our figure is "
                    f"{looser[DEPTH][0]:.2f} instead of {strict[DEPTH][0]:.2f} (published {row['paper'][1]:.2f})."
                )
    return said


def _of_cells(one: Mapping[str, Any]) -> list[str]:
    """Rows that are missing here, and published cells that cannot be."""
    said = []
    missing = [row["name"] for row in one["rows"] if row["paper"] is not None and row["items"] is None]
    if missing:
        said.append(f"Not in this data set, so in neither mean: {', '.join(missing)}.")
    impossible = [f"{row['name']}@{depth}" for row in one["rows"] for depth in row["impossible"]]
    if impossible:
        said.append(f"Published, but no multiple of 1/K, so no purity of K items: {', '.join(impossible)}.")
    return said


def _figure4(facts: Mapping[str, Any]) -> list[Difference]:
    found = []
    free = {curve["model"]: curve for curve in facts["curves"] if curve["sparsity"] == "free"}
    matched = {curve["model"]: curve for curve in facts["curves"] if curve["sparsity"] == "matched"}
    for model, paper in facts["paper"].items():
        for name in ("rbo", "tau", "monosemanticity"):
            for beta in (facts["paper_beta"][0], facts["paper_beta"][-1]):
                curve = free[model]
                at = curve["beta"].index(beta)
                values = [row[at] for row in curve["measures"][name]]
                if any(value is None for value in values):
                    continue
                ours = sum(values) / len(values)
                printed = paper[name][facts["paper_beta"].index(beta)]
                what = f"Figure 4, {NAMES[model]}: {_NAMED[name]} at beta {beta:g}, the paper's recipe"
                reasons = _of_protocol(facts, model, name, paper)
                reasons += _of_sparsity(curve, matched[model], name, at, ours - printed)
                beside = _of_beta(curve, matched[model], name, paper) if beta else []  # said once, at the larger beta
                found.append(Difference(what, printed, ours, min(values), max(values), len(values), reasons, beside))
    return found


_NAMED = {"rbo": "RBO", "tau": "Kendall's tau", "monosemanticity": "monosemanticity"}


def _of_protocol(facts: Mapping[str, Any], model: str, name: str, paper: Mapping[str, Any]) -> list[str]:
    one = facts["protocol"].get(model)
    if one is None or name not in ("rbo", "tau"):
        return []
    ours, theirs = one[name], one[f"{name}_theirs"]
    if abs(theirs - ours) < CLEAR:
        return []
    how = f"lists of {paper['list_length']} items, seen items {paper['seen_items']}"
    of_rbo = ""
    if name == "rbo":
        how += ", RBO cut off at the list's end"
        most = 1 - RBO_P ** paper["list_length"]
        of_rbo = f" Cutting off alone gives {one['rbo_truncated']:.2f}; identical lists then have {most:.3f}."
    return [
        f"Another protocol ({how}): the lists of {one['run']} have {theirs:.2f} by it and {ours:.2f} by ours, on the "
        f"same {one['users']:,} users.{of_rbo}"
    ]


def _of_sparsity(free: Mapping[str, Any], matched: Mapping[str, Any], name: str, at: int, gap: float) -> list[str]:
    """What the number of active neurons does to a measure, where that is as much as the difference to be explained."""
    moved, by_beta, active = _gain(free, name), _gain(matched, name), _gain(free, "l0_users")
    here = _at(free, "l0_users", at)
    if moved is None or by_beta is None or active is None or here is None or abs(active) < 0.1:
        return []
    if abs(moved - by_beta) < max(abs(gap), CLEAR) or abs(gap) < 0.005:
        return []
    return [
        f"Perhaps sparsity, of which the paper prints nothing: our codes have {here:.1f} active neurons a user there, "
        f"and {active:+.1f} of them come with {moved - by_beta:+.2f} of {_NAMED[name]} (over beta, less what beta does "
        "where their number is held equal). Whether the paper's codes are sparser or denser is unknown."
    ]


def _at(curve: Mapping[str, Any], name: str, at: int) -> float | None:
    """The mean over seeds of a measure at a beta by its place; None where it is unknown for one."""
    values = [row[at] for row in curve["measures"][name]]
    return None if any(value is None for value in values) else float(sum(values) / len(values))


def two_bases(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why the paper's recipe keeps more or less of the lists in Table 1 than in Figure 4: it reads two recommenders."""
    said = []
    columns = {column["model"]: column for column in facts.get("table1", {}).get("columns", ())}
    for curve in facts.get("figure4", {}).get("curves", ()):
        known = [value for value in (_at(curve, "rbo", at) for at in range(len(curve["beta"]))) if value is not None]
        quality = columns.get(curve["model"], {}).get("quality", {})
        if curve["sparsity"] != "free" or not known or not all(quality.get(one) for one in (PAPER, BEST)):
            continue
        kept, own, other = quality[PAPER]["rbo"], quality[PAPER]["ndcg10"], quality[BEST]["ndcg10"]
        if None in (kept, own, other) or min(known) <= kept[0] <= max(known):
            continue
        said.append(
            f"{NAMES[curve['model']]}: by the paper's recipe RBO is {kept[0]:.2f} in Table 1 and {min(known):.2f} to "
            f"{max(known):.2f} in Figure 4. In Table 1 the recommender is trained by that recipe too (NDCG@10 "
            f"{own[0]:.3f}); in Figure 4 the autoencoder reads a recommender of our recipe ({other[0]:.3f}), "
            f"{curve['base']}, so that both curves there have the same lists to keep."
        )
    return said


def _of_beta(free: Mapping[str, Any], matched: Mapping[str, Any], name: str, paper: Mapping[str, Any]) -> list[str]:
    """How much of what beta buys is left where codes are as sparse as before."""
    gains = [_gain(curve, name) for curve in (free, matched)]
    active = _gain(free, "l0_users")
    if gains[0] is None or gains[1] is None or active is None or abs(active) < 0.1:
        return []
    printed = paper[name][-1] - paper[name][0]
    return [
        f"Over beta the paper's recipe also changes how many neurons are active ({active:+.1f} a user): {_NAMED[name]} "
        f"changes by {gains[0]:+.2f} that way (published {printed:+.2f}), and by {gains[1]:+.2f} where their number is "
        "held equal."
    ]


def _gain(curve: Mapping[str, Any], name: str) -> float | None:
    ends = [(row[0], row[-1]) for row in curve["measures"][name]]
    if any(value is None for pair in ends for value in pair):
        return None
    return sum(float(last) - float(first) for first, last in ends) / len(ends)


def _doses(facts: Mapping[str, Any]) -> list[Difference]:
    """The largest published effect beside ours at the last level, served the paper's way."""
    found = []
    for one in facts["cases"]:
        if one["paper"] is None or one["unknown"] is not None:
            continue
        ways = {way["name"]: way for way in one["ways"]}
        last = {name: way["levels"][-1] for name, way in ways.items()}
        theirs = last["paper's"]
        if theirs["share"] is None or ways["paper's"]["users"] < FEWEST_USERS:
            continue
        what = (
            f"{NAMES[one['model']]}, {one['title']}: share at the last level (ours {theirs['level']:g} p99 units, the "
            f"paper's own {one['paper']['levels'][-1]:g})"
        )
        ours, low, high = theirs["share"]
        reasons, beside = _of_people(one, ways), _of_serving(last)
        found.append(Difference(what, one["paper"]["shares"][-1], ours, low, high, None, reasons, beside))
    return found


def _of_serving(last: Mapping[str, Mapping[str, Any]]) -> list[str]:
    said = []
    ours, theirs = last["ours"]["share"], last["paper's"]["share"]
    if ours is not None and abs(ours[0] - theirs[0]) >= CLEAR:
        said.append(
            f"Served our way (the change added to the vector, seen items left out) it is {ours[0]:.2f}, served the "
            f"paper's way (decoded, seen items kept) {theirs[0]:.2f}."
        )
    control = last["paper's"]["control"]
    if control is not None:
        said.append(f"A random other neuron at the same level: {control:.2f}; the paper has no such control.")
    return said


def _of_people(one: Mapping[str, Any], ways: Mapping[str, Mapping[str, Any]]) -> list[str]:
    theirs, ours, said = one["paper"]["users"], ways["paper's"]["users"], []
    if theirs is not None and theirs != ours:
        share = one["paper"]["shares"][-1]
        error = 1.96 * (share * (1 - share) / theirs) ** 0.5
        # Of a promotion the share is of users; else it is a mean of lists, whose spread the paper does not tell.
        known = one["case"]["goal"] == "promote" and error > 0
        wide = f"; a share of {share:.2f} of {theirs} users is known to about {error:.2f} either way" if known else ""
        said.append(f"Over {ours:,} users here and {theirs} there{wide}.")
    return [
        f"The doses need not be the same: its levels are of another autoencoder's scale; {one['paper']['note']}.",
        *said,
    ]
