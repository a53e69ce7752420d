"""What a server's reply says: the model's answer, what it took, or in one sentence why there is none."""

import email.utils
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from engine.labels.settings import LlmSettings, number, redacted, shown

if TYPE_CHECKING:
    from openai import APIStatusError

LONGEST_ANSWER = 256 << 10
"""Bytes of an answer; every one that is asked for has some thousands."""
LONGEST_WAIT_SECONDS = 60.0
"""A server that asks for a longer pause before another try gets no other try."""

_Count = Annotated[int, Field(ge=0)]


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    choices: list[_Choice]


class _Details(BaseModel):
    cache_write_tokens: _Count | None = None


class Usage(BaseModel):
    """The tokens that a server says it took."""

    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _Details | None = None

    @property
    def written(self) -> int:
        """Input tokens that the server kept for later, at a higher price."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cache_write_tokens) or 0


class _WithUsage(BaseModel):
    usage: Usage


class Failure(Exception):
    """Why there is no answer, as a sentence.

    `of_server`: the next question would most likely fare no better. `again`: it may work if it is sent again, not
    before `pause` seconds if the server asked for that. `billed`: the server may charge for it.
    """

    def __init__(
        self, note: str, *, of_server: bool = False, again: bool = False, pause: float | None = None,
        billed: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(note)
        self.of_server, self.again, self.pause, self.billed = of_server, again, pause, billed


class Unusable(Failure):
    """The model answered with `content`, which is not what was asked for; told why, it may mend it."""

    def __init__(self, note: str, content: str) -> None:
        super().__init__(note)
        self.content = content


def usage_of(body: bytes) -> Usage | None:
    """What the server says that the request took; None if it does not say, or nothing sensible."""
    try:
        return _WithUsage.model_validate_json(body).usage
    except ValidationError:
        return None


def content_of(body: bytes, settings: LlmSettings, limit: int | None = None) -> str:
    """What the model wrote, without any key in it; raises `Failure`. `limit`: the tokens that an answer was given."""
    where = settings.base_url
    try:
        reply = _Reply.model_validate_json(body)
    except ValidationError as error:
        raise Failure(f"{where} does not answer as a chat completions server; check the base URL.") from error
    if not reply.choices:
        raise Failure(f"{where} sent a reply without any answer in it.")
    choice = reply.choices[0]
    if choice.message.refusal:
        raise Failure(f"The model declined: {shown(choice.message.refusal, settings).rstrip('.')}.")
    if choice.finish_reason == "content_filter":
        raise Failure("The server's content filter withheld the answer.")
    if choice.finish_reason == "length":
        raise Failure(_cut_off(limit))
    if not choice.message.content:
        raise Failure("The model's answer is empty.")
    if len(choice.message.content.encode(errors="surrogatepass")) > LONGEST_ANSWER:
        raise Failure(f"The model's answer is longer than {LONGEST_ANSWER >> 10} KB.")
    return redacted(choice.message.content, settings)


def _cut_off(limit: int | None) -> str:
    if limit is None:
        return "The answer was cut off at the server's limit of length."
    return (
        f"The answer, a model's unseen reasoning among it, was cut off at {limit:,} tokens, a limit of length that is "
        "there because of --max-cost; without it, or with a model that reasons less, there is room."
    )


def parsed(
    content: str, answer: type[BaseModel], check: Callable[[Any], str | None] | None, settings: LlmSettings
) -> BaseModel:
    """The answer in `content`, if it fits `answer`'s schema and `check` has no complaint; raises `Unusable`.

    No text of it holds a key, whichever way the content spells it.
    """
    try:
        value = answer.model_validate_json(content)
        plainly = value.model_dump_json()
        if (cleaned := redacted(plainly, settings)) != plainly:
            value = answer.model_validate_json(cleaned)
    except ValidationError as error:
        raise Unusable(_misfit(error, settings), content) from error
    complaint = None if check is None else check(value)
    if complaint is not None:
        raise Unusable(f"The model's answer is not usable: {shown(complaint, settings)}", content)
    return value


def _misfit(error: ValidationError, settings: LlmSettings) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return "The model's answer is not JSON; the server may not support structured output."
    wrong = shown(".".join(str(part) for part in first["loc"]), settings) or "the whole"
    return f"The model's answer does not fit its schema: {wrong}: {first['msg'].lower()}."


def too_slow(settings: LlmSettings, *, sent: bool) -> Failure:
    """The server did not answer in time; it may charge for what was `sent` all the same."""
    return Failure(
        f"{settings.base_url} did not answer within {settings.timeout_seconds:g} seconds; "
        "MONOSCOPE_LLM_TIMEOUT sets another limit.",
        of_server=True,
        again=True,
        billed=sent,
    )


def unreachable(cause: str, settings: LlmSettings, *, sent: bool) -> Failure:
    """There is no connection, or it broke, after the request was `sent` or before."""
    where, why = settings.base_url, shown(cause, settings)
    if sent:
        return Failure(f"The connection to {where} was cut before the answer came ({why}).", of_server=True)
    return Failure(f"{where} cannot be reached ({why}): does the server run there?", of_server=True, billed=False)


def refused(error: "APIStatusError", settings: LlmSettings) -> Failure:
    """The server answered with an HTTP status of failure, for which none charges."""
    status = error.status_code
    pause = _asked_pause(error.response.headers)
    again = (status == 429 or status >= 500) and (pause is None or pause <= LONGEST_WAIT_SECONDS)
    of_server = status not in (400, 413, 422)
    return Failure(_refusal(error, settings), of_server=of_server, again=again, pause=pause, billed=False)


def _refusal(error: "APIStatusError", settings: LlmSettings) -> str:
    """One sentence on an HTTP status; a server's own words but for 401, where they may hold parts of a key."""
    body = error.body.get("message") if isinstance(error.body, Mapping) else error.body
    words = shown(body, settings) if isinstance(body, str) and not body.lstrip().startswith("<") else ""
    said = f", it says: {words.rstrip('.')}" if words else ""
    where, status = settings.base_url, error.status_code
    if status == 401:
        return f"{where} does not accept the key (401): check OPENAI_API_KEY."
    if status == 404:
        return f"{where} has no such model or address (404){said}; check the model {settings.model} and the base URL."
    if status == 429:
        return f"{where} refuses for now, by its limit of requests or spending (429){said}."
    if status >= 500:
        return f"{where} failed ({status}){said}; try again later."
    return f"{where} refuses the request ({status}){said}."


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server wants to be left alone; None if it does not say, or no number or date."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = number(headers.get(header, "")) * unit
        if not math.isnan(seconds):
            return max(seconds, 0.0)
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return None
    return max(until.timestamp() - time.time(), 0.0)
