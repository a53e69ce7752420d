"""Stories of changing what the model does for one user, and of what happens when the engine does not help."""

import json
import os
import shlex
import signal
from collections.abc import Callable

from engine.home import Home
from engine.session import Session
from tests.workbench.driving import opened, until
from tests.workbench.fake_run import DEAD, UNEDITABLE

EngineThat = Callable[[str], None]


async def test_a_neuron_on_the_bench_moves_the_list_step_by_step(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("j", "i")
        await driver.shows("3 [Bench]")
        await driver.ranked()
        assert "user 1 · 53 films seen · gender" not in driver.text
        assert "user 1 · 53 films seen · F · under 18" in driver.pane("bench")[1]
        assert driver.pane("bench")[5].split()[1:4] == ["1", "1", "="]
        await driver.press("plus", "plus")
        await driver.shows("+1.0")
        await driver.ranked()
        bench = driver.pane("bench")
        assert "▸ 1 Horror" in bench[2]
        assert "z 0.61→1.61" in bench[2]
        assert bench[5].split()[1:5] == ["1", "3", "▲", "2"]
        assert "left the list: Film 1 →31, Film 2 →32" in "".join(bench)
        assert "RBO 0.98  τ 0.96  kept 28 of 30" in "".join(bench)
        assert "Horror 13%→0%" in "".join(bench)
        assert driver.screen.command == "monoscope recommend demo-mf --user 1 --session demo-mf"
        assert "saved" in driver.rows[-2]
        assert "+1.0" in driver.pane("neurons")[2]


async def test_entrants_are_new_and_before_shows_who_goes_out(demo: Home) -> None:
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("plus")
        await driver.shows("new Film 31")
        await driver.press("t")
        await driver.shows("out Film 1 ")
        assert "[before]" in driver.text
        assert driver.pane("bench")[4].split()[1:4] == ["was", "now", "move"]
        await driver.press("t")
        await driver.shows("new Film 31")


async def test_undo_and_redo_walk_through_the_edits(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "plus", "j", "0")
        assert [edit["operation"] for edit in driver.screen.view.edits] == ["add", "off"]
        await driver.press("u")
        assert [edit["amount"] for edit in driver.screen.view.edits] == [1.0]
        await driver.press("u", "u")
        assert driver.screen.view.edits == ()
        await driver.press("u")
        await driver.shows("Nothing to undo.")
        await driver.press("U", "U", "U")
        assert [edit["operation"] for edit in driver.screen.view.edits] == ["add", "off"]
        await driver.press("U")
        await driver.shows("Nothing to redo.")


async def test_a_value_is_typed_and_nonsense_is_refused_in_a_sentence(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("equals_sign")
        await driver.type("x3")
        assert driver.screen.view.edits[0]["operation"] == "scale"
        await driver.press("equals_sign")
        await driver.type("much")
        await driver.shows("'much' is not a value")
        assert driver.screen.view.edits[0]["amount"] == 3.0
        await driver.press("d")
        assert driver.screen.view.edits == ()
        await driver.press("d")
        await driver.shows("Neuron 0 is not on the bench.")


async def test_values_that_no_user_has_are_marked(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("3", "minus", "minus")
        await driver.shows("! outside the range seen for any user")
        await driver.shows("z 0.61→-0.39 !")


async def test_neurons_that_cannot_be_edited_say_why(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        for neuron in (DEAD, UNEDITABLE):
            driver.screen.table.choose(neuron)
            driver.screen.desk.choose(neuron)
            await driver.press("i")
            assert driver.screen.view.edits == ()
            assert f"Neuron {neuron} never fires for a user" in driver.screen.status.message


async def test_j_and_k_on_the_bench_go_through_its_edits(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("i", "j", "j", "i", "3")
        assert driver.screen.view.current == 2
        await driver.press("k")
        assert driver.screen.view.current == 0
        await driver.press("plus")
        assert [edit["amount"] for edit in driver.screen.view.edits] == [0.5, 0.0]
        await driver.press("j", "j")
        assert driver.screen.view.current == 2
        assert driver.screen.pane("bench").scroll_offset.y == 1


async def test_the_user_is_picked_by_id_or_walked_to(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("p")
        await driver.type("17")
        await until(lambda: driver.screen.view.user == "17")
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "18")
        await driver.press("N")
        await until(lambda: driver.screen.view.user == "17")
        await driver.press("3")
        await driver.shows("user 17 ")


async def test_no_user_is_shown_with_the_list_of_another(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-rank")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.shows(" 1    1     = Film 1 ")
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "2")
        assert "Ranking…" in driver.text
        assert "53 films" not in driver.text
        await driver.shows(" 1    1     = Film 2 ")


async def test_an_unknown_user_is_a_sentence_and_nothing_changes(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("p")
        await driver.type("nobody")
        await driver.shows("There is no user 'nobody'; this run has 40 users, 1 to 40, and no cohort")
        assert driver.screen.view.user == "1"
        await driver.press("p", "escape")
        assert driver.screen.view.user == "1"


async def test_everything_is_journalled_before_it_shows(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        await driver.press("L")
        await driver.type("Laughs")
        await driver.press("n")
        await until(lambda: driver.screen.view.user == "2")
        state = Session.read(demo, "demo-mf")
        assert [edit["amount"] for edit in state.edits] == [0.5]
        assert state.labels[0].text == "Laughs"
        assert state.watched[-1] == "2"
    async with opened(demo) as driver:
        await driver.ready()
        assert "Restored 1 edit and 1 label of this session" in driver.screen.status.message
        assert "0 Laughs" in driver.pane("neurons")[1]
        assert driver.screen.view.user == "2"


async def test_a_second_terminal_reads_the_session_and_says_so(demo: Home) -> None:
    with Session.open(demo, "demo-mf", "demo-mf") as first:
        first.append("label", neuron=0, text="Laughs", state="human", concept=None, model=None, note=None)
        async with opened(demo) as driver:
            await driver.ready()
            assert "open in another terminal" in driver.screen.status.message
            assert "read-only" in driver.rows[0]
            assert "0 Laughs" in driver.pane("neurons")[1]
            await driver.press("plus")
            assert driver.screen.view.edits == ()
            assert "read-only here. Session demo-mf is open in another terminal" in driver.screen.status.message
            await driver.press("n")
            await until(lambda: driver.screen.view.user == "2")
            await driver.ranked()
        assert first.state.edits == ()


async def test_a_session_that_cannot_be_written_names_that_and_no_other_terminal(demo: Home) -> None:
    (demo.sessions / ".demo-mf.lock").mkdir(parents=True)
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        assert "read-only here. Session demo-mf can be read, not changed" in driver.screen.status.message
        assert "another terminal" not in driver.screen.status.message


async def test_undo_brings_the_bench_up_where_the_neurons_have_all_of_the_screen(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "z")
        for keys in ("u", "U"):
            await driver.press("1")
            if not driver.screen.arrangement[2]:
                await driver.press("z")
            assert not driver.screen.pane("bench").display
            await driver.press(keys)
            assert driver.screen.pane("bench").display, keys


async def test_a_session_of_another_run_is_refused_and_neurons_still_open(demo: Home) -> None:
    with Session.open(demo, "mine", "other-run") as other:
        other.append("watch", user="1")
    async with opened(demo, session="mine") as driver:
        await driver.ready()
        assert "mine" in driver.screen.status.message
        assert "other-run" in driver.screen.status.message
        assert "read-only" in driver.rows[0]
        await driver.press("j")
        assert driver.screen.view.current == 1


async def test_a_run_without_its_catalogue_says_what_is_missing(demo: Home, engine_that: EngineThat) -> None:
    engine_that("no-lists")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.shows("No catalogue of demo here")
        await driver.press("j")
        assert driver.screen.view.current == 1


async def test_an_engine_killed_mid_way_is_started_again_and_nothing_is_lost(demo: Home) -> None:
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("plus", "plus")
        await driver.ranked()
        first = driver.screen.engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await driver.shows("The engine ended (signal 9); it was started again, nothing is lost.")
        await driver.shows("RBO 0.98")
        assert driver.screen.engine.pid not in (None, first)
        assert [edit["amount"] for edit in driver.screen.view.edits] == [1.0]


async def test_an_engine_that_keeps_dying_is_left_alone_until_asked(demo: Home, engine_that: EngineThat) -> None:
    engine_that("die-on-rank")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("plus")
        await driver.shows("times within a minute")
        assert driver.screen.engine.pid is None
        engine_that("")
        await driver.press("plus")
        await driver.shows("RBO 0.98")


async def test_ctrl_c_ends_a_list_that_hangs(demo: Home, engine_that: EngineThat) -> None:
    engine_that("hang-on-rank")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        engine_that("")
        await driver.press("ctrl+c")
        await driver.shows("The engine was interrupted; it was started again")
        await driver.shows("RBO 0.99")


async def test_held_keys_end_on_the_list_of_the_last_edit(demo: Home, engine_that: EngineThat) -> None:
    engine_that("slow-rank")
    async with opened(demo, size=(160, 45)) as driver:
        await driver.ready()
        await driver.press("plus", "plus", "plus", "plus", "minus")
        await driver.shows("RBO 0.97")
        await driver.ranked()
        assert driver.screen.view.ranking is not None
        assert driver.screen.view.ranking.rbo == 0.97


async def test_the_copied_command_is_the_one_on_the_screen(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "y")
        assert driver.screen.command.startswith("monoscope recommend demo-mf --user 1")
        there = f"monoscope --home {shlex.quote(str(demo.root))} "  # a new shell would look elsewhere
        assert driver.app.clipboard == driver.screen.command.replace("monoscope ", there, 1)
        await driver.shows("(OSC 52)")


async def test_each_step_is_one_line_in_the_journal(demo: Home) -> None:
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus", "plus", "u")
    lines = (demo.sessions / "demo-mf.jsonl").read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["open", "edit", "edit", "undo"]
