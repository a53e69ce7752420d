"""What can be said on the `:` line: the commands of the command line, and the workbench's own.

The command line is looked into once, by `load`; its library costs a tenth of a second, so `preload` has a thread do it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from workbench.view import TABS

Kind = Literal[
    "run", "session", "dataset", "concept", "cohort", "neuron", "user", "item",
    "user column", "item column", "neuron column", "file", "theme",
]  # fmt: skip
"""What a value may name; a context lists what there is of each."""


@dataclass(frozen=True)
class Value:
    """What an option or an argument takes. `sql`: a condition over columns."""

    metavar: str
    kinds: tuple[Kind, ...] = ()
    choices: tuple[str, ...] = ()
    sql: bool = False
    usages: tuple[str, ...] = ()
    """Of an argument that is an action: each with what follows it, such as "set J TEXT"."""


@dataclass(frozen=True)
class Option:
    """An option with all its names; `value` is None for a switch."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    many: bool = False
    required: bool = False


@dataclass(frozen=True)
class Argument:
    value: Value
    help: str = ""
    required: bool = True
    many: bool = False


@dataclass(frozen=True)
class Verb:
    """A command: its words, arguments and options. `rest`: its argument is the rest of the line, quoted or not."""

    words: tuple[str, ...]
    help: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    rest: bool = False

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def option(self, name: str) -> Option | None:
        """The option of that name, "-k" or "--no-bias" too."""
        return next((option for option in self.options if name in option.names), None)


@dataclass(frozen=True)
class Verbs:
    """All commands by their words; `groups` are first words that need or may have a second."""

    inner: Mapping[str, Verb]
    outer: Mapping[tuple[str, ...], Verb] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    def first_words(self) -> dict[str, str]:
        """Every word that a line may begin with, and what it does. The workbench's own meaning of a word wins."""
        outer = {words[0]: verb.help for words, verb in self.outer.items() if len(words) == 1}
        return dict(sorted({**outer, **{word: verb.help for word, verb in self.inner.items()}}.items()))

    def second_words(self, group: str) -> dict[str, str]:
        """The commands of a group and what they do."""
        return {words[1]: verb.help for words, verb in self.outer.items() if len(words) == 2 and words[0] == group}


def _own(name: str, help: str, *takes: Value, needed: bool = True, rest: bool = False) -> Verb:
    return Verb((name,), help, tuple(Argument(value, required=needed) for value in takes), rest=rest)


INNER: dict[str, Verb] = {
    verb.words[0]: verb
    for verb in (
        _own("quit", "leave; everything is already saved"),
        _own("help", "the keys and the words of this screen"),
        _own("sort", "sort the neurons by a column", Value("COLUMN", ("neuron column",))),
        _own("filter", "neurons with a text; nothing shows all again", Value("TEXT"), needed=False, rest=True),
        _own("theme", "change the colours", Value("NAME", ("theme",)), needed=False),
        _own("screenshot", "write a picture of the screen (SVG)", Value("FILE", ("file",)), needed=False),
        _own("tab", "a tab of the inspector", Value("NAME", choices=tuple(TABS))),
        _own("neuron", "go to a neuron", Value("J", ("neuron",))),
        _own("item", "the page of an item", Value("NAME", ("item",)), rest=True),
        _own("user", "the page of a user", Value("ID", ("user",))),
        _own("concept", "the page of a concept", Value("NAME", ("concept",)), rest=True),
        _own(
            "watch",
            "watch a user's list, or the first whom a condition matches; nothing is all users again",
            Value("USER|SQL", ("user", "cohort", "user column"), sql=True),
            needed=False,
            rest=True,
        ),
        _own(
            "cohort",
            "measure edits on some users",
            Value("SQL", ("cohort", "user column"), sql=True),
            needed=False,
            rest=True,
        ),
        _own("curve", "the dose curve of a neuron", Value("J", ("neuron",))),
        _own("undo", "take back the last action"),
        _own("redo", "do again what was taken back"),
        _own("note", "keep a remark", Value("TEXT"), rest=True),
        _own("bookmark", "mark what is shown, or no longer"),
        _own("write", "write what is shown to a file", Value("FILE", ("file",))),
    )
}
"""The workbench's own commands. Those that the command line has too do the same, for the run that is open."""

OWN = Verbs(INNER)
"""The workbench's own commands alone, for the moment before the command line is known."""

_lock = threading.Lock()
_loaded: list[Verbs] = []
_Commands = tuple[Mapping[tuple[str, ...], Verb], frozenset[str]]
_source: list[Callable[[], _Commands]] = []


def commands_from(source: Callable[[], _Commands]) -> None:
    """Say how the command line is looked into; whoever starts the workbench knows, this module does not.

    `source` gives every command by its words, and the first words of those that have two.
    """
    _source[:] = [source]


def preload() -> None:
    """Look into the command line on a thread, unless that was done."""
    if not _loaded:
        threading.Thread(target=load, daemon=True).start()


def loaded() -> Verbs | None:
    """All commands, if they are known by now."""
    return _loaded[0] if _loaded else None


def load() -> Verbs:
    """All commands; looks into the command line if nobody did. Without one, the workbench's own."""
    with _lock:
        if not _source:
            return OWN
        if not _loaded:
            outer, groups = _source[0]()
            _loaded.append(replace(OWN, outer=outer, groups=groups))
    return _loaded[0]
