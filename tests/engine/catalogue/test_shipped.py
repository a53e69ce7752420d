"""Each data set that ships, built from a small archive in its official layout: headers, quoting, encodings."""

from pathlib import Path

import numpy as np
import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.errors import CatalogueError
from engine.home import Home
from engine.progress import silent

from .conftest import write_zip


def movielens(folder: str, ratings: list[str] | None = None) -> dict[str, bytes]:
    """MovieLens as CSV: quoted titles with commas, quotation marks doubled, half stars, a film without genres."""
    films = [
        "1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy",
        '29,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Adventure|Drama',
        '11,"American President, The (1995)",Comedy|Drama',
        '135266,"Zero Theorem ""Z"" (2013) ",Sci-Fi',
        "131172,Closed Curtain,(no genres listed)",
        *(f"{200 + n},Film {n} ({1990 + n}),Horror" for n in range(12)),
    ]
    ids = [1, 29, 11, 135266, *range(200, 212)]
    rows = ratings or [
        f"{user},{ids[n]},{0.5 + n % 10 / 2},{1_112_486_027 + n}"
        for user, count in ((1, 16), (2, 6))
        for n in range(count)
    ]
    return {
        f"{folder}/movies.csv": "\r\n".join(["movieId,title,genres", *films, ""]).encode(),
        f"{folder}/ratings.csv": "\r\n".join(["userId,movieId,rating,timestamp", *rows, ""]).encode(),
        f"{folder}/tags.csv": b"userId,movieId,tag,timestamp\r\n1,1,pixar,1139045764\r\n",
        f"{folder}/links.csv": b"movieId,imdbId,tmdbId\r\n1,0114709,862\r\n",
        f"{folder}/README.txt": b"",
    }


@pytest.mark.parametrize("name", ["ml-latest-small", "ml-25m", "ml-32m"])
def test_movielens_as_csv(name: str, home: Home, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / f"{name}.zip", movielens(name))
    fetch(home, name, source=archive, assent=True, progress=silent)
    with Catalogue.open(home, name) as catalogue:
        items, pairs = catalogue.items(), catalogue.interactions()
        titles = dict(zip(items.item_id, items.title, strict=True))
        years = dict(zip(items.item_id, items.year.tolist(), strict=True))
        genres = dict(zip(items.item_id, items.attributes["genres"], strict=True))
        concepts = {concept.name: concept for concept in catalogue.concepts()}
        assert catalogue.columns("users") == {"user": "UINTEGER", "user_id": "VARCHAR"}
    assert titles["29"] == "City of Lost Children, The (Cité des enfants perdus, La)"
    assert titles["135266"] == 'Zero Theorem "Z"'
    assert (years["29"], years["135266"], years["131172"]) == (1995, 2013, -1)
    assert genres["131172"] == ""
    assert items.item_id == sorted(items.item_id, key=int)
    assert sorted(np.unique(pairs.weight).tolist()) == [0.5 + n / 2 for n in range(10)]
    assert items.popularity.sum() == 16 - 6 + 6
    assert "(no genres listed)" not in concepts
    assert concepts["Horror"].kind == "genre"
    assert concepts["Horror"].support is None


def test_movielens_needs_its_columns(home: Home, tmp_path: Path) -> None:
    members = movielens("ml-25m")
    members["ml-25m/ratings.csv"] = b"userId,movieId,rating,timestamp\r\n1,1,five,3\r\n"
    with pytest.raises(CatalogueError, match=r"ratings\.csv, line 2: 'five' cannot be a value of rating"):
        fetch(home, "ml-25m", source=write_zip(tmp_path / "a.zip", members), assent=True, progress=silent)
    assert not home.dataset("ml-25m").exists()


ARTISTS = ["Röyksopp", 'The "Quoted" Band', "Sigur Rós", *(f"Artist {n}" for n in range(10))]


def lastfm(users: int = 12) -> dict[str, bytes]:
    """HetRec's files: tab-separated with a header; tags.dat Latin-1 with CRLF. One artist has too few listeners."""
    artists = ["id\tname\turl\tpictureURL"]
    artists += [f"{n + 1}\t{name}\thttp://a/{n}\thttp://b/{n}.jpg" for n, name in enumerate(ARTISTS)]
    artists.append("99\tNobody's\thttp://a\t")
    plays = ["userID\tartistID\tweight"]
    plays += [f"{u + 2}\t{n + 1}\t{10 * u + n + 1}" for u in range(users) for n in range(len(ARTISTS))]
    plays.append("2\t99\t5")
    tags = {1: "electronic", 2: "Électronique", 3: "metal", 4: "ELECTRONIC"}
    tagged = ["userID\tartistID\ttagID\tday\tmonth\tyear"]
    tagged += [f"{user}\t{artist}\t1\t1\t4\t2009" for user in (2, 3, 4) for artist in range(1, 12)]
    tagged += [f"2\t{artist}\t2\t1\t4\t2009" for artist in range(1, 12)]  # one user alone: not enough
    tagged += ["5\t1\t4\t1\t4\t2009", "2\t3\t3\t1\t4\t2009", "3\t3\t3\t1\t4\t2009"]
    return {
        "artists.dat": "\n".join([*artists, ""]).encode(),
        "tags.dat": "\r\n".join(["tagID\ttagValue", *(f"{n}\t{tag}" for n, tag in tags.items()), ""]).encode("latin-1"),
        "user_artists.dat": "\r\n".join([*plays, ""]).encode(),
        "user_taggedartists.dat": "\r\n".join([*tagged, ""]).encode(),
        "user_friends.dat": b"userID\tfriendID\r\n2\t275\r\n",
    }


def test_lastfm_2k(home: Home, tmp_path: Path) -> None:
    fetch(home, "lastfm-2k", source=write_zip(tmp_path / "l.zip", lastfm()), assent=True, progress=silent)
    with Catalogue.open(home, "lastfm-2k") as catalogue:
        items, pairs = catalogue.items(), catalogue.interactions()
        concepts = {concept.name: concept for concept in catalogue.concepts()}
        assert catalogue.meta["parameters"]["min_listeners"] == 10
        assert len(catalogue.users().user_id) == 12
    assert items.title == ARTISTS  # the artist with one listener is left out
    assert (items.year == -1).all()
    assert pairs.weight.max() == 10 * 11 + len(ARTISTS)
    tag = concepts["electronic"]
    assert (tag.kind, len(tag.items)) == ("tag", 11)
    assert tag.support is not None
    assert tag.support.tolist() == [4, *[3] * 10]  # one more user spelled it in capitals
    assert "électronique" not in concepts
    assert "metal" not in concepts  # on too few artists
    assert concepts["Trance (union)"].kind == "tag-union"
    assert items.attributes["tags"][2] == "electronic|metal"


def test_the_filters_of_a_recipe_can_be_changed(home: Home, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "l.zip", lastfm())
    wide = {"min_listeners": "1", "min_artists": "1", "min_tagged": "1"}
    fetch(home, "lastfm-2k", source=archive, assent=True, progress=silent, parameters=wide)
    with Catalogue.open(home, "lastfm-2k") as catalogue:
        assert "Nobody's" in catalogue.items().title
        assert "metal" in {concept.name for concept in catalogue.concepts()}
        assert catalogue.meta["parameters"]["min_listeners"] == 1
    for values, message in (
        ({"min_listener": "3"}, r"no parameter 'min_listener'; known are .*Did you mean min_listeners\?"),
        ({"min_listeners": "many"}, "parameter min_listeners needs a value like 10, not 'many'"),
    ):
        with pytest.raises(CatalogueError, match=message):
            fetch(home, "lastfm-2k", source=archive, assent=True, progress=silent, parameters=values)
    narrow = {"min_listeners": "99"}
    with pytest.raises(CatalogueError, match="there is no interaction in it"):
        fetch(home, "lastfm-2k", source=archive, assent=True, progress=silent, parameters=narrow)


def test_the_filters_go_on_until_nothing_more_falls(home: Home, tmp_path: Path) -> None:
    pairs = [(user, artist) for user in (1, 2) for artist in (1, 2, 3)]  # stays
    pairs += [(n, n + 1) for n in range(3, 33)] + [(n, n + 2) for n in range(3, 33)]  # a chain falls link by link
    plays = ["userID\tartistID\tweight", *(f"{user}\t{artist}\t1" for user, artist in pairs)]
    artists = ["id\tname\turl\tpictureURL", *(f"{n}\tArtist {n}\t\t" for n in range(1, 35))]
    files = {
        "artists.dat": "\n".join([*artists, ""]).encode(),
        "user_artists.dat": "\r\n".join([*plays, ""]).encode(),
    }
    archive = write_zip(tmp_path / "l.zip", lastfm() | files)
    two = {"min_listeners": "2", "min_artists": "2"}
    fetch(home, "lastfm-2k", source=archive, assent=True, progress=silent, parameters=two)
    with Catalogue.open(home, "lastfm-2k") as catalogue:
        assert catalogue.users().user_id == ["1", "2"]
        assert catalogue.items().item_id == ["1", "2", "3"]


MUSIC = "track_id,name,artist,spotify_preview_url,spotify_id,tags,genre,year,duration_ms"


def million_songs() -> dict[str, bytes]:
    """Three artists of two tracks each; the third has too few listeners."""
    artists = {"Sigur Rós": "rock, indie_rock,beautiful", "Burial, the": "dance,electronic", "Unheard": "pop"}
    music, plays = [MUSIC], ["track_id,user_id,playcount"]
    for a, (artist, tags) in enumerate(artists.items()):
        for t in range(2):
            music.append(f'TR{a}{t},"Song, {t}","{artist}",http://x,id,"{tags}",Rock,2004,200000')
            plays += [f"TR{a}{t},user{u:02},{a + t + 1}" for u in range(6 if artist != "Unheard" else 2)]
    plays += ["TR00,passer-by,1"]
    return {
        "Music Info.csv": "\n".join([*music, ""]).encode(),
        "User Listening History.csv": "\n".join([*plays, ""]).encode(),
    }


FILTERS = {"first_listeners": "3", "rows_of_user": "2", "last_listeners": "4", "min_tagged": "1"}


@pytest.mark.parametrize("as_folder", [True, False])
def test_lastfm_msd_is_summed_up_to_artists(as_folder: bool, home: Home, tmp_path: Path) -> None:
    if as_folder:
        source = tmp_path / "files"
        source.mkdir()
        for name, data in million_songs().items():
            (source / name).write_bytes(data)
    else:
        source = write_zip(tmp_path / "m.zip", million_songs())
    fetch(home, "lastfm-msd", source=source, assent=True, progress=silent, parameters=FILTERS)
    with Catalogue.open(home, "lastfm-msd") as catalogue:
        items, pairs = catalogue.items(), catalogue.interactions()
        concepts = {concept.name: concept for concept in catalogue.concepts()}
        assert len(catalogue.users().user_id) == 6  # the passer-by has one row
    assert items.title == ["Burial, the", "Sigur Rós"]
    assert sorted(set(pairs.weight.tolist())) == [3.0, 5.0]  # play counts of both tracks
    assert items.attributes["tags"] == ["dance|electronic", "indie_rock|rock"]  # beautiful says too little
    assert concepts["rock"].support is not None
    assert concepts["rock"].support.tolist() == [12]  # six users, two tracks
    assert concepts["Rock (union)"].items.tolist() == [1]


def test_a_collection_to_download_by_hand_says_where_and_what_then(home: Home) -> None:
    with pytest.raises(CatalogueError, match=r"no address to download from\. Download the collection .*with --from\."):
        fetch(home, "lastfm-msd", source=None, assent=True, progress=silent)


@pytest.mark.real_data
def test_the_real_lastfm_2k(archives: Path, home: Home) -> None:
    source = archives / "hetrec2011-lastfm-2k.zip"
    fetch(home, "lastfm-2k", source=source, assent=True, progress=silent)
    with Catalogue.open(home, "lastfm-2k") as catalogue:
        assert (catalogue.meta["n_users"], catalogue.meta["n_items"]) == (1797, 1507)
        assert catalogue.meta["n_interactions"] == 62376
        titles = set(catalogue.items().title)
        concepts = {concept.name: concept for concept in catalogue.concepts()}
    assert {"Röyksopp", "Sigur Rós", "Björk", "Beyoncé", "Motörhead"} <= titles
    assert not any("Ã" in title or "\ufffd" in title for title in titles)
    assert concepts["rock"].support is not None
    assert concepts["rock"].support.min() >= 2
    assert len(concepts["reggae"].items) == 13
