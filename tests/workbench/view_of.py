"""Views of runs for tests of what is drawn, and facts as the engine tells them with something taken away."""

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from engine.home import Home
from tests.workbench.fake_run import AWKWARD
from workbench.model import read_card, read_neurons
from workbench.view import View

WIDTHS = st.integers(20, 140)


def view_of(home: Home, run: str, **more: Any) -> View:
    return View(read_card(home, run), "work", **{"neurons": read_neurons(home, run), "current": 0, **more})


@st.composite
def damaged(draw: st.DrawFn, facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` with some fields gone or None, and texts of the awkward sort."""
    told = copy.deepcopy(dict(facts))
    groups = list(_groups(told))
    for place in draw(st.lists(st.integers(0, len(groups) - 1), max_size=12)):
        names = sorted(groups[place])
        if not names:
            continue
        name = draw(st.sampled_from(names))
        value = groups[place][name]
        if isinstance(value, str):
            groups[place][name] = draw(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=60)))
        elif draw(st.booleans()):
            groups[place][name] = None
        else:
            del groups[place][name]
    return told


def _groups(facts: Any) -> Any:
    if isinstance(facts, dict):
        yield facts
        for value in facts.values():
            yield from _groups(value)
    elif isinstance(facts, list | tuple):
        for value in facts[:3]:
            yield from _groups(value)
