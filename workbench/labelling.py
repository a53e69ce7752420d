"""The `label` command and `labels score`: labels and their tests go into the session one by one, as they come."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.actions import State
from engine.errors import LabelError, MonoscopeError, SessionError
from engine.home import Home
from engine.labels.cards import parse_fields
from engine.labels.chat import estimate
from engine.labels.ledger import Ledger
from engine.labels.material import Material
from engine.labels.of_run import By, Request, label_and_test, questions, score_labels
from engine.labels.scores import KINDS, Kind
from engine.labels.settings import configured, settings
from engine.run import Run
from engine.session import Session
from workbench.commands.common import emit_json
from workbench.tables import progress_bar, say, show

_BY: dict[str, By] = {"llm": "llm", "metadata": "metadata"}


@dataclass(frozen=True)
class Asked:
    """What the options of `label` and `labels score` say; None where one was not given."""

    labeller: str | None = None
    judge: str | None = None
    tests: str | None = None
    model: str | None = None
    base_url: str | None = None
    price: str | None = None
    max_cost: float | None = None
    concurrency: int | None = None
    fields: str = "title,year,concepts"
    seed: int = 0
    fresh: bool = False
    quiet: bool = False


def request_of(asked: Asked, *, needs_key: bool = True) -> Request:
    """Who labels and who judges: a language model where one is named or configured, else the metadata.

    An estimate, which needs no key, is always of what a language model would be sent.
    """
    for word, given in (("labeller", asked.labeller), ("judge", asked.judge)):
        if given not in (None, *_BY):
            raise MonoscopeError(f"There is no {word} {given!r}; there are {', '.join(_BY)}.")
    if asked.max_cost is not None and not 0 < asked.max_cost < float("inf"):
        raise MonoscopeError(f"--max-cost must be an amount of US dollars above 0, not {asked.max_cost:g}.")
    usual = "llm" if asked.model or asked.base_url or configured() or not needs_key else "metadata"
    labeller = _BY[asked.labeller or usual]
    judge = _BY[asked.judge or labeller]
    llm, refusal = None, None
    if "llm" in (labeller, judge):
        try:
            llm = settings(asked.model, asked.base_url, asked.price, asked.concurrency, needs_key=needs_key)
        except LabelError as error:
            refusal = str(error)
    return Request(labeller, judge, llm, refusal, asked.max_cost, _tests(asked.tests), asked.fresh)


def _tests(text: str | None) -> tuple[Kind, ...]:
    if text is None:
        return KINDS
    words = [word.strip() for word in text.split(",") if word.strip() not in ("", "none")]
    unknown = next((word for word in words if word not in KINDS), None)
    if unknown is not None:
        raise MonoscopeError(f"There is no test {unknown!r}; there are {', '.join(KINDS)}, or none.")
    return tuple(kind for kind in KINDS if kind in words)


def label_neurons(run: Run, neurons: Sequence[int], asked: Asked, session: str) -> tuple[State, list[dict[str, Any]]]:
    """Label neurons, test the labels, and append each to the session at once; the state and what became of each."""
    request = request_of(asked)
    if asked.labeller is None and request.labeller == "metadata" and not asked.quiet:
        say("No language model is named (--model, MONOSCOPE_LLM_MODEL), so the metadata name the neurons.")
    with writable(run, session) as journal, Ledger.open(run.home) as ledger, progress_bar("Labelling") as progress:
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        arrived = label_and_test(material, neurons, request, ledger, progress, lambda: False)
        failures = []
        for number, action, data in arrived:
            journal.append(action, neuron=number, **data)
            if data["state"] == "failed":
                failures.append(
                    {"neuron": number, "what": data.get("kind", "label"), "why": data.get("why") or data["note"]}
                )
        return journal.state, failures


def score_session(
    run: Run, neurons: Sequence[int] | None, asked: Asked, session: str, *, shuffled: bool
) -> tuple[State, list[dict[str, Any]]]:
    """Test the labels of a session. With `shuffled` metadata nothing is kept: every score should then be chance."""
    request = request_of(asked)
    if request.refusal is not None:
        raise LabelError(request.refusal)
    with writable(run, session) as journal, Ledger.open(run.home) as ledger, progress_bar("Testing") as progress:
        labels = {number: label for number, label in journal.state.labels.items() if label.state != "failed"}
        if neurons is not None:
            labels = {number: label for number, label in labels.items() if number in neurons}
        if not labels:
            raise LabelError(f"Session {session} has no labels to test here; `monoscope label {run.name}` makes some.")
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        if shuffled:
            material = material.shuffled(asked.seed)
        failures, state = [], State(labels=labels)
        for number, _action, data in score_labels(material, labels, request, ledger, progress, lambda: False):
            if not shuffled:
                journal.append("score", neuron=number, **data)
            state.scores.setdefault(number, {})[data["kind"]] = data
            if data["state"] == "failed":
                failures.append({"neuron": number, "what": data["kind"], "why": data["why"]})
        return (state if shuffled else journal.state), failures


def writable(run: Run, session: str) -> Session:
    """The run's session, open for writing; refused before any label is asked for, and paid, in vain."""
    journal = Session.open(run.home, session, run.name)
    if journal.read_only:
        journal.close()
        raise SessionError(journal.notice or f"Session {session} cannot be written.")
    return journal


def show_estimate(run: Run, neurons: Sequence[int], asked: Asked, *, as_json: bool) -> None:
    """What labelling would send: requests, roughly how many tokens, and their price where it is known."""
    named = asked.model or os.environ.get("MONOSCOPE_LLM_MODEL")
    request = request_of(replace(asked, model=named or "a model of your choice"), needs_key=False)
    facts: dict[str, Any] = {"neurons": list(neurons), "labeller": request.labeller, "judge": request.judge}
    if request.refusal is not None:
        raise LabelError(request.refusal)
    if request.llm is None:
        facts |= {"requests": 0, "cached": 0, "tokens_in": 0, "tokens_out": 0, "usd": 0.0}
    else:
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        with Ledger.open(run.home) as ledger:
            facts |= asdict(estimate(questions(material, neurons, request), request.llm, ledger))
    facts["tokens"] = facts["tokens_in"] + facts["tokens_out"]
    if as_json:
        emit_json(facts)
        return
    if request.llm is None:
        say("Nothing would be sent: labels and tests come from the metadata.")
        return
    priced = "the price is not known (--price says it)" if facts["usd"] is None else f"about ${facts['usd']:.4f}"
    say(
        f"{facts['requests']} requests of about {facts['tokens_in']:,} tokens in all would be sent to "
        f"{request.llm.base_url} ({request.llm.model}), for about {facts['tokens_out']:,} tokens of answers; {priced}. "
        f"{facts['cached']} answers are there already. Nothing was sent."
    )


def show_spend(home: Home, run: str | None, *, as_json: bool) -> None:
    """What language models were asked and what that cost, by run, model and purpose."""
    with Ledger.open(home) as ledger:
        rows = ledger.spent(run)
    if as_json:
        emit_json([asdict(row) for row in rows])
        return
    if not rows:
        say("Nothing was asked of a language model yet.")
        return
    columns = ("run", "model", "purpose", "requests", "failed", "cut", "tokens in", "tokens out", "USD", "estimated")
    show(
        "",
        columns,
        [tuple(asdict(row).values()) for row in rows],
        ", ".join(columns[3:]),
    )
