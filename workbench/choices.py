"""Turning what was typed on the command line into values: settings, lists of numbers, completions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import typer

from engine.errors import MonoscopeError
from engine.home import Home, content


def home_of(ctx: typer.Context) -> Home:
    """The home that `--home` or MONOSCOPE_HOME names."""
    return cast("Home", ctx.find_root().obj)


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs, for the shell."""
    return _names(_completing_home(ctx).runs, incomplete, "manifest.json")


def complete_run_or_session(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs and of sessions, for the shell."""
    saved = (path.stem for path in _completing_home(ctx).sessions.glob("[!.]*.jsonl"))
    return sorted({*complete_run(ctx, incomplete), *(name for name in saved if name.startswith(incomplete))})


def complete_dataset(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of data sets, for the shell: those that ship and those that are here."""
    shipped = _names(content("datasets"), incomplete, "dataset.toml")
    return sorted({*shipped, *_names(_completing_home(ctx).datasets, incomplete, "catalogue.duckdb")})


def _completing_home(ctx: typer.Context) -> Home:
    # While the shell completes, the callback that sets the home has not run.
    return Home.find(ctx.find_root().params.get("home"))


def _names(folder: Path, incomplete: str, marker: str) -> list[str]:
    found = (path.parent.name for path in folder.glob(f"[!.]*/{marker}"))
    return sorted(name for name in found if name.startswith(incomplete))


LONGEST_NUMBER = 9
"""Digits of a neuron's number, at most."""


def pick_numbers(text: str | None, count: int) -> list[int]:
    """Neuron numbers from "1,4-9"; all `count` of them from None. Order kept, repeats dropped."""
    if text is None:
        return list(range(count))
    numbers: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or max(len(first), len(last)) > LONGEST_NUMBER:
            raise MonoscopeError(f"{part.strip()[:40]!r} is no number of a neuron or range; write them like 1,4-9.")
        start, end = int(first), int(last or first)
        if end < start:
            raise MonoscopeError(f"The range {start}-{end} ends before it begins; write it {end}-{start}.")
        if end >= count:
            outside = max(start, count)
            raise MonoscopeError(f"There is no neuron {outside}; this run's neurons are 0 to {count - 1}.")
        numbers.update(dict.fromkeys(range(start, end + 1)))
    return list(numbers)


def setting(file: Path | None, options: Mapping[str, Any], values: Sequence[str]) -> dict[str, Any]:
    """Nested settings: the TOML file's, then the options that were given, then each KEY=VALUE."""
    import tomllib

    result: dict[str, Any] = {}
    if file is not None:
        try:
            result = tomllib.loads(file.read_text())
        except OSError as error:
            raise MonoscopeError(f"Cannot read {file}: {error.strerror}.") from error
        except ValueError as error:
            raise MonoscopeError(f"{file} is not valid TOML: {error}.") from error
    for key, value in options.items():
        if value is not None:
            _put(result, key, value)
    for key, text in key_values(values).items():
        try:
            parsed = tomllib.loads(f"value = {text}")["value"]
        except ValueError:
            parsed = text
        _put(result, key, parsed)
    return result


def key_values(values: Sequence[str]) -> dict[str, str]:
    """The keys and values of options like KEY=VALUE; the last one of a key counts."""
    result = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise MonoscopeError(f"--set {text!r} is no KEY=VALUE, such as sae.k_items=12.")
        result[key.strip()] = value
    return result


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *above, last = key.split(".")
    for part in above:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise MonoscopeError(f"The setting {key} does not exist: {part} is a value, not a group.")
    tree[last] = value
