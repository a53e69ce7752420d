"""Where an analyst is in a session: what they look at, not what they did. A small file beside the journal.

It is no action, so undo does not know it. What it names may be gone when it is read: whoever takes it up checks.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from engine.errors import MonoscopeError
from engine.home import write_whole


class PlaceError(MonoscopeError):
    """A file of a place cannot be read."""


@dataclass(frozen=True)
class Place:
    """`neuron` is under the cursor; `pane` has the focus, `shown` is what shares a place on a narrow terminal.

    `side` is what the bench shows; `cohort` and `curve` are kept where another side is shown too.
    """

    content: str = ""
    """The hash of the run's recommender and neurons, without which the numbers mean nothing."""
    neuron: int = -1
    filter: str = ""
    sort: str = ""
    descending: bool = True
    marks: tuple[int, ...] = ()
    tab: str = ""
    page: tuple[str, ...] = ()
    """Kind and name of the page that is open."""
    side: str = ""
    cohort: str = ""
    has_cohort: bool = False
    curve: int = -1
    curve_of: tuple[str, ...] = ()
    """"where" and a condition, or "user" and an id; empty for whoever is watched."""
    pane: str = ""
    shown: str = ""
    zoomed: bool = False

    @classmethod
    def read(cls, path: Path) -> "Place | None":
        """The place kept in a file; None where there is none. Raises `PlaceError` for anything but a place."""
        try:
            told = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise PlaceError(f"Where you were cannot be read: {path}: {error.strerror}.") from error
        except (ValueError, RecursionError) as error:
            raise _unreadable(path) from error
        if not isinstance(told, dict):
            raise _unreadable(path)
        try:
            return cls(**{name: _checked(told[name], kind) for name, kind in _kinds().items() if name in told})
        except ValueError as error:
            raise _unreadable(path) from error

    def write(self, path: Path) -> None:
        """Raises `HomeError` where it cannot be written."""
        write_whole(path, json.dumps(asdict(self), ensure_ascii=False) + "\n")


def _kinds() -> Mapping[str, Any]:
    hints = get_type_hints(Place)
    return {field.name: hints[field.name] for field in fields(Place)}


def _checked(value: object, kind: Any) -> Any:
    """`value` if it is of the kind of a field; a `ValueError` else."""
    if kind in (str, bool, int):
        if type(value) is not kind:
            raise ValueError
        return value
    [of, _] = kind.__args__
    if not isinstance(value, list) or any(type(one) is not of for one in value):
        raise ValueError
    return tuple(value)


def _unreadable(path: Path) -> PlaceError:
    return PlaceError(f"Where you were is not kept: {path} is damaged, and is written anew.")
