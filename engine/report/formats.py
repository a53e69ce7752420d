"""The export formats by name."""

from collections.abc import Callable

from engine.errors import RunError
from engine.report.facts import report_facts
from engine.report.markdown import as_json, as_markdown
from engine.run import Run
from engine.session import State

FORMATS: dict[str, Callable[[dict], str]] = {"md": as_markdown, "json": as_json}


def render(run: Run, state: State, kind: str) -> str:
    """The report of a run and its session's labels and edits, in one of `FORMATS`."""
    if kind not in FORMATS:
        raise RunError(f"There is no export format {kind!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[kind](report_facts(run, state))
