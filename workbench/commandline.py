"""The `:` line understood: something for the workbench itself, or a command that runs beside it as a job.

Pure, but for the first look into the command line. The words of a command are those of the shell; the run and the
session that are open are filled in where the command takes them and the line names none.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from engine.errors import MonoscopeError
from workbench.verbs import Argument, Kind, Option, Verb, Verbs, load

NAMED_BY_HAND = frozenset({("runs", "remove"), ("runs", "trust"), ("sessions", "remove"), ("sessions", "copy")})
"""Commands for which nothing is filled in: what they do is not to be done by accident."""
ON_DATA = frozenset({("concepts",), ("cohorts",)})
"""Commands on the data set that the open run is about; others take one to begin something new with it."""
UNDER_EDITS = frozenset({"recommend", "why", "dose"})
"""Commands whose --session means "under its edits"; of all others without one, it is the run's own."""
KEEPS = "steer"
"""Its --session keeps the edit there: on the bench, where it is the session that is open."""
MEANT: dict[Kind, str] = {
    "neuron": "the number of a neuron",
    "neuron column": "a column of the list of neurons",
    "item": "an item's id or title",
    "user": "a user's id",
    "concept": "a concept's name",
    "file": "a file's name",
}
"""What a value is, for the sentence on one that is missing."""
_LABELS_WRITE = frozenset({"set", "accept", "reject", "clear", "resolve", "score", "import"})
_SESSIONS_WRITE = frozenset({"undo", "redo", "switch", "drop", "note", "bookmark", "watch", "remove"})


@dataclass(frozen=True)
class Here:
    """What is open, each None where nothing is: the run, the session, and the data set that the run is about."""

    run: str | None
    session: str | None
    dataset: str | None = None


@dataclass(frozen=True)
class Inner:
    """Something for the workbench: one of `verbs.INNER`, and its arguments as texts."""

    verb: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    """A command: the words after `monoscope`. `needs_session`: it writes to the session that is open here.

    Such a command cannot run as a job while the workbench holds the session.
    """

    words: tuple[str, ...]
    needs_session: bool = False
    on_bench: bool = False
    """It makes an edit for the session that is open here, which comes to the bench when the job is done."""


def parse(
    text: str, run: str | None, session: str | None, dataset: str | None = None, *, saved: bool = True
) -> Inner | Outer:
    """What a line asks for, while `run` and `session` are open; raises `MonoscopeError` in one sentence.

    `dataset` is what the run is about. `saved` says whether anything was written to the session: one that is empty
    cannot be named to read from.
    """
    line = text.strip().removeprefix(":").strip()
    if line.split(None, 1)[:1] == ["monoscope"]:
        line = line.removeprefix("monoscope").strip()
    if not line:
        raise MonoscopeError("Type a command, such as export or help.")
    verbs = load()
    head = line.split(None, 1)[0]
    inner = verbs.inner.get(head)
    if inner is not None:
        found = _inner(inner, line, verbs.outer.get((head,)), run)
        if found is not None:
            return found
    return _outer(verbs, split(line), Here(run, session, dataset), saved)


def split(line: str) -> list[str]:
    """The words of a line, quoted as in a shell; a `MonoscopeError` where it ends too early."""
    try:
        return shlex.split(line)
    except ValueError as error:
        if "escaped" in str(error):
            raise MonoscopeError("The line ends with a backslash; leave it out, or double it.") from error
        raise MonoscopeError("A quote is not closed; close it, or put a backslash before it.") from error


def _inner(verb: Verb, line: str, outer: Verb | None, run: str | None) -> Inner | None:
    """The workbench's meaning of a line; None where only the command of the same name can mean it."""
    name, rest = _cut(line)
    try:
        words = shlex.split(rest)
    except ValueError:
        words = []
    if outer is not None and _has_options(words, outer):
        return None
    if outer is not None and run is not None and len(words) > 1 and words[0] == run:
        rest, words = _cut(rest)[1], words[1:]  # a command line that was pasted names the run that is open
    if verb.rest:
        text = rest_of(rest)
        args = [text] if text else []
    else:
        args = split(rest)
        if outer is not None and len(args) > 1:
            return None  # it names another run
    _check_count(verb, args, verb.arguments)
    for argument, word in zip(verb.arguments, args, strict=False):
        _check_value(verb, argument, word)
    return Inner(name, tuple(args))


def _cut(line: str) -> tuple[str, str]:
    """The first word of a line, and the rest as it stands."""
    head, *tail = line.split(None, 1)
    return head, tail[0] if tail else ""


def rest_of(text: str) -> str:
    """The rest of a line as one text: as it stands, so that SQL keeps its quotes, unless all of it is quoted."""
    text = text.strip()
    if text[:1] not in ("'", '"'):
        return text
    words = split(text)
    return words[0] if len(words) == 1 else text


def _has_options(words: Sequence[str], verb: Verb) -> bool:
    names = [word.partition("=")[0] if word.startswith("--") else word[:2] for word in words if word.startswith("-")]
    return any(verb.option(name) is not None for name in names)


def _check_count(verb: Verb, given: Sequence[str], takes: Sequence[Argument]) -> None:
    needed = [argument for argument in takes if argument.required]
    if len(given) < len(needed):
        missing = needed[len(given)]
        about = missing.help.rstrip(".") or next((MEANT[kind] for kind in missing.value.kinds if kind in MEANT), "")
        about = f", {about[:1].lower()}{about[1:]}" if about else ""
        raise MonoscopeError(f"{verb.name} needs {missing.value.metavar}{about}.")
    if len(given) > len(takes) and not any(argument.many for argument in takes):
        takes_words = " ".join(argument.value.metavar for argument in takes) or "nothing"
        raise MonoscopeError(f"{verb.name} takes {takes_words}, so {given[len(takes)]!r} is too much.")


def _check_value(verb: Verb, argument: Argument, word: str) -> None:
    value = argument.value
    if value.kinds == ("neuron",) and not word.isdecimal():
        raise MonoscopeError(f"{verb.name} needs the number of a neuron, not {word!r}.")
    if value.choices and word not in value.choices:
        raise MonoscopeError(f"There is no {verb.name} {word!r}; {_meant(word, value.choices)}")


def _meant(word: str, known: Iterable[str]) -> str:
    listed = list(known)
    close = get_close_matches(word, listed, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(listed)}."


def unknown_command(verbs: Verbs, words: Sequence[str]) -> str:
    """The sentence for a command that is none."""
    from workbench.cli_verbs import NOT_INSIDE

    if words[0] in NOT_INSIDE:
        return f"{words[0]} cannot be run from inside the workbench."
    if words[0] in verbs.groups and len(words) > 1:
        close = get_close_matches(words[1], verbs.second_words(words[0]), 1)
        name, known = f"{words[0]} {words[1]}", [f"{words[0]} {word}" for word in close]
    else:
        name, known = words[0], get_close_matches(words[0], verbs.first_words(), 1)
    return f"There is no command {name!r}; " + (f"did you mean {known[0]}?" if known else "help lists them.")


def _outer(verbs: Verbs, words: Sequence[str], here: Here, saved: bool) -> Outer:
    verb = verbs.outer.get(tuple(words[:2])) or verbs.outer.get(tuple(words[:1]))
    if verb is None or (len(verb.words) == 1 and words[0] in verbs.groups and words[1:] and words[1][:1] != "-"):
        raise MonoscopeError(unknown_command(verbs, words))
    rest = list(words[len(verb.words) :])
    given = _read(verb, rest)
    if given.has("--help"):
        return Outer(tuple(words))
    run, session = here.run, here.session
    filled = filled_in(verb, given.words, here)
    given.words[:0] = filled
    _check_count(verb, given.words, verb.arguments)
    for option in verb.options:
        if option.required and not given.has(option.names[0]):
            raise MonoscopeError(f"{verb.name} needs {' or '.join(option.names)}.")
    if verb.words == ("runs", "remove") and run in given.words:
        raise MonoscopeError(f"Run {run} is open here; leave it before you remove it.")
    if _takes_session(verb, given, run, session, saved):
        at = rest.index("--") if "--" in rest else len(rest)
        rest[at:at] = ["--session", str(session)]
        given.options["--session"] = str(session)
    on_bench = _makes_edit(verb, given) and session is not None and given.options.get("--session") == session
    return Outer((*verb.words, *filled, *rest), _writes(verb, given, session), on_bench and run in given.words[:1])


@dataclass
class Given:
    """A command's words after its name: what stands alone, and the options by their first name."""

    words: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    waiting: Option | None = None
    """The option whose value would come next."""

    def has(self, name: str) -> bool:
        return name in self.options


def read_words(verb: Verb, words: Sequence[str]) -> tuple[Given, list[str]]:
    """What is given to a command, and the words that look like options and are none of its."""
    given, unknown, plain = Given(), [], False
    for word in words:
        if given.waiting is not None:
            given.options[given.waiting.names[0]] = word
            given.waiting = None
        elif plain or not word.startswith("-") or word == "-":
            given.words.append(word)
        elif word == "--":
            plain = True
        else:
            name, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
            option = verb.option(name)
            if option is None or (equals and option.value is None):
                unknown.append(name)
            elif option.value is None or equals:
                given.options[option.names[0]] = value
            else:
                given.waiting = option
    return given, unknown


def _read(verb: Verb, words: Sequence[str]) -> Given:
    given, unknown = read_words(verb, words)
    if unknown:
        known = [name for option in verb.options for name in option.names if name.startswith("--")]
        close = get_close_matches(unknown[0], known, 1)
        raise MonoscopeError(
            f"{verb.name} has no option {unknown[0]}; "
            + (f"did you mean {close[0]}?" if close else "--help lists them.")
        )
    if given.waiting is not None and given.waiting.value is not None:
        raise MonoscopeError(f"{given.waiting.names[0]} needs {given.waiting.value.metavar} behind it.")
    return given


def filled_in(verb: Verb, words: Sequence[str], open_now: Here) -> list[str]:
    """The open run, session or data set, if the command begins with one and `words` do not name it already."""
    if not verb.arguments or verb.words in NAMED_BY_HAND:
        return []
    first, *others = verb.arguments
    kinds = first.value.kinds
    here = open_now.run if "run" in kinds else open_now.session if kinds == ("session",) else None
    if verb.words in ON_DATA:
        here = open_now.dataset
    if here is None or here in words[:1]:
        return []
    if first.many:  # several runs, the open one among them
        return [here] if len(words) == 1 else []
    if others and others[0].value.usages:  # an action comes next, or a run that is not open
        return [here] if not words or words[0] in others[0].value.choices else []
    return [here] if len(words) <= len(others) else []


def file_written(words: Sequence[str]) -> str | None:
    """The file or folder that a command is told to write, by the command's words; None for one that names none."""
    verb = load().outer.get(tuple(words[:1]))
    if verb is None or verb.name not in ("export", "labels"):
        return None
    given, _ = read_words(verb, words[1:])
    if verb.name == "labels":
        return given.words[2] if given.words[1:2] == ["export"] and len(given.words) > 2 else None
    return given.options.get("--output")


def written_to(words: Sequence[str], file: str, path: str, *, agreed: bool) -> tuple[str, ...]:
    """The command with `path` in the place of `file`, which it writes; `agreed`: it may write over what is there."""
    forms = {file: path, f"--output={file}": f"--output={path}"}
    at = max(place for place, word in enumerate(words) if word in forms)
    over = ["--overwrite"] if agreed and "--overwrite" not in words else []
    return (*words[:at], forms[words[at]], *words[at + 1 :], *over)


def _takes_session(verb: Verb, given: Given, run: str | None, session: str | None, saved: bool) -> bool:
    """Whether --session of the open session belongs behind the command."""
    if session is None or verb.option("--session") is None or given.has("--session"):
        return False
    if run not in given.words[:1]:
        return False  # another run has other sessions
    if verb.name == KEEPS:
        return saved or _makes_edit(verb, given)
    if verb.name in UNDER_EDITS:
        return saved or _makes_edit(verb, given)
    return session != run and (saved or _label_writes(verb, given))


def _makes_edit(verb: Verb, given: Given) -> bool:
    """Whether a command computes an edit that a session is to keep."""
    if verb.name == KEEPS:
        return (given.has("--neuron") or given.has("--goal")) and not given.has("--dry-run")
    return verb.name == "dose" and given.has("--keep")


def _label_writes(verb: Verb, given: Given) -> bool:
    if verb.name == "label":
        return not (given.has("--dry-run") or given.has("--spend"))
    return verb.name == "labels" and given.words[1:2] != [] and given.words[1] in _LABELS_WRITE


def _writes(verb: Verb, given: Given, session: str | None) -> bool:
    """Whether a command writes to the open session."""
    if session is None:
        return False
    named = given.options.get("--session")
    if verb.words[0] == "sessions":
        return verb.words[-1] in _SESSIONS_WRITE and given.words[:1] == [session]
    return _label_writes(verb, given) and session in ([named] if named else given.words[:1])
