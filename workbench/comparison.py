"""Tables that compare: the autoencoder beside its baselines, and the configurations of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from engine.text import plain
from workbench.tables import console, say, show, tell


def show_comparison(comparison: Mapping[str, Any] | None) -> None:
    """Every set of neurons of a run: label-chosen, split-half and one-to-one purity@20, and what it keeps."""
    if comparison is None:
        return say("Baselines were not measured (--no-baselines).")
    if not comparison["panel"]:
        return _show_kept(comparison)
    rows = []
    for row in comparison["rows"]:
        kept = row["fidelity"]
        ahead = row["ahead"] and row["ahead"]["split-half"]
        rows.append(
            [
                row["name"],
                row["candidates"],
                *(_two(row["purity"][reading]["20"]) for reading in ("label-chosen", "split-half", "one-to-one")),
                "" if not ahead else f"{ahead[0]:+.2f} [{ahead[1]:+.2f}, {ahead[2]:+.2f}]",
                _two(kept["rbo"]),
                f"{kept['l0_items']:.0f}/{kept['l0_users']:.0f}",
            ]
        )
    random = comparison["random"]
    cells = [random["means"][reading]["20"] for reading in ("label-chosen", "split-half", "one-to-one")]
    rows.append(["random directions", random["candidates"], *(_range(cell) for cell in cells), "", "", ""])
    show(
        f"Purity@20, mean over {len(comparison['panel'])} concepts",
        ("", "n", "chosen", "split", "1-to-1", "SAE ahead (split)", "RBO", "L0 i/u"),
        rows,
        "n, chosen, split, 1-to-1, RBO, L0 i/u",
    )
    return say(
        "chosen: the best of n neurons by the very labels it is scored on; split: chosen on one half of the items, "
        "scored on the other; 1-to-1: a neuron for one concept at most. SAE ahead: paired difference over concepts, "
        "95 % interval. L0 as large as the vector: nothing is left out, so RBO 1 is no result."
    )


def _show_kept(comparison: Mapping[str, Any]) -> None:
    """Every set of neurons where there are no concepts: what it keeps is all that tells them apart."""
    rows = []
    for row in comparison["rows"]:
        kept = row["fidelity"]
        figures = (_two(kept[name]) for name in ("rbo", "tau", "ndcg_kept", "affinity_r2"))
        rows.append([row["name"], row["candidates"], *figures, f"{kept['l0_items']:.0f}/{kept['l0_users']:.0f}"])
    columns = ("", "n", "RBO", "tau", "NDCG kept", "affinity R2", "L0 i/u")
    show("Fidelity of the autoencoder and its baselines", columns, rows, ", ".join(columns[1:]))
    return say(
        "There are no concepts to measure purity against, so they differ in fidelity alone. RBO: identical lists 1, "
        "disjoint 0; tau: identical 1, disjoint about -0.67. L0 as large as the vector: nothing is left out, so RBO 1 "
        "is no result."
    )


def show_sweep(found: Mapping[str, Any]) -> None:
    """The trials of a sweep, with the Pareto front and the tuned choice marked."""
    changed = list(found["trials"][0]["changed"])
    rows = []
    for trial in found["trials"]:
        purity = trial["purity"].get("split-half", {})
        own, other = trial["monosemanticity"]
        rows.append(
            [
                *(str(trial["changed"][key]) for key in changed),
                *(_two(purity.get(depth, purity.get(str(depth)))) for depth in (20, 50)),
                _three(trial["rbo"]),
                _two(trial["tau"]),
                f"{trial['l0_items']:.1f}/{trial['l0_users']:.1f}",
                trial["dead"],
                _three(own),
                _three(other),
                _three(trial["monosemanticity_independent"][1]),
                " ".join(mark for mark, on in (("front", trial["front"]), ("best", trial["best"])) if on),
            ]
        )
    names = [key.removeprefix("sae.") for key in changed]
    columns = (*names, "p@20", "p@50", "RBO", "tau", "L0 i/u", "dead", "MS a", "MS b", "MSi b", "")
    show(f"{len(rows)} autoencoders over {found['base']}", columns, rows, ", ".join(columns[:-1]))
    _show_beside(found["baselines"])
    say(
        f"p@K: split-half purity over {len(found['panel'])} concepts. RBO: on {found['users']} users not trained on. "
        "front: nothing here has both more. MS: monosemanticity, on the half of the items that tunes (a) and on the "
        "other (b), MSi with metadata in place of the recommender's vectors. best: the highest MS a. tau: identical "
        "lists 1, disjoint about -0.67. L0 as large as the vector: nothing is left out, so RBO 1 is no result."
    )


def _show_beside(baselines: Sequence[Mapping[str, Any]]) -> None:
    """What needs no training, in the columns of the sweep's own table."""
    rows = []
    for one in baselines:
        purity = one["purity"].get("split-half", {})
        active = None if one["l0_items"] is None else f"{one['l0_items']:.1f}/{one['l0_users']:.1f}"
        depths = (_two(purity.get(depth, purity.get(str(depth)))) for depth in (20, 50))
        rows.append([one["name"], one["neurons"], *depths, _three(one["rbo"]), _two(one["tau"]), active])
    columns = ("", "n", "p@20", "p@50", "RBO", "tau", "L0 i/u")
    show("Beside them, without training", columns, rows, ", ".join(columns[1:]))


CELL, LONGEST_NAME = 4, 24
"""Columns of a cell of the grid with the space before it, and the most that a concept's name takes."""


def show_matrix(facts: Mapping[str, Any]) -> None:
    """Concepts by their neurons: as a grid where the terminal is wide enough for it, else as a list."""
    matched = [one for one in facts["concepts"] if one["readings"]["one-to-one"]["neuron"] is not None]
    shown = [one for one in matched if not one["missing"]]
    names = min(max(len(one["concept"]) for one in facts["concepts"]), LONGEST_NAME)
    needed = names + CELL * len(shown)
    if shown and needed <= console().width:
        return _show_grid(facts, [one["readings"]["one-to-one"]["neuron"] for one in shown], names)
    _show_list(facts)
    return say(f"A terminal of {needed} columns shows concepts by neurons as a grid.") if shown else None


def _show_grid(facts: Mapping[str, Any], neurons: Sequence[int], names: int) -> None:
    """Purity@20 of each matched neuron for each concept, concepts and their neurons in one order."""
    say(f"Concepts and neurons of {facts['run']}, one to one: purity@20")
    head = Text(" " * names)
    for neuron in neurons:
        head.append(f"{neuron:>{CELL}}", style="bold")
    console().print(head, soft_wrap=True)
    for concept in facts["concepts"]:
        name = plain(concept["concept"])
        line = Text((name if len(name) <= names else name[: names - 1] + "…").ljust(names))
        own = concept["readings"]["one-to-one"]["neuron"]
        for neuron in neurons:
            purity = None if concept["missing"] else concept["purity20"][neuron]
            text, faint = _grid_cell(purity)
            line.append(" " * (CELL - len(text)))
            line.append(text, style="bold reverse" if neuron == own and not concept["missing"] else faint)
        console().print(line, soft_wrap=True)
    say(
        "Along the top the neuron that stands for each concept, in the order of the rows; a neuron stands for one "
        "concept at most. ·: under .10. A row of dashes: no neuron names the concept (half of its top 20, at twice "
        "the base rate). –: fewer than 20 items activate the neuron. --json has every neuron and depth."
    )


def _grid_cell(purity: float | None) -> tuple[str, str]:
    """A share in three columns, and its style."""
    if purity is None:
        return "–", "dim"
    if purity < 0.1:
        return "·", "dim"
    return ("1.0" if purity >= 0.995 else f"{purity:.2f}"[1:]), "" if purity >= 0.5 else "dim"


def _show_list(facts: Mapping[str, Any]) -> None:
    """Concepts with their neurons: chosen by the labels, on the other half, one to one; a dash where none is found."""
    rows = []
    for concept in facts["concepts"]:
        chosen, split, alone = (concept["readings"][name] for name in ("label-chosen", "split-half", "one-to-one"))
        rows.append(
            [
                concept["concept"],
                concept["items"],
                _two(concept["base_rate"]),
                _two(concept["cap"]["50"]),
                "–" if concept["missing"] else str(chosen["neuron"]),
                *(_two(chosen["purity"][depth]) for depth in ("10", "20", "50")),
                _two(split["purity"]["20"]),
                "–" if alone["neuron"] is None else str(alone["neuron"]),
                _two(alone["purity"]["20"]),
            ]
        )
    columns = ("concept", "items", "base", "cap", "neuron", "p@10", "p@20", "p@50", "split", "1-to-1", "p@20 ")
    show(f"Concepts and neurons of {facts['run']}", columns, rows, ", ".join(columns[1:]))
    say(
        "neuron –: none names this concept (half of its top 20, at twice the base rate); the purities are then those "
        "of the closest. cap: highest p@50 that so few items allow. split: p@20 chosen on one half of the items, "
        "scored on the other. 1-to-1: a neuron for one concept at most."
    )


def show_compared(facts: Mapping[str, Any]) -> None:
    """Runs side by side, how the neurons of each are found again in each other one, and what came and went.

    Tables call the runs A, B and so on: a terminal has no room for names.
    """
    from engine.report.compared import matching_words, others_words, summary, verdicts

    for sentence in summary(facts):
        tell(sentence)
    letters = {run["name"]: letter(number) for number, run in enumerate(facts["runs"])}
    for name, short in letters.items():
        say(f"{short}  {name}")
    _show_measured(facts["runs"], letters)
    for sentence in verdicts(facts) if facts["same_catalogue"] else ():
        tell(sentence)
    for one, concepts in zip(facts["matchings"], facts["concepts"], strict=True):
        say("")
        tell(matching_words(one))
        if one["unknown"] is None:
            _show_pairs(one, letters)
            tell(others_words(one, numbers=False))
        _show_gone(concepts)
    if facts["settings"]:
        cells = [
            [one["setting"], *(None if value is None else str(value) for value in one["values"])]
            for one in facts["settings"]
        ]
        show("Settings that differ", ("setting", *letters.values()), cells)


def letter(number: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    before, own = divmod(number, 26)
    return (letter(before - 1) if before else "") + chr(ord("A") + own)


def _show_measured(runs: Sequence[Mapping[str, Any]], letters: Mapping[str, str]) -> None:
    """Purity and what is kept of each run, and which runs have more of both."""
    rows = []
    for run in runs:
        kept = run["fidelity"]
        rows.append(
            [
                letters[run["name"]],
                run["recommender"],
                run["neurons"],
                *(_two(run["purity20"][reading]) for reading in ("label-chosen", "split-half", "one-to-one")),
                *(_two(kept[name]) for name in ("rbo", "tau", "ndcg_kept")),
                f"{kept['l0_items']:.1f}/{kept['l0_users']:.1f}",
                run["dead"],
                "front" if run["front"] else " ".join(["under", *(letters[one] for one in run["beaten_by"])]),
            ]
        )
    rows = [[*row[:-1], "" if row[-1] == "under" else row[-1]] for row in rows]
    columns = ("", "model", "m", "chosen", "split", "1-to-1", "RBO", "tau", "NDCG", "L0 i/u", "dead", " ")
    show("Purity@20 over the panel, and what is kept", columns, rows, ", ".join(columns[2:-1]), " ")
    tell(
        "RBO: identical lists 1, disjoint 0. tau: identical lists 1, disjoint about -0.67. NDCG: the share of it that "
        "is kept. front: no run here has more of both split-half purity and RBO; under: those that have."
    )


def _show_pairs(one: Mapping[str, Any], letters: Mapping[str, str]) -> None:
    from engine.report.compared import found_again

    a, b = letters[one["a"]], letters[one["b"]]
    rows = [[p["a"], p["concept_a"], p["b"], p["concept_b"], f"{p['correlation']:.3f}"] for p in found_again(one)]
    if rows:
        show("", (a, f"{a} named by", b, f"{b} named by", "correlation"), rows, f"{a}, {b}, correlation")


def _show_gone(concepts: Mapping[str, Any]) -> None:
    """Concepts with a neuron in one of two runs alone."""
    from engine.report.compared import again_words, close_words

    sides = ("vanished", concepts["a"]), ("appeared", concepts["b"])
    for close, (name, run) in ((close, side) for close in (False, True) for side in sides):
        told = [
            f"{one['concept']} ({_two(one['purity20'])}, else {_two(one['purity20_elsewhere'])}; "
            f"neuron {one['neuron']} {again_words(one)})"
            for one in concepts[name]
            if one["close"] == close
        ]
        near = f", but {close_words()}" if close else ""
        if told:
            tell(f"With a neuron in {run} alone{near}, its purity@20 and the best in the other: {', '.join(told)}.")


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _range(value: list[float]) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"
