"""What a language model's tokens cost: as the user says, else by the list prices that are shipped."""

import math
import os
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from engine.errors import LabelError

OPENAI_HOST = "api.openai.com"
MILLION = 1_000_000

_SNAPSHOT = re.compile(r"(?P<model>.+)-\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens sent and answered, and who says so."""

    usd_in: float
    usd_out: float
    source: str

    def usd(self, tokens_in: float, tokens_out: float) -> float:
        """US dollars for so many tokens."""
        return (self.usd_in * tokens_in + self.usd_out * tokens_out) / MILLION


def price_of(model: str, base_url: str, given: str | None = None) -> Price | None:
    """The price `given` as "IN/OUT", else MONOSCOPE_LLM_PRICE, else OpenAI's list price; None if nobody knows.

    List prices hold at OpenAI's own server alone, for a model by its exact name or a dated snapshot of it. Raises
    `LabelError` if the price that is given is none.
    """
    if given is not None:
        return parse(given, "--price")
    if configured := os.environ.get("MONOSCOPE_LLM_PRICE", "").strip():
        return parse(configured, "MONOSCOPE_LLM_PRICE")
    if urlsplit(base_url).hostname != OPENAI_HOST:
        return None
    listed, source = _listed()
    snapshot = _SNAPSHOT.fullmatch(model)
    pair = listed.get(model) or (listed.get(snapshot["model"]) if snapshot else None)
    return None if pair is None else Price(*pair, source)


def parse(text: str, source: str) -> Price:
    """A price such as "2.5/10"; `source` is the option or variable that the text was given in."""
    try:
        usd_in, usd_out = (float(part) for part in text.split("/"))
    except ValueError:
        usd_in = usd_out = math.nan
    if not (0 <= usd_in < math.inf and 0 <= usd_out < math.inf):
        raise LabelError(
            f"{source} must be two prices in US dollars for a million tokens, sent and answered, such as 2.5/10, "
            f"not {text!r}."
        )
    return Price(usd_in, usd_out, source)


def dollars(usd: float) -> str:
    """An amount to a millionth, with at least two decimals: "$0.50", "$0.000125"."""
    whole, _, decimals = f"{usd:.6f}".partition(".")
    return f"${whole}.{decimals.rstrip('0'):0<2}"


@cache
def _listed() -> tuple[dict[str, tuple[float, float]], str]:
    table = tomllib.loads((files("engine.labels") / "prices.toml").read_text(encoding="utf-8"))
    prices = {model: (float(pair[0]), float(pair[1])) for model, pair in table["usd_per_million_tokens"].items()}
    return prices, f"list prices of OpenAI, read on {table['read']}"
