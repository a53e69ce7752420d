"""The `label` command and `labels score`: labels and their tests go into the session one by one, as they come."""

import math
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.actions import State
from engine.errors import LabelError, MonoscopeError, SessionError
from engine.home import Home
from engine.labels.cards import parse_fields
from engine.labels.chat import Estimate, estimate, need_price
from engine.labels.ledger import Ledger
from engine.labels.material import Material
from engine.labels.of_run import Arrival, By, Request, decided, label_and_test, questions, score_labels
from engine.labels.scores import KINDS, Kind
from engine.labels.settings import LlmSettings, Unnamed, budget, configured, settings
from engine.run import Run
from engine.session import Session
from engine.text import counted
from workbench.commands.common import emit_json
from workbench.progress_lines import UNATTENDED
from workbench.stopped import Stopped
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

    An estimate, which needs no key, is always of what a language model would be sent. Raises `MonoscopeError` for what
    cannot be asked; but where a model's labels were asked for in so many words and no key or no model is there, the
    labels are to say so.
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
        except Unnamed as error:
            if not (labeller == "llm" and (asked.labeller or asked.model)):
                raise
            refusal = str(error)
    limit = asked.max_cost if asked.max_cost is not None or llm is None else budget()
    if llm is not None and needs_key:
        _limited(llm, limit)
    return Request(labeller, judge, llm, refusal, limit, _tests(asked.tests), asked.fresh)


def _limited(llm: LlmSettings, limit: float | None) -> None:
    """Raises `LabelError` for a limit that cannot be kept, and for none where nobody is there to be asked first."""
    if limit is not None:
        need_price(llm)
    elif os.environ.get(UNATTENDED):
        raise LabelError(
            f"A job does not ask {llm.model} without a limit: give --max-cost USD (--dry-run says what it takes), set "
            "MONOSCOPE_LLM_MAX_COST, or take --labeller metadata; the key l in the workbench asks first."
        )


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
    came = _Came(f"kept in session {session}; what was answered is not asked again", naming=True)
    with (
        came.told_at_a_stop(),
        writable(run, session) as journal,
        Ledger.open(run.home) as ledger,
        progress_bar("Labelling") as progress,
    ):
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        standing = journal.state.labels
        with closing(label_and_test(material, neurons, request, ledger, progress, lambda: False, standing)) as arriving:
            for number, action, data in came.counted(arriving):
                journal.append(action, neuron=number, **data)
        return journal.state, came.failures


def score_session(
    run: Run, neurons: Sequence[int] | None, asked: Asked, session: str, *, shuffled: bool
) -> tuple[State, list[dict[str, Any]]]:
    """Test the labels of a session. With `shuffled` metadata nothing is kept: every score should then be chance."""
    request = request_of(asked)
    if request.refusal is not None:
        raise LabelError(request.refusal)
    fate = "not kept, for they are on shuffled metadata" if shuffled else f"kept in session {session}"
    came = _Came(fate, naming=False)
    with (
        came.told_at_a_stop(),
        writable(run, session) as journal,
        Ledger.open(run.home) as ledger,
        progress_bar("Testing") as progress,
    ):
        labels = {number: label for number, label in journal.state.labels.items() if label.state != "failed"}
        if neurons is not None:
            labels = {number: label for number, label in labels.items() if number in neurons}
        if not labels:
            raise LabelError(f"Session {session} has no labels to test here; `monoscope label {run.name}` makes some.")
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        if shuffled:
            material = material.shuffled(asked.seed)
        state = State(labels=labels)
        with closing(score_labels(material, labels, request, ledger, progress, lambda: False)) as arriving:
            for number, _action, data in came.counted(arriving):
                if not shuffled:
                    journal.append("score", neuron=number, **data)
                state.scores.setdefault(number, {})[data["kind"]] = data
        return (state if shuffled else journal.state), came.failures


@dataclass
class _Came:
    """What has arrived, and, for who stops the command, what becomes of it."""

    fate: str
    naming: bool
    labels: int = 0
    scores: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def counted(self, arriving: Iterator[Arrival]) -> Iterator[Arrival]:
        """What arrives, counted once it has been taken."""
        for number, action, data in arriving:
            yield number, action, data
            if data["state"] == "failed":
                why = data.get("why") or data.get("note")
                self.failures.append({"neuron": number, "what": data.get("kind", "label"), "why": why})
            elif action == "label":
                self.labels += 1
            elif data["kind"] in KINDS:
                self.scores += 1

    @contextmanager
    def told_at_a_stop(self) -> Generator[None, None, None]:
        """Ctrl-C ends the program with what has come."""
        try:
            yield
        except KeyboardInterrupt:
            labels = f"{counted(self.labels, 'label')} and " if self.naming else ""
            raise Stopped(f"stopped; {labels}{counted(self.scores, 'score')} had come and are {self.fate}.") from None


def writable(run: Run, session: str) -> Session:
    """The run's session, open for writing; refused before any label is asked for, and paid, in vain."""
    journal = Session.open(run.home, session, run.name)
    if journal.read_only:
        journal.close()
        raise SessionError(journal.notice or f"Session {session} cannot be written.")
    return journal


def show_estimate(run: Run, neurons: Sequence[int], asked: Asked, session: str, *, as_json: bool) -> None:
    """What labelling would send: requests, roughly how many tokens, and their price where it is known."""
    named = asked.model or os.environ.get("MONOSCOPE_LLM_MODEL")
    request = request_of(replace(asked, model=named or "a model of your choice"), needs_key=False)
    standing = Session.read(run.home, session, run.name).labels
    by_hand = len(decided(neurons, standing))
    facts: dict[str, Any] = {
        "neurons": list(neurons), "labeller": request.labeller, "judge": request.judge, "labels_by_hand": by_hand
    }  # fmt: skip
    if request.llm is None:
        facts |= {**asdict(Estimate(0, 0, 0, 0, 0.0)), "about_labels_to_come": 0}
    else:
        material = Material.of(run, parse_fields(asked.fields), asked.seed)
        found, facts["about_labels_to_come"] = questions(material, neurons, request, standing)
        with Ledger.open(run.home) as ledger:
            facts |= asdict(estimate(found, request.llm, None if asked.fresh else ledger))
    facts["tokens"] = facts["tokens_in"] + facts["tokens_out"]
    if as_json:
        return emit_json(facts)
    if request.llm is None:
        return say("Nothing would be sent: labels and tests come from the metadata.")
    return say(" ".join(_estimated(facts, request.llm, named is not None)))


def _estimated(facts: dict[str, Any], llm: LlmSettings, named: bool) -> list[str]:
    """An estimate in sentences."""
    priced = "the price is not known (--price says it)" if facts["usd"] is None else f"about ${facts['usd']:.4f}"
    told = [
        f"{counted(facts['requests'], 'request')} of about {facts['tokens_in']:,} tokens in all would be sent to "
        f"{llm.base_url} ({llm.model}), for about {facts['tokens_out']:,} tokens of answers; {priced}. They tell of "
        f"{counted(facts['items'], 'item')} and of no user.",
        f"{counted(facts['cached'], 'answer')} {'is' if facts['cached'] == 1 else 'are'} there already.",
    ]
    if facts["about_labels_to_come"]:
        told.append(
            f"What {counted(facts['about_labels_to_come'], 'test')} would ask depends on labels yet to come, and is "
            "estimated."
        )
    if facts["labels_by_hand"]:
        told.append(f"{counted(facts['labels_by_hand'], 'label')} by hand would be tested and not asked for.")
    if facts["requests"] and facts["usd_least_limit"] is not None:
        least = math.ceil(facts["usd_least_limit"] * 10_000) / 10_000
        told.append(
            f"--max-cost {least:.4f} is the least with which all of it could be sent, one after the other, if answers "
            "are as long as usual."
        )
    if not named:
        told.append("To send it, name the model (--model or MONOSCOPE_LLM_MODEL).")
    return [*told, "Nothing was sent."]


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
