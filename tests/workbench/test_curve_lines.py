"""What the bench says of a dose curve: its points in a table, its shape in a chart, and three marks."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.view import Curve
from workbench.widgets.curve import HEIGHT, curve_lines
from workbench.widgets.line import text_of, width_of

POINTS = [(-1.0, 0.0, 0.45, 0.149), (0.0, 0.085, 1.0, 0.215), (1.0, 0.885, 0.117, None), (2.0, 0.999, 0.043, 0.018)]
FACTS: dict[str, Any] = {
    "neuron": 4,
    "operation": "add",
    "concept": "Horror",
    "users": 222,
    "k": 30,
    "start": 0.0,
    "observed": {"most": 7.5, "p99": 5.0},
    "points": [{"amount": a, "share": s, "rbo": r, "ndcg10": n} for a, s, r, n in POINTS],
}
EDIT = {"side": "users", "neuron": 4, "operation": "add", "amount": 1.0, "unit": "p99"}


def lines(facts: Any = FACTS, edit: Any = EDIT, width: int = 46) -> list[str]:
    return [text_of(line).rstrip() for line in curve_lines(Curve(4, facts), "Scary", edit, width)]


def test_the_table_has_the_points_and_marks() -> None:
    told = [row.split() for row in lines()]
    assert told[-5:] == [
        ["amount", "share", "RBO", "NDCG@10"],
        ["-1.0", "0.0%", "0.450", "0.149"],
        ["0.0", "┼", "8.5%", "1.000", "0.215"],
        ["+1.0", "▲", "88.5%", "0.117", "–"],
        ["+2.0", "·", "99.9%", "0.043", "0.018"],
    ]
    assert "▲ now +1.0  ┼ 0.0 changes nothing" in lines()
    assert "· every user beyond the range seen" in lines()
    assert "most seen for any user 1.50 p99" in lines()


def test_marks_stand_where_their_amounts_are() -> None:
    rows = lines(width=6 + 31)
    axis = next(row for row in rows if "└" in row)
    assert axis.index("┼") == 6 + 10
    assert next(row for row in rows if row.strip() == "▲").index("▲") == 6 + 20
    assert axis.index("·") == 6 + 26
    assert rows[rows.index(axis) + 2].split() == ["-1.0", "0.0", "+2.0"]


def test_charts_rise_and_fall_with_their_figures_and_leave_out_what_is_unknown() -> None:
    rows = lines(width=6 + 31)
    share, rbo, ndcg = (rows.index(f"      {name}") for name in ("share of Horror", "RBO", "NDCG@10"))
    top, bottom = rows[share + 1], rows[share + HEIGHT]
    assert (top[:6], bottom[:6]) == (" 100%┤", "    0┤")
    assert (top[36], top[6:16].strip(), bottom[6], bottom[36]) == ("█", "", "▁", "█")
    assert rows[rbo + 1].rstrip()[16] == "█"
    assert rows[ndcg + HEIGHT][6 + 16 : 6 + 25].strip() == ""
    assert rows[ndcg + 1][:6] == "0.215┤"


def test_only_what_is_measured_is_drawn_and_what_is_best_reaches_the_top() -> None:
    rows = lines(width=6 + 30)  # no cell is at the very amount 0.0
    share, rbo = (rows.index(f"      {name}") for name in ("share of Horror", "RBO"))
    assert "█" in rows[rbo + 1]
    drawn = rows[share + HEIGHT][6:36]
    assert len({*drawn} - {" "}) == 3  # a height each for 0, 8.5 %, and the two that fill the row
    assert drawn.count(" ") == 3


def test_the_axis_is_below_the_first_chart_too() -> None:
    rows = lines()
    axes = [at for at, row in enumerate(rows) if "└" in row]
    assert axes == [rows.index("      share of Horror") + HEIGHT + 1, rows.index("      NDCG@10") + HEIGHT + 1]


def test_a_dose_beyond_the_amounts_is_said_to_be_off_the_chart() -> None:
    rows = lines(edit={**EDIT, "amount": 15.0})
    assert any("now +15.0, off this chart" in row for row in rows)
    assert "▲" not in "".join(rows)


def test_an_edit_of_another_kind_is_not_on_the_axis() -> None:
    for edit in (None, {**EDIT, "operation": "set"}, {**EDIT, "unit": "raw"}):
        assert "▲" not in "".join(lines(edit=edit))
    off = {**EDIT, "operation": "off", "amount": None}
    assert "▲ now ×0.0" in "".join(lines({**FACTS, "operation": "scale"}, off))


def test_an_item_brings_its_reach_and_rank() -> None:
    points = [{**point, "reach": 0.25, "rank": 1234.5 if at else 7.0} for at, point in enumerate(FACTS["points"])]
    told = [
        row.split() for row in lines({**FACTS, "item": {"item_id": "7", "title": "[REC]"}, "points": points}, width=60)
    ]
    assert ["amount", "share", "reach", "rank", "RBO", "NDCG@10"] in told
    assert ["-1.0", "0.0%", "25.0%", "7.0", "0.450", "0.149"] in told
    assert ["+2.0", "·", "99.9%", "25.0%", "1,234", "0.043", "0.018"] in told


def test_whom_it_was_measured_on_is_told() -> None:
    assert "add, in p99 · 222 users drawn from 3,000 · top 30" in lines({**FACTS, "of": 3000}, width=60)
    assert "add, in p99 · user 17 · top 30" in lines({**FACTS, "user": "17"}, width=60)


def test_set_to_nothing_is_off_and_not_without_effect() -> None:
    facts = {**FACTS, "operation": "set"}
    assert "┼ =0.0 switches it off" in "".join(lines(facts, None))
    assert next(row for row in lines(facts, None) if row.startswith("=-1.0")).split()[1] == "·"


def test_an_answer_without_points_says_so() -> None:
    assert lines({})[-1] == "No amount was measured."
    assert lines(None) == ["dose of neuron 4 Scary", "Measuring…"]
    assert text_of(curve_lines(None, "", None, 60)[0]) == "No dose curve is measured yet."


FIGURE = st.sampled_from([None, 0.0, 0.004, 0.5, 1.0, float("nan")])


@given(
    width=st.integers(20, 160),
    points=st.lists(
        st.fixed_dictionaries(
            {"amount": st.floats(-1e6, 1e6)}, optional={"share": FIGURE, "rbo": FIGURE, "ndcg10": FIGURE}
        ),
        max_size=30,
    ),
    kept=st.sets(st.sampled_from(sorted(FACTS))),
    operation=st.sampled_from(["add", "set", "scale", "cap"]),
    edit=st.sampled_from([None, EDIT, {**EDIT, "operation": "off", "amount": None}]),
)
@settings(max_examples=150, deadline=None)
def test_no_part_of_an_answer_is_needed(
    width: int, points: list[dict[str, Any]], kept: set[str], operation: str, edit: Any
) -> None:
    facts = {key: FACTS[key] for key in kept} | {"operation": operation, "points": points}
    for line in curve_lines(Curve(4, facts), "浜崎あゆみ" * 9, edit, width):
        assert width_of(line) <= width, text_of(line)
