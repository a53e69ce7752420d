"""A chat completions server on loopback that answers, or fails, as a test tells it to."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends: a body (JSON, or text as it stands), after a while, with headers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0


def completion(content: str | None, *, refusal: str | None = None, finish_reason: str = "stop") -> Reply:
    """A reply in the protocol, with `content` as the model's answer."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return Reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "a-model",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        }
    )


def answer(label: str | None, *, coherent: bool = True, reason: str = "They agree.") -> Reply:
    """A reply whose content is an answer in the labeller's schema."""
    return completion(json.dumps({"label": label, "coherent": coherent, "reason": reason}))


def error(status: int, message: str = "because", **headers: str) -> Reply:
    """An error as OpenAI's servers word it; the client need not wait before it tries again."""
    return Reply({"error": {"message": message, "type": "x", "code": None}}, status, {"retry-after-ms": "1", **headers})


class ChatServer(ThreadingHTTPServer):
    """Gives its `replies` in turn, the last one for ever, and keeps every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(
            {"path": self.path, "headers": headers, "raw": raw.decode(), "body": json.loads(raw)}
        )
        replies = self.server.replies
        reply = replies[min(len(self.server.requests), len(replies)) - 1]
        time.sleep(reply.after_seconds)
        body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

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
