"""An open catalogue: read-only, locked, typed answers."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.errors import CatalogueError, HomeError
from engine.home import Home
from engine.progress import silent

from .conftest import small_archive


def test_arrays_have_their_types_and_order(small: Catalogue) -> None:
    items, everything = small.items(), small.interactions()
    types = [str(column.dtype) for column in (items.year, items.popularity)]
    assert types == ["int16", "uint32"]
    types = [str(column.dtype) for column in (everything.user, everything.item, everything.weight)]
    assert types == ["int32", "int32", "float32"]
    order = np.lexsort((everything.item, everything.user))
    assert order.tolist() == list(range(len(everything.user)))
    assert all(concept.items.dtype == np.int32 for concept in small.concepts())


def test_columns_name_what_a_condition_may_use(small: Catalogue) -> None:
    assert list(small.columns("items")) == ["item", "item_id", "title", "year", "popularity", "genres"]
    assert small.columns("users")["gender"] == "VARCHAR"


def test_a_data_set_that_is_not_here_names_the_command(home: Home) -> None:
    with pytest.raises(CatalogueError, match=r"MovieLens 1M is not here yet; .*`monoscope datasets fetch ml-1m`"):
        Catalogue.open(home, "ml-1m")
    assert not home.root.exists()


def test_an_unknown_data_set_names_what_is_known(home: Home) -> None:
    with pytest.raises(CatalogueError, match=r"no data set 'ml-1n'; known are .*Did you mean ml-1m\?"):
        Catalogue.open(home, "ml-1n")


def test_a_name_that_is_a_path_is_refused(home: Home) -> None:
    with pytest.raises(HomeError, match="cannot name a data set"):
        Catalogue.open(home, "../ml-1m")


def test_a_damaged_file_says_how_to_build_it_anew(home: Home, tmp_path: Path) -> None:
    folder = fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip"), assent=True, progress=silent)
    (folder / "catalogue.duckdb").write_bytes(b"nothing of the kind")
    with pytest.raises(CatalogueError, match=r"cannot be read .*`monoscope datasets fetch ml-1m` builds it anew"):
        Catalogue.open(home, "ml-1m")


def test_a_catalogue_of_another_format_says_how_to_build_it_anew(home: Home, tmp_path: Path) -> None:
    folder = fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip"), assent=True, progress=silent)
    with duckdb.connect(str(folder / "catalogue.duckdb")) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'format'")
    with pytest.raises(CatalogueError, match="another version"):
        Catalogue.open(home, "ml-1m")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET title = 'x'",
        "SET threads = 1",
        "SET enable_external_access = true",
        "FROM read_csv('/etc/passwd')",
        "FROM glob('*')",
        "ATTACH '/tmp/other.duckdb'",
        "COPY items TO '/tmp/items.csv'",
        "INSTALL httpfs",
    ],
)
def test_the_connection_is_read_only_and_locked(small: Catalogue, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        small._connection.execute(statement)


def test_one_process_opens_a_catalogue_twice_and_fetches_beside_it(
    home: Home, tmp_path: Path, small_home: Home
) -> None:
    with Catalogue.open(small_home, "ml-1m") as one, Catalogue.open(small_home, "ml-1m") as two:
        fetch(home, "ml-1m", source=small_archive(tmp_path / "a.zip"), assent=True, progress=silent)
        assert one.items().item_id == two.items().item_id
