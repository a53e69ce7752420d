"""What the engine answers to each request: plain JSON about the run that was loaded last.

A method takes its parameters, a progress, and whether the request was cancelled. Methods of different lanes run at
the same time (see `engine.serve`): what they share is read, or kept behind a lock of its own.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine import params as read
from engine.errors import Cancelled, EditError, MonoscopeError
from engine.home import Home
from engine.params import Params
from engine.progress import Progress

if TYPE_CHECKING:
    from engine.actions import Label
    from engine.labels.of_run import By
    from engine.opened import Opened

Stop = Callable[[], bool]
Method = Callable[[Params, Progress, Stop], dict[str, Any]]
USERS_AT_ONCE, LONGEST, STEPS_AT_MOST, IDS_SHOWN, PAIRED_AT_ONCE = 8, 1000, 65, 5, 8
PAGES = ("item", "user", "concept")


class Answers:
    """Answers about one run at a time; `methods` are their names."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._now: Opened | None = None
        self.methods: dict[str, Method] = {
            "load": self._load,
            "user": self._user,
            "rank": self._rank,
            "ranks": self._ranks,
            "find": self._find,
            "count": self._count,
            "measure": self._measure,
            "neuron": self._neuron,
            "pairs": self._pairs,
            "page": self._page,
            "cohort": self._cohort,
            "curve": self._curve,
            "label": self._label,
            "label_plan": self._label_plan,
        }

    def _load(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        from engine.opened import Opened

        self._now = None
        opened = Opened.open(self._home, read.text(params, "run"))
        self._now = opened
        run = opened.run
        users, known = run.recommender.users.ids, run.recommender.users.known
        return {
            "run": run.name,
            "dataset": run.manifest["dataset"],
            "users": len(users),
            "first_user": users[int(known.argmax())] if known.any() else None,
            "lists": opened.lists is not None,
            "missing": opened.missing,
        }

    def _opened(self) -> "Opened":
        if self._now is None:
            raise MonoscopeError("No run is loaded; send `load` first.")
        return self._now

    def _user(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        opened, step = self._opened(), read.whole(params, "step", 0, -LONGEST_NUMBER, LONGEST_NUMBER)
        user, where = read.optional(params, "user"), read.text(params, "where", "").strip()
        number, place, of = opened.stepped(user, step, where)
        ids = opened.run.recommender.users.ids
        return {"user": ids[number], "where": where, "place": place, "of": of}

    def _rank(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        opened, user, k = self._opened(), read.text(params, "user"), _length(params)
        opened.run.user_number(user)
        return opened.rank(user, opened.steps(read.edits(params), _session(params)), k)

    def _ranks(self, params: Params, _progress: Progress, stop: Stop) -> dict[str, Any]:
        opened, users, k = self._opened(), read.texts(params, "users", USERS_AT_ONCE), _length(params)
        steps = opened.steps(read.edits(params), _session(params))
        found = []
        for user in users:
            _unless(stop)
            try:
                found.append(opened.rank(user, steps, k))
            except MonoscopeError as error:
                found.append({"user_id": user, "error": str(error)})
        return {"ranks": found}

    def _find(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        from engine.find import KINDS, VALUES

        kind, text = read.one_of(params, "kind", KINDS), read.text(params, "text", "")
        column = read.text(params, "column") if kind in VALUES else ""
        found, total = self._opened().found(kind, text, read.whole(params, "limit", 20, 1, LONGEST), column)
        return {"kind": kind, "text": text, "total": total, "found": found}

    def _count(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        opened, side = self._opened(), read.one_of(params, "side", ("users", "items"))
        where = read.text(params, "where")
        tower = opened.run.recommender.users if side == "users" else opened.run.recommender.items
        numbers = opened.matching("users" if side == "users" else "items", where)
        return {
            "side": side,
            "where": where,
            "count": len(numbers),
            "of": len(tower.ids),
            "ids": [tower.ids[number] for number in numbers[:IDS_SHOWN]],
        }

    def _measure(self, _params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        from engine import opening

        run = self._opened().run
        return {"run": run.name, "sentences": opening.sentences(run), "figures": opening.figures(run)}

    def _neuron(self, params: Params, progress: Progress, stop: Stop) -> dict[str, Any]:
        number = read.whole(params, "neuron", None, -LONGEST_NUMBER, LONGEST_NUMBER)
        k, opened = read.whole(params, "k", 50, 1, LONGEST), self._opened()
        opened.run.neuron(number)
        progress(0.0, f"what neuron {number} moves")
        inspector = opened.inspector()
        _unless(stop)
        return inspector.whole_neuron(number, k)

    def _pairs(self, params: Params, _progress: Progress, stop: Stop) -> dict[str, Any]:
        numbers, opened = read.wholes(params, "neurons", PAIRED_AT_ONCE), self._opened()
        for number in numbers:
            opened.run.neuron(number)
        inspector = opened.inspector()
        _unless(stop)
        return {"pairs": inspector.pairs(numbers)}

    def _page(self, params: Params, _progress: Progress, stop: Stop) -> dict[str, Any]:
        from engine.inspector import item_number

        kind, name, labels = read.one_of(params, "kind", PAGES), read.text(params, "name"), read.labels(params)
        opened = self._opened()
        inspector = opened.inspector()
        _unless(stop)
        if kind == "item":
            return inspector.item(item_number(opened.run, name), labels)
        if kind == "user":
            return inspector.user(opened.run.user_number(name), labels)
        return inspector.concept(name, CONCEPT_NEURONS)

    def _cohort(self, params: Params, progress: Progress, stop: Stop) -> dict[str, Any]:
        from engine.steering.kept import measured

        opened, where, k = self._opened(), read.text(params, "where", ""), _length(params)
        by, bench = read.optional(params, "by"), opened.bench()
        steps = opened.steps(read.edits(params), _session(params))
        users = opened.users(where)
        tell, tick = _watched(progress, stop)
        told = bench.effect(users, steps, k, by, tell, tick)
        whole = {"cohort": where if where.strip() else EVERYONE, "k": k, "serve": "change", **told}
        return {
            "run": opened.run.name,
            "where": where,
            "users": len(users),
            "k": k,
            "measured": measured(whole),
            **told,
        }

    def _curve(self, params: Params, progress: Progress, stop: Stop) -> dict[str, Any]:
        from engine.inspector import item_number
        from engine.steering.bench import Asked, others
        from engine.steering.edits import Edit

        opened, k = self._opened(), _length(params)
        number = read.whole(params, "neuron", None, -LONGEST_NUMBER, LONGEST_NUMBER)
        neuron, bench = opened.run.neuron(number), opened.bench()
        user, where = read.optional(params, "user"), read.text(params, "where", "")
        whom: dict[str, Any] = {"ids": (user,)} if user is not None else {"where": where} if where.strip() else {}
        operation = read.text(params, "operation", "add")
        edit = Edit.parse({"neuron": number, "operation": operation, "amount": 0.0, **whom})
        named = read.optional(params, "item")
        item = None if named is None else item_number(opened.run, named)
        steps = read.whole(params, "steps", 17, 2, STEPS_AT_MOST)
        low, high, concept = read.number(params, "low"), read.number(params, "high"), read.optional(params, "concept")
        users = opened.users(where) if user is None else opened.only(user)
        stack, own = opened.steps(read.edits(params), _session(params)), opened.steps([edit.as_dict()], "")
        below, current = others(stack, own[0])
        most = None if params.get("users_at_most") is None else read.whole(params, "users_at_most", None, 1, 10**9)
        measured = opened.sample(users, most)
        asked = Asked(own[0], low, high, steps, concept, item, current)
        told = bench.curve(measured, below, k, asked, *_watched(progress, stop))
        return {
            "run": opened.run.name,
            "neuron": number,
            "operation": edit.operation,
            "unit": "times" if edit.operation == "scale" else "p99",
            "user": user,
            "where": where if user is None else None,
            "users": len(measured),
            "of": len(users),
            "k": k,
            "item": None if item is None else opened.item(item),
            "observed": {"most": neuron.max_users, "p99": neuron.p99_users},
            "current": current,
            **told,
        }

    def _label_plan(self, params: Params, _progress: Progress, _stop: Stop) -> dict[str, Any]:
        """What `label` would ask a language model, and what that may cost; nothing is sent."""
        from engine.labels.consent import plan, request_of
        from engine.labels.ledger import Ledger
        from engine.run import Run

        request = request_of(read.optional(params, "model"), read.optional(params, "base_url"))
        with Ledger.open(self._home) as ledger:
            run, standing = Run.open(self._home, params["run"]), _standing_labels(params)
            return plan(run, params["neurons"], request, ledger, standing)

    def _label(self, params: Params, progress: Progress, stop: Stop) -> dict[str, Any]:
        """Name and test neurons, by a language model where one is configured; the actions that a session takes."""
        from engine.labels.consent import request_of
        from engine.labels.ledger import Ledger
        from engine.labels.material import Material
        from engine.labels.of_run import label_and_test
        from engine.run import Run

        run, model, base_url = Run.open(self._home, params["run"]), params.get("model"), params.get("base_url")
        by = None if params.get("labeller") is None else read.one_of(params, "labeller", ("llm", "metadata"))
        labeller: By | None = None if by is None else "llm" if by == "llm" else "metadata"
        request = request_of(model, base_url, labeller, read.number(params, "max_cost"))
        with Ledger.open(self._home) as ledger:
            standing = _standing_labels(params)
            arrived = label_and_test(Material.of(run), params["neurons"], request, ledger, progress, stop, standing)
            actions = [{"action": action, "neuron": neuron, **data} for neuron, action, data in arrived]
        if stop() and not actions:
            raise Cancelled("cancelled")
        return {"actions": actions}


CONCEPT_NEURONS = 5
EVERYONE = "true"
"""The condition that every user meets, as a session keeps it."""
SILENT_SECONDS = 5.0
"""After so long without a word a request that still works repeats its last one."""
LONGEST_NUMBER = 10**9


def _standing_labels(params: Params) -> "dict[int, Label]":
    """The labels that stand in the client's session; what an analyst decided on is tested and not named anew."""
    from engine.actions import Label

    given = dict(params.get("labels") or {}).items()
    return {int(neuron): Label(told.get("text"), told["state"], told.get("concept")) for neuron, told in given}


def _session(params: Params) -> str:
    return read.optional(params, "session") or ""


def _length(params: Params) -> int:
    k = params.get("k", 30)
    if isinstance(k, int) and k < 1:
        raise EditError(f"A list needs at least one place, not {k}.")
    return read.whole(params, "k", 30, 1, LONGEST)


def _unless(stop: Stop) -> None:
    if stop():
        raise Cancelled("cancelled")


def _watched(progress: Progress, stop: Stop) -> tuple[Progress, Callable[[], None]]:
    """A progress, and a tick, that end the work of a request which was cancelled.

    Whoever waits takes silence for a hang: a tick says again how far it is, where nothing was said for a while.
    """
    said: tuple[float, str] = (0.0, "")
    at = time.monotonic()

    def tell(share: float, text: str) -> None:
        nonlocal said, at
        _unless(stop)
        said, at = (share, text), time.monotonic()
        progress(share, text)

    def tick() -> None:
        _unless(stop)
        if time.monotonic() - at > SILENT_SECONDS:
            tell(*said)

    return tell, tick
