"""Everything at once: what is made first, what is kept, what a failure and an interruption cost, and what is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import CatalogueError, HomeError, RunError
from engine.experiments import whole
from engine.experiments.pace import Pace, minutes
from engine.experiments.protocol import truncated
from engine.experiments.reproduce import MAKERS, Order
from engine.experiments.trained import Stock, Wanted, plan
from engine.experiments.whole import Part, Told, is_kept, key, make_all, stated, steps
from engine.home import Home
from engine.report.blocks import Heading, Listing, Table, Words, read_markdown
from tests.engine.experiments.conftest import Makers

APPLY = {"table1", "figure2", "figure4", "figure5", "interventions", "matryoshka", "steering"}
"""What music without years can have."""


stand_ins = pytest.mark.usefixtures("makers")


@pytest.fixture
def order(music_home: Home) -> Order:
    return Order(music_home, "lastfm-msd", ("mf",), (0,))


def made(order: Order, folder: Path, told: Told = lambda _part, _parts: None) -> dict[str, str]:
    return {one.name: one.state for one in make_all(order, steps(order, folder), folder, told=told)}


def test_what_costs_least_comes_first_and_what_the_data_cannot_have_says_why(
    order: Order, makers: Makers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = steps(order, tmp_path)
    seconds = [one.seconds for one in planned if one.state == "to make"]
    assert seconds == sorted(seconds)
    (absent,) = [one for one in planned if one.state == "does not apply"]
    assert (absent.name, "has no years" in str(absent.reason)) == ("figure3", True)
    said = "\n".join(stated(order, planned, tmp_path))
    assert "figure3: left out." in said
    assert "7 parts, all runs are here, about" in said
    (order.home.root / "reproductions" / "pace.json").unlink(missing_ok=True)
    assert "guessed for two cores" in stated(order, steps(order, tmp_path), tmp_path)[-1]
    with monkeypatch.context() as patch:
        patch.setattr(Pace, "read", lambda _self: {"lastfm-msd, mf, figure2": [(1.0, 1000.0)]})
        slow = {one.name: one for one in steps(order, tmp_path)}
        assert slow["figure2"].own == 1000 * whole.SECONDS["figure2"][0]
        assert list(slow)[-1] == "figure2"  # what was cheap by the guess comes last
        assert "where it was measured" in stated(order, list(slow.values()), tmp_path)[-1]
    states = made(order, tmp_path)
    assert makers.made == [one.name for one in planned if one.state == "to make"]
    assert list(states) == list(MAKERS)
    assert {name for name, state in states.items() if state == "made"} == APPLY


def test_an_interruption_costs_one_part_and_the_next_call_makes_the_rest_once(
    order: Order, makers: Makers, tmp_path: Path
) -> None:
    makers.broken["interventions"] = KeyboardInterrupt()
    told: list[Part] = []
    with pytest.raises(KeyboardInterrupt):
        made(order, tmp_path, lambda part, _parts: told.append(part))
    before, makers.made = makers.made, []
    assert before[-1] == "interventions"
    assert told[-1] == Part("interventions", "not yet", told[-1].reason)
    assert str(told[-1].reason).startswith("It was interrupted. It takes about")
    makers.broken = {}
    states = made(order, tmp_path)
    assert set(makers.made) == APPLY - set(before[:-1])
    assert all(states[name] == "kept" for name in before[:-1])
    makers.made = []
    assert set(made(order, tmp_path).values()) == {"kept", "does not apply"}
    assert makers.made == []
    assert "Nothing has to be made" in stated(order, steps(order, tmp_path), tmp_path)[-1]


@stand_ins
def test_other_inputs_and_a_changed_file_are_made_anew(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(order, tmp_path)
    stock = Stock.read(order.home, order.dataset)
    assert is_kept(order, "figure2", tmp_path, stock)
    assert not is_kept(replace(order, seeds=(0, 1)), "figure2", tmp_path, stock)
    assert not is_kept(replace(order, models=("mf", "ncf")), "figure2", tmp_path, stock)
    assert not is_kept(order, "figure2", tmp_path, replace(stock, hash="other data"))
    usual = key(order, "figure2", stock)
    monkeypatch.setattr(whole, "__version__", "999")
    assert key(order, "figure2", stock) != usual
    monkeypatch.undo()
    (tmp_path / "figure2-drawn.svg").write_text("scribble")
    assert not is_kept(order, "figure2", tmp_path, stock)


@stand_ins
def test_each_part_is_told_of_as_it_begins_and_ends_beside_all_others(order: Order, tmp_path: Path) -> None:
    seen: list[tuple[Part, dict[str, str]]] = []
    planned = [one.name for one in steps(order, tmp_path) if one.state == "to make"]
    made(order, tmp_path, lambda part, parts: seen.append((part, {one.name: one.state for one in parts})))
    assert [one.name for one, _ in seen] == [name for name in planned for _ in range(2)]
    for number, (part, states) in enumerate(seen):
        assert (part.state, states[part.name]) == (("being made", "made")[number % 2],) * 2
        assert list(states) == list(MAKERS)
        assert {states[name] for name in planned[: number // 2]} <= {"made"}
        assert {states[name] for name in planned[number // 2 + 1 :]} <= {"not yet"}
        assert states["figure3"] == "does not apply"


def test_what_a_part_has_no_more_goes_and_small_groups_are_other_inputs(
    order: Order, makers: Makers, tmp_path: Path
) -> None:
    made(order, tmp_path)
    stock = Stock.read(order.home, order.dataset)
    assert not is_kept(replace(order, with_users=True), "figure5", tmp_path, stock)
    makers.drawn = "other"
    (tmp_path / "figure5.md").unlink()
    assert (tmp_path / "figure5-drawn.svg").is_file()
    made(order, tmp_path)
    assert not (tmp_path / "figure5-drawn.svg").exists()
    assert (tmp_path / "figure5-other.svg").is_file()


def test_a_part_that_fails_says_why_and_the_others_go_on(order: Order, makers: Makers, tmp_path: Path) -> None:
    makers.broken = {"figure2": CatalogueError("No such tag."), "table1": ZeroDivisionError("by nought")}
    told: list[Part] = []
    states = made(order, tmp_path, lambda part, _parts: told.append(part))
    assert {name for name, state in states.items() if state == "failed"} == {"figure2", "table1"}
    assert {name for name, state in states.items() if state == "made"} == APPLY - {"figure2", "table1"}
    reasons = {one.name: one.reason for one in told}
    assert reasons["figure2"] == "No such tag."
    assert "ZeroDivisionError: by nought" in str(reasons["table1"])
    assert "Traceback" in (tmp_path / "table1.error.txt").read_text()
    makers.broken = {}
    assert made(order, tmp_path)["table1"] == "made"
    assert not (tmp_path / "table1.error.txt").exists()


@stand_ins
def test_a_recommender_that_an_earlier_part_trains_is_counted_once(
    order: Order, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flat, wide = Wanted("mf", "best", 7), Wanted("mf", "best", 7, (("neurons", 9),))
    asked = {"figure2": [flat], "table1": [flat, wide]}
    monkeypatch.setattr(whole, "wanted", lambda _order, name: asked.get(name, []))
    planned = {one.name: one for one in steps(order, tmp_path)}
    missing = [*planned["figure2"].missing, *planned["table1"].missing]  # whichever of them comes first
    assert sorted(missing, key=str) == sorted([flat, wide], key=str)
    alone = plan(order.home, order.dataset, [flat, wide])
    assert planned["figure2"].training + planned["table1"].training == pytest.approx(alone.seconds)
    assert "2 runs of 1 recommenders to train" in stated(order, list(planned.values()), tmp_path)[-1]


def test_time_is_told_by_what_the_work_took_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("engine.experiments.pace.time.monotonic", lambda: now[0])
    pace = Pace(tmp_path / "pace.json")
    assert pace.expected("a", 10) == 10
    assert not pace.measured("a")
    with pace.timing("a", 10):
        now[0] += 30
    assert pace.expected("a", 20) == 60
    assert pace.expected("b", 20) == 20
    with pytest.raises(RunError), pace.timing("a", 10):
        raise _fail(now)
    assert pace.expected("a", 20) == 60  # what did not end is no measurement
    pace.path.write_text("{]")
    with pytest.raises(HomeError, match="delete it"):
        pace.expected("a", 10)
    assert [minutes(s) for s in (2, 50, 100, 7200)] == ["5 seconds", "50 seconds", "2 minutes", "2.0 hours"]


def _fail(now: list[float]) -> RunError:
    now[0] += 1000
    return RunError("no")


def test_the_papers_rbo_is_the_plain_sum_to_the_lists_end() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = (random.permutation(40)[:30] for _ in range(2))
        plain = sum(0.1 * 0.9 ** (d - 1) * len(set(a[:d]) & set(b[:d])) / d for d in range(1, 31))
        assert truncated(a[None].astype(np.int32), b[None].astype(np.int32))[0] == pytest.approx(plain)
    same = np.arange(29, dtype=np.int32)[None]
    assert truncated(same, same)[0] == pytest.approx(1 - 0.9**29)


def test_markdown_of_ours_is_read_back_as_blocks() -> None:
    table = "| a | b |\n| --- | --- |\n| 1 | x\\|y |"
    text = f"# Title\n\nFirst words.\n\n## Part\n\n- one\n- two\n\n{table}\n\n![alt](p.svg)\n"
    assert read_markdown(text) == [
        Words("First words."),
        Heading("Part", 3),
        Listing(["one", "two"]),
        Table(["a", "b"], [["1", "x|y"]]),
    ]


@stand_ins
def test_kept_facts_are_those_that_were_made(order: Order, tmp_path: Path) -> None:
    made(order, tmp_path)
    kept = whole.Kept.read(tmp_path, "figure4")
    assert kept.facts["name"] == "figure4"
    assert kept.pictures == [("figure4-drawn", "A line.")]
    assert json.loads((tmp_path / "figure4.json").read_text()) == kept.facts
