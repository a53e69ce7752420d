"""The paper's own figures (Arviv et al., AAAI 2026), from published.toml: what ours stand beside.

Where the paper's protocol differs from ours, the difference is a field here, so that nobody quotes a figure without it.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from engine.errors import CatalogueError

Domain = Literal["films", "music"]
Model = Literal["mf", "ncf"]
Cells = tuple[float, float, float]
DEPTHS = (10, 20, 50)
"""K of the three columns of Table 1."""
RBO_P = 0.9
"""Persistence of the paper's rank-biased overlap."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Facts):
    title: str
    authors: str
    venue: str
    code: str


class Row(_Facts):
    """A concept of Table 1: purity at K = 10, 20 and 50, as shares; None where the paper has dashes."""

    name: str
    concept: str
    """The catalogue's concept, read strictly: the decade and the genre, the plain tag."""
    looser: str | None = None
    """The catalogue's concept as the released tables count it, or may: the genre alone, a union of tags."""
    mf: Cells | None = None
    ncf: Cells | None = None

    def purity(self, model: Model) -> Cells | None:
        """The model's three cells, None where no neuron was found."""
        return self.mf if model == "mf" else self.ncf


class Popularity(_Facts):
    """Mean popularity percentile of the popularity neuron's top K; 0 is the most popular."""

    mf: Cells
    ncf: Cells


class Size(_Facts):
    """Of the paper's own data."""

    users: int
    items: int


class ImpossibleCell(_Facts):
    """A printed purity that is no multiple of 1/K."""

    domain: Domain
    model: Model
    name: str
    depth: Literal[10, 20, 50]


class Fidelity(_Facts):
    """A recommender's three lines of Figure 4, over `Figure4.beta`, and the protocol behind them."""

    rbo: tuple[float, ...]
    """Truncated: the sum over the list's depth, with nothing for what lies beyond."""
    tau: tuple[float, ...]
    """Over the union of both lists; disjoint lists give about -0.67, not -1."""
    monosemanticity: tuple[float, ...]
    """By the recommender's own item vectors."""
    list_length: int
    seen_items: Literal["kept", "left out"]
    scorer: str

    @property
    def rbo_of_identical_lists(self) -> float:
        """The largest RBO that this protocol can give: `1 - p^length`."""
        return float(1 - RBO_P**self.list_length)


class Figure4(_Facts):
    """Fidelity and monosemanticity over the weight of the prediction-level loss, MovieLens 1M, one seed."""

    beta: tuple[float, ...]
    mf: Fidelity
    ncf: Fidelity

    def of(self, model: Model) -> Fidelity:
        """The lines of one recommender."""
        return self.mf if model == "mf" else self.ncf


class Dose(_Facts):
    """A dose-response of one intervention and model. Its levels are of the notebooks' own scale, not of ours."""

    case: str
    """The key of the case in `engine.experiments.interventions`."""
    model: Model
    levels: tuple[float, ...]
    shares: tuple[float, ...]
    """Of the concept in the top 30; of a promotion, of the users who have the item there and had it below rank 20."""
    original: float | None = None
    """Users reconstructed, nothing edited."""
    unedited: float | None = None
    """The model's own vectors."""
    users: int | None = None
    note: str


class Published(_Facts):
    """Everything that published.toml holds."""

    source: Source
    domains: dict[str, Domain]
    sizes: dict[Domain, Size]
    neurons: dict[Domain, int]
    films: tuple[Row, ...]
    music: tuple[Row, ...]
    popularity: dict[Domain, Popularity]
    impossible: tuple[ImpossibleCell, ...]
    figure4: Figure4
    interventions: tuple[Dose, ...]

    def dose(self, case: str, model: Model) -> Dose | None:
        """The published curve of one case, None where there is none for that model."""
        return next((one for one in self.interventions if (one.case, one.model) == (case, model)), None)

    def table1(self, domain: Domain) -> tuple[Row, ...]:
        """The concept rows of one half of Table 1, in the paper's order."""
        return self.films if domain == "films" else self.music

    def filled(self, domain: Domain, model: Model) -> tuple[Row, ...]:
        """The rows that this model fills."""
        return tuple(row for row in self.table1(domain) if row.purity(model) is not None)

    def popularity_neuron(self, domain: Domain, model: Model) -> Cells:
        """Percentiles at K = 10, 20 and 50."""
        both = self.popularity[domain]
        return both.mf if model == "mf" else both.ncf

    def is_impossible(self, domain: Domain, model: Model, name: str, depth: int) -> bool:
        """Whether that printed cell cannot be a purity at its K."""
        return any(
            (cell.domain, cell.model, cell.name, cell.depth) == (domain, model, name, depth) for cell in self.impossible
        )

    def mean_purity(self, domain: Domain, model: Model) -> Cells:
        """Mean of each column over the filled rows, impossible cells as printed."""
        cells = [cells for row in self.filled(domain, model) if (cells := row.purity(model)) is not None]
        ten, twenty, fifty = (sum(column) / len(cells) for column in zip(*cells, strict=True))
        return ten, twenty, fifty

    def domain(self, dataset: str) -> Domain:
        """Which half of Table 1 a data set stands beside. Raises `CatalogueError` if the paper has none for it."""
        if dataset not in self.domains:
            known = ", ".join(self.domains)
            raise CatalogueError(f"The paper has no figures to set beside {dataset}; it has some for {known}.")
        return self.domains[dataset]


@cache
def published() -> Published:
    """The paper's figures, read once."""
    path = files("engine") / "experiments" / "published.toml"
    return Published.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
