"""How the workbench starts and ends. Textual is imported only once the terminal is known to be fit."""

import gc
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from engine import __version__
from engine.errors import HomeError, MonoscopeError, RunError
from engine.home import Home, write_whole
from workbench.engine_client import engine_command
from workbench.stopped import interrupt_as_usual
from workbench.terminal import NO_WISHES, Terminal, Wishes, refusal

CRASHED = 70
"""Exit code after a mistake of the workbench's own (sysexits.h calls it EX_SOFTWARE)."""


def run_and_leave(home: Path, run_name: str | None, session: str | None, wishes: Wishes) -> NoReturn:
    """Show the workbench, and end the process with its exit code.

    At once: all is saved and every child has ended by then, and taking the interpreter down would keep the prompt
    waiting for a fifth of a second.
    """
    interrupt_as_usual()
    code = run(home, run_name, session, wishes=wishes)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run(
    home: Path,
    run: str | None,
    session: str | None,
    engine: Sequence[str] | None = None,
    wishes: Wishes = NO_WISHES,
) -> int:
    """Show the workbench on the list of runs, or on `run` with `session` (by default named as the run).

    Returns the exit code: 0 after a quit, 70 after a crash, 128 + n after signal n. Raises a `MonoscopeError` before
    anything is drawn if the terminal is not fit or there is no such run, theme or file of keys. `engine` replaces the
    engine's command.
    """
    place = Home(home)
    if run is not None:
        _check_run(place, run)
    reason = refusal()
    if reason is not None:
        raise MonoscopeError(reason)
    terminal = Terminal.probe(wishes=wishes)
    gc.disable()  # until the first paint: collecting while thousands of objects are made costs a tenth of the start
    if not terminal.plain:
        os.environ.pop("NO_COLOR", None)  # an empty one counts for Textual, and --color overrules it
    os.environ.update(terminal.textual_environment())
    _check_theme(os.environ["TEXTUAL_THEME"])
    if wishes.keys is not None or (place.root / "keys.toml").is_file():
        from workbench.keys import use_keys

        use_keys(place, wishes.keys)
    from workbench.pasting import keep_pastes_whole
    from workbench.screens.application import MonoscopeApp

    keep_pastes_whole()
    app = MonoscopeApp(place, run, session, engine or engine_command(home), terminal)
    app.run(mouse=terminal.mouse)
    if app.crash is not None:
        sys.stderr.write(_last_words(place, app.crash))
        return CRASHED
    return app.return_code or 0


def _check_theme(name: str) -> None:
    from textual.theme import BUILTIN_THEMES

    if name not in BUILTIN_THEMES:
        close = get_close_matches(name, BUILTIN_THEMES, 1)
        known = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(BUILTIN_THEMES))}."
        raise MonoscopeError(f"There is no theme {name!r}; {known}")


def _check_run(home: Home, name: str) -> None:
    if (home.run(name) / "manifest.json").is_file():
        return
    known = sorted(path.parent.name for path in home.runs.glob("[!.]*/manifest.json"))
    if not known:
        raise RunError(f"There is no run {name!r}, nor any other in {home.runs}; `monoscope demo` makes one.")
    close = get_close_matches(name, known, 1)
    raise RunError(
        f"There is no run {name!r}; "
        + (f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:8])}.")
    )


def _last_words(home: Home, error: BaseException) -> str:
    """What is printed after a crash: a few lines and where the report is. The report holds no local variables."""
    report = home.root / "log" / time.strftime("crash-%Y%m%d-%H%M%S.txt")
    text = "".join(
        [
            f"monoscope {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n",
            *traceback.format_exception(error),
        ]
    )
    try:
        write_whole(report, text)
        where = f"A report is in {report}; it holds no data and no keys."
    except HomeError as unwritable:
        where = f"No report was written: {unwritable}"
    return f"monoscope stopped because of a mistake of its own. Your session is saved up to the last key.\n{where}\n"
