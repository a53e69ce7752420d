"""Stories of looking at neurons: first paint, sort, filter, inspect, panes, resize, quit."""

import pytest
from rich.cells import cell_len

from engine.home import Home
from tests.workbench.driving import opened, until
from tests.workbench.fake_run import DEAD, RARE, UNNAMED, make_run
from workbench.screens import panes


async def test_the_first_paint_shows_run_notice_and_keys_before_anything_is_read(demo: Home) -> None:
    async with opened(demo) as driver:
        assert driver.screen.view.neurons is None
        assert driver.rows[0].startswith(" monoscope  demo-mf  (simulated audience)")
        assert "Reading the neurons…" in driver.text
        assert driver.rows[-1].endswith("? keys ")


async def test_neurons_stand_purest_first_and_the_dead_one_last_in_words(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        order = list(driver.screen.table.order)
        assert order == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, DEAD]
        assert driver.pane("neurons")[1] == "▸  0 Comedy          · 1.00 ██████"
        assert driver.pane("neurons")[12] == "   5 (dead)          ·    –       "
        assert f"{UNNAMED} Children?" in driver.pane("neurons")[8]


async def test_the_inspector_shows_purity_beside_its_base_rate_and_the_top_items(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j")
        pane = driver.pane("inspector")
        assert pane[0].startswith("│ 2 ‹ Items 1/11 ›")
        assert pane[1].startswith("│ 1 Horror")
        assert "purity @10 0.98  @20 0.97  @50 0.95" in pane[3]
        assert "base rate 10%  lift 9.7  q .001" in pane[4]
        assert "fires on 15% of films  for 37% of users" in pane[5]
        assert [row.split()[-1] for row in pane[9:14]] == ["●", "●", "●", "●", "4.80"]
        assert driver.screen.command == "monoscope neuron demo-mf 1 -k 50"
        assert "$ monoscope neuron demo-mf 1" in driver.rows[-2]


async def test_unknown_and_dead_are_explained_where_they_show(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        driver.screen.table.choose(RARE)
        driver.screen.desk.choose(RARE)
        await driver.shows("@50 –")
        assert "fires on too few films to say" in driver.text
        await driver.press("G")
        assert driver.screen.view.current == DEAD
        await driver.shows("Dead: it fires on none of the films")


async def test_data_is_never_markup_and_wide_letters_align(demo: Home) -> None:
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        for neuron, title in enumerate(("[REC] (2007)", "[/x] closing nothing", "[@click=app.quit]click me")):
            assert title in driver.text, neuron
            await driver.press("j")
        assert "浜崎あゆみ 天国" in driver.text
        assert "\x1b" not in driver.text
        rows = [row for row in driver.pane("inspector") if "  ●" in row or "浜崎" in row]
        assert len({cell_len(row[: row.index("●")]) for row in rows}) == 1
        assert {cell_len(row) for row in driver.rows} == {160}


async def test_columns_sort_both_ways_with_the_unknown_last(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("s")
        assert driver.screen.table.order[0] == 11
        assert driver.screen.table.order[-1] == DEAD
        assert "p@20▲" in driver.pane("neurons")[0]
        await driver.press(">", ">", ">", ">", ">")
        assert driver.screen.table.sort == "items"
        assert "items▼" in driver.pane("neurons")[0]
        assert "21%" in driver.pane("neurons")[1]
        assert list(driver.screen.table.order)[:2] == [7, 2]
        await driver.press(*"<" * 7)
        assert driver.screen.table.sort == "name"
        names = [driver.screen.view.name(neuron) for neuron in driver.screen.table.order]
        assert (names[:3], names[-1]) == (["Children", "Children?", "Comedy"], "(dead)")


async def test_the_cursor_stays_on_its_neuron_when_the_order_changes(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j", "j", "j", "s", "greater_than_sign")
        assert driver.screen.table.current == driver.screen.view.current == 3


async def test_a_filter_narrows_as_it_is_typed_and_its_letters_never_act(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("slash", *"sciq")
        assert driver.app.is_running
        assert "filter: sciq" in driver.rows[-2]
        assert "0 of 12" in driver.rows[-2]
        assert "No neuron matches" in driver.text
        await driver.press("backspace")
        assert list(driver.screen.table.order) == [3, 9]
        assert driver.screen.view.current == 3
        await driver.press("enter", "j")
        assert driver.screen.view.current == 9
        assert "2/12 /sci" in driver.pane("neurons")[0]
        await driver.press("escape")
        assert len(driver.screen.table.order) == 12
        assert driver.screen.view.current == 9


async def test_a_label_is_found_by_the_filter_too(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("L")
        await driver.type("Night owls")
        await driver.press("slash", *"owl", "enter")
        assert list(driver.screen.table.order) == [0]


async def test_panes_take_turns_at_80_columns_and_stand_side_by_side_at_160(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        assert not driver.screen.pane("bench").display
        await driver.press("3")
        assert driver.screen.pane("bench").display
        assert not driver.screen.pane("inspector").display
        assert driver.screen.focused_pane == "bench"
        await driver.press("1", "enter")
        assert driver.screen.focused_pane == "inspector"
        await driver.press("tab", "3")
        assert driver.screen.focused_pane == "bench"
        await driver.pilot.resize_terminal(160, 45)
        await driver.shows("3 Bench")
        assert all(driver.screen.pane(name).display for name in ("neurons", "inspector", "bench"))
        assert "pop%" in driver.pane("neurons")[0]
        await driver.pilot.resize_terminal(80, 24)
        await driver.shows("3 [Bench]")


async def test_zoom_gives_one_pane_the_whole_width_and_back(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("z")
        assert driver.screen.pane("neurons").size.width == 80
        assert "lift" in driver.pane("neurons")[0]
        await driver.press("q")
        assert driver.app.is_running
        assert driver.screen.pane("neurons").size.width == 34


@pytest.mark.parametrize("size", [(50, 10), (80, 15), (1, 1)])
async def test_a_terminal_too_small_gets_a_sentence_and_work_goes_on_after(demo: Home, size: tuple[int, int]) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j")
        await driver.pilot.resize_terminal(*size)
        if size != (1, 1):
            assert "monoscope needs 60 columns" in " ".join(row.strip() for row in driver.rows)
        await driver.pilot.resize_terminal(80, 24)
        await driver.shows("2 ‹ Items 1/11 ›")
        await driver.press("j")
        assert driver.screen.view.current == 2


@pytest.mark.parametrize("size", [(60, 16), (80, 23), (100, 30), (240, 60)])
async def test_every_row_fills_its_width_exactly(demo: Home, size: tuple[int, int]) -> None:
    async with opened(demo, size=size) as driver:
        await driver.ready()
        await driver.press("i", "plus", "3")
        await driver.ranked()
        assert {cell_len(row) for row in driver.rows} == {size[0]}
        assert len(driver.rows) == size[1]
        assert driver.rows[-1].endswith("? keys ")
        assert "RBO 0.99" in driver.text


async def test_help_shows_keys_and_words_and_closes(demo: Home) -> None:
    async with opened(demo, size=(80, 40)) as driver:
        await driver.ready()
        await driver.press("2", "question_mark")
        await driver.shows("next pane; shift+tab goes back")
        await driver.press("G")
        await driver.shows("purity@20")
        await driver.press("q")
        assert driver.screen.view.current == 0


async def test_a_long_table_follows_its_cursor(home: Home) -> None:
    make_run(home.root, neurons=2000)
    async with opened(home) as driver:
        await driver.ready()
        await driver.press("G")
        table = driver.screen.table
        assert table.cursor == 1999
        assert driver.pane("neurons")[-1].startswith("▸")
        await driver.press("pageup")
        assert table.cursor == 1999 - (table.rows_height - 1)
        await driver.press("g")
        assert driver.pane("neurons")[1].startswith("▸")


async def test_of_views_within_a_frame_the_newest_alone_is_drawn(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        screen, drawn = driver.screen, list[int | None]()
        draw = screen._draw

        def heard() -> None:
            drawn.append(screen.view.current)
            draw()

        monkeypatch.setattr(screen, "_draw", heard)
        monkeypatch.setattr(panes, "FRAME_SECONDS", 3600.0)
        screen._drawn_at = -1e9
        await driver.press("j")
        assert drawn == [1], "a key after a pause is drawn at once"
        await driver.press("j", "j", "k")
        assert screen.view.current == 2, "every key counts"
        assert drawn == [1]
        screen.settle()
        screen.settle()
        assert drawn == [1, 2], "once, with the next frame"


async def test_a_key_that_needs_what_is_drawn_is_late_for_nothing(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit and a step on the bench in one burst: the step knows the edit."""
    async with opened(demo) as driver:
        await driver.ready()
        monkeypatch.setattr(panes, "FRAME_SECONDS", 3600.0)
        await driver.press("+", "j", "+", "3", "k")
        assert driver.screen.view.picked == 0
        await driver.press("j")
        assert driver.screen.view.picked == 1


async def test_the_next_frame_comes_by_itself(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        monkeypatch.setattr(panes, "FRAME_SECONDS", 0.2)
        await driver.press("j", "j")
        title = driver.screen.pane("inspector")
        await until(lambda: title.render_line(1).text.startswith("│ 2 "))


async def test_q_quits_with_exit_code_0(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("q")
    assert driver.app.return_code == 0


async def test_ctrl_c_quits_only_when_pressed_twice(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("ctrl+c")
        assert driver.app.is_running
        await driver.shows("ctrl+c again quits")
        await driver.press("ctrl+c")
    assert driver.app.return_code == 0


async def test_a_damaged_run_says_what_to_do_and_can_be_left(home: Home) -> None:
    (make_run(home.root) / "screen.npz").write_bytes(b"PK")
    async with opened(home) as driver:
        await driver.shows("cannot be read")
        assert str(driver.screen.view.fault).endswith("train the run again.")
        await driver.press("j", "i", "l", "plus", "s", "slash", "escape", "enter", "z", "z", "t", "u")
        assert driver.app.is_running
