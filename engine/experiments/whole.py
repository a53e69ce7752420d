"""`monoscope reproduce all`: every table and figure of a data set, each kept as soon as it is made.

A part is not made again while its inputs are the same, so an interrupted call loses one part at most. A part that
fails says why, and the others go on.
"""

import hashlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from engine import __version__
from engine.errors import MonoscopeError
from engine.experiments import steering_table
from engine.experiments.pace import Pace, minutes
from engine.experiments.published import published
from engine.experiments.reproduce import MAKERS, Order, reproduce, wanted, write
from engine.experiments.trained import Stock, Wanted, plan, trained
from engine.home import write_whole
from engine.progress import Progress, part, silent

State = Literal["made", "kept", "does not apply", "failed", "being made", "not yet"]
UNDONE: tuple[State, ...] = ("being made", "not yet")
"""States of a part that is still to come."""
SECONDS = {
    "figure2": (8, 10),
    "figure3": (6, 8),
    "figure5": (30, 120),
    "interventions": (35, 240),
    "table1": (40, 60),
    "figure4": (150, 900),
    "matryoshka": (20, 30),
}
"""What a part takes for one model (MF, NCF) and one seed where its runs are there; used where none was measured."""
A_SEED = ("table1", "figure4")
"""Parts whose own work grows with the seeds."""


@dataclass(frozen=True)
class Part:
    """What became of one table or figure; `reason` says why nothing did."""

    name: str
    state: State
    reason: str | None = None

    @property
    def here(self) -> bool:
        """Whether its files are there."""
        return self.state in ("made", "kept")


Told = Callable[[Part, Sequence[Part]], None]


@dataclass(frozen=True)
class Kept:
    """A part as it lies in the folder."""

    name: str
    facts: Mapping[str, Any]
    markdown: str
    pictures: Sequence[tuple[str, str]]
    """Names of its SVG files (without .svg), with what each shows in words."""

    @classmethod
    def read(cls, folder: Path, name: str) -> "Kept":
        """What `record` and `write` left."""
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        stored = json.loads(_record(folder, name).read_text(encoding="utf-8"))
        markdown = (folder / f"{name}.md").read_text(encoding="utf-8")
        return cls(name, facts, markdown, [(one, alt) for one, alt in stored["pictures"]])


@dataclass(frozen=True)
class Step:
    """A part before it is made: what it trains that no part before it does, and how long all that takes."""

    name: str
    state: Literal["to make", "kept", "does not apply"]
    reason: str | None = None
    training: float = 0.0
    own: float = 0.0
    missing: Sequence[Wanted] = ()
    kinds: Sequence[str] = ()
    """Of the trainings, as their pace is remembered."""

    @property
    def seconds(self) -> float:
        """Training and the part's own work."""
        return self.training + self.own


def steps(order: Order, folder: Path) -> list[Step]:
    """Every part in the order in which it is made: what costs least first, given what was trained by then.

    Raises `CatalogueError` for a data set that the paper says nothing of.
    """
    published().domain(order.dataset)
    stock, done, open_parts = Stock.read(order.home, order.dataset), [], []
    for name in MAKERS:
        why = inapplicable(order, name, stock)
        if why is not None:
            done.append(Step(name, "does not apply", why))
        elif is_kept(order, name, folder, stock):
            done.append(Step(name, "kept"))
        else:
            open_parts.append(name)
    made: list[Step] = []
    trained_by_then: list[Wanted] = []
    while open_parts:
        found = [_step(order, name, trained_by_then, stock) for name in open_parts]
        cheapest = min(found, key=lambda one: one.seconds)
        made.append(cheapest)
        trained_by_then += cheapest.missing
        open_parts.remove(cheapest.name)
    return [*done, *made]


def _step(order: Order, name: str, trained_by_then: Sequence[Wanted], stock: Stock) -> Step:
    # Planned together, so that a recommender which an earlier part trains is not counted again.
    planned = plan(order.home, order.dataset, [*trained_by_then, *wanted(order, name)], stock)
    missing = [one for one in dict.fromkeys(planned.missing) if one not in trained_by_then]
    pace = planned.pace
    training = sum(pace.expected(*planned.guesses[one]) for one in missing)
    kinds = [planned.guesses[one][0] for one in missing]
    return Step(name, "to make", None, training, pace.expected(*own_work(order, name)), missing, kinds)


def own_work(order: Order, name: str) -> tuple[str, float]:
    """The kind of work, as its pace is remembered, and a guess at its seconds once all runs are there."""
    if name == "steering":
        guess = steering_table.seconds(order.dataset, order.models, len(order.seeds))
    else:
        factor = len(order.seeds) if name in A_SEED else 1
        guess = float(sum(SECONDS[name][model == "ncf"] for model in order.models) * factor)
    return f"{order.dataset}, {'+'.join(order.models)}, {name}", guess


def inapplicable(order: Order, name: str, stock: Stock) -> str | None:
    """Why a data set cannot have this table or figure, in a sentence; None where it can."""
    if name == "figure5" and published().domain(order.dataset) != "music":
        return "It promotes an artist, and this data set has films; the part interventions has those of films."
    if name == "figure3" and not stock.years:
        return f"It is about decades, and {order.dataset} has no years."
    return None


def stated(order: Order, planned: Sequence[Step], folder: Path) -> list[str]:
    """What is going to happen, and about how long it takes, in sentences."""
    to_make = [one for one in planned if one.state == "to make"]
    kept = [one.name for one in planned if one.state == "kept"]
    said = [f"{one.name}: left out. {one.reason}" for one in planned if one.state == "does not apply"]
    if kept:
        said.append(f"Kept in {folder}, inputs unchanged: {', '.join(kept)}.")
    if not to_make:
        return [*said, "Nothing has to be made; the document is written anew."]
    missing = [wanted for one in to_make for wanted in one.missing]
    recommenders = {wanted.base for wanted in missing}
    runs = f"{len(missing)} run{'s' if len(missing) != 1 else ''} of {len(recommenders)} recommenders to train"
    said += [f"{one.name}: about {minutes(one.seconds)}{_trains(one)}." for one in to_make]
    kinds = [own_work(order, one.name)[0] for one in to_make] + [kind for one in to_make for kind in one.kinds]
    pace = Pace.of(order.home)
    known = any(pace.measured(kind) for kind in kinds)
    guessed = "guessed for two cores that do nothing else"
    source = "by what such work took here before, where it was measured" if known else guessed
    said.append(
        f"{len(to_make)} parts, {runs if missing else 'all runs are here'}, about "
        f"{minutes(sum(one.seconds for one in to_make))} in all ({source}). Interrupted, the same command goes on; one "
        "part at most is lost."
    )
    return said


def _trains(step: Step) -> str:
    count = len(step.missing)
    return f", of which {minutes(step.training)} to train {count} run{'s' if count > 1 else ''}" if count else ""


def make_all(
    order: Order,
    planned: Sequence[Step],
    folder: Path,
    progress: Progress = silent,
    told: Told = lambda _part, _parts: None,
) -> list[Part]:
    """Make what is missing, part by part, in `MAKERS`' order of the result.

    `told` hears of each part as it begins and as it ends or is interrupted, with all parts as they are by then.
    """
    whole, done = sum(one.seconds for one in planned) or 1.0, 0.0
    found = {step.name: _before(step) for step in planned}

    def tell(changed: Part) -> None:
        found[changed.name] = changed
        told(changed, [found[name] for name in MAKERS])

    for step in planned:
        own = part(progress, done / whole, min(1.0, (done + step.seconds) / whole), step.name)
        done += step.seconds
        if step.state != "to make":
            continue
        tell(Part(step.name, "being made", _takes(step)))
        try:
            tell(_made(order, step, folder, own))
        except KeyboardInterrupt:
            tell(Part(step.name, "not yet", f"It was interrupted. {_takes(step)}"))
            raise
    return [found[name] for name in MAKERS]


def _before(step: Step) -> Part:
    """A part before anything is made."""
    if step.state == "to make":
        return Part(step.name, "not yet", _takes(step))
    return Part(step.name, step.state, step.reason)


def _takes(step: Step) -> str:
    return f"It takes about {minutes(step.seconds)}."


def _made(order: Order, step: Step, folder: Path, progress: Progress) -> Part:
    trouble = folder / f"{step.name}.error.txt"
    try:
        share = step.training / (step.seconds or 1.0)
        for number, one in enumerate(step.missing):
            start, end = share * number / len(step.missing), share * (number + 1) / len(step.missing)
            trained(order.home, order.dataset, one, part(progress, start, end, one.name(order.dataset)))
        kind, guess = own_work(order, step.name)
        with Pace.of(order.home).timing(kind, guess):
            make(order, step.name, folder, part(progress, share, 1, "measuring"))
    except MonoscopeError as error:
        return Part(step.name, "failed", str(error))
    except Exception as error:  # noqa: BLE001  # one broken part must not cost the hours of the others; it is kept
        write_whole(trouble, traceback.format_exc())
        return Part(step.name, "failed", f"{type(error).__name__}: {error} (the traceback is in {trouble}).")
    trouble.unlink(missing_ok=True)
    return Part(step.name, "made")


def make(order: Order, name: str, folder: Path, progress: Progress = silent) -> list[Path]:
    """Make one part, write its files, and remember what they were made of; returns what was written for people."""
    before = key(order, name, Stock.read(order.home, order.dataset))
    result = reproduce(order, name, progress)
    earlier = json.loads(_record(folder, name).read_text(encoding="utf-8")) if _record(folder, name).is_file() else {}
    written = write(result, folder)
    for gone in set(earlier.get("files", ())) - {path.name for path in written}:
        (folder / gone).unlink(missing_ok=True)  # of a case that is not told of any more, say
    stored = {
        "key": before,
        "files": {path.name: _sha256(path) for path in written},
        "pictures": [(drawn.name, drawn.alt) for drawn in result.pictures],
    }
    write_whole(_record(folder, name), json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    return written


def is_kept(order: Order, name: str, folder: Path, stock: Stock) -> bool:
    """Whether the part lies in the folder, whole, and was made of the same inputs."""
    path = _record(folder, name)
    if not path.is_file():
        return False
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["key"] == key(order, name, stock) and all(
        (folder / file).is_file() and _sha256(folder / file) == sha256 for file, sha256 in stored["files"].items()
    )


def key(order: Order, name: str, stock: Stock) -> str:
    """A hash of everything that decides a part: the data, models, seeds, recipes, published figures and the version."""
    of_code = hashlib.sha256()
    for path in _sources():
        of_code.update(path.read_bytes())
    inputs = [stock.hash, name, order.dataset, *order.models, *order.seeds, __version__, of_code.hexdigest()]
    if order.with_users:
        inputs.append("with users")
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _sources() -> Iterator[Path]:
    """Recipes, published figures, and the code that makes the parts; this file decides none of them."""
    engine = Path(str(files("engine")))
    yield from sorted((engine / "presets").glob("*.toml"))
    yield engine / "experiments" / "published.toml"
    names = (
        *("reproduce", "table1", "ablation", "protocol", "interventions", "doses", "matryoshka", "steering_table"),
        *("figures", "frontier", "dose_response", "tables"),
    )
    yield from (engine / "experiments" / f"{name}.py" for name in names)


def _record(folder: Path, name: str) -> Path:
    return folder / "kept" / f"{name}.json"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
