"""Figures and cells: what a row of text promises."""

import math

import pytest
from rich.cells import cell_len

from workbench.widgets.line import bar, cut, decimal, ends, fit, packed, percent, small, text_of, times, width_of, wrap


@pytest.mark.parametrize("text", ["abc", "浜崎あゆみ 天国", "é́clair", "שלום עולם", "", "x" * 100])
@pytest.mark.parametrize("width", [0, 1, 2, 9, 10, 40])
def test_text_takes_exactly_the_cells_it_is_given(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert width_of(cut(((text, "dim"), (text, "")), width)) == width


def test_a_cut_text_says_so_and_a_whole_one_does_not() -> None:
    assert fit("Airplane!", 6) == "Airpl…"
    assert fit("Airplane!", 9) == "Airplane!"


def test_the_right_end_of_a_row_survives_when_both_do_not_fit() -> None:
    assert text_of(ends((("a long beginning", ""),), ((" end", ""),), 10)) == "a lon… end"


def test_unknown_figures_are_a_dash_and_known_ones_never_are() -> None:
    assert [decimal(math.nan), percent(math.nan), times(math.nan), small(math.nan)] == ["–"] * 4
    assert [decimal(0.0), percent(0.0), times(0.0), small(0.0)] == ["0.00", "0%", "0.0", "<.001"]


def test_small_shares_are_not_rounded_to_nothing() -> None:
    assert (percent(0.004), percent(0.5)) == ("0.4%", "50%")
    assert (small(0.0004), small(0.0321)) == ("<.001", ".032")


def test_a_bar_grows_by_eighths_and_an_unknown_one_is_empty() -> None:
    assert [bar(share, 2) for share in (0.0, 1 / 16, 0.5, 1.0, 7.0, math.nan)] == ["  ", "▏ ", "█ ", "██", "██", "  "]


def test_wrapping_loses_no_word_and_breaks_what_is_too_long() -> None:
    text = "one two 浜崎あゆみ浜崎あゆみ three"
    rows = wrap(text, 8)
    assert all(cell_len(row) <= 8 for row in rows)
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("width", [-3, 0, 1, 2, 3])
def test_wrapping_ends_in_any_width(width: int) -> None:
    assert "".join(wrap("浜崎あゆみ abc", width)).replace(" ", "") == "浜崎あゆみabc"


def test_pieces_are_packed_whole() -> None:
    assert packed(["Horror 13%→0%", "Drama 2%→4%", "War 0%→3%"], 28) == ["Horror 13%→0% · Drama 2%→4%", "War 0%→3%"]
