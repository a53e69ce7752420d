"""Obtaining a data set: from an archive, an extracted folder, a download or a simulation; then building it."""

import hashlib
import json
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from engine.catalogue.build import Source, build
from engine.catalogue.download import download
from engine.catalogue.recipes import Recipe, recipe
from engine.errors import CatalogueError
from engine.home import Home, building, make_folder, write_whole
from engine.progress import Progress

NOT_OFFICIAL = "not the official archive"
_CHUNK = 1 << 20


def fetch(
    home: Home,
    name: str,
    *,
    source: Path | None,
    assent: bool,
    progress: Progress,
    parameters: Mapping[str, str] | None = None,
) -> Path:
    """Obtain the data set `name` and build its catalogue; returns its folder.

    `source` is an archive or an extracted folder to read instead of downloading. `assent` says that the user
    accepts the recipe's licence; `parameters` replace those of the recipe. An earlier data set of that name is
    replaced when the new one is complete.
    Raises `CatalogueError`: unknown name, no assent, a download that fails, an archive that does not fit.
    """
    chosen = fetchable(home, name).with_parameters(parameters or {})
    return fetch_recipe(home, chosen, source=source, assent=assent, progress=progress)


def fetchable(home: Home, name: str) -> Recipe:
    """The recipe `name`; `CatalogueError` for a name that is unknown, or of data that the user added."""
    if (home.dataset(name) / "added.json").is_file():
        raise CatalogueError(f"{name} is data of your own; `monoscope datasets add {name} --replace` builds it anew.")
    return recipe(name)


def fetch_recipe(home: Home, recipe: Recipe, *, source: Path | None, assent: bool, progress: Progress) -> Path:
    """`fetch` for a recipe in hand."""
    if recipe.needs_assent and not assent:
        raise CatalogueError(
            f"{recipe.title} comes under the {recipe.licence}; read it, then add --accept-licence to accept it."
        )
    if recipe.simulated and source is not None:
        raise CatalogueError(f"{recipe.title} is simulated here and reads no file; leave out --from.")
    if recipe.simulated or source is not None:
        return _build_folder(home, recipe, source, progress)
    make_folder(home.datasets)
    with download(recipe, home.datasets / f".{recipe.name}.download.part", _part(progress, 0, 0.5)) as archive:
        return _build_folder(home, recipe, archive, _part(progress, 0.5, 1), "download")


def _build_folder(home: Home, recipe: Recipe, source: Path | None, progress: Progress, kind: str = "archive") -> Path:
    folder = home.dataset(recipe.name)
    with building(folder) as beside:
        raw = make_folder(beside / "raw")
        told = _part(progress, 0, 0.3)
        if source is None:
            from engine.catalogue.simulate import simulate

            simulate(recipe, raw, told)
            came_from = Source("simulated")
        elif source.is_dir():
            _copy(recipe, source, raw)
            came_from = Source("folder", notice=NOT_OFFICIAL)
        else:
            came_from = _unpack(recipe, source, raw, told, kind)
        meta = build(recipe, raw, beside / "catalogue.duckdb", came_from, _part(progress, 0.3, 1))
        write_whole(beside / "manifest.json", json.dumps(meta, indent=1, ensure_ascii=False) + "\n")
        if (own := folder / "concepts.jsonl").exists():
            shutil.copyfile(own, beside / own.name)
    return folder


def _part(progress: Progress, start: float, stop: float) -> Progress:
    return lambda share, text: progress(start + share * (stop - start), text)


def _copy(recipe: Recipe, source: Path, raw: Path) -> None:
    inner = source / recipe.archive_folder
    for file in recipe.files:
        found = next((folder / file for folder in (source, inner) if (folder / file).is_file()), None)
        if found is None:
            raise CatalogueError(f"{source} has no {file}; {recipe.title} needs {', '.join(recipe.files)}.")
        with _reading(found):
            shutil.copyfile(found, raw / file)


def _unpack(recipe: Recipe, archive: Path, raw: Path, progress: Progress, kind: str) -> Source:
    """Extract the recipe's members, and nothing else, into `raw`."""
    if not archive.is_file():
        raise CatalogueError(f"There is no file or folder {archive}.")
    with _reading(archive):
        progress(0.0, "checking")
        with open(archive, "rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        with zipfile.ZipFile(archive) as opened:
            _check_contained(recipe, archive, opened)
            for number, (file_name, member) in enumerate(recipe.members.items()):
                progress(0.3 + 0.7 * number / len(recipe.files), f"unpacking {file_name}")
                with opened.open(member) as packed, open(raw / file_name, "wb") as target:
                    shutil.copyfileobj(packed, target, _CHUNK)
    return Source(kind, md5, None if recipe.md5 in (None, md5) else NOT_OFFICIAL)


def _check_contained(recipe: Recipe, archive: Path, opened: zipfile.ZipFile) -> None:
    """Refuse an archive that reaches outside its folder, is a bomb, or lacks a member."""
    members = opened.infolist()
    for member in members:
        path = PureWindowsPath(member.filename)  # knows both separators, and drives
        if path.drive or path.root or ".." in path.parts:
            raise CatalogueError(f"{archive} is refused: its member {member.filename!r} points outside the archive.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise CatalogueError(f"{archive} is refused: its member {member.filename!r} is a link.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CatalogueError(
                f"{archive} is refused: its member {member.filename!r} is neither stored nor deflated."
            )
    size = sum(member.file_size for member in members)
    if size > recipe.unpacked_bytes_limit:
        raise CatalogueError(
            f"{archive} is refused: it would unpack to {size:,} bytes, more than the {recipe.unpacked_bytes_limit:,}"
            f" that {recipe.title} may have."
        )
    names = {member.filename for member in members}
    for member_name in recipe.members.values():
        if member_name not in names:
            raise CatalogueError(
                f"{archive} has no {member_name}; {recipe.title} needs {', '.join(recipe.members.values())}."
            )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What can be wrong with a file that the user names, in one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        with open(path, "rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        fault = "is damaged or cut short" if is_zip else "is not a zip archive"
        raise CatalogueError(f"{path} {fault}: {str(error).rstrip('.') or 'it ends too early'}.") from error
    except RuntimeError as error:  # zipfile's for encryption and for features that it lacks
        raise CatalogueError(f"{path} cannot be unpacked: {error}.") from error
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read or unpacked: {error.strerror or error}.") from error
