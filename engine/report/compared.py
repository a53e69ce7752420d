"""Runs beside each other as a report: the plane of purity and fidelity, neurons that match, what came and what went."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.compared import CHOSEN, compared, point
from engine.experiments.frontier import pareto
from engine.neurons.matching import SAME
from engine.report.blocks import Block, Document, Drawing, Heading, Listing, Table, Words, safe
from engine.report.earlier import COMPARED
from engine.report.facts import notices

if TYPE_CHECKING:
    from engine.run import Run

Facts = Mapping[str, Any]


def compared_document(runs: Sequence["Run"], facts: dict[str, Any] | None = None) -> Document:
    """The report of two runs or more; `facts` are those of `engine.compared.compared`, if they were made before."""
    facts = facts or compared(runs)
    blocks: list[Block] = [
        Words(str(facts["comparable"])),
        *(Words(f"Note: {notice}", strong=True) for notice in _notices(runs)),
        Heading("Fidelity against interpretability"),
        *_plane(facts),
        *_overview(facts["runs"]),
        Words(
            "Purity@20: mean over the data set's panel, each concept's neuron chosen on one half of the items and "
            "scored on the other, 95 % over concepts. RBO: of the top 30 from reconstructions, on users that the "
            "autoencoder did not train on (identical lists 1, disjoint 0), 95 % over users. Neither interval holds "
            "what another seed would change."
        ),
        Heading("Which neuron is which"),
        *(block for one in facts["matchings"] for block in _matching(one)),
        Heading("Concepts that came and went"),
        *(block for one in facts["concepts"] for block in _concepts(one)),
        Heading("What was set differently"),
        *_settings(facts),
    ]
    names = " and ".join([", ".join(run.name for run in runs[:-1]), runs[-1].name])
    return Document(f"{names}{COMPARED}", blocks, facts)


def _notices(runs: Sequence["Run"]) -> list[str]:
    """What must not be missed of the data of any run, each sentence once."""
    return list(dict.fromkeys(one for run in runs for one in notices({**run.manifest, "notes": ()})))


def _plane(facts: Facts) -> list[Block]:
    drawn = [one for row in facts["runs"] if (one := point(row)) is not None]
    if not facts["same_catalogue"] or len(drawn) < 2:
        return []
    drawing = pareto(drawn, f"{CHOSEN} purity@20")
    said = [_verdict(row, {one["name"]: one for one in facts["runs"]}) for row in facts["runs"]]
    name = "-".join(row["name"] for row in facts["runs"])
    return [Drawing(f"{name}-front", drawing.svg.decode(), drawing.alt), Listing([one for one in said if one])]


def _verdict(row: Facts, by_name: Mapping[str, Facts]) -> str:
    if row["fidelity"]["passes_through"]:
        return f"{row['name']} can pass user vectors on unread, so its fidelity is no result and it is no rival."
    if row["front"]:
        return f"{row['name']} is on the front: no other run here has more of both."
    if not row["beaten_by"]:
        return ""
    close = all(_close(row, by_name[name]) for name in row["beaten_by"])
    told = ", though within the 95 % intervals on both axes" if close else ""
    return f"{row['name']} is dominated by {', '.join(row['beaten_by'])}{told}."


def _close(a: Facts, b: Facts) -> bool:
    """Whether both intervals of two runs overlap."""
    pairs = [
        (a["purity20_interval"], b["purity20_interval"]),
        (a["fidelity"]["rbo_interval"], b["fidelity"]["rbo_interval"]),
    ]
    return all(one is not None and two is not None and one[0] <= two[1] and two[0] <= one[1] for one, two in pairs)


def _overview(rows: Sequence[Facts]) -> list[Table]:
    """What the runs are, and what was measured of them: two tables that a page has room for."""
    columns = ("name", "dataset", "recommender", "recipe", "neurons", "named", "dead")
    header = ("run", "data set", "model", "recipe", "neurons", "named", "dead")
    measured = ("run", "purity@20", "RBO", "tau", "NDCG kept", "NDCG@10", "L0 of items / users")
    return [
        Table(header, [[safe(row[name]) for name in columns] for row in rows]),
        Table(measured, [_cells(row) for row in rows]),
    ]


def _cells(row: Facts) -> list[str]:
    kept = row["fidelity"]
    return [
        safe(row["name"]),
        _with_interval(row["purity20"][CHOSEN], row["purity20_interval"]),
        _with_interval(kept["rbo"], kept["rbo_interval"]),
        _two(kept["tau"]),
        _two(kept["ndcg_kept"]),
        "–" if row["ndcg10"] is None else f"{row['ndcg10']:.3f}",
        f"{kept['l0_items']:.1f}/{kept['l0_users']:.1f}",
    ]


def matching_words(one: Facts) -> str:
    """How many neurons of A are found again in B, and what chance would give."""
    if one["unknown"] is not None:
        return f"{one['a']} and {one['b']}: neurons cannot be matched. {one['unknown']}"
    if not one["alive_a"] or not one["alive_b"]:
        return f"{one['a']} and {one['b']}: all neurons of one of them are dead, so none is found again."
    found, most = len(found_again(one)), min(one["alive_a"], one["alive_b"])
    possible = f", which has {most}, so that no more could be" if most < one["alive_a"] else ""
    return (
        f"{found} of the {one['alive_a']} living neurons of {one['a']} ({found / one['alive_a']:.0%}) are found again "
        f"in {one['b']}{possible}: activations over {one['items']:,} items "
        f"correlate by {SAME} or more, one to one. By chance {one['chance_matched']:.0%} with permuted items and "
        f"{one['random_matched']:.0%} in as many random directions of {one['b']}'s vectors; the largest correlation by "
        f"chance is {one['chance']:.2f} and {one['random']:.2f} (95th percentile of the draws)."
    )


def found_again(one: Facts) -> list[Facts]:
    """The pairs of a matching that count as one neuron, the closest first."""
    same = [pair for pair in one["pairs"] if pair["correlation"] >= SAME]
    return sorted(same, key=lambda pair: (-pair["correlation"], pair["a"]))


def others_words(one: Facts, *, numbers: bool = True) -> str:
    """What is said of the pairs that are no match, and of the neurons of one run alone: which, or how many."""
    rest = [pair["correlation"] for pair in one["pairs"] if pair["correlation"] < SAME]
    others = "other pair correlates" if len(rest) == 1 else "other pairs correlate"
    said = f"The {len(rest)} {others} by less, down to {min(rest):.2f}: no match. " if rest else ""
    gone, come = (_numbers(one[name]) if numbers else str(len(one[name])) for name in ("vanished", "appeared"))
    return f"{said}Neurons of {one['a']} alone: {gone}; of {one['b']} alone: {come}."


def _matching(one: Facts) -> list[Block]:
    said: list[Block] = [Heading(f"{one['a']} and {one['b']}", 3), Words(matching_words(one))]
    if one["unknown"] is not None:
        return said
    pairs = found_again(one)
    rows = [
        [str(p["a"]), safe(p["concept_a"] or "–"), str(p["b"]), safe(p["concept_b"] or "–"), f"{p['correlation']:.2f}"]
        for p in pairs
    ]
    table = Table((f"neuron of {one['a']}", "named by", f"neuron of {one['b']}", "named by", "correlation"), rows)
    return [*said, *([table] if rows else []), Words(others_words(one))]


def _numbers(neurons: Sequence[int]) -> str:
    return ", ".join(str(neuron) for neuron in neurons) or "none"


def _concepts(one: Facts) -> list[Block]:
    a, b = one["a"], one["b"]
    said: list[Block] = [Heading(f"From {a} to {b}", 3)]
    if not one["shared"]:
        return [*said, Words("The runs have no concept in common: a name in two data sets need not mean the same.")]
    told = (
        f"{one['both']} of {one['shared']} concepts have a neuron in both (half of its top 20, at twice the base rate)."
    )
    if not one["vanished"] and not one["appeared"]:
        return [*said, Words(f"{told} None has one in a single run.")]
    rows = [[what, *_concept(row)] for what in ("vanished", "appeared") for row in one[what]]
    header = ("", "concept", "kind", "items", "neuron", "purity@20 there", "best in the other run", "the neuron itself")
    return [*said, Words(told), Table(header, rows)]


def again_words(row: Facts) -> str:
    """What became of the neuron of a concept that only one run has a neuron for."""
    again = row["found_again"]
    if again is None:
        return "not found again"
    named = f", named by {safe(again['concept'])}" if again["concept"] else ", which nothing names"
    return f"found again as {again['neuron']}{named}"


def _concept(row: Facts) -> list[str]:
    figures = [_two(row["purity20"]), _two(row["purity20_elsewhere"])]
    return [safe(row["concept"]), safe(row["kind"]), str(row["items"]), str(row["neuron"]), *figures, again_words(row)]


def _settings(facts: Facts) -> list[Block]:
    if not facts["settings"]:
        return [Words("Nothing: all settings are the same.")]
    names = [row["name"] for row in facts["runs"]]
    rows = [[one["setting"], *(_setting(value) for value in one["values"])] for one in facts["settings"]]
    return [Table(("setting", *names), rows)]


def _setting(value: object) -> str:
    return "–" if value is None else safe(value)


def _with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    return _two(value) if interval is None else f"{_two(value)} [{interval[0]:.2f}, {interval[1]:.2f}]"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
