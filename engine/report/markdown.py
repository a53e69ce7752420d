"""Reports as Markdown (for a pull request or a wiki) and as JSON (for programs)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.actions import BY_AN_ANALYST
from engine.labels.metadata import NO_CONCEPT
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.neurons.standing import READINGS
from engine.report.facts import named_by
from engine.report.wording import FIDELITY, activity, number, percent, signed, toml_inline
from engine.text import plain

ROWS, CARDS, ITEMS, MOVED = 60, 12, 5, 3
"""Neurons in the table, neurons whose top items are told, items of each, and concepts that an edit moved beside."""
_ARMS = ("before", "reconstruction", "after")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_json(facts: Mapping[str, Any]) -> str:
    """The facts themselves."""
    return json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema that `as_json` keeps to."""
    return json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))


def as_markdown(facts: Mapping[str, Any]) -> str:
    """What `complete` tells, as a short page. Text from data and labels is escaped: it never acts as markup."""
    parts = [_summary(facts), _quality(facts), _fidelity(facts), _comparison(facts), _edits(facts), _notes(facts)]
    parts += [_neurons(facts), _top_items(facts), _methods(facts), _provenance(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: object) -> str:
    """Text with Markdown's special characters made plain and control characters removed."""
    return _SPECIAL.sub(r"\\\1", plain(str(text)))


def _number(value: object, digits: int = 3) -> str:
    return escaped(number(value, digits))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _summary(facts: Mapping[str, Any]) -> str:
    about, session = facts["provenance"], facts["session"]
    own = "" if session["name"] == facts["run"] else f", session {escaped(session['name'])}"
    lines = [
        f"# {escaped(facts['run'])}{own}: what the model has learned",
        f"Data set {escaped(about['dataset'])}: {about['users']:,} users, {about['items']:,} items, "
        f"{about['ranked_items']:,} of them ranked. Report of {escaped(facts['exported'][:10])}.",
        *(f"**Note: {escaped(note)}**" for note in facts["notices"]),
        "\n".join(f"- {escaped(sentence)}" for sentence in (*facts["summary"], *_told_labels(session))),
    ]
    return "\n\n".join(lines)


def _told_labels(session: Mapping[str, Any]) -> list[str]:
    """How many labels there are, told apart from the neurons that a concept names by their purity."""
    if not session["labels"]:
        return []
    ways = (
        ("by_hand", "by hand"),
        ("accepted", "offered, and accepted by hand"),
        ("by_model", "by a language model"),
        ("by_metadata", "by the metadata"),
    )
    how = [f"{session[key]} {words}" for key, words in ways if session[key]]
    rest = (("no_coherent_concept", "without a coherent concept"), ("rejected", "rejected"), ("failed", "failed"))
    others = [f"{session[key]} {words}" for key, words in rest if session[key]]
    told = f"Of {session['labels']} labels of the session {session['naming']} name their neuron"
    return [f"{told}{f' ({_joined(how)})' if how else ''}{f'; {_joined(others)}' if others else ''}."]


def _joined(words: Sequence[str]) -> str:
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def _quality(facts: Mapping[str, Any]) -> str:
    columns = ("ndcg10", "hr10", "recall20", "mrr10", "mpr", "coverage10")
    rows = [
        (name, *(_number(metrics.get(column)) for column in columns))
        for name, metrics in (
            (escaped(facts["recommender"]["kind"]), facts["recommender"]["metrics"]),
            ("popularity", facts["recommender"]["popularity"]),
        )
    ]
    head = ("model", "NDCG@10", "HR@10", "recall@20", "MRR@10", "MPR (0 best, 0.5 random)", "coverage@10")
    return "## Recommender\n\nOn held-out items, the whole catalogue ranked, seen items left out.\n\n" + _table(
        head, rows
    )


def _fidelity(facts: Mapping[str, Any]) -> str:
    rows = [
        (escaped(label), _number(facts["fidelity"][name], 1 if name.startswith("l0_") else 3), escaped(reference))
        for name, (label, reference) in FIDELITY.items()
    ]
    return (
        f"## Fidelity\n\nOriginal against reconstruction, mean over {facts['fidelity']['users']:,} users that the "
        "autoencoder did not train on.\n\n" + _table(("what", "value", "reference"), rows)
    )


def _comparison(facts: Mapping[str, Any]) -> str:
    """The autoencoder beside its baselines; empty where they were not measured, or there are no concepts."""
    comparison = facts["provenance"].get("comparison")
    if not comparison or not comparison["panel"]:
        return ""
    rows = []
    for row in comparison["rows"]:
        ahead = row["ahead"] and row["ahead"]["split-half"]
        rows.append(
            (
                escaped(row["name"]),
                str(row["candidates"]),
                *(_number(row["purity"][reading]["20"], 2) for reading in READINGS),
                "" if not ahead else f"{signed(ahead[0], 2)} [{signed(ahead[1], 2)}, {signed(ahead[2], 2)}]",
                _number(row["fidelity"]["rbo"], 2),
                f"{row['fidelity']['l0_items']:.1f} / {row['fidelity']['l0_users']:.1f}",
            )
        )
    random = comparison["random"]
    spans = [random["means"][reading]["20"] for reading in READINGS]
    cells = [f"{mean:.2f} [{low:.2f}, {high:.2f}]" for mean, low, high in spans]
    rows.append(("random directions", str(random["candidates"]), *cells, "", "", ""))
    head = ("", "neurons", "label-chosen", "split-half", "one-to-one", "ahead (split-half)", "RBO", "L0 items / users")
    return (
        f"## Beside its baselines\n\nPurity@20, mean over {len(comparison['panel'])} concepts: each concept's purest "
        "neuron chosen by the labels it is scored on, chosen on one half of the items and scored on the other, and "
        "with a neuron for one concept at most. Random directions: mean and 95 % range of "
        f"{random['draws']} sets. Ahead: paired over concepts, 95 % interval. As many active neurons as the vector has "
        "numbers leave nothing out, so an RBO of 1 there is no result.\n\n" + _table(head, rows)
    )


def _neurons(facts: Mapping[str, Any]) -> str:
    head = ("neuron", "name", "by", "best concept", "p@10", "p@20", "p@50", "base", "lift", "q", "items", "users")
    mine = _of_the_session(facts)
    named = [one for one in facts["neurons"] if one["neuron"] in mine or one["name"] not in (None, NO_CONCEPT)]
    order = sorted(named, key=lambda one: (one["neuron"] not in mine, -(one["purity20"] or 0), one["neuron"]))
    shown = sorted(order[:ROWS], key=lambda one: int(one["neuron"]))
    rows = [
        (
            str(neuron["neuron"]),
            escaped(neuron["name"] or "–"),
            escaped(named_by(neuron)),
            escaped(neuron["concept"] or "–"),
            *(_number(neuron[name], 2) for name in ("purity10", "purity20", "purity50")),
            *(_number(neuron[name], digits) for name, digits in (("base_rate", 3), ("lift", 1), ("q", 3))),
            activity(neuron["density_items"]),
            activity(neuron["density_users"]),
        )
        for neuron in shown
    ]
    left = len(facts["neurons"]) - len(shown)
    more = f"\n\n{left:,} neurons are left out; `--format csv` writes all." if left else ""
    words = "Those with a name and those of the session, each with its best concept."
    return f"## Neurons\n\n{words}\n\n{_table(head, rows)}{more}"


def _of_the_session(facts: Mapping[str, Any]) -> set[int]:
    """Neurons that the session edits, or that an analyst labelled."""
    edited = {one["edit"]["neuron"] for one in facts["edits"] if one["edit"] and "neuron" in one["edit"]}
    return edited | {one["neuron"] for one in facts["labels"] if one["state"] in BY_AN_ANALYST}


def _top_items(facts: Mapping[str, Any]) -> str:
    """What the session's own neurons stand for."""
    mine = sorted(_of_the_session(facts))[:CARDS]
    if not mine:
        return ""
    rows = {one["neuron"]: one for one in facts["neurons"]}
    lines = []
    for neuron in mine:
        items = ", ".join(escaped(item["title"]) for item in rows[neuron]["items"][:ITEMS])
        name = escaped(rows[neuron]["name"] or "no name")
        lines.append(f"- **Neuron {neuron}, {name}**: {items or 'no item activates it'}.")
    return (
        "## Top items\n\nOf the neurons that the session edits, or that were labelled by hand: the most active items "
        "first.\n\n" + "\n".join(lines)
    )


def _edits(facts: Mapping[str, Any]) -> str:
    """Every edit with what it does alone, and all of them together."""
    if not facts["edits"]:
        return ""
    parts = [
        "## Edits of the session\n\nEach alone, in the order in which they apply, beside lists without any edit and "
        "lists that are only reconstructed from neurons. RBO: how alike two lists are, identical 1. Kin: a concept "
        "that has most of its items in common with what is meant, or that the edited items carry."
    ]
    if facts["edits_problem"]:
        parts.append(f"**What they do could not be measured: {escaped(facts['edits_problem'])}**")
    for edit in facts["edits"]:
        off = "" if edit["on"] else "\n\nIt is switched off, so it changes nothing until it is switched on again."
        parts.append(f"### Edit {edit['number']}. {escaped(edit['title'])}{off}")
        if edit["effect"]:
            parts.append(_effect(edit["effect"]))
        elif edit["withheld"]:
            parts.append(f"What it does is not shown: {edit['withheld']}.")
    if facts["together"]:
        out = [str(one) for one in facts["together"]["left_out"]]
        without = f"Without edit{'s' * (len(out) > 1)} {', '.join(out)}, which may not be told of.\n\n" if out else ""
        parts.append("### All edits together\n\n" + without + _stacked(facts["together"]["stacked"]))
        parts.append(_effect(facts["together"]))
    elif facts["together_withheld"]:
        parts.append(f"### All edits together\n\nWhat they do is not shown: {facts['together_withheld']}.")
    return "\n\n".join(parts)


def _effect(effect: Mapping[str, Any]) -> str:
    side, arms = effect["collateral"], [effect[arm] for arm in _ARMS]
    rows = [
        (f"**users with {escaped(item[0]['title'])}**", *(_count(one["users"]) for one in item))
        for item in zip(*(arm["reach"]["edited_items"] for arm in arms), strict=True)
    ]
    for share in effect["shares"][: len(side["about"]) + MOVED]:
        kin = " (kin)" if share["concept"] in effect["kin"] else ""
        name = f"share of {escaped(share['concept'])}{kin}"
        rows.append((f"**{name}**" if share["concept"] in side["about"] else name, *(percent(share[a]) for a in _ARMS)))
    for key, words in (("ndcg10", "NDCG@10"), ("novelty", "novelty"), ("diversity", "diversity")):
        rows.append((words, *(_number(arm[key]) for arm in arms)))
    rows.append(("RBO with the lists without edits", *(_number(arm["rbo"]) for arm in arms)))
    rest = ""
    if side["rbo_of_the_rest"] is not None:
        of = _joined([escaped(one) for one in effect["meant"]])
        rest = f" Without {of}, what the edit is about, the RBO is {_number(side['rbo_of_the_rest'])}."
    whose = f" ({escaped(effect['condition'])})" if effect["condition"] else ""
    sampled = effect["asked"] is not None and effect["users"] is not None and effect["users"] < effect["asked"]
    drawn = f", drawn from {effect['asked']:,}" if sampled else ""
    filtered = ""
    if side["users_filtered"] != 0:
        filtered = f" A filter serves {_count(side['users_filtered'])} users whom no edit brings to the goal."
    return (
        _table(("", "without edits", "reconstructed", "edited"), rows)
        + f"\n\nMeasured on {_count(effect['users'])} users{drawn}{whose}; "
        + f"the lists of {_count(side['lists_changed'])} change."
        + rest
        + _ndcg10_change(effect["ndcg10_change"])
        + _toward(effect["toward"])
        + filtered
    )


def _ndcg10_change(change: Sequence[float] | None) -> str:
    if change is None:
        return ""
    mean, low, high = map(signed, change)
    return f" NDCG@10 changes by {mean} [{low}, {high}] (95 %, paired by user)."


def _toward(toward: Mapping[str, Any] | None) -> str:
    """What a solved edit reached, and whether a filter would do."""
    if toward is None or toward["filter_suffices"] is None:
        return ""
    told = f" As it was solved, it brings {_count(toward['reached'])} of {toward['users']:,} users to the goal. "
    against = f"{_number(toward['ndcg10_filtered'])} against {_number(toward['ndcg10'])}"
    if toward["filter_suffices"]:
        return (
            f"{told}A filter on the lists reaches it as well and keeps as much of NDCG@10 ({against}): unless the "
            "vectors themselves must change, filter."
        )
    return f"{told}A filter on the lists reaches it too, but keeps less of NDCG@10 ({against})."


def _stacked(rows: Sequence[Mapping[str, Any]]) -> str:
    """What each edit is about, in the lists of its own users."""
    arms = ("before", "alone", "together")
    told = [
        (
            str(row["edit"]),
            f"share of {escaped(row['subject'])}"
            if row["what"] == "share"
            else f"users with {escaped(row['subject'])}, of {row['users']:,}",
            *(percent(row[arm]["share"]) if row["what"] == "share" else _count(row[arm]["users"]) for arm in arms),
        )
        for row in rows
    ]
    words = "What each edit is about, in the lists of its own users; below, all whom edits are for."
    return f"{words}\n\n{_table(('edit', '', 'without edits', 'it alone', 'all edits'), told)}"


def _count(value: int | None) -> str:
    """A number of users; one that is kept back is small, or leaves few out."""
    return f"fewer than {SEGMENT_MINIMUM} (or all but so few)" if value is None else f"{value:,}"


def _notes(facts: Mapping[str, Any]) -> str:
    if not facts["notes"]:
        return ""
    lines = []
    for note in facts["notes"]:
        about = f" ({escaped(note['about'])})" if note["about"] else ""
        lines.append(f"- {escaped(note['text'])}{about}")
    return "## Notes\n\n" + "\n".join(lines)


def _methods(facts: Mapping[str, Any]) -> str:
    return """## How to read this

- **p@K** (purity): the share of a neuron's K most active items that carry its best concept; **base** is the share
  of all ranked items that do, **lift** their ratio at K = 20. The best concept is the one whose purity@20 is
  furthest above its base rate (K times the Kullback-Leibler divergence).
- **q**: how often random directions of the same vectors do as well with their own best concept, corrected for the
  number of neurons. Random directions are a strong null; purity itself is no proof that a neuron is special.
- **items**, **users**: the share that activates the neuron. **–**: unknown, such as purity with fewer than K
  active items.
- A concept names a neuron where at least half of its top 20 carry it, at twice the base rate or more.
""" + "\n".join(f"- {limit}" for limit in facts["limits"])


def _provenance(facts: Mapping[str, Any]) -> str:
    about, session = facts["provenance"], facts["session"]
    versions = ", ".join(f"{name} {escaped(value)}" for name, value in about["versions"].items())
    rows = [("session", session["sha256"]), ("content of the catalogue", about["catalogue_hash"])]
    rows += [(escaped(name), value) for name, value in about["hashes"].items()]
    lines = [f"# {plain(one['about'])}\n{plain(one['command'] or '')}".rstrip() for one in facts["commands"]]
    return (
        f"## Provenance\n\nLicence of the data: {escaped(about['licence'])}. {escaped(about['citation'])}\n\n"
        f"Trained {escaped(about['created'])} with {versions}.\n\n"
        + _table(("what", "sha256"), rows)
        + f"\n\nThese commands bring data, run and session about again; {_same(facts)}.\n\n"
        + _fenced("sh", "\n".join(lines))
        + "\n\nsettings.toml:\n\n"
        + _fenced("toml", toml_inline(facts["config"]))
    )


def _same(facts: Mapping[str, Any]) -> str:
    if any(edit["edit"] is None for edit in facts["edits"]):
        return "of edits that may not be told there is no command, so that the session is another, with another sha256"
    return "the session is the same where its JSON report has this sha256"


def _fenced(language: str, text: str) -> str:
    """Code; longer fences than any in the text, so that nothing in it ends the block."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
