"""A stand-in for the engine: speaks engine.protocol over stdin and stdout and makes its answers up.

Run as a program. MONOSCOPE_FAKE holds words: `no-lists`, `label-fails`, `label-refused`, `slow-label`, `model` (a
language model would be asked), `opening` (has sentences on the run), `deaf` (ignores the end of its input). For every
METHOD there are `slow-METHOD` (a fifth of a second), `hang-on-METHOD`, `die-on-METHOD` and `refuse-METHOD`; for `rank`,
dying and hanging need edits. MONOSCOPE_FAKE_TITLE stands in the place of all titles, concepts and names in the answers
about neurons and pages.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from engine.protocol import Message, read_message, write_message
from tests.workbench.fake_answers import MADE, NoSuchName

WORDS = set(os.environ.get("MONOSCOPE_FAKE", "").split())
TITLE = os.environ.get("MONOSCOPE_FAKE_TITLE")
SLOW_SECONDS, HANG_SECONDS = 0.2, 60.0
USERS = [str(number) for number in range(1, 41)]
K = 30
LONG = ("neuron", "page", "cohort", "curve")
"""Methods that can be cancelled while others are answered."""
GIVEN_UP: set[int] = set()
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


def placed(item: str, first: int, moved: int) -> dict[str, Any]:
    """Films stand in the order of their numbers, from the user's first one on."""
    before = 1 + (int(item) - first) % 5000
    return {"item_id": item, "title": f"Film {item}", "before": before, "after": max(1, before - moved)}


def rank(params: dict[str, Any]) -> dict[str, Any]:
    """The list moves down by one place for every half unit of every edit; `off` is worth six places."""
    edits = [edit for edit in params["edits"] if "goal" not in edit]
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
        "places": [placed(item, first, moved) for edit in edits if edit.get("side") == "items" for item in edit["ids"]],
        "candidates": 5000,
        "rbo": 1 - moved / 100,
        "tau": 1 - moved / 50,
        "kept": K - moved,
        "reconstruction": {"rbo": 0.82, "kept": 25},
        "shares": [{"concept": "Horror", "before": 0.13, "after": 0.0}] if moved else [],
    }  # fmt: skip


def label(number: int, params: dict[str, Any]) -> None:
    answer(number, progress={"done": 0, "total": 1, "text": "asking"})
    if "slow-label" in WORDS:
        time.sleep(HANG_SECONDS)
    if "label-refused" in WORDS:
        return answer(number, error={"message": "No key: set OPENAI_API_KEY."})
    return answer(number, result={"actions": [made_label(neuron) for neuron in params["neurons"]]})


def label_plan(params: dict[str, Any]) -> dict[str, Any]:
    """What a model would be asked, if there is one: three requests a neuron at a cent in all."""
    count = len(params["neurons"])
    told = {"model": "made-up", "base_url": "http://127.0.0.1:9/v1", "neurons": count, "requests": 3 * count,
            "cached": 0, "items": 60 * count, "fields": ["title", "year", "concepts"], "usd": 0.01,
            "max_cost": 0.02}  # fmt: skip
    return {"asks": True, "why": None, **told} if "model" in WORDS else {"asks": False, "why": None}


def made_label(neuron: int) -> dict[str, Any]:
    made = {"action": "label", "neuron": neuron, "text": f"Label of {neuron}", "state": "llm", "concept": None,
            "model": "m", "note": "why"}  # fmt: skip
    failed = {"text": None, "state": "failed", "note": "the server answered 500"}
    return {**made, **failed} if "label-fails" in WORDS else made


def user(number: int, params: dict[str, Any]) -> None:
    """Every third user is young; any other condition makes no sense."""
    where = params.get("where", "")
    if where not in ("", "young", "age < 25"):
        return answer(number, error={"message": f"The condition {where!r} makes no sense."})
    if params.get("user", USERS[0]) not in USERS:
        return answer(
            number, error={"message": f"There is no user {params['user']!r}; this run has 40 users, 1 to 40."}
        )
    users = USERS[2::3] if where else USERS
    after = [at for at, user in enumerate(users) if int(user) >= int(params.get("user", 0))]
    between = params["step"] > 0 and params["user"] not in users
    at = ((after[0] if after else 0) + params["step"] - between) % len(users)
    return answer(number, result={"user": users[at], "where": where, "place": at + 1, "of": len(users)})


def refused(who: str) -> dict[str, Any]:
    return {"user_id": who, "error": f"There is no user {who!r}; this run has 40 users, 1 to 40."}


def ranks(params: dict[str, Any]) -> dict[str, Any]:
    return {"ranks": [rank({**params, "user": one}) if one in USERS else refused(one) for one in params["users"]]}


def load(params: dict[str, Any]) -> dict[str, Any]:
    lists = "no-lists" not in WORDS
    missing = None if lists else "No catalogue of demo here: `monoscope datasets fetch demo`."
    return {"run": params["run"], "dataset": "demo", "users": 40, "first_user": "1", "lists": lists,
            "missing": missing}  # fmt: skip


def retitled(told: Any, title: str) -> Any:
    """`told` with every title, concept and name replaced."""
    if isinstance(told, dict):
        named = ("title", "concept", "name", "item")
        return {
            key: title if key in named and isinstance(value, str) else retitled(value, title)
            for key, value in told.items()
        }
    return [retitled(one, title) for one in told] if isinstance(told, list) else told


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "hello": lambda _: {"protocol": 1, "version": "0.1.0", "pid": os.getpid()},
    "load": load,
    "label_plan": label_plan,
    "rank": rank,
    "ranks": ranks,
    "measure": lambda _: {"sentences": ["It is made up.", "So is this."] if "opening" in WORDS else []},
    "cancel": lambda _: {"cancelled": True},
    **MADE,
}


def hang(number: int) -> None:
    """Work until it is cancelled."""
    while number not in GIVEN_UP:
        time.sleep(0.01)
    answer(number, error={"message": "cancelled"})


def misbehave(method: str, params: dict[str, Any]) -> None:
    edited = method != "rank" or bool(params["edits"])
    if f"die-on-{method}" in WORDS and edited:
        os._exit(3)
    if f"hang-on-{method}" in WORDS and edited:
        time.sleep(HANG_SECONDS)
    if f"slow-{method}" in WORDS and method != "label":
        time.sleep(SLOW_SECONDS)


def serve() -> None:
    while (message := read_message(sys.stdin.buffer)) is not None:
        number, method, params = message.body["id"], message.body["method"], message.body["params"]
        if method == "cancel":
            GIVEN_UP.add(params["id"])
        if f"hang-on-{method}" in WORDS and method in LONG:
            threading.Thread(target=hang, args=(number,), daemon=True).start()
            continue
        misbehave(method, params)
        if f"refuse-{method}" in WORDS:
            answer(number, error={"message": f"The made-up engine refuses {method}."})
        elif method == "user":
            user(number, params)
        elif method == "label":
            threading.Thread(target=label, args=(number, params), daemon=True).start()
        elif method in ANSWERS:
            try:
                told = ANSWERS[method](params)
            except NoSuchName as error:
                answer(number, error={"message": str(error)})
                continue
            answer(number, result=told if TITLE is None else retitled(told, TITLE))
        else:
            answer(number, error={"message": f"This made-up engine knows no {method}."})


if __name__ == "__main__":
    serve()
    if "deaf" in WORDS:
        time.sleep(60)
