"""A generated archive in the layout of MovieLens 25M: what its catalogue costs in time, memory and disk."""

import time
import zipfile
from pathlib import Path

import numpy as np

from engine.home import Home
from tests.benchmarks.measuring import process, row

USERS, FILMS, DRAWN = 162_541, 59_047, 26_500_000
"""As in MovieLens 25M; so many draws leave 25 million distinct pairs."""
_GENRES = ("Drama", "Comedy", "Thriller", "Romance", "Action", "Horror", "Documentary", "Crime", "Sci-Fi", "War")


def big(_archive: Path | None, home: Home) -> None:
    """Generate the archive, fetch it as a user would, and count its lines for comparison."""
    home.root.mkdir(parents=True, exist_ok=True)
    path = home.root / "ml-25m.zip"
    _write(path)
    started = time.perf_counter()
    with zipfile.ZipFile(path) as archive, archive.open("ml-25m/ratings.csv") as file:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    counting = time.perf_counter() - started
    cost = process("datasets", "fetch", "ml-25m", "--from", str(path), "--accept-licence")
    folder = home.dataset("ml-25m")
    row(
        f"catalogue of {lines - 1:,} ratings",
        f"{cost.wall:.0f} s, {cost.mib:.0f} MiB",
        f"{cost.wall / counting:.0f} times unpacking and counting its lines ({counting:.0f} s)",
        "2,048 MiB",
    )
    row("  on disk", f"{(folder / 'catalogue.duckdb').stat().st_size / 2**20:.0f} MiB and the raw files", "", "")


def _write(path: Path) -> None:
    """Distinct pairs: each user has a run of films through a permutation in which popular films come often."""
    random = np.random.default_rng(0)
    share = random.lognormal(0, 1.2, USERS)
    counts = np.clip((share / share.sum() * DRAWN).astype(int), 20, 5000)
    weights = 1 / (np.arange(FILMS) + 50) ** 0.9
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        films = ["movieId,title,genres"]
        films += [f'{n + 1},"Film, {n} ({1930 + n % 90})",{_GENRES[n % 10]}|{_GENRES[n % 7]}' for n in range(FILMS)]
        archive.writestr("ml-25m/movies.csv", "\n".join([*films, ""]))
        with archive.open("ml-25m/ratings.csv", "w", force_zip64=True) as file:
            file.write(b"userId,movieId,rating,timestamp\n")
            for start in range(0, USERS, 5000):
                users = np.arange(start, min(start + 5000, USERS))
                file.write(_ratings(random, users, counts[users], weights))


def _ratings(random: np.random.Generator, users: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> bytes:
    cumulative = np.cumsum(weights) / weights.sum()
    who = np.repeat(users, counts)
    film = np.searchsorted(cumulative, random.random(len(who)))
    pairs = np.unique(who.astype(np.int64) * FILMS + np.minimum(film, FILMS - 1))
    who, film = pairs // FILMS + 1, pairs % FILMS + 1
    stars, moment = random.integers(1, 11, len(who)) / 2, random.integers(790_000_000, 1_570_000_000, len(who))
    columns = (column.tolist() for column in (who, film, stars, moment))
    return "".join(f"{u},{f},{s},{m}\n" for u, f, s, m in zip(*columns, strict=True)).encode()
