"""The demo's films are facts from general knowledge: here they are held against an independent catalogue."""

import csv
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.home import content

GENRE_NAMES = {"Children's": "Children"}
REMAKE_YEARS = 6
"""A film of the same title further apart than this is another film."""


def films() -> list[dict[str, str]]:
    with open(content("datasets") / "demo" / "films.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key(title: str) -> str:
    """A title without article, accents, case and punctuation; "Lion King, The" and "The Lion King" agree."""
    main = re.sub(r"\s*\(.*?\)", "", title)
    moved = re.fullmatch(r"(.*), (The|A|An|La|Le|Les|L'|Das|Der|El|Il)", main)
    main = moved[1] if moved else re.sub(r"^(The|A|An|La|Le|Les|Das|Der|El|Il) ", "", main)
    return re.sub(r"[^a-z0-9]", "", main.lower().replace("&", "and"))


def test_there_are_at_least_600_films_each_once_with_year_and_genres() -> None:
    listed = films()
    assert len(listed) >= 600
    assert len({film["film_id"] for film in listed}) == len(listed)
    assert len({(film["title"], film["year"]) for film in listed}) == len(listed)
    assert all(1900 < int(film["year"]) < 2030 and film["genres"] for film in listed)


@pytest.mark.real_data
def test_titles_years_and_genres_agree_with_movielens_where_they_overlap(archives: Path) -> None:
    known: dict[str, list[tuple[int, set[str]]]] = {}
    with zipfile.ZipFile(archives / "ml-1m.zip") as archive:
        for line in archive.read("ml-1m/movies.dat").decode("latin-1").splitlines():
            _, title, genres = line.split("::")
            named = {GENRE_NAMES.get(genre, genre) for genre in genres.split("|")}
            known.setdefault(key(title[:-7]), []).append((int(title[-5:-1]), named))
    gaps, agreement = [], []
    for film in films():
        year, genres = int(film["year"]), set(film["genres"].split("|"))
        others = known.get(key(film["title"]), [])
        if not others:
            continue
        nearest, named = min(others, key=lambda other: abs(other[0] - year))
        if abs(nearest - year) <= REMAKE_YEARS:
            gaps.append(nearest - year)
            agreement.append(len(genres & named) / len(genres | named))
    assert len(gaps) > 400
    assert np.mean([gap == 0 for gap in gaps]) > 0.95
    assert max(map(abs, gaps)) <= 2
    assert np.mean(agreement) > 0.7
