"""Where `monoscope` starts: straight into the workbench, or through the command line.

Reading the command line costs a fifth of a second, which is most of what the workbench's first paint may
take; so `monoscope tui` in its plain forms does without it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import MonoscopeError
from engine.home import Home

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main() -> None:
    """The `monoscope` program: a user's mistake ends in one sentence on standard error and exit code 1."""
    try:
        plain = plain_tui(sys.argv[1:])
        if plain is None:
            from workbench.cli import app

            app(prog_name="monoscope")
        else:
            from workbench.app import run

            home, name, session = plain
            sys.exit(run(Home.find(home).root, name, session))
    except MonoscopeError as error:
        _tell(str(error))
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            _tell("stopped; what was complete is kept. A training goes on with the same command.")
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _tell(sentence: str) -> None:
    print(f"monoscope: {sentence}", file=sys.stderr)  # noqa: T201 (rich is not worth loading for one line)


def plain_tui(words: Sequence[str]) -> tuple[Path | None, str | None, str | None] | None:
    """Home, run and session of `[--home H] tui [RUN] [--session S]`; None for any other command line."""
    rest = list(words)
    home = session = run = None
    if len(rest) > 1 and rest[0] == "--home":
        home, rest = Path(rest[1]), rest[2:]
    if rest[:1] != ["tui"]:
        return None
    rest = rest[1:]
    while rest:
        word = rest.pop(0)
        if word == "--session" and rest and session is None:
            session = rest.pop(0)
        elif word.startswith("-") or run is not None:
            return None
        else:
            run = word
    return home, run, session


if __name__ == "__main__":
    main()
