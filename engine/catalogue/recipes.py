"""Recipes: what a data set is, where its raw files come from, and under which licence."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.errors import CatalogueError
from engine.home import content

Parameter = int | float | str


class Recipe(BaseModel):
    """One folder of `datasets/`: its dataset.toml, checked, with the SQL that it names."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str
    """The folder's name, which is also the data set's."""
    folder: Path
    title: str
    item_word: str
    """What one item is called: "film", "artist"."""
    licence: str
    licence_text: str
    """The conditions in a few sentences; shown before assent is asked for."""
    needs_assent: bool
    citation: str
    load: str = "load.sql"
    """SQL that stages the tables: a file of the recipe's folder, or `common/NAME.sql` beside all recipes."""
    concepts: str = "concepts.sql"
    """SQL that fills the concepts, named like `load`."""
    parameters: dict[str, Parameter] = {}
    """Numbers and texts that the SQL reads with getvariable(); whoever fetches may give others."""
    simulated: bool = False
    notice: str | None = None
    """Shown wherever the data set is: "simulated audience"."""
    url: str | None = Field(default=None, pattern="^https://")
    md5: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    by_hand: str | None = None
    """How a user obtains the files where there is no address to download them from."""
    own: bool = False
    """A data set that the user added: its files are read where they are."""
    interactions_optional: bool = False
    """Items (and users) alone will do."""
    bytes: int | None = None
    """Size of the official archive."""
    archive_folder: str = ""
    """The folder inside the archive that holds the files."""
    files: tuple[str, ...] = ()
    """The raw files that load.sql reads; nothing else is taken from an archive."""
    unpacked_bytes_limit: int = 0
    """An archive that would unpack to more is refused."""
    item_attributes: tuple[str, ...]
    """The columns of `items` beyond item, item_id, title, year and popularity."""
    user_attributes: tuple[str, ...]
    """The columns of `users` beyond user and user_id."""

    @model_validator(mode="after")
    def _has_a_source(self) -> "Recipe":
        given = (self.url or self.by_hand) and self.files and self.unpacked_bytes_limit
        if not (self.simulated or self.own or given):
            raise ValueError("a data set that is not simulated needs url (or by_hand), files and unpacked_bytes_limit")
        for name in (self.load, self.concepts):
            parts = PurePosixPath(name).parts
            if len(parts) != 1 and not (len(parts) == 2 and parts[0] == "common"):
                raise ValueError(f"{name!r} must be a file of the recipe's own folder or of common/")
        return self

    def sql(self, name: str) -> Path:
        """Where the file `load` or `concepts` lies."""
        return self.folder / name if "/" not in name else content("datasets") / name

    def with_parameters(self, values: Mapping[str, str]) -> "Recipe":
        """The recipe with other parameters, given as texts; `CatalogueError` for one that it does not have."""
        changed = dict(self.parameters)
        for name, text in values.items():
            if name not in changed:
                raise CatalogueError(unknown("parameter", name, list(changed) or ["none"]))
            kind = type(changed[name])
            try:
                changed[name] = kind(text)
            except ValueError as error:
                raise CatalogueError(
                    f"The parameter {name} needs a value like {changed[name]}, not {text!r}."
                ) from error
        return self.model_copy(update={"parameters": changed})

    @property
    def members(self) -> dict[str, str]:
        """The archive's name of each raw file."""
        return {file: str(PurePosixPath(self.archive_folder, file)) for file in self.files}

    @classmethod
    def read(cls, folder: Path) -> "Recipe":
        """The recipe in `folder`; `CatalogueError` if its dataset.toml does not hold one."""
        path = folder / "dataset.toml"
        try:
            return cls(name=folder.name, folder=folder, **tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CatalogueError(f"{path}: {where or 'recipe'}: {first['msg']}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CatalogueError(f"{path} is not TOML: {error}.") from error


def recipes() -> dict[str, Recipe]:
    """Every recipe that ships, by name."""
    folders = sorted(path.parent for path in content("datasets").glob("*/dataset.toml"))
    return {folder.name: Recipe.read(folder) for folder in folders}


def recipe(name: str) -> Recipe:
    """The recipe `name`; `CatalogueError` naming what is known if there is none."""
    known = recipes()
    if name not in known:
        raise CatalogueError(unknown("data set", name, list(known)))
    return known[name]


def unknown(kind: str, name: str, known: list[str]) -> str:
    """One sentence for a name that is not among `known`, with the closest match if one is close."""
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no {kind} {name!r}; known are {', '.join(known)}.{hint}"
