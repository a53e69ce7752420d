"""An edit that a command computes: kept, only shown, or handed to the workbench that has its session open."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.home import Home
from engine.run import Run
from engine.session import Session
from tests.workbench.cli import Monoscope
from tests.workbench.driving import Driver, opened, until

JobsThat = Callable[[str], None]
LINE = "steer --neuron 1 --item 3 --set 2"


async def typed(driver: Driver, line: str = LINE) -> None:
    await driver.press("colon")
    await driver.type(line)


async def test_the_edit_of_a_command_comes_to_the_bench_and_undo_takes_it_back(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await typed(driver)
        await until(lambda: driver.screen.view.edits)
        await driver.ranked()
        assert "The edit of job 1 is on the bench" in driver.screen.status.message
        await driver.shows("for film")
        job = driver.screen.runner.jobs[0]
        assert job.command == f"monoscope {LINE.replace('steer', 'steer demo-mf')} --session demo-mf"
        await driver.press("u")
        assert driver.screen.view.edits == ()
        await driver.press("U")
        assert [edit["ids"] for edit in driver.screen.view.edits] == [["3"]]
    kept = [json.loads(line) for line in demo.session("demo-mf").read_text().splitlines()]
    assert next(one for one in kept if one["action"] == "edit")["measured"]["figures"] == {"rbo": 0.9}


async def test_figures_of_other_edits_are_not_kept_with_it(demo: Home, jobs_that: JobsThat) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await driver.press("plus")
        await typed(driver)
        await until(lambda: len(driver.screen.view.edits) == 2)
        assert "for the edits that there were" in driver.screen.status.message
    kept = [json.loads(line) for line in demo.session("demo-mf").read_text().splitlines()]
    assert all("measured" not in one for one in kept)


async def test_a_dry_run_a_failure_and_a_read_only_session_leave_the_bench_alone(
    demo: Home, jobs_that: JobsThat
) -> None:
    jobs_that("")
    async with opened(demo) as driver:
        await driver.ready()
        await typed(driver, f"{LINE} --dry-run")
        await driver.shows("Job 1 done")
        jobs_that("fail")
        await typed(driver)
        await driver.shows("Job 2 failed")
        assert driver.screen.view.edits == ()
    with Session.open(demo, "demo-mf", "demo-mf"):
        async with opened(demo) as driver:
            await driver.ready()
            await typed(driver)
            assert "it cannot be kept" in driver.screen.status.message
            assert driver.screen.runner.jobs == ()


@pytest.mark.parametrize("amount", [("--add", 1), ("--off",)])
def test_what_is_handed_over_is_the_edit_its_figures_and_what_it_lay_on(
    monoscope: Monoscope, demo_run: Run, tmp_path: Path, amount: tuple[object, ...]
) -> None:
    file, name = tmp_path / "edit.json", f"handing{len(amount)}"
    kept = {"side": "users", "neuron": 2, "operation": "add", "amount": 1.0, "unit": "p99"}
    with Session.open(demo_run.home, name, "demo") as journal:  # as the workbench has it
        journal.append("edit", edit=kept)
        answer = monoscope("steer", "demo", "--neuron", 3, "--users", "true", *amount, "--session", name,
                           "--replace", 1, "--hand-over", file)  # fmt: skip
        assert answer.code == 0, answer.err
        handed = json.loads(file.read_text())
        assert (handed["below"], handed["replaces"], handed["edit"]["where"]) == ([kept], 0, "true")
        state = journal.append("edit", **{key: handed[key] for key in ("edit", "replaces", "measured")})
    assert [edit["neuron"] for edit in state.edits] == [3]
    assert monoscope("sessions", "replay", name, "--json").json["same"] is True


def test_a_dry_run_is_laid_on_a_session_and_keeps_nothing(monoscope: Monoscope, demo_run: Run) -> None:
    words = ("steer", "demo", "--neuron", 3, "--users", "true", "--session", "drily")
    monoscope(*words, "--add", 1)
    answer = monoscope(*words, "--add=-1", "--dry-run")
    assert "session drily is as it was" in answer.out
    told = monoscope(*words, "--add=-1", "--dry-run", "--json").json
    assert told["collateral"]["lists_changed"] == 0
    assert monoscope(*words, "--off", "--serve", "decoded", "--dry-run").code == 0
    assert len(Session.read(demo_run.home, "drily").edits) == 1
    assert "no session 'never'" in monoscope(*words[:-1], "never", "--off", "--dry-run").err


def test_the_edits_of_a_session_are_measured_without_one_more(monoscope: Monoscope) -> None:
    words = ("steer", "demo", "--neuron", 3, "--users", "true", "--add", 1, "--session", "measured")
    kept = monoscope(*words, "--json").json
    again = monoscope("steer", "demo", "--users", "true", "--session", "measured", "--json").json
    assert again["collateral"] == kept["collateral"]
    assert again["after"] == kept["after"]
    nothing = monoscope("steer", "demo", "--users", "true", "--json").json
    assert nothing["collateral"]["lists_changed"] == 0
    assert monoscope("steer", "demo", "--items", "true").code == 2
    assert monoscope("steer", "demo", "--off").code == 2
    crossed = monoscope("steer", "demo", "--users", "true", "--session", "measured", "--guard", "rbo>=1.1")
    assert crossed.code == 1


def test_the_minimum_dose_is_kept_in_the_place_of_the_edit_of_its_neuron(monoscope: Monoscope, demo_run: Run) -> None:
    horror = next(n.neuron for n in demo_run.neurons if n.concept == "Horror" and n.named_by)
    with Session.open(demo_run.home, "dosed", "demo") as journal:
        for neuron in (horror, 3 if horror != 3 else 4):
            journal.append("edit", edit={"side": "users", "neuron": neuron, "operation": "add", "amount": 0.5})
    words = ("dose", "demo", "--neuron", horror, "--users", "true", "--goal", "share(Horror)<=5%", "--steps", 9)
    told = monoscope(*words, "--session", "dosed", "--keep", "--json").json
    assert told["replaces"] == 1
    edits = Session.read(demo_run.home, "dosed").edits
    assert [edit["amount"] for edit in edits] == [told["minimum"]["amount"], 0.5]
    assert monoscope("sessions", "replay", "dosed", "--json").json["same"] is True
    again = monoscope("steer", "demo", "--users", "true", "--session", "dosed", "--json").json
    assert again["after"]["concept_shares"]["Horror"] <= 0.05
    assert monoscope(*words, "--keep").code == 2
    refused = monoscope(*words[:-4], "--goal", "share(Horror)<=0", "--goal", "rbo>=1", "--session", "dosed", "--keep")
    assert (refused.code, "was left as it was" in refused.err) == (1, True)


def test_lists_of_several_users_are_told_with_what_the_edits_did(monoscope: Monoscope) -> None:
    monoscope("steer", "demo", "--neuron", 3, "--users", "true", "--add", 3, "--session", "printed")
    out = monoscope(*shlex.split("recommend demo --user v0001 --user v0002 --session printed")).out
    assert out.count("Rebuilt from the codes alone, without an edit: RBO") == 2
    assert out.count("neuron 3: ") == 2
    assert "left the list" in out
