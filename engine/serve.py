"""The engine as a process: framed requests on stdin, answers on stdout, nothing else on either.

One worker answers requests in order, but for those that wait for a language model; `cancel` is read
while both work. Starts with numpy alone: the
catalogue's library comes in with `load`, torch not at all.
"""

import argparse
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import engine
from engine.errors import Cancelled, EditError, MonoscopeError
from engine.home import Home
from engine.progress import Progress
from engine.protocol import VERSION, Message, ProtocolError, read_message, write_message

if TYPE_CHECKING:
    from engine.run import Run
    from engine.steering.edits import Step
    from engine.steering.effect import Steering

Params = Mapping[str, Any]
_WAITS_FOR_OTHERS = frozenset({"label"})
"""Methods that wait for another server: each gets a thread of its own, so that ranking goes on."""


class Server:
    """Answers requests about one run at a time, for one peer."""

    def __init__(self, home: Home, output: BinaryIO) -> None:
        self._home = home
        self._output = output
        self._writing = threading.Lock()
        self._waiting: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._pending: set[int] = set()
        self._cancelled: set[int] = set()
        self._run: Run | None = None
        self._steering: Steering | None = None
        self._steps: tuple[str, list[Step]] | None = None
        self._missing: str | None = None
        self._attributes: Mapping[str, list] = {}
        self._methods: dict[str, Callable[[Params, Progress, Callable[[], bool]], dict[str, Any]]] = {
            "hello": self._hello,
            "load": self._load,
            "user": self._user,
            "rank": self._rank,
            "label": self._label,
        }

    def serve(self, requests: BinaryIO) -> None:
        """Read requests until the stream ends; whatever still runs then is given up."""
        threading.Thread(target=self._work, daemon=True).start()
        while (message := read_message(requests)) is not None:
            number = message.body.get("id")
            if not isinstance(number, int):
                raise ProtocolError("a request carries no id")
            if message.body.get("method") == "cancel":
                target = message.body.get("params", {}).get("id")
                known = target in self._pending
                if known:
                    self._cancelled.add(target)
                self._answer(number, result={"cancelled": known})
                continue
            self._pending.add(number)
            if message.body.get("method") in _WAITS_FOR_OTHERS:
                threading.Thread(target=self._handle, args=(message,), daemon=True).start()
            else:
                self._waiting.put(message)

    def _work(self) -> None:
        while (message := self._waiting.get()) is not None:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        number = message.body["id"]
        part: dict[str, Any]
        try:
            part = {"result": self._do(number, message.body)}
        except MonoscopeError as error:
            part = {"error": {"message": str(error)}}
        except (KeyError, TypeError, ValueError) as error:
            part = {"error": {"message": f"The request does not make sense: {error!r}."}}
        self._pending.discard(number)
        self._cancelled.discard(number)
        self._answer(number, **part)

    def _do(self, number: int, body: Mapping[str, Any]) -> dict[str, Any]:
        def cancelled() -> bool:
            return number in self._cancelled

        def progress(share: float, text: str) -> None:
            self._answer(number, progress={"done": share, "total": 1.0, "text": text})

        if cancelled():
            raise Cancelled("cancelled")
        method = self._methods.get(body.get("method", ""))
        if method is None:
            raise MonoscopeError(
                f"The engine knows no method {body.get('method')!r}; it knows {', '.join(self._methods)}."
            )
        return method(body.get("params", {}), progress, cancelled)

    def _answer(self, number: int, **part: Any) -> None:
        with self._writing:
            write_message(self._output, Message({"id": number, **part}))

    def _hello(self, _params: Params, _progress: Progress, _cancelled: Callable[[], bool]) -> dict[str, Any]:
        return {"protocol": VERSION, "version": engine.__version__, "pid": os.getpid()}

    def _load(self, params: Params, _progress: Progress, _cancelled: Callable[[], bool]) -> dict[str, Any]:
        from engine.errors import CatalogueError
        from engine.run import Run

        self._run, self._steering, self._missing, self._attributes, self._steps = None, None, None, {}, None
        run = Run.open(self._home, params["run"])
        try:
            with run.catalogue() as catalogue:
                self._steering = run.steering(catalogue)
                self._attributes = catalogue.users().attributes
        except CatalogueError as error:
            self._missing = f"Neurons open, lists cannot be made: {error}"
        self._run = run
        users, known = run.recommender.users.ids, run.recommender.users.known
        return {
            "run": run.name,
            "dataset": run.manifest["dataset"],
            "users": len(users),
            "first_user": users[int(known.argmax())] if known.any() else None,
            "lists": self._steering is not None,
            "missing": self._missing,
        }

    def _loaded(self) -> "Run":
        if self._run is None:
            raise MonoscopeError("No run is loaded; send `load` first.")
        return self._run

    def _user(self, params: Params, _progress: Progress, _cancelled: Callable[[], bool]) -> dict[str, Any]:
        run = self._loaded()
        users, with_vector = run.recommender.users.ids, run.recommender.users.known.nonzero()[0].tolist()
        place = with_vector.index(run.user_number(str(params["user"])))
        return {"user": users[with_vector[(place + int(params.get("step", 0))) % len(with_vector)]]}

    def _rank(self, params: Params, _progress: Progress, _cancelled: Callable[[], bool]) -> dict[str, Any]:
        number = self._loaded().user_number(str(params["user"]))
        if self._steering is None:
            raise MonoscopeError(self._missing or "This run has no lists here.")
        k = int(params.get("k", 30))
        if k < 1:
            raise EditError(f"A list needs at least one place, not {k}.")
        steps = self._steps_of(self._steering, params.get("edits", []), str(params.get("session") or ""))
        return {
            "user": {
                "user_id": self._steering.recommender.users.ids[number],
                "attributes": {name: column[number] for name, column in self._attributes.items()},
                "history": len(self._steering.candidates.seen[number]),
            },
            **self._steering.rank(number, steps, k),
        }

    def _steps_of(self, steering: "Steering", edits: Sequence[Mapping[str, Any]], session: str) -> "list[Step]":
        """The steps of edits; those of the last request are kept, for finding their rows may take a query each."""
        from engine.steering.kept import steps_of

        asked = json.dumps([session, *edits], sort_keys=True)
        if self._steps is None or self._steps[0] != asked:
            folder = self._home.amounts(session or self._loaded().name)
            self._steps = (asked, steps_of(steering, edits, folder))
        return self._steps[1]

    def _label(self, params: Params, progress: Progress, cancelled: Callable[[], bool]) -> dict[str, Any]:
        """Name and test neurons, by a language model where one is configured; the actions that a session takes."""
        from engine.labels.ledger import Ledger
        from engine.labels.material import Material
        from engine.labels.of_run import Request, label_and_test
        from engine.labels.settings import configured, settings
        from engine.run import Run

        run, model, base_url = Run.open(self._home, params["run"]), params.get("model"), params.get("base_url")
        asks = model or base_url or configured()
        request = Request("llm", "llm", settings(model, base_url)) if asks else Request("metadata", "metadata")
        with Ledger.open(self._home) as ledger:
            arrived = label_and_test(Material.of(run), params["neurons"], request, ledger, progress, cancelled)
            actions = [{"action": action, "neuron": neuron, **data} for neuron, action, data in arrived]
        if cancelled() and not actions:
            raise Cancelled("cancelled")
        return {"actions": actions}


def main(home: Home) -> None:
    """Serve on the process's own stdin and stdout.

    Standard output is kept for frames: whatever a library prints there goes to standard error.
    """
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    Server(home, output).serve(sys.stdin.buffer)
    # A worker may still be inside a library, which an ordinary exit would tear down under it; there is
    # nothing left to save.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path)
    main(Home.find(parser.parse_args().home))
