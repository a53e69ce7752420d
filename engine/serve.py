"""The engine as a process: framed requests on stdin, answers on stdout, nothing else on either.

Requests go into lanes, each answered in order by a thread of its own, so that lists do not wait for long work;
`cancel` is read while all of them work. Starts with numpy alone: the catalogue's library comes in with `load`, torch
not at all.
"""

import argparse
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import engine
from engine.answers import Answers, Stop
from engine.errors import Cancelled, MonoscopeError
from engine.home import Home
from engine.params import Params
from engine.progress import Progress
from engine.protocol import VERSION, Message, ProtocolError, read_message, write_message

_LANES = {
    "user": "users",
    "neuron": "pages",
    "pairs": "pages",
    "page": "pages",
    "cohort": "bench",
    "curve": "bench",
    "count": "counts",
}
"""The lane of each method that is not quick; `count` and `user` wait for a process of their own."""
_WAITS_FOR_OTHERS = frozenset({"label", "label_plan"})
"""Methods that wait for another server, or tell what that would take: each gets a thread of its own."""
SWITCH_SECONDS = 0.0005
"""How long a busy thread may keep the interpreter while another wants it: a list is to be there in 50 ms."""


@dataclass(frozen=True)
class _Waiting:
    """A request, and the `load` that came before it, which it must not overtake."""

    message: Message
    loaded: threading.Event


class Server:
    """Answers requests about one run at a time, for one peer."""

    def __init__(self, home: Home, output: BinaryIO) -> None:
        self._output = output
        self._writing = threading.Lock()
        self._lanes: dict[str, queue.SimpleQueue[_Waiting]] = {}
        self._pending: set[int] = set()
        self._cancelled: set[int] = set()
        self._loaded = threading.Event()
        self._loaded.set()
        self._methods = {"hello": self._hello, **Answers(home).methods}

    def serve(self, requests: BinaryIO) -> None:
        """Read requests until the stream ends; whatever still runs then is given up."""
        while (message := read_message(requests)) is not None:
            number = message.body.get("id")
            if not isinstance(number, int):
                raise ProtocolError("a request carries no id")
            if message.body.get("method") == "cancel":
                self._answer(number, result={"cancelled": self._cancel(message.body.get("params"))})
                continue
            self._pending.add(number)
            self._take(message)

    def _cancel(self, params: object) -> bool:
        """Whether there is such a request, which is then given up at its next step."""
        target = params.get("id") if isinstance(params, dict) else None
        known = isinstance(target, int) and target in self._pending
        if known and isinstance(target, int):
            self._cancelled.add(target)
        return known

    def _take(self, message: Message) -> None:
        method = message.body.get("method")
        method = method if isinstance(method, str) else ""
        if method == "load":
            self._loaded = threading.Event()
        waiting = _Waiting(message, self._loaded)
        if method in _WAITS_FOR_OTHERS:
            threading.Thread(target=self._handle, args=(message,), daemon=True).start()
            return
        name = _LANES.get(method, "quick")
        if name not in self._lanes:
            self._lanes[name] = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(name, self._lanes[name]), daemon=True).start()
        self._lanes[name].put(waiting)

    def _work(self, name: str, lane: "queue.SimpleQueue[_Waiting]") -> None:
        while True:
            waiting = lane.get()
            if name != "quick":
                waiting.loaded.wait()
            self._handle(waiting.message)
            if waiting.message.body.get("method") == "load":
                waiting.loaded.set()

    def _handle(self, message: Message) -> None:
        number = message.body["id"]
        part: dict[str, Any]
        try:
            part = {"result": self._do(number, message.body)}
        except MonoscopeError as error:
            part = {"error": {"message": str(error)}}
        except (KeyError, TypeError, ValueError) as error:
            part = {"error": {"message": f"The request does not make sense: {error!r}."}}
        except Exception as error:  # noqa: BLE001  # a worker that died would leave later requests without an answer
            traceback.print_exc()
            part = {"error": {"message": f"The engine could not answer: {error!r}."}}
        self._pending.discard(number)
        self._cancelled.discard(number)
        try:
            self._answer(number, **part)
        except (TypeError, ValueError) as error:  # nothing was written: a frame's header is made before
            traceback.print_exc()
            self._answer(number, error={"message": f"The answer cannot be sent: {error}."})

    def _do(self, number: int, body: Mapping[str, Any]) -> dict[str, Any]:
        def cancelled() -> bool:
            return number in self._cancelled

        def progress(share: float, text: str) -> None:
            self._answer(number, progress={"done": share, "total": 1.0, "text": text})

        if cancelled():
            raise Cancelled("cancelled")
        name, params = body.get("method"), body.get("params", {})
        method = self._methods.get(name) if isinstance(name, str) else None
        if method is None:
            raise MonoscopeError(f"The engine knows no method {name!r}; it knows {', '.join(self._methods)}.")
        if not isinstance(params, dict):
            raise MonoscopeError(f"The request does not make sense: its params must be an object, not {params!r}.")
        return method(params, progress, cancelled)

    def _answer(self, number: int, **part: Any) -> None:
        with self._writing:
            write_message(self._output, Message({"id": number, **part}))

    def _hello(self, _params: Params, _progress: Progress, _cancelled: Stop) -> dict[str, Any]:
        return {"protocol": VERSION, "version": engine.__version__, "pid": os.getpid()}


def main(home: Home) -> None:
    """Serve on the process's own stdin and stdout.

    Standard output is kept for frames: whatever a library prints there goes to standard error.
    """
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.setswitchinterval(SWITCH_SECONDS)
    Server(home, output).serve(sys.stdin.buffer)
    # A worker may still be inside a library, which an ordinary exit would tear down under it; there is
    # nothing left to save.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--home", type=Path)
    main(Home.find(parser.parse_args().home))
