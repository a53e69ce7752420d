"""One thread with an event loop in which questions are asked, several at once."""

import asyncio
import queue
import random
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from engine.errors import LabelError
from engine.labels import costs
from engine.labels.budget import Budget, OverLimit
from engine.labels.ledger import FREE, Asked, Charge, Ledger, Status
from engine.labels.questions import GIVE_UP_AFTER, Answer, Message, Question, key_of
from engine.labels.replies import (
    Failure,
    Unusable,
    content_of,
    parsed,
    refused,
    too_slow,
    unreachable,
    usage_of,
)
from engine.labels.settings import LlmSettings, shown

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from tenacity import RetryCallState

LONGEST_BACKOFF_SECONDS = 30.0
CONTENT_SHOWN = 16_000
END_SECONDS = 5.0
"""How long the thread is waited for; what keeps it longer is a name that is being looked up."""

_NO_KEY = "no-key"
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""The client's errors that come before anything is sent."""


class Asking:
    """The thread. What arrives is in the queue `arrived`, and None comes last.

    `error` is then what was no failure of a server or a model but a mistake in the program.
    """

    def __init__(
        self,
        questions: Sequence[tuple[int, Question]],
        settings: LlmSettings,
        ledger: Ledger,
        run: str,
        budget: Budget,
    ) -> None:
        self.arrived: queue.SimpleQueue[tuple[int, Answer] | None] = queue.SimpleQueue()
        self.error: BaseException | None = None
        self.questions, self._settings, self._ledger = questions, settings, ledger
        self._run, self._budget = run, budget
        self._hopeless, self._in_a_row, self._stopped = "", 0, False
        # A daemon, so that a generator that nobody closed does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="questions to a language model", daemon=True)
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Cut what is under way and ask nothing more; what is already in the queue stays there."""
        if self._stopped:  # a second cut would disturb the closing of connections
            return
        self._stopped = True
        self._begun.wait()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has come to its end by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    def end(self) -> None:
        """Stop, and wait until all connections are closed."""
        if self._thread.ident is not None:
            self.stop()
            self._thread.join(END_SECONDS)

    def _work(self) -> None:
        try:
            asyncio.run(self._ask_all())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 (the generator raises it, in the thread that can handle it)
            self.error = error
        finally:
            self._begun.set()
            self.arrived.put(None)

    async def _ask_all(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._begun.set()
        try:
            client = _client(self._settings)
        except (OSError, ValueError, ImportError) as error:
            note = f"The client cannot be set up: {shown(str(error), self._settings)}."
            for position, _question in self.questions:
                self.arrived.put((position, Answer(None, note)))
            return
        waiting = iter(self.questions)
        count = max(1, min(self._settings.concurrency, len(self.questions)))
        tasks = [asyncio.create_task(self._in_turn(client, waiting)) for _ in range(count)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()

    async def _in_turn(self, client: "AsyncOpenAI", waiting: Iterable[tuple[int, Question]]) -> None:
        for position, question in waiting:
            answer = Answer(None, self._hopeless) if self._hopeless else await self._answer(client, question)
            self.arrived.put((position, answer))

    async def _answer(self, client: "AsyncOpenAI", question: Question) -> Answer:
        """The answer, at the second go if the first was not what was asked for."""
        messages: list[Message] = list(question.messages)
        try:
            try:
                value = await self._try(client, question, messages)
            except Unusable as first:
                value = await self._try(client, question, [*messages, *_repair(first)])
        except OverLimit as over:
            return Answer(None, f"Not asked: {over}.")
        except Failure as failure:
            self._in_a_row = self._in_a_row + 1 if failure.of_server else 0
            if self._in_a_row == GIVE_UP_AFTER:
                self._hopeless = f"Not asked after {GIVE_UP_AFTER} failures in a row: {failure}"
            return Answer(None, str(failure))
        except LabelError as error:
            return Answer(None, str(error))
        self._in_a_row = 0
        return Answer(value)

    async def _try(self, client: "AsyncOpenAI", question: Question, messages: Sequence[Message]) -> BaseModel:
        """The answer to these messages, sent again while the failure is one that passes."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, Failure) and error.again),
            stop=stop_after_attempt(self._settings.retries + 1),
            wait=self._pause,
            reraise=True,
        )
        value: BaseModel = await retrying(self._send, client, question, messages)
        return value

    def _pause(self, state: "RetryCallState") -> float:
        """Seconds before the next try: what the server asked for, else about twice as many each time.

        Drawn by lot, so that requests that failed together do not come back together.
        """
        failure = state.outcome.exception() if state.outcome is not None else None
        base = self._settings.backoff_seconds
        if isinstance(failure, Failure) and failure.pause is not None:
            return failure.pause + random.uniform(0.0, base)
        return random.uniform(0.0, min(base * 2.0 ** (state.attempt_number - 1), LONGEST_BACKOFF_SECONDS))

    async def _send(self, client: "AsyncOpenAI", question: Question, messages: Sequence[Message]) -> BaseModel:
        """One request, paid for and noted whatever becomes of it. Raises `Failure`, `OverLimit`, `LabelError`."""
        bound = costs.most(question, messages, self._settings)
        ticket = await self._budget.hold(bound.usd)
        charge, number = FREE, None
        status: Status = "cut"
        try:
            number = self._ledger.sent(self._asked(question), bound)
            charge = bound
            body = await self._post(client, question, messages)
            status, charge = "failed", self._charge(body, bound)
            content = content_of(body, self._settings, self._limit(question))
            value = parsed(content, question.answer, question.check, self._settings)
            status = "ok"
        except Failure as failure:
            if not failure.billed:
                status, charge = "failed", FREE
            raise
        finally:
            self._budget.settle(ticket, charge.usd)
            if number is not None and status != "ok":
                self._note(number, status, charge)
        with suppress(LabelError):  # the answer is there, if not for the next time
            self._ledger.answered(number, charge, key_of(question, self._settings), value.model_dump_json())
        return value

    async def _post(self, client: "AsyncOpenAI", question: Question, messages: Sequence[Message]) -> bytes:
        """The body of a reply with a good HTTP status; raises `Failure`."""
        import openai

        chosen = self._settings
        request: dict[str, Any] = {"model": chosen.model, "messages": messages, "response_format": question.form}
        if (limit := self._limit(question)) is not None:
            request["max_completion_tokens"] = limit
        try:
            # The client's own limit is for each read: a server that drips would keep it waiting for ever.
            async with asyncio.timeout(chosen.timeout_seconds):
                reply = await client.chat.completions.with_raw_response.create(**request)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise too_slow(chosen, sent=_was_sent(error)) from None
        except openai.APIConnectionError as error:
            raise unreachable(str(error.__cause__ or error), chosen, sent=_was_sent(error)) from None
        except openai.APIStatusError as error:
            raise refused(error, chosen) from None
        except (openai.OpenAIError, ValueError) as error:
            note = f"{chosen.base_url} cannot be asked: {shown(str(error), chosen)}."
            raise Failure(note, of_server=True) from None
        return bytes(reply.http_response.content)

    def _asked(self, question: Question) -> Asked:
        return Asked(self._run, question.purpose, self._settings.model, self._settings.base_url)

    def _limit(self, question: Question) -> int | None:
        return None if self._budget.limit is None else question.answer_limit

    def _charge(self, body: bytes, bound: Charge) -> Charge:
        """What the request took, and what that tells of the server."""
        usage = usage_of(body)
        if usage is not None:
            why = costs.breach(usage, bound, self._settings)
            self._budget.proved() if why is None else self._budget.broken(why)
        return costs.charge(usage, bound, self._settings)

    def _note(self, number: int, status: Status, charge: Charge) -> None:
        with suppress(LabelError):  # the note from before it was sent stays, and counts as the most it can have cost
            self._ledger.settle(number, status, charge)


def _client(settings: LlmSettings) -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        api_key=settings.key.get_secret_value() if settings.key else _NO_KEY,
        base_url=settings.base_url,
        timeout=settings.timeout_seconds,
        max_retries=0,
    )


def _repair(first: Unusable) -> list[Message]:
    """The turn that shows the model its answer, and says what is wrong with it."""
    demand = f"That cannot be used. {first} Answer again: JSON in the form that was asked for, and nothing else."
    return [{"role": "assistant", "content": first.content[:CONTENT_SHOWN]}, {"role": "user", "content": demand}]


def _was_sent(error: BaseException) -> bool:
    return type(error.__cause__).__name__ not in _NOT_SENT
