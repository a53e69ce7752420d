"""Every table of a report, each with its ids, as CSV or Parquet files in a folder with a manifest of their columns."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.home import building
from engine.neurons.standing import READINGS
from engine.neurons.table import CHOICE_DEPTH
from engine.report.columns import COLUMNS, Kind
from engine.report.earlier import check_folder
from engine.report.wording import FIDELITY, METRICS
from engine.run import Run

KIND = "monoscope-tables"
TABLE_FORMATS = ("csv", "parquet")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run as a formula at the start of a text."""
_CARDED = "The neurons that have a card in the page: a hundred at most, those of the session first, then the purest."

Row = Sequence[Any]


@dataclass(frozen=True)
class Table:
    """Rows under named columns; `kinds` has the type and the meaning of every column."""

    name: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Row]
    kinds: Sequence[tuple[Kind, str]]


def write_tables(run: Run, told: Mapping[str, Any], file_format: str, folder: Path) -> list[Path]:
    """Write every table of `told` (see `complete`) as NAME.csv or NAME.parquet, and manifest.json; returns the files.

    The folder is complete or not there; one of an earlier export is replaced. Raises `HomeError` for any other folder
    that is not empty, and where the disk refuses.
    """
    folder = folder.expanduser().resolve()
    check_folder(folder, KIND)
    found, write = tables_of(run, told), {"csv": _csv, "parquet": _parquet}[file_format]
    with building(folder) as beside:
        files = {}
        for table in found:
            content, name = write(table), f"{table.name}.{file_format}"
            (beside / name).write_bytes(content)
            files[name] = {
                "about": table.about,
                "rows": len(table.rows),
                "sha256": hashlib.sha256(content).hexdigest(),
                "columns": [
                    {"name": column, "type": kind, "about": about}
                    for column, (kind, about) in zip(table.columns, table.kinds, strict=True)
                ],
            }
        manifest = {
            "kind": KIND,
            "format": 1,
            "monoscope": engine.__version__,
            **{name: told[name] for name in ("run", "session", "exported", "notices", "edits_problem", "data_problem")},
            "privacy": "No ids of users, no histories, no group of fewer than ten users. An empty cell is unknown.",
            "files": files,
        }
        (beside / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return [folder / "manifest.json", *(folder / name for name in files)]


def tables_of(run: Run, told: Mapping[str, Any]) -> list[Table]:
    """The tables of a report in its order."""
    neurons = told["neurons"]
    own = [name for name in neurons[0] if name in COLUMNS and name != "items"] if neurons else ["neuron"]
    edits = ("number", "what", "how", "whom", "on", "rows", "edit")
    found = [
        _named("neurons", "A row for each neuron.", own, ([_cell(row[name]) for name in own] for row in neurons)),
        _named(
            "top_items",
            "The most active items of each neuron.",
            ["neuron", "rank", "item_id", "title", "activation", "concepts"],
            _within(neurons, "items", ("rank", "item_id", "title", "activation", "concepts")),
        ),
        _named(
            "top_concepts",
            f"The concepts that stand out in the top 20 of a neuron. {_CARDED}",
            ["neuron", "concept", "purity20", "base_rate", "lift"],
            _within(neurons, "top_concepts", ("concept", "purity", "base_rate", "lift")),
        ),
        _named(
            "matrix",
            "Purity@20 of every neuron for every concept; pairs without a cell have 0, or too few active items.",
            ["neuron", "concept", "purity20", "base_rate"],
            _matrix(run),
        ),
        _named("concepts", "Each concept and the neuron that carries it most.", *_concepts(told)),
        _named(
            "histograms",
            f"How active each neuron is on the ranked items. {_CARDED}",
            ["neuron", "low_edge", "high_edge", "count", "zeros"],
            _histograms(neurons),
        ),
        _named(
            "moves_items",
            f"The items that gain and lose most when users' neuron rises by one unit. {_CARDED}",
            ["neuron", "direction", "item_id", "title", "change", "low", "high"],
            _moves(neurons, "", ("item_id", "title", "change", "low", "high")),
        ),
        _named(
            "moves_concepts",
            f"The concepts that gain and lose most. {_CARDED}",
            ["neuron", "direction", "concept", "kind", "mean", "excess"],
            _moves(neurons, "concepts_", ("concept", "kind", "mean", "excess")),
        ),
        _named(
            "segments",
            f"Groups of ten users and more that differ from everyone else. {_CARDED}",
            ["neuron", "column", "value", "users", "active", "difference", "q"],
            _within(neurons, "segments", ("column", "value", "users", "active", "difference", "q")),
        ),
        _named(
            "neighbours",
            f"The neurons that are closest. {_CARDED}",
            ["neuron", "neighbour", "cosine", "jaccard"],
            _within(neurons, "neighbours", ("neuron", "cosine", "jaccard")),
        ),
        _named("labels", "The session's labels and their tests.", *_labels(told)),
        _named("notes", "The session's notes.", ["text", "about", "time"], _picked(told["notes"], "text about time")),
        _named(
            "edits",
            "The session's edits in the order in which they apply.",
            ["edit", *edits[1:-1], "journal"],
            (
                [str(one["number"]), *(one[name] for name in edits[1:-1]), _journal(one["edit"])]
                for one in told["edits"]
            ),
        ),
        _named(
            "effects",
            "What each edit does alone, and all of them together, beside lists without any edit.",
            ["edit", "measured_users", "measure", "subject", "subject_title", "meant", "arm", "figure"],
            _effects(told),
        ),
        _named(
            "quality",
            "The recommender on held-out items.",
            ["measure", "figure", "popularity", "meaning"],
            _quality(told),
        ),
        _named("fidelity", "Original against reconstruction.", ["measure", "figure", "meaning"], _fidelity(told)),
        _named(
            "baselines",
            "The autoencoder beside its baselines: purity in three readings, and fidelity.",
            ["dictionary", "candidates", "reading", "depth", "figure", "low", "high"],
            _baselines(told),
        ),
    ]
    return [*found, *(_of_figure(one) for one in told["figures"] if one["columns"])]


def _named(name: str, about: str, columns: Sequence[str], rows: Iterable[Row]) -> Table:
    return Table(name, about, columns, [list(row) for row in rows], [COLUMNS[column] for column in columns])


def _of_figure(figure: Mapping[str, Any]) -> Table:
    """The numbers of a figure; a column is text where any of its cells is."""
    columns, rows = figure["columns"], figure["rows"]
    kinds: list[tuple[Kind, str]] = []
    for place, column in enumerate(columns):
        text = any(isinstance(row[place], str) for row in rows)
        kinds.append(("text" if text else "number", f"{column}, as the figure has it."))
    return Table(f"figure_{figure['id']}", f"{figure['title']}: {figure['alt']}", columns, rows, kinds)


def _cell(value: Any) -> Any:
    return ";".join(map(str, value)) if isinstance(value, list) else value


def _picked(rows: Iterable[Mapping[str, Any]], names: str) -> Iterable[Row]:
    return ([row[name] for name in names.split()] for row in rows)


def _within(neurons: Iterable[Mapping[str, Any]], part: str, names: Sequence[str]) -> Iterable[Row]:
    return ([one["neuron"], *(_cell(row[name]) for name in names)] for one in neurons for row in one[part] or ())


def _matrix(run: Run) -> Iterable[Row]:
    hits = run.screen.get(f"hits{CHOICE_DEPTH}")
    if hits is None or not run.reach:
        return
    for neuron, counts in enumerate(hits.astype(int).tolist()):
        for count, entry in zip(counts, run.reach, strict=True):
            if count > 0:
                yield [neuron, entry.concept, count / CHOICE_DEPTH, entry.base_rate]


def _concepts(told: Mapping[str, Any]) -> tuple[list[str], Iterable[Row]]:
    names = "concept kind items base_rate neuron purity20 reached"
    return names.split(), _picked(told["concepts"], names)


def _labels(told: Mapping[str, Any]) -> tuple[list[str], Iterable[Row]]:
    names = (
        "neuron state text concept model note time "
        "detection detection_low detection_high intruder held_out held_out_chance "
        "moves_gain moves_implied moves_null_share moves_null_gain"
    )
    return names.split(), _picked(told["labels"], names)


def _histograms(neurons: Iterable[Mapping[str, Any]]) -> Iterable[Row]:
    for one in neurons:
        drawn = one["histogram"]
        if drawn is not None:
            for low, high, count in zip(drawn["edges"], drawn["edges"][1:], drawn["counts"], strict=False):
                yield [one["neuron"], low, high, count, drawn["zeros"]]


def _moves(neurons: Iterable[Mapping[str, Any]], prefix: str, names: Sequence[str]) -> Iterable[Row]:
    for one in neurons:
        for direction, part in (("gain", "gained"), ("lose", "lost")):
            for row in (one["moves"] or {}).get(f"{prefix}{part}", ()):
                yield [one["neuron"], direction, *(row[name] for name in names)]


def _journal(edit: Mapping[str, Any] | None) -> str | None:
    return None if edit is None else json.dumps(edit, ensure_ascii=False, sort_keys=True)


def _effects(told: Mapping[str, Any]) -> Iterable[Row]:
    stacks = [(str(one["number"]), one["effect"]) for one in told["edits"]] + [("together", told["together"])]
    for edit, effect in stacks:
        if effect is not None:
            for measure, subject, title, meant, arm, figure in _measures(effect):
                yield [edit, effect["users"], measure, subject, title, meant, arm, figure]


def _measures(effect: Mapping[str, Any]) -> Iterable[tuple[str, str | None, str | None, bool | None, str, Any]]:
    """Measure, the concept or item that it is about, its title, whether it is meant, the arm, and the outcome."""
    about = effect["collateral"]["about"]
    for arm in ("before", "reconstruction", "after"):
        lists = effect[arm]
        for item in lists["reach"]["edited_items"]:
            for measure in ("users", "median_place"):
                yield measure, item["item_id"], item["title"], True, arm, item[measure]
        for concept, share in lists["concept_shares"].items():
            yield "share", concept, None, concept in about, arm, share
        for measure in ("ndcg10", "novelty", "diversity", "label_entropy"):
            yield measure, None, None, None, arm, lists[measure]
        for measure, figure in lists["exposure"].items():
            yield f"exposure_{measure}", None, None, None, arm, figure
        yield "items_shown", None, None, None, arm, lists["reach"]["items_shown"]
    for measure, figure in effect["collateral"].items():
        if figure is None or isinstance(figure, int | float):
            yield measure, None, None, None, "change", figure


def _quality(told: Mapping[str, Any]) -> Iterable[Row]:
    metrics, popularity = told["recommender"]["metrics"], told["recommender"]["popularity"]
    return ([key, metrics.get(key), popularity.get(key), ": ".join(words)] for key, words in METRICS.items())


def _fidelity(told: Mapping[str, Any]) -> Iterable[Row]:
    return ([key, told["fidelity"].get(key), ": ".join(words)] for key, words in FIDELITY.items())


def _baselines(told: Mapping[str, Any]) -> Iterable[Row]:
    comparison = told["provenance"].get("comparison")
    if not comparison or not comparison["panel"]:
        return
    for row in comparison["rows"]:
        for reading in READINGS:
            for depth, purity in row["purity"][reading].items():
                yield [row["name"], row["candidates"], reading, int(depth), purity, None, None]
        for measure in ("rbo", "l0_items", "l0_users"):
            yield [row["name"], row["candidates"], measure, None, row["fidelity"][measure], None, None]
    random = comparison["random"]
    for reading in READINGS:
        for depth, (mean, low, high) in random["means"][reading].items():
            yield ["random directions", random["candidates"], reading, int(depth), mean, low, high]


def _csv(table: Table) -> bytes:
    """UTF-8; a number with nine digits, unknown as nothing, and a text that a spreadsheet would run behind a '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([_written(value) for value in row])
    return out.getvalue().encode()


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(value, ".9g")
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _parquet(table: Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "count": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    read: Mapping[Kind, Callable[[Any], Any]] = {"text": str, "count": int, "number": float, "flag": bool}
    columns = {}
    for place, (column, (kind, _)) in enumerate(zip(table.columns, table.kinds, strict=True)):
        cells = [None if row[place] is None else read[kind](row[place]) for row in table.rows]
        columns[column] = pa.array(cells, types[kind])
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()
