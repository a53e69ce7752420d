"""The report as one HTML file that needs nothing else: no network, no fonts, no script to be readable."""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from engine.experiments import drawing
from engine.report import wording
from engine.report.disclosure import few as few_users
from engine.report.pictures import Figure
from engine.report.wording import count, of
from engine.text import plain

TEMPLATES = Path(__file__).with_name("templates")
COLOURS: Mapping[str, str] = {
    "#ffffff": "paper",
    drawing.INK: "ink",
    drawing.FAINT: "faint",
    drawing.GRID: "line",
    drawing.BLUE: "blue",
    drawing.VERMILION: "vermilion",
    drawing.GREEN: "green",
    drawing.PURPLE: "purple",
    drawing.ORANGE: "orange",
    drawing.SKY: "sky",
}
"""Colours of the figures as those of the page, which has two sets of them."""
PHONE = 450.0
"""Points: a figure that is no wider is shown whole on a phone; a wider one is moved sideways there."""


def as_html(document: Mapping[str, Any]) -> str:
    """The page. Text from data and labels is escaped: it never acts as markup."""
    page = environment().get_template("report.html")
    title, version = f"{document['run']}: what the model has learned", document["provenance"]["versions"]["monoscope"]
    return tidy(page.render(document, title=title, version=version, **script_and_style())) + "\n"


def script_and_style() -> dict[str, Markup | str]:
    """What `base.html` takes: the script, its hash for the page's content security policy, and the style."""
    script, style = (tidy((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("report.js", "report.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"script": Markup(script), "script_sha256": digest, "style": Markup(style)}


def tidy(text: str) -> str:
    """Without empty lines and spaces at ends."""
    return "\n".join(line for line in map(str.rstrip, text.splitlines()) if line)


@cache
def environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else plain(value),
    )
    found.filters |= {"num": num, "pct": pct, "signed": signed, "small": small, "count": count, "of": of}
    found.filters |= {"activity": wording.activity}
    found.filters |= {"sentence": lambda text: text[:1].upper() + text[1:]}
    found.globals |= {"few": few_users}
    found.filters |= {"svg": inline_svg, "histogram": histogram}
    return found


def num(value: float | None, digits: int = 3, reason: str = "not measured") -> str | Markup:
    """A number with so many decimals; unknown, a dash that says why."""
    return _unknown(reason) if value is None else wording.number(float(value), digits)


def signed(value: float | None, digits: int = 3) -> str | Markup:
    """A difference with its sign; unknown, a dash that says why."""
    return _unknown("not measured") if value is None else wording.signed(value, digits)


def small(value: float | None) -> str | Markup:
    """A q or p value."""
    return _unknown("not measured") if value is None else wording.small(value)


def pct(value: float | None, digits: int = 1, reason: str = "not measured") -> str | Markup:
    """A share as a percentage."""
    return _unknown(reason) if value is None else wording.percent(value, digits)


def _unknown(reason: str) -> Markup:
    return Markup('<span class="unknown" title="unknown: {0}">–<span class="sr"> unknown: {0}</span></span>').format(
        reason
    )


def inline_svg(figure: Figure) -> Markup:
    """A picture within the page: in the page's colours, with a title and a description, and without stray ids."""
    assert figure.picture is not None
    text = figure.picture.svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    for colour, name in COLOURS.items():
        text = re.sub(re.escape(colour), f"var(--{name})", text, flags=re.IGNORECASE)
    text = re.sub(r"font-family: [^;\"]*", "font-family: inherit", text)
    box = re.search(r'viewBox="[^"]*"', text)
    fits = box is not None and float(box[0].split('"')[1].split()[2]) <= PHONE
    kind = "chart small" if fits else "chart"
    title, description = escape(figure.title), escape(figure.picture.alt)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-labelledby="{figure.id}-t {figure.id}-d" class="{kind}" {box[0] if box else ""}>'
        f'<title id="{figure.id}-t">{title}</title><desc id="{figure.id}-d">{description}</desc>'
    )
    body = re.sub(r"<title>.*?</title>", "", text[text.index(">") + 1 :], count=1, flags=re.DOTALL)
    return Markup(head + re.sub(r"\s*\n\s*", " ", body))  # drawn here; Matplotlib escapes texts


def histogram(counts: list[int], name: str) -> Markup:
    """Bars of a few pixels, for a card; the words beside tell what they show."""
    most, width, height = max(counts, default=1), 8, 40
    bars = Markup("").join(
        Markup('<rect x="{}" y="{:.1f}" width="{}" height="{:.1f}"/>').format(
            place * width, height - height * count / most, width - 1, height * count / most
        )
        for place, count in enumerate(counts)
        if count
    )
    return Markup('<svg class="histogram" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        name, width * len(counts), height, bars
    )
