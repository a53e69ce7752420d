"""The tabs Jobs and Journal: what is at work beside the browsing, and what was done. Pure."""

from workbench.view import View
from workbench.widgets.inspector.parts import heading, prose
from workbench.widgets.jobs import jobs_lines
from workbench.widgets.line import Line


def jobs(view: View, width: int) -> list[Line]:
    """The newest job first; below, what the newest that has said anything said, and the last of it last."""
    if not view.jobs:
        return prose("No job was started here yet.", width)
    lines = jobs_lines(view.jobs[::-1], width)
    talker = next((job for job in reversed(view.jobs) if job.output.strip()), None)
    if talker is None:
        return lines
    said = [line for text in talker.output.splitlines() for line in prose(text, width, "")]
    return [*lines, *heading(f"What {talker.command.removeprefix('monoscope ')} said", width), *said]


def log(view: View, width: int) -> list[Line]:
    """The newest action first."""
    if not view.log:
        return prose("Nothing was done in this session yet.", width)
    return [line for action in reversed(view.log) for line in prose(action, width, "")]
