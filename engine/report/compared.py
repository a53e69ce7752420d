"""Runs beside each other as a report: the plane of purity and fidelity, neurons that match, what came and what went."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine import __version__
from engine.compared import CHOSEN, CLOSE, compared, point
from engine.experiments.frontier import pareto
from engine.neurons.matching import SAME
from engine.report.blocks import Block, Code, Document, Drawing, Heading, Listing, Table, Words, safe
from engine.report.earlier import COMPARED
from engine.report.facts import notices

if TYPE_CHECKING:
    from engine.run import Run

Facts = Mapping[str, Any]
HASH_SHOWN = 16
"""So many digits of a hash tell runs apart for a reader; programs get all."""


def compared_document(runs: Sequence["Run"], facts: dict[str, Any] | None = None) -> Document:
    """The report of two runs or more; `facts` are those of `engine.compared.compared`, if they were made before."""
    facts = facts or compared(runs)
    blocks: list[Block] = [
        *(Words(one) for one in summary(facts)),
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
        Heading("Provenance"),
        *_provenance(facts["runs"]),
    ]
    return Document(f"{_listed([run.name for run in runs])}{COMPARED}", blocks, facts)


def _notices(runs: Sequence["Run"]) -> list[str]:
    """What must not be missed of the data of any run, each sentence once."""
    return list(dict.fromkeys(one for run in runs for one in notices({**run.manifest, "notes": ()})))


def _plane(facts: Facts) -> list[Block]:
    drawn = [one for row in facts["runs"] if (one := point(row)) is not None]
    if not facts["same_catalogue"] or len(drawn) < 2:
        return []
    drawing = pareto(drawn, f"{CHOSEN} purity@20")
    name = "-".join(row["name"] for row in facts["runs"])
    return [Drawing(f"{name}-front", drawing.svg.decode(), drawing.alt), Listing(verdicts(facts))]


def summary(facts: Facts) -> list[str]:
    """Three sentences at most: what differs, which run has more of both, and how much of the first the others have."""
    return [one for one in (str(facts["comparable"]), _standing_words(facts), _again_summary(facts)) if one]


def _standing_words(facts: Facts) -> str:
    runs = {row["name"]: row for row in facts["runs"]}
    ahead = [name for name, row in runs.items() if row["front"]]
    if not ahead:
        return ""
    below = [(name, one) for name, row in runs.items() for one in row["beaten_by"] if one in ahead]
    clear = list(dict.fromkeys(name for name, by in below if len(_clear(facts, by, name)) == 2))
    unsure = [name for name in dict.fromkeys(name for name, _ in below) if name not in clear]
    said = f"No run here has more of both purity and RBO than {_listed(ahead, 'or')}"
    said += f"; {_listed(clear)} clearly {'has' if len(clear) == 1 else 'have'} less of both" if clear else ""
    return said + (f"; {_listed(unsure)} less too, but not clearly on both" if unsure else "") + "."


def _again_summary(facts: Facts) -> str:
    """Of the neurons and concepts of the first run, how many each other one has."""
    first, said = facts["runs"][0]["name"], []
    for matching, concepts in zip(facts["matchings"], facts["concepts"], strict=True):
        if matching["a"] != first or matching["unknown"] is not None or not matching["alive_a"]:
            continue
        of = f"{len(found_again(matching))} of its {matching['alive_a']} living neurons are found again"
        also = f", and {concepts['both']} of {concepts['shared']} concepts have a neuron in both"
        said.append(f"in {matching['b']} {of}{also if concepts['shared'] else ''}")
    return f"Beside {first}: {'; '.join(said)}." if said else ""


def verdicts(facts: Facts) -> list[str]:
    """Where each run stands on the plane, how far runs of the front lie apart, and how sure that is."""
    front = [row["name"] for row in facts["runs"] if row["front"]]
    apart = [_apart(a, b, facts) for at, a in enumerate(front) for b in front[at + 1 :]]
    return [*(said for row in facts["runs"] for said in _verdict(row, facts)), *apart]


def _verdict(row: Facts, facts: Facts) -> list[str]:
    if row["fidelity"]["passes_through"]:
        return [f"{row['name']} can pass user vectors on unread, so its fidelity is no result and it is no rival."]
    if row["front"]:
        return [f"{row['name']} is on the front: no other run here has more of both."]
    return [_beaten(row["name"], by, facts) for by in row["beaten_by"]]


def _beaten(name: str, by: str, facts: Facts) -> str:
    """By how much one run is below another, and on which axes that is beyond chance."""
    measured, clear = _differences(facts, by, name), _clear(facts, by, name)
    said = [f"its {what} is lower by {_interval(one)}, {_over(what, one)}" for what, one in measured.items()]
    sure = "both are clear" if len(clear) == 2 else f"clear in {clear[0]} alone" if clear else "neither is clear"
    return f"{name} is dominated by {by}: {'; '.join(said)} ({sure})."


def _apart(a: str, b: str, facts: Facts) -> str:
    """How far two runs of the front lie apart."""
    said = [
        f"{what} {_interval(one, '+')}, {_over(what, one)}{'' if one['low'] * one['high'] > 0 else ' (not clear)'}"
        for what, one in _differences(facts, a, b).items()
    ]
    return f"{a} less {b}: {'; '.join(said)}."


def _differences(facts: Facts, ahead: str, behind: str) -> dict[str, Facts]:
    """By how much the first run is ahead of the second, by what."""
    for one in facts["differences"]:
        if {one["a"], one["b"]} == {ahead, behind}:
            found = {"purity": one["purity20"], "RBO": one["rbo"]}
            return {what: _turned(own) if one["a"] == behind else own for what, own in found.items() if own}
    return {}


def _turned(one: Facts) -> Facts:
    return {**one, "mean": -one["mean"], "low": -one["high"], "high": -one["low"]}


def _clear(facts: Facts, ahead: str, behind: str) -> list[str]:
    return [what for what, one in _differences(facts, ahead, behind).items() if one["low"] > 0]


def _interval(one: Facts, sign: str = "") -> str:
    return f"{one['mean']:{sign}.2f} [{one['low']:{sign}.2f}, {one['high']:{sign}.2f}]"


def _over(what: str, one: Facts) -> str:
    if what == "purity":
        return f"paired over {one['concepts']} concepts"
    first, second = one["users"]
    return f"paired over {first:,} users" if one["paired"] else f"unpaired, over {first:,} and {second:,} users"


def _listed(names: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


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
        f"correlate by {_level(one)} or more, one to one. By chance {one['chance_matched']:.0%} would correlate by "
        f"{SAME} with permuted items and {one['random_matched']:.0%} in as many random directions of {one['b']}'s "
        f"vectors; the largest correlation by chance is {one['chance']:.3f} and {one['random']:.3f} (95th percentile "
        f"of the draws){', so a match has to beat that' if one['level'] > SAME else ''}."
    )


def _level(one: Facts) -> str:
    """What a pair has to reach, as precise as a reader needs to see that it is beyond chance."""
    return f"{one['level']:.3f}" if one["level"] > SAME else f"{SAME}"


def found_again(one: Facts) -> list[Facts]:
    """The pairs of a matching that count as one neuron, the closest first."""
    same = [pair for pair in one["pairs"] if pair["correlation"] >= one["level"]]
    return sorted(same, key=lambda pair: (-pair["correlation"], pair["a"]))


def others_words(one: Facts, *, numbers: bool = True) -> str:
    """What is said of the pairs that are no match, and of the neurons of one run alone: which, or how many."""
    rest = [pair["correlation"] for pair in one["pairs"] if pair["correlation"] < one["level"]]
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
        [str(p["a"]), safe(p["concept_a"] or "–"), str(p["b"]), safe(p["concept_b"] or "–"), f"{p['correlation']:.3f}"]
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
    of = [(what, row) for what in ("vanished", "appeared") for row in one[what]]
    of.sort(key=lambda pair: bool(pair[1]["close"]))
    rows = [[f"{what}, close" if row["close"] else what, *_concept(row)] for what, row in of]
    close = sum(row["close"] for _, row in of)
    if close:
        told += (
            f" {close} of the {len(of)} below {'is' if close == 1 else 'are'} {close_words()}: a threshold crossed, "
        )
        told += "which need not be a change; they stand last."
    header = ("", "concept", "kind", "items", "neuron", "purity@20 there", "best in the other run", "the neuron itself")
    return [*said, Words(told), Table(header, rows)]


def close_words() -> str:
    """What it means that a concept only one run has a neuron for is close."""
    return f"close (the other run's best neuron is less pure by {CLOSE} at most)"


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


def _provenance(rows: Sequence[Facts]) -> list[Block]:
    """What the report was made of, and the command that makes it."""
    made = [
        [
            safe(row["name"]),
            _seeds(row["seeds"]),
            row["provenance"]["created"][:10],
            *(str(row["provenance"]["hashes"][f"{part}.safetensors"])[:HASH_SHOWN] for part in ("recommender", "sae")),
            str(row["provenance"]["catalogue_hash"])[:HASH_SHOWN],
        ]
        for row in rows
    ]
    header = ("run", "seeds: recommender, autoencoder", "trained", "recommender", "autoencoder", "catalogue")
    names = " ".join(shlex.quote(row["name"]) for row in rows)
    licences = dict.fromkeys(f"{row['dataset']}: {row['provenance']['licence']}" for row in rows)
    return [
        Table(header, made),
        Words(
            f"The last three columns are the first {HASH_SHOWN} hex digits of SHA-256, of the weights' files and of "
            "the catalogue's content; JSON has all of them."
        ),
        Listing([*_versions(rows), *(f"Licence of the data of {safe(one)}." for one in licences)]),
        Words(f"Made by monoscope {__version__} with:"),
        Code(f"monoscope runs compare {names} --output compared.html"),
    ]


def _versions(rows: Sequence[Facts]) -> list[str]:
    """What the runs were trained with, each set of versions once."""
    by_versions: dict[str, list[str]] = {}
    for row in rows:
        versions = ", ".join(f"{name} {version}" for name, version in row["provenance"]["versions"].items())
        by_versions.setdefault(versions, []).append(row["name"])
    return [f"{safe(_listed(names))}: {safe(versions)}." for versions, names in by_versions.items()]


def _seeds(seeds: Facts) -> str:
    return ", ".join("–" if seeds[part] is None else str(seeds[part]) for part in ("recommender", "sae"))
