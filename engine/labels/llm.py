"""Labels by a language model, asked through the `openai` package at any server that speaks chat completions.

A request holds the prompt and item metadata, nothing else: no activations, no users, no ids. Whatever goes wrong
is the state of a label ("failed") with one sentence; the key is in none of them.
"""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import LabelError
from engine.labels.evidence import Evidence, EvidenceItem
from engine.labels.metadata import NO_CONCEPT
from engine.progress import Progress
from engine.session import Label, now
from engine.text import plain

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI
    from openai.types.chat import ChatCompletionMessageParam

PROMPT = "label-1"
"""The prompt's file in `prompts`; a changed prompt is a new file."""
DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 30.0
LONGEST_TIMEOUT_SECONDS = 3600.0
LONGEST_WAIT_SECONDS = 10.0
"""A server that asks for a longer pause before another try gets no other try."""
GIVE_UP_AFTER = 3
"""So many failures in a row that are the server's, and no further neuron is asked."""
LABEL_CHARACTERS, NOTE_CHARACTERS, TITLE_CHARACTERS, CONCEPTS_SHOWN = 60, 300, 200, 12
BYTES_PER_TOKEN, ANSWER_TOKENS = 4, 100
SECRET_CHARACTERS = 8
"""A shorter key is a placeholder such as "ollama" or "EMPTY", and may stand in a message."""

_NO_KEY = "no-key"
_BASE_URL = re.compile(
    r"https?://(?:(?P<host>[\w.-]+)|\[(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[\w.~%/+-]*)?",
    re.ASCII,
)
_TAKEN_FOR_IPV4 = re.compile(r"[0-9]+.[0-9]+.[0-9]+.[0-9]+")
"""Hosts that the client's library takes for an IPv4 address, and raises at if they are none."""
_SECRET = re.compile(r"\b(?:sk-[\w*-]{8,}|Bearer\s+[\w.~+/-]{16,}=*)")


@dataclass(frozen=True)
class LlmSettings:
    """Which model is asked, where, and how patiently. The key is None where the server needs none."""

    model: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    retries: int = 2


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    label: str | None
    coherent: bool
    reason: str


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Reply(BaseModel):
    choices: list[_Choice]


class _Failure(Exception):
    """Why there is no answer; `of_server` if the next neuron would most likely fare no better."""

    def __init__(self, note: str, *, of_server: bool = False) -> None:
        super().__init__(note)
        self.of_server = of_server


def settings(model: str | None = None, base_url: str | None = None) -> LlmSettings:
    """The arguments, else MONOSCOPE_LLM_MODEL and OPENAI_BASE_URL; OPENAI_API_KEY; MONOSCOPE_LLM_TIMEOUT (seconds).

    Raises `LabelError` if no model is named, the base URL is none, or the key is missing or cannot be one. A
    server other than the default one may need no key.
    """
    model = plain(model or os.environ.get("MONOSCOPE_LLM_MODEL", "")).strip()
    url = (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip().rstrip("/") or DEFAULT_BASE_URL
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not model:
        raise LabelError("No model is named: give --model or set MONOSCOPE_LLM_MODEL.")
    if not _is_base_url(url):
        raise LabelError(
            "The base URL of the model's server (--base-url or OPENAI_BASE_URL) must look like "
            "http://host:port/v1, without a password or a query."
        )
    if not key and url == DEFAULT_BASE_URL:
        raise LabelError(
            "No key for the language model: set OPENAI_API_KEY, or name a server that needs none with "
            "--base-url or OPENAI_BASE_URL."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise LabelError("OPENAI_API_KEY holds characters that no key has; copy the key again.")
    return LlmSettings(model, url, key or None, _timeout_seconds())


def failed(note: str, model: str | None = None) -> Label:
    """The label of a neuron for which there is none, with the reason in one sentence."""
    return Label(None, "failed", model=model, note=note, time=now())


def estimate(evidence: Sequence[Evidence]) -> int:
    """Roughly how many tokens labelling these neurons takes, requests and answers together.

    UTF-8 bytes of what is sent over 4, and 100 for each answer; retries and a model's unseen reasoning not
    counted. Good to about a third for English titles.
    """
    schema = len(json.dumps(_Answer.model_json_schema()))
    sent = [
        schema + sum(len(str(message["content"]).encode()) for message in _messages(e)) for e in evidence if e.items
    ]
    return sum(math.ceil(size / BYTES_PER_TOKEN) + ANSWER_TOKENS for size in sent)


def label_neurons(
    evidence: Sequence[Evidence],
    settings: LlmSettings,
    concepts: Sequence[str],
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[tuple[int, Label]]:
    """Ask for one neuron after the other, and give each label as it comes; stop between two if `cancelled`.

    The labels have the state "llm" or "failed". `concepts` are the catalogue's names: a label that is one of
    them, whatever its case, resolves to it. Nothing is raised for what a server or a model does.
    """
    names = {name.casefold(): name for name in concepts}
    client, hopeless, in_a_row = None, "", 0
    try:
        client = _client(settings)
    except (OSError, ValueError, ImportError) as error:
        hopeless = f"The client cannot be set up: {_shown(str(error), settings)}."
    try:
        for done, shown in enumerate(evidence):
            if cancelled():
                return
            progress(done / len(evidence), f"neuron {shown.neuron}")
            if client is None or hopeless:
                label = failed(hopeless, settings.model)
            else:
                label, by_server = _label(client, settings, shown, names)
                in_a_row = in_a_row + 1 if by_server else 0
                if in_a_row == GIVE_UP_AFTER:
                    hopeless = f"Not asked after {GIVE_UP_AFTER} failures in a row: {label.note}"
            yield shown.neuron, label
            progress((done + 1) / len(evidence), f"neuron {shown.neuron}")
    finally:
        if client is not None:
            client.close()


def _client(settings: LlmSettings) -> "OpenAI":
    from openai import DefaultHttpxClient, OpenAI

    return OpenAI(
        api_key=settings.key or _NO_KEY,
        base_url=settings.base_url,
        timeout=settings.timeout_seconds,
        max_retries=settings.retries,
        http_client=DefaultHttpxClient(event_hooks={"response": [_refuse_long_waits]}),
    )


def _refuse_long_waits(response: Any) -> None:
    """Keep the client from sleeping as long as a server likes (it would obey up to two minutes)."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        asked = response.headers.get(header)
        if asked is not None and not _number(asked) * unit <= LONGEST_WAIT_SECONDS:
            response.headers["x-should-retry"] = "false"


def _ask(client: "OpenAI", settings: LlmSettings, shown: Evidence) -> _Answer:
    """The model's answer on one neuron; raises `_Failure`."""
    import openai

    if not shown.items:
        raise _Failure("It fires on no item, so there is nothing to show a model.")
    where = settings.base_url
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=settings.model,
            messages=_messages(shown),
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "neuron_label", "strict": True, "schema": _Answer.model_json_schema()},
            },
        )
    except openai.APITimeoutError as error:
        raise _Failure(
            f"{where} did not answer within {settings.timeout_seconds:g} seconds; "
            "MONOSCOPE_LLM_TIMEOUT sets another limit.",
            of_server=True,
        ) from error
    except openai.APIConnectionError as error:
        cause = _shown(str(error.__cause__ or error), settings)
        raise _Failure(f"{where} cannot be reached ({cause}): does the server run there?", of_server=True) from error
    except openai.APIStatusError as error:
        raise _Failure(_refusal(error, settings), of_server=error.status_code not in (400, 413, 422)) from error
    except (openai.OpenAIError, ValueError) as error:
        raise _Failure(f"{where} cannot be asked: {_shown(str(error), settings)}.", of_server=True) from error
    return _answer(raw.http_response.content, settings)


def _refusal(error: "APIStatusError", settings: LlmSettings) -> str:
    """One sentence on an HTTP status; a server's own words but for 401, where they may hold parts of a key."""
    body = error.body.get("message") if isinstance(error.body, Mapping) else error.body
    words = _shown(body, settings) if isinstance(body, str) and not body.lstrip().startswith("<") else ""
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


def _answer(body: bytes, settings: LlmSettings) -> _Answer:
    where = settings.base_url
    try:
        reply = _Reply.model_validate_json(body)
    except ValidationError as error:
        raise _Failure(f"{where} does not answer as a chat completions server; check the base URL.") from error
    if not reply.choices:
        raise _Failure(f"{where} sent a reply without any answer in it.")
    choice = reply.choices[0]
    if choice.message.refusal:
        raise _Failure(f"The model declined: {_shown(choice.message.refusal, settings).rstrip('.')}.")
    if choice.finish_reason == "content_filter":
        raise _Failure("The server's content filter withheld the answer.")
    if choice.finish_reason == "length":
        raise _Failure("The answer was cut off at the server's limit of length.")
    if not choice.message.content:
        raise _Failure("The model's answer is empty.")
    try:
        return _Answer.model_validate_json(choice.message.content)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise _Failure("The model's answer is not JSON; the server may not support structured output.") from error
        wrong = _shown(".".join(str(part) for part in first["loc"]), settings) or "the whole"
        raise _Failure(f"The model's answer does not fit its schema: {wrong}: {first['msg'].lower()}.") from error


def _label(client: "OpenAI", settings: LlmSettings, shown: Evidence, names: Mapping[str, str]) -> tuple[Label, bool]:
    """A neuron's label, and whether it failed by the server's doing."""
    try:
        answer = _ask(client, settings, shown)
    except _Failure as failure:
        return failed(str(failure), settings.model), failure.of_server
    note = _shown(answer.reason, settings) or None
    if not answer.coherent:
        return Label(NO_CONCEPT, "llm", None, settings.model, note, now()), False
    words = " ".join(plain(answer.label or "").split())
    if not words:
        return failed("The model says that the items share a concept, but names none.", settings.model), False
    text = _shown(words, settings, LABEL_CHARACTERS)
    return Label(text, "llm", names.get(words.casefold()), settings.model, note, now()), False


def _messages(shown: Evidence) -> "list[ChatCompletionMessageParam]":
    firing, silent = (_lines(items) for items in (shown.items, shown.contrast))
    content = f"<responds>\n{firing}\n</responds>\n<does_not_respond>\n{silent}\n</does_not_respond>"
    return [{"role": "system", "content": _prompt()}, {"role": "user", "content": content}]


def _lines(items: Sequence[EvidenceItem]) -> str:
    """Items as JSON, one a line; no title can close the tag around them."""
    rows = (
        {
            "title": plain(item.title)[:TITLE_CHARACTERS],
            "concepts": [plain(concept)[:TITLE_CHARACTERS] for concept in item.concepts[:CONCEPTS_SHOWN]],
        }
        for item in items
    )
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return lines.replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _prompt() -> str:
    return (files("engine.labels") / "prompts" / f"{PROMPT}.txt").read_text(encoding="utf-8")


def _shown(text: str, settings: LlmSettings, limit: int = NOTE_CHARACTERS) -> str:
    """Foreign text as one line of at most `limit` characters, without control characters and keys."""
    line = _SECRET.sub("[key]", " ".join(plain(text).split()))
    if settings.key and len(settings.key) >= SECRET_CHARACTERS:
        line = line.replace(settings.key, "[key]")
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _is_base_url(url: str) -> bool:
    parts = _BASE_URL.fullmatch(url)
    if parts is None or int(parts["port"] or 0) > 65535:
        return False
    address = parts["v6"] or (parts["host"] if _TAKEN_FOR_IPV4.fullmatch(parts["host"]) else None)
    try:
        return address is None or bool(ip_address(address))
    except ValueError:
        return False


def _timeout_seconds() -> float:
    given = os.environ.get("MONOSCOPE_LLM_TIMEOUT", "").strip()
    seconds = _number(given) if given else TIMEOUT_SECONDS
    if not 0 < seconds <= LONGEST_TIMEOUT_SECONDS:
        raise LabelError(
            f"MONOSCOPE_LLM_TIMEOUT must be a number of seconds up to {LONGEST_TIMEOUT_SECONDS:g}, not {given!r}."
        )
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
