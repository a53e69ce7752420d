"""Downloading an archive: with progress, resumed after an interruption, checked against its md5."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, TextIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import engine
from engine.catalogue.recipes import Recipe
from engine.errors import CatalogueError, HomeError
from engine.progress import Progress

_CHUNK = 1 << 16
_SECONDS_OF_SILENCE = 60


@contextmanager
def download(recipe: Recipe, part: Path, progress: Progress) -> Iterator[Path]:
    """The recipe's archive as the file `part`, which lives as long as the block.

    A `part` that an interruption left is continued; one whose md5 is wrong is removed and a `CatalogueError`.
    """
    if recipe.url is None:
        how = recipe.by_hand.strip() if recipe.by_hand else "Give its files with --from."
        raise CatalogueError(f"{recipe.title} has no address to download from. {how}")
    with _alone(recipe, part):
        yield from _fetched(recipe, recipe.url, part, progress)


def _fetched(recipe: Recipe, url: str, part: Path, progress: Progress) -> Iterator[Path]:
    try:
        _get(url, part, progress)
    except HTTPError as error:
        raise CatalogueError(f"{url} answers {error.code} {error.reason}; try later, or give --from FILE.") from error
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise CatalogueError(
            f"The download of {url} stopped: {reason}. The same command goes on from here; or give --from FILE."
        ) from error
    try:
        with open(part, "rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        if recipe.md5 not in (None, md5):
            raise CatalogueError(
                f"{url} gave a file with md5 {md5}, not {recipe.md5}: it is not used; try again later."
            )
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _alone(recipe: Recipe, part: Path) -> Iterator[None]:
    """One process at a time writes `part`; a second one is told so and not mixed in."""
    path = part.with_suffix(".lock")
    with _locked(recipe, path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(recipe: Recipe, path: Path) -> TextIO:
    """`path`, open and locked. Whoever waited at its opening while the holder removed it locked nothing: once more."""
    while True:
        try:
            lock = open(path, "a")  # noqa: SIM115 (the caller closes it)
        except OSError as error:
            raise HomeError(f"Cannot write {path}: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        except BlockingIOError as error:
            lock.close()
            raise CatalogueError(f"{recipe.title} is being downloaded by another process; wait for it.") from error
        except FileNotFoundError:
            pass  # removed by the holder before
        except OSError:
            return lock  # a file system without locks: as good as it can be there
        lock.close()


def _get(url: str, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": f"monoscope/{engine.__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(Request(url, headers=headers), timeout=_SECONDS_OF_SILENCE) as response:
            resumed = response.status == 206
            with open(part, "ab" if resumed else "wb") as file:
                _receive(response, file, have if resumed else 0, progress)
    except HTTPError as error:
        if error.code != 416:
            raise
        part.unlink()
        _get(url, part, progress)


def _receive(response: HTTPResponse, file: BinaryIO, done: int, progress: Progress) -> None:
    total = done + response.length if response.length is not None else None
    while chunk := response.read(_CHUNK):
        file.write(chunk)
        done += len(chunk)
        progress(done / total if total else 0.0, f"downloading, {done / 1e6:.1f} MB")
    if total is not None and done < total:
        raise HTTPException(f"{done:,} of {total:,} bytes came")
