"""Labels and their tests for the neurons of a run, as they come.

Each arrival is an action of a session: a neuron's number, "label" or "score", and the action's data.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.actions import BY_AN_ANALYST, Label, now
from engine.errors import LabelError
from engine.labels import scores
from engine.labels.budget import Budget
from engine.labels.chat import ask_all
from engine.labels.ledger import Ledger
from engine.labels.llm import (
    LABEL_PROMPT,
    detection_question,
    intruder_question,
    label_of,
    label_question,
    picks,
    verdicts,
)
from engine.labels.material import Material
from engine.labels.metadata import NO_CONCEPT, metadata_labels
from engine.labels.questions import Question
from engine.labels.scores import KINDS, Kind, Score
from engine.labels.settings import LlmSettings
from engine.progress import Progress, part

Arrival = tuple[int, Literal["label", "score"], dict[str, Any]]
By = Literal["metadata", "llm"]


@dataclass(frozen=True)
class Request:
    """Who names neurons and who judges the names. `llm` is needed where either is a language model."""

    labeller: By
    judge: By
    llm: LlmSettings | None = None
    refusal: str | None = None
    """Why no language model can be asked; every label that one was to give has failed then."""
    max_cost: float | None = None
    tests: tuple[Kind, ...] = KINDS
    fresh: bool = False
    """Ask again what has been answered before."""


def label_and_test(
    material: Material,
    neurons: Sequence[int],
    request: Request,
    ledger: Ledger,
    progress: Progress,
    cancelled: Callable[[], bool],
    standing: Mapping[int, Label] | None = None,
) -> Generator[Arrival, None, None]:
    """Name neurons, then test the names. A failure is a label's or a score's state with its reason.

    A neuron whose `standing` label an analyst set, accepted or rejected is not named: that label is tested.
    """
    share = 0.4 if request.tests else 1.0
    named = decided(neurons, standing)
    neurons = [number for number in neurons if number not in named]
    budget, told = Budget(request.max_cost), part(progress, 0, share, "naming")
    if request.labeller == "llm":
        given = _by_llm(material, neurons, request, ledger, budget, told, cancelled)
    else:
        given = _by_metadata(material, neurons, told, cancelled)
    for number, label in given:
        named[number] = label
        yield number, "label", asdict(label)
        if label.state != "failed":
            yield number, "score", material.record(number, label.text, _source(request))
    if request.tests and request.refusal is None and not cancelled():
        told = part(progress, share, 1, "testing")
        yield from score_labels(material, named, request, ledger, told, cancelled, budget.next())


def score_labels(
    material: Material,
    labels: Mapping[int, Label],
    request: Request,
    ledger: Ledger,
    progress: Progress,
    cancelled: Callable[[], bool],
    budget: Budget | None = None,
) -> Generator[Arrival, None, None]:
    """Test labels on items that their labeller did not see; those of failed labels that need no label too.

    `budget` is what is left of the request's `max_cost`; the whole of it if it is None.
    """
    asked: list[tuple[int, Kind, Question]] = []
    for done, (number, label) in enumerate(sorted(labels.items())):
        if cancelled():
            return
        progress(0.5 * done / len(labels), f"neuron {number}")
        for kind in request.tests:
            outcome = _test(material, number, label, kind, request)
            if isinstance(outcome, Question):
                asked.append((number, kind, outcome))
            elif outcome is not None:
                yield number, "score", outcome.as_dict()
    if asked and request.llm is not None:
        money = budget or Budget(request.max_cost)
        told = part(progress, 0.5, 1, "asking")
        yield from _judged(material, labels, asked, request, ledger, money, told, cancelled)
    progress(1.0, "done")


def decided(neurons: Sequence[int], standing: Mapping[int, Label] | None) -> dict[int, Label]:
    """The standing labels that an analyst decided on, which no labeller replaces."""
    known = standing or {}
    return {number: known[number] for number in neurons if number in known and known[number].state in BY_AN_ANALYST}


def questions(
    material: Material, neurons: Sequence[int], request: Request, standing: Mapping[int, Label] | None = None
) -> tuple[list[Question], int]:
    """What `label_and_test` would ask a language model, and how many of these are about a label yet to come.

    A `standing` label is taken for the one that will be tested; where there is none it counts as 30 characters.
    """
    kept, open_yet = decided(neurons, standing), 0
    known = {number: label for number, label in (standing or {}).items() if label.text is not None}
    found = []
    for number in neurons:
        evidence = material.evidence(number)
        if request.labeller == "llm" and number not in kept and evidence.of("top"):
            found.append(label_question(evidence, material.cards))
        if request.judge != "llm":
            continue
        if "detection" in request.tests and scores.detectable(evidence) is None:
            label = known.get(number, Label("x" * 30, "llm"))
            asked = _test(material, number, label, "detection", request)
            found += [asked] if isinstance(asked, Question) else []
            open_yet += number not in kept
        if "intruder" in request.tests and scores.few_rounds(evidence) is None:
            found.append(intruder_question(evidence, material.cards))
    return found, open_yet


def _by_metadata(
    material: Material, neurons: Sequence[int], progress: Progress, cancelled: Callable[[], bool]
) -> Iterator[tuple[int, Label]]:
    material.need_concepts()
    named = metadata_labels(material.z_im, material.split.explain, material.concepts, neurons)
    for done, (number, label) in enumerate(named, 1):
        if cancelled():
            return
        yield number, label
        progress(done / len(neurons), f"neuron {number}")


def _by_llm(
    material: Material,
    neurons: Sequence[int],
    request: Request,
    ledger: Ledger,
    budget: Budget,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[tuple[int, Label]]:
    if request.refusal is not None:
        yield from ((number, failed(request.refusal)) for number in neurons)
        return
    settings = _llm(request)
    firing = [number for number in neurons if material.evidence(number).of("top")]
    for number in neurons:
        if number not in firing:
            yield number, failed("It fires on no item, so there is nothing to show a model.", settings.model)
    asked = [label_question(material.evidence(number), material.cards) for number in firing]
    run = material.run.name
    for place, answer in ask_all(asked, settings, ledger, run, budget, progress, cancelled, fresh=request.fresh):
        if answer.value is None:
            yield firing[place], failed(answer.failure or "", settings.model)
        else:
            yield firing[place], label_of(answer.value, settings, material.names)


def _test(material: Material, number: int, label: Label, kind: Kind, request: Request) -> Score | Question | None:
    """The outcome of one test, or the question that a language model has to answer for it."""
    if kind == "intruder":
        return _intruder(material, number, request)
    if label.text is None or label.state in ("failed", "none", "rejected"):
        return None
    if label.text == NO_CONCEPT:
        why = "The label says that there is no concept to test."
        return Score(kind, "unknown", _judge(request), text=label.text, why=why)
    if kind == "detection" and request.judge == "llm":
        evidence = material.evidence(number)
        too_few = scores.detectable(evidence)
        if too_few is None:
            return detection_question(evidence, label.text, material.cards)
        return Score(kind, "unknown", _judge(request), text=label.text, why=too_few)
    member, missing = material.member(label.concept)
    if member is None or label.concept is None:
        return Score(kind, "unknown", "metadata", text=label.text, concept=label.concept, why=missing)
    return _by_concept(material, number, kind, label.concept, member)


def _by_concept(material: Material, number: int, kind: Kind, concept: str, member: np.ndarray) -> Score:
    """What the items of the label's concept tell, without asking anybody."""
    if kind == "detection":
        evidence = material.evidence(number)
        fits = {shown.item: bool(member[shown.item]) for shown in evidence.score}
        return scores.detection(evidence, fits, material.ids, "metadata", concept=concept)
    if kind == "held-out":
        z_n, everything = material.z_im[:, number], np.flatnonzero(material.eligible)
        return scores.held_out(z_n, material.split.score, member, concept, everything)
    return material.moves(number, member, concept)


def _intruder(material: Material, number: int, request: Request) -> Score | Question:
    evidence, judge = material.evidence(number), _judge(request)
    why = scores.few_rounds(evidence)
    if why is not None:
        return Score("intruder", "unknown", judge, why=why)
    if request.judge == "llm":
        return intruder_question(evidence, material.cards)
    picked = [scores.odd_one_out(one.items, material.likeness) for one in evidence.rounds]
    if None in picked:
        return Score("intruder", "unknown", judge, why="Its held-out items have no genres or tags to go by.")
    return scores.intruder(evidence, [item for item in picked if item is not None], material.ids, judge)


def _judged(
    material: Material,
    labels: Mapping[int, Label],
    asked: Sequence[tuple[int, Kind, Question]],
    request: Request,
    ledger: Ledger,
    budget: Budget,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[Arrival]:
    settings, run = _llm(request), material.run.name
    all_asked = [question for _number, _kind, question in asked]
    for place, answer in ask_all(all_asked, settings, ledger, run, budget, progress, cancelled, fresh=request.fresh):
        number, kind, _question = asked[place]
        text = labels[number].text if kind == "detection" else None
        evidence = material.evidence(number)
        if answer.value is None:
            score = Score(kind, "failed", settings.model, text=text, why=answer.failure)
        elif kind == "detection":
            score = scores.detection(
                evidence, verdicts(answer.value, evidence), material.ids, settings.model, text=text
            )
        else:
            score = scores.intruder(evidence, picks(answer.value, evidence), material.ids, settings.model)
        yield number, "score", score.as_dict()


def _judge(request: Request) -> str:
    return _llm(request).model if request.judge == "llm" else "metadata"


def _source(request: Request) -> str:
    return LABEL_PROMPT if request.labeller == "llm" else "enrichment"


def _llm(request: Request) -> LlmSettings:
    if request.llm is None:
        raise LabelError("No language model is named: give --model or set MONOSCOPE_LLM_MODEL.")
    return request.llm


def failed(note: str, model: str | None = None) -> Label:
    """The label of a neuron for which there is none, with the reason in one sentence."""
    return Label(None, "failed", model=model, note=note, time=now())
