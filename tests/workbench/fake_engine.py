"""A stand-in for the engine: speaks engine.protocol over stdin and stdout and makes its answers up.

Run as a program. MONOSCOPE_FAKE holds words: `no-lists`, `slow-rank`, `die-on-rank`, `hang-on-rank`, `label-fails`,
`label-refused`, `slow-label`, `deaf` (ignores the end of its input).
"""

import os
import sys
import threading
import time
from typing import Any

from engine.protocol import Message, read_message, write_message
from tests.workbench.fake_answers import MADE

WORDS = set(os.environ.get("MONOSCOPE_FAKE", "").split())
USERS = [str(number) for number in range(1, 41)]
K = 30
LOCK = threading.Lock()


def answer(number: int, **part: Any) -> None:
    with LOCK:
        write_message(sys.stdout.buffer, Message({"id": number, **part}))


def line(rank: int, item: int) -> dict[str, Any]:
    title = "[REC] (2007)" if item == 0 else f"Film {item}"
    return {"rank": rank, "item_id": str(item), "title": title, "affinity": 1 - rank / 100, "concepts": ["Drama"]}


def code(edit: dict[str, Any]) -> dict[str, Any]:
    after = 0.0 if edit["operation"] == "off" else 0.61 + edit["amount"]
    return {"neuron": edit["neuron"], "before": 0.61, "after": after, "outside": not 0 <= after <= 2.5}


def rank(params: dict[str, Any]) -> dict[str, Any]:
    """The list moves down by one place for every half unit of every edit; `off` is worth six places."""
    edits = params["edits"]
    moved = sum(6 if edit["operation"] == "off" else int(2 * abs(edit["amount"])) for edit in edits)
    first = int(params["user"]) % 7
    before = [line(at + 1, first + at) for at in range(K)]
    after = [{**line(at + 1, first + at + moved), "rank_before": at + 1 + moved} for at in range(K)]
    gone = [{"item_id": str(first + at), "title": f"Film {first + at}", "rank_before": at + 1, "rank_after": 31 + at}
            for at in range(moved)]  # fmt: skip
    return {
        "user": {"user_id": params["user"], "attributes": {"gender": "F", "age": "under 18"}, "history": 53},
        "codes": [code(edit) for edit in edits],
        "before": before,
        "after": after,
        "left": gone,
        "rbo": 1 - moved / 100,
        "tau": 1 - moved / 50,
        "kept": K - moved,
        "shares": [{"concept": "Horror", "before": 0.13, "after": 0.0}] if moved else [],
    }  # fmt: skip


def label(number: int, params: dict[str, Any]) -> None:
    neuron = params["neurons"][0]
    answer(number, progress={"done": 0, "total": 1, "text": "asking"})
    if "slow-label" in WORDS:
        time.sleep(60)
    if "label-refused" in WORDS:
        return answer(number, error={"message": "No key: set OPENAI_API_KEY."})
    made = {
        "action": "label",
        "neuron": neuron,
        "text": f"Label of {neuron}",
        "state": "llm",
        "concept": None,
        "model": "m",
        "note": "why",
    }
    if "label-fails" in WORDS:
        made |= {"text": None, "state": "failed", "note": "the server answered 500"}
    return answer(number, result={"actions": [made]})


def user(number: int, params: dict[str, Any]) -> None:
    if params["user"] not in USERS:
        return answer(
            number, error={"message": f"There is no user {params['user']!r}; this run has 40 users, 1 to 40."}
        )
    at = (USERS.index(params["user"]) + params["step"]) % len(USERS)
    return answer(number, result={"user": USERS[at]})


def refused(who: str) -> dict[str, Any]:
    return {"user_id": who, "error": f"There is no user {who!r}; this run has 40 users, 1 to 40."}


def serve() -> None:
    while (message := read_message(sys.stdin.buffer)) is not None:
        number, method, params = message.body["id"], message.body["method"], message.body["params"]
        if method == "hello":
            answer(number, result={"protocol": 1, "version": "0.1.0", "pid": os.getpid()})
        elif method == "load":
            lists = "no-lists" not in WORDS
            missing = None if lists else "No catalogue of demo here: `monoscope datasets fetch demo`."
            answer(number, result={"run": params["run"], "dataset": "demo", "users": 40, "first_user": "1",
                                   "lists": lists, "missing": missing})  # fmt: skip
        elif method == "rank":
            if "die-on-rank" in WORDS and params["edits"]:
                os._exit(3)
            if "hang-on-rank" in WORDS and params["edits"]:
                time.sleep(60)
            if "slow-rank" in WORDS:
                time.sleep(0.2)
            answer(number, result=rank(params))
        elif method == "user":
            user(number, params)
        elif method == "label":
            threading.Thread(target=label, args=(number, params), daemon=True).start()
        elif method == "measure":
            answer(number, result={"sentences": ["It is made up."] if "opening" in WORDS else []})
        elif method == "cancel":
            answer(number, result={"cancelled": True})
        elif method == "ranks":
            known = [rank({**params, "user": one}) if one in USERS else refused(one) for one in params["users"]]
            answer(number, result={"ranks": known})
        elif method in MADE:
            answer(number, result=MADE[method](params))
        else:
            answer(number, error={"message": f"This made-up engine knows no {method}."})


if __name__ == "__main__":
    serve()
    if "deaf" in WORDS:
        time.sleep(60)
