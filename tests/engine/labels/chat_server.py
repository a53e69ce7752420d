"""A chat completions server on loopback that answers, or fails, as a test tells it to."""

import json
import select
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends: a body (JSON, or text as it stands), after a while, with headers.

    `cut`: half of the body, and then the connection is closed. `drip_seconds`: the pause after each byte of the body.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0
    cut: bool = False
    drip_seconds: float = 0.0


def completion(
    content: str | None,
    *,
    refusal: str | None = None,
    finish_reason: str = "stop",
    usage: tuple[int, int] | None = None,
) -> Reply:
    """A reply in the protocol, with `content` as the model's answer, and what it took: tokens sent and answered."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "a-model",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Reply(body)


def answer(label: str | None, *, coherent: bool = True, reason: str = "They agree.") -> Reply:
    """A reply whose content is an answer in the labeller's schema."""
    return completion(json.dumps({"label": label, "coherent": coherent, "reason": reason}))


def error(status: int, message: str = "because", **headers: str) -> Reply:
    """An error as OpenAI's servers word it; the client need not wait before it tries again."""
    return Reply({"error": {"message": message, "type": "x", "code": None}}, status, {"retry-after-ms": "1", **headers})


class ChatServer(ThreadingHTTPServer):
    """Gives its `replies` in turn, the last one for ever, and keeps every request.

    With `choose`, a reply is a function of the request's body and of how often the same body came before, so that it
    does not matter which of several requests comes first. `most` is how many were under way at once at most, and
    `hung_up` how many clients went away before they had their reply.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.choose: Callable[[dict[str, Any], int], Reply] | None = None
        self.requests: list[dict[str, Any]] = []
        self.most = self.hung_up = 0
        self._seen: Counter[bytes] = Counter()
        self._under_way = 0
        self._lock = Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def note(self, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        """Keep a request that has come in, and say what it gets."""
        body = json.loads(raw)
        with self._lock:
            self.requests.append({"path": path, "headers": headers, "raw": raw.decode(), "body": body})
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            before, turn = self._seen[raw], len(self.requests)
            self._seen[raw] += 1
        if self.choose is not None:
            return self.choose(body, before)
        return self.replies[min(turn, len(self.replies)) - 1]

    def done(self, *, hung_up: bool) -> None:
        """A request is over."""
        with self._lock:
            self._under_way -= 1
            self.hung_up += hung_up


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        reply = self.server.note(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
        hung_up = self._left_within(reply.after_seconds)
        self.server.done(hung_up=hung_up)  # before the reply: its reader may be back with another request at once
        if hung_up:
            self.close_connection = True
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if reply.drip_seconds:
            for byte in body:
                if self._left_within(reply.drip_seconds):
                    raise BrokenPipeError
                self.wfile.write(bytes([byte]))
        elif reply.cut:
            self.wfile.write(body[: len(body) // 2])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _left_within(self, seconds: float) -> bool:
        """Wait so long, or until the client goes away; whether it did."""
        return bool(seconds and select.select([self.connection], [], [], seconds)[0])

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has given up on a late reply


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A running server; it is gone when the block ends."""
    with ChatServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
