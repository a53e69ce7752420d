"""Bars, columns and curves: what is drawn is what the figures say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.widgets.charts import bars, columns, curve, histogram, in_ascii
from workbench.widgets.line import text_of, width_of

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=30)


def test_the_largest_fills_its_bar_and_nothing_but_zero_is_empty() -> None:
    assert bars([4.0, 2.0, 0.0, 1e-9, math.nan, -4.0], 4) == ["████", "██  ", "    ", "▏   ", "    ", "████"]
    assert bars([0.0, 0.0], 2) == ["  ", "  "]


def test_columns_grow_by_eighths_over_their_rows() -> None:
    assert columns([8.0, 4.0, 0.0, 0.001, math.nan, -3.0]) == ["█▄ ▁  "]
    assert columns([2.0, 1.0, 1.5], 2) == ["█ ▄", "███"]


@given(VALUES, st.integers(1, 6))
def test_columns_take_one_cell_a_value(values: list[float], height: int) -> None:
    rows = columns(values, height)
    assert [len(row) for row in rows] == [len(values)] * height


def test_a_histogram_says_from_where_to_where_and_how_many() -> None:
    rows = [text_of(line) for line in histogram([0.0, 0.5, 1.0, 1.5], [0, 1234, 617], "films", 39)]
    assert rows[0].split() == ["activation", "films"]
    assert [row.split()[:2] for row in rows[1:]] == [["0.00–0.50", "0"], ["0.50–1.00", "1,234"], ["1.00–1.50", "617"]]
    assert rows[2].count("█") == 2 * rows[3].count("█") > 0


def test_bins_are_added_up_and_none_is_lost() -> None:
    counts = list(range(23))
    rows = [text_of(line).split() for line in histogram([n / 10 for n in range(24)], counts, "films", 60)][1:]
    assert len(rows) == 8
    assert sum(int(row[1]) for row in rows) == sum(counts)
    assert (rows[0][0], rows[-1][0]) == ("0.00–0.30", "2.10–2.30")


@pytest.mark.parametrize("edges", [[], [0.0], [0.0, 1.0]])
def test_a_histogram_whose_edges_do_not_fit_is_not_drawn(edges: list[float]) -> None:
    assert histogram(edges, [1, 2], "films", 40) == []


def test_a_curve_has_its_ends_in_figures_and_a_gap_where_nothing_is_known() -> None:
    points = [("x0", 1.0), ("x1", math.nan), ("x2", 3.0)]
    rows = [text_of(line) for line in curve(points, 17, height=2)]
    assert rows == ["3.00         ████", "1.00 ▁▁▁▁    ████", "     x0        x2"]
    assert curve([("a", math.nan)], 40) == []


@given(st.lists(st.tuples(st.text(max_size=5), st.floats(-99, 99)), min_size=1, max_size=20), st.integers(5, 140))
def test_a_curve_fits_its_width(points: list[tuple[str, float]], width: int) -> None:
    assert all(width_of(line) <= width for line in curve(points, width))


def test_ascii_keeps_every_column_and_every_letter_of_the_data() -> None:
    line = ((" ▏▎▍▌▋▊▉█▁▂▃▄▅▆▇", "bar"), ("● ▸ ▲ ▼ … · – → × ‹ › ✓ ✗ “ ” ≤ ≥ ─ └ ┤ ┼", ""), (" 浜崎 é", ""))
    told = in_ascii(line)
    assert width_of(told) == width_of(line)
    assert text_of(told[:2]).isascii()
    assert told[2] == line[2]


def test_letters_that_an_encoding_lacks_are_question_marks_as_wide() -> None:
    line = (("é 浜崎 …", ""),)
    assert in_ascii(line, "latin-1") == (("é ???? ~", ""),)
    assert in_ascii(line, "ascii") == (("? ???? ~", ""),)
