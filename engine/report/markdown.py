"""Reports as Markdown (for a pull request or a wiki) and as JSON (for programs)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.neurons.standing import READINGS
from engine.report.wording import FIDELITY, edit_for, edit_words, number
from engine.text import plain

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_json(facts: Mapping[str, Any]) -> str:
    """The facts themselves."""
    return json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema that `as_json` keeps to."""
    return json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))


def as_markdown(facts: Mapping[str, Any]) -> str:
    """The facts as a readable page. Text from data and labels is escaped: it never acts as markup."""
    parts = [_summary(facts), _quality(facts), _fidelity(facts), _comparison(facts), _neurons(facts), _concepts(facts)]
    parts += [_cards(facts), _edits(facts), _methods(), _provenance(facts)]
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
    about, fidelity, quality = facts["provenance"], facts["fidelity"], facts["recommender"]
    named = sum(neuron["name"] is not None for neuron in facts["neurons"])
    lines = [
        f"# {escaped(facts['run'])}: what the model has learned",
        f"Data set {escaped(about['dataset'])}: {about['users']} users, {about['items']} items, "
        f"{about['ranked_items']} of them ranked.",
    ]
    lines += [f"**Note: {escaped(about[name])}.**" for name in ("notice", "source_notice") if about[name]]
    lines += [f"**Note: {escaped(note)}**" for note in about["notes"]]
    lines.append(
        f"- The recommender ({escaped(quality['kind'])}, {quality['d']} factors) reaches NDCG@10 "
        f"{_number(quality['metrics']['ndcg10'])} on held-out items; popularity alone "
        f"{_number(quality['popularity']['ndcg10'])}.\n"
        f"- Of its lists, {_number(fidelity['rbo'], 2)} survives reconstruction by {facts['sae']['m']} neurons "
        f"(RBO; 1 is identical, 0 nothing in common), and {_number(fidelity['ndcg_kept'], 2)} of its NDCG.\n"
        f"- {named} neurons have a name, {sum(n['dead'] for n in facts['neurons'])} are dead."
    )
    return "\n\n".join(lines)


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
        (escaped(label), _number(facts["fidelity"][name]), escaped(reference))
        for name, (label, reference) in FIDELITY.items()
    ]
    return (
        f"## Fidelity\n\nOriginal against reconstruction, mean over {facts['fidelity']['users']} users that the "
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
                "" if not ahead else f"{ahead[0]:+.2f} [{ahead[1]:+.2f}, {ahead[2]:+.2f}]",
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
    head = (
        "neuron",
        "name",
        "by",
        "best concept",
        "p@10",
        "p@20",
        "p@50",
        "base",
        "lift",
        "q",
        "items",
        "users",
    )
    rows = [
        (
            str(neuron["neuron"]),
            escaped(neuron["name"] or "–"),
            escaped(neuron["named_by"]),
            escaped(neuron["concept"] or "–"),
            *(_number(neuron[name], 2) for name in ("purity10", "purity20", "purity50", "base_rate", "lift", "q")),
            f"{neuron['density_items']:.1%}",
            f"{neuron['density_users']:.1%}",
        )
        for neuron in facts["neurons"]
    ]
    return "## Neurons\n\n" + _table(head, rows)


def _concepts(facts: Mapping[str, Any]) -> str:
    missing = [c["concept"] for c in facts["concepts"] if not c["reached"] and c["kind"] in ("genre", "tag", "era")]
    if not missing:
        return ""
    return (
        "## Concepts that no neuron reaches\n\nNo neuron's top 20 carries them in half of the places at twice "
        f"the base rate: {', '.join(map(escaped, missing))}."
    )


def _cards(facts: Mapping[str, Any]) -> str:
    cards = ["## Top items of each neuron"]
    for neuron in facts["neurons"]:
        name = escaped(neuron["name"] or "no name")
        items = [
            (
                str(item["rank"]),
                escaped(item["title"]),
                _number(item["activation"], 2),
                escaped(", ".join(item["concepts"])),
            )
            for item in neuron["items"]
        ]
        body = _table(("rank", "item", "activation", "carries"), items) if items else "No item activates it."
        cards.append(f"### Neuron {neuron['neuron']}: {name}\n\n{body}")
    return "\n\n".join(cards)


def _edits(facts: Mapping[str, Any]) -> str:
    if not facts["edits"]:
        return ""
    rows = [
        (
            str(place),
            *map(escaped, edit_words(edit)),
            escaped(edit_for(edit)),
            "" if edit.get("on", True) else "switched off",
        )
        for place, edit in enumerate(facts["edits"], 1)
    ]
    return "## Edits of the session\n\nIn order.\n\n" + _table(("n", "edit", "amount", "for", ""), rows)


def _methods() -> str:
    return """## How to read this

- **p@K** (purity): the share of a neuron's K most active items that carry its best concept; **base** is the share
  of all ranked items that do, **lift** their ratio at K = 20. The best concept is the one whose purity@20 is
  furthest above its base rate (K times the Kullback-Leibler divergence).
- **q**: how often random directions of the same vectors do as well with their own best concept, corrected for the
  number of neurons. Random directions are a strong null; purity itself is no proof that a neuron is special.
- **items**, **users**: the share that activates the neuron. **–**: unknown, such as purity with fewer than K
  active items.
- A concept names a neuron where at least half of its top 20 carry it, at twice the base rate or more."""


def _provenance(facts: Mapping[str, Any]) -> str:
    about = facts["provenance"]
    rows = [(name, escaped(value)) for name, value in about["versions"].items()]
    rows += [(f"sha256 of {escaped(name)}", value) for name, value in about["hashes"].items()]
    rows += [("content of the catalogue", about["catalogue_hash"]), ("created", escaped(about["created"]))]
    config = json.dumps(facts["config"], indent=1)
    return (
        f"## Provenance\n\nLicence of the data: {escaped(about['licence'])}. {escaped(about['citation'])}\n\n"
        + _table(("what", "value"), rows)
        + f"\n\nSettings (`monoscope train {about['dataset']} --config FILE.toml` takes the same names):"
        + f"\n\n```json\n{config}\n```"
    )
