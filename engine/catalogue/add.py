"""Any data of a user's as a data set: columns guessed and said, rows checked, a recipe written, a catalogue built.

What is added becomes a recipe of its own in the home (dataset.toml, load.sql, concepts.sql) that reads the files
where they are; `rebuild` builds it again after a change to its SQL.
"""

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalogue.build import Source, build, interruptible, memory_limit
from engine.catalogue.guess import Columns, item_word
from engine.catalogue.own_recipe import Plan, concepts_sql, load_sql, toml
from engine.catalogue.predicate import Config
from engine.catalogue.recipes import Recipe, recipes
from engine.catalogue.survey import Survey
from engine.catalogue.user_files import sha256
from engine.errors import CatalogueError
from engine.home import Home, building, make_folder, write_whole
from engine.progress import Progress, silent
from engine.text import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Added:
    """What was made of a user's files; kept beside the catalogue as added.json."""

    name: str
    guessed: dict[str, dict[str, str]]
    """per file: what is read from which column"""
    notes: list[str]
    """what a user must be told, a sentence each"""
    users: int
    items: int
    interactions: int
    concepts: int
    rows_read: int | None
    """rows of the interactions' file; None after a change of the recipe, when the figures below say nothing more"""
    below_min_rating: int
    below_samples: list[list[str]]
    """a few of them: user id, item id, weight"""
    repeated: int
    """rows that repeat a user and an item; each pair counts once"""
    repeated_samples: list[list[str]]
    """a few such pairs: user id, item id, how often"""


def add(
    home: Home,
    name: str,
    *,
    interactions: Path | None = None,
    items: Path | None = None,
    users: Path | None = None,
    columns: Columns | None = None,
    min_rating: float | None = None,
    allow_missing: bool = False,
    replace: bool = False,
    progress: Progress = silent,
) -> Added:
    """Make the data set `name` of a user's files (CSV, TSV, Parquet, JSON Lines); returns what was made of them.

    `min_rating` keeps the interactions of that weight and more. `allow_missing` accepts interactions whose item or
    user is not in the file of items or users. Raises `CatalogueError`, naming file, row and column, if something does
    not fit; nothing is left then, and an earlier data set of that name stays.
    """
    _check_free(home, name, replace=replace)
    if interactions is None and items is None:
        raise CatalogueError("There is nothing to add: give --interactions, or --items alone.")
    with building(home.dataset(name)) as beside, _surveying(beside) as connection:
        progress(0.0, "looking at the files")
        survey = Survey(connection, columns or Columns(), allow_missing=allow_missing, min_rating=min_rating)
        plan = survey.plan(interactions, items, users)
        word = item_word(survey.guessed.get("interactions", survey.guessed.get("items", {}))["item"])
        _write_recipe(beside, name, plan, word)
        meta = _build(home, name, beside, _part(progress, 0.3))
        return _write_down(beside, meta, survey, plan)


def rebuild(home: Home, name: str, progress: Progress = silent) -> Added:
    """Build the added data set `name` again from its recipe in the home, which its owner may have changed."""
    folder = home.dataset(name)
    before = added(home, name)
    if before is None:
        raise CatalogueError(f"There is no added data set {name!r} to build again; give --interactions or --items.")
    recipe = Recipe.read(folder)
    with building(folder) as beside:
        for file in (recipe.load, recipe.concepts, "dataset.toml"):
            shutil.copyfile(folder / file, beside / file)
        shutil.copytree(folder / "raw", beside / "raw")
        meta = _build(home, name, beside, progress)
        changed = [f"{role}: the file has changed since it was added" for role in _changed(recipe)]
        done = replace_fields(
            before,
            **_counts(meta),
            notes=["built again from its recipe, which may have been changed by hand", *changed],
            rows_read=None,
        )
        return _keep(beside, done)


def add_ids(home: Home, name: str, users: Sequence[str], items: Sequence[str]) -> None:
    """Make a data set of ids alone, without interactions: what there is for vectors that come without data."""
    _check_free(home, name, replace=False)
    with building(home.dataset(name)) as beside:
        raw = make_folder(beside / "raw")
        for kind, ids in (("users", users), ("items", items)):
            with open(raw / f"{kind}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file, quoting=csv.QUOTE_ALL).writerows([[f"{kind[:-1]}_id"], *([key] for key in ids)])
        with _surveying(beside) as connection:
            survey = Survey(connection, Columns(), allow_missing=False, min_rating=None)
            plan = survey.plan(None, raw / "items.csv", raw / "users.csv")
            _write_recipe(beside, name, plan, "item", inside=True)
            _write_down(beside, _build(home, name, beside, silent), survey, plan)


def added(home: Home, name: str) -> Added | None:
    """What was made of the files of the added data set `name`; None for one that was not added."""
    try:
        return Added(**json.loads((home.dataset(name) / "added.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CatalogueError(f"{home.dataset(name) / 'added.json'} is damaged; add the data set again.") from error


def _check_free(home: Home, name: str, *, replace: bool) -> None:
    folder = home.dataset(name)
    if name in recipes():
        raise CatalogueError(f"{name!r} is a data set that monoscope knows; choose another name.")
    if name == "common":
        raise CatalogueError("'common' cannot name a data set; choose another name.")
    if folder.exists() and not replace:
        raise CatalogueError(f"There is a data set {name!r} already; choose another name, or add --replace.")


@contextmanager
def _surveying(beside: Path) -> Iterator["DuckDBPyConnection"]:
    import duckdb

    spill = beside / "survey"
    try:
        config: Config = {"memory_limit": memory_limit(), "temp_directory": str(spill)}
        with interruptible(), duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield connection
    except duckdb.Error as error:
        raise CatalogueError(f"The files cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _write_recipe(beside: Path, name: str, plan: Plan, word: str, *, inside: bool = False) -> None:
    """The three files of the recipe; `inside` says that what it reads lies in the data set's own raw folder."""
    make_folder(beside / "raw")
    load, facts = load_sql(plan), toml(name, plan, word)
    if inside:
        for role, table in plan.files.items():
            load = load.replace(f"getvariable('{role}_file')", f"getvariable('raw') || '{table.path.name}'")
            facts = "".join(line for line in facts.splitlines(True) if not line.startswith(f"{role}_file"))
    write_whole(beside / "dataset.toml", facts)
    write_whole(beside / "load.sql", load)
    write_whole(beside / "concepts.sql", concepts_sql(plan))


def _build(home: Home, name: str, beside: Path, progress: Progress) -> dict[str, Any]:
    """Build what the recipe in `beside` says; returns the catalogue's meta."""
    recipe = Recipe.read(beside).model_copy(update={"name": name})
    meta = build(recipe, beside / "raw", beside / "catalogue.duckdb", Source("added"), progress)
    write_whole(beside / "manifest.json", json.dumps(meta, indent=1, ensure_ascii=False) + "\n")
    if (own := home.dataset(name) / "concepts.jsonl").exists():
        shutil.copyfile(own, beside / own.name)
    return meta


def _counts(meta: dict[str, Any]) -> dict[str, Any]:
    return {table: meta[f"n_{table}"] for table in ("users", "items", "interactions", "concepts")}


def _write_down(beside: Path, meta: dict[str, Any], survey: Survey, plan: Plan) -> Added:
    repeated = survey.rows_read - survey.below_min_rating - meta["n_interactions"]
    notes = list(survey.notes)
    if repeated:
        notes.append(
            f"{counted(repeated, 'row')} repeated a user and an item; each pair counts once, with its largest weight"
        )
    return _keep(
        beside,
        Added(
            name=meta["name"],
            **_counts(meta),
            guessed=survey.guessed,
            notes=notes,
            rows_read=survey.rows_read,
            below_min_rating=survey.below_min_rating,
            below_samples=survey.below_samples,
            repeated=repeated,
            repeated_samples=survey.repeated_samples(plan.rows) if repeated and plan.rows else [],
        ),
    )


def _keep(beside: Path, done: Added) -> Added:
    write_whole(beside / "added.json", json.dumps(asdict(done), indent=1, ensure_ascii=False) + "\n")
    return done


def _changed(recipe: Recipe) -> list[str]:
    """Which files are not those that were added."""
    found = []
    for key, value in recipe.parameters.items():
        role = key.removesuffix("_sha256")
        if role == key or (path := recipe.parameters.get(f"{role}_file")) is None:
            continue
        # The path is kept as DuckDB's pattern, whose escapes are one-letter sets.
        if sha256(Path(re.sub(r"\[(.)\]", r"\1", str(path)))) != value:
            found.append(role)
    return found


def _part(progress: Progress, start: float) -> Progress:
    return lambda share, text: progress(start + share * (1 - start), text)
