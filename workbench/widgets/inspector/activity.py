"""The tabs Jobs and Journal: what is at work beside the browsing, and what was done. Pure."""

from workbench.view import View
from workbench.widgets.inspector.parts import prose
from workbench.widgets.jobs import jobs_lines
from workbench.widgets.line import Line


def jobs(view: View, width: int) -> list[Line]:
    """The newest job first."""
    return jobs_lines(view.jobs[::-1], width) if view.jobs else prose("No job was started here yet.", width)


def log(view: View, width: int) -> list[Line]:
    """The newest action first."""
    if not view.log:
        return prose("Nothing was done in this session yet.", width)
    return [line for action in reversed(view.log) for line in prose(action, width, "")]
