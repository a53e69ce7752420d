"""What the screens know: a run's card, its neurons, and a user's two lists.

Pure: no Textual here, and numpy only inside `read_neurons`, which runs after the first paint. Every text that
comes from files or from the engine passes `plain` on its way in.
"""

import json
import math
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import HomeError, RunError
from engine.home import Home
from engine.text import plain

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RunCard:
    """What a run's manifest says of it; `fault` is the reason if it cannot be read.

    `accuracy` holds the recommender's metrics on held-out items, `popularity` those of recommending what is popular.
    """

    name: str
    dataset: str = "?"
    created: str = ""
    notice: str | None = None
    item_word: str = "item"
    recommender: str = "?"
    sae: str = "?"
    neurons: int = 0
    users: int = 0
    items: int = 0
    accuracy: Mapping[str, float] = field(default_factory=dict)
    popularity: Mapping[str, float] = field(default_factory=dict)
    fidelity: Mapping[str, float] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    """What random items would have, by measure."""
    fault: str | None = None


def read_card(home: Home, name: str) -> RunCard:
    """The card of run `name`; never raises for what is on disk: a damaged manifest becomes a `fault`."""
    try:
        path = home.run(name) / "manifest.json"
    except HomeError as error:
        return RunCard(name, fault=str(error))
    try:
        return _card(name, json.loads(path.read_text()))
    except OSError as error:
        return RunCard(name, fault=f"Run {name} cannot be read: {error.strerror} ({path}).")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return RunCard(name, fault=f"Run {name} cannot be read: its manifest is damaged ({error!r}); train it again.")


def _card(name: str, manifest: Mapping[str, Any]) -> RunCard:
    recommender, sae = manifest["recommender"], manifest["sae"]
    notice = manifest.get("notice")
    return RunCard(
        name=name,
        dataset=plain(str(manifest["dataset"])),
        created=plain(str(manifest["created"])),
        notice=plain(str(notice)) if notice else None,
        item_word=plain(str(manifest.get("item_word") or "item")),
        recommender=plain(f"{recommender['kind']} d{recommender['d']}"),
        sae=plain(f"{sae['variant']} m{sae['m']}"),
        neurons=int(sae["m"]),
        users=int(manifest["users"]),
        items=int(manifest["items"]),
        accuracy=_numbers(recommender.get("metrics")),
        popularity=_numbers(recommender.get("popularity")),
        fidelity=_numbers(manifest["fidelity"]),
        chance=_numbers(manifest.get("chance")),
    )


def _numbers(measured: Any) -> dict[str, float]:
    return {key: float(value) for key, value in (measured or {}).items() if isinstance(value, int | float)}


def read_cards(home: Home) -> list[RunCard]:
    """Cards of all runs in the home, newest first; what cannot be read comes last."""
    cards = [read_card(home, path.parent.name) for path in home.runs.glob("[!.]*/manifest.json")]
    cards.sort(key=lambda card: card.name)
    cards.sort(key=lambda card: (card.fault is None, card.created), reverse=True)
    return cards


_FLOATS = (
    *("purity10", "purity20", "purity50", "base_rate", "lift", "q", "density_items", "density_users"),
    *("popularity_percentile", "monosemanticity", "p99_items", "p99_users"),
)


@dataclass(frozen=True)
class TopItem:
    """One of a neuron's strongest items; `match`: it is in the neuron's best concept."""

    rank: int
    title: str
    detail: str
    activation: float
    match: bool


@dataclass(frozen=True, eq=False)
class Neurons:
    """The neuron table of a run: position = row; `number` holds each row's neuron. nan is unknown."""

    number: "np.ndarray"
    dead: "np.ndarray"
    figures: Mapping[str, "np.ndarray"]
    concept: Sequence[str | None]
    concept_kind: Sequence[str | None]
    named: Sequence[bool]
    titles: Sequence[str]
    details: Sequence[str]
    top_item: "np.ndarray"
    top_activation: "np.ndarray"
    top_match: "np.ndarray"
    row_of: Mapping[int, int]
    ids: Sequence[str] = ()
    """Ids of the items, in the order of `titles`."""
    flags: Sequence[Sequence[str]] | None = None
    """Of each neuron; None in the files of earlier runs."""

    def __len__(self) -> int:
        return len(self.row_of)

    def figure(self, row: int, name: str) -> float:
        return float(self.figures[name][row])

    def concept_name(self, row: int) -> str:
        """The best concept; with a question mark where it holds for too few of the top items to be a name."""
        concept = self.concept[row]
        if self.dead[row]:
            return "(dead)"
        if concept is None:
            return "(no concept)"
        return concept if self.named[row] else f"{concept}?"

    def top_items(self, row: int) -> list[TopItem]:
        """Strongest first; fewer than the file holds if the neuron fires on fewer."""
        return [
            TopItem(rank, self.titles[item], self.details[item], float(activation), bool(match))
            for rank, (item, activation, match) in enumerate(
                zip(self.top_item[row], self.top_activation[row], self.top_match[row], strict=True), 1
            )
            if item >= 0
        ]


def read_neurons(home: Home, name: str) -> Neurons:
    """Read screen.npz and titles.json of a run; a `RunError` in one sentence if they do not fit together."""
    import zipfile

    import numpy as np

    folder = home.run(name)
    try:
        with np.load(folder / "screen.npz", allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        texts = json.loads((folder / "titles.json").read_text())
        return _neurons(arrays, texts)
    except OSError as error:
        raise RunError(f"The neurons of run {name} cannot be read: {error.strerror} ({error.filename}).") from error
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise RunError(f"The neurons of run {name} cannot be read ({error}); train the run again.") from error


def _neurons(arrays: Mapping[str, "np.ndarray"], texts: Mapping[str, Any]) -> Neurons:
    number, top = arrays["neuron"], arrays["top_item"]
    concept: list[str | None] = [None if text is None else plain(text) for text in texts["concept"]]
    kind: list[str | None] = [None if text is None else plain(text) for text in texts["concept_kind"]]
    titles = [plain(text) or "(untitled)" for text in texts["title"]]
    figures = {key: arrays[key] for key in _FLOATS}
    columns: list[Sized] = [
        number,
        arrays["dead"],
        concept,
        kind,
        arrays["top_activation"],
        arrays["top_match"],
        *figures.values(),
    ]
    if any(len(column) != len(top) for column in columns):
        raise ValueError("its columns differ in length")
    if top.size and int(top.max()) >= len(titles):
        raise ValueError("a top item has no title")
    return Neurons(
        number=number,
        dead=arrays["dead"],
        figures=figures,
        concept=concept,
        concept_kind=kind,
        named=[bool(value) for value in texts.get("named", [True] * len(concept))],
        titles=titles,
        details=[plain(text) for text in texts["detail"]],
        top_item=top,
        top_activation=arrays["top_activation"],
        top_match=arrays["top_match"],
        row_of={int(neuron): row for row, neuron in enumerate(number)},
        ids=[plain(str(one)) for one in texts.get("item_id", ())],
        flags=None if texts.get("flags") is None else [[plain(str(one)) for one in row] for row in texts["flags"]],
    )


@dataclass(frozen=True)
class Listed:
    """An item at its place in a list; `other` is its rank in the other list, None if that is unknown."""

    rank: int
    title: str
    affinity: float
    other: int | None
    id: str = ""


@dataclass(frozen=True)
class Code:
    """An edited neuron's activation for the watched user; `outside`: no user has such an activation."""

    before: float
    after: float
    outside: bool


@dataclass(frozen=True)
class Ranking:
    """A user's list before and after the edits, as the engine answered. `shares`: concept, before, after."""

    user: str
    about: Sequence[str]
    codes: Mapping[int, Code]
    before: Sequence[Listed]
    after: Sequence[Listed]
    left: Sequence[Listed]
    rbo: float
    tau: float
    kept: int
    shares: Sequence[tuple[str, float, float]]
    rebuilt: tuple[float, int] | None = None
    """RBO with the unedited list, and items kept of it, where all vectors are what their codes decode to."""
    places: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """Exact places before and after of the items that the edits are about; None where one may not be recommended."""

    @classmethod
    def of(cls, answer: Mapping[str, Any], item_word: str) -> "Ranking":
        """Parse the engine's answer to `rank`. Raises KeyError, TypeError or ValueError if it is not one."""
        who, rebuilt = answer["user"], answer.get("reconstruction")
        attributes = [f"{key} {value}" if _bare(value) else str(value) for key, value in who["attributes"].items()
                      if value is not None]  # fmt: skip
        after = [Listed(i["rank"], plain(i["title"]), float(i["affinity"]), i["rank_before"], str(i["item_id"]))
                 for i in answer["after"]]  # fmt: skip
        left = [Listed(i["rank_before"], plain(i["title"]), math.nan, i["rank_after"], str(i["item_id"]))
                for i in answer["left"]]  # fmt: skip
        now = {item["item_id"]: item["rank"] for item in answer["after"]}
        now |= {item["item_id"]: item["rank_after"] for item in answer["left"]}
        return cls(
            user=plain(str(who["user_id"])),
            about=[f"{who['history']} {item_word}s seen", *(plain(text) for text in attributes)],
            codes={c["neuron"]: Code(float(c["before"]), float(c["after"]), bool(c["outside"]))
                   for c in answer["codes"]},
            before=[
                Listed(item["rank"], plain(item["title"]), float(item["affinity"]), now.get(item["item_id"]),
                       str(item["item_id"]))
                for item in answer["before"]
            ],
            after=after,
            left=left,
            rbo=float(answer["rbo"]),
            tau=float(answer["tau"]),
            kept=int(answer["kept"]),
            rebuilt=None if rebuilt is None else (float(rebuilt["rbo"]), int(rebuilt["kept"])),
            places={str(one["item_id"]): (one["before"], one["after"]) for one in answer.get("places") or ()},
            shares=[(plain(s["concept"]), float(s["before"]), float(s["after"])) for s in answer["shares"]],
        )  # fmt: skip


def _bare(value: object) -> bool:
    return isinstance(value, int | float) or str(value).isdigit()
