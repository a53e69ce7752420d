"""Questions to a language model at any server that speaks chat completions, several at once, through `openai`.

Every answer is kept in the ledger and asked for once; every request is noted there before it is sent. A failure is a
value with one sentence; the key is in none of them.
"""

import json
import math
import queue
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import LabelError
from engine.labels.asking import Asking
from engine.labels.budget import Budget
from engine.labels.ledger import Ledger
from engine.labels.questions import Answer, Question, key_of, schema_of
from engine.labels.replies import Unusable, parsed
from engine.labels.settings import LlmSettings
from engine.progress import Progress

BYTES_PER_TOKEN = 4
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Estimate:
    """What asking would take: requests, answers that are there already, tokens, US dollars (None: price unknown).

    UTF-8 bytes of what is sent over 4, and what an answer usually takes; further tries and a model's unseen reasoning
    not counted. Good to about a third for English.
    """

    requests: int
    cached: int
    tokens_in: int
    tokens_out: int
    usd: float | None


def ask_all(
    questions: Sequence[Question],
    settings: LlmSettings,
    ledger: Ledger,
    run: str,
    budget: Budget,
    progress: Progress,
    cancelled: Callable[[], bool],
    *,
    fresh: bool = False,
) -> Generator[tuple[int, Answer], None, None]:
    """Ask them, and give each answer with its question's position as it comes: kept ones first, then in any order.

    If `fresh`, kept answers are asked for again, and replaced by those that come. The budget's limit is never passed,
    as long as the server keeps to `max_completion_tokens` and charges by the settings' price; a request whose cost
    nobody told counts as the most that it can have cost. If `cancelled`, or if the generator is closed, what is under
    way is cut at once and nothing more is asked; what had arrived is still given if `cancelled`. Raises `LabelError`,
    before anything is asked, if the ledger cannot be used, or if there is a limit of cost without a price. What goes
    wrong later is an answer's `failure`.
    """
    if budget.limit is not None and settings.price is None:
        raise LabelError(
            f"The price of {settings.model} is not known, so no limit of cost can be kept: give --price IN/OUT, in US "
            "dollars for a million tokens, or set MONOSCOPE_LLM_PRICE."
        )
    if questions:
        ledger.prepare()
    kept = {} if fresh else dict(_kept(questions, settings, ledger))
    left = [(position, question) for position, question in enumerate(questions) if position not in kept]
    return _give(kept, Asking(left, settings, ledger, run, budget), progress, cancelled)


def estimate(questions: Sequence[Question], settings: LlmSettings, ledger: Ledger | None = None) -> Estimate:
    """What asking would take; answers that the ledger has are not asked for again. Writes nothing."""
    kept = dict(_kept(questions, settings, ledger)) if ledger else {}
    asked = [question for position, question in enumerate(questions) if position not in kept]
    tokens_in = sum(math.ceil(_bytes_sent(question) / BYTES_PER_TOKEN) for question in asked)
    tokens_out = sum(question.answer_tokens for question in asked)
    usd = None if settings.price is None else settings.price.usd(tokens_in, tokens_out)
    return Estimate(len(asked), len(kept), tokens_in, tokens_out, usd)


def _kept(
    questions: Iterable[Question], settings: LlmSettings, ledger: Ledger
) -> Generator[tuple[int, Answer], None, None]:
    for position, question in enumerate(questions):
        content = ledger.answer(key_of(question, settings))
        if content is None:
            continue
        try:
            yield position, Answer(parsed(content, question.answer, question.check, settings), cached=True)
        except Unusable:  # what is demanded has changed since
            continue


def _give(
    kept: Mapping[int, Answer], asking: Asking, progress: Progress, cancelled: Callable[[], bool]
) -> Generator[tuple[int, Answer], None, None]:
    total = len(kept) + len(asking.questions)
    progress(0.0, f"0 of {total} answers")
    for done, pair in enumerate(_all(kept, asking, cancelled), start=1):
        yield pair
        progress(done / total, f"{done} of {total} answers")


def _all(
    kept: Mapping[int, Answer], asking: Asking, cancelled: Callable[[], bool]
) -> Generator[tuple[int, Answer], None, None]:
    for pair in kept.items():
        if cancelled():
            return
        yield pair
    if not asking.questions or cancelled():
        return
    try:
        asking.start()
        yield from _arriving(asking, cancelled)
    finally:
        asking.end()
    if asking.error is not None:
        raise asking.error


def _arriving(asking: Asking, cancelled: Callable[[], bool]) -> Generator[tuple[int, Answer], None, None]:
    while True:
        if cancelled():
            asking.stop()
        try:
            arrived = asking.arrived.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if arrived is None:
            return
        yield arrived


def _bytes_sent(question: Question) -> int:
    schema = json.dumps(schema_of(question.answer))
    return len(schema) + sum(len(message["content"].encode(errors="surrogatepass")) for message in question.messages)
