"""What the paper's document was made of: the runs behind its parts, and the commands that make it again."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.experiments.reproduce import Order, wanted
from engine.experiments.trained import Stock, plan

HASH_SHOWN = 16
"""So many digits of a hash tell runs apart for a reader; programs get all."""


@dataclass(frozen=True)
class Source:
    """A run of the home that some parts were made of."""

    run: str
    parts: Sequence[str]
    seeds: tuple[int | None, int | None]
    """Of the recommender and of the autoencoder; None where it has none."""
    created: str
    versions: Mapping[str, str]
    hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of its files, by name."""

    def cells(self, parts: Sequence[str]) -> list[str]:
        """A row of the table; `parts` are its parts in words."""
        seeds = ", ".join("–" if seed is None else str(seed) for seed in self.seeds)
        shown = (self.hashes[f"{name}.safetensors"][:HASH_SHOWN] for name in ("recommender", "sae"))
        return [self.run, ", ".join(parts), seeds, self.created[:10], *shown]


def sources(order: Order, parts: Sequence[str]) -> list[Source]:
    """The runs that `parts` are made of, as far as they are still in the home, by name."""
    stock = Stock.read(order.home, order.dataset)
    used: dict[str, list[str]] = {}
    for part in parts:
        planned = plan(order.home, order.dataset, wanted(order, part), stock)
        for name in dict.fromkeys(planned.here.values()):
            used.setdefault(name, []).append(part)
    manifests = {str(one["name"]): one for one in stock.runs}
    return [_source(manifests[name], used[name]) for name in sorted(used)]


def _source(manifest: Mapping[str, Any], parts: Sequence[str]) -> Source:
    seeds = manifest["config"].get("recommender", {}).get("seed"), manifest["sae"]["seed"]
    return Source(
        str(manifest["name"]), parts, seeds, manifest["created"], dict(manifest["versions"]), dict(manifest["hashes"])
    )


def source_words(made_of: Sequence[Source]) -> str:
    """What the runs were trained with, each set of versions once, and what the hashes are of."""
    by_versions: dict[str, list[str]] = {}
    for one in made_of:
        by_versions.setdefault(", ".join(f"{name} {version}" for name, version in one.versions.items()), []).append(
            one.run
        )
    whole = len(by_versions) == 1
    said = [f"{'all' if whole else ', '.join(runs)} with {versions}" for versions, runs in by_versions.items()]
    return (
        f"Trained: {'; '.join(said)}. The last two columns are the first {HASH_SHOWN} hex digits of the SHA-256 of the "
        "weights' files; all.json has all of them."
    )


def commands(order: Order, source_notice: str | None) -> list[str]:
    """The command lines that make the data set, the runs and the document."""
    dataset = shlex.quote(order.dataset)
    archive = " --from ARCHIVE" if source_notice else ""
    options = f"--dataset {dataset} --models {','.join(order.models)} --seeds {len(order.seeds)}"
    with_users = " --with-users" if order.with_users else ""
    return [f"monoscope datasets fetch {dataset}{archive}", f"monoscope reproduce all {options}{with_users}"]
