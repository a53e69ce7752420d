"""All that the HTML report says, as plain data for its template: the facts, and what only a longer look finds."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.dated import exported
from engine.errors import MonoscopeError
from engine.experiments.drawing import vectors_alone
from engine.inspector import Inspector
from engine.labels.evidence import ALIKE
from engine.labels.metadata import NO_CONCEPT
from engine.neurons.profile import SEGMENT_MINIMUM
from engine.neurons.standing import READINGS
from engine.neurons.table import CHOICE_DEPTH
from engine.opening import sentences
from engine.progress import Progress, silent
from engine.report import again
from engine.report.cards import CARDS_AT_MOST, Cards, chosen
from engine.report.doses import Doses, doses
from engine.report.effects import USERS, USERS_OF_AN_ITEM, Effect, K, cohort, effects
from engine.report.facts import named_by, report_facts, told_notes
from engine.report.markdown import escaped
from engine.report.pictures import Figure, figures
from engine.report.summary import edit_sentences
from engine.report.wording import FIDELITY, FLAGS, LIMITS, METRICS, edit_for, edit_words, toml
from engine.run import Run
from engine.session import State
from engine.steering.bench import users_of
from engine.steering.edits import Step
from engine.steering.effect import Steering
from engine.steering.kept import steps_of

MATRIX_CONCEPTS, MATRIX_BAND = 40, 25
"""Concepts of the matrix, and neurons beside each other in it: what a page of paper takes."""
MISSING = 10
"""Concepts without a neuron that the summary names; the table of concepts has all."""
CONTENTS = (
    ("summary", "Summary"),
    ("data", "Data and recommender"),
    ("fidelity", "Fidelity"),
    ("neurons", "Neurons"),
    ("concepts", "Concepts by neurons"),
    ("figures", "Figures"),
    ("edits", "Edits of the session"),
    ("cards", "Neuron by neuron"),
    ("methods", "Methods and limits"),
    ("provenance", "Provenance"),
)


@dataclass(frozen=True)
class About:
    """What is exported beside the run."""

    session: str | None = None
    """None: the run's own."""
    with_users: bool = False
    """Ids of users, and groups of fewer than ten, may leave."""
    warn: Callable[[str], None] = lambda _: None
    """Hears what is amiss with a report that is made all the same."""


@dataclass(frozen=True)
class Measured:
    """What the edits of a session do, and the curves; `problem` says why there is nothing."""

    steps: list[Step]
    alone: list[Effect | None]
    together: Effect | None
    curves: Doses
    groups: list[int]
    """For each step how many users it is for or, switched on, would be; of items, how many items."""
    problem: str | None = None


def document(
    run: Run, state: State, about: About, progress: Progress = silent, *, short: bool = False
) -> dict[str, Any]:
    """Everything that the template shows. What needs the data set is None where it is not here, with the reason.

    A `short` one has no cards and no figures.
    """
    facts = report_facts(run, state, with_users=about.with_users)
    with Inspector.open(run) as inspector:
        numbers = [] if short else chosen(run, state)
        cards = Cards(inspector, about.with_users, {str(edit.get("where")) for edit in state.edits}).all(
            numbers, lambda done, of: progress(0.35 * done / of, f"neuron {done} of {of}")
        )
        progress(0.4, "measuring edits")
        measured = _measured(inspector, state, about)
        with vectors_alone():
            drawn = [] if short else _drawn(inspector, facts, measured, progress)
    progress(1.0, "writing")
    edits = _edits(run, facts, measured, about)
    session, notes = about.session or run.name, told_notes(state, about.with_users)
    told = [edit if one["told"] else None for edit, one in zip(facts["edits"], edits, strict=True)]
    rows = {neuron["neuron"]: neuron for neuron in facts["neurons"]}
    return {
        **facts,
        "about": about,
        "session": session,
        "session_sha256": again.digest([edit or {} for edit in told], state, notes),
        "told_edits": told,
        "exported": exported(),
        "sentences": [*sentences(run), *_missing_concepts(facts)],
        "edit_sentences": edit_sentences(edits, measured.problem, about.with_users),
        "cards": [{**rows[n], **cards[n], "label": state.labels.get(n)} for n in numbers],
        "carded": set(numbers),
        "cards_at_most": CARDS_AT_MOST,
        "chance": run.manifest.get("chance") or {},
        "matrix": _matrix(run, numbers),
        "figures": drawn,
        "edits": edits,
        "together": measured.together,
        "edits_problem": measured.problem,
        "notes": notes,
        "metrics": METRICS,
        "fidelity_words": FIDELITY,
        "flags": FLAGS,
        "limits": LIMITS,
        "minimum": SEGMENT_MINIMUM,
        "missing": inspector.missing,
        "settings": toml(facts["config"]),
        "commands": [
            *again.of_run(run),
            *again.of_session(run, session, state, told, notes, [one["condition"] for one in edits]),
            ("this report", _export(run, session, about, "md" if short else "html")),
        ],
        "contents": CONTENTS,
        "named": sum(neuron.named_by is not None for neuron in run.neurons),
        "renamed": _renamed(run, facts),
        "naming": named_by,
        "readings": READINGS,
        "seeds": [(facts["config"].get(part) or {}).get("seed") for part in ("recommender", "sae")],
        "k": K,
        "effect_users": (USERS, USERS_OF_AN_ITEM),
        "band": MATRIX_BAND,
        "no_concept": NO_CONCEPT,
        "intruder_chance": 1 / (ALIKE + 1),
    }


def _drawn(inspector: Inspector, facts: Mapping[str, Any], measured: Measured, progress: Progress) -> list[Figure]:
    names = {row["neuron"]: row["name"] for row in facts["neurons"]}
    return figures(inspector, names, measured.curves, measured.problem, _counted(progress))


def _counted(progress: Progress) -> Callable[[str], None]:
    drawn: list[str] = []

    def told(name: str) -> None:
        drawn.append(name)
        progress(min(0.5 + 0.08 * len(drawn), 0.99), f"drawing {name}")

    return told


def _measured(inspector: Inspector, state: State, about: About) -> Measured:
    if inspector.joined is None:
        return Measured([], [], None, Doses([]), [], inspector.missing)
    run = inspector.run
    try:
        steering = run.steering(inspector.joined.catalogue)
        steps = steps_of(steering, state.edits, run.home.amounts(about.session or run.name))
        conditions = (*state.cohorts, *[None] * len(steps))
        asked = [cohort(steering, [one], of, about.with_users) for one, of in zip(steps, conditions, strict=False)]
        alone, together = effects(steering, steps, asked, about.with_users)
        groups = [_rows(steering, step) for step in steps]
        curves = doses(steering, steps, asked, about.with_users)
        return Measured(steps, alone, together, curves, groups)
    except MonoscopeError as error:  # edits of another training, or without their amounts: the report says so
        about.warn(f"What the edits do could not be measured: {error}")
        return Measured([], [], None, Doses([]), [], str(error))


def _rows(steering: Steering, step: Step) -> int:
    """How many rows a step is for; one that was solved and waits has none of them read."""
    edit = step.edit
    if edit.on or len(step.rows) or edit.where is None or steering.match is None:
        return len(step.rows) or len(edit.ids or ())
    return len(users_of(steering, edit.where, steering.match))


def _edits(run: Run, facts: Mapping[str, Any], measured: Measured, about: About) -> list[dict[str, Any]]:
    told = []
    for place, edit in enumerate(facts["edits"]):
        effect = measured.alone[place] if place < len(measured.alone) else None
        names = {neuron["neuron"]: neuron["name"] for neuron in facts["neurons"]}
        what, amount = edit_words(edit, names, lambda one: _titles(run, [one]))
        users = edit.get("side", "users") == "users"
        rows = measured.groups[place] if place < len(measured.groups) else None
        small = users and not about.with_users and rows is not None and rows < SEGMENT_MINIMUM
        unseen = users and rows is None and edit.get("where") and not about.with_users
        whom = edit_for(edit)
        if small:
            whom = f"fewer than {SEGMENT_MINIMUM} users"
        elif unseen:
            whom = "users by a condition, which is not told where nobody can count them"
        elif not users and edit.get("ids"):
            whom = _titles(run, edit["ids"])
        told.append(
            {
                "title": f"{_sentence(edit, what, amount)} for {_group(edit, whom, rows)}",
                "what": what,
                "amount": amount,
                "whom": whom,
                "on": edit.get("on", True),
                "small": small,
                "withheld": effect.withheld if effect is not None else None,
                "told": not (small or unseen or (users and edit.get("ids") and not about.with_users)),
                "condition": effect.condition if effect is not None and effect.facts is not None else None,
                "effect": effect,
                "rows": rows,
            }
        )
    return told


def _sentence(edit: Mapping[str, Any], what: str, how: str) -> str:
    return f"{what}{', ' if 'goal' in edit else ': '}{how}"


def _group(edit: Mapping[str, Any], whom: str, rows: int | None) -> str:
    """Whom an edit is for, with how many they are where that is known and may be told."""
    if edit.get("side", "users") != "users" or edit.get("ids") is not None or whom != edit_for(edit) or not rows:
        return whom
    return f"all {rows:,} users" if whom == "all users" else f"{rows:,} users ({edit['where']})"


def _titles(run: Run, ids: list[str]) -> str:
    place = run.recommender.items.place
    titles = [run.texts["title"][place[one]] if one in place else one for one in ids[:3]]
    return ", ".join(titles) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def _renamed(run: Run, facts: Mapping[str, Any]) -> tuple[int, int]:
    """Of the neurons that a concept names, how many of these names the session rejected, and how many it changed."""
    named = [(row, run.neurons[row["neuron"]].named_by) for row in facts["neurons"]]
    told = [row for row, name in named if name is not None and row["name"] != name]
    return sum(row["name"] is None for row in told), sum(row["name"] is not None for row in told)


def _missing_concepts(facts: Mapping[str, Any]) -> list[str]:
    """Those of most items first, and how many more."""
    missing = [one for one in facts["concepts"] if not one["reached"] and one["kind"] in _KINDS]
    names = [one["concept"] for one in sorted(missing, key=lambda one: (-one["items"], one["concept"]))]
    more = f" and {len(names) - MISSING} rarer concepts" if len(names) > MISSING + 1 else ""
    return [f"No neuron stands for {', '.join(names[:MISSING] if more else names)}{more}."] if names else []


_KINDS = ("genre", "tag", "era", "own")


def _matrix(run: Run, numbers: list[int]) -> dict[str, Any] | None:
    """Purity@20 of every neuron with a card for every concept of the panel; None without concepts.

    `purest` is the highest of all neurons, which several may share; None where no neuron reaches the concept.
    """
    hits = run.screen.get(f"hits{CHOICE_DEPTH}")
    if hits is None or not run.reach:
        return None
    column = {entry.concept: number for number, entry in enumerate(run.reach)}
    panel = (run.manifest.get("comparison") or {}).get("panel") or [
        one.concept for one in sorted(run.reach, key=lambda one: (-one.items, one.concept)) if one.kind in _KINDS
    ]
    concepts = [run.reach[column[name]] for name in panel if name in column][:MATRIX_CONCEPTS]
    shown = [n for n in numbers if not run.neurons[n].dead]
    if not concepts or not shown:
        return None
    counts = hits[np.ix_(shown, [column[one.concept] for one in concepts])].astype(int)
    rows = [
        {
            "concept": one.concept,
            "base_rate": one.base_rate,
            "reached": one.reached,
            "neuron": one.neuron,
            "purity": [None if count < 0 else count / CHOICE_DEPTH for count in counts[:, place].tolist()],
            "purest": one.purity20 if one.reached else None,
        }
        for place, one in enumerate(concepts)
    ]
    return {"neurons": shown, "rows": rows, "left_out": len(panel) - len(concepts)}


def _export(run: Run, session: str, about: About, kind: str) -> str:
    users = " --with-users" if about.with_users else ""
    name, session = shlex.quote(run.name), shlex.quote(session)
    return f"monoscope export {name} --session {session} --format {kind} --output report.{kind}{users}"


def figures_of(run: Run, state: State, about: About, progress: Progress = silent) -> list[Figure]:
    """The figures of the report alone."""
    with Inspector.open(run) as inspector:
        progress(0.1, "measuring edits")
        measured = _measured(inspector, state, about)
        return _drawn(inspector, report_facts(run, state, with_users=about.with_users), measured, progress)


def figure_table(run: Run, figure: Figure) -> str:
    """A figure's words and numbers as Markdown."""
    assert figure.picture is not None
    head = f"# {escaped(run.name)}: what the model has learned\n\n## {figure.title}"
    return f"{head}\n\n{figure.meaning}\n\n{escaped(figure.picture.alt)}\n\n{figure.picture.markdown()}"
