"""What is written from inside the workbench: never over a file that is there without a question."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.errors import MonoscopeError

if TYPE_CHECKING:
    from workbench.completion import Completion

Complete = Callable[[str, int], "Completion"]
KEPT = "Nothing was written."


class Asks(Protocol):
    """A screen that asks for a line and says a sentence."""

    def ask(
        self,
        question: str,
        text: str,
        done: Callable[[str], None],
        *,
        given_up: Callable[[], None],
        complete: Complete | None,
    ) -> None: ...

    def say(self, message: str) -> None: ...


def write_to(screen: Asks, path: Path, write: Callable[[Path, bool], None], complete: Complete | None = None) -> None:
    """Call `write` with `path`, or where something is there with what the analyst says; never with one by surprise.

    Its second argument says whether the analyst agreed that it is written over. What it raises is said.
    """
    if not is_there(path):
        return _written(screen, path, write, agreed=False)

    def answered(text: str) -> None:
        match text.strip().casefold():
            case "y" | "yes":
                _written(screen, path, write, agreed=True)
            case "" | "n" | "no":
                screen.say(KEPT)
            case _:
                write_to(screen, Path(text.strip()).expanduser(), write, complete)

    def given_up() -> None:
        screen.say(KEPT)

    question = f"{path.name} exists; write over it? y, or another name:"
    return screen.ask(question, "", answered, given_up=given_up, complete=complete)


def _written(screen: Asks, path: Path, write: Callable[[Path, bool], None], *, agreed: bool) -> None:
    try:
        write(path, agreed)
    except MonoscopeError as error:
        screen.say(str(error))


def is_there(path: Path) -> bool:
    """Whether writing would replace something: a file, or what a folder holds."""
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            return any(entries)
    return os.path.lexists(path)
