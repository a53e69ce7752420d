"""Where `monoscope` starts: straight into the workbench, or through the command line.

Reading the command line costs a fifth of a second, which is most of what the workbench's first paint may
take; so `monoscope tui` in its plain forms does without it.
"""

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from engine import dated
from engine.errors import MonoscopeError
from engine.home import Home
from workbench.leash import follow
from workbench.stopped import INTERRUPTED, Stopped, wait_for_imports
from workbench.terminal import NO_WISHES, Colours, Wishes

if TYPE_CHECKING:
    from workbench.verbs import Verb

VALUED = ("--session", "--color", "--theme", "--keys")
SWITCHES = {"--ascii": True, "--no-ascii": False}
"""Options of `tui` with a value and without one."""
DUCKDB_INTERRUPTED = "Query interrupted"
"""What DuckDB makes of Ctrl-C."""


def main() -> None:
    """The `monoscope` program: a user's mistake ends in one sentence on standard error and exit code 1."""
    wait_for_imports()
    follow()
    try:
        dated.check()
        plain = plain_tui(sys.argv[1:])
        if plain is None:
            from workbench.cli import app

            app(prog_name="monoscope")
        else:
            from workbench.app import run_and_leave
            from workbench.verbs import commands_from

            commands_from(_commands)
            run_and_leave(Home.find(plain.home).root, plain.run, plain.session, plain.wishes)
    except MonoscopeError as error:
        _tell(str(error))
        sys.exit(1)
    except Stopped as ended:
        _tell(ended.sentence)
        raise
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _tell("stopped; what was complete is kept. A training goes on with the same command.")
        raise
    except KeyboardInterrupt:
        _tell("interrupted.")
        sys.exit(INTERRUPTED)
    except RuntimeError as error:
        if str(error) != DUCKDB_INTERRUPTED:
            raise
        _tell("interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _tell(f"{error.filename or 'The output'} cannot be written: {error.strerror}.")
        # What could not be written would be written once more, and complained of, as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _commands() -> "tuple[Mapping[tuple[str, ...], Verb], frozenset[str]]":
    """The command line, for completion inside the workbench."""
    from workbench.cli import app
    from workbench.cli_verbs import look

    return look(app)


def _tell(sentence: str) -> None:
    print(f"monoscope: {sentence}", file=sys.stderr)  # noqa: T201 (rich is not worth loading for one line)


@dataclass(frozen=True)
class Plain:
    """What a plain form of `monoscope tui` asks for."""

    home: Path | None = None
    run: str | None = None
    session: str | None = None
    wishes: Wishes = NO_WISHES


def plain_tui(words: Sequence[str]) -> Plain | None:
    """What `[--home H] tui [RUN] [OPTION]...` asks for; None for any other command line, mistakes among them."""
    rest = list(words)
    given: dict[str, str] = {}
    if len(rest) > 1 and rest[0] == "--home":
        given["home"], rest = rest[1], rest[2:]
    if rest[:1] != ["tui"]:
        return None
    rest = rest[1:]
    while rest:
        word = rest.pop(0)
        name = word.removeprefix("--") if word in VALUED else "ascii" if word in SWITCHES else "run"
        if name in given or (word in VALUED and not rest) or (name == "run" and word.startswith("-")):
            return None
        given[name] = rest.pop(0) if word in VALUED else word
    return _plain(given)


def _plain(given: Mapping[str, str]) -> Plain | None:
    color = next((one for one in get_args(Colours) if one == given.get("color", "auto")), None)
    if color is None:
        return None
    home, keys = given.get("home"), given.get("keys")
    wishes = Wishes(
        ascii=SWITCHES[given["ascii"]] if "ascii" in given else None,
        color=color,
        theme=given.get("theme"),
        keys=None if keys is None else Path(keys),
    )
    return Plain(None if home is None else Path(home), given.get("run"), given.get("session"), wishes)


if __name__ == "__main__":
    main()
