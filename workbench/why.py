"""`why`: an item's rank for a user, taken apart neuron by neuron, as facts and on the screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from engine.run import Run
    from engine.session import Label
    from engine.steering.why import Parts, Place, Why

PAIRS_SHOWN, NEURONS_SHOWN = 8, 6
NAME, LONG_NAME, TITLE = 21, 32, 34
KINDS = {
    "pairs": "pairs",
    "user_neurons": "user's neurons with the item's mean",
    "item_neurons": "item's neurons with the user's mean",
    "constant": "the two means",
    "remainder": "what the codes leave out",
    "user_bias": "user's bias",
    "item_bias": "item's bias",
}
"""How the sum on the screen calls each kind of part."""


def why_facts(
    run: "Run",
    user: str,
    item: str,
    labels: Mapping[int, "Label"],
    k: int,
    edits: Sequence[Mapping[str, Any]] = (),
    session: str | None = None,
) -> dict[str, Any]:
    """Where the item stands for the user and what of the affinity each neuron is, strongest first.

    The vectors are those that a session's `edits` leave. `k` is the depth of the list whose last place stands beside
    the item's. `parts` and `pairs` are of a dot product alone (None otherwise), `path` of any other scorer.
    """
    from engine.inspector import item_number
    from engine.steering.kept import steps_of
    from engine.steering.why import why

    user_number, number = run.user_number(user), item_number(run, item)
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        steps = steps_of(steering, edits, run.home.amounts(session or run.name))
        edited = steering.edit(steps, users=np.array([user_number]))
        among = edited.among(steering.candidates)
        found = why(edited.recommender, run.sae, among, user_number, number, k)
    names = _names(run, labels)
    return {
        "run": run.name,
        "session": session,
        "edits": len(edits),
        "user": user,
        "item_id": run.recommender.items.ids[number],
        "title": run.texts["title"][number],
        "scorer": run.recommender.scorer.kind,
        "exact": found.parts is not None,
        **_place_facts(run, found.place),
        "total": found.total,
        "difference": found.total - found.place.affinity,
        "parts": None if found.parts is None else found.parts.groups(),
        "above_average": None if found.above is None else found.above.groups(),
        "path": None if found.path is None else dict(vars(found.path)),
        "pairs": None if found.parts is None else _pairs(found, found.parts, names),
        "user_neurons": _neurons(found.z_users, found.users, found.off_users, found.users_above, names),
        "item_neurons": _neurons(found.z_items, found.items, found.off_items, found.items_above, names),
    }


def _names(run: "Run", labels: Mapping[int, "Label"]) -> list[dict[str, Any]]:
    """What each neuron is called: its label in the session, else the concept that holds for it, if any."""
    texts = {number: label.name for number, label in labels.items() if label.name}
    return [
        {"neuron": row.neuron, "name": texts.get(row.neuron) or row.named_by, "concept": row.concept}
        for row in run.neurons
    ]


def _place_facts(run: "Run", place: "Place") -> dict[str, Any]:
    cut = None
    if place.cut is not None and place.cut_affinity is not None:
        cut = {
            "rank": place.k,
            "item_id": run.recommender.items.ids[place.cut],
            "title": run.texts["title"][place.cut],
            "affinity": place.cut_affinity,
            "ahead": place.affinity - place.cut_affinity,
        }
    return {
        "affinity": place.affinity,
        "rank": place.rank,
        "would_be_rank": place.would_be,
        "seen": place.seen,
        "eligible": place.eligible,
        "candidates": place.candidates,
        "mean_affinity": place.mean_affinity,
        "cut": cut,
    }


def _pairs(found: "Why", parts: "Parts", names: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The pairs of which both neurons are active: they add up to `parts.pairs`."""
    above = found.above
    rows = [
        {
            "user_neuron": j,
            "user_name": names[j]["name"],
            "user_concept": names[j]["concept"],
            "item_neuron": i,
            "item_name": names[i]["name"],
            "item_concept": names[i]["concept"],
            "contribution": float(parts.pairs[j, i]),
            "above_average": None if above is None else float(above.pairs[j, i]),
        }
        for j in np.flatnonzero(found.z_users).tolist()
        for i in np.flatnonzero(found.z_items).tolist()
    ]
    return sorted(rows, key=lambda row: -abs(row["contribution"]))


def _neurons(
    z_m: np.ndarray,
    part_m: np.ndarray,
    off_m: np.ndarray,
    above_m: np.ndarray | None,
    names: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Neurons that are active, or that the average candidate has and the item lacks; the most telling first."""
    telling = part_m if above_m is None else above_m
    order = np.argsort(-np.abs(telling), kind="stable")
    return [
        {
            **names[j],
            "activation": float(z_m[j]),
            "contribution": float(part_m[j]),
            "if_switched_off": float(-off_m[j]),
            "above_average": None if above_m is None else float(above_m[j]),
        }
        for j in order.tolist()
        if z_m[j] or telling[j]
    ]


def show_why(facts: Mapping[str, Any]) -> None:
    """The place, the strongest contributions, and the sum."""
    from workbench.tables import say, show

    if facts["edits"]:
        say(f"Under the {facts['edits']} edit{'s' if facts['edits'] > 1 else ''} of session {facts['session']}:")
    say(_sentence(facts))
    if facts["exact"]:
        show(
            "The strongest pairs of a user's and an item's neuron",
            ("user's neuron", "item's neuron", "adds", "above average"),
            [
                (
                    _called(row["user_neuron"], row["user_name"], row["user_concept"], NAME),
                    _called(row["item_neuron"], row["item_name"], row["item_concept"], NAME),
                    f"{row['contribution']:+.2f}",
                    _signed(row["above_average"]),
                )
                for row in facts["pairs"][:PAIRS_SHOWN]
            ],
            "adds, above average",
        )
    _show_side("All that a neuron of the user adds", facts["user_neurons"], facts["exact"])
    _show_side("All that a neuron of the item adds", facts["item_neurons"], facts["exact"])
    say("")
    for line in _sums(facts):
        say(line)
    if any(row["name"] is None and row["concept"] for row in (*facts["user_neurons"], *facts["item_neurons"])):
        say("A name with a question mark is the neuron's best concept, too weak to name it.")


def _sentence(facts: Mapping[str, Any]) -> str:
    """Where the item stands, in a sentence or two."""
    title, candidates = facts["title"], facts["candidates"]
    if facts["rank"] is not None:
        stands = f"is number {facts['rank']:,} of {candidates:,} for user {facts['user']}"
    else:
        why = "has seen it" if facts["seen"] else "is not offered it: nobody has it in training"
        stands = f"is in no list of user {facts['user']}, who {why}; it would be number {facts['would_be_rank']:,}"
    told = f"{title} ({facts['item_id']}) {stands}: affinity {facts['affinity']:.2f}"
    if facts["mean_affinity"] is not None:
        told += f", {facts['affinity'] - facts['mean_affinity']:+.2f} against the average candidate"
    cut = facts["cut"]
    if cut is None:
        return told + "."
    side = "ahead of" if cut["ahead"] >= 0 else "behind"
    return told + f" and {abs(cut['ahead']):.2f} {side} number {cut['rank']} ({_short(cut['title'], TITLE)})."


def _show_side(title: str, rows: Sequence[Mapping[str, Any]], exact: bool) -> None:
    from workbench.tables import show

    last = "above average" if exact else "if switched off"
    value = "above_average" if exact else "if_switched_off"
    show(
        title,
        ("neuron", "activation", "adds", last),
        [
            (
                _called(row["neuron"], row["name"], row["concept"], LONG_NAME),
                f"{row['activation']:.2f}",
                f"{row['contribution']:+.2f}",
                _signed(row[value]),
            )
            for row in rows[:NEURONS_SHOWN]
        ],
        f"activation, adds, {last}",
    )


def _sums(facts: Mapping[str, Any]) -> list[str]:
    """The lines that add up."""
    if facts["exact"]:
        lines = [f"Its affinity: {_added(facts['parts'])} = {facts['total']:.2f}."]
        if facts["above_average"] is not None:
            above = sum(facts["above_average"].values())
            lines.append(f"Above the average candidate: {_added(facts['above_average'])} = {above:+.2f}.")
        return lines
    path = facts["path"]
    groups = {
        "without any neuron": path["baseline"],
        "user's neurons": sum(row["contribution"] for row in facts["user_neurons"]),
        "item's neurons": sum(row["contribution"] for row in facts["item_neurons"]),
        "biases": path["user_bias"] + path["item_bias"],
    }
    share = "" if path["error_share"] is None else f", {100 * path['error_share']:.1f} % of the neurons' net change"
    return [
        f"Its affinity: {_added(groups)} = {facts['total']:.2f}, {abs(facts['difference']):.3f} from the one served"
        f"{share}.",
        f"The scorer is no dot product, so the parts are integrated gradients over {path['steps']} steps, from both "
        "vectors without any neuron (means, and what the codes leave out) to the actual ones. Neurons act together "
        "here: switched off alone, one changes the affinity by another amount.",
    ]


def _added(groups: Mapping[str, float]) -> str:
    """ "pairs +3.21, biases +0.10": what is exactly 0 is left out."""
    return ", ".join(f"{KINDS.get(name, name)} {value:+.2f}" for name, value in groups.items() if value)


def _called(neuron: int, name: str | None, concept: str | None, width: int) -> str:
    return f"{neuron} {_short(name or (f'{concept}?' if concept else '–'), width)}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"
