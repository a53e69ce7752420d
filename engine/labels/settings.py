"""Which language model is asked, where, with which key and how patiently."""

import json
import math
import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address

from pydantic import SecretStr

from engine.errors import LabelError
from engine.labels.prices import Price, price_of
from engine.text import plain

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 30.0
LONGEST_TIMEOUT_SECONDS = 3600.0
NOTE_CHARACTERS = 300
CONCURRENCY, MOST_AT_ONCE = 4, 64
SECRET_CHARACTERS = 8
"""A shorter key is a placeholder such as "ollama" or "EMPTY", and may stand in a message."""

_BASE_URL = re.compile(
    r"https?://(?:(?P<host>[\w.-]+)|\[(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[\w.~%/+-]*)?",
    re.ASCII,
)
_TAKEN_FOR_IPV4 = re.compile(r"[0-9]+.[0-9]+.[0-9]+.[0-9]+")
"""Hosts that the client's library takes for an IPv4 address, and raises at if they are none."""
REDACTED = "[key]"
_SECRET = re.compile(r"\b(?:sk-[\w*-]{8,}|Bearer\s+[\w.~+/-]{16,}=*)")


class Unnamed(LabelError):
    """No model is named, or there is no key for it: whoever asks for a model's labels has failed ones then."""


@dataclass(frozen=True)
class LlmSettings:
    """Which model is asked, where, and how patiently.

    The key is None where the server needs none, the price None where nobody knows it. A request that failed in
    passing is sent again up to `retries` times, the first time after up to `backoff_seconds`, then after up to twice
    as long each time. Up to `concurrency` requests are under way at once.
    """

    model: str
    base_url: str
    key: SecretStr | None = field(default=None, repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    retries: int = 4
    concurrency: int = CONCURRENCY
    price: Price | None = None
    backoff_seconds: float = 0.5


def settings(
    model: str | None = None,
    base_url: str | None = None,
    price: str | None = None,
    concurrency: int | None = None,
    *,
    needs_key: bool = True,
) -> LlmSettings:
    """The arguments, else MONOSCOPE_LLM_MODEL and OPENAI_BASE_URL; OPENAI_API_KEY; MONOSCOPE_LLM_TIMEOUT (seconds).

    `price` is "IN/OUT" in US dollars for a million tokens; see `price_of` for where it comes from if it is None.
    Raises `LabelError` if no model is named, the base URL is none, the key is missing or cannot be one, the price is
    none or the concurrency is no number of requests. A server other than the default one may need no key, and neither
    does an estimate (`needs_key` False).
    """
    model, url, key = _named(model), _url(base_url), _key()
    if not model:
        raise Unnamed("No model is named: give --model or set MONOSCOPE_LLM_MODEL.")
    if not _is_base_url(url):
        raise LabelError(
            "The base URL of the model's server (--base-url or OPENAI_BASE_URL) must look like "
            "http://host:port/v1, without a password or a query."
        )
    if needs_key and not key and url == DEFAULT_BASE_URL:
        raise Unnamed(
            "No key for the language model: set OPENAI_API_KEY, or name a server that needs none with "
            "--base-url or OPENAI_BASE_URL."
        )
    if not _can_be_sent(key):
        raise LabelError("OPENAI_API_KEY holds characters that no key has; copy the key again.")
    if concurrency is not None and not 1 <= concurrency <= MOST_AT_ONCE:
        raise LabelError(f"--concurrency must be from 1 to {MOST_AT_ONCE} requests at once, not {concurrency}.")
    return LlmSettings(
        model,
        url,
        key or None,
        _timeout_seconds(),
        concurrency=CONCURRENCY if concurrency is None else concurrency,
        price=price_of(model, url, price),
    )


def configured(model: str | None = None, base_url: str | None = None) -> bool:
    """Whether a model is named, and a server that could be asked: by a key, or as a base URL of one's own."""
    return bool(_named(model) and (_key() or _url(base_url) != DEFAULT_BASE_URL))


def named() -> str:
    """The model that MONOSCOPE_LLM_MODEL names; empty if none."""
    return _named(None)


def budget() -> float | None:
    """MONOSCOPE_LLM_MAX_COST: US dollars that one command may spend on a language model; None if it is not set."""
    given = os.environ.get("MONOSCOPE_LLM_MAX_COST", "").strip()
    usd = number(given) if given else None
    if usd is not None and not 0 < usd < math.inf:
        raise LabelError(f"MONOSCOPE_LLM_MAX_COST must be an amount of US dollars above 0, not {given!r}.")
    return usd


def shown(text: str, settings: LlmSettings, limit: int = NOTE_CHARACTERS) -> str:
    """Foreign text as one line of at most `limit` characters, without control characters and keys."""
    line = redacted(" ".join(plain(text).split()), settings)
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def redacted(text: str, settings: LlmSettings) -> str:
    """`text` without the key, as it is or as JSON writes it, and without what else looks like one."""
    text = _SECRET.sub(REDACTED, text)
    if settings.key and len(settings.key) >= SECRET_CHARACTERS:
        key = settings.key.get_secret_value()
        text = text.replace(key, REDACTED).replace(json.dumps(key)[1:-1], REDACTED)
    return text


def number(text: str) -> float:
    """`text` as a number; not a number (nan) if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _named(model: str | None) -> str:
    return plain(model or os.environ.get("MONOSCOPE_LLM_MODEL", "")).strip()


def _url(base_url: str | None) -> str:
    return (base_url or os.environ.get("OPENAI_BASE_URL", "")).strip().rstrip("/") or DEFAULT_BASE_URL


def _key() -> SecretStr:
    """The key, wrapped at once: a traceback may show what variables hold."""
    return SecretStr(os.environ.get("OPENAI_API_KEY", "").strip())


def _can_be_sent(key: SecretStr) -> bool:
    text = key.get_secret_value()
    return text.isascii() and text.isprintable() and " " not in text


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
    seconds = number(given) if given else TIMEOUT_SECONDS
    if not 0 < seconds <= LONGEST_TIMEOUT_SECONDS:
        raise LabelError(
            f"MONOSCOPE_LLM_TIMEOUT must be a number of seconds up to {LONGEST_TIMEOUT_SECONDS:g}, not {given!r}."
        )
    return seconds
