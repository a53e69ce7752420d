"""Questions to a language model: none lost and none counted twice by a server that fails, and what concurrency brings.

The server is the tests' own, on loopback: what is measured is our side and the waiting, no model.
"""

import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from engine.home import Home
from engine.labels.budget import Budget
from engine.labels.chat import ask_all
from engine.labels.ledger import Ledger
from engine.labels.settings import LlmSettings
from engine.progress import silent
from tests.benchmarks.measuring import row, seconds
from tests.engine.labels.asking import faulty, named, question, settings_for
from tests.engine.labels.chat_server import chat_server

MANY, FEW, AT_ONCE, ROUNDS = 1000, 200, 16, 2
SEED = 5
SERVER_SECONDS = 0.02


def questions(_archive: Path | None, home: Home) -> None:
    """Print what becomes of many questions to a server that fails a fifth of the time, and how long few take."""
    for turn in range(ROUNDS):
        _many(Home(home.root / f"many {turn}"), turn)
    for turn in range(ROUNDS):
        one, several = (_few(Home(home.root / f"few {turn} {count}"), count) for count in (1, AT_ONCE))
        against = f"{one:.2f} s one by one: {one / several:.1f} times as fast"
        row(f"{FEW} questions, {1000 * SERVER_SECONDS:.0f} ms each, {AT_ONCE} at once", f"{several:.2f} s", against, "")


def _many(home: Home, turn: int) -> None:
    with chat_server() as server, Ledger.open(home) as ledger:
        server.choose = lambda body, before: faulty(body, before, seed=SEED)
        asked, chosen = [question(number) for number in range(MANY)], settings_for(server, concurrency=AT_ONCE)
        times: Counter[int] = Counter()
        good = failed = 0

        def ask() -> None:
            nonlocal good, failed
            for position, answer in ask_all(asked, chosen, ledger, f"turn {turn}", Budget(), silent, lambda: False):
                times[position] += 1
                good += answer.value is not None
                failed += answer.value is None

        took = seconds(ask)
        (spent,) = ledger.spent()
        what = f"{MANY} questions, a fifth of the replies bad, {AT_ONCE} at once"
        lost, twice = MANY - len(times), sum(count > 1 for count in times.values())
        figure = f"{good} answered, {lost} lost, {twice} counted twice"
        kept = spent.requests - spent.failed - spent.cut
        why = f"{failed} failed (connection cut, or no JSON twice)"
        row(what, figure, why, f"{took:.1f} s; {kept} good of {spent.requests} requests in the ledger, "
            f"{len(server.requests)} at the server")  # fmt: skip


def _few(home: Home, concurrency: int) -> float:
    """Seconds for a few questions to a server that answers all of them, after a while."""
    with _server() as url, Ledger.open(home) as ledger:
        asked, chosen = [question(number) for number in range(FEW)], LlmSettings("a-model", url)
        chosen = replace(chosen, concurrency=concurrency)
        return seconds(lambda: list(ask_all(asked, chosen, ledger, "few", Budget(), silent, lambda: False)))


@contextmanager
def _server() -> Iterator[str]:
    """A server in a process of its own, so that it takes no time of ours; its base URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(to: Connection) -> None:
    with chat_server() as server:
        server.replies = [replace(named(), after_seconds=SERVER_SECONDS)]
        to.send(server.base_url)
        signal.pause()
