"""The paper's tables and figures in one document: our pictures beside its published figures, and where they differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import __version__
from engine.catalogue.catalogue import Catalogue
from engine.experiments import tables
from engine.experiments.differences import Difference, differences, two_bases
from engine.experiments.dose_response import SERVED_AS
from engine.experiments.published import published
from engine.experiments.reproduce import Order
from engine.experiments.whole import UNDONE, Kept, Part
from engine.report.blocks import (
    Block,
    Code,
    Document,
    Drawing,
    Folded,
    Heading,
    Listing,
    Table,
    Words,
    read_markdown,
)
from engine.report.documents import FORMATS, write_document
from engine.report.facts import notices
from engine.report.sources import Source, commands, source_words, sources
from engine.text import counted

NOTICES = ("notice", "source_notice")
TITLES = {
    "table1": "Table 1: purity of concept neurons",
    "figure2": "Figure 2: what neurons respond to",
    "figure3": "Figure 3: decades",
    "figure4": "Figure 4: the weight of the prediction loss",
    "figure5": "Figure 5: an artist promoted to three audiences",
    "interventions": "Interventions",
    "matryoshka": "Matryoshka levels",
    "steering": "What reaching a goal costs",
}
NOTHING_PRINTED = {
    "figure2": "The paper has a picture alone and prints no figure for it, so there is nothing to set beside ours but "
    "the catalogue's own mean.",
    "figure3": "The paper has a picture alone and prints no figure for it; beside each bar stands what any items of "
    "the catalogue would have.",
    "matryoshka": "The paper says in words what nesting does and prints no figure for it; beside the nested "
    "dictionaries stand flat ones, cut into quarters by number.",
    "steering": "The paper has no such table: it sets one neuron to a level, and does not ask what a goal costs.",
}
STATES = {"kept": "made before, inputs unchanged"}
"""States of a part, where the word that programs get needs more for a reader."""
CAPTIONS = {
    **tables.NAMES,
    "best": "our recipe",
    "paper": "the paper's recipe",
    "ica": "started from ICA",
    "random": "started at random",
}
"""What the words of a picture's name mean."""


def write_paper(order: Order, parts: Sequence[Part], folder: Path) -> tuple[Document, list[Path]]:
    """Write the document as all.html, all.md and all.json, finished or not; it, and the files."""
    document = paper_document(order, parts, folder)
    return document, [write_document(document, folder / f"all.{kind}", kind)[0] for kind in FORMATS]


def paper_document(order: Order, parts: Sequence[Part], folder: Path) -> Document:
    """Everything that lies in `folder` for the data set, part by part."""
    facts = published()
    with Catalogue.open(order.home, order.dataset) as catalogue:
        about = {"dataset": order.dataset, "notes": (), **{name: catalogue.meta[name] for name in NOTICES}}
        about |= {"licence": catalogue.meta["licence"], "catalogue_hash": catalogue.hash}
        told = notices(about, catalogue.meta)
    kept = {one.name: Kept.read(folder, one.name) for one in parts if one.here}
    found = differences({name: one.facts for name, one in kept.items()})
    made_of = sources(order, list(kept))
    waiting = [one for one in parts if one.state in UNDONE]
    blocks: list[Block] = [
        *_unfinished(waiting, len(parts)),
        Words(
            f"Beside “{facts.source.title}” ({facts.source.authors}, {facts.source.venue}). Data set {order.dataset}; "
            f"recommenders {', '.join(tables.NAMES[model] for model in order.models)}; {_seeds(order.seeds)}. "
            "The paper has one run and no spread. Published figures are those that it prints or its released notebooks "
            "hold; where it has a picture alone, that is said. “The paper's recipe” is our training by what the paper "
            "says, “our recipe” by what we found better."
        ),
        *(Words(f"Note: {notice}", strong=True) for notice in told),
        Heading("What is here"),
        Table(
            ("part", "state", "why"),
            [[TITLES[one.name], STATES.get(one.state, one.state), one.reason or ""] for one in parts],
        ),
        Heading("Where we differ, and why"),
        *_differing(found, kept),
    ]
    bases = two_bases({name: one.facts for name, one in kept.items()})
    for one in parts:
        blocks.append(Heading(TITLES[one.name]))
        if one.name in kept:
            said = [Words(sentence) for sentence in bases]
            blocks += said if one.name == "figure4" else []
            blocks += _part(order, kept[one.name], folder)
            blocks += said if one.name == "table1" else []  # beside the fidelity, which it ends with
        else:
            blocks.append(Words(f"{one.state.capitalize()}. {one.reason or ''}".rstrip()))
    blocks += [Heading("Provenance"), *_provenance(order, about, made_of), Heading("Limits"), Listing(_limits(order))]
    whole = {
        "dataset": order.dataset,
        "models": list(order.models),
        "seeds": list(order.seeds),
        "version": __version__,
        "finished": not waiting,
        "parts": [vars(one) for one in parts],
        "differences": [{**vars(one), "why": list(one.why), "verdict": one.verdict} for one in found],
        "provenance": {
            "catalogue_hash": about["catalogue_hash"],
            "licence": about["licence"],
            "commands": commands(order, about["source_notice"]),
            "runs": [vars(one) for one in made_of],
        },
        "facts": {name: dict(one.facts) for name, one in kept.items()},
    }
    title = f"The paper's tables and figures on {order.dataset}"
    return Document(f"Unfinished: {title}" if waiting else title, blocks, whole)


def _unfinished(waiting: Sequence[Part], parts: int) -> list[Block]:
    if not waiting:
        return []
    names = ", ".join(TITLES[one.name] for one in waiting)
    return [
        Words(
            f"This document is unfinished: {parts - len(waiting)} of {parts} parts are done. Still to come: {names}. "
            "The same command goes on where it was.",
            strong=True,
        )
    ]


def _differing(found: Sequence[Difference], kept: Mapping[str, Kept]) -> list[Block]:
    silent = [TITLES[name] for name in kept if name in NOTHING_PRINTED]
    if not found:
        return [Words("Nothing that the paper prints a figure of is here, so nothing can differ.")]
    rows = [
        [
            one.what,
            f"{one.paper:.2f}",
            _range(one),
            f"{one.ours - one.paper:+.2f}",
            one.verdict.partition("; ")[2] or "–",
        ]
        for one in found
    ]
    said: list[Block] = [
        Table(("what", "published", "ours", "ours - published", "beside our spread"), rows),
        Words(
            "Reasons are named where the difference they make was measured here, with its size, or where the two "
            "figures are of different doses, users or settings. What was not measured (how the paper's vectors were "
            "scaled, its optimiser, how long it trained) is not blamed; where nothing is left, the reason is unknown."
        ),
    ]
    for one in found:
        told = one.verdict[0].upper() + one.verdict[1:]
        said += [Heading(one.what, 4), Words(f"{told}."), *([Listing(one.why)] if one.why else [])]
        said += [Words("Beside it, though no reason:"), Listing(one.beside)] if one.beside else []
    if silent:
        said.append(Words(f"Nothing printed to differ from: {'; '.join(silent)}."))
    return said


def _range(one: Difference) -> str:
    if one.low == one.high:
        return f"{one.ours:.2f}"
    return f"{one.ours:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _part(order: Order, one: Kept, folder: Path) -> list[Block]:
    drawings = [
        Drawing(name, (folder / f"{name}.svg").read_text(encoding="utf-8"), alt, _caption(name))
        for name, alt in one.pictures
    ]
    whole = read_markdown(one.markdown)
    if one.name in NOTHING_PRINTED:
        said: list[Block] = [Words(NOTHING_PRINTED[one.name])]
        if one.name == "steering":
            said += _costs(one.facts)
        return [*said, *drawings, Folded("All figures of this part", whole, f"{one.name}.md")]
    if one.name == "table1":
        return _table1(order, one)
    if one.name in ("figure5", "interventions"):
        beside = [*_doses(one.facts), *drawings]
        return [*beside, Folded("All figures of this part", whole, f"{one.name}.md")]
    return [*drawings, *whole]


def _caption(name: str) -> str:
    return ", ".join(CAPTIONS[word] for word in name.split("-")[1:] if word in CAPTIONS)


def _costs(facts: Mapping[str, Any]) -> list[Block]:
    """For each recommender and goal, how much of the rest of the lists every way leaves, and for how many users."""
    said: list[Block] = [
        Words(
            "reached: users whose list comes to the goal at some strength. RBO of the rest: of the list without the "
            "concept's items with what it was (1 is untouched), over those users alone; it is left out where fewer "
            "than half are reached, since the easy half would flatter a way that fails the others. Both are means over "
            "concepts, RBO with lowest to highest in brackets. solved ahead: in how many concepts the solved edit "
            "keeps more, over the users whom both reach. Every way has the smallest strength that reaches each user's "
            "goal. A filter leaves the rest alone by definition, but gives no vectors to serve."
        )
    ]
    for model, own in facts["models"].items():
        for goal in dict.fromkeys(row["goal"] for row in own["rows"]):
            rows = [[row["way"], *_cost(row)] for row in own["rows"] if row["goal"] == goal]
            said += [Heading(f"{tables.NAMES[model]}, {goal}", 3), Table(COSTS, rows)]
    return said


COSTS = ("way", "reached", "RBO of the rest", "solved ahead")
HALF = 0.5


def _cost(row: Mapping[str, Any]) -> list[str]:
    reached, rbo, wins = row["means"]["reached"], row["means"]["rbo"], row["wins"]
    share = "–" if reached is None else f"{reached[0]:.0%}".replace("%", " %")
    known = rbo is not None and reached is not None and reached[0] >= HALF
    kept = f"{rbo[0]:.2f} [{rbo[1]:.2f}, {rbo[2]:.2f}]" if known else "–"
    return [share, kept, f"{wins[0]} of {wins[2]}" if row["ahead"]["rbo"] else ""]


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{counted(len(seeds), 'seed')}: {', '.join(map(str, seeds))}"


def _provenance(order: Order, about: Mapping[str, Any], made_of: Sequence[Source]) -> list[Block]:
    """What the document was made of: data, versions, runs, and the commands."""
    header = ("run", "of", "seeds: recommender, autoencoder", "trained", "recommender", "autoencoder")
    said: list[Block] = [
        Words(
            f"Written by monoscope {__version__}. Data: {order.dataset}, catalogue {about['catalogue_hash']}; licence: "
            f"{about['licence']}."
        )
    ]
    if made_of:
        said += [
            Table(header, [one.cells([TITLES[name].partition(":")[0] for name in one.parts]) for one in made_of]),
            Words(source_words(made_of)),
        ]
    return [*said, Words("Made by:"), Code("\n".join(commands(order, about["source_notice"])))]


def _limits(order: Order) -> list[str]:
    """What no figure here can tell."""
    one = len(order.seeds) == 1
    return [
        "One seed: what another would change is unknown, and whether a difference from the paper is more than that."
        if one
        else f"{counted(len(order.seeds), 'seed')}: their range is no interval. Figures 2, 3 and 5, interventions and "
        "Matryoshka levels show the first alone.",
        "The paper's split and weights are not used: beside its figures stand ours, of another split and training.",
        "Concepts are the data set's genres, decades and tags; what a neuron is pure for beyond them is not seen.",
        "Lists are reconstructed and edited offline: no user has seen them.",
    ]


def _table1(order: Order, one: Kept) -> list[Block]:
    columns = [
        column
        for column in one.facts["columns"]
        if column["dataset"] == order.dataset and column["model"] in order.models
    ]
    said: list[Block] = [Words(tables.TABLE1)]
    for column in columns:
        head = f"{tables.NAMES[column['model']]} on {order.dataset}"
        said += [Heading(head, 3), *read_markdown("\n".join(tables.table1_column(column)))]
    return said


def _doses(facts: Mapping[str, Any]) -> list[Block]:
    """Each published bar beside ours at the ends of the dose: unedited, reconstructed, and the last level."""
    rows = []
    for one in facts["cases"]:
        name = f"{tables.NAMES[one['model']]}: {one['title']}"
        if one["unknown"] is not None:
            rows.append([name, "", "", "", "", f"unknown: {one['unknown']}"])
            continue
        paper = one["paper"]
        for way in one["ways"]:
            printed = "–" if paper is None else f"{_first(paper):.2f} to {paper['shares'][-1]:.2f}"
            last = way["levels"][-1]
            control = "–" if last["control"] is None else f"{last['control']:.2f}"
            rest = "–" if last["rbo_rest"] is None else f"{last['rbo_rest']:.2f}"
            rows.append(
                [name, SERVED_AS[way["name"]], printed, f"{_share(way['original'])} to {_share(last)}", control, rest]
            )
    header = (
        "case",
        "served",
        "published, first to last",
        "ours, unedited to last level (95 %)",
        "random neuron",
        "rest, RBO",
    )
    return [Table(header, rows)]


def _first(paper: Mapping[str, Any]) -> float:
    arms = [paper["unedited"], paper["original"], paper["shares"][0]]
    return float(next(value for value in arms if value is not None))


def _share(row: Mapping[str, Any]) -> str:
    if row["share"] is None:
        return "–"
    mean, low, high = row["share"]
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"
