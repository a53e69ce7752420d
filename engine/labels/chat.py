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
from engine.labels import costs
from engine.labels.asking import Asking
from engine.labels.budget import Budget
from engine.labels.ledger import Ledger
from engine.labels.questions import Answer, Question, key_of, schema_of
from engine.labels.replies import Unusable, parsed
from engine.labels.settings import LlmSettings, redacted
from engine.progress import Progress

BYTES_PER_TOKEN = 4
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Estimate:
    """What asking would take: requests, answers that are there already, tokens, US dollars (None: price unknown).

    UTF-8 bytes of what is sent over 4, and what an answer usually takes; further tries and a model's unseen reasoning
    not counted. Good to about a third for English. `usd_least_limit` is the least limit of cost under which all of it
    could be sent one after the other, if each takes what is estimated; `usd_most` is what it takes if each is as dear
    as its limit of tokens allows. `items` counts the items that are told of.
    """

    requests: int
    cached: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    usd_least_limit: float | None = 0.0
    usd_most: float | None = 0.0
    items: int = 0


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

    What is there twice is sent once. If `fresh`, kept answers are asked for again, and replaced by those that come. The
    budget's limit is never passed, as long as the server keeps to `max_completion_tokens` and charges by the settings'
    price; at the first reply that shows that it does not, nothing more is sent. A request whose cost nobody told counts
    as the most that it can have cost. If `cancelled`, or if the generator is closed, what is under
    way is cut at once and nothing more is asked; what had arrived is still given if `cancelled`. Raises `LabelError`,
    before anything is asked, if the ledger cannot be used, or if there is a limit of cost without a price. What goes
    wrong later is an answer's `failure`.
    """
    if budget.limit is not None:
        need_price(settings)
    if questions:
        ledger.prepare()
    kept = {} if fresh else dict(_kept(questions, settings, ledger))
    left = {position: question for position, question in enumerate(questions) if position not in kept}
    same = _same(left, settings)
    first = [(alike[0], left[alike[0]]) for alike in same.values()]
    twins = {alike[0]: [(position, left[position]) for position in alike[1:]] for alike in same.values()}
    return _give(kept, Asking(first, settings, ledger, run, budget), twins, progress, cancelled)


def need_price(settings: LlmSettings) -> None:
    """Raises `LabelError` where no limit of cost can be kept, since the price is not known."""
    if settings.price is None:
        raise LabelError(
            f"The price of {settings.model} is not known, so no limit of cost can be kept: give --price IN/OUT, in US "
            "dollars for a million tokens, or set MONOSCOPE_LLM_PRICE."
        )


def estimate(questions: Sequence[Question], settings: LlmSettings, ledger: Ledger | None = None) -> Estimate:
    """What asking would take; answers that the ledger has are not asked for again. Writes nothing."""
    kept = dict(_kept(questions, settings, ledger)) if ledger else {}
    left = {position: question for position, question in enumerate(questions) if position not in kept}
    asked = [left[alike[0]] for alike in _same(left, settings).values()]
    usual = [(math.ceil(_bytes_sent(question) / BYTES_PER_TOKEN), question.answer_tokens) for question in asked]
    tokens_in, tokens_out = (sum(pair[side] for pair in usual) for side in (0, 1))
    usd = limit = most = None
    if settings.price is not None:
        usd = settings.price.usd(tokens_in, tokens_out)
        reserves = [costs.most(question, question.messages, settings).usd or 0.0 for question in asked]
        beyond = [reserve - settings.price.usd(*pair) for reserve, pair in zip(reserves, usual, strict=True)]
        limit, most = usd + max(beyond, default=0.0), sum(reserves)
    items = len(frozenset().union(*(question.items for question in asked)))
    return Estimate(len(asked), len(kept), tokens_in, tokens_out, usd, limit, most, items)


def _same(questions: Mapping[int, Question], settings: LlmSettings) -> dict[str, list[int]]:
    """The positions of questions that ask the same, by what their answers are kept under."""
    found: dict[str, list[int]] = {}
    for position, question in questions.items():
        found.setdefault(key_of(question, settings), []).append(position)
    return found


def _kept(
    questions: Iterable[Question], settings: LlmSettings, ledger: Ledger
) -> Generator[tuple[int, Answer], None, None]:
    for position, question in enumerate(questions):
        content = ledger.answer(key_of(question, settings))
        if content is None:
            continue
        try:
            content = redacted(content, settings)
            yield position, Answer(parsed(content, question.answer, question.check, settings), cached=True)
        except Unusable:  # what is demanded has changed since
            continue


def _give(
    kept: Mapping[int, Answer],
    asking: Asking,
    twins: Mapping[int, Sequence[tuple[int, Question]]],
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Generator[tuple[int, Answer], None, None]:
    total = len(kept) + len(asking.questions) + sum(map(len, twins.values()))
    progress(0.0, f"0 of {total} answers")
    done = 0
    for position, answer in _all(kept, asking, cancelled):
        for pair in [(position, answer), *((twin, _again(answer, asked)) for twin, asked in twins.get(position, ()))]:
            done += 1
            yield pair
            progress(done / total, f"{done} of {total} answers")


def _again(answer: Answer, question: Question) -> Answer:
    """The answer to a question that was asked in the same words before."""
    complaint = question.check(answer.value) if question.check is not None and answer.value is not None else None
    if complaint is not None:
        return Answer(None, f"The model's answer is not usable: {complaint}")
    return Answer(answer.value, answer.failure, cached=answer.value is not None)


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
