"""A question to a language model, the form that its answer must have, and the answer."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from engine.labels.settings import LlmSettings

ANSWER_LIMIT, LEAST_ANSWER_LIMIT, ROOM = 4000, 1000, 16
"""Tokens that an answer may take where its cost is limited, a model's unseen reasoning among them: so many times what
one usually takes, within these."""
GIVE_UP_AFTER = 3
"""So many failures in a row that are the server's, and nothing more is asked."""

Purpose = Literal["label", "detection", "intruder"]
Message = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """What a model is asked, and what its answer must be.

    `messages` have a "role" and a "content" each. `answer` is the form of the answer: its JSON schema is sent, and
    demanded strictly. `check` may demand more of an answer that fits: it returns None, or what is wrong in a
    sentence that is told to the model. `answer_tokens` is what an answer usually takes, for an estimate; `items` are
    the items that it tells of, by number.
    """

    purpose: Purpose
    messages: Sequence[Message]
    answer: type[BaseModel]
    check: Callable[[Any], str | None] | None = None
    answer_tokens: int = 100
    items: frozenset[int] = frozenset()

    @property
    def answer_limit(self) -> int:
        """Tokens that the answer may take where its cost is limited."""
        return max(LEAST_ANSWER_LIMIT, min(ROOM * self.answer_tokens, ANSWER_LIMIT))

    @property
    def form(self) -> dict[str, Any]:
        """The form of the answer, as the protocol has it."""
        schema = {"name": self.purpose, "strict": True, "schema": schema_of(self.answer)}
        return {"type": "json_schema", "json_schema": schema}


@dataclass(frozen=True)
class Answer:
    """An answer of the question's type, or None and the failure in one sentence.

    `cached` if the ledger had it and nothing was asked.
    """

    value: BaseModel | None
    failure: str | None = None
    cached: bool = False


def key_of(question: Question, settings: LlmSettings) -> str:
    """What an answer is kept under: the same for the same server, model, messages and form of answer."""
    asked = {
        "base_url": settings.base_url,
        "model": settings.model,
        "messages": [dict(message) for message in question.messages],
        "schema": schema_of(question.answer),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@cache
def schema_of(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a form of answer."""
    return answer.model_json_schema()
