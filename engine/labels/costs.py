"""What one request to a language model took, and the most that it can take."""

import json
from collections.abc import Sequence

from engine.labels.ledger import Charge
from engine.labels.questions import Message, Question
from engine.labels.replies import Usage
from engine.labels.settings import LlmSettings

OVERHEAD_TOKENS = 100
"""What a server adds to the messages of its own."""
WRITTEN_SHARE = 0.25
"""How much dearer input is that a server keeps for later, at most."""


def most(question: Question, messages: Sequence[Message], settings: LlmSettings) -> Charge:
    """The most that a request can take: a token is a byte or more, and an answer ends at its limit."""
    sent = {"model": settings.model, "messages": list(map(dict, messages)), "response_format": question.form}
    size = len(json.dumps(sent, ensure_ascii=False).encode(errors="surrogatepass")) + OVERHEAD_TOKENS
    limit = question.answer_limit
    return Charge(size, limit, _usd(settings, size, size, limit), estimated=True)


def charge(usage: Usage | None, bound: Charge, settings: LlmSettings) -> Charge:
    """What the server says that it took, else the bound."""
    if usage is None:
        return bound
    tokens_in, tokens_out = usage.prompt_tokens, usage.completion_tokens
    return Charge(tokens_in, tokens_out, _usd(settings, tokens_in, usage.written, tokens_out))


def breach(usage: Usage, bound: Charge, settings: LlmSettings) -> str | None:
    """How a server passes the most that a request can take, as a sentence's part; None if it does not."""
    where = settings.base_url
    if usage.completion_tokens > bound.tokens_out:
        return (
            f"{where} does not keep to the limit of {bound.tokens_out:,} tokens for an answer (one took "
            f"{usage.completion_tokens:,}), without which no limit of cost can be kept"
        )
    if usage.prompt_tokens > bound.tokens_in:
        return (
            f"{where} counts more tokens for what it is sent ({usage.prompt_tokens:,}) than that has bytes "
            f"({bound.tokens_in:,}), so that no limit of cost can be kept"
        )
    return None


def _usd(settings: LlmSettings, tokens_in: int, written: int, tokens_out: int) -> float | None:
    price = settings.price
    return None if price is None else price.usd(tokens_in + WRITTEN_SHARE * written, tokens_out)
