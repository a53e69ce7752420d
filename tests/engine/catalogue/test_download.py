"""Downloading: resumed, checked, and nothing wrong kept."""

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch_recipe
from engine.catalogue.recipes import Recipe, recipe
from engine.errors import CatalogueError
from engine.home import Home
from engine.progress import silent

from .conftest import small_archive


class Archive:
    """A server of one file, which may break off, ignore ranges or answer with an error."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.break_off_after: int | None = None
        self.ranges = True
        self.status: int | None = None
        self.asked: list[str | None] = []


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(small_archive(tmp_path / "official.zip").read_bytes())


@pytest.fixture
def official(archive: Archive) -> Iterator[Recipe]:
    """MovieLens 1M, to be had from a server in this process."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            archive.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and archive.ranges else 0
            if archive.status is not None or start >= len(archive.data):
                self.send_error(archive.status or 416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(archive.data) - start))
            self.end_headers()
            self.wfile.write(archive.data[start : archive.break_off_after])

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield recipe("ml-1m").model_copy(
        update={
            "url": f"http://127.0.0.1:{server.server_port}/ml-1m.zip",
            "md5": hashlib.md5(archive.data).hexdigest(),
        }
    )
    server.shutdown()
    thread.join()
    server.server_close()


def fetch_official(home: Home, official: Recipe) -> Path:
    return fetch_recipe(home, official, source=None, assent=True, progress=silent)


def names(home: Home) -> list[str]:
    return sorted(path.name for path in home.datasets.iterdir())


def test_a_download_with_the_right_checksum_is_built_and_not_kept(home: Home, official: Recipe) -> None:
    fetch_official(home, official)
    assert names(home) == ["ml-1m"]
    with Catalogue.open(home, "ml-1m") as catalogue:
        assert (catalogue.meta["source"], catalogue.meta["source_notice"]) == ("download", None)


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(home: Home, official: Recipe, archive: Archive) -> None:
    archive.data = archive.data[:-1] + b"?"
    with pytest.raises(CatalogueError, match=r"gave a file with md5 [0-9a-f]{32}, not [0-9a-f]{32}"):
        fetch_official(home, official)
    assert names(home) == []


def test_an_interrupted_download_goes_on_where_it_stopped(home: Home, official: Recipe, archive: Archive) -> None:
    archive.break_off_after = 500
    with pytest.raises(CatalogueError, match=r"500 of .* bytes came\. The same command goes on from here"):
        fetch_official(home, official)
    archive.break_off_after = None
    fetch_official(home, official)
    assert archive.asked == [None, "bytes=500-"]
    assert names(home) == ["ml-1m"]


def test_a_server_without_ranges_starts_anew(home: Home, official: Recipe, archive: Archive) -> None:
    archive.break_off_after = 500
    with pytest.raises(CatalogueError):
        fetch_official(home, official)
    archive.break_off_after, archive.ranges = None, False
    fetch_official(home, official)
    assert names(home) == ["ml-1m"]


def test_a_part_that_is_too_long_starts_anew(home: Home, official: Recipe, archive: Archive) -> None:
    home.datasets.mkdir(parents=True)
    (home.datasets / ".ml-1m.download.part").write_bytes(archive.data + b"more")
    fetch_official(home, official)
    assert archive.asked[-1] is None
    assert names(home) == ["ml-1m"]


def test_a_server_s_refusal_is_one_sentence(home: Home, official: Recipe, archive: Archive) -> None:
    archive.status = 503
    with pytest.raises(CatalogueError, match="answers 503 Service Unavailable; try later, or give --from FILE"):
        fetch_official(home, official)
    assert names(home) == []


def test_no_network_is_one_sentence(home: Home, official: Recipe) -> None:
    away = official.model_copy(update={"url": "http://127.0.0.1:1/ml-1m.zip"})
    with pytest.raises(CatalogueError, match=r"stopped: .*refused"):
        fetch_official(home, away)


def test_two_processes_do_not_write_one_download(home: Home, official: Recipe, archive: Archive) -> None:
    home.datasets.mkdir(parents=True)
    with open(home.datasets / ".ml-1m.download.lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CatalogueError, match="is being downloaded by another process; wait for it"):
            fetch_official(home, official)
    assert archive.asked == []
    fetch_official(home, official)
    assert names(home) == ["ml-1m"]


def test_a_lock_that_its_holder_removed_meanwhile_is_not_trusted(
    home: Home, official: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first flock gets a file that is no longer there, as when the process before ends just then."""
    home.datasets.mkdir(parents=True)
    path = home.datasets / ".ml-1m.download.lock"
    flock, seen = fcntl.flock, []

    def after_removal(lock: TextIO, operation: int) -> None:
        seen.append(os.fstat(lock.fileno()).st_ino)
        if len(seen) == 1:
            path.unlink()
        flock(lock, operation)

    monkeypatch.setattr("engine.catalogue.download.fcntl.flock", after_removal)
    fetch_official(home, official)
    assert len(seen) == 2
    assert names(home) == ["ml-1m"]


def test_a_file_system_without_locks_downloads_all_the_same(
    home: Home, official: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(_lock: TextIO, _operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("engine.catalogue.download.fcntl.flock", unsupported)
    fetch_official(home, official)
    assert names(home) == ["ml-1m"]
