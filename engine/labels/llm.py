"""What a language model is asked about neurons, and what its answers mean.

A question holds a prompt and item metadata, nothing else: no activations, no users, no ids of the catalogue, and no
other neuron's label. Prompts are files; a changed prompt is a new file, so that a label says which one it came by.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from engine.actions import Label, now
from engine.labels.cards import Cards, json_lines
from engine.labels.evidence import NEAR, Evidence
from engine.labels.metadata import NO_CONCEPT
from engine.labels.questions import Question
from engine.labels.resolve import resolve
from engine.labels.settings import REDACTED, LlmSettings, shown
from engine.text import plain

LABEL_PROMPT, DETECTION_PROMPT, INTRUDER_PROMPT = "label-2", "detection-1", "intruder-1"
LABEL_CHARACTERS = 60
TOKENS_PER_VERDICT = 12

Answer = TypeVar("Answer", bound=BaseModel)


class Strict(BaseModel):
    """An answer with the fields that were asked for and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Named(Strict):
    """What a model calls a neuron."""

    label: str | None
    coherent: bool
    reason: str


class Fit(Strict):
    """Whether a label describes one item."""

    id: str
    fits: bool


class Fits(Strict):
    """A verdict on each item."""

    answers: list[Fit]


class Pick(Strict):
    """The item that does not belong in one round."""

    round: str
    intruder: str


class Picks(Strict):
    """A pick for each round."""

    answers: list[Pick]


def label_question(evidence: Evidence, cards: Cards) -> Question:
    """Ask for a neuron's name by its explain half."""
    groups = {
        "responds_most": evidence.of("top"),
        "responds_less": evidence.of("lower"),
        "near_misses": evidence.of(*NEAR),
        "random": evidence.of("random"),
    }
    content = "\n".join(f"<{tag}>\n{cards.lines(items)}\n</{tag}>" for tag, items in groups.items())
    shown_items = frozenset(shown.item for shown in evidence.explain)
    return Question("label", _messages(LABEL_PROMPT, content), Named, _named, items=shown_items)


def detection_question(evidence: Evidence, text: str, cards: Cards) -> Question:
    """Ask whether the label `text` describes each of the scored items."""
    items = [{"id": name, **cards.card(shown.item)} for name, shown in _slots(evidence).items()]
    content = f"<name>\n{json_lines([{'name': plain(text)}])}\n</name>\n<items>\n{json_lines(items)}\n</items>"
    wanted = sorted(_slots(evidence))

    def check(answer: BaseModel) -> str | None:
        return _each_once(wanted, [fit.id for fit in _of(answer, Fits).answers], "id")

    tokens, asked = TOKENS_PER_VERDICT * len(items), frozenset(shown.item for shown in evidence.score)
    return Question("detection", _messages(DETECTION_PROMPT, content), Fits, check, answer_tokens=tokens, items=asked)


def intruder_question(evidence: Evidence, cards: Cards) -> Question:
    """Ask for the item of each round that does not belong."""
    rounds = [
        {"round": f"r{r}", "items": [{"id": f"r{r}i{i}", **cards.card(item)} for i, item in enumerate(one.items, 1)]}
        for r, one in enumerate(evidence.rounds, 1)
    ]
    content = f"<rounds>\n{json_lines(rounds)}\n</rounds>"
    wanted = {f"r{r}": {f"r{r}i{i}" for i in range(1, len(one.items) + 1)} for r, one in enumerate(evidence.rounds, 1)}

    def check(answer: BaseModel) -> str | None:
        picks = _of(answer, Picks).answers
        strange = next((pick for pick in picks if pick.intruder not in wanted.get(pick.round, {pick.intruder})), None)
        if strange is not None:
            return f"round {strange.round} has no item {strange.intruder}"
        return _each_once(sorted(wanted), [pick.round for pick in picks], "round")

    tokens, asked = TOKENS_PER_VERDICT * len(rounds), frozenset(item for one in evidence.rounds for item in one.items)
    return Question("intruder", _messages(INTRUDER_PROMPT, content), Picks, check, answer_tokens=tokens, items=asked)


def label_of(answer: BaseModel, settings: LlmSettings, concepts: Sequence[str]) -> Label:
    """The label that a model's answer gives; a concept of the catalogue that it names is resolved."""
    named = _of(answer, Named)
    note = shown(named.reason, settings) or None
    if not named.coherent:
        return Label(NO_CONCEPT, "llm", None, settings.model, note, now())
    text = shown(" ".join(plain(named.label or "").split()), settings, LABEL_CHARACTERS)
    return Label(text, "llm", resolve(text, concepts).concept, settings.model, note, now())


def verdicts(answer: BaseModel, evidence: Evidence) -> dict[int, bool]:
    """Whether the label fits, by item number."""
    slots = _slots(evidence)
    return {slots[fit.id].item: fit.fits for fit in _of(answer, Fits).answers}


def picks(answer: BaseModel, evidence: Evidence) -> list[int]:
    """The item that was picked from each round, in their order."""
    chosen = {pick.round: pick.intruder for pick in _of(answer, Picks).answers}
    found = []
    for r, one in enumerate(evidence.rounds, 1):
        place = int(chosen[f"r{r}"].removeprefix(f"r{r}i"))
        found.append(one.items[place - 1])
    return found


def _slots(evidence: Evidence) -> dict[str, Any]:
    """The scored items by the ids that a model sees, which tell nothing."""
    return {f"i{place}": shown for place, shown in enumerate(evidence.score, 1)}


def _named(answer: BaseModel) -> str | None:
    named = _of(answer, Named)
    if named.coherent and not plain(named.label or "").strip():
        return '"coherent" is true, but "label" names nothing'
    label = named.label or ""
    if named.coherent and REDACTED in label and not any(map(str.isalnum, label.replace(REDACTED, ""))):
        return '"label" repeats a key and names nothing'
    return None


def _each_once(wanted: Sequence[str], given: Sequence[str], word: str) -> str | None:
    """What is missing, unknown or there twice, as a sentence for the model; None if nothing is."""
    missing = [name for name in wanted if name not in given]
    if missing:
        return f"the {word} {missing[0]} has no answer ({len(missing)} of {len(wanted)} are missing)"
    unknown = next((name for name in given if name not in wanted), None)
    if unknown is not None:
        return f"there is no {word} {unknown[:20]}"
    return None if len(given) == len(wanted) else f"some {word} has two answers"


def _of(answer: BaseModel, kind: type[Answer]) -> Answer:
    if not isinstance(answer, kind):
        raise TypeError(f"{type(answer).__name__} is no {kind.__name__}")
    return answer


def _messages(prompt: str, content: str) -> tuple[Mapping[str, str], ...]:
    return {"role": "system", "content": _prompt(prompt)}, {"role": "user", "content": content}


@cache
def _prompt(name: str) -> str:
    return (files("engine.labels") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")
