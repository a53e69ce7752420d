"""Where things live on disk, and how they get there whole: written beside, then renamed."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from engine.errors import HomeError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(kind: str, name: str) -> str:
    """`name` if it can be a folder's name on every system, else a `HomeError`; `kind` is for the sentence."""
    if not _NAME.fullmatch(name):
        raise HomeError(
            f"{name!r} cannot name a {kind}: use at most 64 letters, digits, '.', '_' and '-', "
            "with a letter or digit first."
        )
    return name


@dataclass(frozen=True)
class Home:
    """The folder that holds data sets, runs and sessions. Nothing is created before it is written to."""

    root: Path

    @classmethod
    def find(cls, explicit: Path | None = None) -> "Home":
        """`explicit` (the --home option), else MONOSCOPE_HOME, else the platform's user-data folder."""
        if explicit is not None:
            return cls(explicit.expanduser().absolute())
        if configured := os.environ.get("MONOSCOPE_HOME"):
            return cls(Path(configured).expanduser().absolute())
        from platformdirs import user_data_path

        return cls(user_data_path("monoscope", appauthor=False))

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def sessions(self) -> Path:
        return self.root / "sessions"

    def dataset(self, name: str) -> Path:
        return self.datasets / check_name("data set", name)

    def run(self, name: str) -> Path:
        return self.runs / check_name("run", name)

    def session(self, name: str) -> Path:
        return self.sessions / f"{check_name('session', name)}.jsonl"

    def amounts(self, session: str) -> Path:
        """The folder of what a session's solved edits add to each user's code."""
        return self.sessions / f"{check_name('session', session)}.amounts"


def make_folder(folder: Path) -> Path:
    """`folder`, created with its parents if it is missing; a `HomeError` that says why if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"Cannot write to {folder}: {error.strerror}. Choose another home with --home or MONOSCOPE_HOME."
        ) from error
    return folder


def write_whole(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(beside, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise HomeError(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to fill; it takes `folder`'s place when the block ends without an error.

    An error, Ctrl-C included, removes what was built and leaves an earlier `folder` untouched.
    """
    make_folder(folder.parent)
    _sweep(folder)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        beside.mkdir()
        yield beside
        if folder.exists():
            os.replace(folder, old)
        os.replace(beside, folder)
    except OSError as error:
        raise HomeError(f"Cannot write {folder}: {error.strerror or error}.") from error
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes that are gone (killed, or a power cut) had begun to build for `folder`."""
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        number = left.name.split(".")[-2]
        try:
            os.kill(int(number), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            continue  # somebody else's, and at work
        else:
            if int(number) == os.getpid():
                shutil.rmtree(left, ignore_errors=True)


def content(kind: str) -> Path:
    """The folder of content that ships with the product: `kind` is "datasets" or "sessions".

    A wheel carries it inside this package; a checkout is read in place.
    """
    packaged = Path(str(files("engine") / "content" / kind))
    return packaged if packaged.is_dir() else Path(__file__).resolve().parent.parent / kind
