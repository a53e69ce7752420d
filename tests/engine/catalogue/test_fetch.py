"""Fetching from files: what fits is built, what does not leaves nothing behind."""

import hashlib
import json
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.catalogue.catalogue import Catalogue, datasets
from engine.catalogue.fetch import NOT_OFFICIAL, fetch, fetch_recipe
from engine.catalogue.recipes import recipe
from engine.errors import CatalogueError, HomeError
from engine.home import Home
from engine.progress import silent

from .conftest import small_archive, small_files, write_zip


def fetch_small(home: Home, source: Path) -> Path:
    return fetch(home, "ml-1m", source=source, assent=True, progress=silent)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_archive_is_built_into_a_data_set(home: Home, tmp_path: Path) -> None:
    folder = fetch_small(home, small_archive(tmp_path / "ml-1m.zip"))
    assert folder == home.datasets / "ml-1m"
    assert sorted(path.name for path in folder.iterdir()) == ["catalogue.duckdb", "manifest.json", "raw"]
    assert sorted(path.name for path in (folder / "raw").iterdir()) == ["movies.dat", "ratings.dat", "users.dat"]
    assert [path.name for path in home.datasets.iterdir()] == ["ml-1m"]


@pytest.mark.parametrize("inner", ["", "ml-1m"])
def test_an_extracted_folder_serves_as_well_as_its_archive(home: Home, tmp_path: Path, inner: str) -> None:
    folder = tmp_path / "extracted" / inner
    folder.mkdir(parents=True)
    for name, data in small_files().items():
        (folder / name).write_bytes(data)
    other = Home(tmp_path / "other")
    fetch_small(home, tmp_path / "extracted")
    fetch_small(other, small_archive(tmp_path / "ml-1m.zip"))
    with Catalogue.open(home, "ml-1m") as one, Catalogue.open(other, "ml-1m") as two:
        assert one.hash == two.hash
        assert one.meta["source_notice"] == NOT_OFFICIAL


def test_another_checksum_is_a_notice_kept_with_both_checksums(home: Home, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "ml-1m.zip")
    manifest = json.loads((fetch_small(home, archive) / "manifest.json").read_text())
    assert manifest["source_notice"] == "not the official archive"
    assert manifest["source_md5"] == hashlib.md5(archive.read_bytes()).hexdigest()
    assert manifest["official_md5"] == recipe("ml-1m").md5


def test_the_official_checksum_gives_no_notice(home: Home, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "ml-1m.zip")
    official = recipe("ml-1m").model_copy(update={"md5": hashlib.md5(archive.read_bytes()).hexdigest()})
    folder = fetch_recipe(home, official, source=archive, assent=True, progress=silent)
    assert json.loads((folder / "manifest.json").read_text())["source_notice"] is None


def test_without_assent_nothing_is_fetched(home: Home, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "ml-1m.zip")
    with pytest.raises(CatalogueError, match=r"GroupLens research licence.*--accept-licence"):
        fetch(home, "ml-1m", source=archive, assent=False, progress=silent)
    assert not home.root.exists()


def test_progress_rises_to_one(home: Home, tmp_path: Path) -> None:
    told: list[float] = []
    fetch(
        home,
        "ml-1m",
        source=small_archive(tmp_path / "a.zip"),
        assent=True,
        progress=lambda share, _text: told.append(share),
    )
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def link(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("ml-1m/movies.dat")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return path


def truncated(path: Path) -> Path:
    path.write_bytes(small_archive(path).read_bytes()[:-200])
    return path


def damaged(path: Path) -> Path:
    data = bytearray(small_archive(path).read_bytes())
    data[60:90] = bytes(30)
    path.write_bytes(data)
    return path


def bomb(path: Path) -> Path:
    return write_zip(path, {"ml-1m/movies.dat": bytes(recipe("ml-1m").unpacked_bytes_limit + 1)})


def not_a_zip(path: Path) -> Path:
    path.write_text("<html>Sign in to the hotel's network</html>")
    return path


def another_layout(path: Path) -> Path:
    return write_zip(path, {"artists.dat": b"id\tname\n"})


def without_users(path: Path) -> Path:
    return write_zip(path, {f"ml-1m/{n}": data for n, data in small_files().items() if n != "users.dat"})


REFUSED = {
    "truncated": (truncated, r"a\.zip is damaged or cut short"),
    "damaged": (damaged, r"a\.zip is damaged or cut short"),
    "not a zip": (not_a_zip, r"a\.zip is not a zip archive"),
    "another layout": (another_layout, r"a\.zip has no ml-1m/movies\.dat"),
    "missing member": (without_users, r"a\.zip has no ml-1m/users\.dat"),
    "link": (link, r"its member 'ml-1m/movies\.dat' is a link"),
    "bomb": (bomb, r"would unpack to 200,000,001 bytes"),
    "missing": (lambda path: path, r"There is no file or folder .*a\.zip"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_an_archive_that_does_not_fit_leaves_nothing_behind(
    home: Home, tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(CatalogueError, match=message) as caught:
        fetch_small(home, make(tmp_path / "a.zip"))
    assert "\n" not in str(caught.value)
    assert everything_in(home.root) == {}
    assert list(home.datasets.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../outside.dat", "/etc/outside.dat", "ml-1m/../../outside.dat", "..\\outside.dat", "C:\\outside.dat"]
)
def test_a_member_that_points_outside_refuses_the_archive(home: Home, tmp_path: Path, name: str) -> None:
    members = {f"ml-1m/{file}": data for file, data in small_files().items()}
    with pytest.raises(CatalogueError, match="points outside the archive"):
        fetch_small(home, write_zip(tmp_path / "a.zip", {**members, name: b"gotcha"}))
    assert not list(tmp_path.rglob("outside*"))


def test_members_that_the_recipe_does_not_name_stay_in_the_archive(home: Home, tmp_path: Path) -> None:
    members = {f"ml-1m/{file}": data for file, data in small_files().items()}
    folder = fetch_small(home, write_zip(tmp_path / "a.zip", {**members, "ml-1m/run.sh": b"rm -rf"}))
    assert not list(folder.rglob("run.sh"))


ROWS = {
    "too few fields": ({"ratings": b"1::29::5::0\n1::73::5\n"}, r"ratings\.dat, line 2: expected 4 fields, found 3"),
    "too many fields": ({"ratings": b"1::29::5::0::7\n"}, r"ratings\.dat, line 1: expected 4 fields, found 5"),
    "no number": (
        {"ratings": b"1::29::5::0\n\n1::x::5::0\n"},
        r"ratings\.dat, line 3: 'x' cannot be a value of item_id",
    ),
    "empty id": ({"ratings": b"::29::5::0\n"}, r"ratings\.dat, line 1: '' cannot be a value of user_id"),
    "impossible rating": ({"ratings": b"1::29::6::0\n"}, r"ratings\.dat, line 1: '6' cannot be a value of rating"),
    "unknown age": ({"users": b"1::F::1::10::1\n2::M::2::1::1\n"}, r"users\.dat, line 2: '2' cannot be a value of age"),
    "not ASCII": ({"users": b"1::F::1::10::\xe9\n"}, r"users\.dat, line 1: Invalid unicode"),
    "unknown film": ({"ratings": b"1::999::5::0\n"}, r"user '1' names item '999', which is not among the items"),
    "unknown user": ({"ratings": b"77::29::5::0\n"}, r"names user '77', who is not among the users"),
    "film twice": ({"movies": b"29::A (1990)::Drama\n29::B (1990)::Drama\n"}, r"item '29' stands there twice"),
    "no title": ({"movies": b"29:: (1990)::Drama\n"}, r"item '29' has no title"),
    "no ratings": ({"ratings": b""}, r"there is no interaction in it"),
}


@pytest.mark.parametrize(("replaced", "message"), ROWS.values(), ids=ROWS)
def test_a_row_that_does_not_fit_is_named_and_leaves_nothing_behind(
    home: Home, tmp_path: Path, replaced: dict[str, bytes], message: str
) -> None:
    with pytest.raises(CatalogueError, match=message) as caught:
        fetch_small(home, small_archive(tmp_path / "a.zip", **replaced))
    assert "\n" not in str(caught.value)
    assert everything_in(home.root) == {}


def test_a_row_far_down_a_long_file_is_named_by_its_line(home: Home, tmp_path: Path) -> None:
    ratings = b"1::29::5::978300000\n" * 700_000 + b"1::29::five::0\n" + b"1::29::5::0\n" * 50_000
    with pytest.raises(CatalogueError, match=r"ratings\.dat, line 700001: 'five' cannot be a value of rating"):
        fetch_small(home, small_archive(tmp_path / "a.zip", ratings=ratings))


def test_a_failure_leaves_an_earlier_data_set_as_it_was(home: Home, tmp_path: Path) -> None:
    folder = fetch_small(home, small_archive(tmp_path / "good.zip"))
    before = everything_in(folder)
    with pytest.raises(CatalogueError):
        fetch_small(home, truncated(tmp_path / "bad.zip"))
    with pytest.raises(CatalogueError):
        fetch_small(home, small_archive(tmp_path / "worse.zip", ratings=b"1::29\n"))
    assert everything_in(folder) == before
    assert [path.name for path in home.datasets.iterdir()] == ["ml-1m"]


def test_fetching_again_keeps_the_analyst_s_own_concepts(home: Home, tmp_path: Path) -> None:
    archive = small_archive(tmp_path / "a.zip")
    own = fetch_small(home, archive) / "concepts.jsonl"
    own.write_text('{"name": "mine"}\n')
    fetch_small(home, archive)
    assert own.read_text() == '{"name": "mine"}\n'


def test_a_damaged_archive_is_never_more_than_one_sentence(home: Home, tmp_path: Path) -> None:
    good = small_archive(tmp_path / "good.zip").read_bytes()
    draw = random.Random(7)
    said: list[str] = []
    for _ in range(60):
        data = bytearray(good)
        for _ in range(draw.choice([1, 3])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        (tmp_path / "a.zip").write_bytes(data)
        try:
            fetch_small(home, tmp_path / "a.zip")
        except CatalogueError as error:
            said.append(str(error))
    assert len(said) > 20
    assert not any("\n" in sentence for sentence in said)


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(HomeError, match="Cannot write"):
        fetch_small(Home(tmp_path / "home"), small_archive(tmp_path / "a.zip"))


def test_the_simulated_demo_takes_no_file(home: Home, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="simulated here"):
        fetch(home, "demo", source=tmp_path, assent=False, progress=silent)


def test_the_list_of_data_sets_says_what_is_here(home: Home, tmp_path: Path) -> None:
    before = {info.name: info for info in datasets(home)}
    assert before["ml-1m"].state == "not fetched"
    assert before["ml-1m"].bytes == recipe("ml-1m").bytes
    folder = fetch_small(home, small_archive(tmp_path / "a.zip"))
    here = {info.name: info for info in datasets(home)}["ml-1m"]
    assert (here.state, here.users, here.items, here.interactions) == ("here", 4, 24, 57)
    assert here.source_notice == NOT_OFFICIAL
    (folder / "manifest.json").write_text("{")
    assert {info.name: info.state for info in datasets(home)}["ml-1m"] == "damaged"
