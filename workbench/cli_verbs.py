"""The commands of the command line, as verbs of the `:` line. Importing this is cheap; looking is not."""

from collections.abc import Iterator
from typing import Any, Literal, get_args

from workbench.verbs import Argument, Kind, Option, Value, Verb

NOT_INSIDE = frozenset({"tui", "serve"})
"""Commands that make no sense from inside the workbench."""
FLAG_HELP = ("--help", "-h")

CHOICES: dict[str, str] = {
    "--recipe": "best paper",
    "--recommender": "mf ncf",
    "--loss": "dense sampled",
    "--variant": "batchtopk topk relu",
    "--labeller": "llm metadata",
    "--judge": "llm metadata",
    "--tests": "detection intruder held-out moves none",
    "--unit": "p99 raw",
    "--serve": "change decoded all-decoded",
    "--operation": "set add scale cap",
    "export --format": "html md json csv parquet svg png vectors",
    "compare --format": "html md json",
    "--rows": "changed all",
    "--file-format": "parquet npy safetensors",
    "--device": "auto cpu cuda",
    "--scorer": "dot cosine",
    "--trained-on": "train all unknown",
    "--models": "mf ncf",
    "KIND": "neuron item user concept",
    "WHAT": "table1 figure2 figure3 figure4 figure5 interventions steering matryoshka",
}
"""Values that a help text names but no type holds; by option, with the command before it where that matters, or by
an argument's metavar.
"""
_KINDS: dict[str, tuple[Kind, ...]] = {
    "--session": ("session",),
    "--base": ("run",),
    "--match": ("run",),
    "--run": ("run",),
    "--dataset": ("dataset",),
    "--concept": ("concept",),
    "--about": ("concept",),
    "--neuron": ("neuron",),
    "--user": ("user",),
    "--item": ("item",),
    "--by": ("user column",),
    "--sort": ("neuron column",),
    "--users": ("cohort", "user column"),
    "--cohort": ("cohort", "user column"),
    "--watch": ("cohort", "user column"),
    "--items": ("item column",),
    "--scorer": ("file",),
    "neurons --where": ("neuron column",),
    "concepts --where": ("item column",),
    "cohorts --where": ("user column",),
    "RUN": ("run",),
    "RUN|SESSION": ("run", "session"),
    "DATASET": ("dataset",),
    "SESSION": ("session",),
    "J": ("neuron",),
    "LIST": ("neuron",),
    "USER": ("user",),
    "CONCEPT": ("concept",),
    "F": ("file",),
    "item ID": ("item",),
    "user ID": ("user",),
    "concept NAME": ("concept",),
    "concepts NAME": ("concept",),
    "cohorts NAME": ("cohort",),
}
"""What options and arguments name, by option or metavar, with the command before it where that matters."""


def look(app: Any) -> tuple[dict[tuple[str, ...], Verb], frozenset[str]]:
    """Every command of a typer app by its words, and the first words of those that have two."""
    from typer.main import get_command

    outer: dict[tuple[str, ...], Verb] = {}
    groups = set()
    root: Any = get_command(app)
    for name, command in root.commands.items():
        if name in NOT_INSIDE or command.hidden:
            continue
        if hasattr(command, "commands"):
            groups.add(name)
            outer |= {(name, part): _verb((name, part), below) for part, below in command.commands.items()}
        outer[(name,)] = _verb((name,), command)
    return outer, frozenset(groups)


def _verb(words: tuple[str, ...], command: Any) -> Verb:
    """A command of typer's as a `Verb`. What is read is the same in click, which older versions of typer stand on."""
    arguments, options = [], [Option(FLAG_HELP, "All its options.", None)]
    for one in command.params:
        if getattr(one, "hidden", False):
            continue
        if one.param_type_name == "argument":
            arguments.append(_argument(words, one))
        else:
            options.append(_option(words, one))
    return Verb(words, _first_sentence(command.help or ""), tuple(arguments), tuple(options))


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".")


def _argument(words: tuple[str, ...], one: Any) -> Argument:
    listed = one.metavar if one.metavar is not None else one.name.upper()
    metavar = listed.strip("[]").removesuffix("...")
    usages: tuple[str, ...] = ()
    if "|" in metavar and metavar != "RUN|SESSION":
        metavar, usages = "ACTION", tuple(listed.removeprefix("[").removesuffix("]").split("|"))
    chosen = CHOICES.get(metavar, "").split() or [usage.split()[0] for usage in usages]
    kinds = _KINDS.get(f"{words[-1]} {metavar}") or _KINDS.get(metavar, ())
    value = Value(metavar, kinds, tuple(chosen) or _type_choices(one), usages=usages)
    return Argument(value, one.help or "", bool(one.required), one.nargs == -1)


def _option(words: tuple[str, ...], one: Any) -> Option:
    names = (*one.opts, *one.secondary_opts)
    value = None if one.is_flag else _value(words, one, one.opts[0])
    return Option(names, one.help or "", value, bool(one.multiple), bool(one.required))


def _value(words: tuple[str, ...], one: Any, name: str) -> Value:
    type_name = _type_name(one)
    kinds = _KINDS.get(f"{words[-1]} {name}") or _KINDS.get(name, ())
    if one.metavar == "LIST":
        kinds = _KINDS["LIST"]
    elif type_name == "path":
        kinds = ("file",)
    shown = {"path": "FILE", "integer": "N", "int": "N", "float": "X", "text": "TEXT", "str": "TEXT"}
    choices = tuple(choices_of(words, name)) or _type_choices(one)
    return Value(one.metavar or shown.get(type_name, "VALUE"), kinds, choices, sql=one.metavar == "SQL")


def choices_of(words: tuple[str, ...], option: str) -> list[str]:
    """The values that a command's help names for an option; none where its type holds them, or anything goes."""
    return (CHOICES.get(f"{words[-1]} {option}") or CHOICES.get(option, "")).split()


def _annotations(one: Any) -> Iterator[Any]:
    """The types that a parameter may have, without None and list."""
    waiting = [getattr(getattr(one, "type_descriptor", None), "annotation", None)]
    while waiting:
        found = waiting.pop()
        inside = get_args(found)
        if inside and getattr(found, "__origin__", None) is not Literal:
            waiting += inside
        elif found is not None:
            yield found


def _type_name(one: Any) -> str:
    named = getattr(getattr(one, "type", None), "name", None)
    names = [getattr(found, "__name__", "") for found in _annotations(one)]
    return str(named or next(iter(names), "")).lower()


def _type_choices(one: Any) -> tuple[str, ...]:
    """The values that a type lists."""
    listed = getattr(getattr(one, "type", None), "choices", None) or [
        value
        for found in _annotations(one)
        if getattr(found, "__origin__", None) is Literal
        for value in get_args(found)
    ]
    return tuple(map(str, listed))


def kinds_of(metavar: str) -> tuple[Kind, ...]:
    """What a metavar that stands alone names."""
    return _KINDS.get(metavar, ())
