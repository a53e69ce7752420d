"""Example sessions that ship with the product, made to fit a run.

An example is a journal as `engine.session` writes them, but for two things that differ between trainings: a neuron is
given by the concept that it stands for, {"concept": "Horror"} or "concept:Horror", and a goal has no amounts yet. Its
first line says what it shows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import SessionError
from engine.home import content
from engine.session import Session, sessions

if TYPE_CHECKING:
    from engine.run import Run
    from engine.steering.effect import Steering

LENGTH = 30
"""Of the lists that an example is measured on."""


@dataclass(frozen=True)
class Example:
    """A journal that waits for a run. `run` is the one that it was written for."""

    name: str
    title: str
    run: str
    lines: Sequence[Mapping[str, Any]]

    @property
    def edits(self) -> int:
        """How many edits it has."""
        return sum(line["action"] == "edit" for line in self.lines)


def examples() -> list[Example]:
    """Those that ship, by name."""
    return [_read(path) for path in sorted(content("sessions").glob("*.jsonl"))]


def _read(path: Path) -> Example:
    first, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Example(path.stem, first["title"], first["run"], lines)


def onto(run: "Run", example: Example, name: str) -> None:
    """Write `example` as the session `name` of `run`, which must not exist yet.

    Raises `SessionError` where no neuron of the run stands for one of its concepts, and what steering raises.
    """
    from engine.steering.edits import parsed

    if name in sessions(run.home):
        raise SessionError(f"Session {name} exists already; choose another name, or remove it first.")
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
        actions: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        for line in example.lines:
            told = {key: _fitted(run, value) for key, value in line.items()}
            if told["action"] == "edit":
                told["edit"] = _edit(run, steering, told["edit"], kept, name)
                parsed(told["edit"])
                kept.append(told["edit"])
            actions.append(told)
        if kept:
            last = [told for told in actions if told["action"] == "edit"][-1]
            last["measured"] = _measured(steering, kept, run.home.amounts(name))
    with Session.open(run.home, name, run.name) as session:
        for told in actions:
            session.append(told.pop("action"), **told)


def _fitted(run: "Run", value: Any) -> Any:
    """A value with concepts replaced by the numbers of their neurons."""
    if isinstance(value, str) and value.startswith("concept:"):
        return str(_neuron(run, value.removeprefix("concept:")))
    return value


def _edit(
    run: "Run", steering: "Steering", edit: Mapping[str, Any], below: Sequence[Mapping[str, Any]], name: str
) -> dict[str, Any]:
    from engine.steering.kept import steps_of, written
    from engine.steering.toward import toward

    told = dict(edit)
    if "concept" in told:
        told["neuron"] = _neuron(run, told.pop("concept"))
    if "goal" not in told:
        return told
    folder = run.home.amounts(name)
    assert steering.match is not None
    users = steering.match("users", told["where"])
    users = users[run.recommender.users.known[users]]
    on = steps_of(steering, below, folder)
    found = toward(
        steering, told["goal"], users, neurons_at_most=told.get("neurons_at_most"), below=on, where=told["where"]
    )
    return written(steering, found.step, folder).edit.as_dict()


def _measured(steering: "Steering", edits: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """What all the edits do to those whom the last one is for."""
    from engine.steering.kept import measured, steps_of

    steps, where = steps_of(steering, edits, folder), edits[-1].get("where")
    everyone = np.flatnonzero(steering.recommender.users.known)
    users = everyone if where is None else np.intersect1d(everyone, steps[-1].rows)
    effect = steering.effect(users, steps, LENGTH)
    return measured({"cohort": where, "k": LENGTH, "serve": "change", **effect})


def _neuron(run: "Run", concept: str) -> int:
    """The purest of the neurons that a concept names."""
    named = [neuron for neuron in run.neurons if neuron.named_by == concept]
    if not named:
        raise SessionError(f"No neuron of run {run.name} stands for {concept}, which this example needs.")
    return max(named, key=lambda neuron: neuron.purity20 or 0.0).neuron
