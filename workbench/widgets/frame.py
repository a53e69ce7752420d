"""The rows around the panes: the title and the keys. Pure: lines from what is shown."""

from rich.cells import cell_len

from engine.text import plain
from workbench.keymap import help_action, of_footer
from workbench.model import RunCard
from workbench.view import View
from workbench.widgets.line import Line, Span, decimal, ends


def title(view: View, width: int) -> Line:
    """Product, run and notice at the left; whose list and what is changed at the right. The notice is never cut."""
    card = view.card
    right: list[str] = [] if view.user is None else [f"user {plain(view.user)}"]
    if view.asked:
        right.append(f"labelling {', '.join(str(neuron) for neuron in view.asked)}")
    running = [job for job in view.jobs if job.state == "running"]
    if running:
        right.append(f"{len(running)} job{'s' if len(running) > 1 else ''} {running[0].share:.0%}")
    if view.edits:
        right.append(f"{len(view.edits)} edit{'s' if len(view.edits) > 1 else ''}")
    if view.read_only:
        right.append("read-only")
    name: list[Span] = [(" monoscope ", "title"), (f" {card.name}", "strong")]
    notice: list[Span] = [(f"  ({card.notice})", "warn")] if card.notice else []
    about = [f"{card.dataset}", card.recommender, card.sae]
    if "rbo" in card.fidelity:
        about.append(f"fidelity RBO {decimal(card.fidelity['rbo'])}")
    about_text = "  " + " · ".join(about)
    at_right: Line = ((f"  {'  '.join(right)} " if right else "", ""),)
    needed = sum(cell_len(text) for text, _ in (*name, *notice, *at_right))
    left = (*name, *notice, (about_text, "dim")) if needed + cell_len(about_text) <= width else (*name, *notice)
    return ends(left, at_right, width)


ASKED: Line = (
    (" enter", "key"),
    (" done  ", "dim"),
    ("esc", "key"),
    (" cancel  ", "dim"),
    ("every other key is typed", "dim"),
)
"""The footer while a question is asked."""


def runs_title(cards: list[RunCard], width: int) -> Line:
    count = f"{len(cards)} run{'' if len(cards) == 1 else 's'} "
    return ends(((" monoscope ", "title"), ("  what a recommender has learned", "dim")), ((count, ""),), width)


def footer(pane: str, width: int) -> Line:
    """The keys of the focused pane, most useful first, as many as fit; `? keys` is always there."""
    last = help_action()
    ending = f"{last.shown} {last.word} "
    room = width - cell_len(ending) - 1
    spans: list[Span] = [(" ", "")]
    for action in of_footer(pane):
        size = cell_len(f"{action.shown} {action.word}  ")
        if size > room:
            continue
        room -= size
        spans += [(action.shown, "key"), (f" {action.word}  ", "dim")]
    return ends(tuple(spans), ((last.shown, "key"), (f" {last.word} ", "dim")), width)
