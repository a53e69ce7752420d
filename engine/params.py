"""What a request may ask with: each reader gives one value of the wanted type, or says in a sentence what is wrong."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from engine.errors import MonoscopeError

Params = Mapping[str, Any]
LARGEST = 10**9
SHOWN = 60
"""Characters of a wrong value that a sentence repeats."""


def _wrong(name: str, wanted: str, value: object) -> MonoscopeError:
    told = repr(value)
    short = told if len(told) <= SHOWN else told[: SHOWN - 1] + "…"
    return MonoscopeError(f"The request does not make sense: {name!r} must be {wanted}, not {short}.")


def text(params: Params, name: str, usual: str | None = None) -> str:
    """A text; numbers are taken as theirs. Without a `usual` one it must be there."""
    value = params.get(name, usual)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def optional(params: Params, name: str) -> str | None:
    """A text, or None where it is null or not there."""
    return None if params.get(name) is None else text(params, name)


def whole(params: Params, name: str, usual: int | None, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    value = params.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(name, f"a whole number from {least:,} to {most:,}", value)
    return value


def number(params: Params, name: str) -> float | None:
    """A finite number, or None where it is null or not there."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(float(value)):
        raise _wrong(name, "a number", value)
    return float(value)


def one_of(params: Params, name: str, choices: Sequence[str]) -> str:
    """One of `choices`."""
    value = params.get(name)
    if not isinstance(value, str) or value not in choices:
        close = get_close_matches(value, choices, n=1) if isinstance(value, str) else []
        hint = f"; did you mean {close[0]}?" if close else "."
        raise MonoscopeError(str(_wrong(name, f"one of {', '.join(choices)}", value)).removesuffix(".") + hint)
    return value


def edits(params: Params) -> list[Mapping[str, Any]]:
    """Edits as plain data; none where there are none. What is in each is looked at when it is carried out."""
    value = params.get("edits") or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _wrong("edits", "a list of edits", value)
    return value


def texts(params: Params, name: str, most: int) -> list[str]:
    """Up to `most` texts, one at the least."""
    value = params.get(name)
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise _wrong(name, f"a list of 1 to {most} texts", value)
    return [text({name: one}, name) for one in value]


def wholes(params: Params, name: str, most: int) -> list[int]:
    """Up to `most` whole numbers, one at the least."""
    value = params.get(name)
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise _wrong(name, f"a list of 1 to {most} whole numbers", value)
    return [whole({name: one}, name, None, -LARGEST, LARGEST) for one in value]


def labels(params: Params) -> dict[int, str]:
    """Names by neuron: `{"7": "Horror"}`, for JSON has no other keys than texts."""
    value = params.get("labels") or {}
    if not isinstance(value, dict):
        raise _wrong("labels", "names by neuron", value)
    try:
        return {int(neuron): text({"labels": name}, "labels") for neuron, name in value.items()}
    except ValueError:
        raise _wrong("labels", "names by neuron", value) from None
