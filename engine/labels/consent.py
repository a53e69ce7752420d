"""What asking a language model about neurons would send and cost, for whoever has to agree to it first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine.actions import Label
from engine.errors import LabelError
from engine.labels.chat import estimate, need_price
from engine.labels.ledger import Ledger
from engine.labels.material import Material
from engine.labels.of_run import By, Request, questions
from engine.labels.prices import dollars
from engine.labels.settings import LlmSettings, Unnamed, budget, configured, named, settings
from engine.run import Run

ROOM = 1.01
"""What is left above the most that the questions can take, for labels longer than those that were assumed."""


def request_of(
    model: str | None = None,
    base_url: str | None = None,
    labeller: By | None = None,
    max_cost: float | None = None,
) -> Request:
    """A language model's labels where one is named or configured and no other `labeller` is wanted.

    The least of `max_cost` and MONOSCOPE_LLM_MAX_COST is the limit. Raises `LabelError` for what cannot be asked.
    """
    asks = model or base_url or configured() if labeller is None else labeller == "llm"
    if not asks:
        return Request("metadata", "metadata")
    limits = [limit for limit in (max_cost, budget()) if limit is not None]
    return Request("llm", "llm", settings(model, base_url), max_cost=min(limits, default=None))


def plan(
    run: Run, neurons: Sequence[int], request: Request, ledger: Ledger, standing: Mapping[int, Label]
) -> dict[str, Any]:
    """What `label_and_test` would do: `asks` whether a model is asked, and if so how much of what, at what price.

    `max_cost` is the limit to ask under, with which little more than `usd_most` can be spent; None where the price is
    not known. Raises `LabelError` where a limit is set that is too low, or that cannot be kept.
    """
    llm = request.llm
    if llm is None:
        return {"asks": False, "why": _no_key()}
    if request.max_cost is not None:
        need_price(llm)
    material = Material.of(run)
    found, _to_come = questions(material, neurons, request, standing)
    told = estimate(found, llm, ledger)
    if request.max_cost is not None and told.usd_least_limit is not None:
        _within(request.max_cost, told.usd_least_limit, llm)
    most = None if told.usd_most is None else told.usd_most * ROOM
    limits = [limit for limit in (most, request.max_cost) if limit is not None]
    return {
        "asks": told.requests > 0,
        "why": None,
        "model": llm.model,
        "base_url": llm.base_url,
        "neurons": len(neurons),
        "fields": list(material.cards.fields),
        **asdict(told),
        "max_cost": min(limits, default=None),
    }


def _within(limit: float, least: float, llm: LlmSettings) -> None:
    if least > limit:
        raise LabelError(
            f"Asking {llm.model} would take a limit of {dollars(least)}, more than the {dollars(limit)} of "
            "MONOSCOPE_LLM_MAX_COST: ask about fewer neurons, or raise it."
        )


def _no_key() -> str | None:
    """Why a model that is named cannot be asked; None where none is named."""
    if not named():
        return None
    try:
        settings()
    except Unnamed as error:
        return str(error)
    return None
