"""The question that comes before a language model is asked, in words. Pure."""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from engine.text import plain

YES, NO, SITTING = "y", "n", "Y"
_FIELDS = {"title": "titles", "year": "years", "concepts": "genres or tags"}


def question(plan: Mapping[str, Any]) -> str:
    """The question of a plan as the engine tells it: whom, about what, how much is sent, and what it may cost."""
    return f"{summary(plan)} {YES} yes, {NO} no, {SITTING} yes for this sitting."


def summary(plan: Mapping[str, Any]) -> str:
    """ "Ask a-model at host about 3 neurons: 9 requests, at most $0.06 (about $0.01); ..." """
    known = f", {plan['cached']:,} answered before" if plan["cached"] else ""
    fields = [_FIELDS.get(field, field) for field in plan["fields"]]
    sent = " and ".join(filter(None, [", ".join(fields[:-1]), fields[-1]]))
    where = urlsplit(plan["base_url"]).netloc
    return (
        f"Ask {plain(plan['model'])} at {plain(where)} about {_count(plan['neurons'], 'neuron')}: "
        f"{_count(plan['requests'], 'request')}{known}, {price(plan)}; sends {sent} of "
        f"{_count(plan['items'], 'item')}, nothing of users."
    )


def price(plan: Mapping[str, Any]) -> str:
    """The most that it can cost, and what it may."""
    if plan["max_cost"] is None or plan["usd"] is None:
        return "price not known (MONOSCOPE_LLM_PRICE says it)"
    if plan["max_cost"] == 0:
        return "free by its price"
    return f"at most {_dollars(plan['max_cost'])} (about {_dollars(min(plan['usd'], plan['max_cost']))})"


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _dollars(usd: float) -> str:
    """An amount rounded up, to cents or, below ten of them, to hundredths of a cent."""
    places = 2 if usd >= 0.1 else 4
    return f"${math.ceil(round(usd * 10**places, 6)) / 10**places:.{places}f}"
