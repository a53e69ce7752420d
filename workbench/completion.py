"""What may come next on the `:` line. Pure: commands come from `verbs`, names of things from a context.

Nothing here waits: while the command line is not known yet, the workbench's own commands are all there is.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.home import Home, content
from workbench.commandline import Here, filled_in, read_words, unknown_command
from workbench.verbs import OWN, Kind, Option, Value, Verb, Verbs, loaded, preload

Candidate = tuple[str, str]
"""A text to put in, and a few words on it."""

MOST = 50
_WORD = re.compile(r"\w+$")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*$")
_IN_VALUE = re.compile(
    r"""(?:\b([A-Za-z_]\w*)|"([^"]+)")\s*                                   # a column,
    (?:[=!<>]=?|<>|\b(?:NOT\s+)?I?LIKE|\b(?:NOT\s+)?IN\s*\((?:[^()']|'[^']*')*)\s*  # compared with
    ('(?:[^']|'')*|[\w.-]*)$                                             # a text that is not closed, or a number
    """,
    re.VERBOSE | re.IGNORECASE,
)
WORDS: Mapping[Kind, Sequence[Candidate]] = {
    "user column": (
        ("share('", "share of what they saw: share('Horror') > 0.3"),
        ("seen('", "who saw an item, by its id: seen('2571')"),
        ("history()", "how many items they saw: history() > 50"),
    ),
    "item column": (("has('", "items of a concept: has('Horror')"),),
}
"""What a condition may use beside columns of that kind, each with an example."""
_IN_CALL = re.compile(r"\b(?:share|has)\('([^']*)$")


class Context(Protocol):
    """What is open, and what there is to name. `find` must answer at once, with what it has."""

    @property
    def run(self) -> str | None: ...

    @property
    def session(self) -> str | None: ...

    @property
    def dataset(self) -> str | None: ...

    def find(self, kind: Kind, start: str) -> Sequence[Candidate]:
        """What there is of a kind, with a few words on each; `start` was typed, and need not be heeded."""
        ...

    def values(self, kind: Kind, column: str, start: str) -> Sequence[Candidate]:
        """Values of a column of that kind ("user column"), as a condition writes them, texts in quotes."""
        ...


@dataclass(frozen=True)
class Completion:
    """`candidates` go in the place of the text from `start` to the cursor; `hint` says what is wanted there."""

    start: int
    candidates: tuple[Candidate, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class Folders:
    """A context of what the home and the disk hold; concepts, neurons, users and columns are others' to add."""

    home: Home
    run: str | None = None
    session: str | None = None
    dataset: str | None = None

    def find(self, kind: Kind, start: str) -> Sequence[Candidate]:
        match kind:
            case "run":
                return _folders(self.home.runs, "manifest.json")
            case "dataset":
                shipped = _folders(content("datasets"), "dataset.toml")
                return sorted({*shipped, *_folders(self.home.datasets, "catalogue.duckdb")})
            case "session":
                return sorted((path.stem, "") for path in self.home.sessions.glob("[!.]*.jsonl"))
            case "file":
                return files(start)
            case _:
                return ()

    def values(self, kind: Kind, column: str, start: str) -> Sequence[Candidate]:  # noqa: ARG002  # a context's
        """None: the values of columns are in catalogues, which take too long to open."""
        return ()


def _folders(parent: Path, marker: str) -> list[Candidate]:
    return sorted((path.parent.name, "") for path in parent.glob(f"[!.]*/{marker}"))


def files(start: str) -> list[Candidate]:
    """Files and folders whose path begins with what was typed, folders with a slash; none where nothing can be read."""
    folder, slash, name = start.rpartition("/")
    try:
        found = sorted(Path(folder + slash or ".").expanduser().glob("*"))
        listed = [(f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}", "") for path in found]
    except (OSError, RuntimeError, ValueError):  # unreadable; no such user's home; a null byte
        return []
    return [one for one in listed if name[:1] == "." or not one[0].removeprefix(folder + slash).startswith(".")]


@dataclass(frozen=True)
class Token:
    """The word at the cursor: where it begins, what it stands for so far, and the quote that is open in it."""

    start: int
    text: str
    quote: str


def lex(text: str) -> tuple[list[str], Token]:
    """The whole words of a line as a shell reads them, and the one that it ends in."""
    words: list[str] = []
    start, value, quote, at = -1, "", "", 0
    while at < len(text):
        letter, at = text[at], at + 1
        if quote:
            if letter == quote:
                quote = ""
            elif letter == "\\" and quote == '"' and text[at : at + 1] in ("\\", '"'):
                value, at = value + text[at : at + 1], at + 1
            else:
                value += letter
        elif letter in " \t\r\n":
            if start >= 0:
                words.append(value)
            start, value = -1, ""
        else:
            start = at - 1 if start < 0 else start
            if letter in "'\"":
                quote = letter
            elif letter == "\\":
                value, at = value + text[at : at + 1], at + 1
            else:
                value += letter
    return words, Token(start if start >= 0 else len(text), value, quote)


def complete(text: str, cursor: int, context: Context) -> Completion:
    """What may stand at the cursor. Text behind the cursor is not looked at; no text is too strange."""
    verbs = loaded()
    if verbs is None:
        preload()
        verbs = OWN
    before = text[: max(0, cursor)]
    if before.lstrip().startswith(":"):
        before = before.replace(":", " ", 1)
    words, token = lex(before)
    if words[:1] == ["monoscope"]:
        words = words[1:]
    if not words:
        return _words(verbs.first_words(), token)
    if len(words) == 1 and words[0] in verbs.groups and not token.text.startswith("-"):
        return _words(verbs.second_words(words[0]), token)
    verb = _verb(verbs, words, context.run)
    if verb is None:
        return Completion(token.start, hint=unknown_command(verbs, words) if verbs is not OWN else "")
    if verb.rest and not token.text.startswith("-"):
        return _rest(verb, before, token, context)
    return _after(verb, words[len(verb.words) :], before, token, context)


def _words(known: Mapping[str, str], token: Token) -> Completion:
    return Completion(token.start, _matching(known.items(), token.text), known.get(token.text, ""))


def _verb(verbs: Verbs, words: Sequence[str], run: str | None) -> Verb | None:
    """The command that a line begins with. One that the workbench means itself keeps the options of the other."""
    own, outer = verbs.inner.get(words[0]), verbs.outer.get(tuple(words[:2])) or verbs.outer.get(tuple(words[:1]))
    if own is None:
        return outer
    if outer is not None and (words[1:2] == [run] or any(word.startswith("-") for word in words)):
        return outer
    return own if outer is None else Verb(own.words, own.help, own.arguments, outer.options, own.rest)


def _rest(verb: Verb, before: str, token: Token, context: Context) -> Completion:
    """The argument of a verb that takes the rest of the line, spaces and all."""
    value = verb.arguments[0].value
    start = re.match(r"\s*(?:monoscope\s+)?\S+\s*", before)
    begin = start.end() if start else len(before)
    hint = f"{value.metavar}: {verb.help}"
    if value.sql:
        return _sql(value, before, begin, context, hint)
    typed = before[begin:]
    quoted = typed[:1] in ("'", '"')
    found = _find(value, token.text if quoted else typed, context)
    texts = [(shlex.quote(name) if quoted or name[:1] in "'\"" else name, about) for name, about in found]
    return Completion(begin, tuple(texts), hint)


def _after(verb: Verb, words: Sequence[str], before: str, token: Token, context: Context) -> Completion:
    """What may stand behind a command's words: the value of an option, an option, or an argument."""
    given, _ = read_words(verb, words)
    if given.waiting is not None and given.waiting.value is not None:
        return _value(given.waiting.value, before, token, context, _about(given.waiting))
    if "--" not in words and token.text.startswith("-"):
        name, equals, typed = token.text.partition("=")
        option = verb.option(name)
        if equals and option is not None and option.value is not None:
            behind = Token(token.start + len(name) + 1, typed, token.quote)
            return _value(option.value, before, behind, context, _about(option))
        return Completion(
            token.start, _options(verb, given.options, token.text), "" if option is None else _about(option)
        )
    value, hint = _argument(verb, given.words, context)
    found = Completion(token.start, hint=hint) if value is None else _value(value, before, token, context, hint)
    if found.candidates or token.text or (value is not None and value.kinds):
        return found
    return Completion(token.start, _options(verb, given.options, ""), found.hint)


def _argument(verb: Verb, words: Sequence[str], context: Context) -> tuple[Value | None, str]:
    """What the next argument may be, and what to say of it."""
    filled = filled_in(verb, words, Here(context.run, context.session, context.dataset))
    at = len(words) + len(filled)
    if filled and at == len(verb.arguments):
        at = len(words)  # nothing but the open run would come, and another may
    if at < len(verb.arguments):
        argument = verb.arguments[at]
        if argument.value.metavar == "ID" and verb.words[-1] == "bookmark" and words:
            kinds = {"neuron", "item", "user", "concept"} & {words[-1]}
            return Value("ID", tuple(kinds)), argument.help  # type: ignore[arg-type]  # those four are kinds
        if argument.value.metavar:
            return argument.value, f"{argument.value.metavar}: {argument.help or verb.help}"
    return _following(verb, [*filled, *words]), verb.help


def _following(verb: Verb, words: Sequence[str]) -> Value | None:
    """What follows an action that was chosen ("set J TEXT"), or another of what there may be many of."""
    for place, argument in enumerate(verb.arguments):
        usage = next(
            (one for one in argument.value.usages if place < len(words) and one.split()[0] == words[place]), ""
        )
        takes = usage.split()[1:]
        behind = len(words) - place - 1
        if behind < len(takes):
            from workbench.cli_verbs import kinds_of

            metavar = takes[behind].strip("[]")
            return Value(metavar, kinds_of(metavar))
    last = verb.arguments[-1] if verb.arguments else None
    return last.value if last is not None and last.many and last.value.kinds else None


def _about(option: Option) -> str:
    metavar = "" if option.value is None else f" {option.value.metavar}"
    return f"{option.names[0]}{metavar}: {option.help}" if option.help else f"{option.names[0]}{metavar}"


def _options(verb: Verb, given: Mapping[str, str], typed: str) -> tuple[Candidate, ...]:
    free = [option for option in verb.options if option.many or option.names[0] not in given]
    listed = [(name, option.help) for option in free for name in option.names if typed[:2] != "--" or name[:2] == "--"]
    return _matching(sorted(listed, key=lambda one: one[0] in ("--help", "-h")), typed)


def _value(value: Value, before: str, token: Token, context: Context, hint: str) -> Completion:
    if value.sql:
        return _sql(value, before, token.start, context, hint)
    start, typed = token.start, token.text
    if "," in typed and (value.choices or value.kinds == ("neuron",)) and not token.quote:
        typed = typed.rpartition(",")[2]
        start = before.rfind(",") + 1
    if value.usages:
        known: Iterable[Candidate] = [(usage.split()[0], usage) for usage in value.usages]
        return Completion(start, _matching(known, typed), hint)
    found = _find(value, typed, context)
    return Completion(start, tuple((shlex.quote(name), about) for name, about in found), hint)


def _sql(value: Value, before: str, begin: int, context: Context, hint: str) -> Completion:
    """A name within a condition: a column, a concept in share('...'), or at its beginning a cohort."""
    call = _IN_CALL.search(before, begin)
    if call is not None:
        return Completion(call.start(1), _find(Value("CONCEPT", ("concept",)), call[1], context), hint)
    value_at = _IN_VALUE.search(before, begin)
    if value_at is not None and before.count("'", begin, value_at.start(3)) % 2 == 0:
        known = _values(value, value_at, context)
        if known or not value_at[3] or value_at[3][0] == "'":
            return Completion(value_at.start(3), known, hint)
    name = _IDENTIFIER.search(before, begin)
    start = len(before) if name is None else name.start()
    if "user" in value.kinds and before[begin:].isdecimal():
        name, start = _WORD.search(before, begin), begin
    alone = not before[begin:start].strip("'\"")
    cohorts = tuple(kind for kind in value.kinds if alone and kind == "cohort")
    others = tuple(kind for kind in value.kinds if kind != "cohort")
    typed = before[start:]
    words = [word for kind in others for word in WORDS.get(kind, ()) if word[0].startswith(typed.casefold())]
    found = (*_find(Value("SQL", cohorts), typed, context), *words, *_find(Value("SQL", others), typed, context))
    return Completion(start, found, hint) if name is not None or alone else Completion(start, hint=hint)


def _values(value: Value, found: re.Match[str], context: Context) -> tuple[Candidate, ...]:
    """Values of the column that stands before the cursor, whether a quote was typed already or not."""
    column, typed = found[1] or found[2], found[3]
    known: list[Candidate] = []
    for kind in value.kinds:
        if kind.endswith(" column"):
            known += context.values(kind, column, typed.removeprefix("'").replace("''", "'"))
    return _matching(known, typed)


def _find(value: Value, typed: str, context: Context) -> tuple[Candidate, ...]:
    known = [(choice, "") for choice in value.choices]
    for kind in value.kinds:
        known += context.find(kind, typed)
    return _matching(known, typed)


def _matching(known: Iterable[Candidate], typed: str) -> tuple[Candidate, ...]:
    """Those that begin with what was typed, then those that hold it, in their text or in what is said of them."""
    wanted = typed.casefold()
    begins: list[Candidate] = []
    holds: list[Candidate] = []
    for one in known:
        text = one[0].casefold()
        if text.startswith(wanted):
            begins.append(one)
        elif wanted in text or (wanted in one[1].casefold() and len(wanted) > 1):
            holds.append(one)
    return tuple(dict.fromkeys([*begins, *holds]))[:MOST]
