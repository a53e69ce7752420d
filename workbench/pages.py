"""What the command line prints about one neuron, item or user, beyond its top items. Nothing here computes.

Everything fits 80 columns; lists of names are sentences, which wrap.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.tables import cell, percent, say, show

BARS = "▁▂▃▄▅▆▇█"
EXAMPLES = 2
ROWS = 5
TITLE = 40


def show_neuron_page(facts: Mapping[str, Any], *, whole: bool = False) -> None:
    """A neuron's range, concepts, decades, groups of users, and what it moves; the first of each, or the `whole`."""
    rows = None if whole else ROWS
    _show_range(facts, whole)
    if facts["profiles"]:
        _show_profiles(facts["profiles"], None if whole else ROWS + 1)
    if facts["segments"]:
        _show_segments(facts["segments"], rows)
    if facts["neighbours"]:
        near = ", ".join(
            f"{one['neuron']} ({one['cosine']:.2f}; {cell(one['jaccard'])})" for one in facts["neighbours"]
        )
        say(f"Neighbours (cosine of their directions; overlap of their items): {near}.")
    if facts["moves"]["users"]:
        _show_moves(facts["moves"]["users"], facts["concept"], rows)
    if whole and facts["moves"]["items"]:
        _show_users_moved(facts["moves"]["items"])
    if facts["missing"]:
        say(f"Concepts, decades and groups of users are missing here: {facts['missing']}")


def _show_range(facts: Mapping[str, Any], whole: bool) -> None:
    say("")
    for side in ("items", "users"):
        told = facts["histogram"][side]
        if told["counts"]:
            say(f"{side}: {percent(told['zeros'])} at 0, else 0 {_bars(told['counts'])} {told['edges'][-1]:.2f}")
        if told["counts"] and whole:
            counted = [
                (f"up to {edge:.2f}", count) for edge, count in zip(told["edges"][1:], told["counts"], strict=True)
            ]
            show("", ("activation", side), counted, side)
    rows = [
        (
            {1.0: "top", 0.0: "above 0"}.get(step["quantile"], percent(step["quantile"]).replace(".0", "")),
            step["rows"][0]["activation"],
            "; ".join(_short(row["title"]) for row in step["rows"][: None if whole else EXAMPLES]),
        )
        for step in facts["quantiles"]["items"][0 if whole else 1 :]
    ]
    show("Lower down, at quantiles of its positive activations", ("at", "activation", "items"), rows, "activation")


def _bars(counts: Sequence[int]) -> str:
    most = max(counts)
    return "".join(BARS[round((len(BARS) - 1) * count / most)] if count else " " for count in counts)


def _short(title: str) -> str:
    return title if len(title) <= TITLE else title[: TITLE - 1] + "…"


def _show_profiles(profiles: Mapping[str, Any], most: int | None) -> None:
    rows = [
        (
            row["concept"],
            row["items"],
            row["mean"],
            f"{row['top50']} of {profiles['top50_items']}",
            percent(row["catalogue"]),
        )
        for row in profiles["concepts"][:most]
    ]
    show(
        f"Mean activation over each concept's items (all items: {cell(profiles['mean'])})",
        ("concept", "items", "mean", "of its top 50", "of all items"),
        rows,
        "items, mean, of its top 50, of all items",
    )
    decades = [row for row in profiles["decades"] if max(row["share"], row["catalogue"]) >= 0.01]
    if decades:
        told = ", ".join(f"{row['decade']}s {row['share']:.0%} ({row['catalogue']:.0%})" for row in decades)
        say(f"Decades of its top 200 (of all items): {told}.")


def _show_segments(facts: Mapping[str, Any], most: int | None) -> None:
    rows = [
        (
            f"{one['column']} {one['value']}",
            one["users"],
            one["mean"],
            percent(one["active"]),
            None if one["difference"] is None else f"{one['difference']:+.2f}",
            "<0.001" if one["q"] < 0.001 else one["q"],
        )
        for one in facts["segments"]
        if one["q"] < 0.05
    ][:most]
    if rows:
        columns = ("group of users", "users", "mean", "active", "d", "q")
        show(
            "Groups that differ from other users (q < 0.05, largest d first)",
            columns,
            rows,
            "users, mean, active, d, q",
        )
    elif facts["segments"]:
        say(f"None of the {len(facts['segments'])} groups of users differs from the others (q < 0.05).")
    if facts["skipped"]:
        say("Not compared: " + ", ".join(f"{name} ({why})" for name, why in facts["skipped"].items()) + ".")


def _show_moves(moves: Mapping[str, Any], concept: str | None, most: int | None) -> None:
    for what, title in (("gained", "Raised by one unit on a user: items that gain"), ("lost", "and items that lose")):
        extra = () if moves["exact"] else ("half of users", "same sign")
        rows = [
            (
                f"{row['change']:+.3f}",
                *(() if moves["exact"] else (f"{row['low']:+.2f} to {row['high']:+.2f}", f"{row['same_sign']:.0%}")),
                _short(row["title"]),
            )
            for row in moves[what][:most]
        ]
        show(title, ("affinity", *extra, "title"), rows, "affinity, half of users, same sign")
    how = "the same for every user" if moves["exact"] else f"mean over {moves['sample']} users drawn at random"
    say(f"One unit is {moves['unit']:.2f}, the 99th percentile of users it is active for; {how}.")
    if moves["concepts"]:
        _say_concepts(moves["concepts"], concept, most)


def _show_users_moved(moves: Mapping[str, Any]) -> None:
    """The users whose affinities change most where items are raised."""
    for what, title in (("gained", "Raised by one unit on an item: users who gain"), ("lost", "and users who lose")):
        rows = [(f"{row['change']:+.3f}", str(row["user_id"])) for row in moves[what]]
        show(title, ("affinity", "user"), rows, "affinity")
    say(f"One unit is {moves['unit']:.2f}, the 99th percentile of items it is active for.")


def _say_concepts(told: Mapping[str, Any], concept: str | None, most: int | None) -> None:
    for what in ("gained", "lost"):
        if told[what]:
            moved = ", ".join(f"{one['concept']} {one['excess']:+.2f}" for one in told[what][:most])
            say(f"Concepts {what} (mean over their items, less the mean of all): {moved}.")
    own = told["own"]
    if own is None:
        return
    say(
        f"{concept} is number {own['place']} of {told['measured']} concepts ({own['excess']:+.2f}). Of "
        f"{told['null_directions']:,} random directions of equal length, {percent(told['null_own_share'])} move their "
        "own best concept as much."
    )
    if own["excess"] <= 0:
        say(f"So its name holds for items alone: raising it on users does not raise {concept}.")
    elif told["implied"]:
        say("That is implied, no evidence for its name: a linear neuron raises the items that it is active for.")


def show_concept(facts: Mapping[str, Any]) -> None:
    """Which neurons stand for a concept, and how near the best one comes."""
    say(f"{facts['concept']}: {facts['items']} of the ranked items ({percent(facts['base_rate'])}).")
    if not facts["items"]:
        return say("None of its items is ranked, so no neuron can be measured on it.")
    if facts["missing"]:
        say("It is missing: no neuron stands for it. The nearest are:")
    mean = {row["neuron"]: row for row in facts["profile"]}
    rows = [
        (
            *(row[column] for column in ("neuron", "purity10", "purity20", "purity50", "lift")),
            mean[row["neuron"]]["mean"] if mean else None,
            mean[row["neuron"]]["catalogue"] if mean else None,
            "yes" if row["named"] else "",
        )
        for row in facts["neurons"]
    ]
    columns = ("neuron", "p@10", "p@20", "p@50", "lift", "mean of its items", "of all", "named")
    show("", columns, rows, ", ".join(columns[:-1]))
    split, single = facts["standing"]["split_half"], facts["standing"]["one_to_one"]
    alone = f"neuron {single['neuron']} is its own, at {cell(single['purity20'])}"
    say(
        f"Chosen on one half of the items and scored on the other, p@20 is {cell(split['purity20'])}; where a neuron "
        f"may stand for one concept alone, {'none is left for it' if single['neuron'] is None else alone}."
    )
    if facts["misses"]:
        titles = "; ".join(_short(item["title"]) for item in facts["misses"][:ROWS])
        say(f"In the top 20 of neuron {facts['neurons'][0]['neuron']} without it ({len(facts['misses'])}): {titles}.")
    return None


def show_item(facts: Mapping[str, Any]) -> None:
    """What an item is made of."""
    say(f"{facts['title']} ({facts['item_id']}): {', '.join(facts['concepts']) or 'no concepts'}")
    if not facts["ranked"]:
        return say("It has no training interactions or no vector, so it is neither ranked nor measured.")
    if facts["popularity"] is not None:
        place = facts["popularity_rank"]
        more = "" if place is None else f", number {place:,} of {facts['ranked_items']:,} by popularity"
        say(f"{facts['popularity']:,} training interactions{more}.")
    _show_neurons(facts["neurons"])
    _say_error(facts["error"], "item")
    by_code, by_vector = facts["nearest_by_code"], facts["nearest_by_vector"]
    if by_vector:
        rows = []
        for n in range(max(len(by_code), len(by_vector))):
            cells: list[Any] = []
            for side in (by_code, by_vector):
                cells += [side[n]["cosine"], _half(side[n]["title"])] if n < len(side) else [None, ""]
            rows.append(cells)
        columns = ("cos", "by code", "cos ", "by the recommender's vectors")
        show(f"Nearest items ({facts['nearest_shared']} in both lists)", columns, rows, "cos, cos ")
    return _say_missing(facts, "Popularity is")


def _half(title: str) -> str:
    return title if len(title) <= 31 else title[:30] + "…"


def _show_neurons(neurons: Sequence[Mapping[str, Any]]) -> None:
    if not neurons:
        return say("No neuron is active.")
    rows = [(one["neuron"], one["name"] or "", one["concept"], one["activation"], one["units"]) for one in neurons]
    columns = ("neuron", "name", "best concept", "activation", "in p99 units")
    return show("Made of", columns, rows, "neuron, activation, in p99 units")


def _say_error(error: Mapping[str, Any] | None, what: str) -> None:
    if error and error["share"] is not None:
        say(
            f"The code leaves out {percent(error['share'])} of the {what}s' variance "
            f"(mean {what}: {percent(error['mean'])})."
        )


def _say_missing(facts: Mapping[str, Any], what: str) -> None:
    if facts["missing"]:
        say(f"{what} missing here: {facts['missing']}")


def show_user(facts: Mapping[str, Any]) -> None:
    """What a user is made of."""
    told = facts["training_items"]
    say(f"User {facts['user']}" + ("" if told is None else f": {told:,} items in training"))
    _show_neurons(facts["neurons"])
    if facts["training_concepts"]:
        rows = [
            (one["concept"], one["items"], percent(one["share"]), percent(one["catalogue"]))
            for one in facts["training_concepts"]
        ]
        columns = ("concept", "items", "of theirs", "of all items")
        show("Carried by their training items", columns, rows, "items, of theirs, of all items")
    _say_error(facts["error"], "user")
    if facts["affinity_explained"] is not None:
        say(f"The code explains {percent(facts['affinity_explained'])} of the variance of this user's affinities.")
    _say_missing(facts, "What they saw is")
