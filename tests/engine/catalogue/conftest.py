"""Small archives in the official layout of MovieLens 1M, and a data set built from one."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.home import Home
from engine.progress import silent

GENRES = ("Action|Sci-Fi", "Comedy", "Drama|Romance", "Horror")
HISTORIES = {"1": 20, "2": 12, "3": 11, "10": 14}


def small_files() -> dict[str, bytes]:
    """movies.dat (Latin-1), users.dat and ratings.dat of 24 films and four users."""
    films = [
        (29, "City of Lost Children, The (Cité des enfants perdus, La) (1995)", "Adventure|Sci-Fi"),
        (73, "Misérables, Les (1995)", "Drama|Musical"),
        (5, "Plan 9 (\x1b[31mRed\x07) (1958)", "Horror|Sci-Fi"),
        (7, "Seven (Se7en) (1995)", "Crime|Thriller"),
        *((100 + n, f"Film {n} ({1985 + n})", GENRES[n % 4]) for n in range(20)),
    ]
    users = ["1::F::1::10::48067", "2::M::56::16::70072", "3::M::25::15::55117", "10::F::35::1::95370-1234"]
    ids = [film for film, _, _ in films]
    ratings = [
        f"{user}::{ids[place]}::{place % 5 + 1}::978300000" for user, n in HISTORIES.items() for place in range(n)
    ]
    return {
        "movies.dat": "".join("::".join(map(str, film)) + "\n" for film in films).encode("latin-1"),
        "users.dat": "".join(f"{line}\n" for line in users).encode(),
        "ratings.dat": "".join(f"{line}\n" for line in ratings).encode(),
    }


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def small_archive(path: Path, **replaced: bytes) -> Path:
    """The small files as a zip; `replaced` takes the stem of a file: `ratings=b"..."`."""
    files = small_files() | {f"{stem}.dat": data for stem, data in replaced.items()}
    return write_zip(path, {f"ml-1m/{name}": data for name, data in files.items()})


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the small data set in it, for tests that only read."""
    root = tmp_path_factory.mktemp("small")
    home = Home(root / "home")
    fetch(home, "ml-1m", source=small_archive(root / "ml-1m.zip"), assent=True, progress=silent)
    return home


@pytest.fixture
def small(small_home: Home) -> Iterator[Catalogue]:
    with Catalogue.open(small_home, "ml-1m") as catalogue:
        yield catalogue


@pytest.fixture(scope="session")
def real_home(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with MovieLens 1M in it, for tests that only read."""
    home = Home(tmp_path_factory.mktemp("real") / "home")
    fetch(home, "ml-1m", source=archives / "ml-1m.zip", assent=True, progress=silent)
    return home


@pytest.fixture
def real(real_home: Home) -> Iterator[Catalogue]:
    with Catalogue.open(real_home, "ml-1m") as catalogue:
        yield catalogue
