"""The analyst's own keys: `keys.toml` in the home, applied to the list of keys before anything is drawn."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from engine.errors import MonoscopeError
from engine.home import Home
from workbench.key_names import nearest, shown, textual_name, written
from workbench.keymap import Action

Screens = dict[str, dict[str, tuple[Action, ...]]]
Table = Mapping[str, tuple[str, ...]]
"""Keys by the id of an action, under Textual's names; none switch an action off."""

FILE = "keys.toml"
NEEDED = {"back": "quit", "help": "show the others"}
"""Actions that may not lose their last key, and why."""
ARROWS = "; arrows too"
"""What a help text says beside the keys that it shows; it goes when the arrows do."""


@dataclass(frozen=True)
class Keys:
    """What a file says of keys; `source` is what a sentence about it begins with."""

    source: str
    table: Table


def file_of(home: Home) -> Path:
    """Where the analyst's keys are, if there are any."""
    return home.root / FILE


def read_keys(path: Path, *, needed: bool = False) -> Keys | None:
    """The keys that a file names; None without a file, unless it is `needed`. Raises `MonoscopeError` in a sentence."""
    if not needed and not path.is_file():
        return None
    import tomllib

    try:
        body = tomllib.loads(path.read_text())
    except OSError as error:
        raise MonoscopeError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise MonoscopeError(f"{path} is not valid TOML: {error}.") from error
    unknown = next((name for name in body if name != "keys"), None)
    if unknown is not None:
        raise MonoscopeError(f"{path} has {unknown!r} beside its [keys]; put keys below a line [keys].")
    table = body.get("keys", {})
    if not isinstance(table, dict):
        raise MonoscopeError(f'{path}: keys is no table; write [keys] and below it lines like down = ["j", "down"].')
    return Keys(str(path), {id: tuple(_names(str(path), id, value)) for id, value in table.items()})


def _names(source: str, id: str, value: object) -> Iterator[str]:
    """Textual's names of an action's keys, each once."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
        raise MonoscopeError(f'{source}: {id} needs a list of keys, such as {id} = ["x", "ctrl+x"].')
    seen = set()
    for key in listed:
        name = textual_name(key)
        if name is None:
            close = nearest(key)
            hint = f"did you mean {close!r}?" if close else "write a character, or a name such as pagedown or ctrl+x."
            raise MonoscopeError(f"{source}: {key!r}, for {id}, is no key; {hint}")
        if name not in seen:
            seen.add(name)
            yield name


def rebind(screens: Screens, keys: Keys) -> Screens:
    """`screens` with the keys that the analyst wants, and with their texts; nothing else changes.

    An action without keys is left out. Raises `MonoscopeError` for an action that no screen has, for two actions of a
    screen on one key, and where no key is left that quits or helps.
    """
    known = {action.id: action for _, _, action in _all(screens)}
    for id in keys.table:
        if id not in known:
            close = get_close_matches(id, known, 1)
            hint = f"did you mean {close[0]}?" if close else "`monoscope keys` lists them."
            raise MonoscopeError(f"{keys.source}: there is no action {id!r}; {hint}")
    for id, why in NEEDED.items():
        if keys.table.get(id) == ():
            raise MonoscopeError(f"{keys.source}: {id} has no key left, but one has to {why}.")
    for screen, groups in screens.items():
        _check(screen, [action for group in groups.values() for action in group], keys)
    return {
        screen: {title: tuple(_regrouped(group, keys.table)) for title, group in groups.items()}
        for screen, groups in screens.items()
    }


def _all(screens: Screens) -> Iterator[tuple[str, str, Action]]:
    """Screen, group and action of everything."""
    for screen, groups in screens.items():
        for title, group in groups.items():
            for action in group:
                yield screen, title, action


def _keys_of(action: Action, table: Table) -> tuple[str, ...]:
    return table.get(action.id, tuple(action.keys.split()))


def _check(screen: str, actions: Sequence[Action], keys: Keys) -> None:
    taken: dict[str, str] = {}
    for action in actions:
        for key in _keys_of(action, keys.table):
            if key in taken:
                raise MonoscopeError(
                    f"{keys.source}: {taken[key]} and {action.id} are both on the key {written(key)!r} of the {screen} "
                    "screen; give one of them another."
                )
            taken[key] = action.id


def _regrouped(group: Sequence[Action], table: Table) -> Iterator[Action]:
    """The actions with their keys and texts. Those without a help of their own are told of by the one before them."""
    at = 0
    while at < len(group):
        end = at + 1
        while end < len(group) and not group[end].help:
            end += 1
        together, at = group[at:end], end
        yield from together if all(one.id not in table for one in together) else _rebound(together, table)


def _rebound(together: Sequence[Action], table: Table) -> Iterator[Action]:
    """A few actions that footer and help tell of in one breath; the first that has a key tells of them all."""
    first = together[0]
    told = [_moved(action, table) for action in together]
    texts = {before: after for before, after in told if before != after}
    tokens = [texts.get(token, token) for token in first.shown.split()]
    help_text = _retold(first, table, texts)
    alive = [one for one in together if _keys_of(one, table)]
    for action, (_, after) in zip(together, told, strict=True):
        if action not in alive:
            continue
        changed = replace(action, keys=" ".join(_keys_of(action, table)), shown=after)
        if action is alive[0]:
            changed = replace(changed, shown=" ".join(filter(None, tokens)), word=first.word, help=help_text)
        yield changed


def _moved(action: Action, table: Table) -> tuple[str, str]:
    """How an action's first key is shown before and after; nothing for none."""
    before, after = action.keys.split(), _keys_of(action, table)
    return shown(before[0]) if before else "", shown(after[0]) if after else ""


def _retold(first: Action, table: Table, texts: Mapping[str, str]) -> str:
    """Its help, where it names keys ("esc clears"), with the keys of today."""
    told = first.help
    if "down" not in _keys_of(first, table):
        told = told.replace(ARROWS, "")
    for before, after in texts.items():
        if len(before) > 1 and after:
            told = re.sub(rf"(?<![\w+]){re.escape(before)}(?![\w+])", after.replace("\\", r"\\"), told)
    return told


def as_toml(screens: Screens) -> str:
    """The list of keys as a file to start from: an action a line, with what it does."""
    lines = [
        "# Keys of the workbench. Keep the lines that you change, in the file keys.toml of the home folder.",
        "# A key is a character or a name: enter, escape, tab, space, up, pagedown, f5, ctrl+x, shift+tab, alt+x.",
        "# No keys switch an action off: [].",
        "[keys]",
    ]
    seen: set[str] = set()
    for entry in as_rows(screens):
        if entry["group"] not in seen:
            seen.add(str(entry["group"]))
            lines += ["", f"# {entry['group']}"]
        line = f"{entry['action']} = {json.dumps(entry['keys'], ensure_ascii=False)}"
        lines.append(f"{line:<36}  # {entry['help']}" if entry["help"] else line)
    return "\n".join(lines)


def as_rows(screens: Screens) -> list[dict[str, object]]:
    """The list of keys as facts: an action, its keys, what it does, and the screens that have it."""
    rows: dict[str, dict[str, object]] = {}
    where: dict[str, list[str]] = {}
    for screen, title, action in _all(screens):
        where.setdefault(action.id, []).append(screen)
        keys = [written(key) for key in action.keys.split()]
        rows.setdefault(action.id, {"action": action.id, "group": title, "keys": keys, "help": action.help})
    groups = list(dict.fromkeys(row["group"] for row in rows.values()))
    ordered = sorted(rows.values(), key=lambda row: groups.index(row["group"]))
    return [{**row, "screens": where[str(row["action"])]} for row in ordered]


def use_keys(home: Home, named: Path | None = None) -> None:
    """Make the keys of `named`, else those of the home, the keys of every screen.

    Before the screens are imported, for that is when they bind their keys. Raises `MonoscopeError` in a sentence.
    """
    from workbench import keymap

    keys = read_keys(named or file_of(home), needed=named is not None)
    if keys is not None:
        keymap.SCREENS.update(rebind(keymap.SCREENS, keys))
