"""`labels RUN show`: everything that is known of a label, item by item, so that each figure can be checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.run import Run
from workbench.label_table import interval, two
from workbench.label_words import TEST_WORDS
from workbench.tables import cell, say, show


def show_labels_in_full(run: Run, rows: Sequence[Mapping[str, Any]]) -> None:
    """Labels one after the other, with every test and the verdicts behind it."""
    titles = dict(zip(run.recommender.items.ids, run.texts["title"], strict=True))

    def titled(item: str) -> str:
        return f"{titles[item]} [{item}]"

    for row in rows:
        _show_label(row, titled)


def _show_label(row: Mapping[str, Any], titled: Callable[[str], str]) -> None:
    say(f"Neuron {row['neuron']}: {row['text'] or 'no label'} ({row['state']})")
    for word in ("concept", "model", "note"):
        if row[word]:
            say(f"{word}: {row[word]}")
    own, best = ([row[f"{prefix}purity{k}"] for k in (10, 20, 50)] for prefix in ("", "best_"))
    words = " ".join(map(two, own)) if row["concept"] else "unknown, for the label names no concept of the catalogue"
    say(f"purity@10, 20, 50 over all items: {words}")
    if row["best_concept"]:
        say(f"of its most surprising concept, {row['best_concept']}: {' '.join(map(two, best))}")
    pages = {
        "evidence": _evidence,
        "detection": _detection,
        "intruder": _intruder,
        "held-out": _held_out,
        "moves": _moves,
    }
    for kind, page in pages.items():
        score = row["scores"].get(kind)
        if score is None:
            continue
        say("")
        if score["state"] in ("failed", "unknown"):
            say(f"{TEST_WORDS.get(kind, kind)}: {score['state']}. {score['why']}")
        else:
            page(score, titled)


def _evidence(score: Mapping[str, Any], titled: Callable[[str], str]) -> None:
    figures = score["figures"]
    say(f"shown to who named it ({figures['by']}; fields {', '.join(figures['fields'])}; seed {figures['seed']}):")
    by_source: dict[str, list[str]] = {}
    for item, source in figures["shown"]:
        by_source.setdefault(source, []).append(titled(item))
    for source, items in by_source.items():
        say(f"  {source}: {'; '.join(items)}")


def _detection(score: Mapping[str, Any], titled: Callable[[str], str]) -> None:
    figures = score["figures"]
    say(
        f"detection, judged by {score['judge']}: balanced accuracy {interval(figures)}, chance .50, on "
        f"{figures['items']} held-out items (near misses apart)"
    )
    rows = [(source, *pair) for source, pair in figures["said_to_fit"].items()]
    show("", ("items", "said to fit", "of"), rows, "said to fit, of")
    wrong = [(item, source) for item, source, fits in figures["verdicts"] if fits != (source in ("top", "lower"))]
    if wrong:
        say("wrong: " + "; ".join(f"{titled(item)} ({source})" for item, source in wrong))


def _intruder(score: Mapping[str, Any], titled: Callable[[str], str]) -> None:
    figures = score["figures"]
    say(
        f"intruder, judged by {score['judge']}: found {interval(figures)}, chance {two(figures['chance'])}, in "
        f"{figures['rounds']} rounds"
    )
    rows = [
        (
            "yes" if intruder == picked else "no",
            titled(intruder),
            "; ".join(titled(item) for item in items if item != intruder),
        )
        for items, intruder, picked in figures["verdicts"]
    ]
    show("", ("found", "intruder", "among"), rows)


def _held_out(score: Mapping[str, Any], _titled: Callable[[str], str]) -> None:
    figures = score["figures"]
    depths = " ".join(two(figures[f"purity{k}"]) for k in (10, 20, 50))
    say(f"held-out purity of {score['concept']}: {depths} at 10, 20, 50; at {figures['depth']} {interval(figures)}")
    members = f"{figures['held_out_members']} of {figures['held_out_items']} items"
    say(f"base rate: {cell(figures['chance'])} ({members})")


def _moves(score: Mapping[str, Any], _titled: Callable[[str], str]) -> None:
    figures = score["figures"]
    gain, low, high = (f"{figures[name]:+.3f}" for name in ("gain", "low", "high"))
    places = f"{cell(figures['before'])} to {cell(figures['after'])}"
    implied = "; implied by the algebra" if figures["implied"] else ""
    say(
        f"moves: raised by one p99, {figures['users']} users' top {figures['k']} go from {places} {score['concept']}: "
        f"{gain} [{low}, {high}], where {cell(figures['room'])} is all that there is room for{implied}"
    )
    if figures["null_share"] is None:
        say(f"random directions of the same purity: unknown. {figures['null_unknown'] or ''}")
        return
    gain, low, high = (f"{figures[name]:+.3f}" for name in ("null_gain", "null_low", "null_high"))
    say(
        f"{figures['null_directions']} random directions of the same purity: {gain} on average [{low}, {high}]; "
        f"{figures['null_share']:.0%} move as much or more, the neuron counted; "
        f"random concepts of the same size: {figures['random_share']:.1%}"
    )
