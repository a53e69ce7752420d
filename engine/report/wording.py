"""Edits, settings and numbers in words, by one rule for every format of the report.

A measure that is read against 1 (purity and its base rate, RBO, hit rate) is a plain number; a share of users, of items
or of lists' places is a percentage as "23.2%". A minus is a minus sign, and 0 has none.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.neurons.profile import SEGMENT_MINIMUM

METRICS = {
    "ndcg10": ("NDCG@10", "1 is perfect, 0 finds nothing; positions count"),
    "hr10": ("hit rate@10", "share of users with a held-out item in their top 10"),
    "recall20": ("recall@20", "share of held-out items in the top 20"),
    "mrr10": ("MRR@10", "one over the place of the first held-out item"),
    "mpr": ("mean percentile rank", "0 is best, 0.5 is random"),
    "coverage10": ("coverage@10", "share of the items that anybody is shown"),
}
FIDELITY = {
    "rbo": ("RBO of the top 30", "identical 1, disjoint 0"),
    "rbo_p5": ("RBO that one user in twenty stays below", "identical 1, disjoint 0"),
    "rbo_ablated": ("RBO of biases alone: every vector is its side's mean", "what is left without any neuron"),
    "tau": ("Kendall's tau of the top 30", "identical 1, disjoint about −0.67"),
    "overlap": ("share of the top 30 that stays", "identical 1"),
    "affinity_r2": ("R² of the affinities", "exact 1, predicting the mean 0"),
    "explained_items": ("variance of item vectors explained", "exact 1, predicting the mean 0"),
    "explained_users": ("variance of user vectors explained", "exact 1, predicting the mean 0"),
    "ndcg_kept": ("share of NDCG@10 kept", "all of it 1"),
    "ndcg_recovered": ("share kept of what vectors add to biases' NDCG@10", "all of it 1, biases alone 0"),
    "l0_items": ("active neurons of an item", "fewer is more readable"),
    "l0_users": ("active neurons of a user", "fewer is more readable"),
}
FLAGS = {
    "dead": "nothing activates it",
    "dense": "active for more than half of the items or users: it tells little apart",
    "duplicate": "another neuron points the same way and has half of its items",
    "item-only": "no user activates it: an edit of users would be its first activation",
    "user-only": "no item activates it",
    "popularity": "it follows how popular items are",
}
LIMITS = (
    "Purity says what the most active items have in common, not why the model put them there.",
    "Random directions of the same vectors are often pure: trust what clearly beats them, with a q below 0.05.",
    "Labels of the data set decide what can be found; a neuron without a name may stand for what nobody labelled.",
    "An edit is measured on lists, on held-out items where there are any, and not on people's behaviour.",
    "Neuron numbers mean nothing in another run, and one training is one sample: compare with `runs compare`.",
)


OPERATIONS = {"set": "set to {}", "add": "moved by {}", "scale": "made {} times as strong", "cap": "kept at {} or less"}
UNITS = {"p99": " units", "raw": " (raw)"}


def edit_words(
    edit: Mapping[str, Any],
    names: Mapping[int, str | None] | None = None,
    title_of: Callable[[str], str] = str,
) -> tuple[str, str]:
    """What an edit changes, a neuron with its name, and how; `title_of` gives the title of an item by its id."""
    if "goal" in edit:
        few = edit.get("neurons_at_most")
        by = f"by at most {few} neurons a user" if few else "by all neurons"
        return f"{goal_words(edit['goal'], title_of)} ({edit['goal']})", f"solved for {by}"
    name = (names or {}).get(edit["neuron"])
    what = f"Neuron {edit['neuron']}" + (f", {name}" if name else "")
    if edit["operation"] == "off":
        return what, "switched off"
    unit = "" if edit["operation"] == "scale" else UNITS[edit.get("unit", "p99")]
    amount = signed if edit["operation"] == "add" else number
    return what, OPERATIONS[edit["operation"]].format(f"{amount(float(edit['amount']), 2)}{unit}")


TIMES = {0.5: "half of", 1.0: "", 2.0: "twice"}


def goal_words(goal: str, title_of: Callable[[str], str] = str) -> str:
    """What a solved edit is to reach: "Horror at most half of its share"; a text that is no goal stays as it is."""
    share = re.fullmatch(r"share\((.+)\)([<>]=)([0-9.]+)(x|%|)", goal)
    reach = re.fullmatch(r"reach\((.+),([0-9]+)\)>=([0-9.]+)(%|)", goal)
    if reach is not None:
        part = float(reach[3]) / (100 if reach[4] else 1)
        return f"{title_of(reach[1])} in the top {reach[2]} of at least {short_percent(part)} of the users"
    if share is None:
        return goal
    bound, amount = "at most" if share[2] == "<=" else "at least", float(share[3])
    if share[4] == "x":
        times = TIMES.get(amount, f"{amount:g} times")
        return " ".join(f"{share[1]} {bound} {times} its share".split())
    return f"{share[1]} {bound} {short_percent(amount / (100 if share[4] else 1))} of each list"


def short_percent(share: float) -> str:
    """A share that somebody chose, with no more decimals than it has."""
    return f"{100 * share:g}%"


def edit_for(edit: Mapping[str, Any]) -> str:
    """Whom an edit is for; `ids` is a list of ids, or already a few words in their place."""
    side, ids = edit.get("side", "users"), edit.get("ids")
    if isinstance(ids, str):
        return ids
    if ids is not None:
        return f"{side} {', '.join(ids[:3])}{f' and {len(ids) - 3} more' if len(ids) > 3 else ''}"
    where = str(edit.get("where") or "").strip()
    return f"all {side}" if where.casefold() in EVERYONE else f"{side} where {where}"


EVERYONE = ("", "true", "1", "1=1", "1 = 1")
"""Conditions that hold for every row."""


def number(value: object, digits: int = 3) -> str:
    """A number with so many decimals, a dash where it is unknown; a text stays as it is."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign, unless it rounds to 0."""
    told = number(float(value), digits)
    return f"+{told}" if round(value, digits) > 0 else told


def percent(share: float | None, digits: int = 1) -> str:
    """A share of users, of items or of places, as a percentage; a dash where it is unknown."""
    return "–" if share is None else f"{number(100 * float(share), digits)}%"


def activity(share: float | None) -> str:
    """A share as a percentage; one of more than a half never reads as the half."""
    told = percent(share)
    return percent(share, 3) if share is not None and share > 0.5 and told == percent(0.5) else told


def count(users: int, exact: bool = False, whole: int | None = None) -> str:
    """How many users, of a whole; the size of a small group, in it or left out of it, is told only where it may be."""
    if not exact and 0 < users < SEGMENT_MINIMUM:
        return f"fewer than {SEGMENT_MINIMUM}"
    if not exact and whole is not None and 0 < whole - users < SEGMENT_MINIMUM:
        return f"all but fewer than {SEGMENT_MINIMUM}"
    return f"{users:,}"


def of(users: int, whole: int, exact: bool = False) -> str:
    """The same with the whole."""
    return f"{count(users, exact, whole)} of {whole:,}"


def small(value: float | None) -> str:
    """A q or p value; a dash where it is unknown."""
    if value is None:
        return "–"
    return number(float(value)) if value >= 0.001 else "below 0.001"


def toml(config: Mapping[str, Any]) -> str:
    """Settings as a file that `monoscope train --config` takes; those that are None are left out."""
    plain = [f"{key} = {_value(value)}" for key, value in config.items() if not isinstance(value, Mapping | None)]
    parts = ["\n".join(plain)]
    for key, value in config.items():
        if isinstance(value, Mapping):
            lines = [f"{name} = {_value(one)}" for name, one in value.items() if one is not None]
            parts.append("\n".join([f"[{key}]", *lines]))
    return "\n\n".join(part for part in parts if part) + "\n"


def toml_inline(config: Mapping[str, Any]) -> str:
    """The same with a line for each part, for a page that has to be short."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            parts = ", ".join(f"{name} = {_value(one)}" for name, one in value.items() if one is not None)
            lines.append(f"{key} = {{ {parts} }}")
        elif value is not None:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
