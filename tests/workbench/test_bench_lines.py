"""What the bench says, as lines: no line too wide, columns that align, and the figures of the answers."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len, set_cell_size

from engine.text import plain
from tests.workbench.fake_engine import rank
from tests.workbench.fake_run import AWKWARD
from workbench.model import Code, Listed, Ranking, RunCard
from workbench.view import Cohort, Curve, View
from workbench.widgets.bench import SIDES, bench, side_line, which_list
from workbench.widgets.bench.lists import place_of
from workbench.widgets.line import Line, text_of, width_of

WIDTHS = (42, 70, 84, 120, 160)
EDITS: tuple[dict[str, Any], ...] = (
    {"side": "users", "neuron": 1, "operation": "add", "amount": 1.0, "unit": "p99"},
    {"side": "users", "neuron": 7, "operation": "off", "amount": None, "unit": "p99", "where": "age = '[red]18[/]'"},
    {"side": "items", "neuron": 2, "operation": "set", "amount": 0.25, "unit": "raw", "ids": ["5", "6", "7", "8"]},
    {"goal": "share(Horror)<=0.02", "amounts": "hash", "on": False},
)


def ranking(user: str, edits: tuple[dict[str, Any], ...] = EDITS[:1]) -> Ranking:
    return Ranking.of(rank({"user": user, "edits": list(edits)}), "film")


def view(users: tuple[str, ...] = ("1",), **changes: Any) -> View:
    rankings = {user: ranking(user) for user in users}
    start = View(
        RunCard("demo-mf", item_word="film"),
        "demo",
        current=1,
        edits=EDITS[:1],
        user=users[-1],
        ranking=rankings[users[-1]],
        rankings=rankings,
        watched=users,
        lists=None,
    )
    return replace(start, **changes)


def texts(lines: list[Line]) -> list[str]:
    return [text_of(line).rstrip() for line in lines]


def test_one_user_is_shown_as_ever() -> None:
    shown = bench(view(), 44)
    rows = texts(shown.rows)
    assert rows[0] == "user 1 · 53 films seen · F · under 18"
    assert rows[1].split() == ["1▸", "1", "z", "0.61→1.61", "+1.0"]
    assert rows[3].split() == ["now", "was", "move", "film", "score"]
    assert rows[4].split() == ["1", "3", "▲", "2", "Film", "3", "0.99"]
    assert texts(shown.foot) == [
        "left the list: Film 1 →31, Film 2 →32",
        "RBO 0.98  τ 0.96  kept 28 of 30",
        "rebuilt, unedited: RBO 0.82  kept 25 of 30",
        "Horror 13%→0%",
        "",
    ]


def test_how_faithful_the_codes_are_is_told_without_an_edit_too() -> None:
    assert texts(bench(view(edits=(), ranking=ranking("1")), 44).foot) == ["rebuilt, unedited: RBO 0.82  kept 25 of 30"]
    unknown = replace(ranking("1"), rebuilt=None)
    assert texts(bench(view(edits=(), ranking=unknown), 44).foot) == []


def test_the_stack_tells_of_each_edit_what_it_does_and_for_whom() -> None:
    outside = replace(ranking("1"), codes={1: Code(0.5, 9.75, True)})
    shown = bench(view(edits=EDITS, ranking=outside), 60)
    rows = texts(shown.rows)
    assert rows[1].split() == ["1▸", "1", "z", "0.50→9.75", "!", "+1.0"]
    assert rows[2].split() == ["2", "7", "z", "–", "off"]
    assert rows[3] == "   for users where age = '[red]18[/]'"
    assert rows[4].split() == ["3", "2", "=0.25r"]
    assert rows[5] == "   for items 5, 6, 7 and 1 more"
    assert rows[6].split() == ["4", "share(Horror)<=0.02", "waits", "solved"]
    assert rows[7] == "   for every user"
    assert rows[8] == "! outside the range seen for any user"
    assert shown.edit_at == {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}


def test_where_rows_are_few_the_list_keeps_four_and_the_stack_folds_to_the_edit_of_the_cursor() -> None:
    shown = bench(view(edits=EDITS, picked=1), 30, 12)
    rows = texts(shown.rows)
    assert rows[1].split()[:4] == ["2", "of", "4▸", "7"]
    assert sum("of 4" in row for row in rows) == 1
    head = next(at for at, row in enumerate(rows) if row.split()[:1] == ["now"])
    assert len(shown.rows[: head + 1]) + 4 + len(shown.foot) <= 12
    assert "RBO 0.98" in texts(shown.foot)[-1]
    assert set(shown.edit_at.values()) == {1}
    assert texts(bench(view(edits=EDITS, picked=1), 30, 40).rows) == texts(bench(view(edits=EDITS, picked=1), 30).rows)


def test_the_exact_places_of_an_edited_item_are_told_as_far_as_there_is_room() -> None:
    told = replace(ranking("1"), places={"x": (1204, 107), "y": (None, None), "3": (9, 7)})
    assert text_of(place_of(told, "x", "film Contact (1997)", 60)).rstrip() == (
        "film Contact (1997): place 1,204 → 107, list ends at 30"
    )
    assert text_of(place_of(told, "x", "film Contact (1997)", 38)).rstrip() == "film Contact (1997): place 1,204 → 107"
    assert text_of(place_of(told, "x", "film Contact (1997)", 30)).rstrip() == "film Contact (199… 1,204 → 107"
    assert text_of(place_of(told, "y", "film B", 60)).rstrip() == "film B: may not be recommended to this user"
    assert text_of(place_of(told, "3", "film C", 60)).rstrip() == "film C: place 9 → 7"
    assert text_of(place_of(told, "1", "film D", 60)).rstrip() == "film D: place 1 → 31, list ends at 30"
    assert text_of(place_of(told, "z", "film E", 60)).rstrip() == "film E: not in the first 30"


def test_beside_each_other_each_list_tells_the_items_places() -> None:
    edits = ({**EDITS[0], "side": "items", "ids": ["x"]},)
    rankings = {user: replace(ranking(user), places={"x": (1204, place)}) for user, place in (("1", 107), ("2", 9))}
    rows = texts(bench(view(("1", "2"), edits=edits, rankings=rankings, ranking=rankings["2"]), 90).rows)
    assert any("1,204 → 107" in row and "1,204 → 9" in row for row in rows)


def test_an_edit_for_other_ids_tells_that_the_watched_user_is_not_meant() -> None:
    edit = {**EDITS[0], "ids": ["8", "9"]}
    assert "not this user" in texts(bench(view(edits=(edit,)), 60).rows)[1]


def test_what_waits_for_its_list_says_so() -> None:
    assert "Ranking…" in texts(bench(view(ranking=None, rankings={}), 60).rows)
    rows = texts(bench(view(("1", "2"), rankings={"1": ranking("1")}, ranking=None), 100).rows)
    assert rows[5].endswith("  Ranking…")


def test_an_engine_that_has_no_lists_and_a_bench_without_a_user_are_sentences() -> None:
    assert texts(bench(view(lists="No catalogue here."), 60).rows) == ["No catalogue here."]
    nobody = view(user=None, ranking=None, rankings={}, watched=())
    assert texts(bench(replace(nobody, edits=()), 60).rows) == ["No user to watch yet: p picks one."]
    assert "1" in texts(bench(nobody, 60).rows)[1]


@pytest.mark.parametrize("width", [102, 120, 160])
@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("flipped", [False, True])
def test_lists_of_several_users_stand_in_columns(width: int, number: int, flipped: bool) -> None:
    users = ("1", "2", "15", "40")[:number]
    awkward = replace(
        ranking("2"), **{side: [Listed(n, plain(title), 0.5, n + 1) for n, title in enumerate(AWKWARD[3:], 1)]
                         for side in ("before", "after")}
    )  # fmt: skip
    shown = view(users, flipped=flipped)
    shown = replace(shown, rankings={**shown.rankings, "2": awkward})
    if shown.user == "2":
        shown = replace(shown, ranking=awkward)
    rows = bench(shown, width).rows
    column = (width - 2 * (number - 1)) // number
    head = next(at for at, row in enumerate(rows) if text_of(row).lstrip().startswith("user 1 "))
    for row in rows[head:]:
        for at in range(1, number):
            assert _cell(row, at * (column + 2) - 2) == "  "
    for place, user in enumerate(users):
        start = place * (column + 2)
        assert _cell(rows[head], start, column).startswith(f"user {user} · ")
        assert _cell(rows[head + 1], start, 9).split()[0] == ("was" if flipped else "now")
        assert [_cell(row, start, 3) for row in rows[head + 2 : head + 5]] == ["  1", "  2", "  3"]
        room = 15 if column >= 36 else 8
        assert _cell(rows[head + 1], start + room, 4) == "film"
        list_ = shown.rankings[user].before if flipped else shown.rankings[user].after
        for row, item in zip(rows[head + 2 :], list_, strict=False):
            assert _cell(row, start + room, 4) == set_cell_size(item.title, 4).rstrip()
    assert {width_of(row) for row in rows[head:]} == {width_of(rows[head])}


def _cell(row: Line, start: int, size: int = 2) -> str:
    """The cells of a row from `start`; a wide character belongs to its first one."""
    text, at = "", 0
    for character in text_of(row):
        if start <= at < start + size:
            text += character
        at += cell_len(character)
    return text


def test_below_several_lists_stand_their_figures_and_the_means() -> None:
    first, second = ranking("1"), replace(ranking("2"), rbo=0.5, tau=0.3, kept=21, shares=[])
    shown = bench(view(("1", "2"), rankings={"1": first, "2": second}, ranking=second), 90)
    foot = texts(shown.foot)
    assert foot[0].split("  ")[0] == "RBO 0.98"
    assert "RBO 0.50  kept 21 of 30" in foot[0][44:]
    assert foot[1] == "mean of 2: RBO 0.74  τ 0.63  kept 24.5"
    assert foot[2] == "rebuilt, mean of 2: RBO 0.82  kept 25.0"
    assert foot[3] == "left: Film 2 (2 lists), Film 1, Film 3"
    assert foot[4] == "Horror 13%→0% (1 of 2)"


def test_where_there_is_no_room_the_last_list_stands_alone_and_names_the_others() -> None:
    shown = bench(view(("1", "2", "3")), 60)
    rows = texts(shown.rows)
    assert rows[0].startswith("user 3 · ")
    assert rows[1] == "also watched: 1, 2"
    assert texts(shown.foot)[0] == "RBO 0.98  τ 0.96  kept 28 of 30"
    assert texts(shown.foot)[1].startswith("mean of 3: RBO 0.98")


def test_the_title_says_what_is_shown() -> None:
    assert text_of(side_line(view(side="cohort"))) == " list  [cohort]  curve "
    assert text_of(which_list(view(flipped=True))) == "[before]  after "
    assert which_list(view(side="curve")) == which_list(view(edits=())) == ()


def test_sides_that_wait_or_fail_say_so() -> None:
    for side, waiting, failed in (
        ("cohort", Cohort("age < 18"), Cohort("age < 18", fault="No user matches.")),
        ("curve", Curve(3), Curve(3, fault="Neuron 3 never fires.")),
    ):
        assert "Measuring…" in texts(bench(view(side=side, **{side: waiting}), 60).rows)
        rows = texts(bench(view(side=side, **{side: failed}), 60).rows)
        assert failed.fault in rows
        assert "Measuring…" not in rows


@given(data=st.data(), width=st.integers(20, 160))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_line_is_too_wide_whatever_is_missing(data: st.DataObject, width: int) -> None:
    users = tuple(
        data.draw(st.lists(st.sampled_from(["1", "2", "浜崎あゆみ", "x" * 60, "[b]u"]), max_size=4, unique=True))
    )
    made = {user: _ranking(data, user) for user in users if data.draw(st.booleans())}
    user = data.draw(st.sampled_from([None, *users]))
    shown = View(
        RunCard("demo-mf", item_word=data.draw(st.sampled_from(["film", "アルバム"]))),
        "demo",
        current=data.draw(st.sampled_from([None, 1, 7])),
        labels={},
        edits=tuple(data.draw(st.lists(st.sampled_from(EDITS), max_size=12))),
        user=user,
        ranking=None if user is None else made.get(user),
        rankings=made,
        watched=users,
        lists=None,
        flipped=data.draw(st.booleans()),
        side=data.draw(st.sampled_from(SIDES)),
        cohort=data.draw(
            st.sampled_from([None, Cohort("a = '浜崎'"), Cohort("x" * 200, {}), Cohort("", None, "No " * 60)])
        ),
        curve=data.draw(st.sampled_from([None, Curve(1), Curve(1, {}), Curve(1, None, "No " * 60)])),
    )
    made_bench = bench(shown, width)
    for line in (*made_bench.rows, *made_bench.foot):
        assert width_of(line) <= width, text_of(line)
    assert set(made_bench.edit_at) <= set(range(len(made_bench.rows)))


def _ranking(data: st.DataObject, user: str) -> Ranking:
    titles = st.sampled_from([*(title for title in AWKWARD if title.isprintable()), "", "x" * 200])
    ranks = st.sampled_from([None, 1, 5, 31, 62_423])
    made = [
        [Listed(n, data.draw(titles), 1234.5, data.draw(ranks)) for n in range(1, data.draw(st.integers(0, 4)) + 1)]
        for _ in range(3)
    ]
    codes = {1: Code(0.1, -1234.5, data.draw(st.booleans()))}
    shares = data.draw(st.lists(st.sampled_from([("Horror", 0.1, 0.0), ("浜崎" * 30, 0.5, 0.25)]), max_size=2))
    return Ranking(user, ["53 films seen"], codes, *made, float("nan"), 0.5, 3, shares)
