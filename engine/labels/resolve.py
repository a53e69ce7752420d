"""Which concept of the catalogue a label's text names, so that the label's purity can be measured.

A text names a concept exactly, or in other words ("science fiction films": Sci-Fi; "1980s horror": 80's Horror), or
several concepts together ("Horror + 1980s"). All of its words must be accounted for: "slasher horror" is no Horror.
What means the same is in `aliases.toml`; nothing is guessed, and nothing here knows what the concepts' items are.
"""

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from importlib.resources import files
from itertools import accumulate, islice, product
from typing import Any, Literal

import numpy as np

JOINT = " + "
"""Between the parts of a joint concept: the items that carry all of them."""
LONGEST_TEXT, MOST_WORDS = 200, 12
"""A longer text is a sentence, and names nothing unless it is a concept's very name."""
CANDIDATES = 8
"""So many concepts are listed of those that a text may mean."""

How = Literal["exact", "alias", "joint", "ambiguous", "unknown"]
_Cost = tuple[int, int, int]
_Best = tuple[_Cost, list[tuple[frozenset[str], ...]]]

_LONGEST_RUN = 4
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc\u00b4`", "'"))
_OUTER = "()[]{}.:!?\"'"
_DECADE = re.compile(r"(?<!\w)'?((?:1[89]|20)?\d0)'?s(?!\w)")
_POSSESSIVE = re.compile(r"'s?(?!\w)")
_SEPARATOR = re.compile(r"[,;/+|]")
_WORD = re.compile(r"[^\W_]+")
_YEARS = re.compile(r"\d{4}s")
_CENTURIES = {"10s": ("1910s", "2010s"), "20s": ("1920s", "2020s")}


@dataclass(frozen=True)
class Resolved:
    """The concept that a text names, a joint one with `JOINT` between its parts, or None; and how it names it.

    `candidates` are the concepts that an ambiguous text may mean, at most `CANDIDATES`.
    """

    concept: str | None
    how: How
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Index:
    """The concepts' names, by how they may be written."""

    names: frozenset[str]
    folded: Mapping[str, Sequence[str]]
    spelled: Mapping[str, Sequence[str]]
    by_words: Mapping[frozenset[str], Sequence[str]]
    same: Mapping[str, tuple[str, ...]]


def resolve(text: str, concepts: Sequence[str]) -> Resolved:
    """The concept among `concepts` (names) that `text` names; never raises, whatever the text.

    In this order: its name but for case and surrounding space ("exact"); the same words in any order, but for
    punctuation, plurals, filler and synonyms ("alias"); several concepts that together account for every word
    ("joint", in the text's order). A concept of the catalogue wins over a joint one, except where a comma or the
    like parts two that stand for themselves ("indie, pop" is not "indie pop"). What fits several concepts equally
    well is "ambiguous", but for the one that is spelled so; two decades together, or a word left over, are "unknown".
    """
    index = _index(tuple(concepts))
    if text in index.names:
        return Resolved(text, "exact")
    folded = index.folded.get(text.strip().casefold(), ())
    if folded:
        return _choice(folded, "exact")
    if len(text) > LONGEST_TEXT:
        return Resolved(None, "unknown")
    spelled = index.spelled.get(_spelling(text), ())
    if len(spelled) == 1:
        return Resolved(spelled[0], "alias")
    found = _in_words(text, index)
    if found.concept is None:
        parts = _parts(text.strip(), index.names)
        return Resolved(JOINT.join(parts), "joint") if parts else found
    return found


def members(concept: str, named: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Which items (bool, n) carry `concept`, or all parts of a joint one; None if it is not among those `named`.

    A concept's own name may contain `JOINT`, and comes first.
    """
    parts = _parts(concept, named.keys())
    return reduce(np.logical_and, [named[part] for part in parts]) if parts else None


def _parts(concept: str, names: Collection[str]) -> tuple[str, ...]:
    """`concept` taken apart at `JOINT` into names, the first as long as it can be; empty if that does not work out."""
    if concept in names:
        return (concept,)
    pieces = concept.split(JOINT)
    if len(pieces) > MOST_WORDS:
        return ()
    for cut in range(len(pieces) - 1, 0, -1):
        first = JOINT.join(pieces[:cut])
        rest = _parts(JOINT.join(pieces[cut:]), names) if first in names else ()
        if rest:
            return tuple(dict.fromkeys((first, *rest)))
    return ()


def _in_words(text: str, index: _Index) -> Resolved:
    """The concepts whose words are the text's words."""
    chunks = [_canonical(chunk, index.same) for chunk in _chunks(text)]
    words = [word for chunk in chunks for word in chunk]
    if not 0 < len(words) <= MOST_WORDS:
        return Resolved(None, "unknown")
    breaks = list(accumulate(len(chunk) for chunk in chunks))
    found = [_covers(reading, breaks, index.by_words) for reading in _readings(words)]
    least, spelled = min(cost for cost, _covered in found), _spelling(text)
    choices: list[str] = []
    for cover in (cover for cost, covers in found if cost == least for cover in covers):
        names = (_as_spelled(index.by_words[part], spelled) for part in cover)
        choices += [JOINT.join(dict.fromkeys(parts)) for parts in islice(product(*names), CANDIDATES)]
    single = len(choices) == 1 and (JOINT not in choices[0] or choices[0] in index.names)
    return _choice(list(dict.fromkeys(choices)), "alias" if single else "joint")


def _choice(concepts: Sequence[str], how: How) -> Resolved:
    if len(concepts) == 1:
        return Resolved(concepts[0], how)
    return Resolved(None, "ambiguous" if concepts else "unknown", tuple(concepts[:CANDIDATES]))


def _covers(words: Sequence[str], breaks: Sequence[int], by_words: Collection[frozenset[str]]) -> _Best:
    """The cheapest ways to cut all of the words into concepts, and their cost; no way is dearer than any.

    Cheap is what cuts where the text does, then what keeps a decade apart from other words unless one concept is
    the whole, then what has few parts. A decade may stand anywhere in a text: to join one across a comma is free.
    """
    decades = {word for word in words if _YEARS.fullmatch(word)}
    best: list[_Best] = [((len(words) + 1, 0, 0), []) for _word in words] + [((0, 0, 0), [()])]
    for start in reversed(range(len(words))):
        for stop in range(start + 1, len(words) + 1):
            part, whole = frozenset(words[start:stop]), stop - start == len(words)
            if part not in by_words or (len(decades) > 1 and not whole):
                continue
            crossed = 0 if part & decades else sum(start < at < stop for at in breaks)
            mixed = bool(part & decades) and len(part) > 1 and not whole
            (crossings, mixtures, parts), rest = best[stop]
            cost = (crossings + crossed, mixtures + mixed, parts + 1)
            kept = best[start][1] if cost == best[start][0] else []
            if rest and cost <= best[start][0]:
                best[start] = (cost, [*kept, *((part, *cover) for cover in rest)][:CANDIDATES])
    return best[0]


def _readings(words: Sequence[str]) -> Iterator[list[str]]:
    """The words with "10s" and "20s" in either century, the same one throughout."""
    for century in range(2):
        reading = [_CENTURIES[word][century] if word in _CENTURIES else word for word in words]
        if not century or reading != words:
            yield reading


def _as_spelled(names: Sequence[str], spelled: str) -> Sequence[str]:
    """Those of several names with the same words that are spelled like this in the text, if that tells one apart."""
    there = [name for name in names if f" {_spelling(name)} " in f" {spelled} "]
    longest = max((len(_spelling(name)) for name in there), default=0)
    there = [name for name in there if len(_spelling(name)) == longest]
    return there if len(there) == 1 else names


@lru_cache(maxsize=8)
def _index(concepts: tuple[str, ...]) -> _Index:
    folded, spelled, by_words = (defaultdict[Any, list[str]](list) for _table in range(3))
    chunks = {name: _chunks(name) for name in concepts}
    # "synthpop" is "synth pop" where the catalogue has a concept of either name.
    own = {"".join(words): tuple(words) for (words, *more) in filter(None, chunks.values()) if not more}
    same = {**own, **_same()}
    for name in chunks:
        folded[name.strip().casefold()].append(name)
        if _spelling(name):
            spelled[_spelling(name)].append(name)
        words = [word for chunk in chunks[name] for word in _canonical(chunk, same)]
        # A catalogue's own "10's Horror" and "20's Horror" are of this century: such names begin with the 1930s.
        if words:
            by_words[frozenset(_CENTURIES.get(word, ("", word))[1] for word in words)].append(name)
    return _Index(frozenset(concepts), folded, spelled, by_words, same)


def _canonical(chunk: Sequence[str], same: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Runs of words that have another canonical form in it, the longest runs first; spaces do not count."""
    found: list[str] = []
    start = 0
    while start < len(chunk):
        lengths = range(min(_LONGEST_RUN, len(chunk) - start), 0, -1)
        length = next((n for n in lengths if "".join(chunk[start : start + n]) in same), 1)
        run = chunk[start : start + length]
        found += same.get("".join(run), run)
        start += length
    return found


def _chunks(text: str) -> list[list[str]]:
    """The words of `text` between commas and the like: case, plurals, punctuation and filler gone, decades alike.

    Where there is nothing but filler ("Music"), that is kept.
    """
    flat = _flat(text).replace("(union)", " ")
    flat = _POSSESSIVE.sub("", _DECADE.sub(_decade, flat))
    chunks = [[_singular(word) for word in _WORD.findall(part)] for part in _SEPARATOR.split(flat)]
    telling = [[word for word in chunk if word not in _filler()] for chunk in chunks]
    return [chunk for chunk in telling if chunk] or [chunk for chunk in chunks if chunk]


def _spelling(text: str) -> str:
    """The text without filler and outer punctuation, every other word as it is spelled, any separator as "|"."""
    words = (word.strip(_OUTER) for word in _SEPARATOR.sub(" | ", _flat(text)).split())
    return " ".join(word for word in words if word and _singular(word) not in _filler())


def _flat(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)


def _decade(found: re.Match[str]) -> str:
    """ "1980s", whatever its spelling; "10s" and "20s", which may be of either century, stay as they are."""
    years = found[1]
    if len(years) == 4 or f"{years}s" in _CENTURIES:
        return f" {years}s "
    return f" {'20' if years == '00' else '19'}{years}s "


def _singular(word: str) -> str:
    if len(word) < 4 or not word[0].isalpha() or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") and word != "movies" else word[:-1]


@cache
def _filler() -> frozenset[str]:
    return frozenset(_file()["filler"])


@cache
def _same() -> dict[str, tuple[str, ...]]:
    """What `aliases.toml` says, by the words of either side without the spaces between them."""
    found = {}
    for canonical, variants in _file()["same"].items():
        words = tuple(word for chunk in _chunks(canonical) for word in chunk)
        for variant in (canonical, *variants):
            found["".join(word for chunk in _chunks(variant) for word in chunk)] = words
    return found


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads((files("engine.labels") / "aliases.toml").read_text(encoding="utf-8"))
