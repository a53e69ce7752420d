"""What the command line prints for people: rich tables and progress bars. Nothing here computes.

Every cell is a `Text`, so that brackets in a title or a label never act as markup.
"""

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from engine.progress import Progress as Report
from engine.text import plain
from workbench.progress_lines import LINES, VARIABLE, minute_lines, progress_lines

PIPE_WIDTH = 140
_drawing: list[Console] = []
"""Consoles on which a progress bar is being drawn."""
NEURON_COLUMNS = [
    "neuron",
    "name",
    "by",
    "concept",
    "p@10",
    "p@20",
    "p@50",
    "base",
    "lift",
    "q",
    "items",
    "users",
    "pop %ile",
    "MS",
    "MSi",
    "match",
    "flags",
]
WIDE_TABLE, WIDE_ALONE = 140, ("by", "p@10", "p@50", "base", "pop %ile", "MS", "MSi", "flags")
"""Columns of the neuron table that a terminal narrower than this has no room for."""


def console() -> Console:
    """The terminal, or a pipe that is given room for whole rows.

    While a progress bar is drawn on the terminal, what prints above it: the bar would be written over else.
    """
    if _drawing and sys.stdout.isatty():
        return _drawing[-1]
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def say(text: str) -> None:
    """Print a sentence, whatever brackets it holds."""
    console().print(Text(plain(text)), soft_wrap=True)


def tell(text: str) -> None:
    """Print a paragraph, broken between words where a terminal ends; whole in a pipe."""
    if not sys.stdout.isatty():
        return say(text)
    # Not rich's own wrapping, which breaks a word that is longer than a line: a path has to stay whole.
    for line in textwrap.wrap(plain(text), console().width, break_long_words=False, break_on_hyphens=False):
        say(line)
    return None


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], numeric: str = "", whole: str = "") -> None:
    """Print a table under its title. Columns in `numeric` (comma-separated) are aligned right; none of theirs breaks.

    Neither does one of those in `whole`, which stay left.
    """
    right, unbroken = ({name.strip() for name in names.split(",")} for names in (numeric, f"{numeric},{whole}"))
    if title:
        console().print(Text(f"\n{plain(title)}", style="bold"))
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in unbroken)
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console().print(table)


def cell(value: Any) -> str:
    """A value as people read it: "–" for unknown, three digits for a share, text without control characters."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return plain(str(value))


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:.1f} MB"


@contextmanager
def progress_bar(what: str) -> Iterator[Report]:
    """A progress bar with the time left on standard error; where that is no terminal, a line each minute.

    With MONOSCOPE_PROGRESS=lines, for programs: each change as {"share": 0.41, "text": "..."} on a line.
    """
    if os.environ.get(VARIABLE) == LINES:
        with progress_lines(what, sys.stderr) as lines:
            yield lines
        return
    if not sys.stderr.isatty():
        with minute_lines(what, sys.stderr) as minutely:
            yield minutely
        return
    # On a narrow terminal it is the words that give way: a second row would stay behind when the bar goes.
    bar = Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=3)),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=Console(stderr=True, highlight=False, markup=False),
        transient=True,
        expand=True,
        redirect_stdout=False,
    )
    with bar, _drawn(bar.console):
        task = bar.add_task(what, total=1.0)

        def report(share: float, text: str) -> None:
            bar.update(task, completed=share, description=f"{what}: {plain(text)}")

        yield report


@contextmanager
def _drawn(bar: Console) -> Iterator[None]:
    _drawing.append(bar)
    try:
        yield
    finally:
        _drawing.remove(bar)


def show_runs(found: Sequence[Mapping[str, Any]]) -> None:
    """The list of runs; one that cannot be opened says why."""
    show(
        "",
        ("name", "data set", "recommender", "neurons", "NDCG@10", "RBO", "created", "note"),
        [
            (
                entry["name"],
                *(entry.get(name) for name in ("dataset", "recommender", "neurons", "ndcg10")),
                entry["fidelity"]["rbo"] if "fidelity" in entry else None,
                entry.get("created"),
                _remark(entry),
            )
            for entry in found
        ],
        "neurons, NDCG@10, RBO",
    )


def _remark(entry: Mapping[str, Any]) -> str:
    untrained = "does not beat popularity" if entry.get("beats_popularity") is False else ""
    return "; ".join(filter(None, [entry.get("problem"), untrained, entry.get("notice")]))


def show_neuron(facts: Mapping[str, Any]) -> None:
    """One neuron's evidence, top items and top users."""
    name, by = name_of(facts)
    say(f"Neuron {facts['neuron']}: {name or 'no name'} ({by})" + (", dead" if facts["dead"] else ""))
    if facts["label_note"]:
        say(f"note: {facts['label_note']}")
    show(
        "",
        ("best concept", "p@10", "p@20", "p@50", "base", "cap@50", "lift", "q", "items", "users"),
        [
            (
                facts["concept"],
                *(facts[name] for name in ("purity10", "purity20", "purity50", "base_rate", "cap50", "lift", "q")),
                percent(facts["density_items"]),
                percent(facts["density_users"]),
            )
        ],
    )
    show(
        "Top items",
        ("rank", "title", "activation", "carries", "id"),
        [
            (item["rank"], item["title"], item["activation"], ", ".join(item["concepts"]), item["item_id"])
            for item in facts["items"]
        ],
        "rank, activation",
    )
    show(
        "Users who activate it most",
        ("rank", "user", "activation"),
        [(user["rank"], user["user_id"], user["activation"]) for user in facts["users"][:5]],
        "rank, activation",
    )


def name_of(row: Mapping[str, Any]) -> tuple[str | None, str]:
    """A neuron's name and who gave it: its label, else the concept that its metadata name it by."""
    if row["label"] and row["label_state"] != "rejected":
        return row["label"], row["label_state"]
    if row["named_by_metadata"]:
        return row["concept"], "metadata" if row["label_state"] == "none" else row["label_state"]
    return None, row["label_state"]


def show_neurons(
    rows: Sequence[Mapping[str, Any]],
    reach: Sequence[Mapping[str, Any]],
    notice: str | None,
    dataset: str = "DATASET",
) -> None:
    """The neuron table, and the concepts that no neuron reaches; where there are no concepts, how to add some."""
    if notice:
        say(f"Note: {notice}.")
    cells = [
        {
            "neuron": row["neuron"],
            "name": name_of(row)[0],
            "by": name_of(row)[1],
            "concept": "dead" if row["dead"] else row["concept"],
            **{f"p@{k}": row[f"purity{k}"] for k in (10, 20, 50)},
            "base": row["base_rate"],
            "lift": row["lift"],
            "q": row["q"],
            "items": percent(row["density_items"]),
            "users": percent(row["density_users"]),
            "pop %ile": row["popularity_percentile"],
            "MS": row["monosemanticity"],
            "MSi": row["monosemanticity_independent"],
            "flags": ", ".join(row["flags"]),
            "match": row.get("match"),
        }
        for row in rows
    ]
    narrow = console().width < WIDE_TABLE
    columns = [name for name in NEURON_COLUMNS if not narrow or name not in WIDE_ALONE]
    if not any("match" in row for row in rows):
        columns.remove("match")
    show("", columns, [[row[name] for name in columns] for row in cells], ", ".join(NEURON_COLUMNS[4:-1]) + ", neuron")
    missing = [entry["concept"] for entry in reach if not entry["reached"] and entry["kind"] in ("genre", "tag", "era")]
    if missing:
        say(f"No neuron reaches: {', '.join(missing)}.")
    if all(entry["kind"] == "popularity" for entry in reach):
        say(
            "This data set has no concepts (genres, tags, years), so neurons have neither names nor purities. Add one "
            f"with `monoscope concepts {dataset} add NAME --where SQL` and train again."
        )
    say(
        ("Wider terminals and --json show more columns. " if narrow else "")
        + "p@K: share of the top K items in the concept. base: share of all ranked items. "
        "q: against 1,000 random directions of the same vectors. items, users: share that fires. –: unknown."
        + ("" if narrow else " MS, MSi: monosemanticity by the recommender's vectors, and by the metadata.")
    )


def show_list(items: Sequence[Mapping[str, Any]], *, ranks: bool) -> None:
    """A ranked list; with `ranks`, where each item stood before."""
    show(
        "",
        ("rank", *(("before", "change") if ranks else ()), "title", "affinity", "id"),
        [
            (
                item["rank"],
                *((item.get("rank_before"), moved(item["rank"], item.get("rank_before"))) if ranks else ()),
                item["title"],
                item["affinity"],
                item["item_id"],
            )
            for item in items
        ],
        "rank, before, affinity",
    )


def moved(rank: int, before: int | None) -> str:
    """A rank change in a glyph and a number: ▲ 3, ▼ 2, =."""
    if before is None:
        return "–"
    if before == rank:
        return "="
    return f"▲ {before - rank}" if before > rank else f"▼ {rank - before}"
