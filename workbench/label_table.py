"""The table of a session's labels, what its columns mean, and how many labels hold."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.text import Text

from engine.labels.metadata import NO_CONCEPT
from engine.neurons.table import names
from workbench.label_words import TEST_WORDS
from workbench.tables import console, say, show

Row = Mapping[str, Any]
COLUMNS = ("neuron", "label", "state", "concept", "detection", "intruder", "held-out", "label@20", "best@20", "moves")
NARROW = ("neuron", "label", "state", "detection", "held-out", "moves")
WIDE = 120
"""A terminal narrower than this has room for the `NARROW` columns alone."""
SHUFFLED = ("neuron", "label", "state", "concept", "detection", "intruder", "held-out")
BEATEN = 0.05
"""The share of random directions, the neuron counted, that may do as much as a neuron that counts as better."""
LEGEND = {
    "detection": "share of held-out items, half of which activate the neuron, that a judge puts right by the label "
    "(balanced accuracy, 95 % interval; chance .50); weaker items are mixed, so that even a pure neuron seldom passes "
    ".90",
    "intruder": "how often the one item of five that does not activate it is found (chance .20)",
    "held-out": "purity of the label's concept in the top 20 of items that the labeller did not see, and its base rate",
    "label@20": "purity of the label's concept over all items",
    "best@20": "purity of the neuron's most surprising concept (chosen by 20 KL(p||base), not by the highest "
    "purity), which is named where the label's is another",
    "moves": "change of the concept's share of users' top 20 when they are raised by one p99; * if it is more than "
    "95 % of random directions of the same purity do, = if it is implied by the algebra",
}


def show_labels(rows: Sequence[Row], *, shuffled: bool = False) -> None:
    """The labels as a table, with chance levels below."""
    if shuffled:
        say("On shuffled metadata, where every score must be chance. Nothing of this is kept.")
    if not any(row["text"] for row in rows):
        say("None of these neurons has a label.")
        return
    columns = columns_shown(console().width, shuffled=shuffled)
    lines = [_line(row, weak=not shuffled) for row in rows]
    whole = "neuron, detection, intruder, held-out, label@20, moves"
    show("", columns, [[line[name] for name in columns] for line in lines], whole, "state")
    for line in _legend(columns, lines):
        _wrapped(line)
    _wrapped(summary(rows, shuffled=shuffled))


def columns_shown(width: int, *, shuffled: bool = False) -> tuple[str, ...]:
    """The columns that so many characters have room for."""
    told = SHUFFLED if shuffled else COLUMNS
    return told if width >= WIDE else tuple(name for name in NARROW if name in told)


def show_failures(failures: Iterable[Row]) -> None:
    """What failed (`neuron`, `what` and `why` of each), each reason once."""
    found: dict[str, dict[str, list[int]]] = {}
    for failure in sorted(failures, key=lambda one: (one["neuron"], one["what"] != "label", one["what"])):
        found.setdefault(failure["why"], {}).setdefault(failure["what"], []).append(failure["neuron"])
    for why, kinds in found.items():
        told = [f"{TEST_WORDS.get(what, what)} of {_neurons(numbers)}" for what, numbers in kinds.items()]
        say(f"Failed: {', '.join(told)}. {why}")


def failures_in(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The labels and scores of `rows` that failed."""
    found = []
    for row in rows:
        if row["state"] == "failed":
            found.append({"neuron": row["neuron"], "what": "label", "why": row["note"]})
        for kind, score in row["scores"].items():
            if score["state"] == "failed":
                found.append({"neuron": row["neuron"], "what": kind, "why": score["why"]})
    return found


def holds(scores: Mapping[str, Any]) -> bool | None:
    """Whether a label's concept would name its neuron on the held-out half too; None where that is not known."""
    figures = scores.get("held-out", {}).get("figures")
    if not figures or not figures["chance"]:
        return None
    return names(figures["value"], figures["value"] / figures["chance"])


def _neurons(numbers: Sequence[int]) -> str:
    """ "neuron 5" or "neurons 1-4, 7", as options take them."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ends)
    return f"neuron{'' if len(numbers) == 1 else 's'} {told}"


def _legend(columns: Sequence[str], lines: Sequence[Row]) -> list[str]:
    """What the columns that are shown and not empty mean, and the marks that are there."""
    told = [f"{name}: {text}." for name, text in LEGEND.items() if name in columns and any(row[name] for row in lines)]
    cells = [str(line[name]) for line in lines for name in columns]
    marks = {
        "?": ("a name by the metadata that does not hold on the held-out half", any(c.endswith(" ?") for c in cells)),
        "–": ("unknown", any(line[name] in (None, "–") for line in lines for name in columns)),
        "!": ("failed", "!" in cells),
    }
    shown = [f"{mark}: {text}" for mark, (text, there) in marks.items() if there]
    told += [f"{'; '.join(shown)}."] if shown else []
    return told if "concept" in columns else [*told, "Wider terminals and --json show more columns."]


def _wrapped(text: str) -> None:
    """A text that breaks at the ends of words on a terminal; in a pipe it is one line."""
    if sys.stdout.isatty():
        console().print(Text(text))
    else:
        say(text)


# How many labels hold


def summary(rows: Sequence[Row], *, shuffled: bool = False) -> str:
    """How many labels name something, and how many of those hold in each test that was made, beside chance."""
    named = [row for row in rows if row["text"] and row["text"] != NO_CONCEPT and row["state"] != "rejected"]
    told = [] if shuffled else [_named(named, len(rows))]
    told += [_detection(_figures(named, "detection")), _intruder(_figures(rows, "intruder"))]
    told += [_held_out(_figures(named, "held-out"))]
    told += [] if shuffled else [_moves(_figures(named, "moves"))]
    return " ".join(filter(None, told))


def _named(named: Sequence[Row], of: int) -> str:
    surprising = sum(row["concept"] is not None and row["concept"] == row["best_concept"] for row in named)
    purest = sum(bool(row["is_purest"]) for row in named)
    return (
        f"{len(named)} of {of} {_verb(of, 'label names', 'labels name')} something: {surprising} the neuron's most "
        f"surprising concept, {purest} one that none at twice its base rate and more surpasses in purity@20."
    )


def _detection(figures: Sequence[Row]) -> str:
    better = sum(each["low"] > each["chance"] for each in figures)
    return _told(
        figures, f"{better} of {len(figures)} {_verb(better, 'tells its', 'tell their')} items apart better than chance"
    )


def _intruder(figures: Sequence[Row]) -> str:
    return _told(figures, "The intruder is found")


def _held_out(figures: Sequence[Row]) -> str:
    good = sum(bool(holds({"held-out": {"figures": each}})) for each in figures)
    neurons = _verb(good, "its neuron", "their neurons")
    return _told(figures, f"{good} of {len(figures)} would name {neurons} on the held-out items too")


def _moves(figures: Sequence[Row]) -> str:
    if not figures:
        return ""
    more = sum(bool(f["agrees"]) and f["null_share"] is not None and f["null_share"] <= BEATEN for f in figures)
    return (
        f"{more} of {len(figures)} {_verb(more, 'gains', 'gain')} more in users' lists than 95 % of random directions "
        "of the same purity would."
    )


def _told(figures: Sequence[Row], words: str) -> str:
    if not figures:
        return ""
    mean, chance = (sum(each[name] for each in figures) / len(figures) for name in ("value", "chance"))
    return f"{words} (mean {two(mean)}, chance {two(chance)})."


def _figures(rows: Sequence[Row], kind: str) -> list[Row]:
    scores = [row["scores"][kind] for row in rows if kind in row["scores"]]
    return [score["figures"] for score in scores if score["state"] == "scored"]


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


# Cells


def _line(row: Row, *, weak: bool) -> dict[str, Any]:
    """One row's cells by column; `weak`: whether a name that does not hold is marked."""
    scores, text = row["scores"], row["text"]
    mark = " ?" if weak and row["state"] == "metadata" and row["holds"] is False else ""
    other = row["best_concept"] if row["best_concept"] != row["concept"] else None
    return {
        "neuron": row["neuron"],
        "label": f"{text}{mark}" if text else "!" if row["state"] == "failed" else None,
        "state": row["state"],
        "concept": row["concept"],
        "detection": _scored(scores, "detection", interval),
        "intruder": _scored(scores, "intruder", interval),
        "held-out": _scored(scores, "held-out", lambda figures: f"{two(figures['value'])} ({two(figures['chance'])})"),
        "label@20": two(row["purity20"]),
        "best@20": " ".join(filter(None, [two(row["best_purity20"]), other])),
        "moves": _scored(scores, "moves", _moved),
    }


def _scored(scores: Mapping[str, Any], kind: str, words: Callable[[Row], str]) -> str | None:
    score = scores.get(kind)
    if score is None:
        return None
    return {"failed": "!", "unknown": "–"}.get(score["state"]) or words(score["figures"])


def interval(figures: Row) -> str:
    """.84 [.70, .91]"""
    return f"{two(figures['value'])} [{two(figures['low'])}, {two(figures['high'])}]"


def _moved(figures: Row) -> str:
    null = figures["null_share"]
    marks = ("*" if null is not None and null <= BEATEN else "") + ("=" if figures["implied"] else "")
    return f"{figures['gain']:+.3f}{marks}"


def two(value: float | None) -> str:
    """.97, 1.0 or –"""
    return "–" if value is None else f"{value:.2f}".removeprefix("0") if value < 1 else "1.0"
