"""The demo's audience: viewers who choose films by planted tastes, drawn from films.csv and tastes.toml.

A viewer's utility for a film is its popularity, plus the viewer's tastes times the film's weights on them, plus
noise; the history is drawn by Plackett-Luce without replacement (Gumbel top-n). tastes.toml holds every number.
The same files give the same audience.
"""

import csv
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.catalogue.recipes import Recipe
from engine.errors import CatalogueError
from engine.progress import Progress

_TIERS = {"household": 0, "famous": 1, "rare": 3}
_UNLISTED_TIER = 2


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Audience(_Part):
    viewers: int
    tastes: list[int]
    """How many tastes a viewer may hold, with the probabilities `tastes_share`."""
    tastes_share: list[float]
    strength_spread: float
    """Standard deviation of the log of a strength."""
    dislikes: float
    """Share of viewers who dislike one taste that they do not hold."""
    dislike_strength: float


class History(_Part):
    """Films in a history: lognormal, rounded, clipped."""

    median: float
    spread: float
    least: int
    most: int


class Popularity(_Part):
    """-slope * log((rank + offset) / (1 + offset)), the rank drawn tier by tier."""

    slope: float
    offset: float
    tiers: dict[Literal["household", "famous", "rare"], list[str]]


class Utility(_Part):
    weight_spread: float
    noise: float
    temperature: float


class Ages(_Part):
    bands: list[str]
    shares: list[float]
    tilt: dict[str, dict[str, float]] = {}
    """Band to taste to the factor on the odds of holding it."""


class Countries(_Part):
    names: list[str]
    shares: list[float]
    tilt: dict[str, dict[str, float]] = {}


class Taste(_Part):
    name: str
    kind: Literal["genre", "era", "level", "hidden"]
    share: float = Field(gt=0)
    """Relative chance of being held."""
    strength: float
    dislike: float
    """Relative chance of being disliked; 0 is never."""
    against: float
    """Share of its holders who hold it with the opposite sign."""
    genres: dict[str, float] = {}
    years: tuple[int, int] | None = None
    films: list[str] = []


class Tastes(_Part):
    """tastes.toml."""

    seed: int
    without_taste: list[str]
    """Genres that no taste may name."""
    audience: Audience
    history: History
    popularity: Popularity
    utility: Utility
    ages: Ages
    countries: Countries
    taste: list[Taste]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [taste.name for taste in self.taste]
        if len(set(names)) < len(names):
            raise ValueError("two tastes have one name")
        for what, values, shares in (
            ("audience.tastes_share", self.audience.tastes, self.audience.tastes_share),
            ("ages.shares", self.ages.bands, self.ages.shares),
            ("countries.shares", self.countries.names, self.countries.shares),
        ):
            if len(values) != len(shares) or abs(sum(shares) - 1) > 1e-9:
                raise ValueError(f"{what} does not sum to 1, one share a value")
        for what, groups, tilt in (
            ("ages.tilt", self.ages.bands, self.ages.tilt),
            ("countries.tilt", self.countries.names, self.countries.tilt),
        ):
            _known(f"a group in {what}", tilt, groups)
            _known(f"a taste in {what}", [name for factors in tilt.values() for name in factors], names)
        if named := [genre for taste in self.taste for genre in taste.genres if genre in self.without_taste]:
            raise ValueError(f"{named[0]!r} is to be without a taste, and a taste names it")
        if any(taste.kind == "era" and taste.years is None for taste in self.taste):
            raise ValueError("a taste of kind era needs years")
        return self


@dataclass(frozen=True)
class Planted:
    """The truth behind the audience: F films, V viewers, T tastes. Tests compare it with what is found."""

    film_id: list[str]
    viewer_id: list[str]
    taste: list[str]
    age_band: list[str]
    country: list[str]
    rank: np.ndarray
    """(F,) popularity rank, 1 is the most popular"""
    W_ft: np.ndarray
    """(F, T) films' weights on tastes"""
    S_vt: np.ndarray
    """(V, T) viewers' signed strengths; 0 is indifferent"""
    histories: list[np.ndarray]
    """For each viewer the positions in `film_id`, ascending"""


def simulate(recipe: Recipe, raw: Path, progress: Progress) -> Planted:
    """Write films.csv, viewers.csv and interactions.csv into `raw`, for load.sql to read; returns the truth."""
    progress(0.0, "simulating the audience")
    planted = plant(recipe.folder)
    shutil.copyfile(recipe.folder / "films.csv", raw / "films.csv")
    viewers = zip(planted.viewer_id, planted.age_band, planted.country, strict=True)
    _write(raw / "viewers.csv", ["viewer_id", "age_band", "country"], viewers)
    seen = (
        (viewer, planted.film_id[film])
        for viewer, history in zip(planted.viewer_id, planted.histories, strict=True)
        for film in history
    )
    _write(raw / "interactions.csv", ["viewer_id", "film_id"], seen)
    progress(1.0, "audience simulated")
    return planted


def plant(folder: Path) -> Planted:
    """Draw the audience of `folder`'s films.csv and tastes.toml; `CatalogueError` if they do not fit together."""
    with open(folder / "films.csv", encoding="utf-8", newline="") as file:
        films = list(csv.DictReader(file))
    try:
        tastes = Tastes(**tomllib.loads((folder / "tastes.toml").read_text(encoding="utf-8")))
        _check_films(films, tastes)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CatalogueError(f"tastes.toml: {where + ': ' if where else ''}{first['msg']}.") from error
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise CatalogueError(f"tastes.toml: {error}.") from error
    return _draw(films, tastes)


def _check_films(films: list[dict[str, str]], tastes: Tastes) -> None:
    ids = {film["film_id"] for film in films}
    genres = {genre for film in films for genre in film["genres"].split("|")}
    for tier, listed in tastes.popularity.tiers.items():
        _known(f"a film in the tier {tier}", listed, ids)
    for taste in tastes.taste:
        _known(f"a film of the taste {taste.name}", taste.films, ids)
        _known(f"a genre of the taste {taste.name}", taste.genres, genres)


def _known(what: str, named: Iterable[str], known: Iterable[str]) -> None:
    if strangers := [name for name in named if name not in set(known)]:
        raise ValueError(f"{strangers[0]!r}, {what}, is unknown")


def _draw(films: list[dict[str, str]], tastes: Tastes) -> Planted:
    rng_film, rng_viewer, rng_history = (np.random.default_rng([tastes.seed, stream]) for stream in (1, 2, 3))
    rank = _ranks(films, tastes, rng_film)
    model = tastes.popularity
    popularity = -model.slope * np.log((rank + model.offset) / (1 + model.offset))
    W_ft = _weights(films, tastes, popularity, rng_film)
    age, country, S_vt, length = _viewers(tastes, rng_viewer)
    shape = (len(S_vt), len(films))
    U_vf = popularity + S_vt @ W_ft.T + tastes.utility.noise * rng_history.standard_normal(shape)
    order_vf = np.argsort(-(U_vf / tastes.utility.temperature + rng_history.gumbel(size=shape)), axis=1)
    return Planted(
        film_id=[film["film_id"] for film in films],
        viewer_id=[f"v{number:04d}" for number in range(1, len(S_vt) + 1)],
        taste=[taste.name for taste in tastes.taste],
        age_band=[tastes.ages.bands[number] for number in age],
        country=[tastes.countries.names[number] for number in country],
        rank=rank,
        W_ft=W_ft,
        S_vt=S_vt,
        histories=[np.sort(order[:n]) for order, n in zip(order_vf, length, strict=True)],
    )


def _ranks(films: list[dict[str, str]], tastes: Tastes, rng: np.random.Generator) -> np.ndarray:
    of = {film: _TIERS[tier] for tier, listed in tastes.popularity.tiers.items() for film in listed}
    tier = np.array([of.get(film["film_id"], _UNLISTED_TIER) for film in films])
    rank = np.empty(len(films), dtype=np.int64)
    rank[np.lexsort((rng.random(len(films)), tier))] = np.arange(1, len(films) + 1)
    return rank


def _weights(
    films: list[dict[str, str]], tastes: Tastes, popularity: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Films x tastes. A typical carrier of a genre, era or hidden taste weighs 1; a level is centred, at most 1."""
    jitter = np.exp(tastes.utility.weight_spread * rng.standard_normal((len(films), len(tastes.taste))))
    W_ft = np.empty_like(jitter)
    for column, taste in enumerate(tastes.taste):
        if taste.kind == "level":
            W_ft[:, column] = (popularity - popularity.mean()) / (popularity.max() - popularity.mean())
            continue
        carried = np.array([_carries(taste, film) for film in films]) * jitter[:, column]
        if not carried.any():
            raise CatalogueError(f"tastes.toml: no film carries the taste {taste.name}.")
        W_ft[:, column] = carried / carried[carried > 0].mean()
    return W_ft


def _carries(taste: Taste, film: dict[str, str]) -> float:
    if taste.kind == "genre":
        genres = film["genres"].split("|")
        return sum(taste.genres.get(genre, 0.0) for genre in genres) / len(genres) ** 0.5
    if taste.years is not None:
        return float(taste.years[0] <= int(film["year"]) <= taste.years[1])
    return float(film["film_id"] in taste.films)


def _viewers(tastes: Tastes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Age and country (V,) as positions, signed strengths (V, T), lengths of the histories (V,)."""
    of, ages, countries, taste = tastes.audience, tastes.ages, tastes.countries, tastes.taste
    shape = (of.viewers, len(taste))
    age = rng.choice(len(ages.bands), of.viewers, p=ages.shares)
    country = rng.choice(len(countries.names), of.viewers, p=countries.shares)
    log_odds = np.log([t.share for t in taste]) + _tilt(ages.bands, ages.tilt, taste)[age]
    log_odds = log_odds + _tilt(countries.names, countries.tilt, taste)[country]
    count = rng.choice(of.tastes, of.viewers, p=of.tastes_share)
    place = np.argsort(np.argsort(-(log_odds + rng.gumbel(size=shape)), axis=1), axis=1)
    held = place < count[:, None]
    size = np.array([t.strength for t in taste]) * np.exp(of.strength_spread * rng.standard_normal(shape))
    S_vt = held * np.where(rng.random(shape) < [t.against for t in taste], -1, 1) * size
    wants_to = rng.random(of.viewers) < of.dislikes
    dislike = np.array([t.dislike for t in taste])
    can = ~held & (dislike > 0)
    keys = np.where(can, np.log(np.where(dislike > 0, dislike, 1)) + rng.gumbel(size=shape), -np.inf)
    dislikes_one = np.flatnonzero(wants_to & can.any(axis=1))
    disliked = keys.argmax(axis=1)[dislikes_one]
    S_vt[dislikes_one, disliked] = -of.dislike_strength * size[dislikes_one, disliked]
    drawn = tastes.history.median * np.exp(tastes.history.spread * rng.standard_normal(of.viewers))
    length = np.clip(np.rint(drawn), tastes.history.least, tastes.history.most).astype(np.int64)
    return age, country, S_vt, length


def _tilt(groups: list[str], tilt: dict[str, dict[str, float]], tastes: list[Taste]) -> np.ndarray:
    """Groups x tastes, logs of the factors; 0 where none is given."""
    return np.log([[tilt.get(group, {}).get(taste.name, 1.0) for taste in tastes] for group in groups])


def _write(path: Path, header: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
