"""The run folder: one trained (data set, recommender, SAE) with its measurements."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import RunError
from engine.fidelity import Audit
from engine.home import Home, building, write_whole
from engine.neurons.evidence import DEPTHS
from engine.neurons.table import ConceptReach, Neuron, NeuronTable
from engine.recommenders.recommender import Recommender
from engine.recommenders.scorers import Program
from engine.sae.model import Side, SparseAutoencoder

if TYPE_CHECKING:
    from engine.catalogue.catalogue import Catalogue
    from engine.steering.effect import Steering

FORMAT = 2
TRUSTED = "trusted-programs.txt"
"""SHA-256 of each scoring program that the user trusts, one a line. It lies in the home, never in a run."""
HASHED = ("recommender.safetensors", "sae.safetensors", "ids.parquet", "neurons.parquet", "fidelity.parquet")


@dataclass(frozen=True)
class Screen:
    """What the workbench's first screen shows beside the table: each neuron's top items (m × T)."""

    item: np.ndarray
    activation: np.ndarray
    match: np.ndarray
    ranked: np.ndarray
    """True for the items that may be ranked: those with training interactions (n)."""
    titles: Sequence[str]
    details: Sequence[str]


def save_run(
    home: Home,
    name: str,
    manifest: Mapping[str, Any],
    recommender: Recommender,
    sae: SparseAutoencoder,
    table: NeuronTable,
    screen: Screen,
    training: Sequence[Mapping[str, Any]],
    audited: Audit,
) -> "Run":
    """Write a run folder beside, and rename it when it is complete.

    Where a run of that name has come about meanwhile, both are kept: this one gets a number.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = free_name(home, name)
    with building(home.run(name)) as folder:
        recommender.save(folder / "recommender.safetensors")
        sae.save(folder / "sae.safetensors")
        sides = ["users"] * len(recommender.users.ids) + ["items"] * len(recommender.items.ids)
        ids = [*recommender.users.ids, *recommender.items.ids]
        numbers = [*range(len(recommender.users.ids)), *range(len(recommender.items.ids))]
        pq.write_table(
            pa.table({"side": sides, "number": pa.array(numbers, pa.uint32()), "id": ids}),
            folder / "ids.parquet",
        )
        pq.write_table(pa.Table.from_pylist([neuron.as_dict() for neuron in table.neurons]), folder / "neurons.parquet")
        _write_screen(folder, table, recommender.items.ids, screen)
        _write_audit(folder / "fidelity.parquet", audited, recommender.users.ids)
        (folder / "training.jsonl").write_text("".join(json.dumps(line) + "\n" for line in training))
        whole = {
            **manifest,
            "name": name,
            "format": FORMAT,
            "concepts": [asdict(concept) for concept in table.reach],
            "hashes": {file: _sha256(folder / file) for file in HASHED},
        }
        (folder / "manifest.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    return Run.open(home, name)


def _write_audit(path: Path, audited: Audit, user_ids: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: getattr(audited, name) for name in ("rbo", "tau", "overlap", "ndcg_before", "ndcg_after")}
    ids = [user_ids[user] for user in audited.users]
    pq.write_table(pa.table({"user_id": pa.array(ids, pa.string()), **columns}), path)


def free_name(home: Home, wanted: str) -> str:
    """`wanted`, or `wanted-2`, `wanted-3`... where runs of that name exist."""
    name, number = wanted, 1
    while home.run(name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name


def _write_screen(folder: Path, table: NeuronTable, item_ids: Sequence[str], screen: Screen) -> None:
    columns = (
        "purity10",
        "purity20",
        "purity50",
        "base_rate",
        "lift",
        "q",
        "density_items",
        "density_users",
        "popularity_percentile",
        "monosemanticity",
        "p99_items",
        "p99_users",
    )
    neurons = table.neurons
    hits = {f"hits{depth}": counts.astype(np.int16) for depth, counts in table.hits.items()}
    arrays = {name: np.array([_nan(getattr(neuron, name)) for neuron in neurons], np.float32) for name in columns}
    np.savez(
        folder / "screen.npz",
        neuron=np.array([neuron.neuron for neuron in neurons], np.int32),
        dead=np.array([neuron.dead for neuron in neurons]),
        top_item=screen.item.astype(np.int32),
        top_activation=screen.activation.astype(np.float32),
        top_match=screen.match,
        ranked=screen.ranked,
        **hits,  # type: ignore[arg-type]
        **arrays,  # type: ignore[arg-type]  # savez's stub takes its own flags for arrays of these names
    )
    texts = {
        "item_id": list(item_ids),
        "title": list(screen.titles),
        "detail": list(screen.details),
        "concept": [neuron.concept for neuron in neurons],
        "concept_kind": [neuron.concept_kind for neuron in neurons],
        "named": [neuron.named_by is not None for neuron in neurons],
        "flags": [neuron.flags for neuron in neurons],
    }
    (folder / "titles.json").write_text(json.dumps(texts, ensure_ascii=False))


@dataclass(frozen=True)
class Run:
    """An opened run. Parts are read when they are asked for, and checked against the manifest's hashes."""

    home: Home
    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, home: Home, name: str) -> "Run":
        """Raises `RunError` for a run that does not exist or whose manifest cannot be read."""
        folder = home.run(name)
        path = folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise RunError(_unknown(home, name)) from error
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}); train the run again or copy it anew.") from error
        if manifest.get("format") != FORMAT:
            raise RunError(
                f"Run {name} has format {manifest.get('format')!r}, this version reads {FORMAT}; train it again."
            )
        return cls(home, folder, manifest)

    @property
    def name(self) -> str:
        """The folder's name, which is what the user calls the run (a copy may be renamed)."""
        return self.folder.name

    @cached_property
    def neurons(self) -> list[Neuron]:
        """The neuron table; `RunError` if its columns are not those of this version."""
        import pyarrow.parquet as pq

        rows = pq.ParquetFile(self._checked("neurons.parquet")).read().to_pylist()
        try:
            return [Neuron(**row) for row in rows]
        except TypeError as error:
            raise RunError(
                f"{self.folder / 'neurons.parquet'} has other columns than this version reads ({error}); "
                "train the run again."
            ) from error

    @cached_property
    def reach(self) -> list[ConceptReach]:
        """Which neuron reaches each concept, and which concepts none does."""
        return [ConceptReach(**entry) for entry in self.manifest["concepts"]]

    @cached_property
    def recommender(self) -> Recommender:
        """The frozen recommender with its ids."""
        import pyarrow.parquet as pq

        # ParquetFile, not read_table, which loads pandas: this is on the way to the first ranked list.
        table = pq.ParquetFile(self._checked("ids.parquet")).read()
        sides = np.array(table["side"].to_pylist())
        ids = np.array(table["id"].to_pylist(), dtype=object)
        found = Recommender.load(
            self._checked("recommender.safetensors"),
            list(ids[sides == "users"]),
            list(ids[sides == "items"]),
        )
        if isinstance(found.scorer, Program) and not is_trusted(self.home, found.scorer.sha256):
            raise RunError(
                f"Run {self.name} scores with a program (SHA-256 {found.scorer.sha256[:12]}...), and opening it runs "
                f"what its maker wrote. If you trust them: monoscope runs trust {self.name}"
            )
        return found

    @cached_property
    def sae(self) -> SparseAutoencoder:
        """The trained sparse autoencoder."""
        return SparseAutoencoder.load(self._checked("sae.safetensors"))

    @cached_property
    def fidelity_by_user(self) -> list[dict[str, Any]]:
        """One row for each user that fidelity was measured on, by id, those whose lists change most first."""
        import pyarrow.parquet as pq

        rows = pq.ParquetFile(self._checked("fidelity.parquet")).read().to_pylist()
        clean = [{name: None if value != value else value for name, value in row.items()} for row in rows]
        return sorted(clean, key=lambda row: (row["rbo"], row["user_id"]))

    @cached_property
    def training(self) -> list[dict[str, Any]]:
        """The log of both trainings: one line an epoch (part recommender) and every few steps (part sae)."""
        with open(self.folder / "training.jsonl", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    @cached_property
    def screen(self) -> dict[str, np.ndarray]:
        """Arrays of the first screen, by name."""
        with np.load(self.folder / "screen.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    @cached_property
    def texts(self) -> dict[str, list]:
        """Ids, titles and details of the items, and the concept of each neuron."""
        return json.loads((self.folder / "titles.json").read_text())

    def neuron(self, number: int) -> Neuron:
        """One row of the table; `RunError` names the range for a number that is not in it."""
        if not 0 <= number < len(self.neurons):
            raise RunError(f"Run {self.name} has no neuron {number}; its neurons are 0 to {len(self.neurons) - 1}.")
        return self.neurons[number]

    def user_number(self, user_id: str) -> int:
        """The number of a user; `RunError` for an id that is not there or has no vector."""
        users = self.recommender.users
        number = users.place.get(user_id)
        if number is None:
            raise RunError(
                f"There is no user {user_id!r}; run {self.name} has {len(users.ids)} users, {users.ids[0]} to "
                f"{users.ids[-1]}."
            )
        if not users.known[number]:
            raise RunError(f"User {user_id!r} has no vector in run {self.name}: the model brought none.")
        return number

    def label_purity(self, number: int, concept: str) -> tuple[float | None, float | None, float | None]:
        """Purity@10, 20 and 50 of one neuron for one concept, which need not be its best."""
        column = [entry.concept for entry in self.reach].index(concept)
        hits = [(depth, int(self.screen[f"hits{depth}"][number, column])) for depth in DEPTHS]
        ten, twenty, fifty = (None if count < 0 else count / depth for depth, count in hits)
        return ten, twenty, fifty

    def top(self, number: int, k: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The k items and the k users that activate a neuron most; fewer where fewer do."""
        self.neuron(number)
        items, users = self.recommender.items, self.recommender.users
        z_i = self.sae.encode(items.vectors, "items")[:, number] * self.screen["ranked"]
        return self.top_of(z_i, self.sae.encode(users.vectors, "users")[:, number] * users.known, k)

    def top_of(self, z_i: np.ndarray, z_u: np.ndarray, k: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The same from the activations of all items and of all users."""
        recommender, details = self.recommender, self.texts["detail"]
        items = [
            {
                "rank": rank,
                "item_id": recommender.items.ids[item],
                "title": self.texts["title"][item],
                "activation": float(z_i[item]),
                "concepts": details[item].split("|") if details[item] else [],
            }
            for rank, item in enumerate(_largest(z_i, k), 1)
        ]
        users = [
            {"rank": rank, "user_id": recommender.users.ids[user], "activation": float(z_u[user])}
            for rank, user in enumerate(_largest(z_u, k), 1)
        ]
        return items, users

    def catalogue(self) -> "Catalogue":
        """The catalogue that the run was trained on; `RunError` if the one that is here has other content."""
        from engine.catalogue.catalogue import Catalogue

        catalogue = Catalogue.open(self.home, self.manifest["dataset"])
        if catalogue.hash != self.manifest["catalogue_hash"]:
            catalogue.close()
            raise RunError(
                f"Run {self.name} was trained on another {self.manifest['dataset']} than the one that is here; "
                "its lists would be wrong. Fetch that data set again, or train a new run."
            )
        return catalogue

    def steering(self, catalogue: "Catalogue") -> "Steering":
        """The run joined with its catalogue, ready to rank; refuses ids that differ."""
        from engine.steering.effect import Steering
        from engine.steering.inputs import Ranking, concept_items

        items, users = catalogue.items(), catalogue.users()
        recommender = self.recommender
        if list(recommender.items.ids) != list(items.item_id) or list(recommender.users.ids) != list(users.user_id):
            raise RunError(
                f"The ids of run {self.name} are not those of the data set {catalogue.name}; train a new run on it."
            )

        def match(side: Side, where: str) -> np.ndarray:
            with self.catalogue() as opened:  # the one that was given may be closed by then
                return opened.match_users(where) if side == "users" else opened.match_items(where)

        ranking = Ranking(catalogue, recommender, self.manifest["recommender"].get("trained_on", "train"))
        return Steering(
            recommender=recommender,
            sae=self.sae,
            neurons=self.neurons,
            candidates=ranking.candidates,
            held_out=ranking.held_out,
            titles=self.texts["title"],
            concepts=concept_items(catalogue, len(items.item_id)),
            labels_of_items=[detail.split("|") if detail else [] for detail in self.texts["detail"]],
            attributes=users.attributes,
            match=match,
        )

    def _checked(self, file: str) -> Path:
        path = self.folder / file
        if not path.is_file() or _sha256(path) != self.manifest["hashes"][file]:
            raise RunError(
                f"{path} is missing or damaged (its hash is not the manifest's); copy or train the run again."
            )
        return path


def runs(home: Home) -> list[dict[str, Any]]:
    """Manifests of the runs in the home, newest first. One that cannot be opened is {"name", "problem"}."""
    found: list[dict[str, Any]] = []
    for path in home.runs.glob("[!.]*/manifest.json"):
        name = path.parent.name
        try:
            found.append({**Run.open(home, name).manifest, "name": name})
        except RunError as error:
            found.append({"name": name, "problem": str(error)})
    return sorted(found, key=lambda manifest: str(manifest.get("created", "")), reverse=True)


def is_trusted(home: Home, sha256: str) -> bool:
    """Whether the user of `home` said that they trust the program with this hash."""
    path = home.root / TRUSTED
    return path.is_file() and sha256 in path.read_text().split()


def trust(home: Home, sha256: str) -> None:
    """Remember that the user trusts the program with this hash."""
    path = home.root / TRUSTED
    known = path.read_text().split() if path.is_file() else []
    write_whole(path, "".join(f"{one}\n" for one in dict.fromkeys([*known, sha256])))


def trust_run(home: Home, name: str) -> str:
    """Trust the program that run `name` scores with; returns its hash, a `RunError` if it has none."""
    told = Run.open(home, name).manifest["recommender"].get("scorer", {})
    if told.get("kind") != "program":
        raise RunError(f"Run {name} needs no trust: it scores with {told.get('kind', 'dot')}, which is data alone.")
    trust(home, told["sha256"])
    return str(told["sha256"])


def remove_run(home: Home, name: str) -> None:
    """Delete a run's folder for good."""
    folder = Run.open(home, name).folder
    going = folder.with_name(f".{name}.removed")
    folder.rename(going)
    shutil.rmtree(going)


def _unknown(home: Home, name: str) -> str:
    from difflib import get_close_matches

    known = sorted(path.parent.name for path in home.runs.glob("[!.]*/manifest.json"))
    if not known:
        return (
            f"There is no run {name!r}, nor any other in {home.runs}; "
            "make one with `monoscope train` or `monoscope demo`."
        )
    close = get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:8])}."
    return f"There is no run {name!r}; {hint}"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _largest(z: np.ndarray, k: int) -> np.ndarray:
    """Numbers of the k largest positive values, largest first, ties by number."""
    order = np.argsort(-z, kind="stable")[:k]
    return order[z[order] > 0]


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
