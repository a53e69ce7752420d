"""Questions for the tests of how a language model is asked, and servers that fail on order."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from engine.labels.budget import Budget
from engine.labels.chat import ask_all
from engine.labels.ledger import Ledger
from engine.labels.questions import Answer, Question
from engine.labels.settings import LlmSettings
from engine.progress import silent
from tests.engine.labels.chat_server import ChatServer, Reply, completion, error

KEY = "sk-test-0123456789abcdefSECRET"
OURS = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "MONOSCOPE_LLM_MODEL", "MONOSCOPE_LLM_TIMEOUT", "MONOSCOPE_LLM_PRICE",
    "MONOSCOPE_LLM_MAX_COST", "MONOSCOPE_UNATTENDED",
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL")),
    *(f"{scheme}_proxy" for scheme in ("http", "https", "all")),
)  # fmt: skip
"""What the environment could say about a language model, or put between us and a server on loopback."""


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    label: str
    coherent: bool


def question(number: int = 7, **changes: Any) -> Question:
    """A question of its own for each number."""
    messages = [{"role": "system", "content": "Name it."}, {"role": "user", "content": f"neuron {number}"}]
    return replace(Question("label", messages, Named), **changes)


def number_in(body: Mapping[str, Any]) -> int:
    """The number of the question that a request asks."""
    return int(body["messages"][1]["content"].split()[1])


def named(label: str = "Horror", usage: tuple[int, int] | None = (50, 10)) -> Reply:
    return completion(json.dumps({"label": label, "coherent": True}), usage=usage)


def settings_for(server: ChatServer, **changes: Any) -> LlmSettings:
    """A client that need not wait long before it tries again."""
    return replace(LlmSettings("a-model", server.base_url, SecretStr(KEY), backoff_seconds=0.001), **changes)


def ask(
    questions: Sequence[Question], chosen: LlmSettings, ledger: Ledger, max_cost: float | None = None
) -> dict[int, Answer]:
    """Every question's answer; fails if one has two, or none."""
    arrived = list(ask_all(questions, chosen, ledger, "a-run", Budget(max_cost), silent, lambda: False))
    assert sorted(position for position, _answer in arrived) == list(range(len(questions)))
    return dict(arrived)


def faulty(body: Mapping[str, Any], before: int, *, seed: int = 0, cut: float = 0.02) -> Reply:
    """A fifth of the replies is no good: 429, 500, not JSON, or cut, drawn by the request and how often it came."""
    drawn = hashlib.sha256(f"{seed} {json.dumps(body['messages'])} {before}".encode()).digest()
    chance = int.from_bytes(drawn[:4]) / 2**32
    good = named(f"label {number_in(body)}")
    for share, reply in (
        (cut, replace(good, cut=True)),
        (0.06, error(429)),
        (0.06, error(500)),
        (0.08 - cut, completion('{"label": "Hor', usage=(50, 10))),
    ):
        if chance < share:
            return reply
        chance -= share
    return good


def bare_environment() -> dict[str, str]:
    """This process's environment, for a process that asks a server on loopback."""
    return {name: value for name, value in os.environ.items() if name not in OURS}
