"""The table of 100,000 made-up neurons: sorting it, filtering it, and drawing its window, beside a bare sort."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np

from engine.home import Home
from tests.benchmarks.measuring import row, seconds, timed
from tests.workbench.driving import opened
from tests.workbench.fake_run import make_run
from workbench.columns import BY_ID
from workbench.filters import matching, parse
from workbench.model import read_card, read_neurons
from workbench.sheet import Sheet
from workbench.view import View

NEURONS, ROUNDS = 100_000, 7


def many(home: Home) -> None:
    """Print how long the table takes for many neurons."""
    place = Home(home.root / "many")
    make_run(place.root, neurons=NEURONS, items=20_000)
    sheet = Sheet(View(read_card(place, "demo-mf"), "s", neurons=read_neurons(place, "demo-mf")))
    sheet.warm()
    turn = count()
    for what, work, reach in (
        ("sorted by q", lambda: sheet.rows(BY_ID["q"], bool(next(turn) % 2)), "100 ms"),
        ("sorted by name", lambda: sheet.rows(BY_ID["name"], bool(next(turn) % 2)), "100 ms"),
        ("filtered by figures", lambda: matching(parse(f"p20>.8 lift<5 q<.{next(turn)}"), sheet), "30 ms"),
        ("filtered by a word, each new", lambda: matching(parse(f"film 12{next(turn)}"), sheet), "60 ms"),
    ):
        _line(what, work, reach)
    took = sorted(asyncio.run(_drawn(place)))
    row(f"{NEURONS:,} neurons, new and drawn", f"{1000 * took[0]:.0f} ms", "", "300 ms")


def _line(what: str, work: Callable[[], object], reach: str) -> None:
    figures = np.random.default_rng(0).random(NEURONS)
    (best, median), (bare, _) = timed(ROUNDS, work), timed(ROUNDS, lambda: np.argsort(figures))
    figure = f"{1000 * best:.1f} ms (median {1000 * median:.1f} of {ROUNDS})"
    row(f"{NEURONS:,} neurons, {what}", figure, f"{best / bare:.1f} times a bare argsort ({1000 * bare:.1f} ms)", reach)


async def _drawn(place: Home) -> list[float]:
    async with opened(place) as driver:
        await driver.ready()
        view, table = driver.screen.view, driver.screen.table
        assert view.neurons is not None

        def once() -> None:
            assert view.neurons is not None
            table.show_view(replace(view, neurons=replace(view.neurons, dead=np.zeros(NEURONS, bool))))
            assert [table.render_line(y) for y in range(table.size.height)]

        return [seconds(once) for _ in range(3)]
