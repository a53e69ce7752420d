"""The list of jobs, one or two rows each. Pure: lines from what is shown."""

from collections.abc import Sequence

from workbench.view import Job
from workbench.widgets.line import Line, Span, bar, cut, ends

MARKS = {"running": ("●", "strong"), "done": ("✓", "good"), "failed": ("✗", "bad"), "cancelled": ("–", "dim")}
ROOMY, BAR_CELLS = 60, 12
"""Width from which on there is a bar beside the figures, and its width."""


def jobs_lines(jobs: Sequence[Job], width: int) -> list[Line]:
    """The jobs in the order given: mark, command, and how far it is; below, its last words. From 30 cells on."""
    return [line for job in jobs for line in _job(job, width)]


def _job(job: Job, width: int) -> list[Line]:
    mark, role = MARKS[job.state]
    command = job.command.removeprefix("monoscope ")
    name: Span = (command, "strong" if job.state == "running" else "")
    head = ends(((f" {mark} ", role), name), _figures(job, width), width)
    words = job.text.splitlines()[0] if job.text else ""
    below: Span = (f"   {words}", "bad" if job.state == "failed" else "dim")
    return [head, cut((below,), width)] if words else [head]


def _figures(job: Job, width: int) -> Line:
    if job.state != "running":
        return ((f"  {job.state} ", "dim"),)
    left = "" if job.left is None else f"  {duration(job.left)} left" if width >= ROOMY else f"  {duration(job.left)}"
    figures: Span = (f" {job.share:>4.0%}{left} ", "")
    return ((" ", ""), (bar(job.share, BAR_CELLS), "bar"), figures) if width >= ROOMY else (figures,)


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 3 min, 1 h 05 min."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
